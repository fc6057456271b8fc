"""Dataset-level tables: one Parquet file each, replaced whole, and no row of two writers is ever lost.

Derived, except `sources`: an indexer can rebuild every other table. The rules of this room: a batch is one write, and the
exclusive create of `tables/.commits/<name>.<n>.parquet` is the commit. It holds the whole new table, and then the file
`tables/<name>.parquet` becomes another name of it. Where there is no table yet, the exclusive create of its own file is the
commit. Two programs that replace rows at once: the second one finds the number taken, reads again and repeats, so no lock
is needed. Each table says in its footer which number it is.
"""

import hashlib
import io
import itertools
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from kymflow_zarr import layout
from kymflow_zarr.disk.blobs import Blobs
from kymflow_zarr.errors import (
    DamagedError,
    InvalidValueError,
    KymflowZarrError,
    TableNotFoundError,
)
from kymflow_zarr.formats.frames import (
    concatenate_tables,
    frame_to_table,
    parquet_problem,
    read_notes,
    read_parts,
    table_from_parquet,
    table_to_frame,
    table_to_parquet,
)
from kymflow_zarr.formats.seals import PARQUET_SEAL
from kymflow_zarr.names import check_name, check_restored_name

IMAGE_ID = "image_id"
_SUFFIX = ".parquet"
_NUMBER = b"kymflow_commit"
_REPLACES = b"kymflow_replaces"
"""The digest of a file that another program put in a table's place, and that a commit was made from."""
MAX_BYTES = 2**30


@dataclass(frozen=True, slots=True, kw_only=True)
class _State:
    """Which file holds a table now, and what the next commit must say. `key` is None where there is no table."""

    key: str | None
    next_number: int
    replaces: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class ReplacedRows:
    """A table after rows of it were replaced.

    `table` is the whole new table, `digest` that of its file, `replaces` that of the file that the other rows were taken
    from, empty where there was none. Who knows something of the rows knows by that whether it still holds.
    """

    table: pd.DataFrame
    digest: str
    replaces: str


