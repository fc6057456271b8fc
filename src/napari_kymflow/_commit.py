"""Saves the ROIs of one record, beside whoever else saves them. No layer, no widget: safe in a worker.

The rule of this room: what two people did to different ROIs is saved together; only a ROI that both changed is a question,
and until it is answered nothing of it is saved.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

from kymflow_core import AcqImage, RoiSet
from kymflow_core.roi import ROI, merge_roi_sets
from kymflow_zarr import ZarrDataset
from kymflow_zarr.errors import ConflictError
from napari_kymflow._records import OUR_ERRORS

_TRIES = 5


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


Outcome: TypeAlias = Saved | Disagreement | NotSaved


def commit_rois(path: Path, image_id: str, base: RoiSet, mine: RoiSet) -> Outcome:
    """Save the changes from `base` to `mine` on top of what the record has now."""
    try:
        # Read mode first: a dataset that is gone is never made anew in its place.
        dataset = ZarrDataset(ZarrDataset(path, mode="r").path)
        for _ in range(_TRIES):
            image = AcqImage(dataset.record(image_id))
            theirs = image.rois
            merged = merge_roi_sets(base, mine, theirs)
            asked = tuple(pair for pair in merged.doubled if pair[0] in base)
            renumbered = {old: new for old, new in merged.doubled if old not in base}
            if asked:
                return Disagreement(image=image, both=merged.rois, pairs=asked, renumbered=renumbered)
            try:
                if merged.rois != theirs:
                    image.save_rois(merged.rois)
            except ConflictError:
                continue
            return Saved(image=image, renumbered=renumbered, merged_others=theirs != base)
    except (*OUR_ERRORS, OSError, NotImplementedError) as error:
        return NotSaved(reason=str(error))
    return NotSaved(reason=f"other programs kept saving record {image_id} meanwhile, {_TRIES} times; save again")


def rebase(submitted: RoiSet, current: RoiSet, saved: Saved) -> RoiSet:
    """Return what is on screen after a save: all that was saved, and what was edited since it was handed in."""
    held = saved.image.rois
    handed_in, here = (_renumbered(rois, saved.renumbered) for rois in (submitted, current))
    before = {roi.roi_id: roi for roi in handed_in}
    # A ROI that nobody touched since is as it was saved, with the mask that was written for it.
    written = RoiSet.of((held.get(roi.roi_id) if roi.roi_id in held else roi for roi in handed_in), next_id=held.next_id)
    mine = RoiSet.of((_newer(roi, before.get(roi.roi_id), held) for roi in here), next_id=here.next_id)
    return merge_roi_sets(written, mine, held).rois


def as_saved(submitted: RoiSet, saved: Saved) -> list[tuple[ROI, ROI]]:
    """Return the ROIs that saving changed, before and after: drawn ones have their masks now."""
    held = saved.image.rois
    ids = ((roi, saved.renumbered.get(roi.roi_id, roi.roi_id)) for roi in submitted)
    return [(roi, held.get(new)) for roi, new in ids if new in held and held.get(new) != roi]


def _newer(roi: ROI, before: ROI | None, held: RoiSet) -> ROI:
    return held.get(roi.roi_id) if roi == before and roi.roi_id in held else roi


def _renumbered(rois: RoiSet, ids: dict[int, int]) -> RoiSet:
    if not ids:
        return rois
    return RoiSet.of((replace(roi, roi_id=ids.get(roi.roi_id, roi.roi_id)) for roi in rois), next_id=rois.next_id)
