"""The docks: what they show, and what their buttons do."""

import numpy as np
import pytest
from napari.utils.notifications import notification_manager
from qtpy.QtCore import QEvent, QItemSelectionModel, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QCheckBox, QDialogButtonBox, QFileDialog, QLineEdit, QSlider

from kymflow_core import AcqImage, MaskROI, RoiSet
from kymflow_core.roi.bounds import Bounds
from kymflow_zarr import ZarrDataset
from napari_kymflow.rois.columns import COLUMNS
from napari_kymflow.session.session import session_of
from napari_kymflow.widgets.docks import is_busy, open_docks
from napari_kymflow.widgets.flow.plot import FlowPlot
from napari_kymflow.widgets.rois.dialogs import BoundsDialog
from napari_kymflow.widgets.rois.roi_dock import RoiDock


@pytest.fixture
def viewer(viewer_model):
    return viewer_model


@pytest.fixture
def roi_dock(alone):
    return alone(RoiDock)


@pytest.fixture
def session(viewer, demo_path):
    """The demo's first record, open."""
    opened = session_of(viewer)
    opened.open_dataset(demo_path)
    opened.open_record(opened.image_ids[0])
    return opened


def cells(dock):
    model = dock._model
    return [[model.data(model.index(row, at)) for at in range(model.columnCount())] for row in range(model.rowCount())]


OUTDATED = "ROI 1 was deleted; computed for it as it was: radon report (1 row)"


def messages():
    return [str(record.message) for record in notification_manager.records]


def test_an_empty_roi_dock_says_what_to_do(roi_dock):
    assert (roi_dock._state.text(), "Drop a dataset" in roi_dock._warning.text()) == ("No record is open.", True)
    assert not any(button.isEnabled() for button in roi_dock._buttons.values())


@pytest.mark.everyday
def test_the_roi_dock_lists_the_rois_with_their_places(roi_dock, session, qtbot):
    qtbot.waitUntil(lambda: "…" not in cells(roi_dock)[0])
    stats = [session.record.image.roi_stats(roi_id) for roi_id in (1, 2)]
    means = [f"{one.mean:.4g} ± {one.std:.3g}" for one in stats]
    assert cells(roi_dock) == [
        ["1", "vessel", "1", "0", "rectangle", means[0], "0 – 6000", "12 – 84", "0.000 – 6.000", "6.00 – 42.00", "", ""],
        [
            *("2", "centre, first half", "1", "0", "rectangle", means[1], "0 – 3000", "36 – 60", "0.000 – 3.000"),
            *("18.00 – 30.00", "mask", ""),
        ],
    ]


@pytest.mark.story
def test_unknown_calibration_is_shown_and_never_a_number(roi_dock, viewer, lab_path):
    opened = session_of(viewer)
    opened.open_dataset(lab_path)
    opened.open_record(opened.snapshot.images.set_index("name").loc["Capillary2_no_txt", "image_id"])
    opened.record.sync.layer.add_rectangles([np.array([[0, 0], [0, 900], [900, 900], [900, 0]])])
    assert "Calibration unknown" in roi_dock._warning.text()
    assert cells(roi_dock)[0][8:10] == ["unknown", "unknown"]


@pytest.mark.parametrize("how", ["double click", "return"])
def test_a_double_click_or_return_brings_a_roi_into_view(roi_dock, session, how):
    index = roi_dock._model.index(1, 0)
    if how == "return":
        roi_dock._view.setCurrentIndex(index)
        QTest.keyClick(roi_dock._view, Qt.Key.Key_Return)
    else:
        roi_dock._view.doubleClicked.emit(roi_dock._model.index(1, 1))
        assert session.view.visible_lines() == (0, 6000)
        roi_dock._view.doubleClicked.emit(index)
    first, stop = session.view.visible_lines()
    assert (first, stop - 3000 < 200) == (0, True)
    assert session.record.selection.ids == (2,)


def test_channels_are_switched_and_the_contrast_is_set_in_the_dock(roi_dock, viewer, tmp_path):
    dataset = ZarrDataset(tmp_path / "channels.zarr")
    dataset.add_image(np.arange(2 * 60 * 8, dtype=np.uint16).reshape(2, 60, 8), axes=("c", "y", "x"))
    opened = session_of(viewer)
    opened.open_dataset(dataset.path)
    opened.open_record(opened.image_ids[0])
    opened.record.editor.add_rect(Bounds(x0=0, x1=4, y0=0, y1=9))
    hidden = [column.name for at, column in enumerate(COLUMNS) if roi_dock._view.isColumnHidden(at)]
    assert hidden == ["z"]
    model = roi_dock._model
    assert model.setData(model.index(0, 2), "2")
    assert opened.record.rois.get(1).channel == 2
    assert not model.setData(model.index(0, 2), "3")
    assert messages()[-1] == "'3' is no channel of this image; type a number from 1 to 2"
    menu = roi_dock._display.menu()
    menu.aboutToShow.emit()
    first, second = menu.findChildren(QCheckBox)
    assert (first.text(), second.text()) == ("channel 1", "channel 2")
    second.setChecked(False)
    layers = opened.record.display.channels
    assert (layers[1].visible, layers[2].visible) == (True, False)
    black, white = menu.findChildren(QSlider)
    black.setValue(100)
    white.setValue(900)
    assert opened.record.display.percentiles == (10, 90)
    assert layers[1].contrast_limits == pytest.approx(np.percentile(np.arange(480), (10, 90)))