class Tables:
    """The tables of one dataset, by name.

    Parameters
    ----------
    blobs
        The dataset's folder.
    """

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs

    def names(self) -> list[str]:
        """Return the names of the tables, sorted, `sources` left out."""
        files = self._blobs.names(layout.TABLES)
        names = {name.removesuffix(_SUFFIX) for name in files if name.endswith(_SUFFIX)}
        return sorted(names - {layout.SOURCES_TABLE})

    def exists(self, name: str) -> bool:
        """Return whether there is a table of that name."""
        return self._blobs.exists(layout.table_key(name))

    def load(
        self, name: str, *, columns: Sequence[str] | None = None, image_ids: Collection[str] | None = None
    ) -> pd.DataFrame:
        """Return a table, or only some columns and some images' rows of it: then the others are not read.

        Raises
        ------
        TableNotFoundError
            When there is none of that name; the message lists those there are.
        InvalidValueError
            When a column is not there; the message lists those there are.
        DamagedError
            When the file cannot be read or is not what was written.
        """
        for what, given in (("columns", columns), ("image_ids", image_ids)):
            if isinstance(given, str):
                raise InvalidValueError(f"{what} must be a list, not the text {given!r}; use [{given!r}]")
        while True:
            key = self._state(name).key
            if key is None:
                there = ", ".join(map(repr, self.names())) or "none"
                raise TableNotFoundError(f"no table named {name!r}; this dataset has {there}")
            try:
                return self._read(key, columns, image_ids)
            except FileNotFoundError:  # another program has committed since, and forgotten this one
                continue

    def save(self, name: str, frame: pd.DataFrame, *, restored: bool = False) -> None:
        """Write or replace a table whole; one that is `restored` may have a name that an older program gave it.

        Raises
        ------
        InvalidValueError
            When a row has no `image_id`.
        """
        _check_table_name(name, restored=restored)
        table = frame_to_table(frame, what=f"table {name!r}")
        _check_ids(table, name)
        while not self._commit(name, table, self._state(name)):
            pass

    def replace_rows(
        self, name: str, rows_by_image_id: Mapping[str, pd.DataFrame], *, like: pd.DataFrame | None = None
    ) -> pd.DataFrame:
        """Replace all rows of some images with one write, and return the whole new table.

        The other images' rows keep their order and come first. A table that does not exist begins empty; of one that keeps
        no row, the columns go too. Where another program commits at the same time, its rows are read and the replacement is
        made again upon them.

        Parameters
        ----------
        name
            The table.
        rows_by_image_id
            The new rows; of an image with an empty frame, the rows are removed.
        like
            A frame without rows: the columns, and their types, that the table has even where no row is left.
        """
        return self.commit_rows(name, rows_by_image_id, like=like).table

    def commit_rows(
        self,
        name: str,
        rows_by_image_id: Mapping[str, pd.DataFrame],
        *,
        like: pd.DataFrame | None = None,
        restored: bool = False,
    ) -> ReplacedRows:
        """Replace rows as `replace_rows`, and return also which file was replaced by which; `restored` as in `save`."""
        _check_table_name(name, restored=restored)
        new = _rows_to_tables(name, rows_by_image_id)
        if like is not None:
            new.append(frame_to_table(like, what=f"table {name!r}"))
        while True:
            state = self._state(name)
            try:
                others, replaces = (None, "") if state.key is None else self._without(state.key, rows_by_image_id)
            except FileNotFoundError:  # another program has committed since, and forgotten this one
                continue
            kept = [others] if others is not None and (len(others) or not new) else []
            table = concatenate_tables([*kept, *new], what=f"table {name!r}")
            _check_ids(table, name)
            digest = self._commit(name, table, state)
            if digest:
                return ReplacedRows(table_to_frame(table, what=f"table {name!r}"), digest, replaces)

    def digest(self, name: str) -> str:
        """Return the digest of a table's file, which changes with every write; empty where there is none. Reads its footer.

        Raises
        ------
        DamagedError
            When it cannot be read.
        """
        while True:
            key = self._state(name).key
            if key is None:
                return ""
            try:
                seal = self._notes(key).get(PARQUET_SEAL)
                return seal.decode() if seal else hashlib.sha256(self._blobs.read(key, limit=MAX_BYTES)).hexdigest()
            except FileNotFoundError:  # another program has committed since, and forgotten this one
                continue

    def names_having(self, image_ids: Collection[str]) -> list[str]:
        """Return the tables, the sources among them, that have rows of these images; raise where one cannot be read."""
        names = [name for name in (*self.names(), layout.SOURCES_TABLE) if self.exists(name)]
        return [name for name in names if self._has_rows_of(name, image_ids)]

    def _has_rows_of(self, name: str, image_ids: Collection[str]) -> bool:
        try:
            return len(self.load(name, columns=[IMAGE_ID], image_ids=image_ids)) > 0
        except InvalidValueError:  # another program's table, without images
            return False

    def delete_rows(self, name: str, image_ids: Collection[str]) -> None:
        """Remove all rows of some images from a table."""
        while True:
            state = self._state(name)
            try:
                if state.key is None or self._commit(name, self._without(state.key, image_ids)[0], state):
                    return
            except FileNotFoundError:  # another program has committed since, and forgotten this one
                continue

    def problem(self, name: str, *, deep: bool) -> str | None:
        """Return what is wrong with a table's own file, also, where `deep`, that it has no seal; None for nothing."""
        key = layout.table_key(name)
        try:
            return parquet_problem(self._blobs.read(key, limit=MAX_BYTES), what=self._blobs.describe(key), deep=deep)
        except (KymflowZarrError, OSError) as error:
            return str(error)

    def is_behind(self, name: str) -> bool:
        """Return whether a table's own file lacks what was committed, so that other programs read older rows."""
        key = self._state(name).key
        return key is not None and key != layout.table_key(name)

    def publish(self, name: str) -> None:
        """Let a table's own file be what was committed last."""
        if self.is_behind(name):
            self._publish(name)

    def seal(self, name: str) -> None:
        """Write a table anew as it is, with a seal."""
        while True:
            state = self._state(name)
            try:
                if state.key is None or self._commit(name, self._read_whole(state.key), state):
                    return
            except FileNotFoundError:  # another program has committed since, and forgotten this one
                continue

    def heal(self, name: str) -> bool:
        """Let a damaged file be the newest sound commit again; return False, with nothing done, where there is none."""
        if self.problem(name, deep=False) is None:
            return True
        numbers = self._numbers(name)
        sound = self._newest_sound_commit(name, numbers)
        if sound is None:
            return False
        key = layout.table_key(name)
        if self._blobs.is_folder(key):
            self._blobs.set_aside(key)
        elif self._blobs.exists(key):
            self._blobs.keep_aside(key)
        for torn in (layout.commit_key(name, number) for number in reversed(numbers)):
            if torn == sound:
                break
            self._blobs.set_aside(torn)
        self._publish(name)
        return True

    def set_aside(self, name: str) -> None:
        """Move a table that cannot be read, and its commits, into the quarantine."""
        keys = [layout.table_key(name), *(layout.commit_key(name, number) for number in self._numbers(name))]
        for key in keys:
            if self._blobs.exists(key):
                self._blobs.set_aside(key)

    def _read(self, key: str, columns: Sequence[str] | None, image_ids: Collection[str] | None) -> pd.DataFrame:
        what = self._blobs.describe(key)
        if columns is None and image_ids is None:
            return table_to_frame(self._read_whole(key), what=what)
        only = None if image_ids is None else (IMAGE_ID, image_ids)
        with self._blobs.open(key) as file:
            return table_to_frame(read_parts(file, what=what, columns=columns, only=only), what=what)

    def _without(self, key: str, image_ids: Collection[str]) -> tuple[pa.Table, str]:
        """Return the rows of other images, and the digest of the file that they are from."""
        data, what = self._blobs.read(key, limit=MAX_BYTES), self._blobs.describe(key)
        table = table_from_parquet(data, what=what)
        if IMAGE_ID not in table.column_names:
            raise DamagedError(f"{what} has no column {IMAGE_ID!r}; it has {table.column_names}")
        gone = pc.is_in(table[IMAGE_ID].cast(pa.string()), pa.array(list(image_ids), pa.string()))
        return table.filter(pc.invert(gone)), _digest(data, what=what)

    def _read_whole(self, key: str) -> pa.Table:
        return table_from_parquet(self._blobs.read(key, limit=MAX_BYTES), what=self._blobs.describe(key))

    def _numbers(self, name: str) -> list[int]:
        found = map(layout.commit_name, self._blobs.names(layout.COMMITS))
        return sorted(one[1] for one in found if one and one[0] == name)

    def _state(self, name: str) -> _State:
        """Return which file holds the table; commits are listed before it is read, so none in between is skipped."""
        numbers = self._numbers(name)
        plain = layout.table_key(name)
        newest = max(numbers, default=-1)
        if not self._blobs.exists(plain):  # there is no table, or somebody deleted it
            return _State(key=None, next_number=newest + 1)
        try:
            number = self._notes(plain).get(_NUMBER)
        except DamagedError:
            key = self._newest_sound_commit(name, numbers)
            return _State(key=key or plain, next_number=newest + 1)
        if number is not None:
            held = int(number) if number.isdigit() else -1
            behind = [one for one in numbers if one > held]
            key = self._newest_sound_commit(name, behind) or plain
            return _State(key=key, next_number=max(newest, held) + 1)
        # Another program wrote it. It counts as the newest, until a commit says that it was made from it.
        digest = hashlib.sha256(self._blobs.read(plain, limit=MAX_BYTES)).hexdigest()
        key = self._newest_sound_commit(name, numbers)
        if key is not None and self._notes(key).get(_REPLACES) == digest.encode():
            return _State(key=key, next_number=newest + 1, replaces=digest)
        return _State(key=plain, next_number=newest + 1, replaces=digest)

    def _newest_sound_commit(self, name: str, numbers: Sequence[int]) -> str | None:
        for number in reversed(numbers):
            key = layout.commit_key(name, number)
            try:
                self._read_whole(key)
            except (DamagedError, FileNotFoundError):
                continue
            return key
        return None

    def _notes(self, key: str) -> dict[bytes, bytes]:
        with self._blobs.open(key) as file:
            return read_notes(file, what=self._blobs.describe(key))

    def _commit(self, name: str, table: pa.Table, state: _State) -> str:
        """Write the next commit and let the table's file be it.

        Returns
        -------
        str
            The digest of the file, as `digest`; empty where another program took the number.
        """
        notes = {_NUMBER.decode(): str(state.next_number)}
        if state.replaces:
            notes[_REPLACES.decode()] = state.replaces
        first = state.key is None
        key = layout.table_key(name) if first else layout.commit_key(name, state.next_number)
        data = table_to_parquet(table, notes=notes, grouped_by=IMAGE_ID)
        digest = _digest(data, what=self._blobs.describe(key))
        try:
            self._blobs.create(key, data)
        except FileExistsError:
            return ""
        if first:
            return digest
        if self._is_overtaken(name, state.next_number):
            self._blobs.forget(key)
            return ""
        # Where the rest fails the table is saved all the same: every reader looks at the commits too.
        with suppress(KymflowZarrError, OSError):
            self._publish(name, own=state.next_number)
        return digest

    def _is_overtaken(self, name: str, number: int) -> bool:
        """Return whether a newer commit is there. Then this number may have been taken before, and been forgotten since.

        The newest commit is never forgotten, and an older one only after the table's file has its number or a higher one.
        """
        if max(self._numbers(name), default=-1) > number:
            return True
        try:
            held = self._notes(layout.table_key(name)).get(_NUMBER)
        except (DamagedError, FileNotFoundError):
            return False
        return held is not None and held.isdigit() and int(held) >= number

    def _publish(self, name: str, own: int = -1) -> None:
        """Let the table's file be the newest sound commit, also if another program commits too; forget older ones.

        Parameters
        ----------
        name
            The table.
        own
            The number of a commit that was just written, and need not be read again.
        """
        published = -1
        while True:
            numbers = [number for number in self._numbers(name) if number > published]
            if not numbers:
                break
            newest = (
                layout.commit_key(name, numbers[-1]) if numbers[-1] == own else self._newest_sound_commit(name, numbers)
            )
            if newest is None:
                break
            self._keep_foreign(name, newest)
            self._blobs.duplicate(newest, layout.table_key(name))
            found = layout.commit_name(newest.rpartition("/")[2])
            published = found[1] if found else own
        for number in self._numbers(name):
            if number < published:
                self._blobs.forget(layout.commit_key(name, number))

    def _keep_foreign(self, name: str, newest: str) -> None:
        """Keep a file that another program put in the table's place since it was read."""
        key = layout.table_key(name)
        try:
            if _NUMBER in self._notes(key):
                return
            digest = hashlib.sha256(self._blobs.read(key, limit=MAX_BYTES)).hexdigest()
        except (DamagedError, FileNotFoundError):
            return
        if self._notes(newest).get(_REPLACES) != digest.encode():
            self._blobs.keep_aside(key)


