"""The window that explains one number: the pixels with the slope that was found, the likelihoods, the reasons in words."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pyqtgraph as pg
from qtpy.QtCore import QPoint, QRectF, Qt, Signal
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from napari_kymflow.flow.flow_view import FlowView
from napari_kymflow.flow.inspector import Inspector
from napari_kymflow.widgets.flow.plot import PlotColors
from napari_kymflow.widgets.window.binding import bind_for_life
from napari_kymflow.widgets.window.dialog import Dialog
from napari_kymflow.widgets.window.dock import push_button
from napari_kymflow.widgets.window.keys import name_of_key

if TYPE_CHECKING:
    from napari_kymflow.flow.inspection import WindowReasons

_SIZE = (980, 300)
_FOUND, _ALONE, _CURVE = "#ffd54f", "#56b4e9", "#e69f00"
_STREAKS = 5
_SHOWN, _LEAST_SPEEDS = 1e-3, 5
"""From which part of the highest probability on a speed is shown, and how many others beside those at least."""
_DARK, _BRIGHT = 1.0, 99.5


class WhyWindow(Dialog):
    """Explains the window that is chosen in the trace; it stays beside napari's window until it is closed.

    Parameters
    ----------
    parent
        The dock.
    flow
        What the dock shows.
    inspector
        What explains it.
    """

    closed = Signal()

    def __init__(self, parent: QWidget, flow: FlowView, inspector: Inspector) -> None:
        super().__init__(parent)
        self.setWindowFlag(Qt.WindowType.Tool)
        self.setWindowTitle("Why is this number so?")
        self.resize(*_SIZE)
        self._flow, self._inspector = flow, inspector
        self._title, self._words = QLabel(self), QLabel(self)
        self._words.setWordWrap(True)
        self._words.setAlignment(Qt.AlignmentFlag.AlignTop)
        self._words.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._canvas = pg.GraphicsLayoutWidget(self)
        self._picture = self._plot(row=0, col=0, rowspan=2)
        self._alone = self._plot(row=0, col=1)
        self._after = self._plot(row=1, col=1)
        self._picture.invertY()
        self._lay_out()
        bind_for_life(self, [(inspector.changed, self._on_changed)])
        self._on_changed()

    def _plot(self, **place: int) -> Any:
        plot = self._canvas.addPlot(**place)
        plot.hideButtons()
        plot.setMenuEnabled(False)
        plot.ctrlMenu.setParent(self, plot.ctrlMenu.windowFlags())
        plot.setMouseEnabled(x=False, y=False)
        for name in ("left", "bottom"):
            plot.getAxis(name).enableAutoSIPrefix(False)
        return plot

    def _lay_out(self) -> None:
        top = QHBoxLayout()
        top.addWidget(self._title, stretch=1)
        top.addWidget(push_button(self, "◀", "The window before (Left)", lambda: self._inspector.step(-1)))
        top.addWidget(push_button(self, "▶", "The next window (Right)", lambda: self._inspector.step(1)))
        below = QHBoxLayout()
        below.addWidget(self._canvas, stretch=5)
        below.addWidget(self._words, stretch=3)
        layout = QVBoxLayout(self)
        layout.addLayout(top)
        layout.addLayout(below, stretch=1)

    def show_theme(self, colors: PlotColors) -> None:
        """Draw in the colours of a theme."""
        self._canvas.setBackground(colors.background)
        for plot in (self._picture, self._alone, self._after):
            for name in ("left", "bottom"):
                plot.getAxis(name).setPen(colors.grid)
                plot.getAxis(name).setTextPen(colors.text)

    def place_below(self, widget: QWidget) -> None:
        """Lie below a widget, as far as the screen has room, so that it can be clicked there."""
        screen = widget.screen().availableGeometry()
        corner = widget.mapToGlobal(QPoint(0, widget.height()))
        size = self.frameGeometry().size()
        left = max(screen.left(), min(corner.x(), screen.right() + 1 - size.width()))
        self.move(left, max(screen.top(), min(corner.y(), screen.bottom() + 1 - size.height())))

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802  # Qt's name
        """Step from window to window."""
        steps = {"Left": -1, "Right": 1}
        if name_of_key(event) in steps:
            self._inspector.step(steps[name_of_key(event)])
        else:
            super().keyPressEvent(event)

    def done(self, result: int) -> None:
        """Tell that it is closed, also by Escape."""
        super().done(result)
        self.closed.emit()

    def _on_changed(self) -> None:
        reasons = self._inspector.reasons
        self._canvas.setVisible(reasons is not None)
        self._title.setText(f"<b>{reasons.title}</b>" if reasons else "")
        self._words.setText(self._inspector.text if reasons is None else "\n\n".join(reasons.sentences))
        if reasons is not None:
            self._draw_picture(reasons)
            self._draw_curves(reasons)

    def _draw_picture(self, reasons: "WindowReasons") -> None:
        plot, tag = self._picture, self._flow.record.tag if self._flow.record is not None else None
        per_line = (tag.seconds_per_line if tag is not None else None) or 1.0
        per_pixel = (tag.um_per_pixel if tag is not None else None) or 1.0
        lines, positions = reasons.pixels.shape
        place = QRectF(
            reasons.first_line * per_line, reasons.first_pixel * per_pixel, lines * per_line, positions * per_pixel
        )
        values = np.asarray(reasons.pixels, np.float64)
        dark, bright = np.percentile(values, [_DARK, _BRIGHT])
        plot.clear()
        image = pg.ImageItem(values, levels=(dark, max(bright, dark + 1e-9)))
        image.setRect(place)
        plot.addItem(image)
        for line in reasons.window:
            plot.addItem(pg.InfiniteLine(line * per_line, angle=90, pen=pg.mkPen(_FOUND, width=1)))
        middles = reasons.first_pixel + positions * (np.arange(_STREAKS) + 0.5) / _STREAKS
        for slope, color, style, some in (
            (reasons.slope, _FOUND, Qt.PenStyle.SolidLine, middles),
            (reasons.slope_alone, _ALONE, Qt.PenStyle.DashLine, middles[_STREAKS // 2 :][:1]),
        ):
            for middle in some:
                ends = np.array(reasons.window, np.float64)
                across = middle + slope * (ends - ends.mean())
                if np.isfinite(across).all():
                    plot.plot(ends * per_line, across * per_pixel, pen=pg.mkPen(color, width=1.5, style=style))
        plot.setLabel("bottom", "time (s)" if tag is not None and tag.seconds_per_line else "line")
        plot.setLabel("left", "position (µm)" if tag is not None and tag.um_per_pixel else "pixel")
        plot.setRange(place, padding=0)

    def _draw_curves(self, reasons: "WindowReasons") -> None:
        alone, after = self._alone, self._after
        alone.clear()
        after.clear()
        alone.plot(reasons.speeds_alone, reasons.log_ratios, pen=pg.mkPen(_ALONE, width=1.5))
        after.plot(
            reasons.speeds, reasons.probabilities, pen=pg.mkPen(_CURVE, width=1.5), fillLevel=0, brush=(230, 159, 0, 90)
        )
        for plot in (alone, after):
            plot.addItem(pg.InfiniteLine(reasons.velocity, angle=90, pen=pg.mkPen(_FOUND, width=1)))
        band = pg.LinearRegionItem(reasons.interval, movable=False, brush=(255, 213, 79, 40), pen=pg.mkPen(None))
        after.addItem(band)
        alone.setLabel("left", "likelihood (nats)")
        after.setLabel("left", "probability")
        after.setLabel("bottom", f"velocity ({reasons.unit})")
        alone.setXRange(float(reasons.speeds_alone[0]), float(reasons.speeds_alone[-1]), padding=0)
        # All that is probable, and some of what is not: among all speeds it would be a needle.
        probable = np.flatnonzero(reasons.probabilities > _SHOWN * reasons.probabilities.max())
        around = max(_LEAST_SPEEDS, len(probable))
        first, last = max(0, probable[0] - around), min(len(reasons.speeds) - 1, probable[-1] + around)
        low, high = reasons.interval
        margin = 0.1 * (high - low)
        begin, end = min(float(reasons.speeds[first]), low - margin), max(float(reasons.speeds[last]), high + margin)
        after.setXRange(begin, end, padding=0)
