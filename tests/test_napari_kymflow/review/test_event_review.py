import math

import pandas as pd
import pytest

from kymflow_core.errors import ReviewError
from kymflow_core.reviews.agreement import Agreement
from kymflow_core.reviews.event import ARTEFACT, REJECTED, TRUE_STALL, UNREVIEWED
from kymflow_core.reviews.log import ReviewLog
from kymflow_core.reviews.review import load_review
from napari_kymflow.review.event_review import VERDICT_KEYS, EventReview
from napari_kymflow.review.listed import ReviewFilter, brief, count_disputed, texts_of
from napari_kymflow.session.selected_event import SelectedEvent


@pytest.fixture
def review(demo_session) -> EventReview:
    """Ada's review of the demo dataset, which has four events in two records."""
    made = EventReview(demo_session)
    made.reviewer = "Ada"
    made.load()
    return made


def verdicts(session, reviewer: str = "Ada") -> list[str]:
    """What is on disk: the verdicts of all records, in the order of the list."""
    reviews = [load_review(session.dataset.record(image_id)) for image_id in session.image_ids]
    return [one.by(reviewer).user_type for found in reviews for one in found.events]


def ben_says(session, image_id: str, event, verdict: str) -> None:
    ReviewLog(session.dataset.record(image_id), reviewer="Ben").judge(event, verdict)


@pytest.mark.slow
def test_stepping_goes_on_across_records_and_opens_them(review, demo_session):
    seen = []
    for _ in range(len(review.shown)):
        review.step(1)
        seen.append(demo_session.image_id)
    assert seen == [one.image_id for one in review.shown]
    assert len(set(seen)) == 2
    review.step(1)
    assert review.current == review.shown[-1]
    review.step(-1)
    assert review.current == review.shown[-2]


def test_a_verdict_is_on_disk_and_the_next_event_is_shown(review, demo_session):
    review.step(1)
    review.judge(VERDICT_KEYS["1"])
    assert verdicts(demo_session)[0] == TRUE_STALL
    assert review.current == review.shown[1]
    assert review.progress == f"1 of {len(review.shown)} reviewed"


@pytest.mark.slow
def test_the_tables_follow_each_verdict_its_undo_and_its_redo(review, demo_session):
    saved = []
    demo_session.saved.connect(saved.append)
    review.step(1)
    first = review.current
    review.judge(TRUE_STALL)
    review.undo()
    review.redo()
    assert saved == [first.image_id] * 3


@pytest.mark.slow
def test_a_note_stays_with_the_verdict_and_the_event_stays_shown(review, demo_session):
    review.step(1)
    review.write_note("blur")
    review.judge(ARTEFACT)
    review.step(-1)
    assert review.current is not None
    assert texts_of(review.current, "Ada")[3] == "artefact: blur"
    assert verdicts(demo_session)[0] == ARTEFACT


@pytest.mark.slow
def test_undo_shows_the_event_that_it_was_about_also_in_another_record(review, demo_session):
    for _ in review.shown:
        review.step(1)
        break
    first = review.current
    review.judge(TRUE_STALL)
    while review.current != review.shown[-1]:
        review.step(1)
    review.undo()
    assert review.current is not None
    assert review.current.key == first.key
    assert demo_session.image_id == first.image_id
    assert verdicts(demo_session)[0] == UNREVIEWED
    review.redo()
    assert verdicts(demo_session)[0] == TRUE_STALL


@pytest.mark.slow
def test_the_filter_shows_what_is_left_to_do_and_never_skips_one(review):
    review.filters = ReviewFilter(verdicts=frozenset({UNREVIEWED}))
    total = len(review.shown)
    review.step(1)
    for _ in range(total):
        review.judge(ARTEFACT)
    assert review.progress == f"{total} of {total} reviewed"


def test_blinded_hides_names_what_others_say_and_the_order(review, demo_session):
    first = review.shown[0]
    ben_says(demo_session, first.image_id, first.event, REJECTED)
    review.load()
    assert texts_of(review.shown[0], "Ada")[4] == "Ben: rejected"
    names = {one.title for one in review.shown}
    plain = [one.key for one in review.shown]
    review.is_blinded = True
    assert names & {one.title for one in review.shown} == set()
    assert [one.title for one in review.shown] == [f"event {place}" for place in range(1, len(plain) + 1)]
    assert {texts_of(one, "Ada")[4] for one in review.shown} == {""}
    assert sorted(map(str, plain)) == sorted(str(one.key) for one in review.shown)
    assert review.agreements == []


@pytest.mark.slow
def test_blinded_no_layer_has_the_name_of_its_record_and_afterwards_it_has(review, demo_session):
    name = demo_session.record.name
    before = [layer.name for layer in demo_session.viewer.layers]
    review.is_blinded = True
    assert [layer.name for layer in demo_session.viewer.layers if name in layer.name] == []
    review.step(1)
    records = {one.name for one in review._loaded.records.values()}
    shown = [layer.name for layer in demo_session.viewer.layers]
    assert [layer for layer in shown if any(one in layer for one in records)] == []
    assert "event 1" in shown
    review.is_blinded = False
    demo_session.open_record(demo_session.image_ids[0])
    assert [layer.name for layer in demo_session.viewer.layers] == before


