"""Pure converters: a record to layer data.

The rule of this room: nothing here knows a viewer. ROIs and shapes are in `layers.shapes`.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from kymflow_core import AcqImage
from kymflow_core.errors import ImageError
from napari_kymflow.layers.lazy_pixels import LazyPixels
from napari_kymflow.layers.levels import Levels, pixels_to_levels
from napari_kymflow.layers.shapes import rois_to_layer
from napari_kymflow.layers.tags import KEY, LayerTag, layer_name
from napari_kymflow.user.displays import DEFAULT, PERCENTILES, Display, Limits

LayerData: TypeAlias = tuple[Any, ...]
"""`(data, options, kind)`, as napari's readers return it."""

BAND_ASPECT = 0.42
"""Height over width of a kymograph on screen: fills a canvas that has a dock below it."""

MASK_COLOR = (0.0, 0.75, 1.0, 0.35)
MOST_BYTES = 2**30
"""Pixels up to here are read whole; of more, napari reads the slice that it shows."""

MOST_CHANNELS = 6
"""Of more channels, as of a spectrum, napari shows one at a time, with a slider."""
_COLORS = {1: ("gray",), 2: ("magenta", "green")}
_MANY_COLORS = ("cyan", "yellow", "magenta", "red", "green", "blue")
"""As napari colours channels."""
_SAMPLE_LINES = 4096
_SAMPLE_PIXELS = 512
_MOST_COVERED = 0.5


def display_stretch(shape: tuple[int, int]) -> float:
    """Return the stretch that shows an image of `shape` (y, x) as a band of `BAND_ASPECT`."""
    lines, pixels = shape
    return float(max(1, round(BAND_ASPECT * lines / pixels)))


def record_to_layers(
    image: AcqImage, *, dataset_path: str, image_id: str, stretch: float | None = None, display: Display = DEFAULT
) -> list[LayerData]:
    """Return a record as layers: the pixels, one layer a channel, its masks, and last the ROIs.

    Parameters
    ----------
    image
        The record.
    dataset_path, image_id
        Which one it is.
    stretch
        How many display units one pixel is high; by default a band of `BAND_ASPECT`.
    display
        Its contrast and colours.

    Raises
    ------
    ImageError
        When the pixels cannot be shown: complex numbers, no pixels, or no axes y and x.
    """
    check_showable(image)
    stretch = display_stretch(image.slice_shape) if stretch is None else stretch
    first = LayerTag(
        role="pixels",
        dataset_path=dataset_path,
        image_id=image_id,
        stretch=stretch,
        seconds_per_line=image.header.seconds_per_line,
        um_per_pixel=image.header.um_per_pixel,
    )
    name = image.name or image_id[:8]
    layers = _pixels_to_layers(image, name, first, display)
    masks = masks_to_layer(image, {KEY: replace(first, role="mask")}, stretch)
    if masks is not None:
        layers.append(masks)
    tag = replace(first, role="rois")
    layers.append(rois_to_layer(image.rois, {KEY: tag}, stretch, name=layer_name(name, tag)))
    return layers


def _pixels_to_layers(image: AcqImage, name: str, tag: LayerTag, display: Display) -> list[LayerData]:
    """Return one image layer a channel, in colours that add up."""
    channels = channels_to_pixels(image)
    colors = _COLORS.get(len(channels), _MANY_COLORS)
    names = image.header.channel_names
    layers: list[LayerData] = []
    for channel, pixels in channels.items():
        said = names[channel - 1] if len(names) >= len(channels) and names[channel - 1] else f"channel {channel}"
        own = replace(tag, channel=channel, channel_name=said if len(channels) > 1 else "")
        shown = display.of(channel)
        options = {
            "name": layer_name(name, own),
            "metadata": {KEY: own},
            "scale": (*[1.0] * (pixels.ndim - 1), tag.stretch),
            "axis_labels": (*(axis for axis in shown_axes(image) if axis not in "yx"), "y", "x"),
            "colormap": shown.colormap or colors[(channel - 1) % len(colors)],
            "gamma": shown.gamma,
            "contrast_limits": shown.limits or contrast_limits(pixels, display.percentiles),
            # Where the canvas is light, colours that add up need something dark below them.
            "blending": "additive" if layers else "translucent_no_depth",
            "rgb": False,
        }
        layers.append(_pixels_to_layer(pixels, options))
    return layers


