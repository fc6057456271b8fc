"""Pure converters: a record to layer data.

The rule of this room: nothing here knows a viewer, and pixels stay lazy. ROIs and shapes are in `layers.shapes`.
"""

from collections.abc import Sequence
from typing import Any, TypeAlias

import dask.array as da
import numpy as np

from kymflow_core import AcqImage
from kymflow_core.errors import ImageError
from napari_kymflow.layers.shapes import rois_to_layer
from napari_kymflow.layers.tags import KEY, LayerTag, Role

LayerData: TypeAlias = tuple[Any, ...]
"""`(data, options, kind)`, as napari's readers return it."""

BAND_ASPECT = 0.42
"""Height over width of a kymograph on screen: fills a canvas that has a dock below it."""

MASK_COLOR = (0.0, 0.75, 1.0, 0.35)
_SAMPLE_LINES = 4096
_MOST_COVERED = 0.5


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
