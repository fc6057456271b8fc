"""Pixels as a TIFF that ImageJ opens with its calibration: one pure function.

ImageJ holds 8-bit and 16-bit whole numbers and 32-bit floating point. Other numbers that it can hold without a change come
as those; what it cannot hold comes in an ordinary TIFF, so that no value is lost.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

_ORDER = "tzcyx"
"""The order of the axes in ImageJ's stacks."""
_MOST_BYTES = 2**32 - 2**24
"""A TIFF of ImageJ's has 32-bit offsets."""


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
    """
    held = _held_by_imagej(pixels)
    target = io.BytesIO()
    if held is None or not set(axes) <= set(_ORDER) or held.nbytes > _MOST_BYTES:
        said = {"axes": "".join(axes).upper(), "um_per_pixel": um_per_pixel, "seconds_per_line": seconds_per_line}
        tifffile.imwrite(target, pixels, photometric="minisblack", metadata=said)
        return TiffFile(content=target.getvalue(), for_imagej=False)
    order = sorted(range(len(axes)), key=lambda at: _ORDER.index(axes[at]))
    tifffile.imwrite(
        target,
        np.ascontiguousarray(np.transpose(held, order)),
        imagej=True,
        # Pixels per unit (TIFF 6.0, XResolution); ImageJ takes the unit from its description.
        resolution=(1.0 / (um_per_pixel or 1.0), 1.0 / (seconds_per_line or 1.0)),
        metadata={
            "axes": "".join(axes[at] for at in order).upper(),
            "unit": "um" if um_per_pixel else "pixel",
            "yunit": "s" if seconds_per_line else "pixel",
        },
    )
    return TiffFile(content=target.getvalue(), for_imagej=True)


def _held_by_imagej(pixels: NDArray[Any]) -> NDArray[Any] | None:
    """Return the pixels in a type that ImageJ has, with the same values; None where there is none."""
    if pixels.dtype.kind == "b":
        return pixels.astype(np.uint8)
    if pixels.dtype.type in (np.uint8, np.uint16, np.float32):
        return pixels
    if pixels.dtype == np.float16:
        return pixels.astype(np.float32)
    if pixels.dtype.kind not in "iu" or not pixels.size or pixels.min() < 0 or pixels.max() > np.iinfo(np.uint16).max:
        return None
    return pixels.astype(np.uint16)
