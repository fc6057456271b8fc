"""A record's metadata as a line of sealed revisions, with a readable copy of the newest.

The rule of this room: the exclusive create of `history/metadata.<n+1>.json` is the commit. A crash before it leaves the
old state, a crash after it the new one, and of two writers one gets `ConflictError`. `metadata.json` is a copy for
people; where its content is no revision's, somebody edited it by hand, and it counts as the next revision.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from kymflow_zarr._blobs import Blobs
from kymflow_zarr._json import JsonObject, canonical_sha256, object_from_bytes, to_readable_bytes
from kymflow_zarr._layout import RECORD_HISTORY, RECORD_METADATA, revision_key, revision_number
from kymflow_zarr.errors import ConflictError, DamagedError, NotSavedError
from kymflow_zarr.schema import utc_now


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """The metadata of a record at one point of its history.

    `number` is -1 before the first save. `committed` is False for an edit by hand that no revision holds yet.
    """

    number: int
    payload: JsonObject
    committed: bool = True

    @property
    def sha256(self) -> str:
        """The digest of the payload's canonical JSON: equal digests, equal metadata."""
        return canonical_sha256(self.payload)


NOTHING_SAVED = Revision(number=-1, payload={})


def load_revision(blobs: Blobs) -> Revision:
    """Return the newest metadata of the record whose folder `blobs` is; `NOTHING_SAVED` where none was saved.

    Raises
    ------
    DamagedError
        When there are revisions and none of them is whole.
    """
    numbers = _numbers(blobs)
    newest = _newest_sound(blobs, numbers)
    by_hand = _readable_copy(blobs)
    if by_hand is None or _is_a_revision(blobs, by_hand, newest, numbers):
        return newest
    return Revision(number=max(numbers, default=-1) + 1, payload=by_hand, committed=False)


def save_revision(blobs: Blobs, payload: JsonObject, *, expected: Revision | None) -> Revision:
    """Commit `payload` as the next revision and return it.

    Parameters
    ----------
    blobs
        The record's folder.
    payload
        The whole metadata.
    expected
        What the caller's change was made from; None to save over whatever is there.

    Raises
    ------
    ConflictError
        When the metadata are no longer what was expected, or another writer committed at the same moment.
    InvalidValueError
        When the payload is not strict JSON.
    """
    text = to_readable_bytes(payload, what="metadata")
    # Counted before the metadata are read: a revision that appears in between then takes the number, and is not lost.
    number = max(_numbers(blobs), default=-1) + 1
    current = load_revision(blobs)
    if expected is not None and current.sha256 != expected.sha256:
        raise ConflictError(
            f"not saved: {blobs.describe(RECORD_METADATA)} was changed by another program since it was read "
            f"(revision {expected.number} then, {current.number} now); load it again and repeat the change"
        )
    if not current.committed:
        _commit(blobs, current.payload, number)
        number += 1
    _commit(blobs, payload, number)
    # Where the copy fails it is saved all the same: the commit stands, and the copy that is left is an older revision's,
    # which every reader recognises.
    with suppress(NotSavedError):
        blobs.write(RECORD_METADATA, text)
    return Revision(number=number, payload=payload)


def _commit(blobs: Blobs, payload: JsonObject, number: int) -> None:
    sealed: JsonObject = {
        "revision": number,
        "saved_utc": utc_now(),
        "sha256": canonical_sha256(payload),
        "metadata": payload,
    }
    try:
        blobs.create(revision_key(number), to_readable_bytes(sealed, what="metadata"))
    except FileExistsError as error:
        raise ConflictError(
            f"not saved: another program saved revision {number} of {blobs.describe(RECORD_METADATA)} at the same moment; "
            "load it again and repeat the change"
        ) from error


def _numbers(blobs: Blobs) -> list[int]:
    found = (revision_number(name) for name in blobs.names(RECORD_HISTORY))
    return sorted(number for number in found if number is not None)


def _newest_sound(blobs: Blobs, numbers: list[int]) -> Revision:
    for number in reversed(numbers):
        payload = _sealed_payload(blobs, number)
        if payload is not None:
            return Revision(number=number, payload=payload)
    if numbers:
        raise DamagedError(
            f"none of the {len(numbers)} revisions in {blobs.describe(RECORD_HISTORY)} is whole; restore one from a backup"
        )
    return NOTHING_SAVED


def _sealed_payload(blobs: Blobs, number: int) -> JsonObject | None:
    """Return a revision's payload, or None where its seal is broken."""
    key = revision_key(number)
    try:
        sealed = object_from_bytes(blobs.read(key), what=blobs.describe(key))
    except DamagedError:
        return None
    payload = sealed.get("metadata")
    return payload if isinstance(payload, Mapping) and canonical_sha256(payload) == sealed.get("sha256") else None


def _is_a_revision(blobs: Blobs, copy: JsonObject, newest: Revision, numbers: list[int]) -> bool:
    """Return whether the readable copy is a revision's; older ones are read only where it is not the newest's."""
    digest = canonical_sha256(copy)
    if digest == newest.sha256:
        return True
    payloads = (_sealed_payload(blobs, number) for number in reversed(numbers))
    return any(payload is not None and canonical_sha256(payload) == digest for payload in payloads)


def _readable_copy(blobs: Blobs) -> JsonObject | None:
    """Return `metadata.json`, or None where it is missing or torn: then the history alone speaks."""
    try:
        return object_from_bytes(blobs.read(RECORD_METADATA), what=blobs.describe(RECORD_METADATA))
    except (FileNotFoundError, DamagedError):
        return None
