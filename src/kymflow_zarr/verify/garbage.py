"""What nothing needs any more: staging left-overs, and arrays that belong to metadata that no revision has.

The rule of this room: nothing younger than a day is garbage, since somebody may be about to refer to it; and an array is
garbage only if it was saved as a part of the metadata. What people saved by name is theirs, whoever refers to it.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress

from kymflow_zarr import layout
from kymflow_zarr.disk.blobs import Blobs
from kymflow_zarr.disk.staging import place_of
from kymflow_zarr.errors import KymflowZarrError, NotSavedError
from kymflow_zarr.formats.strict_json import JsonValue
from kymflow_zarr.record.record import ZarrImageRecord
from kymflow_zarr.record.revisions import list_revisions, load_history

GARBAGE_AFTER_SECONDS = 24 * 3600


def delete_garbage(blobs: Blobs, image_ids: Sequence[str]) -> list[str]:
    """Delete what a dataset no longer needs, and return where it was; what another program deletes too is not in it."""
    deleted = []
    for key in find_garbage(blobs, image_ids):
        try:
            blobs.delete(key)
        except NotSavedError as error:
            if not blobs.is_taken_away(key, error):
                raise
        else:
            deleted.append(key)
    return deleted


def find_garbage(blobs: Blobs, image_ids: Sequence[str]) -> list[str]:
    """Return the keys of what a dataset no longer needs."""
    now = blobs.now()
    keys = [f"{layout.STAGING}/{name}" for name in blobs.names(layout.STAGING) if not name.startswith("replaced-")]
    for image_id in image_ids:
        with suppress(KymflowZarrError, OSError):  # a record that cannot be read keeps all that it has
            keys += list(_orphans(blobs, image_id))
    return [key for key in keys if _is_old(blobs, key, now)]


def _orphans(blobs: Blobs, image_id: str) -> Iterator[str]:
    """Yield the arrays of a record that belong to its metadata, and that no revision names."""
    folder = blobs.sub(layout.record_key(image_id))
    record = ZarrImageRecord(folder, image_id)
    before = list_revisions(folder)
    held = [name for name in record.list_array_artifacts() if record.is_held_by_metadata(name)]
    history = load_history(folder) if held else []
    whole = {revision.number for revision in history}
    numbers = list_revisions(folder)
    if numbers != before:
        return  # saved just now, or moved away while it was looked at: then no revision was seen, and each names masks
    if not whole.issuperset(numbers) or numbers != list(range(len(numbers))):
        return  # a damaged revision, or one that a repair set aside, may name anything
    if _is_set_aside(blobs, f"{layout.record_key(image_id)}/{layout.RECORD_METADATA}"):
        return  # so may metadata that no revision has
    named = {text for revision in history for text in _texts(revision.payload)}
    for name in held:
        if layout.array_group_key(name) not in named:
            yield f"{layout.record_key(image_id)}/{layout.array_group_key(name)}"


def _is_set_aside(blobs: Blobs, place: str) -> bool:
    return any(place_of(name) == place for name in blobs.names(layout.QUARANTINE))


def _is_old(blobs: Blobs, key: str, now: float) -> bool:
    try:
        return blobs.age_seconds(key, now=now) > GARBAGE_AFTER_SECONDS
    except FileNotFoundError:
        return False


def _texts(value: JsonValue) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, Sequence):
        for item in value:
            yield from _texts(item)
