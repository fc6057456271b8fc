"""Zarr arrays that other programs wrote, version 2 or 3: read whole, and nothing in them is trusted.

The rule of this room: before a chunk is unpacked, its size is checked against the array's metadata. Only the codecs that
are named here run.
"""

import math
import re
import zlib
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import zarr
from numpy.typing import NDArray
from zarr.abc.buffer import Buffer
from zarr.codecs import GzipCodec, ZstdCodec
from zarr.registry import register_codec

from kymflow_zarr.arrays.arrays import MAX_ARRAY_BYTES, UNREADABLE
from kymflow_zarr.arrays.chunks import (
    BLOSC_HEADER_BYTES,
    DTYPES,
    INDEX_CODECS,
    MAX_FILES,
    ArrayPlan,
    check_blosc_header,
    check_plan,
    checked_codecs,
    codec_names,
    configuration_of,
    listed,
)
from kymflow_zarr.disk.blobs import Blobs
from kymflow_zarr.errors import DamagedError
from kymflow_zarr.formats.strict_json import MAX_DOCUMENT_BYTES, JsonObject, JsonValue, object_from_bytes
from kymflow_zarr.layout import GROUP_DOCUMENT, V2_ARRAY, V2_ATTRIBUTES

if TYPE_CHECKING:
    from zarr.core.array_spec import ArraySpec

MOST_UNSTORED_BYTES = 2**30
"""An array larger than this must have at least half of its chunks: missing ones cost nothing on disk, and memory here."""

_CHAIN = re.compile(r"(transpose,)?bytes(,(blosc|zstd|gzip))?(,crc32c)?")
"""Which chains of codecs are read (zarr v3 core specification, "codecs")."""
_COMPRESSORS = ("blosc", "zstd", "gzip", "zlib", None)
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_GZIP_OR_ZLIB = 47
"""zlib's `wbits` for a window of any size, and both headers."""
_STEP = 2**20


def load_foreign_array(blobs: Blobs, key: str, *, most_unstored: int = MOST_UNSTORED_BYTES) -> NDArray[Any]:
    """Read an array whole.

    Parameters
    ----------
    blobs
        The folder that holds it.
    key
        The array's own folder.
    most_unstored
        The size in bytes from which on at least half of its chunks must be there.

    Raises
    ------
    FileNotFoundError
        When there is no array.
    DamagedError
        When it is of a kind that is not read, too large, damaged, or a symbolic link in it leads out of the folder.
    """
    name, document = _document(blobs, key)
    where = blobs.describe(key)
    is_v2 = name == V2_ARRAY
    codec = _v2_codec(document, where) if is_v2 else None
    plan = _v2_plan(document, where) if is_v2 else _plan(document, where)
    blobs.check_links(key)
    names = _check_files(blobs, key, plan, most_unstored)
    if is_v2:
        _check_v2_files(blobs, key, names, codec, plan.chunk_nbytes)
    try:
        with checked_codecs({"zstd": _ZSTD, "gzip": _GZIP}):
            array = zarr.open_array(blobs.store(key, complete=False), mode="r", zarr_format=2 if is_v2 else 3)
        return np.asarray(array[...])
    except DamagedError as error:
        raise DamagedError(f"the array {where} is damaged: {error}") from error
    except (*UNREADABLE, OSError, MemoryError) as error:
        raise DamagedError(f"the array {where} cannot be read ({error})") from error


def check_unpacked(codec: str | None, data: bytes, expected: int, *, where: str) -> None:
    """Raise `DamagedError` where packed bytes would unpack to another size, without unpacking them into memory.

    Parameters
    ----------
    codec
        "blosc", "zstd", "gzip", "zlib"; None where nothing is packed.
    data
        The chunk.
    expected
        How many bytes it must unpack to.
    where
        The chunk, for messages.
    """
    if codec == "blosc":
        check_blosc_header(data[:BLOSC_HEADER_BYTES], expected, len(data), where=where)
        return
    size = len(data) if codec is None else (_zstd_size if codec == "zstd" else _deflated_size)(data, expected)
    if size != expected:
        said = "is damaged: it cannot be unpacked" if size is None else f"unpacks to {size} bytes or more"
        raise DamagedError(f"{where} {said}; {expected} are expected")


