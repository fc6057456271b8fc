"""Saves the ROIs of one open record: by itself, or when the user says so; keeps them where that fails. No Qt.

The rule of this room: what is on screen is never lost. It is saved, or kept as a draft within 2 s, or given up by the
user's own word; and a save, which takes place in a worker, never undoes what was drawn while it ran.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeAlias

from napari.utils.notifications import show_error, show_info, show_warning
from psygnal import Signal

from kymflow_core import AcqImage, RoiSet
from kymflow_core.tables.roi_results import RoiResults, outdated_results, outdated_roi_ids, results_by_roi
from kymflow_zarr import ZarrDataset
from kymflow_zarr.errors import RecordNotFoundError
from napari_kymflow.rois.commit_rois import (
    Disagreement,
    NotSaved,
    Outcome,
    Outdating,
    Saved,
    commit_rois,
    materialize_rects,
)
from napari_kymflow.rois.drafts import Draft, drop_draft, free_draft_number, keep_draft
from napari_kymflow.rois.editor import RoiEditor
from napari_kymflow.user.window import Conflict, Window

OnSaved: TypeAlias = Callable[[bool], None]
"""Called with whether everything is saved."""


class RoiSaving:
    """Saves what an editor shows.

    Parameters
    ----------
    dataset
        The dataset.
    image_id
        The record.
    editor
        What is on screen.
    window
        The window around it.
    """

    state_changed = Signal()
    """A save began or ended, or other results would become outdated by it."""
    saved = Signal()

    def __init__(self, dataset: ZarrDataset, image_id: str, editor: RoiEditor, window: Window) -> None:
        self.dataset, self.image_id, self.window = dataset, image_id, window
        self._editor = editor
        self.failure = ""
        """Why the last save failed; empty where it did not."""
        self.is_saving = False
        self.results: RoiResults | None = None
        """What was computed for which ROI; None until that is known."""
        self._waiting: list[OnSaved] = []
        self._was_given_up = False
        self._outdated: frozenset[int] = frozenset()
        self._held_back: Callable[[], None] | None = None
        self._draft_number: int | None = None
        self._kept: RoiSet | None = None
        self._is_draft_refused = False
        self._is_closed = False

    def bind(self) -> None:
        """Follow the edits, and find out what was computed for the ROIs."""
        self._editor.edited.connect(self._save_soon)
        self._editor.rois_changed.connect(self._keep_soon)
        self._editor.sync.editing_ended.connect(self._on_editing_ended)
        self.find_results()

    def unbind(self) -> None:
        """Stop following: the inverse of `bind`. A save that runs is ended all the same."""
        self._is_closed = True
        self._release()
        self._editor.edited.disconnect(self._save_soon)
        self._editor.rois_changed.disconnect(self._keep_soon)
        self._update_draft()
        self._editor.sync.editing_ended.disconnect(self._on_editing_ended)

    def find_results(self) -> None:
        """Find out, in a worker, what was computed for which ROI."""
        self.window.run(partial(_results_of, self.dataset, self.image_id), self._on_results_found)

    @property
    def outdating(self) -> list[str]:
        """What the next save makes outdated: one line for each changed or deleted ROI that has results."""
        editor = self._editor
        return outdated_results(self._held_results, editor.base, editor.rois) if editor.is_unsaved else []

    @property
    def _held_results(self) -> RoiResults:
        """The results that no save of this window made outdated yet."""
        return {roi_id: held for roi_id, held in (self.results or {}).items() if roi_id not in self._outdated}

    @property
    def can_save_unasked(self) -> bool:
        """Whether what is on screen may be saved without a word: no result becomes outdated by it."""
        return self._editor.can_edit and self.results is not None and not self.outdating

    def save(self, on_saved: OnSaved | None = None, *, unasked: bool = False) -> None:
        """Save what is on screen, in a worker.

        `unasked` is a save by itself, which makes no result outdated.
        """
        if on_saved is not None:
            self._waiting.append(on_saved)
        if self.is_saving:
            return
        self._editor.sync.catch_up()
        self.is_saving = True
        self.state_changed.emit()
        path, base, submitted, outdated = self.dataset.path, self._editor.base, self._editor.rois, self._outdated
        self.window.run(
            lambda: commit_rois(path, self.image_id, base, submitted, shown=None if not unasked else outdated),
            lambda outcome: self._on_outcome(submitted, outcome),
            lambda error: self._on_outcome(submitted, NotSaved(reason=f"an error of the program: {error!r}")),
        )

    def save_now(self) -> None:
        """Save, unless results would become outdated: the user sees those first."""
        if self._is_closed or not self._editor.is_unsaved or not self.can_save_unasked:
            return
        if self._editor.sync.is_editing:
            self._save_soon()
        else:
            self.save(unasked=True)

    def _save_soon(self) -> None:
        if self.window.autosaves and self._editor.can_edit:
            self.window.after_a_pause(self.save_now)

    def materialize(self, on_saved: OnSaved) -> None:
        """Save what is on screen, and write every rectangle as a mask, in a worker."""
        if self.outdating:
            show_warning("Save first, or undo: results would become outdated, as the dock says.")
            return
        self.save(lambda saved: self._on_saved_for_masks(on_saved) if saved else None)

    def _on_saved_for_masks(self, on_saved: OnSaved) -> None:
        path, image_id = self.dataset.path, self.image_id
        self.window.run(lambda: materialize_rects(path, image_id), lambda result: self._on_materialized(result, on_saved))

    def _on_materialized(self, result: AcqImage | str, on_saved: OnSaved) -> None:
        if isinstance(result, str):
            show_error(result)
            return
        self._editor.take_up_saved(self._editor.base, Saved(image=result, renumbered={}, merged_others=False))
        self.state_changed.emit()
        self.saved.emit()
        on_saved(True)

    def give_up(self) -> None:
        """Show the ROIs as they are saved again, and forget the draft."""
        self._editor.show_saved()
        self._was_given_up = self.is_saving
        self.failure = ""
        self._drop_draft()
        self.state_changed.emit()

    def _keep_soon(self) -> None:
        if self._editor.is_unsaved or self._draft_number is not None:
            self.window.within_two_seconds(self._update_draft)

    def _update_draft(self) -> None:
        """Have what is not saved on this computer's disk too, whatever happens next, and nothing that is saved."""
        if not self._editor.is_unsaved:
            self._drop_draft()
        elif self._kept is not self._editor.rois and self._editor.can_edit:
            try:
                self.keep_draft()
            except OSError as error:
                if not self._is_draft_refused:
                    show_warning(
                        f"The ROIs are on screen only until they are saved: no draft of them can be kept ({error})."
                    )
                self._is_draft_refused = True

    def keep_draft(self) -> Path:
        """Write what is on screen to this computer's drafts; raise `OSError` where that fails."""
        dataset_id = self.dataset.dataset_id
        if self._draft_number is None:
            self._draft_number = free_draft_number(dataset_id, self.image_id)
        editor = self._editor
        draft = Draft(base=editor.base, rois=editor.rois, reason=self.failure, number=self._draft_number)
        path = keep_draft(dataset_id, self.image_id, draft)
        self._kept, self._is_draft_refused = draft.rois, False
        return path

    def adopt_draft(self, draft: Draft) -> None:
        """Show the changes of a kept draft, which is deleted with the next save."""
        own, self._draft_number, self._kept = self._draft_number, draft.number, None
        self._editor.take_up(draft)
        self._update_draft()
        if own is not None and own != draft.number:
            drop_draft(self.dataset.dataset_id, self.image_id, own)

    def _drop_draft(self) -> None:
        """Delete the draft that was kept here; an older one is the user's business."""
        if self._draft_number is None:
            return
        try:
            drop_draft(self.dataset.dataset_id, self.image_id, self._draft_number)
        except OSError as error:
            show_warning(f"The ROIs are saved, but their draft could not be deleted: {error}")
        self._draft_number = self._kept = None

    def _on_results_found(self, results: RoiResults) -> None:
        self.results = results
        if not self._is_closed:
            self.state_changed.emit()
            if self._editor.is_unsaved:
                self._save_soon()

    def _on_outcome(self, submitted: RoiSet, outcome: Outcome) -> None:
        if self._editor.sync.is_editing and not self._is_closed:
            # A shape that is being drawn would be lost: the layer must not change until it is done.
            self._held_back = lambda: self._on_outcome(submitted, outcome)
            return
        self.is_saving = False
        if isinstance(outcome, Saved):
            self._on_saved(submitted, outcome)
        elif isinstance(outcome, Disagreement):
            self._on_disagreement(submitted, outcome)
        elif isinstance(outcome, NotSaved):
            self._on_not_saved(outcome.reason)
        else:
            self._on_outdating(outcome)

    def _on_editing_ended(self) -> None:
        self.window.later(self._release)

    def _release(self) -> None:
        held_back, self._held_back = self._held_back, None
        if held_back is not None:
            held_back()

    def _on_saved(self, submitted: RoiSet, saved: Saved) -> None:
        self.failure = ""
        self._outdated |= frozenset(outdated_roi_ids(self._held_results, self._editor.base, submitted))
        self._drop_draft()
        self._editor.take_up_saved(submitted, saved)
        if self._editor.is_unsaved:
            self._keep_soon()
        self.state_changed.emit()
        if saved.merged_others:
            show_info("Another window has also saved ROIs of this record; both changes are saved.")
        for old, new in saved.renumbered.items():
            show_warning(f"Another window had made a ROI {old} of its own: yours is now ROI {new}.")
        self.saved.emit()
        is_unsaved = self._editor.is_unsaved
        if is_unsaved and (self._waiting or self._was_given_up):
            # What was edited or given up during the save; a caller waits until the record has it.
            self._was_given_up = False
            self.save()
            return
        self._answer_waiting(saved=not is_unsaved)
        if self._editor.is_unsaved:
            self._save_soon()

    def _on_disagreement(self, submitted: RoiSet, found: Disagreement) -> None:
        """Show both sides, ask which counts, and save that."""
        editor = self._editor
        if editor.rois.rois != submitted.rois:
            self.save()  # something was edited during the question, and must not be lost
            return
        editor.base, editor.image = found.image.rois, found.image
        editor.forget_edits()
        editor.show(found.both)
        mine, theirs = [new for _, new in found.pairs], [old for old, _ in found.pairs]
        editor.sync.select([*theirs, *mine])
        pairs = [Conflict(theirs=found.both.get(old), mine=found.both.get(new)) for old, new in found.pairs]
        self.is_saving = True  # nothing is saved by itself while the question is open
        choice = self.window.ask_conflicts(pairs)
        self.is_saving = False
        rois = found.both
        if choice == "theirs":
            for roi_id in mine:
                rois = rois.remove(roi_id)
        elif choice == "mine":
            for pair in pairs:
                kept = replace(pair.mine, roi_id=pair.theirs.roi_id)
                rois = rois.replace(kept).remove(pair.mine.roi_id)
        editor.show(rois)
        self.save()

    def _on_outdating(self, found: Outdating) -> None:
        self.results = found.results
        self.state_changed.emit()
        self._answer_waiting(saved=False)

    def _on_not_saved(self, reason: str) -> None:
        self.failure = reason
        try:
            path = self.keep_draft()
        except OSError as error:
            show_error(f"Not saved: {reason}. The ROIs are on screen only, since no draft can be kept either ({error}).")
        else:
            show_error(f"Not saved: {reason}. The ROIs are kept in {path}, and offered again when the record is opened.")
        self.state_changed.emit()
        self._answer_waiting(saved=False)

    def _answer_waiting(self, *, saved: bool) -> None:
        waiting, self._waiting = self._waiting, []
        for on_saved in waiting:
            on_saved(saved)


def _results_of(dataset: ZarrDataset, image_id: str) -> dict[int, dict[str, int]]:
    """Return what was computed for which ROI; nothing of a record that is gone, which the next save says."""
    try:
        return results_by_roi(dataset.record(image_id))
    except RecordNotFoundError:
        return {}
