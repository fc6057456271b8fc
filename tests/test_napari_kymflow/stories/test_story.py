"""The whole path through the real viewer, with a mouse: drop, draw, save, reopen, materialize, index, click a row."""

import gc
from pathlib import Path

import numpy as np
import pytest
from napari.utils.notifications import notification_manager
from qtpy.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from qtpy.QtGui import QDropEvent, QWheelEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from kymflow_core import AcqImage
from kymflow_zarr import ZarrDataset
from napari_kymflow.session.session import session_of


def settle():
    for _ in range(10):
        QApplication.processEvents()


def drop(viewer, path):
    """Drop a file or folder onto the window, as a file manager does."""
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path))])
    event = QDropEvent(
        QPointF(50, 50), Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    )
    viewer.window._qt_viewer.dropEvent(event)
    settle()


def canvas_point(viewer, line, pixel):
    """Return where a line and pixel of the open record is on the canvas."""
    canvas, camera = viewer.window._qt_viewer.canvas.native, viewer.scene.camera
    stretch = session_of(viewer).record.tag.stretch
    return QPoint(
        round(canvas.width() / 2 + (line - camera.center[-1]) * camera.zoom),
        round(canvas.height() / 2 + (pixel * stretch - camera.center[-2]) * camera.zoom),
    )


def drag(viewer, start, stop):
    """Press the left button at one place, move in steps to another, release."""
    canvas = viewer.window._qt_viewer.canvas.native
    none = Qt.KeyboardModifier.NoModifier
    QTest.mouseMove(canvas, start)
    settle()
    QTest.mousePress(canvas, Qt.MouseButton.LeftButton, none, start)
    for step in range(1, 6):
        QTest.mouseMove(canvas, start + (stop - start) * step / 5)
        settle()
    QTest.mouseRelease(canvas, Qt.MouseButton.LeftButton, none, stop)
    settle()


def wheel(viewer, place, steps=1):
    """Turn the mouse wheel towards the screen's far side over a place of the canvas."""
    canvas = viewer.window._qt_viewer.canvas.native
    for _ in range(steps):
        event = QWheelEvent(
            QPointF(place),
            QPointF(canvas.mapToGlobal(place)),
            QPoint(0, 0),
            QPoint(0, 120),
            Qt.MouseButton.NoButton,
            Qt.KeyboardModifier.NoModifier,
            Qt.ScrollPhase.NoScrollPhase,
            False,
        )
        QApplication.sendEvent(canvas, event)
        settle()


def dock(viewer, name):
    title = next(title for title in viewer.window.dock_widgets if title.startswith(name))
    return viewer.window.dock_widgets[title]


def trigger(button, text):
    """Choose from a button's menu."""
    next(action for action in button.menu().actions() if action.text() == text).trigger()
    settle()


def bounds(rois):
    return {roi.roi_id: (roi.x0, roi.x1, roi.y0, roi.y1) for roi in rois}


@pytest.fixture
def viewer(make_napari_viewer):
    opened = make_napari_viewer(show=True)
    opened.window.resize(1400, 900)
    return opened


