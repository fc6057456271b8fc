"""A record's earlier ROIs, for looking at and taking back. No Qt, safe in a worker."""

from dataclasses import dataclass
from pathlib import Path

from kymflow_core import RoiSet
from kymflow_core.images.metadata import RecordMetadata
from kymflow_core.tables.roi_results import has_same_pixels
from kymflow_zarr import Revision, ZarrDataset
from napari_kymflow.errors import OUR_ERRORS


@dataclass(frozen=True, slots=True, kw_only=True)
class RoiRevision:
    """The ROIs of one revision; None, and why, where they cannot be read."""

    number: int
    saved_utc: str
    rois: RoiSet | None
    changes: str


def load_revisions(path: Path, image_id: str) -> list[RoiRevision] | str:
    """Return the revisions of a record, newest first, or why they cannot be read."""
    try:
        history = ZarrDataset(path, mode="r").record(image_id).history()
    except OUR_ERRORS as error:
        return str(error)
    found: list[RoiRevision] = []
    before = RoiSet()
    for revision in sorted(history, key=lambda one: one.number):
        rois, problem = _rois_of(revision)
        changes = problem or describe_changes(before, rois or RoiSet())
        found.append(RoiRevision(number=revision.number, saved_utc=revision.saved_utc or "", rois=rois, changes=changes))
        before = rois if rois is not None else before
    return found[::-1]


def describe_changes(before: RoiSet, after: RoiSet) -> str:
    """Return what one set has that the other has not, such as "1 added, 2 moved"."""
    old, new = ({roi.roi_id: roi for roi in rois} for rois in (before, after))
    both = old.keys() & new.keys()
    moved = {roi_id for roi_id in both if not has_same_pixels(old[roi_id], new[roi_id])}
    counts = {
        "added": len(new.keys() - old.keys()),
        "deleted": len(old.keys() - new.keys()),
        "moved": len(moved),
        "renamed or noted": sum(old[roi_id] != new[roi_id] for roi_id in both - moved),
    }
    return ", ".join(f"{count} {what}" for what, count in counts.items() if count) or "no ROI changed"


def _rois_of(revision: Revision) -> tuple[RoiSet | None, str]:
    try:
        return RecordMetadata.from_json(revision.payload).rois, ""
    except OUR_ERRORS as error:
        return None, str(error)
