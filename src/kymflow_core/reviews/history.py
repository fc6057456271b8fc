"""Undo and redo of a review, across records.

The rule of this room: what is taken back is one entry of one's own, as a new entry; what others said meanwhile stays.
"""

from dataclasses import dataclass

from kymflow_core.reviews.entry import Entry
from kymflow_core.reviews.log import ReviewLog

_MOST_STEPS = 200


@dataclass(frozen=True, slots=True)
class ReviewStep:
    """An entry, and the log that it is in."""

    log: ReviewLog
    entry: Entry


class ReviewHistory:
    """What a reviewer did since the review was opened, and what of it was taken back."""

    def __init__(self) -> None:
        self._done: list[ReviewStep] = []
        self._undone: list[ReviewStep] = []

    @property
    def can_undo(self) -> bool:
        """Whether there is something to take back."""
        return bool(self._done)

    @property
    def can_redo(self) -> bool:
        """Whether there is something to do again."""
        return bool(self._undone)

    def push(self, log: ReviewLog, entry: Entry) -> None:
        """Note what was done; what was taken back cannot be done again after it."""
        self._done = [*self._done, ReviewStep(log, entry)][-_MOST_STEPS:]
        self._undone.clear()

    def undo(self) -> ReviewStep | None:
        """Take back the last entry, and return it; None where there is none."""
        if not self._done:
            return None
        step = self._done[-1]
        step.log.withdraw(step.entry)
        self._undone.append(self._done.pop())
        return step

    def redo(self) -> ReviewStep | None:
        """Do again what was taken back last, and return it; None where there is nothing."""
        if not self._undone:
            return None
        step = self._undone[-1]
        step.log.restore(step.entry)
        self._done.append(self._undone.pop())
        return step
