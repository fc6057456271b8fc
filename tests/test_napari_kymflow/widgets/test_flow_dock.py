"""The flow dock in a real window: events are clicked and dragged in the plot."""

from itertools import chain

import pytest
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from kymflow_core.reviews.event import TRUE_STALL
from kymflow_core.reviews.review import load_review
from napari_kymflow.session.session import session_of
from napari_kymflow.widgets.flow.flow_dock import FlowDock
from napari_kymflow.widgets.window.keys_help import KEYS, TRACE

LEFT, NONE = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier


@pytest.fixture
def session(make_napari_viewer, demo_path):
    """The demo dataset, its record with a stall open."""
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(1300, 750)
    opened = session_of(viewer)
    opened.open_dataset(demo_path)
    stalled = next(one for one in opened.image_ids if load_review(opened.dataset.record(one)).events)
    opened.open_record(stalled)
    return opened


@pytest.fixture
def dock(session, qtbot):
    opened = FlowDock(session.viewer)
    session.viewer.window.add_dock_widget(opened, area="bottom")
    qtbot.waitUntil(lambda: bool(bands(opened)) and not opened.is_busy)
    opened.events.review.reviewer = "Ada"
    return opened


def bands(dock):
    return dock.events.bands(dock.flow.roi_ids)


def at(dock, time):
    """Where a time is in the plot, in the middle of its height."""
    rect = dock.plot._box.sceneBoundingRect()
    along = dock.plot._box.mapViewToScene(QPointF(time, 0)).x()
    return dock.plot.mapFromScene(QPointF(along, rect.center().y()))


def click(dock, time):
    QTest.mouseMove(dock.plot.viewport(), at(dock, time))
    QTest.mouseClick(dock.plot.viewport(), LEFT, NONE, at(dock, time))
    QApplication.processEvents()


def drag(dock, start, stop):
    viewport, begin, end = dock.plot.viewport(), at(dock, start), at(dock, stop)
    QTest.mouseMove(viewport, begin)
    QTest.mousePress(viewport, LEFT, NONE, begin)
    for step in range(1, 6):
        QTest.mouseMove(viewport, begin + QPoint((end - begin).x() * step // 5, 0))
        QApplication.processEvents()
    QTest.mouseRelease(viewport, LEFT, NONE, end)
    QApplication.processEvents()


@pytest.mark.everyday
def test_an_event_is_clicked_its_edge_dragged_and_both_undone_by_key(dock, session, qtbot):
    band = bands(dock)[0]
    click(dock, (band.begin_s + band.end_s) / 2)
    assert session.event.is_of(*band.listed.key)
    assert set(dock.plot.actions_by_key) == set(chain.from_iterable(KEYS[TRACE].values()))
    assert dock._legend.kinds == tuple(dict.fromkeys(one.kind for one in bands(dock)))

    wanted = band.end_s + 0.4 * (dock.plot.time_range[1] - band.end_s)
    drag(dock, band.end_s, wanted)
    stored = load_review(session.dataset.record(session.image_id))
    begin, end = next(one.seconds("Ada") for one in stored.events if one.event == band.listed.event)
    assert begin == band.begin_s
    assert end == pytest.approx(wanted, abs=2 / dock.plot.pixels_a_second)

    QTest.keyClick(dock.plot, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert next(one.end_s for one in bands(dock) if one.is_selected) == band.end_s
    QTest.keyClick(dock.plot, Qt.Key.Key_Escape)
    assert session.event is None


def test_a_drag_beside_the_edges_moves_time(dock, session):
    band = bands(dock)[0]
    click(dock, (band.begin_s + band.end_s) / 2)
    before = dock.plot.time_range
    middle = (band.begin_s + band.end_s) / 2
    drag(dock, middle, middle + 0.2)
    assert dock.plot.time_range[0] < before[0]
    assert next(one.end_s for one in bands(dock) if one.is_selected) == band.end_s


def test_a_window_that_is_clicked_is_explained_until_the_explanation_is_closed(dock, qtbot):
    trace = next(iter(dock.flow.traces.values()))
    QTest.keyClick(dock.plot, Qt.Key.Key_W)
    click(dock, trace.lines[40] * dock.flow.seconds_per_line)
    inspector = dock.why.inspector
    qtbot.waitUntil(lambda: inspector.reasons is not None)
    before = inspector.line
    QTest.keyClick(dock.why.window, Qt.Key.Key_Right)
    assert inspector.line > before
    assert dock.plot._marker.isVisible()
    dock.why.window.close()
    assert not inspector.is_open
    assert not dock.plot._marker.isVisible()


def test_measured_an_event_is_clicked_and_judged_and_a_moved_roi_is_measured_again(dock, session, qtbot):
    roi_id = dock.flow.roi_ids[0]
    session.record.selection.select([roi_id])
    measure(dock, qtbot, lambda: dock.measure.run("roi"))
    assert "event" in dock._bar.text
    detected = [band for band in bands(dock) if band.listed.event.method == "likelihood"]
    click(dock, (detected[0].begin_s + detected[0].end_s) / 2)
    dock.events.review.judge(TRUE_STALL)
    stored = load_review(session.dataset.record(session.image_id))
    assert [one.by("Ada").user_type for one in stored.events if one.event == detected[0].listed.event] == [TRUE_STALL]

    session.record.editor.edit(roi_id, x0=20)
    assert f"ROI {roi_id}" in dock._warning.full_text
    measure(dock, qtbot, dock.measure.again.click)
    assert dock._warning.full_text == ""
    again = load_review(session.dataset.record(session.image_id))
    assert [one.by("Ada").user_type for one in (*again.events, *again.unmatched)].count(TRUE_STALL) == 1


def measure(dock, qtbot, begin):
    """Begin a measurement, and wait until its results are shown."""
    before = dock.flow.flow
    begin()
    qtbot.waitUntil(lambda: not dock.is_busy and dock.flow.flow is not before)


def test_the_settings_have_the_keyboard_each_time_they_are_asked_for(dock, session, qtbot):
    dock.measure.open_settings()
    session.viewer.window._qt_window.activateWindow()
    qtbot.waitUntil(lambda: not dock.measure.settings_window.isActiveWindow())
    dock.measure.open_settings()
    qtbot.waitUntil(dock.measure.settings_window.isActiveWindow)
    dock.measure.settings_window.close()
