"""A trace with more and more windows in one point, so that what is drawn never has many more points than pixels. Pure.

The rule of this room: a point keeps the extremes of its windows, so nothing that stands out is lost by looking from afar.
Points have fixed windows, whatever part is looked at, so that nothing flickers while the view moves.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Level:
    """A trace of which `windows` neighbouring windows are one point each; all arrays have one value a point.

    Parameters
    ----------
    windows
        How many windows a point has.
    lines
        The middle of the point, in lines.
    least, most
        The lowest and the highest valid velocity; NaN where none is valid.
    low, high
        The lower end of the lowest interval and the upper end of the highest one, of valid windows.
    alone_least, alone_most
        The lowest and the highest of what single windows say, valid or not.
    quality
        The mean quality.
    states
        The commonest state.
    """

    windows: int
    lines: Doubles
    least: Doubles
    most: Doubles
    low: Doubles
    high: Doubles
    alone_least: Doubles
    alone_most: Doubles
    quality: Doubles
    states: NDArray[np.uint8]

    def part(self, start: float, stop: float) -> slice:
        """Return the points between two lines, and one more on either side."""
        first, behind = np.searchsorted(self.lines, [start, stop])
        return slice(max(0, int(first) - 1), min(len(self.lines), int(behind) + 1))


def make_levels(
    *,
    lines: Doubles,
    velocity: Doubles,
    low: Doubles,
    high: Doubles,
    alone: Doubles,
    quality: Doubles,
    states: NDArray[np.uint8],
    n_states: int,
) -> tuple[Level, ...]:
    """Return a trace in levels of 1, 2, 4 … windows a point, until it has less than 256 points."""
    valid = np.isfinite(velocity)
    levels = [
        Level(
            windows=1,
            lines=lines,
            least=velocity,
            most=velocity,
            low=np.where(valid, low, np.nan),
            high=np.where(valid, high, np.nan),
            alone_least=alone,
            alone_most=alone,
            quality=quality,
            states=states,
        )
    ]
    counts = np.eye(n_states, dtype=np.int32)[states]
    while len(levels[-1].lines) >= 512:
        counts = _pairs(counts).sum(axis=1)
        levels.append(_coarser(levels[-1], counts.argmax(axis=1).astype(np.uint8)))
    return tuple(levels)


def level_for(levels: tuple[Level, ...], start: float, stop: float, *, points: int) -> Level:
    """Return the finest level that has at most so many points between two lines; the coarsest where none has."""
    for level in levels:
        part = level.part(start, stop)
        if part.stop - part.start <= points:
            return level
    return levels[-1]


def _coarser(level: Level, states: NDArray[np.uint8]) -> Level:
    def mean(values: Doubles) -> Doubles:
        return np.asarray(_pairs(values).mean(axis=1))

    def least(values: Doubles) -> Doubles:
        return np.asarray(np.fmin.reduce(_pairs(values), axis=1))

    def most(values: Doubles) -> Doubles:
        return np.asarray(np.fmax.reduce(_pairs(values), axis=1))

    return Level(
        windows=2 * level.windows,
        lines=mean(level.lines),
        least=least(level.least),
        most=most(level.most),
        low=least(level.low),
        high=most(level.high),
        alone_least=least(level.alone_least),
        alone_most=most(level.alone_most),
        quality=mean(level.quality),
        states=states,
    )


def _pairs(values: NDArray[np.generic]) -> NDArray[np.generic]:
    """Return neighbours side by side along a second axis; a last one without a neighbour is its own."""
    if len(values) % 2:
        values = np.concatenate([values, values[-1:]])
    return values.reshape(len(values) // 2, 2, *values.shape[1:])
