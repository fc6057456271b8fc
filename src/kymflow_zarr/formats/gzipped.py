"""Gzip that is unpacked within a limit, and whose comment carries a seal.

The rule of this room: any program can unpack what is sealed here: the comment is a part of gzip's header (RFC 1952) that
readers skip. The digest covers the text and the place.
"""

import gzip
import hashlib
import io
import zlib
from collections.abc import Iterator, Mapping

from kymflow_zarr.errors import DamagedError
from kymflow_zarr.formats.places import OF, check_place, unbound_problem
from kymflow_zarr.formats.seals import SHA256
from kymflow_zarr.formats.strict_json import JsonObject, JsonValue, canonical_bytes, from_bytes

_HEADER_BYTES = 10
_FLAGS = 3
"""Which byte of the header has the flags."""
_COMMENT = 16
"""The flag that says that there is a comment; with no other flag it follows the header at once."""
_MAX_COMMENT_BYTES = 4096


def gzip_sealed(text: bytes, *, of: JsonObject | None) -> bytes:
    """Return gzip of a text, the same bytes for the same text, with a comment that says its digest and its place."""
    packed = gzip.compress(text, mtime=0)
    said: JsonObject = {} if of is None else {OF: of}
    comment = canonical_bytes({**said, SHA256: _digest(text, said)})
    header = packed[:_FLAGS] + bytes([packed[_FLAGS] | _COMMENT]) + packed[_FLAGS + 1 : _HEADER_BYTES]
    return header + comment + b"\0" + packed[_HEADER_BYTES:]


def gunzip_sealed(data: bytes, *, limit: int, what: str, of: JsonObject | None = None) -> bytes:
    """Unpack gzip, sealed or not: inverse of `gzip_sealed`.

    Raises
    ------
    DamagedError
        When it cannot be unpacked, is not what was sealed, or says another place than `of`.
    """
    text = gunzip(data, limit=limit, what=what)
    seal = _seal(data, what=what)
    if seal is not None:
        if seal.get(SHA256) != _digest(text, {key: item for key, item in seal.items() if key != SHA256}):
            raise DamagedError(f"{what} was changed or damaged since it was written; restore it from a backup")
        check_place(seal.get(OF), of, what=what)
    return text


def gzip_problem(data: bytes, *, what: str, of: JsonObject | None) -> str | None:
    """Return that gzip which can be read does not say its place; None where it does. Its damage gzip itself shows."""
    seal = _seal(data, what=what)
    return unbound_problem(None if seal is None else seal.get(OF), of)


def gunzip_lines(data: bytes, *, limit: int, longest: int, what: str) -> Iterator[bytes]:
    """Unpack gzip line by line: at most `limit` bytes, and lines of at most `longest`; raise as `gunzip`."""
    total = 0
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
            while line := file.readline(longest + 1):
                total += len(line)
                if len(line) > longest or total > limit:
                    raise DamagedError(f"{what} unpacks to more than is believable")
                if not line.endswith(b"\n"):
                    raise DamagedError(f"{what} is damaged: its last line is cut off")
                yield line
    except (OSError, EOFError, zlib.error) as error:
        raise DamagedError(f"{what} is not readable gzip ({error})") from error


def gunzip(data: bytes, *, limit: int, what: str) -> bytes:
    """Unpack gzip, at most `limit` bytes of it; raise `DamagedError` when there is more, or it is damaged."""
    unpacker = zlib.decompressobj(wbits=31)
    try:
        text = unpacker.decompress(data, limit + 1)
    except zlib.error as error:
        raise DamagedError(f"{what} is not readable gzip ({error})") from error
    if len(text) > limit:
        raise DamagedError(f"{what} unpacks to more than {limit >> 20} MB, which is not believable")
    if not unpacker.eof or unpacker.unused_data:
        raise DamagedError(f"{what} is damaged: its gzip is cut off, or more follows it")
    return text


def _digest(text: bytes, said: JsonObject) -> str:
    return hashlib.sha256(canonical_bytes(said) + b"\n" + text).hexdigest()


def _seal(data: bytes, *, what: str) -> Mapping[str, JsonValue] | None:
    """Return what the comment of ours says; None where there is none, as in another program's file."""
    if data[_FLAGS : _FLAGS + 1] != bytes([_COMMENT]):
        return None
    comment = data[_HEADER_BYTES : _HEADER_BYTES + _MAX_COMMENT_BYTES].partition(b"\0")[0]
    if not comment.startswith(b"{"):
        return None
    seal = from_bytes(comment, what=what)
    return seal if isinstance(seal, Mapping) and SHA256 in seal else None
