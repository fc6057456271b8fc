"""The plot of the flow dock: velocity over time, and below it the strip of states.

The rule of this room: it draws what it is given and tells what the mouse does. Time is moved by the canvas alone; only the
velocity axis is the plot's own.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyqtgraph as pg
from qtpy.QtCore import QPointF, Qt, Signal
from qtpy.QtGui import QBrush, QColor
from qtpy.QtWidgets import QWidget

from napari_kymflow.flow.curves import Curves
from napari_kymflow.review.shown_events import EventBand
from napari_kymflow.widgets.flow.event_items import BandsItem
from napari_kymflow.widgets.flow.plot_items import AXIS_WIDTH, TIME_HEIGHT, Drag, StripItem, TimeAxis, TimeViewBox
from napari_kymflow.widgets.window.keys import name_of_key

_STRIP_HEIGHT = 13
_POINT_ALPHA, _BAND_ALPHA = 70, 80
_AVERAGE_WIDTH = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class PlotColors:
    """The colours of napari's theme that the plot needs."""

    background: str
    text: str
    grid: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DrawnTrace:
    """One trace as it is drawn: its curves, in a colour; of the older program's only the line, dashed.

    `is_average` is true of one that has nothing but a line, which is wider.
    """

    curves: Curves
    color: str
    is_older: bool = False
    is_average: bool = False


@dataclass(slots=True)
class _Items:
    """The items of one trace."""

    band: Any
    points: Any
    median: Any
    all: list[Any] = field(default_factory=list)


class FlowPlot(pg.GraphicsLayoutWidget):
    """Velocity over time, in the unit of the time axis: s, or lines where the calibration is unknown."""

    zoom_asked = Signal(float, float)
    pan_asked = Signal(float)
    limits_chosen = Signal(float, float)
    hovered = Signal(object)
    """A time, or None where the mouse left."""
    clicked = Signal(float)
    double_clicked = Signal(float)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.ci.layout.setContentsMargins(0, 2, 4, 0)
        self.ci.layout.setSpacing(0)
        self._box, self._strip_box = TimeViewBox(), TimeViewBox()
        self._plot = self.addPlot(row=0, col=0, viewBox=self._box)
        self._strip_plot = self.addPlot(row=1, col=0, viewBox=self._strip_box, axisItems={"bottom": TimeAxis()})
        self._items: list[_Items] = []
        self._strip, self._bands = StripItem(), BandsItem()
        self._cursor, self._marker = (pg.InfiniteLine(angle=90, movable=False) for _ in range(2))
        self._is_setting = False
        self.actions_by_key: dict[str, Callable[[], object]] = {}
        """What keys do while the plot has the focus, such as "Ctrl+Z"."""
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._set_up()

    def _set_up(self) -> None:
        for plot in (self._plot, self._strip_plot):
            plot.hideButtons()
            # pyqtgraph leaves the menu, which is not shown here, to Python's garbage collection: it ends with the plot.
            plot.ctrlMenu.setParent(self, plot.ctrlMenu.windowFlags())
            plot.getAxis("left").setWidth(AXIS_WIDTH)
        self._plot.getAxis("bottom").setStyle(showValues=False, tickLength=0)
        self._plot.getAxis("bottom").setHeight(2)
        # pyqtgraph would write 400 and "x0.001" for 0.4 mm/s.
        self._plot.getAxis("left").enableAutoSIPrefix(False)
        strip_axis = self._strip_plot.getAxis("left")
        strip_axis.setStyle(showValues=False, tickLength=0)
        self._strip_box.setMouseEnabled(x=False, y=False)
        self._strip_box.setYRange(0, 1, padding=0)
        self.ci.layout.setRowFixedHeight(1, _STRIP_HEIGHT + TIME_HEIGHT)
        self._strip_box.addItem(self._strip)
        self._box.addItem(self._bands, ignoreBounds=True)
        for line in (self._cursor, self._marker):
            self._box.addItem(line, ignoreBounds=True)
            line.hide()
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
        self._marker.setPen(pg.mkPen(colors.text, width=1, style=Qt.PenStyle.DotLine))

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

    def show_bands(self, bands: Sequence[EventBand]) -> None:
        """Draw events behind the traces."""
        self._bands.show_bands(bands)

    def take_drags(self, begin: Callable[[float, bool], Drag | None]) -> None:
        """Ask, where a drag begins at a time and with Shift or without, who follows it; with no one, it moves time."""
        self._box.begin_drag = begin

    @property
    def pixels_a_second(self) -> float:
        """How long a unit of the time axis is on the screen."""
        start, stop = self.time_range
        return self.plot_width / max(stop - start, 1e-9)

    def show_cursor(self, time: float | None) -> None:
        """Mark the time that the mouse is at with a line; None takes it away."""
        _put(self._cursor, time)

    def show_marker(self, time: float | None) -> None:
        """Mark the time of a window that is explained with a dotted line; None takes it away."""
        _put(self._marker, time)

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

    def keyPressEvent(self, event: Any) -> None:  # noqa: N802  # Qt's name
        """Do what the key does; leave others to the dock."""
        action = self.actions_by_key.get(name_of_key(event))
        if action is None:
            event.ignore()
        else:
            action()

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
            time = float(self._box.mapSceneToView(event.scenePos()).x())
            (self.double_clicked if event.double() else self.clicked).emit(time)


def _put(line: Any, time: float | None) -> None:
    line.setVisible(time is not None)
    if time is not None:
        line.setPos(time)


def _draw(items: _Items, drawn: DrawnTrace, scale: float) -> None:
    curves, color = drawn.curves, QColor(drawn.color)
    pen = pg.mkPen(
        color,
        width=_AVERAGE_WIDTH if drawn.is_average else 1,
        style=Qt.PenStyle.DashLine if drawn.is_older else Qt.PenStyle.SolidLine,
    )
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
