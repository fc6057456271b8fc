"""Which ROIs of the open record are selected. No Qt."""

from collections.abc import Sequence

from psygnal import Signal

from napari_kymflow.layers.echo_guard import EchoGuard
from napari_kymflow.layers.roi_sync import RoiSync
from napari_kymflow.layers.shapes import has_shape


class RoiSelection:
    """The selected ROIs: on the canvas those that have a shape, and painted ones, which have none.

    Parameters
    ----------
    sync
        What shows the ROIs.
    """

    changed = Signal()

    def __init__(self, sync: RoiSync) -> None:
        self._sync = sync
        self._painted: tuple[int, ...] = ()
        self._selecting = EchoGuard()

    def bind(self) -> None:
        """Follow the selection on the canvas."""
        self._sync.selection_changed.connect(self._on_canvas_selection)

    def unbind(self) -> None:
        """Stop following: the inverse of `bind`."""
        self._sync.selection_changed.disconnect(self._on_canvas_selection)

    @property
    def ids(self) -> tuple[int, ...]:
        """The ids of the selected ROIs."""
        return (*self._sync.selected_ids, *(roi_id for roi_id in self._painted if roi_id in self._sync.rois))

    def select(self, roi_ids: Sequence[int]) -> None:
        """Select ROIs; those that have a shape are selected on the canvas."""
        with self._selecting:
            self._sync.select(roi_ids)
        self._painted = tuple(roi.roi_id for roi in self._sync.rois if roi.roi_id in roi_ids and not has_shape(roi))

    def _on_canvas_selection(self) -> None:
        if not self._selecting:
            self._painted = ()
        self.changed.emit()
