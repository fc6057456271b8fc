"""That a program does something to a dataset at this moment, for others to see: files in the staging folder.

The rule of this room: the file of a program that was stopped counts for a while only, so that it blocks nobody for ever.
"""

import os
import socket
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from kymflow_zarr.disk import steps
from kymflow_zarr.disk.blobs import Blobs
from kymflow_zarr.errors import NotSavedError, ReadOnlyError
from kymflow_zarr.layout import STAGING

CLAIM_SECONDS = 600
"""How long a claim counts whose program may have been stopped."""
PRESENT_SECONDS = 7 * 24 * 3600
"""How long a program counts as present that may have been stopped."""


@dataclass(slots=True)
class Presence:
    """One program among those that do the same to a dataset.

    `key` is its file. While `stays` is true the file is not removed at the end: what the program did is not to be seen
    elsewhere, and others are to look for it themselves.
    """

    all_present: Callable[[], set[str]]
    key: str
    stays: bool = False

    def has_company(self) -> bool:
        """Return whether another program does the same, or was stopped while it did."""
        return bool(self.all_present() - {self.key})


@contextmanager
def claim(blobs: Blobs, name: str) -> Iterator[bool]:
    """Hold a name in the staging folder of a dataset while the block runs; False where another program holds it."""
    key = f"{STAGING}/claim-{name[:40]}"
    try:
        _take(blobs, key)
    except FileExistsError:
        yield False
        return
    try:
        yield True
    finally:
        blobs.forget(key)


@contextmanager
def present(blobs: Blobs, what: str) -> Iterator[Presence]:
    """Be one of the programs that do something to a dataset, for all others to see, while the block runs."""
    start = f"claim-{what}-"

    def all_present() -> set[str]:
        return {f"{STAGING}/{name}" for name in blobs.names(STAGING) if name.startswith(start)}

    for key in all_present():
        if _is_given_up(blobs, key, after=PRESENT_SECONDS):
            blobs.forget(key)
    presence = Presence(all_present, f"{STAGING}/{start}{uuid.uuid4().hex}")
    _take(blobs, presence.key)
    try:
        yield presence
    finally:
        if not presence.stays:
            with suppress(NotSavedError, ReadOnlyError):  # others then look themselves
                blobs.forget(presence.key)


def _take(blobs: Blobs, key: str) -> None:
    me = f"{socket.gethostname()} {os.getpid()}".encode()
    try:
        blobs.create(key, me)
    except FileExistsError:
        if not _is_given_up(blobs, key):
            raise
        blobs.forget(key)
        blobs.create(key, me)


def _is_given_up(blobs: Blobs, key: str, *, after: float = CLAIM_SECONDS) -> bool:
    """Return whether a claim is one of a program that was stopped."""
    try:
        host, _, number = blobs.read(key, limit=1000).decode(errors="replace").rpartition(" ")
        if blobs.age_seconds(key, now=blobs.now()) > after:
            return True
    except FileNotFoundError:
        return True
    return host == socket.gethostname() and number.isdigit() and not steps.is_running(int(number))
