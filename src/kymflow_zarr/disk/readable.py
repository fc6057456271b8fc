"""Reading one folder of a dataset by keys, without ever following a link out of it.

The rule of this room: nothing here writes, and nothing that is read is trusted: what is no file, or larger than it can
be, is refused before it is opened or held in memory.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from zarr.abc.store import Store
from zarr.storage import LocalStore

from kymflow_zarr.disk import steps
from kymflow_zarr.disk.complete_store import CompleteStore
from kymflow_zarr.disk.keys import inside, parts_of
from kymflow_zarr.disk.staging import place_of
from kymflow_zarr.disk.walks import walk, walk_entries
from kymflow_zarr.errors import DamagedError
from kymflow_zarr.layout import QUARANTINE


class ReadableBlobs:
    """One folder of a dataset, addressed by keys with `/`, as far as it is read.

    Parameters
    ----------
    root
        The folder that keys are relative to. It need not exist.
    top
        The dataset's folder, which no symbolic link may lead out of; by default `root`.
    place
        The key, in the dataset, of the place that the folder is for; by default it is the dataset.
    """

    def __init__(self, root: Path | str, *, top: Path | None = None, place: str = "") -> None:
        self._folder = str(root)
        self._top = top or Path(root)
        self._at = place
        self._no_links: set[str] = set()

    @property
    def root(self) -> Path:
        """The folder that keys are relative to."""
        return Path(self._folder)

    def describe(self, key: str) -> str:
        """Return the full path of `key`, for messages."""
        return f"{self._folder}/{key}" if key else self._folder

    def place(self, key: str) -> str:
        """Return the key that a file has in the dataset; in a tree that is being built, the one that it will have."""
        return inside(self._at, key) if key else self._at

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
        data = steps.read_unless_link(self._place(key), limit)
        return steps.read_regular(self._path(key), limit) if data is None else data

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
        path = self._place(key)
        try:
            status = os.lstat(path)
            if stat.S_ISLNK(status.st_mode):
                self._check_link(path)
                status = os.stat(path)
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

    def is_folder(self, key: str) -> bool:
        """Return whether there is a folder."""
        return os.path.isdir(self._path(key))

    def names(self, key: str, *, hidden: bool = False) -> list[str]:
        """Return the sorted names in a folder; empty where there is none. Only `hidden` ones may begin with a dot."""
        try:
            return [name for name in sorted(os.listdir(self._path(key))) if hidden or name[0] != "."]
        except (FileNotFoundError, NotADirectoryError):
            return []

    def files(self, key: str, *, hidden: bool | None = False) -> list[str]:
        """Return the sorted keys of all files below a folder, relative to it; `hidden` ones begin with a dot, None: all."""
        found = walk(self._path(key))
        return sorted(one for one in found if hidden is None or (one.rpartition("/")[2][0] == ".") is hidden)

    def is_there(self) -> bool:
        """Return whether the folder's own name is taken, as `is_listed`; that it is no link is then known."""
        try:
            status = os.stat(self._folder, follow_symlinks=False)
        except OSError:
            return steps.exists(self._folder, follow_links=False)
        if not stat.S_ISLNK(status.st_mode):
            self._no_links.add(self._folder)
        return True

    def is_listed(self, key: str) -> bool:
        """Return whether a name is taken, also by what cannot be read, such as a symbolic link to nothing."""
        return steps.exists(self._place(key), follow_links=False)

    def is_regular(self, key: str) -> bool:
        """Return whether there is a file: no folder, symbolic link, pipe or device."""
        return steps.is_regular(self._place(key))

    def is_odd(self, key: str) -> bool:
        """Return whether there is something that is no file: a folder, symbolic link, pipe or device."""
        return steps.is_odd(self._place(key))

    def odd_entries(self, key: str) -> list[tuple[str, str]]:
        """Return what can be no file or folder of ours below a folder: its key, and what it is."""
        top = self._path(key)
        odd = []
        for entry in walk_entries(top):
            try:
                what = _oddity(entry, str(self._top))
            except FileNotFoundError:
                continue
            if what:
                odd.append((inside(key, os.path.relpath(entry.path, top).replace(os.sep, "/")), what))
        return odd

    def quarantined(self) -> Iterator[tuple[str, bytes]]:
        """Yield the name in the quarantine, and the bytes, of each file that a repair set aside out of this folder."""
        folder = self._top / QUARANTINE
        for name in sorted(os.listdir(folder)) if folder.is_dir() else ():
            if (place_of(name) or "").startswith(f"{self._at}/"):
                with suppress(OSError, DamagedError):
                    yield name, steps.read_regular(str(folder / name), 2**25)

    def store(self, key: str, *, complete: bool) -> Store:
        """Return a zarr store to read from, rooted at a folder, so that raw keys cannot leave it by zarr's own checks.

        Where it is `complete`, a chunk that is no longer there is an error; zarr would read zeros.
        """
        return (CompleteStore if complete else LocalStore)(self._path(key), read_only=True)

    def check_links(self, key: str) -> None:
        """Raise `DamagedError` where a symbolic link below a folder leads out of the dataset."""
        for entry in walk_entries(self._path(key)):
            if entry.is_symlink():
                steps.check_link(entry.path, str(self._top))

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


def _oddity(entry: "os.DirEntry[str]", top: str) -> str:
    """Return why something in the folder `top` can be no file or folder of ours; empty where it can."""
    if entry.is_symlink():
        try:
            steps.check_link(entry.path, top)
        except DamagedError as error:
            return str(error)
        return ""
    is_ours = entry.is_file(follow_symlinks=False) or entry.is_dir(follow_symlinks=False)
    return "" if is_ours else f"{entry.path} is no file but a pipe or a device; remove it"
