"""The groups of a dataset that is being made, and which dataset they say that they are of.

The rule of this room: the exclusive create of the first group's document decides the dataset's id. So several programs that
make a dataset at once, and one that finishes what a stopped one began, all make the same one.
"""

from kymflow_zarr import layout
from kymflow_zarr.dataset.recognize import GROUPS
from kymflow_zarr.disk.blobs import Blobs
from kymflow_zarr.errors import KymflowZarrError
from kymflow_zarr.formats.places import DATASET
from kymflow_zarr.formats.seals import said_place
from kymflow_zarr.formats.strict_json import MAX_DOCUMENT_BYTES, JsonValue, object_from_bytes
from kymflow_zarr.record.attributes import group_to_bytes
from kymflow_zarr.record.groups import group_place, write_empty_group


def make_groups(blobs: Blobs, dataset_id: str) -> str:
    """Write the groups of an empty dataset, and return its id: the given one, unless another program was faster."""
    first = f"{GROUPS[0]}/{layout.GROUP_DOCUMENT}"
    try:
        blobs.create(first, group_to_bytes({}, of=group_place(blobs, first, dataset_id=dataset_id)))
    except FileExistsError:
        dataset_id = dataset_said(blobs, first) or dataset_id
    for group in GROUPS:
        if dataset_said(blobs, f"{group}/{layout.GROUP_DOCUMENT}") != dataset_id:
            write_empty_group(blobs, group, dataset_id=dataset_id)
    return dataset_id


def dataset_said(blobs: Blobs, key: str) -> str | None:
    """Return the id of the dataset that a group says; None where it says none, or cannot be read."""
    try:
        document = object_from_bytes(blobs.read(key, limit=MAX_DOCUMENT_BYTES), what=key)
    except (KymflowZarrError, OSError):
        return None
    place = said_place(document, holder=layout.ATTRIBUTES)
    name: JsonValue = place.get(DATASET) if isinstance(place, dict) else None
    return name if isinstance(name, str) else None
