"""The velocity results of one record: which are to be measured, and how they are written beside those of other programs.

The rule of this room: rows of other programs are never changed; ours of a ROI are replaced whole. Three artifacts hold
them, `radon_report` is written last, and a ROI counts as analysed only where all three say so. They are read and written
anew by one program at a time, so that of two that analyse ROIs of one image none takes the other's rows away.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kymflow_core.artifacts import METHOD_COLUMN, RADON_REPORT, VELOCITY, VELOCITY_EVENTS
from kymflow_core.computed_from import ComputedFrom, statements_from_json, statements_to_json
from kymflow_core.errors import KymflowError
from kymflow_core.images.metadata import RecordMetadata
from kymflow_core.images.velocity_of_roi import ALGORITHM, RoiVelocity, measure_roi, statement_of
from kymflow_core.roi import ROI, RoiSet
from kymflow_core.roi.bounds import Bounds
from kymflow_core.velocity_schema import METHODS
from kymflow_zarr import JsonObject, JsonValue
from kymflow_zarr.errors import ConflictError, KymflowZarrError
from kymflow_zarr.formats.frames import concatenate_frames
from kymflow_zarr.record.artifacts import RESULTS

if TYPE_CHECKING:
    from kymflow_core.flow import VelocitySettings

_ARTIFACTS = (VELOCITY, VELOCITY_EVENTS, RADON_REPORT)
_EVENT_ID = "event_id"


_PATIENCE_S, _PAUSE_S = 60.0, 0.05
"""How long another program may write results of the image before an analysis gives up, and how often it looks."""


@runtime_checkable
class ResultStore(Protocol):
    """What holds results: a `ZarrImageRecord` does."""

    def claim(self, what: str) -> AbstractContextManager[bool]:
        """Claim a piece of work, so that no other program does it too."""

    def load_metadata_payload(self) -> dict[str, JsonValue]:
        """Return the newest metadata."""

    def has_analysis(self, key: str) -> bool:
        """Return whether there is an artifact of a key."""

    def load_df_parquet(self, name: str) -> pd.DataFrame:
        """Return a table artifact."""

    def save_df_parquet(self, name: str, df: pd.DataFrame, *, computed_from: JsonObject | None = None) -> None:
        """Write or replace a table artifact."""

    def load_computed_from(self, key: str) -> JsonObject | None:
        """Return what an artifact says that it was computed from."""


class MeasuredImage(Protocol):
    """What an analysis needs of an image; an `AcqImage` is one."""

    metadata: RecordMetadata
    rois: RoiSet

    def get_roi_pixels(self, roi_id: int) -> NDArray[Any]:
        """Return the pixels of a ROI's box."""

    def bounds_of(self, roi: ROI) -> Bounds:
        """Return the smallest rectangle of whole pixels that holds a ROI."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageAnalysis:
    """What an analysis of some ROIs of one image did: what was measured, and why the others failed, by ROI id."""

    measured: Mapping[int, RoiVelocity] = field(default_factory=dict)
    failed: Mapping[int, str] = field(default_factory=dict)

    def summary(self) -> str:
        """Return one line a ROI."""
        lines = [one.summary() for one in self.measured.values()]
        return "\n".join([*lines, *(f"ROI {roi_id}: not measured: {reason}" for roi_id, reason in self.failed.items())])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Held:
    """An artifact as it is: its rows, and what they were computed from."""

    frame: pd.DataFrame
    statements: tuple[ComputedFrom, ...] = ()

    def is_own(self) -> NDArray[np.bool_]:
        """Return which rows are of this program."""
        if METHOD_COLUMN not in self.frame.columns:
            return np.zeros(len(self.frame), dtype=np.bool_)
        return self.frame[METHOD_COLUMN].isin(METHODS).to_numpy(dtype=np.bool_)

    def own_rows(self, roi_ids: Iterable[int]) -> NDArray[np.bool_]:
        """Return which rows are of this program and of some ROIs."""
        if "roi_id" not in self.frame.columns:
            return np.zeros(len(self.frame), dtype=np.bool_)
        return self.is_own() & self.frame["roi_id"].isin(list(roi_ids)).to_numpy(dtype=np.bool_)


def analyze_rois(
    image: MeasuredImage, store: ResultStore, roi_ids: Sequence[int], settings: "VelocitySettings"
) -> ImageAnalysis:
    """Measure some ROIs of an image, and write their results; one that fails does not stop the others.

    Results of ROIs that were deleted are removed with it, those of other programs stay.

    Raises
    ------
    ConflictError
        When another program writes results of the image all the time; nothing was written.
    """
    previous = _load(store, VELOCITY_EVENTS)
    measured, failed = dict[int, RoiVelocity](), dict[int, str]()
    for roi_id in roi_ids:
        roi = image.rois.get(roi_id)
        try:
            measured[roi_id] = measure_roi(
                image.get_roi_pixels(roi_id),
                roi,
                image.metadata,
                settings,
                first_line=image.bounds_of(roi).y0,
                previous_events=_numbered(previous.frame[previous.own_rows([roi_id])]),
            )
        except (KymflowError, KymflowZarrError, ValueError) as error:
            failed[roi_id] = str(error)
    if measured or deleted_roi_ids(store, image.rois):
        _save_alone(store, list(measured.values()), image.rois)
    return ImageAnalysis(measured=measured, failed=failed)


def stale_roi_ids(
    store: ResultStore, metadata: RecordMetadata, roi_ids: Iterable[int], settings: "VelocitySettings"
) -> dict[int, str]:
    """Return the ROIs whose results are not what an analysis with these settings would give, each with the reason."""
    statements = {name: _load(store, name, rows=False).statements for name in _ARTIFACTS}
    found = {}
    for roi_id in roi_ids:
        wanted = statement_of(metadata.rois.get(roi_id), metadata, settings)
        reasons = (_why_stale(held, roi_id, wanted, metadata) for held in statements.values())
        reason = next((one for one in reasons if one), "")
        if reason:
            found[roi_id] = reason
    return found


def deleted_roi_ids(store: ResultStore, rois: RoiSet) -> set[int]:
    """Return the ids of ROIs that have results of this program and are gone."""
    return _own_roi_ids(store) - set(rois.ids)


def _why_stale(statements: Sequence[ComputedFrom], roi_id: int, wanted: ComputedFrom, metadata: RecordMetadata) -> str:
    held = next((one for one in _own(statements) if roi_id in one.rois), None)
    if held is None:
        return "not analysed"
    changes = replace(held, rois={roi_id: held.rois[roi_id]}).changes(
        metadata.rois, parameters=wanted.parameters, calibration=metadata.header, pixels=wanted.pixels
    )
    if held.version != wanted.version:
        return f"analysed by version {held.version} of the method; this is version {wanted.version}"
    return "; ".join(change.what for change in changes)


def _own(statements: Iterable[ComputedFrom]) -> Iterator[ComputedFrom]:
    return (one for one in statements if one.algorithm == ALGORITHM)


def _own_roi_ids(store: ResultStore) -> set[int]:
    statements = (_load(store, name, rows=False).statements for name in _ARTIFACTS)
    return {roi_id for held in statements for one in _own(held) for roi_id in one.rois}


def _load(store: ResultStore, name: str, *, rows: bool = True) -> _Held:
    key = f"{name}.parquet"
    if not store.has_analysis(key):
        return _Held(frame=pd.DataFrame())
    said = store.load_computed_from(key)
    statements = () if said is None else statements_from_json(said, where=key)
    return _Held(frame=store.load_df_parquet(name) if rows else pd.DataFrame(), statements=statements)


def _numbered(events: pd.DataFrame) -> pd.DataFrame:
    """Return episodes of an earlier run with numbers as ids; beside those of another program they may be text."""
    if not len(events):
        return pd.DataFrame()
    return events.assign(**{_EVENT_ID: pd.to_numeric(events[_EVENT_ID]).astype("int64")})


def _save_alone(store: ResultStore, measured: Sequence[RoiVelocity], rois: RoiSet) -> None:
    """Save as `_save`, and nobody else does it at that time; ROIs that another program has made since are not deleted."""
    end = time.monotonic() + _PATIENCE_S
    while True:
        with store.claim(RESULTS) as mine:
            if mine:
                now = RecordMetadata(payload=store.load_metadata_payload()).rois
                _save(store, measured, deleted_roi_ids(store, rois) - set(now.ids))
                return
        if time.monotonic() > end:
            raise ConflictError("not saved: another program is writing results of this image; analyse it again later")
        time.sleep(_PAUSE_S)


def _save(store: ResultStore, measured: Sequence[RoiVelocity], gone: set[int]) -> None:
    """Replace our rows of some ROIs, and remove those of deleted ones."""
    parts: dict[str, Callable[[RoiVelocity], pd.DataFrame]] = {
        VELOCITY: lambda one: one.windows,
        VELOCITY_EVENTS: lambda one: one.events,
        RADON_REPORT: lambda one: one.report,
    }
    renewed = {one.roi.roi_id for one in measured} | gone
    for name, part in parts.items():
        held = _load(store, name)
        others = held.frame[~held.own_rows(renewed)].reset_index(drop=True)
        new = [part(one) for one in measured]
        if name == VELOCITY_EVENTS:
            new = _with_new_ids(new, held)
        own = np.asarray(_Held(frame=others).is_own())
        # Ours first, of all ROIs ascending; then those of other programs as they are.
        ours = [*new, others[own]]
        frame = concatenate_frames([one for one in ours if len(one.columns)], what=name) if measured else others[own]
        frame = frame.sort_values("roi_id", kind="stable", ignore_index=True) if len(frame) else frame
        foreign = others[~own]
        joined = concatenate_frames([frame, foreign], what=name) if len(foreign.columns) else frame
        statements = _statements(held, foreign, measured, renewed)
        store.save_df_parquet(name, joined, computed_from=statements_to_json(statements))


def _with_new_ids(frames: Sequence[pd.DataFrame], held: _Held) -> list[pd.DataFrame]:
    """Return episodes such that no new one has the id of another one in the image; text where other programs have text."""
    ids = pd.to_numeric(held.frame.get(_EVENT_ID, pd.Series(dtype="int64")), errors="coerce").dropna()
    is_text = len(held.frame) and not pd.api.types.is_numeric_dtype(held.frame[_EVENT_ID])
    highest = int(ids.max()) if len(ids) else 0
    found = []
    for frame in frames:
        rows = frame.copy()
        roi_id = rows["roi_id"].iloc[0] if len(rows) else None
        earlier = held.frame[held.own_rows([roi_id])] if roi_id is not None else pd.DataFrame()
        kept = set(_numbered(earlier).get(_EVENT_ID, pd.Series(dtype="int64")).tolist())
        is_new = ~rows[_EVENT_ID].isin(kept)
        rows.loc[is_new, _EVENT_ID] = np.arange(highest + 1, highest + 1 + int(is_new.sum()))
        highest += int(is_new.sum())
        found.append(rows.astype({_EVENT_ID: "str"}) if is_text else rows)
    return found


def _statements(
    held: _Held, foreign: pd.DataFrame, measured: Sequence[RoiVelocity], renewed: set[int]
) -> list[ComputedFrom]:
    """Return the statements of an artifact; those of other programs come first, and say which rows are theirs."""
    methods = foreign[METHOD_COLUMN].fillna("").unique().tolist() if METHOD_COLUMN in foreign.columns else [""]
    others = [one for one in held.statements if one.algorithm != ALGORITHM]
    if len(foreign) and not others:
        others = [ComputedFrom()]
    named = [one if one.methods else replace(one, methods=tuple(methods)) for one in others]
    left = (one.without_rois(renewed) for one in _own(held.statements))
    joined: list[ComputedFrom] = []
    for statement in (*(one for one in left if one.rois), *(one.statement for one in measured)):
        alike = next((place for place, one in enumerate(joined) if replace(one, rois=statement.rois) == statement), None)
        if alike is None:
            joined.append(statement)
        else:
            joined[alike] = replace(statement, rois={**joined[alike].rois, **statement.rois})
    return [*named, *joined] or [ComputedFrom(algorithm=ALGORITHM)]
