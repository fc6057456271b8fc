"""Seals: a digest inside a file, over all of the file, so that a single changed bit is seen.

The rule of this room: any program can read a sealed file without knowing of seals. A JSON document carries its digest
under the reserved key `kymflow`; a Parquet file carries it in the key-value metadata of its footer. What a file says of its
place (`formats.places`) lies next to the digest, which covers it.
"""

import hashlib
import io
from collections.abc import Collection, Mapping
from typing import Literal, TypeAlias, cast

from kymflow_zarr.errors import DamagedError, InvalidValueError
from kymflow_zarr.formats.places import MISPLACED, OF, check_place, place_problem, unbound_problem
from kymflow_zarr.formats.strict_json import (
    JsonObject,
    JsonValue,
    canonical_sha256,
    check_json,
    from_bytes,
    is_readable_form,
    to_readable_bytes,
)
from kymflow_zarr.layout import COMPUTED_FROM

SEAL = "kymflow"
"""The reserved key of sealed JSON objects."""
SHA256 = "sha256"
WRAPS = "wraps"
VALUE = "value"
UNSEALED = "has no seal, so damage in it cannot be seen"
LINE_ENDS = "has the line ends of Windows, which another program gave it; all else is as it was written"
PARQUET_SEAL = b"kymflow_sha256"
PARQUET_OF = b"kymflow_of"
"""Where the footer of a Parquet file says its place."""
BLANK = b"0" * 64
"""The place holder for the digest in a Parquet file while the digest is calculated."""

_IN_REVISIONS = {"revision", "sha256", "metadata"}

SealState: TypeAlias = Literal["whole", "unsealed", "broken"]


def strip_foreign(document: JsonObject, holder: str, *, ours: Collection[str] = ()) -> dict[str, JsonValue]:
    """Return a document whose holder has nothing but the reserved key and `ours`: what other programs noted is theirs."""
    inner = document.get(holder)
    kept = {key: inner[key] for key in (*ours, SEAL) if key in inner} if isinstance(inner, Mapping) else {}
    return {**document, holder: kept}


def seal_around_foreign(
    document: JsonObject, holder: str, *, ours: Collection[str] = (), of: JsonObject | None = None
) -> dict[str, JsonValue]:
    """Return a document with a seal that does not cover what other programs noted in its holder, which stays."""
    inner = document.get(holder)
    sealed = seal_document(strip_foreign(document, holder, ours=ours), holder=holder, of=of)[holder]
    return _with(document, holder, {**(inner if isinstance(inner, Mapping) else {}), **cast("JsonObject", sealed)})


def seal_document(document: JsonObject, *, holder: str | None = None, of: JsonObject | None = None) -> dict[str, JsonValue]:
    """Return a JSON object with its digest added.

    Parameters
    ----------
    document
        The object. Other values under the reserved key stay, and the seal covers them too.
    holder
        The key of the object inside it that carries the reserved key, such as a zarr document's "attributes"; by default it
        is the document itself.
    of
        The place that it says; by default the one that it has said already.
    """
    carrier, rest = _open_part(document, holder)
    rest = rest if of is None else {**rest, OF: of}
    return _with(document, holder, {**carrier, SEAL: {**rest, SHA256: _digest(document, holder, carrier, rest)}})


def document_seal_state(document: JsonObject, *, holder: str | None = None) -> SealState:
    """Return whether a JSON object is as it was sealed."""
    carrier, rest = _open_part(document, holder)
    reserved = carrier.get(SEAL)
    if not isinstance(reserved, Mapping) or SHA256 not in reserved:
        return "unsealed"
    return "whole" if reserved[SHA256] == _digest(document, holder, carrier, rest) else "broken"


def other_kind(document: JsonValue) -> str | None:
    """Return what a JSON document is that is neither metadata nor an artifact, but another file of a dataset; else None."""
    if not isinstance(document, Mapping):
        return None
    if {"zarr_format", "node_type"} <= set(document):
        return "the document of a zarr group or array"
    return None if _IN_REVISIONS - set(document) else "a revision of metadata"


def said_place(document: JsonValue, *, holder: str | None = None) -> JsonValue:
    """Return what a JSON object says of its place; None where it says nothing."""
    return _open_part(document, holder)[1].get(OF) if isinstance(document, Mapping) else None


def _open_part(document: JsonObject, holder: str | None) -> tuple[JsonObject, JsonObject]:
    """Return the object that carries the reserved key, and the other values under that key."""
    inner = document.get(holder, {}) if holder else document
    carrier = inner if isinstance(inner, Mapping) else {}
    reserved = carrier.get(SEAL)
    return carrier, {k: item for k, item in reserved.items() if k != SHA256} if isinstance(reserved, Mapping) else {}


def _digest(document: JsonObject, holder: str | None, carrier: JsonObject, rest: JsonObject) -> str:
    return canonical_sha256(_with(document, holder, {**carrier, SEAL: rest}))


def _with(document: JsonObject, holder: str | None, carrier: dict[str, JsonValue]) -> dict[str, JsonValue]:
    return {**document, holder: carrier} if holder else carrier


