"""Records that somebody removed: whole folders in the dataset's trash, from where they can be put back.

The rule of this room: nothing in the trash is ever deleted or changed. A record comes back under its own id.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from kymflow_zarr import layout
from kymflow_zarr.disk.blobs import Blobs
from kymflow_zarr.disk.staging import place_of
from kymflow_zarr.errors import KymflowZarrError
from kymflow_zarr.record.record import ZarrImageRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class RemovedRecord:
    """A record in the trash; `name` is empty where its metadata have none, or cannot be read."""

    image_id: str
    key: str
    name: str


def list_removed(blobs: Blobs) -> list[RemovedRecord]:
    """Return the records in the trash, sorted by their names; of one that was removed twice, each time."""
    found = []
    for entry in blobs.names(layout.TRASH):
        key = f"{layout.TRASH}/{entry}"
        folder, _, image_id = (place_of(key) or "").rpartition("/")
        if folder == layout.IMAGES and image_id:
            name = _name_in(blobs.sub(key, place=layout.record_key(image_id)), image_id)
            found.append(RemovedRecord(image_id=image_id, key=key, name=name))
    return sorted(found, key=lambda removed: (removed.name, removed.image_id, removed.key))


def _name_in(folder: Blobs, image_id: str) -> str:
    try:
        header = ZarrImageRecord(folder, image_id).load_revision().payload.get("header")
    except (KymflowZarrError, OSError):
        return ""
    name = header.get("name") if isinstance(header, Mapping) else None
    return name if isinstance(name, str) else ""
