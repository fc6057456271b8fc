"""What is read off the posterior of each window: the velocity, its interval, and how probable it is that it is right.

The rule of this room: pixels per line in, pixels per line out; what is left out, and why, is decided here and nowhere else.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf

from kymflow_core.flow.speed_grid import Doubles, Floats, cell_edges

TWO_SIDED_95 = 1.96
FLOOR_PIXELS_PER_LINE = 0.2
"""A velocity is right within this, where its tolerance is less: slower cells hardly leave their pixel within a window."""
NARROW = 0.35
"""From this probability of a single cell of the grid on, the posterior is narrower than the grid can show."""
MOST_AT_LIMIT = 0.05
OUTERMOST = 2
SMALLEST = 1e-37
WINDOWS_AT_ONCE = 1024


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Statistics:
    """One value a window; speeds in pixels per line. `certain` is the quality without what changes within a window."""

    median: Doubles
    low: Doubles
    high: Doubles
    quality: Doubles
    certain: Doubles
    at_limit: NDArray[np.bool_]


def read_posterior(probabilities: Floats, speeds: Doubles, *, tolerance: float, half_window: int) -> Statistics:
    """Return the statistics of all windows.

    Parameters
    ----------
    probabilities
        Shape (windows, speeds).
    speeds
        In pixels per line, ascending.
    tolerance
        The part of the velocity within which it counts as right.
    half_window
        Half a window in steps, over which the velocity changes.

    Notes
    -----
    The interval holds 95 % of the posterior, widened by what the velocity changes over one window: a change that is
    uniform over the window has the standard deviation change / sqrt(12). The quality is the posterior probability that the
    velocity is right, times the probability that this change stays within the tolerance.
    """
    parts = [
        _read(probabilities[first : first + WINDOWS_AT_ONCE].astype(np.float64), speeds, tolerance)
        for first in range(0, len(probabilities), WINDOWS_AT_ONCE)
    ]
    median, low, high, certain = (np.concatenate(column) for column in zip(*parts, strict=True))
    within = change_over_a_window(median, certain, half_window) / np.sqrt(12)
    right = np.maximum(tolerance * np.abs(median), FLOOR_PIXELS_PER_LINE)
    stays = erf(right / np.maximum(within, 1e-9) / np.sqrt(2))
    ends = [probabilities[:, :OUTERMOST].sum(axis=1), probabilities[:, -OUTERMOST:].sum(axis=1)]
    return Statistics(
        median=median,
        low=median - np.hypot(median - low, TWO_SIDED_95 * within),
        high=median + np.hypot(high - median, TWO_SIDED_95 * within),
        quality=certain * stays,
        certain=certain,
        at_limit=np.max(ends, axis=0) > MOST_AT_LIMIT,
    )


def change_over_a_window(median: Doubles, certain: Doubles, half_window: int) -> Doubles:
    """Return how much the velocity changes over each window, from certain ones half a window earlier and later.

    Also what it changes over either half counts: where a velocity jumps, all lines of one window may by chance agree with a
    third velocity that neither side has.
    """
    trusted = np.where(certain >= 0.5, median, np.nan)
    padded = np.concatenate([np.full(half_window, np.nan), trusted, np.full(half_window, np.nan)])
    earlier, later = padded[: len(median)], padded[2 * half_window :]
    halves = np.abs([median - earlier, later - median])
    whole = np.maximum(np.abs(later - earlier), halves.max(axis=0))
    one_side = 2 * np.nan_to_num(halves).max(axis=0)
    return np.asarray(np.where(np.isnan(whole), one_side, whole))


def _read(part: Doubles, speeds: Doubles, tolerance: float) -> tuple[Doubles, Doubles, Doubles, Doubles]:
    edges = cell_edges(speeds)
    sums = np.concatenate([np.zeros((len(part), 1)), np.cumsum(part, axis=1)], axis=1)
    sums /= sums[:, -1:]
    low, median, high = (_quantile(sums, edges, level) for level in (0.025, 0.5, 0.975))
    narrow = np.flatnonzero(part.max(axis=1) > NARROW)
    if len(narrow):
        top, deviation = _peak(part[narrow] / np.diff(edges), speeds)
        median[narrow] = top
        low[narrow] = top - TWO_SIDED_95 * deviation
        high[narrow] = top + TWO_SIDED_95 * deviation
    right = np.maximum(tolerance * np.abs(median), FLOOR_PIXELS_PER_LINE)
    return median, low, high, _below(sums, edges, median + right) - _below(sums, edges, median - right)


def _quantile(sums: Doubles, edges: Doubles, level: float) -> Doubles:
    rows = np.arange(len(sums))
    cell = np.minimum((sums < level).sum(axis=1), len(edges) - 1)
    before, after = sums[rows, cell - 1], sums[rows, cell]
    part = (level - before) / np.maximum(after - before, SMALLEST)
    return np.asarray(edges[cell - 1] + np.clip(part, 0, 1) * (edges[cell] - edges[cell - 1]))


def _below(sums: Doubles, edges: Doubles, values: Doubles) -> Doubles:
    rows = np.arange(len(sums))
    cell = np.clip(np.searchsorted(edges, values, side="right"), 1, len(edges) - 1)
    part = np.clip((values - edges[cell - 1]) / (edges[cell] - edges[cell - 1]), 0, 1)
    return np.asarray(sums[rows, cell - 1] + part * (sums[rows, cell] - sums[rows, cell - 1]))


def _peak(densities: Doubles, speeds: Doubles) -> tuple[Doubles, Doubles]:
    return parabola(speeds, np.log(np.maximum(densities, SMALLEST)))


def parabola(speeds: Doubles, curves: Doubles) -> tuple[Doubles, Doubles]:
    """Return where each curve (windows, speeds) is highest, and the standard deviation of the normal curve there."""
    rows = np.arange(len(curves))
    at = np.clip(curves.argmax(axis=1), 1, len(speeds) - 2)
    left, middle, right = speeds[at - 1], speeds[at], speeds[at + 1]
    rise = (curves[rows, at] - curves[rows, at - 1]) / (middle - left)
    fall = (curves[rows, at + 1] - curves[rows, at]) / (right - middle)
    bend = np.minimum((fall - rise) / (right - left), -1e-9)
    top = np.clip(0.5 * (left + middle) - rise / (2 * bend), left, right)
    return top, 1 / np.sqrt(-2 * bend)
