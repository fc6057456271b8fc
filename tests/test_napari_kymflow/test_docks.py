"""The docks in a real window: what they show, and what their buttons do."""

import shutil

import numpy as np
import pytest
from napari.utils.notifications import notification_manager
from qtpy.QtCore import QEvent, QItemSelectionModel, Qt
from qtpy.QtWidgets import QApplication, QFileDialog

from kymflow_core import AcqImage, MaskROI
from kymflow_zarr import ZarrDataset
from napari_kymflow._session import session_of
from napari_kymflow.widgets._docks import open_docks
from napari_kymflow.widgets.dataset_dock import DatasetDock
from napari_kymflow.widgets.roi_dock import RoiDock


@pytest.fixture
def viewer(make_napari_viewer):
    return make_napari_viewer()


@pytest.fixture
def roi_dock(viewer):
    dock = RoiDock(viewer)
    viewer.window.add_dock_widget(dock)
    return dock


@pytest.fixture
def dataset_dock(viewer):
    dock = DatasetDock(viewer)
    viewer.window.add_dock_widget(dock)
    return dock


@pytest.fixture
def session(viewer, demo_path):
    """The demo's first record, open."""
    opened = session_of(viewer)
    opened.open_dataset(demo_path)
    opened.open_record(next(iter(opened.records())))
    return opened


def cells(dock):
    model = dock._model
    return [[model.data(model.index(row, at)) for at in range(model.columnCount())] for row in range(model.rowCount())]


OUTDATED = "ROI 1 was deleted; computed for it as it was: radon report (1 row)"


def messages():
    return [str(record.message) for record in notification_manager.records]


def test_an_empty_roi_dock_says_what_to_do(roi_dock):
    assert "Drop a dataset" in roi_dock._state.text()
    assert not any(button.isEnabled() for button in roi_dock._buttons.values())


def test_an_empty_dataset_dock_says_what_to_do(dataset_dock):
    assert "import a folder of TIFF files" in dataset_dock._state.text()
    assert not dataset_dock._rebuild.isEnabled()


def test_the_roi_dock_lists_the_rois_with_their_places(roi_dock, session, qtbot):
    qtbot.waitUntil(lambda: "…" not in cells(roi_dock)[0])
    stats = [session.image.roi_stats(roi_id) for roi_id in (1, 2)]
    means = [f"{one.mean:.4g} ± {one.std:.3g}" for one in stats]
    assert cells(roi_dock) == [
        ["1", "vessel", "rectangle", means[0], "0 – 6000", "12 – 84", "0.000 – 6.000", "6.00 – 42.00", "", "", "1", "0"],
        [
            *("2", "centre, first half", "rectangle", means[1], "0 – 3000", "36 – 60", "0.000 – 3.000", "18.00 – 30.00"),
            *("mask", "", "1", "0"),
        ],
    ]


def test_unknown_calibration_is_shown_and_never_a_number(roi_dock, viewer, lab_path):
    opened = session_of(viewer)
    opened.open_dataset(lab_path)
    opened.open_record(next(key for key, image in opened.records().items() if image.name == "Capillary2_no_txt"))
    opened.sync.layer.add_rectangles([np.array([[0, 0], [0, 900], [900, 900], [900, 0]])])
    assert "Calibration unknown" in roi_dock._state.text()
    assert cells(roi_dock)[0][6:8] == ["unknown", "unknown"]


def test_selecting_a_row_selects_the_shape(roi_dock, session):
    roi_dock._view.selectRow(1)
    assert set(session.sync.layer.selected_data) == {1}


def test_selecting_a_shape_selects_the_row(roi_dock, session):
    session.sync.layer.selected_data = {1}
    assert roi_dock._selected_ids() == (2,)


def test_a_name_edited_in_the_table_is_the_rois_and_is_unsaved(roi_dock, session):
    index = roi_dock._model.index(0, 1)
    assert roi_dock._model.flags(index) & Qt.ItemFlag.ItemIsEditable
    roi_dock._model.setData(index, "big vessel")
    assert session.rois.get(1).name == "big vessel"
    assert "not saved" in roi_dock._state.text()


def test_the_delete_button_deletes_the_selected_rois(roi_dock, session):
    roi_dock._view.selectRow(0)
    roi_dock._buttons["delete"].click()
    assert session.rois.ids == (2,)
    assert len(cells(roi_dock)) == 1


