"""A zarr store over a folder at an address: zarr reads an array's chunks from a server as from a disk."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable

from zarr.abc.buffer import Buffer, BufferPrototype
from zarr.abc.store import ByteRequest, OffsetByteRequest, RangeByteRequest, Store, SuffixByteRequest

from kymflow_zarr.errors import DamagedError, ReadOnlyError


class RemoteStore(Store):
    """The files of an array at an address. It neither writes nor lists: zarr asks for neither to read an array.

    Parameters
    ----------
    address
        The array's folder.
    find_size
        Returns how many bytes a file has; None where there is none.
    read_part
        Returns the bytes of a file from a first one up to another.
    complete
        Whether a chunk that is not there is an error; zarr would read zeros.
    """

    supports_writes = supports_deletes = supports_listing = False

    def __init__(
        self,
        address: str,
        find_size: Callable[[str], int | None],
        read_part: Callable[[str, int, int], bytes],
        *,
        complete: bool,
    ) -> None:
        super().__init__(read_only=True)
        self._address = address
        self._find_size = find_size
        self._read_part = read_part
        self._complete = complete

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RemoteStore) and other._address == self._address

    def __hash__(self) -> int:
        return hash(self._address)

    async def get(self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None) -> Buffer | None:
        """Return the bytes of a file, or of a part of it; None where there is none. zarr asks for several at once."""
        size = self._find_size(key)
        if size is None:
            if self._complete and not key.startswith((".z", "zarr.json")):
                raise DamagedError(f"{self._address}/{key} is missing: the array is not whole")
            return None
        start, stop = _part(byte_range, size)
        return prototype.buffer.from_bytes(await asyncio.to_thread(self._read_part, key, start, stop))

    async def get_partial_values(
        self, prototype: BufferPrototype, key_ranges: Iterable[tuple[str, ByteRequest | None]]
    ) -> list[Buffer | None]:
        """Return the bytes of some files, or of parts of them."""
        return list(await asyncio.gather(*(self.get(key, prototype, one) for key, one in key_ranges)))

    async def exists(self, key: str) -> bool:
        """Return whether there is a file."""
        return self._find_size(key) is not None

    async def set(self, key: str, value: Buffer) -> None:
        """Refuse to write."""
        raise self._refused(key)

    async def delete(self, key: str) -> None:
        """Refuse to delete."""
        raise self._refused(key)

    def list(self) -> AsyncIterator[str]:
        """Refuse to list, as `supports_listing` says."""
        raise self._refused("")

    def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        """Refuse to list, as `supports_listing` says."""
        raise self._refused(prefix)

    def list_dir(self, prefix: str) -> AsyncIterator[str]:
        """Refuse to list, as `supports_listing` says."""
        raise self._refused(prefix)

    def _refused(self, key: str) -> ReadOnlyError:
        return ReadOnlyError(f"{self._address}/{key} can only be read, file by file")


def _part(byte_range: ByteRequest | None, size: int) -> tuple[int, int]:
    """Return the first byte that is asked for, and the one after the last."""
    match byte_range:
        case RangeByteRequest():
            return byte_range.start, byte_range.end
        case OffsetByteRequest():
            return byte_range.offset, size
        case SuffixByteRequest():
            return max(0, size - byte_range.suffix), size
    return 0, size
