"""One row on a trace: what a table of many ROIs shows of each.

The rule of this room: a mean has its number of windows beside it; nothing here is computed from values that were left out.
"""

import math

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from kymflow_core.flow.cells import CellCount
from kymflow_core.flow.events import LOW
from kymflow_core.flow.heart_rate import HeartRate
from kymflow_core.flow.trace import VelocityTrace
from kymflow_core.velocity_schema import AT_LIMIT

METHOD_VERSION = "1"
"""Changes when the same pixels would give other velocities."""


def summarize(
    trace: VelocityTrace, pixels: ArrayLike, *, heart: HeartRate, cells: CellCount, events: pd.DataFrame
) -> dict[str, object]:
    """Return the summary of one ROI and channel; what is not known is NaN.

    Parameters
    ----------
    trace, pixels
        The trace, and what it was measured in.
    heart, cells, events
        What `heart_rate`, `count_cells` and `detect_events` say of it.

    Returns
    -------
    dict
        Velocities in mm/s, signed. `n_effective` is how many windows share no line at most: the number for a standard
        error. `direction` is that of most windows, towards larger or smaller x. `noise` and `contrast` are standard
        deviations of relative brightness; `cell_length_um` is the mean length of what was counted as one cell.
    """
    return {
        **_velocities(trace),
        "method": trace.settings.method,
        "version": METHOD_VERSION,
        "window_lines": trace.window,
        "step_lines": trace.step,
        "window_s": trace.window * _known(trace.seconds_per_line),
        "speed_limit_mm_s": trace.speed_limit_mm_s,
        **_brightness(trace, np.asarray(pixels)),
        "beam_corrected": trace.settings.dwell_s is not None and trace.seconds_per_line is not None,
        "heart_rate_hz": heart.hz,
        "heart_power_ratio": heart.power_ratio,
        "pulsatility": 2 * heart.amplitude_mm_s / abs(mean) if (mean := _mean(trace)) else math.nan,
        "cells": cells.count,
        "cells_per_s": cells.cells_per_s,
        "occupied_fraction": cells.occupied_fraction,
        "cell_length_um": cells.cell_length * _known(trace.um_per_pixel),
        "stalls_per_minute": _stalls_per_minute(trace, events),
        "notes": "; ".join(trace.notes),
    }


def _known(value: float | None) -> float:
    return math.nan if value is None else value


def _mean(trace: VelocityTrace) -> float:
    return float(trace.frame["velocity_mm_s"].mean())


def _velocities(trace: VelocityTrace) -> dict[str, object]:
    valid = trace.frame["velocity_mm_s"].dropna().to_numpy()
    count = len(trace.frame)
    nothing = math.nan
    in_pixels = trace.pixels_per_line["velocity"].dropna().to_numpy()
    forward = bool(np.median(in_pixels) >= 0) if len(in_pixels) else None
    reversed_windows = in_pixels < 0 if forward else in_pixels > 0
    return {
        "mean_velocity": float(valid.mean()) if len(valid) else nothing,
        "median_velocity": float(np.median(valid)) if len(valid) else nothing,
        "sd_velocity": float(valid.std(ddof=1)) if len(valid) > 1 else nothing,
        "p5_velocity": float(np.percentile(valid, 5)) if len(valid) else nothing,
        "p95_velocity": float(np.percentile(valid, 95)) if len(valid) else nothing,
        "median_px_per_line": float(np.median(in_pixels)) if len(in_pixels) else nothing,
        "n_windows": count,
        "n_valid": len(in_pixels),
        "fraction_valid": len(in_pixels) / count if count else nothing,
        "n_effective": len(in_pixels) * min(1.0, trace.step / trace.window),
        "n_at_limit": int((trace.frame["flag"] == AT_LIMIT).sum()),
        "direction": "" if forward is None else "to larger x" if forward else "to smaller x",
        "fraction_reversed": float(reversed_windows.mean()) if len(in_pixels) else nothing,
    }


def _brightness(trace: VelocityTrace, pixels: np.ndarray) -> dict[str, object]:
    usable = bool(pixels.size) and bool(np.isfinite(pixels).all())
    of = trace.hyperparameters
    return {
        "noise": math.nan if of is None else math.sqrt(of.noise),
        "contrast": math.nan if of is None else math.sqrt(of.signal),
        "img_min": float(pixels.min()) if usable else math.nan,
        "img_max": float(pixels.max()) if usable else math.nan,
        "img_mean": float(pixels.mean()) if usable else math.nan,
        "img_std": float(pixels.std()) if usable else math.nan,
    }


def _stalls_per_minute(trace: VelocityTrace, events: pd.DataFrame) -> float:
    times = trace.frame["time_s"]
    if len(times) < 2 or times.isna().any():
        return math.nan
    minutes = float(times.iloc[-1] - times.iloc[0]) / 60
    return float(((events["kind"] == LOW) & events["stalled"]).sum()) / minutes
