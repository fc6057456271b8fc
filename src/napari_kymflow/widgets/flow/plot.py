"""The plot of the flow dock: velocity over time, and below it the strip of states.

The rule of this room: it draws what it is given and tells what the mouse does. Time is moved by the canvas alone; only the
velocity axis is the plot's own.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyqtgraph as pg
from qtpy.QtCore import QPointF, QRectF, Qt, Signal
from qtpy.QtGui import QBrush, QColor, QPainter, QTransform
from qtpy.QtWidgets import QWidget

from napari_kymflow.flow.curves import LOOKS, Curves
from napari_kymflow.flow.traces import STATES

_AXIS_WIDTH = 58
_STRIP_HEIGHT, _TIME_HEIGHT = 13, 19
_NOTCH = 1.007**30
"""How much one notch of the wheel zooms, as on the canvas."""
_POINT_ALPHA, _BAND_ALPHA = 70, 80


@dataclass(frozen=True, slots=True, kw_only=True)
class PlotColors:
    """The colours of napari's theme that the plot needs."""

    background: str
    text: str
    grid: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DrawnTrace:
    """One trace as it is drawn: its curves, in a colour; of the older program's only the line, dashed."""

    curves: Curves
    color: str
    is_older: bool = False


@dataclass(slots=True)
class _Items:
    """The items of one trace."""

    band: Any
    points: Any
    median: Any
    all: list[Any] = field(default_factory=list)


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
        # In pixels of the screen: the view itself moves between two steps.
        moved = ev.scenePos().x() - ev.lastScenePos().x()
        (start, stop), _ = self.viewRange()
        self.pan_asked.emit(float(-moved * (stop - start) / max(1.0, self.width())))


class TimeAxis(pg.AxisItem):
    """A time axis that is one row high: its label stands left of its numbers, below the other axis."""

    def __init__(self) -> None:
        super().__init__("bottom")
        self.setHeight(_TIME_HEIGHT)

    def resizeEvent(self, ev: Any = None) -> None:  # noqa: N802  # Qt's name
        """Keep the label where it is."""
        width = self.label.boundingRect().width()
        self.label.setPos(min(-_AXIS_WIDTH, -width), 0)
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


