"""Data frames as Arrow tables and as sealed Parquet bytes, and back: where pandas begins and ends.

The rule of this room: whatever pandas wrote, the Arrow schema is the one plain one of `arrow_tables`.
"""

from collections.abc import Mapping, Sequence

import pandas as pd
import pyarrow as pa

from kymflow_zarr.errors import DamagedError, InvalidValueError
from kymflow_zarr.formats.arrow_tables import concatenate_tables, plain_schema
from kymflow_zarr.formats.parquet import UNREADABLE, table_from_parquet, table_to_parquet
from kymflow_zarr.formats.strict_json import JsonObject
from kymflow_zarr.formats.units import schema_units, schema_with_units, units_of, with_units

_NULLABLE = {
    pa.int8(): pd.Int8Dtype(),
    pa.int16(): pd.Int16Dtype(),
    pa.int32(): pd.Int32Dtype(),
    pa.int64(): pd.Int64Dtype(),
    pa.uint8(): pd.UInt8Dtype(),
    pa.uint16(): pd.UInt16Dtype(),
    pa.uint32(): pd.UInt32Dtype(),
    pa.uint64(): pd.UInt64Dtype(),
}
"""pandas' types of integers with gaps; its usual ones become floats, which lose digits."""
_OF_PANDAS = b"pandas"
_NO_INDEX = b'"index_columns": []'
"""What pandas notes in a file, and that there is no index in it."""


def frame_to_parquet(
    frame: pd.DataFrame,
    *,
    what: str,
    notes: Mapping[str, str] | None = None,
    grouped_by: str | None = None,
    of: JsonObject | None = None,
) -> bytes:
    """Return sealed Parquet bytes of a frame, a named index as columns. The others as in `table_to_parquet`.

    Raises
    ------
    InvalidValueError
        When a column's name is no string or occurs twice, or its values do not fit one Arrow type.
    """
    return table_to_parquet(frame_to_table(frame, what=what), notes=notes, grouped_by=grouped_by, of=of)


def check_storable(frame: pd.DataFrame, *, what: str) -> None:
    """Raise `InvalidValueError` where a frame cannot be stored."""
    frame_to_parquet(frame, what=what)


def frame_from_parquet(data: bytes, *, what: str, of: JsonObject | None = None) -> pd.DataFrame:
    """Return the frame in Parquet bytes.

    Raises
    ------
    DamagedError
        When they cannot be read, are not what was sealed, or say another place than `of`.
    """
    return table_to_frame(table_from_parquet(data, what=what, of=of), what=what)


def table_to_frame(table: pa.Table, *, what: str) -> pd.DataFrame:
    """Return an Arrow table as a frame with its units; integers keep their digits also where others are missing."""
    try:
        units = schema_units(table.schema)
        frame: pd.DataFrame = table.to_pandas()
        for name in frame.columns.intersection(table.column_names):
            column = table[name]
            if not _has_gaps_among_integers(column):
                continue
            nullable = _NULLABLE.get(column.type)
            # Lists and objects as Python's own: pandas would make floats of the integers in them.
            exact = (
                column.to_pandas(types_mapper=_NULLABLE.get) if nullable else pd.Series(column.to_pylist(), dtype=object)
            )
            frame[name] = exact.set_axis(frame.index)
        # Other programs store a frame's index; here it is a column like the others.
        frame = frame.reset_index() if any(name is not None for name in frame.index.names) else frame
    except UNREADABLE as error:
        raise DamagedError(f"{what} is not readable as a table ({error})") from error
    return with_units(frame, units)


def without_index(table: pa.Table, *, what: str) -> pa.Table:
    """Return an Arrow table without the index that pandas noted in it: it is no column of the frame that was stored."""
    note = (table.schema.metadata or {}).get(_OF_PANDAS)
    if note is None or _NO_INDEX in note:
        return table
    return frame_to_table(table_to_frame(table, what=what).reset_index(drop=True), what=what)


def is_of_plain_frame(table: pa.Table) -> bool:
    """Return whether pandas wrote an Arrow table of a frame without an index: what was not a number is missing in it."""
    return _NO_INDEX in (table.schema.metadata or {}).get(_OF_PANDAS, b"")


def frame_to_table(frame: pd.DataFrame, *, what: str) -> pa.Table:
    """Return a frame as an Arrow table of plain types, with its units and a named index as columns.

    Raises as `frame_to_parquet`.
    """
    frame = with_index_as_columns(frame, what=what)
    names = [str(name) for name in frame.columns]
    if list(frame.columns) != names or len(set(names)) != len(names):
        raise InvalidValueError(f"{what}: column names must be different strings, not {list(frame.columns)}")
    try:
        table = pa.Table.from_pandas(frame, preserve_index=False)
    except (pa.ArrowException, OverflowError, UnicodeEncodeError) as error:
        raise InvalidValueError(f"{what} cannot be stored as a table: {error}") from error
    return table.cast(schema_with_units(plain_schema(table.schema), units_of(frame)))


def _has_gaps_among_integers(column: pa.ChunkedArray | pa.Array) -> bool:
    """Return whether values are missing among integers, also in lists and objects."""
    kind = column.type
    if pa.types.is_integer(kind):
        return bool(column.null_count)
    if not pa.types.is_nested(kind):
        return False
    parts = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    return any(_has_gaps_among_integers(child) for part in parts for child in _children(part))


def _children(array: pa.Array) -> list[pa.Array]:
    if pa.types.is_map(array.type):
        return [array.keys, array.items]
    return array.flatten() if pa.types.is_struct(array.type) else [array.flatten()]


def with_index_as_columns(frame: pd.DataFrame, *, what: str) -> pd.DataFrame:
    """Return a frame whose named index, as of `groupby(…).mean()`, is columns like the others; numbers of rows are dropped.

    Raises
    ------
    InvalidValueError
        When the index has values and no name, or the name of another column.
    """
    index = frame.index
    names = [name for name in index.names if name is not None]
    if not names and (not len(frame) or (index.nlevels == 1 and pd.api.types.is_integer_dtype(index.dtype))):
        return frame
    taken = [name for name in names if name in frame.columns]
    if len(names) < index.nlevels or taken:
        problem = f"the name of a column, {taken[0]!r}" if taken else "values and no name"
        raise InvalidValueError(
            f"{what}: its index has {problem}; name it with rename_axis(…), or leave it out with reset_index(drop=True)"
        )
    return frame.reset_index()


def concatenate_frames(frames: Sequence[pd.DataFrame], *, what: str) -> pd.DataFrame:
    """Return the rows of all frames; a column that some lack is missing there, and numbers widen as needed.

    A column without a value in one frame takes the others' type; without a value anywhere, the first type that it has. Its
    unit is the last that is stated.

    Raises
    ------
    InvalidValueError
        When a column has text in one frame and numbers in another, or a frame could not be stored.
    """
    return table_to_frame(concatenate_tables([frame_to_table(frame, what=what) for frame in frames], what=what), what=what)
