"""An event as it is reviewed, and the verdicts that there are.

The rule of this room: an event is known by where and what it is, since an analysis that runs again numbers it anew.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import pandas as pd

from kymflow_core.artifacts import METHOD_COLUMN
from kymflow_core.errors import ReviewError
from kymflow_core.velocity_schema import METHODS
from kymflow_zarr import JsonObject, JsonValue

UNREVIEWED = "unreviewed"
TRUE_STALL, REVERSAL, ARTEFACT, OTHER, REJECTED = "true stall", "reversal", "artefact", "other", "rejected"
VERDICTS = (TRUE_STALL, REVERSAL, ARTEFACT, OTHER, REJECTED)
"""What a reviewer can say of an event."""
BY_HAND = "by hand"
DETECTED = "detected"

_NEEDED = ("roi_id", "event_id", "t0_s", "t1_s", "kind")


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """An episode of one ROI, from `t0_s` to `t1_s` in s from the first line; None where it has no end.

    `made_by` is the reviewer who made it by hand, empty where an analysis detected it with `method`.
    """

    roi_id: int
    event_id: str
    kind: str
    t0_s: float
    t1_s: float | None = None
    channel: int = 1
    method: str = ""
    made_by: str = ""

    @property
    def seconds(self) -> tuple[float, float]:
        """From when to when, in s; an event without an end is one moment."""
        return self.t0_s, self.t0_s if self.t1_s is None else self.t1_s

    @property
    def origin(self) -> str:
        """`DETECTED` or `BY_HAND`."""
        return BY_HAND if self.made_by else DETECTED

    def to_json(self) -> dict[str, JsonValue]:
        """Return what a log has: inverse of `from_json`."""
        found: dict[str, JsonValue] = {
            "roi_id": self.roi_id,
            "event_id": self.event_id,
            "kind": self.kind,
            "t0_s": self.t0_s,
            "t1_s": self.t1_s,
            "channel": self.channel,
        }
        further = {METHOD_COLUMN: self.method, "made_by": self.made_by}
        return found | {name: value for name, value in further.items() if value}

    @classmethod
    def from_json(cls, value: JsonObject) -> Self:
        """Read an event of a log; raise `ReviewError` where it is none."""
        roi_id, t0_s, t1_s, channel = (value.get(name) for name in ("roi_id", "t0_s", "t1_s", "channel"))
        texts = [value.get(name, "") for name in ("event_id", "kind", METHOD_COLUMN, "made_by")]
        start, end = _number(t0_s), None if t1_s is None else _number(t1_s)
        whole = isinstance(roi_id, int) and isinstance(channel, int)
        if (
            not whole
            or start is None
            or (end is None) is not (t1_s is None)
            or not all(isinstance(one, str) for one in texts)
        ):
            raise ReviewError(
                f"{str(dict(value))[:200]} is no event: it needs a ROI, a channel, an id, a kind and times in s"
            )
        assert isinstance(roi_id, int)
        assert isinstance(channel, int)
        event_id, kind, method, made_by = map(str, texts)
        return cls(
            roi_id=roi_id,
            event_id=event_id,
            kind=kind,
            t0_s=start,
            t1_s=end,
            channel=channel,
            method=method,
            made_by=made_by,
        )


def events_of(frame: pd.DataFrame) -> tuple[Event, ...]:
    """Return the events of a record's artifact `velocity_events`, ascending by ROI and time.

    A ROI that has events of ours has no others, as in the table `velocity`: nobody reviews one event twice.

    Raises
    ------
    ReviewError
        When the table lacks a column, or has no place for an event in time.
    """
    missing = [name for name in _NEEDED if name not in frame.columns]
    if missing and len(frame):
        raise ReviewError(f"the events lack the columns {missing}; they have {list(frame.columns)}")
    found = [_of_row({str(name): item for name, item in row.items()}) for row in frame.to_dict("records")]
    own = {one.roi_id for one in found if one.method in METHODS}
    shown = [one for one in found if one.method in METHODS or one.roi_id not in own]
    return tuple(sorted(shown, key=lambda one: (one.roi_id, one.t0_s, one.kind, one.event_id)))


def check_span(t0_s: float, t1_s: float) -> None:
    """Raise `ReviewError` where two times are no beginning and end of an event."""
    if not (math.isfinite(t0_s) and math.isfinite(t1_s) and 0 <= t0_s <= t1_s):
        raise ReviewError(f"an event begins at 0 s or later and ends after that; it cannot last from {t0_s} s to {t1_s} s")


def _of_row(row: Mapping[str, object]) -> Event:
    start, end, channel, roi_id = (_number(row.get(name)) for name in ("t0_s", "t1_s", "channel", "roi_id"))
    if start is None or roi_id is None:
        raise ReviewError(f"the event {row.get('event_id')!r} has no ROI or no beginning, and cannot be reviewed")
    stated = row.get(METHOD_COLUMN)
    return Event(
        roi_id=int(roi_id),
        event_id=str(row["event_id"]),
        kind=str(row["kind"]),
        t0_s=start,
        t1_s=end,
        channel=1 if channel is None else int(channel),
        method=stated if isinstance(stated, str) else "",
    )


def _number(value: object) -> float | None:
    """Return a finite number; None for anything else, also for what is missing."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)
