"""One edit of ROIs, taken back or made again: pure values.

The rule of this room: an undo takes back one change and nothing else. It is the change that is kept, not the state, so that
what another window saved in between stays.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from kymflow_core import RoiSet
from kymflow_core.roi import ROI, merge_roi_sets


@dataclass(frozen=True, slots=True)
class RoiEdit:
    """One edit: the ROIs before and after it."""

    before: RoiSet
    after: RoiSet

    def taken_back(self, current: RoiSet) -> RoiSet:
        """Return `current` without the edit."""
        return _changed(current, self.after, self.before)

    def made_again(self, current: RoiSet) -> RoiSet:
        """Return `current` with the edit."""
        return _changed(current, self.before, self.after)

    def renumbered(self, ids: Mapping[int, int]) -> "RoiEdit":
        """Return the edit with the new ids that ROIs got; raise `RoiError` where two would have one."""
        return RoiEdit(self.before.renumbered(ids), self.after.renumbered(ids))

    def renewed(self, changed: list[tuple[ROI, ROI]]) -> "RoiEdit":
        """Return the edit with ROIs, wherever it has them, under the values that saving gave them."""
        return RoiEdit(_with(self.before, changed), _with(self.after, changed))


def _changed(current: RoiSet, start: RoiSet, end: RoiSet) -> RoiSet:
    merged = merge_roi_sets(start, end, current)
    # Where another window changed the same ROI, both are kept, as after any such change.
    order = {roi_id: place for place, roi_id in enumerate(end.ids)}
    rois = sorted(merged.rois, key=lambda roi: order.get(roi.roi_id, len(order)))
    return RoiSet.of(rois, next_id=merged.rois.next_id)


def _with(rois: RoiSet, changed: list[tuple[ROI, ROI]]) -> RoiSet:
    by_id = {old.roi_id: (old, new) for old, new in changed}
    renewed = [by_id[roi.roi_id][1] if by_id.get(roi.roi_id, (None,))[0] == roi else roi for roi in rois]
    return RoiSet.of(renewed, next_id=rois.next_id)
