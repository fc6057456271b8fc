"""The events of the open record as bands over time: how a kind looks, which is selected, what moves its edges. No Qt.

The rule of this room: an event lasts as long as the reviewer at work says. Where it is selected does not matter: in the
trace, on the kymograph, in a table or in the review, it is the same selected event.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from psygnal import Signal

from napari_kymflow.review.event_review import EventReview
from napari_kymflow.review.listed import ListedEvent
from napari_kymflow.session.session import KymSession
from napari_kymflow.user.reviewer import last_reviewer, note_reviewer

Edge: TypeAlias = Literal["begin", "end"]

_CLICKING_MODES = ("pan_zoom", "select")
_MOVED_PIXELS = 3
_SHORTEST_LINES = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class EventLook:
    """How a kind of event looks: a colour that colour-blind people tell apart, a hatching, and what it is in words."""

    color: str
    hatch: Literal["\\", "/", "x", "|", "-"]
    text: str


LOOKS: Mapping[str, EventLook] = {
    "low": EventLook(color="#e69f00", hatch="\\", text="slower than before and after"),
    "fast": EventLook(color="#009e73", hatch="/", text="faster than before and after"),
    "reversed": EventLook(color="#d55e00", hatch="x", text="against the main direction"),
    "no evidence": EventLook(color="#8a8a8a", hatch="|", text="no velocity can be told"),
}
"""Okabe and Ito's colours, by the kinds that this program detects."""
_ALIASES: Mapping[str, str] = {"stall": "low", "speed-up": "fast", "reversal": "reversed"}
"""What simulated kymographs call the same."""
OTHER = EventLook(color="#cc79a7", hatch="-", text="detected by another program, or of another kind")


def look_of(kind: str) -> EventLook:
    """Return how a kind of event looks."""
    return LOOKS.get(_ALIASES.get(kind, kind), OTHER)


@dataclass(frozen=True, slots=True, kw_only=True)
class EventBand:
    """An event as it is drawn, from when to when in s from the first line; `text` describes it."""

    roi_id: int
    kind: str
    begin_s: float
    end_s: float
    text: str = ""
    is_selected: bool = False
    listed: ListedEvent | None = None
    """The event; None for one that is being drawn."""

    def distance(self, time_s: float) -> float:
        """Return how far a time is from the band, in s; 0 within it."""
        return max(self.begin_s - time_s, time_s - self.end_s, 0.0)


