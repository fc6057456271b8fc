"""Merges the ROI edits of two people on one image: a pure three-way merge by id, in which nothing is lost."""

from dataclasses import dataclass, replace

from kymflow_core.roi.roi_set import RoiSet
from kymflow_core.roi.rois import ROI


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """Two sets as one.

    `doubled` has, for every ROI that both sides changed differently, the id that it keeps (with their change) and the
    new id that it has with my change.
    """

    rois: RoiSet
    doubled: tuple[tuple[int, int], ...] = ()


def merge_roi_sets(base: RoiSet, mine: RoiSet, theirs: RoiSet) -> Merged:
    """Return the changes that `mine` and `theirs` made to `base`, together.

    A ROI that one side changed, added or deleted is as that side left it. One that a side deleted and the other changed
    stays, changed. One that both changed differently, or two new ones with the same id, are both kept: theirs with the
    id, mine with a new one.
    """
    before, here, there = (_by_id(rois) for rois in (base, mine, theirs))
    kept: list[ROI] = []
    second: list[ROI] = []
    for roi_id in dict.fromkeys([*there, *here]):
        old, my, their = before.get(roi_id), here.get(roi_id), there.get(roi_id)
        if my in (their, old):
            winner = their
        elif their == old:
            winner = my
        else:
            winner = their or my
            if my is not None and their is not None:
                second.append(my)
        if winner is not None:
            kept.append(winner)
    next_id = max(base.next_id, mine.next_id, theirs.next_id)
    renumbered = [replace(roi, roi_id=next_id + number) for number, roi in enumerate(second)]
    return Merged(
        rois=RoiSet.of([*kept, *renumbered], next_id=next_id),
        doubled=tuple((roi.roi_id, new.roi_id) for roi, new in zip(second, renumbered, strict=True)),
    )


def _by_id(rois: RoiSet) -> dict[int, ROI]:
    return {roi.roi_id: roi for roi in rois}
