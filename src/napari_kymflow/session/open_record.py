"""The one record that is open in a viewer: its ROIs, their layers, and what of them is not saved. No Qt.

The rule of this room: everything here ends with the record, so nothing asks whether there is one.
"""

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from napari.layers import Shapes
from napari.utils.notifications import show_error, show_info, show_warning
from psygnal import Signal

from kymflow_core import AcqImage, RectROI, RoiSet
from kymflow_zarr import ZarrDataset
from napari_kymflow.layers.convert import shown_axes
from napari_kymflow.layers.roi_sync import RoiSync
from napari_kymflow.layers.tags import KEY, LayerTag, tag_of
from napari_kymflow.layers.view import KymographView
from napari_kymflow.rois.drafts import Draft, drop_draft, load_draft
from napari_kymflow.rois.editor import RoiEditor
from napari_kymflow.rois.measure import MeasuredRois
from napari_kymflow.rois.saving import RoiSaving
from napari_kymflow.rois.selection import RoiSelection
from napari_kymflow.session.display import RecordDisplay
from napari_kymflow.session.mask_layers import MaskLayers
from napari_kymflow.session.record_layers import RecordLayers
from napari_kymflow.user.window import Window

_CONTEXT = 4.0
"""How many times an event's own length is shown when the view goes to it."""
_LEAST_SECONDS = 0.5
_ARROWS = {"Left": (-1, 0), "Right": (1, 0), "Up": (0, -1), "Down": (0, 1)}
"""By how much an arrow moves to the right and down on the screen."""