def test_a_rectangle_is_typed_into_a_form_that_takes_only_what_has_pixels(roi_dock):
    dialog = BoundsDialog((100, 50), Bounds(x0=0, x1=50, y0=10, y1=20), roi_dock)
    ok = dialog.findChild(QDialogButtonBox).button(QDialogButtonBox.StandardButton.Ok)
    assert ok.isEnabled()
    dialog.form.end_line.value = 5
    assert not ok.isEnabled()
    dialog.form.all_time.value = True
    assert ok.isEnabled()
    assert not dialog.form.end_line.enabled
    assert dialog.bounds == Bounds(x0=0, x1=50, y0=0, y1=100)
    assert dialog.form.end_line.max == 100


def test_rois_are_listed_by_their_ids_as_in_the_tables(roi_dock, session):
    rois = session.record.rois
    session.record.editor.restore(RoiSet.of([rois.get(2), rois.get(1)], next_id=3))
    assert session.record.rois.ids == (2, 1)
    assert [row[0].removeprefix("● ") for row in cells(roi_dock)] == ["1", "2"]


def test_selecting_a_row_selects_the_shape(roi_dock, session):
    roi_dock._view.selectRow(1)
    assert set(session.record.sync.layer.selected_data) == {1}


@pytest.mark.everyday
def test_selecting_a_shape_selects_the_row(roi_dock, session):
    session.record.sync.layer.selected_data = {1}
    assert roi_dock._selected_ids() == (2,)


def test_a_name_edited_in_the_table_is_the_rois_and_is_unsaved(roi_dock, session):
    index = roi_dock._model.index(0, 1)
    assert roi_dock._model.flags(index) & Qt.ItemFlag.ItemIsEditable
    roi_dock._model.setData(index, "big vessel")
    assert session.record.rois.get(1).name == "big vessel"
    assert "not saved" in roi_dock._state.text()


@pytest.mark.story
def test_the_return_that_ends_a_new_name_leaves_the_view_where_it_is(roi_dock, session, viewer):
    asked = []
    roi_dock._view.return_pressed.connect(asked.append)
    roi_dock.show()
    index = roi_dock._model.index(1, 1)
    roi_dock._view.setCurrentIndex(index)
    roi_dock._view.edit(index)
    editor = roi_dock._view.findChild(QLineEdit)
    QTest.keyClicks(editor, "stall")
    QTest.keyClick(editor, Qt.Key.Key_Return)
    QApplication.processEvents()
    assert (session.record.rois.get(2).name, asked) == ("stall", [])
    QTest.keyClick(roi_dock._view, Qt.Key.Key_Return)
    assert asked == [1]


@pytest.mark.story
def test_what_is_typed_stays_while_measurements_and_saves_change_the_table(roi_dock, session):
    index = roi_dock._model.index(0, 1)
    roi_dock._view.setCurrentIndex(index)
    roi_dock._view.edit(index)
    editor = roi_dock._view.findChild(QLineEdit)
    editor.setText("half a na")
    session.state_changed.emit()
    roi_dock._model.dataChanged.emit(roi_dock._model.index(0, 0), roi_dock._model.index(1, 9))
    assert editor.text() == "half a na"


def test_the_delete_button_deletes_the_selected_rois(roi_dock, session):
    roi_dock._view.selectRow(0)
    roi_dock._buttons["delete"].click()
    assert session.record.rois.ids == (2,)
    assert len(cells(roi_dock)) == 1


@pytest.mark.everyday
def test_the_save_button_writes_the_rois_and_rests_when_all_is_saved(roi_dock, session, demo_path, qtbot):
    assert not roi_dock._buttons["save"].isEnabled()
    session.record.editor.delete([1])
    assert roi_dock._buttons["save"].isEnabled()
    roi_dock._buttons["save"].click()
    qtbot.waitUntil(lambda: not session.record.is_unsaved)
    assert AcqImage.from_zarr(demo_path, session.image_id).rois.ids == (2,)
    assert not roi_dock._buttons["save"].isEnabled()
    assert roi_dock._state.text().endswith("1 ROI, saved")


