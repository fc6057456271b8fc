"""A disk that fails on purpose: each primitive below one folder is counted, and one of them refused or never reached.

Primitives are the calls of `os` that change a file system or flush it, or those that read it. What changes the folder by
another way is noticed by an audit hook and reported, so that none goes uncounted.
"""

import contextlib
import errno
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from power_cut import Unflushed

from kymflow_zarr.disk import steps

ERRORS = {"EIO": errno.EIO, "ENOSPC": errno.ENOSPC}
CRASHES = ("crash", "torn write", "power cut", "power cut with names")
"""`torn write` stops in the middle of a write; a power cut also takes what was not flushed, then names as well."""
FAULTS = (*CRASHES, *ERRORS)

_MOVES = ("rename", "replace")
_NEW_NAMES = ("link", "symlink", "mkdir")
_REMOVALS = ("unlink", "remove", "rmdir", "truncate")
_READS = ("stat", "lstat", "scandir", "listdir")
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_CHANGES = ("os.rename", "os.link", "os.symlink", "os.mkdir", "os.remove", "os.rmdir", "os.truncate")
_REAL = {name: getattr(os, name) for name in (*_MOVES, *_NEW_NAMES, *_REMOVALS, *_READS, "open", "write", "fsync", "close")}
_REAL_SWAP = steps.swap

_watching: list["FailingDisk"] = []


class Crash(BaseException):
    """The process is dead: nothing that it does from here on reaches the disk."""


