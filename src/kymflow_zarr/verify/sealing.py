"""Repairs that write a file again as it is, with a seal that says where it belongs.

The rule of this room: nothing but the seal changes, and a file that another program has replaced in between is left.
"""

from collections.abc import Callable, Collection
from functools import partial

from kymflow_zarr.arrays.arrays import CHUNKS_SHA256, digest_chunks
from kymflow_zarr.disk.blobs import Blobs
from kymflow_zarr.errors import ConflictError
from kymflow_zarr.formats.parquet_limits import MAX_PARQUET_BYTES
from kymflow_zarr.formats.places import place_note
from kymflow_zarr.formats.seals import SEAL
from kymflow_zarr.formats.strict_json import MAX_BYTES, JsonObject, object_from_bytes, to_readable_bytes
from kymflow_zarr.layout import ATTRIBUTES
from kymflow_zarr.record.artifact_files import bind_file
from kymflow_zarr.record.attributes import seal_again
from kymflow_zarr.record.revisions import bind_revision


def seal_revision(blobs: Blobs, key: str, number: int) -> None:
    """Seal the file of a revision."""
    rewrite(blobs, key, partial(bind_revision, blobs, number))


def seal_artifact(blobs: Blobs, key: str) -> None:
    """Seal the file of an artifact."""
    rewrite(blobs, key, lambda data: bind_file(key, data, what=blobs.describe(key), of=place_note(blobs.place(key))))


def seal_group(blobs: Blobs, key: str, *, ours: Collection[str], of: JsonObject | None) -> None:
    """Seal the document of a group, around what other programs noted in it."""

    def seal(data: bytes) -> bytes:
        document = object_from_bytes(data, what=blobs.describe(key))
        return to_readable_bytes(seal_again(document, ours=ours, of=of), what=key)

    rewrite(blobs, key, seal)


def seal_array(blobs: Blobs, folder: str, key: str) -> None:
    """Seal the document `key` of the array in a folder, with a digest of its chunks."""

    def seal(data: bytes) -> bytes:
        digest = digest_chunks(blobs, folder)  # within `rewrite`, which sees where the array is replaced meanwhile
        document = object_from_bytes(data, what=blobs.describe(key))
        attributes = document.get(ATTRIBUTES)
        known = dict(attributes) if isinstance(attributes, dict) else {}
        reserved = known.get(SEAL)
        noted = {**(reserved if isinstance(reserved, dict) else {}), CHUNKS_SHA256: digest}
        marked = {**document, ATTRIBUTES: {**known, SEAL: noted}}
        return to_readable_bytes(seal_again(marked, ours=(), of=place_note(blobs.place(key))), what=key)

    rewrite(blobs, key, seal)


def renew_line_ends(blobs: Blobs, key: str) -> None:
    """Give a JSON file its own line ends back."""
    rewrite(blobs, key, lambda data: data.replace(b"\r\n", b"\n"))


def rewrite(blobs: Blobs, key: str, change: Callable[[bytes], bytes]) -> None:
    """Replace a file by another form of it; raise `ConflictError` where another program has replaced it in between."""
    before = blobs.stamp(key)
    data = change(blobs.read(key, limit=MAX_BYTES if key.endswith(".json") else MAX_PARQUET_BYTES))
    if blobs.stamp(key) != before:
        raise ConflictError("another program has written it since it was looked at")
    blobs.write(key, data)
