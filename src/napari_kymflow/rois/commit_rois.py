"""Saves the ROIs of one record, also while others save them. No layer, no widget: safe in a worker.

The rule of this room: what two people did to different ROIs is saved together; only a ROI that both changed is a question,
and until it is answered nothing of it is saved.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

from kymflow_core import AcqImage, MaskROI, RectROI, RoiSet
from kymflow_core.images.metadata import change_metadata
from kymflow_core.roi import ROI, Merged, merge_roi_sets
from kymflow_core.tables.roi_results import RoiResults, outdated_roi_ids, results_by_roi
from kymflow_zarr import ZarrDataset, ZarrImageRecord
from kymflow_zarr.errors import ConflictError
from napari_kymflow.errors import OUR_ERRORS


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """What was saved: the image as it is now, and the new ids of ROIs whose id somebody else's new ROI had taken."""

    image: AcqImage
    renumbered: dict[int, int]
    merged_others: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Disagreement:
    """ROIs that somebody else changed as well; nothing was saved.

    `both` has all ROIs of both sides; `pairs` the id of each that both changed, which theirs keeps, and the one that mine
    has in `both`.
    """

    image: AcqImage
    both: RoiSet
    pairs: tuple[tuple[int, int], ...]
    renumbered: dict[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class NotSaved:
    """Why nothing was saved."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outdating:
    """Results that a save would make outdated, and that the user has not seen; nothing was saved."""

    results: RoiResults


Outcome: TypeAlias = Saved | Disagreement | NotSaved | Outdating


def commit_rois(path: Path, image_id: str, base: RoiSet, mine: RoiSet, *, shown: frozenset[int] | None = None) -> Outcome:
    """Save the changes from `base` to `mine` on top of what the record has now.

    An automatic save has in `shown` the ROIs whose outdated results the user has seen: it saves nothing where others become
    so, computed by whomever, up to now.
    """
    try:
        # Read mode first: a dataset that is gone is never made anew in its place.
        record = ZarrDataset(ZarrDataset(path, mode="r").path).record(image_id)
        return change_metadata(record, lambda record: _commit(record, base, mine, shown))
    except ConflictError:
        return NotSaved(reason=f"other programs keep saving record {image_id}; save again")
    except (*OUR_ERRORS, OSError, NotImplementedError) as error:
        return NotSaved(reason=str(error))


def _commit(record: ZarrImageRecord, base: RoiSet, mine: RoiSet, shown: frozenset[int] | None) -> Outcome:
    image = AcqImage(record)
    theirs = image.rois
    if shown is not None:
        results = results_by_roi(record)
        if not shown.issuperset(outdated_roi_ids(results, base, mine)):
            return Outdating(results=results)
    merged = merge_roi_sets(*_without_masks_between(base, mine, theirs), theirs)
    asked = tuple(pair for pair in merged.doubled if pair[0] in base)
    renumbered = {old: new for old, new in merged.doubled if old not in base}
    if asked:
        return Disagreement(image=image, both=merged.rois, pairs=asked, renumbered=renumbered)
    if merged.rois != theirs:
        image.save_rois(merged.rois)
    return Saved(image=image, renumbered=renumbered, merged_others=theirs != base)


def materialize_rects(path: Path, image_id: str) -> AcqImage | str:
    """Write every rectangle of a record as a mask; return the image as it is then, or why that failed. Safe in a worker."""
    try:
        image = AcqImage(ZarrDataset(ZarrDataset(path, mode="r").path).record(image_id))
        image.materialize_masks([roi.roi_id for roi in image.rois if isinstance(roi, RectROI)])
    except (*OUR_ERRORS, OSError, NotImplementedError) as error:
        return str(error)
    return image


def rebase(submitted: RoiSet, current: RoiSet, saved: Saved) -> Merged:
    """Return what is on screen after a save: all that was saved, and what was edited since it was handed in.

    A ROI that was edited here since, and that somebody else changed as well, is there twice.
    """
    held = saved.image.rois
    handed_in = submitted.renumbered(saved.renumbered)
    here = current.renumbered(new_ids(submitted, current, saved))
    before = {roi.roi_id: roi for roi in handed_in}
    base = RoiSet.of((_written(roi, held) for roi in handed_in), next_id=held.next_id)
    mine = RoiSet.of((_newer(roi, before.get(roi.roi_id), held) for roi in here), next_id=here.next_id)
    return merge_roi_sets(base, mine, held)


def new_ids(submitted: RoiSet, current: RoiSet, saved: Saved) -> dict[int, int]:
    """Return the new id of each ROI on screen that loses its own by a save, as somebody else's new ROI has taken it."""
    held = saved.image.rois
    ids = dict(saved.renumbered)
    taken = {*held.ids, *ids.values()}
    next_id = max([current.next_id, held.next_id, *(new + 1 for new in ids.values())])
    for roi in current:
        there = held.get(roi.roi_id) if roi.roi_id in held else None
        is_same = there is not None and _with_mask_of(roi, there) == there
        if roi.roi_id in taken and roi.roi_id not in submitted and not is_same:
            ids[roi.roi_id] = next_id
            next_id += 1
    return ids


def as_saved(submitted: RoiSet, saved: Saved) -> list[tuple[ROI, ROI]]:
    """Return the ROIs that saving changed, before and after, both with their new ids: drawn ones have their masks now."""
    held = {roi.roi_id: roi for roi in saved.image.rois}
    handed_in = submitted.renumbered(saved.renumbered)
    return [(roi, held[roi.roi_id]) for roi in handed_in if held.get(roi.roi_id, roi) != roi]


def _without_masks_between(base: RoiSet, mine: RoiSet, theirs: RoiSet) -> tuple[RoiSet, RoiSet]:
    """Return base and mine as if the masks that the other side wrote were there: they are no edit to disagree about."""
    held = {roi.roi_id: roi for roi in theirs}
    masked = {roi.roi_id for roi in base if roi.roi_id in held and _with_mask_of(roi, held[roi.roi_id]) == held[roi.roi_id]}

    def with_masks(rois: RoiSet) -> RoiSet:
        return RoiSet.of((_newest_mask(roi, held.get(roi.roi_id), masked) for roi in rois), next_id=rois.next_id)

    return with_masks(base), with_masks(mine)


def _newest_mask(roi: ROI, saved: ROI | None, masked: set[int]) -> ROI:
    if saved is None:
        return roi
    with_mask = _with_mask_of(roi, saved)
    return with_mask if with_mask == saved or roi.roi_id in masked else roi


def _written(roi: ROI, held: RoiSet) -> ROI:
    """Return a ROI as our own save left it: with the mask that was written for it."""
    if roi.roi_id not in held:
        return roi
    saved = held.get(roi.roi_id)
    return saved if _with_mask_of(roi, saved) == saved else roi


def _newer(roi: ROI, before: ROI | None, held: RoiSet) -> ROI:
    """Return a ROI as it is on screen, with what was saved of it where it was not edited since."""
    if roi.roi_id not in held:
        return roi
    saved = held.get(roi.roi_id)
    if roi == before or _with_mask_of(roi, saved) == saved:
        return saved
    if before is None:
        return roi
    return _with_mask_of(roi, saved) if _with_mask_of(before, saved) == saved else roi


def _with_mask_of(roi: ROI, saved: ROI) -> ROI:
    """Return a ROI with the mask that was written for `saved`, where it means the same pixels."""
    if isinstance(roi, RectROI) and isinstance(saved, RectROI) and saved.mask_ref is not None:
        return replace(roi, meta={**roi.meta, "mask_ref": saved.mask_ref})
    drawn_alike = isinstance(roi, MaskROI) and isinstance(saved, MaskROI) and roi.drawn == saved.drawn is not None
    if isinstance(roi, MaskROI) and isinstance(saved, MaskROI) and drawn_alike and roi.reference is None:
        return replace(roi, reference=saved.reference)
    return roi
