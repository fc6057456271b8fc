from itertools import count

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kymflow_core.errors import ReviewError
from kymflow_core.reviews.entry import Entry
from kymflow_core.reviews.event import ARTEFACT, BY_HAND, REJECTED, TRUE_STALL, UNREVIEWED, Event, events_of
from kymflow_core.reviews.history import ReviewHistory, ReviewStep
from kymflow_core.reviews.log import ReviewLog, load_entries
from kymflow_core.reviews.matching import match_events, overlap
from kymflow_core.reviews.order import seed_of, shuffled
from kymflow_core.reviews.review import chosen, load_review, progress_text, review_of
from kymflow_core.testing import ArtifactsInMemory
from kymflow_zarr import ZarrDataset, ZarrImageRecord


def event(t0_s: float, t1_s: float | None, *, event_id: str = "1", kind: str = "low", roi_id: int = 1) -> Event:
    return Event(roi_id=roi_id, event_id=event_id, kind=kind, t0_s=t0_s, t1_s=t1_s, method="likelihood")


def table(*events: Event) -> pd.DataFrame:
    columns = ["roi_id", "event_id", "t0_s", "t1_s", "kind", "channel", "method"]
    return pd.DataFrame([{name: getattr(one, name) for name in columns} for one in events], columns=columns)


STALL, DIP, FAST = event(1, 2), event(5, 5.5, event_id="2"), event(8, 9, event_id="3", kind="fast")


@pytest.fixture
def record(tmp_path) -> ZarrImageRecord:
    """A record with three detected events in ROI 1."""
    artifacts = ArtifactsInMemory(tables={"velocity_events": table(STALL, DIP, FAST)})
    return artifacts.store(ZarrDataset.create(tmp_path / "lab.zarr"))


def log_of(record: ZarrImageRecord, reviewer: str = "Ada") -> ReviewLog:
    ticks = count(1)
    return ReviewLog(record, reviewer=reviewer, now=lambda: f"2026-01-01T00:00:{next(ticks):02d}.000000Z")


def verdicts(record: ZarrImageRecord, reviewer: str = "Ada") -> list[str]:
    return [one.by(reviewer).user_type for one in load_review(record).events]


def test_a_verdict_is_there_after_reopening_with_who_and_when(record):
    log_of(record).judge(STALL, TRUE_STALL, note="both edges sharp")
    (judged, *others) = load_review(record).events
    assert judged.event == STALL
    said = judged.judgements["Ada"]
    assert (said.user_type, said.note, said.utc) == (TRUE_STALL, "both edges sharp", "2026-01-01T00:00:01.000000Z")
    assert [one.judgements for one in others] == [{}, {}]


def test_the_latest_verdict_of_a_reviewer_counts_and_the_earlier_one_is_kept(record):
    log = log_of(record)
    log.judge(STALL, TRUE_STALL)
    log.judge(STALL, ARTEFACT)
    assert verdicts(record) == [ARTEFACT, UNREVIEWED, UNREVIEWED]
    assert [one.user_type for one in load_entries(record)] == [TRUE_STALL, ARTEFACT]


def test_two_reviewers_stand_beside_each_other(record):
    ada, ben = log_of(record), log_of(record, "Ben")
    ada.judge(STALL, TRUE_STALL)
    ben.judge(STALL, ARTEFACT)
    judged = load_review(record).events[0]
    assert {name: said.user_type for name, said in judged.judgements.items()} == {"Ada": TRUE_STALL, "Ben": ARTEFACT}
    assert load_review(record).reviewers == ("Ada", "Ben")


def test_two_programs_of_one_reviewer_lose_nothing(record):
    first, second = log_of(record), log_of(record)
    first.judge(STALL, TRUE_STALL)
    second.judge(DIP, REJECTED)
    first.judge(FAST, ARTEFACT)
    assert verdicts(record) == [TRUE_STALL, REJECTED, ARTEFACT]


def test_the_order_follows_what_was_known_and_not_a_clock_that_is_wrong(record):
    early, late = log_of(record), ReviewLog(record, reviewer="Ada", now=lambda: "1999-01-01T00:00:00.000000Z")
    early.judge(STALL, TRUE_STALL)
    late.reload()
    late.judge(STALL, ARTEFACT)
    assert verdicts(record)[0] == ARTEFACT


def test_edges_are_those_of_the_reviewer_and_the_verdict_stays(record):
    log = log_of(record)
    log.judge(STALL, TRUE_STALL)
    log.move_edges(STALL, 0.8, 2.4)
    judged = load_review(record).events[0]
    assert judged.seconds("Ada") == (0.8, 2.4)
    assert judged.seconds("Ben") == (1, 2)
    assert judged.by("Ada").user_type == TRUE_STALL