@pytest.mark.slow
def test_a_blinded_verdict_has_the_seed_and_the_order_comes_back(review, demo_session):
    review.is_blinded = True
    order = [one.key for one in review.shown]
    review.step(1)
    review.judge(ARTEFACT)
    again = EventReview(demo_session)
    again.reviewer = "Ada"
    again.load()
    again.is_blinded = True
    assert [one.key for one in again.shown] == order
    said = next(one.reviewed.by("Ada") for one in again.shown if one.key == order[0])
    assert said.blinded_seed is not None


@pytest.mark.slow
def test_agreement_and_disagreements_of_two_reviewers(review, demo_session):
    for one, verdict in zip(review.shown[:2], (TRUE_STALL, ARTEFACT), strict=True):
        ben_says(demo_session, one.image_id, one.event, verdict)
    review.load()
    review.step(1)
    review.judge(TRUE_STALL)
    review.judge(REJECTED)
    assert [one.summary() for one in review.agreements] == [
        "Ada and Ben: 2 events judged by both, 1 alike (50 %), kappa 0.33"
    ]
    review.show(None)
    review.filters = ReviewFilter(only_disagreements=True)
    assert len(review.shown) == 1


@pytest.mark.slow
def test_an_event_by_hand_is_made_shown_deleted_and_undone(review, demo_session):
    roi_id = next(iter(demo_session.record.rois)).roi_id
    total = len(review.shown)
    review.add_event(roi_id, 0.1, 0.2, kind="low")
    assert review.current is not None
    assert review.current.event.made_by == "Ada"
    assert len(review.shown) == total + 1
    review.delete_event()
    assert len(review.shown) == total
    review.undo()
    assert len(review.shown) == total + 1


@pytest.mark.slow
def test_a_detected_event_cannot_be_deleted(review):
    review.step(1)
    with pytest.raises(ReviewError, match="was detected by an analysis and stays"):
        review.delete_event()


@pytest.mark.slow
def test_edges_are_moved_for_this_reviewer(review):
    review.step(1)
    review.move_edges(0.25, 0.75)
    assert review.current is not None
    assert review.current.reviewed.seconds("Ada") == (0.25, 0.75)
    assert texts_of(review.current, "Ada")[1] == "0.25–0.75"


@pytest.mark.slow
def test_an_event_that_is_selected_elsewhere_is_shown_and_the_other_way_round(review, demo_session):
    heard = []
    demo_session.event_selected.connect(heard.append)
    one = review.shown[1]
    demo_session.select_event(SelectedEvent.of(one.image_id, one.event, seconds=one.event.seconds))
    assert review.current == one
    review.step(1)
    assert heard[-1].is_of(*review.current.key)
    assert len(heard) == 2


@pytest.mark.slow
def test_verdicts_of_events_that_are_gone_are_listed_last(review, demo_session):
    review.step(1)
    one = review.current
    review.judge(TRUE_STALL)
    record = demo_session.dataset.record(one.image_id)
    frame: pd.DataFrame = record.load_df_parquet("velocity_events")
    record.save_df_parquet("velocity_events", frame.assign(t0_s=frame["t0_s"] + 1000, t1_s=frame["t1_s"] + 1000))
    review.load()
    last = review.events[-1]
    assert (last.event, last.is_there) == (one.event, False)
    assert "no longer detected" in texts_of(last, "Ada")[2]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["", "  "])
def test_without_a_name_it_says_what_is_lacking(review, name):
    review.reviewer = name
    assert review.why_not == "Enter your name: each verdict is stored with its reviewer."


def test_without_a_dataset_there_is_nothing(viewer_model):
    from napari_kymflow.session.session import session_of

    review = EventReview(session_of(viewer_model))
    review.load()
    review.step(1)
    assert (review.current, review.why_not, review.progress) == (None, "Open a dataset first.", "no events to review")


def test_without_a_name_it_says_how_far_others_agree(review, demo_session):
    first, second = review.events[:2]
    for name, verdicts_ in (("Ben", (ARTEFACT, ARTEFACT)), ("Cleo", (ARTEFACT, TRUE_STALL))):
        for one, verdict in zip((first, second), verdicts_, strict=True):
            ReviewLog(demo_session.dataset.record(one.image_id), reviewer=name).judge(one.event, verdict)
    review.reviewer = ""
    review.load()
    (said,) = review.agreements
    assert brief(said) == "Ben and Cleo: 1 of 2 alike, kappa 0.00"
    assert count_disputed(review.events) == 1


def test_without_a_name_and_with_one_other_reviewer_nothing_is_said(review, demo_session):
    ben_says(demo_session, review.events[0].image_id, review.events[0].event, ARTEFACT)
    review.reviewer = ""
    review.load()
    assert review.agreements == []


@pytest.mark.slow
def test_blinded_hides_the_names_of_rois_too(review, demo_session):
    review.step(1)
    layer = demo_session.record.sync.layer
    assert layer.text.visible
    review.is_blinded = True
    assert not layer.text.visible
    review.step(1)
    assert not demo_session.record.sync.layer.text.visible
    review.is_blinded = False
    assert demo_session.record.sync.layer.text.visible


def test_of_two_who_judged_no_event_in_common_no_number_is_said():
    nothing = Agreement(first="Ada", second="Ben", n=0, n_equal=0, kappa=math.nan)
    assert brief(nothing) == "Ada and Ben: none judged by both"


@pytest.mark.slow
def test_blinded_another_reviewer_begins_at_the_first_event(review):
    review.is_blinded = True
    for _ in range(3):
        review.step(1)
    review.reviewer = "Ben"
    assert review.current is None
    review.step(1)
    assert review.current.title == "event 1"
