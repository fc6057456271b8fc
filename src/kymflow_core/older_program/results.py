"""What the older kymflow program wrote next to a TIFF: `<stem>.json` and `flow-analysis/<stem>_*`.

The rule of this room: it reads, it never writes. The older program's JSON may hold NaN, which becomes null. A file that
cannot be understood is an error, never "no results". Each original is also kept whole, as the artifact `legacy/<name>`.
"""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

import numpy as np
import pandas as pd

from kymflow_core.artifacts import RADON_REPORT, RADON_VELOCITY, VELOCITY_EVENTS
from kymflow_core.calibration import HasCalibration, positive
from kymflow_core.columns import units_of_columns
from kymflow_core.computed_from import ComputedFrom
from kymflow_core.errors import RoiError, SidecarError
from kymflow_core.older_program.velocity import METHOD, read_velocity, summarize_velocity
from kymflow_core.roi import RectROI, RoiSet
from kymflow_core.roi.geometry import roi_geometry
from kymflow_zarr import JsonObject, JsonValue, with_units
from kymflow_zarr.disk.steps import read_regular
from kymflow_zarr.formats.strict_json import MAX_BYTES
from kymflow_zarr.importing.folders import beside, is_there

RESULTS_FOLDER = "flow-analysis"

_EVENT_COLUMNS = {
    "t_start": "t0_s",
    "t_end": "t1_s",
    "event_type": "kind",
    "score_peak": "score",
    "t_peak": "t_peak_s",
    "duration_sec": "duration_s",
}
_EVENT_NUMBERS = (
    "t0_s",
    "t1_s",
    "score",
    "t_peak_s",
    "duration_s",
    "strength",
    "baseline_before",
    "baseline_after",
    "nan_fraction_in_event",
)
_EVENT_COUNTS = ("i_start", "i_peak", "i_end", "n_valid_in_event")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sidecar:
    """The older program's `<stem>.json`: ROIs, experiment metadata, and whether the image was accepted; all of it too."""

    header: JsonObject = field(default_factory=dict)
    experiment_metadata: JsonObject = field(default_factory=dict)
    rois: RoiSet = field(default_factory=RoiSet)
    accepted: bool | None = None
    document: JsonObject = field(default_factory=dict)

    @property
    def json_artifacts(self) -> dict[str, JsonValue]:
        """The whole file, under the name of the artifact that keeps it."""
        return {"legacy/sidecar": self.document}


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """The older program's results of one image, as artifacts."""

    json_artifacts: Mapping[str, JsonValue] = field(default_factory=dict)
    table_artifacts: Mapping[str, pd.DataFrame] = field(default_factory=dict)

    def computed_from(self, rois: RoiSet, header: HasCalibration) -> dict[str, JsonObject]:
        """Return what each table artifact was computed from, given the ROIs of its sidecar, and the image's header.

        The older program notes the revision that a ROI had when it was analysed: where the ROI has another by now, or is
        gone, its geometry at the analysis is not known. It notes the calibration of each velocity; where it does not,
        or not one for all, the header's was used.
        """
        notes = _analyses(self.json_artifacts)
        calibration = _calibration_of(self.table_artifacts.get(RADON_VELOCITY), header)
        return {
            name: replace(_computed_from(frame, notes, rois), calibration=calibration).to_json()
            for name, frame in self.table_artifacts.items()
            if "roi_id" in frame.columns
        }


def read_sidecar(tiff: Path) -> Sidecar | None:
    """Read `<stem>.json` next to a TIFF; None where there is none.

    Raises
    ------
    SidecarError
        When the file, or a ROI in it, cannot be understood.
    """
    path = beside(tiff, ".json")
    if not is_there(path):
        return None
    document = _read_json(path)
    rois, accepted = document.get("rois") or [], document.get("accepted")
    if not isinstance(rois, list):
        raise SidecarError(f"{path}: 'rois' must be a list, not {type(rois).__name__}; mend the file, then import again")
    try:
        roi_set = RoiSet.from_json(rois)
    except RoiError as error:
        raise SidecarError(f"{path}: {error}; mend the file, then import again") from error
    return Sidecar(
        header=_object(document.get("header")),
        experiment_metadata=_object(document.get("experiment_metadata")),
        rois=roi_set,
        accepted=accepted if isinstance(accepted, bool) else None,
        document=document,
    )


