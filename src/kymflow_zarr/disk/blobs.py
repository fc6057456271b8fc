"""Bytes in and out of a dataset, atomically: the only code that touches a file system or a zarr store.

The rule of this room: a reader sees the old state or the new one, never a half. A file is written next to its place,
flushed and renamed over it; a tree (a record, an array) is built in the staging folder, flushed and renamed in.
A flush that fails means "unknown": it is never retried and carried on from, but reported as not saved.
The single steps that a disk can refuse are in `disk.steps`; how a tree gets to its place is in `disk.staging`.
"""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from zarr.storage import LocalStore

from kymflow_zarr.disk import steps
from kymflow_zarr.disk.complete_store import CompleteStore
from kymflow_zarr.disk.keys import inside, parts_of
from kymflow_zarr.disk.staging import Staging, place_of, remove_empty
from kymflow_zarr.errors import DamagedError, NotSavedError, ReadOnlyError, RecordNotFoundError
from kymflow_zarr.layout import QUARANTINE, STAGING, TRASH

RESERVE_BYTES = 8 * 2**20
"""What large writes leave free on a disk, so that a person's ROIs can still be saved when it is full."""
SMALL_BYTES = 256 * 1024
"""Up to this size a file may use the reserve, unless it belongs to a new record."""

_REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS)
_HELD = (5, 32, 33)
"""Windows' numbers for a file that another program has open."""


