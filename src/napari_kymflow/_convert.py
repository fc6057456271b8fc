"""Pure converters: a record to layer data, ROIs to shapes and back.

The rule of this room: nothing here knows a viewer. Shapes are kept in *display units*, not in pixels: one line is 1 wide,
one pixel along the scan is `stretch` high. The image layer has that as its scale; the Shapes layer has scale 1. napari
draws an edge as wide as its data units in each direction, so a Shapes layer with the image's scale would show edges that
are `stretch` times thicker one way than the other, and handles that cannot be hit. What is lost on the way back: nothing
of a rectangle of whole pixels; a rectangle drawn by hand becomes the pixels whose centres it covers.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeAlias

import dask.array as da
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kymflow_core import AcqImage, RectROI, RoiSet
from kymflow_core.errors import ImageError
from kymflow_core.roi.pixels import covered_range, drawn_range
from napari_kymflow._tags import KEY, LayerTag, Role

LayerData: TypeAlias = tuple[Any, ...]
"""`(data, options, kind)`, as napari's readers return it."""

BAND_ASPECT = 0.42
"""Height over width of a kymograph on screen: fills a canvas that has a dock below it."""

ROI_ID = "roi_id"
LABEL = "label"
NO_ROI = 0
"""The `roi_id` feature of a shape that is no ROI; real ids count from 1."""

ROI_COLOR = "#ffd400"
MASK_COLOR = (0.0, 0.75, 1.0, 0.35)
EDGE_PIXELS = 2.0
_SAMPLE_LINES = 4096
_MOST_COVERED = 0.5
_STRAIGHT = 0.25
"""How far, in pixels, a rectangle's corners may be off before it counts as rotated."""


