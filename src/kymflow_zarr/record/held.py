"""A record of which each file is read once: all answers about it are of one moment.

The rule of this room: what was read is never read again, so a handle is for one question and not for keeping.
"""

from collections.abc import Callable, Hashable
from functools import partial
from typing import Any, Self, TypeVar

from kymflow_zarr import layout
from kymflow_zarr.disk.blobs import Blobs
from kymflow_zarr.errors import KymflowZarrError
from kymflow_zarr.formats.parquet import ParquetBytes
from kymflow_zarr.formats.parquet_limits import MAX_PARQUET_BYTES
from kymflow_zarr.formats.strict_json import JsonValue, copied
from kymflow_zarr.record.attributes import RecordAttributes
from kymflow_zarr.record.record import ZarrImageRecord
from kymflow_zarr.record.revisions import Revision, load_revision

_Read = TypeVar("_Read")


class HeldRecord(ZarrImageRecord):
    """A handle that reads each artifact, the metadata and the attributes once; it does not see what is saved later.

    What it gives may be changed: nobody else who asks gets that. Parameters are those of `ZarrImageRecord`; get one from
    `ZarrDataset.held_record`.
    """

    def __init__(self, blobs: Blobs, image_id: str) -> None:
        super().__init__(blobs, image_id)
        self._held: dict[Hashable, Any] = {}

    def again(self) -> Self:
        """Return a handle to the same record that has read nothing yet."""
        return type(self)(self._blobs, self.image_id)

    def moment(self) -> str:
        """Return what changes whenever a file of the record does, but for single chunks of its pixels; reads no content.

        Where another handle, made `again` after all was read, gives the same, all that was read is of one moment.
        """
        try:
            keys = self.list_analysis_keys()
            stamp = self.file_stamp([layout.METADATA_KEY, layout.MASKS_KEY, layout.PIXELS_KEY, *keys])
            moved = self._stamp("")  # of the folder: it changes where the record is moved into the trash and back
            self._check_there()
        except (KymflowZarrError, OSError) as error:
            return str(error)
        return f"{keys} {stamp} {moved}"

    def list_analysis_keys(self) -> list[str]:
        """Return the keys as they were when they were asked for first."""
        return list(self._once("keys", super().list_analysis_keys))

    def load_attributes(self) -> RecordAttributes:
        """Return the axes and the time of creation as they were when they were asked for first."""
        return self._once("attributes", super().load_attributes)

    def get_shape(self) -> tuple[int, ...]:
        """Return the shape of the pixels as it was when it was asked for first."""
        return self._once("shape", super().get_shape)

    def load_revision(self) -> Revision:
        """Return the metadata as they were when they were asked for first."""
        return self._once("revision", self._load_revision)

    def load_metadata_payload(self, *, revision: int | None = None) -> dict[str, JsonValue]:
        """Return the metadata as they were when they were asked for first; an earlier revision as it is."""
        if revision is not None:
            return super().load_metadata_payload(revision=revision)
        return {key: copied(item) for key, item in self.load_revision().payload.items()}

    def _load_revision(self) -> Revision:
        self._check_there()
        return load_revision(self._blobs, self._list_numbers())

    def _stamp(self, key: str) -> str:
        return self._once(("stamp", key), partial(super()._stamp, key))

    def _list_numbers(self) -> list[int]:
        return self._once("numbers", super()._list_numbers)

    def _file(self, key: str, *, limit: int = MAX_PARQUET_BYTES) -> bytes:
        return self._once(("file", key), partial(super()._file, key, limit=limit))

    def _parquet(self, key: str) -> ParquetBytes:
        return self._once(("parquet", key), partial(super()._parquet, key))

    def _once(self, what: Hashable, read: Callable[[], _Read]) -> _Read:
        if what not in self._held:
            self._held[what] = read()
        held: _Read = self._held[what]
        return held
