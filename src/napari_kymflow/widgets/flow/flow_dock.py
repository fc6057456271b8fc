"""The flow dock: the velocity of the selected ROIs, below the kymograph and on the same time axis."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import napari
from napari.utils.theme import get_theme
from qtpy.QtGui import QAction
from qtpy.QtWidgets import QHBoxLayout, QMenu, QPushButton, QVBoxLayout

from napari_kymflow.flow.curves import curves
from napari_kymflow.flow.flow_view import FlowView
from napari_kymflow.flow.live import LIVE_ON_DARK, LIVE_ON_LIGHT, LiveFlow
from napari_kymflow.review.shown_events import ShownEvents
from napari_kymflow.widgets.flow.event_editing import EventEditing
from napari_kymflow.widgets.flow.event_items import EventLegend
from napari_kymflow.widgets.flow.measure_actions import MeasureActions
from napari_kymflow.widgets.flow.overlay import EventMark, FlowOverlay, SlopeMarks
from napari_kymflow.widgets.flow.plot import DrawnTrace, FlowPlot, PlotColors
from napari_kymflow.widgets.flow.why_actions import WhyActions
from napari_kymflow.widgets.window.binding import bind_for_life, soon
from napari_kymflow.widgets.window.canvas_place import along_canvas, canvas_widget
from napari_kymflow.widgets.window.dock import Dock, push_button
from napari_kymflow.widgets.window.enabling import enable
from napari_kymflow.widgets.window.keys_help import keys_button
from napari_kymflow.widgets.window.line_label import ElidedLabel
from napari_kymflow.widgets.window.task_bar import TaskBar

_MARGINS = (6, 2, 6, 2)
_NO_OLDER = "The older program has no trace of these ROIs."
_NO_HEART = "No heart rate was found in the velocity of these ROIs."
_LEAST_HEIGHT = 160


class FlowDock(Dock):
    """Shows the velocity of the open record's selected ROIs, and measures it.

    Parameters
    ----------
    napari_viewer
        The viewer whose record is shown.
    """

    def __init__(self, napari_viewer: "napari.viewer.Viewer") -> None:
        super().__init__(napari_viewer)
        self.flow = FlowView(self._session)
        """What is shown."""
        self.plot = FlowPlot(self)
        """The plot."""
        self.events = ShownEvents(self._session)
        """The events in it."""
        self._editing = EventEditing(self.plot, self.flow, self.events)
        self._legend = EventLegend(self)
        self._overlay: FlowOverlay | None = None
        self._bar = TaskBar(self)
        self._text, self._warning = ElidedLabel(self), ElidedLabel(self)
        self._drawing = soon(self, self._draw)
        self.measure = MeasureActions(self, self.flow, self._bar)
        """What measures."""
        self.live = LiveFlow(self.flow)
        """What follows the ROI while it is dragged."""
        self._fit = push_button(self, "Fit", "Let the velocity axis hold what is shown", self.flow.fit)
        self._show = QPushButton("Show", self)
        self._slopes, self._beats, self._older = self._make_show_menu()
        self.why = WhyActions(self, self.flow, self.plot)
        """What explains single windows."""
        self._keys = keys_button(self)
        self.plot.actions_by_key["F1"] = self._keys.click
        self._lay_out()
        self._bind()
        self._on_theme()
        self._on_changed()

    def showEvent(self, event: Any) -> None:  # noqa: N802  # Qt's name
        """Draw what the dock is shown above."""
        super().showEvent(event)
        self._drawing.start()

    def resizeEvent(self, event: Any) -> None:  # noqa: N802  # Qt's name
        """Draw for the new size."""
        super().resizeEvent(event)
        self._drawing.start()

    @property
    def is_busy(self) -> bool:
        """Whether a worker is at work for the dock."""
        return self._bar.is_running or self.flow.is_loading or self.why.inspector.is_busy or self.live.is_busy

    def _attach(self) -> None:
        super()._attach()
        canvas = canvas_widget(self._session.viewer)
        if self._overlay is None and canvas is not None:
            self._overlay = FlowOverlay(canvas)
            self._overlay.destroyed.connect(self._on_overlay_gone)
            self._drawing.start()

    def _lay_out(self) -> None:
        top = QHBoxLayout()
        top.addWidget(self._text, stretch=3)
        top.addWidget(self._warning, stretch=2)
        top.addWidget(self._legend)
        for widget in (self.measure.again, self._show, self.why.button, self._fit, self._keys, self.measure.button):
            top.addWidget(widget)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(*_MARGINS)
        layout.setSpacing(2)
        layout.addLayout(top)
        layout.addWidget(self.plot, stretch=1)
        layout.addWidget(self._bar)
        self._bar.hide()
        self.setMinimumHeight(_LEAST_HEIGHT)

    def _make_show_menu(self) -> list[QAction]:
        self._show.setToolTip("What else is shown")
        menu = QMenu(self._show)
        menu.setToolTipsVisible(True)
        texts = ("Slopes on the kymograph", "Average over heart beats", "Older program's trace")
        actions = [menu.addAction(text) for text in texts]
        for action in actions:
            action.setCheckable(True)
        self._show.setMenu(menu)
        return actions

    def _bind(self) -> None:
        flow = self.flow
        bind_for_life(
            self,
            [
                (flow.changed, self._on_changed),
                (flow.moved, self._draw_soon),
                (flow.pointed, self._on_pointed),
                (self.events.changed, self._on_events),
                (self.live.changed, self._on_live),
            ],
        )
        flow.bind()
        self.events.bind()
        self.why.inspector.bind()
        self.live.bind()
        self._session.viewer.events.theme.connect(self._on_theme)
        bound = [self.live, self.why.inspector, flow, self.events]
        self.destroyed.connect(partial(_end, bound, self._session.viewer, self._on_theme))
        self._bar.running_changed.connect(self._on_running)
        self._older.toggled.connect(lambda checked: flow.show_older(shows=checked))
        self._beats.toggled.connect(lambda checked: flow.show_beats(shows=checked))
        self._slopes.toggled.connect(lambda checked: flow.show_slopes(shows=checked))
        self.measure.live.toggled.connect(lambda checked: setattr(self.live, "is_on", checked))
        self.measure.settings_changed.connect(lambda settings: setattr(self.live, "settings", settings))
        self.plot.zoom_asked.connect(self._on_zoom)
        self.plot.pan_asked.connect(self._on_pan)
        self.plot.limits_chosen.connect(flow.choose_limits)
        self.plot.hovered.connect(self._on_hovered)

    @property
    def _scale(self) -> float:
        """How long a line is on the time axis."""
        return self.flow.seconds_per_line or 1.0

    def _on_changed(self) -> None:
        state = self.flow.state
        self._show_text(None)
        self._warning.show_text(f"⚠ {state.warning}" if state.warning else "")
        self._warning.setVisible(bool(state.warning))
        enable(self._older, "" if self.flow.has_older else _NO_OLDER)
        enable(self._beats, "" if self.flow.heart_rates else _NO_HEART)
        self.measure.show_state(state)
        self.plot.show_units(time="s" if self.flow.seconds_per_line else "line", velocity=self.flow.unit)
        self._drawing.start()

    def _on_events(self) -> None:
        self.flow.hide_names(hides=self.events.review.is_blinded)
        self._drawing.start()

    def _on_live(self) -> None:
        self._show_text(None)
        self._drawing.start()

    def _on_running(self, running: bool) -> None:  # Qt's signal
        self._bar.setVisible(running or bool(self._bar.text))
        self.measure.show_state(self.flow.state)

    def _draw_soon(self) -> None:
        self._drawing.start()

    def _draw(self) -> None:
        """Draw the part of the traces that is below the canvas."""
        placement = self._session.view.placement
        if self._overlay is not None:
            self._overlay.place(placement, self._session.view.strips)
        self._draw_events()
        if placement is None or self.flow.record is None:
            self.plot.show_traces([], scale=1.0)
            return
        start, stop = self._lines_of_plot()
        self.plot.show_range(start * self._scale, stop * self._scale)
        self.plot.show_limits(*self.flow.limits)
        width = self.plot.plot_width
        drawn = [
            DrawnTrace(curves=curves(trace, start, stop, width=width), color=color, is_older=is_older)
            for trace, color, is_older in self.flow.colored_traces(dark=self._is_dark)
        ]
        drawn += [
            DrawnTrace(curves=curves(trace, start, stop, width=width), color=color, is_average=True)
            for trace, color in self.flow.beat_averages(dark=self._is_dark)
        ]
        if self.live.trace is not None:
            live = curves(self.live.trace, start, stop, width=width)
            drawn.append(DrawnTrace(curves=live, color=LIVE_ON_DARK if self._is_dark else LIVE_ON_LIGHT))
        self.plot.show_traces(drawn, scale=self._scale)

    def _draw_events(self) -> None:
        """Draw the events of the shown ROIs in the plot and on the canvas."""
        record, per_line = self.flow.record, self.flow.seconds_per_line
        bands = self.events.bands(self.flow.roi_ids) if record is not None and per_line is not None else []
        self.plot.show_bands(bands)
        self._legend.show_kinds(band.kind for band in bands)
        if self._overlay is None:
            return
        places = {} if record is None else {one.roi_id: record.measured.bounds_of(one) for one in record.rois}
        marks = [
            EventMark(band=band, bounds=place, lines=(band.begin_s / per_line, band.end_s / per_line))
            for band in bands
            if per_line is not None and (place := places.get(band.roi_id)) is not None
        ]
        self._overlay.show_events(marks)
        # On the picture, which is dark in each theme.
        found = self.flow.slopes(dark=True)
        self._overlay.show_slopes([SlopeMarks(segments=one, bounds=place, color=color) for one, place, color in found])

    def _lines_of_plot(self) -> tuple[float, float]:
        """Return the lines that the canvas shows above the two ends of the time axis."""
        placement, canvas = self._session.view.placement, canvas_widget(self._session.viewer)
        if placement is None:
            return 0.0, 1.0
        if canvas is None or not canvas.isVisible() or not self.plot.isVisible() or not placement.runs_right:
            return placement.visible
        left, right = self.plot.edges()
        if right - left < 1:
            return placement.visible
        return placement.line_at(along_canvas(canvas, left)), placement.line_at(along_canvas(canvas, right))

    def _on_zoom(self, time: float, factor: float) -> None:
        self.flow.zoom(time / self._scale, factor)

    def _on_pan(self, time: float) -> None:
        self.flow.pan(time / self._scale)

    def _on_hovered(self, time: float | None) -> None:
        line = None if time is None else time / self._scale
        if self._overlay is not None:
            self._overlay.show_cursor(line)
        self._show_pointed(line)

    def _on_pointed(self, line: float | None) -> None:
        """Follow the mouse on the canvas."""
        if self._overlay is not None:
            self._overlay.show_cursor(None)
        self._show_pointed(line)

    def _show_pointed(self, line: float | None) -> None:
        self.plot.show_cursor(None if line is None else line * self._scale)
        self._show_text(line)

    def _show_text(self, line: float | None) -> None:
        """Say what is known of the line under the mouse, or of the ROIs."""
        band = self._editing.band_at(line * self._scale) if line is not None else None
        said = (self.live.text or self.flow.state.text) if line is None else self.flow.describe(line)
        self._text.show_text(f"{said}; {band.text}" if band is not None else said)

    def _on_theme(self, event: Any = None) -> None:
        theme = get_theme(self._session.viewer.theme)
        colors = PlotColors(background=theme.background.as_hex(), text=theme.text.as_hex(), grid=theme.secondary.as_hex())
        self.plot.show_theme(colors)
        self.why.show_theme(colors)
        self._drawing.start()

    @property
    def _is_dark(self) -> bool:
        red, green, blue = get_theme(self._session.viewer.theme).background.as_rgb_tuple()[:3]
        return bool(red + green + blue < 3 * 128)

    def _on_overlay_gone(self, destroyed: object = None) -> None:
        self._overlay = None


def _end(bound: Sequence[Any], viewer: Any, on_theme: Any, destroyed: object = None) -> None:
    """End what follows the session once the dock is gone."""
    for one in bound:
        one.unbind()
    viewer.events.theme.disconnect(on_theme)
