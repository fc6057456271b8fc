"""Which files hold a dataset table now: its own file or a newer commit, and the parts upon it. Reads only.

The rule of this room: a part is a commit that has some images' rows only, in the place of all rows that older files have of
these images, and that names the commit of the whole table which it is upon. Neither changes while it has its number, but
the table's own file does: of two programs that publish at once, the slower may put an older commit there for a moment. So
whoever reads a file compares its notes, its number and seal among them, with those that were seen when it was chosen.
"""

import hashlib
import io
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from kymflow_zarr import layout
from kymflow_zarr.disk.blobs import Blobs
from kymflow_zarr.errors import DamagedError
from kymflow_zarr.formats.arrow_tables import with_newer_rows
from kymflow_zarr.formats.parquet import (
    Footer,
    ParquetBytes,
    parquet_place,
    read_footer,
    read_notes,
    read_parts,
)
from kymflow_zarr.formats.parquet_limits import MAX_PARQUET_BYTES
from kymflow_zarr.formats.places import check_place, place_note
from kymflow_zarr.formats.seals import PARQUET_SEAL

IMAGE_ID = "image_id"
NUMBER = b"kymflow_commit"
UPON = b"kymflow_upon"
"""In the footer of a part, the number of the whole table that it is upon."""
REPLACES = b"kymflow_replaces"
"""The digest of a file that another program put in a table's place, and that a commit was made from."""

_Read = TypeVar("_Read")


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """A part of a table that is as it was sealed, and its digest."""

    number: int
    opened: ParquetBytes
    digest: str

    @property
    def n_rows(self) -> int:
        """How many rows it has."""
        return self.opened.count_rows()

    @property
    def upon(self) -> int:
        """The number of the whole table that it is upon."""
        return number_of(self.opened.notes, UPON)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TableState:
    """Which files hold a table now, and what the next commit must say.

    `key` is the whole table's file, None where there is no table, and `footer` its footer, None where it is damaged or
    another program's; `number` is the commit that it says to be, -1 where it says none; `parts` are the parts upon it, the
    oldest first.
    """

    key: str | None
    next_number: int
    number: int = -1
    replaces: str | None = None
    parts: tuple[Part, ...] = ()
    footer: Footer | None = None


@dataclass(frozen=True, slots=True, eq=False)
class NewestTable:
    """A table as it is now, None where there is none, and its digest; `state` is what a commit is made upon."""

    table: pa.Table | None
    digest: str
    state: TableState


class _ReplacedError(Exception):
    """A file is another one than was chosen to be read."""


_GONE = (FileNotFoundError, _ReplacedError)
"""Another program has committed since a file was chosen, and has forgotten or replaced it."""


