"""Data frames to Parquet bytes and back, with one plain Arrow schema whatever pandas wrote.

pandas 3 hands Arrow `large_string`, pandas 2 and pyarrow `string`; files that mix them do not concatenate. So every
string column is stored as `string`, and a column of nulls only as `string` as well.
"""

import io
from collections.abc import Sequence

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from kymflow_zarr.errors import DamagedError, InvalidValueError


def frame_to_parquet(frame: pd.DataFrame, *, what: str) -> bytes:
    """Return Parquet bytes of a frame's columns; its index is not stored.

    Raises
    ------
    InvalidValueError
        When a column's name is no string, stands twice, or its values do not fit one Arrow type.
    """
    buffer = io.BytesIO()
    pq.write_table(_arrow(frame, what=what), buffer, compression="zstd")
    return buffer.getvalue()


def frame_from_parquet(data: bytes, *, what: str) -> pd.DataFrame:
    """Return the frame in Parquet bytes; raise `DamagedError` when they cannot be read."""
    try:
        frame: pd.DataFrame = pq.read_table(io.BytesIO(data)).to_pandas()
    except (pa.ArrowException, OSError) as error:
        raise DamagedError(f"{what} is not readable Parquet ({error})") from error
    return frame


def concatenate_frames(frames: Sequence[pd.DataFrame], *, what: str) -> pd.DataFrame:
    """Return the rows of all frames; a column that some lack is missing there, and numbers widen as needed.

    A column without a value in one frame takes the others' type; without a value anywhere, the first type that it has.

    Raises
    ------
    InvalidValueError
        When a column has text in one frame and numbers in another, or a frame could not be stored.
    """
    tables = [_arrow(frame, what=what).replace_schema_metadata() for frame in frames]
    try:
        joined = pa.concat_tables([_without_idle_types(table) for table in tables], promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise InvalidValueError(f"the rows of {what} do not fit together: {error}") from error
    declared = [table.schema for table in tables]
    result: pd.DataFrame = joined.cast(_plain(_with_first_types(joined.schema, declared))).to_pandas()
    return result


def _arrow(frame: pd.DataFrame, *, what: str) -> pa.Table:
    names = [str(name) for name in frame.columns]
    if list(frame.columns) != names or len(set(names)) != len(names):
        raise InvalidValueError(f"{what}: column names must be different strings, not {list(frame.columns)}")
    try:
        table = pa.Table.from_pandas(frame, preserve_index=False)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, UnicodeEncodeError) as error:
        raise InvalidValueError(f"{what} cannot be stored as a table: {error}") from error
    return table.cast(_plain(table.schema))


def _without_idle_types(table: pa.Table) -> pa.Table:
    """Give columns without a value the null type, which yields to any other: no value decides, so no dtype does."""
    columns = {
        name: pa.nulls(len(table)) if column.null_count == len(table) else column
        for name, column in zip(table.column_names, table.columns, strict=True)
    }
    return pa.table(columns)


def _with_first_types(schema: pa.Schema, declared: Sequence[pa.Schema]) -> pa.Schema:
    fields = [
        next(one.field(field.name) for one in declared if field.name in one.names)
        if pa.types.is_null(field.type)
        else field
        for field in schema
    ]
    return pa.schema(fields)


def _plain(schema: pa.Schema) -> pa.Schema:
    fields = [
        field.with_type(pa.string()) if pa.types.is_large_string(field.type) or pa.types.is_null(field.type) else field
        for field in schema
    ]
    return pa.schema(fields, metadata=schema.metadata)