def test_the_save_button_writes_the_rois_and_rests_when_all_is_saved(roi_dock, session, demo_path, qtbot):
    assert not roi_dock._buttons["save"].isEnabled()
    session.editor.delete([1])
    assert roi_dock._buttons["save"].isEnabled()
    roi_dock._buttons["save"].click()
    qtbot.waitUntil(lambda: not session.is_unsaved)
    assert AcqImage.from_zarr(demo_path, session.image_id).rois.ids == (2,)
    assert not roi_dock._buttons["save"].isEnabled()
    assert roi_dock._state.text().endswith("1 ROI, saved")


def action(button, text):
    return next(action for action in button.menu().actions() if action.text() == text)


def test_the_mask_action_writes_masks(roi_dock, session, demo_path, qtbot):
    action(roi_dock._more, "Materialize masks of all rectangles").trigger()
    qtbot.waitUntil(lambda: [row[8] for row in cells(roi_dock)] == ["mask", "mask"])
    assert len(ZarrDataset(demo_path).record(session.image_id).list_array_artifacts()) == 2


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
    assert viewer.layers.selection.active is session.sync.layer
    assert str(session.sync.layer.mode) == mode


def test_rois_go_to_imagej_and_back_by_the_menus(roi_dock, session, tmp_path, monkeypatch, qtbot):
    path = tmp_path / "rois.zip"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *args: (str(path), ""))
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *args: (str(path), ""))
    action(roi_dock._more, "Export to ImageJ…").trigger()
    qtbot.waitUntil(lambda: any("2 ROIs were written to rois.zip" in text for text in messages()))
    action(roi_dock._add, "From ImageJ (.roi, .zip)…").trigger()
    qtbot.waitUntil(lambda: session.rois.ids == (1, 2, 3, 4))


def test_a_mask_that_cannot_be_read_for_an_export_is_said(roi_dock, session, tmp_path, monkeypatch, qtbot):
    session.editor.add_rois([MaskROI(roi_id=1, reference="analysis_arrays/gone")])
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *args: (str(tmp_path / "rois.zip"), ""))
    action(roi_dock._more, "Export to ImageJ…").trigger()
    qtbot.waitUntil(lambda: any("no array artifact named 'gone'" in text for text in messages()))
    assert not (tmp_path / "rois.zip").exists()


def test_a_shape_that_cannot_be_saved_is_said(roi_dock, session):
    assert roi_dock._warning.isHidden()
    session.sync.layer.add_ellipses([np.array([[-90, -90], [-90, -50], [-50, -50], [-50, -90]])])
    assert not roi_dock._warning.isHidden()
    assert "1 shape on the canvas cannot be saved" in roi_dock._warning.text()


def test_the_dataset_dock_lists_records_and_tables(dataset_dock, session):
    assert [dataset_dock._tabs.tabText(at) for at in range(3)] == [
        "Records",
        "radon_report (6 rows)",
        "velocity_events (4 rows)",
    ]
    model = dataset_dock._models["Records"]
    assert [model.data(model.index(row, 0)) for row in range(3)] == ["demo steady flow", "demo stall", "demo reversal"]


def test_clicking_a_record_opens_it(dataset_dock, session, qtbot):
    view = dataset_dock._views["Records"]
    view.clicked.emit(view.model().index(2, 0))
    assert session.image.name == "demo reversal"


def test_clicking_an_event_opens_its_record_and_goes_there(dataset_dock, session, viewer):
    view = dataset_dock._views["velocity_events"]
    place = next(row for row in range(4) if view.model().row_at(row)["kind"] == "speed-up")
    view.clicked.emit(view.model().index(place, 0))
    assert session.image.name == "demo reversal"
    assert viewer.scene.camera.center[-1] == pytest.approx(4900)
    assert session.sync.selected_ids == (1,)


def test_clicking_works_after_sorting(dataset_dock, session):
    view = dataset_dock._views["Records"]
    view.sortByColumn(0, Qt.SortOrder.AscendingOrder)
    view.clicked.emit(view.model().index(0, 0))
    assert session.image.name == "demo reversal"


def test_the_open_record_is_the_selected_row(dataset_dock, session):
    session.open_record(list(session.records())[1])
    rows = dataset_dock._views["Records"].selectionModel().selectedRows()
    assert [row.row() for row in rows] == [1]


def test_the_number_of_rois_follows_a_save(dataset_dock, session, qtbot):
    session.editor.delete([1])
    session.save_rois()
    model = dataset_dock._models["Records"]
    qtbot.waitUntil(lambda: model.row_at(0)["ROIs"] == 1)


