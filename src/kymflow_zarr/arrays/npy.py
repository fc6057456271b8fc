"""Arrays to the bytes of an .npy file and back; `numpy.lib.format` has the specification.

The rule of this room: a header is believed only when exactly as many bytes follow as it says, so that a damaged one cannot
ask for more memory than the file has; and Python objects, which could run code, are refused.
"""

import io
import math
import tokenize
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kymflow_zarr.arrays.arrays import is_numeric
from kymflow_zarr.errors import DamagedError

_UNREADABLE = (
    ValueError,
    TypeError,
    SyntaxError,
    tokenize.TokenError,
    OverflowError,
    MemoryError,
    RecursionError,
    SystemError,
)
"""What numpy was seen to raise over changed files."""


def npy_to_bytes(array: NDArray[Any]) -> bytes:
    """Return an .npy file of version 1."""
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, version=(1, 0), allow_pickle=False)
    return buffer.getvalue()


def npy_from_bytes(data: bytes, *, what: str) -> NDArray[Any]:
    """Return the array in an .npy file of version 1 or 2; raise `DamagedError` where it is not whole, or no numbers."""
    file = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(file)
        read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read_header(file)
    except _UNREADABLE as error:
        raise DamagedError(f"{what} is no readable .npy file ({error}); restore it from a backup") from error
    if not is_numeric(dtype):
        raise DamagedError(f"{what} holds values of dtype {dtype}; only numbers and booleans are read")
    follow, expected = len(data) - file.tell(), math.prod(shape) * dtype.itemsize
    if follow != expected:
        raise DamagedError(
            f"{what} is damaged: {expected} bytes should follow its header and {follow} do; restore it from a backup"
        )
    file.seek(0)
    try:
        return np.lib.format.read_array(file, allow_pickle=False)
    except _UNREADABLE as error:
        raise DamagedError(f"{what} is damaged ({error}); restore it from a backup") from error