class Blobs:
    """One folder of a dataset, addressed by keys with `/`.

    Parameters
    ----------
    root
        The folder that keys are relative to. It need not exist.
    read_only
        Whether every write is refused with `ReadOnlyError`.
    top
        The dataset's folder, which holds the staging folder, and which no symbolic link may lead out of; by default `root`.
    draft
        Whether the folder is a tree that is being built: its files are flushed together when it is done.
    keep_reserve
        Whether even small files may not use the reserve.
    fixed
        Whether writing never makes the folder: a write into a deleted record must not bring back a part of it.
    place
        The key, in the dataset, of the place that the folder is for; by default it is the dataset.
    """

    def __init__(
        self,
        root: Path,
        *,
        read_only: bool,
        top: Path | None = None,
        draft: bool = False,
        keep_reserve: bool = False,
        fixed: bool = False,
        place: str = "",
    ) -> None:
        self.root = root
        self.read_only = read_only
        self._folder = str(root)
        self._at = place
        self._top = top or root
        self._staging = Staging(self._top)
        self._draft = draft
        self._fixed = fixed
        self._no_links: set[str] = set()
        self._keep_reserve = keep_reserve

    def __repr__(self) -> str:
        return f"Blobs({str(self.root)!r}, read_only={self.read_only})"

    def sub(self, key: str, *, place: str | None = None) -> "Blobs":
        """Return the folder `key`, sharing the staging folder; unless it is a draft, writing into it does not make it.

        Where it is a symbolic link that cannot be followed, whatever is asked of it raises `DamagedError`. What was moved
        out of its place still belongs to `place`.
        """
        return Blobs(
            Path(self._place(key)),
            read_only=self.read_only,
            top=self._top,
            draft=self._draft,
            keep_reserve=self._keep_reserve,
            fixed=True,
            place=self.place(key) if place is None else place,
        )

    def place(self, key: str) -> str:
        """Return the key that a file has in the dataset; in a tree that is being built, the one that it will have."""
        return inside(self._at, key) if key else self._at

    def describe(self, key: str) -> str:
        """Return the full path of `key`, for messages."""
        return f"{self._folder}/{key}" if key else self._folder

    def exists(self, key: str) -> bool:
        """Return whether there is a file or folder; raise `OSError` where the disk fails, which is no answer."""
        return steps.exists(self._path(key))

    def read(self, key: str, *, limit: int = 2**30) -> bytes:
        """Return a file's bytes.

        Raises
        ------
        FileNotFoundError, IsADirectoryError
            When there is no file.
        DamagedError
            When it has more than `limit` bytes, or is no file but a pipe or a device.
        """
        return steps.read_regular(self._path(key), limit)

    def open(self, key: str) -> BinaryIO:
        """Open a file to read parts of it; raise as `read`."""
        return steps.open_regular(self._path(key))

    def size(self, key: str) -> int:
        """Return the number of bytes of a file."""
        return os.stat(self._path(key)).st_size

    def has_bytes(self, key: str) -> bool:
        """Return whether there is a file that is not empty."""
        try:
            return self.size(key) > 0
        except (FileNotFoundError, NotADirectoryError):
            return False

    def stamp(self, key: str) -> str:
        """Return what changes whenever a file is written: size, times, inode; empty where there is none. Reads nothing."""
        try:
            status = os.stat(self._path(key))
        except (FileNotFoundError, NotADirectoryError):
            return ""
        # The time of the last change of the inode as well: a program can set the other time back.
        return f"{status.st_size}-{status.st_mtime_ns}-{status.st_ctime_ns}-{status.st_ino}"

    def age_seconds(self, key: str, *, now: float) -> float:
        """Return how long ago a file or folder was moved to its place, or something in it was written; 0 for the future."""
        path = self._path(key)
        inside = [os.path.join(folder, name) for folder, folders, names in os.walk(path) for name in (*folders, *names)]
        times = [os.lstat(path).st_ctime, *(os.lstat(one).st_mtime for one in (path, *inside))]
        return max(0.0, now - max(times))

    def now(self) -> float:
        """Return what time it is for the disk, whose clock may not be this machine's."""
        with self._writing(STAGING):
            return self._staging.now()

    def is_folder(self, key: str) -> bool:
        """Return whether there is a folder."""
        return os.path.isdir(self._path(key))

    def names(self, key: str, *, hidden: bool = False) -> list[str]:
        """Return the sorted names in a folder; empty where there is none. Only `hidden` ones may begin with a dot."""
        try:
            return [name for name in sorted(os.listdir(self._path(key))) if hidden or name[0] != "."]
        except (FileNotFoundError, NotADirectoryError):
            return []

    def files(self, key: str, *, hidden: bool = False) -> list[str]:
        """Return the sorted keys of all files below a folder, relative to it; `hidden` ones begin with a dot."""
        top = self._path(key)
        return sorted(
            os.path.relpath(os.path.join(folder, name), top).replace(os.sep, "/")
            for folder, _, names in os.walk(top)
            for name in names
            if name.startswith(".") is hidden
        )

    def write(self, key: str, data: bytes) -> None:
        """Replace a file whole: the old bytes or the new ones are there, never a part."""
        path = self._path(key)
        with self._writing(key):
            self._check_space(key, len(data))
            self._make_folders(os.path.dirname(path))
            if self._draft:
                steps.write_file(path, data, flush=False)
                return
            with steps.temporary_file(path) as temporary:
                steps.write_file(temporary, data)
                steps.replace(temporary, path)
                steps.flush_folder(os.path.dirname(path))

    def create(self, key: str, data: bytes) -> None:
        """Write a file that must not exist; of two writers one gets `FileExistsError`."""
        path = self._path(key)
        with self._writing(key):
            self._check_space(key, len(data))
            self._make_folders(os.path.dirname(path))
            with steps.temporary_file(path) as temporary:
                steps.write_file(temporary, data, flush=not self._draft)
                steps.link(temporary, path)
                try:
                    if not self._draft:
                        steps.flush_folder(os.path.dirname(path))
                except OSError:
                    # It will be called "not saved", so it must not stay.
                    with suppress(OSError):
                        os.unlink(path)
                    raise

    def duplicate(self, source: str, key: str) -> None:
        """Replace the file `key` by another name of the file `source`, without writing its bytes again where possible."""
        path = self._path(key)
        with self._writing(key), steps.temporary_file(path) as temporary:
            self._make_folders(os.path.dirname(path))
            steps.link(self._path(source), temporary)
            steps.replace(temporary, path)
            steps.flush_folder(os.path.dirname(path))

    def delete(self, key: str) -> None:
        """Remove a file or a folder with all in it; it disappears at once, not piece by piece."""
        path = self._path(key)
        with self._writing(key):
            if os.path.isdir(path):
                aside = self._staging.new_path("deleted", path)
                steps.rename(path, aside)
                steps.flush_folder(os.path.dirname(path))
                shutil.rmtree(aside, ignore_errors=True)
            else:
                os.unlink(path)
                steps.flush_folder(os.path.dirname(path))

    def forget(self, key: str) -> None:
        """Remove a file that nothing needs, without waiting for the disk; a file that is gone already is no error."""
        with self._writing(key), suppress(FileNotFoundError):
            os.unlink(self._path(key))

    def renew(self, key: str) -> None:
        """Let a file count as written now."""
        with self._writing(key):
            os.utime(self._path(key))

    def forget_empty_staging(self) -> None:
        """Remove the staging folder where nothing is in it."""
        self._staging.forget_if_empty()

    def is_listed(self, key: str) -> bool:
        """Return whether a name is taken, also by what cannot be read, such as a symbolic link to nothing."""
        return steps.exists(self._place(key), follow_links=False)

    def is_regular(self, key: str) -> bool:
        """Return whether there is a file: no folder, symbolic link, pipe or device."""
        return steps.is_regular(self._place(key))

    def set_odd_aside(self, key: str) -> None:
        """Move into the quarantine what lies in the place of a file and is none, such as a folder or a link."""
        if self.is_listed(key) and not self.is_regular(key):
            self.set_aside(key)

    def odd_entries(self, key: str) -> list[tuple[str, str]]:
        """Return what can be no file or folder of ours below a folder: its key, and what it is."""
        top = self._path(key)
        odd = []
        for folder, folders, names in os.walk(top):
            for name in sorted((*folders, *names)):
                path = os.path.join(folder, name)
                try:
                    what = steps.oddity(path, str(self._top))
                except FileNotFoundError:
                    continue
                if what:
                    odd.append((inside(key, os.path.relpath(path, top).replace(os.sep, "/")), what))
        return odd

    def set_aside(self, key: str) -> str:
        """Move a file or folder into the quarantine, where nothing is ever deleted, and return where it is now.

        Of a symbolic link the link itself is moved, wherever it leads.
        """
        path = self._place(key)
        with self._writing(key):
            kept = self._staging.new_quarantine_path(path)
            steps.rename(path, kept)
            steps.flush_folder(os.path.dirname(kept))
            steps.flush_folder(os.path.dirname(path))
        return f"{QUARANTINE}/{os.path.basename(kept)}"

    def quarantined(self) -> Iterator[tuple[str, bytes]]:
        """Yield the name in the quarantine, and the bytes, of each file that a repair set aside out of this folder."""
        folder = self._top / QUARANTINE
        for name in sorted(os.listdir(folder)) if folder.is_dir() else ():
            if (place_of(name) or "").startswith(f"{self._at}/"):
                with suppress(OSError, DamagedError):
                    yield name, steps.read_regular(str(folder / name), 2**25)

    def throw_away(self, key: str) -> str:
        """Move a folder into the trash, from where `put_back` brings it, and return where it is now."""
        path = self._path(key)
        with self._writing(key):
            thrown = self._staging.new_trash_path(path)
            steps.rename(path, thrown)
            steps.flush_folder(os.path.dirname(thrown))
            steps.flush_folder(os.path.dirname(path))
        return f"{TRASH}/{os.path.basename(thrown)}"

    def keep_aside(self, key: str) -> None:
        """Keep a file in the quarantine as well; what is written in its place later does not change it there."""
        path = self._path(key)
        with self._writing(key):
            kept = self._staging.new_quarantine_path(path)
            steps.link(path, kept)
            steps.flush_folder(os.path.dirname(kept))

    def put_back(self, key: str) -> None:
        """Move a folder that was moved out of its place back to it; raise `FileExistsError` where something is there."""
        place = self._path(place_of(key) or "")
        with self._writing(key):
            steps.rename_folder(self._path(key), place)
            steps.flush_folder(os.path.dirname(place))

    @contextmanager
    def build(
        self,
        key: str,
        *,
        keep_reserve: bool = False,
        replace: bool = True,
        over_empty: bool = False,
        is_dataset: bool = False,
    ) -> Iterator["Blobs"]:
        """Build a tree aside; leaving the block flushes it and moves it to `key`, an error removes it.

        Parameters
        ----------
        key
            The tree's place.
        keep_reserve
            Whether even its small files may not use what is kept free for ROIs.
        replace
            Whether a tree that is at `key` already changes places with the new one, and is removed.
        over_empty
            Whether, where it is not, the tree may take the place of a folder that is empty when it is done.
        is_dataset
            Whether the tree is a whole dataset, and no part of one.

        Raises
        ------
        FileExistsError
            When there is something at `key` and it is not to be replaced, even if it came there only now.
        """
        place = self._path(key)
        with self._writing(key):
            draft = self._staging.new_path("building", place)
            os.mkdir(draft)
        try:
            reserve = keep_reserve or self._keep_reserve
            at = "" if is_dataset else self.place(key)
            yield Blobs(Path(draft), read_only=False, top=self._top, draft=True, keep_reserve=reserve, place=at)
            with self._writing(key):
                if not self._draft:
                    steps.flush_tree(draft)
                if over_empty:
                    remove_empty(place, like=draft)
                self._make_folders(os.path.dirname(place))
                self._staging.publish(draft, place, replace=replace, flush=not self._draft)
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    def store(self, key: str, *, complete: bool) -> LocalStore:
        """Return a zarr store to read from, rooted at a folder, so that raw keys cannot leave it by zarr's own checks.

        Where it is `complete`, a chunk that is no longer there is an error; zarr would read zeros.
        """
        return (CompleteStore if complete else LocalStore)(self._path(key), read_only=True)

    def check_links(self, key: str) -> None:
        """Raise `DamagedError` where a symbolic link below a folder leads out of the dataset."""
        for folder, folders, names in os.walk(self._path(key)):
            for name in (*folders, *names):
                path = os.path.join(folder, name)
                if os.path.islink(path):
                    steps.check_link(path, str(self._top))

    def _path(self, key: str) -> str:
        """Return where a key lies; raise `DamagedError` where a symbolic link there is not followed."""
        path = self._place(key)
        if path not in self._no_links:
            self._check_link(path)
        return path

    def _place(self, key: str) -> str:
        """Return where a key lies, whatever is there; whether a folder on the way is a link is looked at once."""
        path, parts = self._folder, parts_of(key)
        for part in parts:
            if path not in self._no_links:
                self._check_link(path)
                self._no_links.add(path)
            path = f"{path}{os.sep}{part}"
        return path

    def _check_link(self, path: str) -> None:
        if os.path.islink(path) and path != str(self._top):
            steps.check_link(path, str(self._top))

    def _make_folders(self, path: str) -> None:
        below = self._folder if self._fixed and not self._draft else ""
        steps.make_folders(path, below=below, flush=not self._draft)

    def _check_space(self, key: str, size: int) -> None:
        if size <= SMALL_BYTES and not self._keep_reserve:
            return
        free = free_bytes(self._top)
        if free - size < RESERVE_BYTES:
            raise NotSavedError(
                errno.ENOSPC,
                f"not saved: the disk is nearly full ({free >> 20} MB free, {(size >> 20) + 1} MB needed, and the last "
                f"{RESERVE_BYTES >> 20} MB are kept so that ROIs can be saved); make room and try again",
                self.describe(key),
            )

    @contextmanager
    def _writing(self, key: str) -> Iterator[None]:
        """Turn the operating system's refusals into our errors; let `FileExistsError` and our own pass."""
        if self.read_only:
            where = self.describe(key)
            raise ReadOnlyError(f"not saved: {where} is in a dataset opened for reading only; open it with mode 'a'")
        try:
            yield
        except (FileExistsError, ReadOnlyError, NotSavedError):
            raise
        except OSError as error:
            where = self.describe(key)
            if self._fixed and not os.path.isdir(self._folder):
                raise RecordNotFoundError(
                    f"not saved: {self._folder} is no longer there: deleted, moved, or its disk is gone"
                ) from error
            if getattr(error, "winerror", None) in _HELD:
                raise NotSavedError(
                    error.errno, "not saved: another program holds the file open; close it there and save again", where
                ) from error
            if error.errno in _REFUSED:
                raise ReadOnlyError(
                    f"not saved: no permission to write {where} ({error.strerror}); choose a folder that you can write"
                ) from error
            raise NotSavedError(error.errno, f"not saved: {error.strerror or error}", where) from error


def free_bytes(path: Path) -> int:
    """Return how much may still be written to the disk of a folder, which need not exist yet."""
    while not path.exists() and path != path.parent:
        path = path.parent
    return shutil.disk_usage(path).free
