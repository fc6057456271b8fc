"""What a power cut takes: bytes of files, and names in folders, that were written but not flushed to the disk."""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class _Change:
    """A change of names: the folders of which one must be flushed for it to last, and how it is undone."""

    folders: frozenset[int]
    undo: Callable[[], None]


class Unflushed:
    """What was done below a folder and would be lost.

    A name lasts once its folder was flushed, after a move one of the two folders; removing a name always lasts, which is
    the worse case. Folders are known by their inodes, since those above them may move.

    Parameters
    ----------
    top
        The folder.
    attic
        Where files that a rename replaces are kept, to put them back; on the same file system, outside of `top`.
    """

    def __init__(self, top: Path, attic: Path) -> None:
        self._top = top
        self._attic = attic
        attic.mkdir(exist_ok=True)
        self._kept = 0
        self._written: set[int] = set()
        self._changes: list[_Change] = []

    def note_write(self, descriptor: int) -> None:
        self._written.add(os.fstat(descriptor).st_ino)

    def note_flush(self, descriptor: int) -> None:
        inode = os.fstat(descriptor).st_ino
        self._written.discard(inode)
        self._changes = [change for change in self._changes if inode not in change.folders]

    def note_new_name(self, path: Path) -> None:
        folder, name = _inode(path.parent), path.name

        def undo() -> None:
            place = self._place(folder, name)
            if place is None:
                return
            if place.is_dir():
                shutil.rmtree(place)
            else:
                place.unlink(missing_ok=True)

        self._changes.append(_Change(frozenset({folder}), undo))

    def keep(self, path: Path) -> Path | None:
        """Keep what a rename is about to replace; return where, None where there is nothing."""
        if not path.is_file():
            return None
        self._kept += 1
        kept = self._attic / str(self._kept)
        kept.hardlink_to(path)
        return kept

    def note_move(self, source: Path, target: Path, kept: Path | None) -> None:
        from_folder, from_name, to_folder, to_name = _inode(source.parent), source.name, _inode(target.parent), target.name

        def undo() -> None:
            back, there = self._place(from_folder, from_name), self._place(to_folder, to_name)
            if back is None or there is None or not there.exists():
                return
            there.rename(back)
            if kept is not None:
                there.hardlink_to(kept)

        self._changes.append(_Change(frozenset({from_folder, to_folder}), undo))

    def note_swap(self, first: Path, second: Path, swap: Callable[[str, str], bool]) -> None:
        folders, names = (_inode(first.parent), _inode(second.parent)), (first.name, second.name)

        def undo() -> None:
            places = [self._place(folder, name) for folder, name in zip(folders, names, strict=True)]
            if all(place is not None and place.exists() for place in places):
                swap(*map(str, places))

        self._changes.append(_Change(frozenset(folders), undo))

    def lose(self, *, names: bool) -> None:
        """Cut the power: empty the files that were not flushed and, where asked, take back the names that were not."""
        for change in reversed(self._changes) if names else ():
            change.undo()
        for path in self._top.rglob("*"):
            if path.is_file() and _inode(path) in self._written:
                os.truncate(path, 0)

    def _place(self, folder: int, name: str) -> Path | None:
        folders = [self._top, *(path for path in self._top.rglob("*") if path.is_dir())]
        return next((path / name for path in folders if _inode(path) == folder), None)


def _inode(path: Path) -> int:
    return path.lstat().st_ino
