"""From a mask to the polygons round its pixels, exactly.

The rule of this room: coordinates are those of pixel corners, where pixel i spans i to i + 1, as in ImageJ, QuPath and
GeoJSON; they are half a pixel more than the vertices of a `DrawnShape`. Pixels that meet only at a corner are apart, and
every ring is simple: it neither crosses nor touches itself.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Ring: TypeAlias = NDArray[np.int64]
"""Corners (n, 2) as (y, x), from the leftmost of the uppermost ones on; the first is not repeated at the end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """The outline of pixels that hang together by their sides.

    Taken as plain numbers (x, y), the exterior has a positive area by the shoelace formula and a hole a negative one: the
    right-hand rule of RFC 7946, section 3.1.6.
    """

    exterior: Ring
    holes: tuple[Ring, ...] = ()


def mask_regions(mask: NDArray[np.bool_]) -> tuple[Region, ...]:
    """Return the outlines of a mask (y, x), region by region from the top; none where nothing is True.

    Nothing is lost: the mask has exactly the pixels whose centres, at i + 0.5, lie inside an odd number of the rings.
    """
    rings = [_from_first_corner(ring) for loop in _loops(mask) for ring in _simple_rings(loop)]
    exteriors = [bool(mask[tuple(ring[0])]) for ring in rings]
    holes_of: dict[int, list[Ring]] = {number: [] for number, exterior in enumerate(exteriors) if exterior}
    for hole, owner in _owners(rings, exteriors, mask).items():
        holes_of[owner].append(_wound(rings[hole], positive=False))
    regions = [Region(exterior=_wound(rings[at], positive=True), holes=tuple(holes)) for at, holes in holes_of.items()]
    return tuple(sorted(regions, key=lambda region: region.exterior[0].tolist()))


def _loops(mask: NDArray[np.bool_]) -> Iterator[list[tuple[int, int]]]:
    """Yield the closed walks along the sides of the pixels, each as its corners (y, x)."""
    y, x, west, north = _corners(mask)
    level, upright = np.empty(len(y), dtype=np.int64), np.empty(len(y), dtype=np.int64)
    # Along a row of corners, every second stretch between two is a side; so it is along a column.
    for partner, order in ((level, np.lexsort((~west, x, y))), (upright, np.lexsort((~north, y, x)))):
        partner[order[::2]], partner[order[1::2]] = order[1::2], order[::2]
    places = list(zip(y.tolist(), x.tolist(), strict=True))
    next_level, next_upright = level.tolist(), upright.tolist()
    seen = bytearray(len(places))
    for start in range(len(places)):
        if seen[start]:
            continue
        loop, at = [], start
        while not seen[at]:
            across = next_level[at]
            seen[at] = seen[across] = 1
            loop += [places[at], places[across]]
            at = next_upright[across]
        yield loop


def _corners(mask: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_], NDArray[np.bool_]]:
    """Return the y and x of every corner, and whether its two sides go west (else east) and north (else south)."""
    framed = np.pad(mask, 1)
    north_west, north_east, south_west, south_east = framed[:-1, :-1], framed[:-1, 1:], framed[1:, :-1], framed[1:, 1:]
    count = north_west.astype(np.int8) + north_east + south_west + south_east
    # Where two pixels meet at a corner only, each of them has that corner for itself.
    crossing = (count == 2) & (north_west == south_east)
    found = []
    for pixels, west, north in (
        (north_west, True, True),
        (north_east, False, True),
        (south_west, True, False),
        (south_east, False, False),
    ):
        y, x = np.nonzero(((count == 1) | crossing) & pixels | (count == 3) & ~pixels)
        found.append((y, x, np.full(len(y), west), np.full(len(y), north)))
    return (
        np.concatenate([part[0] for part in found]),
        np.concatenate([part[1] for part in found]),
        np.concatenate([part[2] for part in found]),
        np.concatenate([part[3] for part in found]),
    )


def _simple_rings(loop: list[tuple[int, int]]) -> Iterator[Ring]:
    """Yield the parts of a closed walk between its visits to the same corner."""
    walked: list[tuple[int, int]] = []
    visited: dict[tuple[int, int], int] = {}
    for corner in loop:
        if corner not in visited:
            visited[corner] = len(walked)
            walked.append(corner)
            continue
        start = visited[corner]
        yield np.array(walked[start:], dtype=np.int64)
        for left in walked[start + 1 :]:
            del visited[left]
        del walked[start + 1 :]
    yield np.array(walked, dtype=np.int64)


def _from_first_corner(ring: Ring) -> Ring:
    """Return the ring from the leftmost of its uppermost corners on; the pixel south-east of it is inside."""
    return np.roll(ring, -int(np.lexsort((ring[:, 1], ring[:, 0]))[0]), axis=0)


def _wound(ring: Ring, *, positive: bool) -> Ring:
    y, x = ring.T
    area = int((x * np.roll(y, -1) - np.roll(x, -1) * y).sum())
    return ring if (area > 0) == positive else np.roll(ring[::-1], 1, axis=0)


def _owners(rings: list[Ring], exteriors: list[bool], mask: NDArray[np.bool_]) -> dict[int, int]:
    """Return the number of the exterior round each hole.

    The run of pixels that ends at a hole's leftmost side begins at a side of a ring of the same region, further left: of
    the exterior itself, or of a hole whose exterior is known when holes are taken from left to right.
    """
    holes = [number for number, exterior in enumerate(exteriors) if not exterior]
    if not holes:
        return {}
    width = mask.shape[1] + 1
    places, numbers = _run_starts(rings, mask)
    owners: dict[int, int] = {}
    for hole in sorted(holes, key=lambda number: int(np.min(rings[number][:, 1]))):
        y, x = rings[hole][np.lexsort((rings[hole][:, 0], rings[hole][:, 1]))[0]].tolist()
        begun_by = int(numbers[np.searchsorted(places, y * width + x - 1, side="right") - 1])
        owners[hole] = begun_by if exteriors[begun_by] else owners[begun_by]
    return owners


def _run_starts(rings: list[Ring], mask: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return where a run of pixels begins, as `y * (width + 1) + x` in ascending order, and the number of its ring."""
    begin = np.concatenate(rings)
    end = np.concatenate([np.roll(ring, -1, axis=0) for ring in rings])
    number = np.repeat(np.arange(len(rings)), [len(ring) for ring in rings])
    upright = begin[:, 1] == end[:, 1]
    top, bottom = np.minimum(begin, end)[upright, 0], np.maximum(begin, end)[upright, 0]
    x, number, length = begin[upright, 1], number[upright], bottom - top
    side = np.repeat(np.arange(len(x)), length)
    y = np.arange(len(side)) - np.repeat(np.cumsum(length) - length, length) + top[side]
    starts = np.pad(mask, ((0, 0), (0, 1)))[y, x[side]]
    places = y[starts] * (mask.shape[1] + 1) + x[side][starts]
    order = np.argsort(places)
    return places[order], number[side][starts][order]
