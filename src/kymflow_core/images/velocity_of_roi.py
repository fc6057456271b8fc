"""The velocity of one ROI: from its pixels and its image's metadata to rows of results, and what these are computed from.

The rule of this room: what cannot be measured has a row that says why. Nothing is read or written here.
"""

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kymflow_core.artifacts import METHOD_COLUMN
from kymflow_core.columns import units_of_columns
from kymflow_core.computed_from import ComputedFrom, stated_calibration
from kymflow_core.flow import (
    METHOD_VERSION,
    VelocitySettings,
    VelocityTrace,
    count_cells,
    detect_events,
    heart_rate,
    measure_velocity,
    notes,
    summarize,
)
from kymflow_core.images.metadata import RecordMetadata
from kymflow_core.roi import ROI
from kymflow_core.velocity_schema import VELOCITY_COLUMNS, conform_velocity
from kymflow_zarr import JsonValue, with_units

ALGORITHM = "kymflow_core.flow"
ORIENTATION, ACROSS = "line_orientation", "across"
_DIRECTION = "scan_direction"
BOTH_WAYS: Literal["both-ways"] = "both-ways"
PIXELS_PER_LINE = "velocity_px_per_line"

_COUNTS = ("n_windows", "n_valid", "n_at_limit", "window_lines", "step_lines", "cells", "n_events")
_MAYBE_MISSING = {"stalled": "boolean"}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RoiVelocity:
    """What was measured of one ROI.

    `windows`, `events` and `report` are its rows in the artifacts `velocity`, `velocity_events` and `radon_report`;
    `statement` is what they were computed from.
    """

    roi: ROI
    windows: pd.DataFrame
    events: pd.DataFrame
    report: pd.DataFrame
    statement: ComputedFrom

    @property
    def notes(self) -> str:
        """What is to be known of these velocities; empty where there is nothing to say."""
        return str(self.report["notes"].iloc[0])

    def summary(self) -> str:
        """Return the result in one line, such as "ROI 1 (capillary): 0.612 mm/s, 812 of 900 windows; …"."""
        row = self.report.iloc[0]
        name = f"ROI {self.roi.roi_id}{f' ({self.roi.name})' if self.roi.name else ''}"
        velocity, in_pixels, heart = row["median_velocity"], row["median_px_per_line"], row["heart_rate_hz"]
        found = [f"{velocity:.3g} mm/s" if np.isfinite(velocity) else f"{in_pixels:.3g} pixels per line"]
        if not np.isfinite(in_pixels):
            found = ["no velocity"]
        found.append(f"{row['n_valid']} of {row['n_windows']} windows")
        if np.isfinite(heart):
            found.append(f"heart {heart:.3g} Hz")
        if row["n_events"]:
            found.append(f"{row['n_events']} event{'' if row['n_events'] == 1 else 's'}")
        return "; ".join([f"{name}: {', '.join(found)}", *([self.notes] if self.notes else [])])


def settings_for(metadata: RecordMetadata, settings: VelocitySettings) -> VelocitySettings:
    """Return settings with the dwell time that the image's header states, where they have none."""
    return settings if settings.dwell_s is not None else replace(settings, dwell_s=metadata.header.dwell_s)


def statement_of(roi: ROI, metadata: RecordMetadata, settings: VelocitySettings) -> ComputedFrom:
    """Return what an analysis of a ROI states that it was computed from.

    Parameters
    ----------
    roi, metadata
        The ROI as it is saved, and the metadata of its image.
    settings
        Those that are asked for; a dwell time is taken from the header.
    """
    asked = asdict(settings_for(metadata, settings))
    parameters: dict[str, JsonValue] = {
        name: list(value) if isinstance(value, tuple) else value for name, value in asked.items()
    }
    scanned = {_DIRECTION: metadata.header.scan_direction, ORIENTATION: metadata.experiment.get(ORIENTATION)}
    statement = ComputedFrom.of(
        [roi],
        algorithm=ALGORITHM,
        version=METHOD_VERSION,
        parameters={**parameters, **scanned},
        pixels=metadata.pixels_sha256,
        methods=[settings.method],
    )
    return replace(statement, calibration=stated_calibration(metadata.header))


def settings_of(statement: ComputedFrom) -> VelocitySettings:
    """Return the settings that results of this program state that they were measured with: inverse of `statement_of`.

    Raises
    ------
    ValueError
        When it states none, or such as a later version may have.
    """
    given: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in statement.parameters.items()
        if name not in (_DIRECTION, ORIENTATION)
    }
    try:
        return VelocitySettings(**given)
    except TypeError as error:
        raise ValueError(f"{statement.algorithm} states no settings of this program: {error}") from error


