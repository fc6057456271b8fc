"""An array as a TIFF that Fiji opens with its scale, and the same array again, whatever the TIFF made of it.

The rule of this room: what a TIFF cannot hold as it is gives no TIFF (None), never another array.
"""

import io
import lzma
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from kymflow_zarr.errors import SourceError

TIFF_ENDINGS = (".tif", ".tiff")
UNREADABLE_TIFF = (
    tifffile.TiffFileError,
    struct.error,
    zlib.error,
    ValueError,
    LookupError,
    TypeError,
    ArithmeticError,
    AssertionError,
    RuntimeError,
    EOFError,
    MemoryError,
    ImportError,
    AttributeError,
    SyntaxError,
    lzma.LZMAError,
)
"""What tifffile and the codecs that it calls were seen to raise over damaged TIFFs and where a package is missing."""


_IMAGEJ_DTYPES = ("u1", "u2", "i2", "f4")
"""What ImageJ itself has: 8 bits without sign, 16 bits with or without, and 32-bit floats."""
_SIGNED: Mapping[str, str | float] = {"cf": 0, "c0": -32768.0, "c1": 1.0, "vunit": "Gray Value"}
"""How ImageJ writes signed 16-bit numbers: 32768 higher, with a straight line that brings them back."""
_IMAGEJ_ORDER = "tzcyx"
_PIXEL = "pixel"
_FINEST = 10**9
"""The largest denominator of a step: 35.099 s / 30000 lines is 35099 / 30000000."""
_MOST = 2**32 - 2
"""TIFF 6.0, RATIONAL: two numbers of 32 bits; one is left for rounding."""
_MOST_BYTES = 2**32 - 2**24
"""A TIFF of ImageJ's has 32-bit offsets."""
_NO_UNIT = 1
"""TIFF 6.0, ResolutionUnit: no absolute unit; ImageJ writes its own in the description."""
_SCALED_AXES = {"z": "spacing", "t": "finterval"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How much of a unit one step along an axis is, such as 0.284 "um" or 0.00117 "s"."""

    size: float
    unit: str


def array_to_tiff(array: NDArray[Any], axes: Sequence[str], scales: Mapping[str, Scale], *, info: str = "") -> bytes | None:
    """Return an array of at least 2 dimensions as a TIFF; None where a TIFF cannot hold it.

    An array of a dtype and of axes that ImageJ knows becomes an ImageJ hyperstack. There `scales` stand as ImageJ writes
    them itself: pixels per unit in XResolution and YResolution, `unit`, `yunit`, `spacing` and `finterval` in the
    description. Other arrays become plain TIFFs, whose XResolution and YResolution have the same numbers, and whose
    description names the scales in JSON, which Fiji does not read. Booleans become 0 and 255.

    Parameters
    ----------
    array
        Numbers or booleans, any shape.
    axes
        One name a dimension.
    scales
        The scale of each axis of which it is known.
    info
        The text that ImageJ shows as the image's info.
    """
    if array.ndim < 2 or array.size == 0:
        return None
    pixels = array.view(np.uint8) * np.uint8(255) if array.dtype == np.bool_ else array
    buffer = io.BytesIO()
    per_unit = {axis: number for axis, scale in scales.items() if (number := _per_unit(scale))}
    said = {axis: scale for axis, scale in scales.items() if axis in per_unit}
    resolution = per_unit.get("x", (1, 1)), per_unit.get("y", (1, 1))
    if is_for_imagej(pixels, axes):
        order = [axis for axis in _IMAGEJ_ORDER if axis in axes]
        metadata = {"axes": "".join(order).upper(), **_imagej_entries(said), **({"Info": info} if info else {})}
        if pixels.dtype.kind == "i":
            metadata |= _SIGNED
            pixels = imagej_signed(pixels)
        ordered = np.ascontiguousarray(pixels.transpose([list(axes).index(axis) for axis in order]))
        tifffile.imwrite(buffer, ordered, imagej=True, resolution=resolution, metadata=metadata)
    else:
        in_words = {axis: f"{scale.size!r} {scale.unit}" for axis, scale in scales.items()}
        tifffile.imwrite(
            buffer,
            np.ascontiguousarray(pixels),
            photometric="minisblack",
            resolution=resolution,
            resolutionunit=_NO_UNIT,
            metadata={"scales": in_words},
        )
    data = buffer.getvalue()
    return data if _holds(data, array, axes) else None


def tiff_to_array(
    data: bytes, *, axes: Sequence[str], shape: Sequence[int], dtype: np.dtype[Any], what: str
) -> NDArray[Any]:
    """Return the array that a TIFF was made of: inverse of `array_to_tiff`.

    Raises
    ------
    SourceError
        When the TIFF cannot be read, or holds an array of another shape or dtype.
    """
    try:
        with tifffile.TiffFile(io.BytesIO(data)) as tiff:
            pixels = tiff.series[0].asarray()
            of_imagej = tiff.is_imagej
            if of_imagej and is_imagej_signed(tiff.imagej_metadata or {}, pixels.dtype):
                pixels = imagej_signed(pixels)
    except (*UNREADABLE_TIFF, OSError) as error:
        raise SourceError(f"{what} cannot be read as a TIFF ({' '.join(str(error).split())})") from error
    stored = np.dtype(np.uint8) if dtype == np.bool_ else dtype
    order = [list(axes).index(axis) for axis in _IMAGEJ_ORDER if axis in axes] if of_imagej else list(range(len(shape)))
    written = [shape[at] for at in order]
    if _without_ones(pixels.shape) != _without_ones(written) or pixels.dtype.newbyteorder("=") != stored.newbyteorder("="):
        raise SourceError(
            f"{what} holds {pixels.dtype} values of the shape {pixels.shape}; {dtype} values of the shape {tuple(shape)} "
            "were exported"
        )
    pixels = pixels.reshape(written).transpose(np.argsort(order))
    return np.ascontiguousarray(pixels != 0 if dtype == np.bool_ else pixels.astype(dtype, copy=False))


def is_imagej_signed(entries: Mapping[str, Any], dtype: np.dtype[Any]) -> bool:
    """Return whether ImageJ shows 16-bit numbers as signed ones (`ij.measure.Calibration.isSigned16Bit` of ImageJ 1.54)."""
    return dtype.kind == "u" and dtype.itemsize == 2 and all(entries.get(key) == _SIGNED[key] for key in ("cf", "c0", "c1"))


def imagej_signed(pixels: NDArray[Any]) -> NDArray[Any]:
    """Return signed 16-bit numbers as ImageJ stores them, and those that it stores as they are: its own inverse."""
    to = np.dtype(np.uint16 if pixels.dtype.kind == "i" else np.int16)
    return (pixels.astype(np.uint16, copy=False) ^ np.uint16(1 << 15)).view(to)


def _without_ones(shape: Sequence[int]) -> list[int]:
    """Return the lengths of those dimensions that a TIFF does not leave out."""
    return [length for length in shape if length != 1]


def _per_unit(scale: Scale) -> tuple[int, int] | None:
    """Return how many steps there are in one unit, as a fraction of 32-bit numbers; None where a TIFF cannot say it."""
    if not 1 / _FINEST <= scale.size <= _MOST:  # nor one that is no number
        return None
    step = Fraction(scale.size).limit_denominator(min(_FINEST, int(_MOST / scale.size)))
    return step.denominator, step.numerator


def is_for_imagej(pixels: NDArray[Any], axes: Sequence[str]) -> bool:
    """Return whether an array becomes a TIFF in which Fiji finds the scales."""
    fits = pixels.dtype.str[1:] in _IMAGEJ_DTYPES and pixels.nbytes <= _MOST_BYTES
    return fits and {"y", "x"} <= set(axes) <= set(_IMAGEJ_ORDER)


def _imagej_entries(scales: Mapping[str, Scale]) -> dict[str, str | float]:
    """Return the entries of an ImageJ description that say the scales; "pixel" where none is known.

    `yunit` is always said: ImageJ takes `unit`, that of x, for all axes that say none.
    """
    x, y = scales.get("x"), scales.get("y")
    entries: dict[str, str | float] = {"unit": x.unit if x else _PIXEL, "yunit": y.unit if y else _PIXEL}
    for axis, name in _SCALED_AXES.items():
        if axis in scales:
            entries[name] = scales[axis].size
    return entries


def _holds(data: bytes, array: NDArray[Any], axes: Sequence[str]) -> bool:
    try:
        again = tiff_to_array(data, axes=axes, shape=array.shape, dtype=array.dtype, what="the TIFF")
    except SourceError:
        return False
    return again.tobytes() == array.tobytes()