def action(button, text):
    return next(action for action in button.menu().actions() if action.text() == text)


@pytest.mark.story
def test_the_mask_action_writes_masks(roi_dock, session, demo_path, qtbot):
    action(roi_dock._more, "Materialize masks of all rectangles").trigger()
    qtbot.waitUntil(lambda: [row[10] for row in cells(roi_dock)] == ["mask", "mask"])
    assert len(ZarrDataset(demo_path).record(session.image_id).list_array_artifacts()) == 2


@pytest.mark.story
@pytest.mark.parametrize(
    ("text", "mode"),
    [
        ("Draw rectangle", "add_rectangle"),
        ("Draw ellipse", "add_ellipse"),
        ("Draw polygon", "add_polygon"),
        ("Draw free hand", "add_polygon_lasso"),
        ("Draw path", "add_path"),
        ("Draw line", "add_line"),
    ],
)
def test_the_draw_actions_make_the_roi_layer_ready(text, mode, roi_dock, session, viewer):
    viewer.layers.selection.active = viewer.layers[0]
    action(roi_dock._add, text).trigger()
    assert viewer.layers.selection.active is session.record.sync.layer
    assert str(session.record.sync.layer.mode) == mode


def test_rois_go_to_imagej_and_back_by_the_menus(roi_dock, session, tmp_path, monkeypatch, qtbot):
    path = tmp_path / "rois.zip"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *args: (str(path), ""))
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *args: (str(path), ""))
    action(roi_dock._more, "Export to ImageJ…").trigger()
    qtbot.waitUntil(lambda: any("2 ROIs were written to rois.zip" in text for text in messages()))
    action(roi_dock._add, "From ImageJ (.roi, .zip)…").trigger()
    qtbot.waitUntil(lambda: session.record.rois.ids == (1, 2, 3, 4))


@pytest.mark.story
def test_a_mask_that_cannot_be_read_for_an_export_is_said(roi_dock, session, tmp_path, monkeypatch, qtbot):
    session.record.editor.add_rois([MaskROI(roi_id=1, reference="analysis_arrays/gone")])
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *args: (str(tmp_path / "rois.zip"), ""))
    action(roi_dock._more, "Export to ImageJ…").trigger()
    qtbot.waitUntil(lambda: any("no array artifact named 'gone'" in text for text in messages()))
    assert not (tmp_path / "rois.zip").exists()


@pytest.mark.story
def test_a_shape_that_cannot_be_saved_is_said(roi_dock, session):
    assert roi_dock._warning.isHidden()
    session.record.sync.layer.add_ellipses([np.array([[-90, -90], [-90, -50], [-50, -50], [-50, -90]])])
    assert not roi_dock._warning.isHidden()
    assert "1 shape on the canvas cannot be saved" in roi_dock._warning.text()


def test_docks_open_once_below_the_canvas(make_napari_viewer):
    viewer = make_napari_viewer()
    open_docks(viewer)
    open_docks(viewer)
    titles = list(viewer.window.dock_widgets)
    assert len([title for title in titles if title.startswith("Kymograph")]) == 3
    QApplication.processEvents()


@pytest.mark.story
def test_clearing_the_table_selection_clears_the_canvas(roi_dock, session):
    roi_dock._view.selectRow(1)
    roi_dock._view.selectionModel().clearSelection()
    roi_dock._view.selectionModel().select(roi_dock._model.index(0, 0), QItemSelectionModel.SelectionFlag.Clear)
    assert set(session.record.sync.layer.selected_data) == set()


def wait_for_docks(viewer, qtbot):
    """Wait until the dataset dock has looked at the dataset: what a worker holds would look like a leak."""
    qtbot.waitUntil(lambda: not is_busy(viewer), timeout=20_000)


def test_a_closed_dock_no_longer_listens_and_can_be_opened_again(make_napari_viewer, demo_path, qtbot):
    viewer = make_napari_viewer()
    session = session_of(viewer)
    session.open_dataset(demo_path)
    session.open_record(session.image_ids[0])
    open_docks(viewer)
    wait_for_docks(viewer, qtbot)
    for title in list(viewer.window.dock_widgets):
        viewer.window.remove_dock_widget(viewer.window.dock_widgets[title])
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    session.record.editor.delete([1])
    session.record.save()
    open_docks(viewer)
    titles = list(viewer.window.dock_widgets)
    assert len([title for title in titles if title.startswith("Kymograph")]) == 3
    wait_for_docks(viewer, qtbot)


def test_velocities_below_1_mm_per_s_are_written_as_they_are(qtbot):
    plot = FlowPlot()
    qtbot.addWidget(plot)
    plot.show_units(time="s", velocity="mm/s")
    plot.show_limits(0.0, 0.5)
    axis = plot._plot.getAxis("left")
    assert "x0.001" not in axis.labelString()
