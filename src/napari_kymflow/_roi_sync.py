"""Binds the ROIs of one record to one Shapes layer, without Qt.

napari reports a drawn or moved shape by `data`, a pasted one only by `set_data`, and copies the features of the last row
to a new shape. So every one of these events is answered alike: read all shapes, and reconcile them by the id in their
features.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from napari.layers import Shapes
from numpy.typing import NDArray
from psygnal import Signal

from kymflow_core import RectROI, RoiSet
from napari_kymflow._convert import NO_ROI, ROI_COLOR, ROI_ID, DrawnShape, features_of, reconcile, rect_to_vertices

_SAME = 0.05
_UNFINISHED = ("adding", "changing", "removing")


class RoiSync:
    """Keeps a `RoiSet` and a Shapes layer the same, whichever of them changes.

    Parameters
    ----------
    layer
        The layer, in display units.
    rois
        What the layer shows now.
    stretch
        Display units a pixel along x.
    shape
        The image's shape (y, x), in pixels.
    """

    rois_changed = Signal()
    selection_changed = Signal()

    def __init__(self, layer: Shapes, rois: RoiSet, *, stretch: float, shape: tuple[int, int]) -> None:
        self.layer = layer
        self.rois = rois
        self.refused: tuple[int, ...] = ()
        self.stretch = stretch
        self._shape = shape
        self._busy = False

    def bind(self) -> None:
        """Listen to the layer."""
        self.layer.events.data.connect(self._on_layer_data)
        self.layer.events.set_data.connect(self._on_layer_changed)
        self.layer.events.features.connect(self._on_layer_changed)
        self.layer.selected_data.events.items_changed.connect(self._on_layer_selection)

    def unbind(self) -> None:
        """Stop listening: the inverse of `bind`."""
        self.layer.events.data.disconnect(self._on_layer_data)
        self.layer.events.set_data.disconnect(self._on_layer_changed)
        self.layer.events.features.disconnect(self._on_layer_changed)
        self.layer.selected_data.events.items_changed.disconnect(self._on_layer_selection)

    @property
    def refusal(self) -> str:
        """Why some shapes on the canvas cannot be saved; empty where all can."""
        if not self.refused:
            return ""
        return (
            f"{len(self.refused)} shape(s) on the canvas cannot be saved as ROIs: "
            "only upright rectangles with at least one pixel inside can."
        )

    @property
    def selected_ids(self) -> tuple[int, ...]:
        """The ids of the ROIs whose shapes are selected."""
        ids = self._ids()
        return tuple(ids[index] for index in sorted(self.layer.selected_data) if index < len(ids) and ids[index] != NO_ROI)

    def select(self, roi_ids: Sequence[int]) -> None:
        """Select the shapes of these ROIs."""
        wanted = {index for index, roi_id in enumerate(self._ids()) if roi_id in roi_ids}
        if wanted != set(self.layer.selected_data):
            self.layer.selected_data = wanted

    def set_rois(self, rois: RoiSet) -> None:
        """Show other ROIs; shapes that are none are kept."""
        rects = [roi for roi in rois if isinstance(roi, RectROI)]
        with self._quietly():
            odd = [position for position, roi_id in enumerate(self._ids()) if roi_id == NO_ROI]
            data = [rect_to_vertices(roi, self.stretch) for roi in rects] + [self.layer.data[position] for position in odd]
            types = ["rectangle"] * len(rects) + [self.layer.shape_type[position] for position in odd]
            selected = self.selected_ids
            width = self.layer.current_edge_width
            self.layer.selected_data = set()
            self.layer.data = []
            self.layer.add(data, shape_type=types, edge_width=width, edge_color=ROI_COLOR)
            self.layer.features = features_of([roi.roi_id for roi in rects] + [NO_ROI] * len(odd), rois)
            self.rois = rois
        self.select(selected)
        self.rois_changed.emit()

    def set_stretch(self, stretch: float) -> None:
        """Draw all shapes for another stretch along x; the ROIs stay as they are."""
        factor = stretch / self.stretch
        self.stretch = stretch
        if not self.layer.nshapes:
            return
        with self._quietly():
            selected = set(self.layer.selected_data)
            self.layer.data = [np.asarray(vertices) * (1.0, factor) for vertices in self.layer.data]
            self.layer.selected_data = selected

    def set_edge_width(self, display_units: float) -> None:
        """Draw all edges so wide."""
        with self._quietly():
            self.layer.current_edge_width = display_units
            if self.layer.nshapes:
                self.layer.edge_width = [display_units] * self.layer.nshapes

    def _on_layer_data(self, event: Any) -> None:
        if str(getattr(event.action, "value", event.action)) in _UNFINISHED or self._busy:
            return
        self._on_layer_changed()
        self._snap()

    def _on_layer_changed(self, event: Any = None) -> None:
        if self._busy:
            return
        with self._quietly():
            result = reconcile(self._shapes(), self.rois, stretch=self.stretch, shape=self._shape)
            changed = result.rois != self.rois or result.refused != self.refused
            self.rois, self.refused = result.rois, result.refused
            if list(result.ids) != self._ids():
                self.layer.features = features_of(result.ids, result.rois)
        if changed:
            self.rois_changed.emit()

    def _snap(self) -> None:
        """Draw every rectangle on the outer edges of its pixels, so that what is seen is what is saved."""
        by_id = {roi.roi_id: roi for roi in self.rois if isinstance(roi, RectROI)}
        data = list(self.layer.data)
        moved = False
        for position, roi_id in enumerate(self._ids()):
            if roi_id not in by_id or position in self.refused:
                continue
            wanted = rect_to_vertices(by_id[roi_id], self.stretch)
            if not _same_box(data[position], wanted):
                data[position] = wanted
                moved = True
        if moved:
            with self._quietly():
                selected = set(self.layer.selected_data)
                self.layer.data = data
                self.layer.selected_data = selected

    def _on_layer_selection(self, event: Any = None) -> None:
        if not self._busy:
            self.selection_changed.emit()

    def _ids(self) -> list[int]:
        column = self.layer.features.get(ROI_ID)
        if column is None:
            return [NO_ROI] * self.layer.nshapes
        return [int(value) for value in column.fillna(NO_ROI)]

    def _shapes(self) -> list[DrawnShape]:
        return [
            DrawnShape(roi_id=roi_id, shape_type=str(shape_type), vertices=np.asarray(vertices))
            for roi_id, shape_type, vertices in zip(self._ids(), self.layer.shape_type, self.layer.data, strict=True)
        ]

    @contextmanager
    def _quietly(self) -> Iterator[None]:
        """Ignore the layer's events while it is changed from here."""
        before, self._busy = self._busy, True
        try:
            yield
        finally:
            self._busy = before


def _same_box(drawn: NDArray[Any], wanted: NDArray[Any]) -> bool:
    # napari keeps vertices as 32-bit floats.
    corners = np.asarray(drawn)[:, -2:]
    return np.allclose(corners.min(axis=0), wanted.min(axis=0), atol=_SAME) and np.allclose(
        corners.max(axis=0), wanted.max(axis=0), atol=_SAME
    )