def read_results(tiff: Path, rois: RoiSet | None = None, header: HasCalibration | None = None) -> Results:
    """Read `flow-analysis/<stem>_*` next to a TIFF; empty where there is nothing.

    The newer files (`_radon.csv`, `_events.json`) win over the older `_kymanalysis.*`, which have the same content.

    - `radon_velocity`, a table: one row a window, with the columns of `velocity_schema` and the further ones of the CSV.
    - `radon_report`, a table: one row a ROI and channel, summed up by `summarize_velocity`.
    - `velocity_events`, a table: one row an event, times in s. An empty `velocity_events` object means that nobody
      looked for events, so there is no table; `{"1": []}` means that none was found, so there is one without rows.
    - `legacy/radon`, `legacy/events`, `legacy/kymanalysis`: the JSON files whole.

    Parameters
    ----------
    tiff
        The TIFF.
    rois, header
        The ROIs in the sidecar, whose widths limit the speed that a window can show, and the calibration that counts where
        the CSV states none.

    Raises
    ------
    SidecarError
        When one of the files cannot be understood.
    """
    folder, stem = tiff.parent / RESULTS_FOLDER, tiff.stem
    documents = {
        name: _read_json(path)
        for name in ("radon", "events", "kymanalysis")
        if is_there(path := folder / f"{stem}_{name}.json")
    }
    tables: dict[str, pd.DataFrame] = {}
    csv = next((path for name in ("radon", "kymanalysis") if is_there(path := folder / f"{stem}_{name}.csv")), None)
    if csv is not None:
        widths = _analysed_widths(_analyses(documents), rois or RoiSet())
        tables[RADON_VELOCITY] = read_velocity(csv, roi_widths=widths, header=header)
        tables[RADON_REPORT] = summarize_velocity(tables[RADON_VELOCITY])
    listed = {name: documents.get(name, {}).get("velocity_events") for name in ("events", "kymanalysis")}
    source = next((name for name, events in listed.items() if events), None)
    if source:
        tables[VELOCITY_EVENTS] = _events_to_frame(listed[source], where=str(folder / f"{stem}_{source}.json"))
    return Results(
        json_artifacts={f"legacy/{name}": document for name, document in documents.items()}, table_artifacts=tables
    )


def _analyses(documents: Mapping[str, JsonValue]) -> dict[int, JsonObject]:
    """Return what was noted of the analysis of each ROI; of several channels, the last."""
    found: dict[int, JsonObject] = {}
    for document in documents.values():
        listed = document.get("analysis_metadata") if isinstance(document, Mapping) else None
        for note in listed.values() if isinstance(listed, Mapping) else []:
            roi_id = note.get("roi_id") if isinstance(note, Mapping) else None
            if isinstance(roi_id, int) and isinstance(note, Mapping):
                found[roi_id] = note
    return found


def _is_as_analysed(roi_id: int, notes: Mapping[int, JsonObject], rois: RoiSet) -> bool:
    """Return whether a ROI is there, and has the revision that it had when it was analysed."""
    analysed = notes.get(roi_id, {}).get("roi_revision_at_analysis", 0)
    return roi_id in rois and rois.get(roi_id).extra.get("revision", 0) == analysed


def _analysed_widths(notes: Mapping[int, JsonObject], rois: RoiSet) -> dict[int, int]:
    """Return the width in pixels of each rectangle that is as it was analysed."""
    return {
        roi.roi_id: roi.x1 - roi.x0 for roi in rois if isinstance(roi, RectROI) and _is_as_analysed(roi.roi_id, notes, rois)
    }