def test_a_record_with_unsaved_rois_is_marked_in_the_list_until_it_is_saved(dataset_dock, session, qtbot):
    session.editor.delete([1])
    model = dataset_dock._models["Records"]
    assert [model.row_at(place)["state"] for place in range(3)] == ["● not saved", "", ""]
    session.save_rois()
    qtbot.waitUntil(lambda: model.row_at(0)["state"] == "")


def test_unsaved_records_are_counted(dataset_dock, session):
    session.editor.delete([1])
    assert "1 with unsaved ROIs" in dataset_dock._state.text()


def test_a_record_with_kept_rois_is_marked_when_its_dataset_is_opened(dataset_dock, session, demo_path):
    session.editor.edit(2, name="kept")
    session.editor.keep_draft()
    session.editor.undo()
    dataset_dock._on_dataset_changed()
    model = dataset_dock._models["Records"]
    assert model.row_at(0)["state"] == "● ROIs were kept, open it to take them up"


def test_rebuild_makes_the_tables_again(dataset_dock, session, qtbot, demo_path):
    (demo_path / "tables" / "velocity_events.parquet").unlink()
    session.show_reports([])
    assert dataset_dock._tabs.tabText(2) == "velocity_events (not built)"
    dataset_dock._rebuild.click()
    qtbot.waitUntil(lambda: dataset_dock._tabs.tabText(2) == "velocity_events (4 rows)")
    assert "velocity_events: 4 rows of 3 images" in messages()[-1]


def test_update_changes_only_the_open_images_rows(dataset_dock, session, qtbot):
    session.open_record(list(session.records())[1])
    frame = session.load_table("velocity_events")
    session.dataset.record(session.image_id).save_df_parquet("velocity_events", frame.iloc[:1].drop(columns="image_id"))
    dataset_dock._update.click()
    qtbot.waitUntil(lambda: dataset_dock._tabs.tabText(2) == "velocity_events (3 rows)")


def test_an_image_that_fails_is_said(dataset_dock, session, qtbot):
    session.dataset.record(session.image_id).save_json("radon_report", [1])
    (session.dataset.path / "images" / session.image_id / "analysis" / "radon_report.parquet").unlink()
    dataset_dock._rebuild.click()
    qtbot.waitUntil(lambda: any("is neither an object nor a list of objects" in text for text in messages()))


def test_import_from_the_dock_fills_a_new_dataset(dataset_dock, olympus_folder, tmp_path, qtbot, viewer):
    dataset_dock.import_folder(olympus_folder, tmp_path / "new.zarr")
    qtbot.waitUntil(lambda: dataset_dock._tabs.tabText(2) == "velocity_events (5 rows)", timeout=20_000)
    assert session_of(viewer).image.name == "Capillary1_0001"
    assert "3 imported, 0 skipped" in messages()
    assert any("calibration unknown" in text for text in messages())


def test_import_of_a_folder_without_tiffs_says_so(dataset_dock, tmp_path, qtbot):
    (tmp_path / "empty").mkdir()
    dataset_dock.import_folder(tmp_path / "empty", tmp_path / "new.zarr")
    qtbot.waitUntil(lambda: any("nothing was imported" in text for text in messages()))


def test_opening_something_else_says_so_and_keeps_what_is_open(dataset_dock, session, tmp_path, demo_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "x").touch()
    dataset_dock.open_dataset(tmp_path / "other")
    assert "is a folder with other things in it" in messages()[-1]
    assert session.dataset.path == demo_path


def test_docks_open_once_below_the_canvas(viewer):
    open_docks(viewer)
    open_docks(viewer)
    titles = list(viewer.window.dock_widgets)
    assert len([title for title in titles if title.startswith("Kymograph")]) == 2
    QApplication.processEvents()


def test_clearing_the_table_selection_clears_the_canvas(roi_dock, session):
    roi_dock._view.selectRow(1)
    roi_dock._view.selectionModel().clearSelection()
    roi_dock._view.selectionModel().select(roi_dock._model.index(0, 0), QItemSelectionModel.SelectionFlag.Clear)
    assert set(session.sync.layer.selected_data) == set()


