"""Dataset-level tables: one Parquet file each and, of a long one, a few parts; no row of two writers is ever lost.

Derived, except `sources`: an indexer can rebuild every other table. The rule of this room: a batch is one write, and a
commit of `table_commits`, made again upon the rows of a program that commits at the same time. Whether it writes the table
whole or a part of it, nobody who reads the table sees.
"""

import itertools
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from kymflow_zarr import layout
from kymflow_zarr.disk.blobs import Blobs
from kymflow_zarr.disk.foreign_files import is_foreign
from kymflow_zarr.errors import DamagedError, InvalidNameError, InvalidValueError, TableNotFoundError
from kymflow_zarr.formats.arrow_tables import concatenate_tables, fitted_rows
from kymflow_zarr.formats.frames import frame_to_table, table_to_frame, without_index
from kymflow_zarr.names import check_name, check_restored_name
from kymflow_zarr.tables.table_commits import TableCommits
from kymflow_zarr.tables.table_files import IMAGE_ID, TableState, without_images

_SUFFIX = ".parquet"

_Read = TypeVar("_Read")


@dataclass(frozen=True, eq=False)
class ReplacedRows:
    """A table after rows of it were replaced.

    `rows` are all new rows, where a part was written, or else the whole new table. `digest` is that of the table,
    `replaces` that of the table which has the other rows, empty where there was none. Who knows something of those knows by
    that whether it still holds. `load` reads the whole table; None where `rows` are it.
    """

    rows: pa.Table
    digest: str
    replaces: str
    load: Callable[[], pa.Table] | None = None

    @cached_property
    def arrow(self) -> pa.Table:
        """The whole new table, read when it is asked for where only a part was written."""
        return self.rows if self.load is None else self.load()

    @cached_property
    def table(self) -> pd.DataFrame:
        """The whole new table as a frame, made when it is asked for."""
        return table_to_frame(self.arrow, what="the table")


@dataclass(frozen=True, slots=True, kw_only=True)
class PartLimits:
    """When a change of a table is written as a part, and not with the whole table.

    The table has at least `least_rows`, and not more than `most_parts` parts, which have at most `most_rows` together.
    Measured, in seconds of the processor: a table of 1,000,000 rows is written whole in 0.64, one of 100,000 rows in 0.06,
    and a part in 0.005, with 31 others there in 0.02.
    """

    least_rows: int = 100_000
    most_parts: int = 32
    most_rows: int = 50_000


