"""The single steps on a local disk: each one is something that a disk can refuse or a crash can come before.

The rule of this room: only plain calls of `os`, no decisions about the format. Paths are strings, for speed.
"""

import ctypes
import errno
import functools
import hashlib
import os
import socket
import stat
import sys
import time
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader
from pathlib import Path

from kymflow_zarr.disk.walks import is_link
from kymflow_zarr.errors import DamagedError, UnconfirmedError

_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EXDEV, errno.EMLINK, errno.EINVAL)
"""How exFAT and some network shares answer to a hard link; Windows turns its own answers into EINVAL."""
_NO_SWAP = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)
_ABSENT = (
    errno.ENOENT,
    errno.ENOTDIR,
    errno.ELOOP,
    errno.ENAMETOOLONG,
    errno.EINVAL,
    *((errno.EACCES, errno.EPERM) if sys.platform == "win32" else ()),
)
"""Answers that mean "nothing there"; Windows refuses to look at what is being deleted."""
_BINARY = getattr(os, "O_BINARY", 0)
_NO_FOLLOW: int = getattr(os, "O_NOFOLLOW", 0)
_IS_LINK = (errno.ELOOP, errno.EMLINK)
"""How systems answer to a symbolic link that is not to be followed; BSD says EMLINK."""
_RETRY_SECONDS = (0.01, 0.05, 0.2, 0.5) if sys.platform == "win32" else ()
"""How often Windows is asked again when a virus scanner or a reader holds a file for a moment (WinError 5 and 32)."""
_AT_FDCWD = -100
_EXCHANGE = 2
"""`RENAME_EXCHANGE` of Linux (renameat2(2)) and `RENAME_SWAP` of macOS (renamex_np(2)) have the same value."""
_NO_REPLACE = (1, 4)
"""`RENAME_NOREPLACE` of Linux and `RENAME_EXCL` of macOS."""
_CANNOT_FLUSH = (errno.EINVAL, errno.EBADF, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOTTY, errno.ENODEV)
"""How some disks answer to a kind of flush that they do not know, which is no failure of the disk."""


def exists(path: str, *, follow_links: bool = True) -> bool:
    """Return whether there is a file or folder; raise `OSError` where the disk fails, which is no answer.

    Where links are not followed, a symbolic link is there even if it leads to nothing.
    """
    return _mode(path, follow_links=follow_links) is not None


def is_regular(path: str) -> bool:
    """Return whether there is a file: no folder, symbolic link, pipe or device."""
    mode = _mode(path, follow_links=False)
    return mode is not None and stat.S_ISREG(mode)


def is_odd(path: str) -> bool:
    """Return whether there is something that is no file: a folder, symbolic link, pipe or device."""
    mode = _mode(path, follow_links=False)
    return mode is not None and not stat.S_ISREG(mode)


def _mode(path: str, *, follow_links: bool) -> int | None:
    """Return what lies somewhere, as `os.stat` says it; None for nothing. Asked once: another program may take it away."""
    try:
        return os.stat(path, follow_symlinks=follow_links).st_mode
    except OSError as error:
        if error.errno in _ABSENT:
            return None
        raise


def open_regular(path: str) -> BufferedReader:
    """Open a file for reading; raise `DamagedError` for a pipe or device, which could block or never end."""
    return os.fdopen(_open_regular(path)[0], "rb")


def read_unless_link(path: str, limit: int) -> bytes | None:
    """Return a file's bytes as `read_regular`; None where its name may be a symbolic link: measured, faster than to ask."""
    if not _NO_FOLLOW:  # Windows
        return None
    try:
        return read_regular(path, limit, flags=_NO_FOLLOW)
    except OSError as error:
        if error.errno in _IS_LINK:
            return None
        raise


def read_regular(path: str, limit: int, *, flags: int = 0) -> bytes:
    """Return a file's bytes; raise as `open_regular`, and where there are more than `limit`."""
    descriptor, size = _open_regular(path, flags)
    try:
        if size > limit:
            raise DamagedError(f"{path} has {size} bytes; at most {limit} are believable here")
        parts = [os.read(descriptor, size + 1)]
        while parts[-1] and sum(map(len, parts)) < size:
            parts.append(os.read(descriptor, size))
    finally:
        os.close(descriptor)
    return b"".join(parts)


