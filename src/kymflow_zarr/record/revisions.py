"""A record's metadata as a line of sealed revisions, with a readable copy of the newest.

The rule of this room: the exclusive create of `history/metadata.<n+1>.json` is the commit. A crash before it leaves the
old state, a crash after it the new one, and of two writers one gets `ConflictError`. `metadata.json` is a copy for
people; where its content is no revision's, somebody edited it by hand, and it counts as the next revision.
"""

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from kymflow_zarr.disk.blobs import Blobs
from kymflow_zarr.errors import ArtifactNotFoundError, ConflictError, DamagedError, KymflowZarrError, RecordNotFoundError
from kymflow_zarr.formats.places import check_place, place_note, place_problem
from kymflow_zarr.formats.seals import SEAL, SHA256, other_kind, said_place, seal_document
from kymflow_zarr.formats.strict_json import (
    MAX_BYTES,
    JsonObject,
    canonical_sha256,
    object_from_bytes,
    to_readable_bytes,
)
from kymflow_zarr.layout import (
    LAST_NUMBER,
    RECORD_HISTORY,
    RECORD_METADATA,
    revision_key,
    revision_number,
)
from kymflow_zarr.record.attributes import utc_now

REVISION = "revision"
FOLLOWS = "follows"
"""The number of the revision that a revision was saved upon; -1 where there was none."""
COPY_SHA256 = "copy_sha256"
RECENT = 8
"""How many revisions back a copy of ours may be that another program is slow to replace."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """The metadata of a record at one point of its history.

    `number` is -1 before the first save. `committed` is False for an edit by hand that no revision holds yet.
    """

    number: int
    payload: JsonObject
    committed: bool = True
    saved_utc: str = ""
    follows: int | None = None
    """Which revision it was saved upon, -1 for none; None in revisions of an earlier version of the program."""
    copy_sha256: str = ""
    """The digest of the readable copy's bytes; empty in revisions of an earlier version of the program."""

    sealed_sha256: str = field(default="", compare=False, repr=False)
    """The digest that the payload was compared with when it was read."""

    @property
    def sha256(self) -> str:
        """The digest of the payload's canonical JSON: equal digests, equal metadata."""
        return self.sealed_sha256 or canonical_sha256(self.payload)


NOTHING_SAVED = Revision(number=-1, payload={})


def load_revision(blobs: Blobs, numbers: list[int] | None = None) -> Revision:
    """Return the newest metadata of the record whose folder `blobs` is; `NOTHING_SAVED` where none was saved.

    Raises
    ------
    DamagedError
        When there are revisions and none of them is whole, or there is none and `metadata.json` cannot be read.
    """
    numbers = list_revisions(blobs) if numbers is None else numbers
    while True:
        newest = _load_listed(blobs, numbers)
        # What looks like an edit by hand may be the readable copy of a revision that came since they were listed.
        now = numbers if newest.committed else list_revisions(blobs)
        if now == numbers:
            return newest
        numbers = now


def _load_listed(blobs: Blobs, numbers: list[int]) -> Revision:
    """Return the newest metadata, where the revisions have these numbers."""
    if not numbers:
        return _load_without_history(blobs)
    newest = _newest_sound(blobs, numbers)
    data = _copy_bytes(blobs)
    if newest.copy_sha256 and hashlib.sha256(data).hexdigest() == newest.copy_sha256:
        return newest
    by_hand = _copy_from_bytes(blobs, data)
    if by_hand is None or _is_a_revision(blobs, data, by_hand, newest, numbers):
        return newest
    return Revision(number=max(numbers, default=-1) + 1, payload=by_hand, committed=False, follows=newest.number)


def read_metadata_file(blobs: Blobs, key: str) -> bytes:
    """Return a file's bytes; raise `DamagedError` also where a folder lies in its place."""
    try:
        return blobs.read(key, limit=MAX_BYTES)
    except IsADirectoryError as error:
        raise DamagedError(f"{blobs.describe(key)} is a folder; a file should be there") from error