def _pixels_to_layer(pixels: "NDArray[Any] | LazyPixels", options: dict[str, Any]) -> LayerData:
    levels = pixels_to_levels(pixels)
    return levels, {**options, "multiscale": isinstance(levels, Levels)}, "image"


def check_showable(image: AcqImage) -> None:
    """Raise `ImageError` unless the image has y and x, pixels along all axes, and real numbers."""
    pixels = image.pixels
    if not {"y", "x"} <= set(image.axes) or 0 in pixels.shape or pixels.dtype.kind == "c":
        raise ImageError(
            f"record {image.name or ''} cannot be shown: it has the axes {image.axes}, the shape {pixels.shape} and "
            f"{pixels.dtype} values; axes y and x, at least one pixel and real numbers are needed"
        )


def shown_axes(image: AcqImage) -> tuple[str, ...]:
    """Return the axes of an image's layers, in the image's order: all but that of channels that are shown as colours."""
    is_split = image.sizes.get("c", MOST_CHANNELS + 1) <= MOST_CHANNELS
    return tuple(axis for axis in image.axes if axis != "c" or not is_split)


def channels_to_pixels(image: AcqImage) -> "dict[int, NDArray[Any] | LazyPixels]":
    """Return the pixels of each channel with y and x as the last axes, as napari shows them.

    By channel, from 1; an image with more than `MOST_CHANNELS` channels is one, with an axis for them. In memory, unless
    there are too many.
    """
    pixels, axes = image.pixels, image.axes
    if pixels.dtype.itemsize * pixels.size <= MOST_BYTES:
        pixels = np.asarray(pixels[...])
    shown = shown_axes(image)
    order = tuple(axes.index(axis) for axis in (*(axis for axis in shown if axis not in "yx"), "y", "x"))
    if shown == axes:
        return {1: _ordered(pixels, order, {})}
    at = axes.index("c")
    return {channel: _ordered(pixels, order, {at: channel - 1}) for channel in range(1, image.sizes["c"] + 1)}


def _ordered(pixels: Any, order: tuple[int, ...], fixed: dict[int, int]) -> "NDArray[Any] | LazyPixels":
    lazy = LazyPixels(pixels, order, fixed)
    return lazy[...] if isinstance(pixels, np.ndarray) else lazy


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
    return _pixels_to_layer(np.any(small or masks, axis=0).astype(np.uint8), options)


def describe_position(tag: LayerTag, position: Sequence[float]) -> str:
    """Return a place on the canvas, (…, y, x) in display units, as seconds and µm, with line and pixel."""
    line, pixel = round(position[-2]), round(position[-1] / tag.stretch)
    place = f"line {line}, pixel {pixel}"
    if tag.seconds_per_line is None or tag.um_per_pixel is None:
        return f"{place} (calibration unknown)"
    return f"{line * tag.seconds_per_line:.4f} s, {pixel * tag.um_per_pixel:.2f} µm ({place})"


def contrast_limits(pixels: "NDArray[Any] | LazyPixels", percentiles: Limits = PERCENTILES) -> Limits:
    """Return two percentiles of a sample of lines (…, y, x) and of their pixels; napari would take all for them."""
    lines = pixels.shape[-2]
    first: tuple[Any, ...] = (0,) * (pixels.ndim - 2)
    length = lines if lines <= _SAMPLE_LINES else _SAMPLE_LINES // 8
    starts = np.linspace(0, lines - length, num=8, dtype=int)
    across = slice(None, None, max(1, pixels.shape[-1] // _SAMPLE_PIXELS))
    blocks = [
        np.asarray(pixels[(*first, slice(start, start + length), slice(None))])[..., across].ravel()
        for start in sorted(set(starts.tolist()))
    ]
    sample = np.concatenate(blocks).astype(np.float64)
    finite = sample[np.isfinite(sample)]
    low, high = np.percentile(finite, percentiles) if finite.size else (0.0, 1.0)
    return (float(low), float(high)) if high > low else (float(low), float(low) + 1.0)