def _open_regular(path: str, flags: int = 0) -> tuple[int, int]:
    """Return a descriptor and the size of a file."""
    # Not to wait for a pipe's other end; it has no meaning for files.
    flags |= os.O_RDONLY | _BINARY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
    descriptor = os.open(path, flags)
    status = os.fstat(descriptor)
    if stat.S_ISREG(status.st_mode):
        return descriptor, status.st_size
    os.close(descriptor)
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    raise DamagedError(f"{path} is no file but a pipe or a device; remove it")


def check_link(path: str, top: str) -> None:
    """Raise `DamagedError` where a symbolic link leads out of the folder `top`, or to nothing.

    A link to nothing is there for who makes a file of that name, and not there for who reads it.
    """
    inside, target = os.path.realpath(top), os.path.realpath(path)
    try:
        leaves = os.path.commonpath([inside, target]) != inside
    except ValueError:  # another drive of Windows
        leaves = True
    if leaves:
        raise DamagedError(f"{path} is a symbolic link out of the dataset and is not followed; put the file itself there")
    if not os.path.exists(path) and os.path.islink(path):
        raise DamagedError(f"{path} is a symbolic link to nothing; put the file itself there, or remove the link")


def write_file(path: str, data: bytes, *, flush: bool = True) -> None:
    """Write a file's bytes, and flush them to the disk itself."""
    write_parts(path, [data], flush=flush)


def write_parts(path: str, parts: Iterable[bytes], *, flush: bool, exclusive: bool = False) -> None:
    """Write a file's bytes one part after another, and flush them to the disk itself; `exclusive`: it must not exist."""
    kind = os.O_EXCL if exclusive else os.O_TRUNC
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | kind | _BINARY | getattr(os, "O_CLOEXEC", 0), 0o666)
    try:
        for data in parts:
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(descriptor, rest[: 2**30]) :]
        if flush:
            _flush_descriptor(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def temporary_file(place: str) -> Iterator[str]:
    """Give a free name next to a file's place to write to; what still has it after the block is removed."""
    temporary = os.path.join(os.path.dirname(place), f".{uuid.uuid4().hex}.tmp")
    try:
        yield temporary
    finally:
        with suppress(OSError):  # what is left is reported by verify; the save is not undone by it
            os.unlink(temporary)


def make_folders(path: str, *, below: str = "", flush: bool = True) -> None:
    """Make a folder and those above it, and flush their names to the disk.

    Where `below` is given, that folder must be there: `FileNotFoundError` where it is not, and it is not made.
    """
    if os.path.isdir(path):
        return
    if path == below:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
    parent = os.path.dirname(path)
    if parent and path != parent:
        make_folders(parent, below=below, flush=flush)
    try:
        os.mkdir(path)
    except FileExistsError as error:
        if not os.path.isdir(path):  # a file where a folder should be; `FileExistsError` means a lost race elsewhere
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path) from error
    if flush and parent:
        flush_folder(parent)


def rename(source: str, target: str) -> None:
    """Move a file or folder to a place that is free."""
    _ask_again(os.rename, source, target)


def _ask_again(move: Callable[[str, str], None], source: str, target: str) -> None:
    for pause in _RETRY_SECONDS:
        try:
            return move(source, target)
        except PermissionError:
            time.sleep(pause)
    return move(source, target)


def rename_folder(source: str, target: str) -> None:
    """Move a folder to a place that is free; raise `FileExistsError` where something is there."""
    try:
        rename(source, target)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target) from error
        raise


def replace(source: str, target: str) -> None:
    """Move a file over another."""
    _ask_again(os.replace, source, target)


def link(source: str, target: str) -> None:
    """Give a file a second name that nobody has; raise `FileExistsError` where somebody has it.

    Where the disk knows no hard links, the file is copied next to the target and moved there exclusively.
    """
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        with open_regular(source) as file:
            data = file.read()
        copy = f"{target}.copy.tmp" if os.path.basename(target).startswith(".") else f"{source}.copy.tmp"
        write_file(copy, data)
        try:
            _rename_exclusively(copy, target)
        finally:
            with suppress(FileNotFoundError):
                os.unlink(copy)


