"""The file of one dataset table, and its commits.

The rule of this room: the exclusive create of `tables/.commits/<name>.<n>.parquet` is the commit. It holds the whole new
table, and then the file `tables/<name>.parquet` becomes another name of it. Where there is no table yet, the exclusive
create of its own file is the commit. Two programs that commit at once: the second one finds the number taken, reads again
and repeats, so no lock is needed. Each file says in its footer which number it is.
"""

import hashlib
import io
import re
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

import pyarrow as pa

from kymflow_zarr import layout
from kymflow_zarr.disk.blobs import Blobs
from kymflow_zarr.errors import ConflictError, DamagedError, KymflowZarrError
from kymflow_zarr.formats.parquet import (
    ParquetBytes,
    count_rows,
    parquet_place,
    parquet_problem,
    read_notes,
    table_from_parquet,
    table_to_parquet,
)
from kymflow_zarr.formats.parquet_limits import MAX_PARQUET_BYTES
from kymflow_zarr.formats.places import check_place, place_note
from kymflow_zarr.formats.seals import PARQUET_SEAL

IMAGE_ID = "image_id"
_NUMBER = b"kymflow_commit"
_REPLACES = b"kymflow_replaces"
"""The digest of a file that another program put in a table's place, and that a commit was made from."""

_Read = TypeVar("_Read")


@dataclass(frozen=True, slots=True, kw_only=True)
class TableState:
    """Which file holds a table now, and what the next commit must say. `key` is None where there is no table."""

    key: str | None
    next_number: int
    replaces: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class NewestTable:
    """A table as it is now, None where there is none, and the digest of its file; `state` is what a commit is made upon."""

    table: pa.Table | None
    digest: str
    state: TableState


