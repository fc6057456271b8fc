"""The button *Why?*, and what opens, follows and closes the window that explains a number."""

from qtpy.QtCore import QObject
from qtpy.QtWidgets import QWidget

from napari_kymflow.flow.flow_view import FlowView
from napari_kymflow.flow.inspector import Inspector
from napari_kymflow.widgets.flow.plot import FlowPlot, PlotColors
from napari_kymflow.widgets.flow.why_window import WhyWindow
from napari_kymflow.widgets.window.binding import bind_for_life
from napari_kymflow.widgets.window.dock import push_button


class WhyActions(QObject):
    """Explains windows of the trace that are clicked, while the button is pressed.

    Parameters
    ----------
    parent
        The dock.
    flow
        What it shows.
    plot
        Its plot.
    """

    def __init__(self, parent: QWidget, flow: FlowView, plot: FlowPlot) -> None:
        super().__init__(parent)
        self._parent, self._flow, self._plot = parent, flow, plot
        self._colors: PlotColors | None = None
        self.window: WhyWindow | None = None
        """The window, once it was opened."""
        self.inspector = Inspector(flow)
        """What explains."""
        self.button = push_button(parent, "Why?", "Explain the velocity of the window that is clicked (double click, or W)")
        self.button.setCheckable(True)
        self.button.toggled.connect(self._on_toggled)
        plot.clicked.connect(self._on_clicked)
        plot.double_clicked.connect(self._on_double_clicked)
        plot.actions_by_key |= {
            "W": self.button.toggle,
            "Left": lambda: self.inspector.step(-1),
            "Right": lambda: self.inspector.step(1),
        }
        bind_for_life(parent, [(self.inspector.changed, self._on_changed)])

    def show_theme(self, colors: PlotColors) -> None:
        """Draw in the colours of a theme."""
        self._colors = colors
        if self.window is not None:
            self.window.show_theme(colors)

    def _on_toggled(self, checked: bool) -> None:
        self.inspector.is_open = checked
        if checked and self.window is None:
            self.window = WhyWindow(self._parent, self._flow, self.inspector)
            self.window.closed.connect(self._on_closed)
            if self._colors is not None:
                self.window.show_theme(self._colors)
            self.window.place_below(self._plot)
        if self.window is not None:
            self.window.setVisible(checked)
        self._on_changed()

    def _on_closed(self) -> None:
        self.button.setChecked(False)

    def _on_clicked(self, time: float) -> None:
        if self.inspector.is_open:
            self.inspector.choose(time / self._scale)

    def _on_double_clicked(self, time: float) -> None:
        self.button.setChecked(True)
        self._on_clicked(time)

    def _on_changed(self) -> None:
        line = self.inspector.line if self.inspector.is_open else None
        self._plot.show_marker(None if line is None else line * self._scale)

    @property
    def _scale(self) -> float:
        return self._flow.seconds_per_line or 1.0
