"""The ROIs of one open record while they are edited: what is on screen, what is saved, undo. No Qt.

The rule of this room: what is on screen is never lost. It is saved, or kept as a draft, or given up by the user's own word;
and a save, which takes place in a worker, never undoes what was drawn while it ran.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from napari.utils.notifications import show_error, show_info, show_warning
from psygnal import Signal

from kymflow_core import AcqImage, RectROI, RoiSet
from kymflow_core.errors import RoiError
from kymflow_core.roi import ROI
from kymflow_core.roi.pixels import RoiStats
from kymflow_core.roi_results import RoiResults, has_same_pixels, outdated_results, results_by_roi
from kymflow_zarr import ZarrDataset
from napari_kymflow._commit import Disagreement, NotSaved, Outcome, Saved, as_saved, commit_rois, rebase
from napari_kymflow._drafts import Draft, drop_draft, keep_draft
from napari_kymflow._echo import EchoGuard
from napari_kymflow._host import Conflict, Host
from napari_kymflow._records import OUR_ERRORS
from napari_kymflow._roi_sync import RoiSync
from napari_kymflow._shapes import COLOR, Bounds
from napari_kymflow._undo import UndoStack

Then = Callable[[bool], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class RoiFacts:
    """What is measured of one ROI: the pixels inside, and "", "mask", "mask outdated" or "mask damaged"."""

    stats: RoiStats | None
    mask_state: str


class RoiEditor:
    """Edits the ROIs of one record.

    Parameters
    ----------
    dataset
        The dataset.
    image
        The record.
    image_id
        Its id.
    sync
        What shows the ROIs; bound.
    host
        The window around it.
    """

    rois_changed = Signal()
    state_changed = Signal()
    """The marks changed: saved or not, undo, results, measurements."""
    saved = Signal()

    def __init__(self, dataset: ZarrDataset, image: AcqImage, image_id: str, sync: RoiSync, host: Host) -> None:
        self.dataset, self.image, self.image_id, self.sync = dataset, image, image_id, sync
        self._host = host
        self.base = image.rois
        """The saved ROIs that those on screen were made from."""
        self.failure = ""
        """Why the last save failed; empty where it did not."""
        self.is_saving = False
        self.can_save = True
        """Whether the dataset can be written to; where it cannot, nothing is saved by itself."""
        self.results: RoiResults | None = None
        """What was computed for which ROI; None until that is known."""
        self.facts: dict[int, tuple[ROI, RoiFacts]] = {}
        self._measuring = False
        self._undo = UndoStack()
        self._present = sync.rois
        self._quiet = EchoGuard()
        self._waiting: list[Then] = []
        self._closed = False

    def bind(self) -> None:
        """Follow the ROIs on screen, and find out what was computed for them."""
        self.sync.rois_changed.connect(self._on_rois_changed)
        self.sync.rois_turned.connect(self._on_rois_turned)
        record = self.dataset.record(self.image_id)
        self._host.run(lambda: results_by_roi(record), self._on_results_found)
        self.measure()

    def unbind(self) -> None:
        """Stop following: the inverse of `bind`."""
        self._closed = True
        self.sync.rois_changed.disconnect(self._on_rois_changed)
        self.sync.rois_turned.disconnect(self._on_rois_turned)

    @property
    def rois(self) -> RoiSet:
        """The ROIs as they are on screen, saved or not."""
        return self.sync.rois

    @property
    def is_unsaved(self) -> bool:
        """Whether the ROIs on screen differ from those in the record."""
        return self.rois.rois != self.base.rois

    @property
    def unsaved_roi_ids(self) -> tuple[int, ...]:
        """The ids of the ROIs that are new, or not as they are saved."""
        saved = {roi.roi_id: roi for roi in self.base}
        return tuple(roi.roi_id for roi in self.rois if saved.get(roi.roi_id) != roi)

    @property
    def outdating(self) -> list[str]:
        """What the next save makes outdated: one line for each changed or deleted ROI that has results."""
        return outdated_results(self.results, self.base, self.rois) if self.results and self.is_unsaved else []

    @property
    def can_save_unasked(self) -> bool:
        """Whether what is on screen may be saved without a word: no result becomes outdated by it."""
        return self.can_save and self.results is not None and not self.outdating

    @property
    def can_undo(self) -> bool:
        """Whether there is an edit to take back."""
        return self._undo.can_undo

    @property
    def can_redo(self) -> bool:
        """Whether there is an edit to make again."""
        return self._undo.can_redo

    def undo(self) -> None:
        """Take back the last edit."""
        self._show(self._undo.undo(self.rois))
        self._autosave()

    def redo(self) -> None:
        """Make the last edit that was taken back again."""
        self._show(self._undo.redo(self.rois))
        self._autosave()

    def edit(self, roi_id: int, **changes: Any) -> None:
        """Change fields of one ROI, such as its name; raise `RoiError` where they are not valid."""
        self.sync.set_rois(self.rois.replace(replace(self.rois.get(roi_id), **changes)))

    def set_bounds(self, roi_id: int, bounds: Bounds) -> None:
        """Give a rectangle other bounds.

        Raises
        ------
        RoiError
            When the ROI is no rectangle, or the bounds are empty or not within the image; nothing is changed.
        """
        self.sync.set_rois(self.rois.replace(self.image.within(replace(self._rect(roi_id), **bounds._asdict()))))

    def set_color(self, roi_ids: Sequence[int], color: str) -> None:
        """Draw ROIs in a colour, "#rrggbb"."""
        rois = self.rois
        for roi_id in roi_ids:
            roi = rois.get(roi_id)
            rois = rois.replace(replace(roi, meta={**roi.meta, COLOR: color}))
        self.sync.set_rois(rois)

    def add_rect(self, bounds: Bounds, *, name: str = "") -> int:
        """Add a rectangle in the slice that is shown, select it, and return its id; raise `RoiError` as `set_bounds`."""
        z, channel = self.sync.get_slice()
        roi_id = self.rois.next_id
        roi = RectROI(roi_id=roi_id, name=name, z=z, channel=channel, **bounds._asdict())
        self.sync.set_rois(self.rois.add(self.image.within(roi)))
        self.sync.select([roi_id])
        return roi_id

    def add_rois(self, rois: Sequence[ROI]) -> tuple[int, ...]:
        """Add ROIs, each with a new id, select them, and return the ids."""
        if not rois:
            return ()
        added = self.rois
        for roi in rois:
            added = added.add(replace(roi, roi_id=added.next_id))
        self.sync.set_rois(added)
        ids = added.ids[len(added) - len(rois) :]
        self.sync.select(ids)
        return ids

    def duplicate(self, roi_ids: Sequence[int]) -> None:
        """Add a copy of each ROI, at the same place."""
        copies = [self.rois.get(roi_id) for roi_id in roi_ids]
        self.add_rois([replace(roi, name=f"{roi.name} copy".strip()) for roi in copies])

    def delete(self, roi_ids: Sequence[int]) -> None:
        """Take ROIs off the screen; they are gone from the record after the next save."""
        rois = self.rois
        for roi_id in roi_ids:
            rois = rois.remove(roi_id)
        self.sync.set_rois(rois)

    def restore(self, rois: RoiSet) -> None:
        """Show the ROIs of an earlier revision instead; an edit like any other."""
        self.sync.set_rois(RoiSet.of(rois, next_id=max(rois.next_id, self.rois.next_id)))

    def give_up(self) -> None:
        """Show the ROIs as they are saved again, and forget the draft."""
        self._show(RoiSet.of(self.base, next_id=self.rois.next_id))
        self.failure = ""
        self._drop_draft()
        self.state_changed.emit()

    def take_up(self, draft: Draft) -> None:
        """Show the changes of a draft on top of what the record has now."""
        pretended = Saved(image=self.image, renumbered={}, merged_others=True)
        self.sync.set_rois(rebase(draft.base, draft.rois, pretended))

    def save(self, then: Then | None = None) -> None:
        """Save what is on screen, in a worker; `then` is told whether everything is saved."""
        if then is not None:
            self._waiting.append(then)
        if self.is_saving:
            return
        self.is_saving = True
        self.state_changed.emit()
        path, base, submitted = self.dataset.path, self.base, self.rois
        self._host.run(
            lambda: commit_rois(path, self.image_id, base, submitted), lambda outcome: self._on_saved(submitted, outcome)
        )

    def reload(self) -> None:
        """Take up what another program saved, with what is not saved here on top."""
        try:
            self.image.reload()
        except OUR_ERRORS as error:
            show_error(str(error))
            return
        self._settle(self.rois, Saved(image=self.image, renumbered={}, merged_others=True), base=self.base)

    def materialize(self, then: Then | None = None) -> None:
        """Save what is on screen, and write every rectangle as a mask, in a worker."""
        self.save(lambda saved: self._on_saved_for_masks(then) if saved else None)

    def _on_saved_for_masks(self, then: Then | None) -> None:
        path, image_id = self.dataset.path, self.image_id
        self._host.run(lambda: materialize_rects(path, image_id), lambda result: self._on_materialized(result, then))

    def _on_materialized(self, result: AcqImage | str, then: Then | None) -> None:
        if isinstance(result, str):
            show_error(result)
            return
        self._settle(self.base, Saved(image=result, renumbered={}, merged_others=False))
        self.saved.emit()
        if then is not None:
            then(True)

    def measure(self) -> None:
        """Measure, in a worker, the ROIs that changed since they were measured."""
        if self._measuring or self._closed:
            return
        known = {roi_id: roi for roi_id, (roi, _) in self.facts.items()}
        changed = [roi for roi in self.rois if roi.roi_id not in known or not _is_measured(roi, known[roi.roi_id])]
        if not changed:
            return
        self._measuring = True
        path, image_id = self.dataset.path, self.image_id
        self._host.run(lambda: measure_rois(path, image_id, changed), self._on_measured)

    def _on_measured(self, found: dict[int, tuple[ROI, RoiFacts]]) -> None:
        self._measuring = False
        if self._closed:
            return
        self.facts.update(found)
        self.state_changed.emit()
        self._host.later(self.measure)

    def _on_results_found(self, results: RoiResults) -> None:
        self.results = results
        if not self._closed:
            self.state_changed.emit()
            if self.is_unsaved:
                self._autosave()

    def _on_rois_changed(self) -> None:
        if not self._quiet and self.rois != self._present:
            self._undo.push(self._present, self.rois)
            self._autosave()
        self._present = self.rois
        self.rois_changed.emit()
        self.state_changed.emit()
        self._host.later(self.measure)

    def _on_rois_turned(self, roi_ids: tuple[int, ...]) -> None:
        names = ", ".join(f"ROI {roi_id}" for roi_id in roi_ids)
        show_info(f"{names}: no upright rectangle any more. It is a mask of the shape that is drawn now, with the same id.")

    def _autosave(self) -> None:
        if self._host.autosaves and self.can_save:
            self._host.after_a_pause(self.autosave_now)

    def autosave_now(self) -> None:
        """Save, unless results would become outdated, which the user is asked to look at first."""
        if self.is_unsaved and self.can_save_unasked and not self._closed and not self.sync.is_editing:
            self.save()

    def _on_saved(self, submitted: RoiSet, outcome: Outcome) -> None:
        self.is_saving = False
        if isinstance(outcome, Disagreement):
            self._on_disagreement(submitted, outcome)
            return
        if isinstance(outcome, NotSaved):
            self._on_not_saved(outcome.reason)
            return
        self.failure = ""
        self._drop_draft()
        self._undo.replace(as_saved(submitted, outcome))
        self._settle(submitted, outcome)
        if outcome.merged_others:
            show_info("Another window had saved ROIs of this record meanwhile; both changes are saved.")
        for old, new in outcome.renumbered.items():
            show_warning(f"Another window had made a ROI {old} of its own: yours is now ROI {new}.")
        self.saved.emit()
        self._tell(saved=not self.is_unsaved)
        if self.is_unsaved:
            self._autosave()

    def _on_disagreement(self, submitted: RoiSet, found: Disagreement) -> None:
        """Show both sides, ask which counts, and save that."""
        self.base = found.image.rois
        self.image = found.image
        self._undo.clear()
        self._show(found.both)
        mine, theirs = [new for _, new in found.pairs], [old for old, _ in found.pairs]
        self.sync.select([*theirs, *mine])
        pairs = [Conflict(theirs=found.both.get(old), mine=found.both.get(new)) for old, new in found.pairs]
        choice = self._host.ask_conflicts(pairs)
        rois = found.both
        if choice == "theirs":
            for roi_id in mine:
                rois = rois.remove(roi_id)
        elif choice == "mine":
            for pair in pairs:
                kept = replace(pair.mine, roi_id=pair.theirs.roi_id)
                rois = rois.replace(kept).remove(pair.mine.roi_id)
        self._show(rois)
        self.save()

    def _on_not_saved(self, reason: str) -> None:
        self.failure = reason
        try:
            path = self.keep_draft()
        except OSError as error:
            show_error(f"Not saved: {reason}. The ROIs are on screen only, since no draft can be kept either ({error}).")
        else:
            show_error(f"Not saved: {reason}. The ROIs are kept in {path}, and offered again when the record is opened.")
        self.state_changed.emit()
        self._tell(saved=False)

    def keep_draft(self) -> Path:
        """Write what is on screen to this computer's drafts; raise `OSError` where that fails."""
        draft = Draft(base=self.base, rois=self.rois, reason=self.failure)
        return keep_draft(self.dataset.dataset_id, self.image_id, draft)

    def _drop_draft(self) -> None:
        try:
            drop_draft(self.dataset.dataset_id, self.image_id)
        except OSError as error:
            show_warning(f"The ROIs are saved, but their draft could not be deleted: {error}")

    def _settle(self, submitted: RoiSet, saved: Saved, *, base: RoiSet | None = None) -> None:
        """Show what was saved, and what was edited since on top."""
        current = rebase(submitted if base is None else base, self.rois, saved)
        self.image, self.base = saved.image, saved.image.rois
        if not self._closed:
            self._show(current)
        self.facts = {roi_id: held for roi_id, held in self.facts.items() if roi_id in current}
        self.state_changed.emit()

    def _show(self, rois: RoiSet) -> None:
        """Show ROIs without noting it as an edit."""
        if rois != self.rois:
            with self._quiet:
                self.sync.set_rois(rois)

    def _tell(self, *, saved: bool) -> None:
        waiting, self._waiting = self._waiting, []
        for then in waiting:
            then(saved)

    def _rect(self, roi_id: int) -> RectROI:
        roi = self.rois.get(roi_id)
        if not isinstance(roi, RectROI):
            raise RoiError(f"ROI {roi_id} is a mask; only a rectangle has bounds to type in. Drag its shape, or paint it")
        return roi


