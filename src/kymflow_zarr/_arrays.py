"""Zarr arrays, each at the root of a store of its own: axes, chunks, codecs, and whether all chunks are there.

Every chunk is compressed (Blosc zstd, bit shuffle) and then sealed with crc32c, since Blosc alone lets most single
bit flips pass. Empty chunks are written, so that a missing chunk is damage and never silent zeros. The chunks of an
array lie together in shards, files of up to `SHARD_BYTES`, since few large files suit network and synchronized folders.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import zarr
from numpy.typing import ArrayLike, NDArray
from zarr.codecs import BloscCodec, Crc32cCodec

from kymflow_zarr._blobs import Blobs
from kymflow_zarr._layout import GROUP_DOCUMENT
from kymflow_zarr.errors import DamagedError, InvalidValueError

CHUNK_LENGTH = 512
SHARD_BYTES = 32 * 2**20

_AXES_BY_DIMENSIONS = {2: ("y", "x"), 3: ("z", "y", "x"), 4: ("z", "y", "x", "c"), 5: ("t", "z", "y", "x", "c")}
_SHORT_AXES = frozenset("tzc")
_NUMERIC_KINDS = frozenset("biufc")
_PLATFORM_TYPES = frozenset("gG")  # long doubles, which differ between machines; zarr has no name for them
_UNREADABLE = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RuntimeError)
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

    A chunk is 1 along t, z, c and up to 512 along all other axes, unless given. A shard is a whole number of chunks, grown
    from the last axis on while it stays within `SHARD_BYTES`.

    Raises
    ------
    InvalidValueError
        When `chunks` has another length than `shape`, or a size below 1.
    """
    if chunks is None:
        chunk = tuple(
            1 if axis in _SHORT_AXES else max(1, min(size, CHUNK_LENGTH)) for size, axis in zip(shape, axes, strict=True)
        )
    elif len(chunks) != len(shape) or any(size < 1 for size in chunks):
        raise InvalidValueError(f"chunks {tuple(chunks)} do not fit shape {tuple(shape)}; give one size >= 1 a dimension")
    else:
        chunk = tuple(int(size) for size in chunks)
    shard = list(chunk)
    for index in reversed(range(len(shape))):
        others = math.prod(shard[:index]) * math.prod(shard[index + 1 :]) * item_bytes
        most = max(1, SHARD_BYTES // (others * chunk[index]))
        shard[index] = chunk[index] * max(1, min(most, math.ceil(shape[index] / chunk[index])))
    return chunk, tuple(shard)


def write_array(
    blobs: Blobs, key: str, values: ArrayLike, *, axes: Sequence[str] | None, chunks: Sequence[int] | None
) -> None:
    """Write one array into the folder `key`, which must be in a tree that is being built.

    Raises
    ------
    InvalidValueError
        When the values are neither numbers nor booleans, or axes or chunks do not fit them.
    """
    array = np.asarray(values)
    if array.dtype.kind not in _NUMERIC_KINDS or array.dtype.char in _PLATFORM_TYPES:
        raise InvalidValueError(f"an array of dtype {array.dtype} cannot be stored; only numbers and booleans can")
    names = check_axes(axes, array.ndim)
    chunk, shard = plan_chunks(array.shape, names, array.dtype.itemsize, chunks)
    with blobs.writing(key):
        target = zarr.create_array(
            blobs.store(key, writable=True),
            shape=array.shape,
            dtype=array.dtype,
            chunks=chunk,
            shards=shard if array.ndim else None,
            compressors=[BloscCodec(cname="zstd", clevel=3, shuffle="bitshuffle"), Crc32cCodec()],
            config={"write_empty_chunks": True},
            dimension_names=names,
            zarr_format=3,
        )
        target[...] = array


def open_array(blobs: Blobs, key: str) -> "zarr.Array[Any]":
    """Open an array lazily, for reading.

    Raises
    ------
    FileNotFoundError
        When there is no array; callers say which one was asked for.
    DamagedError
        When its metadata cannot be read, or files of chunks are missing (zarr would read them as zeros).
    """
    where = blobs.describe(key)
    if not blobs.exists(f"{key}/{GROUP_DOCUMENT}"):
        raise FileNotFoundError(where)
    try:
        array = zarr.open_array(blobs.store(key), mode="r")
        expected = _expected_files(array)
    except _UNREADABLE as error:
        raise DamagedError(f"the array {where} cannot be opened ({error}); restore it from a backup") from error
    # zarr 3.1 reads a file of no bytes as zeros, like a missing one.
    missing = expected - {name for name in blobs.files(key) if blobs.size(f"{key}/{name}" if key else name)}
    if missing:
        raise DamagedError(
            f"the array {where} has lost {len(missing)} of its files, {min(missing)} among them; restore it from a backup"
        )
    return array


def load_array(blobs: Blobs, key: str) -> NDArray[Any]:
    """Read an array whole; raise as `open_array`, and `DamagedError` when a checksum is wrong."""
    array = open_array(blobs, key)
    try:
        return np.asarray(array[...])
    except _UNREADABLE as error:
        raise DamagedError(f"the array {blobs.describe(key)} is damaged ({error}); restore it from a backup") from error


def axes_of(array: "zarr.Array[Any]") -> tuple[str, ...]:
    """Return the axes that an array was stored with."""
    names = getattr(array.metadata, "dimension_names", None)
    return tuple(str(name) for name in names) if names else infer_axes(array.ndim)


def _expected_files(array: "zarr.Array[Any]") -> set[str]:
    if 0 in array.shape:
        return set()
    files = array.shards or array.chunks
    counts = [math.ceil(size / length) for size, length in zip(array.shape, files, strict=True)]
    if math.prod(counts) > 10_000_000:
        raise DamagedError(f"an array of shape {array.shape} in {math.prod(counts)} files is not believable")
    return {"/".join(("c", *map(str, index))) for index in np.ndindex(*counts)}
