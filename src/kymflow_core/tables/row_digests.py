"""Digests of an image's rows in a table: they tell whether a table still has what its index says.

The rule of this room: a digest depends on values only, not on the order of rows and columns, on columns without a value, or
on whether 5 is stored as an integer or not, since another image's rows decide that.
"""

import hashlib
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kymflow_zarr.tables.table_file import IMAGE_ID

_OF_ZERO = np.uint64(0x9E3779B97F4A7C15)
_LARGEST_EXACT = 2**53


def row_digests(table: pd.DataFrame) -> dict[str, int]:
    """Return a digest of 63 bits of the rows of each image that a table has rows of."""
    if not len(table) or IMAGE_ID not in table.columns:
        return {}
    total = np.zeros(len(table), dtype=np.uint64)
    for name in table.columns:
        total += _column_digests(table[name], str(name))
    codes, ids = pd.factorize(table[IMAGE_ID])
    # Mixed once more, so that values that changed places between rows do not cancel out.
    total = (total ^ (total >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
    total ^= total >> np.uint64(32)
    order = np.argsort(codes, kind="stable")
    starts = np.flatnonzero(np.diff(codes[order], prepend=-1))
    sums = np.add.reduceat(total[order], starts) >> np.uint64(1)
    return {str(ids[codes[order[start]]]): int(digest) for start, digest in zip(starts, sums, strict=True)}


def _column_digests(column: "pd.Series[Any]", name: str) -> NDArray[np.uint64]:
    salt = np.uint64(int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little") | 1)
    missing = column.isna().to_numpy()
    if pd.api.types.is_numeric_dtype(column.dtype):
        # Zero, added, makes -0.0 the same as 0.0.
        values = column.to_numpy(dtype=np.float64, na_value=np.nan) + 0.0
    else:
        values = column.astype("str").to_numpy(dtype=object)
    # pandas gives 0.0 the digest 0, which is that of a missing value here.
    digests = (pd.util.hash_array(values) ^ _OF_ZERO) * salt
    if pd.api.types.is_integer_dtype(column.dtype):
        whole = column.fillna(0).to_numpy(dtype=np.int64) if not missing.all() else np.zeros(len(column), np.int64)
        # Beyond what a float can tell apart, such as times in ns.
        large = np.abs(whole) > _LARGEST_EXACT
        digests[large] = pd.util.hash_array(whole[large]) * salt
    digests[missing] = 0
    return np.asarray(digests, dtype=np.uint64)
