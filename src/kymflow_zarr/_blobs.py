"""Bytes in and out of a dataset, atomically: the only code that touches a file system or a zarr store.

The rule of this room: a reader sees the old state or the new one, never a half. A file is written beside its place,
flushed and renamed over it; a tree (a record, an array) is built in the staging folder, flushed and renamed in.
A flush that fails means "unknown": it is never retried and carried on from, but reported as not saved.
"""

import errno
import os
import shutil
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from zarr.storage import LocalStore

from kymflow_zarr._layout import STAGING
from kymflow_zarr.errors import InvalidNameError, NotSavedError, ReadOnlyError

_REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS)
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)
"""How exFAT and some network shares answer to a hard link."""
_OUTSIDE = ("", ".", "..")
_SEPARATORS = frozenset("\\\0:")


class Blobs:
    """One folder of a dataset, addressed by keys with `/`.

    Parameters
    ----------
    root
        The folder that keys are relative to. It need not exist.
    read_only
        Whether every write is refused with `ReadOnlyError`.
    staging
        Where trees are built; by default `.staging` in `root`. It must be on the same file system.
    """

    def __init__(self, root: Path, *, read_only: bool, staging: Path | None = None) -> None:
        self.root = root
        self.read_only = read_only
        self._staging = staging or root / STAGING

    def __repr__(self) -> str:
        return f"Blobs({str(self.root)!r}, read_only={self.read_only})"

    def sub(self, key: str) -> "Blobs":
        """Return the folder `key`, sharing the staging folder."""
        return Blobs(self._path(key), read_only=self.read_only, staging=self._staging)

    def describe(self, key: str) -> str:
        """Return the full path of `key`, for messages."""
        return str(self._path(key))

    def exists(self, key: str) -> bool:
        """Return whether there is a file or folder."""
        return self._path(key).exists()

    def read(self, key: str) -> bytes:
        """Return a file's bytes; raise `FileNotFoundError` where there is none."""
        return self._path(key).read_bytes()

    def size(self, key: str) -> int:
        """Return the number of bytes of a file."""
        return self._path(key).stat().st_size

    def names(self, key: str) -> list[str]:
        """Return the sorted names in a folder; empty where there is none. Temporary names are left out."""
        try:
            return sorted(entry.name for entry in os.scandir(self._path(key)) if not entry.name.startswith("."))
        except (FileNotFoundError, NotADirectoryError):
            return []

    def files(self, key: str) -> list[str]:
        """Return the sorted keys of all files below a folder, relative to it."""
        top = self._path(key)
        return sorted(
            (Path(folder) / name).relative_to(top).as_posix()
            for folder, _, names in os.walk(top)
            for name in names
            if not name.startswith(".")
        )

    def write(self, key: str, data: bytes) -> None:
        """Replace a file whole: the old bytes or the new ones are there, never a part."""
        with self.writing(key), self._beside(key, data) as temporary:
            os.replace(temporary, self._path(key))
            _flush_folder(self._path(key).parent)

    def create(self, key: str, data: bytes) -> None:
        """Write a file that must not exist; of two writers one gets `FileExistsError`."""
        path = self._path(key)
        with self.writing(key), self._beside(key, data) as temporary:
            if sys.platform == "win32":
                os.rename(temporary, path)
            else:
                _link(temporary, path, data)
            _flush_folder(path.parent)

    def delete(self, key: str) -> None:
        """Remove a file or a folder with all in it; it disappears at once, not piece by piece."""
        path = self._path(key)
        with self.writing(key):
            if path.is_dir():
                aside = self._new_staging_path("deleted")
                os.rename(path, aside)
                _flush_folder(path.parent)
                shutil.rmtree(aside)
            else:
                path.unlink()
                _flush_folder(path.parent)

    @contextmanager
    def build(self, key: str) -> Iterator["Blobs"]:
        """Build a tree aside; leaving the block flushes it and moves it to `key`, an error removes it.

        A tree that is at `key` already is moved aside first and put back if the new one cannot take its place.
        """
        with self.writing(key):
            draft = self._new_staging_path("building")
            draft.mkdir()
        try:
            yield Blobs(draft, read_only=False, staging=self._staging)
            with self.writing(key):
                self._publish(draft, self._path(key))
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    def store(self, key: str, *, writable: bool = False) -> LocalStore:
        """Return a zarr store rooted at a folder, so that raw keys cannot leave it by zarr's own checks."""
        return LocalStore(self._path(key), read_only=not writable)

    def _path(self, key: str) -> Path:
        parts = key.split("/") if key else []
        if any(part in _OUTSIDE or _SEPARATORS & set(part) for part in parts):
            raise InvalidNameError(f"{key[:200]!r} does not name a place inside the dataset")
        return self.root.joinpath(*parts)

    def _new_staging_path(self, what: str) -> Path:
        self._staging.mkdir(parents=True, exist_ok=True)
        return self._staging / f"{what}-{uuid.uuid4()}"

    def _publish(self, draft: Path, path: Path) -> None:
        _flush_tree(draft)
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            os.rename(draft, path)
            _flush_folder(path.parent)
            return
        replaced = self._new_staging_path("replaced")
        os.rename(path, replaced)
        try:
            os.rename(draft, path)
        except OSError:
            os.rename(replaced, path)
            raise
        _flush_folder(path.parent)
        shutil.rmtree(replaced)

    @contextmanager
    def _beside(self, key: str, data: bytes) -> Iterator[Path]:
        path = self._path(key)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except FileExistsError as error:  # a file where a folder should be; for `create` that error means a lost race
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path.parent)) from error
        temporary = path.with_name(f".{uuid.uuid4().hex}.tmp")
        try:
            with temporary.open("xb") as file:
                file.write(data)
                file.flush()
                _flush_descriptor(file.fileno())
            yield temporary
        finally:
            temporary.unlink(missing_ok=True)

    @contextmanager
    def writing(self, key: str) -> Iterator[None]:
        """Turn the operating system's refusals into our errors; let `FileExistsError` and our own pass."""
        if self.read_only:
            raise ReadOnlyError(
                f"not saved: {self.describe(key)} is in a dataset opened for reading only; open it with mode 'a'"
            )
        try:
            yield
        except (FileExistsError, ReadOnlyError, NotSavedError):
            raise
        except OSError as error:
            where = self.describe(key)
            if error.errno in _REFUSED:
                raise ReadOnlyError(
                    f"not saved: no permission to write {where} ({error.strerror}); choose a folder that you can write"
                ) from error
            raise NotSavedError(error.errno, f"not saved: {error.strerror or error}", where) from error


def _link(temporary: Path, path: Path, data: bytes) -> None:
    """Give a file a second name that nobody has; where the disk knows no hard links, create it exclusively.

    The second way is not atomic: a crash may leave a torn file. What is created so is sealed, and a torn seal is seen.
    """
    try:
        os.link(temporary, path)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        with path.open("xb") as file:
            file.write(data)
            file.flush()
            _flush_descriptor(file.fileno())


def _flush_descriptor(descriptor: int) -> None:
    if sys.platform == "darwin":
        import fcntl

        fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)  # fsync alone leaves the data in the drive's cache there
    else:
        os.fsync(descriptor)


def _flush_file(path: Path) -> None:
    # Windows flushes only descriptors that can write.
    descriptor = os.open(path, os.O_RDWR if sys.platform == "win32" else os.O_RDONLY)
    try:
        _flush_descriptor(descriptor)
    finally:
        os.close(descriptor)


def _flush_folder(path: Path) -> None:
    if sys.platform != "win32":  # a folder cannot be opened there; NTFS journals its names
        _flush_file(path)


def _flush_tree(top: Path) -> None:
    for folder, _, names in os.walk(top, topdown=False):
        for name in names:
            _flush_file(Path(folder) / name)
        _flush_folder(Path(folder))
