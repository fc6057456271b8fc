"""A long image in levels: all its lines, every fourth, every sixteenth, of which napari uploads what the zoom needs.

The rule of this room: a level is a view of the pixels, so it is made at once, takes no memory, and can never be outdated. A
mean would look smoother, but takes longer to make than the pixels to read (3.1 s and 2.6 s at 3,000,000 x 128). No level
has fewer pixels across: a line scan has few, and zooming acts on time only.
"""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from napari.layers import Image
from napari.layers._multiscale_data import MultiScaleData  # napari 0.9 has no public name for it
from numpy.typing import NDArray

from napari_kymflow.layers.lazy_pixels import LazyPixels

Pixels: TypeAlias = "NDArray[Any] | LazyPixels"
MOST_PIXELS = 2**23
"""Images up to here (30000 lines of 279 pixels) stay plain arrays, which all plugins can use; they open as fast."""
STEP = 4
"""Of how many lines the next level has one."""
_FEWEST_LINES = 4096
"""A level of this many lines has no next one: a canvas is not wider."""
_PIECE_BYTES = 2**26


class Levels(MultiScaleData):  # type: ignore[misc]
    """The levels of a long image, the one with all lines first, as napari's layer holds them.

    As an array they are all pixels: napari's own would be the last level, and who saves the layer or calculates with its
    data would get one line of thousands.
    """

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self[0], dtype=dtype, copy=copy)


def pixels_to_levels(pixels: Pixels) -> "Pixels | Levels":
    """Return a large image (…, y, x) in levels, the one with all lines first; a small one as it is.

    Of pixels that are not in memory one level is: every fourth line, which is read here. Those of more dimensions, which
    have a slice of many, come as they are.
    """
    lines = pixels.shape[-2]
    is_long = lines > _FEWEST_LINES and lines * pixels.shape[-1] > MOST_PIXELS
    if not is_long or (isinstance(pixels, LazyPixels) and pixels.ndim > 2):
        return pixels
    levels: list[Pixels] = [pixels]
    last = _fewer_lines(pixels) if isinstance(pixels, np.ndarray) else _read_fewer_lines(pixels)
    while last.shape[-2] > _FEWEST_LINES:
        levels.append(last)
        last = _fewer_lines(last)
    return Levels([*levels, last])


def show_pixels(layer: Image, data: "Pixels | Levels") -> None:
    """Show other pixels in a layer, in levels or not; the caller refreshes it."""
    layer.multiscale = isinstance(data, Levels)
    layer.data = data
    if isinstance(data, Levels):
        layer._data = data  # noqa: SLF001 - napari has made its own of them
    # Which part is shown first, of the last level; napari would keep what it showed of the image before.
    layer.corner_pixels = np.array([[0] * layer.ndim, layer.level_shapes[-1] - 1])


def all_pixels(layer: Image) -> Pixels:
    """Return the pixels of an image layer of ours, with all lines."""
    pixels: Pixels = layer.data[0] if layer.multiscale else layer.data
    return pixels


def value_at(layer: Image, position: Sequence[float]) -> Any:
    """Return the value of an image layer at a place in napari's world, of all lines; None beside the image."""
    if not layer.multiscale:
        return layer.get_value(position, world=True)
    at = np.rint(layer.world_to_data(position)).astype(int)
    pixels = all_pixels(layer)
    is_inside = all(0 <= index < size for index, size in zip(at, pixels.shape, strict=True))
    return pixels[tuple(at.tolist())] if is_inside else None


def _fewer_lines(pixels: NDArray[Any]) -> NDArray[Any]:
    # The line in the middle of those that it stands for.
    fewer: NDArray[Any] = pixels[..., STEP // 2 :: STEP, :]
    return fewer


def _read_fewer_lines(pixels: LazyPixels) -> NDArray[Any]:
    lines, across = pixels.shape
    piece = STEP * max(1, _PIECE_BYTES // (STEP * across * pixels.dtype.itemsize))
    return np.concatenate([_fewer_lines(pixels[at : at + piece]) for at in range(0, lines, piece)])
