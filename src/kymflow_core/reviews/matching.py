"""Which of today's events an event of an earlier analysis is.

The rule of this room: what is not surely the same event is none of today's; it is listed, and never dropped.
"""

from collections.abc import Iterable, Mapping, Sequence

from kymflow_core.reviews.event import Event

LEAST_OVERLAP = 1 / 3
"""The least part that two spans must have in common of all that they cover: two of one length share half of it."""


def overlap(first: Event, second: Event) -> float:
    """Return what two events have in common, as a part of all that they cover together: from 0 to 1 (Jaccard's index)."""
    (start, end), (other_start, other_end) = first.seconds, second.seconds
    common = min(end, other_end) - max(start, other_start)
    if common < 0:
        return 0.0
    covered = max(end, other_end) - min(start, other_start)
    return common / covered if covered else 1.0


def match_events(earlier: Iterable[Event], now: Sequence[Event]) -> Mapping[Event, Event]:
    """Return which event of now each earlier one is; one that is none of them is missing.

    Events made by hand are known by their id. Others must be of one ROI and kind, and overlap by at least
    `LEAST_OVERLAP`; the best pairs come first. Two earlier events that did not overlap each other never become one.
    """
    by_id = {one.event_id: one for one in now if one.made_by}
    detected = [one for one in now if not one.made_by]
    was = list(dict.fromkeys(earlier))
    found = {one: by_id[one.event_id] for one in was if one.made_by and one.event_id in by_id}
    pairs = [
        (-share, old.t0_s, old, event)
        for old in was
        if not old.made_by
        for event in detected
        if (event.roi_id, event.kind) == (old.roi_id, old.kind) and (share := overlap(old, event)) >= LEAST_OVERLAP
    ]
    best: dict[Event, Event] = {}
    for _, _, old, event in sorted(pairs, key=lambda pair: pair[:2]):
        if old not in found and (event not in best or overlap(old, best[event]) > 0):
            found[old] = event
            best.setdefault(event, old)
    return found
