"""Which record a readable copy of metadata is of, wherever it lies: a copy has no seal, since people may edit it."""

import hashlib
from collections.abc import Iterator

from kymflow_zarr.dataset.dataset import Dataset
from kymflow_zarr.disk.blobs import Blobs
from kymflow_zarr.errors import KymflowZarrError
from kymflow_zarr.formats.strict_json import MAX_BYTES
from kymflow_zarr.layout import RECORD_METADATA, record_key
from kymflow_zarr.record.revision_checks import is_torn
from kymflow_zarr.record.revisions import list_revisions, sealed_revision


class Owners:
    """Whose readable copies there are, by the digests that revisions have of them.

    All records are looked at, but only for a file that nothing else explains.

    Parameters
    ----------
    blobs, dataset
        The dataset's folder, and the dataset.
    """

    def __init__(self, blobs: Blobs, dataset: Dataset) -> None:
        self._blobs = blobs
        self._dataset = dataset

    def owner(self, folder: Blobs) -> str | None:
        """Return which other record's copy lies in the place of a record's own, byte for byte; None where none does.

        Where a revision of the record is torn, the copy may be the only one that still has what that had: None.
        """
        digest = _digest(folder, RECORD_METADATA)
        if digest is None or digest in _copies(folder) or any(is_torn(folder, one) for one in list_revisions(folder)):
            return None
        return self._find(digest)

    def copied(self, folder: Blobs, key: str) -> str | None:
        """Return of which record a file in a record's folder is the readable copy, byte for byte; None where of none."""
        digest = _digest(folder, key)
        return None if digest is None else self._find(digest)

    def _find(self, digest: str) -> str | None:
        folders = ((one, self._blobs.sub(record_key(one))) for one in self._dataset.list_image_ids())
        return next((image_id for image_id, folder in folders if digest in _copies(folder)), None)


def _digest(folder: Blobs, key: str) -> str | None:
    try:
        return hashlib.sha256(folder.read(key, limit=MAX_BYTES)).hexdigest()
    except (KymflowZarrError, OSError):
        return None


def _copies(folder: Blobs) -> Iterator[str]:
    """Yield the digests of the readable copies of a record's revisions, the newest first."""
    try:
        for number in reversed(list_revisions(folder)):
            if (revision := sealed_revision(folder, number)) is not None:
                yield revision.copy_sha256
    except (KymflowZarrError, OSError):
        return
