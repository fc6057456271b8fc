"""From the pixels of a ROI to relative brightness, and to windows of it.

The rule of this room: what the illumination does is divided away here, once; what the cells do is left as it is. A reason
why there is nothing to measure is a sentence, never an exception.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kymflow_core.flow import notes

FEWEST_PIXELS = 6
TREND_WINDOWS = 16
MOST_SATURATED = 0.5

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """Relative brightness of a ROI, shape (lines, positions): 0 on average in every column, without the slow trend."""

    values: Floats
    dead_columns: int


def unusable(pixels: NDArray[np.generic], *, window: int) -> str | None:
    """Return why nothing can be measured in these pixels, shape (lines, positions), or None."""
    lines, positions = pixels.shape
    if lines < window:
        return notes.shorter_than_a_window(lines, window)
    if positions < FEWEST_PIXELS:
        return notes.too_narrow(positions, FEWEST_PIXELS)
    if np.issubdtype(pixels.dtype, np.inexact) and not np.isfinite(pixels).all():
        return notes.NOT_FINITE
    lowest, highest = pixels.min(), pixels.max()
    if lowest == highest:
        return notes.CONSTANT
    if np.mean(pixels == highest) > MOST_SATURATED:
        return notes.SATURATED
    return None


def prepare(pixels: NDArray[np.generic], *, window: int, moving: NDArray[np.bool_] | None = None) -> Prepared:
    """Divide by the mean of each column and by the slow trend of the lines, and subtract 1.

    Columns are divided so that stripes of the illumination, which stand still, are not taken for cells that do. The trend
    is the running mean of the lines over `TREND_WINDOWS` windows: it takes bleaching and drift, and leaves single cells. A
    column without light (mean at most 0) is 0.

    Parameters
    ----------
    pixels
        Shape (lines, positions), any number type, finite.
    window
        Lines of a window.
    moving
        Which lines the mean of a column is taken of, by default all. Cells that stand still for long look like stripes.
    """
    lines = len(pixels)
    values = pixels.astype(np.float32)
    of_mean = slice(None) if moving is None else moving
    columns = values[of_mean].mean(axis=0, dtype=np.float64)
    alive = columns > 1e-3 * max(float(np.median(columns)), 1e-9)
    values *= np.where(alive, 1 / np.where(alive, columns, 1.0), 0.0).astype(np.float32)
    trend = running_mean(values[:, alive].mean(axis=1, dtype=np.float64), min(lines, TREND_WINDOWS * window))
    values /= np.maximum(trend, 0.05)[:, None].astype(np.float32)
    values -= values[of_mean].mean(axis=0, dtype=np.float64).astype(np.float32)
    return Prepared(values=values, dead_columns=int((~alive).sum()))


def running_mean(values: NDArray[np.float64], length: int) -> NDArray[np.float64]:
    """Return the mean of `length` values around each one, of fewer at both ends."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    at = np.arange(len(values))
    first, behind = np.maximum(at - length // 2, 0), np.minimum(at + (length + 1) // 2, len(values))
    return np.asarray((sums[behind] - sums[first]) / (behind - first))


def join_pixels(values: Floats, count: int) -> Floats:
    """Return the means of `count` neighbouring pixels, without those left over at the end."""
    positions = values.shape[1] // count
    return values[:, : positions * count].reshape(len(values), positions, count).mean(axis=2) if count > 1 else values


def number_of_windows(lines: int, *, window: int, step: int) -> int:
    """Return how many whole windows there are."""
    return (lines - window) // step + 1
