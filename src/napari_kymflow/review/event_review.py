"""The review of the open dataset: the event that is shown, the next one, the verdict by key, undo, the progress. No Qt.

The rule of this room: a verdict is on disk before the next event is shown.
"""

from collections.abc import Callable, Mapping
from functools import partial

from napari.layers import Shapes
from psygnal import Signal

from kymflow_core.reviews.agreement import Agreement
from kymflow_core.reviews.entry import Entry
from kymflow_core.reviews.event import UNREVIEWED, VERDICTS
from kymflow_core.reviews.history import ReviewHistory, ReviewStep
from kymflow_core.reviews.log import ReviewLog
from kymflow_core.reviews.order import seed_of
from kymflow_core.reviews.review import Judgement, Review, progress_text, review_of
from napari_kymflow.layers.tags import layer_name, tag_of
from napari_kymflow.review.listed import ListedEvent, ReviewFilter, agreements_with, list_events
from napari_kymflow.review.loading import LoadedReviews, load_reviews
from napari_kymflow.session.selected_event import SelectedEvent
from napari_kymflow.session.session import KymSession

VERDICT_KEYS: Mapping[str, str] = {"0": UNREVIEWED, **{str(key): one for key, one in enumerate(VERDICTS, start=1)}}
"""The key of each verdict; 0 takes it back."""


