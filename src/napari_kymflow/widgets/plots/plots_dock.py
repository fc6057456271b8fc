"""The plots dock: what to plot at the left, the plot, and below it the means with n at each level."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import napari
from napari.utils.notifications import show_error
from napari.utils.theme import get_theme
from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QMenu,
    QPlainTextEdit,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from kymflow_core.columns import table_title
from kymflow_core.statistics.nested import EACH_ROW, plot_title
from napari_kymflow.errors import OUR_ERRORS
from napari_kymflow.layers.echo_guard import EchoGuard
from napari_kymflow.plots.choices import KIND_TITLES, sample_title
from napari_kymflow.plots.plots_view import PlotsView
from napari_kymflow.widgets.plots.chart import ON_DARK, PAPER, Chart, ChartColors
from napari_kymflow.widgets.plots.saving import choose_and_save, copy_means, copy_numbers, copy_picture
from napari_kymflow.widgets.window.binding import bind_for_life
from napari_kymflow.widgets.window.dock import Dock, push_button
from napari_kymflow.widgets.window.enabling import enable

_NONE = "—"
_NO_PLOT = "There is no plot."
_FORM_WIDTH = 250
_LEAST_HEIGHT = 160
_MOST_LINES = 4
_TIPS = {
    "table": "The rows of this table, with its filters",
    "kind": "How the numbers are shown",
    "value": "The quantity",
    "against": "The quantity along x",
    "group": "What splits the rows",
    "color": "What colours the points",
    "sample": "What one point is of: rows are averaged level by level, so that 500 windows of an animal are one sample",
    "before": "The first of each pair",
    "after": "The second of each pair",
}
_LABELS = {"against": "along x", "group": "split by", "color": "colour by", "sample": "a point is"}


class PlotsDock(Dock):
    """Plots the tables of the open dataset; a click on a point opens its record.

    Parameters
    ----------
    napari_viewer
        The viewer whose dataset is plotted.
    """

    def __init__(self, napari_viewer: "napari.viewer.Viewer") -> None:
        super().__init__(napari_viewer)
        self.plots = PlotsView(self._session)
        """What is shown."""
        self.chart = Chart(self)
        """The plot."""
        self._echo = EchoGuard()
        self._is_stale = True
        self._choices = {name: self._combo(name) for name in _TIPS}
        self._labels = {name: QLabel(_LABELS.get(name, name), self) for name in _TIPS}
        self._only_good = QCheckBox("leave out outdated", self)
        self._only_good.setToolTip(
            "Leave out outdated rows, and those of images that are not accepted; they are counted below"
        )
        self._only_good.setChecked(True)
        self._text = self._make_text()
        self._copy, self._save = self._make_buttons()
        self._lay_out()
        self._bind()
        self._on_theme()
        self._on_changed()

    def showEvent(self, event: Any) -> None:  # noqa: N802  # Qt's name
        """Plot what changed while the dock was behind another one."""
        super().showEvent(event)
        if self._is_stale:
            self._load()

    def resizeEvent(self, event: Any) -> None:  # noqa: N802  # Qt's name
        """Break the text into as many lines as this width needs."""
        super().resizeEvent(event)
        self._fit_text()

    @property
    def is_busy(self) -> bool:
        """Whether a worker is at work for the dock."""
        return self.plots.is_loading

    def _combo(self, name: str) -> QComboBox:
        combo = QComboBox(self)
        combo.setToolTip(_TIPS[name])
        combo.setAccessibleName(_LABELS.get(name, name))
        combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        combo.setMinimumContentsLength(8)
        combo.setMaxVisibleItems(30)
        return combo

    def _make_text(self) -> QPlainTextEdit:
        text = QPlainTextEdit(self)
        text.setReadOnly(True)
        text.setAccessibleName("What the plot shows")
        text.setFrameShape(QPlainTextEdit.Shape.NoFrame)
        text.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        text.document().setDocumentMargin(1)
        return text

    def _show_text(self, words: str) -> None:
        """Show the text of the plot; the tooltip has all of it."""
        self._text.setPlainText(words)
        self._text.setToolTip(words)
        self._fit_text()

    def _fit_text(self) -> None:
        """Make the text as high as its lines are in this width, but never so high that the plot is small."""
        # Why there is no plot is a sentence that may be long, and needs no room for a plot.
        is_problem = self.plots.shown.plot is None
        document, margin = self._text.document(), self._text.document().documentMargin()
        metrics, room = self._text.fontMetrics(), max(1, int(self._text.viewport().width() - 2 * margin))
        wrapped = Qt.TextFlag.TextWordWrap
        high = metrics.boundingRect(0, 0, room, 10_000, wrapped, document.toPlainText()).height()
        lines = _MOST_LINES if is_problem else min(max(1, round(high / metrics.lineSpacing())), _MOST_LINES)
        self._text.setFixedHeight(lines * metrics.lineSpacing() + 8)

    def _make_buttons(self) -> tuple[QPushButton, QPushButton]:
        copy = push_button(self, "Copy", "Copy the plot")
        menu = QMenu(self)
        for text, action in (("Picture", copy_picture), ("Numbers", copy_numbers), ("Means and n", copy_means)):
            menu.addAction(text).triggered.connect(partial(self._do, action))
        copy.setMenu(menu)
        save = push_button(
            self, "Save as…", "Save the plot as PNG or SVG, or its numbers as CSV", partial(self._do, choose_and_save)
        )
        return copy, save

    def _do(self, action: Any, _checked: object = None) -> None:
        action(self.chart, self.plots.shown)

    def _lay_out(self) -> None:
        form = QWidget(self)
        rows = QFormLayout(form)
        rows.setContentsMargins(0, 0, 4, 0)
        rows.setVerticalSpacing(2)
        for name, combo in self._choices.items():
            rows.addRow(self._labels[name], combo)
        rows.addRow(self._only_good)
        buttons = QHBoxLayout()
        buttons.addWidget(self._copy)
        buttons.addWidget(self._save)
        scroll = QScrollArea(self)
        scroll.setWidget(form)
        scroll.setWidgetResizable(True)
        scroll.setFixedWidth(_FORM_WIDTH)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        # Below what scrolls: they are seen in the lowest dock too.
        left = QVBoxLayout()
        left.addWidget(scroll, stretch=1)
        left.addLayout(buttons)
        above = QHBoxLayout()
        above.addLayout(left)
        above.addWidget(self.chart, stretch=1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 2, 6, 2)
        layout.setSpacing(2)
        layout.addLayout(above, stretch=1)
        layout.addWidget(self._text)
        self.setMinimumHeight(_LEAST_HEIGHT)

    def _bind(self) -> None:
        session = self._session
        bind_for_life(
            self,
            [
                (session.dataset_changed, self._on_tables_changed),
                (session.snapshot_changed, self._on_tables_changed),
                (session.filters.changed, self._on_filter),
                (self.plots.changed, self._on_changed),
            ],
        )
        for name, combo in self._choices.items():
            combo.currentIndexChanged.connect(partial(self._on_chosen, name))
        self._only_good.toggled.connect(lambda checked: self.plots.choose(only_good=checked))
        self.chart.clicked.connect(self._on_clicked)
        session.viewer.events.theme.connect(self._on_theme)
        self.destroyed.connect(partial(_end, session.viewer, self._on_theme))

    def _on_tables_changed(self) -> None:
        self._is_stale = True
        if self.isVisible():
            self._load()

    def _on_filter(self, table_name: str) -> None:
        if self.isVisible():
            self.plots.on_filter(table_name)
        else:
            self._is_stale = True

    def _load(self) -> None:
        self._is_stale = False
        self.plots.load()

    def _on_chosen(self, name: str, _place: int) -> None:
        if self._echo:
            return
        if name in ("before", "after"):
            self.plots.choose(pair=(self._chosen("before") or "", self._chosen("after") or ""))
        else:
            self.plots.choose(**{name: self._chosen(name)})

    def _chosen(self, name: str) -> Any:
        return self._choices[name].currentData()

    def _on_changed(self) -> None:
        shown = self.plots.shown
        if not self.plots.is_loading:
            plot = shown.plot
            titles = (plot.x_title, plot.y_title) if plot is not None else ("", "")
            self.chart.show_marks(shown.marks, x_title=titles[0], y_title=titles[1])
            self._show_text(shown.text)
            self._show_choices()
        for button in (self._copy, self._save):
            enable(button, "" if shown.plot is not None else shown.problem or _NO_PLOT)

    def _show_choices(self) -> None:
        shown, choices = self.plots.shown, self.plots.shown.choices
        rows = shown.rows
        names = rows.names_in(choices.group) if choices.group else []
        columns = [(None, _NONE), *((name, plot_title(name)) for name in rows.groups)]
        quantities = [(name, plot_title(name)) for name in rows.quantities]
        first, second = choices.pair or (None, None)
        offered: dict[str, tuple[Sequence[tuple[Any, str]], Any]] = {
            "table": ([(name, table_title(name)) for name in shown.tables], choices.table),
            "kind": (list(KIND_TITLES.items()), choices.kind),
            "value": (quantities, choices.value),
            "against": (quantities, choices.against),
            "group": (columns, choices.group),
            "color": (columns, choices.color),
            "sample": ([(name, sample_title(name)) for name in (*rows.levels, EACH_ROW)], choices.sample),
            "before": ([(name, name) for name in names], first),
            "after": ([(name, name) for name in names], second),
        }
        with self._echo:
            for name, (items, chosen) in offered.items():
                _fill(self._choices[name], items, chosen)
        seen = {"against": choices.needs_x, "color": choices.has_colors, "before": choices.needs_pair}
        for name, is_seen in {**seen, "after": choices.needs_pair}.items():
            self._choices[name].setVisible(is_seen)
            self._labels[name].setVisible(is_seen)

    def _on_clicked(self, label: int) -> None:
        try:
            self.plots.open_row(label)
        except OUR_ERRORS as error:
            show_error(str(error))

    def _on_theme(self, event: Any = None) -> None:
        theme = get_theme(self._session.viewer.theme)
        red, green, blue = theme.background.as_rgb_tuple()[:3]
        groups = ON_DARK if red + green + blue < 3 * 128 else PAPER.groups
        self.chart.show_theme(
            ChartColors(
                background=theme.background.as_hex(),
                text=theme.text.as_hex(),
                grid=theme.secondary.as_hex(),
                groups=groups,
            )
        )


def _fill(combo: QComboBox, items: Sequence[tuple[Any, str]], chosen: Any) -> None:
    if [(combo.itemData(at), combo.itemText(at)) for at in range(combo.count())] != list(items):
        combo.clear()
        for data, text in items:
            combo.addItem(text, data)
    combo.setCurrentIndex(next((at for at, (data, _) in enumerate(items) if data == chosen), -1))


def _end(viewer: Any, on_theme: Any, destroyed: object = None) -> None:
    """Stop following the theme once the dock is gone."""
    viewer.events.theme.disconnect(on_theme)
