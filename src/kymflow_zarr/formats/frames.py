"""Data frames and Arrow tables to sealed Parquet bytes and back, with one plain Arrow schema whatever pandas wrote.

pandas 3 hands Arrow `large_string`, pandas 2 and pyarrow `string`; files that mix them do not concatenate. So every
string column is stored as `string`, and a column of nulls only as `string` as well. Pages have checksums, and the whole
file a digest (`formats.seals`), since page checksums alone let some changes pass.
"""

import io
from collections.abc import Iterable, Mapping, Sequence
from typing import BinaryIO

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from kymflow_zarr.errors import DamagedError, InvalidValueError
from kymflow_zarr.formats.parquet_limits import check_rows, check_size, is_believable
from kymflow_zarr.formats.places import check_place, unbound_problem
from kymflow_zarr.formats.seals import (
    BLANK,
    PARQUET_OF,
    PARQUET_SEAL,
    UNSEALED,
    parquet_seal_state,
    seal_parquet,
)
from kymflow_zarr.formats.strict_json import JsonObject, JsonValue, canonical_bytes, from_bytes
from kymflow_zarr.formats.units import schema_units, schema_with_units, units_of, with_units

ROW_GROUP = 65_536
"""Rows that are read together: few images' rows can be read without all others."""
OWN_GROUP = 1_000
"""Rows of one value that are a row group of their own, in a table that is grouped by a column."""

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
_OF_ARROW = (b"ARROW:schema", b"pandas")
"""Notes that are made again with every file."""
_UNREADABLE = (pa.ArrowException, OSError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError, MemoryError)
"""What pyarrow and pandas were seen to raise over files that somebody changed."""


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


def table_to_parquet(
    table: pa.Table,
    *,
    notes: Mapping[str, str] | None = None,
    grouped_by: str | None = None,
    of: JsonObject | None = None,
) -> bytes:
    """Return sealed Parquet bytes.

    Parameters
    ----------
    table
        The rows.
    notes
        Texts for the key-value metadata of the footer.
    grouped_by
        A column of texts: `OWN_GROUP` rows or more that have one text in it, one after another, are a row group of their
        own, so that whoever asks for them reads nothing else.
    of
        The place that the footer says.

    Raises
    ------
    InvalidValueError
        When Parquet has no place for a value, such as an empty object, or the table is too large to be read again.
    """
    check_rows(table)
    said = {} if of is None else {PARQUET_OF.decode(): canonical_bytes(of).decode()}
    try:
        data = _parquet_bytes(table, {**(notes or {}), **said}, grouped_by)
        if not is_believable(table.num_rows * table.num_columns, len(data)):  # nearly all values are equal
            data = _parquet_bytes(table, {**(notes or {}), **said}, grouped_by, is_plain=True)
    except pa.ArrowException as error:
        raise InvalidValueError(f"the rows cannot be stored as Parquet: {error}") from error
    try:
        check_size(pq.ParquetFile(io.BytesIO(data)).metadata, len(data), what="it")
    except DamagedError as error:
        raise InvalidValueError(f"the rows would not be read again as Parquet: {error}") from error
    # The footer is the last thing in the file, and its key-value metadata follow all statistics.
    return seal_parquet(data, data.rfind(BLANK))


def _parquet_bytes(
    table: pa.Table, notes: Mapping[str, str] | None, grouped_by: str | None, *, is_plain: bool = False
) -> bytes:
    """Return Parquet bytes with a blank in the seal's place; where `is_plain`, each value is written out."""
    buffer = io.BytesIO()
    # A dictionary of measured numbers is as long as the column: measured, it costs a third of the time and saves nothing.
    repeating = [field.name for field in table.schema if not is_plain and not pa.types.is_floating(field.type)]
    with pq.ParquetWriter(
        buffer, table.schema, compression="snappy", use_dictionary=repeating or False, write_page_checksum=True
    ) as writer:
        for start, stop, size in _row_groups(table, grouped_by):
            writer.write_table(table.slice(start, stop - start), row_group_size=size)
        writer.add_key_value_metadata({**(notes or {}), PARQUET_SEAL.decode(): BLANK.decode()})
    return buffer.getvalue()


def _row_groups(table: pa.Table, grouped_by: str | None) -> list[tuple[int, int, int]]:
    """Return the half-open ranges of rows that are written one after another, and how many of each are a group."""
    if grouped_by is None or not len(table):
        return [(0, len(table), ROW_GROUP)]
    ends = pc.run_end_encode(table[grouped_by].combine_chunks()).run_ends.to_pylist()
    found: list[tuple[int, int, int]] = []
    for start, end in zip([0, *ends[:-1]], ends, strict=True):
        if end - start >= OWN_GROUP:
            found.append((start, end, end - start))
        elif found and found[-1][2] == ROW_GROUP:
            found[-1] = (found[-1][0], end, ROW_GROUP)
        else:
            found.append((start, end, ROW_GROUP))
    return found


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