class OpenRecord:
    """The record whose ROI layer is in the viewer.

    Parameters
    ----------
    view
        Shows the record in the viewer.
    layers
        The layers in which it is shown.
    dataset
        The dataset.
    image
        The record, as it is saved.
    layer
        The ROI layer, with its tag.
    tag
        Its tag, which says which record it is.
    window
        The window around the session.
    """

    rois_changed = Signal()
    state_changed = Signal()
    """The marks changed: saved or not, undo, results, measurements, kept ROIs."""
    saved = Signal(str)
    """The ROIs of the record, whose id is sent, were saved."""

    def __init__(
        self,
        view: KymographView,
        layers: RecordLayers,
        dataset: ZarrDataset,
        image: AcqImage,
        layer: Shapes,
        tag: LayerTag,
        window: Window,
    ) -> None:
        self.dataset, self.image_id = dataset, tag.image_id
        self.kept: Draft | None = None
        """Unsaved ROIs of the record from an earlier session, which the user can restore."""
        self._view, self._first_tag, self._window = view, tag, window
        # In memory: what is drawn must not depend on a disk that may go away.
        self.shape = image.slice_shape
        self._sizes = {axis: image.sizes[axis] for axis in shown_axes(image)}
        self.sync = RoiSync(layer, image.rois, stretch=tag.stretch, shape=self.shape, get_slice=self._get_slice)
        """What shows the ROIs."""
        self.editor = RoiEditor(image, self.sync)
        self.saving = RoiSaving(dataset, tag.image_id, self.editor, window)
        self.measured = MeasuredRois(dataset.path, tag.image_id, self.shape, lambda: self.sync.rois, window)
        self.selection = RoiSelection(self.sync)
        self.display = RecordDisplay(view, dataset.dataset_id, tag.image_id)
        self.masks = MaskLayers(view, layers, self.editor, self.saving, self.selection)

    def bind(self, *, can_edit: bool) -> None:
        """Show the record, and follow what is done with its ROIs."""
        layer, sync = self.sync.layer, self.sync
        sync.later = lambda action: self._window.later(action)
        sync.bind()
        # The layer may have been made from older metadata of the record.
        sync.show_if_different(self.image.rois)
        self.editor.can_edit = layer.editable = can_edit
        self.editor.rois_changed.connect(self._on_rois_changed)
        self.saving.state_changed.connect(self.state_changed)
        self.saving.saved.connect(self._on_saved)
        self.measured.changed.connect(self.state_changed)
        self.selection.bind()
        # napari has no undo of shapes; these keys are its own everywhere else.
        layer.bind_key("Control-Z", lambda _: self.editor.undo(), overwrite=True)
        layer.bind_key("Control-Shift-Z", lambda _: self.editor.redo(), overwrite=True)
        layer.bind_key("T", lambda _: self.editor.duplicate(self.selection.ids), overwrite=True)
        for key, step in _ARROWS.items():
            # A function with a name, which napari shows.
            layer.bind_key(key, lambda _, step=step: self._on_arrow(*step), overwrite=True)
        self._view.bind(sync, self.shape)
        self.display.bind()
        self._load_kept()

    def start(self, draft: Draft | None) -> None:
        """Follow the edits from now on, on top of edits that were not saved before."""
        self.editor.bind()
        self.saving.bind()
        self.measured.update()
        if draft is not None and self.kept is not None and self.kept.rois == draft.rois:
            # What could not be saved a moment ago is on this computer too.
            self.take_up_kept()
        elif draft is not None:
            self.editor.take_up(draft)

    def unbind(self) -> None:
        """Stop following: the inverse of `bind` and `start`. A save that runs is ended all the same."""
        self.display.unbind()
        self._view.unbind()
        self.masks.can_show = False
        self.editor.unbind()
        self.saving.unbind()
        self.measured.close()
        self.selection.unbind()
        self.sync.unbind()

    def use_window(self, window: Window) -> None:
        """Work in another window from now on."""
        self._window = self.saving.window = self.measured.window = window

    @property
    def key(self) -> tuple[Path, str]:
        """What no other record has: the dataset's place and the record's id."""
        return self.dataset.path, self.image_id

    @property
    def tag(self) -> LayerTag:
        """What ties the layers to the record."""
        tag = tag_of(self.sync.layer)
        # The layer may show another record by now.
        return tag if tag is not None and tag.image_id == self.image_id else self._first_tag

    @property
    def image(self) -> AcqImage:
        """The record, as it is saved."""
        return self.editor.image

    @property
    def name(self) -> str:
        """What people call the record."""
        return self.image.name or self.image_id[:8]

    @property
    def rois(self) -> RoiSet:
        """The ROIs as they are on screen, saved or not."""
        return self.sync.rois

    @property
    def is_unsaved(self) -> bool:
        """Whether the ROIs on screen differ from those in the record."""
        return self.editor.is_unsaved

    @property
    def draft(self) -> Draft:
        """The ROIs on screen, and the saved ones that they were made from."""
        return Draft(base=self.editor.base, rois=self.rois)

    @property
    def why_unsaved(self) -> str:
        """What a person must know before they leave unsaved ROIs."""
        return "\n".join([f"The ROIs of {self.name} are not saved.", *self.saving.outdating, self.saving.failure]).strip()

    def save(self) -> bool:
        """Save the ROIs on screen, say so, and return whether all are saved by now; in a window a worker does it."""
        self.saving.save(self._on_saved_by_hand)
        return not self.is_unsaved

    def materialize_masks(self) -> None:
        """Save the ROIs, write each rectangle as a mask, and show the masks."""
        if not self.editor.can_edit:
            show_warning("This dataset is read-only, so no mask can be written.")
        elif not any(isinstance(roi, RectROI) for roi in self.rois):
            show_warning("There is no rectangle to make a mask of; draw one first.")
        else:
            before = {roi.mask_ref for roi in self.rois}
            self.saving.materialize(lambda done: self._say_masks_written(before))

    def _say_masks_written(self, before: Collection[str | None]) -> None:
        count = sum(isinstance(roi, RectROI) and roi.mask_ref not in before for roi in self.rois)
        written = f"{count} mask{'' if count == 1 else 's'} written"
        show_info(f"{written}." if count else "All rectangles have their masks already; nothing was written.")

    def take_up_kept(self) -> None:
        """Show the unsaved ROIs of an earlier time."""
        kept, self.kept = self.kept, None
        if kept is not None:
            self.saving.adopt_draft(kept)
        self.state_changed.emit()

    def drop_kept(self) -> None:
        """Forget the unsaved ROIs of an earlier time."""
        kept, self.kept = self.kept, None
        if kept is not None:
            drop_draft(self.dataset.dataset_id, self.image_id, kept.number)
            self._load_kept()
        self.state_changed.emit()

    def reload_metadata(self) -> None:
        """Show the metadata as they are saved now; the ROIs stay as they are.

        Raises
        ------
        KymflowZarrError
            When they cannot be read.
        """
        self.image.reload()
        header = self.image.header
        for layer in self._view.viewer.layers:
            tag = tag_of(layer)
            if tag is not None and tag.key == self.key:
                layer.metadata[KEY] = replace(
                    tag, seconds_per_line=header.seconds_per_line, um_per_pixel=header.um_per_pixel
                )
        self.rois_changed.emit()
        self.state_changed.emit()

    def go_to(
        self,
        *,
        roi_id: int | None = None,
        seconds: tuple[float, float] | None = None,
        lines: tuple[int, int] | None = None,
        caption: str = "",
    ) -> None:
        """Bring a ROI, or a stretch of time within it, into view, and select the ROI.

        Parameters
        ----------
        roi_id
            The ROI.
        seconds
            From when to when, in s from the first line; shown with some time before and after.
        lines
            The half-open range of lines of a ROI whose place is not known, as of a painted one that is not measured yet.
        caption
            What is written on the canvas.
        """
        roi = self.rois.get(roi_id) if roi_id is not None and roi_id in self.rois else None
        bounds = self.measured.bounds_of(roi) if roi is not None else None
        per_line = self.tag.seconds_per_line
        if seconds is not None and per_line:
            middle = sum(seconds) / 2
            half = max(seconds[1] - seconds[0], _LEAST_SECONDS) * _CONTEXT / 2
            self._view.go_to_lines((middle - half) / per_line, (middle + half) / per_line, caption=caption)
        elif bounds is not None and bounds.y0 < bounds.y1:
            self._view.go_to_lines(bounds.y0, bounds.y1, caption=caption)
        elif lines is not None and lines[0] < lines[1]:
            self._view.go_to_lines(*lines, caption=caption)
        if roi is not None:
            self.selection.select([roi.roi_id])
        elif roi_id is not None:
            show_info(f"ROI {roi_id} is not among the ROIs of this record.")

    def _on_arrow(self, across: int, along: int) -> None:
        """Move the selected ROIs by a pixel of the record in an arrow's direction; without one, the slider as in napari."""
        if self.selection.ids:
            if not self._view.runs_right:
                across, along = along, across
            self.editor.nudge(self.selection.ids, lines=across, pixels=along)
        elif across:
            dims = self._view.viewer.dims
            dims.set_current_step(dims.last_used, dims.current_step[dims.last_used] + across)

    def _load_kept(self) -> None:
        try:
            self.kept = load_draft(self.dataset.dataset_id, self.image_id)
        except ValueError as error:
            show_error(str(error))

    def _get_slice(self) -> tuple[int, int]:
        """Return z (from 0) and channel (from 1) of the slice that the viewer shows."""
        # Another layer may have more dimensions than the record, whose are the last ones, and more steps along them.
        sizes = self._sizes
        others = [axis for axis in sizes if axis not in "yx"]
        own = self._view.viewer.dims.current_step[self._view.viewer.dims.ndim - len(sizes) :]
        steps = {axis: min(int(step), sizes[axis] - 1) for axis, step in zip(others, own, strict=False)}
        return steps.get("z", 0), steps["c"] + 1 if "c" in steps else self.display.shown_channel

    def _on_rois_changed(self) -> None:
        self.rois_changed.emit()
        self.state_changed.emit()
        self._window.later(self.measured.update)

    def _on_saved(self) -> None:
        if self.masks.can_show:
            self.masks.show()
        self.saved.emit(self.image_id)

    def _on_saved_by_hand(self, saved: bool) -> None:
        if saved:
            count = len(self.rois)
            show_info(f"Saved {count} ROI{'' if count == 1 else 's'} of {self.image.name or self.image_id}.")
            if self.sync.refused:
                show_warning(self.sync.refusal)
