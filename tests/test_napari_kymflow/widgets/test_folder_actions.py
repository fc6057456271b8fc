"""Images in and out through the dataset dock, in a real window."""

import shutil

import numpy as np
import pytest
import tifffile
from qtpy.QtGui import QGuiApplication, QTextDocument
from qtpy.QtWidgets import QFileDialog, QLabel

from kymflow_core import AcqImage
from kymflow_zarr import ZarrDataset
from kymflow_zarr.importing.tiffs import read_tiff
from napari_kymflow.widgets.dataset.dataset_dock import DatasetDock
from napari_kymflow.widgets.dataset.import_dialog import ImportDialog
from napari_kymflow.widgets.dataset.report_dialog import ReportDialog


@pytest.fixture
def dock(alone):
    """The dock with nothing open."""
    return alone(DatasetDock)


@pytest.fixture
def scans(tmp_path):
    """A folder of two line scans."""
    folder = tmp_path / "scans"
    folder.mkdir()
    for number, name in enumerate(("first", "second")):
        tifffile.imwrite(folder / f"{name}.tif", np.full((40, 12), number, np.uint16))
    return folder


@pytest.fixture
def filled(dock, scans, tmp_path, qtbot):
    """The dock after an import of the two scans."""
    dock.exchange.import_folder(scans, tmp_path / "lab.zarr")
    wait(dock, qtbot)
    return dock


def wait(dock, qtbot):
    qtbot.waitUntil(lambda: not dock.is_busy, timeout=30_000)


def answer_imports(monkeypatch, folder, tmp_path, answer, *, result=True):
    """Choose a folder and a dataset, answer the dialog, and return what it showed."""
    asked = []

    def exec_of(dialog):
        answer(dialog)
        asked.append(" ".join(label.text() for label in dialog.findChildren(QLabel)))
        return result

    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_args: str(folder))
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_args: (str(tmp_path / "lab.zarr"), ""))
    monkeypatch.setattr(ImportDialog, "exec", exec_of)
    return asked


def test_the_report_can_be_copied(filled):
    filled.exchange.dialog.buttons["Copy"].click()
    text = QGuiApplication.clipboard().text()
    assert text.startswith("2 imported · 0 skipped (unchanged)")
    assert "first.tif: calibration unknown" in text


def test_a_headline_is_shown_as_it_is_written(qtbot):
    dialog = ReportDialog("Export", "2 records in /data/<i>a</i> & b", "")
    qtbot.addWidget(dialog)
    label = dialog.findChild(QLabel)
    shown = QTextDocument()
    shown.setHtml(label.text())
    assert shown.toPlainText() == "2 records in /data/<i>a</i> & b"


def test_an_import_with_nothing_to_say_shows_no_dialog(filled, scans, tmp_path, qtbot):
    filled.exchange.dialog.close()
    filled.exchange.import_folder(scans, tmp_path / "lab.zarr")
    wait(filled, qtbot)
    assert (filled._bar.text, filled.exchange.dialog) == ("0 imported · 2 skipped (unchanged)", None)


def test_of_files_that_moved_again_only_those_that_are_there_are_linked(filled, scans, tmp_path, qtbot):
    moved = scans.rename(tmp_path / "moved")
    filled.exchange.import_folder(moved, tmp_path / "lab.zarr")
    wait(filled, qtbot)
    (moved / "first.tif").unlink()
    filled.exchange.dialog.buttons["Note where they are"].click()
    wait(filled, qtbot)
    assert filled._bar.text == "Noted where 1 file is now · 1 could not be noted"
    assert f"{moved / 'first.tif'}: it is no longer there" in filled.exchange.dialog.text


@pytest.mark.story
def test_files_that_moved_are_linked_by_one_click(filled, scans, tmp_path, qtbot):
    moved = scans.rename(tmp_path / "moved")
    filled.exchange.import_folder(moved, tmp_path / "lab.zarr")
    wait(filled, qtbot)
    assert filled._bar.text == "0 imported · 0 skipped (unchanged) · 2 moved"
    filled.exchange.dialog.buttons["Note where they are"].click()
    wait(filled, qtbot)
    assert filled._bar.text == "Noted where 2 files are now"
    filled.exchange.import_folder(moved, tmp_path / "lab.zarr")
    wait(filled, qtbot)
    assert filled._bar.text == "0 imported · 2 skipped (unchanged)"


@pytest.mark.story
def test_changed_files_are_read_again_by_one_click(filled, scans, tmp_path, qtbot):
    tifffile.imwrite(scans / "first.tif", np.full((40, 12), 9, np.uint16))
    filled.exchange.import_folder(scans, tmp_path / "lab.zarr")
    wait(filled, qtbot)
    assert filled._bar.text == "0 imported · 1 skipped (unchanged) · 1 changed since"
    filled.exchange.dialog.buttons["Read changed files again"].click()
    wait(filled, qtbot)
    assert filled._bar.text == "0 imported · 1 read again · 1 skipped (unchanged)"
    values = {int(AcqImage(record).pixels[0, 0]) for record in ZarrDataset(tmp_path / "lab.zarr", mode="r").iter_records()}
    assert values == {9, 1}


@pytest.mark.story
def test_what_was_not_read_is_added_by_one_click(dock, scans, tmp_path, qtbot):
    ZarrDataset(tmp_path / "lab.zarr").import_folder(scans, read_file=read_tiff)
    dock.exchange.import_folder(scans, tmp_path / "lab.zarr")
    wait(dock, qtbot)
    assert dock._bar.text == "0 imported · 2 skipped (unchanged) · 2 may lack headers, ROIs and results"
    dock.exchange.dialog.buttons["Add what is missing"].click()
    wait(dock, qtbot)
    assert dock._bar.text == "0 imported · 2 completed · 0 skipped (unchanged)"
    records = ZarrDataset(tmp_path / "lab.zarr", mode="r").iter_records()
    assert sorted(record.load_metadata_payload()["header"]["name"] for record in records) == ["first", "second"]


