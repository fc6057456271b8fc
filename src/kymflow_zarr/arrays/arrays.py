"""Zarr arrays, each at the root of a store of its own: axes, chunks, codecs, and whether all chunks are there.

Every chunk is compressed (Blosc zstd, bit shuffle) and then sealed with crc32c, since Blosc alone lets most single
bit flips pass. The metadata document has a digest of itself. Empty chunks are written, so that a missing chunk is
damage and never silent zeros. The chunks of an array lie together in shards, files of up to `SHARD_BYTES`, since few
large files suit network and synchronized folders. `shards` encodes into memory; `Blobs` puts the bytes on disk.
"""

import hashlib
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import zarr
from numpy.typing import ArrayLike, NDArray
from zarr.storage import StorePath

from kymflow_zarr.arrays.chunks import (
    MAX_CHUNK_BYTES,
    ArrayPlan,
    checked_codecs,
    plan_of_document,
)
from kymflow_zarr.arrays.shards import array_document, decode_file, encode_file, file_regions
from kymflow_zarr.disk.blobs import Blobs
from kymflow_zarr.disk.keys import inside
from kymflow_zarr.errors import DamagedError, InvalidValueError
from kymflow_zarr.formats.places import check_place, place_note
from kymflow_zarr.formats.seals import SEAL, document_seal_state, said_place, seal_document, strip_foreign
from kymflow_zarr.formats.strict_json import (
    MAX_DOCUMENT_BYTES,
    JsonObject,
    JsonValue,
    canonical_sha256,
    object_from_bytes,
    to_readable_bytes,
)
from kymflow_zarr.layout import ATTRIBUTES, GROUP_DOCUMENT

CHUNK_LENGTH = 512
CHUNK_BYTES = 2**20
"""What a chunk grows to along y: 4096 lines of 128 pixels. Measured: a chunk costs zarr 0.4 ms, and reading one 1.4 ms."""
SHARD_BYTES = 32 * 2**20
CHUNKS_SHA256 = "chunks_sha256"
"""Under the reserved key, the digest of the files that the chunks lie in, so that no other array's are taken for them."""
MAX_ARRAY_BYTES = 2**34
"""What is read into memory at once; larger arrays can be opened lazily."""

_AXES_BY_DIMENSIONS = {2: ("y", "x"), 3: ("z", "y", "x"), 4: ("z", "y", "x", "c"), 5: ("t", "z", "y", "x", "c")}
_SHORT_AXES = frozenset("tzc")
_NUMERIC_KINDS = frozenset("biufc")
_PLATFORM_TYPES = frozenset("gG")  # long doubles, which differ between machines; zarr has no name for them
UNREADABLE = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RuntimeError)
"""What zarr was seen to raise over array metadata that somebody changed."""


def infer_axes(dimensions: int) -> tuple[str, ...]:
    """Return the axes that an array of 2 to 5 dimensions has unless given; `a0..aN` for other dimensions."""
    return _AXES_BY_DIMENSIONS.get(dimensions) or tuple(f"a{index}" for index in range(dimensions))


def check_axes(axes: Sequence[str] | None, dimensions: int) -> tuple[str, ...]:
    """Return the axes, inferred where None; raise `InvalidValueError` unless they are distinct and one a dimension."""
    if axes is None:
        return infer_axes(dimensions)
    if len(axes) != dimensions or len(set(axes)) != len(axes) or not all(isinstance(axis, str) for axis in axes):
        raise InvalidValueError(
            f"axes {tuple(axes)} do not fit an array of {dimensions} dimensions; "
            f"give {dimensions} different names, for example {infer_axes(dimensions)}"
        )
    return tuple(axes)