@pytest.mark.opengl
def test_from_drop_to_a_clicked_row(viewer, lab_path, qtbot):
    # Drop: the first record, its three ROIs, both docks.
    drop(viewer, lab_path / "zarr.json")
    session = session_of(viewer)
    assert session.record.image.name == "Capillary1_0001"
    assert [layer.name for layer in viewer.layers] == ["Capillary1_0001", "ROIs of Capillary1_0001"]
    roi_dock, dataset_dock = dock(viewer, "Kymograph ROIs"), dock(viewer, "Kymograph dataset")
    assert roi_dock._model.rowCount() == 3

    # Draw: with the dock's button and the mouse.
    trigger(roi_dock._add, "Draw rectangle")
    drag(viewer, canvas_point(viewer, 4000, 10), canvas_point(viewer, 9000, 20))
    assert roi_dock._model.rowCount() == 4
    drawn = bounds(session.record.rois)[4]
    assert np.allclose(drawn, (10, 21, 4000, 9001), atol=60)
    assert "not saved" in roi_dock._state.text()

    # Move it: it keeps its id, and lies on whole pixels.
    session.record.sync.layer.mode = "select"
    drag(viewer, canvas_point(viewer, 6000, 14), canvas_point(viewer, 8000, 17))
    moved = bounds(session.record.rois)[4]
    assert moved[2] > drawn[2] + 1000
    assert moved[1] - moved[0] == drawn[1] - drawn[0]
    assert session.record.sync.selected_ids == (4,)

    # Save, close, reopen: the same ROIs at exactly the same pixels.
    QTest.mouseClick(roi_dock._buttons["save"], Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not session.record.is_unsaved)
    saved = bounds(session.record.rois)
    image_id = session.image_id
    assert bounds(AcqImage.from_zarr(lab_path, image_id).rois) == saved
    session.close_record()
    drop(viewer, lab_path / "images" / image_id / "zarr.json")
    assert bounds(session.record.rois) == saved
    assert not session.record.is_unsaved

    # Materialize: a boolean mask of the whole slice, and its reference.
    record = ZarrDataset(lab_path).record(image_id)
    trigger(roi_dock._more, "Materialize masks of all rectangles")
    qtbot.waitUntil(lambda: len(record.list_array_artifacts()) == 4 and not session.window.is_busy)
    x0, x1, y0, y1 = saved[4]
    expected = np.zeros((30000, 38), bool)
    expected[y0:y1, x0:x1] = True
    assert np.array_equal(record.load_array_artifact("roi_mask_4"), expected)
    assert AcqImage(record).rois.get(4).mask_ref == "analysis_arrays/roi_mask_4"

    # Index, and click an event: its ROI is selected and its time is in the middle.
    qtbot.waitUntil(lambda: not dataset_dock.is_busy)
    dataset_dock._rebuild.trigger()
    qtbot.waitUntil(lambda: "Events: 5 rows" in dataset_dock._bar.text)
    dataset_dock.show_tab("velocity_events")
    settle()
    view = dataset_dock._panels["velocity_events"].view
    row = next(place for place in range(5) if view.model().row_at(place)["event_id"] == "4")
    QTest.mouseClick(
        view.viewport(),
        Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
        view.visualRect(view.model().index(row, 0)).center(),
    )
    settle()
    assert sum(session.view.visible_lines()) / 2 * session.record.tag.seconds_per_line == pytest.approx(20.498, abs=0.01)
    assert session.record.sync.selected_ids == (1,)


@pytest.mark.opengl
@pytest.mark.story
def test_docks_that_were_opened_first_follow_what_is_dropped(viewer, lab_path):
    for name in ("Kymograph dataset", "Kymograph ROIs"):
        viewer.window.add_plugin_dock_widget("napari-kymflow", name)
    gc.collect()
    drop(viewer, lab_path / "zarr.json")
    assert session_of(viewer).record.image.name == "Capillary1_0001"
    assert dock(viewer, "Kymograph ROIs")._model.rowCount() == 3
    assert dock(viewer, "Kymograph dataset")._panels["Records"].model.rowCount() == 3


@pytest.mark.opengl
@pytest.mark.story
def test_a_corner_can_be_grabbed_and_dragged(viewer, lab_path):
    drop(viewer, lab_path / "zarr.json")
    session = session_of(viewer)
    session.record.sync.layer.mode = "select"
    session.record.sync.select([2])
    settle()
    drag(viewer, canvas_point(viewer, 22499.5, 27.5), canvas_point(viewer, 25000, 33))
    x0, x1, y0, y1 = bounds(session.record.rois)[2]
    assert (x0, y0) == (9, 7500)
    assert x1 in (33, 34, 35)
    assert y1 == pytest.approx(25000, abs=60)


