"""What the dataset dock shows where nothing is open."""

from dataclasses import replace

import pytest
from qtpy.QtWidgets import QPushButton

from kymflow_core.simulate import REAL_SIZE_SCANS
from kymflow_zarr import Watch
from napari_kymflow.session.session import session_of
from napari_kymflow.tables.samples import SCANS, SampleWork, make_sample
from napari_kymflow.user.recent import note_recent
from napari_kymflow.widgets.dataset.dataset_dock import DatasetDock


@pytest.fixture(autouse=True)
def _short_samples(monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setitem(SCANS, "small", [replace(SCANS["small"][0], lines=400)])


@pytest.fixture
def dock(viewer_model, qtbot):
    opened = DatasetDock(viewer_model)
    qtbot.addWidget(opened)
    opened.resize(700, 320)
    opened.show()
    return opened


def buttons(dock):
    return {button.text(): button for button in dock._start.findChildren(QPushButton) if button.isVisible()}


@pytest.mark.slow
def test_it_says_what_to_do_until_a_dataset_is_open(dock, viewer_model, demo_path, qtbot):
    assert (dock._start.isVisible(), dock._tabs.isVisible()) == (True, False)
    session_of(viewer_model).open_dataset(demo_path)
    assert (dock._start.isVisible(), dock._tabs.isVisible()) == (False, True)
    qtbot.waitUntil(lambda: not dock.is_busy)


@pytest.mark.slow
def test_a_sample_is_made_and_opened_by_a_click(dock, viewer_model, tmp_path, qtbot):
    buttons(dock)["Small sample"].click()
    assert not buttons(dock)["Small sample"].isEnabled()
    qtbot.waitUntil(lambda: not dock.is_busy and session_of(viewer_model).record is not None)
    assert session_of(viewer_model).path.is_relative_to(tmp_path.resolve())
    assert session_of(viewer_model).record.name == "demo steady flow"


@pytest.mark.slow
def test_datasets_that_were_open_last_are_listed_and_opened_by_a_click(viewer_model, demo_path, qtbot):
    note_recent(demo_path)
    dock = DatasetDock(viewer_model)
    qtbot.addWidget(dock)
    dock.show()
    buttons(dock)["demo.zarr"].click()
    assert session_of(viewer_model).path == demo_path.resolve()
    qtbot.waitUntil(lambda: not dock.is_busy)


@pytest.mark.parametrize("text", ["Import a folder…", "Open a dataset…"])
def test_the_other_buttons_ask_for_a_folder(text, dock, monkeypatch):
    asked = []
    monkeypatch.setattr("qtpy.QtWidgets.QFileDialog.getExistingDirectory", lambda *_, **__: asked.append(text) or "")
    buttons(dock)[text].click()
    assert asked == [text]


def test_a_sample_that_is_cancelled_is_none():
    assert SampleWork("small", ())(Watch(is_cancelled=lambda: True)) is None


def test_the_sample_of_real_size_has_the_lines_and_pixels_of_real_scans():
    assert {(scan.lines, scan.pixels) for scan in REAL_SIZE_SCANS} == {(30_000, 38)}


@pytest.mark.slow
def test_a_sample_is_a_dataset_of_its_own_each_time(tmp_path):
    first, second = make_sample("small"), make_sample("small")
    assert first != second
    assert first.is_relative_to(tmp_path)
