"""What is drawn over napari's canvas: where the mouse is in the plot, the events in their ROIs, and slopes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from qtpy.QtCore import QLineF, QPointF, QRectF, Qt
from qtpy.QtGui import QColor, QPainter, QPen
from qtpy.QtWidgets import QWidget

from kymflow_core.roi.bounds import Bounds
from napari_kymflow.flow.slopes import Segment
from napari_kymflow.layers.placement import Placement
from napari_kymflow.review.shown_events import EventBand
from napari_kymflow.widgets.flow.event_items import LEAST_WIDTH, edge_pen, paint_hatched
from napari_kymflow.widgets.window.canvas_overlay import CanvasOverlay

_CURSOR, _SHADOW = "#ffd54f", "#000000"
_STRIP = 8.0
"""How high the hatched strip of an event is, in pixels of the screen: it must not hide the pixels below."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventMark:
    """An event in its ROI, from a line to another; `bounds` is where the ROI lies."""

    band: EventBand
    bounds: Bounds
    lines: tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class SlopeMarks:
    """Short lines in one ROI, in a colour, as steep as its velocity."""

    segments: Sequence[Segment]
    bounds: Bounds
    color: str


class FlowOverlay(CanvasOverlay):
    """Marks a line of the record, and its events, on the canvas.

    Parameters
    ----------
    canvas
        The widget of the canvas; the overlay lives as long.
    """

    def __init__(self, canvas: QWidget) -> None:
        self._placement: Placement | None = None
        self._strips = (0.0, 0.0)
        self._cursor: float | None = None
        self._marks: list[EventMark] = []
        self._slopes: list[SlopeMarks] = []
        super().__init__(canvas)

    def place(self, placement: Placement | None, strips: tuple[float, float]) -> None:
        """Draw for where the record lies on the canvas now, beside the strips of the axes, at the left and below."""
        self._placement, self._strips = placement, strips
        self.update()

    def show_cursor(self, line: float | None) -> None:
        """Mark a line of the record; None takes it away."""
        if line != self._cursor:
            self._cursor = line
            self.update()

    def show_events(self, marks: Sequence[EventMark]) -> None:
        """Mark events, the selected one last."""
        self._marks = sorted(marks, key=lambda mark: mark.band.is_selected)
        self.update()

    def show_slopes(self, slopes: Sequence[SlopeMarks]) -> None:
        """Draw measured speeds; an empty list takes them away."""
        self._slopes = [*slopes]
        self.update()

    def paintEvent(self, event: Any) -> None:  # noqa: N802  # Qt's name
        """Draw what there is."""
        if self._placement is None:
            return
        painter = QPainter(self)
        left, below = self._strips
        area = QRectF(left, 0, self.width() - left, self.height() - below)
        for slopes in (one for one in self._slopes if one.segments):
            self._paint_slopes(painter, self._placement, area, slopes)
        painter.setClipRect(area)
        for mark in self._marks:
            self._paint_mark(painter, self._placement, mark)
        if self._cursor is not None:
            painter.setPen(QPen(QColor(_CURSOR), 1, Qt.PenStyle.DashLine))
            along = self._placement.time_of(self._cursor)
            painter.drawLine(self._point(along, 0.0), self._point(along, self._placement.breadth))
        painter.end()

    def _paint_mark(self, painter: QPainter, placement: Placement, mark: EventMark) -> None:
        begin, end = (placement.time_of(line) for line in mark.lines)
        end = max(end, begin + LEAST_WIDTH)
        if end < 0 or begin > placement.length:
            return
        top, bottom = sorted(placement.across_of(pixel) for pixel in (mark.bounds.x0, mark.bounds.x1))
        kind, is_selected = mark.band.kind, mark.band.is_selected
        paint_hatched(painter, self._rect(begin, top, end, min(top + _STRIP, bottom)), kind, is_selected=True)
        painter.setPen(edge_pen(kind, is_selected=is_selected))
        for at in (begin, end):
            painter.drawLine(self._point(at, top), self._point(at, bottom))
        if is_selected:
            for across in (top, bottom):
                painter.drawLine(self._point(begin, across), self._point(end, across))

    def _paint_slopes(self, painter: QPainter, placement: Placement, area: QRectF, slopes: SlopeMarks) -> None:
        lines, pixels = (slopes.bounds.y0, slopes.bounds.y1), (slopes.bounds.x0, slopes.bounds.x1)
        (begin, end), (top, bottom) = map(placement.time_of, lines), map(placement.across_of, pixels)
        drawn = [QLineF(self._point(*one[:2]), self._point(*one[2:])) for one in slopes.segments]
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setClipRect(area.intersected(self._rect(begin, top, end, bottom)))
        # Dark below, so that they are seen on bright streaks too.
        for color, width in ((_SHADOW, 4.0), (slopes.color, 2.0)):
            painter.setPen(QPen(QColor(color), width))
            painter.drawLines(drawn)
        painter.restore()

    def _rect(self, begin: float, top: float, end: float, bottom: float) -> QRectF:
        return QRectF(self._point(begin, top), self._point(end, bottom)).normalized()

    def _point(self, along: float, across: float) -> QPointF:
        runs_right = self._placement is None or self._placement.runs_right
        return QPointF(along, across) if runs_right else QPointF(across, along)
