"""The state of one record's review: today's events, with what each reviewer says of them.

The rule of this room: it follows from the events and the logs alone; nothing of it is stored.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

import pandas as pd

from kymflow_core.artifacts import VELOCITY_EVENTS
from kymflow_core.reviews.entry import ADD, DELETE, EDGES, VERDICT, Entry, live_entries
from kymflow_core.reviews.event import UNREVIEWED, Event, events_of
from kymflow_core.reviews.log import LogReader, load_entries
from kymflow_core.reviews.matching import match_events


class ReviewedRecord(LogReader, Protocol):
    """What a review is read from: a `ZarrImageRecord`, or any `ArtifactReader`."""

    def load_df_parquet(self, name: str) -> pd.DataFrame:
        """Return a table artifact."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What one reviewer says of one event: a verdict with a note, and edges in s where they were moved.

    `utc` is when that was said last; `blinded_seed` is the seed of the order, where names were hidden for the verdict.
    """

    user_type: str = UNREVIEWED
    note: str = ""
    edges_s: tuple[float, float] | None = None
    utc: str = ""
    blinded_seed: int | None = None

    @property
    def is_verdict(self) -> bool:
        """Whether there is a verdict."""
        return self.user_type != UNREVIEWED


NOTHING_SAID = Judgement()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewedEvent:
    """An event with what each reviewer says of it, by the reviewer's name."""

    event: Event
    judgements: Mapping[str, Judgement] = field(default_factory=dict)

    def by(self, reviewer: str) -> Judgement:
        """Return what a reviewer says; nothing where they said nothing."""
        return self.judgements.get(reviewer, NOTHING_SAID)

    def seconds(self, reviewer: str) -> tuple[float, float]:
        """Return from when to when the event lasts for a reviewer, in s."""
        return self.by(reviewer).edges_s or self.event.seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """The events of one record as they are now, and what was said of events that are no longer there."""

    events: tuple[ReviewedEvent, ...] = ()
    unmatched: tuple[ReviewedEvent, ...] = ()

    @property
    def reviewers(self) -> tuple[str, ...]:
        """Everybody who said something, sorted."""
        return tuple(sorted({name for one in (*self.events, *self.unmatched) for name in one.judgements}))


def load_review(record: ReviewedRecord) -> Review:
    """Return the review of a record.

    Raises
    ------
    ReviewError
        When its events or a log cannot be understood.
    """
    return review_of(load_events(record), load_entries(record))


def load_events(record: ReviewedRecord) -> tuple[Event, ...]:
    """Return the events that analyses detected in a record; none where nobody looked for them."""
    try:
        frame = record.load_df_parquet(VELOCITY_EVENTS)
    except FileNotFoundError:
        return ()
    return events_of(frame)


def review_of(detected: Iterable[Event], entries: Iterable[Entry]) -> Review:
    """Return the review that follows from detected events and the entries of all logs."""
    live = live_entries(entries)
    made = {one.event.event_id: one.event for one in live if one.action == ADD and one.event}
    for entry in live:
        if entry.action == DELETE and entry.event:
            made.pop(entry.event.event_id, None)
    there = (*detected, *made.values())
    said = [(one.event, one) for one in live if one.action in (VERDICT, EDGES) and one.event]
    now = match_events((event for event, _ in said), there)
    judgements: dict[Event, dict[str, Judgement]] = {one: {} for one in there}
    lost: dict[Event, dict[str, Judgement]] = {}
    for event, entry in said:
        of_event = judgements[now[event]] if event in now else lost.setdefault(event, {})
        of_event[entry.reviewer] = _with(of_event.get(entry.reviewer, NOTHING_SAID), entry)
    ordered = sorted(judgements, key=lambda one: (one.roi_id, one.t0_s, one.kind, one.event_id))
    return Review(
        events=tuple(ReviewedEvent(event=one, judgements=judgements[one]) for one in ordered),
        unmatched=tuple(ReviewedEvent(event=one, judgements=some) for one, some in lost.items() if _says_something(some)),
    )


def progress_text(n_reviewed: int, n_events: int) -> str:
    """Return how far a review is, such as "37 of 212 reviewed"."""
    return f"{n_reviewed} of {n_events} reviewed" if n_events else "no events to review"


def chosen(
    events: Iterable[ReviewedEvent], *, reviewer: str, kinds: Iterable[str] = (), verdicts: Iterable[str] = ()
) -> list[ReviewedEvent]:
    """Return the events of some kinds that have some of a reviewer's verdicts, `UNREVIEWED` among them; none means all."""
    of_kinds, of_verdicts = frozenset(kinds), frozenset(verdicts)
    return [
        one
        for one in events
        if (not of_kinds or one.event.kind in of_kinds) and (not of_verdicts or one.by(reviewer).user_type in of_verdicts)
    ]


def _with(judgement: Judgement, entry: Entry) -> Judgement:
    if entry.action == EDGES and entry.t0_s is not None and entry.t1_s is not None:
        return replace(judgement, edges_s=(entry.t0_s, entry.t1_s), utc=entry.utc)
    return replace(judgement, user_type=entry.user_type, note=entry.note, utc=entry.utc, blinded_seed=entry.blinded_seed)


def _says_something(judgements: Mapping[str, Judgement]) -> bool:
    return any(one.is_verdict or one.note or one.edges_s for one in judgements.values())