class FlowPlot(pg.GraphicsLayoutWidget):
    """Velocity over time, in the unit of the time axis: s, or lines where the calibration is unknown."""

    zoom_asked = Signal(float, float)
    pan_asked = Signal(float)
    limits_chosen = Signal(float, float)
    hovered = Signal(object)
    """A time, or None where the mouse left."""
    clicked = Signal(float)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.ci.layout.setContentsMargins(0, 2, 4, 0)
        self.ci.layout.setSpacing(0)
        self._box, self._strip_box = TimeViewBox(), TimeViewBox()
        self._plot = self.addPlot(row=0, col=0, viewBox=self._box)
        self._strip_plot = self.addPlot(row=1, col=0, viewBox=self._strip_box, axisItems={"bottom": TimeAxis()})
        self._items: list[_Items] = []
        self._strip = StripItem()
        self._cursor = pg.InfiniteLine(angle=90, movable=False)
        self._is_setting = False
        self._set_up()

    def _set_up(self) -> None:
        for plot in (self._plot, self._strip_plot):
            plot.hideButtons()
            # pyqtgraph leaves the menu, which is not shown here, to Python's garbage collection: it ends with the plot.
            plot.ctrlMenu.setParent(self, plot.ctrlMenu.windowFlags())
            plot.getAxis("left").setWidth(_AXIS_WIDTH)
        self._plot.getAxis("bottom").setStyle(showValues=False, tickLength=0)
        self._plot.getAxis("bottom").setHeight(2)
        # pyqtgraph would write 400 and "x0.001" for 0.4 mm/s.
        self._plot.getAxis("left").enableAutoSIPrefix(False)
        strip_axis = self._strip_plot.getAxis("left")
        strip_axis.setStyle(showValues=False, tickLength=0)
        self._strip_box.setMouseEnabled(x=False, y=False)
        self._strip_box.setYRange(0, 1, padding=0)
        self.ci.layout.setRowFixedHeight(1, _STRIP_HEIGHT + _TIME_HEIGHT)
        self._strip_box.addItem(self._strip)
        self._box.addItem(self._cursor, ignoreBounds=True)
        self._cursor.hide()
        self._plot.showGrid(x=True, y=True, alpha=0.15)
        for box in (self._box, self._strip_box):
            box.zoom_asked.connect(self.zoom_asked)
            box.pan_asked.connect(self.pan_asked)
        self._box.sigYRangeChanged.connect(self._on_limits)
        self.scene().sigMouseMoved.connect(self._on_mouse_moved)
        self.scene().sigMouseClicked.connect(self._on_mouse_clicked)

    def show_theme(self, colors: PlotColors) -> None:
        """Draw in the colours of a theme."""
        self.setBackground(colors.background)
        for plot in (self._plot, self._strip_plot):
            for name in ("left", "bottom"):
                axis = plot.getAxis(name)
                axis.setPen(colors.grid)
                axis.setTextPen(colors.text)
        self._cursor.setPen(pg.mkPen(colors.text, width=1))

    def show_units(self, *, time: str, velocity: str) -> None:
        """Write the axes' units."""
        self._plot.setLabel("left", f"velocity ({velocity})")
        # pyqtgraph would write ms and µs, and the status bar says s.
        self._strip_plot.setLabel("bottom", f"time ({time})" if time == "s" else "line")

    def show_range(self, start: float, stop: float) -> None:
        """Show the time from `start` to `stop`, from one edge of the plot to the other."""
        for box in (self._box, self._strip_box):
            box.setXRange(start, stop, padding=0)

    def show_limits(self, least: float, most: float) -> None:
        """Let the velocity axis reach from one velocity to another."""
        self._is_setting = True
        self._box.setYRange(least, most, padding=0)
        self._is_setting = False

    def show_traces(self, drawn: Sequence[DrawnTrace], *, scale: float) -> None:
        """Draw traces, whose lines are `scale` long on the time axis; the strip is that of the first one."""
        while len(self._items) < len(drawn):
            self._items.append(self._make_items())
        for place, items in enumerate(self._items):
            one = drawn[place] if place < len(drawn) else None
            for item in items.all:
                item.setVisible(one is not None)
            if one is not None:
                _draw(items, one, scale)
        first = next((one for one in drawn if not one.is_older), None)
        begins, ends, states = first.curves.strip if first is not None else (np.empty(0), np.empty(0), np.empty(0))
        self._strip.show_strip(begins * scale, ends * scale, states)

    def show_cursor(self, time: float | None) -> None:
        """Mark a time with a line; None takes it away."""
        self._cursor.setVisible(time is not None)
        if time is not None:
            self._cursor.setPos(time)

    def edges(self) -> tuple[float, float]:
        """Return where the time axis begins and ends on the screen, in pixels."""
        rect = self._box.sceneBoundingRect()
        ends = (self.mapFromScene(QPointF(x, 0)) for x in (rect.left(), rect.right()))
        left, right = (float(self.viewport().mapToGlobal(end).x()) for end in ends)
        return left, right

    @property
    def time_range(self) -> tuple[float, float]:
        """The times at the two ends of the axis."""
        start, stop = self._box.viewRange()[0]
        return float(start), float(stop)

    @property
    def plot_width(self) -> float:
        """How wide the plot is, in pixels of the screen."""
        return float(self._box.width())

    def leaveEvent(self, event: Any) -> None:  # noqa: N802  # Qt's name
        """Take the cursor away."""
        super().leaveEvent(event)
        self.hovered.emit(None)

    def _make_items(self) -> _Items:
        points = pg.ScatterPlotItem(size=2, pen=None, pxMode=True, antialias=False)
        items = _Items(pg.PlotCurveItem(pen=None, fillLevel="enclosed"), points, pg.PlotCurveItem(connect="finite"))
        items.all = [items.points, items.band, items.median]
        for depth, item in enumerate(items.all):
            item.setZValue(depth)
            self._box.addItem(item, ignoreBounds=True)
        return items

    def _on_limits(self, box: Any, limits: Any) -> None:
        if not self._is_setting:
            self.limits_chosen.emit(float(limits[0]), float(limits[1]))

    def _on_mouse_moved(self, position: QPointF) -> None:
        inside = self._box.sceneBoundingRect().united(self._strip_box.sceneBoundingRect()).contains(position)
        self.hovered.emit(float(self._box.mapSceneToView(position).x()) if inside else None)

    def _on_mouse_clicked(self, event: Any) -> None:
        if event.button() == Qt.MouseButton.LeftButton and self._box.sceneBoundingRect().contains(event.scenePos()):
            self.clicked.emit(float(self._box.mapSceneToView(event.scenePos()).x()))


def _draw(items: _Items, drawn: DrawnTrace, scale: float) -> None:
    curves, color = drawn.curves, QColor(drawn.color)
    pen = pg.mkPen(color, width=1, style=Qt.PenStyle.DashLine if drawn.is_older else Qt.PenStyle.SolidLine)
    items.median.setData(curves.median[0] * scale, curves.median[1], pen=pen)
    faint, fainter = QColor(color), QColor(color)
    faint.setAlpha(_BAND_ALPHA)
    fainter.setAlpha(_POINT_ALPHA)
    nothing = np.empty(0)
    band, points = (nothing, nothing), (nothing, nothing)
    if not drawn.is_older:
        band, points = curves.band, curves.points
    items.band.setData(band[0] * scale, band[1], brush=QBrush(faint))
    items.points.setData(points[0] * scale, points[1], brush=QBrush(fainter))
