"""The ROIs of one open record while they are edited: what is on screen, what is saved, undo. No Qt.

The rule of this room: what is on screen is never lost. It is saved, or kept as a draft, or given up by the user's own word;
and a save, which takes place in a worker, never undoes what was drawn while it ran.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from napari.utils.notifications import show_error, show_info, show_warning
from psygnal import Signal

from kymflow_core import AcqImage, RectROI, RoiSet
from kymflow_core.errors import RoiError
from kymflow_core.images.roi_facts import RoiFacts
from kymflow_core.roi import ROI, merge_roi_sets
from kymflow_core.roi.bounds import Bounds, roi_bounds
from kymflow_core.tables.roi_results import RoiResults, outdated_results, outdated_roi_ids, results_by_roi
from kymflow_zarr import ZarrDataset
from kymflow_zarr.errors import RecordNotFoundError
from napari_kymflow.layers.echo_guard import EchoGuard
from napari_kymflow.layers.roi_sync import RoiSync
from napari_kymflow.layers.shapes import COLOR
from napari_kymflow.rois.commit_rois import (
    Disagreement,
    NotSaved,
    Outcome,
    Outdating,
    Saved,
    as_saved,
    commit_rois,
    materialize_rects,
    rebase,
)
from napari_kymflow.rois.drafts import Draft, drop_draft, free_draft_number, keep_draft
from napari_kymflow.rois.measure import is_measured, measure_rois
from napari_kymflow.rois.undo import UndoStack
from napari_kymflow.user.window import Conflict, Window

WhenDone = Callable[[bool], None]


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
    window
        The window around it.
    """

    rois_changed = Signal()
    state_changed = Signal()
    """The marks changed: saved or not, undo, results, measurements."""
    saved = Signal()

    def __init__(self, dataset: ZarrDataset, image: AcqImage, image_id: str, sync: RoiSync, window: Window) -> None:
        self.dataset, self.image, self.image_id, self.sync = dataset, image, image_id, sync
        self._window = window
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
        self._waiting: list[WhenDone] = []
        self._was_given_up = False
        self._outdated: frozenset[int] = frozenset()
        self._held_back: Callable[[], None] | None = None
        self._draft_number: int | None = None
        self._closed = False

    def bind(self) -> None:
        """Follow the ROIs on screen, and find out what was computed for them."""
        self.sync.rois_changed.connect(self._on_rois_changed)
        self.sync.rois_turned.connect(self._on_rois_turned)
        self.sync.editing_ended.connect(self._on_editing_ended)
        self.find_results()
        self.measure()

    def find_results(self) -> None:
        """Find out, in a worker, what was computed for which ROI."""
        self._window.run(partial(_results_of, self.dataset, self.image_id), self._on_results_found)

    def unbind(self) -> None:
        """Stop following: the inverse of `bind`."""
        self._closed = True
        self._release()
        self.sync.editing_ended.disconnect(self._on_editing_ended)
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
        return outdated_results(self._held_results, self.base, self.rois) if self.is_unsaved else []

    @property
    def _held_results(self) -> RoiResults:
        """The results that no save of this window made outdated yet."""
        return {roi_id: held for roi_id, held in (self.results or {}).items() if roi_id not in self._outdated}

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

    def bounds_of(self, roi: ROI) -> Bounds | None:
        """Return where the pixels of a ROI on screen lie; None for a painted one that is not measured yet, or is lost."""
        measured, facts = self.facts.get(roi.roi_id, (None, None))
        known = facts.bounds if facts and measured and is_measured(roi, measured) else None
        return roi_bounds(roi, self.image.slice_shape) if known is None else known

    def edit(self, roi_id: int, **changes: Any) -> None:
        """Change fields of one ROI, such as its name; raise `RoiError` where they are not valid."""
        self._set(self.rois.replace(replace(self.rois.get(roi_id), **changes)))

    def set_bounds(self, roi_id: int, bounds: Bounds) -> None:
        """Give a rectangle other bounds.

        Raises
        ------
        RoiError
            When the ROI is no rectangle, or the bounds are empty or not within the image; nothing is changed.
        """
        self._set(self.rois.replace(self.image.within(replace(self._rect(roi_id), **bounds._asdict()))))

    def set_color(self, roi_ids: Sequence[int], color: str) -> None:
        """Draw ROIs in a colour, "#rrggbb"."""
        rois = self.rois
        for roi_id in roi_ids:
            roi = rois.get(roi_id)
            rois = rois.replace(replace(roi, meta={**roi.meta, COLOR: color}))
        self._set(rois)

    def add_rect(self, bounds: Bounds, *, name: str = "") -> int:
        """Add a rectangle in the slice that is shown, select it, and return its id; raise `RoiError` as `set_bounds`."""
        z, channel = self.sync.get_slice()
        roi_id = self.rois.next_id
        roi = RectROI(roi_id=roi_id, name=name, z=z, channel=channel, **bounds._asdict())
        self._set(self.rois.add(self.image.within(roi)))
        self.sync.select([roi_id])
        return roi_id

    def add_rois(self, rois: Sequence[ROI]) -> tuple[int, ...]:
        """Add ROIs, each with a new id, select them, and return the ids."""
        if not rois:
            return ()
        added = self.rois
        for roi in rois:
            added = added.add(replace(roi, roi_id=added.next_id))
        self._set(added)
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
        self._set(rois)

    def restore(self, rois: RoiSet) -> None:
        """Show the ROIs of an earlier revision instead; an edit like any other."""
        self._set(RoiSet.of(rois, next_id=max(rois.next_id, self.rois.next_id)))

    def give_up(self) -> None:
        """Show the ROIs as they are saved again, and forget the draft."""
        self._show(RoiSet.of(self.base, next_id=self.rois.next_id))
        self._was_given_up = self.is_saving
        self.failure = ""
        self._drop_draft()
        self.state_changed.emit()

    def take_up(self, draft: Draft) -> None:
        """Show the changes of a draft on top of what is on screen."""
        unsaved = rebase(draft.base, draft.rois, Saved(image=self.image, renumbered={}, merged_others=True))
        both = merge_roi_sets(self.base, unsaved.rois, self.rois)
        self._set(both.rois)
        _say_doubled((*unsaved.doubled, *both.doubled))

    def save(self, then: WhenDone | None = None, *, unasked: bool = False) -> None:
        """Save what is on screen, in a worker; `then` is told whether everything is saved.

        `unasked` is a save by itself, which makes no result outdated.
        """
        if then is not None:
            self._waiting.append(then)
        if self.is_saving:
            return
        self.is_saving = True
        self.state_changed.emit()
        path, base, submitted, outdated = self.dataset.path, self.base, self.rois, self._outdated
        self._window.run(
            lambda: commit_rois(path, self.image_id, base, submitted, told=None if not unasked else outdated),
            lambda outcome: self._on_saved(submitted, outcome),
            lambda error: self._on_saved(submitted, NotSaved(reason=f"an error of the program: {error!r}")),
        )

    def materialize(self, then: WhenDone | None = None) -> None:
        """Save what is on screen, and write every rectangle as a mask, in a worker."""
        if self.outdating:
            show_warning("Save first, or undo: results would become outdated, as the dock says.")
            return
        self.save(lambda saved: self._on_saved_for_masks(then) if saved else None)

    def _on_saved_for_masks(self, then: WhenDone | None) -> None:
        path, image_id = self.dataset.path, self.image_id
        self._window.run(lambda: materialize_rects(path, image_id), lambda result: self._on_materialized(result, then))

    def _on_materialized(self, result: AcqImage | str, then: WhenDone | None) -> None:
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
        changed = [roi for roi in self.rois if roi.roi_id not in known or not is_measured(roi, known[roi.roi_id])]
        if not changed:
            return
        self._measuring = True
        path, image_id = self.dataset.path, self.image_id
        self._window.run(lambda: measure_rois(path, image_id, changed), self._on_measured, self._on_measuring_failed)

    def _on_measured(self, found: dict[int, tuple[ROI, RoiFacts]]) -> None:
        self._measuring = False
        if self._closed:
            return
        self.facts.update(found)
        self.state_changed.emit()
        self._window.later(self.measure)

    def _on_measuring_failed(self, error: Exception) -> None:
        self._measuring = False

    def _on_results_found(self, results: RoiResults) -> None:
        self.results = results
        if not self._closed:
            self.state_changed.emit()
            if self.is_unsaved:
                self._autosave()

    def _on_rois_changed(self) -> None:
        if not self.can_save and not self._quiet and self.rois.rois != self.base.rois:
            self._window.later(self._refuse_edit)
            return
        if not self._quiet and self.rois != self._present:
            self._undo.push(self._present, self.rois)
            self._autosave()
        self._present = self.rois
        self.rois_changed.emit()
        self.state_changed.emit()
        self._window.later(self.measure)

    def _refuse_edit(self) -> None:
        show_warning("This dataset can only be looked at, so its ROIs cannot be edited.")
        self._show(RoiSet.of(self.base, next_id=self.rois.next_id))

    def _on_rois_turned(self, roi_ids: tuple[int, ...]) -> None:
        names = ", ".join(f"ROI {roi_id}" for roi_id in roi_ids)
        show_info(f"{names}: no upright rectangle any more. It is a mask of the shape that is drawn now, with the same id.")

    def _autosave(self) -> None:
        if self._window.autosaves and self.can_save:
            self._window.after_a_pause(self.autosave_now)

    def autosave_now(self) -> None:
        """Save, unless results would become outdated, which the user is asked to look at first."""
        if self._closed or not self.is_unsaved or not self.can_save_unasked:
            return
        if self.sync.is_editing:
            self._autosave()
        else:
            self.save(unasked=True)

    def _on_saved(self, submitted: RoiSet, outcome: Outcome) -> None:
        if self.sync.is_editing and not self._closed:
            # A shape that is being drawn would be lost: the layer must not change until it is done.
            self._held_back = lambda: self._on_saved(submitted, outcome)
            return
        self.is_saving = False
        if isinstance(outcome, Disagreement):
            self._on_disagreement(submitted, outcome)
            return
        if isinstance(outcome, NotSaved):
            self._on_not_saved(outcome.reason)
            return
        if isinstance(outcome, Outdating):
            self.results = outcome.results
            self.state_changed.emit()
            self._tell(saved=False)
            return
        self.failure = ""
        self._outdated |= frozenset(outdated_roi_ids(self._held_results, self.base, submitted))
        self._drop_draft()
        if outcome.renumbered:
            self._undo.clear()
        else:
            self._undo.replace(as_saved(submitted, outcome))
        self._settle(submitted, outcome)
        if outcome.merged_others:
            show_info("Another window had saved ROIs of this record meanwhile; both changes are saved.")
        for old, new in outcome.renumbered.items():
            show_warning(f"Another window had made a ROI {old} of its own: yours is now ROI {new}.")
        self.saved.emit()
        if self.is_unsaved and (self._waiting or self._was_given_up):
            # What was edited or given up meanwhile; somebody waits until the record has it so.
            self._was_given_up = False
            self.save()
            return
        self._tell(saved=not self.is_unsaved)
        if self.is_unsaved:
            self._autosave()

    def _on_editing_ended(self) -> None:
        self._window.later(self._release)

    def _release(self) -> None:
        held_back, self._held_back = self._held_back, None
        if held_back is not None:
            held_back()

    def _on_disagreement(self, submitted: RoiSet, found: Disagreement) -> None:
        """Show both sides, ask which counts, and save that."""
        if self.rois.rois != submitted.rois:
            self.save()  # something was edited meanwhile, which the question must not lose
            return
        self.base = found.image.rois
        self.image = found.image
        self._undo.clear()
        self._show(found.both)
        mine, theirs = [new for _, new in found.pairs], [old for old, _ in found.pairs]
        self.sync.select([*theirs, *mine])
        pairs = [Conflict(theirs=found.both.get(old), mine=found.both.get(new)) for old, new in found.pairs]
        self.is_saving = True  # nothing is saved by itself while the question is open
        choice = self._window.ask_conflicts(pairs)
        self.is_saving = False
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
        dataset_id = self.dataset.dataset_id
        if self._draft_number is None:
            self._draft_number = free_draft_number(dataset_id, self.image_id)
        draft = Draft(base=self.base, rois=self.rois, reason=self.failure, number=self._draft_number)
        return keep_draft(dataset_id, self.image_id, draft)

    def _drop_draft(self) -> None:
        """Delete the draft that this editor kept; an older one is the user's business."""
        if self._draft_number is None:
            return
        try:
            drop_draft(self.dataset.dataset_id, self.image_id, self._draft_number)
        except OSError as error:
            show_warning(f"The ROIs are saved, but their draft could not be deleted: {error}")
        self._draft_number = None

    def adopt_draft(self, draft: Draft) -> None:
        """Show the changes of a kept draft, which is deleted with the next save."""
        self._draft_number = draft.number
        self.take_up(draft)

    def _settle(self, submitted: RoiSet, saved: Saved) -> None:
        """Show what was saved, and what was edited since on top."""
        merged = rebase(submitted, self.rois, saved)
        self.image, self.base = saved.image, saved.image.rois
        self._show(merged.rois)
        _say_doubled(merged.doubled)
        self.facts = {roi_id: held for roi_id, held in self.facts.items() if roi_id in merged.rois}
        self.state_changed.emit()

    def _set(self, rois: RoiSet) -> None:
        """Show ROIs as an edit; of a dataset that is only looked at, nothing is edited."""
        if self.can_save:
            self.sync.set_rois(rois)
        else:
            show_warning("This dataset can only be looked at, so its ROIs cannot be edited.")

    def _show(self, rois: RoiSet) -> None:
        """Show ROIs without noting it as an edit."""
        if self._closed:
            self.sync.rois = rois
        elif rois != self.rois:
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


def _say_doubled(doubled: Sequence[tuple[int, int]]) -> None:
    for old, new in doubled:
        show_warning(f"ROI {old} was changed here and by another window: both are on screen, yours as ROI {new}.")


def _results_of(dataset: ZarrDataset, image_id: str) -> dict[int, dict[str, int]]:
    """Return what was computed for which ROI; nothing of a record that is gone, which the next save says."""
    try:
        return results_by_roi(dataset.record(image_id))
    except RecordNotFoundError:
        return {}
