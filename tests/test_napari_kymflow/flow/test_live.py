"""What follows a ROI while it is dragged or a setting is turned, with a viewer model and no Qt."""

import numpy as np
import pytest

from kymflow_core.flow import VelocitySettings
from kymflow_core.roi.bounds import Bounds
from napari_kymflow.flow.flow_view import FlowView
from napari_kymflow.flow.live import ONLY_RECTANGLES, LiveFlow
from napari_kymflow.flow.live_part import QUICK_LINES, Wish
from napari_kymflow.user.window import Window


class WaitingWindow(Window):
    """A window whose work waits until a test lets it be done."""

    def __init__(self):
        self.jobs = []

    def run(self, work, done, failed=None):
        self.jobs.append((work, done))

    def do_next(self):
        work, done = self.jobs.pop(0)
        done(work())


@pytest.fixture
def flow(demo_session):
    shown = FlowView(demo_session)
    shown.bind()
    demo_session.record.selection.select([1])
    demo_session.view.show_lines(1000, 3000)
    return shown


@pytest.fixture
def live(flow):
    made = LiveFlow(flow)
    made.bind()
    return made


@pytest.fixture
def waiting(flow, live):
    """A window whose work waits, and nothing measured so far."""
    flow.session.window = WaitingWindow()
    live.is_on = True
    return flow.session.window


def drag(flow, *, pixels):
    """Move the shape of the first ROI by some pixels, as napari does while the mouse is pressed."""
    sync = flow.record.sync
    sync.is_pressed = True
    place = sync._ids().index(1)
    data = [np.array(one) for one in sync.layer.data]
    data[place][:, -1] += pixels * sync.stretch
    sync.layer.data = data
    sync.layer.events.set_data()


def test_switched_off_nothing_is_measured(live):
    assert (live.trace, live.text, live.is_busy) == (None, "", False)


@pytest.mark.slow
def test_switched_on_the_visible_part_is_what_an_analysis_gives(flow, live):
    live.is_on = True
    stored, trace = flow.traces[1], live.trace
    start, stop = (round(line) for line in flow.visible)
    assert start <= trace.lines[0] < start + 30
    assert stop - 30 < trace.lines[-1] <= stop
    common = np.interp(trace.lines, stored.lines, stored.velocity)
    both = np.isfinite(common) & np.isfinite(trace.velocity)
    assert both.sum() > 100
    assert np.nanmedian(np.abs(trace.velocity[both] / common[both] - 1)) < 0.05
    assert "ROI 1" in live.text
    assert "not stored" in live.text


@pytest.mark.slow
def test_while_the_mouse_is_pressed_the_middle_follows_and_then_all(flow, live, waiting):
    drag(flow, pixels=-3)
    waiting.do_next()
    waiting.do_next()
    quick = live.trace
    assert quick.lines[-1] - quick.lines[0] <= QUICK_LINES
    assert not live.is_busy
    flow.record.sync.is_pressed = False
    flow.changed.emit()
    waiting.do_next()
    assert live.trace.lines[-1] - live.trace.lines[0] > QUICK_LINES


@pytest.mark.slow
def test_of_many_steps_only_the_latest_is_measured(flow, live, waiting):
    for step in range(5):
        drag(flow, pixels=-1)
        assert len(waiting.jobs) == 1, step
    first = flow.record.sync.drawn_bounds(1)
    waiting.do_next()
    waiting.do_next()
    assert live._done[0].bounds == first
    assert waiting.jobs == []


@pytest.mark.slow
def test_another_setting_is_followed(flow, live):
    live.is_on = True
    before = live.trace
    live.settings = VelocitySettings(window_lines=40)
    assert live.trace.window_lines == 40 != before.window_lines


@pytest.mark.slow
def test_another_record_shows_nothing_of_the_one_before(flow, live, waiting):
    waiting.do_next()
    assert live.trace is not None
    flow.session.open_record(flow.session.image_ids[1])
    while live.is_busy:
        waiting.do_next()
    assert live._done[0] is None or live._done[0].key == flow.record.key


def test_another_shape_than_a_rectangle_says_that_it_is_not_followed(flow, live, monkeypatch):
    monkeypatch.setattr(type(flow.record.sync), "drawn_bounds", lambda self, roi_id: None)
    live.is_on = True
    assert (live.trace, live.text) == (None, ONLY_RECTANGLES)


def test_a_roi_that_is_not_seen_has_nothing_to_measure(flow, live):
    flow.record.editor.edit(1, y0=0, y1=500)
    live.is_on = True
    assert live.trace is None
    assert "not on the canvas" in live.text


@pytest.mark.parametrize(("width", "lines"), [(38, 600), (76, 300), (4096, 64)])
def test_of_a_wider_roi_fewer_lines_are_measured_at_once(width, lines):
    bounds = Bounds(x0=0, x1=width, y0=0, y1=30_000)
    wish = Wish(key="", roi_id=1, z=0, channel=1, bounds=bounds, settings=None, lines=(10_000, 20_000))
    start, stop = wish.part("quick")
    assert (stop - start, (start + stop) // 2) == (lines, 15_000)
    assert wish.part("whole") == (10_000, 20_000)


@pytest.mark.parametrize(("x1", "quick"), [(38, 36), (39, 36), (40, 40), (15, 15)])
def test_while_an_edge_is_dragged_each_fourth_width_is_measured_and_then_all_pixels(x1, quick):
    bounds = Bounds(x0=0, x1=x1, y0=0, y1=300)
    wish = Wish(key="", roi_id=1, z=0, channel=1, bounds=bounds, settings=None, lines=(0, 300))
    assert (wish.columns("quick"), wish.columns("whole")) == ((0, quick), (0, x1))
    assert wish.is_whole_at_once is (quick == x1)
