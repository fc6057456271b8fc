"""Which window of the trace is explained, and its reasons. No Qt.

The rule of this room: a ROI is measured again once, in a worker; from then on each of its windows is explained at once.
"""

from functools import partial
from typing import TYPE_CHECKING, Any

from psygnal import Signal

from napari_kymflow.flow.flow_view import FlowView

if TYPE_CHECKING:
    from napari_kymflow.flow.inspection import Inspection, WindowReasons

CHOOSE = "Click a window in the trace."
MEASURING = "Measuring this ROI again, to show what the analysis does not keep …"


class Inspector:
    """Explains the windows of the traces that are shown.

    Parameters
    ----------
    flow
        What is shown.
    """

    changed = Signal()

    def __init__(self, flow: FlowView) -> None:
        self._flow = flow
        self._is_open = False
        self._place: tuple[Any, int, int] | None = None
        self._inspections: dict[Any, tuple[float, Inspection | str]] = {}
        self._asked: Any = None
        self.reasons: WindowReasons | None = None
        """Why the chosen window has its velocity; None where `text` says why there is nothing to show."""
        self.text = CHOOSE

    def bind(self) -> None:
        """Follow what is shown."""
        self._flow.changed.connect(self._on_flow_changed)

    def unbind(self) -> None:
        """Stop following: the inverse of `bind`."""
        self._flow.changed.disconnect(self._on_flow_changed, missing_ok=True)

    @property
    def is_open(self) -> bool:
        """Whether windows are explained now: nothing is measured again for nobody."""
        return self._is_open

    @is_open.setter
    def is_open(self, value: bool) -> None:
        if value != self._is_open:
            self._is_open = value
            self._explain()

    @property
    def line(self) -> float | None:
        """The middle of the chosen window, in lines of the image; None where none is chosen."""
        if self._place is None or self._place[0] != self._key:
            return None
        trace = self._flow.traces.get(self._place[1])
        return float(trace.lines[self._place[2]]) if trace is not None and self._place[2] < len(trace) else None

    @property
    def is_busy(self) -> bool:
        """Whether a ROI is measured again."""
        return self._asked is not None

    def choose(self, line: float) -> None:
        """Explain the window at a line of the image: of the first ROI that has one there."""
        for roi_id, trace in self._flow.traces.items():
            window = trace.window_at(line)
            if window is not None:
                self._place = (self._key, roi_id, window)
                self._explain()
                return

    def step(self, by: int) -> None:
        """Explain a window so many further on, or back."""
        if self.line is None or self._place is None:
            return
        key, roi_id, window = self._place
        self._place = (key, roi_id, max(0, min(window + by, len(self._flow.traces[roi_id]) - 1)))
        self._explain()

    @property
    def _key(self) -> Any:
        return self._flow.record.key if self._flow.record is not None else None

    def _on_flow_changed(self) -> None:
        if self._is_open:
            self._explain()

    def _explain(self) -> None:
        self.reasons, self.text = None, CHOOSE
        if self._is_open and self.line is not None and self._place is not None:
            _, roi_id, window = self._place
            changes = self._flow.outdated(roi_id)
            if changes:
                self.text = f"{'; '.join(changes)}. Measure this ROI again; then its windows can be explained."
            else:
                self._explain_window(roi_id, window)
        self.changed.emit()

    def _explain_window(self, roi_id: int, window: int) -> None:
        # scipy is loaded only where a velocity is measured.
        from napari_kymflow.flow.inspection import reasons_of

        trace = self._flow.traces[roi_id]
        key, line = (self._key, roi_id, self._flow.flow.of(roi_id)), float(trace.lines[window])
        line_before, inspection = self._inspections.get(key, (None, None))
        if isinstance(inspection, str):
            self.text = f"This window cannot be explained: {inspection}."
            return
        if inspection is None or (line != line_before and not inspection.holds(window)):
            self.text = MEASURING
            self._measure(key, roi_id, line)
            return
        try:
            self.reasons = reasons_of(inspection, trace, window)
        except ValueError as error:
            self.text = f"This window cannot be explained: {error}."

    def _measure(self, key: Any, roi_id: int, line: float) -> None:
        from napari_kymflow.flow.inspection import inspect_roi

        statement, record = self._flow.flow.of(roi_id).statement, self._flow.record
        if statement is None or record is None:
            self.text = "It is not known how this ROI was measured. Measure it again."
            return
        if self._asked == key:
            return
        self._asked = key
        path, image_id = record.key
        self._flow.session.window.run(
            partial(inspect_roi, path, image_id, roi_id, statement, line=line),
            partial(self._on_measured, key, line),
            self._on_failed,
        )

    def _on_measured(self, key: Any, line: float, found: "Inspection | str") -> None:
        # One at a time is kept: the likelihoods of a long ROI fill a hundred megabytes.
        self._inspections = {key: (line, found)}
        if self._asked == key:
            self._asked = None
        self._explain()

    def _on_failed(self, error: Exception) -> None:
        self._asked = None
        self.reasons, self.text = None, f"This window cannot be explained: {error}."
        self.changed.emit()