class FailingDisk:
    """The primitives below a folder, of which one fails.

    Parameters
    ----------
    top
        The folder.
    fault
        What happens, one of `FAULTS`; None only counts.
    at
        The number of the primitive that it happens at, from 1.
    reads
        Whether reading primitives are the ones that count, not writing ones.
    lacks
        What the disk cannot do: "swap", exchange two folders at once; "link", give a file a second name.
    """

    def __init__(self, top: Path, fault: str | None = None, at: int = 0, *, reads: bool = False, lacks: str = "") -> None:
        self.steps: list[str] = []
        self.bypassed: list[str] = []
        self._top = f"{top}{os.sep}"
        self._fault = fault
        self._at = at
        self._reads = reads
        self._lacks = lacks
        self._dead = False
        self._inside = False
        self._descriptors: dict[int, str] = {}
        self._reading: set[int] = set()
        self._unflushed = Unflushed(top, top.with_name(f"{top.name} attic"))

    @property
    def failed(self) -> bool:
        """Whether the fault happened."""
        return 0 < self._at <= len(self.steps)

    @contextlib.contextmanager
    def failing(self) -> Iterator[None]:
        """Fail inside the block; a power cut happens when it is left."""
        with pytest.MonkeyPatch.context() as patch:
            for name in (*_MOVES, *_NEW_NAMES, *_REMOVALS, *_READS):
                patch.setattr(os, name, self._wrapped(name))
            for name in ("open", "write", "fsync", "close"):
                patch.setattr(os, name, getattr(self, f"_{name}"))
            patch.setattr(steps, "swap", self._swap)
            _watching.append(self)
            try:
                yield
            finally:
                _watching.remove(self)
        if self._dead and self._fault in CRASHES[2:]:
            self._unflushed.lose(names=self._fault == CRASHES[3])

    def power_off(self) -> None:
        """Cut the power after everything was done."""
        self._unflushed.lose(names=True)

    def notice(self, event: str, args: tuple) -> None:
        """Take what the audit hook saw: an open of `io` below the folder, or a change that no wrapper made."""
        if self._inside or not isinstance(args[0], str | bytes | os.PathLike):
            return
        path = os.fsdecode(args[0])
        if not path.startswith(self._top):
            return
        if event == "open":
            mode = args[1]
            if mode is None:
                return
            if set(mode) & set("wax+"):
                self.bypassed.append(f"open {path}")
            else:
                self._step("read", path, reading=True)
        else:
            self.bypassed.append(f"{event} {path}")

    def _step(self, what: str, path: str, *, reading: bool = False) -> None:
        if self._dead:
            raise Crash(f"{what} {path}")
        if reading is not self._reads:
            return
        self.steps.append(f"{what} {path.removeprefix(self._top)}")
        if len(self.steps) != self._at or self._fault is None:
            return
        if self._fault in ERRORS:
            raise OSError(ERRORS[self._fault], os.strerror(ERRORS[self._fault]), path)
        self._dead = True
        raise Crash(self.steps[-1])

    def _wrapped(self, name: str):
        def call(path, *args, **kwargs):
            place = self._resolve(path, kwargs.get("dir_fd", kwargs.get("src_dir_fd")))
            if self._passes(place):
                return _REAL[name](path, *args, **kwargs)
            self._step(name, place, reading=name in _READS)
            if name == self._lacks:
                raise OSError(errno.EPERM, os.strerror(errno.EPERM), place)
            with self._unseen():
                if name in _MOVES:
                    target = Path(args[0])
                    kept = self._unflushed.keep(target)
                    _REAL[name](path, *args, **kwargs)
                    return self._unflushed.note_move(Path(place), target, kept)
                result = _REAL[name](path, *args, **kwargs)
                if name in _NEW_NAMES:
                    self._unflushed.note_new_name(Path(args[0] if name in ("link", "symlink") else place))
                return result

        return call

    @contextlib.contextmanager
    def _unseen(self) -> Iterator[None]:
        self._inside = True
        try:
            yield
        finally:
            self._inside = False

    def _passes(self, place: str) -> bool:
        return self._inside or not f"{place}{os.sep}".startswith(self._top)

    def _resolve(self, path, folder: int | None = None) -> str:
        if isinstance(path, int):
            return ""
        text = os.fsdecode(path)
        return f"{self._descriptors[folder]}/{text}" if folder in self._descriptors else text

    def _open(self, path, flags, *args, **kwargs):
        place = self._resolve(path, kwargs.get("dir_fd"))
        if self._passes(place):
            descriptor = _REAL["open"](path, flags, *args, **kwargs)
            self._descriptors.pop(descriptor, None)
            return descriptor
        writing = bool(flags & _WRITING)
        with self._unseen():
            there, reading = os.path.lexists(place), not writing and not Path(place).is_dir()
        self._step("open", place, reading=reading)
        with self._unseen():
            descriptor = _REAL["open"](path, flags, *args, **kwargs)
            self._descriptors[descriptor] = place
            self._reading.discard(descriptor)
            if reading:
                self._reading.add(descriptor)
            if writing:
                self._unflushed.note_write(descriptor)
            if writing and not there:
                self._unflushed.note_new_name(Path(place))
        return descriptor

    def _write(self, descriptor, data):
        if descriptor not in self._descriptors:
            return _REAL["write"](descriptor, data)
        if not self._dead and self._fault == "torn write" and len(self.steps) + 1 == self._at:
            _REAL["write"](descriptor, bytes(data)[: len(data) // 2])
        self._step("write", self._descriptors[descriptor])
        with self._unseen():
            self._unflushed.note_write(descriptor)
        return _REAL["write"](descriptor, data)

    def _fsync(self, descriptor):
        if descriptor not in self._descriptors:
            return _REAL["fsync"](descriptor)
        self._step("flush", self._descriptors[descriptor])
        with self._unseen():  # the disk itself is not waited for
            return self._unflushed.note_flush(descriptor)

    def _close(self, descriptor):
        _REAL["close"](descriptor)
        place = self._descriptors.pop(descriptor, None)
        if place is not None:
            self._step("close", place, reading=descriptor in self._reading)

    def _swap(self, first, second):
        self._step("swap", second)
        if self._lacks == "swap":
            return False
        with self._unseen():
            done = _REAL_SWAP(first, second)
            if done:
                self._unflushed.note_swap(Path(first), Path(second), _REAL_SWAP)
        return done


def _hook(event: str, args: tuple) -> None:
    if _watching and (event == "open" or event in _CHANGES):
        _watching[-1].notice(event, args)


sys.addaudithook(_hook)
