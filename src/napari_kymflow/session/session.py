"""What one viewer has open: a dataset and one record of it. No Qt.

The rule of this room: docks and reader meet only here. Layers of a record are recognised by their tag, whoever added them.
"""

import os
from collections.abc import Callable, Iterable
from inspect import unwrap
from pathlib import Path
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from napari.components import ViewerModel
from napari.layers import Layer, Shapes
from napari.utils.notifications import show_warning
from psygnal import Signal

from kymflow_core import AcqImage
from kymflow_core.indexers import INDEXERS, find_indexers
from kymflow_zarr import ZarrDataset
from kymflow_zarr.disk.local_path import address_of, real_path
from napari_kymflow.layers.convert import LayerData, check_showable, record_to_layers
from napari_kymflow.layers.echo_guard import EchoGuard
from napari_kymflow.layers.tags import KEY, LayerTag, tag_of
from napari_kymflow.layers.view import KymographView
from napari_kymflow.rois.drafts import Draft, records_with_drafts
from napari_kymflow.session.open_record import OpenRecord
from napari_kymflow.session.record_layers import RecordLayers
from napari_kymflow.session.selected_event import SelectedEvent, event_at
from napari_kymflow.session.table_filters import TableFilters
from napari_kymflow.tables.row_place import Place
from napari_kymflow.tables.snapshot import DatasetSnapshot, quick_snapshot
from napari_kymflow.user.displays import DEFAULT, Display, load_display
from napari_kymflow.user.window import Window

_Shared = TypeVar("_Shared")

_sessions: "WeakKeyDictionary[ViewerModel, KymSession]" = WeakKeyDictionary()


def session_of(viewer: ViewerModel) -> "KymSession":
    """Return the viewer's session; the first call makes it and adopts layers that are there."""
    # napari hands plugins a short-lived proxy of the viewer, another one each time.
    viewer = unwrap(viewer)
    session = _sessions.get(viewer)
    if session is None:
        session = _sessions[viewer] = KymSession(viewer)
    return session