class Bounds(NamedTuple):
    """Half-open ranges of whole pixels."""

    x0: int
    x1: int
    y0: int
    y1: int


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
    saved as they are: no upright rectangle, or no pixel inside.
    """

    rois: RoiSet
    ids: tuple[int, ...]
    refused: tuple[int, ...]


def display_stretch(shape: tuple[int, int]) -> float:
    """Return the stretch that shows an image of `shape` (y, x) as a band of `BAND_ASPECT`."""
    lines, pixels = shape
    return float(max(1, round(BAND_ASPECT * lines / pixels)))


def record_to_layers(image: AcqImage, *, dataset_path: str, image_id: str) -> list[LayerData]:
    """Return a record as layers: the pixels, its masks, and last the ROIs. The pixels stay lazy.

    Raises
    ------
    ImageError
        When the pixels cannot be shown: complex numbers, no pixels, or no axes y and x.
    """
    check_showable(image)
    stretch = display_stretch(image.slice_shape)

    def tag(role: Role) -> dict[str, LayerTag]:
        return {
            KEY: LayerTag(
                role=role,
                dataset_path=dataset_path,
                image_id=image_id,
                stretch=stretch,
                seconds_per_line=image.header.seconds_per_line,
                um_per_pixel=image.header.um_per_pixel,
            )
        }

    name = image.name or image_id[:8]
    pixels = {**_image_options(image, stretch), "name": name, "metadata": tag("pixels")}
    layers: list[LayerData] = [(lazy_pixels(image), pixels, "image")]
    masks = masks_to_layer(image, tag("mask"), stretch)
    if masks is not None:
        layers.append(masks)
    layers.append(rois_to_layer(image.rois, tag("rois"), stretch, name=f"ROIs of {name}"))
    return layers


def check_showable(image: AcqImage) -> None:
    """Raise `ImageError` unless the image has y and x, pixels along all axes, and real numbers."""
    pixels = image.pixels
    if not {"y", "x"} <= set(image.axes) or 0 in pixels.shape or pixels.dtype.kind == "c":
        raise ImageError(
            f"record {image.name or ''} cannot be shown: it has the axes {image.axes}, the shape {pixels.shape} and "
            f"{pixels.dtype} values; axes y and x, at least one pixel and real numbers are needed"
        )


def lazy_pixels(image: AcqImage) -> Any:
    """Return the pixels with y and x as the last axes, as napari shows them; nothing is read.

    As a dask array, since napari keeps what it read of these: it asks for all lines again at every change of the scale.
    """
    axes = image.axes
    one_slice = tuple(-1 if axis in "yx" else 1 for axis in axes)
    return da.moveaxis(da.from_array(image.pixels, chunks=one_slice), (axes.index("y"), axes.index("x")), (-2, -1))


def masks_to_layer(image: AcqImage, metadata: dict[str, LayerTag], stretch: float) -> LayerData | None:
    """Return all masks of a record as one image layer, 1 inside any of them; None where there is none.

    An image layer, since napari shrinks label layers of more than 16384 in one direction. Masks that cover most of the
    image would tint all of it: they are left out where there are others, else the layer begins hidden.
    """
    masks = [image.load_mask(name) for name in image.list_mask_names()]
    masks = [mask for mask in masks if mask.shape == image.slice_shape]
    if not masks:
        return None
    small = [mask for mask in masks if mask.mean() <= _MOST_COVERED]
    options = {
        "name": "mask" if len(masks) == 1 else f"{len(masks)} masks",
        "visible": bool(small),
        "scale": (1.0, stretch),
        "colormap": np.array([(0.0, 0.0, 0.0, 0.0), MASK_COLOR]),
        "contrast_limits": (0.0, 1.0),
        "interpolation2d": "nearest",
        "blending": "translucent",
        "rgb": False,
        "metadata": metadata,
    }
    return (np.any(small or masks, axis=0).astype(np.uint8), options, "image")


def rois_to_layer(rois: RoiSet, metadata: dict[str, LayerTag], stretch: float, *, name: str) -> LayerData:
    """Return the rectangles of a set as a Shapes layer; mask ROIs have no shape."""
    rects = [roi for roi in rois if isinstance(roi, RectROI)]
    options = {
        "name": name,
        "ndim": 2,
        "shape_type": ["rectangle"] * len(rects),
        "features": features_of([roi.roi_id for roi in rects], rois),
        "feature_defaults": {ROI_ID: NO_ROI, LABEL: ""},
        "opacity": 1.0,
        "edge_color": ROI_COLOR,
        "face_color": [1.0, 0.83, 0.0, 0.06],
        "text": {"string": "{label}", "color": ROI_COLOR, "size": 11, "anchor": "upper_left"},
        "metadata": metadata,
    }
    return ([rect_to_vertices(roi, stretch) for roi in rects] or None, options, "shapes")


def features_of(ids: Sequence[int], rois: RoiSet) -> pd.DataFrame:
    """Return the features of a ROI layer whose shapes are the ROIs of these ids, or none (`NO_ROI`)."""
    labels = {roi.roi_id: roi_label(roi) for roi in rois if isinstance(roi, RectROI)}
    # With their dtypes stated, an empty layer takes the defaults too.
    return pd.DataFrame(
        {
            ROI_ID: pd.Series(list(ids), dtype="int64"),
            LABEL: pd.Series([labels.get(roi_id, "not a ROI") for roi_id in ids], dtype="object"),
        }
    )


def roi_label(roi: RectROI) -> str:
    """Return what is written into a ROI on the canvas."""
    return roi.name or f"ROI {roi.roi_id}"


def rect_to_vertices(roi: RectROI, stretch: float) -> NDArray[np.float64]:
    """Return the four corners (y, x) of a rectangle in display units, on the outer edges of its pixels."""
    (y0, y1), (x0, x1) = drawn_range(roi.y0, roi.y1), drawn_range(roi.x0, roi.x1)
    return np.array([[y0, x0], [y0, x1], [y1, x1], [y1, x0]]) * (1.0, stretch)


def vertices_to_bounds(vertices: NDArray[Any], stretch: float, shape: tuple[int, int]) -> Bounds | None:
    """Return the half-open ranges of the pixels whose centres a drawn rectangle covers: inverse of `rect_to_vertices`.

    None where the four corners are no upright rectangle, or it covers no pixel centre of an image of `shape` (y, x).
    """
    corners = np.asarray(vertices, dtype=np.float64)[:, -2:] / (1.0, stretch)
    if not _is_upright(corners):
        return None
    (y_low, x_low), (y_high, x_high) = corners.min(axis=0), corners.max(axis=0)
    y0, y1 = covered_range(y_low, y_high, shape[0])
    x0, x1 = covered_range(x_low, x_high, shape[1])
    return Bounds(x0=x0, x1=x1, y0=y0, y1=y1) if y1 > y0 and x1 > x0 else None


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
    in the slice at `z` (from 0) and `channel` (from 1). A ROI without a shape was deleted; mask ROIs have none and stay. A
    ROI whose shape can no longer be saved keeps its last good bounds.
    """
    rects = {roi.roi_id: roi for roi in previous if isinstance(roi, RectROI)}
    kept: dict[int, RectROI] = {}
    new: list[RectROI] = []
    ids: list[int] = []
    refused: list[int] = []
    next_id = previous.next_id
    for position, drawn in enumerate(shapes):
        bounds = vertices_to_bounds(drawn.vertices, stretch, shape) if drawn.shape_type == "rectangle" else None
        if bounds is None:
            refused.append(position)
        old = rects.get(drawn.roi_id) if drawn.roi_id not in kept else None
        if old is not None:
            kept[old.roi_id] = (
                old if bounds is None else replace(old, x0=bounds.x0, x1=bounds.x1, y0=bounds.y0, y1=bounds.y1)
            )
            ids.append(old.roi_id)
        elif bounds is not None:
            new.append(
                RectROI(roi_id=next_id, z=z, channel=channel, x0=bounds.x0, x1=bounds.x1, y0=bounds.y0, y1=bounds.y1)
            )
            ids.append(next_id)
            next_id += 1
        else:
            ids.append(NO_ROI)
    remaining = (kept.get(roi.roi_id) if isinstance(roi, RectROI) else roi for roi in previous)
    rois = RoiSet.of([*(roi for roi in remaining if roi is not None), *new], next_id=next_id)
    return Reconciled(rois=rois, ids=tuple(ids), refused=tuple(refused))


