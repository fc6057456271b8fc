"""What a person sees and enters as calibration and experiment metadata, as text. No Qt.

The rule of this room: a field that was not touched changes nothing, and what several records have differently is shown as
"(several)", never as the value of one of them.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from kymflow_core import MetadataEdit, edit_metadata, undo_edit
from kymflow_core.errors import MetadataError
from kymflow_core.images.metadata import EXPERIMENT, RecordMetadata
from kymflow_core.images.metadata_fields import (
    ACCEPTED,
    CALIBRATION,
    CHOICES,
    KNOWN_KEYS,
    Field,
    entered_value,
    entry_label,
    values_of,
)
from kymflow_core.metadata_edit import EditPreview, EditReport
from kymflow_zarr import JsonValue, Watch, ZarrDataset
from kymflow_zarr.watch import UNWATCHED
from napari_kymflow.errors import OUR_ERRORS

SEVERAL: Final = "(several)"
SECONDS, UM, SOURCE = CALIBRATION
MS_PER_SECOND: Final = 1000.0
YES, NO, NOT_NOTED = "yes", "no", "not noted"
_LABELS: Mapping[Field, str] = {SECONDS: "ms per line", UM: "µm per pixel", ACCEPTED: "accepted"}
_HINTS: Mapping[str, str] = {
    "seconds_per_line": "not known yet",
    "um_per_pixel": "not known yet",
    "subject_id": "the animal, such as A89",
    "vessel_id": "such as V1",
    "species": "such as mouse",
    "sex": "such as f or m",
    "age": "such as P90 or 12 weeks",
    "genotype": "such as WT",
    "condition": "such as control",
    "treatment": "such as saline",
    "depth": "µm below the surface",
    "branch_order": "a whole number",
    "direction": "such as towards larger x",
    "date": "such as 2025-07-22",
    "note": "",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FormField:
    """One field as it is shown: its text, empty where nothing is entered or the records have several values.

    `choices` are the texts that it can have, besides none; any text where there are none.
    """

    field: Field
    label: str
    text: str = ""
    choices: tuple[str, ...] = ()
    is_mixed: bool = False
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetadataForm:
    """What some records have, to be edited: the ids and names of those that could be read, and why others could not.

    `shapes` are the lines and pixels that the images have, each once.
    """

    path: Path
    image_ids: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    fields: Mapping[Field, FormField] = field(default_factory=dict)
    shapes: tuple[tuple[int, int], ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def keys(self) -> tuple[str, ...]:
        """The entries of the experiment, the well-known ones first."""
        return tuple(key for section, key in self.fields if section == EXPERIMENT)


def load_form(path: Path, image_ids: Iterable[str]) -> MetadataForm:
    """Read what some records of a dataset have; safe in a worker, writes nothing."""
    dataset = ZarrDataset(path, mode="r")
    ids, names, metadata, problems = list[str](), list[str](), list[Mapping[str, JsonValue]](), list[str]()
    shapes: dict[tuple[int, int], None] = {}
    for image_id in image_ids:
        try:
            record = dataset.record(image_id)
            payload = record.load_metadata_payload()
            sizes = dict(zip(record.get_axes(), record.get_shape(), strict=True))
        except OUR_ERRORS as error:
            problems.append(str(error))
            continue
        ids.append(image_id)
        metadata.append(payload)
        names.append(RecordMetadata.from_json(payload).header.name or image_id[:8])
        shapes[sizes.get("y", 0), sizes.get("x", 0)] = None
    return MetadataForm(
        path=path,
        image_ids=tuple(ids),
        names=tuple(names),
        fields=fields_of(metadata),
        shapes=tuple(shapes),
        problems=tuple(problems),
    )


def fields_of(metadata: Sequence[Mapping[str, JsonValue]]) -> dict[Field, FormField]:
    """Return the fields of several records' metadata; an entry that is a list or an object cannot be edited here."""
    keys = dict.fromkeys(KNOWN_KEYS)
    for payload in metadata:
        keys |= dict.fromkeys(RecordMetadata.from_json(payload).experiment)
    wanted = [*CALIBRATION, ACCEPTED, *((EXPERIMENT, key) for key in keys)]
    found = {}
    for one in wanted:
        values = [values_of(payload, [one]).get(one) for payload in metadata]
        if any(isinstance(value, list | tuple | Mapping) for value in values):
            continue
        texts = list(dict.fromkeys(text_of(one, value) for value in values))
        found[one] = FormField(
            field=one,
            label=_LABELS.get(one, entry_label(one[1])),
            text=texts[0] if len(texts) == 1 else "",
            is_mixed=len(texts) > 1,
            hint=_HINTS.get(one[1], ""),
            choices=CHOICES.get(one[1], ()) if one[0] == EXPERIMENT else (),
        )
    return found


def text_of(one: Field, value: JsonValue) -> str:
    """Return a value as a person reads it; empty where nothing is entered."""
    if one == ACCEPTED:
        return YES if value is True else NO if value is False else NOT_NOTED
    if value is None:
        return ""
    if isinstance(value, bool):
        return YES if value else NO
    if isinstance(value, int | float) and one in CALIBRATION:
        return f"{value * (MS_PER_SECOND if one == SECONDS else 1.0):.7g}"
    return str(value)


