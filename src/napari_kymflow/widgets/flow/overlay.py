"""What is drawn over napari's canvas: where the mouse is in the plot. The mouse goes through it to the canvas."""

from typing import Any

from qtpy.QtCore import QEvent, QObject, QPointF, Qt
from qtpy.QtGui import QColor, QPainter, QPen
from qtpy.QtWidgets import QWidget

from napari_kymflow.layers.placement import Placement

_CURSOR = "#ffd54f"


class CanvasOverlay(QWidget):
    """A transparent widget that covers a canvas, as large as it is.

    Parameters
    ----------
    canvas
        The widget of the canvas; the overlay lives as long.
    """

    def __init__(self, canvas: QWidget) -> None:
        super().__init__(canvas)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setAttribute(Qt.WidgetAttribute.WA_NoSystemBackground)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._placement: Placement | None = None
        self._cursor: float | None = None
        canvas.installEventFilter(self)
        self.setGeometry(canvas.rect())
        self.show()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802  # Qt's name
        """Stay as large as the canvas."""
        if event.type() == QEvent.Type.Resize and isinstance(watched, QWidget):
            self.setGeometry(watched.rect())
        return False

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
