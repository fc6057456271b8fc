"""An event as a row of the review, and which rows are shown. Pure."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

from kymflow_core.reviews.agreement import Agreement, cohens_kappa
from kymflow_core.reviews.event import UNREVIEWED, Event
from kymflow_core.reviews.order import shuffled
from kymflow_core.reviews.review import Judgement, Review, ReviewedEvent

NOT_FOUND = "no longer detected"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedEvent:
    """An event of one record in the list; `is_there` is false for one that the last analysis has not found again."""

    image_id: str
    title: str
    reviewed: ReviewedEvent
    is_there: bool = True

    @property
    def event(self) -> Event:
        """The event."""
        return self.reviewed.event

    @property
    def key(self) -> tuple[str, Event]:
        """What no other row has."""
        return self.image_id, self.reviewed.event


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewFilter:
    """Which events are shown: of some kinds, with some of the reviewer's verdicts; none means all."""

    kinds: frozenset[str] = field(default_factory=frozenset)
    verdicts: frozenset[str] = field(default_factory=frozenset)
    only_disagreements: bool = False

    def takes(self, one: ListedEvent, reviewer: str) -> bool:
        """Return whether an event is shown."""
        return (
            (not self.kinds or one.event.kind in self.kinds)
            and (not self.verdicts or one.reviewed.by(reviewer).user_type in self.verdicts)
            and (not self.only_disagreements or is_disputed(one.reviewed))
        )


def list_events(
    reviews: Mapping[str, Review], names: Mapping[str, str], *, reviewer: str, blinded_seed: int | None
) -> list[ListedEvent]:
    """Return the rows of a review: in the order of the records and of time, those of lost events last.

    With a `blinded_seed` in the order that it gives, without names, and without what others say or made.
    """
    rows = [
        ListedEvent(image_id=image_id, title=names[image_id], reviewed=one, is_there=is_there)
        for is_there in (True, False)
        for image_id, review in reviews.items()
        for one in (review.events if is_there else review.unmatched)
    ]
    if blinded_seed is None:
        return rows
    own = [one for one in rows if one.is_there and one.event.made_by in ("", reviewer)]
    return [
        ListedEvent(image_id=one.image_id, title=f"event {place}", reviewed=_without_others(one.reviewed, reviewer))
        for place, one in enumerate(shuffled(own, seed=blinded_seed), start=1)
    ]


def is_disputed(one: ReviewedEvent) -> bool:
    """Return whether two reviewers gave an event different verdicts."""
    return len({said.user_type for said in one.judgements.values() if said.is_verdict}) > 1


def agreements_with(rows: Iterable[ListedEvent], reviewer: str) -> list[Agreement]:
    """Return how far a reviewer agrees with each other one, over the events of a list; without a name how far each two."""
    listed = list(rows)
    others = sorted({name for one in listed for name in one.reviewed.judgements} - {reviewer})
    pairs = [(reviewer, other) for other in others] if reviewer else combinations(others, 2)
    return [_agreement(listed, first, second) for first, second in pairs]


def brief(found: Agreement) -> str:
    """Return an agreement in a few words, such as "Ada and Ben: 36 of 40 alike, kappa 0.81"."""
    kappa = f", kappa {found.kappa:.2f}" if math.isfinite(found.kappa) else ""
    alike = f"{found.n_equal} of {found.n} alike" if found.n else "none judged by both"
    return f"{found.first} and {found.second}: {alike}{kappa}"


def count_disputed(rows: Iterable[ListedEvent]) -> int:
    """Return how many events two reviewers gave different verdicts."""
    return sum(is_disputed(one.reviewed) for one in rows)


def texts_of(one: ListedEvent, reviewer: str) -> tuple[str, str, str, str, str]:
    """Return the cells of a row: what it is of, from when to when in s, its kind, the verdict, and what others say."""
    start, end = one.reviewed.seconds(reviewer)
    said = one.reviewed.by(reviewer)
    verdict = said.user_type if not said.note else f"{said.user_type}: {said.note}"
    others = "; ".join(f"{name}: {_short(other)}" for name, other in one.reviewed.judgements.items() if name != reviewer)
    kind = one.event.kind if not one.event.made_by else f"{one.event.kind}, {one.event.origin}"
    if not one.is_there:
        kind = f"{kind}, {NOT_FOUND}"
    return one.title, f"{start:.2f}–{end:.2f}", kind, verdict, others


def kinds_of(rows: Sequence[ListedEvent]) -> list[str]:
    """Return the kinds that occur, sorted."""
    return sorted({one.event.kind for one in rows})


def _agreement(rows: Sequence[ListedEvent], first: str, second: str) -> Agreement:
    pairs = [(one.reviewed.by(first).user_type, one.reviewed.by(second).user_type) for one in rows]
    both = [pair for pair in pairs if UNREVIEWED not in pair]
    return Agreement(
        first=first,
        second=second,
        n=len(both),
        n_equal=sum(one == other for one, other in both),
        kappa=cohens_kappa(both),
    )


def _without_others(one: ReviewedEvent, reviewer: str) -> ReviewedEvent:
    own = {name: said for name, said in one.judgements.items() if name == reviewer}
    return ReviewedEvent(event=one.event, judgements=own)


def _short(said: Judgement) -> str:
    return f"{said.user_type}, edges moved" if said.edges_s else said.user_type
