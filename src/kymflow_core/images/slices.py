"""The 2-D slices of an image, by z and channel, as a ROI names them."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from kymflow_core.errors import ImageError, RoiError
from kymflow_core.roi.bounds import Bounds

_LARGEST_HELD = 512 * 2**20
_ONE_CHUNK = 2**20
"""So large a slice is one chunk, which is read whole whatever part of it is asked for."""
_FEW_PIXELS = 2 * 2**20
"""So many are read whole: measured, 30000 x 38 pixels take 3.3 ms, and through zarr 500 lines of them 3.7 ms."""


class HoldsPixels(Protocol):
    """What slices are cut from: a record, or anything else that holds an image."""

    def open_array(self) -> Any:
        """Return the pixels, lazily where possible: an object with `shape`, `dtype` and numpy slicing."""

    def load_array(self) -> NDArray[Any]:
        """Return all pixels, read now."""


def pixels_to_cut(holder: HoldsPixels) -> Any:
    """Return the pixels as `Slices` takes them: read whole where they are few, else lazily where possible."""
    pixels = holder.open_array()
    return holder.load_array() if are_few(pixels.shape) and not isinstance(pixels, np.ndarray) else pixels


def are_few(shape: Sequence[int]) -> bool:
    """Return whether an image has so few pixels that it is best read whole, without a look into it before."""
    return math.prod(shape) <= _FEW_PIXELS


def slice_shape(sizes: Mapping[str, int]) -> tuple[int, int]:
    """Return the shape (y, x) of a slice of an image with so many pixels along each axis.

    Raises
    ------
    ImageError
        When the image has no such axes.
    """
    if not {"y", "x"} <= set(sizes):
        raise ImageError(f"the image has the axes {tuple(sizes)}; y and x are needed")
    return sizes["y"], sizes["x"]


class Slices:
    """The slices (y, x) of one image at its first time point.

    Parameters
    ----------
    pixels
        An object with `shape`, `dtype` and numpy slicing.
    axes
        One name a dimension.
    holds
        Whether each slice is read once and held, where it is small enough (512 MB); by default only what is asked for is
        read, unless the slice is one chunk (1 MB).
    """

    def __init__(self, pixels: Any, axes: Sequence[str], *, holds: bool = False) -> None:
        self._pixels, self._axes = pixels, tuple(axes)
        self._sizes = {axis: int(size) for axis, size in zip(axes, pixels.shape, strict=True)}
        self._holds = math.prod(self.shape) * pixels.dtype.itemsize <= (_LARGEST_HELD if holds else _ONE_CHUNK)
        self._held: dict[tuple[int, int], NDArray[Any]] = {}

    @property
    def shape(self) -> tuple[int, int]:
        """The shape (y, x) of a slice; raises as `slice_shape`."""
        return slice_shape(self._sizes)

    def read(self, *, z: int = 0, channel: int = 1, bounds: Bounds | None = None) -> NDArray[Any]:
        """Return a slice, or a part of it, at `z` (from 0) and `channel` (from 1).

        Raises
        ------
        RoiError
            When the image has such an axis, but not so many along it. An image without the axis is taken as it is.
        """
        at = {"z": z, "c": channel - 1}
        outside = [axis for axis in at if axis in self._sizes and not 0 <= at[axis] < self._sizes[axis]]
        if outside:
            raise RoiError(f"no slice at z {z}, channel {channel}: the image has {self._sizes} (z from 0, channel from 1)")
        rows, columns = (slice(None), slice(None)) if bounds is None else bounds.slices
        if not self._holds:
            return self._read({**at, "y": rows, "x": columns})
        if (z, channel) not in self._held:
            self._held[z, channel] = self._read({**at, "y": slice(None), "x": slice(None)})
        return self._held[z, channel][rows, columns]

    def _read(self, place: Mapping[str, int | slice]) -> NDArray[Any]:
        pixels = np.asarray(self._pixels[tuple(place.get(axis, 0) for axis in self._axes)])
        return pixels if self._axes.index("y") < self._axes.index("x") else pixels.T
