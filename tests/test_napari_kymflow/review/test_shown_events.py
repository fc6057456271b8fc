"""The events of the open record as bands: selected anywhere, edges moved, new ones drawn, with a viewer model and no Qt."""

import pytest

from kymflow_core.flow import events as detection
from kymflow_core.reviews.review import load_review
from kymflow_core.simulate import DEMO_SCANS
from napari_kymflow.review.event_review import EventReview
from napari_kymflow.review.shown_events import LOOKS, OTHER, ShownEvents, look_of


@pytest.fixture
def events(demo_session) -> ShownEvents:
    """The events of a record that has some, Ada at work; the review dock was never opened."""
    shown = ShownEvents(demo_session)
    shown.bind()
    shown.review.reviewer = "Ada"
    for image_id in demo_session.image_ids:
        demo_session.open_record(image_id)
        if bands_of(shown, demo_session):
            break
    return shown


def bands_of(events, session):
    return events.bands(tuple(session.record.rois.ids))


def on_disk(session, event_id):
    review = load_review(session.dataset.record(session.image_id))
    return next(one.seconds("Ada") for one in review.events if one.event.event_id == event_id)


def test_each_kind_that_is_detected_has_a_look_of_its_own():
    kinds = {detection.LOW, detection.FAST, detection.REVERSED, detection.NO_EVIDENCE}
    assert kinds == set(LOOKS)
    looks = [*LOOKS.values(), OTHER]
    assert len({look.color for look in looks}) == len({look.hatch for look in looks}) == len(looks)
    assert look_of("baseline_drop") is OTHER


def test_events_of_the_simulated_dataset_look_like_those_of_an_analysis(demo_session):
    kinds = {episode.kind for scan in DEMO_SCANS for episode in scan.episodes}
    assert OTHER not in {look_of(kind) for kind in kinds}


@pytest.mark.slow
def test_an_event_that_is_selected_in_the_trace_is_the_one_of_the_review(events, demo_session):
    band = bands_of(events, demo_session)[0]
    place = demo_session.view.placement
    events.select(events.at(band.begin_s, [band.roi_id], reach_s=0.0))
    assert demo_session.event.is_of(*band.listed.key)
    assert demo_session.shared(EventReview).current.key == band.listed.key
    assert [one.is_selected for one in bands_of(events, demo_session)].count(True) == 1
    assert demo_session.view.placement == place


@pytest.mark.slow
def test_an_event_that_is_selected_elsewhere_is_selected_here_too(events, demo_session):
    band = bands_of(events, demo_session)[-1]
    demo_session.shared(EventReview).show(band.listed)
    assert [one.is_selected for one in bands_of(events, demo_session)] == [
        one.listed.key == band.listed.key for one in bands_of(events, demo_session)
    ]


@pytest.mark.slow
def test_an_event_is_found_on_the_kymograph_only_within_its_roi(events, demo_session):
    band, record = bands_of(events, demo_session)[0], demo_session.record
    bounds = record.measured.bounds_of(record.rois.get(band.roi_id))
    line = (band.begin_s + band.end_s) / 2 / record.tag.seconds_per_line
    assert events.select_at(line, bounds.x1 + 500) is None
    assert events.select_at(line, (bounds.x0 + bounds.x1) / 2).listed is not None
    assert demo_session.event is not None


@pytest.mark.slow
def test_of_events_at_one_place_the_shortest_is_found(events, demo_session):
    band = bands_of(events, demo_session)[0]
    middle = (band.begin_s + band.end_s) / 2
    events.review.add_event(band.roi_id, middle - 0.001, middle + 0.001, kind="fast")
    assert events.at(middle, [band.roi_id], reach_s=0.0).kind == "fast"


@pytest.mark.slow
@pytest.mark.parametrize(("edge", "expected"), [("begin", (0.01, None)), ("end", (None, 2.5))])
def test_an_edge_follows_the_mouse_and_is_stored_at_the_end(events, demo_session, edge, expected):
    band = bands_of(events, demo_session)[0]
    events.select(band)
    wanted = tuple(new if new is not None else old for new, old in zip(expected, (band.begin_s, band.end_s), strict=True))
    events.move_edge(edge, next(new for new in expected if new is not None))
    moved = next(one for one in bands_of(events, demo_session) if one.is_selected)
    assert (moved.begin_s, moved.end_s) == pytest.approx(wanted)
    assert on_disk(demo_session, band.listed.event.event_id) == (band.begin_s, band.end_s)
    events.keep_edges()
    assert on_disk(demo_session, band.listed.event.event_id) == pytest.approx(wanted)
    events.review.undo()
    assert on_disk(demo_session, band.listed.event.event_id) == (band.begin_s, band.end_s)


def test_an_edge_that_passes_the_other_one_changes_places_with_it(events, demo_session):
    band = bands_of(events, demo_session)[0]
    events.select(band)
    events.move_edge("end", 0.0)
    moved = next(one for one in bands_of(events, demo_session) if one.is_selected)
    assert (moved.begin_s, moved.end_s) == (0.0, band.begin_s)
    events.put_edges_back()
    assert events.edge_at(band.end_s, [band.roi_id], reach_s=0.001) == "end"


def test_an_event_is_drawn_within_the_record_and_made(events, demo_session):
    roi_id = demo_session.record.rois.ids[0]
    count = len(bands_of(events, demo_session))
    events.draw(0.05, -3.0)
    drawn = bands_of(events, demo_session)[-1]
    assert (drawn.begin_s, drawn.end_s, drawn.listed) == (0.0, 0.05, None)
    span = events.stop_drawing()
    assert len(bands_of(events, demo_session)) == count
    events.review.add_event(roi_id, *span, kind="low")
    made = next(one for one in bands_of(events, demo_session) if one.is_selected)
    assert (made.begin_s, made.end_s, made.kind) == (0.0, 0.05, "low")
    assert events.selected_is_by_hand
    events.review.delete_event(goes_on=False)
    assert len(bands_of(events, demo_session)) == count
    assert demo_session.event is None


def test_a_click_draws_no_event(events):
    events.draw(0.1, 0.1)
    assert events.stop_drawing() is None


def test_without_a_name_the_name_is_all_that_is_missing(events):
    events.review.reviewer = ""
    assert events.needs_name
    events.enter_name("Ben")
    assert (events.needs_name, events.why_not, events.review.reviewer) == (False, "", "Ben")


def test_measured_again_the_new_events_are_shown(events, demo_session):
    record = demo_session.dataset.record(demo_session.image_id)
    frame = record.load_df_parquet("velocity_events")
    record.save_df_parquet("velocity_events", frame.assign(kind="fast"))
    demo_session.results_changed.emit()
    assert {band.kind for band in bands_of(events, demo_session)} == {"fast"}
