"""What a session needs of the window around it: time, workers and answers. No Qt; `NapariWindow` is the real one.

The rule of this room: without a window everything happens at once, and nothing is asked: unsaved ROIs are kept.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from kymflow_core.roi import ROI

Answer: TypeAlias = Literal["save", "discard", "stay", "keep"]
Choice: TypeAlias = Literal["mine", "theirs", "both"]
Work: TypeAlias = Callable[[], Any]
"""What is done in a worker: it touches no layer and no widget."""
OnDone: TypeAlias = Callable[[Any], None]
"""What is done, in the window's own thread, with what the work returned."""
OnFailed: TypeAlias = Callable[[Exception], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """One ROI that two people changed: as the record has it, and as it is here."""

    theirs: ROI
    mine: ROI


class Window:
    """The window around a session; this class is for scripts and tests, where there is none."""

    @property
    def autosaves(self) -> bool:
        """Whether edits are saved by themselves a moment after they were made."""
        return False

    @property
    def can_ask(self) -> bool:
        """Whether there is somebody to ask."""
        return False

    def later(self, action: Callable[[], None]) -> None:
        """Do something after napari has handled the mouse."""
        action()

    def after_a_pause(self, action: Callable[[], None]) -> None:
        """Do something once nothing was asked for a moment; the last action counts."""

    def within_two_seconds(self, action: Callable[[], None]) -> None:
        """Do something soon, however often it is asked for meanwhile."""
        action()

    def when_it_rests(self, action: Callable[[], None]) -> None:
        """Do something once the zoom rests; the last action counts."""
        action()

    def busy(self) -> AbstractContextManager[object]:
        """Show, within, that the program is at work."""
        return nullcontext()

    def run(self, work: Work, done: OnDone, failed: OnFailed | None = None) -> None:
        """Do work that touches no layer and no widget, then hand on what it returned, or the error that it raised.

        `work` returns errors that are expected; napari shows those that it raises.
        """
        done(work())

    def open_elsewhere(self, path: Path, image_id: str, others: Sequence[str]) -> bool:
        """Offer to open a record in a window of its own, as this one has layers of others; return whether it was."""
        return False

    def ask_unsaved(self, what: str) -> Answer:
        """Ask what to do with unsaved ROIs; "keep" holds them in memory until their record is opened again."""
        return "keep"

    def ask_conflicts(self, conflicts: Sequence[Conflict]) -> Choice:
        """Ask which of two changes of the same ROI counts."""
        return "both"