def table_from_parquet(data: bytes, *, what: str, of: JsonObject | None = None) -> pa.Table:
    """Return the Arrow table in Parquet bytes; raise as `frame_from_parquet`."""
    notes = read_notes(io.BytesIO(data), what=what)
    if parquet_seal_state(data, notes.get(PARQUET_SEAL)) == "broken":
        raise DamagedError(f"{what} was changed or damaged since it was written; restore it from a backup")
    check_place(parquet_place(notes, what=what), of, what=what)
    return read_parts(io.BytesIO(data), what=what)


def parquet_place(notes: Mapping[bytes, bytes], *, what: str) -> JsonValue:
    """Return what the footer of a Parquet file says of its place; None where it says nothing."""
    said = notes.get(PARQUET_OF)
    return None if said is None else from_bytes(said, what=what)


def parquet_problem(data: bytes, *, what: str, deep: bool, of: JsonObject | None) -> str | None:
    """Return what is wrong with Parquet bytes, also, where `deep`, that they have no seal or no place; None for nothing."""
    try:
        table_from_parquet(data, what=what, of=of)
    except DamagedError as error:
        return str(error)
    if not deep:
        return None
    notes = read_notes(io.BytesIO(data), what=what)
    return unbound_problem(parquet_place(notes, what=what), of) if PARQUET_SEAL in notes else UNSEALED


def bind_parquet(data: bytes, *, what: str, of: JsonObject | None) -> bytes:
    """Return Parquet bytes of the same rows with a seal that says their place, and with their other notes."""
    others = {
        key.decode(): note.decode()
        for key, note in read_notes(io.BytesIO(data), what=what).items()
        if key not in (PARQUET_SEAL, PARQUET_OF, *_OF_ARROW)
    }
    return table_to_parquet(table_from_parquet(data, what=what), notes=others, of=of)


def read_notes(file: BinaryIO, *, what: str) -> dict[bytes, bytes]:
    """Return the key-value metadata of a Parquet file's footer; reads only that."""
    try:
        return dict(pq.ParquetFile(file).metadata.metadata or {})
    except _UNREADABLE as error:
        raise DamagedError(f"{what} is not readable Parquet ({error})") from error


def read_parts(
    file: BinaryIO, *, what: str, columns: Sequence[str] | None = None, only: tuple[str, Iterable[str]] | None = None
) -> pa.Table:
    """Read some columns, and the rows that have one of some values in one column, without reading all others.

    Parameters
    ----------
    file
        A Parquet file.
    what
        The thing read, for messages.
    columns
        Which columns, in this order; by default all.
    only
        A column and the values wanted in it: only row groups that have one are read.

    Raises
    ------
    DamagedError
        When the file cannot be read, or says that it has more than could be.
    InvalidValueError
        When a column is not there; the message lists those there are.
    """
    try:
        parquet = pq.ParquetFile(file, page_checksum_verification=True)
        names = parquet.schema_arrow.names
        check_size(parquet.metadata, file.seek(0, io.SEEK_END), what=what)
        missing = [name for name in [*(columns or []), *([only[0]] if only else [])] if name not in names]
        if not missing:
            return _read(parquet, columns, only)
    except _UNREADABLE as error:
        if isinstance(error, DamagedError):
            raise
        raise DamagedError(f"{what} is not readable Parquet ({error})") from error
    raise InvalidValueError(f"{what} has no column {missing[0]!r}; it has {names}")


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
    except _UNREADABLE as error:
        raise DamagedError(f"{what} is not readable as a table ({error})") from error
    return with_units(frame, units)


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
    return table.cast(schema_with_units(_plain(table.schema), units_of(frame)))


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


def concatenate_tables(tables: Sequence[pa.Table], *, what: str) -> pa.Table:
    """Return the rows of all tables; as `concatenate_frames`."""
    bare = [table.replace_schema_metadata() for table in tables]
    try:
        joined = pa.concat_tables([_without_idle_types(table) for table in bare], promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise InvalidValueError(f"the rows of {what} do not fit together: {error}") from error
    units = {name: unit for table in tables for name, unit in schema_units(table.schema).items()}
    schema = _plain(_with_first_types(joined.schema, [table.schema for table in bare]))
    return joined.cast(schema_with_units(schema, units))


def _read(parquet: pq.ParquetFile, columns: Sequence[str] | None, only: tuple[str, Iterable[str]] | None) -> pa.Table:
    wanted = list(columns) if columns is not None else None
    if only is None:
        return parquet.read(columns=wanted)
    key, values = only
    sought = pa.array(list(values), pa.string())
    groups = [
        number
        for number in range(parquet.num_row_groups)
        if pc.any(pc.is_in(parquet.read_row_group(number, columns=[key])[key].cast(pa.string()), sought)).as_py()
    ]
    names = None if wanted is None else list(dict.fromkeys([*wanted, key]))
    table = parquet.read_row_groups(groups, columns=names)
    kept = table.filter(pc.is_in(table[key].cast(pa.string()), sought))
    return kept if wanted is None else kept.select(wanted)


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
