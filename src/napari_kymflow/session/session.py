"""What one viewer has open: a dataset and one record of it. No Qt.

The rule of this room: docks and reader meet only here. Layers of a record are recognised by their tag, whoever added them.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from inspect import unwrap
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary, ref

from napari.components import ViewerModel
from napari.layers import Layer, Shapes
from napari.utils.notifications import show_error, show_info, show_warning
from psygnal import Signal

from kymflow_core import AcqImage, RectROI, RoiSet
from kymflow_zarr import ZarrDataset
from napari_kymflow.layers.convert import LayerData, record_to_layers
from napari_kymflow.layers.echo_guard import EchoGuard
from napari_kymflow.layers.roi_sync import RoiSync
from napari_kymflow.layers.shapes import has_shape
from napari_kymflow.layers.tags import KEY, LayerTag, tag_of
from napari_kymflow.layers.view import KymographView
from napari_kymflow.rois.drafts import Draft, drop_draft, load_draft, records_with_drafts
from napari_kymflow.rois.editor import RoiEditor
from napari_kymflow.session.mask_layers import MaskLayers
from napari_kymflow.tables.snapshot import DatasetSnapshot, quick_snapshot
from napari_kymflow.tables.work import installed_indexers, is_writable
from napari_kymflow.user.window import Window

_CONTEXT = 4.0
"""How many times an event's own length is shown when the view goes to it."""
_LEAST_SECONDS = 0.5

_sessions: "WeakKeyDictionary[ViewerModel, KymSession]" = WeakKeyDictionary()


def session_of(viewer: ViewerModel) -> "KymSession":
    """Return the viewer's session; the first call makes it and adopts layers that are there."""
    # napari hands plugins a short-lived proxy of the viewer, another one each time.
    viewer = unwrap(viewer)
    session = _sessions.get(viewer)
    if session is None:
        session = _sessions[viewer] = KymSession(viewer)
    return session


def session_showing(tag: LayerTag) -> "KymSession | None":
    """Return the session in which the record of a layer is open, in whichever viewer."""
    shown = (session for session in _sessions.values() if session.tag is not None)
    wanted = tag.dataset_path, tag.image_id
    return next((one for one in shown if one.tag and (one.tag.dataset_path, one.tag.image_id) == wanted), None)


