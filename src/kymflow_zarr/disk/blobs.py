"""Bytes in and out of a dataset, atomically: the only code that touches a file system or a zarr store.

The rule of this room: a reader sees the old state or the new one, never a half. A file is written next to its place,
flushed and renamed over it; a tree (a record, an array) is built in the staging folder, flushed and renamed in.
A flush that fails means "unknown": it is never retried and carried on from, but reported as not saved.
The single steps that a disk can refuse are in `disk.steps`; how a tree gets to its place is in `disk.staging`.
"""

import errno
import itertools
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from kymflow_zarr.disk import steps
from kymflow_zarr.disk.readable import ReadableBlobs
from kymflow_zarr.disk.staging import Staging, place_of, remove_empty
from kymflow_zarr.errors import NotSavedError, ReadOnlyError, RecordNotFoundError, UnconfirmedError
from kymflow_zarr.layout import QUARANTINE, STAGING, TRASH

RESERVE_BYTES = 8 * 2**20
"""What large writes leave free on a disk, so that a person's ROIs can still be saved when it is full."""
SMALL_BYTES = 256 * 1024
"""Up to this size a file may use the reserve, unless it belongs to a new record."""

_LINES_AT_ONCE = 1000
_REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS)
_HELD = (5, 32, 33)
"""Windows' numbers for a file that another program has open."""


