"""What one viewer has open: a dataset, one record of it, and ROIs that may not be saved yet. No Qt.

The rule of this room: docks and reader meet only here. Layers of a record are recognised by their tag, whoever added them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from inspect import unwrap
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary, ref

import pandas as pd
from napari.components import ViewerModel
from napari.layers import Layer, Shapes
from napari.utils.notifications import show_error, show_info, show_warning
from psygnal import Signal

from kymflow_core import AcqImage, KymDataset, RectROI, RoiSet, UpdateReport
from kymflow_core.roi import merge_roi_sets
from kymflow_zarr import ZarrDataset
from kymflow_zarr.errors import ConflictError
from napari_kymflow._convert import LayerData, masks_to_layer, record_to_layers
from napari_kymflow._records import OUR_ERRORS, load_records, run_indexers
from napari_kymflow._roi_sync import RoiSync
from napari_kymflow._tags import KEY, LayerTag, tag_of
from napari_kymflow._view import KymographView

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """ROIs that are not saved, and the saved ones that they were made from."""

    base: RoiSet
    rois: RoiSet


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
    selection_changed = Signal()
    saved = Signal()
    tables_changed = Signal()

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer_ref = ref(viewer)
        self.later: Callable[[Callable[[], None]], None] | None = None
        """How to do something after napari has handled the mouse; set by a dock, which has Qt's event loop."""
        self.tables: KymDataset | None = None
        self.image: AcqImage | None = None
        self.sync: RoiSync | None = None
        self.view = KymographView(viewer)
        self._base = RoiSet()
        self._drafts: dict[tuple[Path, str], Draft] = {}
        self._mask_states: dict[tuple[object, ...], str] = {}
        viewer.layers.events.inserted.connect(self._on_layer_inserted)
        viewer.layers.events.removed.connect(self._on_layer_removed)
        for layer in list(viewer.layers):
            self._adopt(layer)

    @property
    def _viewer(self) -> ViewerModel:
        viewer = self._viewer_ref()
        if viewer is None:
            raise RuntimeError("the viewer of this session is closed")
        return viewer

    @property
    def dataset(self) -> ZarrDataset | None:
        """The open dataset."""
        return self.tables.dataset if self.tables else None

    @property
    def tag(self) -> LayerTag | None:
        """What ties the open record's layers to it."""
        return tag_of(self.sync.layer) if self.sync else None

    @property
    def image_id(self) -> str | None:
        """The id of the record that is shown."""
        return self.tag.image_id if self.tag else None

    @property
    def rois(self) -> RoiSet:
        """The ROIs as they are on screen, saved or not."""
        return self.sync.rois if self.sync else RoiSet()

    @property
    def is_unsaved(self) -> bool:
        """Whether the ROIs on screen differ from those in the record."""
        return self.image is not None and self.sync is not None and self.sync.rois != self.image.rois

    @property
    def unsaved_ids(self) -> tuple[str, ...]:
        """The ids of the open dataset's records with ROIs that are not saved."""
        shown = [self.image_id] if self.is_unsaved and self.image_id else []
        return (*shown, *(image_id for path, image_id in self._drafts if self.dataset and path == self.dataset.path))

    @property
    def unsaved_elsewhere(self) -> tuple[Path, ...]:
        """The other datasets that have records with ROIs that are not saved."""
        here = self.dataset.path if self.dataset else None
        return tuple(dict.fromkeys(path for path, _ in self._drafts if path != here))

    def open_dataset(self, path: str | Path) -> None:
        """Make a dataset the open one; its records can be opened then.

        Raises
        ------
        KymflowZarrError
            When it cannot be opened.
        """
        path = Path(path).resolve()
        opened = ZarrDataset(path, mode="r")
        if self.dataset is not None and self.dataset.dataset_id == opened.dataset_id and self.dataset.path == opened.path:
            return
        self.close_record()
        self.tables = KymDataset(ZarrDataset(path))
        self.dataset_changed.emit()

    @property
    def path(self) -> Path | None:
        """Where the open dataset is."""
        return self.dataset.path if self.dataset else None

    @property
    def is_older(self) -> bool:
        """Whether the open dataset is one of the older program, which is only read."""
        return self.dataset is not None and self.dataset.attributes.is_older

    def records(self) -> dict[str, AcqImage | str]:
        """Return the open dataset's records by id, as `load_records` does."""
        return load_records(self.dataset) if self.dataset else {}

    def layers_of(self, image_id: str) -> list[LayerData]:
        """Return a record of the open dataset as layers; raise as `AcqImage` does when it is damaged."""
        if self.dataset is None:
            raise RuntimeError("open a dataset first")
        image = AcqImage(self.dataset.record(image_id))
        return record_to_layers(image, dataset_path=str(self.dataset.path), image_id=image_id)

    def open_record(self, image_id: str) -> None:
        """Show a record instead of the one that is shown; unsaved ROIs are kept and come back with their record."""
        shown = [tag.role for layer in self._viewer.layers if (tag := tag_of(layer)) and tag.image_id == image_id]
        if image_id == self.image_id and "pixels" in shown:
            return
        layers = self.layers_of(image_id)
        self.close_record()
        for data, options, kind in layers:
            self._viewer.add_layer(Layer.create(data, options, kind))

    def close_record(self) -> None:
        """Take the record's layers away; unsaved ROIs are kept until it is opened again."""
        for layer in [layer for layer in self._viewer.layers if tag_of(layer) is not None]:
            self._viewer.layers.remove(layer)

    def save_rois(self) -> bool:
        """Write the ROIs on screen to the record; return whether that succeeded, and say so either way."""
        if self.image is None or self.sync is None:
            show_warning("No record is open, so there is nothing to save.")
            return False
        image, sync = self.image, self.sync
        try:
            if not self._commit(image, sync):
                return False
        except OUR_ERRORS as error:
            show_error(str(error))
            return False
        self._base = image.rois
        if sync.refused:
            show_warning(f"{sync.refusal} The others are saved.")
        self._show_masks()
        show_info(f"Saved {len(sync.rois)} ROI(s) of {image.name or self.image_id}.")
        self.rois_changed.emit()
        self.saved.emit()
        return True

    def materialize_masks(self) -> None:
        """Save the ROIs, write each rectangle as a mask, and show the masks."""
        if not self.save_rois() or self.image is None or self.sync is None:
            return
        image, sync = self.image, self.sync
        rects = [roi.roi_id for roi in image.rois if isinstance(roi, RectROI)]
        if not rects:
            show_warning("There is no rectangle to make a mask of; draw one first.")
            return
        try:
            image.materialize_masks(rects)
        except OUR_ERRORS as error:
            show_error(str(error))
            return
        self._base = image.rois
        sync.set_rois(image.rois)
        self._show_masks()
        show_info(f"{len(rects)} mask(s) are up to date.")

    def rename_roi(self, roi_id: int, name: str) -> None:
        """Give a ROI another name."""
        self._edit_roi(roi_id, name=name)

    def delete_rois(self, roi_ids: Sequence[int]) -> None:
        """Take ROIs off the screen; they are gone from the record after the next save."""
        if self.sync is None:
            return
        rois = self.sync.rois
        for roi_id in roi_ids:
            rois = rois.remove(roi_id)
        self.sync.set_rois(rois)

    def mask_state(self, roi: RectROI) -> str:
        """Return "" for no mask, "mask", "mask outdated", or "mask damaged"; remembered, since it reads the mask."""
        key = (roi.mask_ref, roi.x0, roi.x1, roi.y0, roi.y1)
        if self.image is None or roi.mask_ref is None:
            return ""
        if key not in self._mask_states:
            try:
                self._mask_states[key] = self.image.mask_state(roi)
            except OUR_ERRORS:
                self._mask_states[key] = "mask damaged"
        return self._mask_states[key]

    def load_table(self, name: str) -> pd.DataFrame | None:
        """Return a table of the open dataset, None where it was not made yet."""
        if self.tables is None or name not in self.tables.dataset.list_table_names():
            return None
        return self.tables.get_table(name)

    def run_indexers(self, image_id: str | None = None) -> list[UpdateReport]:
        """Make all tables again, or only one image's rows in them. Safe in a worker: it touches no layer and no widget."""
        return run_indexers(self.tables.dataset.path, image_id) if self.tables else []

    def show_reports(self, reports: Sequence[UpdateReport]) -> None:
        """Take up new tables, and say what was done."""
        if self.tables is not None:
            self.tables.tables.clear()
        self.tables_changed.emit()
        failed = {image_id: reason for report in reports for image_id, reason in report.failed.items()}
        for reason in failed.values():
            show_error(reason)
        show_info("; ".join(report.summary() for report in reports))

    def go_to(self, *, roi_id: int | None = None, seconds: tuple[float, float] | None = None, caption: str = "") -> None:
        """Bring a ROI, or a stretch of time within it, into view, and select the ROI."""
        roi = self.rois.get(roi_id) if roi_id is not None and roi_id in self.rois else None
        per_line = self.tag.seconds_per_line if self.tag else None
        if seconds is not None and per_line:
            middle = sum(seconds) / 2
            half = max(seconds[1] - seconds[0], _LEAST_SECONDS) * _CONTEXT / 2
            self.view.go_to_lines((middle - half) / per_line, (middle + half) / per_line, caption=caption)
        elif isinstance(roi, RectROI):
            self.view.go_to_lines(roi.y0, roi.y1, caption=caption)
        if roi is not None and self.sync is not None:
            self.sync.select([roi.roi_id])
        elif roi_id is not None:
            show_info(f"ROI {roi_id} is not among the ROIs of this record.")

    def _edit_roi(self, roi_id: int, **changes: Any) -> None:
        if self.sync is None:
            return
        self.sync.set_rois(self.sync.rois.replace(replace(self.sync.rois.get(roi_id), **changes)))

    def _on_layer_inserted(self, event: Any) -> None:
        self._adopt(event.value)

    def _on_layer_removed(self, event: Any) -> None:
        tag = tag_of(event.value)
        if tag is None or tag.role != "rois" or self.sync is None or event.value is not self.sync.layer:
            return
        if self.is_unsaved and self.dataset is not None:
            self._drafts[self.dataset.path, tag.image_id] = Draft(base=self._base, rois=self.sync.rois)
        if self.sync.refused:
            show_warning(f"{self.sync.refusal} They are gone with the layer.")
        self.view.unbind()
        self.sync.unbind()
        self.sync = self.image = None
        self._mask_states.clear()
        self.record_changed.emit()

    def _adopt(self, layer: Layer) -> None:
        """Take up a layer of ours; a record's ROI layer, which comes last, makes the record the open one."""
        tag = tag_of(layer)
        if tag is None or tag.role != "rois" or not isinstance(layer, Shapes):
            return
        if self.sync is not None:
            layer.metadata = {key: value for key, value in layer.metadata.items() if key != KEY}
            show_warning("This copy of the ROI layer is only a drawing: what is in it is not saved with the record.")
            return
        if self.dataset is None or str(self.dataset.path) != tag.dataset_path:
            self.tables = KymDataset(ZarrDataset(tag.dataset_path))
            self.dataset_changed.emit()
        self.image = AcqImage(self.tables.dataset.record(tag.image_id)) if self.tables else None
        if self.image is None:
            return
        self.sync = RoiSync(
            layer,
            self.image.rois,
            stretch=tag.stretch,
            shape=self.image.slice_shape,
            get_slice=partial(self._slice_of, self.image.axes),
        )
        self.sync.later = self._do_later
        self.sync.bind()
        self.sync.rois_changed.connect(self.rois_changed.emit)
        self.sync.selection_changed.connect(self.selection_changed.emit)
        self.view.bind(self.sync, self.image.slice_shape)
        self._base = self.image.rois
        draft = self._drafts.pop((self.dataset.path, tag.image_id), None) if self.dataset else None
        if draft is not None:
            self._merge(draft.base, draft.rois)
        self.record_changed.emit()

    def _do_later(self, action: Callable[[], None]) -> None:
        if self.later is None:
            action()
        else:
            self.later(action)

    def _slice_of(self, axes: tuple[str, ...]) -> tuple[int, int]:
        """Return z (from 0) and channel (from 1) of the slice that the viewer shows."""
        steps = dict(zip([axis for axis in axes if axis not in "yx"], self._viewer.dims.current_step, strict=False))
        return int(steps.get("z", 0)), int(steps.get("c", 0)) + 1

    def _commit(self, image: AcqImage, sync: RoiSync) -> bool:
        """Save the ROIs; where somebody else changed ROIs meanwhile, show both changes instead, and return False."""
        try:
            image.save_rois(sync.rois)
        except ConflictError:
            image.reload()
            if image.rois != self._base:
                self._merge(self._base, sync.rois)
                return False
            image.save_rois(sync.rois)  # they changed something else, which is kept
        return True

    def _merge(self, base: RoiSet, mine: RoiSet) -> None:
        """Show my changes of `base` on top of the ROIs that the record has now, and say where somebody else made some."""
        if self.image is None or self.sync is None:
            return
        merged = merge_roi_sets(base, mine, self.image.rois)
        if self.image.rois != base:
            doubled = "".join(f" ROI {old} was changed by both: yours is now ROI {new}." for old, new in merged.doubled)
            show_warning(
                "Another program saved ROIs of this record meanwhile. Both changes are on screen, nothing is saved yet: "
                f"look at them, then save.{doubled}"
            )
        self._base = self.image.rois
        self.sync.set_rois(merged.rois)

    def _show_masks(self) -> None:
        """Show the record's masks as they are now, below the ROIs."""
        if self.image is None or self.tag is None or self.sync is None:
            return
        active = self._viewer.layers.selection.active
        for layer in [layer for layer in self._viewer.layers if (tag := tag_of(layer)) and tag.role == "mask"]:
            self._viewer.layers.remove(layer)
        try:
            masks = masks_to_layer(self.image, {KEY: replace(self.tag, role="mask")}, self.sync.stretch)
        except OUR_ERRORS as error:
            show_error(str(error))
            masks = None
        if masks is not None:
            self._viewer.layers.insert(self._viewer.layers.index(self.sync.layer), Layer.create(*masks))
        self._viewer.layers.selection.active = active if active in self._viewer.layers else self.sync.layer
