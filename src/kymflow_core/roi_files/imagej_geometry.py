"""What ImageJ's ROIs and ours have in common: coordinates, and which pixels ImageJ takes a shape to have."""

import math
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from kymflow_core.roi.raster import clip_box, shape_mask
from kymflow_core.roi.rois import DrawnShape
from kymflow_core.roi_files.shared import MOST_PIXELS

FARTHEST = 1 << 24
"""ImageJ keeps coordinates as 32-bit floats, which hold whole pixels up to here."""
_JUST_ASIDE = (1e-10, 1e-7)
"""How far (y, x) an outline is moved to have ImageJ's pixels: less down than right, since x decides on slopes."""
_ELLIPSE_SIDES = 72
_SQUARE = 1e-6
"""How much the corners of a rectangle may be off, relative to its size."""

Points: TypeAlias = NDArray[np.float64]
"""Array (n, 2) of (x, y), in ImageJ's coordinates."""
PixelsIn: TypeAlias = Callable[[tuple[int, int], tuple[int, int]], NDArray[np.bool_]]
"""From the first pixel (y, x) and the shape of a part of an image to the pixels that ImageJ selects in it."""


class NotTakenError(Exception):
    """A ROI stays behind; the text says why."""


def check_reach(farthest: float) -> None:
    """Raise `NotTakenError` for a coordinate that ImageJ does not hold exactly."""
    if not farthest < FARTHEST:
        raise NotTakenError(f"it reaches beyond pixel {FARTHEST}, where ImageJ's coordinates are no longer exact")


def axis_of(corners: Points) -> Points | None:
    """Return x1, y1, x2, y2 of the longer axis of a rectangle, and its size across; None where it is none."""
    along, across = corners[1] - corners[0], corners[2] - corners[1]
    size = max(math.hypot(*along), math.hypot(*across))
    skew = max(abs(float(along @ across)) / max(size, 1e-300), math.dist(corners[3], corners[0] + across))
    if size == 0 or skew > _SQUARE * size:
        return None
    if math.hypot(*across) > math.hypot(*along):
        along, across = across, along
    centre = corners.mean(axis=0)
    return np.array([*(centre - along / 2), *(centre + along / 2), math.hypot(*across)])


def corners_round(axis: Points) -> Points:
    """Return the corners of the rectangle of an axis and its size across: inverse of `axis_of`."""
    begin, end = axis[:2], axis[2:4]
    along = end - begin
    aside = np.array([-along[1], along[0]]) * (axis[4] / math.hypot(*along) / 2)
    return np.array([begin - aside, end - aside, end + aside, begin + aside])


def ellipse_points(axis: Points) -> Points:
    """Return the polygon that ImageJ takes an ellipse for, of an axis and the ratio of the other one to it."""
    along = (axis[2:4] - axis[:2]) / 2
    aside = np.array([-along[1], along[0]]) * axis[4]
    angles = np.arange(_ELLIPSE_SIDES) * (2 * np.pi / _ELLIPSE_SIDES)
    return (axis[:2] + axis[2:4]) / 2 + np.outer(np.cos(angles), along) + np.outer(np.sin(angles), aside)


def pixels_in_polygon(points: Points) -> PixelsIn:
    """Return how ImageJ fills a polygon of corners (x, y)."""

    def pixels(first: tuple[int, int], size: tuple[int, int]) -> NDArray[np.bool_]:
        return shape_mask("polygon", points[:, ::-1] - 0.5 - first + _JUST_ASIDE, size)

    return pixels


def pixels_in_oval(left: int, top: int, right: int, bottom: int) -> PixelsIn:
    """Return how ImageJ fills an oval in a rectangle."""

    def pixels(first: tuple[int, int], size: tuple[int, int]) -> NDArray[np.bool_]:
        y = (np.arange(size[0]) + first[0] + 0.5 - (top + bottom) / 2) / ((bottom - top) / 2)
        x = (np.arange(size[1]) + first[1] + 0.5 - (left + right) / 2) / ((right - left) / 2)
        return np.asarray(np.add.outer(y * y, x * x) <= 1)

    return pixels


def compared(drawn: DrawnShape, theirs: PixelsIn, shape: tuple[int, int] = (FARTHEST, FARTHEST)) -> list[str]:
    """Return a line on how many pixels of an image of `shape` are a drawn shape's here and not in ImageJ, or there only."""
    y0, y1, x0, x1 = clip_box(drawn.type, drawn.vertices, shape)
    first, stop = (max(0, y0 - 1), max(0, x0 - 1)), (min(y1 + 1, shape[0]), min(x1 + 1, shape[1]))
    size = (stop[0] - first[0], stop[1] - first[1])
    if size[0] * size[1] > MOST_PIXELS:
        return ["it is too large for its pixels to be compared with ImageJ's"]
    ours = shape_mask(drawn.type, np.array(drawn.vertices) - first, size)
    apart = int(np.count_nonzero(ours != theirs(first, size)))
    return [f"ImageJ counts {apart} of the pixels on its outline otherwise"] if apart else []
