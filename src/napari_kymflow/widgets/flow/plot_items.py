"""Parts of the flow dock's plot: the view that leaves time to the canvas, the time axis, the strip of states."""

from collections.abc import Callable
from typing import Any, TypeAlias

import pyqtgraph as pg
from qtpy.QtCore import QPointF, QRectF, Qt, Signal
from qtpy.QtGui import QColor, QPainter, QTransform
from qtpy.QtWidgets import QWidget

from napari_kymflow.flow.curves import LOOKS
from napari_kymflow.flow.traces import STATES

AXIS_WIDTH = 58
TIME_HEIGHT = 19
_NOTCH = 1.007**30
"""How much one notch of the wheel zooms, as on the canvas."""

Drag: TypeAlias = Callable[[float, bool], None]
"""Follows a drag: is called with the time that it is at, and whether it ends there."""


class TimeViewBox(pg.ViewBox):
    """A view whose time is moved from outside: it tells of the wheel and of drags, and moves only the other axis itself."""

    zoom_asked = Signal(float, float)
    """Where, on the time axis, and how many times."""
    pan_asked = Signal(float)
    """How far, on the time axis."""

    def __init__(self) -> None:
        super().__init__(enableMenu=False)
        self.disableAutoRange()
        self.setMouseEnabled(x=False, y=True)
        self.setDefaultPadding(0)
        self.begin_drag: Callable[[float, bool], Drag | None] = _nobody
        """Says who follows a drag that begins at a time, with Shift or without; with nobody, it moves time."""
        self._drag: Drag | None = None

    def wheelEvent(self, ev: Any, axis: int | None = None) -> None:  # noqa: N802  # Qt's name
        """Zoom time, or, over the velocity axis, velocity."""
        if axis == 1:
            super().wheelEvent(ev, axis=1)
            return
        at = self.mapSceneToView(ev.scenePos()).x()
        self.zoom_asked.emit(float(at), float(_NOTCH ** (ev.delta() / 120)))
        ev.accept()

    def mouseDragEvent(self, ev: Any, axis: int | None = None) -> None:  # noqa: N802  # pyqtgraph's name
        """Move time, or, over the velocity axis, velocity."""
        if axis == 1:
            super().mouseDragEvent(ev, axis=1)
            return
        if ev.button() != Qt.MouseButton.LeftButton:
            return
        ev.accept()
        if ev.isStart():
            shifted = bool(ev.modifiers() & Qt.KeyboardModifier.ShiftModifier)
            self._drag = self.begin_drag(float(self.mapSceneToView(ev.buttonDownScenePos()).x()), shifted)
        if self._drag is not None:
            self._drag(float(self.mapSceneToView(ev.scenePos()).x()), bool(ev.isFinish()))
            return
        # In pixels of the screen: the view itself moves between two steps.
        moved = ev.scenePos().x() - ev.lastScenePos().x()
        (start, stop), _ = self.viewRange()
        self.pan_asked.emit(float(-moved * (stop - start) / max(1.0, self.width())))


class TimeAxis(pg.AxisItem):
    """A time axis that is one row high: its label stands left of its numbers, below the other axis."""

    def __init__(self) -> None:
        super().__init__("bottom")
        self.setHeight(TIME_HEIGHT)

    def resizeEvent(self, ev: Any = None) -> None:  # noqa: N802  # Qt's name
        """Keep the label where it is."""
        width = self.label.boundingRect().width()
        self.label.setPos(min(-AXIS_WIDTH, -width), 0)
        self.picture = None


class StripItem(pg.GraphicsObject):
    """The states of windows: colour and height say which; windows without cells are an empty box."""

    def __init__(self) -> None:
        super().__init__()
        self._strip: tuple[Any, Any, Any] | None = None

    def show_strip(self, begins: Any, ends: Any, states: Any) -> None:
        """Draw stretches, in the unit of the time axis."""
        self._strip = (begins, ends, states)
        self.prepareGeometryChange()
        self.update()

    def boundingRect(self) -> QRectF:  # noqa: N802  # Qt's name
        """Return where it is drawn."""
        if self._strip is None or not len(self._strip[0]):
            return QRectF()
        begins, ends, _ = self._strip
        return QRectF(float(begins[0]), 0.0, float(ends[-1] - begins[0]), 1.0)

    def paint(self, painter: QPainter, option: Any, widget: QWidget | None = None) -> None:
        """Draw in pixels of the screen, so that no stretch is too narrow to be seen."""
        if self._strip is None:
            return
        transform = painter.worldTransform()
        painter.save()
        painter.setWorldTransform(QTransform())
        top, bottom = transform.map(QPointF(0, 1)).y(), transform.map(QPointF(0, 0)).y()
        begins, ends, states = self._strip
        scale, shift = transform.m11(), transform.dx()
        for begin, end, state in zip(begins * scale + shift, ends * scale + shift, states, strict=True):
            look, width = LOOKS[STATES[state]], max(1.0, end - begin)
            if look.height:
                height = look.height * (bottom - top)
                painter.fillRect(QRectF(begin, bottom - height, width, height), QColor(look.color))
            else:
                painter.setPen(QColor(look.color))
                painter.drawRect(QRectF(begin, top, width, bottom - top - 1))
        painter.restore()


def _nobody(time: float, shifted: bool) -> None:
    """Follow no drag."""
