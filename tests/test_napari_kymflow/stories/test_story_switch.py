"""Opening one record after another in the real window, while the mouse wheel turns and the mouse moves over the canvas."""

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from test_story import canvas_point, dock, drag, drop, settle, wheel
from test_story_annotate import Window

from kymflow_zarr import ZarrDataset
from napari_kymflow.layers.tags import tag_of
from napari_kymflow.rois.drafts import load_draft
from napari_kymflow.session.session import session_of

pytestmark = [pytest.mark.opengl, pytest.mark.story]


@pytest.fixture
def window(make_napari_viewer, demo_path, qtbot):
    opened = Window(make_napari_viewer(show=True), demo_path)
    qtbot.waitUntil(lambda: opened.session.record.saving.results is not None)
    return opened


def test_many_switches_with_the_wheel_turning_end_in_no_crash_and_keep_the_layers(window, trials):
    layers, ids = list(window.viewer.layers), window.session.image_ids
    rois = {}
    for number in range(trials.switches):
        window.session.open_record(ids[number % len(ids)])
        for place in (QPoint(300, 100), QPoint(150, 120), QPoint(420, 90)):
            QTest.mouseMove(window.canvas, place)
            wheel(window.viewer, place, steps=1 + number % 3)
        shown = rois.setdefault(window.session.image_id, window.rois)
        assert shown == window.rois
    assert list(window.viewer.layers) == layers
    assert {tag_of(layer).image_id for layer in layers} == {window.session.image_id}


def test_many_switches_between_records_of_one_to_three_channels_end_in_no_crash(make_napari_viewer, tmp_path, trials):
    path, rng = tmp_path / "channels.zarr", np.random.default_rng(0)
    for count in (2, 1, 3):
        pixels = rng.integers(0, 255, (count, 6000, 64)).astype(np.uint8)
        ZarrDataset(path).add_image(pixels if count > 1 else pixels[0], axes=("c", "y", "x") if count > 1 else ("y", "x"))
    opened = Window(make_napari_viewer(show=True), path)
    ids, seen = opened.session.image_ids, set()
    for number in range(trials.switches):
        opened.session.open_record(ids[number % len(ids)])
        for place in (QPoint(300, 100), QPoint(150, 120), QPoint(420, 90)):
            QTest.mouseMove(opened.canvas, place)
            wheel(opened.viewer, place, steps=1 + number % 3)
        shown = {channel for channel, layer in opened.session.record.display.channels.items() if layer.visible}
        assert shown == set(opened.session.record.image.channels_available)
        seen.add(tuple(id(layer) for layer in opened.viewer.layers))
    # Layers are added only until the record with the most channels was shown.
    assert len(seen) <= 3


def test_a_click_on_a_record_with_the_wheel_turning_at_once_shows_it_whole_and_changes_no_roi(window):
    before = window.rois
    for name in ("demo stall", "demo reversal", "demo steady flow"):
        window.open(name)
        wheel(window.viewer, QPoint(300, 100), steps=2)
        assert window.session.record.image.name == name
        assert [layer.name for layer in window.viewer.layers][::2] == [name, f"ROIs of {name}"]
    assert window.rois == before
    assert not window.session.record.is_unsaved


def test_a_polygon_that_is_being_drawn_is_finished_before_another_record_is_shown(window, answers):
    answers["unsaved"] = ["save"]
    first = window.session.image_id
    window.layer.mode = "add_polygon"
    for line, pixel in ((3500, 20), (4500, 20), (4500, 50), (3500, 50)):
        QTest.mouseMove(window.canvas, window.at(line, pixel))
        QTest.mouseClick(window.canvas, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, window.at(line, pixel))
        settle()
    window.open("demo stall")
    second = window.session.image_id
    assert (window.rois.ids, str(window.layer.mode)) == ((1, 2), "pan_zoom")
    assert not window.session.record.is_unsaved
    assert answers["asked"][0][0] == "unsaved"
    assert second != first
    window.open("demo steady flow")
    assert window.rois.get(3).drawn.type == "polygon"


def test_a_shape_that_the_mouse_holds_is_not_dragged_into_another_record(window):
    first, before = window.session.image_id, window.rois
    window.layer.mode = "select"
    QTest.mouseMove(window.canvas, window.at(1500, 48))
    settle()
    QTest.mousePress(window.canvas, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, window.at(1500, 48))
    assert not window.session.open_record(window.session.image_ids[1])
    QTest.mouseRelease(window.canvas, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, window.at(1500, 48))
    settle()
    assert (window.session.image_id, window.rois) == (first, before)
    assert window.session.open_record(window.session.image_ids[1])


def test_a_dataset_that_is_dropped_on_another_one_takes_its_layers_over(window, lab_path):
    layers = list(window.viewer.layers)
    drop(window.viewer, lab_path / "zarr.json")
    assert window.session.record.image.name == "Capillary1_0001"
    assert [layer in layers for layer in window.viewer.layers] == [True, True, True]
    drag(window.viewer, canvas_point(window.viewer, 4000, 10), canvas_point(window.viewer, 9000, 20))
    assert window.rois.ids == (1, 2, 3)


def test_next_to_a_photo_a_record_is_shown_here_or_in_a_window_of_its_own_and_the_photo_stays_as_it_was(
    make_napari_viewer, demo_path, answers
):
    viewer = make_napari_viewer(show=True)
    photo = viewer.add_image(np.random.default_rng(0).random((60, 40)), name="photo", scale=(0.5, 0.5))
    before = viewer.dims.order
    drop(viewer, demo_path / "zarr.json")
    assert [kind for kind, _ in answers["asked"]] == ["own"]
    session, roi_dock = session_of(viewer), dock(viewer, "Kymograph ROIs")
    assert not roi_dock._time_only.isEnabled()
    for image_id in session.image_ids:
        session.open_record(image_id)
        wheel(viewer, QPoint(300, 100), steps=3)
        QTest.qWait(300)
        width = 2 / viewer.scene.camera.zoom
        assert session.record.sync.layer.edge_width == pytest.approx([width] * 2, rel=0.26)
    assert (photo.scale.tolist(), viewer.dims.order) == ([0.5, 0.5], before)
    assert len(answers["asked"]) == 1
    session.close_record()
    assert (list(viewer.layers), viewer.dims.order) == ([photo], before)


def test_an_edit_is_on_the_disk_within_two_seconds_without_a_save(window, drafts, qtbot):
    drawn = window.draw(3500, 4500, 20, 40)
    assert drawn not in window.stored
    qtbot.waitUntil(lambda: any(drafts.glob("*.json")), timeout=2000)
    draft = load_draft(window.session.dataset.dataset_id, window.session.image_id)
    assert draft.rois == window.rois