def _load_without_history(blobs: Blobs) -> Revision:
    """Return what `metadata.json` alone says, which somebody else wrote."""
    try:
        data = read_metadata_file(blobs, RECORD_METADATA)
    except FileNotFoundError:
        return NOTHING_SAVED
    payload = copy_from_bytes(data, what=blobs.describe(RECORD_METADATA))
    return Revision(number=0, payload=payload, committed=False)


def load_history(blobs: Blobs) -> list[Revision]:
    """Return all whole revisions, the oldest first; an edit by hand that no revision holds yet comes last."""
    found = [one for number in list_revisions(blobs) if (one := sealed_revision(blobs, number))]
    newest = load_revision(blobs)
    return found if newest.committed else [*found, newest]


def load_numbered(blobs: Blobs, number: int) -> Revision:
    """Return one revision.

    Raises
    ------
    ArtifactNotFoundError
        When there is none of that number; the message lists those there are.
    DamagedError
        When its seal is broken.
    """
    return _numbered(blobs, number)[0]


def _numbered(blobs: Blobs, number: int) -> tuple[Revision, bytes]:
    """Return one revision and its file; raise as `load_numbered`."""
    where = blobs.describe(RECORD_METADATA)
    data = _revision_file(blobs, number)
    found = None if data is None else _revision_from_bytes(blobs, number, data)
    if found is not None and data is not None:
        return found, data
    numbers = list_revisions(blobs)
    if number not in numbers:
        there = f"{numbers[0]} to {numbers[-1]}" if numbers else "none"
        raise ArtifactNotFoundError(f"no revision {number} of {where}; there are {there}")
    raise DamagedError(f"revision {number} of {where} is damaged; load another, or restore it from a backup")


