"""Pure functions between ROIs and pixels.

The one rule: pixel `i` spans `i - 0.5` to `i + 0.5`, its centre is at `i`, and a region has the pixels whose centres it
covers (napari's convention for images, and that of `skimage.draw`).
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kymflow_core.roi.raster import shape_mask
from kymflow_core.roi.rois import ROI, RectROI


@dataclass(frozen=True, slots=True, kw_only=True)
class RoiStats:
    """Pixel values inside a ROI; all but `n` are NaN where it covers no pixel of the image."""

    mean: float
    std: float
    min: float
    max: float
    n: int


def covered_range(low: float, high: float, size: int) -> tuple[int, int]:
    """Return the half-open range of the pixels, out of `size`, whose centres lie in `[low, high]`; `(0, 0)` for none."""
    start, stop = max(0, math.ceil(low)), min(size, math.floor(high) + 1)
    return (start, stop) if start < stop else (0, 0)


def drawn_range(start: int, stop: int) -> tuple[float, float]:
    """Return from where to where a half-open range of pixels is drawn: inverse of `covered_range`."""
    return start - 0.5, stop - 0.5


def is_older_mask(stored: NDArray[Any], roi: RectROI) -> bool:
    """Return whether an array is a rectangle's mask as the older program stored it: of its own shape, True everywhere."""
    return stored.shape == (roi.y1 - roi.y0, roi.x1 - roi.x0) and bool(stored.all())


def rect_mask(roi: RectROI, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return a boolean image of `shape` (y, x), True inside the rectangle; what lies outside the image is cut off."""
    mask = np.zeros(shape, dtype=np.bool_)
    mask[roi.y0 : roi.y1, roi.x0 : roi.x1] = True
    return mask


def drawn_mask(roi: ROI, shape: tuple[int, int]) -> NDArray[np.bool_] | None:
    """Return a boolean image of `shape` (y, x), True inside the rectangle or the drawn shape; None for a stored mask."""
    if isinstance(roi, RectROI):
        return rect_mask(roi, shape)
    return None if roi.drawn is None else shape_mask(roi.drawn.type, roi.drawn.vertices, shape)


def pixel_stats(values: NDArray[Any]) -> RoiStats:
    """Return the statistics of the pixels of a ROI, an array of any shape; `std` is the population's."""
    if not values.size:
        return RoiStats(mean=math.nan, std=math.nan, min=math.nan, max=math.nan, n=0)
    return RoiStats(
        mean=float(values.mean(dtype=np.float64)),
        std=float(values.std(dtype=np.float64)),
        min=float(values.min()),
        max=float(values.max()),
        n=int(values.size),
    )
