"""How well each speed explains each window: one number a window and speed, in nats.

The rule of this room: it knows windows and speeds, no time and no units. The algebra is in `operators`; what stands here
is the same sum twice, once compiled by numba, once with numpy and scipy where numba is not installed. A test compares their
numbers.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve_banded

from kymflow_core.flow.acceleration import compiled_sums
from kymflow_core.flow.hyperparameters import Hyperparameters
from kymflow_core.flow.operators import LANES, ORDER, Operators
from kymflow_core.flow.preparation import number_of_windows

Floats = NDArray[np.float32]
WINDOWS_AT_ONCE = 512


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Likelihood:
    """What every window says of every speed.

    Parameters
    ----------
    ratios
        Shape (windows, speeds): log of the probability of the window at this speed over that without a pattern.
    unrelated
        Shape (windows,): the same for lines that share nothing.
    noise
        Shape (windows,): variance of the noise that was taken.
    explained
        Shape (windows,): part of the variance that the pattern at the best speed explains.
    """

    ratios: Floats
    unrelated: Floats
    noise: Floats
    explained: Floats


def likelihood(
    values: Floats,
    operators: Operators,
    estimated: Hyperparameters,
    *,
    window: int,
    step: int,
    compiled: bool = True,
) -> Likelihood:
    """Return the likelihood of all speeds for all windows of `window` lines every `step` lines.

    The noise of a window is the median residual of all windows, or its own where that is more: a window that the model
    explains badly says little.

    Parameters
    ----------
    values
        Relative brightness, shape (lines, positions).
    operators
        Those of this geometry.
    estimated
        The noise of the ROI.
    window, step
        In lines.
    compiled
        Whether numba is used where it is installed.
    """
    count = number_of_windows(len(values), window=window, step=step)
    interleaved = _interleave(values, step=step, window=window, count=count)
    fast = compiled_sums() if compiled else None
    run = _quadratic_forms if fast is None else fast.quadratic_forms
    forms = run(
        interleaved, operators.shifts, operators.fractions, operators.first_bins, operators.factors, operators.offsets
    )
    forms = forms[:count]
    without = _without_pattern(values, operators.line_noise, window=window, step=step)
    forms -= without[:, None].astype(np.float32)
    totals = _window_sums(np.square(values).sum(axis=1, dtype=np.float64), window=window, step=step) - without
    pixels = window * values.shape[1]
    best = (0.5 / estimated.noise * forms[:, :-1] - operators.half_log_determinants[:-1]).argmax(axis=1)
    residuals = (totals - forms[np.arange(count), best]) / pixels
    noise = np.maximum(residuals, max(float(np.median(residuals)), 0.5 * estimated.noise)).astype(np.float32)
    forms *= (0.5 / noise)[:, None]
    forms -= operators.half_log_determinants
    explained = 1 - residuals * pixels / np.maximum(totals, 1e-12)
    return Likelihood(ratios=forms[:, :-1], unrelated=forms[:, -1], noise=noise, explained=explained.astype(np.float32))


def _interleave(values: Floats, *, step: int, window: int, count: int) -> Floats:
    """Return values as (line within a step, position, step), so that one line of neighbouring windows is contiguous."""
    padded = -(-count // LANES) * LANES
    steps = padded + (window - 1) // step
    room = np.zeros((steps * step, values.shape[1]), np.float32)
    used = min(len(values), len(room))
    room[:used] = values[:used]
    return np.ascontiguousarray(room.reshape(steps, step, -1).transpose(1, 2, 0))


def _without_pattern(values: Floats, line_noise: float, *, window: int, step: int) -> NDArray[np.float64]:
    """Return what the offsets of lines alone explain, `n' H n`."""
    pixels = values.shape[1]
    sums = values.sum(axis=1, dtype=np.float64)
    common = _window_sums(sums, window=window, step=step) ** 2 / window
    squares = _window_sums(sums**2, window=window, step=step)
    return np.asarray(common / pixels + (squares - common) * line_noise / (1 + pixels * line_noise))


def _window_sums(lines: NDArray[np.float64], *, window: int, step: int) -> NDArray[np.float64]:
    sums = np.concatenate([[0.0], np.cumsum(lines)])
    first = np.arange(0, len(lines) - window + 1, step)
    return np.asarray(sums[first + window] - sums[first])


def _quadratic_forms(
    interleaved: Floats,
    shifts: NDArray[np.int32],
    fractions: Floats,
    first_bins: NDArray[np.int64],
    factors: Floats,
    offsets: Floats,
) -> Floats:
    step, pixels, steps = interleaved.shape
    lines = shifts.shape[1]
    count = steps - (lines - 1) // step
    forms = np.empty((count, len(shifts)), np.float32)
    brightness = interleaved.sum(axis=1)
    for speed, (shift, fraction) in enumerate(zip(shifts, fractions, strict=True)):
        rows = factors[first_bins[speed] : first_bins[speed + 1]]
        factor = np.zeros((ORDER + 1, len(rows)), np.float32)
        factor[0] = 1 / rows[:, 0]
        for before in range(1, ORDER + 1):
            factor[before, : len(rows) - before] = rows[before:, before]
        for first in range(0, count, WINDOWS_AT_ONCE):
            windows = slice(first, min(first + WINDOWS_AT_ONCE, count))
            binned = np.zeros((len(rows), windows.stop - first), np.float32)
            for line in range(lines):
                ahead, phase = divmod(line, step)
                seen = interleaved[phase, :, first + ahead : windows.stop + ahead]
                binned[shift[line] : shift[line] + pixels] += (1 - fraction[line]) * seen
                binned[shift[line] + 1 : shift[line] + pixels + 1] += fraction[line] * seen
            pattern = cho_solve_banded((factor, True), binned, check_finite=False)
            sums = np.concatenate([np.zeros_like(pattern[:1]), np.cumsum(pattern, axis=0)])
            of_lines = np.stack([brightness[line % step, first + line // step :][: len(binned.T)] for line in range(lines)])
            of_lines -= (1 - fraction[:, None]) * (sums[shift + pixels] - sums[shift])
            of_lines -= fraction[:, None] * (sums[shift + pixels + 1] - sums[shift + 1])
            quadratic = np.einsum("bw,bw->w", binned, pattern)
            forms[windows, speed] = quadratic + np.square(offsets[speed] @ of_lines).sum(axis=0)
    return forms
