"""Why a number is so, and the slopes of the measured speed, with a viewer model and no Qt."""

from dataclasses import replace

import numpy as np
import pytest

from kymflow_core.flow import VelocitySettings
from kymflow_core.images.velocity_of_roi import settings_of, statement_of
from kymflow_core.roi.bounds import Bounds
from napari_kymflow.flow import inspection as inspection_module
from napari_kymflow.flow.flow_view import FlowView
from napari_kymflow.flow.inspection import WHY, inspect_roi, reasons_of
from napari_kymflow.flow.inspector import CHOOSE, Inspector
from napari_kymflow.flow.slopes import Scale, apparent, slopes
from napari_kymflow.flow.traces import STATES, Trace


@pytest.fixture
def flow(demo_session):
    shown = FlowView(demo_session)
    shown.bind()
    return shown


@pytest.fixture
def inspector(flow):
    made = Inspector(flow)
    made.bind()
    made.is_open = True
    return made


def shown_trace(flow):
    return next(iter(flow.traces.values()))


def test_the_settings_that_results_state_are_those_of_the_measurement(demo_session):
    metadata = demo_session.record.image.metadata
    asked = VelocitySettings(window_lines=20, step=5, jump=0.01, dwell_s=1e-6, compare=("piv",))
    assert settings_of(statement_of(metadata.rois.get(1), metadata, asked)) == asked


def test_a_setting_that_this_version_does_not_know_is_not_left_out(demo_session):
    metadata = demo_session.record.image.metadata
    stated = statement_of(metadata.rois.get(1), metadata, VelocitySettings())
    later = replace(stated, parameters={**stated.parameters, "of a later version": 3})
    with pytest.raises(ValueError, match=r"states no settings of this program: .*of a later version"):
        settings_of(later)
    answer = inspect_roi(demo_session.path, demo_session.image_id, 1, later, line=0.0)
    assert "of a later version" in answer


@pytest.mark.slow
def test_a_window_is_explained_by_the_numbers_that_were_stored(flow, inspector):
    trace = shown_trace(flow)
    window = int(np.flatnonzero(np.isfinite(trace.velocity))[20])
    inspector.choose(trace.lines[window])
    reasons = inspector.reasons
    assert reasons.velocity == pytest.approx(trace.velocity[window])
    assert reasons.interval == pytest.approx((trace.low[window], trace.high[window]))
    assert sum(reasons.window) / 2 == pytest.approx(trace.lines[window])
    assert reasons.speeds[np.argmax(reasons.probabilities)] == pytest.approx(reasons.velocity, rel=0.2)
    assert reasons.probabilities.sum() == pytest.approx(1, abs=1e-3)
    assert len(reasons.speeds_alone) == len(reasons.log_ratios)
    assert reasons.sentences[0] == WHY[""]
    assert "This window by itself:" in reasons.sentences[2]


@pytest.mark.slow
def test_the_pixels_of_a_window_are_those_of_the_image(flow, inspector, demo_session):
    trace = shown_trace(flow)
    inspector.choose(trace.lines[30])
    reasons = inspector.reasons
    lines = slice(reasons.first_line, reasons.first_line + len(reasons.pixels))
    pixels = slice(reasons.first_pixel, reasons.first_pixel + reasons.pixels.shape[1])
    assert np.array_equal(reasons.pixels, demo_session.record.image.slice_pixels()[lines, pixels])
    assert lines.start <= reasons.window[0] < reasons.window[1] <= lines.stop


def test_the_next_window_is_explained_without_measuring_again(flow, inspector, monkeypatch):
    trace = shown_trace(flow)
    inspector.choose(trace.lines[30])
    monkeypatch.setattr(inspection_module, "inspect_roi", None)
    inspector.step(1)
    assert inspector.line == trace.lines[31]
    assert inspector.reasons is not None


def test_nothing_is_measured_again_while_nobody_asks(flow, inspector, monkeypatch):
    monkeypatch.setattr(inspection_module, "inspect_roi", None)
    inspector.is_open = False
    inspector.choose(shown_trace(flow).lines[30])
    assert (inspector.reasons, inspector.text) == (None, CHOOSE)


@pytest.mark.slow
def test_a_roi_that_changed_is_not_explained_and_it_says_what_to_do(flow, inspector):
    inspector.choose(shown_trace(flow).lines[30])
    flow.record.editor.edit(flow.roi_ids[0], x0=4)
    assert inspector.reasons is None
    assert "Measure this ROI again" in inspector.text


@pytest.mark.slow
def test_another_record_has_no_chosen_window(flow, inspector, demo_session):
    inspector.choose(shown_trace(flow).lines[30])
    demo_session.open_record(demo_session.image_ids[1])
    assert (inspector.line, inspector.reasons, inspector.text) == (None, None, CHOOSE)


@pytest.mark.slow
def test_a_method_without_likelihoods_says_so(flow, inspector, demo_session):
    demo_session.record.image.analyze([flow.roi_ids[0]], VelocitySettings(method="piv"))
    flow.load()
    inspector.choose(shown_trace(flow).lines[30])
    assert "the method 'piv' has none" in inspector.text


@pytest.mark.slow
def test_of_a_long_roi_only_what_is_around_the_window_is_measured_again(flow, demo_session, monkeypatch):
    monkeypatch.setattr(inspection_module, "MOST_LINES", 400)
    trace, roi_id = shown_trace(flow), flow.roi_ids[0]
    path, image_id = demo_session.record.key
    statement = flow.flow.of(roi_id).statement
    for window in (0, len(trace) // 2, len(trace) - 1):
        found = inspect_roi(path, image_id, roi_id, statement, line=trace.lines[window])
        assert found.holds(window)
        middle = sum(reasons_of(found, trace, window).window) / 2
        assert middle == pytest.approx(trace.lines[window])


def test_what_the_beam_follows_looks_steeper_than_it_is():
    assert apparent(2.0, 0.0) == 2.0
    assert apparent(2.0, 0.1) == pytest.approx(2.5)


def test_slopes_are_as_steep_as_the_velocity_where_there_is_one(demo_session):
    lines = 8.0 + 4 * np.arange(1500)
    velocity = np.where(lines < 3000, 0.5, np.nan)
    trace = Trace(
        lines=lines,
        velocity=velocity,
        low=velocity,
        high=velocity,
        alone=velocity,
        quality=np.ones_like(velocity),
        states=np.where(np.isfinite(velocity), 0, STATES.index("no cells")).astype(np.uint8),
        unit="px/line",
        window_lines=16,
    )
    placement = demo_session.view.placement
    drawn = slopes(trace, placement, Bounds(x0=0, x1=96, y0=0, y1=6000), Scale(seconds_per_line=None, um_per_pixel=None))
    assert drawn
    for begin, top, end, bottom in drawn:
        pixels = placement.pixel_at(bottom) - placement.pixel_at(top)
        assert pixels / (placement.line_at(end) - placement.line_at(begin)) == pytest.approx(0.5)
        assert placement.line_at((begin + end) / 2) < 3000 + 16


def test_a_velocity_in_mm_s_is_drawn_by_the_calibration_and_without_one_not_at_all():
    scale = Scale(seconds_per_line=0.001, um_per_pixel=0.5)
    assert scale.pixels_per_line(1.0, "mm/s") == pytest.approx(2.0)
    assert np.isnan(replace(scale, um_per_pixel=None).pixels_per_line(1.0, "mm/s"))
