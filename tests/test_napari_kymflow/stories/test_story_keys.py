"""Keys belong to what has the focus, and what is deleted by hand is asked about: in a real window, with real keys."""

import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication
from test_story import dock, drop, settle

from kymflow_core.roi.bounds import Bounds
from kymflow_zarr import ZarrDataset
from napari_kymflow.session.session import session_of
from napari_kymflow.widgets.dataset.dataset_dock import RECORDS
from napari_kymflow.widgets.dataset.removal import RemovalActions


@pytest.fixture
def viewer(make_napari_viewer):
    opened = make_napari_viewer(show=True)
    opened.window.resize(1300, 750)
    return opened


@pytest.fixture
def session(viewer, demo_path, qtbot):
    """The demo's first record, dropped; all its ROIs selected on the canvas."""
    drop(viewer, demo_path / "zarr.json")
    qtbot.waitUntil(lambda: not dock(viewer, "Kymograph dataset").is_busy, timeout=20_000)
    session_of(viewer).record.selection.select([1, 2])
    return session_of(viewer)


@pytest.fixture
def agreed(monkeypatch):
    """How many records the user was asked about; the answer is yes."""
    asked = []

    def agree(self, ids):
        asked.append(len(ids))
        return True

    monkeypatch.setattr(RemovalActions, "_agrees", agree)
    return asked


def press(widget, key, modifier=Qt.KeyboardModifier.NoModifier):
    widget.window().activateWindow()
    widget.setFocus()
    QTest.keyClick(widget, key, modifier)
    settle()


def idle(viewer, qtbot):
    dataset_dock = dock(viewer, "Kymograph dataset")
    qtbot.waitUntil(lambda: not dataset_dock.is_busy and dataset_dock.after_save.is_idle, timeout=20_000)


@pytest.mark.opengl
def test_delete_in_a_table_deletes_no_roi_and_in_the_records_removes_a_record(viewer, session, agreed, qtbot):
    dataset_dock, path, image_id = dock(viewer, "Kymograph dataset"), session.path, session.image_id
    files = sorted(file.read_bytes() for file in (path / "images" / image_id).rglob("*") if file.is_file())
    control = Qt.KeyboardModifier.ControlModifier

    # A table: nothing happens, whatever is held.
    dataset_dock.show_tab("rois")
    settle()
    session.record.selection.select([1, 2])
    for key in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace, Qt.Key.Key_3):
        press(dataset_dock._panels["rois"].view, key)
    press(dataset_dock._panels["rois"].view, Qt.Key.Key_Delete, control)
    assert (session.record.rois.ids, len(viewer.layers), agreed) == ((1, 2), 3, [])

    # The records: the record goes to the trash, and comes back from there.
    dataset_dock.show_tab(RECORDS)
    settle()
    press(dataset_dock._panels[RECORDS].view, Qt.Key.Key_Backspace)
    idle(viewer, qtbot)
    assert agreed == [1]
    assert image_id not in ZarrDataset(path, mode="r").list_image_ids()
    assert (len(viewer.layers), session.record, dataset_dock._panels[RECORDS].model.rowCount()) == (0, None, 2)
    dataset_dock.removal.fill()
    [restore] = dataset_dock.removal.restore.actions()
    assert restore.text() == "demo steady flow"
    restore.trigger()
    idle(viewer, qtbot)
    assert sorted(file.read_bytes() for file in (path / "images" / image_id).rglob("*") if file.is_file()) == files
    assert image_id in session.image_ids
    assert set(ZarrDataset(path, mode="r").load_table("rois")["image_id"]) == set(session.image_ids)

    # The ROI list: what is selected there.
    session.open_record(image_id)
    roi_dock = dock(viewer, "Kymograph ROIs")
    roi_dock._view.selectRow(1)
    press(roi_dock._view, Qt.Key.Key_Delete)
    assert session.record.rois.ids == (1,)


@pytest.mark.opengl
@pytest.mark.parametrize("where", ["canvas", "records"])
def test_ctrl_s_saves_the_record(viewer, session, where, qtbot):
    dataset_dock = dock(viewer, "Kymograph dataset")
    widget = viewer.window._qt_viewer.canvas.native if where == "canvas" else dataset_dock._panels[RECORDS].view
    session.record.editor.add_rect(Bounds(x0=1, x1=9, y0=10, y1=90))
    press(widget, Qt.Key.Key_S, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: not session.record.is_unsaved)
    assert len(ZarrDataset(session.path, mode="r").record(session.image_id).load_metadata_payload()["rois"]) == 3
    assert not [window for window in QApplication.topLevelWidgets() if window.isModal() and window.isVisible()]


@pytest.mark.opengl
@pytest.mark.parametrize("at", [0, -1], ids=["image", "rois"])
def test_deleting_a_layer_of_the_record_closes_it_and_asks_about_what_is_not_saved(viewer, session, answers, at, qtbot):
    image_id = session.image_id
    viewer.layers.remove(viewer.layers[at])
    settle()
    assert (list(viewer.layers), session.record, answers["asked"]) == ([], None, [])

    session.open_record(image_id)
    session.record.editor.add_rect(Bounds(x0=1, x1=9, y0=10, y1=90))
    answers["unsaved"].append("stay")
    viewer.layers.remove(viewer.layers[at])
    settle()
    assert (session.image_id, session.record.rois.ids, len(viewer.layers)) == (image_id, (1, 2, 3), 3)

    answers["unsaved"].append("save")
    viewer.layers.remove(viewer.layers[at])
    settle()
    idle(viewer, qtbot)
    assert (list(viewer.layers), session.record, len(answers["asked"])) == ([], None, 2)
    qtbot.waitUntil(lambda: not session.unsaved_ids)
    assert len(ZarrDataset(session.path, mode="r").record(image_id).load_metadata_payload()["rois"]) == 3
