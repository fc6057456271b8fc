"""Calibration and experiment metadata, entered by hand for one record or for many, and taken back again.

The rule of this room: each record is one commit, so that its history has it; one that fails does not stop the others; and
what happened is returned, with the values before, so that it can be undone. What is not named in an edit stays as it is.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TypeAlias

from kymflow_core.calibration import BY_HAND, positive
from kymflow_core.errors import KymflowError, MetadataError
from kymflow_core.images.metadata import EXPERIMENT, RecordMetadata, change_metadata
from kymflow_core.images.metadata_fields import (
    ACCEPTED,
    CALIBRATION,
    CHOICES,
    Field,
    can_be_entered,
    is_same,
    values_of,
    with_values,
)
from kymflow_core.images.ome_metadata import follow_header
from kymflow_core.indexers import INDEXERS, DatasetIndexer
from kymflow_core.tables.extraction import FAILURES, statements_of
from kymflow_zarr import JsonObject, JsonValue, Watch, ZarrDataset, ZarrImageRecord
from kymflow_zarr.counted import counted
from kymflow_zarr.errors import KymflowZarrError
from kymflow_zarr.watch import UNWATCHED

_FAILURES = (KymflowError, KymflowZarrError, OSError)


@dataclass(frozen=True, slots=True, kw_only=True)
class MetadataEdit:
    """What is entered; None, and an entry of the experiment that is not named, stays as it is.

    `experiment` has texts, numbers, true, false, or None, which clears an entry.

    Raises
    ------
    MetadataError
        When a number is not above 0 and finite, or an entry is something else; the message names all of them.
    """

    seconds_per_line: float | None = None
    um_per_pixel: float | None = None
    experiment: JsonObject = field(default_factory=dict)
    accepted: bool | None = None

    def __post_init__(self) -> None:
        wrong = [
            f"{name} must be a number above 0, not {value!r}"
            for name, value in (("seconds_per_line", self.seconds_per_line), ("um_per_pixel", self.um_per_pixel))
            if value is not None and positive(value) is None
        ]
        for key, value in self.experiment.items():
            if not isinstance(key, str) or not key.strip():
                wrong.append(f"an entry of the experiment needs a name, not {key!r}")
            elif not can_be_entered(value):
                wrong.append(f"{key} must be text, a number, true, false or nothing, not {value!r}")
            elif key in CHOICES and value not in (*CHOICES[key], "", None):
                wrong.append(f"{key} must be {', '.join(CHOICES[key])} or nothing, not {value!r}")
        if self.accepted is not None and not isinstance(self.accepted, bool):
            wrong.append(f"accepted must be true or false, not {self.accepted!r}")
        if wrong:
            raise MetadataError("; ".join(wrong))

    @property
    def is_empty(self) -> bool:
        """Whether nothing is entered."""
        return not self.experiment and self.accepted is None and self.seconds_per_line is None and self.um_per_pixel is None

    def apply(self, metadata: JsonObject) -> dict[Field, JsonValue]:
        """Return the fields that the edit gives metadata other values in, and these values."""
        wanted: dict[Field, JsonValue] = {}
        now = RecordMetadata.from_json(metadata).header
        seconds, um = self.seconds_per_line, self.um_per_pixel
        if (seconds is not None and seconds != now.seconds_per_line) or (um is not None and um != now.um_per_pixel):
            values = (
                now.seconds_per_line if seconds is None else float(seconds),
                now.um_per_pixel if um is None else float(um),
                BY_HAND,
            )
            wanted |= dict(zip(CALIBRATION, values, strict=True))
        entered: dict[Field, JsonValue] = {(EXPERIMENT, key): value for key, value in self.experiment.items()}
        if self.accepted is not None:
            entered[ACCEPTED] = self.accepted
        held = values_of(metadata, entered)
        wanted |= {one: value for one, value in entered.items() if one not in held or not is_same(held[one], value)}
        return wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordChange:
    """What was changed in one record: the values before and after, by field; one that is in neither was not there.

    The fields of the calibration are together in it, also those that stayed. `made` are the sections that were not there.
    """

    image_id: str
    name: str
    before: Mapping[Field, JsonValue]
    after: Mapping[Field, JsonValue]
    made: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NotChanged:
    """A record that could not be changed, or not all of it, and why."""

    image_id: str
    name: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EditReport:
    """What an edit did; `undo_edit` takes it back.

    `unchanged` are the ids of records that had the values already. `kept` are records that keep other values of their own
    than `fill_experiment` would have entered.
    """

    changed: tuple[RecordChange, ...] = ()
    unchanged: tuple[str, ...] = ()
    failed: tuple[NotChanged, ...] = ()
    kept: tuple[NotChanged, ...] = ()
    is_cancelled: bool = False

    def summary(self) -> str:
        """Return one line, such as "3 records changed, 1 had these values already; 1 failed: scan 7: …"."""
        text = f"{counted(len(self.changed), 'record')} changed"
        if self.unchanged:
            text += f", {len(self.unchanged)} had these values already"
        if self.kept:
            text += f", {len(self.kept)} keep{'s' if len(self.kept) == 1 else ''} other values"
        if self.failed:
            first = self.failed[0]
            text += f"; {len(self.failed)} failed: {first.name}: {first.reason}"
        return f"Cancelled: {text}" if self.is_cancelled else text


@dataclass(frozen=True, slots=True, kw_only=True)
class EditPreview:
    """What an edit would do.

    `changed` are the ids of the records that it changes. `outdated` are the records whose results become outdated, each
    with the ids of the ROIs that these are of; of a record whose results name no ROI there are none.
    """

    changed: tuple[str, ...] = ()
    outdated: Mapping[str, frozenset[int]] = field(default_factory=dict)

    @property
    def n_outdated_rois(self) -> int:
        """How many ROIs have results that become outdated, in all records."""
        return sum(map(len, self.outdated.values()))


def edit_metadata(
    dataset: ZarrDataset | str | Path,
    image_ids: Iterable[str],
    edit: MetadataEdit,
    *,
    watch: Watch = UNWATCHED,
) -> EditReport:
    """Enter calibration and experiment metadata for some records of a dataset.

    The source of a calibration becomes "entered by hand". Where another program saves a record in the same moment, its
    metadata are read again and the edit is made once more on top.

    Parameters
    ----------
    dataset
        The dataset, or its path.
    image_ids
        The records.
    edit
        What is entered.
    watch
        Shows after each record how far the work is; when cancelled, what was changed by then stays.

    Examples
    --------
    >>> report = edit_metadata("lab.zarr", [image_id], MetadataEdit(um_per_pixel=0.284))  # doctest: +SKIP
    >>> undo_edit("lab.zarr", report)  # doctest: +SKIP
    """
    return _each(dataset, image_ids, lambda record, metadata: _plan_edit(edit, metadata), watch)


def fill_experiment(
    dataset: ZarrDataset | str | Path, entries: Mapping[str, JsonObject], *, watch: Watch = UNWATCHED
) -> EditReport:
    """Enter experiment metadata, of each record its own, where it has nothing there.

    Parameters
    ----------
    dataset
        The dataset, or its path.
    entries
        The entries of each record, by image id.
    watch
        As in `edit_metadata`.

    Returns
    -------
    EditReport
        Records that have another value keep it, and are among the `kept`.

    Raises
    ------
    MetadataError
        When an entry cannot be entered; nothing was.
    """
    edits = {image_id: MetadataEdit(experiment=values) for image_id, values in entries.items()}
    return _each(dataset, edits, lambda record, metadata: _plan_fill(edits[record.image_id], metadata), watch)


def undo_edit(
    dataset: ZarrDataset | str | Path,
    report: EditReport,
    *,
    watch: Watch = UNWATCHED,
) -> EditReport:
    """Put back what an edit changed: exactly what was there before, as new revisions.

    What somebody changed since stays as it is, and is among the `failed` of the report. Parameters as in `edit_metadata`.
    """
    changes = {change.image_id: change for change in report.changed}

    def plan(record: ZarrImageRecord, metadata: JsonObject) -> _Plan:
        return _plan_undo(changes[record.image_id], metadata)

    return _each(dataset, changes, plan, watch)


def preview_edit(
    dataset: ZarrDataset | str | Path,
    image_ids: Iterable[str],
    edit: MetadataEdit,
    *,
    indexers: Sequence[DatasetIndexer] = INDEXERS,
) -> EditPreview:
    """Return what an edit would do, without doing it: among other things which results would become outdated.

    Records that cannot be read are left out; `edit_metadata` says why. Parameters as there, and the `indexers` whose
    results are looked at.
    """
    opened = dataset if isinstance(dataset, ZarrDataset) else ZarrDataset(dataset, mode="r")
    changed, outdated = list[str](), dict[str, frozenset[int]]()
    for image_id in dict.fromkeys(image_ids):
        try:
            record = opened.record(image_id)
            metadata = record.load_metadata_payload()
            wanted = edit.apply(metadata)
            now = RecordMetadata.from_json(metadata).header
            then = RecordMetadata.from_json(with_values(metadata, wanted, wanted)).header
            is_calibration = any(one in wanted for one in CALIBRATION)
            stated = statements_of(record, *indexers) if is_calibration else []
        except FAILURES:
            continue
        if wanted:
            changed.append(image_id)
        lost = [one for one in stated if not one.calibration_changes(now) and one.calibration_changes(then)]
        if lost:
            outdated[image_id] = frozenset(roi_id for one in lost for roi_id in one.rois)
    return EditPreview(changed=tuple(changed), outdated=outdated)


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is saved for one record, None where nothing is, and what of it could not be done."""

    payload: JsonObject | None = None
    before: Mapping[Field, JsonValue] = field(default_factory=dict)
    after: Mapping[Field, JsonValue] = field(default_factory=dict)
    made: tuple[str, ...] = ()
    refused: str = ""
    kept: str = ""