@pytest.mark.story
@pytest.mark.parametrize(("merge", "count"), [(True, 1), (False, 2)])
def test_channels_are_merged_where_the_user_says_so(dock, tmp_path, qtbot, monkeypatch, merge, count):
    folder = tmp_path / "channels"
    folder.mkdir()
    for number in (1, 2):
        tifffile.imwrite(folder / f"scan_C{number}.tif", np.full((40, 12), number, np.uint16))
    asked = answer_imports(
        monkeypatch, folder, tmp_path, lambda dialog: setattr(dialog.form.merge_channels, "value", merge)
    )
    dock.exchange.choose_and_import()
    qtbot.waitUntil(lambda: len(asked) == 1 and not dock.is_busy, timeout=30_000)
    assert "One scan has several files, one a channel, such as scan_C1.tif." in asked[0]
    assert len(ZarrDataset(tmp_path / "lab.zarr", mode="r").list_image_ids()) == count


@pytest.mark.everyday
def test_folder_names_are_entered_where_the_user_says_what_they_are(dock, scans, tmp_path, qtbot, monkeypatch):
    (scans / "A89" / "V1").mkdir(parents=True)
    (scans / "first.tif").rename(scans / "A89" / "V1" / "first.tif")
    pattern = "{subject_id}/{vessel_id}"
    answer_imports(monkeypatch, scans, tmp_path, lambda dialog: setattr(dialog.form.folder_names, "value", pattern))
    dock.exchange.choose_and_import()
    qtbot.waitUntil(lambda: "imported" in dock._bar.text and not dock.is_busy, timeout=30_000)
    assert dock._bar.text.endswith("from folder names: 1 record changed; the folders of 1 file do not fit")
    assert f"{scans / 'second.tif'}\n    no folder lies between the file and the imported one" in dock.exchange.dialog.text
    images = ZarrDataset(tmp_path / "lab.zarr", mode="r").load_table("images").set_index("name")
    assert images.loc["first", ["exp_subject_id", "exp_vessel_id"]].tolist() == ["A89", "V1"]


@pytest.mark.story
def test_an_import_that_is_cancelled_where_it_asks_makes_nothing(dock, scans, tmp_path, qtbot, monkeypatch):
    (scans / "A89").mkdir()
    (scans / "first.tif").rename(scans / "A89" / "first.tif")
    answer_imports(monkeypatch, scans, tmp_path, lambda dialog: None, result=False)
    dock.exchange.choose_and_import()
    qtbot.waitUntil(lambda: dock._bar.text == "Nothing was imported", timeout=30_000)
    assert dock._bar._badge.text() == "Cancelled"
    assert not (tmp_path / "lab.zarr").exists()


@pytest.mark.everyday
def test_a_dataset_is_exported_into_a_new_folder(filled, tmp_path, qtbot, monkeypatch):
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_args: str(tmp_path))
    (tmp_path / "lab exported").mkdir()
    filled._export.trigger()
    wait(filled, qtbot)
    assert filled._bar.text == f"2 records and 7 tables exported as 23 files in {tmp_path / 'lab exported 2'}"
    assert len(list((tmp_path / "lab exported 2" / "images").glob("first *"))) == 1


@pytest.mark.story
def test_an_exported_folder_comes_back_through_the_dock(filled, tmp_path, qtbot):
    filled.exchange.export_to(tmp_path / "out")
    wait(filled, qtbot)
    filled.exchange.import_folder(tmp_path / "out", tmp_path / "again.zarr")
    wait(filled, qtbot)
    one, other = (ZarrDataset(tmp_path / name, mode="r").list_image_ids() for name in ("lab.zarr", "again.zarr"))
    assert one == other


@pytest.mark.story
def test_what_cannot_be_read_is_said_after_an_export(filled, tmp_path, qtbot):
    record = next(ZarrDataset(tmp_path / "lab.zarr").iter_records())
    (tmp_path / "lab.zarr" / "images" / record.image_id / "analysis" / "provenance.json").write_text("{")
    filled.exchange.export_to(tmp_path / "out")
    wait(filled, qtbot)
    assert "1 thing could not be read" in filled._bar.text
    assert "provenance.json" in filled.exchange.dialog.text


@pytest.mark.story
def test_an_image_is_exported_as_ome_zarr_and_comes_in_elsewhere(filled, tmp_path, qtbot, monkeypatch):
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_args: (str(tmp_path / "one"), ""))
    filled._export_image.trigger()
    wait(filled, qtbot)
    assert filled._bar.text == "Wrote one.ome.zarr"
    filled.exchange.import_folder(tmp_path / "one.ome.zarr", tmp_path / "other.zarr")
    wait(filled, qtbot)
    assert len(ZarrDataset(tmp_path / "other.zarr", mode="r").list_image_ids()) == 1


@pytest.mark.story
def test_an_import_that_fails_says_why_in_the_dialog(filled, scans, tmp_path, qtbot):
    (scans / "third.tif").write_text("no TIFF")
    shutil.copy(scans / "first.tif", scans / "fourth.tif")
    filled.exchange.import_folder(scans, tmp_path / "lab.zarr")
    wait(filled, qtbot)
    assert filled._bar.text == "1 imported · 2 skipped (unchanged) · 1 failed"
    assert "third.tif cannot be read as a TIFF" in filled.exchange.dialog.text
