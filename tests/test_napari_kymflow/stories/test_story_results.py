"""From pixels to a figure through the real viewer: measure, judge, move a ROI, review blinded, plot, click a point."""

import numpy as np
import pytest
from qtpy.QtCore import QPointF, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication
from test_story import canvas_point, dock, drag, drop, settle

from kymflow_core import AcqImage
from kymflow_core.reviews.event import ARTEFACT, TRUE_STALL, UNREVIEWED
from kymflow_core.reviews.review import load_review
from kymflow_core.tables.freshness import State
from kymflow_zarr import ZarrDataset
from napari_kymflow.session.session import session_of
from napari_kymflow.widgets.docks import is_busy
from napari_kymflow.widgets.window.layout import PLOTS, PLUGIN, REVIEW

REPORT, EVENTS = "radon_report", "velocity_events"


@pytest.fixture
def viewer(make_napari_viewer):
    opened = make_napari_viewer(show=True)
    opened.window.resize(1500, 950)
    return opened


@pytest.fixture
def idle(viewer, qtbot):
    """A function that waits until no dock works any more."""

    def wait(until=lambda: True):
        qtbot.waitUntil(lambda: not is_busy(viewer) and not session_of(viewer).window.is_busy and until())
        settle()

    return wait


def open_record(viewer, name):
    """Open the record of this name, as a click in the list does."""
    session = session_of(viewer)
    names = {record.image_id: AcqImage(record).name for record in session.dataset.iter_records()}
    session.open_record(next(image_id for image_id, one in names.items() if one == name))
    settle()


def click_row(viewer, table, place):
    """Click the row at a place of a table."""
    tables = dock(viewer, "Kymograph dataset")
    tables.show_tab(table)
    settle()
    view = tables._panels[table].view
    at = view.visualRect(view.model().index(place, 0)).center()
    QTest.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=at)
    settle()


def open_review(viewer, qtbot, reviewer):
    _, review = viewer.window.add_plugin_dock_widget(PLUGIN, REVIEW)
    review._name.setText(reviewer)
    review._name.editingFinished.emit()
    qtbot.waitUntil(lambda: review._model.rowCount() > 0)
    return review


def press(review, key):
    review._view.setFocus()
    QTest.keyClick(review._view, key)
    settle()


def state_of(viewer, table):
    """Return what the rows of the open record in a table are worth."""
    session = session_of(viewer)
    return session.snapshot.states(table)[session.image_id]


@pytest.mark.opengl
def test_measured_clicked_judged_and_there_when_opened_again(viewer, make_napari_viewer, demo_path, idle, qtbot):
    drop(viewer, demo_path / "zarr.json")
    idle()
    open_record(viewer, "demo stall")
    session, flow = session_of(viewer), dock(viewer, "Kymograph flow")
    flow.measure.run("roi", [1])
    idle(lambda: flow.flow.state.again == ())
    trace = flow.flow.traces[1]
    found = ZarrDataset(demo_path).record(session.image_id).load_df_parquet(REPORT)
    assert "likelihood" in found.loc[found["roi_id"] == 1, "method"].tolist()
    assert len(trace.lines) > 1000

    review = open_review(viewer, qtbot, "Ada")
    frame = session.snapshot.tables[EVENTS]
    click_row(viewer, EVENTS, 0)
    qtbot.waitUntil(lambda: session.image_id is not None)
    press(review, Qt.Key.Key_N)
    event = session.event
    assert event is not None
    start, stop = (line * session.record.tag.seconds_per_line for line in session.view.placement.visible)
    assert start < event.t0_s < stop
    press(review, Qt.Key.Key_1)
    image_id = event.image_id
    assert len(frame) >= 2
    viewer.close()

    again = make_napari_viewer(show=True)
    drop(again, demo_path / "zarr.json")
    second = open_review(again, qtbot, "Ada")
    qtbot.waitUntil(lambda: second._progress.text().startswith("1 of "))
    judged = [one.by("Ada").user_type for one in load_review(ZarrDataset(demo_path).record(image_id)).events]
    assert judged.count(TRUE_STALL) == 1
    assert set(judged) <= {TRUE_STALL, UNREVIEWED}


