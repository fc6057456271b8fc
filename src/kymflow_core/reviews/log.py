"""What was said of one record's events, on disk: one file for each writer, to which it alone adds.

The rule of this room: a program that reviews a record writes a file of its own. So two programs, or two computers that
synchronize a folder, never write the same file, nothing has to be locked, and the logs of two copies are put together
by copying files.
"""

import uuid
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from kymflow_core.artifacts import REVIEWS
from kymflow_core.errors import ReviewError
from kymflow_core.reviews.entry import ADD, DELETE, EDGES, RESTORE, VERDICT, WITHDRAW, Entry
from kymflow_core.reviews.event import Event, check_span
from kymflow_zarr import JsonObject, JsonValue
from kymflow_zarr.record.attributes import utc_now

FOLDER = f"{REVIEWS}/"
_ENTRIES = "entries"
_JSON = ".json"


class LogReader(Protocol):
    """What holds logs: a `ZarrImageRecord`, or any `ArtifactReader`."""

    def list_analysis_keys(self) -> list[str]:
        """Return the artifacts with their endings."""

    def load_json(self, name: str) -> JsonValue:
        """Return a JSON artifact."""


class LogStore(LogReader, Protocol):
    """What a log is written to: a `ZarrImageRecord`."""

    def save_json(self, name: str, value: JsonValue, *, computed_from: JsonObject | None = None) -> None:
        """Write or replace a JSON artifact."""


def load_logs(record: LogReader) -> dict[str, tuple[Entry, ...]]:
    """Return the entries of all logs of a record, by the name of the artifact.

    Raises
    ------
    ReviewError
        When one cannot be understood; the message names it.
    """
    names = [key.removesuffix(_JSON) for key in record.list_analysis_keys() if _is_log(key)]
    return {name: _entries_of(record.load_json(name), name) for name in names}


def log_to_json(entries: tuple[Entry, ...]) -> dict[str, JsonValue]:
    """Return the JSON artifact of a log."""
    return {_ENTRIES: [one.to_json() for one in entries]}


def load_entries(record: LogReader) -> tuple[Entry, ...]:
    """Return all entries of a record's logs; raise as `load_logs`."""
    return tuple(entry for entries in load_logs(record).values() for entry in entries)


class ReviewLog:
    """The verdicts on one record's events, to which one reviewer adds.

    Parameters
    ----------
    record
        The record. Nothing is written before the first entry.
    reviewer
        The reviewer's name.
    now
        Gives the time, as ISO 8601 text in UTC.

    Raises
    ------
    ReviewError
        When a log of the record cannot be understood.
    """

    def __init__(self, record: LogStore, *, reviewer: str, now: Callable[[], str] = utc_now) -> None:
        self.reviewer = reviewer
        self._record, self._now = record, now
        self._writer = uuid.uuid4().hex
        self._own: tuple[Entry, ...] = ()
        self._others = load_entries(record)

    @property
    def entries(self) -> tuple[Entry, ...]:
        """All entries that are known: those of others as they were when they were read last."""
        return (*self._others, *self._own)

    def reload(self) -> None:
        """Read what others have added since."""
        logs = load_logs(self._record)
        self._others = tuple(one for name, some in logs.items() if name != self._name for one in some)

    def judge(self, event: Event, user_type: str, *, note: str = "", blinded_seed: int | None = None) -> Entry:
        """Give an event a verdict: one of `VERDICTS`, or `UNREVIEWED` to give none; the latest one counts."""
        return self._add(VERDICT, event=event, user_type=user_type, note=note, blinded_seed=blinded_seed)

    def move_edges(self, event: Event, t0_s: float, t1_s: float, *, blinded_seed: int | None = None) -> Entry:
        """Let an event last from one time to another, in s, for this reviewer; what was detected stays known."""
        return self._add(EDGES, event=event, t0_s=t0_s, t1_s=t1_s, blinded_seed=blinded_seed)

    def add_event(self, roi_id: int, t0_s: float, t1_s: float, *, kind: str, channel: int = 1) -> Entry:
        """Make an event by hand, in a ROI, from one time to another in s."""
        check_span(t0_s, t1_s)
        event_id = f"hand-{uuid.uuid4().hex[:12]}"
        event = Event(
            roi_id=roi_id,
            event_id=event_id,
            kind=kind,
            t0_s=float(t0_s),
            t1_s=float(t1_s),
            channel=channel,
            made_by=self.reviewer,
        )
        return self._add(ADD, event=event)

    def delete_event(self, event: Event) -> Entry:
        """Take away an event that was made by hand; what an analysis detected is rejected instead.

        Raises
        ------
        ReviewError
            When it was detected.
        """
        if not event.made_by:
            raise ReviewError(
                f"event {event.event_id} was detected by an analysis and stays; give it the verdict 'rejected'"
            )
        return self._add(DELETE, event=event)

    def withdraw(self, entry: Entry) -> Entry:
        """Take back an entry, whoever made it; it stays in its log, and `restore` makes it count again."""
        return self._add(WITHDRAW, target=entry.entry_id)

    def restore(self, entry: Entry) -> Entry:
        """Let an entry count again that was withdrawn."""
        return self._add(RESTORE, target=entry.entry_id)

    @property
    def _name(self) -> str:
        return f"{FOLDER}{self._writer}"

    def _add(self, action: str, **of_action: Any) -> Entry:
        entry = Entry(
            entry_id=f"{self._writer}-{len(self._own) + 1}",
            number=1 + max((one.number for one in self.entries), default=0),
            utc=self._now(),
            reviewer=self.reviewer,
            action=action,
            **of_action,
        )
        own = (*self._own, entry)
        self._record.save_json(self._name, log_to_json(own))
        self._own = own
        return entry


def _is_log(key: str) -> bool:
    return key.startswith(FOLDER) and key.endswith(_JSON)


def _entries_of(value: JsonValue, name: str) -> tuple[Entry, ...]:
    listed = value.get(_ENTRIES) if isinstance(value, Mapping) else None
    if not isinstance(listed, list):
        raise ReviewError(f"the review {name!r} has no list of entries")
    try:
        return tuple(map(Entry.from_json, listed))
    except ReviewError as error:
        raise ReviewError(f"the review {name!r} cannot be understood: {error}") from error