class EventReview:
    """What one reviewer does with the events of the session's dataset.

    Parameters
    ----------
    session
        The session, in which the record of an event is opened.
    """

    changed = Signal()
    """The list, a verdict, or the progress changed."""
    current_changed = Signal()
    """Another event is shown, or none."""

    def __init__(self, session: KymSession) -> None:
        self._session = session
        self._loaded: LoadedReviews | None = None
        self._reviews: dict[str, Review] = {}
        self._logs: dict[str, ReviewLog] = {}
        self._history = ReviewHistory()
        self._reviewer = ""
        self._seed: int | None = None
        self._filters = ReviewFilter()
        self._all: list[ListedEvent] = []
        self.shown: list[ListedEvent] = []
        """The events that the filter lets through, and the one that is shown, in their order."""
        self.current: ListedEvent | None = None
        """The event that is shown."""
        session.event_selected.connect(self.on_event_selected)

    @property
    def reviewer(self) -> str:
        """Whose verdicts are given."""
        return self._reviewer

    @reviewer.setter
    def reviewer(self, name: str) -> None:
        if name.strip() == self._reviewer:
            return
        self._reviewer = name.strip()
        self._logs.clear()
        self._history = ReviewHistory()
        if self.is_blinded:
            # Another reviewer has another order, and begins at its beginning.
            self._seed, self.current = self._own_seed(), None
        self._list()

    @property
    def is_blinded(self) -> bool:
        """Whether names, conditions and what others say are hidden, and the order is that of a seed."""
        return self._seed is not None

    @is_blinded.setter
    def is_blinded(self, value: bool) -> None:
        self._seed = self._own_seed() if value else None
        self.current = None
        self._list()
        self._session.with_record(lambda record: self._name_layers(record.name))

    @property
    def filters(self) -> ReviewFilter:
        """Which events are shown."""
        return self._filters

    @filters.setter
    def filters(self, value: ReviewFilter) -> None:
        self._filters = value
        self._list()

    @property
    def events(self) -> list[ListedEvent]:
        """All events, whatever the filter shows."""
        return self._all

    @property
    def problems(self) -> Mapping[str, str]:
        """Which records could not be read, and why, by image id."""
        return self._loaded.problems if self._loaded else {}

    @property
    def why_not(self) -> str:
        """Why no verdict can be given now; empty where it can."""
        if self._session.dataset is None:
            return "Open a dataset first."
        if self._session.is_read_only:
            return f"The dataset is read-only ({self._session.is_read_only}), so no verdict can be stored."
        return "" if self._reviewer else "Enter your name: each verdict is stored with its reviewer."

    @property
    def can_undo(self) -> bool:
        """Whether there is something to take back."""
        return self._history.can_undo

    @property
    def can_redo(self) -> bool:
        """Whether there is something to do again."""
        return self._history.can_redo

    @property
    def progress(self) -> str:
        """How far the reviewer is with the events that are of the chosen kinds, such as "37 of 212 reviewed"."""
        kinds = self._filters.kinds
        counted = [one for one in self._all if one.is_there and (not kinds or one.event.kind in kinds)]
        return progress_text(sum(one.reviewed.by(self._reviewer).is_verdict for one in counted), len(counted))

    @property
    def agreements(self) -> list[Agreement]:
        """How far the reviewer agrees with each other one, without a name how far each two; nothing where it is blinded."""
        return [] if self.is_blinded else agreements_with(self._all, self._reviewer)

    def load(self) -> None:
        """Read the events of the open dataset anew; in a window a worker does it."""
        path = self._session.path
        if path is None:
            self._loaded = None
            self._reviews.clear()
            self._list()
            return
        self._session.window.run(partial(load_reviews, path), self._take_up)

    def load_open_record(self) -> None:
        """Read the events of the open record anew, beside those of others that were read; in a window a worker does it."""
        path, image_id = self._session.path, self._session.image_id
        if path is not None and image_id is not None:
            self._session.window.run(partial(load_reviews, path, [image_id]), partial(self._take_up, adds=True))

    def show(self, one: ListedEvent | None) -> None:
        """Show an event: open its record, go to it on the canvas, and select it in the session."""
        if one is not None and one.key == (self.current.key if self.current else None):
            return
        self.current = one
        self._list()
        self.current_changed.emit()
        if one is None:
            self._session.select_event(None)
            return
        if not self._session.open_record(one.image_id):
            return
        self._name_layers(one.title)
        start, end = one.reviewed.seconds(self._reviewer)
        event = one.event
        name = one.title if self.is_blinded else f"event {event.origin}" if event.made_by else f"event {event.event_id}"
        caption = f"{name}: {event.kind}" + ("" if self.is_blinded else f" at {start:.2f} s")
        self._session.with_record(
            lambda record: record.go_to(
                roi_id=event.roi_id,
                seconds=(start, end),
                caption=caption,
            )
        )
        self._select_in_session()

    def step(self, by: int) -> None:
        """Show the event that many places further in the list, or back; at an end the one that is shown stays."""
        if not self.shown:
            return
        keys = [one.key for one in self.shown]
        if self.current is None or self.current.key not in keys:
            self.show(self.shown[0 if by > 0 else -1])
            return
        place = keys.index(self.current.key) + by
        if 0 <= place < len(self.shown):
            self.show(self.shown[place])

    def judge(self, verdict: str, *, note: str | None = None) -> None:
        """Give the event that is shown a verdict, and go on to the next one; without a `note` its note stays.

        Raises
        ------
        KymflowError, KymflowZarrError
            When it cannot be stored; the event that is shown stays.
        """
        said, one = self._said(), self.current
        if one is None:
            return
        seed = self._seed
        kept = said.note if note is None else note
        self._do(one.image_id, lambda log: log.judge(one.event, verdict, note=kept, blinded_seed=seed))
        if note is None:
            self.step(1)

    def write_note(self, note: str) -> None:
        """Write a note to the event that is shown; its verdict stays. Raises as `judge`."""
        if note != self._said().note:
            self.judge(self._said().user_type, note=note)

    def move_edges(self, t0_s: float, t1_s: float) -> None:
        """Let the event that is shown last from one time to another, in s. Raises as `judge`."""
        one, seed = self.current, self._seed
        if one is not None:
            self._do(one.image_id, lambda log: log.move_edges(one.event, t0_s, t1_s, blinded_seed=seed))
            self._select_in_session()

    def add_event(self, roi_id: int, t0_s: float, t1_s: float, *, kind: str) -> None:
        """Make an event in the open record, from one time to another in s, and select it. Raises as `judge`."""
        image_id = self._session.image_id
        if image_id is None:
            return
        entry = self._do(image_id, lambda log: log.add_event(roi_id, t0_s, t1_s, kind=kind))
        self.select(next((one for one in self._all if one.event == entry.event), None))

    def delete_event(self, *, goes_on: bool = True) -> None:
        """Take away the event that is shown, which was made by hand, and show the next one, or none where not `goes_on`.

        Raises as `judge`, also for a detected one.
        """
        one = self.current
        if one is not None:
            if goes_on:
                self.step(1 if one.key != self.shown[-1].key else -1)
            else:
                self._session.select_event(None)
            self._do(one.image_id, lambda log: log.delete_event(one.event))

    def undo(self) -> None:
        """Take back what was done last, and show the event that it was about. Raises as `judge`."""
        self._after(self._history.undo(ReviewStep.withdraw))

    def redo(self) -> None:
        """Do again what was taken back last. Raises as `judge`."""
        self._after(self._history.redo(ReviewStep.restore))

    def on_event_selected(self, selected: SelectedEvent | None) -> None:
        """Take up the event that was selected elsewhere, as in the trace or a table, where it is seen already."""
        if selected is None:
            if self.current is not None:
                self.select(None)
            return
        if self.current is None or not selected.is_of(*self.current.key):
            found = next((one for one in self._all if selected.is_of(*one.key)), None)
            if found is not None:
                self.select(found)

    def select(self, one: ListedEvent | None) -> None:
        """Let an event be the one that is shown where it is seen already: the canvas stays where it is."""
        self.current = one
        self._list()
        if one is not None and self.is_blinded and one.image_id == self._session.image_id:
            self._name_layers(one.title)
        self.current_changed.emit()
        self._select_in_session()

    def _select_in_session(self) -> None:
        one = self.current
        if one is not None:
            seconds = one.reviewed.seconds(self._reviewer)
            self._session.select_event(SelectedEvent.of(one.image_id, one.event, seconds=seconds))

    def _name_layers(self, name: str) -> None:
        """Give the layers of the open record a name, which a blinded reviewer must not see."""
        if self.is_blinded and self.current is None:
            name = "an event"
        for layer in self._session.viewer.layers:
            tag = tag_of(layer)
            if tag is not None and tag.key == self._session.key and tag.role in ("pixels", "rois"):
                layer.name = layer_name(name, tag)
                if isinstance(layer, Shapes):
                    # The names of ROIs are names too.
                    layer.text.visible = not self.is_blinded

    def _said(self) -> Judgement:
        return self.current.reviewed.by(self._reviewer) if self.current else Judgement()

    def _do(self, image_id: str, action: Callable[[ReviewLog], Entry]) -> Entry:
        log = self._log(image_id)
        entry = action(log)
        self._history.push(ReviewStep(log, entry))
        self._renew(image_id)
        return entry

    def _log(self, image_id: str) -> ReviewLog:
        if image_id not in self._logs:
            if self._session.dataset is None:
                raise RuntimeError("open a dataset first")
            self._logs[image_id] = ReviewLog(self._session.dataset.record(image_id), reviewer=self._reviewer)
        return self._logs[image_id]

    def _after(self, step: ReviewStep | None) -> None:
        if step is None:
            return
        image_id = next(image_id for image_id, log in self._logs.items() if log is step.log)
        self._renew(image_id)
        about = step.entry.event
        self.show(next((one for one in self._all if one.key == (image_id, about)), self.current))

    def _take_up(self, loaded: LoadedReviews, *, adds: bool = False) -> None:
        if loaded.path != self._session.path:
            return
        if self._loaded is None or self._loaded.path != loaded.path:
            self._logs.clear()
            self._history = ReviewHistory()
            self.current = None
        read = loaded.records
        if adds and self._loaded is not None and self._loaded.path == loaded.path:
            loaded = self._loaded.with_anew(loaded)
        for image_id in read.keys() & self._logs.keys():
            self._logs[image_id].reload()
        self._loaded = loaded
        order = {image_id: place for place, image_id in enumerate(self._session.image_ids)}
        records = sorted(loaded.records.items(), key=lambda item: order.get(item[0], len(order)))
        self._reviews = {image_id: review_of(one.detected, self._entries(image_id)) for image_id, one in records}
        if self.is_blinded:
            self._seed = self._own_seed()
        self._list()

    def _renew(self, image_id: str) -> None:
        """Make one record's review again after something was said, and let the tables follow."""
        if self._loaded is not None and image_id in self._loaded.records:
            self._reviews[image_id] = review_of(self._loaded.records[image_id].detected, self._entries(image_id))
        self._list()
        self._session.saved.emit(image_id)

    def _entries(self, image_id: str) -> tuple[Entry, ...]:
        """Return the entries of a record's log, also those that this reviewer made since it was read."""
        log = self._logs.get(image_id)
        if log is not None:
            return log.entries
        return self._loaded.records[image_id].entries if self._loaded is not None else ()

    def _own_seed(self) -> int:
        entries = [entry for one in self._loaded.records.values() for entry in one.entries] if self._loaded else []
        return seed_of(self._loaded.dataset_id if self._loaded else "", self._reviewer, entries)

    def _list(self) -> None:
        names = {image_id: one.name for image_id, one in self._loaded.records.items()} if self._loaded else {}
        self._all = list_events(self._reviews, names, reviewer=self._reviewer, blinded_seed=self._seed)
        key = self.current.key if self.current else None
        self.current = next((one for one in self._all if one.key == key), None)
        self.shown = [one for one in self._all if one.key == key or self._filters.takes(one, self._reviewer)]
        self.changed.emit()
