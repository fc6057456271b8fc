"""What the mouse and keys do with events in the plot: select, move the edges, draw a new one, delete, undo.

The rule of this room: what an event becomes is decided in `review.shown_events`; here are only the gestures.
"""

from collections.abc import Callable
from functools import partial

from napari.utils.notifications import show_error, show_warning
from qtpy.QtCore import QObject, Qt
from qtpy.QtGui import QCursor
from qtpy.QtWidgets import QInputDialog, QMenu

from kymflow_core.errors import KymflowError
from kymflow_zarr.errors import KymflowZarrError
from napari_kymflow.flow.flow_view import FlowView
from napari_kymflow.review.shown_events import Edge, EventBand, ShownEvents
from napari_kymflow.widgets.flow.plot import FlowPlot
from napari_kymflow.widgets.flow.plot_items import Drag

_FAILURES = (KymflowError, KymflowZarrError, OSError)
_REACH_PIXELS = 5.0


class EventEditing(QObject):
    """Lets the user select and edit events in a plot.

    Parameters
    ----------
    plot
        The plot; it lives as long.
    flow
        What the plot shows.
    events
        The events in it.
    """

    def __init__(self, plot: FlowPlot, flow: FlowView, events: ShownEvents) -> None:
        super().__init__(plot)
        self._plot, self._flow, self._events = plot, flow, events
        plot.take_drags(self._begin_drag)
        plot.clicked.connect(self._on_clicked)
        plot.hovered.connect(self._on_hovered)
        review = events.review
        keys: dict[str, Callable[[], object]] = {
            **dict.fromkeys(("N", "Space"), partial(review.step, 1)),
            **dict.fromkeys(("P", "Shift+Space"), partial(review.step, -1)),
            **dict.fromkeys(("Del", "Backspace"), self.delete),
            "Ctrl+Z": review.undo,
            "Ctrl+Shift+Z": review.redo,
            "Esc": partial(events.select, None),
        }
        plot.actions_by_key |= {key: partial(self._do, action) for key, action in keys.items()}

    def delete(self) -> None:
        """Delete the selected event, if it was made by hand."""
        if self._events.review.current is None or not self._may_change():
            return
        if self._events.selected_is_by_hand:
            self._do(partial(self._events.review.delete_event, goes_on=False))
        else:
            show_warning("This event was detected by an analysis and stays. Give it the verdict 'rejected' in the review.")

    def band_at(self, time: float) -> EventBand | None:
        """Return the event at a time of the plot."""
        return self._events.at(time, self._flow.roi_ids, reach_s=self._reach) if self._has_seconds else None

    @property
    def _has_seconds(self) -> bool:
        return self._flow.seconds_per_line is not None

    @property
    def _reach(self) -> float:
        return _REACH_PIXELS / self._plot.pixels_a_second

    def _edge_at(self, time: float) -> Edge | None:
        return self._events.edge_at(time, self._flow.roi_ids, reach_s=self._reach) if self._has_seconds else None

    def _begin_drag(self, time: float, shifted: bool) -> Drag | None:
        if shifted:
            return partial(self._drag_new, time) if self._has_seconds and self._flow.roi_ids else None
        edge = self._edge_at(time)
        return partial(self._drag_edge, edge) if edge is not None else None

    def _drag_edge(self, edge: Edge, time: float, is_done: bool) -> None:
        self._events.move_edge(edge, time)
        # Asked only now: a question in the middle of a drag would leave the mouse pressed for ever.
        if is_done and self._may_change():
            self._do(self._events.keep_edges)
        elif is_done:
            self._events.put_edges_back()

    def _drag_new(self, begin: float, time: float, is_done: bool) -> None:
        self._events.draw(begin, time)
        if is_done:
            kind = self._choose_kind() if self._may_change() else ""
            span = self._events.stop_drawing()
            if kind and span is not None:
                self._do(partial(self._events.review.add_event, self._flow.roi_ids[0], *span, kind=kind))

    def _choose_kind(self) -> str:
        """Ask what the new event is; empty where it is to be none."""
        menu = QMenu(self._plot)
        for kind in self._events.kinds:
            menu.addAction(kind)
        chosen = menu.exec(QCursor.pos())
        kind = chosen.text() if chosen is not None else ""
        menu.deleteLater()
        return kind

    def _may_change(self) -> bool:
        """Return whether events can be changed now; ask for the reviewer's name where it is missing, or say why not."""
        if self._events.needs_name:
            name, _ = QInputDialog.getText(
                self._plot, "Your name", "What you change is stored with your name, and can be undone."
            )
            if not name.strip():
                return False
            self._events.enter_name(name)
        if self._events.why_not:
            show_warning(self._events.why_not)
        return not self._events.why_not

    def _on_clicked(self, time: float) -> None:
        self._events.select(self.band_at(time))

    def _on_hovered(self, time: float | None) -> None:
        is_edge = time is not None and self._edge_at(time) is not None
        self._plot.viewport().setCursor(Qt.CursorShape.SizeHorCursor if is_edge else Qt.CursorShape.ArrowCursor)

    def _do(self, action: Callable[[], object]) -> None:
        try:
            action()
        except _FAILURES as error:
            show_error(str(error))
