"""The axes at the left of and below a kymograph, drawn over napari's canvas.

Below lies the time. Where the flow dock lies directly below the canvas, its plot has the time axis, at the same places, and
it is not drawn twice.
"""

from functools import partial
from typing import Any

from napari.utils.theme import get_theme
from qtpy.QtCore import QPointF, QRectF, Qt
from qtpy.QtGui import QColor, QPainter
from qtpy.QtWidgets import QWidget

from napari_kymflow.layers.axes import Axis, position_axis, time_axis
from napari_kymflow.session.session import KymSession
from napari_kymflow.widgets.window.binding import bind_for_life, disconnect_all, soon
from napari_kymflow.widgets.window.canvas_overlay import CanvasOverlay
from napari_kymflow.widgets.window.layout import FLOW, DockLayout

_LEFT = 80
"""As far as the flow dock's velocity axis reaches, so that the two begin one below the other."""
_BELOW = 40
_TICK = 5


class CanvasAxes(CanvasOverlay):
    """Time and position of the open record, in s and µm.

    Parameters
    ----------
    canvas
        The widget of the canvas; the axes live as long.
    session
        The session.
    layout
        The docks around the canvas.
    """

    def __init__(self, canvas: QWidget, session: KymSession, layout: DockLayout) -> None:
        super().__init__(canvas)
        self._session, self._layout = session, layout
        self._drawing = soon(self, self._follow)
        viewer = session.viewer
        camera = viewer.scene.camera.events
        placing = (camera.zoom, camera.center, viewer.canvas.events.size, viewer.dims.events.order)
        emitters = (*placing, viewer.events.theme)
        for emitter in emitters:
            emitter.connect(self._on_moved)
        self.destroyed.connect(partial(disconnect_all, emitters, self._on_moved))
        bind_for_life(self, [(session.record_changed, self._on_moved), (session.state_changed, self._on_moved)])
        layout.docks_changed.connect(self._on_moved)
        self._follow()

    def axes(self) -> tuple[Axis, Axis] | None:
        """Return the axes at the left and below; None where no record is shown."""
        record, placement = self._session.record, self._session.view.placement
        if record is None or placement is None:
            return None
        lines, pixels = record.shape
        time, position = time_axis(placement, lines, record.tag), position_axis(placement, pixels, record.tag)
        return (position, time) if placement.runs_right else (time, position)

    @property
    def has_time_below(self) -> bool:
        """Whether the flow dock lies below the canvas and shows the time of the open record there."""
        placement = self._session.view.placement
        return placement is not None and placement.runs_right and self._layout.has_below(FLOW)

    def paintEvent(self, event: Any) -> None:  # noqa: N802  # Qt's name
        """Draw the axes on strips that cover what lies below them."""
        axes = self.axes()
        if axes is None:
            return
        painter = QPainter(self)
        theme = get_theme(self._session.viewer.theme)
        left, below = (round(length) for length in self._session.view.strips)
        height, width = self.height() - below, self.width()
        ground = QColor(theme.canvas.as_hex())
        painter.fillRect(QRectF(0, 0, left, self.height()), ground)
        painter.fillRect(QRectF(0, height, width, below), ground)
        painter.setPen(QColor(theme.text.as_hex()))
        self._paint_left(painter, axes[0], left, height)
        if below:
            self._paint_below(painter, axes[1], left, height)
        painter.end()

    def _paint_left(self, painter: QPainter, axis: Axis, left: int, height: int) -> None:
        right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        for at, text in axis.ticks:
            if 0 <= at <= height:
                painter.drawLine(QPointF(left - _TICK, at), QPointF(left, at))
                painter.drawText(QRectF(0, at - 10, left - _TICK - 4, 20), right, text)
        painter.save()
        painter.rotate(-90)
        painter.drawText(QRectF(-height, 2, height, 20), Qt.AlignmentFlag.AlignCenter, axis.title)
        painter.restore()

    def _paint_below(self, painter: QPainter, axis: Axis, left: int, height: int) -> None:
        for at, text in axis.ticks:
            if left <= at <= self.width():
                painter.drawLine(QPointF(at, height), QPointF(at, height + _TICK))
                painter.drawText(QRectF(at - 60, height + _TICK, 120, 16), Qt.AlignmentFlag.AlignCenter, text)
        rest = QRectF(left, height + _TICK + 15, self.width() - left, 18)
        painter.drawText(rest, Qt.AlignmentFlag.AlignCenter, axis.title)

    def _on_moved(self, event: Any = None) -> None:
        self._drawing.start()

    def _follow(self) -> None:
        """Keep the record beside the axes, and draw them."""
        self._session.view.strips = (_LEFT, 0 if self.has_time_below else _BELOW)
        self.update()