class Tables:
    """The tables of one dataset, by name.

    Parameters
    ----------
    blobs
        The dataset's folder.
    limits
        When a change is written as a part.
    """

    def __init__(self, blobs: Blobs, limits: PartLimits | None = None) -> None:
        self._blobs = blobs
        self._limits = limits or PartLimits()

    def names(self) -> list[str]:
        """Return the names of the tables, sorted, `sources` left out."""
        files = self._blobs.names(layout.TABLES)
        tables = [
            name for name in files if name.endswith(_SUFFIX) and not is_foreign(name, files) and not layout.part_name(name)
        ]
        names = {name.removesuffix(_SUFFIX) for name in tables}
        return sorted(names - {layout.SOURCES_TABLE})

    def file(self, name: str) -> TableCommits:
        """Return the file of a table, with its commits; it need not exist."""
        return TableCommits(self._blobs, name)

    def set_odd_aside(self, key: str) -> None:
        """Move what lies in the place of a table's file, and is none, into the quarantine."""
        self._blobs.set_odd_aside(key)

    def exists(self, name: str) -> bool:
        """Return whether there is a table of that name."""
        return self._blobs.is_listed(layout.table_key(name))

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
        arrow = self.load_arrow(name, columns=columns, image_ids=image_ids)
        return table_to_frame(arrow, what=self._blobs.describe(layout.table_key(name)))

    def load_arrow(
        self, name: str, *, columns: Sequence[str] | None = None, image_ids: Collection[str] | None = None
    ) -> pa.Table:
        """Return a table, or a part of it, as an Arrow table; as `load`."""
        for what, given in (("columns", columns), ("image_ids", image_ids)):
            if isinstance(given, str):
                raise InvalidValueError(f"{what} must be a list, not the text {given!r}; use [{given!r}]")
        file = self.file(name)
        return without_index(
            self._found(name, file.load(columns=columns, image_ids=image_ids)), what=self._blobs.describe(file.key)
        )

    def count_rows(self, name: str) -> int:
        """Return how many rows the footer of a table's file says that it has: nothing else is read; raise as `load`."""
        return self._found(name, self.file(name).count_rows())

    def save(self, name: str, frame: pd.DataFrame, *, restored: bool = False, expected: str | None = None) -> str:
        """Write or replace a table whole, and return the digest of its file.

        Parameters
        ----------
        name, frame
            The table.
        restored
            Whether it may have a name that an older program gave it.
        expected
            The digest of the file that the frame was made from, empty where there was none; by default whatever is there.

        Raises
        ------
        InvalidValueError
            When a row has no `image_id`.
        ConflictError
            When the table is no longer what was expected.
        """
        _check_table_name(name, restored=restored)
        table = frame_to_table(frame, what=f"table {name!r}")
        _check_ids(table, name)
        return self.file(name).replace(table, expected=expected)

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
        what = f"table {name!r}"
        _check_frames(rows_by_image_id)
        with_ids = (rows for rows in rows_by_image_id.values() if IMAGE_ID in rows.columns)
        new = [frame_to_table(rows, what=what) for rows in _joined_where_alike(with_ids)]
        declared = [] if like is None else [frame_to_table(like, what=what)]
        return self._commit(name, rows_by_image_id, [*new, *declared], restored=restored)

    def commit_arrow(
        self, name: str, rows_by_image_id: Mapping[str, pa.Table], *, like: pa.Table | None = None
    ) -> ReplacedRows:
        """Replace rows as `commit_rows`, given as Arrow tables."""
        _check_arrow(rows_by_image_id)
        new = [rows for rows in rows_by_image_id.values() if IMAGE_ID in rows.column_names]
        return self._commit(name, rows_by_image_id, [*new, *([] if like is None else [like])])

    def _commit(
        self, name: str, image_ids: Collection[str], new: Sequence[pa.Table], *, restored: bool = False
    ) -> ReplacedRows:
        """Put the rows `new` in the place of all rows of some images."""
        _check_table_name(name, restored=restored)
        file, what = self.file(name), f"table {name!r}"
        while True:
            state = file.state()
            rows = self._as_part(file, state, image_ids, new)
            if rows is not None:
                replaces = file.digest_of(state)
                digest = file.commit_part(rows, state) if len(rows) else replaces
                if digest:
                    return ReplacedRows(rows, digest, replaces, partial(self.load_arrow, name))
                continue
            newest = file.newest(state, without=image_ids)
            state, replaces = newest.state, newest.digest
            others = None if newest.table is None else self._without(newest.table, name, image_ids)
            del newest  # which may be as large as the new table
            kept = [others] if others is not None and (len(others) or not new) else []
            table = concatenate_tables([*kept, *new], what=what)
            _check_ids(table, name)
            if digest := file.commit(table, state):
                return ReplacedRows(table, digest, replaces)

    def _as_part(
        self, file: TableCommits, state: TableState, image_ids: Collection[str], new: Sequence[pa.Table]
    ) -> pa.Table | None:
        """Return the new rows as a part has them, maybe none; None where the whole table is to be written.

        A part has rows of every image that it is about, so that whoever reads the files side by side knows which hold.
        """
        footer, limits = state.footer, self._limits
        if file.key == layout.table_key(layout.SOURCES_TABLE):  # never made again, so it stays one file
            return None
        if footer is None or state.key != file.key or state.number < 0 or footer.n_rows < limits.least_rows or not new:
            return None
        count = sum(len(rows) for rows in new) + sum(part.n_rows for part in state.parts)
        if len(state.parts) >= limits.most_parts or count > limits.most_rows:
            return None
        rows = fitted_rows(concatenate_tables(new, what="the new rows"), footer.schema)
        if rows is None or IMAGE_ID not in rows.column_names or rows[IMAGE_ID].null_count:
            return None
        without_rows = set(image_ids) - set(rows[IMAGE_ID].unique().to_pylist())
        is_free = not without_rows or not len(file.load(columns=[IMAGE_ID], image_ids=without_rows) or ())
        return rows if is_free else None

    def join_parts(self, name: str) -> ReplacedRows | None:
        """Write a table that has parts as one file, with the same rows; None where it has none, and nothing is written."""
        file = self.file(name)
        while (state := file.state()).parts:
            newest = file.newest(state)
            if newest.table is None:
                return None
            if newest.state.parts and (digest := file.commit(newest.table, newest.state)):
                return ReplacedRows(newest.table, digest, newest.digest)
        return None

    def publish_all(self) -> None:
        """Let the own file of each table be what was committed last, for who reads only these."""
        for name in (*self.names(), layout.SOURCES_TABLE):
            self.file(name).publish()

    def delete_rows(self, name: str, image_ids: Collection[str]) -> None:
        """Remove all rows of some images from a table."""
        file = self.file(name)
        while (newest := file.newest()).table is not None:
            if file.commit(self._without(newest.table, name, image_ids), newest.state):
                return

    def names_having(self, image_ids: Collection[str]) -> list[str]:
        """Return the tables, the sources among them, that have rows of these images; raise where one cannot be read."""
        names = [name for name in (*self.names(), layout.SOURCES_TABLE) if self.exists(name)]
        return [name for name in names if self._has_rows_of(name, image_ids)]

    def _has_rows_of(self, name: str, image_ids: Collection[str]) -> bool:
        try:
            return len(self.load(name, columns=[IMAGE_ID], image_ids=image_ids)) > 0
        except (InvalidValueError, TableNotFoundError):  # without images, or set aside by another program since
            return False

    def _found(self, name: str, read: _Read | None) -> _Read:
        if read is None:
            there = ", ".join(map(repr, self.names())) or "none"
            raise TableNotFoundError(f"no table named {name!r}; this dataset has {there}")
        return read

    def _without(self, table: pa.Table, name: str, image_ids: Collection[str]) -> pa.Table:
        """Return the rows of other images."""
        if IMAGE_ID not in table.column_names:
            what = self._blobs.describe(layout.table_key(name))
            raise DamagedError(f"{what} has no column {IMAGE_ID!r}; it has {table.column_names}")
        return without_images(table, image_ids)