def _check_table_name(name: str, *, restored: bool) -> None:
    if restored:
        check_restored_name(name, what="table", reserved=(layout.SOURCES_TABLE,))
    else:
        check_name(name, what="table")


def _rows_to_tables(name: str, rows_by_image_id: Mapping[str, pd.DataFrame]) -> list[pa.Table]:
    for image_id, rows in rows_by_image_id.items():
        if len(rows) and (IMAGE_ID not in rows.columns or set(rows[IMAGE_ID].tolist()) - {image_id}):
            raise InvalidValueError(f"rows for image {image_id} must all have that value in {IMAGE_ID!r}")
    with_ids = (rows for rows in rows_by_image_id.values() if IMAGE_ID in rows.columns)
    return [frame_to_table(rows, what=f"table {name!r}") for rows in _joined_where_alike(with_ids)]


def _joined_where_alike(frames: Iterable[pd.DataFrame]) -> list[pd.DataFrame]:
    """Return the frames, one for each run of frames of the same columns and dtypes: each conversion costs a millisecond."""
    runs = itertools.groupby(frames, key=lambda frame: (tuple(frame.columns), tuple(frame.dtypes.tolist())))
    return [pd.concat(run, ignore_index=True) for run in map(list, (frames for _, frames in runs))]


def _digest(data: bytes, *, what: str) -> str:
    """Return the digest that `Tables.digest` gives for a file of these bytes."""
    seal = read_notes(io.BytesIO(data), what=what).get(PARQUET_SEAL)
    return seal.decode() if seal else hashlib.sha256(data).hexdigest()


def _check_ids(table: pa.Table, name: str) -> None:
    if IMAGE_ID not in table.column_names or table[IMAGE_ID].null_count:
        raise InvalidValueError(f"table {name!r} needs an {IMAGE_ID!r} in every row; it has {table.column_names}")
