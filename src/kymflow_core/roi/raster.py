"""Which pixels a drawn shape has: one written rule, in numpy.

The rule: a closed shape has the pixels whose centres lie inside it or on its outline. Inside means that a ray from the
centre crosses the outline an odd number of times (the even-odd rule), so where a shape crosses itself, what it goes round
twice is outside, and so is a centre that an even number of its sides pass through. An open one (a path, a line) has the
pixels that its segments pass, found by Bresenham's algorithm between rounded vertices (J. E. Bresenham, IBM Systems Journal
4, 1965), as far as they lie in the image. An ellipse is the polygon of 99 sides that napari draws. These are the pixels
that napari's `to_masks` has, in a hundredth of its time.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kymflow_core.errors import RoiError
from kymflow_core.roi.shape_kinds import SHAPE_KINDS

_MOST_ROWS = 256
_MOST_CROSSINGS = 1 << 20
"""How many crossings of rows with edges are held at once, at most."""

_LARGEST_KEY = 2**60

Runs: TypeAlias = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]
"""The row of each run of pixels, and its first and last pixel."""


def shape_mask(shape_type: str, vertices: ArrayLike, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the pixels of a drawn shape.

    Parameters
    ----------
    shape_type
        One of `SHAPE_KINDS`.
    vertices
        Array (n, 2) of (y, x) in pixels, where pixel i spans i - 0.5 to i + 0.5. An ellipse has the four corners of the
        rectangle around it, which may be rotated.
    shape
        The image's shape (y, x).

    Returns
    -------
    numpy.ndarray
        Boolean array of `shape`, True at the shape's pixels; what lies outside the image is cut off.

    Raises
    ------
    RoiError
        When the type is not known.
    """
    mask = np.zeros(shape, dtype=np.bool_)
    for rows, first, last in shape_runs(shape_type, vertices, shape, rows_at_once=_MOST_ROWS):
        _paint(mask, rows, first, last)
    return mask


def has_pixels(shape_type: str, vertices: ArrayLike, shape: tuple[int, int]) -> bool:
    """Return whether a drawn shape has any pixel of an image; faster than its mask, since the first one is enough."""
    return any(rows.size for rows, _, _ in shape_runs(shape_type, vertices, shape, rows_at_once=_MOST_ROWS))


def shape_runs(
    shape_type: str, vertices: ArrayLike, shape: tuple[int, int], *, rows_at_once: int = _MOST_CROSSINGS
) -> Iterator[Runs]:
    """Yield the pixels of a drawn shape within an image as runs along rows, some rows at a time; some runs overlap.

    Parameters are those of `shape_mask`, and so are the errors.
    """
    points = np.asarray(vertices, dtype=np.float64).reshape(-1, 2)
    if shape_type not in SHAPE_KINDS:
        raise RoiError(f"a shape of type {shape_type!r} has no pixels; known are {list(SHAPE_KINDS)}")
    if SHAPE_KINDS[shape_type].is_closed:
        yield from _polygon_runs(outline(shape_type, points), shape, rows_at_once)
    else:
        yield from _path_runs(points, shape)


