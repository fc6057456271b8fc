"""Who watches long work in a worker: is shown how far it is, and may stop it."""

from collections.abc import Callable
from typing import Protocol


class Watch(Protocol):
    """What work in a worker gets, to report to and to ask; safe in a worker."""

    def progress(self, done: int, total: int, name: str, /) -> None:
        """Show how many of how many are done, and what is worked on now."""

    def is_cancelled(self) -> bool:
        """Return whether to stop at the next good place."""


class _Nobody:
    def progress(self, done: int, total: int, name: str, /) -> None:
        """Show nothing."""

    def is_cancelled(self) -> bool:
        """Return False."""
        return False


UNWATCHED: Watch = _Nobody()
"""Shows nothing, and never stops anything."""


def progress_of(watch: Watch, name: str = "") -> Callable[[int, int], None]:
    """Return what shows how many of how many are done, always under one name."""
    return lambda done, total: watch.progress(done, total, name)