def artifact_to_bytes(
    value: JsonValue, *, what: str, computed_from: JsonObject | None = None, of: JsonObject | None = None
) -> bytes:
    """Return the file of a JSON artifact: an object with its seal added; anything else becomes the `value` of an object.

    `computed_from` and the place are stored under the reserved key, next to the digest, which covers them.
    """
    if isinstance(value, Mapping) and SEAL in value:
        raise InvalidValueError(f"{what} cannot be stored as JSON: its key {SEAL!r} is reserved; choose another")
    document: JsonObject = value if isinstance(value, Mapping) else {VALUE: value, SEAL: {WRAPS: VALUE}}
    if computed_from is not None:
        document = {**document, SEAL: {**cast("JsonObject", document.get(SEAL, {})), COMPUTED_FROM: computed_from}}
    check_json(document, what=what)  # says what cannot be stored, before a digest of it is made
    return to_readable_bytes(seal_document(document, of=of), what=what)


def artifact_from_bytes(data: bytes, *, what: str, of: JsonObject | None = None) -> JsonValue:
    """Return the value in the file of a JSON artifact, sealed or not: inverse of `artifact_to_bytes`.

    Raises
    ------
    DamagedError
        When it is no JSON, or not what was sealed, or says another place than `of`.
    """
    document = from_bytes(data, what=what)
    if not isinstance(document, Mapping) or document_seal_state(document) == "unsealed":
        return document
    if document_seal_state(document) == "broken":
        raise DamagedError(f"{what} was changed or damaged since it was written; restore it from a backup")
    check_place(said_place(document), of, what=what)
    return unsealed_value(document)


def bind_artifact(data: bytes, *, what: str, of: JsonObject | None) -> bytes:
    """Return the file of a JSON artifact with a seal that says its place; all else as it is."""
    document = from_bytes(data, what=what)
    if isinstance(document, Mapping) and document_seal_state(document) == "whole":
        return to_readable_bytes(seal_document(document, of=of), what=what)
    return artifact_to_bytes(artifact_from_bytes(data, what=what), what=what, of=of)


def unsealed_value(document: JsonValue) -> JsonValue:
    """Return the value of a JSON artifact's document without its seal, whole or broken."""
    reserved = document.get(SEAL) if isinstance(document, Mapping) else None
    if not isinstance(document, Mapping) or not isinstance(reserved, Mapping):
        return document
    if reserved.get(WRAPS) == VALUE:
        return document.get(VALUE)
    return {key: item for key, item in document.items() if key != SEAL}


def has_seal_of_ours_or_none(document: JsonValue) -> bool:
    """Return whether a JSON artifact of somebody else has nothing under the reserved key but what this program writes."""
    if not isinstance(document, Mapping) or SEAL not in document:
        return True
    reserved = document[SEAL]
    return isinstance(reserved, Mapping) and not {SHA256, WRAPS, COMPUTED_FROM, OF}.isdisjoint(reserved)


def artifact_state(data: bytes, *, what: str) -> SealState:
    """Return whether the file of a JSON artifact is as it was sealed; raise `DamagedError` where it is no JSON."""
    document = from_bytes(data, what=what)
    return document_seal_state(document) if isinstance(document, Mapping) else "unsealed"


def computed_from_of_artifact(data: bytes, *, what: str) -> JsonValue:
    """Return what the file of a JSON artifact says that it was computed from; None where it does not say."""
    document = from_bytes(data, what=what, lenient=True)
    reserved = document.get(SEAL) if isinstance(document, Mapping) else None
    return reserved.get(COMPUTED_FROM) if isinstance(reserved, Mapping) else None


def has_other_line_ends(data: bytes, document: JsonObject) -> bool:
    """Return whether bytes are those of a document but for their line ends; JSON has none inside its texts."""
    return b"\r\n" in data and is_readable_form(data.replace(b"\r\n", b"\n"), document, what="document")


def artifact_problem(data: bytes, *, what: str, of: JsonObject | None) -> str | None:
    """Return what is wrong with the file of a JSON artifact, looking at every byte; None where it is as it was written."""
    document = from_bytes(data, what=what)
    if kind := other_kind(document):
        return f"{MISPLACED}: it is {kind}; put the file there that belongs there, or restore it"
    if not isinstance(document, Mapping) or document_seal_state(document) == "unsealed":
        return UNSEALED
    if document_seal_state(document) == "whole" and has_other_line_ends(data, document):
        return LINE_ENDS
    if document_seal_state(document) == "broken" or not is_readable_form(data, document, what=what):
        return "was changed or damaged since it was written"
    return place_problem(said_place(document), of) or unbound_problem(said_place(document), of)


def seal_parquet(written: io.BytesIO) -> None:
    """Write the digest of Parquet bytes over the blank in their footer, in place: a copy may take much memory."""
    with written.getbuffer() as data:
        # The footer is the last thing in the file but for its length and 4 letters; its notes follow all statistics.
        footer = bytes(data[-int.from_bytes(data[-8:-4], "little") - 8 :])
        start = len(data) - len(footer) + footer.rfind(BLANK)
        data[start : start + len(BLANK)] = hashlib.sha256(data).hexdigest().encode()


def parquet_seal_state(data: bytes, digest: bytes | None) -> SealState:
    """Return whether Parquet bytes are as they were sealed; `digest` is what their footer says."""
    if digest is None:
        return "unsealed"
    at = data.rfind(digest)
    if len(digest) != len(BLANK) or at < 0:
        return "broken"
    hasher = hashlib.sha256(memoryview(data)[:at])
    hasher.update(BLANK)
    hasher.update(memoryview(data)[at + len(BLANK) :])
    return "whole" if hasher.hexdigest().encode() == digest else "broken"
