"""The chart of the plots dock: bars, boxes, lines and points as they are given, and which point was clicked.

The rule of this room: it draws what it is given; on the screen in the theme's colours, in a file as for paper.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import pyqtgraph as pg
from qtpy.QtCore import QRectF, Signal
from qtpy.QtGui import QColor, QPaintDevice, QPainter
from qtpy.QtWidgets import QToolTip, QWidget

from napari_kymflow.plots.marks import Bars, Box, Line, Marks, Mean, Points

_AXIS_WIDTH = 62
_POINT_SIZE, _FAR_SIZE = 8, 5
_MANY = 300
"""Points from which on they are drawn smaller."""
_FILL_ALPHA, _POINT_ALPHA = 90, 170
_BOX_WIDTH, _CAP_WIDTH = 0.6, 0.12
_SYMBOLS, _SIGNS = ("o", "s", "t", "d", "star", "+"), "●■▼◆★✚"
"""Each colour has a shape too, for whoever does not tell the colours apart."""
_MOST_IN_LEGEND = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartColors:
    """The colours of a theme: the background, texts, axes, and those of groups, in their order."""

    background: str
    text: str
    grid: str
    groups: tuple[str, ...]


PAPER = ChartColors(
    background="#ffffff",
    text="#000000",
    grid="#808080",
    groups=("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00"),
)
"""Colours that colour-blind people tell apart (Okabe and Ito), on white."""
ON_DARK = ("#56b4e9", "#e69f00", "#009e73", "#cc79a7", "#f0e442", "#d55e00")


class Chart(pg.GraphicsLayoutWidget):
    """A chart of one plot."""

    clicked = Signal(int)
    """The label of the row whose point was clicked."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._box = pg.ViewBox(enableMenu=False)
        self._plot = self.addPlot(row=0, col=0, viewBox=self._box)
        self._colors = PAPER
        self._marks = Marks()
        self._scatter: Any = None
        self._titles = ("", "")
        self._set_up()

    def _set_up(self) -> None:
        self.ci.layout.setContentsMargins(2, 6, 8, 2)
        self._plot.hideButtons()
        # pyqtgraph leaves the menu, which is not shown here, to Python's garbage collection: it ends with the plot.
        self._plot.ctrlMenu.setParent(self, self._plot.ctrlMenu.windowFlags())
        self._plot.getAxis("left").setWidth(_AXIS_WIDTH)
        for name in ("left", "bottom"):
            # pyqtgraph would write 400 and "x0.001" for 0.4 mm/s.
            self._plot.getAxis(name).enableAutoSIPrefix(False)
        self._plot.showGrid(x=False, y=True, alpha=0.15)

    def show_theme(self, colors: ChartColors) -> None:
        """Draw in other colours."""
        self._colors = colors
        self._draw()

    def show_marks(self, marks: Marks, *, x_title: str, y_title: str) -> None:
        """Draw another plot, all of it in view; without titles there is none, and no axes either."""
        self._marks, self._titles = marks, (x_title, y_title)
        self._plot.setVisible(bool(x_title or y_title))
        self._draw()
        self._box.autoRange(padding=0.06)

    def paint_for_paper(self, device: QPaintDevice, *, scale: float = 1.0) -> None:
        """Draw on white onto an image or a file, which is `scale` times as large as the chart on the screen."""
        before, self._colors = self._colors, PAPER
        self._draw()
        painter = QPainter(device)
        try:
            source = QRectF(self.viewport().rect())
            target = QRectF(0, 0, scale * source.width(), scale * source.height())
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.fillRect(target, QColor(PAPER.background))
            with self._exporting(painter, scale):
                self.scene().render(painter, target, source)
        finally:
            painter.end()
            self._colors = before
            self._draw()

    @contextmanager
    def _exporting(self, painter: QPainter, scale: float) -> Iterator[None]:
        """Let points be drawn as shapes, within, not as the small pictures that pyqtgraph keeps of them for the screen."""
        items = [item for item in self.scene().items() if hasattr(item, "setExportMode")]
        for item in items:
            item.setExportMode(True, {"antialias": True, "painter": painter, "resolutionScale": scale})
        try:
            yield
        finally:
            for item in items:
                item.setExportMode(False)

    def place_of_row(self, label: int) -> tuple[float, float]:
        """Return where the point of a row is drawn, in the plot's units."""
        at = self._marks.points.rows.index(label)
        return float(self._marks.points.x[at]), float(self._marks.points.y[at])

    def _draw(self) -> None:
        self._plot.clear()
        self._draw_frame()
        self._draw_legend()
        marks = self._marks
        draws: list[tuple[Callable[[Any], None], Any]] = [
            *((self._draw_bars, one) for one in marks.bars),
            *((self._draw_box, one) for one in marks.boxes),
            *((self._draw_line, one) for one in marks.lines),
            (self._draw_points, marks.points),
            *((self._draw_mean, one) for one in marks.means),
        ]
        for draw, one in draws:
            draw(one)

    def _draw_frame(self) -> None:
        colors = self._colors
        self.setBackground(colors.background)
        for name in ("left", "bottom"):
            axis = self._plot.getAxis(name)
            axis.setPen(colors.grid)
            axis.setTextPen(colors.text)
        x_title, y_title = self._titles
        self._plot.setLabel("bottom", x_title, color=colors.text)
        self._plot.setLabel("left", y_title, color=colors.text)
        self._plot.getAxis("bottom").setTicks([list(self._marks.ticks)] if self._marks.ticks else None)

    def _draw_legend(self) -> None:
        """Write above the plot what the colours say: there it hides no point."""
        words = self._marks.colors
        said = [
            f'<span style="color:{self._color(number).name()}">{_SIGNS[number % len(_SIGNS)]}</span>&nbsp;{escape(word)}'
            for number, word in enumerate(words[:_MOST_IN_LEGEND])
        ]
        said += [f"and {len(words) - _MOST_IN_LEGEND} more"] if len(words) > _MOST_IN_LEGEND else []
        self._plot.setTitle("&nbsp; ".join(said) or None, color=self._colors.text, size="9pt")

    def _color(self, number: int, alpha: int = 255) -> QColor:
        color = QColor(self._colors.groups[number % len(self._colors.groups)])
        color.setAlpha(alpha)
        return color

    def _draw_bars(self, bars: Bars) -> None:
        self._plot.addItem(
            pg.BarGraphItem(
                x0=bars.left,
                x1=bars.right,
                height=bars.height,
                brush=self._color(bars.color, _FILL_ALPHA),
                pen=self._color(bars.color),
            )
        )

    def _draw_box(self, box: Box) -> None:
        left, right = box.x - _BOX_WIDTH / 2, box.x + _BOX_WIDTH / 2
        x = np.array([left, right, right, left, left])
        y = np.array([box.lower, box.lower, box.upper, box.upper, box.lower])
        self._plot.addItem(pg.PlotCurveItem(x, y, pen=pg.mkPen(self._colors.text, width=1)))
        middle = np.array([box.median, box.median])
        self._plot.addItem(pg.PlotCurveItem(np.array([left, right]), middle, pen=pg.mkPen(self._colors.text, width=2)))

    def _draw_line(self, line: Line) -> None:
        self._plot.addItem(pg.PlotCurveItem(line.x, line.y, pen=pg.mkPen(self._color(line.color), width=1.5)))

    def _draw_mean(self, mean: Mean) -> None:
        """Draw a diamond at the mean, and a line with caps for its standard error."""
        if np.isfinite(mean.sem):
            low, high, half = mean.mean - mean.sem, mean.mean + mean.sem, _CAP_WIDTH / 2
            x = mean.x + np.array([-half, half, 0, 0, -half, half])
            y = np.array([low, low, low, high, high, high])
            self._plot.addItem(pg.PlotCurveItem(x, y, pen=pg.mkPen(self._colors.text, width=2)))
        diamond = pg.ScatterPlotItem([mean.x], [mean.mean], symbol="d", size=13)
        diamond.setPen(pg.mkPen(self._colors.text, width=2))
        diamond.setBrush(QColor(self._colors.background))
        self._plot.addItem(diamond)

    def _draw_points(self, points: Points) -> None:
        size = _POINT_SIZE if len(points.rows) <= _MANY else _FAR_SIZE
        brushes = {int(number): pg.mkBrush(self._color(int(number), _POINT_ALPHA)) for number in np.unique(points.colors)}
        self._scatter = pg.ScatterPlotItem(
            x=points.x,
            y=points.y,
            size=size,
            pen=None,
            brush=[brushes[int(number)] for number in points.colors],
            symbol=[_symbol(int(number)) for number in points.colors],
            data=np.arange(len(points.rows)),
            hoverable=True,
            hoverPen=pg.mkPen(self._colors.text, width=2),
            tip=None,
        )
        self._scatter.sigClicked.connect(self._on_clicked)
        self._scatter.sigHovered.connect(self._on_hovered)
        self._plot.addItem(self._scatter)

    def _on_clicked(self, _item: object, spots: Any, _event: object) -> None:
        if len(spots):
            self.clicked.emit(int(self._marks.points.rows[int(spots[0].data())]))

    def _on_hovered(self, _item: object, spots: Any, event: Any) -> None:
        if len(spots) and not event.isExit():
            text = self._marks.points.texts[int(spots[0].data())]
            QToolTip.showText(event.screenPos().toPoint(), f"{text}\nClick to go there", self)


def _symbol(number: int) -> str:
    return _SYMBOLS[number % len(_SYMBOLS)]
