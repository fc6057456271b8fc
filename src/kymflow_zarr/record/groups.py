"""Groups that only tell other tools that there is a group, and which record or dataset they are of.

Derived: a repair makes them again.
"""

from kymflow_zarr.disk.blobs import Blobs
from kymflow_zarr.disk.keys import inside
from kymflow_zarr.formats.places import DATASET, place_note
from kymflow_zarr.formats.strict_json import JsonObject
from kymflow_zarr.layout import GROUP_DOCUMENT
from kymflow_zarr.record.attributes import group_to_bytes


def group_place(blobs: Blobs, key: str, *, dataset_id: str | None = None) -> JsonObject | None:
    """Return what the document `key` of a group says of its place: of a record, or of the dataset with an id."""
    of = place_note(blobs.place(key))
    return of if of is None or dataset_id is None else {**of, DATASET: dataset_id}


def write_empty_group(blobs: Blobs, folder: str, *, dataset_id: str | None = None) -> None:
    """Write the document of a group without attributes."""
    key = inside(folder, GROUP_DOCUMENT)
    blobs.write(key, group_to_bytes({}, of=group_place(blobs, key, dataset_id=dataset_id)))
