"""Pure converters: a record to layer data.

The rule of this room: nothing here knows a viewer. ROIs and shapes are in `layers.shapes`.
"""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from kymflow_core import AcqImage
from kymflow_core.errors import ImageError
from napari_kymflow.layers.shapes import rois_to_layer
from napari_kymflow.layers.tags import KEY, LayerTag, Role

LayerData: TypeAlias = tuple[Any, ...]
"""`(data, options, kind)`, as napari's readers return it."""

BAND_ASPECT = 0.42
"""Height over width of a kymograph on screen: fills a canvas that has a dock below it."""

MASK_COLOR = (0.0, 0.75, 1.0, 0.35)
MOST_BYTES = 2**30
"""Pixels up to here are read whole; of more, napari reads the slice that it shows."""

_SAMPLE_LINES = 4096
_MOST_COVERED = 0.5


def display_stretch(shape: tuple[int, int]) -> float:
    """Return the stretch that shows an image of `shape` (y, x) as a band of `BAND_ASPECT`."""
    lines, pixels = shape
    return float(max(1, round(BAND_ASPECT * lines / pixels)))


def record_to_layers(image: AcqImage, *, dataset_path: str, image_id: str, stretch: float | None = None) -> list[LayerData]:
    """Return a record as layers: the pixels, its masks, and last the ROIs.

    Parameters
    ----------
    image
        The record.
    dataset_path, image_id
        Which one it is.
    stretch
        How many display units one pixel is high; by default a band of `BAND_ASPECT`.

    Raises
    ------
    ImageError
        When the pixels cannot be shown: complex numbers, no pixels, or no axes y and x.
    """
    check_showable(image)
    stretch = display_stretch(image.slice_shape) if stretch is None else stretch

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
    pixels = shown_pixels(image)
    options = {**_image_options(pixels, image.axes, stretch), "name": name, "metadata": tag("pixels")}
    layers: list[LayerData] = [(pixels, options, "image")]
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


def shown_pixels(image: AcqImage) -> "NDArray[Any] | LazyPixels":
    """Return the pixels with y and x as the last axes, as napari shows them: in memory, unless there are too many."""
    axes, pixels = image.axes, image.pixels
    order = (*(at for at, axis in enumerate(axes) if axis not in "yx"), axes.index("y"), axes.index("x"))
    if pixels.dtype.itemsize * pixels.size > MOST_BYTES:
        return LazyPixels(pixels, order)
    return np.asarray(pixels[...]).transpose(order)


class LazyPixels:
    """Pixels that are read where they are indexed, with their axes in another order; nothing is kept.

    Parameters
    ----------
    pixels
        What holds them, with `shape`, `dtype` and numpy slicing.
    order
        Which of its axes comes where.
    """

    def __init__(self, pixels: Any, order: Sequence[int]) -> None:
        self._pixels, self._order = pixels, tuple(order)
        self.shape: tuple[int, ...] = tuple(pixels.shape[axis] for axis in order)
        self.dtype: np.dtype[Any] = pixels.dtype
        self.ndim = len(self.shape)
        self.size = int(pixels.size)

    def __getitem__(self, key: Any) -> NDArray[Any]:
        keys = key if isinstance(key, tuple) else (key,)
        if Ellipsis in keys:
            at = keys.index(Ellipsis)
            keys = (*keys[:at], *[slice(None)] * (self.ndim - len(keys) + 1), *keys[at + 1 :])
        keys = (*keys, *[slice(None)] * (self.ndim - len(keys)))
        by_axis = dict(zip(self._order, keys, strict=True))
        part = np.asarray(self._pixels[tuple(by_axis[axis] for axis in range(self.ndim))])
        # An axis at which one number was asked for is gone from the part.
        left = [axis for axis in self._order if isinstance(by_axis[axis], slice)]
        return part.transpose([sorted(left).index(axis) for axis in left])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self[...], dtype=dtype)

    def __len__(self) -> int:
        return self.shape[0]


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


def _image_options(pixels: "NDArray[Any] | LazyPixels", axes: Sequence[str], stretch: float) -> dict[str, Any]:
    others = [axis for axis in axes if axis not in "yx"]
    return {
        "scale": (*(1.0 for _ in others), 1.0, stretch),
        "axis_labels": (*others, "y", "x"),
        "colormap": "gray",
        "contrast_limits": contrast_limits(pixels),
        "rgb": False,
        "multiscale": False,
    }


def contrast_limits(pixels: "NDArray[Any] | LazyPixels") -> tuple[float, float]:
    """Return the 0.5 and 99.8 percentiles of a sample of lines (…, y, x); napari would take all pixels for them."""
    lines = pixels.shape[-2]
    first: tuple[Any, ...] = (0,) * (pixels.ndim - 2)
    starts = np.linspace(0, max(0, lines - _SAMPLE_LINES // 8), num=8, dtype=int)
    blocks = [
        np.asarray(pixels[(*first, slice(start, start + _SAMPLE_LINES // 8), slice(None))]).ravel()
        for start in sorted(set(starts.tolist()))
    ]
    sample = np.concatenate(blocks).astype(np.float64)
    finite = sample[np.isfinite(sample)]
    low, high = np.percentile(finite, (0.5, 99.8)) if finite.size else (0.0, 1.0)
    return (float(low), float(high)) if high > low else (float(low), float(low) + 1.0)
