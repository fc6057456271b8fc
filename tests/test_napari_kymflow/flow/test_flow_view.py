"""What the flow dock shows and measures, with a viewer model and no Qt."""

import re
from dataclasses import replace

import numpy as np
import pytest

from kymflow_core.flow import VelocitySettings
from kymflow_core.indexers import INDEXERS
from kymflow_core.roi.bounds import Bounds
from kymflow_core.simulate import DEMO_SCANS, make_demo_dataset
from kymflow_zarr import ZarrDataset
from kymflow_zarr.watch import UNWATCHED
from napari_kymflow.flow.curves import curves
from napari_kymflow.flow.flow_view import FlowView
from napari_kymflow.flow.heart_beat import beat_average
from napari_kymflow.flow.levels import level_for
from napari_kymflow.flow.measuring import measure_dataset, plan
from napari_kymflow.flow.traces import STATES, Trace, load_flow


def make_trace(count=5000, *, gaps=()):
    velocity = 1 + 0.1 * np.sin(np.arange(count) / 50)
    states = np.zeros(count, np.uint8)
    for first, behind in gaps:
        velocity[first:behind], states[first:behind] = np.nan, STATES.index("no cells")
    return Trace(
        lines=8.0 + 4 * np.arange(count),
        velocity=velocity,
        low=velocity - 0.2,
        high=velocity + 0.2,
        alone=np.where(np.isnan(velocity), 3.0, velocity),
        quality=np.where(np.isnan(velocity), 0.2, 0.99),
        states=states,
        unit="mm/s",
        window_lines=16,
    )


def test_a_record_that_the_older_program_measured_and_found_no_events_in_is_read(lab_path):
    for record in ZarrDataset(lab_path, mode="r").iter_records():
        assert load_flow(lab_path, record.image_id).problem == ""


def test_a_result_that_lacks_a_column_is_a_problem_and_no_crash(demo_session, demo_path):
    record = ZarrDataset(demo_path).record(demo_session.image_ids[0])
    record.save_df_parquet("velocity", record.load_df_parquet("velocity").drop(columns="quality"))
    problem = load_flow(demo_path, record.image_id).problem
    assert re.search(r"velocity of image .* has no column 'quality'; measure the image again", problem)


@pytest.fixture
def flow(demo_session):
    shown = FlowView(demo_session)
    shown.bind()
    return shown


def measure(flow, scope="roi", **options):
    measured = plan(flow, scope, VelocitySettings(), **options)(UNWATCHED)
    flow.session.results_changed.emit()
    return measured


def test_from_a_blinded_reviewer_the_names_of_rois_are_hidden(flow):
    assert flow.state.text.startswith("ROI 1 (vessel): ")
    flow.hide_names(hides=True)
    assert flow.state.text.startswith("ROI 1: ")
    flow.hide_names(hides=False)
    assert flow.state.text.startswith("ROI 1 (vessel): ")


def test_a_new_roi_is_offered_then_measured_then_moved_then_outdated_then_measured_again(flow):
    record = flow.record
    new = record.editor.add_rect(Bounds(x0=0, x1=40, y0=0, y1=200))
    record.save()
    record.selection.select([new])
    assert flow.traces == {}
    assert flow.state.offer == (new,)
    assert measure(flow).failures == {}
    assert list(flow.traces) == [new]
    assert "median" in flow.state.text
    assert (flow.state.warning, flow.state.again, flow.state.offer) == ("", (), ())

    record.editor.edit(new, x0=4)
    assert flow.state.again == (new,)
    assert f"ROI {new}" in flow.state.warning
    assert list(flow.traces) == [new]

    record.save()
    assert flow.state.again == (new,)
    measure(flow, roi_ids=(new,))
    assert (flow.state.warning, flow.state.again) == ("", ())


@pytest.mark.slow
def test_all_records_that_are_not_fresh_are_measured_once(tmp_path):
    scans = [replace(scan, lines=300, episodes=()) for scan in DEMO_SCANS[:2]]
    path = make_demo_dataset(tmp_path / "short.zarr", scans=scans).path
    first, second = (measure_dataset(path, VelocitySettings(), INDEXERS, UNWATCHED) for _ in range(2))
    assert (len(first.lines), first.n_fresh) == (4, 0)
    assert (len(second.lines), second.n_fresh) == (0, 4)


