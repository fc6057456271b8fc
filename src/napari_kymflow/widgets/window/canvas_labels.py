"""The names of the ROIs, written over napari's canvas."""

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QRectF, Qt
from qtpy.QtGui import QColor, QPainter
from qtpy.QtWidgets import QWidget

from napari_kymflow.layers.roi_labels import RoiLabel, boxes_on_canvas, labels_of, place_labels
from napari_kymflow.layers.roi_sync import RoiSync
from napari_kymflow.session.session import KymSession
from napari_kymflow.widgets.window.binding import bind_for_life, disconnect_all, soon
from napari_kymflow.widgets.window.canvas_overlay import CanvasOverlay

_GROUND = QColor(0, 0, 0, 150)
"""Behind the names, which are drawn over light and dark pixels."""
_PADDING = 3
_LONGEST = 220


class CanvasLabels(CanvasOverlay):
    """The name of each ROI of the open record, in its colour.

    Parameters
    ----------
    canvas
        The widget of the canvas; the labels live as long.
    session
        The session.
    """

    def __init__(self, canvas: QWidget, session: KymSession) -> None:
        super().__init__(canvas)
        self._session = session
        self._labels: list[RoiLabel] = []
        self._widths: dict[str, float] = {}
        self._sizes: NDArray[np.float64] = np.empty((0, 2))
        self._reading = soon(self, self._read)
        self._drawing = soon(self, self.update)
        viewer = session.viewer
        camera = viewer.scene.camera.events
        emitters = (camera.zoom, camera.center, viewer.canvas.events.size, viewer.dims.events.order)
        self._of_record: list[Any] = []
        for emitter in emitters:
            emitter.connect(self._on_moved)
        self.destroyed.connect(partial(disconnect_all, emitters, self._on_moved))
        self.destroyed.connect(partial(disconnect_all, self._of_record, self._on_moved))
        changes = (session.record_changed, session.rois_changed, session.selection_changed)
        bind_for_life(self, [(signal, self._on_changed) for signal in changes])
        self._read()

    def placed(self) -> list[tuple[RoiLabel, QRectF]]:
        """Return the labels that are written now, and where."""
        record, placement = self._session.record, self._session.view.placement
        if record is None or placement is None or not self._labels:
            return []
        layer = record.sync.layer
        if not layer.visible or not layer.text.visible:
            return []
        left, below = self._session.view.strips
        free = (left, 0.0, float(self.width()), self.height() - below)
        places = place_labels(boxes_on_canvas(self._labels, placement), self._sizes, free)
        # The ROI of a label that is dragged lies elsewhere already.
        hides_selected = record.sync.is_editing and layer.mode != "pan_zoom"
        return [
            (self._labels[at], QRectF(x, y, *self._sizes[at]))
            for at, (x, y) in places.items()
            if not (hides_selected and self._labels[at].is_selected)
        ]

    def paintEvent(self, event: Any) -> None:  # noqa: N802  # Qt's name
        """Write the names."""
        placed = self.placed()
        if not placed:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for label, box in placed:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(_GROUND)
            painter.drawRoundedRect(box, _PADDING, _PADDING)
            painter.setPen(QColor(label.color))
            painter.drawText(box, Qt.AlignmentFlag.AlignCenter, self._shortened(label.text))
        painter.end()

    def _read(self) -> None:
        """Take up the ROIs as they are now."""
        record = self._session.record
        self._labels = [] if record is None else labels_of(record.sync)
        height = float(self.fontMetrics().height())
        widths = [self._width_of(label.text) for label in self._labels]
        self._sizes = np.array([(width, height) for width in widths], dtype=float).reshape(-1, 2)
        self._follow(None if record is None else record.sync)
        self.update()

    def _follow(self, sync: RoiSync | None) -> None:
        """Follow whether the layer and its names are shown, and when a ROI was dragged."""
        disconnect_all(self._of_record, self._on_moved)
        followed = [] if sync is None else [sync.layer.events.visible, sync.layer.text.events.visible, sync.editing_ended]
        self._of_record[:] = followed  # in place: the list is emptied of its connections with the widget
        for emitter in followed:
            emitter.connect(self._on_moved)

    def _width_of(self, text: str) -> float:
        # Ten thousand texts are not measured again at each edit.
        width = self._widths.get(text)
        if width is None:
            width = self._widths[text] = self.fontMetrics().horizontalAdvance(self._shortened(text)) + 2.0 * _PADDING
        return width

    def _shortened(self, text: str) -> str:
        return str(self.fontMetrics().elidedText(text, Qt.TextElideMode.ElideRight, _LONGEST))

    def _on_changed(self, *_: object) -> None:
        self._reading.start()

    def _on_moved(self, event: Any = None) -> None:
        self._drawing.start()
