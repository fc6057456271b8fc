"""Pure converters: ROIs to the shapes of a layer and back.

The rule of this room: shapes are kept in *display units*, not in pixels: one line is 1 wide, one pixel along the scan is
`stretch` high. The image layer has that as its scale; the Shapes layer has scale 1. napari draws an edge as wide as its
data units in each direction, so a Shapes layer with the image's scale would show edges that are `stretch` times thicker one
way than the other, and handles that cannot be hit.

What is lost on the way back: nothing of a ROI, which is left as it is while its shape is where it was drawn. A rectangle
that is drawn by hand becomes the pixels whose centres it covers; the vertices of other shapes are rounded to 1/1000 pixel.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kymflow_core import RectROI, RoiSet
from kymflow_core.roi import ROI, DrawnShape, MaskROI, mask_of_rect, rect_of_mask
from kymflow_core.roi.bounds import Bounds
from kymflow_core.roi.pixels import covered_range, drawn_range
from kymflow_core.roi.polygons import is_simple
from kymflow_core.roi.raster import has_pixels
from kymflow_core.roi.shape_kinds import shape_problems
from napari_kymflow.layers.tags import LayerTag

LayerData: TypeAlias = tuple[Any, ...]

ROI_ID = "roi_id"
LABEL = "label"
NO_ROI = 0
"""The `roi_id` feature of a shape that is no ROI; real ids count from 1."""

ROI_COLOR = "#ffd400"
_COLORS = (ROI_COLOR, "#56b4e9", "#ff8c42", "#3ddc97", "#ff7ac6", "#b79cff")
"""Colours of ROIs that were given none, by their ids."""
_LONGEST_NOTE = 30
COLOR = "color"
"""The key of a ROI's `meta` that has its colour, as "#rrggbb"."""

EDGE_PIXELS = 2.0
SELECTED_EDGE = 2.0
"""How many times wider the edges of a selected ROI are."""
MOST_MARKED = 500
"""Where there are more ROIs, selected ones are not drawn with stronger edges: napari makes all edges anew."""
NOT_A_ROI = "not a ROI"
"""What is written at a shape that cannot be saved."""

_STRAIGHT = 0.25
"""How far, in pixels, a rectangle's corners may be off before it counts as rotated."""
_DECIMALS = 3
_MOST_COMPARED = 1500
_ROUNDING = 4e-7
"""napari keeps vertices as 32-bit floats."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerShape:
    """One shape of the ROI layer: the id in its features, its type, and its vertices (n, 2) as (y, x) display units."""

    roi_id: int
    shape_type: str
    vertices: NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciled:
    """The ROIs that the drawn shapes mean.

    `ids` has the ROI of each shape, `NO_ROI` for one that is none. `refused` are the positions of the shapes that cannot be
    saved as they are, since they have no pixel inside. `turned` are the ROIs that were rectangles and are masks now.
    """

    rois: RoiSet
    ids: tuple[int, ...]
    refused: tuple[int, ...]
    turned: tuple[int, ...] = ()


def rois_to_layer(rois: RoiSet, metadata: dict[str, LayerTag], stretch: float, *, name: str) -> LayerData:
    """Return the ROIs of a set as a Shapes layer; a mask that was painted or computed has no shape."""
    shapes = rois_to_shapes(rois, stretch)
    options = {
        "name": name,
        "ndim": 2,
        "shape_type": [shape.shape_type for shape in shapes],
        "features": features_of([shape.roi_id for shape in shapes], rois),
        "feature_defaults": {ROI_ID: NO_ROI, LABEL: ""},
        "opacity": 1.0,
        "edge_color": colors_of([shape.roi_id for shape in shapes], rois) or ROI_COLOR,
        "face_color": [1.0, 0.83, 0.0, 0.06],
        # Written by us, see `roi_labels`; napari's box "display text" says whether.
        "text": {"string": {"constant": ""}},
        "metadata": metadata,
    }
    return ([shape.vertices for shape in shapes] or None, options, "shapes")


def features_of(ids: Sequence[int], rois: RoiSet) -> pd.DataFrame:
    """Return the features of a ROI layer whose shapes are the ROIs of these ids, or none (`NO_ROI`)."""
    labels = label_texts(rois)
    # With their dtypes stated, an empty layer takes the defaults too.
    return pd.DataFrame(
        {
            ROI_ID: pd.Series(list(ids), dtype="int64"),
            LABEL: pd.Series([labels.get(roi_id, NOT_A_ROI) for roi_id in ids], dtype="object"),
        }
    )


def label_texts(rois: RoiSet) -> dict[int, str]:
    """Return what is written at each ROI on the canvas, by its id; with its channel where there are several."""
    says_channel = any(roi.channel > 1 for roi in rois)
    return {roi.roi_id: f"{roi_label(roi)}{f', channel {roi.channel}' if says_channel else ''}" for roi in rois}


def colors_of(ids: Sequence[int], rois: RoiSet) -> list[str]:
    """Return the edge colour of each ROI of these ids."""
    colors = {roi.roi_id: color_of(roi) for roi in rois}
    return [colors.get(roi_id, ROI_COLOR) for roi_id in ids]


def color_of(roi: ROI) -> str:
    """Return a ROI's own colour as "#rrggbb", or one by its id."""
    color = roi.meta.get(COLOR)
    known = isinstance(color, str) and len(color) == len(ROI_COLOR) and color.startswith("#")
    if known and set(str(color)[1:].lower()) <= set("0123456789abcdef"):
        return str(color)
    return _COLORS[(roi.roi_id - 1) % len(_COLORS)]