@pytest.mark.parametrize("edges", [(2, 1), (-1, 1), (0, float("nan")), (0, float("inf"))])
def test_edges_that_are_none_are_refused_and_nothing_is_written(record, edges):
    with pytest.raises(ReviewError, match="an event begins at 0 s or later and ends after that; it cannot last from"):
        log_of(record).move_edges(STALL, *edges)
    assert load_entries(record) == ()


def test_an_event_made_by_hand_is_reviewed_like_others_and_can_be_deleted(record):
    log = log_of(record)
    made = log.add_event(1, 3, 3.5, kind="low").event
    assert made is not None
    log.judge(made, TRUE_STALL)
    found = load_review(record).events[1]
    assert (found.event, found.event.origin, found.by("Ada").user_type) == (made, BY_HAND, TRUE_STALL)
    log.delete_event(made)
    review = load_review(record)
    assert [one.event for one in review.events] == [STALL, DIP, FAST]
    assert [one.event for one in review.unmatched] == [made]


def test_a_detected_event_cannot_be_deleted(record):
    with pytest.raises(ReviewError, match=r"event 1 was detected by an analysis and stays; give it the verdict 'rejected'"):
        log_of(record).delete_event(STALL)


def test_verdicts_survive_an_analysis_that_numbers_and_cuts_anew(record):
    log = log_of(record)
    log.judge(STALL, TRUE_STALL)
    log.judge(DIP, ARTEFACT)
    record.save_df_parquet("velocity_events", table(event(1.1, 2.2, event_id="7"), event(9, 9.5, event_id="1")))
    review = load_review(record)
    assert [one.by("Ada").user_type for one in review.events] == [TRUE_STALL, UNREVIEWED]
    assert [(one.event, one.by("Ada").user_type) for one in review.unmatched] == [(DIP, ARTEFACT)]


def test_what_no_longer_matches_is_back_when_its_event_is(record):
    log_of(record).judge(DIP, ARTEFACT)
    record.save_df_parquet("velocity_events", table(STALL))
    assert len(load_review(record).unmatched) == 1
    record.save_df_parquet("velocity_events", table(STALL, DIP))
    assert verdicts(record) == [UNREVIEWED, ARTEFACT]


@pytest.mark.parametrize(
    ("now", "is_same"),
    [
        pytest.param(event(1, 2, event_id="99"), True, id="another number"),
        pytest.param(event(1.5, 2.5), True, id="half of it"),
        pytest.param(event(1.6, 2.6), False, id="less than half"),
        pytest.param(event(1, 4.1), False, id="three times as long"),
        pytest.param(event(1, 2, kind="reversed"), False, id="another kind"),
        pytest.param(event(1, 2, roi_id=2), False, id="another ROI"),
    ],
)
def test_an_event_is_the_same_where_roi_kind_and_time_agree(now, is_same):
    assert match_events([STALL], [now]) == ({STALL: now} if is_same else {})


def test_two_events_that_were_apart_never_become_one():
    first, second, joined = event(1, 2), event(2.1, 3, event_id="2"), event(1, 3, event_id="3")
    assert match_events([first, second], [joined]) == {first: joined}


def test_of_an_event_that_was_cut_in_two_the_larger_part_has_the_verdict():
    whole, large, small = event(1, 3), event(1, 2.4), event(2.6, 3, event_id="2")
    assert match_events([whole], [small, large]) == {whole: large}


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 8)), max_size=8), st.data())
def test_no_judgement_is_lost_whatever_an_analysis_finds(spans, data):
    earlier = list(dict.fromkeys(event(start, start + length, event_id=f"{start}") for start, length in spans))
    now = [event(start, start + length, event_id=f"n{start}") for start, length in data.draw(st.just(spans[::2]))]
    entries = [
        Entry(entry_id=f"e{number}", number=number, utc="", reviewer="Ada", action="verdict", event=one, user_type=ARTEFACT)
        for number, one in enumerate(earlier)
    ]
    review = review_of(now, entries)
    matched = match_events(earlier, list(dict.fromkeys(now)))
    assert {one.event for one in review.unmatched} == set(earlier) - set(matched)
    for old, new in matched.items():
        assert overlap(old, new) >= 1 / 3


def test_an_event_without_an_end_is_one_moment():
    moment = event(3, None)
    assert moment.seconds == (3, 3)
    assert match_events([moment], [event(3, None, event_id="e0")])


def test_undo_takes_back_ones_own_last_step_alone_and_redo_does_it_again(record):
    ada, ben, history = log_of(record), log_of(record, "Ben"), ReviewHistory()
    history.push(ReviewStep(ada, ada.judge(STALL, TRUE_STALL)))
    history.push(ReviewStep(ada, ada.judge(STALL, ARTEFACT)))
    ben.judge(STALL, REJECTED)
    history.undo(ReviewStep.withdraw)
    assert (verdicts(record)[0], verdicts(record, "Ben")[0]) == (TRUE_STALL, REJECTED)
    history.undo(ReviewStep.withdraw)
    assert (verdicts(record)[0], history.can_undo) == (UNREVIEWED, False)
    history.redo(ReviewStep.restore)
    history.redo(ReviewStep.restore)
    assert (verdicts(record)[0], history.can_redo) == (ARTEFACT, False)
    assert len(load_entries(record)) == 7