class TableFiles:
    """The files of one dataset table, as far as they are read.

    Parameters
    ----------
    blobs
        The dataset's folder.
    name
        The table.
    """

    def __init__(self, blobs: Blobs, name: str) -> None:
        self._blobs = blobs
        self._name = name
        self.key = layout.table_key(name)
        self.of = place_note(blobs.place(self.key))

    def load(self, *, columns: Sequence[str] | None = None, image_ids: Collection[str] | None = None) -> pa.Table | None:
        """Return the table, or only some columns and some images' rows; None where there is no table."""
        return self._read(lambda state: self._table(state, columns, image_ids))

    def count_rows(self) -> int | None:
        """Return how many rows the table has; None where there is no table. Reads little."""
        return self._read(self._count_rows)

    def digest(self) -> str:
        """Return the digest of the table, which changes with every commit; empty where there is none. Reads little.

        Raises
        ------
        DamagedError
            When it cannot be read.
        """
        return self._read(self.digest_of) or ""

    def digest_of(self, state: TableState) -> str:
        """Return the digest of a table in some files: that of the whole one, or one of it and of those of its parts."""
        if state.key is None:
            return ""
        seal = (state.footer.notes if state.footer else self._notes(state.key)).get(PARQUET_SEAL)
        whole = seal.decode() if seal else self._sha256(state.key)
        said = " ".join([whole, *(part.digest for part in state.parts)])
        return hashlib.sha256(said.encode()).hexdigest() if state.parts else whole

    def newest(self, state: TableState | None = None, *, without: Collection[str] = ()) -> NewestTable:
        """Return the newest table; raise `DamagedError` where it cannot be read.

        Parameters
        ----------
        state
            What was found just now; by default it is looked at.
        without
            Where all rows are of these images, only that is read, and the table has no row.
        """
        while True:
            state = state or self.state()
            if state.key is None:
                return NewestTable(None, "", state)
            try:
                if state.parts:
                    return NewestTable(self._table(state, None, None), self.digest_of(state), state)
                data, what = self._blobs.read(state.key, limit=MAX_PARQUET_BYTES), self._blobs.describe(state.key)
                return NewestTable(self._rows_of(data, what, state, without), digest_of_bytes(data, what=what), state)
            except _GONE:
                pass
            except IsADirectoryError as error:
                raise self._is_folder(state.key) from error
            state = None

    def state(self) -> TableState:
        """Return which files hold the table; commits are listed before it is read, so none in between is skipped.

        A list that is made while others commit may lack one and have a later one, and what is on it may be gone when it is
        read, or be there again for a moment, written by a program that believed the number free. So where a part is missing
        or a newer whole table is there the list is made again, until it is the same: then the part is lost.
        """
        numbers = self._numbers()
        while True:
            state, last = self._state_of(numbers), max(numbers, default=-1)
            if state.key == self.key and last <= state.number:
                return state
            if len(state.parts) == last - state.number and not self._is_whole_newer(last):
                return state
            again = self._numbers()
            if again == numbers:
                return state
            numbers = again

    def _is_whole_newer(self, number: int) -> bool:
        """Return whether there is a sound commit of the whole table that is newer than some number."""
        newer: list[int] = []
        while newer != (newer := [one for one in self._numbers() if one > number]):
            if self._newest_sound(newer) is not None:
                return True
        return False

    def _state_of(self, numbers: Sequence[int]) -> TableState:
        """Return which files hold the table, of the commits with some numbers."""
        newest = max(numbers, default=-1)
        if not self._blobs.is_listed(self.key):  # there is no table, or somebody deleted it
            return TableState(key=None, next_number=newest + 1)
        try:
            footer = self._footer(self.key)
        except DamagedError:
            return self._newest_sound(numbers) or TableState(key=self.key, next_number=newest + 1)
        if NUMBER in footer.notes:
            held = number_of(footer.notes)
            upon = TableState(key=self.key, next_number=max(newest, held) + 1, number=held, footer=footer)
            return self._newest_sound([one for one in numbers if one > held], upon) or upon
        # Another program wrote it. It counts as the newest, until a commit says that it was made from it.
        digest = self._sha256(self.key)
        made = self._newest_sound(numbers)
        if made is not None and made.footer is not None and made.footer.notes.get(REPLACES) == digest.encode():
            return replace(made, replaces=digest)
        return TableState(key=self.key, next_number=newest + 1, replaces=digest)

    def _read(self, read: Callable[[TableState], _Read]) -> _Read | None:
        """Return what a function reads of the newest files; None where there is no table."""
        while (state := self.state()).key is not None:
            try:
                return read(state)
            except _GONE:
                continue
            except IsADirectoryError as error:
                raise self._is_folder(state.key) from error
        return None

    def _table(self, state: TableState, columns: Sequence[str] | None, image_ids: Collection[str] | None) -> pa.Table:
        if not state.parts:
            return self._whole(state, columns, image_ids)
        wanted = None if columns is None else list(dict.fromkeys([*columns, IMAGE_ID]))
        parts = [part.opened.table(self.of, columns=wanted) for part in state.parts]
        table = with_newer_rows([self._whole(state, wanted, image_ids), *parts], IMAGE_ID)
        if image_ids is not None:
            table = rows_of_images(table, image_ids)
        return table if columns is None else table.select(list(columns))

    def _whole(self, state: TableState, columns: Sequence[str] | None, image_ids: Collection[str] | None) -> pa.Table:
        key = state.key or self.key
        what = self._blobs.describe(key)
        if columns is None and image_ids is None:
            return self._opened(self._blobs.read(key, limit=MAX_PARQUET_BYTES), what, state).table(self.of)
        only = None if image_ids is None else (IMAGE_ID, image_ids)
        with self._blobs.open(key) as file:
            notes = read_notes(file, what=what)
            _check_same(notes, state)
            check_place(parquet_place(notes, what=what), self.of, what=what)
            return read_parts(file, what=what, columns=columns, only=only)

    def _opened(self, data: bytes, what: str, state: TableState) -> ParquetBytes:
        opened = ParquetBytes(data, what=what)
        _check_same(opened.notes, state)
        return opened

    def _count_rows(self, state: TableState) -> int:
        if state.parts:
            return len(self._table(state, [IMAGE_ID], None))
        return (state.footer or self._footer(state.key or self.key)).n_rows

    def _rows_of(self, data: bytes, what: str, state: TableState, without: Collection[str]) -> pa.Table:
        opened = self._opened(data, what, state)
        if without and opened.state == "whole" and IMAGE_ID in opened.schema.names:
            ids = opened.table(self.of, columns=[IMAGE_ID])[IMAGE_ID].unique()
            if set(ids.to_pylist()) <= set(without):
                return opened.schema.empty_table()
        return opened.table(self.of)

    def _commit_key(self, number: int) -> str:
        return layout.commit_key(self._name, number)

    def _part_key(self, number: int) -> str:
        return layout.part_key(self._name, number)

    def _numbers(self) -> list[int]:
        """Return the numbers of all commits, also of parts whose commit somebody deleted, sorted."""
        shown = self._shown_parts()  # before the commits, which are there when a part is shown
        commits = map(layout.commit_name, self._blobs.names(layout.COMMITS))
        return sorted({one[1] for one in commits if one and one[0] == self._name} | set(shown))

    def _shown_parts(self) -> list[int]:
        """Return the numbers of the parts that other programs see, sorted."""
        found = map(layout.part_name, self._blobs.names(layout.TABLES))
        return sorted(one[1] for one in found if one and one[0] == self._name)

    def _newest_sound(self, numbers: Sequence[int], older: TableState | None = None) -> TableState | None:
        """Return the newest sound commit of the whole table among some, or else `older`, with the parts upon it."""
        parts: list[Part] = []
        newest = older
        for number in reversed(numbers):
            found = self._sound(number)
            if isinstance(found, Footer):
                newest = TableState(key=self._commit_key(number), next_number=numbers[-1] + 1, number=number, footer=found)
                break
            if found is not None:
                parts.append(found)
        if newest is None:
            return None
        return replace(newest, parts=tuple(part for part in reversed(parts) if part.upon == newest.number >= 0))

    def _sound(self, number: int) -> Part | Footer | None:
        """Return a part, or the footer of a commit of the whole table; None where nothing sound has that number."""
        for key in (self._commit_key(number), self._part_key(number)):
            what = self._blobs.describe(key)
            try:
                opened = ParquetBytes(self._blobs.read(key, limit=MAX_PARQUET_BYTES), what=what)
                if opened.problem(self.of) or number_of(opened.notes) != number:  # else another commit was put there
                    continue
                if UPON in opened.notes:
                    if opened.state == "whole":
                        return Part(number, opened, opened.notes[PARQUET_SEAL].decode())
                elif key == self._commit_key(number):
                    opened.table(self.of)
                    return opened.footer
            except (DamagedError, FileNotFoundError, IsADirectoryError):
                continue
        return None

    def _footer(self, key: str) -> Footer:
        what = self._blobs.describe(key)
        try:
            with self._blobs.open(key) as file:
                footer = read_footer(file, what=what)
        except IsADirectoryError as error:
            raise self._is_folder(key) from error
        check_place(parquet_place(footer.notes, what=what), self.of, what=what)
        return footer

    def _notes(self, key: str) -> dict[bytes, bytes]:
        return dict(self._footer(key).notes)

    def _is_folder(self, key: str) -> DamagedError:
        return DamagedError(
            f"{self._blobs.describe(key)} is a folder; a table should be there: verify --repair sets it aside"
        )

    def _sha256(self, key: str) -> str:
        return hashlib.sha256(self._blobs.read(key, limit=MAX_PARQUET_BYTES)).hexdigest()


