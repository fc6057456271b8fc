"""Where the names of ROIs are written on the canvas: at their ROIs, whole, and none over another. No Qt.

The rule of this room: a name that finds no room is left out, never cut and never drawn over another; those of selected ROIs
come first. napari's own text knows one place for all names, so they overlap and leave the canvas.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from kymflow_core.roi.bounds import NOWHERE, roi_bounds
from napari_kymflow.layers.placement import Placement
from napari_kymflow.layers.roi_sync import RoiSync
from napari_kymflow.layers.shapes import NOT_A_ROI, ROI_COLOR, color_of, has_shape, label_texts

Box: TypeAlias = tuple[float, float, float, float]
"""Left, top, right and bottom on the canvas, in pixels of the screen."""

MOST_TRIED = 200
"""How many names are tried for room at every step of the zoom: no canvas has room for more that can be read."""
_GAP = 2.0
_MOST_STEPS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class RoiLabel:
    """The name of one ROI on the canvas.

    Parameters
    ----------
    text, color
        The name, and its colour as "#rrggbb".
    lines, pixels
        Where the ROI is in the record, half-open.
    is_selected
        Whether the ROI is selected.
    """

    text: str
    color: str
    lines: tuple[float, float]
    pixels: tuple[float, float]
    is_selected: bool = False


def labels_of(sync: RoiSync) -> list[RoiLabel]:
    """Return the labels of all ROIs that are drawn, and of shapes that are no ROIs; those of selected ROIs first."""
    selected, texts = set(sync.selected_ids), label_texts(sync.rois)
    labels = []
    for roi in sync.rois:
        bounds = roi_bounds(roi, sync.shape) if has_shape(roi) else None
        if bounds is not None and bounds != NOWHERE:
            place = {"lines": (bounds.y0, bounds.y1), "pixels": (bounds.x0, bounds.x1)}
            is_selected = roi.roi_id in selected
            labels.append(RoiLabel(text=texts[roi.roi_id], color=color_of(roi), is_selected=is_selected, **place))
    for vertices in sync.refused_vertices:
        (y0, x0), (y1, x1) = vertices.min(axis=0) + 0.5, vertices.max(axis=0) + 0.5
        labels.append(RoiLabel(text=NOT_A_ROI, color=ROI_COLOR, lines=(y0, y1), pixels=(x0, x1)))
    return sorted(labels, key=lambda label: not label.is_selected)


def boxes_on_canvas(labels: Sequence[RoiLabel], placement: Placement) -> NDArray[np.float64]:
    """Return where the ROIs of labels lie on the canvas, as boxes (n, 4)."""
    along = np.array([label.lines for label in labels], dtype=float).reshape(-1, 2)
    across = np.array([label.pixels for label in labels], dtype=float).reshape(-1, 2)
    time = (along - placement.line_at(0.0)) * placement.zoom
    position = (across - placement.pixel_at(0.0)) * placement.stretch * placement.zoom
    x, y = (time, position) if placement.runs_right else (position, time)
    return np.stack([x[:, 0], y[:, 0], x[:, 1], y[:, 1]], axis=1)


def place_labels(boxes: NDArray[np.float64], sizes: NDArray[np.float64], free: Box) -> dict[int, tuple[float, float]]:
    """Return where each label is written, as left and top by its position; those that find no room are left out.

    Of more ROIs than can have labels, the first is looked at, and others that lie evenly in their order.

    Parameters
    ----------
    boxes
        The ROIs on the canvas (n, 4).
    sizes
        Width and height of each label (n, 2).
    free
        The part of the canvas that labels may lie in.
    """
    left, top, right, bottom = free
    seen = np.column_stack([np.maximum(boxes[:, :2], (left, top)), np.minimum(boxes[:, 2:], (right, bottom))])
    there = np.flatnonzero((seen[:, 0] <= seen[:, 2]) & (seen[:, 1] <= seen[:, 3]))
    if len(there) > MOST_TRIED:
        there = there[np.linspace(0, len(there) - 1, MOST_TRIED).astype(np.intp)]
    placed: dict[int, tuple[float, float]] = {}
    taken = [0] * (math.ceil(bottom - top) + 1)
    for at, box, size in zip(there.tolist(), seen[there].tolist(), sizes[there].tolist(), strict=True):
        for x, y in _places(box, size, free):
            # A row of the canvas is a number, and a pixel of it one of its bits.
            first, last = math.floor(x - left), math.ceil(x + size[0] - left)
            bits = (1 << last) - (1 << first)
            rows = range(math.floor(y - top), math.ceil(y + size[1] - top))
            if not any(taken[row] & bits for row in rows):
                for row in rows:
                    taken[row] |= bits
                placed[at] = (x, y)
                break
    return placed


def _places(box: Sequence[float], size: Sequence[float], free: Box) -> Iterator[tuple[float, float]]:
    """Yield the places of a label of one size at the part of a ROI that is seen, the best first."""
    (left, top, right, bottom), (width, height) = box, size
    if free[2] - width < free[0]:
        return
    across = (top - height - _GAP, top + _GAP, bottom + _GAP, bottom - height - _GAP)
    fitting = [y for y in across if free[1] <= y and y + height <= free[3]]
    steps = max(1, min(_MOST_STEPS, math.ceil((right - width - left) / (width + _GAP))))
    for x in (*(left + step * (width + _GAP) for step in range(steps)), right - width):
        for y in fitting:
            yield min(max(x, free[0]), free[2] - width), y