def materialize_rects(path: Path, image_id: str) -> AcqImage | str:
    """Write every rectangle of a record as a mask; return the image as it is then, or why that failed. Safe in a worker."""
    try:
        image = AcqImage(ZarrDataset(ZarrDataset(path, mode="r").path).record(image_id))
        image.materialize_masks([roi.roi_id for roi in image.rois if isinstance(roi, RectROI)])
    except (*OUR_ERRORS, OSError, NotImplementedError) as error:
        return str(error)
    return image


def measure_rois(path: Path, image_id: str, rois: Sequence[ROI]) -> dict[int, tuple[ROI, RoiFacts]]:
    """Return what is measured of ROIs, saved or not; None for statistics that cannot be read. Safe in a worker."""
    try:
        image = AcqImage(ZarrDataset(path, mode="r").record(image_id))
    except OUR_ERRORS:
        return {roi.roi_id: (roi, RoiFacts(stats=None, mask_state="")) for roi in rois}
    try:
        measured = image.measure_many(rois)
    except OUR_ERRORS:  # one of them; the others are measured all the same
        measured = {roi.roi_id: stats for roi in rois if (stats := _measured(image, roi)) is not None}
    return {roi.roi_id: (roi, RoiFacts(stats=measured.get(roi.roi_id), mask_state=_mask_state(image, roi))) for roi in rois}


def _measured(image: AcqImage, roi: ROI) -> RoiStats | None:
    try:
        return image.measure(roi)
    except OUR_ERRORS:
        return None


def _mask_state(image: AcqImage, roi: ROI) -> str:
    try:
        return image.mask_state(roi)
    except OUR_ERRORS:
        return "mask damaged"


def _is_measured(roi: ROI, measured: ROI) -> bool:
    return has_same_pixels(roi, measured) and roi.mask_ref == measured.mask_ref