def plan_chunks(
    shape: Sequence[int], axes: Sequence[str], item_bytes: int, chunks: Sequence[int] | None
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the shapes of a chunk and of a shard, pure.

    A chunk is 1 along t, z, c and up to 512 along all other axes, and of a narrow image longer along y, in steps of 512, up
    to `CHUNK_BYTES`, unless given. A shard is a whole number of chunks, grown from the last axis on while it stays within
    `SHARD_BYTES`.

    Raises
    ------
    InvalidValueError
        When `chunks` has another length than `shape`, or a size below 1, or a chunk is too large to unpack at once.
    """
    if chunks is None:
        chunk = _default_chunk(shape, axes, item_bytes)
    elif len(chunks) != len(shape) or any(size < 1 for size in chunks):
        raise InvalidValueError(f"chunks {tuple(chunks)} do not fit shape {tuple(shape)}; give one size >= 1 a dimension")
    else:
        chunk = tuple(int(size) for size in chunks)
    if math.prod(chunk) * item_bytes > MAX_CHUNK_BYTES:
        raise InvalidValueError(f"chunks {chunk} are larger than {MAX_CHUNK_BYTES >> 20} MB each; give smaller ones")
    shard = list(chunk)
    for index in reversed(range(len(shape))):
        others = math.prod(shard[:index]) * math.prod(shard[index + 1 :]) * item_bytes
        most = max(1, SHARD_BYTES // (others * chunk[index]))
        shard[index] = chunk[index] * max(1, min(most, math.ceil(shape[index] / chunk[index])))
    return chunk, tuple(shard)


def is_numeric(dtype: np.dtype[Any]) -> bool:
    """Return whether a dtype is of numbers or booleans, the same on every machine (long doubles are not)."""
    return dtype.kind in _NUMERIC_KINDS and dtype.char not in _PLATFORM_TYPES


def storable_array(values: ArrayLike) -> NDArray[Any]:
    """Return the values as an array of numbers or booleans in this machine's byte order, or raise `InvalidValueError`."""
    if isinstance(values, np.ma.MaskedArray):
        raise InvalidValueError("a masked array cannot be stored: its mask would be lost; fill it, or save the mask too")
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise InvalidValueError(f"this is no array and cannot be stored: {error}") from error
    if not is_numeric(array.dtype):
        raise InvalidValueError(f"an array of dtype {array.dtype} cannot be stored; only numbers and booleans can")
    native = array.astype(array.dtype.newbyteorder("="), copy=False)
    return native.view(native.dtype.str)  # zarr does not know the dtype that C's long long has


def write_array(
    blobs: Blobs, key: str, values: ArrayLike, *, axes: Sequence[str] | None, chunks: Sequence[int] | None
) -> None:
    """Write one array into the folder `key`, which must be in a tree that is being built.

    Raises
    ------
    InvalidValueError
        When the values are neither numbers nor booleans, or axes or chunks do not fit them.
    """
    array = storable_array(values)
    names = check_axes(axes, array.ndim)
    chunk, shard = plan_chunks(array.shape, names, array.dtype.itemsize, chunks)
    plan = ArrayPlan(shape=array.shape, item_bytes=array.dtype.itemsize, chunk=chunk, file=shard)
    document = array_document(array.dtype, array.shape, names, chunk=chunk, shard=shard)
    digests: dict[str, JsonValue] = {}
    # One shard after another, so that no more than one is in memory.
    for position, region in file_regions(array.shape, shard):
        name, data = plan.file_at(position), encode_file(array[region], chunk=chunk, shard=shard)
        digests[name] = hashlib.sha256(data).hexdigest()
        blobs.write(inside(key, name), data)
    where = inside(key, GROUP_DOCUMENT)
    noted = {**document, ATTRIBUTES: {SEAL: {CHUNKS_SHA256: canonical_sha256(digests)}}}
    sealed = seal_document(noted, holder=ATTRIBUTES, of=place_note(blobs.place(where)))
    blobs.write(where, to_readable_bytes(sealed, what="array metadata"))


def digest_chunks(blobs: Blobs, key: str) -> str:
    """Return the digest of the files that an array's chunks lie in, as `write_array` notes it; raise as `open_array`."""
    names = sorted(check_complete(blobs, key).files())
    return canonical_sha256({name: hashlib.sha256(blobs.read(inside(key, name))).hexdigest() for name in names})


def noted_chunks(document: JsonObject) -> JsonValue:
    """Return the digest of its chunks that an array's document has; None in those of earlier versions."""
    attributes = document.get(ATTRIBUTES)
    reserved = attributes.get(SEAL) if isinstance(attributes, Mapping) else None
    return reserved.get(CHUNKS_SHA256) if isinstance(reserved, Mapping) else None


def open_array(blobs: Blobs, key: str) -> "zarr.Array[Any]":
    """Open an array lazily, for reading.

    Raises
    ------
    FileNotFoundError
        When there is no array; callers say which one was asked for.
    DamagedError
        When its metadata cannot be read or were changed, or files of chunks are missing (zarr would read them as zeros).
    """
    return _open(blobs, key)[0]


def load_array(blobs: Blobs, key: str) -> NDArray[Any]:
    """Read an array whole; raise as `open_array`, and `DamagedError` when a checksum is wrong or it is too large."""
    plan, document = _complete(blobs, key)
    where = blobs.describe(key)
    if plan.nbytes > MAX_ARRAY_BYTES:
        raise DamagedError(f"the array {where} needs {plan.nbytes >> 30} GB of memory; open it lazily and read parts of it")
    try:
        dtype = np.dtype(str(document["data_type"])).newbyteorder("<")
        if not _is_of_this_version(document, plan, dtype):
            return np.asarray(_open(blobs, key)[0][...])
        array = np.empty(plan.shape, dtype)
        for position, region in file_regions(plan.shape, plan.file):
            _decode(blobs, key, plan, position, array[region])
    except DamagedError as error:
        raise DamagedError(f"the array {where} is damaged: {error}") from error
    except FileNotFoundError as error:
        raise DamagedError(f"{where} is no longer there: the array was deleted or moved, or its disk is gone") from error
    except (*UNREADABLE, MemoryError) as error:
        raise DamagedError(f"the array {where} is damaged ({error}); restore it from a backup") from error
    return array.astype(dtype.newbyteorder("="), copy=False)


def _is_of_this_version(document: JsonObject, plan: ArrayPlan, dtype: np.dtype[Any]) -> bool:
    """Return whether an array is, to the last value of its document, as `write_array` writes one."""
    ours = array_document(dtype.newbyteorder("="), plan.shape, (), chunk=plan.chunk, shard=plan.file)
    return all(document.get(key) == value for key, value in ours.items() if key != ATTRIBUTES)


def _decode(blobs: Blobs, key: str, plan: ArrayPlan, position: tuple[int, ...], out: NDArray[Any]) -> None:
    """Fill a part of an array from the file at a position."""
    file = plan.file_at(position)
    decode_file(blobs.read(inside(key, file)), out, plan, where=file)


def array_plan(blobs: Blobs, key: str) -> ArrayPlan:
    """Return how an array lies on disk, from its checked metadata alone; raise as `open_array`."""
    return _plan_and_document(blobs, key)[0]


def _plan_and_document(blobs: Blobs, key: str) -> tuple[ArrayPlan, JsonObject]:
    document, where = _document(blobs, key), blobs.describe(key)
    if document_seal_state(strip_foreign(document, ATTRIBUTES), holder=ATTRIBUTES) == "broken":
        raise DamagedError(f"the metadata of the array {where} were changed; restore it from a backup")
    _check_place(blobs, key, document)
    return plan_of_document(document, where=where), document


def array_shape(blobs: Blobs, key: str) -> tuple[int, ...]:
    """Return an array's shape; raise as `open_array`. What was sealed by this program is not checked again."""
    document = _document(blobs, key)
    shape = document.get("shape")
    if isinstance(shape, list) and document_seal_state(strip_foreign(document, ATTRIBUTES), holder=ATTRIBUTES) == "whole":
        _check_place(blobs, key, document)
        return tuple(shape)
    return array_plan(blobs, key).shape


def check_complete(blobs: Blobs, key: str) -> ArrayPlan:
    """Return how an array lies on disk, after looking whether its files are there; raise as `open_array`."""
    return _complete(blobs, key)[0]


def _complete(blobs: Blobs, key: str) -> tuple[ArrayPlan, JsonObject]:
    """Return what `check_complete` does, and the metadata document."""
    plan, document = _plan_and_document(blobs, key)
    blobs.check_links(key)
    # zarr 3.1 reads a file of no bytes as zeros, like a missing one.
    missing = [name for name in sorted(plan.files()) if not blobs.has_bytes(inside(key, name))]
    if missing:
        _document(blobs, key)  # which is gone too where the whole array is: deleted since, and not damaged
        raise DamagedError(
            f"the array {blobs.describe(key)} has lost {len(missing)} of its files, {missing[0]} among them; "
            "restore it from a backup"
        )
    return plan, document


def check_chunks(blobs: Blobs, key: str) -> None:
    """Read and check every chunk, one file at a time; raise `DamagedError` when a checksum is wrong."""
    plan, document = _complete(blobs, key)
    dtype = np.dtype(str(document["data_type"])).newbyteorder("<")
    array = None if _is_of_this_version(document, plan, dtype) else _open(blobs, key)[0]
    for position, region in file_regions(plan.shape, plan.file):
        start = tuple(at * length for at, length in zip(position, plan.file, strict=True))
        damaged = f"the array {blobs.describe(key)} is damaged at {start}"
        try:
            if array is None:
                part = [min(length, size - at) for at, length, size in zip(start, plan.file, plan.shape, strict=True)]
                _decode(blobs, key, plan, position, np.empty(part, dtype))
            else:
                array[region]
        except DamagedError as error:
            raise DamagedError(f"{damaged}: {error}") from error
        except UNREADABLE as error:
            raise DamagedError(f"{damaged} ({error}); restore it from a backup") from error


def _open(blobs: Blobs, key: str) -> tuple["zarr.Array[Any]", ArrayPlan]:
    plan, document = _complete(blobs, key)
    try:
        with checked_codecs():
            # `zarr.open_array` waits for another thread to read the document: measured, half of the time of a small image.
            return zarr.Array.from_dict(StorePath(blobs.store(key, complete=True)), dict(document)), plan
    except UNREADABLE as error:
        where = blobs.describe(key)
        raise DamagedError(f"the array {where} cannot be opened ({error}); restore it from a backup") from error


def _check_place(blobs: Blobs, key: str, document: JsonObject) -> None:
    of = place_note(blobs.place(inside(key, GROUP_DOCUMENT)))
    check_place(said_place(document, holder=ATTRIBUTES), of, what=f"the array {blobs.describe(key)}")


def _document(blobs: Blobs, key: str) -> JsonObject:
    """Return the metadata document of an array."""
    document = inside(key, GROUP_DOCUMENT)
    try:
        data = blobs.read(document, limit=MAX_DOCUMENT_BYTES)
    except NotADirectoryError as error:
        raise FileNotFoundError(blobs.describe(key)) from error
    return object_from_bytes(data, what=blobs.describe(document))


def _default_chunk(shape: Sequence[int], axes: Sequence[str], item_bytes: int) -> tuple[int, ...]:
    chunk = [1 if axis in _SHORT_AXES else max(1, min(size, CHUNK_LENGTH)) for size, axis in zip(shape, axes, strict=True)]
    if "y" in axes:
        at = list(axes).index("y")
        others = math.prod(chunk[:at]) * math.prod(chunk[at + 1 :]) * item_bytes
        grown = CHUNK_BYTES // (others * CHUNK_LENGTH) * CHUNK_LENGTH
        chunk[at] = max(chunk[at], min(grown, shape[at]))
    return tuple(chunk)


def axes_of(array: "zarr.Array[Any]") -> tuple[str, ...]:
    """Return the axes that an array was stored with."""
    names = getattr(array.metadata, "dimension_names", None)
    return tuple(str(name) for name in names) if names else infer_axes(array.ndim)
