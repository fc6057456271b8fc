"""What an array's metadata document may say, and what a chunk may unpack to: checked before anything is allocated.

The rule of this room: nothing from a file is used before it is checked here. A document has the one chain of
codecs that this program writes. zarr and numcodecs are only handed what has passed.
"""

import math
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import zarr
from zarr.abc.buffer import Buffer
from zarr.codecs import BloscCodec
from zarr.registry import register_codec

from kymflow_zarr.errors import DamagedError
from kymflow_zarr.formats.strict_json import JsonObject, JsonValue

if TYPE_CHECKING:
    from zarr.core.array_spec import ArraySpec

MAX_CHUNK_BYTES = 2**28
"""A chunk is unpacked whole into memory."""
MAX_FILES = 1_000_000
MAX_LENGTH = 2**48

BLOSC_HEADER_BYTES = 16
_SIZED = {"int": (8, 16, 32, 64), "uint": (8, 16, 32, 64), "float": (16, 32, 64), "complex": (64, 128)}
DTYPES = frozenset({"bool", *(f"{kind}{bits}" for kind, sizes in _SIZED.items() for bits in sizes)})
_CHUNK_CODECS = ["bytes", "blosc", "crc32c"]
INDEX_CODECS = ["bytes", "crc32c"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrayPlan:
    """How an array lies on disk, from a document that was checked.

    `chunk` is what is unpacked at once, `file` the part of the array in one file: a shard, or the same as `chunk`.
    """

    shape: tuple[int, ...]
    item_bytes: int
    chunk: tuple[int, ...]
    file: tuple[int, ...]
    separator: str = "/"
    prefix: str = "c"

    @property
    def nbytes(self) -> int:
        """The size of the whole array in memory."""
        return math.prod(self.shape) * self.item_bytes

    @property
    def chunk_nbytes(self) -> int:
        """The size of one chunk in memory."""
        return math.prod(self.chunk) * self.item_bytes

    def files(self) -> set[str]:
        """Return the names, relative to the array's folder, of the files that its chunks lie in."""
        if 0 in self.shape:
            return set()
        counts = [math.ceil(size / length) for size, length in zip(self.shape, self.file, strict=True)]
        return {self.file_at(position) for position in np.ndindex(*counts)}

    def file_at(self, position: Sequence[int]) -> str:
        """Return the name, relative to the array's folder, of the file at a position in the grid of files."""
        start = [self.prefix] if self.prefix else []
        return self.separator.join((*start, *map(str, position))) or "0"


def plan_of_document(document: JsonObject, *, where: str) -> ArrayPlan:
    """Return the plan in a `zarr.json` of ours (zarr v3 core specification, "Array metadata").

    Raises
    ------
    DamagedError
        When it is not what this program writes, or describes sizes that cannot be.
    """
    grid, chunk_file = document.get("chunk_grid"), None
    if isinstance(grid, Mapping) and grid.get("name") == "regular":
        chunk_file = configuration_of(grid).get("chunk_shape")
    codecs = document.get("codecs")
    chunk = chunk_file
    if codec_names(codecs) == ["sharding_indexed"]:
        sharding = configuration_of(listed(codecs)[0])
        chunk, codecs = sharding.get("chunk_shape"), sharding.get("codecs")
        if codec_names(sharding.get("index_codecs")) != INDEX_CODECS:
            raise DamagedError(f"the array {where} has an index that is not known; restore it from a backup")
    if document.get("node_type") != "array" or document.get("zarr_format") != 3 or codec_names(codecs) != _CHUNK_CODECS:
        raise DamagedError(
            f"the array {where} is not as this program writes it (codecs {codec_names(codecs)}); restore it from a backup"
        )
    dtype = document.get("data_type")
    if not isinstance(dtype, str) or dtype not in DTYPES:
        raise DamagedError(
            f"the array {where} has the data type {str(dtype)[:80]!r}; only numbers are read; restore it from a backup"
        )
    return check_plan(document.get("shape"), chunk, chunk_file, np.dtype(dtype).itemsize, where=where)


def check_blosc_header(header: bytes, expected: int, stored: int, *, where: str) -> None:
    """Check the header of a Blosc chunk, which Blosc itself trusts.

    The header is 16 bytes; its second and fourth 32-bit numbers are the sizes unpacked and packed (c-blosc,
    README_CHUNK_FORMAT).

    Parameters
    ----------
    header
        The first bytes of the chunk.
    expected
        How many bytes it must unpack to.
    stored
        How many bytes it has.
    where
        The chunk, for messages.

    Raises
    ------
    DamagedError
        When it unpacks to another size, or is cut off.
    """
    unpacked, packed = int.from_bytes(header[4:8], "little"), int.from_bytes(header[12:16], "little")
    if len(header) < BLOSC_HEADER_BYTES or packed > stored:
        raise DamagedError(f"{where} is cut off: it should have {packed} bytes and has {stored}; restore it from a backup")
    if unpacked != expected:
        raise DamagedError(f"{where} says that it unpacks to {unpacked} bytes, not {expected}; restore it from a backup")


class CheckedBlosc(BloscCodec):
    """Blosc that looks at a chunk's header before it unpacks it."""

    def _decode_sync(self, chunk_bytes: Buffer, chunk_spec: "ArraySpec") -> Buffer:
        expected = math.prod(chunk_spec.shape) * chunk_spec.dtype.to_native_dtype().itemsize
        header = chunk_bytes[:BLOSC_HEADER_BYTES].to_bytes()
        check_blosc_header(header, expected, len(chunk_bytes), where="a chunk of an array")
        return super()._decode_sync(chunk_bytes, chunk_spec)


_CHECKED = f"{CheckedBlosc.__module__}.{CheckedBlosc.__qualname__}"
register_codec("blosc", CheckedBlosc, qualname=_CHECKED)
_choosing = threading.Lock()


@contextmanager
def checked_codecs(others: Mapping[str, str] = MappingProxyType({})) -> Iterator[None]:
    """Let zarr take `CheckedBlosc` for arrays that are opened inside the block; nobody else's arrays are touched.

    `others` are further codecs by name, each as the name that its class was registered with.
    """
    chosen = {"blosc": _CHECKED, **others}
    with _choosing, zarr.config.set({f"codecs.{name}": qualname for name, qualname in chosen.items()}):
        yield


def check_plan(shape: JsonValue, chunk: JsonValue, file: JsonValue, item_bytes: int, *, where: str) -> ArrayPlan:
    """Return how an array lies on disk; raise `DamagedError` unless the sizes that its document states can be."""
    sizes = [_lengths(value, least) for value, least in ((shape, 0), (chunk, 1), (file, 1))]
    if any(one is None or len(one) != len(sizes[0] or ()) for one in sizes):
        raise DamagedError(
            f"the array {where} has the shape {str(shape)[:80]} in chunks of {str(chunk)[:80]}, not believable; "
            "restore it from a backup"
        )
    lengths, chunks, files = (one or () for one in sizes)
    plan = ArrayPlan(shape=lengths, item_bytes=item_bytes, chunk=chunks, file=files)
    count = math.prod(math.ceil(size / length) for size, length in zip(lengths, files, strict=True))
    if plan.chunk_nbytes > MAX_CHUNK_BYTES or count > MAX_FILES or math.prod(files) * item_bytes > 2 * MAX_CHUNK_BYTES:
        raise DamagedError(
            f"the array {where} of shape {lengths}, with {count} files and chunks of {plan.chunk_nbytes} bytes, "
            "is not believable; restore it from a backup"
        )
    return plan


def _lengths(value: JsonValue, least: int) -> tuple[int, ...] | None:
    if not isinstance(value, list) or len(value) > 32:
        return None
    if not all(isinstance(size, int) and not isinstance(size, bool) and least <= size <= MAX_LENGTH for size in value):
        return None
    return tuple(value)


def listed(value: JsonValue) -> Sequence[JsonValue]:
    """Return a value of a document where it is a list; else nothing."""
    return value if isinstance(value, list) else []


def codec_names(codecs: JsonValue) -> list[str]:
    """Return the names in a chain of codecs, shortened for messages."""
    return [str(codec.get("name"))[:80] for codec in listed(codecs) if isinstance(codec, Mapping)]


def configuration_of(value: JsonValue) -> Mapping[str, JsonValue]:
    """Return the configuration of a codec or a grid; empty where it has none."""
    configuration = value.get("configuration") if isinstance(value, Mapping) else None
    return configuration if isinstance(configuration, Mapping) else {}