def test_the_selected_rois_are_shown(flow):
    flow.record.selection.select([2])
    assert flow.roi_ids == (2,)


@pytest.mark.slow
def test_chosen_limits_are_remembered_until_fit(flow):
    first, second = flow.session.image_ids[:2]
    flow.choose_limits(-3.0, 7.0)
    flow.session.open_record(second)
    assert flow.limits != (-3.0, 7.0)
    flow.session.open_record(first)
    assert flow.limits == (-3.0, 7.0)
    flow.fit()
    assert flow.limits != (-3.0, 7.0)


def test_panning_and_zooming_move_the_canvas_by_just_so_much(flow):
    flow.session.view.show_lines(1000, 2000)
    assert flow.visible == pytest.approx((1000, 2000))
    flow.pan(300)
    assert flow.visible == pytest.approx((1300, 2300))
    flow.zoom(1800, 2.0)
    assert flow.visible == pytest.approx((1550, 2050))


def test_a_place_on_the_canvas_is_the_line_that_it_came_from(flow):
    placement = flow.session.view.placement
    assert placement.line_at(placement.time_of(123.25)) == pytest.approx(123.25)
    assert placement.pixel_at(placement.across_of(12.5)) == pytest.approx(12.5)
    turned = replace(placement, middle=placement.middle + 10)
    assert turned.line_at(0) == pytest.approx(placement.line_at(0) + 10)


def test_from_afar_the_extremes_are_kept_and_the_points_are_few():
    trace = make_trace(200_000)
    trace.velocity[123_456] = 9.0
    again = replace(trace, velocity=trace.velocity)
    level = level_for(again.levels, 0, 900_000, points=1000)
    assert len(level.lines) <= 1000
    assert np.nanmax(level.most) == 9.0


@pytest.mark.parametrize("width", [100, 10_000], ids=["from afar", "near"])
def test_where_nothing_is_valid_line_and_band_have_a_gap(width):
    trace = make_trace(gaps=[(2000, 3000)])
    drawn = curves(trace, 0, 20_000, width=width)
    inside = (drawn.median[0] > 8 + 4 * 2100) & (drawn.median[0] < 8 + 4 * 2900)
    assert not np.isfinite(drawn.median[1][inside]).any()
    assert not ((drawn.band[0] > 8 + 4 * 2100) & (drawn.band[0] < 8 + 4 * 2900)).any()
    begins, ends, states = drawn.strip
    assert [STATES[state] for state in states] == ["", "no cells", ""]
    assert begins[1:] == pytest.approx(ends[:-1])


def test_over_one_beat_the_heart_is_averaged_out_and_where_little_is_known_there_is_a_gap():
    hz, per_line = 5.0, 0.001
    trace = make_trace(2000, gaps=[(1000, 1100)])
    beat = 0.3 * np.sin(2 * np.pi * hz * per_line * trace.lines)
    averaged = beat_average(replace(trace, velocity=trace.velocity * 0 + 1 + beat), hz=hz, seconds_per_line=per_line)
    gap = np.flatnonzero(~np.isfinite(averaged.velocity))
    assert (gap.min(), gap.max()) == (1000, 1099)
    far = np.ones(len(trace), bool)
    far[:50] = far[-50:] = far[950:1150] = False
    assert averaged.velocity[far] == pytest.approx(1.0, abs=0.02)


def test_the_average_over_beats_is_shown_on_request_where_a_heart_was_found(flow):
    flow.show_beats(shows=True)
    roi_id = flow.roi_ids[0]
    found = flow.flow.of(roi_id)
    for report, count in (({}, 0), ({"heart_rate_hz": float("nan")}, 0), ({"heart_rate_hz": 5.0}, 1)):
        flow.flow = replace(flow.flow, rois={roi_id: replace(found, report=report)})
        assert len(flow.beat_averages(dark=True)) == count
    flow.show_beats(shows=False)
    assert flow.beat_averages(dark=True) == []
