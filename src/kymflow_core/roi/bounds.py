"""Where a ROI lies: the smallest rectangle of whole pixels that holds its pixels.

The rule of this room: every number that people see or that a table states of a ROI's place is one of these.
"""

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kymflow_core.errors import RoiError
from kymflow_core.roi.raster import shape_runs
from kymflow_core.roi.rois import ROI, DrawnShape, RectROI


class Bounds(NamedTuple):
    """Half-open ranges of whole pixels: rows `y0 <= y < y1`, columns `x0 <= x < x1`; all 0 where there is no pixel."""

    x0: int
    x1: int
    y0: int
    y1: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """The rows and the columns, to index an image (y, x) with."""
        return slice(self.y0, self.y1), slice(self.x0, self.x1)


NOWHERE = Bounds(x0=0, x1=0, y0=0, y1=0)


def roi_bounds(roi: ROI, shape: tuple[int, int], mask: NDArray[Any] | None = None) -> Bounds | None:
    """Return the bounds of a ROI's pixels within an image.

    Parameters
    ----------
    roi
        The ROI.
    shape
        The image's shape (y, x); what lies outside is cut off.
    mask
        The stored mask (y, x) of a `MaskROI`. Without it the shape that was drawn counts.

    Returns
    -------
    Bounds or None
        None for a painted ROI whose mask is not given: its place is not known.
    """
    if isinstance(roi, RectROI):
        x1, y1 = min(roi.x1, shape[1]), min(roi.y1, shape[0])
        return Bounds(x0=roi.x0, x1=x1, y0=roi.y0, y1=y1) if roi.x0 < x1 and roi.y0 < y1 else NOWHERE
    if mask is not None:
        return mask_bounds(mask)
    return None if roi.drawn is None else _drawn_bounds(roi.drawn, shape)


def rect_within(roi: RectROI, shape: tuple[int, int]) -> RectROI:
    """Return a rectangle unchanged; raise `RoiError` where it is not within an image of `shape` (y, x)."""
    lines, pixels = shape
    if roi.y1 > lines or roi.x1 > pixels:
        raise RoiError(
            f"a ROI of lines {roi.y0} to {roi.y1} and pixels {roi.x0} to {roi.x1} is not within the image, which has "
            f"{lines} lines and {pixels} pixels"
        )
    return roi


def mask_bounds(mask: NDArray[Any]) -> Bounds:
    """Return the bounds of the pixels of a mask (y, x) that are not 0."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not rows.size:
        return NOWHERE
    return Bounds(x0=int(columns[0]), x1=int(columns[-1]) + 1, y0=int(rows[0]), y1=int(rows[-1]) + 1)


def shape_bounds(shape_type: str, vertices: ArrayLike, shape: tuple[int, int]) -> Bounds:
    """Return the bounds of a drawn shape's pixels, those of `raster.shape_mask`, without making the mask."""
    ends = [
        (first.min(), last.max(), rows.min(), rows.max())
        for rows, first, last in shape_runs(shape_type, vertices, shape)
        if rows.size
    ]
    if not ends:
        return NOWHERE
    low, high = np.min(ends, axis=0), np.max(ends, axis=0)
    return Bounds(x0=int(low[0]), x1=int(high[1]) + 1, y0=int(low[2]), y1=int(high[3]) + 1)


@lru_cache(maxsize=4096)
def _drawn_bounds(drawn: DrawnShape, shape: tuple[int, int]) -> Bounds:
    return shape_bounds(drawn.type, drawn.vertices, shape)
