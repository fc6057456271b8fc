"""How far two reviewers agree, and about which events they do not.

The rule of this room: only events that both gave a verdict count; how many these are is always stated with a number.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import pandas as pd

from kymflow_core.reviews.event import UNREVIEWED

_EVENT = ["image_id", "roi_id", "channel", "event_id", "kind", "detected_t0_s"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How far two reviewers agree.

    `n` events have a verdict of both, of which `n_equal` have the same. `kappa` is Cohen's: the agreement beyond that of
    chance, 1 where they agree always, 0 where no more often than by chance; NaN where it has no value, as where nothing was
    judged by both, or both gave one and the same verdict throughout.

    References
    ----------
    J. Cohen, A coefficient of agreement for nominal scales, Educational and Psychological Measurement 20, 37 (1960).
    """

    first: str
    second: str
    n: int
    n_equal: int
    kappa: float

    def summary(self) -> str:
        """Return one line, such as "Ada and Ben: 40 events judged by both, 36 alike (90 %), kappa 0.81"."""
        text = f"{self.first} and {self.second}: {self.n} event{'' if self.n == 1 else 's'} judged by both"
        if not self.n:
            return text
        kappa = f"kappa {self.kappa:.2f}" if math.isfinite(self.kappa) else "kappa has no value"
        return f"{text}, {self.n_equal} alike ({100 * self.n_equal / self.n:.0f} %), {kappa}"


def cohens_kappa(pairs: Sequence[tuple[str, str]]) -> float:
    """Return Cohen's kappa of pairs of verdicts; NaN where it has no value."""
    n = len(pairs)
    if not n:
        return math.nan
    equal = sum(first == second for first, second in pairs) / n
    firsts, seconds = Counter(first for first, _ in pairs), Counter(second for _, second in pairs)
    by_chance = sum(firsts[one] * seconds[one] for one in firsts) / n**2
    return math.nan if by_chance == 1 else (equal - by_chance) / (1 - by_chance)


def reviewers_of(reviews: pd.DataFrame) -> list[str]:
    """Return who gave a verdict in rows of the table `reviews`, sorted."""
    return sorted(set(reviews.loc[reviews["user_type"] != UNREVIEWED, "reviewer"]))


def agreement(reviews: pd.DataFrame, first: str, second: str) -> Agreement:
    """Return how far two reviewers agree, from rows of the table `reviews`; events that are no longer there count too."""
    both = side_by_side(reviews, first, second)
    pairs = list(zip(both["first"], both["second"], strict=True))
    return Agreement(
        first=first,
        second=second,
        n=len(pairs),
        n_equal=sum(one == other for one, other in pairs),
        kappa=cohens_kappa(pairs),
    )


def agreements(reviews: pd.DataFrame) -> list[Agreement]:
    """Return how far each two reviewers agree."""
    return [agreement(reviews, first, second) for first, second in combinations(reviewers_of(reviews), 2)]


def side_by_side(reviews: pd.DataFrame, first: str, second: str) -> pd.DataFrame:
    """Return the events that both reviewers gave a verdict.

    Returns
    -------
    pandas.DataFrame
        One row an event: `image_id`, `roi_id`, `channel`, `event_id`, `kind`, `detected_t0_s`, the verdicts `first` and
        `second`, and `first_note`, `second_note`.
    """
    judged = reviews[reviews["user_type"] != UNREVIEWED]
    parts = [
        judged.loc[judged["reviewer"] == reviewer, [*_EVENT, "user_type", "note"]].rename(
            columns={"user_type": which, "note": f"{which}_note"}
        )
        for which, reviewer in (("first", first), ("second", second))
    ]
    return parts[0].merge(parts[1], on=_EVENT)


def disagreements(reviews: pd.DataFrame, first: str, second: str) -> pd.DataFrame:
    """Return the events that two reviewers gave different verdicts, to go through together; columns as `side_by_side`."""
    both = side_by_side(reviews, first, second)
    return both[both["first"] != both["second"]].reset_index(drop=True)
