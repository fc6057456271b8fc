"""What all windows together say of the speed at each time: a hidden Markov chain over the grid of speeds.

Forward and backward over the windows (Rabiner 1989, doi 10.1109/5.18626). From one window to the next the speed changes by
a normal amount, or, rarely, jumps anywhere. A window may hold no cell, and then says nothing of the speed; it may be an
outlier. Windows that overlap share their pixels, so each counts with a part of its likelihood only.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from kymflow_core.flow.acceleration import compiled_sums
from kymflow_core.flow.speed_grid import at_midpoints, cell_edges

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
_Band = tuple[Floats, NDArray[np.int32], NDArray[np.int32]]

CHANGE_PIXELS_PER_LINE = 0.06
CHANGE_RELATIVE = 0.05
CHANGE_LINES = 4
"""The change of the speed over this many lines; over others it grows with the square root."""
OUTLIERS = 0.02
REACH = 4.0
"""Standard deviations beyond which a change is a jump."""
WIDEST = 0.9
"""The part of a speed that it changes at most without a jump; below 1, what arrives at a speed is one band too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """How the speed may go on, and how far a window is believed.

    Parameters
    ----------
    change
        Standard deviation of the change a step, in pixels per line, beside `relative` times the speed.
    relative
        The part of the change that grows with the speed.
    jump
        Probability of a jump anywhere, a step.
    empty
        Probability that a window holds no cell.
    weight
        Part of its log-likelihood that a window counts with.
    """

    change: float
    relative: float
    jump: float
    empty: float
    weight: float


def prior_of(speeds: Doubles) -> Doubles:
    """Return the same probability for every pixel per line: that of a cell of the grid is its width."""
    widths = np.diff(cell_edges(speeds))
    return np.asarray(widths / widths.sum())


def posterior(ratios: Floats, speeds: Doubles, chain: Chain, *, compiled: bool = True) -> Floats:
    """Return the probability of each speed in each window, shape (windows, speeds).

    Parameters
    ----------
    ratios
        Log-likelihood ratios over every other of these speeds, shape (windows, (speeds + 1) / 2); see `with_midpoints`.
    speeds
        In pixels per line, ascending.
    chain
        How the speed may go on.
    compiled
        Whether numba is used where it is installed.
    """
    prior = prior_of(speeds)
    seen = _emissions(ratios, prior, chain)
    fast = compiled_sums() if compiled else None
    run = _forward_backward if fast is None else fast.forward_backward
    arriving, onward = _bands(tuple(speeds.tolist()), chain)
    return np.asarray(run(seen, prior.astype(np.float32), np.float32(chain.jump), *arriving, *onward))


@lru_cache(maxsize=8)
def _bands(speeds: tuple[float, ...], chain: Chain) -> tuple[_Band, _Band]:
    """Return what arrives at each speed, and what goes on from it: entries, where rows begin, the first column of each."""
    onward = transitions(np.array(speeds), chain)
    arriving = csr_matrix(onward.T)
    arriving.sort_indices()
    of_both = [(matrix.data, matrix.indptr, matrix.indices[matrix.indptr[:-1]]) for matrix in (arriving, onward)]
    return of_both[0], of_both[1]


def transitions(speeds: Doubles, chain: Chain) -> csr_matrix:
    """Return the probabilities of the next speed (columns) after each one (rows), without jumps; every row is one band."""
    spread = np.hypot(chain.change, chain.relative * np.abs(speeds))
    widths = np.diff(cell_edges(speeds))
    # A quarter more: the change of a fast neighbour is larger than that of this one.
    wide = 1.25 * REACH * np.sqrt(2)
    rows, columns, values = [], [], []
    for row, speed in enumerate(speeds):
        reach = np.hypot(wide * chain.change, min(wide * chain.relative, WIDEST) * speed)
        first, behind = np.searchsorted(speeds, [speed - reach, speed + reach])
        first, behind = min(first, row), max(behind, row + 1)
        near = slice(first, behind)
        weights = np.exp(-0.5 * np.square((speeds[near] - speed) / np.hypot(spread[row], spread[near]))) * widths[near]
        rows.append(np.full(behind - first, row))
        columns.append(np.arange(first, behind))
        values.append(weights / weights.sum())
    entries = np.concatenate(values).astype(np.float32)
    return csr_matrix((entries, (np.concatenate(rows), np.concatenate(columns))), shape=(len(speeds), len(speeds)))


def evidence(ratios: Floats, speeds: Doubles) -> Doubles:
    """Return, for each window by itself, the log of how much more probable it is with a pattern than without, in nats."""
    highest = ratios.max(axis=1, keepdims=True)
    return np.asarray(highest[:, 0] + np.log(np.exp(ratios - highest) @ prior_of(speeds)))


def _emissions(ratios: Floats, prior: Doubles, chain: Chain) -> Floats:
    seen = at_midpoints(ratios)
    seen *= np.float32(chain.weight)
    # A window without cells has the ratio 1 at every speed.
    highest = np.maximum(seen.max(axis=1, keepdims=True), 0)
    seen -= highest
    np.exp(seen, out=seen)
    seen *= np.float32(1 - chain.empty)
    seen += np.float32(chain.empty) * np.exp(-highest)
    seen *= ((1 - OUTLIERS) / (seen @ prior.astype(np.float32)))[:, None]
    seen += np.float32(OUTLIERS)
    return seen


def _forward_backward(
    seen: Floats,
    prior: Floats,
    jump: np.float32,
    arriving: Floats,
    arriving_rows: NDArray[np.int32],
    arriving_first: NDArray[np.int32],
    onward: Floats,
    onward_rows: NDArray[np.int32],
    onward_first: NDArray[np.int32],
) -> Floats:
    shape = (len(prior), len(prior))
    come = csr_matrix((arriving, _columns(arriving_rows, arriving_first), arriving_rows), shape=shape)
    go = csr_matrix((onward, _columns(onward_rows, onward_first), onward_rows), shape=shape)
    found = np.empty_like(seen)
    state = prior * seen[0]
    found[0] = state / state.sum()
    for window in range(1, len(seen)):
        state = ((1 - jump) * (come @ found[window - 1]) + jump * prior) * seen[window]
        found[window] = state / state.sum()
    later = np.ones_like(prior)
    for window in range(len(seen) - 2, -1, -1):
        ahead = seen[window + 1] * later
        later = (1 - jump) * (go @ ahead) + jump * (prior @ ahead)
        later /= later.max()
        found[window] *= later
        found[window] /= found[window].sum()
    return found


def _columns(rows: NDArray[np.int32], first: NDArray[np.int32]) -> NDArray[np.int32]:
    counts = np.diff(rows)
    return (np.arange(rows[-1]) - np.repeat(rows[:-1] - first, counts)).astype(np.int32)