def _zstd_size(data: bytes, expected: int) -> int | None:
    """Return to how many bytes a zstd frame unpacks, counting to one more than `expected`; None for other bytes.

    The header may state it (RFC 8878, section 3.1.1.1); Bio-Formats and others, which pack a stream, leave it out.
    """
    if data[:4] != _ZSTD_MAGIC or len(data) < 6:
        return None
    flags = data[4]
    is_single_segment, size_flag = bool(flags & 0x20), flags >> 6
    length = (1 if is_single_segment else 0, 2, 4, 8)[size_flag]
    start = 5 + (0 if is_single_segment else 1) + (0, 1, 2, 4)[flags & 0x03]
    if len(data) < start + length:
        return None
    if not length:
        return _counted_zstd(data, expected)
    return int.from_bytes(data[start : start + length], "little") + (256 if length == 2 else 0)


def _counted_zstd(data: bytes, expected: int) -> int | None:
    try:
        with pa.CompressedInputStream(pa.BufferReader(data), "zstd") as stream:
            size = 0
            while size <= expected and (part := stream.read(_STEP)):
                size += len(part)
    except OSError:
        return None
    return size


def _deflated_size(data: bytes, expected: int) -> int | None:
    """Return to how many bytes a zlib or gzip stream unpacks, counting little further than `expected`; None for others."""
    unpacker = zlib.decompressobj(wbits=_GZIP_OR_ZLIB)
    size, rest = 0, data
    try:
        while rest and not unpacker.eof and size <= expected:
            size += len(unpacker.decompress(rest, _STEP))
            rest = unpacker.unconsumed_tail
    except zlib.error:
        return None
    # A second stream behind the first would be unpacked as well.
    return size if unpacker.eof and not unpacker.unused_data else size + 1


class CheckedZstd(ZstdCodec):
    """Zstandard that looks at a frame's header before it unpacks it."""

    def _decode_sync(self, chunk_bytes: Buffer, chunk_spec: "ArraySpec") -> Buffer:
        check_unpacked("zstd", chunk_bytes.to_bytes(), _nbytes(chunk_spec), where="a chunk of an array")
        return super()._decode_sync(chunk_bytes, chunk_spec)


class CheckedGzip(GzipCodec):
    """Gzip that counts what it would unpack to first."""

    def _decode_sync(self, chunk_bytes: Buffer, chunk_spec: "ArraySpec") -> Buffer:
        check_unpacked("gzip", chunk_bytes.to_bytes(), _nbytes(chunk_spec), where="a chunk of an array")
        return super()._decode_sync(chunk_bytes, chunk_spec)


def _nbytes(chunk_spec: "ArraySpec") -> int:
    return math.prod(chunk_spec.shape) * chunk_spec.dtype.to_native_dtype().itemsize


_ZSTD = f"{CheckedZstd.__module__}.{CheckedZstd.__qualname__}"
_GZIP = f"{CheckedGzip.__module__}.{CheckedGzip.__qualname__}"
register_codec("zstd", CheckedZstd, qualname=_ZSTD)
register_codec("gzip", CheckedGzip, qualname=_GZIP)


def _document(blobs: Blobs, key: str) -> tuple[str, JsonObject]:
    for name in (GROUP_DOCUMENT, V2_ARRAY):
        path = f"{key}/{name}"
        try:
            data = blobs.read(path, limit=MAX_DOCUMENT_BYTES)
        except (FileNotFoundError, NotADirectoryError):
            continue
        return name, object_from_bytes(data, what=blobs.describe(path), lenient=True)
    raise FileNotFoundError(blobs.describe(key))


