"""What is drawn over napari's canvas: where the mouse is in the plot."""

from typing import Any

from qtpy.QtCore import QPointF, Qt
from qtpy.QtGui import QColor, QPainter, QPen
from qtpy.QtWidgets import QWidget

from napari_kymflow.layers.placement import Placement
from napari_kymflow.widgets.window.canvas_overlay import CanvasOverlay

_CURSOR = "#ffd54f"


class CursorOverlay(CanvasOverlay):
    """Marks a line of the record on the canvas.

    Parameters
    ----------
    canvas
        The widget of the canvas; the overlay lives as long.
    """

    def __init__(self, canvas: QWidget) -> None:
        self._placement: Placement | None = None
        self._cursor: float | None = None
        super().__init__(canvas)

    def place(self, placement: Placement | None) -> None:
        """Draw for where the record lies on the canvas now."""
        self._placement = placement
        self.update()

    def show_cursor(self, line: float | None) -> None:
        """Mark a line of the record; None takes it away."""
        if line != self._cursor:
            self._cursor = line
            self.update()

    def paintEvent(self, event: Any) -> None:  # noqa: N802  # Qt's name
        """Draw what there is."""
        if self._placement is None:
            return
        painter = QPainter(self)
        if self._cursor is not None:
            painter.setPen(QPen(QColor(_CURSOR), 1, Qt.PenStyle.DashLine))
            along = self._placement.time_of(self._cursor)
            painter.drawLine(self._point(along, 0.0), self._point(along, self._placement.breadth))
        painter.end()

    def _point(self, along: float, across: float) -> QPointF:
        runs_right = self._placement is None or self._placement.runs_right
        return QPointF(along, across) if runs_right else QPointF(across, along)