def edit_of(texts: Mapping[Field, str], *, added: Sequence[str] = ()) -> MetadataEdit:
    """Return what was entered.

    Parameters
    ----------
    texts
        The fields that the user touched, and what is in them.
    added
        The name and the text of a new entry; empty for none.

    Raises
    ------
    MetadataError
        When a text cannot be understood; the message says what to write.
    """
    wrong, numbers, experiment = list[str](), dict[Field, float](), dict[str, JsonValue]()
    for one, text in texts.items():
        if one in (SECONDS, UM):
            number = _positive(text)
            if number is None:
                wrong.append(_why_no_number(_LABELS[one], text))
            else:
                numbers[one] = number
        elif one != ACCEPTED:
            experiment[one[1]] = entered_value(one[1], text)
    name, text = (part.strip() for part in added) if added else ("", "")
    if text and not name:
        wrong.append(f"the new entry {text!r} needs a name")
    elif name:
        experiment[name] = entered_value(name, text)
    if wrong:
        raise MetadataError("; ".join(wrong))
    return MetadataEdit(
        seconds_per_line=numbers[SECONDS] / MS_PER_SECOND if SECONDS in numbers else None,
        um_per_pixel=numbers.get(UM),
        experiment=experiment,
        accepted={YES: True, NO: False}.get(texts.get(ACCEPTED, "")),
    )


def describe_edit(preview: EditPreview, form: MetadataForm) -> str:
    """Return what saving would do, in words."""
    if not preview.changed:
        return "Nothing is changed yet."
    text = f"{_count(len(preview.changed), 'record')} will change"
    same = len(form.image_ids) - len(preview.changed)
    text += f"; {same} {'has' if same == 1 else 'have'} these values already." if same else "."
    if preview.outdated:
        records = _count(len(preview.outdated), "record")
        rois = f"{_count(preview.n_outdated_rois, 'ROI')} in " if preview.n_outdated_rois else ""
        text += (
            f" The results of {rois}{records} become outdated: calculated with the calibration of before. They stay, and "
            "are marked, until they are analysed again."
        )
    return text


def describe_extent(form: MetadataForm, texts: Mapping[Field, str]) -> str:
    """Return how long and wide the images are with the calibration that is entered: a mistake shows there first."""
    if len(form.shapes) != 1:
        return "The images have several sizes." if form.shapes else ""
    lines, pixels = form.shapes[0]
    parts = [f"{lines:,} lines × {pixels:,} pixels"]
    numbers = {one: _positive(texts.get(one, form.fields[one].text)) for one in (SECONDS, UM)}
    ms, um = numbers[SECONDS], numbers[UM]
    if ms is not None or um is not None:
        duration = "unknown time" if ms is None else f"{lines * ms / MS_PER_SECOND:.5g} s"
        length = "unknown length" if um is None else f"{pixels * um:.5g} µm"
        parts.append(f"{duration} × {length}")
    return " = ".join(parts)


def title_of(form: MetadataForm, what: str) -> str:
    """Return the title of a dialog, such as "Calibration of 3 records"."""
    return f"{what} of {form.names[0] if len(form.names) == 1 else _count(len(form.names), 'record')}"


def describe_records(form: MetadataForm, *, most: int = 4) -> str:
    """Return the names of the records that are edited, the first few of many, and how many could not be read."""
    shown, rest = form.names[:most], len(form.names) - most
    text = ", ".join(shown) + (f" and {rest} more" if rest > 0 else "")
    if form.problems:
        text += f". {_count(len(form.problems), 'record')} cannot be edited: {form.problems[0]}"
    return text


def describe_report(report: EditReport, what: str, *, undone: bool = False) -> str:
    """Return one line on the result of an edit, or of undoing it."""
    done = "put back" if undone else "saved"
    text = f"{what} {done} in {_count(len(report.changed), 'record')}"
    text += " (More → Undo takes it back)" if report.changed and not undone else ""
    if report.unchanged and not undone:
        text += f"; {len(report.unchanged)} had these values already"
    if report.failed:
        first = report.failed[0]
        text += f"; not {done} in {len(report.failed)}: {first.name}: {first.reason}"
    return f"Cancelled: {text}" if report.is_cancelled else text


def run_edit(
    path: Path,
    step: "MetadataEdit | EditReport",
    image_ids: Sequence[str] = (),
    *,
    watch: Watch = UNWATCHED,
) -> EditReport:
    """Make an edit in some records, or take back what a report says; safe in a worker."""
    if isinstance(step, EditReport):
        return undo_edit(path, step, watch=watch)
    return edit_metadata(path, image_ids, step, watch=watch)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _positive(text: str) -> float | None:
    number = _number(text.strip())
    return number if number is not None and number > 0 else None


def _why_no_number(label: str, text: str) -> str:
    text = text.strip()
    if not text:
        return f"{label}: type a number above 0; a calibration is not cleared"
    if "," in text and _number(text.replace(",", ".")) is not None:
        return f"{label}: write {text!r} with a point, as {text.replace(',', '.')!r}"
    if _number(text) is not None:
        return f"{label}: {text} is not above 0"
    return f"{label}: {text!r} is no number above 0"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