class TableFile:
    """The file of one dataset table, and its commits.

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

    def read(self, read: Callable[[str], _Read]) -> _Read | None:
        """Return what a function reads of the newest file, whose key it gets; None where there is no table."""
        while (key := self._state().key) is not None:
            try:
                return read(key)
            except FileNotFoundError:  # another program has committed since, and forgotten this one
                continue
            except IsADirectoryError as error:
                raise self._is_folder(key) from error
        return None

    def count_rows(self) -> int | None:
        """Return how many rows the footer of the newest file says that it has; None where there is no table."""
        return self.read(self._count_rows)

    def newest(self, *, without: Collection[str] = ()) -> NewestTable:
        """Return the newest table; raise `DamagedError` where it cannot be read.

        Where all of its rows are of the images `without`, only that is read, and the table has no row.
        """
        while True:
            state = self._state()
            if state.key is None:
                return NewestTable(None, "", state)
            what = self._blobs.describe(state.key)
            try:
                data = self._blobs.read(state.key, limit=MAX_PARQUET_BYTES)
            except FileNotFoundError:  # as in `read`
                continue
            except IsADirectoryError as error:
                raise self._is_folder(state.key) from error
            return NewestTable(self._rows_of(data, what, without), _digest(data, what=what), state)

    def _rows_of(self, data: bytes, what: str, without: Collection[str]) -> pa.Table:
        opened = ParquetBytes(data, what=what)
        if without and opened.state == "whole" and IMAGE_ID in opened.schema.names:
            ids = opened.table(self.of, columns=[IMAGE_ID])[IMAGE_ID].unique()
            if set(ids.to_pylist()) <= set(without):
                return opened.schema.empty_table()
        return opened.table(self.of)

    def replace(self, table: pa.Table, *, expected: str | None = None) -> str:
        """Commit a table and return the digest of its file.

        Parameters
        ----------
        table
            The new rows.
        expected
            The digest of the file that they were made from, empty where there was none; by default whatever is there.

        Raises
        ------
        ConflictError
            When the table is no longer what was expected.
        """
        while True:
            state = self._state()
            try:
                found = "" if state.key is None or expected is None else self._digest_of(state.key)
            except FileNotFoundError:  # as in `read`
                continue
            if expected not in (None, found):
                raise ConflictError(
                    f"not saved: another program wrote the table {self._name!r} since it was read; read it again, and make "
                    "the change there"
                )
            if digest := self.commit(table, state):
                return digest

    def commit(self, table: pa.Table, state: TableState) -> str:
        """Write the next commit upon a state and let the table's file be it.

        Returns
        -------
        str
            The digest of the file, as `digest`; empty where another program has committed since: then nothing was written.
        """
        if state.next_number > layout.LAST_NUMBER:
            raise DamagedError(
                f"not saved: a commit of the table {self._name!r} has the highest number that there can be, which no save "
                f"comes to; move it out of the folder {self._blobs.describe(layout.COMMITS)}"
            )
        notes = {_NUMBER.decode(): str(state.next_number)}
        if state.replaces:
            notes[_REPLACES.decode()] = state.replaces
        first = state.key is None
        key = self.key if first else self._commit_key(state.next_number)
        data = table_to_parquet(table, notes=notes, grouped_by=IMAGE_ID, of=self.of)
        digest = _digest(data, what=self._blobs.describe(key))
        try:
            self._blobs.create(key, data)
        except FileExistsError:
            return ""
        if first:
            return digest
        if self._is_overtaken(state.next_number):
            self._blobs.forget(key)
            return ""
        # Where the rest fails the table is saved all the same: every reader looks at the commits too.
        with suppress(KymflowZarrError, OSError):
            self._publish(own=state.next_number)
        return digest

    def digest(self) -> str:
        """Return the digest of the file, which changes with every write; empty where there is none. Reads its footer.

        Raises
        ------
        DamagedError
            When it cannot be read.
        """
        return self.read(self._digest_of) or ""

    def problem(self, *, deep: bool) -> str | None:
        """Return what is wrong with the table's own file, also, where `deep`, that it has no seal; None for nothing."""
        try:
            data = self._blobs.read(self.key, limit=MAX_PARQUET_BYTES)
            return parquet_problem(data, what=self._blobs.describe(self.key), deep=deep, of=self.of)
        except (KymflowZarrError, OSError) as error:
            return str(error)

    def is_behind(self) -> bool:
        """Return whether the table's own file lacks what was committed, so that other programs read older rows."""
        return self._state().key not in (None, self.key)

    def publish(self) -> None:
        """Let the table's own file be what was committed last."""
        if self.is_behind():
            self._publish()

    def seal(self) -> None:
        """Write the table anew as it is, with a seal."""
        while (newest := self.newest()).table is not None and not self.commit(newest.table, newest.state):
            pass

    def heal(self) -> bool:
        """Let a damaged file be the newest sound commit again; return False, with nothing done, where there is none."""
        if self.problem(deep=False) is None:
            return True
        numbers = self._numbers()
        sound = self._newest_sound_commit(numbers)
        if sound is None:
            return False
        if self._blobs.is_regular(self.key):
            self._blobs.keep_aside(self.key)
        elif self._blobs.is_listed(self.key):
            self._blobs.set_aside(self.key)
        for torn in map(self._commit_key, reversed(numbers)):
            if torn == sound:
                break
            self._blobs.set_aside(torn)
        self._publish()
        return True

    def set_aside(self) -> None:
        """Move a table that cannot be read, and its commits, into the quarantine."""
        for key in (self.key, *map(self._commit_key, self._numbers())):
            if self._blobs.is_listed(key):
                self._blobs.set_aside(key)

    def commit_problems(self) -> list[tuple[str, str]]:
        """Return the keys of commits that are files and not sound, each with what is wrong; reads those not published."""
        found = []
        for number in self._numbers():
            key = self._commit_key(number)
            if not self._blobs.is_regular(key) or self._blobs.stamp(key) == self._blobs.stamp(self.key):
                continue
            said = self._commit_problem(key)
            if said:
                found.append((key, said))
        return found

    def _commit_problem(self, key: str) -> str | None:
        what = self._blobs.describe(key)
        try:
            data = self._blobs.read(key, limit=MAX_PARQUET_BYTES)
            if said := parquet_problem(data, what=what, deep=False, of=self.of):
                return said
            number = _number(read_notes(io.BytesIO(data), what=what).get(_NUMBER, b""))
        except (KymflowZarrError, OSError) as error:
            return str(error)
        return None if key == self._commit_key(number) else f"says that it is commit {number}"

    def odd_commits(self) -> list[str]:
        """Return the keys of what has the name of a commit and is no file: a folder, a link, a pipe."""
        return [key for key in map(self._commit_key, self._numbers()) if not self._blobs.is_regular(key)]

    def _commit_key(self, number: int) -> str:
        return layout.commit_key(self._name, number)

    def _numbers(self) -> list[int]:
        found = map(layout.commit_name, self._blobs.names(layout.COMMITS))
        return sorted(one[1] for one in found if one and one[0] == self._name)

    def _state(self) -> TableState:
        """Return which file holds the table; commits are listed before it is read, so none in between is skipped."""
        numbers = self._numbers()
        newest = max(numbers, default=-1)
        if not self._blobs.is_listed(self.key):  # there is no table, or somebody deleted it
            return TableState(key=None, next_number=newest + 1)
        try:
            number = self._notes(self.key).get(_NUMBER)
        except DamagedError:
            key = self._newest_sound_commit(numbers)
            return TableState(key=key or self.key, next_number=newest + 1)
        if number is not None:
            held = _number(number)
            key = self._newest_sound_commit([one for one in numbers if one > held])
            return TableState(key=key or self.key, next_number=max(newest, held) + 1)
        # Another program wrote it. It counts as the newest, until a commit says that it was made from it.
        digest = self._sha256(self.key)
        key = self._newest_sound_commit(numbers)
        is_made_from_it = key is not None and self._notes(key).get(_REPLACES) == digest.encode()
        return TableState(key=key if is_made_from_it else self.key, next_number=newest + 1, replaces=digest)

    def _newest_sound_commit(self, numbers: Sequence[int]) -> str | None:
        for key in map(self._commit_key, reversed(numbers)):
            try:
                data, what = self._blobs.read(key, limit=MAX_PARQUET_BYTES), self._blobs.describe(key)
                table_from_parquet(data, what=what, of=self.of)
                says = read_notes(io.BytesIO(data), what=what).get(_NUMBER, b"")
            except (DamagedError, FileNotFoundError, IsADirectoryError):
                continue
            if key == self._commit_key(_number(says)):  # else another commit was put there
                return key
        return None

    def _notes(self, key: str) -> dict[bytes, bytes]:
        what = self._blobs.describe(key)
        try:
            with self._blobs.open(key) as file:
                notes = read_notes(file, what=what)
        except IsADirectoryError as error:
            raise self._is_folder(key) from error
        check_place(parquet_place(notes, what=what), self.of, what=what)
        return notes

    def _count_rows(self, key: str) -> int:
        self._notes(key)  # which says whether it is in its place
        with self._blobs.open(key) as file:
            return count_rows(file, what=self._blobs.describe(key))

    def _is_folder(self, key: str) -> DamagedError:
        return DamagedError(
            f"{self._blobs.describe(key)} is a folder; a table should be there: verify --repair sets it aside"
        )

    def _digest_of(self, key: str) -> str:
        seal = self._notes(key).get(PARQUET_SEAL)
        return seal.decode() if seal else self._sha256(key)

    def _sha256(self, key: str) -> str:
        return hashlib.sha256(self._blobs.read(key, limit=MAX_PARQUET_BYTES)).hexdigest()

    def _is_overtaken(self, number: int) -> bool:
        """Return whether a newer commit is there. Then this number may have been taken before, and been forgotten since.

        The newest commit is never forgotten, and an older one only after the table's file has its number or a higher one.
        """
        if max(self._numbers(), default=-1) > number:
            return True
        try:
            held = self._notes(self.key).get(_NUMBER)
        except (DamagedError, FileNotFoundError):
            return False
        return held is not None and _number(held) >= number

    def _publish(self, own: int = -1) -> None:
        """Let the table's file be the newest sound commit, also if another program commits too; forget older ones.

        Parameters
        ----------
        own
            The number of a commit that was just written, and need not be read again.
        """
        published = -1
        while numbers := [number for number in self._numbers() if number > published]:
            is_own = numbers[-1] == own
            newest = self._commit_key(own) if is_own else self._newest_sound_commit(numbers)
            if newest is None:
                break
            self._keep_foreign(newest)
            self._blobs.duplicate(newest, self.key)
            found = layout.commit_name(newest.rpartition("/")[2])
            published = found[1] if found else own
        for number in self._numbers():
            if number < published:
                self._blobs.forget(self._commit_key(number))

    def _keep_foreign(self, newest: str) -> None:
        """Keep a file that another program put in the table's place since it was read."""
        try:
            if _NUMBER in self._notes(self.key):
                return
            digest = self._sha256(self.key)
        except (DamagedError, FileNotFoundError):
            return
        if self._notes(newest).get(_REPLACES) != digest.encode():
            self._blobs.keep_aside(self.key)


def _number(says: bytes) -> int:
    """Return the number of a commit that a footer says; -1 where it says none."""
    return int(says) if re.fullmatch(rb"[0-9]{1,17}", says) else -1


def _digest(data: bytes, *, what: str) -> str:
    """Return the digest that `TableFile.digest` gives for a file of these bytes."""
    seal = read_notes(io.BytesIO(data), what=what).get(PARQUET_SEAL)
    return seal.decode() if seal else hashlib.sha256(data).hexdigest()
