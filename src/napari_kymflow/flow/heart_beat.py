"""The velocity without the heart beat: averaged over one beat around each window. Pure."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from napari_kymflow.flow.traces import Trace

_LEAST_PART = 0.5
"""Of the windows within a beat, the part that must have a velocity."""


def beat_average(trace: Trace, *, hz: float, seconds_per_line: float) -> Trace:
    """Return the mean velocity over one heart beat around each window, NaN where less than half of it is known.

    Parameters
    ----------
    trace
        With evenly spaced windows.
    hz
        The heart rate.
    seconds_per_line
        The calibration.
    """
    step_s = float(np.median(np.diff(trace.lines))) * seconds_per_line if len(trace) > 1 else np.inf
    # An odd number of windows, so that the mean is that around the middle one.
    half = round((1 / (hz * step_s) - 1) / 2)
    nothing = np.full(len(trace), np.nan)
    known = np.isfinite(trace.velocity)
    sums = _sums_around(np.where(known, trace.velocity, 0.0), half)
    counts, places = _sums_around(known.astype(np.float64), half), _sums_around(np.ones(len(trace)), half)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = np.where(counts >= _LEAST_PART * places, sums / counts, np.nan)
    return replace(
        trace,
        velocity=means,
        low=nothing,
        high=nothing,
        alone=nothing,
        states=np.zeros(len(trace), np.uint8),
    )


def _sums_around(values: NDArray[np.float64], half: int) -> NDArray[np.float64]:
    """Return, for each place, the sum of the values up to `half` places away; at the ends of those that there are."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    places = np.arange(len(values))
    return np.asarray(sums[np.minimum(places + half + 1, len(values))] - sums[np.maximum(places - half, 0)])