@pytest.mark.opengl
def test_a_roi_that_was_moved_is_outdated_and_fresh_when_measured_again(viewer, demo_path, idle):
    drop(viewer, demo_path / "zarr.json")
    idle()
    session, flow = session_of(viewer), dock(viewer, "Kymograph flow")
    session.record.sync.layer.mode = "select"
    session.record.sync.select([2])
    flow.measure.run("roi", [2])
    idle(lambda: state_of(viewer, REPORT) == State.FRESH and 2 in flow.flow.traces)
    before = flow.flow.traces

    drag(viewer, canvas_point(viewer, 1500, 48), canvas_point(viewer, 2500, 48))
    assert session.record.rois.get(2).y0 > 500
    assert flow.flow.state.again == (2,)
    session.record.save()
    idle()
    dock(viewer, "Kymograph dataset").do.refresh()
    idle(lambda: state_of(viewer, REPORT) == State.OUTDATED)

    assert flow.measure.again.isVisibleTo(flow)
    QTest.mouseClick(flow.measure.again, Qt.MouseButton.LeftButton)
    idle(lambda: state_of(viewer, REPORT) == State.FRESH and flow.flow.state.again == ())
    assert flow.flow.traces[2].lines[0] > before[2].lines[0] + 500


@pytest.mark.opengl
def test_two_people_review_blinded_and_see_where_they_disagree(viewer, demo_path, idle, qtbot):
    drop(viewer, demo_path / "zarr.json")
    idle()
    review = open_review(viewer, qtbot, "Ada")
    review._blinded.setChecked(True)
    settle()
    for key in (Qt.Key.Key_N, Qt.Key.Key_1, Qt.Key.Key_1, Qt.Key.Key_3, Qt.Key.Key_3):
        press(review, key)
    shown = [review._model.index(row, 0).data() for row in range(4)]
    assert shown == [f"event {place}" for place in range(1, 5)]
    assert not dock(viewer, "Kymograph dataset").isVisible()
    assert not any("demo" in layer.name for layer in viewer.layers)
    first_order = [one.key for one in review.review.shown]

    review._name.setText("Ben")
    review._name.editingFinished.emit()
    settle()
    assert review._progress.text() == "0 of 4 reviewed"
    assert all(not review._model.index(row, 4).data() for row in range(4))
    assert {one.key for one in review.review.shown} == set(first_order)
    for key in (Qt.Key.Key_N, *(Qt.Key.Key_1,) * 4):
        press(review, key)

    review._blinded.setChecked(False)
    settle()
    assert dock(viewer, "Kymograph dataset").isVisible()
    assert review._agreement.text().startswith("Ben and Ada: 2 of 4 alike")
    assert review._disputed.text() == "Disagreements (2)"
    review._disputed.setChecked(True)
    settle()
    assert [review.review.shown[row].reviewed.by("Ada").user_type for row in range(2)] == [ARTEFACT, ARTEFACT]
    stored = [load_review(record).events for record in session_of(viewer).dataset.iter_records()]
    seeds = {said.blinded_seed for events in stored for one in events for said in one.judgements.values()}
    assert None not in seeds
    assert len(seeds) == 2


@pytest.mark.opengl
def test_a_click_on_a_point_of_a_plot_opens_its_record_at_its_event(viewer, demo_path, idle, qtbot):
    drop(viewer, demo_path / "zarr.json")
    idle()
    session = session_of(viewer)
    _, plots = viewer.window.add_plugin_dock_widget(PLUGIN, PLOTS)
    idle(lambda: plots.plots.shown.plot is not None)
    plots.plots.choose(table=EVENTS, kind="scatter", value="t1_s", against="t0_s", sample="row")
    idle()
    shown = plots.plots.shown
    row = shown.rows.frame.loc[shown.rows.frame["t0_s"].idxmax()]
    view = plots.chart
    at = view.mapFromScene(view._box.mapViewToScene(QPointF(*view.place_of_row(row.name))))
    QTest.mouseMove(view.viewport(), at)
    QTest.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=at)
    QApplication.processEvents()
    qtbot.waitUntil(lambda: session.image_id == row["image_id"])
    start, stop = session.view.placement.visible
    middle = np.mean([start, stop]) * session.record.tag.seconds_per_line
    assert middle == pytest.approx((row["t0_s"] + row["t1_s"]) / 2, abs=0.1)
    assert session.event is not None
    assert session.event.t0_s == row["t0_s"]