def _check_table_name(name: str, *, restored: bool) -> None:
    if layout.part_name(f"{name}{_SUFFIX}"):
        raise InvalidNameError(
            f"table name {name!r} is that of a part of a table; choose one without '.part-' and a number"
        )
    if restored:
        check_restored_name(name, what="table", reserved=(layout.SOURCES_TABLE,))
    else:
        check_name(name, what="table")


def _check_frames(rows_by_image_id: Mapping[str, pd.DataFrame]) -> None:
    for image_id, rows in rows_by_image_id.items():
        if len(rows) and (IMAGE_ID not in rows.columns or set(rows[IMAGE_ID].tolist()) - {image_id}):
            raise _other_ids(image_id)


def _check_arrow(rows_by_image_id: Mapping[str, pa.Table]) -> None:
    """As `_check_frames`; the ids of all rows are compared at once."""
    filled = {image_id: rows for image_id, rows in rows_by_image_id.items() if len(rows)}
    for image_id, rows in filled.items():
        if IMAGE_ID not in rows.column_names:
            raise _other_ids(image_id)
    if not filled:
        return
    said = pa.chunked_array([chunk.cast(pa.string()) for rows in filled.values() for chunk in rows[IMAGE_ID].chunks])
    lengths = [len(rows) for rows in filled.values()]
    expected = pa.array(list(filled), pa.string()).take(pa.array(np.repeat(np.arange(len(filled)), lengths)))
    agree = pc.fill_null(pc.equal(said, expected), False)
    if not pc.all(agree).as_py():
        at = int(np.searchsorted(np.cumsum(lengths), pc.index(agree, False).as_py(), side="right"))
        raise _other_ids(list(filled)[at])


def _other_ids(image_id: str) -> InvalidValueError:
    return InvalidValueError(f"rows for image {image_id} must all have that value in {IMAGE_ID!r}")


def _joined_where_alike(frames: Iterable[pd.DataFrame]) -> list[pd.DataFrame]:
    """Return the frames, one for each run of frames of the same columns and dtypes: each conversion costs a millisecond."""
    runs = itertools.groupby(frames, key=lambda frame: (tuple(frame.columns), tuple(frame.dtypes.tolist())))
    return [pd.concat(run, ignore_index=True) for run in map(list, (frames for _, frames in runs))]


def _check_ids(table: pa.Table, name: str) -> None:
    if IMAGE_ID not in table.column_names or table[IMAGE_ID].null_count:
        raise InvalidValueError(f"table {name!r} needs an {IMAGE_ID!r} in every row; it has {table.column_names}")
