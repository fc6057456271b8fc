"""Digests of an image's rows in a table: they tell whether a table still has what its index says.

The rule of this room: a digest depends on values only, not on the order of rows and columns, on columns without a value, or
on whether 5 is stored as an integer or not, since another image's rows decide that.
"""

import hashlib

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from kymflow_zarr.formats.frames import table_to_frame
from kymflow_zarr.tables.table_files import IMAGE_ID

_OF_ZERO = np.uint64(0x9E3779B97F4A7C15)
_LARGEST_EXACT = 2**53


def row_digests(table: pa.Table) -> dict[str, int]:
    """Return a digest of 63 bits of the rows of each image that a table has rows of."""
    if not len(table) or IMAGE_ID not in table.column_names:
        return {}
    total = np.zeros(len(table), dtype=np.uint64)
    for name in table.column_names:
        total += _column_digests(table[name], name)
    codes, ids = _codes_of_texts(table[IMAGE_ID])
    # Mixed once more, so that values that changed places between rows do not cancel out.
    total = (total ^ (total >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
    total ^= total >> np.uint64(32)
    order = np.argsort(codes, kind="stable")
    starts = np.flatnonzero(np.diff(codes[order], prepend=-2))
    sums = np.add.reduceat(total[order], starts) >> np.uint64(1)
    images = codes[order[starts]]
    return {ids[image]: int(digest) for image, digest in zip(images, sums, strict=True) if image >= 0}


def _column_digests(column: pa.ChunkedArray, name: str) -> NDArray[np.uint64]:
    salt = np.uint64(int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little") | 1)
    kind = column.type
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind) or pa.types.is_floating(kind):
        return _number_digests(column, salt)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        codes, texts = _codes_of_texts(column)
        # One more, for those that are missing.
        digests = _digests_of([*texts, ""], salt)
        digests[-1] = 0
        return digests[codes]
    series = table_to_frame(pa.table({name: column}), what=name)[name]
    digests = _digests_of(series.astype("str").to_numpy(dtype=object), salt)
    digests[series.isna().to_numpy()] = 0
    return digests


def _number_digests(column: pa.ChunkedArray, salt: np.uint64) -> NDArray[np.uint64]:
    values = column.cast(pa.float64(), safe=False).fill_null(np.nan).to_numpy()
    # Zero, added, makes -0.0 the same as 0.0.
    digests = _digests_of(values + 0.0, salt)
    if pa.types.is_integer(column.type):
        whole = column.fill_null(0).cast(pa.int64(), safe=False).to_numpy()
        # Beyond what a float can tell apart, such as times in ns.
        large = np.abs(whole) > _LARGEST_EXACT
        digests[large] = pd.util.hash_array(whole[large]) * salt
    digests[np.isnan(values)] = 0
    return digests


def _digests_of(values: "NDArray[np.float64] | NDArray[np.object_] | list[str]", salt: np.uint64) -> NDArray[np.uint64]:
    array = np.array(values, dtype=object) if isinstance(values, list) else values
    # pandas gives 0.0 the digest 0, which is that of a missing value here.
    return np.asarray((pd.util.hash_array(array) ^ _OF_ZERO) * salt, dtype=np.uint64)


def _codes_of_texts(column: pa.ChunkedArray) -> tuple[NDArray[np.int64], list[str]]:
    """Return which of some texts each row has, -1 where it has none, and the texts, each once."""
    encoded = pc.dictionary_encode(column.cast(pa.string())).combine_chunks()
    if isinstance(encoded, pa.ChunkedArray):  # of no chunk at all
        return np.zeros(0, dtype=np.int64), []
    codes = encoded.indices.cast(pa.int64()).fill_null(-1).to_numpy(zero_copy_only=False)
    return codes, encoded.dictionary.to_pylist()
