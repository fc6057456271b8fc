import math

import pandas as pd
import pytest

from kymflow_core.reviews.agreement import agreement, agreements, cohens_kappa, disagreements
from kymflow_core.reviews.event import ARTEFACT, REJECTED, TRUE_STALL, UNREVIEWED


def rows(*judged: tuple[str, str, str]) -> pd.DataFrame:
    """Rows of the table `reviews`: event, reviewer, verdict."""
    return pd.DataFrame(
        [
            {
                "image_id": "i",
                "roi_id": 1,
                "channel": 1,
                "event_id": event,
                "kind": "low",
                "detected_t0_s": 0.5,
                "reviewer": who,
                "user_type": verdict,
                "note": "",
            }
            for event, who, verdict in judged
        ]
    )


def test_kappa_is_that_of_the_textbook():
    # Two readers of 50 grant proposals: 20 yes by both, 15 no by both; kappa 0.4.
    pairs = [("yes", "yes")] * 20 + [("yes", "no")] * 5 + [("no", "yes")] * 10 + [("no", "no")] * 15
    assert cohens_kappa(pairs) == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("pairs", "kappa"),
    [
        pytest.param([("a", "a"), ("b", "b")], 1, id="always"),
        pytest.param([("a", "b"), ("b", "a")], -1, id="never"),
        pytest.param([("a", "a"), ("a", "b"), ("b", "a"), ("b", "b")], 0, id="by chance"),
    ],
)
def test_kappa_is(pairs, kappa):
    assert cohens_kappa(pairs) == pytest.approx(kappa)


@pytest.mark.parametrize("pairs", [[], [("a", "a")] * 9], ids=["nothing judged", "one verdict throughout"])
def test_kappa_has_no_value_of(pairs):
    assert math.isnan(cohens_kappa(pairs))


TWO = rows(
    ("1", "Ada", TRUE_STALL),
    ("1", "Ben", TRUE_STALL),
    ("2", "Ada", ARTEFACT),
    ("2", "Ben", REJECTED),
    ("3", "Ada", ARTEFACT),
    ("3", "Ben", UNREVIEWED),
)


def test_only_events_judged_by_both_count():
    found = agreement(TWO, "Ada", "Ben")
    assert (found.n, found.n_equal, found.kappa) == (2, 1, pytest.approx(1 / 3))
    assert found.summary() == "Ada and Ben: 2 events judged by both, 1 alike (50 %), kappa 0.33"


def test_each_two_reviewers_are_compared():
    three = pd.concat([TWO, rows(("9", "Cy", ARTEFACT))])
    assert [(one.first, one.second, one.n) for one in agreements(three)] == [
        ("Ada", "Ben", 2),
        ("Ada", "Cy", 0),
        ("Ben", "Cy", 0),
    ]
    assert agreements(three)[1].summary() == "Ada and Cy: 0 events judged by both"


def test_disagreements_are_listed_with_both_verdicts():
    assert disagreements(TWO, "Ada", "Ben")[["event_id", "first", "second"]].to_numpy().tolist() == [
        ["2", ARTEFACT, REJECTED]
    ]


def test_a_kappa_without_a_value_is_not_shown_as_a_number():
    same = rows(("1", "Ada", ARTEFACT), ("1", "Ben", ARTEFACT))
    assert agreement(same, "Ada", "Ben").summary().endswith("1 alike (100 %), kappa has no value")