def _check_same(notes: Mapping[bytes, bytes], state: TableState) -> None:
    """Raise where a file with these notes is not the one that holds the whole table in this state."""
    if state.footer is not None and notes != state.footer.notes:
        raise _ReplacedError
    if state.footer is None and state.replaces and NUMBER in notes:  # another program's says no number
        raise _ReplacedError


def rows_of_images(table: pa.Table, image_ids: Collection[str]) -> pa.Table:
    """Return the rows of some images."""
    return table.filter(pc.is_in(table[IMAGE_ID].cast(pa.string()), pa.array(list(image_ids), pa.string())))


def without_images(table: pa.Table, image_ids: Collection[str]) -> pa.Table:
    """Return the rows of all other images."""
    gone = pc.is_in(table[IMAGE_ID].cast(pa.string()), pa.array(list(image_ids), pa.string()))
    return table.filter(pc.invert(gone))


def number_of(notes: Mapping[bytes, bytes], key: bytes = NUMBER) -> int:
    """Return the number that the notes of a footer say, by default that of the commit; -1 where they say none."""
    says = notes.get(key, b"")
    return int(says) if re.fullmatch(rb"[0-9]{1,17}", says) else -1


def digest_of_bytes(data: bytes, *, what: str) -> str:
    """Return the digest that `TableFiles.digest` gives for a table in one file of these bytes."""
    seal = read_notes(io.BytesIO(data), what=what).get(PARQUET_SEAL)
    return seal.decode() if seal else hashlib.sha256(data).hexdigest()