@pytest.mark.opengl
@pytest.mark.story
def test_a_vertex_drag_that_makes_a_polygon_is_said_and_loses_nothing(viewer, lab_path):
    drop(viewer, lab_path / "zarr.json")
    session = session_of(viewer)
    before = session.record.rois
    session.record.sync.layer.mode = "direct"
    session.record.sync.select([2])
    settle()
    drag(viewer, canvas_point(viewer, 22499.5, 27.5), canvas_point(viewer, 25000, 33))
    roi, old = session.record.rois.get(2), before.get(2)
    assert (roi.roi_type, roi.drawn.type, roi.name, roi.note) == ("mask", "polygon", old.name, old.note)
    assert roi.drawn.vertices[2] == pytest.approx((25000, 33), abs=60)
    assert "ROI 2: no upright rectangle any more" in str(notification_manager.records[-1].message)
    QTest.keyClick(viewer.window._qt_viewer.canvas.native, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    settle()
    assert session.record.rois.rois == before.rois


@pytest.mark.opengl
@pytest.mark.story
def test_all_four_edges_of_a_roi_are_seen(viewer, lab_path):
    drop(viewer, lab_path / "zarr.json")
    session = session_of(viewer)
    for layer in viewer.layers:
        layer.visible = layer is session.record.sync.layer
    session.record.sync.layer.text.visible = False
    for line, zoom in ((15000, viewer.scene.camera.zoom), (7500, 0.3)):
        viewer.scene.camera.center, viewer.scene.camera.zoom = (0, 9 * session.record.tag.stretch, line), zoom
        QTest.qWait(300)  # the edges are drawn when the zoom rests
        picture = viewer.screenshot(canvas_only=True, flash=False)
        edges = picture[..., :3].max(axis=-1) > 150
        corner = canvas_point(viewer, 7499.5, 8.5)
        beside, below = edges[:, corner.x() + 20], edges[corner.y() + 20]
        assert beside[corner.y() - 3 : corner.y() + 4].sum() in (1, 2, 3, 4)
        assert below[corner.x() - 3 : corner.x() + 4].sum() in (1, 2, 3, 4)


@pytest.mark.opengl
def test_naparis_sample_menu_opens_the_simulated_kymographs(viewer, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    viewer.open_sample("napari-kymflow", "simulated")
    settle()
    assert session_of(viewer).record.image.name == "demo steady flow"
    assert dock(viewer, "Kymograph dataset")._panels["Records"].model.rowCount() == 3


@pytest.mark.opengl
@pytest.mark.window
@pytest.mark.story
def test_the_demo_command_renders_its_window_to_a_file(tmp_path):
    import subprocess
    import sys

    from PIL import Image

    picture = tmp_path / "demo.png"
    command = [str(Path(sys.executable).parent / "napari-kymflow"), "demo", "--screenshot", str(picture)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    pixels = np.asarray(Image.open(picture).convert("RGB"))
    assert pixels.shape[1] > 1000
    assert pixels.std() > 20


@pytest.mark.opengl
@pytest.mark.story
def test_the_mouse_wheel_zooms_time_only(viewer, lab_path):
    drop(viewer, lab_path / "zarr.json")
    session = session_of(viewer)
    zoom, rois = viewer.scene.camera.zoom, session.record.rois
    wheel(viewer, QPoint(300, 200), steps=6)
    camera, height = viewer.scene.camera, viewer.canvas.size[0]
    assert camera.zoom > 2 * zoom
    assert 38 * session.record.tag.stretch * camera.zoom / height == pytest.approx(0.86, rel=0.03)
    assert camera.center[-2] == pytest.approx(37 / 2 * session.record.tag.stretch)
    assert session.record.rois == rois


@pytest.mark.opengl
@pytest.mark.story
def test_the_wheel_in_the_middle_of_a_polygon_loses_no_roi(viewer, lab_path):
    drop(viewer, lab_path / "zarr.json")
    session, canvas = session_of(viewer), viewer.window._qt_viewer.canvas.native
    before = session.record.rois
    session.record.sync.layer.mode = "add_polygon"
    for number, place in enumerate([QPoint(200, 150), QPoint(400, 150), QPoint(400, 350), QPoint(200, 350)]):
        QTest.mouseMove(canvas, place)
        QTest.mouseClick(canvas, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, place)
        settle()
        if number == 1:
            wheel(viewer, QPoint(300, 200))
            viewer.window.resize(1300, 850)
            settle()
    session.record.sync.layer.mode = "select"
    settle()
    assert session.record.rois.rois[:3] == before.rois
    assert session.record.rois.get(4).drawn.type == "polygon"
    assert session.record.sync.layer.nshapes == 4


@pytest.mark.opengl
@pytest.mark.story
def test_several_selected_rois_are_dragged_together_and_stay_selected(viewer, lab_path):
    drop(viewer, lab_path / "zarr.json")
    session = session_of(viewer)
    before = bounds(session.record.rois)
    session.record.sync.layer.mode = "select"
    session.record.sync.select([2, 3])
    settle()
    drag(viewer, canvas_point(viewer, 20000, 10.5), canvas_point(viewer, 21000, 10.5))
    after = bounds(session.record.rois)
    assert session.record.sync.selected_ids == (2, 3)
    assert after[2][2] == pytest.approx(before[2][2] + 1000, abs=60)
    assert after[3][2] == pytest.approx(before[3][2] + 1000, abs=60)
