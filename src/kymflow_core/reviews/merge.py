"""The logs of another copy of a dataset, taken over into this one.

The rule of this room: the other copy is only read; a log is taken over whole, and no entry of either copy is lost.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from kymflow_core.errors import KymflowError, ReviewError
from kymflow_core.images.metadata import RecordMetadata
from kymflow_core.reviews.entry import Entry
from kymflow_core.reviews.log import load_logs, log_to_json
from kymflow_core.roi.geometry import geometry_changes, roi_geometry
from kymflow_zarr import Watch, ZarrDataset, ZarrImageRecord
from kymflow_zarr.counted import counted
from kymflow_zarr.errors import KymflowZarrError
from kymflow_zarr.watch import UNWATCHED


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeReport:
    """What was taken over: the number of entries by record.

    `notes` name what to look at, `missing` are records with reviews that only the other copy has, and `failed` says of
    which records nothing could be taken over, and why; all by image id.
    """

    added: dict[str, int] = field(default_factory=dict)
    notes: dict[str, list[str]] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    failed: dict[str, str] = field(default_factory=dict)
    is_cancelled: bool = False

    def summary(self) -> str:
        """Return one line, such as "12 entries of 3 records taken over"."""
        n_entries = sum(self.added.values())
        entries = "1 entry" if n_entries == 1 else f"{n_entries} entries"
        parts = [f"{entries} of {counted(len(self.added), 'record')} taken over"]
        parts += [f"{counted(len(self.missing), 'record')} with reviews not in this copy"] if self.missing else []
        parts += [f"{len(self.failed)} failed"] if self.failed else []
        parts += ["cancelled"] if self.is_cancelled else []
        return ", ".join(parts)


def merge_reviews(into: ZarrDataset, other: ZarrDataset, *, watch: Watch = UNWATCHED) -> MergeReport:
    """Take over what was reviewed in another copy of a dataset; a second time there is nothing to take over.

    Parameters
    ----------
    into
        Gets the entries that it lacks.
    other
        The other copy; it is only read.
    watch
        Shows after each record how far the work is; when cancelled, what was taken over by then stays.

    Raises
    ------
    ReviewError
        When the two are no copies of one dataset, or are the same one.
    """
    if into.dataset_id != other.dataset_id:
        raise ReviewError(
            f"{other.path} is no copy of {into.path}: each dataset keeps the id that it was made with, and these have two; "
            "give two copies of one dataset"
        )
    if into.path.resolve() == other.path.resolve():
        raise ReviewError(f"{other.path} and {into.path} are the same dataset; give two copies of it")
    own, ids, report = set(into.list_image_ids()), other.list_image_ids(), MergeReport()
    missing, done = list[str](), 0
    for done, image_id in enumerate(ids, start=1):
        if watch.is_cancelled():
            done -= 1
            break
        try:
            theirs = other.record(image_id)
            if image_id in own:
                _take_over(into.record(image_id), theirs, report)
            elif load_logs(theirs):
                missing.append(image_id)
        except (KymflowError, KymflowZarrError, OSError) as error:
            report.failed[image_id] = str(error)
        watch.progress(done, len(ids), image_id[:8])
    return MergeReport(
        added=report.added,
        notes=report.notes,
        missing=tuple(missing),
        failed=report.failed,
        is_cancelled=done < len(ids),
    )


def _take_over(own: ZarrImageRecord, other: ZarrImageRecord, report: MergeReport) -> None:
    held, theirs = load_logs(own), load_logs(other)
    new = list[Entry]()
    for name, entries in theirs.items():
        there = held.get(name, ())
        known = {one.entry_id for one in there}
        lacking = [one for one in entries if one.entry_id not in known]
        if lacking:
            # A log that both have was copied while its writer still added to it in one of the copies.
            own.save_json(name, log_to_json((*there, *lacking)))
            new += lacking
    if new:
        report.added[own.image_id] = len(new)
        notes = _changed_rois(own, other, {one.event.roi_id for one in new if one.event})
        if notes:
            report.notes[own.image_id] = notes


def _changed_rois(own: ZarrImageRecord, other: ZarrImageRecord, roi_ids: Iterable[int]) -> list[str]:
    """Return which ROIs with reviewed events are not the same in both copies."""
    ours, theirs = (RecordMetadata.load(record).rois for record in (own, other))
    notes = []
    for roi_id in sorted(roi_ids):
        if roi_id not in theirs:
            continue
        if roi_id not in ours:
            notes.append(f"ROI {roi_id} is only in the other copy; what was said of its events is listed as unmatched")
        elif changes := geometry_changes(roi_geometry(theirs.get(roi_id)), roi_geometry(ours.get(roi_id))):
            notes.append(f"ROI {roi_id} is another one in the two copies ({', '.join(changes)}); look at its verdicts")
    return notes
