"""Whether a ring of vertices crosses itself."""

import numpy as np
from numpy.typing import NDArray


def is_simple(points: NDArray[np.float64]) -> bool:
    """Return whether no two sides of a closed polygon (n, 2) cross or touch, but for neighbours at their corner."""
    begin, end = points, np.roll(points, -1, axis=0)
    low, high = np.minimum(begin, end), np.maximum(begin, end)
    along = end - begin
    turned_back = (cross(along, np.roll(along, -1, axis=0)) == 0) & ((along * np.roll(along, -1, axis=0)).sum(axis=1) < 0)
    if turned_back.any():
        return False
    for side in range(len(points) - 2):
        # Its neighbours are the next side and, for the first one, the last.
        others = slice(side + 2, len(points) - 1 if side == 0 else len(points))
        near = (low[others] <= high[side]).all(axis=1) & (high[others] >= low[side]).all(axis=1)
        parted = _sign(along[side], begin[others] - begin[side]) * _sign(along[side], end[others] - begin[side]) > 0
        parted |= _sign(along[others], begin[side] - begin[others]) * _sign(along[others], end[side] - begin[others]) > 0
        if (near & ~parted).any():
            return False
    return True


def cross(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the cross product of vectors in the plane, (…, 2) each."""
    return np.asarray(first[..., 0] * second[..., 1] - first[..., 1] * second[..., 0])


def _sign(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.sign(cross(first, second))