def measure_roi(
    pixels: NDArray[Any],
    roi: ROI,
    metadata: RecordMetadata,
    settings: VelocitySettings,
    *,
    first_line: int,
    previous_events: pd.DataFrame,
) -> RoiVelocity:
    """Measure the velocity of one ROI.

    Parameters
    ----------
    pixels
        Shape (lines, positions); those that are not in the ROI are masked, and count as the mean of their column.
    roi, metadata
        The ROI, and the metadata of its image.
    settings
        How; a dwell time is taken from the header.
    first_line
        The line of the image that the pixels begin with.
    previous_events
        The ROI's episodes of an earlier run; one that is found again keeps its `event_id`.

    Raises
    ------
    ValueError
        When the pixels are no numbers.
    """
    asked = settings_for(metadata, settings)
    image = filled(pixels)
    trace = trace_of(image, metadata, asked, first_line=first_line)
    events = detect_events(trace, previous=previous_events)
    summary = summarize(trace, image, heart=heart_rate(trace), cells=count_cells(image, trace), events=events)
    summary |= {"n_events": len(events), **_brightness(pixels)}
    place = {"roi_id": roi.roi_id, "channel": roi.channel}
    return RoiVelocity(
        roi=roi,
        windows=_windows(trace, place, what=f"the velocity of ROI {roi.roi_id}"),
        events=_events(events, {**place, METHOD_COLUMN: settings.method}),
        report=_report({**place, **summary}),
        statement=statement_of(roi, metadata, settings),
    )


def filled(pixels: NDArray[Any]) -> NDArray[Any]:
    """Return pixels of which the masked ones are the mean of the others in their column, so that they show no movement."""
    if not isinstance(pixels, np.ma.MaskedArray):
        return pixels
    if not np.ma.is_masked(pixels):
        return np.asarray(pixels.data)
    inside = ~np.ma.getmaskarray(pixels)
    values = pixels.data.astype(np.float64)
    counts = inside.sum(axis=0)
    means = np.where(inside, values, 0).sum(axis=0) / np.maximum(counts, 1)
    means[counts == 0] = values[inside].mean()
    return np.where(inside, values, means)


def trace_of(
    image: NDArray[Any], metadata: RecordMetadata, settings: VelocitySettings, *, first_line: int
) -> VelocityTrace:
    """Return the velocity along pixels that were made whole by `filled`, with its likelihoods; settings as they are.

    Raises as `measure_velocity`.
    """
    header = metadata.header
    is_across = metadata.experiment.get(ORIENTATION) == ACROSS
    trace = measure_velocity(
        image[:0] if is_across else image,  # nothing is measured across a vessel, whatever the pixels show
        seconds_per_line=header.seconds_per_line,
        um_per_pixel=header.um_per_pixel,
        settings=settings,
        first_line=first_line,
    )
    if is_across:
        return replace(trace, notes=(notes.ACROSS,))
    return replace(trace, notes=(*trace.notes, notes.BOTH_DIRECTIONS)) if header.scan_direction == BOTH_WAYS else trace


def _windows(trace: VelocityTrace, place: dict[str, int], *, what: str) -> pd.DataFrame:
    frame = trace.frame.assign(
        **place,
        **{METHOD_COLUMN: trace.settings.method, "window": np.arange(len(trace.frame), dtype=np.int64)},
        flag=trace.frame["flag"].fillna("").astype("str"),
    )
    further = {PIXELS_PER_LINE: trace.pixels_per_line["velocity"]}
    further |= {name: frame[name] for name in frame.columns if name not in VELOCITY_COLUMNS}
    windows = conform_velocity(frame.astype({**dict.fromkeys(place, "int64"), METHOD_COLUMN: "str"}), what=what)
    joined = windows.assign(**{name: column.astype("float64") for name, column in further.items()})
    return with_units(joined, units_of_columns(joined.columns))


def _events(events: pd.DataFrame, place: dict[str, Any]) -> pd.DataFrame:
    rows = events.assign(**place)
    first = ["roi_id", "event_id", "t0_s", "t1_s", "kind", "score", "channel", METHOD_COLUMN]
    rows = rows[[*first, *(name for name in rows.columns if name not in first)]]
    types = dict.fromkeys(("roi_id", "event_id", "channel"), "int64") | {METHOD_COLUMN: "str", "kind": "str"}
    rows = rows.astype(types | _MAYBE_MISSING)
    return with_units(rows, units_of_columns(rows.columns))


def _report(row: dict[str, object]) -> pd.DataFrame:
    first = ("roi_id", "mean_velocity", "median_velocity", "n_valid", "notes", "channel", METHOD_COLUMN)
    frame = pd.DataFrame([{name: row[name] for name in (*first, *(one for one in row if one not in first))}])
    frame = frame.astype(dict.fromkeys(_COUNTS, "Int64") | dict.fromkeys(("roi_id", "channel", "n_valid"), "int64"))
    texts = (METHOD_COLUMN, "version", "notes", "direction")
    frame = frame.astype(dict.fromkeys(texts, "str") | {"beam_corrected": "boolean"})
    return with_units(frame, units_of_columns(frame.columns))


def _brightness(pixels: NDArray[Any]) -> dict[str, float]:
    """Return the statistics of the pixels of a mask, without those around it; nothing for a rectangle, whose are known."""
    if not np.ma.is_masked(pixels):
        return {}
    inside = pixels.compressed()  # type: ignore[attr-defined]
    return {
        "img_min": float(inside.min()),
        "img_max": float(inside.max()),
        "img_mean": float(inside.mean()),
        "img_std": float(inside.std()),
    }