_MakePlan: TypeAlias = Callable[[ZarrImageRecord, JsonObject], _Plan]


def _each(
    dataset: ZarrDataset | str | Path,
    image_ids: Iterable[str],
    make_plan: _MakePlan,
    watch: Watch,
) -> EditReport:
    # Read mode first: a dataset that is gone is never made anew in its place.
    opened = dataset if isinstance(dataset, ZarrDataset) else ZarrDataset(ZarrDataset(dataset, mode="r").path)
    wanted = list(dict.fromkeys(image_ids))
    changed, unchanged, done = list[RecordChange](), list[str](), 0
    failed, kept = list[NotChanged](), list[NotChanged]()
    for done, image_id in enumerate(wanted, start=1):
        if watch.is_cancelled():
            done -= 1
            break
        name = image_id[:8]
        try:
            record = opened.record(image_id)
            name = RecordMetadata.load(record).header.name or name
            plan = change_metadata(record, partial(_commit, make_plan))
        except _FAILURES as error:
            failed.append(NotChanged(image_id=image_id, name=name, reason=str(error)))
        else:
            if plan.payload is not None:
                changed.append(
                    RecordChange(image_id=image_id, name=name, before=plan.before, after=plan.after, made=plan.made)
                )
            if plan.kept:
                kept.append(NotChanged(image_id=image_id, name=name, reason=plan.kept))
            if plan.refused:
                failed.append(NotChanged(image_id=image_id, name=name, reason=plan.refused))
            elif plan.payload is None and not plan.kept:
                unchanged.append(image_id)
        watch.progress(done, len(wanted), name)
    return EditReport(
        changed=tuple(changed),
        unchanged=tuple(unchanged),
        failed=tuple(failed),
        kept=tuple(kept),
        is_cancelled=done < len(wanted),
    )


