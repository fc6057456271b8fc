"""A record of which each file is read once: all answers about it are of one moment.

The rule of this room: what was read is never read again, so a handle is for one question and not for keeping.
"""

from typing import Self

from kymflow_zarr.disk.blobs import Blobs
from kymflow_zarr.formats.parquet import ParquetBytes
from kymflow_zarr.formats.parquet_limits import MAX_PARQUET_BYTES
from kymflow_zarr.record.record import ZarrImageRecord
from kymflow_zarr.record.revisions import Revision, load_revision


class HeldRecord(ZarrImageRecord):
    """A handle that reads each artifact, and the metadata, once; it does not see what is saved later.

    Parameters are those of `ZarrImageRecord`; get one from `ZarrDataset.held_record`.
    """

    def __init__(self, blobs: Blobs, image_id: str) -> None:
        super().__init__(blobs, image_id)
        self._stamps: dict[str, str] = {}
        self._numbers: list[int] | None = None
        self._files: dict[str, bytes] = {}
        self._opened: dict[str, ParquetBytes] = {}
        self._keys: list[str] | None = None
        self._revision: Revision | None = None

    def again(self) -> Self:
        """Return a handle to the same record that has read nothing yet."""
        return type(self)(self._blobs, self.image_id)

    def list_analysis_keys(self) -> list[str]:
        """Return the keys as they were when they were asked for first."""
        if self._keys is None:
            self._keys = super().list_analysis_keys()
        return list(self._keys)

    def load_revision(self) -> Revision:
        """Return the metadata as they were when they were asked for first."""
        if self._revision is None:
            self._check_there()
            self._revision = load_revision(self._blobs, self._list_numbers())
        return self._revision

    def _stamp(self, key: str) -> str:
        if key not in self._stamps:
            self._stamps[key] = super()._stamp(key)
        return self._stamps[key]

    def _list_numbers(self) -> list[int]:
        if self._numbers is None:
            self._numbers = super()._list_numbers()
        return self._numbers

    def _file(self, key: str, *, limit: int = MAX_PARQUET_BYTES) -> bytes:
        if key not in self._files:
            self._files[key] = super()._file(key, limit=limit)
        return self._files[key]

    def _parquet(self, key: str) -> ParquetBytes:
        if key not in self._opened:
            self._opened[key] = super()._parquet(key)
        return self._opened[key]
