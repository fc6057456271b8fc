"""One thing that a reviewer did: a line of a log, which nobody changes afterwards.

The rule of this room: taking something back is a line too, so that who said what, and when, is never lost.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self

from kymflow_core.errors import ReviewError
from kymflow_core.reviews.event import UNREVIEWED, VERDICTS, Event, check_span
from kymflow_zarr import JsonValue

VERDICT, EDGES, ADD, DELETE, WITHDRAW, RESTORE = "verdict", "edges", "add", "delete", "withdraw", "restore"
ACTIONS = (VERDICT, EDGES, ADD, DELETE, WITHDRAW, RESTORE)
_ABOUT_ENTRIES = (WITHDRAW, RESTORE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What one reviewer did at one time.

    `entry_id` is that of no other entry in any dataset. `number` is higher than that of every entry which the reviewer's
    program knew, so that the order holds whatever a clock says. `event` is the event as it was then: it has a verdict
    `user_type` with a `note`, new edges from `t0_s` to `t1_s` in s, or was added or deleted. `target` is the entry that is
    withdrawn or restored. `blinded_seed` is the seed of the order in which the events were shown, where names were hidden.

    Raises
    ------
    ReviewError
        When it is none of this.
    """

    entry_id: str
    number: int
    utc: str
    reviewer: str
    action: str
    event: Event | None = None
    user_type: str = UNREVIEWED
    note: str = ""
    t0_s: float | None = None
    t1_s: float | None = None
    target: str = ""
    blinded_seed: int | None = None

    def __post_init__(self) -> None:
        if self.action not in ACTIONS:
            raise ReviewError(f"an entry of a review is one of {', '.join(ACTIONS)}, not {self.action!r}")
        if not self.reviewer.strip():
            raise ReviewError("a review needs the name of its reviewer; enter one")
        if self.user_type not in (UNREVIEWED, *VERDICTS):
            raise ReviewError(f"a verdict is one of {', '.join((UNREVIEWED, *VERDICTS))}, not {self.user_type!r}")
        if (self.event is None) is not (self.action in _ABOUT_ENTRIES) or bool(self.target) is (self.event is not None):
            raise ReviewError(f"an entry {self.action!r} needs {'an entry' if self.event else 'an event'} that it is about")
        if self.action == EDGES:
            if self.t0_s is None or self.t1_s is None:
                raise ReviewError("edges are two times in s")
            check_span(self.t0_s, self.t1_s)

    def to_json(self) -> dict[str, JsonValue]:
        """Return what a log has: inverse of `from_json`."""
        found: dict[str, JsonValue] = {
            "entry_id": self.entry_id,
            "number": self.number,
            "utc": self.utc,
            "reviewer": self.reviewer,
            "action": self.action,
        }
        if self.event is not None:
            found["event"] = self.event.to_json()
        if self.action == VERDICT:
            found |= {"user_type": self.user_type, "note": self.note}
        if self.action == EDGES:
            found |= {"t0_s": self.t0_s, "t1_s": self.t1_s}
        if self.target:
            found["target"] = self.target
        if self.blinded_seed is not None:
            found["blinded_seed"] = self.blinded_seed
        return found

    @classmethod
    def from_json(cls, value: JsonValue) -> Self:
        """Read an entry of a log; raise `ReviewError` where it is none."""
        if not isinstance(value, Mapping):
            raise ReviewError(f"{str(value)[:100]!r} is no entry of a review")
        texts = {
            name: value.get(name, default)
            for name, default in (
                ("entry_id", ""),
                ("utc", ""),
                ("reviewer", ""),
                ("action", ""),
                ("user_type", UNREVIEWED),
                ("note", ""),
                ("target", ""),
            )
        }
        number, seed, event = value.get("number"), value.get("blinded_seed"), value.get("event")
        t0_s, t1_s = value.get("t0_s"), value.get("t1_s")
        numbers = all(one is None or isinstance(one, int | float) for one in (t0_s, t1_s))
        if (
            not all(isinstance(one, str) for one in texts.values())
            or not isinstance(number, int)
            or not isinstance(seed, int | None)
            or not isinstance(event, Mapping | None)
            or not numbers
        ):
            raise ReviewError(f"{str(dict(value))[:200]} is no entry of a review")
        return cls(
            number=number,
            blinded_seed=seed,
            event=None if event is None else Event.from_json(event),
            t0_s=t0_s if isinstance(t0_s, int | float) else None,
            t1_s=t1_s if isinstance(t1_s, int | float) else None,
            **{name: str(text) for name, text in texts.items()},
        )


def live_entries(entries: Iterable[Entry]) -> list[Entry]:
    """Return the entries that count, in the order in which they were made: without those that were withdrawn."""
    ordered = sorted(entries, key=lambda one: (one.number, one.utc, one.entry_id))
    withdrawn: set[str] = set()
    for entry in ordered:
        if entry.action == WITHDRAW:
            withdrawn.add(entry.target)
        elif entry.action == RESTORE:
            withdrawn.discard(entry.target)
    return [one for one in ordered if one.entry_id not in withdrawn and one.action not in _ABOUT_ENTRIES]
