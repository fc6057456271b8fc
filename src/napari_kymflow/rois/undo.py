"""Undo and redo of ROI edits: pure values.

The rule of this room: an undo takes back one change and nothing else. It is the change that is kept, not the state, so that
what another window saved in between stays.
"""

from dataclasses import dataclass

from kymflow_core import RoiSet
from kymflow_core.roi import ROI, merge_roi_sets

_MOST_STEPS = 200


@dataclass(frozen=True, slots=True)
class Step:
    """One edit: the ROIs before and after it."""

    before: RoiSet
    after: RoiSet


class UndoStack:
    """The edits of one record since it was opened, and those that were taken back."""

    def __init__(self) -> None:
        self._done: list[Step] = []
        self._undone: list[Step] = []

    @property
    def can_undo(self) -> bool:
        """Whether there is an edit to take back."""
        return bool(self._done)

    @property
    def can_redo(self) -> bool:
        """Whether there is an edit to make again."""
        return bool(self._undone)

    def push(self, before: RoiSet, after: RoiSet) -> None:
        """Note an edit; what was taken back cannot be made again after it."""
        self._done = [*self._done, Step(before, after)][-_MOST_STEPS:]
        self._undone.clear()

    def undo(self, current: RoiSet) -> RoiSet:
        """Return `current` without the last edit; as it is where there is none."""
        if not self._done:
            return current
        step = self._done.pop()
        self._undone.append(step)
        return _changed(current, step.after, step.before)

    def redo(self, current: RoiSet) -> RoiSet:
        """Return `current` with the edit that was taken back last; as it is where there is none."""
        if not self._undone:
            return current
        step = self._undone.pop()
        self._done.append(step)
        return _changed(current, step.before, step.after)

    def replace(self, changed: list[tuple[ROI, ROI]]) -> None:
        """Know ROIs, wherever an edit has them, under the values that saving gave them."""
        if changed:
            self._done = [_renewed(step, changed) for step in self._done]
            self._undone = [_renewed(step, changed) for step in self._undone]

    def clear(self) -> None:
        """Forget all edits."""
        self._done.clear()
        self._undone.clear()


def _changed(current: RoiSet, start: RoiSet, end: RoiSet) -> RoiSet:
    merged = merge_roi_sets(start, end, current)
    # Where another window changed the same ROI, both are kept, as after any such change.
    order = {roi_id: place for place, roi_id in enumerate(end.ids)}
    rois = sorted(merged.rois, key=lambda roi: order.get(roi.roi_id, len(order)))
    return RoiSet.of(rois, next_id=merged.rois.next_id)


def _renewed(step: Step, changed: list[tuple[ROI, ROI]]) -> Step:
    return Step(_with(step.before, changed), _with(step.after, changed))


def _with(rois: RoiSet, changed: list[tuple[ROI, ROI]]) -> RoiSet:
    by_id = {old.roi_id: (old, new) for old, new in changed}
    renewed = [by_id[roi.roi_id][1] if by_id.get(roi.roi_id, (None,))[0] == roi else roi for roi in rois]
    return RoiSet.of(renewed, next_id=rois.next_id)
