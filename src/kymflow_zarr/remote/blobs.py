"""One folder of a dataset at an address, read by keys as a folder on a disk is; every write is refused.

The rule of this room: which files there are, the list says, and asks no server. A file that is listed and cannot be had is
damage where the server says that it has none, and a `RemoteError` in all other cases.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from kymflow_zarr.disk.blobs import Blobs
from kymflow_zarr.disk.keys import inside, parts_of
from kymflow_zarr.errors import DamagedError, ReadOnlyError
from kymflow_zarr.remote.array_store import RemoteStore
from kymflow_zarr.remote.file_list import FileList, Folder, files_of, size_of
from kymflow_zarr.remote.objects import WHOLE_BYTES, Objects

_PREPARE = "on the computer that has the dataset, run napari-kymflow prepare-upload, and copy all of it again"


class RemoteBlobs(Blobs):
    """One folder of a dataset at an address, as `Blobs` has it; read only.

    Parameters
    ----------
    objects
        The server, or bucket.
    files
        Which files there are, of the whole dataset.
    at
        The key of the folder.
    place
        As in `Blobs`.
    """

    def __init__(self, objects: Objects, files: FileList, at: str = "", *, place: str | None = None) -> None:
        super().__init__(objects.describe(at), read_only=True, fixed=True, place=at if place is None else place)
        self.objects = objects
        self.listed = files
        self._key = at

    def __repr__(self) -> str:
        return f"RemoteBlobs({self._folder!r})"

    def sub(self, key: str, *, place: str | None = None) -> "RemoteBlobs":
        """Return the folder `key`."""
        return RemoteBlobs(self.objects, self.listed, self._full(key), place=self.place(key) if place is None else place)

    def exists(self, key: str) -> bool:
        """Return whether a file or folder is listed."""
        return self._find(key) is not None

    is_listed = exists

    def is_there(self) -> bool:
        """Return whether the folder is listed."""
        return self.exists("")

    def is_folder(self, key: str) -> bool:
        """Return whether a folder is listed."""
        return isinstance(self._find(key), dict)

    is_odd = is_folder

    def is_regular(self, key: str) -> bool:
        """Return whether a file is listed."""
        return isinstance(self._find(key), str)

    def size(self, key: str) -> int:
        """Return the number of bytes that a file has by the list."""
        return size_of(self._stamp_of(key))

    def has_bytes(self, key: str) -> bool:
        """Return whether a file that is not empty is listed."""
        return bool(self.find_size(key))

    def stamp(self, key: str) -> str:
        """Return the stamp that a file had where the list was made; empty where none is listed."""
        found = self._find(key)
        return found if isinstance(found, str) else ""

    def names(self, key: str, *, hidden: bool = False) -> list[str]:
        """Return the sorted names in a folder; as `ReadableBlobs.names`."""
        found = self._find(key)
        return sorted(name for name in found if hidden or name[0] != ".") if isinstance(found, dict) else []

    def files(self, key: str, *, hidden: bool | None = False) -> list[str]:
        """Return the sorted keys of all files below a folder; as `ReadableBlobs.files`."""
        found = self._find(key)
        keys = [one for one, _ in files_of(found)] if isinstance(found, dict) else []
        return sorted(one for one in keys if hidden is None or (one.rpartition("/")[2][0] == ".") is hidden)

    def read(self, key: str, *, limit: int = 2**30) -> bytes:
        """Return a file's bytes.

        Raises
        ------
        FileNotFoundError, IsADirectoryError
            When no file is listed.
        DamagedError
            When it has more than `limit` bytes, or is not on the server, or not as it is listed.
        RemoteError
            When the server refuses it, fails, or does not answer.
        """
        size = self.size(key)
        if size > limit:
            raise DamagedError(f"{self.describe(key)} has {size} bytes; at most {limit} are believable here")
        return self._whole(key, size)

    def open(self, key: str) -> BinaryIO:
        """Open a file to read parts of it; raise as `read`."""
        size = self.size(key)
        return io.BytesIO(self._whole(key, size)) if size <= WHOLE_BYTES else io.BufferedReader(_Parts(self, key, size))

    def read_part(self, key: str, start: int, stop: int) -> bytes:
        """Return the bytes of a file from `start` up to `stop`; raise as `read`."""
        size = self.size(key)
        if size <= WHOLE_BYTES:
            return self._whole(key, size)[start:stop]
        parts_of(key)
        with self._had(key):
            data = self.objects.read_part(self._full(key), start, stop, size=size)
        self._check_size(key, len(data), min(stop, size) - start)
        return data

    def age_seconds(self, key: str, *, now: float) -> float:
        """Return 0: how old something is, the list does not say."""
        return 0.0

    def odd_entries(self, key: str) -> list[tuple[str, str]]:
        """Return nothing: servers have files only."""
        return []

    def quarantined(self) -> Iterator[tuple[str, bytes]]:
        """Yield nothing: what was set aside stays where it was."""
        yield from ()

    def check_links(self, key: str) -> None:
        """Do nothing: servers have no links."""

    def store(self, key: str, *, complete: bool) -> RemoteStore:
        """Return a zarr store to read from, rooted at a folder; as `ReadableBlobs.store`."""
        folder = self.sub(key)
        return RemoteStore(folder.describe(""), folder.find_size, folder.read_part, complete=complete)

    def find_size(self, key: str) -> int | None:
        """Return the number of bytes that a file has by the list; None where none is listed."""
        found = self._find(key)
        return size_of(found) if isinstance(found, str) else None

    def forget_empty_staging(self) -> None:
        """Do nothing: nothing was ever staged."""

    def _full(self, key: str) -> str:
        return inside(self._key, key) if key else self._key

    def _find(self, key: str) -> str | Folder | None:
        return self.listed.find(self._full(key))

    def _stamp_of(self, key: str) -> str:
        found = self._find(key)
        if isinstance(found, str):
            return found
        raise (FileNotFoundError if found is None else IsADirectoryError)(self.describe(key))

    def _whole(self, key: str, size: int) -> bytes:
        parts_of(key)  # a list of files may say anything
        with self._had(key):
            data = self.objects.read(self._full(key), most=size)
        self._check_size(key, len(data), size)
        return data

    @contextmanager
    def _had(self, key: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            raise DamagedError(
                f"{self.describe(key)} is in the list of files, and the server has no such file: {_PREPARE}"
            ) from error

    def _check_size(self, key: str, is_now: int, expected: int) -> None:
        if is_now != expected:
            raise DamagedError(
                f"{self.describe(key)} gave {is_now} bytes and not {expected}, which the list of files says: {_PREPARE}"
            )

    def _path(self, key: str) -> str:
        return self._place(key)

    def _place(self, key: str) -> str:
        parts_of(key)
        return self.describe(key)

    @contextmanager
    def _writing(self, key: str) -> Iterator[None]:
        raise read_only(self.objects.address)
        yield


def read_only(address: str) -> ReadOnlyError:
    """Return the error of whoever would write at an address."""
    return ReadOnlyError(
        f"{address} is an address, and datasets there are only read: open it with mode='r'; to change it, make a copy on a "
        f"disk with: napari-kymflow download {address} lab.zarr"
    )


class _Parts(io.RawIOBase):
    """A large file on a server, of which parts are read."""

    def __init__(self, blobs: RemoteBlobs, key: str, size: int) -> None:
        self._blobs, self._of, self._size, self._at = blobs, key, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = max(0, offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence])
        return self._at

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer)  # type: ignore[arg-type]
        stop = min(self._at + len(view), self._size)
        if stop <= self._at:
            return 0
        data = self._blobs.read_part(self._of, self._at, stop)
        view[: len(data)] = data
        self._at += len(data)
        return len(data)