def color_to_text(rgba: NDArray[np.float64]) -> str:
    """Return a colour of a layer, four numbers from 0 to 1, as "#rrggbb"; how transparent it is, is lost."""
    return "#" + "".join(f"{round(255 * float(part)):02x}" for part in rgba[:3])


def roi_name(roi: ROI) -> str:
    """Return what a ROI is called."""
    return name_or_note(roi.name, roi.note)


def name_or_note(name: str, note: str) -> str:
    """Return a ROI's name, or where it has none, as in files of the older program, the beginning of its note."""
    if name:
        return name
    first = note.strip().partition("\n")[0]
    return first if len(first) <= _LONGEST_NOTE else f"{first[: _LONGEST_NOTE - 1]}…"


def roi_label(roi: ROI) -> str:
    """Return a ROI's name, or its id where it has none."""
    return roi_name(roi) or f"ROI {roi.roi_id}"


def has_shape(roi: ROI) -> bool:
    """Return whether a ROI is drawn on the canvas; a mask that was painted or computed is not."""
    return isinstance(roi, RectROI) or roi.drawn is not None


@lru_cache(maxsize=4096)
def crosses_itself(drawn: DrawnShape) -> bool:
    """Return whether a shape is a polygon whose sides cross or touch, or one with too many sides to say.

    It is shown as a closed path: napari cannot fill every polygon of this kind, and then raises an error.
    """
    if not (drawn.kind.is_closed and drawn.kind.any_number):
        return False
    return len(drawn.vertices) > _MOST_COMPARED or not is_simple(np.asarray(drawn.vertices, dtype=np.float64))


def rois_to_shapes(rois: RoiSet, stretch: float) -> list[LayerShape]:
    """Return the shapes of all ROIs that have one."""
    shapes = (roi_to_shape(roi, stretch) for roi in rois)
    return [shape for shape in shapes if shape is not None]


def roi_to_shape(roi: ROI, stretch: float) -> LayerShape | None:
    """Return a ROI as a shape in display units; None for a mask that nobody drew."""
    if isinstance(roi, RectROI):
        return LayerShape(roi_id=roi.roi_id, shape_type="rectangle", vertices=rect_to_vertices(roi, stretch))
    if roi.drawn is None:
        return None
    vertices = np.asarray(roi.drawn.vertices, dtype=np.float64) * (1.0, stretch)
    if crosses_itself(roi.drawn):
        return LayerShape(roi_id=roi.roi_id, shape_type="path", vertices=np.vstack([vertices, vertices[:1]]))
    return LayerShape(roi_id=roi.roi_id, shape_type=roi.drawn.type, vertices=vertices)


def rect_to_vertices(roi: RectROI, stretch: float) -> NDArray[np.float64]:
    """Return the four corners (y, x) of a rectangle in display units, on the outer edges of its pixels."""
    (y0, y1), (x0, x1) = drawn_range(roi.y0, roi.y1), drawn_range(roi.x0, roi.x1)
    return np.array([[y0, x0], [y0, x1], [y1, x1], [y1, x0]]) * (1.0, stretch)


def shape_to_region(drawn: LayerShape, stretch: float, shape: tuple[int, int]) -> Bounds | DrawnShape | None:
    """Return what a drawn shape means in an image of `shape` (y, x): inverse of `roi_to_shape`.

    An upright rectangle means whole pixels, others the shape itself. None where it has no pixel of the image.
    """
    corners = np.asarray(drawn.vertices, dtype=np.float64)[:, -2:] / (1.0, stretch)
    if drawn.shape_type == "rectangle" and _is_upright(corners):
        return _covered(corners, shape)
    vertices = tuple((float(y), float(x)) for y, x in _without_doubles(np.round(corners, _DECIMALS), drawn.shape_type))
    if shape_problems(drawn.shape_type, vertices) or not has_pixels(drawn.shape_type, vertices, shape):
        return None
    return DrawnShape(type=drawn.shape_type, vertices=vertices)


def _without_doubles(corners: NDArray[np.float64], shape_type: str) -> NDArray[np.float64]:
    """Return the corners of a polygon or path without those that equal the one before: a fast click leaves two.

    napari leaves an edge out at such a corner, and the polygon would count as one that crosses itself.
    """
    if shape_type not in ("polygon", "path") or len(corners) < 2:
        return corners
    before = np.roll(corners, 1, axis=0)
    kept = np.any(corners != before, axis=1)
    if shape_type == "path":
        kept[0] = True  # a path may end where it begins
    return corners[kept]