def _plan(document: JsonObject, where: str) -> ArrayPlan:
    grid, codecs = document.get("chunk_grid"), document.get("codecs")
    is_regular = isinstance(grid, Mapping) and grid.get("name") == "regular"
    chunk = chunk_file = configuration_of(grid).get("chunk_shape") if is_regular else None
    if codec_names(codecs) == ["sharding_indexed"]:
        sharding = configuration_of(listed(codecs)[0])
        chunk, codecs = sharding.get("chunk_shape"), sharding.get("codecs")
        if codec_names(sharding.get("index_codecs")) != INDEX_CODECS:
            raise DamagedError(f"the array {where} has an index of shards that is not read")
    if document.get("node_type") != "array" or document.get("zarr_format") != 3:
        raise DamagedError(f"{where} is no zarr array, but a {str(document.get('node_type'))[:80]!r}")
    if not _CHAIN.fullmatch(",".join(codec_names(codecs))):
        raise DamagedError(
            f"the array {where} has the codecs {codec_names(codecs)}; Blosc, Zstandard and gzip are read: save it with one"
        )
    dtype = document.get("data_type")
    if not isinstance(dtype, str) or dtype not in DTYPES:
        raise DamagedError(f"the array {where} has the data type {str(dtype)[:80]!r}; only numbers and booleans are read")
    plan = check_plan(document.get("shape"), chunk, chunk_file, np.dtype(dtype).itemsize, where=where)
    in_shard = math.prod(math.ceil(size / length) for size, length in zip(plan.file, plan.chunk, strict=True))
    if in_shard > MAX_FILES:
        raise DamagedError(f"the array {where} has {in_shard} chunks in a shard, which is not believable")
    encoding = document.get("chunk_key_encoding")
    name = encoding.get("name") if isinstance(encoding, Mapping) else None
    separator = configuration_of(encoding).get("separator", "/" if name == "default" else ".")
    return replace(plan, separator=_separator(separator, where), prefix="c" if name == "default" else "")


def _v2_plan(document: JsonObject, where: str) -> ArrayPlan:
    dtype = document.get("dtype")
    try:
        parsed = np.dtype(dtype if isinstance(dtype, str) else "V")
    except TypeError:
        parsed = np.dtype("V")
    if parsed.kind not in "biufc":
        raise DamagedError(f"the array {where} has the data type {str(dtype)[:80]!r}; only numbers and booleans are read")
    chunks = document.get("chunks")
    plan = check_plan(document.get("shape"), chunks, chunks, parsed.itemsize, where=where)
    return replace(plan, separator=_separator(document.get("dimension_separator", "."), where), prefix="")


def _separator(value: JsonValue, where: str) -> str:
    if value not in (".", "/"):
        raise DamagedError(f"the array {where} has the separator {str(value)[:80]!r} in the names of its files")
    return str(value)


def _v2_codec(document: JsonObject, where: str) -> str | None:
    """Return the codec of an array of zarr v2; others than these, and all filters, could run code or take any memory."""
    compressor = document.get("compressor")
    codec = compressor.get("id") if isinstance(compressor, Mapping) else compressor
    if document.get("filters") or codec not in _COMPRESSORS or document.get("zarr_format") != 2:
        raise DamagedError(
            f"the array {where} has filters, or the codec {str(codec)[:80]!r}; Blosc, Zstandard, gzip and zlib are read: "
            "save it with one of these"
        )
    return codec if isinstance(codec, str) else None


def _check_files(blobs: Blobs, key: str, plan: ArrayPlan, most_unstored: int) -> list[str]:
    """Return which files of chunks there are, none of them too large; a missing one stands for the fill value."""
    where = blobs.describe(key)
    if plan.nbytes > MAX_ARRAY_BYTES:
        raise DamagedError(
            f"the array {where} needs {plan.nbytes >> 30} GB of memory; {MAX_ARRAY_BYTES >> 30} are the most"
        )
    names = sorted(plan.files())
    there = [name for name in names if blobs.exists(f"{key}/{name}")]
    if plan.nbytes > most_unstored and 2 * len(there) < len(names):
        raise DamagedError(f"the array {where} has {plan.nbytes >> 20} MB, and of its {len(names)} files only {len(there)}")
    most = 2 * math.prod(plan.file) * plan.item_bytes + 2**20
    for name in there:
        chunk = f"{key}/{name}"
        if blobs.size(chunk) > most:
            raise DamagedError(f"{blobs.describe(chunk)} has {blobs.size(chunk)} bytes; at most {most} are believable")
    return there


def _check_v2_files(blobs: Blobs, key: str, names: list[str], codec: str | None, expected: int) -> None:
    """Look at the chunks of an array of zarr v2, and at its attributes, before anything is unpacked."""
    for name in names:
        chunk = f"{key}/{name}"
        check_unpacked(codec, blobs.read(chunk), expected, where=blobs.describe(chunk))
    attributes = f"{key}/{V2_ATTRIBUTES}"
    if blobs.exists(attributes) and blobs.size(attributes) > MAX_DOCUMENT_BYTES:
        raise DamagedError(f"{blobs.describe(attributes)} has {blobs.size(attributes)} bytes, which is not believable")
