"""What of a trace is drawn between two lines: a median line with gaps, a band, faint points, and the strip of states. Pure.

The rule of this room: where nothing is valid there is a gap, however far away one looks from.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_kymflow.flow.levels import Level, level_for
from napari_kymflow.flow.traces import STATES, Trace

Doubles = NDArray[np.float64]
Curve = tuple[Doubles, Doubles]

POINTS_A_PIXEL = 1.0
"""How many points of a trace there are at most a pixel of the screen."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Curves:
    """What is drawn of one trace; x is in lines.

    Parameters
    ----------
    median
        A line with NaN in its gaps.
    band
        The outline of the 95 % interval, one closed polygon; where it is not valid it has no width.
    points
        What single windows say.
    strip
        Begin, end and state of stretches of one state.
    """

    median: Curve
    band: Curve
    points: Curve
    strip: tuple[Doubles, Doubles, NDArray[np.uint8]]


@dataclass(frozen=True, slots=True, kw_only=True)
class StateLook:
    """How a state looks in the strip: a colour that colour-blind people tell apart, and a height."""

    color: str
    height: float
    text: str


LOOKS: Mapping[str, StateLook] = {
    "": StateLook(color="#009e73", height=0.3, text="valid"),
    "speed changed": StateLook(color="#cc79a7", height=0.55, text="speed changed within the window"),
    "uncertain": StateLook(color="#e69f00", height=0.8, text="uncertain: it fits several speeds"),
    "no cells": StateLook(color="#8a8a8a", height=0.0, text="no cells"),
    "at limit": StateLook(color="#d55e00", height=1.0, text="at limit: faster than this line can show"),
}
"""Okabe and Ito's colours."""


def curves(trace: Trace, start: float, stop: float, *, width: float) -> Curves:
    """Return what is drawn of a trace between two lines, on so many pixels of the screen."""
    level = level_for(trace.levels, start, stop, points=max(2, int(POINTS_A_PIXEL * width)))
    part = level.part(start, stop)
    half = _half_step(level)
    lines = level.lines[part]
    return Curves(
        median=_median(level, part, half),
        band=_band(lines, level.low[part], level.high[part], half),
        points=_points(level, part),
        strip=_strip(lines, level.states[part], half),
    )


def _half_step(level: Level) -> float:
    return float(np.median(np.diff(level.lines[:64])) / 2) if len(level.lines) > 1 else 1.0


def _median(level: Level, part: slice, half: float) -> Curve:
    lines, least, most = level.lines[part], level.least[part], level.most[part]
    if level.windows > 1:
        lines, values = np.repeat(lines, 2), np.stack([least, most], axis=1).ravel()
    else:
        values = least
    valid = np.flatnonzero(np.isfinite(values))
    if not len(valid):
        return np.empty(0), np.empty(0)
    lines, values = lines[valid], values[valid]
    # A valid window is as wide as a step also where it is alone.
    first = np.concatenate([[0], np.flatnonzero(np.diff(valid) > 1) + 1])
    last = np.concatenate([first[1:] - 1, [len(valid) - 1]])
    at = np.concatenate([first, last + 1, last + 1])
    x = np.concatenate([lines[first] - half, lines[last] + half, lines[last] + half])
    y = np.concatenate([values[first], values[last], np.full(len(last), np.nan)])
    # Of what is put in at one place, ends of a stretch come before the beginning of the next one.
    rank = np.concatenate([np.full(len(first), 2), np.zeros(len(last)), np.ones(len(last))])
    order = np.lexsort((rank, at))
    return np.insert(lines, at[order], x[order]), np.insert(values, at[order], y[order])


def _band(lines: Doubles, low: Doubles, high: Doubles, half: float) -> Curve:
    valid = np.flatnonzero(np.isfinite(low) & np.isfinite(high))
    if not len(valid):
        return np.empty(0), np.empty(0)
    lines, low, high = lines[valid], low[valid], high[valid]
    first = np.concatenate([[0], np.flatnonzero(np.diff(valid) > 1) + 1])
    last = np.concatenate([first[1:] - 1, [len(valid) - 1]])
    middle = (low + high) / 2
    # Each stretch begins and ends with no width, so that what joins two of them has none.
    at = np.concatenate([last + 1, last + 1, first, first])
    rank = np.repeat([0, 1, 2, 3], len(first))
    x = np.concatenate([lines[last] + half, lines[last] + half, lines[first] - half, lines[first] - half])
    order = np.lexsort((rank, at))

    def filled(values: Doubles) -> Doubles:
        put = np.concatenate([values[last], middle[last], middle[first], values[first]])
        return np.insert(values, at[order], put[order])

    x = np.insert(lines, at[order], x[order])
    return np.concatenate([x, x[::-1]]), np.concatenate([filled(high), filled(low)[::-1]])


def _points(level: Level, part: slice) -> Curve:
    lines, least, most = level.lines[part], level.alone_least[part], level.alone_most[part]
    if level.windows > 1:
        lines, least = np.concatenate([lines, lines]), np.concatenate([least, most])
    kept = np.isfinite(least)
    return lines[kept], least[kept]


def _strip(lines: Doubles, states: NDArray[np.uint8], half: float) -> tuple[Doubles, Doubles, NDArray[np.uint8]]:
    if not len(lines):
        return np.empty(0), np.empty(0), states
    first = np.concatenate([[0], np.flatnonzero(np.diff(states.astype(np.int16)) != 0) + 1])
    last = np.concatenate([first[1:] - 1, [len(lines) - 1]])
    return lines[first] - half, lines[last] + half, states[first]


def describe(trace: Trace, line: float) -> str:
    """Return what a trace says at a line, such as "-1.21 mm/s (-1.27 to -1.15), quality 0.99"; empty where nothing."""
    window = trace.window_at(line)
    if window is None:
        return ""
    state, quality = STATES[trace.states[window]], trace.quality[window]
    sure = f", quality {quality:.2f}" if np.isfinite(quality) else ""
    if not np.isfinite(trace.velocity[window]):
        return f"{LOOKS[state].text}{sure}" if state else f"no value{sure}"
    low, high = trace.low[window], trace.high[window]
    interval = f" ({low:.3g} to {high:.3g})" if np.isfinite(low) and np.isfinite(high) else ""
    return f"{trace.velocity[window]:.3g} {trace.unit}{interval}{sure}"