def describe_position(tag: LayerTag, position: Sequence[float]) -> str:
    """Return a place on the canvas, (…, y, x) in display units, as seconds and µm, with line and pixel."""
    line, pixel = round(position[-2]), round(position[-1] / tag.stretch)
    place = f"line {line}, pixel {pixel}"
    if tag.seconds_per_line is None or tag.um_per_pixel is None:
        return f"{place} (calibration unknown)"
    return f"{line * tag.seconds_per_line:.4f} s, {pixel * tag.um_per_pixel:.2f} µm ({place})"


def _image_options(image: AcqImage, stretch: float) -> dict[str, Any]:
    others = [axis for axis in image.axes if axis not in "yx"]
    return {
        "scale": (*(1.0 for _ in others), 1.0, stretch),
        "axis_labels": (*others, "y", "x"),
        "colormap": "gray",
        "contrast_limits": contrast_limits(image),
        "rgb": False,
        "multiscale": False,
    }


def contrast_limits(image: AcqImage) -> tuple[float, float]:
    """Return the 0.5 and 99.8 percentiles of a sample of lines; without limits napari reads all pixels for them."""
    lines = image.slice_shape[0]
    starts = np.linspace(0, max(0, lines - _SAMPLE_LINES // 8), num=8, dtype=int)
    at = [slice(None) if axis in "yx" else 0 for axis in image.axes]
    y = image.axes.index("y")
    pixels = image.pixels
    blocks = []
    for start in sorted(set(starts.tolist())):
        at[y] = slice(start, start + _SAMPLE_LINES // 8)
        blocks.append(np.asarray(pixels[tuple(at)]).ravel())
    sample = np.concatenate(blocks).astype(np.float64)
    finite = sample[np.isfinite(sample)]
    low, high = np.percentile(finite, (0.5, 99.8)) if finite.size else (0.0, 1.0)
    return (float(low), float(high)) if high > low else (float(low), float(low) + 1.0)


def _is_upright(corners: NDArray[np.float64]) -> bool:
    if corners.shape != (4, 2):
        return False
    low, high = corners.min(axis=0), corners.max(axis=0)
    on_edge = (np.abs(corners - low) < _STRAIGHT) | (np.abs(corners - high) < _STRAIGHT)
    return bool(on_edge.all())