def save_revision(blobs: Blobs, payload: JsonObject, *, expected: Revision | None) -> Revision:
    """Commit `payload` as the next revision and return it.

    Saving what is there already is no conflict: a save that was reported as not saved can be repeated.

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
    numbers = list_revisions(blobs)
    number = max(numbers, default=-1) + 1
    current = load_revision(blobs, numbers)
    if expected is not None and current.sha256 not in (expected.sha256, canonical_sha256(payload)):
        raise ConflictError(
            f"not saved: {blobs.describe(RECORD_METADATA)} was changed by another program since it was read "
            f"(revision {expected.number} then, {current.number} now); load it again and repeat the change"
        )
    upon = current.number
    if not current.committed:
        upon = _commit_edit(blobs, current, number, numbers)
        number += 1
    saved = _commit(blobs, payload, number, upon, text)
    # Where the copy fails the save is done all the same: the commit is there, and every reader recognises
    # the copy that is left as an older revision's.
    with suppress(KymflowZarrError, OSError):
        _keep_foreign_copy(blobs, saved.number)
        blobs.write(RECORD_METADATA, text)
        if blobs.exists(
            revision_key(saved.number + 1)
        ):  # another program saved in between, and this copy may have replaced theirs
            write_readable_copy(blobs)
    return saved


def revision_bytes(blobs: Blobs, number: int) -> bytes:
    """Return the file of a revision; raise `DamagedError` where it is not whole."""
    return _numbered(blobs, number)[1]


def restore_revision(blobs: Blobs, number: int, data: bytes) -> None:
    """Write the file of a revision of another dataset; raise `DamagedError` where it is none, and write nothing then."""
    where = f"revision {number}"
    sealed = object_from_bytes(data, what=where)
    payload = sealed.get("metadata")
    if not isinstance(payload, Mapping) or canonical_sha256(payload) != sealed.get(SHA256):
        raise DamagedError(f"{where} is not what was saved: it was changed or damaged")
    if sealed.get(REVISION) != number:
        raise DamagedError(f"{where} is not what was saved: its file says that it is revision {sealed.get(REVISION)}")
    key = revision_key(number)
    check_place(said_place(sealed), revision_place(blobs, number), what=where)
    blobs.create(key, data if said_place(sealed) is not None else bind_revision(blobs, number, data))


def revision_place(blobs: Blobs, number: int) -> JsonObject | None:
    """Return what the file of a revision says of its place."""
    return place_note(blobs.place(revision_key(number)), number=number)


def bind_revision(blobs: Blobs, number: int, data: bytes) -> bytes:
    """Return the file of a revision with a seal that says its place; all else as it is."""
    document = object_from_bytes(data, what=blobs.describe(revision_key(number)))
    return to_readable_bytes(seal_document(document, of=revision_place(blobs, number)), what="metadata")


def adopt_edit(blobs: Blobs) -> None:
    """Commit what somebody wrote into `metadata.json` by hand as the next revision; nothing where nobody did."""
    number = max(list_revisions(blobs), default=-1) + 1
    newest = load_revision(blobs)
    if not newest.committed:
        _commit_edit(blobs, newest, number, list_revisions(blobs))


def write_readable_copy(blobs: Blobs, newest: Revision | None = None) -> None:
    """Make `metadata.json` again from the newest revision; a copy that cannot be read is set aside."""
    newest = newest or load_revision(blobs)
    while True:
        blobs.set_odd_aside(RECORD_METADATA)
        _keep_foreign_copy(blobs, newest.number)
        blobs.write(RECORD_METADATA, to_readable_bytes(newest.payload, what="metadata"))
        if max(list_revisions(blobs), default=-1) <= newest.number:
            return
        # Another program saved in between, and this copy may have replaced its own.
        now = load_revision(blobs)
        if now.number <= newest.number:
            return
        newest = now


def list_revisions(blobs: Blobs) -> list[int]:
    """Return the numbers of all revisions, whole or not, sorted."""
    found = (revision_number(name) for name in blobs.names(RECORD_HISTORY))
    return sorted(number for number in found if number is not None)


def _commit_edit(blobs: Blobs, edit: Revision, number: int, numbers: list[int]) -> int:
    """Commit an edit by hand as a revision, and return its number."""
    upon = _newest_sound(blobs, numbers).number if numbers else -1
    return _commit(blobs, edit.payload, number, upon).number


def _commit(blobs: Blobs, payload: JsonObject, number: int, follows: int, text: bytes | None = None) -> Revision:
    """Create the file of a revision, where `text` is its readable copy, if that was made already; raise as a save."""
    if number > LAST_NUMBER:
        raise DamagedError(
            f"not saved: {blobs.describe(revision_key(number - 1))} has the highest number that there can be, which no "
            "save comes to; move that file away"
        )
    saved_utc = utc_now()
    copy_sha256 = hashlib.sha256(text or to_readable_bytes(payload, what="metadata")).hexdigest()
    sealed = seal_document(
        {
            REVISION: number,
            "saved_utc": saved_utc,
            SHA256: canonical_sha256(payload),
            COPY_SHA256: copy_sha256,
            FOLLOWS: follows,
            "metadata": payload,
        },
        of=revision_place(blobs, number),
    )
    try:
        blobs.create(revision_key(number), to_readable_bytes(sealed, what="metadata"))
    except FileExistsError as error:
        raise ConflictError(
            f"not saved: another program saved revision {number} of {blobs.describe(RECORD_METADATA)} at the same moment; "
            "load it again and repeat the change"
        ) from error
    return Revision(number=number, payload=payload, saved_utc=saved_utc, follows=follows, copy_sha256=copy_sha256)


def _newest_sound(blobs: Blobs, numbers: list[int]) -> Revision:
    for number in (*reversed(numbers), *reversed(numbers)):  # twice: the record may be moved away, and back, meanwhile
        found = sealed_revision(blobs, number)
        if found is not None:
            return found
    if numbers:
        if not blobs.exists(""):
            raise RecordNotFoundError(f"{blobs.describe('')} is no longer there: deleted, moved, or its disk is gone")
        raise DamagedError(
            f"none of the {len(numbers)} revisions in {blobs.describe(RECORD_HISTORY)} is whole and of this record; "
            "restore one from a backup"
        )
    return NOTHING_SAVED


def sealed_revision(blobs: Blobs, number: int) -> Revision | None:
    """Return a revision, or None where its seal is broken, or says another number or another record."""
    data = _revision_file(blobs, number)
    return None if data is None else _revision_from_bytes(blobs, number, data)


def _revision_file(blobs: Blobs, number: int) -> bytes | None:
    """Return the file of a revision; None where there is none that can be one."""
    try:
        return read_metadata_file(blobs, revision_key(number))
    except (DamagedError, FileNotFoundError):
        return None


def _revision_from_bytes(blobs: Blobs, number: int, data: bytes) -> Revision | None:
    try:
        return revision_of(blobs, number, object_from_bytes(data, what=blobs.describe(revision_key(number))))
    except DamagedError:
        return None


def revision_of(blobs: Blobs, number: int, sealed: JsonObject) -> Revision | None:
    """Return the revision that a document is; None as `sealed_revision`."""
    payload = sealed.get("metadata")
    digest = canonical_sha256(payload) if isinstance(payload, Mapping) else ""
    if not isinstance(payload, Mapping) or digest != sealed.get(SHA256):
        return None
    if sealed.get(REVISION) != number or place_problem(said_place(sealed), revision_place(blobs, number)):
        return None
    saved_utc, copy_sha256 = (str(sealed.get(key, "")) for key in ("saved_utc", COPY_SHA256))
    follows = sealed.get(FOLLOWS)
    return Revision(
        number=number,
        payload=payload,
        saved_utc=saved_utc,
        follows=follows if isinstance(follows, int) else None,
        copy_sha256=copy_sha256,
        sealed_sha256=digest,
    )


def _is_a_revision(blobs: Blobs, data: bytes, copy: JsonObject, newest: Revision, numbers: list[int]) -> bool:
    """Return whether the readable copy, of which `data` are the bytes, is the newest revision's, or a stale one of ours.

    A stale one is, to the byte, what this program wrote for an older revision; an edit by hand to the same content is none.
    """
    digest, bytes_digest = canonical_sha256(copy), hashlib.sha256(data).hexdigest()
    if digest == newest.sha256:
        return True
    older = (one for number in reversed(numbers) if (one := sealed_revision(blobs, number)) is not None)
    return any((one.copy_sha256 == bytes_digest) if one.copy_sha256 else (one.sha256 == digest) for one in older)


def has_own_copy(blobs: Blobs, newest: Revision) -> bool:
    """Return whether `metadata.json` is, byte for byte, what was written with the newest revision."""
    return bool(newest.copy_sha256) and hashlib.sha256(_copy_bytes(blobs)).hexdigest() == newest.copy_sha256


def load_readable_copy(blobs: Blobs) -> JsonObject | None:
    """Return `metadata.json`, or None where it is missing or torn: then the history alone speaks."""
    return _copy_from_bytes(blobs, _copy_bytes(blobs))


def _copy_bytes(blobs: Blobs) -> bytes:
    try:
        return read_metadata_file(blobs, RECORD_METADATA)
    except (FileNotFoundError, DamagedError):
        return b""


def _copy_from_bytes(blobs: Blobs, data: bytes) -> JsonObject | None:
    try:
        return copy_from_bytes(data, what=blobs.describe(RECORD_METADATA))
    except DamagedError:
        return None


def copy_from_bytes(data: bytes, *, what: str) -> JsonObject:
    """Return the metadata in a readable copy; raise `DamagedError` where it is another file of a dataset, or none."""
    copy = object_from_bytes(data, what=what)
    reserved = copy.get(SEAL)
    kind = "an artifact" if isinstance(reserved, Mapping) and SHA256 in reserved else other_kind(copy)
    if kind:
        raise DamagedError(f"{what} is {kind}, and no metadata")
    return copy


def _keep_foreign_copy(blobs: Blobs, newest: int) -> None:
    """Keep what somebody wrote into `metadata.json` since it was read, half or whole: it is theirs, and is about to go."""
    data = _copy_bytes(blobs)
    if not data:
        return
    digest, ours = hashlib.sha256(data).hexdigest(), []
    for number in range(newest, max(-1, newest - RECENT), -1):
        if (revision := sealed_revision(blobs, number)) is not None:
            ours.append(revision)
            if revision.copy_sha256 == digest:
                return
    copy = _copy_from_bytes(blobs, data)
    if copy is None or canonical_sha256(copy) not in {one.sha256 for one in ours}:
        blobs.keep_aside(RECORD_METADATA)
