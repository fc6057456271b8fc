"""What a record shows besides its pixels and ROIs: its masks, labels to paint on, an earlier revision. No Qt."""

from dataclasses import replace
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from napari.layers import Labels, Layer
from napari.utils.notifications import show_error, show_info, show_warning
from numpy.typing import NDArray

from kymflow_core import AcqImage, MaskROI, RoiSet
from kymflow_core.roi import painted_mask_of
from kymflow_zarr import ZarrDataset
from napari_kymflow.errors import OUR_ERRORS
from napari_kymflow.layers.convert import LayerData, masks_to_layer
from napari_kymflow.layers.shapes import rois_to_layer
from napari_kymflow.layers.tags import KEY, LayerTag, Role, tag_of
from napari_kymflow.layers.view import KymographView
from napari_kymflow.rois.editor import RoiEditor
from napari_kymflow.rois.labels import Painted, labels_to_rois, masks_to_labels, renumbered_labels
from napari_kymflow.rois.saving import RoiSaving
from napari_kymflow.rois.selection import RoiSelection
from napari_kymflow.session.record_layers import RecordLayers

_PREVIEW_COLOR = "#ffffff"


class MaskLayers:
    """Shows the masks of the open record in the viewer, and takes painted ones back.

    Parameters
    ----------
    view
        Shows the record in the viewer.
    layers
        The layers in which it is shown.
    editor
        Its ROIs.
    saving
        Saves them.
    selection
        Which of them are selected.
    """

    def __init__(
        self, view: KymographView, layers: RecordLayers, editor: RoiEditor, saving: RoiSaving, selection: RoiSelection
    ) -> None:
        self._view, self._layers, self._editor, self._saving, self._selection = view, layers, editor, saving, selection
        self.can_show = True
        """Whether the record is still the one that the viewer shows."""
        self._shown = tuple(editor.image.list_mask_names())
        self._opened: WeakKeyDictionary[Labels, NDArray[Any]] = WeakKeyDictionary()

    def show(self) -> None:
        """Show the record's masks as they are saved now, below the ROIs; they are read in a worker."""
        names = tuple(self._editor.image.list_mask_names())
        if names == self._shown:
            return
        self._shown = names
        path, image_id = self._saving.dataset.path, self._saving.image_id
        self._saving.window.run(lambda: load_masks_layer(path, image_id), self._on_masks_loaded)

    def open_labels(self) -> None:
        """Open the ROIs that were painted, or the selected ones, as a Labels layer to paint on."""
        editor = self._editor
        wanted = set(self._selection.ids)
        rois = [roi for roi in editor.rois if roi.roi_id in wanted or (isinstance(roi, MaskROI) and roi.drawn is None)]
        try:
            labels = masks_to_labels(editor.image, rois)
        except OUR_ERRORS as error:
            show_error(str(error))
            return
        tag = self._tag("labels")
        layer = Labels(labels, name=f"labels of {editor.image.name or 'masks'}", metadata={KEY: tag})
        layer.scale = (1.0, tag.stretch)
        self._opened[layer] = labels.copy()
        self._view.viewer.add_layer(layer)
        layer.selected_label = rois[0].roi_id if rois else editor.rois.next_id
        layer.mode = "paint"
        show_info(
            "Paint, then click “Save labels as ROIs”. A label's number is the id of its ROI; a new number is a new ROI."
        )

    def leave(self) -> bool:
        """Ask about labels that were painted and not saved; return False where the user would rather stay."""
        painted = [layer for layer in self._view.viewer.layers if isinstance(layer, Labels) and self._is_painted(layer)]
        if not painted or not self._saving.window.can_ask:
            return True
        answer = self._saving.window.ask_unsaved("Painted labels are not saved as ROIs.")
        if answer == "save":
            for layer in painted:
                self._save_layer(layer)
            return not any(self._is_painted(layer) for layer in painted)
        return answer != "stay"

    def _is_painted(self, layer: Labels) -> bool:
        opened = self._opened.get(layer)
        return opened is not None and not np.array_equal(opened, np.asarray(layer.data))

    def save_labels(self) -> None:
        """Save the active Labels layer's labels as ROIs; in a window, a worker writes the masks."""
        layer = self._view.viewer.layers.selection.active
        if isinstance(layer, Labels):
            self._save_layer(layer)
        else:
            show_warning("Select a Labels layer in the layer list first; its labels become ROIs.")

    def _save_layer(self, layer: Labels) -> None:
        if not self._editor.can_edit:
            show_warning("This dataset is read-only, so no mask can be written.")
            return
        labels, opened = np.asarray(layer.data).copy(), self._opened.get(layer)
        z, channel = self._editor.sync.get_slice()
        path, image_id, rois = self._saving.dataset.path, self._saving.image_id, self._editor.rois
        self._saving.window.run(
            lambda: labels_to_rois(path, image_id, labels, opened, rois, z=z, channel=channel),
            lambda painted: self._on_labels_written(layer, labels, painted),
        )

    def show_revision(self, rois: RoiSet, number: int) -> None:
        """Show an earlier revision's ROIs in white; it cannot be edited."""
        self.end_revision()
        tag = self._tag("revision")
        data, options, _ = rois_to_layer(rois, {KEY: tag}, tag.stretch, name=f"revision {number}, read-only")
        options = {**options, "edge_color": _PREVIEW_COLOR, "face_color": "transparent", "text": None}
        layer = Layer.create(data, options, "shapes")
        self._view.viewer.add_layer(layer)
        layer.edge_width = [self._editor.sync.layer.current_edge_width] * layer.nshapes
        layer.editable = False

    def end_revision(self) -> None:
        """Take the earlier revision's ROIs away."""
        layers = self._view.viewer.layers
        for layer in [layer for layer in layers if (tag := tag_of(layer)) and tag.role == "revision"]:
            layers.remove(layer)
            if self.can_show:
                layers.selection.active = self._editor.sync.layer

    def _tag(self, role: Role) -> LayerTag:
        tag = tag_of(self._editor.sync.layer)
        if tag is None:
            raise RuntimeError("the ROI layer has lost its tag; open the record again")
        return replace(tag, role=role)

    def _on_labels_written(self, layer: Labels, labels: NDArray[Any], painted: Painted | str) -> None:
        if isinstance(painted, str):
            show_error(painted)
            return
        for line in painted.said:
            show_warning(line)
        if not self.can_show:
            show_warning(
                "Another record is open now, so the labels are not saved. Open the labels' record, and save again."
            )
            return
        editor = self._editor
        rois = editor.rois
        kept = [roi for roi in painted.changed if roi.roi_id in rois]
        for roi in kept:  # as it is by now: it may have been renamed since
            rois = rois.replace(painted_mask_of(rois.get(roi.roi_id), roi.reference))
        for roi in painted.changed:
            if roi not in kept:
                show_warning(f"ROI {roi.roi_id} was deleted, so what you painted of it is not saved.")
        editor.sync.set_rois(rois)
        count = len(kept) + len(painted.new)
        new_ids = editor.add_rois(list(painted.new.values()))
        numbers = dict(zip(painted.new, new_ids, strict=True))
        if count:
            # From now on a label's number is its ROI's id, in the user's own layer too.
            layer.data = renumbered_labels(np.asarray(layer.data), numbers)
            self._opened[layer] = renumbered_labels(labels, numbers)
            layer.metadata = {**layer.metadata, KEY: self._tag("labels")}
            self._saving.save(
                lambda saved: show_info(f"Saved {count} painted ROI{'' if count == 1 else 's'}.") if saved else None
            )
        else:
            show_info("No label was changed, so nothing is saved.")

    def _on_masks_loaded(self, masks: LayerData | str | None) -> None:
        if not self.can_show:
            return
        if isinstance(masks, str):
            show_error(masks)
            masks = None
        layers = self._view.viewer.layers
        active = layers.selection.active
        self._layers.show_masks(masks, self._tag("mask"))
        layers.selection.active = active if active in layers else self._editor.sync.layer


def load_masks_layer(path: Path, image_id: str) -> LayerData | str | None:
    """Return the masks of a record as a layer, None where it has none, or why they cannot be read. Safe in a worker."""
    try:
        return masks_to_layer(AcqImage(ZarrDataset(path, mode="r").record(image_id)), {}, 1.0)
    except OUR_ERRORS as error:
        return str(error)