def test_a_closed_dock_no_longer_listens_and_can_be_opened_again(viewer, session):
    open_docks(viewer)
    for title in list(viewer.window.dock_widgets):
        viewer.window.remove_dock_widget(viewer.window.dock_widgets[title])
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    session.editor.delete([1])
    session.save_rois()
    open_docks(viewer)
    titles = list(viewer.window.dock_widgets)
    assert len([title for title in titles if title.startswith("Kymograph")]) == 2


def test_a_damaged_table_is_said_and_can_be_rebuilt(viewer, demo_path, qtbot):
    (demo_path / "tables" / "velocity_events.parquet").write_bytes(b"no table")
    opened = session_of(viewer)
    dock = DatasetDock(viewer)
    viewer.window.add_dock_widget(dock)
    dock.open_dataset(demo_path)
    assert opened.image.name == "demo steady flow"
    assert dock._tabs.tabText(2) == "velocity_events (damaged: rebuild it)"
    dock._rebuild.click()
    qtbot.waitUntil(lambda: dock._tabs.tabText(2) == "velocity_events (4 rows)")


def test_while_tables_are_rebuilt_nothing_else_can_be_started(dataset_dock, session, qtbot):
    dataset_dock._rebuild.click()
    session.editor.delete([1])
    assert dataset_dock._state.text() == "Rebuilding tables …"
    assert not dataset_dock._rebuild.isEnabled()
    qtbot.waitUntil(dataset_dock._rebuild.isEnabled)


def test_rows_without_a_roi_or_a_time_can_be_clicked(dataset_dock, session):
    frame = session.load_table("velocity_events")
    rows = [
        frame.iloc[[0]].assign(roi_id=np.nan),
        frame.iloc[[1]].assign(t0_s=np.nan),
        frame.iloc[[2]].drop(columns="kind"),
    ]
    for row in rows:
        dataset_dock._show_frame("velocity_events", row)
        view = dataset_dock._views["velocity_events"]
        view.clicked.emit(view.model().index(0, 0))
        assert session.image_id == row["image_id"].iloc[0]


def test_only_the_image_id_is_hidden_when_columns_change_places(dataset_dock, session):
    view = dataset_dock._views["velocity_events"]
    frame = session.load_table("velocity_events")
    dataset_dock._show_frame("velocity_events", frame)
    dataset_dock._show_frame("velocity_events", frame[["roi_id", "kind", "image_id"]])
    assert [view.isColumnHidden(position) for position in range(3)] == [False, False, True]


def test_the_order_of_the_rows_stays_after_a_save(dataset_dock, session):
    view = dataset_dock._views["Records"]
    view.sortByColumn(0, Qt.SortOrder.DescendingOrder)
    session.editor.delete([1])
    session.save_rois()
    assert view.model().row_at(0)["record"] == "demo steady flow"
    assert view.model().row_at(2)["record"] == "demo reversal"


def test_with_unsaved_rois_another_dataset_is_opened_only_when_the_user_says_so(
    dataset_dock, session, tmp_path, answers, qtbot
):
    qtbot.waitUntil(lambda: session.editor.results is not None)
    session.editor.delete([1])
    ZarrDataset.create(tmp_path / "other.zarr")
    answers["unsaved"] = ["stay", "discard"]
    dataset_dock.open_dataset(tmp_path / "other.zarr")
    assert (session.path.name, session.rois.ids) == ("demo.zarr", (2,))
    dataset_dock.open_dataset(tmp_path / "other.zarr")
    assert session.path.name == "other.zarr"
    assert [what for _, what in answers["asked"]] == ["The ROIs of demo steady flow are not saved.\n" + OUTDATED] * 2


def test_damaged_records_are_counted_in_the_dock(viewer, demo_path, qtbot):
    first = next(path for path in (demo_path / "images").iterdir() if path.is_dir())
    shutil.rmtree(first / "analysis/history")
    (first / "analysis/history").mkdir()
    (first / "analysis/history/metadata.00000000.json").write_text("{")
    dock = DatasetDock(viewer)
    viewer.window.add_dock_widget(dock)
    dock.open_dataset(demo_path)
    assert "2 of 3 records open; 1 damaged" in dock._state.text()


def test_a_dataset_of_the_older_program_is_only_to_look_at(viewer, older_dataset_path, qtbot):
    dock = DatasetDock(viewer)
    viewer.window.add_dock_widget(dock)
    dock.open_dataset(older_dataset_path)
    assert "of the older program: only to look at" in dock._state.text()
    assert (dock._rebuild.isEnabled(), dock._update.isEnabled()) == (False, False)
