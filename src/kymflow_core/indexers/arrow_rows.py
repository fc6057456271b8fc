"""An image's rows as an Arrow table, without a frame where that gives the same: measured, a frame costs 1 ms an image.

The rule of this room: it has no rule of its own. What is not just as our programs write it goes through the frames of
`protocol`, which have the rules.
"""

from collections.abc import Collection, Mapping, Sequence
from functools import cache, lru_cache
from numbers import Integral
from typing import cast

import pandas as pd
import pyarrow as pa

from kymflow_core.errors import IndexerError
from kymflow_core.indexers.protocol import ArtifactReader, DatasetIndexer, ExtractsTables, tables_of
from kymflow_zarr.formats.arrow_tables import plain_schema
from kymflow_zarr.formats.frames import frame_to_table, is_of_plain_frame
from kymflow_zarr.tables.table_files import IMAGE_ID

_TYPES = {
    "int64": pa.int64(),
    "Int64": pa.int64(),
    "float64": pa.float64(),
    "str": pa.string(),
    "bool": pa.bool_(),
    "datetime64[us]": pa.timestamp("us"),
}
_NO_GAPS = ("int64", "bool")


def extract_as_table(indexer: DatasetIndexer, rec: ArtifactReader) -> pa.Table:
    """Return what an indexer extracts of a record, as an Arrow table; raise as `DatasetIndexer.extract_rows`."""
    if _has_own_tables(type(indexer)):
        table = cast("ExtractsTables", indexer).extract_table(rec)
        if table is not None:
            return table
    rows = indexer.extract_rows(rec)
    if not isinstance(rows, pd.DataFrame):
        raise IndexerError(f"the indexer {indexer.name!r} returned a {type(rows).__name__} where a DataFrame is expected")
    return frame_to_table(rows, what=f"the rows of image {rec.image_id}")


def stored_rows(
    rec: ArtifactReader, name: str, dtypes: Mapping[str, str], *, counts: Collection[str] = ()
) -> pa.Table | None:
    """Return the rows of a table artifact as `rows_of` and `with_counts` do; None where only these know what they are.

    Parameters
    ----------
    rec
        The record.
    name
        The artifact.
    dtypes
        The required columns, with their dtypes in pandas.
    counts
        Further columns that count, if they are there.
    """
    tables = tables_of(rec)
    if tables is None:
        return None
    try:
        table = tables.load_arrow(name)
    except FileNotFoundError:
        return None
    if not is_of_plain_frame(table):
        return None
    own = (table.drop_columns([IMAGE_ID]) if IMAGE_ID in table.column_names else table).replace_schema_metadata()
    if not _is_as_written(own.schema, tuple(dtypes.items()), tuple(counts)):
        return None
    if any(own[name].null_count for name, dtype in dtypes.items() if dtype in _NO_GAPS):
        return None
    return _with_image_id(own, rec.image_id)


def table_of_rows(rows: Sequence[Mapping[str, object]], dtypes: Mapping[str, str], *, image_id: str) -> pa.Table | None:
    """Return rows that were made one by one, as `rows_of` a frame of them; None where they do not fit the dtypes."""
    kind = _struct(tuple(dtypes.items()))
    further = list(dict.fromkeys(name for row in rows for name in row if name not in dtypes))
    whole = [field.name for field in kind if pa.types.is_integer(field.type)]
    if not all(isinstance(row.get(name), int | Integral | None) for name in whole for row in rows):
        return None  # Arrow cuts 1.5 to 1 without a word
    try:
        # Measured, one array of rows takes a third of the time of one array a column.
        columns = pa.array(rows, kind, from_pandas=True).flatten()
        others = [pa.array([row.get(name) for row in rows], from_pandas=True) for name in further]
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        return None
    if any(column.null_count for column, dtype in zip(columns, dtypes.values(), strict=True) if dtype in _NO_GAPS):
        return None
    plain = [one.cast(pa.string()) if pa.types.is_null(one.type) else one for one in others]
    return pa.table([_repeated(image_id, len(rows)), *columns, *plain], names=[IMAGE_ID, *dtypes, *further])


@cache
def _struct(dtypes: tuple[tuple[str, str], ...]) -> pa.StructType:
    return pa.struct([(name, _TYPES[dtype]) for name, dtype in dtypes])


def no_rows(dtypes: Mapping[str, str]) -> pa.Table:
    """Return no rows, with `image_id` and the required columns."""
    return _no_rows(tuple(dtypes.items()))


@cache
def _no_rows(dtypes: tuple[tuple[str, str], ...]) -> pa.Table:
    return pa.schema([(IMAGE_ID, pa.string()), *((name, _TYPES[dtype]) for name, dtype in dtypes)]).empty_table()


def _has_own_tables(kind: type) -> bool:
    """Return whether a class defines its tables itself; a subclass that changes only the rows does not."""
    own = ("extract_rows", "extract_table")
    return next(("extract_table" in vars(one) for one in kind.__mro__ if any(name in vars(one) for name in own)), False)


@lru_cache(maxsize=64)
def _is_as_written(own: pa.Schema, dtypes: tuple[tuple[str, str], ...], counts: tuple[str, ...]) -> bool:
    """Return whether a table has the required columns first, in their types, and no other that a frame would change."""
    if own.names[: len(dtypes)] != [name for name, _ in dtypes] or len(set(own.names)) != len(own.names):
        return False
    wanted = {**dict.fromkeys(counts, "Int64"), **dict(dtypes)}
    return all(field.type == _TYPES[wanted[field.name]] if field.name in wanted else _is_plain(field.type) for field in own)


def _is_plain(kind: pa.DataType) -> bool:
    types = pa.types
    checks = (types.is_boolean, types.is_integer, types.is_floating, types.is_string, types.is_large_string, types.is_null)
    return any(check(kind) for check in checks)


def _with_image_id(own: pa.Table, image_id: str) -> pa.Table:
    schema = _schema_with_image_id(own.schema.serialize().to_pybytes())
    columns = own.columns
    if schema.types[1:] != own.schema.types:
        columns = own.cast(pa.schema([*schema][1:])).columns
    return pa.Table.from_arrays([_repeated(image_id, len(own)), *columns], schema=schema)


def _repeated(image_id: str, count: int) -> pa.Array:
    return pa.repeat(pa.scalar(image_id, pa.string()), count)


@lru_cache(maxsize=64)
def _schema_with_image_id(stored: bytes) -> pa.Schema:
    """Return a schema with `image_id`; it is asked for as bytes, since schemas count as equal whose units differ."""
    own = pa.ipc.read_schema(pa.py_buffer(stored))
    return pa.schema([pa.field(IMAGE_ID, pa.string()), *plain_schema(own)])