def outline(shape_type: str, vertices: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the polygon (n, 2) that a shape is on screen: an ellipse as 100 points, others as they are."""
    drawn = SHAPE_KINDS[shape_type].outline
    return vertices if drawn is None else drawn(vertices)


def clip_box(shape_type: str, vertices: ArrayLike, shape: tuple[int, int]) -> tuple[int, int, int, int]:
    """Return `(y0, y1, x0, x1)`, half-open in pixels, outside of which a shape has no pixel; empty outside the image.

    It may be larger than the pixels need: `bounds.shape_bounds` is exact.
    """
    points = outline(shape_type, np.asarray(vertices, dtype=np.float64))
    low, high = np.floor(points.min(axis=0)), np.ceil(points.max(axis=0))
    (y0, x0), (y1, x1) = np.clip(low, 0, shape).astype(int), np.clip(high + 1, 0, shape).astype(int)
    return int(y0), int(max(y0, y1)), int(x0), int(max(x0, x1))


def _paint(mask: NDArray[np.bool_], rows: NDArray[np.int64], first: NDArray[np.int64], last: NDArray[np.int64]) -> None:
    """Set the pixels of runs."""
    if np.array_equal(first, last):
        mask[rows, first] = True
        return
    y0, y1, x0, x1 = rows.min(), rows.max() + 1, first.min(), last.max() + 1
    counts = np.int16 if len(rows) < np.iinfo(np.int16).max else np.int32
    steps = np.zeros((y1 - y0, x1 - x0 + 1), dtype=counts)
    np.add.at(steps, (rows - y0, first - x0), 1)
    np.add.at(steps, (rows - y0, last - x0 + 1), -1)
    mask[y0:y1, x0:x1] |= np.cumsum(steps, axis=1, dtype=counts, out=steps)[:, :-1] > 0


def _polygon_runs(points: NDArray[np.float64], shape: tuple[int, int], rows_at_once: int) -> Iterator[Runs]:
    """Yield the runs of pixels inside and on a closed outline."""
    y0, y1, x0, x1 = clip_box("polygon", points, shape)
    if y0 == y1 or x0 == x1:
        return
    edges = np.hstack([points, np.roll(points, -1, axis=0)])
    edges = edges[edges[:, 0] != edges[:, 2]]
    step = max(1, min(rows_at_once, _MOST_CROSSINGS // max(1, len(edges))))
    for start in range(y0, y1, step):
        spans = (_spans(edges, start, min(start + step, y1), above=above) for above in (True, False))
        rows, first, last = (np.concatenate(part) for part in zip(*spans, strict=True))
        first, last = np.maximum(first, x0), np.minimum(last, x1 - 1)
        is_run = first <= last
        yield rows[is_run], first[is_run], last[is_run]
    on_centre = points[(points == np.rint(points)).all(axis=1)].astype(np.int64)
    on_centre = on_centre[((on_centre >= 0) & (on_centre < shape)).all(axis=1)]
    yield on_centre[:, 0], on_centre[:, 1], on_centre[:, 1]


def _spans(
    edges: NDArray[np.float64], start: int, stop: int, *, above: bool
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return row, first and last pixel of every stretch inside, in the rows `start` to `stop`.

    A row of centres is taken to lie a trifle above itself, then below: a centre on the outline is inside of one of the two.
    """
    low, high = np.minimum(edges[:, 0], edges[:, 2]), np.maximum(edges[:, 0], edges[:, 2])
    # An edge has one of its ends and not the other, so that a vertex between two edges counts once.
    low, high = (np.ceil(low), np.ceil(high)) if above else (np.floor(low) + 1, np.floor(high) + 1)
    first_row = np.clip(low, start, stop).astype(np.int64)
    count = np.clip(high, start, stop).astype(np.int64) - first_row
    edge = np.repeat(np.arange(len(edges)), count)
    row = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count) + first_row[edge]
    ya, xa, yb, xb = edges[edge].T
    ya, yb = ya - row, yb - row
    near = np.rint((xa * yb - xb * ya) / (yb - ya))
    # Exact for pixels on the outline, where the quotient itself is off by a rounding.
    side = np.sign((xa - near) * yb - (xb - near) * ya) * np.sign(yb - ya)
    row, near, side = _in_order(row, near, side)
    begin, end, before, after = near[::2], near[1::2], side[::2], side[1::2]
    if above:
        return row[::2], begin + (before > 0), end - (after <= 0)
    return row[::2], begin + (before >= 0), end - (after < 0)


def _in_order(
    row: NDArray[np.int64], near: NDArray[np.float64], side: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Return crossings sorted by row, pixel and side. One number for all three is sorted in a fraction of the time."""
    if not row.size:
        return row, near.astype(np.int64), side
    first_row, first, last = int(row.min()), near.min(), near.max()
    width = int(last - first) + 1
    if width * (int(row.max()) - first_row + 1) > _LARGEST_KEY:
        order = np.lexsort((side, near, row))
        return row[order], near[order].astype(np.int64), side[order]
    keys = ((row - first_row) * width + (near - first).astype(np.int64)) * 3 + (side.astype(np.int64) + 1)
    keys.sort()
    places, sides = np.divmod(keys, 3)
    rows, pixels = np.divmod(places, width)
    return rows + first_row, pixels + int(first), (sides - 1).astype(np.float64)


def _path_runs(points: NDArray[np.float64], shape: tuple[int, int]) -> Iterator[Runs]:
    """Yield the pixels that the segments between rounded vertices pass, each as a run."""
    places = np.rint(points).astype(np.int64)
    for begin, end in pairwise(places):
        length, sign = np.abs(end - begin), np.sign(end - begin)
        along = 0 if length[0] > length[1] else 1
        across = 1 - along
        # Only the steps within the image, however far the segment reaches.
        limits = sorted(((0 - begin[along]) * sign[along], (shape[along] - 1 - begin[along]) * sign[along]))
        steps = np.arange(max(0, limits[0]), min(length[along], limits[1]) + 1)
        place = np.empty((2, len(steps)), dtype=np.int64)
        place[along] = begin[along] + sign[along] * steps
        aside = (2 * length[across] * steps + length[along]) // max(1, 2 * length[along])
        place[across] = begin[across] + sign[across] * aside
        y, x = place[:, ((place >= 0) & (place < np.array(shape)[:, np.newaxis])).all(axis=0)]
        yield y, x, x
