"""Arrays to a document and files of chunks, and back, by zarr's specifications, and without zarr's own machinery.

zarr waits for another thread at each array: measured, half of the time of a small image. The rule of this room: what is
written is, to the last value of the document, what zarr writes (the tests compare the two); read is only what is so.
"""

import functools
import math
from collections.abc import Iterator, Sequence
from types import EllipsisType
from typing import Any, TypeAlias

import google_crc32c
import numpy as np
from numcodecs.blosc import BITSHUFFLE, Blosc
from numpy.typing import NDArray

from kymflow_zarr.arrays.chunks import BLOSC_HEADER_BYTES, ArrayPlan, check_blosc_header
from kymflow_zarr.errors import DamagedError
from kymflow_zarr.formats.strict_json import JsonValue

Region: TypeAlias = tuple[slice | EllipsisType, ...]
_NAME, _LEVEL = "zstd", 3
_CRC_BYTES = 4
_ABSENT = 2**64 - 1
"""Offset and size of a chunk that a shard does not have (zarr v3 sharding codec, "Binary shard format")."""


def array_document(
    dtype: np.dtype[Any], shape: Sequence[int], names: Sequence[str], *, chunk: Sequence[int], shard: Sequence[int]
) -> dict[str, JsonValue]:
    """Return the metadata document of an array (zarr v3 core specification, "Array metadata")."""
    zero: JsonValue = [0.0, 0.0] if dtype.kind == "c" else np.zeros((), dtype).item()
    document: dict[str, JsonValue] = {
        "shape": list(shape),
        "data_type": dtype.name,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": list(shard)}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": zero,
        "codecs": _codecs_of(dtype, chunk),
    }
    named: dict[str, JsonValue] = {"dimension_names": list(names)} if names else {}
    return {**document, "attributes": {}, **named, "zarr_format": 3, "node_type": "array", "storage_transformers": []}


def _codecs_of(dtype: np.dtype[Any], chunk: Sequence[int]) -> list[JsonValue]:
    """Return the chain of codecs of an array; one without dimensions has no shards."""
    little: JsonValue = {"name": "bytes", "configuration": {"endian": "little"}}
    packing: JsonValue = {
        "typesize": dtype.itemsize,
        "cname": _NAME,
        "clevel": _LEVEL,
        "shuffle": "bitshuffle",
        "blocksize": 0,
    }
    inner: list[JsonValue] = [
        {"name": "bytes"} if dtype.itemsize == 1 else little,
        {"name": "blosc", "configuration": packing},
        {"name": "crc32c"},
    ]
    if not chunk:
        return inner
    index: JsonValue = [little, {"name": "crc32c"}]
    sharding: JsonValue = {
        "chunk_shape": list(chunk),
        "codecs": inner,
        "index_codecs": index,
        "index_location": "end",
    }
    return [{"name": "sharding_indexed", "configuration": sharding}]


def encode_file(part: NDArray[Any], *, chunk: Sequence[int], shard: Sequence[int]) -> bytes:
    """Return the file that a part of an array lies in; where the array ends within the file, the rest is absent."""
    if not chunk:
        return b"".join(_encode_chunk(part))
    index = np.full((*_counts(shard, chunk), 2), _ABSENT, "<u8")
    packed: list[bytes] = []
    at = 0
    for position in np.ndindex(*_counts(part.shape, chunk)):
        values = part[_region(position, chunk)]
        if values.shape != tuple(chunk):
            whole = np.zeros(chunk, part.dtype)
            whole[tuple(map(slice, values.shape))] = values
            values = whole
        pieces = _encode_chunk(values)
        packed += pieces
        length = sum(map(len, pieces))
        index[position] = at, length
        at += length
    return b"".join((*packed, *_with_crc(index.tobytes())))


def decode_file(data: bytes, out: NDArray[Any], plan: ArrayPlan, *, where: str) -> None:
    """Fill a part of an array from the file that it lies in.

    Raises
    ------
    DamagedError
        When a checksum is wrong, or the file does not have all chunks of the part.
    """
    if not plan.chunk:
        _decode_chunk(memoryview(data), out, plan, where=where)
        return
    counts = _counts(plan.file, plan.chunk)
    size = 16 * math.prod(counts) + _CRC_BYTES
    index = np.frombuffer(_checked(memoryview(data)[-size:], where=where), "<u8")
    if len(index) != 2 * math.prod(counts):
        raise DamagedError(f"{where} is cut off; restore it from a backup")
    index = index.reshape((*counts, 2))
    for position in np.ndindex(*_counts(out.shape, plan.chunk)):
        start, length = map(int, index[position])
        if start + length > len(data) - size:
            raise DamagedError(f"{where} lacks a chunk; restore it from a backup")
        _decode_chunk(memoryview(data)[start : start + length], out[_region(position, plan.chunk)], plan, where=where)


def _decode_chunk(data: memoryview, out: NDArray[Any], plan: ArrayPlan, *, where: str) -> None:
    packed = _checked(data, where=where)
    check_blosc_header(bytes(packed[:BLOSC_HEADER_BYTES]), plan.chunk_nbytes, len(packed), where=where)
    try:
        if out.shape == plan.chunk and out.flags.c_contiguous and out.dtype.isnative:
            _blosc(plan.item_bytes).decode(packed, out=out)
            return
        values = np.frombuffer(_blosc(plan.item_bytes).decode(packed), out.dtype).reshape(plan.chunk)
    except (RuntimeError, ValueError) as error:
        raise DamagedError(f"{where} cannot be unpacked ({error}); restore it from a backup") from error
    out[...] = values[tuple(map(slice, out.shape))]


def _encode_chunk(values: NDArray[Any]) -> tuple[bytes, bytes]:
    little = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
    return _with_crc(_blosc(values.dtype.itemsize).encode(little))


@functools.cache
def _blosc(item_bytes: int) -> Blosc:
    return Blosc(cname=_NAME, clevel=_LEVEL, shuffle=BITSHUFFLE, blocksize=0, typesize=item_bytes)


def _with_crc(data: bytes) -> tuple[bytes, bytes]:
    """Return bytes and their checksum, to be joined once with all others."""
    return data, int(google_crc32c.value(data)).to_bytes(_CRC_BYTES, "little")


def _checked(data: memoryview, *, where: str) -> memoryview:
    """Return bytes without their checksum."""
    found = np.frombuffer(data[:-_CRC_BYTES], np.uint8)
    if int(google_crc32c.value(found)) != int.from_bytes(data[-_CRC_BYTES:], "little"):
        raise DamagedError(f"the checksum in {where} is not that of its bytes; restore it from a backup")
    return data[:-_CRC_BYTES]


def _counts(sizes: Sequence[int], lengths: Sequence[int]) -> tuple[int, ...]:
    """Return how many chunks there are along each dimension."""
    return tuple(-(-size // length) for size, length in zip(sizes, lengths, strict=True))


def _region(position: Sequence[int], lengths: Sequence[int]) -> tuple[slice, ...]:
    return tuple(slice(at * length, (at + 1) * length) for at, length in zip(position, lengths, strict=True))


def file_regions(shape: Sequence[int], file: Sequence[int]) -> Iterator[tuple[tuple[int, ...], Region]]:
    """Yield, for each file of an array, its position and the region of the array in it, which gives a view."""
    for position in np.ndindex(*_counts(shape, file)):
        yield position, (*_region(position, file), ...)
