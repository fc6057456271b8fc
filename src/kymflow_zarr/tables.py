"""Dataset-level tables: one Parquet file each, replaced whole.

Derived, except `sources`: an indexer can rebuild every other table. The rule of this room: a batch is one write.
"""

from collections.abc import Mapping

import pandas as pd

from kymflow_zarr import _layout
from kymflow_zarr._blobs import Blobs
from kymflow_zarr._frames import concatenate_frames, frame_from_parquet, frame_to_parquet
from kymflow_zarr._names import check_name
from kymflow_zarr.errors import InvalidValueError, TableNotFoundError

IMAGE_ID = "image_id"
_SUFFIX = ".parquet"


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
        files = self._blobs.names(_layout.TABLES)
        names = [name.removesuffix(_SUFFIX) for name in files if name.endswith(_SUFFIX)]
        return [name for name in names if name != _layout.SOURCES_TABLE]

    def exists(self, name: str) -> bool:
        """Return whether there is a table of that name."""
        return self._blobs.exists(_layout.table_key(name))

    def load(self, name: str) -> pd.DataFrame:
        """Return a table; raise `TableNotFoundError` with the names that are there."""
        key = _layout.table_key(name)
        try:
            data = self._blobs.read(key)
        except FileNotFoundError as error:
            there = ", ".join(map(repr, self.names())) or "none"
            raise TableNotFoundError(f"no table named {name!r}; this dataset has {there}") from error
        return frame_from_parquet(data, what=self._blobs.describe(key))

    def save(self, name: str, frame: pd.DataFrame) -> None:
        """Write or replace a table whole.

        Raises
        ------
        InvalidValueError
            When a row has no `image_id`.
        """
        check_name(name, what="table")
        if IMAGE_ID not in frame.columns or frame[IMAGE_ID].isna().to_numpy().any():
            raise InvalidValueError(f"table {name!r} needs an {IMAGE_ID!r} in every row; it has {list(frame.columns)}")
        self._blobs.write(_layout.table_key(name), frame_to_parquet(frame, what=f"table {name!r}"))

    def replace_rows(self, name: str, rows_by_image_id: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
        """Replace all rows of some images with one write, and return the whole new table.

        The other images' rows keep their order and come first. A table that does not exist begins empty.
        """
        frame = self.with_rows(self.load(name) if self.exists(name) else None, rows_by_image_id, what=f"table {name!r}")
        self.save(name, frame)
        return frame

    @staticmethod
    def with_rows(frame: pd.DataFrame | None, rows_by_image_id: Mapping[str, pd.DataFrame], *, what: str) -> pd.DataFrame:
        """Return `frame` with all rows of some images replaced: pure."""
        for image_id, rows in rows_by_image_id.items():
            if IMAGE_ID not in rows.columns or not bool((rows[IMAGE_ID] == image_id).all()):
                raise InvalidValueError(f"rows for image {image_id} must all have that value in {IMAGE_ID!r}")
        kept = [] if frame is None else [frame[~frame[IMAGE_ID].isin(list(rows_by_image_id))]]
        return concatenate_frames([*kept, *rows_by_image_id.values()], what=what)
