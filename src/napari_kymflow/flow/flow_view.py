"""What the flow dock shows of the open record, kept up to date with the session. No Qt.

The rule of this room: what is shown is read in a worker; while it is read, what was shown of the same record stays.
"""

import itertools
from collections.abc import Callable
from functools import partial
from typing import Any

from psygnal import Signal

from kymflow_core.roi.bounds import Bounds
from napari_kymflow.flow.curves import describe
from napari_kymflow.flow.heart_beat import beat_average
from napari_kymflow.flow.limits import Limits, fitting_limits, load_limits, save_limits
from napari_kymflow.flow.slopes import Scale, Segment, slopes
from napari_kymflow.flow.state import NO_RECORD, FlowState, Reference, outdated, shown_ids, state_of
from napari_kymflow.flow.traces import RecordFlow, Trace, load_flow
from napari_kymflow.session.open_record import OpenRecord
from napari_kymflow.session.session import KymSession

ON_DARK = ("#56b4e9", "#e69f00", "#f0e442", "#cc79a7")
ON_LIGHT = ("#0072b2", "#d55e00", "#6b5d00", "#8f3f71")
"""The colours of the traces, which colour-blind people tell apart (Okabe and Ito), and darker ones for a light theme."""


class FlowView:
    """The velocities of the open record, and their state in words.

    Parameters
    ----------
    session
        The session.
    """

    changed = Signal()
    """Other traces, or other things to say of them."""
    moved = Signal()
    """The record lies elsewhere on the canvas."""
    pointed = Signal(object)
    """The mouse is at a line on the canvas."""

    def __init__(self, session: KymSession) -> None:
        self.session = session
        self.flow = RecordFlow()
        """What was measured of the open record, as far as it was read."""
        self.is_loading = False
        self.limits: Limits = (-1.0, 1.0)
        """How far the velocity axis reaches."""
        self.shows_older = False
        """Whether the older program's trace is drawn as well."""
        self.shows_slopes = False
        """Whether the measured speed is drawn over the kymograph."""
        self.shows_beats = False
        """Whether the velocity averaged over heart beats is drawn as well."""
        self._averages: dict[int, Trace] = {}
        self.hides_names = False
        """Whether the names of ROIs are hidden, as from a blinded reviewer."""
        self._key: Any = None
        self._loads = 0
        self._are_chosen = False

    def bind(self) -> None:
        """Follow the session."""
        for signal, slot in self._session_connections():
            signal.connect(slot)
        for emitter in self._place_emitters():
            emitter.connect(self._on_moved)
        self.session.viewer.cursor.events.position.connect(self._on_pointed)
        self._on_record_changed()

    def unbind(self) -> None:
        """Stop following: the inverse of `bind`."""
        for signal, slot in self._session_connections():
            signal.disconnect(slot, missing_ok=True)
        for emitter in self._place_emitters():
            emitter.disconnect(self._on_moved)
        self.session.viewer.cursor.events.position.disconnect(self._on_pointed)

    def _session_connections(self) -> list[tuple[Any, Callable[[], None]]]:
        session = self.session
        return [
            (session.record_changed, self._on_record_changed),
            (session.rois_changed, self.changed),
            (session.state_changed, self.changed),
            (session.selection_changed, self._on_selection_changed),
            (session.results_changed, self.load),
        ]

    def _place_emitters(self) -> list[Any]:
        viewer = self.session.viewer
        camera = viewer.scene.camera.events
        return [camera.zoom, camera.center, viewer.canvas.events.size, viewer.dims.events.order]

    @property
    def record(self) -> OpenRecord | None:
        """The open record."""
        return self.session.record

    @property
    def roi_ids(self) -> tuple[int, ...]:
        """The ROIs whose traces are shown."""
        record = self.record
        return shown_ids(self.flow, record.rois, self.session.selected_roi_ids) if record is not None else ()

    @property
    def traces(self) -> dict[int, Trace]:
        """The traces that are shown, by ROI."""
        found = {roi_id: self.flow.of(roi_id).trace for roi_id in self.roi_ids}
        return {roi_id: trace for roi_id, trace in found.items() if trace is not None}

    @property
    def older(self) -> dict[int, Trace]:
        """The older program's traces of the same ROIs; of one that we did not measure also where they are not asked for."""
        found = {roi_id: self.flow.of(roi_id) for roi_id in self.roi_ids}
        wanted = {roi_id: one.older for roi_id, one in found.items() if self.shows_older or one.trace is None}
        return {roi_id: trace for roi_id, trace in wanted.items() if trace is not None}

    def colored_traces(self, *, dark: bool) -> list[tuple[Trace, str, bool]]:
        """Return what is drawn: each trace, its colour on a dark or a light background, and whether it is the older one."""
        colors = ON_DARK if dark else ON_LIGHT
        places = {roi_id: colors[place % len(colors)] for place, roi_id in enumerate(self.roi_ids)}
        older = [(trace, places[roi_id], True) for roi_id, trace in self.older.items()]
        return [*((trace, places[roi_id], False) for roi_id, trace in self.traces.items()), *older]

    @property
    def heart_rates(self) -> dict[int, float]:
        """The heart rate in Hz that was found in each trace that is shown, by ROI; nothing where none was."""
        found = {roi_id: self.flow.of(roi_id).report.get("heart_rate_hz") for roi_id in self.traces}
        return {roi_id: hz for roi_id, hz in found.items() if isinstance(hz, float) and hz > 0}

    def beat_averages(self, *, dark: bool) -> list[tuple[Trace, str]]:
        """Return the velocities averaged over one heart beat, each in its colour; none where nobody wants them."""
        per_line = self.seconds_per_line
        if not self.shows_beats or per_line is None:
            return []
        for roi_id, hz in self.heart_rates.items():
            if roi_id not in self._averages:
                self._averages[roi_id] = beat_average(self.traces[roi_id], hz=hz, seconds_per_line=per_line)
        colors = dict(zip(self.roi_ids, itertools.cycle(ON_DARK if dark else ON_LIGHT), strict=False))
        return [(self._averages[roi_id], colors[roi_id]) for roi_id in self.heart_rates]

    def show_beats(self, *, shows: bool) -> None:
        """Draw the velocity averaged over heart beats as well, or do not."""
        self.shows_beats = shows
        self.changed.emit()

    def hide_names(self, *, hides: bool) -> None:
        """Hide the names of ROIs, or do not."""
        if hides != self.hides_names:
            self.hides_names = hides
            self.changed.emit()

    def describe(self, line: float) -> str:
        """Return what is known of a line, in words."""
        per_line = self.seconds_per_line
        at = f"{line * per_line:.3f} s" if per_line else f"line {line:.0f}"
        said = [text for trace in (self.traces or self.older).values() if (text := describe(trace, line))]
        return f"{at}: {' | '.join(said)}" if said else at

    @property
    def has_older(self) -> bool:
        """Whether there is a trace of the older program for one of the ROIs that are shown."""
        return any(self.flow.of(roi_id).older is not None for roi_id in self.roi_ids)

    @property
    def state(self) -> FlowState:
        """The state of the ROIs that are shown, in words."""
        record = self.record
        if record is None:
            return FlowState(text=NO_RECORD)
        if self.is_loading and not self.flow.rois:
            return FlowState(text="Reading the results …")
        return state_of(self.flow, self.roi_ids, _reference(record), hides_names=self.hides_names)

    def outdated(self, roi_id: int) -> list[str]:
        """Return why the trace of a ROI of the open record does not hold any more; nothing where it does."""
        return [] if self.record is None else outdated(roi_id, self.flow.of(roi_id), _reference(self.record))

    @property
    def unit(self) -> str:
        """The unit of the velocities that are shown."""
        return next((trace.unit for trace in self.traces.values()), "mm/s")

    @property
    def seconds_per_line(self) -> float | None:
        """The open record's time a line; None where it is not known."""
        return self.record.tag.seconds_per_line if self.record is not None else None

    def load(self) -> None:
        """Read the open record's results again, in a worker."""
        record = self.record
        if record is None:
            return
        self._loads += 1
        self.is_loading = True
        number, (path, image_id) = self._loads, record.key
        self.session.window.run(
            partial(load_flow, path, image_id),
            partial(self._on_loaded, number),
            partial(self._on_load_failed, number),
        )

    def fit(self) -> None:
        """Let the velocity axis hold what is shown, whatever the user chose before."""
        self._are_chosen = False
        self._remember(None)
        self._fit_limits()
        self.changed.emit()

    def choose_limits(self, least: float, most: float) -> None:
        """Let the velocity axis reach from one velocity to another from now on, also when the record is opened again."""
        if least < most:
            self._are_chosen, self.limits = True, (least, most)
            self._remember(self.limits)

    def show_older(self, *, shows: bool) -> None:
        """Draw the older program's trace as well, or do not."""
        self.shows_older = shows
        self.changed.emit()

    def show_slopes(self, *, shows: bool) -> None:
        """Draw the measured speed as short lines over the kymograph, or do not."""
        self.shows_slopes = shows
        self.changed.emit()

    def slopes(self, *, dark: bool) -> list[tuple[list[Segment], Bounds, str]]:
        """Return the lines of each ROI that is shown, where the ROI lies, and its colour; none where nobody wants them."""
        record, placement = self.record, self.session.view.placement
        if not self.shows_slopes or record is None or placement is None:
            return []
        colors = dict(zip(self.roi_ids, itertools.cycle(ON_DARK if dark else ON_LIGHT), strict=False))
        scale = Scale(
            seconds_per_line=self.seconds_per_line,
            um_per_pixel=record.tag.um_per_pixel,
            dwell_s=record.image.header.dwell_s,
        )
        places = {roi_id: record.measured.bounds_of(record.rois.get(roi_id)) for roi_id in self.traces}
        return [
            (slopes(trace, placement, place, scale), place, colors[roi_id])
            for roi_id, trace in self.traces.items()
            if (place := places[roi_id]) is not None
        ]

    def zoom(self, line: float, factor: float) -> None:
        """Show less time where the factor is above 1; a line stays where it is."""
        start, stop = self.visible
        self.session.view.show_lines(line - (line - start) / factor, line + (stop - line) / factor)

    def pan(self, lines: float) -> None:
        """Show what lies so many lines later."""
        start, stop = self.visible
        self.session.view.show_lines(start + lines, stop + lines)

    @property
    def visible(self) -> tuple[float, float]:
        """The lines at the two ends of the canvas."""
        placement = self.session.view.placement
        return placement.visible if placement is not None else (0.0, 1.0)

    def _on_record_changed(self) -> None:
        record = self.record
        key = record.key if record is not None else None
        if key != self._key:
            self._key, self.flow, self._are_chosen, self._averages = key, RecordFlow(), False, {}
            chosen = load_limits(self._limits_key()) if record is not None else None
            if chosen is not None:
                self._are_chosen, self.limits = True, chosen
        self.changed.emit()
        self.load()

    def _on_loaded(self, number: int, flow: RecordFlow) -> None:
        if number != self._loads:
            return
        self.is_loading, self.flow, self._averages = False, flow, {}
        self._fit_limits()
        self.changed.emit()

    def _on_load_failed(self, number: int, error: Exception) -> None:
        if number == self._loads:
            self.is_loading = False
            self.changed.emit()

    def _on_selection_changed(self) -> None:
        self._fit_limits()
        self.changed.emit()

    def _on_pointed(self, event: Any = None) -> None:
        if self.record is not None:
            # In napari's world the first line's middle is 0.
            self.pointed.emit(float(self.session.viewer.cursor.position[-2]) + 0.5)

    def _on_moved(self, event: Any = None) -> None:
        self.moved.emit()

    def _fit_limits(self) -> None:
        if not self._are_chosen:
            self.limits = fitting_limits([*self.traces.values(), *self.older.values()])

    def _limits_key(self) -> str:
        record = self.record
        return f"{record.dataset.dataset_id}/{record.image_id}" if record is not None else ""

    def _remember(self, limits: Limits | None) -> None:
        if self.record is not None:
            save_limits(self._limits_key(), limits)


def _reference(record: OpenRecord) -> Reference:
    metadata = record.image.metadata
    return Reference(rois=record.rois, calibration=metadata.header, pixels=metadata.pixels_sha256)
