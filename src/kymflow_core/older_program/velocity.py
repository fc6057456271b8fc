"""The older program's velocity CSV as windows of the schema, and their summary.

The rule of this room: each known column has one type in every file, and every other column is text as it stands in the
file. No window is deleted: one that the scan cannot show is marked, and its number stays.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from kymflow_core.calibration import HasCalibration
from kymflow_core.columns import units_of_columns
from kymflow_core.errors import SidecarError
from kymflow_core.velocity_schema import (
    AT_LIMIT,
    SPEED_LIMIT_WIDTHS,
    VELOCITY_COLUMNS,
    VELOCITY_UNITS,
    conform_velocity,
)
from kymflow_zarr import with_units
from kymflow_zarr.disk.steps import read_regular
from kymflow_zarr.errors import KymflowZarrError
from kymflow_zarr.formats.csv import parse_csv
from kymflow_zarr.formats.csv_gz import MAX_CSV_BYTES

METHOD = "radon_variance (kymflow)"
"""The method of every series of the older program; its column `algorithm` has which version of it."""
NO_VALUE = "no value"
"""The flag of a window for which the older program wrote no velocity."""

_REQUIRED = ("roi_id", "time", "velocity")
_CHANNEL = "channel"
_NUMBERS = {
    "roi_id": "int64",
    "channel": "int64",
    "time": "float64",
    "velocity": "float64",
    "delx": "float64",
    "delt": "float64",
    "numLines": "Int64",
    "pntsPerLine": "Int64",
    "cleanVelocity": "float64",
    "absVelocity": "float64",
}
_FURTHER_UNITS = {"delx": "µm", "delt": "s", "cleanVelocity": "mm/s", "absVelocity": "mm/s"}


def read_velocity(path: Path, *, roi_widths: Mapping[int, int], header: HasCalibration | None) -> pd.DataFrame:
    """Return the windows in a CSV: the schema's columns first, and the file's others behind them.

    Parameters
    ----------
    path
        The CSV, one row a window.
    roi_widths, header
        As in `older_windows`.

    Raises
    ------
    SidecarError
        When it cannot be understood.
    """
    frame = _read_csv(path)
    if _CHANNEL not in frame.columns:
        frame.insert(1, _CHANNEL, 1)
    try:
        typed = frame.astype({name: dtype for name, dtype in _NUMBERS.items() if name in frame.columns})
    except (ValueError, TypeError, OverflowError) as error:
        raise SidecarError(
            f"{path} has text or gaps where numbers are expected ({_one_line(error)}); mend or remove it, then import again"
        ) from error
    for name in ("roi_id", _CHANNEL):
        if not (typed[name] == frame[name]).all():  # a fraction would be cut off, and a number above 2^63 turned negative
            raise SidecarError(f"{path} has numbers in {name!r} that are no ids; mend or remove it, then import again")
    windows = older_windows(typed, roi_widths=roi_widths, header=header, what=str(path))
    others = typed.drop(columns=[*_REQUIRED, _CHANNEL])
    twice = [name for name in others.columns if name in VELOCITY_COLUMNS]
    joined = pd.concat([windows, others.drop(columns=twice)], axis="columns")
    return with_units(joined, {**VELOCITY_UNITS, **_FURTHER_UNITS})


def older_windows(
    frame: pd.DataFrame,
    *,
    roi_widths: Mapping[int, int] | None = None,
    header: HasCalibration | None = None,
    what: str,
) -> pd.DataFrame:
    """Return the older program's windows with the columns of the schema, no others.

    A window is `at limit` where its velocity is infinite, faster than `SPEED_LIMIT_WIDTHS` of its ROI's width per line, or
    exactly 0. An upright streak has an angle of 90°, whose tangent the older program writes as ±5.5e6 mm/s; the method also
    locks at 0°: next to the zeros in a series, the slowest velocities are 0.04 to 0.26 mm/s.

    Parameters
    ----------
    frame
        The columns of the CSV: `roi_id`, `channel`, `time` in s, `velocity` in mm/s, and the others that are there.
    roi_widths
        The width in pixels of each ROI when it was analysed, where that is known; else `pntsPerLine` counts.
    header
        The calibration of the image, where the rows do not state it in `delx` and `delt`.
    what
        The windows, for messages.
    """
    velocity = frame["velocity"]
    fastest = _speed_limit(frame, roi_widths or {}, header)
    at_limit = velocity.notna() & (np.isinf(velocity) | (velocity.abs() > fastest) | (velocity == 0))
    windows = pd.DataFrame(
        {
            "roi_id": frame["roi_id"],
            "channel": frame[_CHANNEL],
            "method": METHOD,
            "window": frame.groupby(["roi_id", _CHANNEL]).cumcount(),
            "time_s": frame["time"],
            "velocity_mm_s": velocity.mask(at_limit),
            "velocity_window_mm_s": velocity,
            "flag": np.select([at_limit, velocity.isna()], [AT_LIMIT, NO_VALUE], default=""),
        }
    )
    return conform_velocity(windows, what=what)


def summarize_velocity(windows: pd.DataFrame) -> pd.DataFrame:
    """Return the radon report of the older program's windows: one row a ROI and channel.

    `mean_velocity` and `median_velocity` (mm/s, signed) are over the valid windows, `n_valid` is how many these are of
    `n_windows`. `notes` says how many were left out, and why: a few windows at 90° would drown the mean.
    """
    rows = []
    algorithms = windows["algorithm"] if "algorithm" in windows else pd.Series("", index=windows.index)
    for (roi_id, channel), group in windows.groupby(["roi_id", "channel"], sort=True):
        valid = group["velocity_mm_s"].dropna().to_numpy()
        rows.append(
            {
                "roi_id": roi_id,
                "channel": channel,
                "mean_velocity": float(valid.mean()) if valid.size else np.nan,
                "median_velocity": float(np.median(valid)) if valid.size else np.nan,
                "n_valid": int(valid.size),
                "n_windows": len(group),
                "method": METHOD,
                "algorithm": ", ".join(sorted(set(algorithms[group.index].dropna().astype(str)))),
                "notes": _left_out(group),
            }
        )
    report = pd.DataFrame(rows)
    return with_units(report, units_of_columns(report.columns))


def _left_out(windows: pd.DataFrame) -> str:
    at_limit = windows["flag"] == AT_LIMIT
    zeros = int((at_limit & (windows["velocity_window_mm_s"] == 0)).sum())
    counts = {"faster than the scan can show": int(at_limit.sum()) - zeros, "exactly 0, so no angle was found": zeros}
    return "; ".join(f"{count} windows left out: {why}" for why, count in counts.items() if count)


def _speed_limit(frame: pd.DataFrame, roi_widths: Mapping[int, int], header: HasCalibration | None) -> "pd.Series[float]":
    """Return, in mm/s, the fastest velocity that each window can show; infinity where that is not known."""
    unknown = pd.Series(np.nan, index=frame.index)

    def stated(name: str, otherwise: float | None) -> "pd.Series[float]":
        values = pd.to_numeric(frame[name], errors="coerce") if name in frame.columns else unknown
        known = values.astype("float64").where(lambda one: one > 0)
        return known if otherwise is None else known.fillna(otherwise)

    pixels = frame["roi_id"].map(roi_widths).astype("float64").fillna(stated("pntsPerLine", None))
    um = stated("delx", header.um_per_pixel if header else None)
    seconds = stated("delt", header.seconds_per_line if header else None)
    return (SPEED_LIMIT_WIDTHS * pixels * um / seconds / 1000.0).fillna(np.inf)


def _read_csv(path: Path) -> pd.DataFrame:
    try:
        data = read_regular(str(path), MAX_CSV_BYTES)
        frame = parse_csv(data, where=str(path), is_text=lambda name: name not in _NUMBERS).frame
    except KymflowZarrError as error:
        raise SidecarError(str(error)) from error
    except OSError as error:
        raise SidecarError(f"{path} cannot be read ({error.strerror or error})") from error
    missing = [name for name in _REQUIRED if name not in frame.columns]
    if missing:
        raise SidecarError(f"{path} lacks the columns {missing}; mend or remove it, then import again")
    return frame


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
