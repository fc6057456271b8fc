"""Undo and redo: what was done, and what of it was taken back. Pure."""

from collections.abc import Callable
from typing import Generic, TypeVar

Step = TypeVar("Step")
_MOST_STEPS = 200


class UndoStack(Generic[Step]):
    """The last 200 steps, and those of them that were taken back.

    A step is the change, not the state around it: what others changed in between stays.
    """

    def __init__(self) -> None:
        self._done: list[Step] = []
        self._undone: list[Step] = []

    @property
    def can_undo(self) -> bool:
        """Whether there is a step to take back."""
        return bool(self._done)

    @property
    def can_redo(self) -> bool:
        """Whether there is a step to make again."""
        return bool(self._undone)

    def push(self, step: Step) -> None:
        """Note a step; what was taken back cannot be made again after it."""
        self._done = [*self._done, step][-_MOST_STEPS:]
        self._undone.clear()

    def undo(self, action: Callable[[Step], object] | None = None) -> Step | None:
        """Return the last step, which is taken back; None where there is none. It stays where the action fails."""
        return _move(self._done, self._undone, action)

    def redo(self, action: Callable[[Step], object] | None = None) -> Step | None:
        """Return the step that was taken back last, which is made again; None, and a failure, as for `undo`."""
        return _move(self._undone, self._done, action)

    def replace(self, renewed: Callable[[Step], Step]) -> None:
        """Give every step another value."""
        self._done = [renewed(step) for step in self._done]
        self._undone = [renewed(step) for step in self._undone]

    def clear(self) -> None:
        """Forget all steps."""
        self._done.clear()
        self._undone.clear()


def _move(source: list[Step], target: list[Step], action: Callable[[Step], object] | None) -> Step | None:
    if not source:
        return None
    if action is not None:
        action(source[-1])
    step = source.pop()
    target.append(step)
    return step