def record_showing(tag: LayerTag) -> OpenRecord | None:
    """Return the open record that a layer belongs to, in whichever viewer."""
    return next((session.record for session in _sessions.values() if session.key == tag.key), None)


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
    """The id of a record whose ROIs, or what a reviewer says of its events, were saved."""
    results_changed = Signal()
    """Records of the open dataset were measured, and its tables follow already."""
    snapshot_changed = Signal()
    """A worker saw the open dataset anew."""
    event_selected = Signal(object)
    """The `SelectedEvent`, or None: in the trace, a table or the review."""

    def __init__(self, viewer: ViewerModel) -> None:
        self.view = KymographView(viewer)
        self._layers = RecordLayers(self.view)
        self._showing = EchoGuard()
        self._window = Window()
        self.dataset: ZarrDataset | None = None
        """The open dataset."""
        self.snapshot = DatasetSnapshot()
        """The last snapshot of the open dataset."""
        self.found = find_indexers(INDEXERS)
        """The indexers that fill its tables."""
        self.record: OpenRecord | None = None
        """The open record."""
        self.event: SelectedEvent | None = None
        """The selected event."""
        self.filters = TableFilters()
        """Which rows of its tables the user wants to see."""
        self._unsaved: dict[tuple[Path, str], Draft] = {}
        self._shared: dict[Callable[..., Any], Any] = {}
        viewer.layers.events.inserted.connect(self._on_layer_inserted)
        viewer.layers.events.removed.connect(self._on_layer_removed)
        for layer in list(viewer.layers):
            self._adopt(layer)

    @property
    def viewer(self) -> ViewerModel:
        """The viewer."""
        return self.view.viewer

    @property
    def window(self) -> Window:
        """The window around the session; a dock puts the real one here."""
        return self._window

    @window.setter
    def window(self, window: Window) -> None:
        self._window = window
        self.view.when_it_rests = window.when_it_rests
        self.with_record(lambda record: record.use_window(window))

    def with_record(self, action: Callable[[OpenRecord], object]) -> None:
        """Do something with the open record; nothing where none is open."""
        if self.record is not None:
            action(self.record)

    def shared(self, make: "Callable[[KymSession], _Shared]") -> _Shared:
        """Return what all docks of this session share, such as its `EventReview`; the first call makes it."""
        if make not in self._shared:
            self._shared[make] = make(self)
        found: _Shared = self._shared[make]
        return found

    def go_to(self, place: Place) -> None:
        """Show where a row about the open record is, and select its event, or none."""
        record = self.record
        if record is not None:
            record.go_to(roi_id=place.roi_id, seconds=place.seconds, lines=place.lines, caption=place.caption)
            self.select_event(event_at(record.tag.image_id, place))

    def select_event(self, event: SelectedEvent | None) -> None:
        """Make an event the selected one, wherever it was clicked; nothing where it is already."""
        if event != self.event:
            self.event = event
            self.event_selected.emit(event)

    @property
    def key(self) -> tuple[Path, str] | None:
        """Which record is open, of all datasets."""
        return self.record.key if self.record else None

    @property
    def image_id(self) -> str | None:
        """The id of the open record."""
        return self.record.image_id if self.record else None

    @property
    def selected_roi_ids(self) -> tuple[int, ...]:
        """The ids of the open record's selected ROIs."""
        return self.record.selection.ids if self.record else ()

    @property
    def unsaved_ids(self) -> tuple[str, ...]:
        """The ids of the open dataset's records with ROIs that are not saved."""
        shown = [self.record.key] if self.record and self.record.is_unsaved else []
        return tuple(dict.fromkeys(image_id for path, image_id in [*shown, *self._unsaved] if path == self.path))

    def ids_with_kept_rois(self, image_ids: Iterable[str]) -> set[str]:
        """Return which of the open dataset's records have ROIs on this computer that could not be saved."""
        return records_with_drafts(self.dataset.dataset_id, image_ids) if self.dataset else set()

    @property
    def unsaved_elsewhere(self) -> tuple[Path, ...]:
        """The other datasets that have records with ROIs that are not saved."""
        return tuple(dict.fromkeys(path for path, _ in self._unsaved if path != self.path))

    @property
    def is_read_only(self) -> str:
        """Why the open dataset is read-only; empty where it can be changed."""
        if self.dataset is not None and self.dataset.is_remote:
            return "at an address of a server"
        return "" if self.dataset is None or is_writable(self.dataset.path) else "on a disk that cannot be written to"

    def open_dataset(self, path: str | Path) -> bool:
        """Make a dataset the open one, whose records can be opened then; return whether it is.

        It is not where the user would rather stay with ROIs that are not saved.

        Raises
        ------
        KymflowZarrError
            When it cannot be opened.
        """
        path = real_path(path)
        opened = ZarrDataset(path, mode="r")
        if self.dataset is not None and self.dataset.dataset_id == opened.dataset_id and self.dataset.path == opened.path:
            return True
        if not self.leave():
            return False
        self.with_record(self._let_go)
        self.record_changed.emit()
        if not self._take_up_dataset(path).list_image_ids():
            self.close_record()
        return True

    def _take_up_dataset(self, path: Path) -> ZarrDataset:
        dataset = self.dataset = ZarrDataset(path, mode="r" if address_of(path) else "a")
        self.snapshot = quick_snapshot(dataset)
        self.dataset_changed.emit()
        return dataset

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
        self.with_record(lambda record: record.saving.find_results())
        self.snapshot_changed.emit()

    @property
    def has_layers(self) -> bool:
        """Whether the viewer has layers that the next record takes over."""
        return bool(self._layers.all)

    def layers_of(self, image_id: str) -> list[LayerData]:
        """Return a record of the open dataset as layers; raise as `AcqImage` does when it is damaged."""
        image, path = self._image(image_id)
        return record_to_layers(image, dataset_path=str(path), image_id=image_id, display=self._display_of(image_id))

    def open_record(self, image_id: str) -> bool:
        """Show a record instead of the one that is shown; return whether it is shown now.

        What is not saved is saved, or asked about. Raises as `layers_of`, and then the record that was shown stays.
        """
        if image_id == self.image_id and self._layers.find("pixels") is not None:
            return True
        if self.record is not None and self.record.sync.is_pressed:
            # The mouse holds a shape of this record, and would drag it in the next one.
            return False
        if self.opens_elsewhere(image_id):
            return False
        with self.window.busy():
            image, path = self._image(image_id)
            check_showable(image)
            stretch = self.view.fitting_stretch(image.slice_shape)
            display = self._display_of(image_id)
            layers = record_to_layers(image, dataset_path=str(path), image_id=image_id, stretch=stretch, display=display)
        if not self.leave():
            return False
        with self.window.busy():
            self.with_record(self._let_go)
            with self._showing:
                edge_width = self.view.fitting_edge_width(image.slice_shape)
                layer = self._layers.show(layers, image.rois, edge_width=edge_width)
            self._take_up(layer, image)
        return True

    def opens_elsewhere(self, image_id: str) -> bool:
        """Offer a window of its own to a record that would come to lie among layers of others; return whether it has it."""
        if self.dataset is None or self.view.is_alone or self.has_layers:
            return False
        names = [layer.name for layer in self.viewer.layers]
        return self.window.open_elsewhere(self.dataset.path, image_id, names)

    def _display_of(self, image_id: str) -> Display:
        # What was changed in the open record counts for the next one too.
        self.with_record(lambda record: record.display.remember())
        return load_display(self.dataset.dataset_id, image_id) if self.dataset is not None else DEFAULT

    def _image(self, image_id: str) -> tuple[AcqImage, Path]:
        if self.dataset is None:
            raise RuntimeError("open a dataset first")
        return AcqImage(self.dataset.record(image_id)), self.dataset.path

    def close_record(self) -> bool:
        """Take the record's layers away; return False where the user would rather stay."""
        if not self.leave():
            return False
        self.with_record(self._let_go)
        self._layers.clear()
        self.view.restore()
        self.record_changed.emit()
        return True

    def _let_go(self, record: OpenRecord) -> None:
        """End the open record; its layers stay, and what of it is not saved is kept in memory."""
        self.record = None
        if record.is_unsaved:
            self._unsaved.setdefault(record.key, record.draft)
        if record.sync.refused:
            show_warning(f"{record.sync.refusal} They are gone with the record.")
        record.unbind()

    def leave(self) -> bool:
        """Save what is not saved, or ask what to do with it; return False where the user would rather stay."""
        record = self.record
        if record is None:
            return True
        record.sync.end_drawing()
        record.display.remember()
        if not record.masks.leave():
            return False
        if not record.is_unsaved:
            return True
        saving = record.saving
        if self.window.autosaves and saving.can_save_unasked and not saving.failure:
            self._save_and_leave(record)
            return True
        answer = self.window.ask_unsaved(record.why_unsaved)
        if answer == "save":
            self._save_and_leave(record)
        elif answer == "discard":
            saving.give_up()
        return answer != "stay"

    def _on_layer_inserted(self, event: Any) -> None:
        if not self._showing:
            self._adopt(event.value)
            self.state_changed.emit()

    def _on_layer_removed(self, event: Any) -> None:
        record = self.record
        if record is None:
            return
        if event.value is record.sync.layer:
            self._let_go(record)
            self.view.restore()
            self.record_changed.emit()
            self.window.later(lambda: self._close_after_rois(record))
            return
        if tag_of(event.value) is None and self.view.is_alone:
            self.view.arrange()
        if self._is_image(event.value, record):
            self.window.later(lambda: self._close_after_image(record))
        self.state_changed.emit()

    def _is_image(self, layer: Layer, record: OpenRecord) -> bool:
        tag = tag_of(layer)
        return tag is not None and tag.role == "pixels" and tag.key == record.key

    def _close_after_image(self, record: OpenRecord) -> None:
        """Close a record whose image was deleted by hand, unless it has one again by now."""
        shows_it = any(self._is_image(layer, record) for layer in self.viewer.layers)
        if self.record is record and not shows_it and record.sync.layer in self.viewer.layers:
            self.viewer.layers.remove(record.sync.layer)

    def _close_after_rois(self, record: OpenRecord) -> None:
        """Close what is left of a record whose ROI layer was deleted by hand; ask about unsaved ROIs, which are kept."""
        if self.image_id == record.image_id:
            return
        if record.key in self._unsaved:
            self._ask_about_removed(record)
        if self.record is None:
            self._layers.clear()

    def _ask_about_removed(self, record: OpenRecord) -> None:
        if self.window.autosaves and record.saving.can_save_unasked:
            self._save_and_leave(record)
            return
        answer = self.window.ask_unsaved(f"The layer was deleted. {record.why_unsaved}")
        if answer == "save":
            self._save_and_leave(record)
        elif answer == "discard":
            record.saving.give_up()
            self._unsaved.pop(record.key, None)
        elif answer == "stay" and self.path == record.dataset.path:
            self.open_record(record.image_id)

    def _save_and_leave(self, record: OpenRecord) -> None:
        """Save the ROIs of a record that is being closed; until that is done they are kept."""
        self._unsaved[record.key] = record.draft
        record.saving.save(lambda saved: self._on_left_saved(record, saved=saved))

    def _on_left_saved(self, record: OpenRecord, *, saved: bool) -> None:
        if saved or self.key == record.key:
            self._unsaved.pop(record.key, None)
        self.saved.emit(record.image_id)

    def _adopt(self, layer: Layer) -> None:
        """Take up a layer of ours; a record's ROI layer, which comes last, makes the record the open one."""
        tag = tag_of(layer)
        if tag is None or tag.role != "rois" or not isinstance(layer, Shapes):
            return
        if self.record is not None:
            layer.metadata = {key: value for key, value in layer.metadata.items() if key != KEY}
            show_warning("This copy of the ROI layer is only a drawing: what is in it is not saved with the record.")
            return
        dataset = self.dataset
        if dataset is None or str(dataset.path) != tag.dataset_path:
            dataset = self._take_up_dataset(Path(tag.dataset_path))
        self._take_up(layer, AcqImage(dataset.record(tag.image_id)))

    def _take_up(self, layer: Shapes, image: AcqImage) -> None:
        """Make the record of a ROI layer the open one."""
        tag = tag_of(layer)
        if self.dataset is None or tag is None:
            raise RuntimeError("open a dataset first")
        record = self.record = OpenRecord(self.view, self._layers, self.dataset, image, layer, tag, self.window)
        # Not to `emit`: psygnal takes its own for Qt's, and calls it to see which arguments it has.
        record.rois_changed.connect(self.rois_changed)
        record.state_changed.connect(self.state_changed)
        record.selection.changed.connect(self.selection_changed)
        record.saved.connect(self.saved)
        record.bind(can_edit=not self.is_read_only)
        self.record_changed.emit()
        record.start(self._unsaved.pop(record.key, None))


def is_writable(path: Path) -> bool:
    """Return whether this computer may write into a dataset; a save may still fail, and says why."""
    return os.access(path / "images", os.W_OK)
