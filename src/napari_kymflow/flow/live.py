"""The velocity of the ROI on screen as it would be measured now, while it is dragged or a setting is turned. No Qt.

The rule of this room: one measurement at a time, in a worker, and the latest wish counts. First comes the middle of what is
seen, which is quick; once the mouse rests, all of what is seen. Nothing is stored.
"""

from functools import partial
from typing import TYPE_CHECKING, Any

from psygnal import Signal

from napari_kymflow.flow.flow_view import FlowView
from napari_kymflow.flow.live_part import LiveResult, Stage, Wish
from napari_kymflow.flow.traces import Trace

if TYPE_CHECKING:
    from kymflow_core.flow import VelocitySettings
    from napari_kymflow.flow.live_measure import LiveMeasure

LIVE_ON_DARK, LIVE_ON_LIGHT = "#ffffff", "#000000"
"""The colour of the trace, on a dark and on a light background."""
ONLY_RECTANGLES = "Live follows rectangles: measure this ROI to see its velocity."
NO_ROI = "Live: select a ROI to see its velocity as it would be measured now."


class LiveFlow:
    """Follows the ROI that is shown, while it is switched on.

    Parameters
    ----------
    flow
        What is shown.
    """

    changed = Signal()

    def __init__(self, flow: FlowView) -> None:
        self._flow = flow
        self._is_on = False
        self._settings: VelocitySettings | None = None
        self._measure: LiveMeasure | None = None
        self._layer: Any = None
        self._is_running = False
        self._done: tuple[Wish | None, Stage] = (None, "whole")
        self.trace: Trace | None = None
        """The velocity of what was measured last; None where there is none."""
        self.text = ""
        """What was measured, in words; empty while it is switched off."""

    def bind(self) -> None:
        """Follow what is shown."""
        self._flow.changed.connect(self._on_changed)
        self._flow.moved.connect(self._on_changed)
        self._on_changed()

    def unbind(self) -> None:
        """Stop following: the inverse of `bind`."""
        self._is_on = False
        self._flow.changed.disconnect(self._on_changed, missing_ok=True)
        self._flow.moved.disconnect(self._on_changed, missing_ok=True)
        self._follow_layer(None)

    @property
    def is_on(self) -> bool:
        """Whether the ROI is followed."""
        return self._is_on

    @is_on.setter
    def is_on(self, value: bool) -> None:
        self._is_on = value
        self._forget()
        self._on_changed()

    @property
    def settings(self) -> "VelocitySettings | None":
        """How it is measured; None for the defaults."""
        return self._settings

    @settings.setter
    def settings(self, value: "VelocitySettings | None") -> None:
        self._settings = value
        self._on_changed()

    @property
    def is_busy(self) -> bool:
        """Whether something is measured now."""
        return self._is_running

    def _forget(self) -> None:
        self.trace, self.text, self._done = None, "", (None, "whole")
        self.changed.emit()

    def _on_changed(self, event: Any = None) -> None:
        record = self._flow.record
        self._follow_layer(record.sync.layer if record is not None else None)
        if self._is_on and not self._is_running:
            self._go_on()

    def _follow_layer(self, layer: Any) -> None:
        """Follow the shapes, also while one is dragged."""
        if layer is self._layer:
            return
        for one, way in ((self._layer, "disconnect"), (layer, "connect")):
            if one is not None:
                getattr(one.events.set_data, way)(self._on_changed)
        self._layer = layer

    def _go_on(self) -> None:
        """Measure what is seen now, unless that was done; then all of it, once the mouse rests."""
        wish = self._wish()
        done, stage = self._done
        if isinstance(wish, str):
            if self.text != wish:
                self._forget()
                self.text = wish
                self.changed.emit()
        elif wish != done:
            if done is not None and done.key != wish.key:
                self._forget()
            self._start(wish, "quick")
        elif stage == "quick" and not self._is_pressed and not wish.is_whole_at_once:
            self._start(wish, "whole")

    def _start(self, wish: Wish, stage: Stage) -> None:
        # scipy is loaded only where a velocity is measured.
        from napari_kymflow.flow.live_measure import LiveMeasure

        self._measure = self._measure or LiveMeasure()
        self._is_running = True
        self._flow.session.window.run(
            partial(self._measure, wish, stage), partial(self._on_measured, wish, stage), self._on_failed
        )

    def _on_measured(self, wish: Wish, stage: Stage, result: LiveResult) -> None:
        self._is_running = False
        if not self._is_on or self._flow.record is None or self._flow.record.key != wish.key:
            self._on_changed()
            return
        self._done = wish, stage
        self.trace = result.trace
        what = f"Live, ROI {wish.roi_id}"
        if result.trace is None:
            self.text = f"{what}: {result.problem}"
        else:
            start, stop = wish.part(stage)
            self.text = f"{what}: {stop - start:,} lines in {1000 * result.seconds:.0f} ms; not stored"
        self.changed.emit()
        self._go_on()

    def _on_failed(self, error: Exception) -> None:
        self._is_running = False
        self.text = f"Live: {error}"
        self.changed.emit()

    @property
    def _is_pressed(self) -> bool:
        return self._flow.record is not None and self._flow.record.sync.is_pressed

    def _wish(self) -> Wish | str:
        """Return what is to be seen now, or why nothing can be."""
        record, ids = self._flow.record, self._flow.roi_ids
        roi = record.rois.get(ids[0]) if record is not None and ids else None
        if record is None or roi is None:
            return NO_ROI
        bounds = record.sync.drawn_bounds(roi.roi_id)
        if bounds is None:
            return ONLY_RECTANGLES
        start, stop = (round(line) for line in self._flow.visible)
        return Wish(
            key=record.key,
            roi_id=roi.roi_id,
            z=roi.z,
            channel=roi.channel,
            bounds=bounds,
            settings=self._settings,
            lines=(start, stop),
        )