def _commit(make_plan: _MakePlan, record: ZarrImageRecord) -> _Plan:
    newest = record.load_revision()
    plan = make_plan(record, newest.payload)
    if plan.payload is not None:
        record.save_metadata_payload(plan.payload, expected=newest)
        follow_header(record)
    return plan


def _plan_edit(edit: MetadataEdit, metadata: JsonObject) -> _Plan:
    wanted = edit.apply(metadata)
    if not wanted:
        return _Plan()
    return _Plan(
        payload=with_values(metadata, wanted, wanted),
        before=values_of(metadata, wanted),
        after=wanted,
        made=tuple(dict.fromkeys(section for section, _ in wanted if section and section not in metadata)),
    )


def _plan_fill(edit: MetadataEdit, metadata: JsonObject) -> _Plan:
    entries: dict[Field, JsonValue] = {(EXPERIMENT, key): value for key, value in edit.experiment.items()}
    held = {one: value for one, value in values_of(metadata, entries).items() if value not in (None, "")}
    lacking = {one[1]: value for one, value in entries.items() if one not in held}
    kept = [
        f"{one[1]} stays {held[one]!r}, not {value!r}"
        for one, value in entries.items()
        if one in held and str(held[one]) != str(value)
    ]
    return replace(_plan_edit(MetadataEdit(experiment=lacking), metadata), kept="; ".join(kept))


def _plan_undo(change: RecordChange, metadata: JsonObject) -> _Plan:
    fields = list(dict.fromkeys([*change.after, *change.before]))
    # A calibration that is half of one person and half of another is nobody's.
    units = [[one for one in fields if one in CALIBRATION], *([one] for one in fields if one not in CALIBRATION)]
    back, refused = list[Field](), list[str]()
    for unit in units:
        now = values_of(metadata, unit)
        if is_same(now, {one: change.after[one] for one in unit if one in change.after}):
            back += unit
        elif not is_same(now, {one: change.before[one] for one in unit if one in change.before}):
            what = "the calibration" if unit[0] in CALIBRATION else unit[0][1]
            refused.append(f"{what} was changed by somebody since, and stays as it is now")
    before = {one: value for one, value in change.before.items() if one in back}
    payload = {
        key: value for key, value in with_values(metadata, back, before).items() if value != {} or key not in change.made
    }
    return _Plan(
        payload=payload if back else None,
        before=values_of(metadata, back),
        after=before,
        refused="; ".join(refused),
    )