def swap(first: str, second: str) -> bool:
    """Exchange two folders at once; return False, with nothing done, where the system or the disk cannot."""
    return _rename_by_system(first, second, _EXCHANGE)


def _rename_exclusively(source: str, target: str) -> None:
    """Move a file to a place that is free; raise `FileExistsError` where somebody was there first."""
    if sys.platform == "win32":
        os.rename(source, target)
    elif not _rename_by_system(source, target, _NO_REPLACE[sys.platform == "darwin"]):
        raise OSError(errno.ENOTSUP, "this disk can neither link files nor move them without replacing", target)


def _rename_by_system(first: str, second: str, flag: int) -> bool:
    """Call the system's rename with a flag; return False where the system or the disk does not know it."""
    if sys.platform not in ("linux", "darwin"):
        return False
    library = ctypes.CDLL(None, use_errno=True)
    a, b = os.fsencode(first), os.fsencode(second)
    function = getattr(library, "renameat2" if sys.platform == "linux" else "renamex_np", None)
    if function is None:
        return False
    arguments = (_AT_FDCWD, a, _AT_FDCWD, b, flag) if sys.platform == "linux" else (a, b, flag)
    if function(*arguments) == 0:
        return True
    number = ctypes.get_errno()
    if number in _NO_SWAP:
        return False
    raise OSError(number, os.strerror(number), second)


def is_running(process: int) -> bool:
    """Return whether a process of this machine runs; True where the system has no harmless way to ask."""
    if sys.platform == "win32":
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it runs, and is somebody else's
        pass
    return True


@functools.cache
def this_machine() -> str:
    """Return what numbers of processes are counted in: this machine since its start, or one container of it.

    Containers may have equal host names, and each has a process 1.
    """
    try:
        counted_in = f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:  # not Linux
        counted_in = str(uuid.getnode())
    return hashlib.sha256(f"{socket.gethostname()} {counted_in}".encode()).hexdigest()[:16]


def flush_folder(path: str) -> None:
    """Flush the names in a folder to the disk."""
    if sys.platform == "win32":  # a folder cannot be opened there; NTFS journals its names
        return
    try:
        flush_file(path)
    except OSError as error:
        if error.errno not in _CANNOT_FLUSH:  # many network disks flush files only, as SQLite and PostgreSQL know
            raise


def confirm(*folders: str, undo: Callable[[], object] | None = None) -> None:
    """Flush the names in some folders after something was put there.

    Parameters
    ----------
    folders
        The folders.
    undo
        Takes it back. It is reported as not saved then, so it must not stay.

    Raises
    ------
    OSError
        When the disk fails, and what was done is undone.
    UnconfirmedError
        When the disk fails, and what was done cannot be undone: nobody knows then what is on the disk.
    """
    try:
        for folder in folders:
            flush_folder(folder)
    except OSError as error:
        if undo is not None and _is_done(undo):
            raise
        raise UnconfirmedError(
            error.errno,
            f"it is not known whether it is saved: the disk did not confirm it ({error.strerror or error}); load it again "
            "to see what is there, and save again",
            folders[0],
        ) from error


def _is_done(work: Callable[[], object]) -> bool:
    try:
        work()
    except OSError:
        return False
    return True


def flush_tree(top: str, *, but: Collection[str] = ()) -> None:
    """Flush all files and folders of a tree to the disk, but for some folders with all in them."""
    with os.scandir(top) as listed:
        entries = list(listed)
    for entry in entries:
        if not entry.is_dir():
            flush_file(entry.path)
        elif not is_link(entry) and entry.path not in but:
            flush_tree(entry.path, but=but)
    flush_folder(top)


def flush_file(path: str) -> None:
    """Flush a file to the disk itself."""
    # Windows flushes only descriptors that can write.
    descriptor = os.open(path, os.O_RDWR if sys.platform == "win32" else os.O_RDONLY)
    try:
        _flush_descriptor(descriptor)
    finally:
        os.close(descriptor)


def _flush_descriptor(descriptor: int) -> None:
    if sys.platform == "darwin":
        import fcntl

        try:
            fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)  # fsync alone leaves the data in the drive's cache there
        except OSError as error:
            if error.errno not in _CANNOT_FLUSH:
                raise
        else:
            return
    os.fsync(descriptor)
