"""The ROIs of one open record while they are edited: what is on screen, what is saved of it, undo. No Qt.

The rule of this room: every change of the ROIs, on the canvas or in the list, is an edit that can be taken back; what a
save brings is none.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from napari.utils.notifications import show_info, show_warning
from psygnal import Signal

from kymflow_core import AcqImage, RectROI, RoiSet
from kymflow_core.errors import RoiError
from kymflow_core.roi import ROI, merge_roi_sets
from kymflow_core.roi.bounds import Bounds, rect_within
from kymflow_core.undo_stack import UndoStack
from napari_kymflow.layers.echo_guard import EchoGuard
from napari_kymflow.layers.roi_sync import RoiSync
from napari_kymflow.layers.shapes import COLOR
from napari_kymflow.rois.commit_rois import Saved, as_saved, new_ids, rebase
from napari_kymflow.rois.drafts import Draft
from napari_kymflow.rois.undo import RoiEdit

_READ_ONLY = "This dataset is read-only, so its ROIs cannot be edited."


class RoiEditor:
    """Edits the ROIs of one record.

    Parameters
    ----------
    image
        The record.
    sync
        What shows the ROIs; bound.
    """

    rois_changed = Signal()
    edited = Signal()
    """The user changed something that is to be saved."""

    def __init__(self, image: AcqImage, sync: RoiSync) -> None:
        self.image, self.sync = image, sync
        self.shape = sync.shape
        """The image's shape (y, x), in pixels."""
        self.base = image.rois
        """The saved ROIs that those on screen were made from."""
        self.can_edit = True
        """Whether the dataset can be written to; where it cannot, its ROIs stay as they are."""
        self._undo = UndoStack[RoiEdit]()
        self._present = sync.rois
        self._quiet = EchoGuard()

    def bind(self) -> None:
        """Follow the ROIs on screen."""
        self.sync.rois_changed.connect(self._on_rois_changed)
        self.sync.rois_turned.connect(self._on_rois_turned)
        self.sync.rois_colored.connect(self._on_rois_colored)

    def unbind(self) -> None:
        """Stop following: the inverse of `bind`."""
        self.sync.rois_changed.disconnect(self._on_rois_changed)
        self.sync.rois_turned.disconnect(self._on_rois_turned)
        self.sync.rois_colored.disconnect(self._on_rois_colored)

    @property
    def rois(self) -> RoiSet:
        """The ROIs as they are on screen, saved or not."""
        return self.sync.rois

    @property
    def is_unsaved(self) -> bool:
        """Whether what is on screen differs from the ROIs in the record."""
        return self.sync.is_behind or self.rois.rois != self.base.rois

    @property
    def unsaved_roi_ids(self) -> tuple[int, ...]:
        """The ids of the ROIs that are new, or not as they are saved."""
        saved = {roi.roi_id: roi for roi in self.base}
        return tuple(roi.roi_id for roi in self.rois if saved.get(roi.roi_id) != roi)

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
        if edit := self._undo.undo():
            self.show(edit.taken_back(self.rois))
        self.edited.emit()

    def redo(self) -> None:
        """Make the last edit that was taken back again."""
        if edit := self._undo.redo():
            self.show(edit.made_again(self.rois))
        self.edited.emit()

    def forget_edits(self) -> None:
        """Let nothing be undone any more."""
        self._undo.clear()

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
        self._set(self.rois.replace(rect_within(replace(self._rect(roi_id), **bounds._asdict()), self.shape)))

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
        self._set(self.rois.add(rect_within(roi, self.shape)))
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

    def nudge(self, roi_ids: Sequence[int], *, lines: int = 0, pixels: int = 0) -> None:
        """Move ROIs by whole lines and pixels; painted ones, and those that would leave the image, stay."""
        moved = self.rois
        for roi_id in roi_ids:
            moved = moved.replace(moved_roi(moved.get(roi_id), lines, pixels, self.shape))
        if moved != self.rois:
            self._set(moved)

    def delete(self, roi_ids: Sequence[int]) -> None:
        """Take ROIs off the screen; they are gone from the record after the next save."""
        rois = self.rois
        for roi_id in roi_ids:
            rois = rois.remove(roi_id)
        self._set(rois)

    def restore(self, rois: RoiSet) -> None:
        """Show the ROIs of an earlier revision instead; an edit like any other."""
        self._set(RoiSet.of(rois, next_id=max(rois.next_id, self.rois.next_id)))

    def show_saved(self) -> None:
        """Show the ROIs as they are saved again."""
        self.show(RoiSet.of(self.base, next_id=self.rois.next_id))

    def show(self, rois: RoiSet) -> None:
        """Show ROIs without noting it as an edit."""
        if rois != self.rois:
            with self._quiet:
                self.sync.set_rois(rois)

    def take_up(self, draft: Draft) -> None:
        """Show the changes of a draft on top of what is on screen."""
        unsaved = rebase(draft.base, draft.rois, Saved(image=self.image, renumbered={}, merged_others=True))
        both = merge_roi_sets(self.base, unsaved.rois, self.rois)
        self._set(both.rois)
        _say_doubled((*unsaved.doubled, *both.doubled))

    def take_up_saved(self, submitted: RoiSet, saved: Saved) -> None:
        """Show what was saved, and what was edited since it was submitted on top."""
        ids, selected = new_ids(submitted, self.rois, saved), self.sync.selected_ids
        changed = as_saved(submitted, saved)
        try:
            self._undo.replace(lambda edit: edit.renumbered(ids).renewed(changed))
        except RoiError:  # a ROI that was drawn and deleted during the save had an id that another has now
            self._undo.clear()
        merged = rebase(submitted, self.rois, saved)
        self.image, self.base = saved.image, saved.image.rois
        self.show(merged.rois)
        if ids:
            self.sync.select([ids.get(roi_id, roi_id) for roi_id in selected])
        _say_doubled(merged.doubled)

    def _on_rois_changed(self) -> None:
        if not self.can_edit and not self._quiet and self.is_unsaved:
            self.sync.later(self._refuse_edit)
            return
        if not self._quiet and self.rois != self._present:
            self._undo.push(RoiEdit(self._present, self.rois))
            self.edited.emit()
        self._present = self.rois
        self.rois_changed.emit()

    def _refuse_edit(self) -> None:
        show_warning(_READ_ONLY)
        self.show_saved()

    def _on_rois_turned(self, roi_ids: tuple[int, ...]) -> None:
        names = ", ".join(f"ROI {roi_id}" for roi_id in roi_ids)
        show_info(f"{names}: no upright rectangle any more. It is a mask of the shape that is drawn now, with the same id.")

    def _on_rois_colored(self, roi_ids: tuple[int, ...], color: str) -> None:
        self.set_color(roi_ids, color)
        if not self.can_edit:
            self.sync.set_rois(self.rois)

    def _set(self, rois: RoiSet) -> None:
        """Show ROIs as an edit; in a read-only dataset, nothing is edited."""
        if self.can_edit:
            self.sync.set_rois(rois)
        else:
            show_warning(_READ_ONLY)

    def _rect(self, roi_id: int) -> RectROI:
        roi = self.rois.get(roi_id)
        if not isinstance(roi, RectROI):
            raise RoiError(f"ROI {roi_id} is a mask; only a rectangle has bounds to type in. Drag its shape, or paint it")
        return roi


def moved_roi(roi: ROI, lines: int, pixels: int, shape: tuple[int, int]) -> ROI:
    """Return a ROI that lies so many lines and pixels further; as it is where it is painted, or would leave the image."""
    if isinstance(roi, RectROI):
        y0, y1, x0, x1 = roi.y0 + lines, roi.y1 + lines, roi.x0 + pixels, roi.x1 + pixels
        is_within = min(y0, x0) >= 0 and y1 <= shape[0] and x1 <= shape[1]
        return replace(roi, y0=y0, y1=y1, x0=x0, x1=x1) if is_within else roi
    if roi.drawn is None:
        return roi
    vertices = tuple((y + lines, x + pixels) for y, x in roi.drawn.vertices)
    # A pixel spans half a pixel to either side of its number.
    is_within = all(-0.5 <= y <= shape[0] - 0.5 and -0.5 <= x <= shape[1] - 0.5 for y, x in vertices)
    return roi.with_shape(replace(roi.drawn, vertices=vertices)) if is_within else roi


def _say_doubled(doubled: Sequence[tuple[int, int]]) -> None:
    for old, new in doubled:
        show_warning(f"ROI {old} was changed here and by another window: both are on screen, yours as ROI {new}.")
