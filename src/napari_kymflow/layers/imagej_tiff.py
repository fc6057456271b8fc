"""Pixels of a layer as a TIFF that ImageJ opens with its calibration: one pure function.

ImageJ holds 8-bit and 16-bit whole numbers and 32-bit floating point. Other numbers that it can hold without a change come
as those; what it cannot hold comes in an ordinary TIFF, so that no value is lost.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kymflow_core.images.file_reader import scales_of_calibration
from kymflow_zarr.errors import InvalidValueError
from kymflow_zarr.formats.tiff import array_to_tiff, is_for_imagej


@dataclass(frozen=True, slots=True, kw_only=True)
class TiffFile:
    """The bytes of a TIFF, and whether ImageJ reads the calibration in it."""

    content: bytes
    for_imagej: bool


def pixels_to_tiff(
    pixels: NDArray[Any], axes: Sequence[str], *, um_per_pixel: float | None, seconds_per_line: float | None
) -> TiffFile:
    """Return pixels as a TIFF, x in µm and y in s where these are known.

    Parameters
    ----------
    pixels
        The image.
    axes
        One name a dimension; t, z, c, y, x are ImageJ's.
    um_per_pixel, seconds_per_line
        The calibration; None where it is not known, and then the unit is "pixel".

    Raises
    ------
    InvalidValueError
        When there is no pixel.
    """
    held = _held_by_imagej(pixels)
    scales = scales_of_calibration(um_per_pixel=um_per_pixel, seconds_per_line=seconds_per_line)
    content = array_to_tiff(held, axes, scales)
    if content is None:
        raise InvalidValueError(f"no TIFF can hold {pixels.dtype} pixels of the shape {pixels.shape}; save another layer")
    return TiffFile(content=content, for_imagej=is_for_imagej(held, axes))


def _held_by_imagej(pixels: NDArray[Any]) -> NDArray[Any]:
    """Return the pixels in a type that ImageJ has, with the same values; as they are where there is none."""
    if pixels.dtype.kind == "b":
        return pixels.astype(np.uint8)
    if pixels.dtype == np.float16:
        return pixels.astype(np.float32)
    is_wide = pixels.dtype.kind in "iu" and pixels.dtype.type not in (np.uint8, np.uint16) and pixels.size
    if is_wide and pixels.min() >= 0 and pixels.max() <= np.iinfo(np.uint16).max:
        return pixels.astype(np.uint16)
    return pixels
