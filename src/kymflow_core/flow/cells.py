"""How many cells pass, and how much of the vessel they fill: the kymograph straightened along its own velocity."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import gaussian_filter1d

from kymflow_core.flow.preparation import prepare
from kymflow_core.flow.trace import VelocityTrace

Doubles = NDArray[np.float64]

BINS_PER_PIXEL = 2
SMOOTH_LENGTHS = 0.5
"""The blur of the profile, in lengths of the pattern; a cell is some three of these long."""
APART_LENGTHS = 1.5
PROMINENCE = 0.3
LEAST_KNOWN = 0.5
"""The part of the windows that must have a velocity."""
LEAST_STEP = 4.0
"""How many standard deviations of their noise the cells must differ from the plasma."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CellCount:
    """The cells that pass the middle of a ROI; NaN where that cannot be counted.

    Parameters
    ----------
    count, cells_per_s
        Cells, and cells a second. Cells that touch count as one: about 0.96, 0.91 and 0.84 of the truth where 12, 23 and 40
        % are occupied.
    occupied_fraction
        The part of the length that cells fill; trust it more than the count.
    cell_length
        Mean length of what was counted as one cell, in pixels.
    distance
        How far the cells have gone, in pixels.
    """

    count: float
    cells_per_s: float
    occupied_fraction: float
    cell_length: float
    distance: float


UNKNOWN = CellCount(
    count=math.nan, cells_per_s=math.nan, occupied_fraction=math.nan, cell_length=math.nan, distance=math.nan
)


def count_cells(pixels: ArrayLike, trace: VelocityTrace, *, bright: bool = False) -> CellCount:
    """Count the cells that pass the middle of a ROI.

    Every pixel moves with the flow to where its cell was at the beginning; the mean of all pixels there is a profile of the
    row of cells with little noise, in which cells are dips.

    Parameters
    ----------
    pixels
        Those that the trace was measured in.
    trace
        Its velocity; at least half of its windows must have one.
    bright
        Whether cells are brighter than the plasma.
    """
    image = np.asarray(pixels)
    if len(trace.frame) < 2 or trace.pixels_per_line["velocity"].notna().mean() < LEAST_KNOWN:
        return UNKNOWN
    if trace.hyperparameters is None:
        return UNKNOWN
    values = prepare(image, window=trace.window).values
    speeds = _speed_of_lines(trace, len(values))
    gone = np.concatenate([[0.0], np.cumsum(speeds[:-1])])
    direction = float(np.sign(gone[-1])) or 1.0
    places = ((np.arange(values.shape[1]) - 0.5 * (values.shape[1] - 1)) - gone[:, None]) * direction
    start = float(places.min())
    bins = np.floor((places - start) * BINS_PER_PIXEL).astype(np.intp).ravel()
    pixels_of = np.bincount(bins)
    profile = _filled(np.bincount(bins, values.ravel().astype(np.float64)).astype(np.float64), pixels_of)
    length = trace.hyperparameters.length
    profile = gaussian_filter1d(profile if bright else -profile, SMOOTH_LENGTHS * length * BINS_PER_PIXEL)
    # Only what passes the middle during the scan; the ends of the profile passed before or after it.
    inside = slice(int((-abs(gone[-1]) - start) * BINS_PER_PIXEL), int(-start * BINS_PER_PIXEL) + 1)
    passed = profile[inside]
    noise = math.sqrt(trace.hyperparameters.noise / max(1.0, float(np.median(pixels_of[inside])) * length))
    return _counted(passed, noise=noise, length=length, distance=abs(float(gone[-1])), trace=trace, lines=len(values))


def _counted(
    passed: Doubles, *, noise: float, length: float, distance: float, trace: VelocityTrace, lines: int
) -> CellCount:
    duration = lines * trace.seconds_per_line if trace.seconds_per_line else math.nan
    # Loaded here: it is most of what importing this package would take, and only a count needs it.
    from scipy.signal import find_peaks

    plasma, cells = _two_levels(passed)
    if cells - plasma < LEAST_STEP * noise:
        return CellCount(count=0.0, cells_per_s=0.0, occupied_fraction=0.0, cell_length=math.nan, distance=distance)
    peaks, _ = find_peaks(
        passed, prominence=PROMINENCE * (cells - plasma), distance=max(1, round(APART_LENGTHS * length * BINS_PER_PIXEL))
    )
    occupied = float(np.mean(passed > 0.5 * (plasma + cells)))
    count = len(peaks[passed[peaks] > 0.5 * (plasma + cells)])
    return CellCount(
        count=float(count),
        cells_per_s=count / duration,
        occupied_fraction=occupied,
        cell_length=occupied * len(passed) / BINS_PER_PIXEL / count if count else math.nan,
        distance=distance,
    )


def _speed_of_lines(trace: VelocityTrace, lines: int) -> Doubles:
    """Return the speed at which the streaks of each line move, in pixels per line: with the beam's own movement in it."""
    velocity = trace.pixels_per_line["velocity"].to_numpy()
    known = np.isfinite(velocity)
    centres = np.arange(len(velocity)) * trace.step + 0.5 * (trace.window - 1)
    speeds = np.interp(np.arange(lines), centres[known], velocity[known])
    dwell, period = trace.settings.dwell_s, trace.seconds_per_line
    delay = 0.0 if dwell is None or period is None else dwell / period
    return np.asarray(speeds / (1 - speeds * delay))


def _filled(sums: Doubles, counts: NDArray[np.intp]) -> Doubles:
    there = np.flatnonzero(counts)
    return np.interp(np.arange(len(sums)), there, sums[there] / counts[there])


def _two_levels(values: Doubles) -> tuple[float, float]:
    """Return the means of lower and upper values; the threshold lies half way between them (Ridler and Calvard 1978)."""
    threshold = 0.5 * (float(values.min()) + float(values.max()))
    for _ in range(50):
        upper = values > threshold
        if not upper.any() or upper.all():
            break
        moved = 0.5 * (float(values[upper].mean()) + float(values[~upper].mean()))
        if abs(moved - threshold) < 1e-9:
            break
        threshold = moved
    upper = values > threshold
    middle = float(values.mean())
    return (
        float(values[~upper].mean()) if not upper.all() else middle,
        float(values[upper].mean()) if upper.any() else middle,
    )
