"""Arrow tables to sealed Parquet bytes and back.

The rule of this room: bytes are opened once, and nothing that is read is trusted. Pages have checksums, and the whole file
a digest (`formats.seals`), since page checksums alone let some changes pass.
"""

import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from kymflow_zarr.errors import DamagedError, InvalidValueError
from kymflow_zarr.formats.parquet_limits import check_rows, check_size, is_believable
from kymflow_zarr.formats.places import place_problem, unbound_problem
from kymflow_zarr.formats.seals import (
    BLANK,
    PARQUET_OF,
    PARQUET_SEAL,
    UNSEALED,
    SealState,
    parquet_seal_state,
    seal_parquet,
)
from kymflow_zarr.formats.strict_json import JsonObject, JsonValue, canonical_bytes, from_bytes

ROW_GROUP = 65_536
"""Rows that are read together: few images' rows can be read without all others."""
OWN_GROUP = 1_000
"""Rows of one value that are a row group of their own, in a table that is grouped by a column."""

_SMALL_BYTES = 2**20
_OF_ARROW = (b"ARROW:schema", b"pandas")
"""Notes that are made again with every file."""
UNREADABLE = (pa.ArrowException, OSError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError, MemoryError)
"""What pyarrow and pandas were seen to raise over files that somebody changed."""


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
        written = _written(table, {**(notes or {}), **said}, grouped_by)
        if not is_believable(table.num_rows * table.num_columns, written.tell()):  # nearly all values are equal
            written = _written(table, {**(notes or {}), **said}, grouped_by, is_plain=True)
    except pa.ArrowException as error:
        raise InvalidValueError(f"the rows cannot be stored as Parquet: {error}") from error
    try:
        check_size(pq.ParquetFile(written).metadata, written.seek(0, io.SEEK_END), what="it")
    except DamagedError as error:
        raise InvalidValueError(f"the rows would not be read again as Parquet: {error}") from error
    seal_parquet(written)
    return written.getvalue()


def _written(
    table: pa.Table, notes: Mapping[str, str] | None, grouped_by: str | None, *, is_plain: bool = False
) -> io.BytesIO:
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
    return buffer


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


class ParquetBytes:
    """Parquet bytes, opened once: what their footer says, whether they are as they were sealed, and their rows.

    Parameters
    ----------
    data
        A whole file.
    what
        The thing read, for messages.

    Raises
    ------
    DamagedError
        When their footer cannot be read.
    """

    def __init__(self, data: bytes, *, what: str) -> None:
        self._what = what
        self._size = len(data)
        try:
            self._file = pq.ParquetFile(pa.BufferReader(data), page_checksum_verification=True)
            self.notes: Mapping[bytes, bytes] = dict(self._file.metadata.metadata or {})
        except UNREADABLE as error:
            raise DamagedError(f"{what} is not readable Parquet ({error})") from error
        self.state: SealState = parquet_seal_state(data, self.notes.get(PARQUET_SEAL))
        """Whether they are as they were sealed."""

    @property
    def schema(self) -> pa.Schema:
        """The columns, with their types and units."""
        return self._file.schema_arrow

    @property
    def footer(self) -> "Footer":
        """What their footer says."""
        return Footer(self.notes, self.schema, int(self._file.metadata.num_rows))

    def place(self) -> JsonValue:
        """Return what they say of their place; None where they say nothing."""
        return parquet_place(self.notes, what=self._what)

    def problem(self, of: JsonObject | None) -> str | None:
        """Return why they are not to be read: changed since they were sealed, or of another place; None for nothing."""
        if self.state == "broken":
            return f"{self._what} was changed or damaged since it was written; restore it from a backup"
        misplaced = place_problem(self.place(), of)
        return f"{self._what} {misplaced}" if misplaced else None

    def problem_of_seal(self, of: JsonObject | None) -> str | None:
        """Return that they have no seal, or one that says no place; None for neither."""
        return UNSEALED if self.state == "unsealed" else unbound_problem(self.place(), of)

    def count_rows(self, of: JsonObject | None = None) -> int:
        """Return how many rows there are; raise as `table`. Reads them only where no seal proves that they are whole."""
        if problem := self.problem(of):
            raise DamagedError(problem)
        return int(self._file.metadata.num_rows) if self.state == "whole" else len(self.table(of))

    def table(self, of: JsonObject | None = None, *, columns: Sequence[str] | None = None) -> pa.Table:
        """Return the rows, or only some columns that are there; raise `DamagedError` where they cannot be read."""
        if problem := self.problem(of):
            raise DamagedError(problem)
        try:
            check_size(self._file.metadata, self._size, what=self._what)
            # Threads cost more than they save where there is little to do.
            return self._file.read(columns=columns, use_threads=self._size > _SMALL_BYTES)
        except UNREADABLE as error:
            if isinstance(error, DamagedError):
                raise
            raise DamagedError(f"{self._what} is not readable Parquet ({error})") from error