def test_an_undone_event_by_hand_is_gone_and_redone_there_again(record):
    log, history = log_of(record), ReviewHistory()
    history.push(ReviewStep(log, log.add_event(1, 3, 3.5, kind="low")))
    assert history.undo(ReviewStep.withdraw) is not None
    assert len(load_review(record).events) == 3
    history.redo(ReviewStep.restore)
    assert len(load_review(record).events) == 4


def test_events_are_chosen_by_kind_and_verdict(record):
    log_of(record).judge(STALL, TRUE_STALL)
    events = load_review(record).events
    assert [one.event for one in chosen(events, reviewer="Ada", kinds=["low"])] == [STALL, DIP]
    assert [one.event for one in chosen(events, reviewer="Ada", verdicts=[UNREVIEWED])] == [DIP, FAST]
    assert [one.event for one in chosen(events, reviewer="Ada", kinds=["low"], verdicts=[TRUE_STALL])] == [STALL]
    assert chosen(events, reviewer="Ben", verdicts=[TRUE_STALL]) == []


def test_progress_is_said_in_numbers():
    assert progress_text(37, 212) == "37 of 212 reviewed"
    assert progress_text(0, 0) == "no events to review"


def test_a_blinded_order_is_that_of_its_seed_and_each_reviewer_has_one_of_their_own(record):
    seed = seed_of("dataset", "Ada")
    assert seed == seed_of("dataset", "Ada") != seed_of("dataset", "Ben")
    items = list(range(20))
    assert shuffled(items, seed=seed) == shuffled(items, seed=seed) != items
    assert sorted(shuffled(items, seed=seed)) == items


def test_the_seed_of_earlier_blinded_verdicts_is_used_again(record):
    log = log_of(record)
    log.judge(STALL, TRUE_STALL, blinded_seed=11)
    log.judge(DIP, TRUE_STALL)
    assert seed_of("dataset", "Ada", load_entries(record)) == 11
    assert seed_of("dataset", "Ben", load_entries(record)) == seed_of("dataset", "Ben")


def test_a_roi_with_events_of_ours_shows_none_of_the_older_program():
    older = pd.DataFrame(
        [{"roi_id": roi_id, "event_id": "e0", "t0_s": 1.0, "t1_s": 2.0, "kind": "stall"} for roi_id in (1, 2)]
    )
    both = pd.concat([table(STALL), older.assign(method=None)])
    assert [(one.roi_id, one.event_id) for one in events_of(both)] == [(1, "1"), (2, "e0")]


def test_an_unknown_verdict_is_refused_with_those_that_there_are(record):
    with pytest.raises(ReviewError, match=r"a verdict is one of unreviewed, true stall, reversal, .* not 'great'"):
        log_of(record).judge(STALL, "great")


def test_a_reviewer_has_a_name(record):
    with pytest.raises(ReviewError, match="a review needs the name of its reviewer; enter one"):
        log_of(record, " ").judge(STALL, ARTEFACT)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param([], id="no object"),
        pytest.param({"entries": 3}, id="no list"),
        pytest.param({"entries": [{"action": "verdict"}]}, id="no entry"),
        pytest.param({"entries": ["text"]}, id="text"),
    ],
)
def test_a_log_that_cannot_be_understood_is_named(value):
    with pytest.raises(ReviewError, match=r"the review 'reviews/x' (has no list|cannot be understood)"):
        load_review(ArtifactsInMemory(json={"reviews/x": value}))


def test_an_entry_of_an_unknown_kind_is_refused(record):
    entry = log_of(record).judge(STALL, ARTEFACT).to_json() | {"action": "praise"}
    with pytest.raises(ReviewError, match=r"cannot be understood: an entry of a review is one of verdict, .* not 'praise'"):
        load_review(ArtifactsInMemory(json={"reviews/x": {"entries": [entry]}}))


def test_an_entry_comes_back_from_its_json(record):
    log = log_of(record)
    log.judge(STALL, ARTEFACT, note="blur", blinded_seed=3)
    log.move_edges(event(1, None), 1, 2)
    log.delete_event(log.add_event(2, 1, 2, kind="low", channel=2).event)
    log.withdraw(log.entries[0])
    assert [Entry.from_json(one.to_json()) for one in log.entries] == list(log.entries)


def test_a_log_is_exported_and_imported_with_its_record(record, tmp_path):
    log_of(record).judge(STALL, TRUE_STALL)
    ZarrDataset(tmp_path / "lab.zarr").export_legacy_folder(tmp_path / "exported")
    again = ZarrDataset.create(tmp_path / "again.zarr")
    again.import_folder(tmp_path / "exported")
    assert verdicts(again.record(record.image_id))[0] == TRUE_STALL
