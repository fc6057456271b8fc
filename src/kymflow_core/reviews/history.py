"""Undo and redo of a review, across records.

The rule of this room: what is taken back is one entry of one's own, as a new entry; what others said meanwhile stays.
"""

from dataclasses import dataclass
from typing import TypeAlias

from kymflow_core.reviews.entry import Entry
from kymflow_core.reviews.log import ReviewLog
from kymflow_core.undo_stack import UndoStack


@dataclass(frozen=True, slots=True)
class ReviewStep:
    """An entry, and the log that it is in."""

    log: ReviewLog
    entry: Entry

    def withdraw(self) -> None:
        """Take the entry back."""
        self.log.withdraw(self.entry)

    def restore(self) -> None:
        """Let the entry count again."""
        self.log.restore(self.entry)


ReviewHistory: TypeAlias = UndoStack[ReviewStep]
"""What a reviewer did since the review was opened: `undo(ReviewStep.withdraw)`, `redo(ReviewStep.restore)`."""
