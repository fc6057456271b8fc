"""How events are painted: a band of the plot, a strip of the kymograph, a swatch of the legend, all in the same look."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyqtgraph as pg
from qtpy.QtCore import QPointF, QRectF, QSize, Qt
from qtpy.QtGui import QBrush, QColor, QPainter, QPen, QTransform
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_kymflow.review.shown_events import EventBand, look_of

_HATCHES: Mapping[str, Any] = {
    "\\": Qt.BrushStyle.FDiagPattern,
    "/": Qt.BrushStyle.BDiagPattern,
    "x": Qt.BrushStyle.DiagCrossPattern,
    "|": Qt.BrushStyle.VerPattern,
    "-": Qt.BrushStyle.HorPattern,
}
LEAST_WIDTH = 3.0
"""How wide an event is drawn at least, in pixels of the screen."""
_FILL, _HATCH, _EDGE = 40, 120, 200
_SELECTED_FILL, _SELECTED_HATCH = 60, 150
_HANDLE = 7.0
_GAP, _SWATCH = 8, 14


def paint_hatched(painter: QPainter, rect: QRectF, kind: str, *, is_selected: bool) -> None:
    """Fill a rectangle in the look of a kind of event."""
    look = look_of(kind)
    fill, hatch = QColor(look.color), QColor(look.color)
    fill.setAlpha(_SELECTED_FILL if is_selected else _FILL)
    hatch.setAlpha(_SELECTED_HATCH if is_selected else _HATCH)
    painter.fillRect(rect, fill)
    painter.fillRect(rect, QBrush(hatch, _HATCHES[look.hatch]))


def edge_pen(kind: str, *, is_selected: bool) -> QPen:
    """Return the pen of an event's edges."""
    color = QColor(look_of(kind).color)
    color.setAlpha(255 if is_selected else _EDGE)
    return QPen(color, 2 if is_selected else 1)


class BandsItem(pg.GraphicsObject):
    """Events behind the traces, as high as the plot; the selected one has handles at its edges."""

    def __init__(self) -> None:
        super().__init__()
        self._bands: list[EventBand] = []
        self.setZValue(-1)

    def show_bands(self, bands: Sequence[EventBand]) -> None:
        """Draw events, the selected one last."""
        self._bands = sorted(bands, key=lambda band: band.is_selected)
        self.update()

    def boundingRect(self) -> QRectF:  # noqa: N802  # Qt's name
        """Return where it is drawn: anywhere in the view."""
        return QRectF(self.viewRect())

    def viewTransformChanged(self) -> None:  # noqa: N802  # pyqtgraph's name
        """Follow the view."""
        super().viewTransformChanged()
        self.prepareGeometryChange()

    def paint(self, painter: QPainter, option: Any, widget: QWidget | None = None) -> None:
        """Draw in pixels of the screen, so that no event is too short to be seen."""
        transform = painter.worldTransform()
        area = transform.mapRect(self.viewRect())
        painter.save()
        painter.setWorldTransform(QTransform())
        painter.setClipRect(area)
        for band in self._bands:
            begin, end = (transform.m11() * at + transform.dx() for at in (band.begin_s, band.end_s))
            if end >= area.left() and begin <= area.right():
                self._paint_band(painter, QRectF(begin, area.top(), max(end - begin, LEAST_WIDTH), area.height()), band)
        painter.restore()

    def _paint_band(self, painter: QPainter, rect: QRectF, band: EventBand) -> None:
        paint_hatched(painter, rect, band.kind, is_selected=band.is_selected)
        pen = edge_pen(band.kind, is_selected=band.is_selected)
        painter.setPen(pen)
        for at in (rect.left(), rect.right()):
            painter.drawLine(QPointF(at, rect.top()), QPointF(at, rect.bottom()))
            if band.is_selected:
                handle = QRectF(at - _HANDLE / 2, rect.center().y() - _HANDLE, _HANDLE, 2 * _HANDLE)
                painter.fillRect(handle, pen.color())


class EventLegend(QWidget):
    """What each kind of event that is shown looks like, in one line."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._kinds: tuple[str, ...] = ()
        # In a narrow window the legend is cut off, rather than that it makes the window wider.
        self.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Preferred)

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds that are explained."""
        return self._kinds

    def show_kinds(self, kinds: Iterable[str]) -> None:
        """Explain some kinds, each once."""
        wanted = tuple(dict.fromkeys(kinds))
        if wanted != self._kinds:
            self._kinds = wanted
            self.setToolTip("\n".join(f"{kind}: {look_of(kind).text}" for kind in wanted))
            self.updateGeometry()
            self.update()

    def sizeHint(self) -> QSize:  # noqa: N802  # Qt's name
        """Return how much room all kinds need."""
        return QSize(sum(self._width(kind) for kind in self._kinds), _SWATCH)

    def minimumSizeHint(self) -> QSize:  # noqa: N802  # Qt's name
        """Return that it can do without any."""
        return QSize(0, _SWATCH)

    def paintEvent(self, event: Any) -> None:  # noqa: N802  # Qt's name
        """Draw a swatch and a word for each kind."""
        painter = QPainter(self)
        at = 0
        for kind in self._kinds:
            swatch = QRectF(at, (self.height() - _SWATCH) / 2, _SWATCH, _SWATCH)
            paint_hatched(painter, swatch, kind, is_selected=True)
            painter.setPen(self.palette().windowText().color())
            text = QRectF(at + _SWATCH + 4, 0, self._width(kind), self.height())
            painter.drawText(text, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, kind)
            at += self._width(kind)
        painter.end()

    def _width(self, kind: str) -> int:
        return _SWATCH + 4 + int(self.fontMetrics().horizontalAdvance(kind)) + _GAP
