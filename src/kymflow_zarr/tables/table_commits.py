"""The commits of one dataset table.

The rule of this room: the exclusive create of `tables/.commits/<name>.<n>.parquet` is the commit. It holds the whole new
table, and then the file `tables/<name>.parquet` becomes another name of it; or it holds a part, some images' rows only, and
then `tables/<name>.part-<n>.parquet` becomes another name of it. Where there is no table yet, the exclusive create of its
own file is the commit. Two programs that commit at once: the second one finds the number taken, reads again and repeats, so
no lock is needed. Each file says in its footer which number it is.
"""

import itertools
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import pyarrow as pa

from kymflow_zarr import layout
from kymflow_zarr.errors import ConflictError, DamagedError, KymflowZarrError
from kymflow_zarr.formats.parquet import ParquetBytes, parquet_problem, table_to_parquet
from kymflow_zarr.formats.parquet_limits import MAX_PARQUET_BYTES
from kymflow_zarr.formats.seals import PARQUET_SEAL
from kymflow_zarr.tables.table_files import (
    IMAGE_ID,
    NUMBER,
    REPLACES,
    UPON,
    Part,
    TableFiles,
    TableState,
    digest_of_bytes,
    number_of,
)


class TableCommits(TableFiles):
    """The files of one dataset table, and its commits.

    Parameters
    ----------
    blobs
        The dataset's folder.
    name
        The table.
    """

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
            state = self.state()
            try:
                found = "" if state.key is None or expected is None else self.digest_of(state)
            except FileNotFoundError:  # as in `_read`
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
        notes = {NUMBER.decode(): self._next_number(state)}
        if state.replaces:
            notes[REPLACES.decode()] = state.replaces
        first = state.key is None
        key = self.key if first else self._commit_key(state.next_number)
        data = table_to_parquet(table, notes=notes, grouped_by=IMAGE_ID, of=self.of)
        digest = digest_of_bytes(data, what=self._blobs.describe(key))
        if not self._create(key, data, state, digest, is_first=first):
            return ""
        # Where the rest fails the table is saved all the same: every reader looks at the commits too.
        with suppress(KymflowZarrError, OSError):
            self._forget_parts(state.next_number) if first else self._publish(own=state.next_number)
        return digest

    def commit_part(self, rows: pa.Table, state: TableState) -> str:
        """Write the next commit upon a state as a part: all rows of the images that it has rows of are replaced by these.

        Parameters
        ----------
        rows
            The new rows, with just the table's columns and types.
        state
            Of a table whose whole file says its number, and that no other program wrote.

        Returns
        -------
        str
            The digest of the table, as `digest`; empty as in `commit`.
        """
        notes = {NUMBER.decode(): self._next_number(state), UPON.decode(): str(state.number)}
        key = self._commit_key(state.next_number)
        data = table_to_parquet(rows, notes=notes, grouped_by=IMAGE_ID, of=self.of)
        opened = ParquetBytes(data, what=self._blobs.describe(key))
        part = Part(state.next_number, opened, digest_of_bytes(data, what=self._blobs.describe(key)))
        if not self._create(key, data, state, part.digest):
            return ""
        with suppress(KymflowZarrError, OSError):  # as in `commit`
            self._show(state.next_number, part.digest)
        return self.digest_of(replace(state, parts=(*state.parts, part)))

    def _create(self, key: str, data: bytes, state: TableState, digest: str, *, is_first: bool = False) -> bool:
        """Create the file of the next commit; return False, with nothing written, where another program was faster."""
        try:
            self._blobs.create(key, data)
        except FileExistsError:
            return False
        if is_first or not self._is_overtaken(state.next_number, digest):
            return True
        self._blobs.forget(key)
        return False

    def _next_number(self, state: TableState) -> str:
        if state.next_number > layout.LAST_NUMBER:
            raise DamagedError(
                f"not saved: a commit of the table {self._name!r} has the highest number that there can be, which no save "
                f"comes to; move it out of the folder {self._blobs.describe(layout.COMMITS)}"
            )
        return str(state.next_number)

    def problem(self, *, deep: bool) -> str | None:
        """Return what is wrong with the table's own file, also, where `deep`, that it has no seal; None for nothing."""
        try:
            data = self._blobs.read(self.key, limit=MAX_PARQUET_BYTES)
            return parquet_problem(data, what=self._blobs.describe(self.key), deep=deep, of=self.of)
        except (KymflowZarrError, OSError) as error:
            return str(error)

    def is_behind(self) -> bool:
        """Return whether the table's own file, or its parts, are not what was committed: other programs read older rows."""
        shown, state = self._shown_parts(), self.state()
        return state.key not in (None, self.key) or shown != [part.number for part in state.parts]

    def publish(self) -> None:
        """Let the table's own file, and the parts beside it, be what was committed last."""
        if self.state().key not in (None, self.key):
            self._publish()
        shown, state = self._shown_parts(), self.state()
        self._forget_parts(state.number)
        live = {part.number: part.digest for part in state.parts}
        for number in live.keys() - set(shown):
            self._show(number, live[number])
        for number in set(self._shown_parts()) & set(shown) - live.keys():
            self._blobs.set_aside_if_there(self._part_key(number))

    def rewrite(self) -> None:
        """Write the table anew as it is: sealed, and in one file."""
        while (newest := self.newest()).table is not None and not self.commit(newest.table, newest.state):
            pass

    def heal(self) -> bool:
        """Let a damaged file be the newest sound commit again; return False, with nothing done, where there is none."""
        if self.problem(deep=False) is None:
            return True
        numbers = self._numbers()
        sound = self._newest_sound(numbers)
        if sound is None:
            return False
        if self._blobs.is_regular(self.key):
            self._blobs.keep_aside(self.key)
        else:
            self._blobs.set_odd_aside(self.key)
        for number in reversed(numbers):
            if number == sound.number:
                break
            if self._sound(number) is None:
                self._blobs.set_aside_if_there(self._commit_key(number))
        self._publish()
        return True

    def set_aside(self) -> None:
        """Move a table that cannot be read, its commits and its parts into the quarantine."""
        parts = map(self._part_key, self._shown_parts())
        for key in (self.key, *map(self._commit_key, self._numbers()), *parts):
            self._blobs.set_aside_if_there(key)

    def set_torn_aside(self, key: str) -> None:
        """Move a commit or part that is not sound into the quarantine; one that was made in its place since stays."""
        if self._commit_problem(key):
            self._blobs.set_aside_if_there(key)

    def commit_problems(self) -> list[tuple[str, str]]:
        """Return the keys of commits that are files and not sound, each with what is wrong; reads those not published."""
        keys = [self._commit_key(number) for number in self._numbers()]
        found = [(key, self._commit_problem(key)) for key in keys if self._is_own_file(key)]
        return [(key, f"{said}; it is not needed") for key, said in found if said]

    def part_problems(self) -> list[tuple[str, str]]:
        """Return the keys of parts that are not sound, each with what is wrong."""
        shown = self._shown_parts()
        keys = [key(number) for number in shown for key in (self._part_key, self._commit_key)]
        found = [(key, self._commit_problem(key)) for key in keys if self._is_own_file(key)]
        return [(key, f"{said}; updating the table makes its rows again") for key, said in found if said]

    def lost_part(self) -> int | None:
        """Return the number of the first part that is gone or torn and that a later one was written upon; None for none."""
        state = self.state()
        expected = itertools.count(state.number + 1)
        return next((number for part, number in zip(state.parts, expected, strict=False) if part.number != number), None)

    def _is_own_file(self, key: str) -> bool:
        """Return whether there is a file that is not just another name of the table's own."""
        return self._blobs.is_regular(key) and self._blobs.stamp(key) != self._blobs.stamp(self.key)

    def _commit_problem(self, key: str) -> str | None:
        what = self._blobs.describe(key)
        try:
            data = self._blobs.read(key, limit=MAX_PARQUET_BYTES)
            if said := parquet_problem(data, what=what, deep=False, of=self.of):
                return said
            number = number_of(ParquetBytes(data, what=what).notes)
        except FileNotFoundError:  # another program has forgotten it, and needs it no more
            return None
        except (KymflowZarrError, OSError) as error:
            return str(error)
        return None if key in (self._commit_key(number), self._part_key(number)) else f"says that it is commit {number}"

    def odd_commits(self) -> list[str]:
        """Return the keys of what has the name of a commit or part and is no file: a folder, a link, a pipe."""
        keys = [*map(self._commit_key, self._numbers()), *map(self._part_key, self._shown_parts())]
        return [key for key in keys if self._blobs.is_odd(key)]

    def _is_overtaken(self, number: int, digest: str) -> bool:
        """Return whether a newer commit of the whole table is there than one of some number and digest.

        Then the number may have been taken before, and been forgotten since: the newest commit of the whole table is never
        forgotten, an older one or a part only after a newer one was published. A newer part says nothing: it may be upon
        this very commit, which then must stay.
        """
        if self._is_whole_newer(number):
            return True
        try:
            notes = self._notes(self.key)
        except (DamagedError, FileNotFoundError):
            return False
        held = number_of(notes)
        return held > number or (held == number and notes.get(PARQUET_SEAL) != digest.encode())

    def _publish(self, own: int = -1) -> None:
        """Let the table's file be the newest sound commit, also if another program commits too; forget older ones.

        Parameters
        ----------
        own
            The number of a commit that was just written, and need not be read again.
        """
        published = -1
        while numbers := [number for number in self._numbers() if number > published]:
            newest = own
            if numbers[-1] != own:
                sound = self._newest_sound(numbers)
                if sound is None:
                    break
                newest = sound.number
            if self._is_done(newest, self._put_in_place):
                published = newest
        for number in self._numbers():
            if number < published:
                self._blobs.forget(self._commit_key(number))
        self._forget_parts(published)

    def _put_in_place(self, key: str) -> None:
        """Let the table's file be another name of a commit."""
        self._keep_foreign(key)
        self._blobs.duplicate(key, self.key)

    def _is_done(self, number: int, step: Callable[[str], object]) -> bool:
        """Do something with the file of a commit; return False where another program has forgotten it since."""
        key = self._commit_key(number)
        with self._blobs.unless_gone(key):
            step(key)
            return True
        return False

    def _show(self, number: int, digest: str) -> None:
        """Let other programs see a part, unless the whole table has its rows by now."""
        if not self._is_done(number, lambda key: self._blobs.duplicate(key, self._part_key(number))):
            return
        if self._is_overtaken(number, digest) and number_of(self._notes(self.key)) >= number:
            self._blobs.forget(self._part_key(number))

    def _forget_parts(self, number: int) -> None:
        """Take the parts away that are older than a commit of the whole table."""
        for older in self._shown_parts():
            if older < number:
                self._blobs.forget(self._part_key(older))

    def _keep_foreign(self, newest: str) -> None:
        """Keep a file that another program put in the table's place since it was read."""
        try:
            if NUMBER in self._notes(self.key):
                return
            digest = self._sha256(self.key)
        except (DamagedError, FileNotFoundError):
            return
        if self._notes(newest).get(REPLACES) != digest.encode():
            self._blobs.keep_aside(self.key)
