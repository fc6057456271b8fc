"""Folders of TIFFs and TIFFs that are dropped onto napari: what Kymflow offers, and what it leaves to napari."""

import shutil

import numpy as np
import pytest
import tifffile
from qtpy.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtWidgets import QApplication, QDialogButtonBox
from test_story import dock, settle

from kymflow_zarr import ZarrDataset
from napari_kymflow._reader import get_reader
from napari_kymflow.session.session import session_of
from napari_kymflow.widgets.dataset.dropped_tiffs import TiffDrops
from napari_kymflow.widgets.dataset.import_dialog import ImportDialog


@pytest.fixture
def viewer(make_napari_viewer):
    opened = make_napari_viewer(show=True)
    opened.window.resize(1300, 750)
    return opened


@pytest.fixture
def scans(olympus_folder, tmp_path):
    """A folder of real line scans, one of them without a header."""
    return shutil.copytree(olympus_folder, tmp_path / "scans")


@pytest.fixture
def chosen(monkeypatch):
    """napari's question which reader to use is answered with Kymflow; what it was asked for is kept."""
    asked = []

    def choose(self):
        names = [button.text() for button in self.reader_btn_group.buttons()]
        asked.append(names)
        return "Kymflow", False

    monkeypatch.setattr("napari._qt.dialogs.qt_reader_dialog.QtReaderDialog.get_user_choices", choose)
    return asked


@pytest.fixture(autouse=True)
def _nothing_of_folders(monkeypatch):
    """The question what the names of folders stand for is answered with OK."""
    monkeypatch.setattr(ImportDialog, "exec", lambda self: True)


@pytest.fixture
def wanted(monkeypatch):
    """What the user answers to the question whether to import a line scan, and for which files it was asked."""
    state = {"answer": True, "asked": []}

    def wants(self, paths):
        state["asked"].append([path.name for path in paths])
        return state["answer"]

    monkeypatch.setattr(TiffDrops, "_wants_import", wants)
    return state


def drop(viewer, *paths):
    """Drop files onto the canvas as Qt delivers it, through all filters."""
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    action, button, none = Qt.DropAction.CopyAction, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    target = viewer.window._qt_viewer
    # Qt gives a drop only to the widget that let it in.
    QApplication.sendEvent(target, QDragEnterEvent(QPoint(50, 50), action, data, button, none))
    QApplication.sendEvent(target, QDropEvent(QPointF(50, 50), action, data, button, none))
    settle()


def idle(viewer, qtbot):
    dataset_dock = dock(viewer, "Kymograph dataset")
    qtbot.waitUntil(lambda: not dataset_dock.is_busy and dataset_dock.after_save.is_idle, timeout=60_000)


def names_of(path):
    dataset = ZarrDataset(path, mode="r")
    return sorted(entry.name for entry in dataset.load_manifest().entries)


@pytest.mark.opengl
def test_a_dropped_folder_becomes_a_dataset_and_a_line_scan_a_record(viewer, scans, chosen, wanted, tmp_path, qtbot):
    extra = tmp_path / "Capillary9.tif"
    shutil.copy(scans / "Capillary1_0001.tif", extra)
    shutil.copy(scans / "Capillary1_0001.txt", extra.with_suffix(".txt"))

    # napari asks which reader; ours offers a dataset next to the folder, imports and opens it.
    drop(viewer, scans)
    assert len(chosen) == 1
    dataset_dock = dock(viewer, "Kymograph dataset")
    offer = dataset_dock.exchange.import_offer
    assert (offer.windowTitle(), offer.place.text()) == ("Make a dataset of this folder", str(tmp_path / "scans.zarr"))
    assert not (tmp_path / "scans.zarr").exists()
    offer.buttons.button(QDialogButtonBox.StandardButton.Ok).click()
    idle(viewer, qtbot)
    assert session_of(viewer).path == tmp_path / "scans.zarr"
    assert names_of(tmp_path / "scans.zarr") == sorted(path.stem for path in scans.rglob("*.tif"))
    assert session_of(viewer).record is not None

    # A single line scan: into the open dataset, and it is the record that opens.
    drop(viewer, extra)
    assert wanted["asked"] == [["Capillary9.tif"]]
    offer = dataset_dock.exchange.import_offer
    assert offer.old.isChecked()
    offer.buttons.button(QDialogButtonBox.StandardButton.Ok).click()
    idle(viewer, qtbot)
    assert len(session_of(viewer).image_ids) == len(names_of(tmp_path / "scans.zarr")) == 4
    assert session_of(viewer).record.image.name == "Capillary9"
    assert len(chosen) == 1

    # A TIFF without a line scan's header, and one that the user wants as an image, are napari's.
    tifffile.imwrite(tmp_path / "photo.tif", np.zeros((20, 30), np.uint8))
    drop(viewer, tmp_path / "photo.tif")
    wanted["answer"] = False
    drop(viewer, extra)
    assert wanted["asked"][1:] == [["Capillary9.tif"]]
    assert [layer.name for layer in viewer.layers[-2:]] == ["photo", "Capillary9 [1]"]
    assert len(session_of(viewer).image_ids) == 4


@pytest.mark.opengl
def test_nobody_who_did_not_choose_kymflow_gets_it(viewer, scans, tmp_path):
    assert get_reader(str(scans / "Capillary1_0001.tif")) is None
    assert get_reader([str(scans)]) is None
    (tmp_path / "notes").mkdir()
    assert get_reader(str(tmp_path / "notes")) is None
    assert get_reader(str(scans)) is not None
    assert not viewer.window.dock_widgets
