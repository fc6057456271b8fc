"""An image's rows as an Arrow table, without a frame where that gives the same: measured, a frame costs 1 ms an image.

The rule of this room: it has no rule of its own. What is not just as our programs write it goes through the frames of
`protocol`, which have the rules.
"""

from collections.abc import Collection, Mapping, Sequence
from functools import cache, lru_cache
from numbers import Integral
from typing import NamedTuple, cast

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

    Without the artifact there are none.

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
        return _no_rows(tuple(dtypes.items()))
    if not is_of_plain_frame(table):
        return None
    own = (table.drop_columns([IMAGE_ID]) if IMAGE_ID in table.column_names else table).replace_schema_metadata()
    plan = _plan(own.schema.serialize().to_pybytes(), tuple(dtypes.items()), tuple(counts))
    if plan is None or any(own[name].null_count for name in plan.without_gaps):
        return None
    rows = own.select(plan.schema.names[1:])
    if rows.schema.types != plan.schema.types[1:]:
        rows = rows.cast(pa.schema([*plan.schema][1:]))
    return pa.Table.from_arrays([_repeated(rec.image_id, len(rows)), *rows.columns], schema=plan.schema)


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


def rows_of_columns(columns: Mapping[str, object], dtypes: Mapping[str, str], *, count: int) -> pa.Table:
    """Return rows of Arrow columns, `image_id` among them, and of values that all have; the rest is missing."""
    schema = _no_rows(tuple(dtypes.items())).schema
    given = {field.name: columns.get(field.name) for field in schema}
    arrays = [
        one if isinstance(one, pa.Array | pa.ChunkedArray) else pa.repeat(pa.scalar(one, schema.field(name).type), count)
        for name, one in given.items()
    ]
    return pa.Table.from_arrays(arrays, schema=schema)


@cache
def _struct(dtypes: tuple[tuple[str, str], ...]) -> pa.StructType:
    return pa.struct([(name, _TYPES[dtype]) for name, dtype in dtypes])


@cache
def _no_rows(dtypes: tuple[tuple[str, str], ...]) -> pa.Table:
    return pa.schema([(IMAGE_ID, pa.string()), *((name, _TYPES[dtype]) for name, dtype in dtypes)]).empty_table()


def _has_own_tables(kind: type) -> bool:
    """Return whether a class defines its tables itself; a subclass that changes only the rows does not."""
    own = ("extract_rows", "extract_table")
    return next(("extract_table" in vars(one) for one in kind.__mro__ if any(name in vars(one) for name in own)), False)


class _Plan(NamedTuple):
    """How a stored table becomes an image's rows: with which schema, and which of its columns must have no gaps for it."""

    schema: pa.Schema
    without_gaps: tuple[str, ...]


@lru_cache(maxsize=64)
def _plan(stored: bytes, dtypes: tuple[tuple[str, str], ...], counts: tuple[str, ...]) -> _Plan | None:
    """Return what becomes of a table with a schema; None where a frame would change it.

    The schema is given as bytes, since schemas count as equal whose units differ. Whole numbers become texts where these
    are required: our analysis numbers the events, the older program names them.
    """
    own, required = plain_schema(pa.ipc.read_schema(pa.py_buffer(stored))), dict(dtypes)
    names = [*required, *(name for name in own.names if name not in required)]
    if sorted(names) != sorted(own.names):
        return None
    wanted = {**dict.fromkeys(counts, "Int64"), **required}
    fields, without_gaps = [pa.field(IMAGE_ID, pa.string())], []
    for field in map(own.field, names):
        is_number_for_text = required.get(field.name) == "str" and pa.types.is_integer(field.type)
        if required.get(field.name) in _NO_GAPS or is_number_for_text:
            without_gaps.append(field.name)
        made = field.with_type(pa.string()) if is_number_for_text else field
        if not (made.type == _TYPES[wanted[made.name]] if made.name in wanted else _is_plain(made.type)):
            return None
        fields.append(made)
    return _Plan(pa.schema(fields), tuple(without_gaps))


def _is_plain(kind: pa.DataType) -> bool:
    types = pa.types
    checks = (types.is_boolean, types.is_integer, types.is_floating, types.is_string, types.is_large_string, types.is_null)
    return any(check(kind) for check in checks)


def _repeated(image_id: str, count: int) -> pa.Array:
    return pa.repeat(pa.scalar(image_id, pa.string()), count)
