"""Arrays to the bytes of an .npy file and back; `numpy.lib.format` has the specification.

The rule of this room: a header is accepted only where exactly as many bytes follow as it states, so that a damaged one
cannot ask for more memory than the file has. Python objects, which could run code, are refused.
"""

import ast
import io
import math
import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kymflow_zarr.arrays.arrays import is_numeric
from kymflow_zarr.errors import DamagedError

_LENGTH_BYTES = {(1, 0): 2, (2, 0): 4, (3, 0): 4}
"""In how many bytes each version of the format states how long its header is."""
_LONGEST_HEADER = 10_000
_HEADER = re.compile(r"""(?:'[^'\\\n]*'|"[^"\\\n]*"|\b(?:True|False|[0-9]+)\b|[][{}():,\s-])*""", re.ASCII)
"""What a header consists of. Whatever else Python reads may warn (backslashes, `5or`); numpy's reader lets that out."""
_NUMBERS = re.compile(r"[<>|=]?[biufc][0-9]+", re.ASCII)
"""The data types that are read. Numpy warns of some of the others (`a5`), so it never gets them."""


def npy_to_bytes(array: NDArray[Any]) -> bytes:
    """Return an .npy file of version 1."""
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, version=(1, 0), allow_pickle=False)
    return buffer.getvalue()


def npy_from_bytes(data: bytes, *, what: str) -> NDArray[Any]:
    """Return the array in an .npy file; raise `DamagedError` where it is not whole, or holds no numbers."""
    try:
        text, start = _header_of(data)
        header = ast.literal_eval(text)
        descr, is_fortran, shape = header["descr"], header["fortran_order"], tuple(map(_checked_length, header["shape"]))
    except (ValueError, TypeError, KeyError, SyntaxError, MemoryError, RecursionError) as error:
        raise DamagedError(f"{what} is no readable .npy file ({error}); restore it from a backup") from error
    if not isinstance(is_fortran, bool) or len(header) != 3:
        raise DamagedError(f"{what} is no readable .npy file (its header is {text.strip()}); restore it from a backup")
    if not (isinstance(descr, str) and _NUMBERS.fullmatch(descr)):
        raise DamagedError(f"{what} holds values of dtype {descr!r}; only numbers and booleans are read")
    try:
        dtype = np.dtype(descr)
    except TypeError as error:
        raise DamagedError(f"{what} is no readable .npy file ({error}); restore it from a backup") from error
    if not is_numeric(dtype):
        raise DamagedError(f"{what} holds values of dtype {dtype}; only numbers and booleans are read")
    follow, expected = len(data) - start, math.prod(shape) * dtype.itemsize
    if follow != expected:
        raise DamagedError(
            f"{what} is damaged: {expected} bytes should follow its header and {follow} do; restore it from a backup"
        )
    try:
        return np.frombuffer(data, dtype, offset=start).reshape(shape, order="F" if is_fortran else "C").copy(order="K")
    except (ValueError, OverflowError) as error:
        raise DamagedError(f"{what} is damaged ({error}); restore it from a backup") from error


def _header_of(data: bytes) -> tuple[str, int]:
    """Return the text of the header, and where the values begin."""
    version = tuple(data[6:8])
    if data[:6] != np.lib.format.MAGIC_PREFIX or version not in _LENGTH_BYTES:
        raise ValueError(f"it begins with {data[:8]!r}")
    begin = 8 + _LENGTH_BYTES[version]
    end = begin + int.from_bytes(data[8:begin], "little")
    text = data[begin:end].decode("latin-1")
    if len(text) != end - begin or end > _LONGEST_HEADER or not _HEADER.fullmatch(text):
        raise ValueError(f"its header is {text[:200].strip()!r}")
    return text, end


def _checked_length(length: object) -> int:
    if not isinstance(length, int) or isinstance(length, bool):
        raise TypeError(f"{length!r} is no length")
    return length
