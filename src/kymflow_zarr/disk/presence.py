"""That a program does something to a dataset at this moment, for others to see: files in the staging folder.

The rule of this room: the file of a program that was stopped counts for a while only, so that it blocks nobody for ever.
"""

import hashlib
import os
import socket
import threading
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
RENEW_SECONDS = 60
"""How often a program says that it still holds a claim."""
PRESENT_SECONDS = 7 * 24 * 3600
"""How long a program counts as present that may have been stopped."""
_LIMIT = 1000
_LONGEST_NUMBER = 12
_HELD: set[bytes] = set()
"""The claims that this process holds."""


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
    """Hold a name in the staging folder of a dataset while the block runs; False where another program holds it.

    The claim is renewed meanwhile, so that a long block does not look like one that was stopped.
    """
    me = _sign()
    held: list[str] = []
    try:
        held = _take_claim(blobs, f"{STAGING}/claim-{name[:40]}", me)
    finally:
        if not held:  # refused, or it failed: then what may be left of it is nobody's
            _HELD.discard(me)
    if not held:
        yield False
        return
    try:
        with _renewed(blobs, held[-1]):
            yield True
    finally:
        _release(blobs, held, me)


@contextmanager
def present(blobs: Blobs, what: str) -> Iterator[Presence]:
    """Be one of the programs that do something to a dataset, for all others to see, while the block runs.

    Its file is renewed meanwhile: after a day it would be cleared away as left behind.
    """
    start = f"claim-{what}-"

    def all_present() -> set[str]:
        return {f"{STAGING}/{name}" for name in blobs.names(STAGING) if name.startswith(start)}

    for key in all_present():
        if _is_given_up(blobs, key, after=PRESENT_SECONDS):
            blobs.forget(key)
    presence = Presence(all_present, f"{STAGING}/{start}{uuid.uuid4().hex}")
    me = _sign()
    try:
        blobs.create(presence.key, me)
    except BaseException:
        _HELD.discard(me)
        raise
    try:
        with _renewed(blobs, presence.key):
            yield presence
    finally:
        if not presence.stays:
            with suppress(NotSavedError, ReadOnlyError):  # others then look themselves
                blobs.forget(presence.key)
            _HELD.discard(me)


def _sign() -> bytes:
    """Return the content of a new claim of this process: host, process, machine, and what tells it from all others."""
    me = f"{socket.gethostname()} {os.getpid()} {steps.this_machine()} {uuid.uuid4().hex}".encode()
    _HELD.add(me)
    return me


def _take_claim(blobs: Blobs, key: str, me: bytes) -> list[str]:
    """Return the files of a claim that is now this program's, its own last; none where another program holds it.

    A claim that was given up stays where it is. Who takes it over creates the file that is named for its content, which one
    program can do only: were the file removed and made anew, a second program could remove the new one.
    """
    while True:
        blobs.set_odd_aside(key)
        chain, own = _chain(blobs, key)
        if chain and not _is_given_up(blobs, chain[-1]):
            return []
        try:
            blobs.create(own, me, flush=False)
        except (FileExistsError, FileNotFoundError):
            continue
        if _chain(blobs, key)[0] == [*chain, own]:
            return [*chain, own]
        blobs.forget(own)  # the claim was released in between


def _release(blobs: Blobs, held: list[str], me: bytes) -> None:
    """Remove the files of a claim, the first one first: without it the others say nothing."""
    _HELD.discard(me)
    if _chain(blobs, held[0])[0] == held:  # else another program took it over, and it is its own
        for key in held:
            blobs.forget(key)


def _chain(blobs: Blobs, key: str) -> tuple[list[str], str]:
    """Return the files of a claim, its own and each that took over the one before, and the file that is to be the next."""
    chain: list[str] = []
    successor = key
    with suppress(FileNotFoundError):
        while True:
            said = blobs.read(successor, limit=_LIMIT)
            chain.append(successor)
            successor = _successor(key, successor, said)
    return chain, successor


def _successor(key: str, last: str, said: bytes) -> str:
    """Return the file that takes over the last one of a claim, which says `said`."""
    content = last.encode() if _is_lost(said) else said
    return f"{key}+{hashlib.sha256(content).hexdigest()[:32]}"


def _is_lost(said: bytes) -> bool:
    """Return whether a power failure took what a claim said: no byte of it, or zeros, as some disks leave it."""
    return not said.strip(b"\0")


@contextmanager
def _renewed(blobs: Blobs, key: str) -> Iterator[None]:
    """Say again and again, while the block runs, that a claim is held."""
    done = threading.Event()

    def renew() -> None:
        while not done.wait(RENEW_SECONDS):
            with suppress(OSError):  # it is tried again
                blobs.renew(key)

    threading.Thread(target=renew, name="claim", daemon=True).start()
    try:
        yield
    finally:
        done.set()


def _is_given_up(blobs: Blobs, key: str, *, after: float = CLAIM_SECONDS) -> bool:
    """Return whether a claim is one of a program that was stopped."""
    try:
        said = blobs.read(key, limit=_LIMIT)
        if blobs.age_seconds(key, now=blobs.now()) > after:
            return True
    except FileNotFoundError:
        return True
    if _is_lost(said):  # no program that runs writes such a claim, not even for a moment
        return True
    match said.decode(errors="replace").split(" "):
        case [_, number, machine, _] if (
            machine == steps.this_machine() and number.isdecimal() and len(number) < _LONGEST_NUMBER
        ):
            if int(number) == os.getpid():  # an earlier process may have had this one's number
                return said not in _HELD
            return not steps.is_running(int(number))
    return False
