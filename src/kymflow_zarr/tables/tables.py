"""Dataset-level tables: one Parquet file each, replaced whole, and no row of two writers is ever lost.

Derived, except `sources`: an indexer can rebuild every other table. The rule of this room: a batch is one write, and a
commit of `table_file`, made again upon the rows of a program that commits at the same time.
"""

import itertools
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from kymflow_zarr import layout
from kymflow_zarr.disk.blobs import Blobs
from kymflow_zarr.disk.foreign_files import is_foreign
from kymflow_zarr.errors import DamagedError, InvalidValueError, TableNotFoundError
from kymflow_zarr.formats.arrow_tables import concatenate_tables
from kymflow_zarr.formats.frames import frame_to_table, table_to_frame
from kymflow_zarr.formats.parquet import parquet_place, read_notes, read_parts, table_from_parquet
from kymflow_zarr.formats.parquet_limits import MAX_PARQUET_BYTES
from kymflow_zarr.formats.places import check_place
from kymflow_zarr.formats.strict_json import JsonObject
from kymflow_zarr.names import check_name, check_restored_name
from kymflow_zarr.tables.table_file import IMAGE_ID, TableFile

_SUFFIX = ".parquet"

_Read = TypeVar("_Read")


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
        tables = [name for name in files if name.endswith(_SUFFIX) and not is_foreign(name, files)]
        names = {name.removesuffix(_SUFFIX) for name in tables}
        return sorted(names - {layout.SOURCES_TABLE})

    def file(self, name: str) -> TableFile:
        """Return the file of a table, with its commits; it need not exist."""
        return TableFile(self._blobs, name)

    def set_aside(self, key: str) -> None:
        """Move something that lies among the tables into the quarantine."""
        self._blobs.set_aside(key)

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
        for what, given in (("columns", columns), ("image_ids", image_ids)):
            if isinstance(given, str):
                raise InvalidValueError(f"{what} must be a list, not the text {given!r}; use [{given!r}]")
        file = self.file(name)
        return self._found(name, file.read(lambda key: self._read(key, columns, image_ids, file.of)))

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
        _check_table_name(name, restored=restored)
        new = _rows_to_tables(name, rows_by_image_id)
        if like is not None:
            new.append(frame_to_table(like, what=f"table {name!r}"))
        file = self.file(name)
        while True:
            newest = file.newest()
            others = None if newest.table is None else self._without(newest.table, name, rows_by_image_id)
            kept = [others] if others is not None and (len(others) or not new) else []
            table = concatenate_tables([*kept, *new], what=f"table {name!r}")
            _check_ids(table, name)
            if digest := file.commit(table, newest.state):
                return ReplacedRows(table_to_frame(table, what=f"table {name!r}"), digest, newest.digest)

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
        except InvalidValueError:  # another program's table, without images
            return False

    def _found(self, name: str, read: _Read | None) -> _Read:
        if read is None:
            there = ", ".join(map(repr, self.names())) or "none"
            raise TableNotFoundError(f"no table named {name!r}; this dataset has {there}")
        return read

    def _read(
        self, key: str, columns: Sequence[str] | None, image_ids: Collection[str] | None, of: JsonObject | None
    ) -> pd.DataFrame:
        what = self._blobs.describe(key)
        if columns is None and image_ids is None:
            data = self._blobs.read(key, limit=MAX_PARQUET_BYTES)
            return table_to_frame(table_from_parquet(data, what=what, of=of), what=what)
        only = None if image_ids is None else (IMAGE_ID, image_ids)
        with self._blobs.open(key) as file:
            check_place(parquet_place(read_notes(file, what=what), what=what), of, what=what)
            return table_to_frame(read_parts(file, what=what, columns=columns, only=only), what=what)

    def _without(self, table: pa.Table, name: str, image_ids: Collection[str]) -> pa.Table:
        """Return the rows of other images."""
        if IMAGE_ID not in table.column_names:
            what = self._blobs.describe(layout.table_key(name))
            raise DamagedError(f"{what} has no column {IMAGE_ID!r}; it has {table.column_names}")
        gone = pc.is_in(table[IMAGE_ID].cast(pa.string()), pa.array(list(image_ids), pa.string()))
        return table.filter(pc.invert(gone))


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


def _check_ids(table: pa.Table, name: str) -> None:
    if IMAGE_ID not in table.column_names or table[IMAGE_ID].null_count:
        raise InvalidValueError(f"table {name!r} needs an {IMAGE_ID!r} in every row; it has {table.column_names}")