class KymSession:
    """The dataset and the record that one viewer shows.

    Parameters
    ----------
    viewer
        The viewer; `session_of` is the way to get its one session.
    """

    dataset_changed = Signal()
    record_changed = Signal()
    rois_changed = Signal()
    state_changed = Signal()
    selection_changed = Signal()
    saved = Signal(str)
    """The id of a record whose ROIs were saved."""

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer_ref = ref(viewer)
        self.window = Window()
        """The window around the session; a dock puts the real one here."""
        self.dataset: ZarrDataset | None = None
        """The open dataset."""
        self.snapshot = DatasetSnapshot()
        """What the open dataset held when it was looked at last."""
        self.found = installed_indexers()
        """The indexers that fill its tables."""
        self.editor: RoiEditor | None = None
        self.kept: Draft | None = None
        """Unsaved ROIs of the open record from an earlier time, which the user may take up."""
        self.view = KymographView(viewer)
        self._drafts: dict[tuple[Path, str], Draft] = {}
        self.masks = MaskLayers(self)
        self._selected_masks: tuple[int, ...] = ()
        self._selecting = EchoGuard()
        viewer.layers.events.inserted.connect(self._on_layer_inserted)
        viewer.layers.events.removed.connect(self._on_layer_removed)
        for layer in list(viewer.layers):
            self._adopt(layer)

    @property
    def viewer(self) -> ViewerModel:
        """The viewer."""
        viewer = self._viewer_ref()
        if viewer is None:
            raise RuntimeError("the viewer of this session is closed")
        return viewer

    @property
    def tag(self) -> LayerTag | None:
        """What ties the open record's layers to it."""
        return tag_of(self.sync.layer) if self.sync else None

    @property
    def image_id(self) -> str | None:
        """The id of the record that is shown."""
        return self.tag.image_id if self.tag else None

    @property
    def image(self) -> AcqImage | None:
        """The open record, as it is saved."""
        return self.editor.image if self.editor else None

    @property
    def sync(self) -> RoiSync | None:
        """What shows the open record's ROIs."""
        return self.editor.sync if self.editor else None

    @property
    def rois(self) -> RoiSet:
        """The ROIs as they are on screen, saved or not."""
        return self.editor.rois if self.editor else RoiSet()

    @property
    def selected_roi_ids(self) -> tuple[int, ...]:
        """The ids of the selected ROIs, with and without a shape on the canvas."""
        if self.editor is None:
            return ()
        on_canvas = self.editor.sync.selected_ids
        return (*on_canvas, *(roi_id for roi_id in self._selected_masks if roi_id in self.rois))

    def select_rois(self, roi_ids: Sequence[int]) -> None:
        """Select ROIs; those that have a shape are selected on the canvas."""
        if self.editor is None:
            return
        with self._selecting:
            self.editor.sync.select(roi_ids)
        self._selected_masks = tuple(roi.roi_id for roi in self.rois if roi.roi_id in roi_ids and not has_shape(roi))

    @property
    def is_unsaved(self) -> bool:
        """Whether the ROIs on screen differ from those in the record."""
        return self.editor is not None and self.editor.is_unsaved

    @property
    def unsaved_ids(self) -> tuple[str, ...]:
        """The ids of the open dataset's records with ROIs that are not saved."""
        shown = [self.image_id] if self.is_unsaved and self.image_id else []
        waiting = (image_id for path, image_id in self._drafts if self.dataset and path == self.dataset.path)
        return tuple(dict.fromkeys([*shown, *waiting]))

    def ids_with_kept_rois(self, image_ids: Iterable[str]) -> set[str]:
        """Return which of the open dataset's records have ROIs on this computer that could not be saved."""
        return records_with_drafts(self.dataset.dataset_id, image_ids) if self.dataset else set()

    @property
    def unsaved_elsewhere(self) -> tuple[Path, ...]:
        """The other datasets that have records with ROIs that are not saved."""
        here = self.dataset.path if self.dataset else None
        return tuple(dict.fromkeys(path for path, _ in self._drafts if path != here))

    @property
    def is_read_only(self) -> str:
        """Why the open dataset can only be looked at; empty where it can be changed."""
        return "" if self.dataset is None or is_writable(self.dataset.path) else "on a disk that cannot be written to"

    def open_dataset(self, path: str | Path) -> bool:
        """Make a dataset the open one, whose records can be opened then; return whether it is.

        It is not where the user would rather stay with ROIs that are not saved.

        Raises
        ------
        KymflowZarrError
            When it cannot be opened.
        """
        path = Path(path).resolve()
        opened = ZarrDataset(path, mode="r")
        if self.dataset is not None and self.dataset.dataset_id == opened.dataset_id and self.dataset.path == opened.path:
            return True
        if not self.close_record():
            return False
        self._take_up_dataset(path)
        return True

    def _take_up_dataset(self, path: Path) -> None:
        self.dataset = ZarrDataset(path)
        self.snapshot = quick_snapshot(self.dataset)
        self.dataset_changed.emit()

    @property
    def path(self) -> Path | None:
        """Where the open dataset is."""
        return self.dataset.path if self.dataset else None

    @property
    def image_ids(self) -> tuple[str, ...]:
        """The ids of the open dataset's records, in the order of their acquisition."""
        return self.snapshot.image_ids

    def show_snapshot(self, snapshot: DatasetSnapshot) -> None:
        """Take up what a worker saw of the open dataset."""
        self.snapshot = snapshot
        if self.editor is not None:
            self.editor.find_results()

    def layers_of(self, image_id: str) -> list[LayerData]:
        """Return a record of the open dataset as layers; raise as `AcqImage` does when it is damaged."""
        if self.dataset is None:
            raise RuntimeError("open a dataset first")
        image = AcqImage(self.dataset.record(image_id))
        return record_to_layers(image, dataset_path=str(self.dataset.path), image_id=image_id)

    def open_record(self, image_id: str) -> bool:
        """Show a record instead of the one that is shown; return whether it is shown now.

        What is not saved is saved, or asked about. Raises as `layers_of`.
        """
        shown = [tag.role for layer in self.viewer.layers if (tag := tag_of(layer)) and tag.image_id == image_id]
        if image_id == self.image_id and "pixels" in shown:
            return True
        layers = self.layers_of(image_id)
        if not self.close_record():
            return False
        for data, options, kind in layers:
            self.viewer.add_layer(Layer.create(data, options, kind))
        return True

    def close_record(self) -> bool:
        """Take the record's layers away; return False where the user would rather stay."""
        if not self.leave():
            return False
        for layer in [layer for layer in self.viewer.layers if tag_of(layer) is not None]:
            self.viewer.layers.remove(layer)
        return True

    def leave(self) -> bool:
        """Save what is not saved, or ask what to do with it; return False where the user would rather stay."""
        editor = self.editor
        if not self.masks.leave():
            return False
        if editor is None or not editor.is_unsaved:
            return True
        if self.window.autosaves and editor.can_save_unasked and not editor.failure:
            self._save_and_forget(editor)
            return True
        answer = self.window.ask_unsaved(self._why_unsaved(editor))
        if answer == "save":
            self._save_and_forget(editor)
        elif answer == "discard":
            editor.give_up()
        return answer != "stay"

    def save_rois(self) -> bool:
        """Save the ROIs on screen, say so, and return whether all are saved by now; in a window a worker does it."""
        if self.editor is None:
            show_warning("No record is open, so there is nothing to save.")
            return False
        self.editor.save(self._on_saved_by_hand)
        return not self.is_unsaved

    def materialize_masks(self) -> None:
        """Save the ROIs, write each rectangle as a mask, and show the masks."""
        if self.editor is None:
            show_warning("No record is open, so there is nothing to make a mask of.")
        elif not self.editor.can_save:
            show_warning("This dataset can only be looked at, so no mask can be written.")
        elif not any(isinstance(roi, RectROI) for roi in self.rois):
            show_warning("There is no rectangle to make a mask of; draw one first.")
        else:
            self.editor.materialize(lambda done: show_info("The masks of all rectangles are up to date."))

    def take_up_kept(self) -> None:
        """Show the unsaved ROIs of an earlier time."""
        if self.editor is not None and self.kept is not None:
            kept, self.kept = self.kept, None
            self.editor.adopt_draft(kept)
            self.state_changed.emit()

    def drop_kept(self) -> None:
        """Forget the unsaved ROIs of an earlier time."""
        kept, self.kept = self.kept, None
        if self.editor is not None and kept is not None:
            drop_draft(self.editor.dataset.dataset_id, self.editor.image_id, kept.number)
            self._offer_kept(self.editor.dataset, self.editor.image_id)
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
        bounds = self.editor.bounds_of(roi) if roi is not None and self.editor is not None else None
        per_line = self.tag.seconds_per_line if self.tag else None
        if seconds is not None and per_line:
            middle = sum(seconds) / 2
            half = max(seconds[1] - seconds[0], _LEAST_SECONDS) * _CONTEXT / 2
            self.view.go_to_lines((middle - half) / per_line, (middle + half) / per_line, caption=caption)
        elif bounds is not None and bounds.y0 < bounds.y1:
            self.view.go_to_lines(bounds.y0, bounds.y1, caption=caption)
        elif lines is not None and lines[0] < lines[1]:
            self.view.go_to_lines(*lines, caption=caption)
        if roi is not None and self.sync is not None:
            self.select_rois([roi.roi_id])
        elif roi_id is not None:
            show_info(f"ROI {roi_id} is not among the ROIs of this record.")

    def _on_layer_inserted(self, event: Any) -> None:
        self._adopt(event.value)

    def _on_layer_removed(self, event: Any) -> None:
        tag = tag_of(event.value)
        editor = self.editor
        if tag is None or tag.role != "rois" or editor is None or event.value is not editor.sync.layer:
            return
        if editor.is_unsaved and (editor.dataset.path, editor.image_id) not in self._drafts:
            self._drafts[editor.dataset.path, editor.image_id] = Draft(base=editor.base, rois=editor.rois)
            self.window.later(lambda: self._ask_about_removed(editor))
        if editor.sync.refused:
            show_warning(f"{editor.sync.refusal} They are gone with the layer.")
        self.view.unbind()
        editor.unbind()
        editor.sync.unbind()
        self.editor, self.kept = None, None
        self.record_changed.emit()

    def _ask_about_removed(self, editor: RoiEditor) -> None:
        """Ask about a layer that was deleted by hand with unsaved ROIs in it; the ROIs are kept meanwhile."""
        if self.editor is not None and self.editor.image_id == editor.image_id:
            return
        key = editor.dataset.path, editor.image_id
        if self.window.autosaves and editor.can_save_unasked:
            self._save_and_forget(editor)
            return
        answer = self.window.ask_unsaved(f"The layer was deleted. {self._why_unsaved(editor)}")
        if answer == "save":
            self._save_and_forget(editor)
        elif answer == "discard":
            editor.give_up()
            self._drafts.pop(key, None)
        elif answer == "stay" and self.dataset is not None and self.dataset.path == key[0]:
            self.open_record(editor.image_id)

    def _save_and_forget(self, editor: RoiEditor) -> None:
        """Save the ROIs of a record that is being closed; until that is done they are kept."""
        key = editor.dataset.path, editor.image_id
        self._drafts[key] = Draft(base=editor.base, rois=editor.rois)
        editor.save(lambda saved: self._on_left_saved(key, saved=saved))

    def _on_left_saved(self, key: tuple[Path, str], *, saved: bool) -> None:
        still_open = self.editor is not None and (self.editor.dataset.path, self.editor.image_id) == key
        if saved or still_open:
            self._drafts.pop(key, None)
        self.saved.emit(key[1])

    @staticmethod
    def _why_unsaved(editor: RoiEditor) -> str:
        name = editor.image.name or editor.image_id[:8]
        return "\n".join([f"The ROIs of {name} are not saved.", *editor.outdating, editor.failure]).strip()

    def _adopt(self, layer: Layer) -> None:
        """Take up a layer of ours; a record's ROI layer, which comes last, makes the record the open one."""
        tag = tag_of(layer)
        if tag is None or tag.role != "rois" or not isinstance(layer, Shapes):
            return
        if self.editor is not None:
            layer.metadata = {key: value for key, value in layer.metadata.items() if key != KEY}
            show_warning("This copy of the ROI layer is only a drawing: what is in it is not saved with the record.")
            return
        if self.dataset is None or str(self.dataset.path) != tag.dataset_path:
            self._take_up_dataset(Path(tag.dataset_path))
        dataset = self.dataset
        if dataset is None:
            return
        image = AcqImage(dataset.record(tag.image_id))
        sync = RoiSync(
            layer, image.rois, stretch=tag.stretch, shape=image.slice_shape, get_slice=partial(self._slice_of, image.axes)
        )
        sync.later = self._do_later
        sync.bind()
        # The layer may have been made from an older look at the record.
        sync.show_if_different(image.rois)
        editor = self.editor = RoiEditor(dataset, image, tag.image_id, sync, self.window)
        editor.can_save = layer.editable = not self.is_read_only
        editor.rois_changed.connect(self.rois_changed.emit)
        editor.state_changed.connect(self.state_changed.emit)
        editor.saved.connect(self._on_saved)
        sync.selection_changed.connect(self._on_canvas_selection)
        # napari has no undo of shapes; these keys are its own everywhere else.
        layer.bind_key("Control-Z", lambda _: editor.undo(), overwrite=True)
        layer.bind_key("Control-Shift-Z", lambda _: editor.redo(), overwrite=True)
        self.view.bind(sync, image.slice_shape)
        self.masks.know(image)
        self._offer_kept(dataset, tag.image_id)
        self.record_changed.emit()
        editor.bind()
        draft = self._drafts.pop((dataset.path, tag.image_id), None)
        if draft is not None and self.kept is not None and self.kept.rois == draft.rois:
            # What could not be saved a moment ago is on this computer too.
            kept, self.kept = self.kept, None
            editor.adopt_draft(kept)
            self.state_changed.emit()
        elif draft is not None:
            editor.take_up(draft)

    def _on_canvas_selection(self) -> None:
        if not self._selecting:
            self._selected_masks = ()
        self.selection_changed.emit()

    def _offer_kept(self, dataset: ZarrDataset, image_id: str) -> None:
        try:
            self.kept = load_draft(dataset.dataset_id, image_id)
        except ValueError as error:
            show_error(str(error))

    def _do_later(self, action: Callable[[], None]) -> None:
        self.window.later(action)

    def _slice_of(self, axes: tuple[str, ...]) -> tuple[int, int]:
        """Return z (from 0) and channel (from 1) of the slice that the viewer shows."""
        # Another layer may have more dimensions than the record, whose are the last ones, and more steps along them.
        others = [axis for axis in axes if axis not in "yx"]
        own = self.viewer.dims.current_step[self.viewer.dims.ndim - len(axes) :]
        sizes = dict(zip(self.image.axes, self.image.pixels.shape, strict=True)) if self.image else {}
        steps = {axis: min(int(step), sizes.get(axis, 1) - 1) for axis, step in zip(others, own, strict=False)}
        return steps.get("z", 0), steps.get("c", 0) + 1

    def _on_saved_by_hand(self, saved: bool) -> None:
        if saved and self.editor is not None:
            count = len(self.rois)
            name = self.editor.image.name or self.image_id
            show_info(f"Saved {count} ROI{'' if count == 1 else 's'} of {name}.")
            if self.editor.sync.refused:
                show_warning(self.editor.sync.refusal)

    def _on_saved(self) -> None:
        self.masks.show()
        if self.image_id is not None:
            self.saved.emit(self.image_id)