class Blobs(ReadableBlobs):
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
        root: Path | str,
        *,
        read_only: bool,
        top: Path | None = None,
        draft: bool = False,
        keep_reserve: bool = False,
        fixed: bool = False,
        place: str = "",
    ) -> None:
        super().__init__(root, top=top, place=place)
        self.read_only = read_only
        self._staging = Staging(self._top)
        self._draft = draft
        self._fixed = fixed
        self._keep_reserve = keep_reserve
        self._flushed: set[str] = set()

    def __repr__(self) -> str:
        return f"Blobs({str(self.root)!r}, read_only={self.read_only})"

    def sub(self, key: str, *, place: str | None = None) -> "Blobs":
        """Return the folder `key`, sharing the staging folder; unless it is a draft, writing into it does not make it.

        Where it is a symbolic link that cannot be followed, whatever is asked of it raises `DamagedError`. What was moved
        out of its place still belongs to `place`.
        """
        return Blobs(
            self._place(key),
            read_only=self.read_only,
            top=self._top,
            draft=self._draft,
            keep_reserve=self._keep_reserve,
            fixed=True,
            place=self.place(key) if place is None else place,
        )

    def whole(self) -> "Blobs":
        """Return the dataset's folder, which holds the staging folder."""
        return Blobs(self._top, read_only=self.read_only)

    def now(self) -> float:
        """Return what time it is for the disk, whose clock may not be this machine's."""
        with self._writing(STAGING):
            return self._staging.now()

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
                steps.confirm(os.path.dirname(path))

    def write_lines(self, key: str, lines: Iterable[bytes]) -> None:
        """Replace a file whole by lines, of which only some are in memory at once."""
        path = self._path(key)
        with self._writing(key), steps.temporary_file(path) as temporary:
            self._make_folders(os.path.dirname(path))
            steps.write_parts(temporary, self._checked(key, lines), flush=not self._draft)
            steps.replace(temporary, path)
            if not self._draft:
                steps.confirm(os.path.dirname(path))

    def _checked(self, key: str, lines: Iterable[bytes]) -> Iterator[bytes]:
        """Yield some lines together each time, as long as the disk has room for them."""
        rest = iter(lines)
        while data := b"".join(itertools.islice(rest, _LINES_AT_ONCE)):
            self._check_space(key, len(data))
            yield data

    def create(self, key: str, data: bytes, *, flush: bool = True) -> None:
        """Write a file that must not exist; of two writers one gets `FileExistsError`.

        One that means nothing after a power failure need not wait for the disk: `flush` is then False.
        """
        path = self._path(key)
        with self._writing(key):
            self._check_space(key, len(data))
            self._make_folders(os.path.dirname(path))
            if self._draft:
                steps.write_parts(path, [data], flush=False, exclusive=True)
                return
            with steps.temporary_file(path) as temporary:
                steps.write_file(temporary, data, flush=flush)
                steps.link(temporary, path)
                if flush:
                    steps.confirm(os.path.dirname(path), undo=partial(_remove_own, path, data))

    def duplicate(self, source: str, key: str) -> None:
        """Replace the file `key` by another name of the file `source`, without writing its bytes again where possible."""
        path = self._path(key)
        with self._writing(key), steps.temporary_file(path) as temporary:
            self._make_folders(os.path.dirname(path))
            steps.link(self._path(source), temporary)
            steps.replace(temporary, path)
            steps.confirm(os.path.dirname(path))

    def delete(self, key: str) -> None:
        """Remove a file or a folder with all in it; it disappears at once, not piece by piece."""
        path = self._path(key)
        with self._writing(key):
            if os.path.isdir(path):
                aside = self._staging.new_path("deleted", path)
                _move(path, aside)
                shutil.rmtree(aside, ignore_errors=True)
            else:
                os.unlink(path)
                steps.confirm(os.path.dirname(path))

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

    def forget_empty_folders(self, key: str) -> None:
        """Remove a folder and those in it, as far as nothing is in them."""
        for folder, _, _ in os.walk(self._path(key), topdown=False):
            with suppress(OSError):
                os.rmdir(folder)

    def is_taken_away(self, key: str, error: OSError) -> bool:
        """Return whether something could not be read, moved or removed since another program has taken it away."""
        return error.errno == errno.ENOENT and not isinstance(error, UnconfirmedError) and not self.is_listed(key)

    @contextmanager
    def unless_gone(self, key: str) -> Iterator[None]:
        """Let something fail in the block without an error where another program has taken a file away meanwhile."""
        try:
            yield
        except (FileNotFoundError, NotSavedError) as error:
            if not self.is_taken_away(key, error):
                raise

    def set_odd_aside(self, key: str) -> None:
        """Move into the quarantine what lies in the place of a file and is none, such as a folder or a link."""
        if self.is_odd(key):
            self.set_aside_if_there(key)

    def set_aside_if_there(self, key: str) -> None:
        """Move a file or folder into the quarantine, as `set_aside`, unless another program has taken it away."""
        with self.unless_gone(key):
            self.set_aside(key)

    def set_aside(self, key: str) -> str:
        """Move a file or folder into the quarantine, where nothing is ever deleted, and return where it is now.

        Of a symbolic link the link itself is moved, wherever it leads.
        """
        path = self._place(key)
        with self._writing(key):
            kept = self._staging.new_quarantine_path(path)
            _move(path, kept)
        return f"{QUARANTINE}/{os.path.basename(kept)}"

    def throw_away(self, key: str) -> str:
        """Move a folder into the trash, from where `put_back` brings it, and return where it is now."""
        path = self._path(key)
        with self._writing(key):
            thrown = self._staging.new_trash_path(path)
            _move(path, thrown)
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
            lies = self._path(key)
            steps.rename_folder(lies, place)
            steps.confirm(os.path.dirname(place), undo=partial(steps.rename_folder, place, lies))

    def flush(self, key: str) -> None:
        """Flush a folder of a tree that is being built, before the tree is done; files of others are flushed already.

        Where nothing was written into it, it is not there, and there is nothing to do.
        """
        if self._draft and self.is_folder(key):
            with self._writing(key):
                steps.flush_tree(self._path(key))

    def take_as_flushed(self, key: str) -> None:
        """Note that another process has flushed a folder of a tree that is being built, and that nothing comes into it."""
        self._flushed.add(self._path(key))

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
            draft = self._staging.new_folder("building", place)
        is_unknown = False
        try:
            reserve = keep_reserve or self._keep_reserve
            at = "" if is_dataset else self.place(key)
            tree = Blobs(Path(draft), read_only=False, top=self._top, draft=True, keep_reserve=reserve, place=at)
            yield tree
            with self._writing(key):
                if not self._draft:
                    steps.flush_tree(draft, but=tree._flushed)
                if over_empty:
                    remove_empty(place, like=draft)
                self._make_folders(os.path.dirname(place))
                self._staging.publish(draft, place, replace=replace, flush=not self._draft)
        except UnconfirmedError:
            is_unknown = True  # what lies in the draft's place may be the old tree
            raise
        finally:
            if not is_unknown:
                shutil.rmtree(draft, ignore_errors=True)

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
        except (FileExistsError, ReadOnlyError):
            raise
        except OSError as error:
            where, is_ours = self.describe(key), isinstance(error, NotSavedError)
            may_be_away = not is_ours or error.errno == errno.ENOENT
            if self._fixed and may_be_away and not os.path.isdir(self._folder):
                raise RecordNotFoundError(
                    f"not saved: {self._folder} is no longer there: deleted, moved, or its disk is gone"
                ) from error
            if is_ours:
                raise
            if getattr(error, "winerror", None) in _HELD:
                raise NotSavedError(
                    error.errno, "not saved: another program holds the file open; close it there and save again", where
                ) from error
            if error.errno in _REFUSED:
                raise ReadOnlyError(
                    f"not saved: no permission to write {where} ({error.strerror}); choose a folder that you can write"
                ) from error
            raise NotSavedError(error.errno, f"not saved: {error.strerror or error}", where) from error


def _move(path: str, target: str) -> None:
    """Move a file or folder to a free place, or back where the disk does not confirm it."""
    steps.rename(path, target)
    steps.confirm(os.path.dirname(target), os.path.dirname(path), undo=partial(steps.rename, target, path))


def _remove_own(path: str, data: bytes) -> None:
    """Remove a file that was just written; raise `OSError` where another program has put one in its place since."""
    if steps.read_regular(path, len(data)) != data:
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), path)
    os.unlink(path)


def free_bytes(path: Path) -> int:
    """Return how much may still be written to the disk of a folder, which need not exist yet."""
    while not path.exists() and path != path.parent:
        path = path.parent
    return shutil.disk_usage(path).free
