"""The velocity of the ROIs of one record, as it is in the record's results, ready to be drawn.

The rule of this room: it is read and sorted in a worker, once. Nothing is measured here, and no number is changed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kymflow_core import AcqImage
from kymflow_core.artifacts import METHOD_COLUMN, RADON_REPORT, VELOCITY
from kymflow_core.computed_from import ComputedFrom, current_statements, statements_from_json
from kymflow_core.errors import VelocityError
from kymflow_core.indexers.velocity import older_series
from kymflow_core.velocity_schema import AT_LIMIT, METHODS, VELOCITY_COLUMNS
from kymflow_zarr import ZarrDataset, ZarrImageRecord
from napari_kymflow.errors import OUR_ERRORS
from napari_kymflow.flow.levels import Level, make_levels

Doubles = NDArray[np.float64]

STATES = ("", "speed changed", "uncertain", "no cells", AT_LIMIT)
"""Why a window has no velocity, by number; the first one has a velocity."""
MM_S, PIXELS_PER_LINE = "mm/s", "px/line"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trace:
    """The velocity of one ROI over time.

    Parameters
    ----------
    lines
        Where the centre of each window is, in lines from the first one of the image; ascending.
    velocity
        In `unit`; NaN where no window is valid.
    low, high
        The 95 % interval, NaN where there is none.
    alone
        What each window says by itself.
    quality
        The probability to be right.
    states
        Numbers of `STATES`.
    unit
        "mm/s", or "px/line" where the calibration was not known.
    window_lines
        How many lines a window has; None where that is not stated.
    """

    lines: Doubles
    velocity: Doubles
    low: Doubles
    high: Doubles
    alone: Doubles
    quality: Doubles
    states: NDArray[np.uint8]
    unit: str
    window_lines: int | None = None
    levels: tuple[Level, ...] = field(init=False, repr=False)
    """The same, with more and more windows in one, to be drawn where there are more windows than pixels."""

    def __post_init__(self) -> None:
        levels = make_levels(
            lines=self.lines,
            velocity=self.velocity,
            low=self.low,
            high=self.high,
            alone=self.alone,
            quality=self.quality,
            states=self.states,
            n_states=len(STATES),
        )
        object.__setattr__(self, "levels", levels)

    def __len__(self) -> int:
        return len(self.lines)

    def window_at(self, line: float) -> int | None:
        """Return the window whose centre is nearest to a line; None where the line is not within the trace."""
        if not len(self.lines):
            return None
        place = int(np.searchsorted(self.lines, line))
        near = [one for one in (place - 1, place) if 0 <= one < len(self.lines)]
        window = min(near, key=lambda one: abs(self.lines[one] - line))
        reach = self.window_lines or 2 * float(np.median(np.diff(self.lines[:100]))) if len(self.lines) > 1 else 1.0
        return window if abs(self.lines[window] - line) <= reach else None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RoiFlow:
    """What was measured of one ROI: by this program, and by the older one.

    `statement` is what our results were computed from.
    """

    trace: Trace | None = None
    older: Trace | None = None
    report: Mapping[str, object] = field(default_factory=dict)
    statement: ComputedFrom | None = None


_NOTHING = RoiFlow()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RecordFlow:
    """What was measured of the ROIs of one record, by ROI id; `problem` says why that cannot be read."""

    rois: Mapping[int, RoiFlow] = field(default_factory=dict)
    problem: str = ""

    def of(self, roi_id: int) -> RoiFlow:
        """Return what was measured of a ROI; nothing where nothing was."""
        return self.rois.get(roi_id, _NOTHING)


def load_flow(path: Path, image_id: str) -> RecordFlow:
    """Return what was measured of a record of the dataset at a path; safe in a worker."""
    try:
        record = ZarrDataset(path, mode="r").record(image_id)
        return RecordFlow(rois=_rois_of(record, AcqImage(record)))
    except OUR_ERRORS as error:
        return RecordFlow(problem=str(error))


def _rois_of(record: ZarrImageRecord, image: AcqImage) -> dict[int, RoiFlow]:
    # scipy, which this loads, is not needed to show a record without results.
    from kymflow_core.images.velocity_of_roi import ALGORITHM

    windows = _of_methods(_table(record, VELOCITY), METHODS)
    if missing := [name for name in VELOCITY_COLUMNS if name not in windows.columns and len(windows)]:
        raise VelocityError(f"{VELOCITY} of image {record.image_id} has no column {missing[0]!r}; measure the image again")
    reports, older = _table(record, RADON_REPORT), older_series(record)
    statements = _statements(record, ALGORITHM)
    per_line = image.header.seconds_per_line
    found: dict[int, RoiFlow] = {}
    for roi_id in sorted({*_ids(windows), *_ids(older)}):
        statement = statements.get(roi_id)
        report = _report(reports, roi_id, METHODS)
        own = _rows(windows, roi_id)
        stated = statement.calibration.get("seconds_per_line") if statement is not None else per_line
        first = image.bounds_of(image.rois.get(roi_id)).y0 if stated is None and roi_id in image.rois else 0
        found[roi_id] = RoiFlow(
            trace=_own_trace(own, report, stated, first_line=first) if len(own) else None,
            older=_older_trace(_rows(older, roi_id), per_line),
            report=report,
            statement=statement,
        )
    return found


def _table(record: ZarrImageRecord, name: str) -> pd.DataFrame:
    frame = record.load_df_parquet(name) if record.has_analysis(f"{name}.parquet") else pd.DataFrame()
    return frame if "roi_id" in frame.columns else pd.DataFrame({"roi_id": pd.Series(dtype="int64")})


def _statements(record: ZarrImageRecord, algorithm: str) -> dict[int, ComputedFrom]:
    key = f"{VELOCITY}.parquet"
    said = record.load_computed_from(key) if record.has_analysis(key) else None
    listed = () if said is None else statements_from_json(said, where=key)
    own = current_statements([one for one in listed if one.algorithm == algorithm])
    return {roi_id: one for one in own for roi_id in one.rois}


def _ids(frame: pd.DataFrame) -> list[int]:
    return [int(roi_id) for roi_id in frame["roi_id"].unique()]


def _rows(frame: pd.DataFrame, roi_id: int) -> pd.DataFrame:
    return frame[frame["roi_id"] == roi_id]


def _of_methods(rows: pd.DataFrame, methods: tuple[str, ...]) -> pd.DataFrame:
    return rows[rows[METHOD_COLUMN].isin(methods)] if METHOD_COLUMN in rows.columns else rows.iloc[:0]


def _report(reports: pd.DataFrame, roi_id: int, methods: tuple[str, ...]) -> dict[str, object]:
    rows = _of_methods(_rows(reports, roi_id), methods)
    return {str(name): value for name, value in rows.iloc[0].items()} if len(rows) else {}


def _own_trace(rows: pd.DataFrame, report: Mapping[str, object], per_line: float | None, *, first_line: int) -> Trace:
    rows = rows.sort_values("window", kind="stable")
    window_lines, step_lines = _count(report.get("window_lines")), _count(report.get("step_lines"))
    if per_line is not None:
        lines = rows["time_s"].to_numpy(np.float64) / per_line
    else:
        step, length = step_lines or 1, window_lines or 0
        lines = first_line + step * rows["window"].to_numpy(np.float64) + length / 2
    in_mm_s = rows["velocity_all_mm_s"].notna().any() or "velocity_px_per_line" not in rows.columns
    velocity = rows["velocity_mm_s" if in_mm_s else "velocity_px_per_line"].to_numpy(np.float64)
    return _trace(rows, lines, velocity, unit=MM_S if in_mm_s else PIXELS_PER_LINE, window_lines=window_lines)


def _older_trace(rows: pd.DataFrame, per_line: float | None) -> Trace | None:
    if per_line is None or not len(rows):
        return None
    rows = rows.sort_values("time_s", kind="stable")
    lines = rows["time_s"].to_numpy(np.float64) / per_line
    return _trace(rows, lines, rows["velocity_mm_s"].to_numpy(np.float64), unit=MM_S, window_lines=None)


def _trace(rows: pd.DataFrame, lines: Doubles, velocity: Doubles, *, unit: str, window_lines: int | None) -> Trace:
    codes = {text: number for number, text in enumerate(STATES)}
    flags = rows["flag"].fillna("").astype("str")
    # A flag of another program, such as "no value", is not valid for a reason that we do not know better than "uncertain".
    states = flags.map(codes).fillna(codes["uncertain"]).to_numpy().astype(np.uint8)
    return Trace(
        lines=lines,
        velocity=velocity,
        low=rows["velocity_low_mm_s"].to_numpy(np.float64),
        high=rows["velocity_high_mm_s"].to_numpy(np.float64),
        alone=rows["velocity_window_mm_s"].to_numpy(np.float64),
        quality=rows["quality"].to_numpy(np.float64),
        states=states,
        unit=unit,
        window_lines=window_lines,
    )


def _count(value: object) -> int | None:
    return None if value is None or pd.isna(value) else int(str(value))  # type: ignore[call-overload]  # any scalar