def table_from_parquet(data: bytes, *, what: str, of: JsonObject | None = None) -> pa.Table:
    """Return the Arrow table in Parquet bytes; raise as `frame_from_parquet`."""
    return ParquetBytes(data, what=what).table(of)


def parquet_place(notes: Mapping[bytes, bytes], *, what: str) -> JsonValue:
    """Return what the footer of a Parquet file says of its place; None where it says nothing."""
    said = notes.get(PARQUET_OF)
    return None if said is None else from_bytes(said, what=what)


def parquet_problem(data: bytes, *, what: str, deep: bool, of: JsonObject | None) -> str | None:
    """Return what is wrong with Parquet bytes, also, where `deep`, that they have no seal or no place; None for nothing.

    A whole seal proves every byte: the rows are read only where there is none, or `deep`.
    """
    try:
        opened = ParquetBytes(data, what=what)
        if problem := opened.problem(of):
            return problem
        if deep or opened.state == "unsealed":
            opened.table(of)
    except DamagedError as error:
        return str(error)
    return opened.problem_of_seal(of) if deep else None


def bind_parquet(data: bytes, *, what: str, of: JsonObject | None) -> bytes:
    """Return Parquet bytes of the same rows with a seal that says their place, and with their other notes."""
    opened = ParquetBytes(data, what=what)
    own = (PARQUET_SEAL, PARQUET_OF, *_OF_ARROW)
    others = {key.decode(): note.decode() for key, note in opened.notes.items() if key not in own}
    return table_to_parquet(opened.table(), notes=others, of=of)


@dataclass(frozen=True, slots=True, eq=False)
class Footer:
    """What the footer of a Parquet file says: its key-value metadata, its columns, and how many rows it has."""

    notes: Mapping[bytes, bytes]
    schema: pa.Schema
    n_rows: int


def read_footer(file: BinaryIO, *, what: str) -> Footer:
    """Return what the footer of a Parquet file says; reads only that."""
    try:
        metadata = pq.ParquetFile(file).metadata
        footer = Footer(dict(metadata.metadata or {}), metadata.schema.to_arrow_schema(), int(metadata.num_rows))
    except UNREADABLE as error:
        raise DamagedError(f"{what} is not readable Parquet ({error})") from error
    check_size(metadata, file.seek(0, io.SEEK_END), what=what)
    return footer


def read_notes(file: BinaryIO, *, what: str) -> dict[bytes, bytes]:
    """Return the key-value metadata of a Parquet file's footer; reads only that."""
    try:
        return dict(pq.ParquetFile(file).metadata.metadata or {})
    except UNREADABLE as error:
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
    except UNREADABLE as error:
        if isinstance(error, DamagedError):
            raise
        raise DamagedError(f"{what} is not readable Parquet ({error})") from error
    raise InvalidValueError(f"{what} has no column {missing[0]!r}; it has {names}")


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