def _computed_from(frame: pd.DataFrame, notes: Mapping[int, JsonObject], rois: RoiSet) -> ComputedFrom:
    roi_ids = sorted({int(roi_id) for roi_id in frame["roi_id"]} | set(notes))
    geometries: dict[int, JsonObject] = {}
    for roi_id in roi_ids:
        geometries[roi_id] = roi_geometry(rois.get(roi_id)) if _is_as_analysed(roi_id, notes, rois) else {}
    named = [str(note["algorithm"]) for note in notes.values() if note.get("algorithm")]
    windows = {str(roi_id): note.get("window_size") for roi_id, note in notes.items() if "window_size" in note}
    return ComputedFrom(
        rois=geometries,
        algorithm=", ".join(dict.fromkeys(named)),
        parameters={"window_size": windows} if windows else {},
    )


def _calibration_of(windows: pd.DataFrame | None, header: HasCalibration) -> dict[str, float]:
    """Return what velocities were calculated with, as far as it is known."""
    found = {}
    for key, column in (("seconds_per_line", "delt"), ("um_per_pixel", "delx")):
        noted = windows[column].unique().tolist() if windows is not None and column in windows else []
        value = positive(noted[0]) if len(noted) == 1 else None
        known = value if value is not None else getattr(header, key)
        if known is not None:
            found[key] = known
    return found


def _events_to_frame(events: JsonValue, *, where: str) -> pd.DataFrame:
    """Return one row an event; `event_id` counts from 1 through the image, in the order of the file."""
    rows = list(_event_rows(events, where))
    first = ["roi_id", "t0_s", "t1_s", "kind", "score", "channel"]
    frame = pd.DataFrame(rows, columns=[*first, *sorted({name for row in rows for name in row} - set(first))])
    numbers = dict.fromkeys(frame.columns.intersection(list(_EVENT_NUMBERS)), "float64")
    numbers |= dict.fromkeys(frame.columns.intersection(list(_EVENT_COUNTS)), "Int64")
    try:
        frame = frame.astype({**numbers, "roi_id": "int64", "channel": "int64"})
    except (ValueError, TypeError, OverflowError) as error:
        raise SidecarError(f"{where}: an event has no number where one is expected ({_one_line(error)})") from error
    frame.insert(1, "event_id", np.arange(1, len(frame) + 1, dtype=np.int64))
    frame["method"] = pd.Series(METHOD, index=frame.index, dtype="str")
    return with_units(frame, units_of_columns(frame.columns))


def _event_rows(events: JsonValue, where: str) -> Iterator[dict[str, JsonValue]]:
    """Yield the events of `{"<roi>" or "<roi>:<channel>": [event, …]}`."""
    if not isinstance(events, Mapping):
        raise SidecarError(f"{where}: velocity_events must be an object, not {type(events).__name__}")
    for key, listed in events.items():
        roi, _, channel = key.partition(":")
        if not roi.isdecimal() or not isinstance(listed, list) or (channel and not channel.isdecimal()):
            raise SidecarError(f"{where}: velocity_events has {key!r}, not a list of events under 'roi' or 'roi:channel'")
        for event in listed:
            if not isinstance(event, Mapping):
                raise SidecarError(f"{where}: an event under {key!r} must be an object, not {event!r}")
            renamed = {_EVENT_COLUMNS.get(name, name): value for name, value in _object(event).items()}
            yield {**renamed, "roi_id": int(roi), "channel": int(channel or 1)}


def _read_json(path: Path) -> dict[str, JsonValue]:
    try:
        data = read_regular(str(path), MAX_BYTES)
        document = json.loads(data, parse_constant=lambda _: None, parse_float=_finite)
    except (ValueError, RecursionError, OSError) as error:
        raise SidecarError(f"{path} cannot be read as JSON ({error}); mend or remove it, then import again") from error
    if not isinstance(document, dict):
        raise SidecarError(f"{path} holds no JSON object; mend or remove it, then import again")
    return cast("dict[str, JsonValue]", document)


def _finite(text: str) -> float | None:
    value = float(text)
    return value if math.isfinite(value) else None


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def _object(value: JsonValue) -> JsonObject:
    return value if isinstance(value, Mapping) else {}
