"""That a program does something to a dataset at this moment, for others to see."""

from collections.abc import Callable
from dataclasses import dataclass


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
