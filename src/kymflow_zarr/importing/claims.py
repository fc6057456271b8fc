"""What another import may have added since this one began, so that nothing is added twice.

The rule of this room: an import is present in the dataset until the sources table has what it added. So if no other import
is present and the table has not changed, nobody has added anything, and the records need not be listed again.
"""

from contextlib import suppress
from threading import Lock

from kymflow_zarr import layout
from kymflow_zarr.dataset.dataset import Dataset
from kymflow_zarr.disk.presence import Presence
from kymflow_zarr.errors import DamagedError, KymflowZarrError, RecordNotFoundError
from kymflow_zarr.record.record import ZarrImageRecord
from kymflow_zarr.tables.sources import Source


class Claims:
    """The records that were added since an import began; made before it looks which files are known.

    Parameters
    ----------
    dataset
        The dataset.
    """

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset
        self._lock = Lock()
        self._table: str | None = None  # so that the first question lists the records, after this import is present
        self._seen = set(dataset.list_image_ids())
        self._images: set[tuple[str, str]] = set()

    def note(self, image_id: str) -> None:
        """Take a record for one that this import added itself."""
        with self._lock:
            self._seen.add(image_id)

    def is_taken(self, where: str, presence: Presence, image: str = "") -> bool:
        """Return whether a record added since has this file, or image in it; call it while the file is claimed."""
        has_company = presence.has_company()
        with self._lock:
            # Read before the records are listed: whoever wrote the table by then has its records in the list.
            table = self._table_digest()
            if has_company or table != self._table:
                for image_id in set(self._dataset.list_image_ids()) - self._seen:
                    with suppress(RecordNotFoundError):  # deleted in between
                        own = provenance_of(self._dataset.record(image_id))
                        self._images |= {(own.source_primary_path, own.source_image)} if own else set()
                    self._seen.add(image_id)
                self._table = table
            return (where, image) in self._images

    def _table_digest(self) -> str:
        try:
            return self._dataset.table_digest(layout.SOURCES_TABLE)
        except DamagedError:
            return ""


def provenance_of(record: ZarrImageRecord) -> Source | None:
    """Return what a record itself notes of its file; None where it notes nothing, or that cannot be read."""
    try:
        return Source.from_json(record.load_json(layout.PROVENANCE), where=f"provenance of {record.image_id}")
    except (KymflowZarrError, OSError):
        return None
