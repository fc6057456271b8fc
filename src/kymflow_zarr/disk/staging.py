"""How a tree that was built aside gets to its place, and where things are moved out of the way.

The rule of this room: at every moment the old tree or the new one is whole on the disk, and its name in the staging folder
says where it belongs.
"""

import errno
import os
import shutil
import stat
import uuid
from contextlib import suppress
from functools import partial
from pathlib import Path
from urllib.parse import quote, unquote

from kymflow_zarr.disk import steps
from kymflow_zarr.errors import UnconfirmedError
from kymflow_zarr.layout import QUARANTINE, STAGING, TRASH

_TRIES = 100


class Staging:
    """The staging folder and the quarantine of one dataset.

    Parameters
    ----------
    top
        The dataset's folder.
    """

    def __init__(self, top: Path) -> None:
        self._top = top

    def new_path(self, what: str, place: str) -> str:
        """Return a free path in the staging folder, whose name says what it is and which place it is for."""
        return self._free_path(STAGING, f"{what}-", place)

    def new_folder(self, what: str, place: str) -> str:
        """Make a folder in the staging folder, named as `new_path`, also where another program removes that as empty."""
        for _ in range(_TRIES):
            path = self.new_path(what, place)
            with suppress(FileNotFoundError):
                os.mkdir(path)
                return path
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(self._top / STAGING))

    def new_quarantine_path(self, place: str) -> str:
        """Return a free path in the quarantine for something that lies at a place now."""
        return self._free_path(QUARANTINE, "", place)

    def new_trash_path(self, place: str) -> str:
        """Return a free path in the trash for something that lies at a place now."""
        return self._free_path(TRASH, "", place)

    def now(self) -> float:
        """Return what time it is for the disk."""
        folder = str(self._top / STAGING)
        steps.make_folders(folder)
        probe = os.path.join(folder, f".{uuid.uuid4().hex}.tmp")
        steps.write_file(probe, b"", flush=False)
        try:
            return os.stat(probe).st_mtime
        finally:
            os.unlink(probe)

    def forget_if_empty(self) -> None:
        """Remove the staging folder where nothing is in it."""
        with suppress(OSError):
            os.rmdir(self._top / STAGING)

    def publish(self, draft: str, place: str, *, replace: bool, flush: bool) -> None:
        """Move a tree to its place, and remove a tree that was there.

        Parameters
        ----------
        draft, place
            Where the tree is, and where it belongs; the folder of the place is there.
        replace
            Whether a tree at the place changes places with the new one; else `FileExistsError`.
        flush
            Whether the move is flushed to the disk.

        Raises
        ------
        UnconfirmedError
            When nobody knows whether the new tree is there; the old one is kept then, in the staging folder.
        """
        old = ""
        if not replace:
            steps.rename_folder(draft, place)
        elif os.path.exists(place) or not _moved_to_free_place(draft, place):
            old = self._exchange(draft, place)
        if flush:
            try:
                # Taken back where it fails: it is reported as not saved, and a second try would add it twice.
                steps.confirm(os.path.dirname(place), undo=partial(_take_back, draft, place, old))
            except UnconfirmedError:
                if old == draft:
                    with suppress(OSError):
                        steps.rename(draft, self.new_path("replaced", place))
                raise
        # Only now: a power cut could undo the moves, and what was removed would be gone all the same.
        if old:
            shutil.rmtree(old, ignore_errors=True)

    def _exchange(self, draft: str, place: str) -> str:
        """Put a tree in the place of another, and return where the other is now."""
        if steps.swap(draft, place):
            return draft
        # Not at once: a crash between leaves the old one in the staging folder, from where verify puts it back.
        replaced = self.new_path("replaced", place)
        steps.rename(place, replaced)
        try:
            steps.rename(draft, place)
        except OSError as error:
            try:
                steps.rename(replaced, place)
            except OSError:
                raise UnconfirmedError(
                    error.errno,
                    f"not saved ({error.strerror or error}), and what was there before lies in {replaced}; verify --repair "
                    "puts it back",
                    place,
                ) from error
            raise
        return replaced

    def _free_path(self, folder: str, prefix: str, place: str) -> str:
        where = str(self._top / folder)
        steps.make_folders(where)
        quoted = quote(os.path.relpath(place, self._top).replace(os.sep, "/"), safe="")[:200]
        return os.path.join(where, f"{prefix}{uuid.uuid4().hex[:12]}~{quoted}")


def place_of(key: str) -> str | None:
    """Return the key of the place that something in the staging folder was made for, or moved out of."""
    _, marked, quoted = key.rpartition("~")
    return unquote(quoted) if marked else None


def remove_empty(place: str, *, like: str) -> None:
    """Remove an empty folder, and give the tree `like` its permissions; raise `FileExistsError` where it is not empty."""
    try:
        os.chmod(like, stat.S_IMODE(os.stat(place).st_mode))
        os.rmdir(place)
    except FileNotFoundError:
        return
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), place) from error
        raise


def _take_back(draft: str, place: str, old: str) -> None:
    """Put a new tree back where it was built, and the old one, which is at `old` now, in its place."""
    if old == draft:
        if not steps.swap(draft, place):
            raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP), place)
        return
    steps.rename(place, draft)
    if old:
        steps.rename(old, place)


def _moved_to_free_place(draft: str, place: str) -> bool:
    """Move a tree to a place that was free a moment ago; return False where it no longer is."""
    try:
        steps.rename_folder(draft, place)
    except FileExistsError:
        return False
    return True
