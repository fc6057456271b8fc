"""Whether a ring of vertices crosses itself."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from kymflow_core.errors import RoiError

MOST_PAIRS = 20_000_000
_AT_ONCE = 2**18


def is_simple(points: NDArray[np.float64]) -> bool:
    """Return whether no two sides of a closed polygon (n, 2) cross or touch, but for neighbours at their corner.

    Raises
    ------
    RoiError
        When that would take very long.
    """
    begin, end = points, np.roll(points, -1, axis=0)
    low, high = np.minimum(begin, end), np.maximum(begin, end)
    along = end - begin
    turned_back = (cross(along, np.roll(along, -1, axis=0)) == 0) & ((along * np.roll(along, -1, axis=0)).sum(axis=1) < 0)
    if turned_back.any():
        return False
    for one, other in _near_pairs(low, high):
        parted = _sign(along[one], begin[other] - begin[one]) * _sign(along[one], end[other] - begin[one]) > 0
        parted |= _sign(along[other], begin[one] - begin[other]) * _sign(along[other], end[one] - begin[other]) > 0
        if not parted.all():
            return False
    return True


def _near_pairs(
    low: NDArray[np.float64], high: NDArray[np.float64]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Yield pairs of sides that are no neighbours and whose boxes meet, many at once.

    Sides are sorted along the axis along which fewer overlap; each is compared with those that begin before it ends.
    """
    count = len(low)
    orders = [np.argsort(low[:, axis], kind="stable") for axis in (0, 1)]
    meets = [
        np.searchsorted(low[order, axis], high[order, axis], side="right") - np.arange(count) - 1
        for axis, order in enumerate(orders)
    ]
    axis = int(meets[1].sum() < meets[0].sum())
    order, meet = orders[axis], meets[axis]
    ends, total = np.cumsum(meet), int(meet.sum())
    for start in range(0, min(total, MOST_PAIRS), _AT_ONCE):
        place = np.arange(start, min(start + _AT_ONCE, total))
        at = np.searchsorted(ends, place, side="right")
        one, other = order[at], order[at + 1 + place - (ends[at] - meet[at])]
        apart = np.abs(one - other)
        is_near = (apart > 1) & (apart < count - 1)
        is_near &= (low[other] <= high[one]).all(axis=1) & (high[other] >= low[one]).all(axis=1)
        yield one[is_near], other[is_near]
    if total > MOST_PAIRS:
        raise RoiError(
            f"whether a shape of {count:,} vertices crosses itself is not known: {total:,} pairs of its sides lie side by "
            f"side, and at most {MOST_PAIRS:,} are looked at; draw it with fewer vertices"
        )


def cross(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the cross product of vectors in the plane, (…, 2) each."""
    return np.asarray(first[..., 0] * second[..., 1] - first[..., 1] * second[..., 0])


def _sign(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.sign(cross(first, second))
