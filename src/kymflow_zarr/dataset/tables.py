"""The tables of one dataset, by name: what `Dataset` offers of them.

The rule of this room: the first write makes a dataset that does not exist yet. The sources are no table that anybody else
writes.
"""

from abc import abstractmethod
from collections.abc import Collection, Mapping, Sequence

import pandas as pd
import pyarrow as pa

from kymflow_zarr import layout
from kymflow_zarr.disk.blobs import Blobs
from kymflow_zarr.errors import InvalidNameError
from kymflow_zarr.tables.index import TableIndex, load_table_index, save_table_index
from kymflow_zarr.tables.sources import Sources
from kymflow_zarr.tables.tables import ReplacedRows, Tables


class DatasetTables:
    """The tables in a dataset's folder.

    Parameters
    ----------
    blobs
        The dataset's folder.
    """

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs
        self._tables = Tables(blobs)
        self._sources = Sources(self._tables)

    @abstractmethod
    def _make_sure(self) -> None:
        """Make the dataset where it does not exist yet."""

    def list_table_names(self) -> list[str]:
        """Return the names of the dataset's tables, sorted; the sources are not among them."""
        return self._tables.names()

    def load_table(
        self, name: str, *, columns: Sequence[str] | None = None, image_ids: Collection[str] | None = None
    ) -> pd.DataFrame:
        """Return a dataset table, or a part of it.

        Parameters
        ----------
        name
            One of `list_table_names`.
        columns
            Only these columns, in this order; the others are not read.
        image_ids
            Only these images' rows; other rows are read only where they share a block of the file.

        Raises
        ------
        TableNotFoundError
            When there is none of that name; the message lists those there are.
        InvalidValueError
            When a column is not there; the message lists those there are.
        DamagedError
            When it cannot be read.
        """
        return self._tables.load(name, columns=columns, image_ids=image_ids)

    def count_table_rows(self, name: str) -> int:
        """Return how many rows a dataset table has, reading little; raise as `load_table`."""
        return self._tables.count_rows(name)

    def save_table(self, name: str, df: pd.DataFrame, *, expected: str | None = None) -> str:
        """Write or replace a dataset table whole, and return the digest of its file, as `table_digest`.

        Parameters
        ----------
        name
            The table.
        df
            The rows; each needs an `image_id`.
        expected
            The `table_digest` of what the rows were made from, empty where there was no table; by default not compared.

        Raises
        ------
        ConflictError
            When the table is no longer what was expected; nothing was written.
        """
        self._check_table_name(name)
        self._make_sure()
        return self._tables.save(name, df, expected=expected)

    def replace_rows_for_image_id(self, name: str, image_id: str, df_rows: pd.DataFrame) -> pd.DataFrame:
        """Replace one image's rows in a table and return the whole new table."""
        return self.replace_rows(name, {image_id: df_rows})

    def replace_rows(
        self, name: str, rows_by_image_id: Mapping[str, pd.DataFrame], *, like: pd.DataFrame | None = None
    ) -> pd.DataFrame:
        """Replace the rows of some images in a table with one write, and return the whole new table.

        Another program that replaces rows of the same table at the same time loses nothing by it.

        Parameters
        ----------
        name
            The table; made if it is not there.
        rows_by_image_id
            The new rows; of an image with an empty frame, the rows are removed.
        like
            A frame without rows: the columns, and their types, that the table has even where no row is left.
        """
        return self.commit_rows(name, rows_by_image_id, like=like).table

    def commit_rows(
        self, name: str, rows_by_image_id: Mapping[str, pd.DataFrame], *, like: pd.DataFrame | None = None
    ) -> ReplacedRows:
        """Replace rows as `replace_rows`, and return also which file was replaced by which."""
        self._check_table_name(name)
        self._make_sure()
        return self._tables.commit_rows(name, rows_by_image_id, like=like)

    def load_arrow(
        self, name: str, *, columns: Sequence[str] | None = None, image_ids: Collection[str] | None = None
    ) -> pa.Table:
        """Return a dataset table, or a part of it, as an Arrow table; as `load_table`."""
        return self._tables.load_arrow(name, columns=columns, image_ids=image_ids)

    def commit_arrow(
        self, name: str, rows_by_image_id: Mapping[str, pa.Table], *, like: pa.Table | None = None
    ) -> ReplacedRows:
        """Replace rows as `commit_rows`, given as Arrow tables: nothing becomes a frame."""
        self._check_table_name(name)
        self._make_sure()
        return self._tables.commit_arrow(name, rows_by_image_id, like=like)

    def table_digest(self, name: str) -> str:
        """Return a digest of a table, which changes with every write; empty where there is none. Reads little.

        Raises
        ------
        DamagedError
            When the file cannot be read.
        """
        return self._tables.file(name).digest()

    def is_table_whole(self, name: str) -> bool:
        """Return whether each byte of a table's file is as it was written, by its seal; False where there is no table."""
        return self._tables.file(name).problem(deep=False) is None

    def join_table_parts(self, name: str) -> ReplacedRows | None:
        """Write a table that has parts as one file again, with the same rows; None where it has none."""
        self._check_table_name(name)
        return self._tables.join_parts(name)

    def set_table_aside(self, name: str) -> None:
        """Move a table that cannot be used into the folder `.quarantine`; nothing is deleted."""
        self._check_table_name(name)
        self._make_sure()
        self._tables.file(name).set_aside()

    def load_table_index(self, name: str) -> TableIndex | None:
        """Return what each image's rows in a table were made from; None where that is not known, or cannot be read."""
        return load_table_index(self._blobs, name)

    def save_table_index(self, name: str, index: TableIndex, *, upon: TableIndex | None = None) -> None:
        """Write or replace what each image's rows in a table were made from. Derived: it may be deleted at any time.

        Parameters
        ----------
        name, index
            The table and its index.
        upon
            What `load_table_index` returned. Then `index` has entries of some images only: those of the others hold still.
        """
        self._check_table_name(name)
        self._make_sure()
        save_table_index(self._blobs, name, index, upon=upon)

    def load_sources_index(self) -> pd.DataFrame:
        """Return which file each record came from: one row an imported image, empty before the first import."""
        return self._sources.load()

    @staticmethod
    def _check_table_name(name: str) -> None:
        if name == layout.SOURCES_TABLE:
            raise InvalidNameError(
                f"table name {name!r} is the dataset's own: it says which files the records came from; choose another"
            )