class ShownEvents:
    """The events of the open record, for whoever draws them and lets the user edit them.

    Parameters
    ----------
    session
        The session, whose review of events is shared with the review dock.
    """

    changed = Signal()
    """Other events, other edges, or another selected one."""

    def __init__(self, session: KymSession) -> None:
        self._session = session
        self.review = session.shared(EventReview)
        """What changes events, and undoes it."""
        self._of_record: list[ListedEvent] = []
        self._drawn: tuple[float, float] | None = None
        self._moved: tuple[float, float] | None = None

    def bind(self) -> None:
        """Follow the session and the review."""
        session = self._session
        session.record_changed.connect(self._on_record_changed)
        session.results_changed.connect(self.review.load_open_record)
        session.event_selected.connect(self._on_event_selected)
        self.review.changed.connect(self._on_review_changed)
        session.viewer.mouse_drag_callbacks.append(self._on_mouse_drag)
        if not self.review.reviewer:
            self.review.reviewer = last_reviewer()
        self._on_record_changed()

    def unbind(self) -> None:
        """Stop following: the inverse of `bind`."""
        session = self._session
        session.record_changed.disconnect(self._on_record_changed, missing_ok=True)
        session.results_changed.disconnect(self.review.load_open_record, missing_ok=True)
        session.event_selected.disconnect(self._on_event_selected, missing_ok=True)
        self.review.changed.disconnect(self._on_review_changed, missing_ok=True)
        session.viewer.mouse_drag_callbacks.remove(self._on_mouse_drag)

    @property
    def why_not(self) -> str:
        """Why no event can be changed now; empty where it can."""
        return self.review.why_not

    @property
    def needs_name(self) -> bool:
        """Whether nothing but the reviewer's name is missing to change events."""
        return not self.review.reviewer and self._session.dataset is not None and not self._session.is_read_only

    def enter_name(self, name: str) -> None:
        """Work as a reviewer from now on, also the next time."""
        note_reviewer(name.strip())
        self.review.reviewer = name

    def bands(self, roi_ids: Sequence[int]) -> list[EventBand]:
        """Return the events of some ROIs of the open record, and last the one that is being drawn."""
        found = [self._band(one) for one in self._of_record if one.event.roi_id in roi_ids]
        if self._drawn is not None and roi_ids:
            begin, end = sorted(self._drawn)
            text = f"new event, {_span(begin, end)}"
            drawn = EventBand(roi_id=roi_ids[0], kind="new event", begin_s=begin, end_s=end, text=text, is_selected=True)
            found.append(drawn)
        return found

    def at(self, time_s: float, roi_ids: Sequence[int], *, reach_s: float) -> EventBand | None:
        """Return the event at a time, or near it: of several the shortest; None where there is none."""
        near = [band for band in self.bands(roi_ids) if band.distance(time_s) <= reach_s and band.listed is not None]
        return min(near, key=lambda band: (band.distance(time_s), band.end_s - band.begin_s), default=None)

    def edge_at(self, time_s: float, roi_ids: Sequence[int], *, reach_s: float) -> Edge | None:
        """Return which edge of the selected event is near a time; None where none is."""
        selected = next((band for band in self.bands(roi_ids) if band.is_selected), None)
        if selected is None:
            return None
        to_begin, to_end = abs(time_s - selected.begin_s), abs(time_s - selected.end_s)
        if min(to_begin, to_end) > reach_s:
            return None
        # The edges of an event that is one moment lie at one place: it is drawn out to the side of the mouse.
        nearer_begin = to_begin < to_end or (to_begin == to_end and time_s < selected.begin_s)
        return "begin" if nearer_begin else "end"

    def select(self, band: EventBand | None) -> None:
        """Select an event wherever it is seen; None selects none."""
        if band is None or band.listed is None:
            self._session.select_event(None)
        else:
            self.review.select(band.listed)

    def select_at(self, line: float, pixel: float) -> EventBand | None:
        """Select the event at a line and a pixel of the record, if its ROI is there; return it."""
        record = self._session.record
        per_line = record.tag.seconds_per_line if record is not None else None
        if record is None or per_line is None:
            return None
        bounds = {roi.roi_id: record.measured.bounds_of(roi) for roi in record.rois}
        here = [roi_id for roi_id, one in bounds.items() if one is not None and one.x0 <= pixel < one.x1]
        placement = self._session.view.placement
        reach = _MOVED_PIXELS / placement.zoom if placement is not None else 0.0
        band = self.at(line * per_line, here, reach_s=reach * per_line)
        if band is not None:
            self.select(band)
        return band

    def move_edge(self, edge: Edge, time_s: float) -> None:
        """Show an edge of the selected event at another time, until it is kept or put back."""
        one = self.review.current
        if one is not None:
            begin, end = one.reviewed.seconds(self.review.reviewer)
            kept, at = (end if edge == "begin" else begin), self._within(time_s)
            self._moved = (min(kept, at), max(kept, at))
            self.changed.emit()

    def keep_edges(self) -> None:
        """Store the edges of the selected event as they are shown.

        Raises
        ------
        KymflowError, KymflowZarrError
            When they cannot be stored; they go back then.
        """
        moved, self._moved = self._moved, None
        if moved is not None:
            self.changed.emit()
            self.review.move_edges(*moved)

    def put_edges_back(self) -> None:
        """Show the edges of the selected event where they were."""
        self._moved = None
        self.changed.emit()

    def draw(self, begin_s: float, end_s: float) -> None:
        """Show an event that is being drawn, from one time to another."""
        self._drawn = self._within(begin_s), self._within(end_s)
        self.changed.emit()

    def stop_drawing(self) -> tuple[float, float] | None:
        """Show it no more, and return from when to when it lasts in s; None where it is shorter than a line."""
        drawn, self._drawn = self._drawn, None
        self.changed.emit()
        record = self._session.record
        per_line = record.tag.seconds_per_line if record is not None else None
        if drawn is None or per_line is None or abs(drawn[1] - drawn[0]) < _SHORTEST_LINES * per_line:
            return None
        return min(drawn), max(drawn)

    @property
    def selected_is_by_hand(self) -> bool:
        """Whether the selected event was made by hand, and can be deleted."""
        one = self.review.current
        return one is not None and self._is_selected(one) and bool(one.event.made_by)

    @property
    def kinds(self) -> list[str]:
        """The kinds that a new event can have: those that this program detects, and others that the record has."""
        return [*LOOKS, *sorted({one.event.kind for one in self._of_record} - LOOKS.keys())]

    def _within(self, time_s: float) -> float:
        record = self._session.record
        per_line = record.tag.seconds_per_line if record is not None else None
        return max(0.0, min(time_s, record.shape[0] * per_line if record is not None and per_line else time_s))

    def _band(self, one: ListedEvent) -> EventBand:
        is_selected = self._is_selected(one)
        begin, end = one.reviewed.seconds(self.review.reviewer)
        if is_selected and self._moved is not None:
            begin, end = self._moved
        said = one.reviewed.by(self.review.reviewer)
        parts = [f"event: {one.event.kind}", _span(begin, end), look_of(one.event.kind).text]
        parts += ["made by hand"] if one.event.made_by else []
        parts += [said.user_type] if said.is_verdict else []
        return EventBand(
            roi_id=one.event.roi_id,
            kind=one.event.kind,
            begin_s=begin,
            end_s=end,
            text=", ".join(parts),
            is_selected=is_selected,
            listed=one,
        )

    def _is_selected(self, one: ListedEvent) -> bool:
        event = self._session.event
        return event is not None and event.is_of(one.image_id, one.event)

    def _on_record_changed(self) -> None:
        self._drawn = self._moved = None
        self._on_review_changed()
        self.review.load_open_record()

    def _on_review_changed(self) -> None:
        image_id = self._session.image_id
        self._of_record = [one for one in self.review.events if one.image_id == image_id and one.is_there]
        self.changed.emit()

    def _on_event_selected(self, event: object) -> None:
        self._moved = None
        self.changed.emit()

    def _on_mouse_drag(self, viewer: Any, event: Any) -> Iterator[None]:
        """Select the event that is clicked on the kymograph; a drag, and a click that draws, are no such click."""
        record, pressed = self._session.record, tuple(event.pos)
        if record is None or event.button != 1 or str(record.sync.layer.mode) not in _CLICKING_MODES:
            return
        yield
        while event.type == "mouse_move":
            yield
        if max(abs(now - then) for now, then in zip(event.pos, pressed, strict=True)) <= _MOVED_PIXELS:
            # In napari's world the middle of the first line and of the first pixel is 0.
            line, pixel = (float(at) for at in event.position[-2:])
            self.select_at(line + 0.5, pixel / record.tag.stretch + 0.5)


def _span(begin_s: float, end_s: float) -> str:
    if begin_s == end_s:
        return f"at {begin_s:.2f} s"
    return f"{begin_s:.2f} to {end_s:.2f} s ({1000 * (end_s - begin_s):.0f} ms)"
