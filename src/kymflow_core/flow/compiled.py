"""The two sums that take the time, compiled by numba. Importing this needs numba: the extra `fast`.

The rule of this room: nothing is decided here; each function is the twin of one in numpy, of the same numbers. Windows lie
side by side in the last axis, so that the innermost loops are over neighbours in memory. Their length stays a variable:
numba unrolls loops of a constant length, and the compiler makes vectors only of those that are left. Arrays are filled
in loops: compiling took twice as long with numpy's expressions over whole arrays, and a person waits for it once.
"""

import numba
import numpy as np
from numpy.typing import NDArray

from kymflow_core.flow.operators import LANES, ORDER

TILE = 4
"""Groups of lanes whose pixels stay in the cache while the speeds pass by."""

Floats = NDArray[np.float32]


@numba.njit(cache=True, fastmath=True)
def quadratic_forms(
    interleaved: Floats,
    shifts: NDArray[np.int32],
    fractions: Floats,
    first_bins: NDArray[np.int64],
    factors: Floats,
    offsets: Floats,
) -> Floats:
    """Return the quadratic form of every window at every speed; see `likelihood._quadratic_forms`."""
    pixels, steps = interleaved.shape[1:]
    speeds, lines = shifts.shape
    groups = (steps - (lines - 1) // interleaved.shape[0]) // LANES
    forms = np.empty((groups * LANES, speeds), np.float32)
    most = 0
    for speed in range(speeds):
        most = max(most, first_bins[speed + 1] - first_bins[speed])
    # Rows of zeros above and below, so that the first and last bins need no case of their own.
    room = np.zeros((most + 2 * ORDER, LANES), np.float32)
    of_lines = np.empty((lines, LANES), np.float32)
    quadratic = np.empty(LANES, np.float32)
    brightness = np.zeros((interleaved.shape[0], steps), np.float32)
    for phase in range(interleaved.shape[0]):
        for pixel in range(pixels):
            for place in range(steps):
                brightness[phase, place] += interleaved[phase, pixel, place]
    for tile in range(0, groups, TILE):
        for speed in range(speeds):
            rows = factors[first_bins[speed] : first_bins[speed + 1]]
            bins = rows.shape[0]
            binned = room[ORDER : ORDER + bins + 1]
            for group in range(tile, min(tile + TILE, groups)):
                for place in range(ORDER, 2 * ORDER + bins):
                    for lane in range(LANES):
                        room[place, lane] = np.float32(0)
                _bin(binned, interleaved, group * LANES, shifts[speed], fractions[speed])
                _substitute(room, rows, quadratic)
                _rest_of_lines(binned, bins, brightness, group * LANES, shifts[speed], fractions[speed], of_lines)
                _add_offsets(offsets[speed], of_lines, quadratic)
                for lane in range(LANES):
                    forms[group * LANES + lane, speed] = quadratic[lane]
    return forms


@numba.njit(cache=True, fastmath=True)
def _bin(binned, interleaved, first, shifts, fractions):  # noqa: ANN001, ANN202
    step, pixels = np.uint64(interleaved.shape[0]), np.uint64(interleaved.shape[1])
    lanes = np.uint64(binned.shape[1])
    one = np.uint64(1)
    for line in range(np.uint64(shifts.shape[0])):
        start = np.uint64(first) + line // step
        phase = line % step
        shift = np.uint64(shifts[line])
        after = fractions[line]
        here = np.float32(1) - after
        for lane in range(lanes):
            binned[shift, lane] += here * interleaved[phase, np.uint64(0), start + lane]
        for pixel in range(one, pixels):
            for lane in range(lanes):
                binned[shift + pixel, lane] += (
                    here * interleaved[phase, pixel, start + lane] + after * interleaved[phase, pixel - one, start + lane]
                )
        for lane in range(lanes):
            binned[shift + pixels, lane] += after * interleaved[phase, pixels - one, start + lane]


@numba.njit(cache=True, fastmath=True)
def _substitute(room, rows, quadratic):  # noqa: ANN001, ANN202
    bins, lanes = rows.shape[0], room.shape[1]
    for lane in range(lanes):
        quadratic[lane] = np.float32(0)
    for place in range(bins):
        scale, first, second, third = rows[place, 0], rows[place, 1], rows[place, 2], rows[place, 3]
        near = room[place : place + ORDER + 1]
        for lane in range(lanes):
            value = near[3, lane] - first * near[2, lane] - second * near[1, lane] - third * near[0, lane]
            value *= scale
            near[3, lane] = value
            quadratic[lane] += value * value
    for place in range(bins - 1, -1, -1):
        scale = rows[place, 0]
        first = rows[place + 1, 1] if place + 1 < bins else np.float32(0)
        second = rows[place + 2, 2] if place + 2 < bins else np.float32(0)
        third = rows[place + 3, 3] if place + 3 < bins else np.float32(0)
        near = room[place + ORDER : place + 2 * ORDER + 1]
        for lane in range(lanes):
            value = near[0, lane] - first * near[1, lane] - second * near[2, lane] - third * near[3, lane]
            near[0, lane] = value * scale


@numba.njit(cache=True, fastmath=True)
def _rest_of_lines(pattern, bins, brightness, start, shifts, fractions, of_lines):  # noqa: ANN001, ANN202
    # Sums up to a bin replace the bin itself, so that the sum over a line is a difference of two.
    step, lanes = brightness.shape[0], pattern.shape[1]
    most = 0
    for line in range(shifts.shape[0]):
        most = max(most, shifts[line])
    pixels = bins - 1 - most
    for place in range(1, bins):
        near = pattern[place - 1 : place + 1]
        for lane in range(lanes):
            near[1, lane] += near[0, lane]
    for line in range(shifts.shape[0]):
        first = shifts[line]
        after = fractions[line]
        here = np.float32(1) - after
        kept = here if first > 0 else np.float32(0)
        before, begin = pattern[max(first - 1, 0)], pattern[first]
        end, last = pattern[first + pixels - 1], pattern[first + pixels]
        bright = brightness[line % step, start + line // step :]
        target = of_lines[line]
        for lane in range(lanes):
            target[lane] = bright[lane] - here * end[lane] + kept * before[lane] - after * (last[lane] - begin[lane])


@numba.njit(cache=True, fastmath=True)
def _add_offsets(offsets, of_lines, quadratic):  # noqa: ANN001, ANN202
    lanes = of_lines.shape[1]
    sums = np.empty(lanes, np.float32)
    for row in range(of_lines.shape[0]):
        for lane in range(lanes):
            sums[lane] = np.float32(0)
        for line in range(row + 1):
            weight, means = offsets[row, line], of_lines[line]
            for lane in range(lanes):
                sums[lane] += weight * means[lane]
        for lane in range(lanes):
            quadratic[lane] += sums[lane] * sums[lane]


@numba.njit(cache=True, fastmath=True)
def forward_backward(
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
    """Return the probability of each speed in each window; see `posterior._forward_backward`."""
    windows, speeds = seen.shape
    found = np.empty(seen.shape, np.float32)
    total = np.float32(0)
    for speed in range(speeds):
        found[0, speed] = prior[speed] * seen[0, speed]
        total += found[0, speed]
    for speed in range(speeds):
        found[0, speed] /= total
    for window in range(1, windows):
        before, state, now = found[window - 1], found[window], seen[window]
        total = np.float32(0)
        for speed in range(speeds):
            value = _along(arriving, arriving_rows, arriving_first, speed, before)
            value = ((1 - jump) * value + jump * prior[speed]) * now[speed]
            state[speed] = value
            total += value
        for speed in range(speeds):
            state[speed] /= total
    later = np.ones(speeds, np.float32)
    ahead = np.empty(speeds, np.float32)
    for window in range(windows - 2, -1, -1):
        now, state = seen[window + 1], found[window]
        anywhere = np.float32(0)
        for speed in range(speeds):
            ahead[speed] = now[speed] * later[speed]
            anywhere += prior[speed] * ahead[speed]
        highest = np.float32(0)
        for speed in range(speeds):
            value = (1 - jump) * _along(onward, onward_rows, onward_first, speed, ahead) + jump * anywhere
            later[speed] = value
            highest = max(highest, value)
        total = np.float32(0)
        for speed in range(speeds):
            later[speed] /= highest
            state[speed] *= later[speed]
            total += state[speed]
        for speed in range(speeds):
            state[speed] /= total
    return found


@numba.njit(cache=True, fastmath=True)
def _along(entries, rows, first, row, values):  # noqa: ANN001, ANN202
    band = entries[rows[row] : rows[row + 1]]
    near = values[first[row] : first[row] + band.shape[0]]
    total = np.float32(0)
    for place in range(band.shape[0]):
        total += band[place] * near[place]
    return total