def is_drawn_as(roi: ROI, drawn: LayerShape, stretch: float) -> bool:
    """Return whether a shape is where the ROI would be drawn, but for napari's rounding."""
    wanted = roi_to_shape(roi, stretch)
    if wanted is None or wanted.shape_type != drawn.shape_type:
        return False
    vertices = np.asarray(drawn.vertices)[:, -2:]
    if len(vertices) != len(wanted.vertices):
        return False
    atol = _ROUNDING * max(1.0, float(np.abs(wanted.vertices).max()))
    if isinstance(roi, RectROI):
        # napari begins a rectangle at any of its corners, after it was mirrored.
        low, high = wanted.vertices[0], wanted.vertices[2]
        on_edge = (np.abs(vertices - low) <= atol) | (np.abs(vertices - high) <= atol)
        spans = np.abs(vertices.min(axis=0) - low).max() <= atol and np.abs(vertices.max(axis=0) - high).max() <= atol
        return bool(spans and on_edge.all())
    return bool(np.abs(vertices - wanted.vertices).max() <= atol)


def reconcile(
    shapes: Sequence[LayerShape],
    previous: RoiSet,
    *,
    stretch: float,
    shape: tuple[int, int],
    z: int = 0,
    channel: int = 1,
) -> Reconciled:
    """Return what the shapes mean as ROIs, given what the ROIs were.

    A shape is the ROI whose id it carries, if it is the first that does; a copy, and a shape without an id, is a new ROI,
    in the slice at `z` (from 0) and `channel` (from 1). A ROI without a shape was deleted; painted masks have none and
    stay. A ROI whose shape can no longer be saved keeps what it was.
    """
    known = {roi.roi_id: roi for roi in previous if has_shape(roi)}
    kept: dict[int, ROI] = {}
    new: list[ROI] = []
    ids: list[int] = []
    refused: list[int] = []
    next_id = previous.next_id
    for position, drawn in enumerate(shapes):
        old = known.get(drawn.roi_id) if drawn.roi_id not in kept else None
        if old is not None and is_drawn_as(old, drawn, stretch):
            kept[old.roi_id] = old
            ids.append(old.roi_id)
            continue
        region = shape_to_region(_reopened(drawn, old), stretch, shape)
        if region is None:
            refused.append(position)
        if old is not None:
            kept[old.roi_id] = old if region is None else _moved(old, region)
            ids.append(old.roi_id)
        elif region is not None:
            new.append(_new_roi(next_id, region, z=z, channel=channel))
            ids.append(next_id)
            next_id += 1
        else:
            ids.append(NO_ROI)
    remaining = (kept.get(roi.roi_id) if roi.roi_id in known else roi for roi in previous)
    rois = RoiSet.of([*(roi for roi in remaining if roi is not None), *new], next_id=next_id)
    turned = (roi_id for roi_id, roi in kept.items() if isinstance(roi, MaskROI) and isinstance(known[roi_id], RectROI))
    return Reconciled(rois=rois, ids=tuple(ids), refused=tuple(refused), turned=tuple(turned))


def _reopened(drawn: LayerShape, old: ROI | None) -> LayerShape:
    """Return the polygon that is shown as a closed path as a polygon."""
    if not isinstance(old, MaskROI) or old.drawn is None or drawn.shape_type != "path" or not old.drawn.kind.is_closed:
        return drawn
    vertices = np.asarray(drawn.vertices)
    closed = len(vertices) > 1 and np.array_equal(vertices[0], vertices[-1])
    return replace(drawn, shape_type=old.drawn.type, vertices=vertices[:-1] if closed else vertices)


def _moved(old: ROI, region: Bounds | DrawnShape) -> ROI:
    if isinstance(old, MaskROI) and region == old.drawn:
        return old
    if isinstance(region, Bounds):
        return replace(old, **region._asdict()) if isinstance(old, RectROI) else rect_of_mask(old, **region._asdict())
    return mask_of_rect(old, region) if isinstance(old, RectROI) else old.with_shape(region)


def _new_roi(roi_id: int, region: Bounds | DrawnShape, *, z: int, channel: int) -> ROI:
    if isinstance(region, Bounds):
        return RectROI(roi_id=roi_id, z=z, channel=channel, **region._asdict())
    return MaskROI(roi_id=roi_id, z=z, channel=channel, reference=None, meta={"shape": region.to_dict()})


def _covered(corners: NDArray[np.float64], shape: tuple[int, int]) -> Bounds | None:
    (y_low, x_low), (y_high, x_high) = corners.min(axis=0), corners.max(axis=0)
    y0, y1 = covered_range(y_low, y_high, shape[0])
    x0, x1 = covered_range(x_low, x_high, shape[1])
    return Bounds(x0=x0, x1=x1, y0=y0, y1=y1) if y1 > y0 and x1 > x0 else None


def _is_upright(corners: NDArray[np.float64]) -> bool:
    if corners.shape != (4, 2):
        return False
    low, high = corners.min(axis=0), corners.max(axis=0)
    on_edge = (np.abs(corners - low) < _STRAIGHT) | (np.abs(corners - high) < _STRAIGHT)
    return bool(on_edge.all())
