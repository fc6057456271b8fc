"""What the dataset dock does for a paper: the methods in words, the script, the plots."""

import pytest
from qtpy.QtWidgets import QApplication, QFileDialog

from kymflow_core.methods.paragraph import gather_facts, methods_paragraph
from kymflow_zarr import ZarrDataset
from napari_kymflow.session.session import session_of
from napari_kymflow.tables.methods_work import gather_methods
from napari_kymflow.widgets.docks import open_dataset_dock
from napari_kymflow.widgets.plots.plots_dock import PlotsDock


@pytest.fixture
def dock(make_napari_viewer, demo_path, qtbot):
    viewer = make_napari_viewer()
    session_of(viewer).open_dataset(demo_path)
    opened = open_dataset_dock(viewer)
    qtbot.waitUntil(lambda: not opened.is_busy)
    yield opened
    qtbot.waitUntil(lambda: not opened.is_busy)


def test_the_paragraph_is_that_of_the_command_and_the_script_is_a_program(demo_path, tmp_path):
    text = gather_methods(demo_path, None)
    assert text.paragraph == methods_paragraph(gather_facts(ZarrDataset(demo_path, mode="r")))
    script = tmp_path / "remake.py"
    script.write_text(text.script)
    compile(text.script, str(script), "exec")


def test_the_methods_are_shown_copied_and_their_script_is_saved(dock, tmp_path, qtbot, monkeypatch):
    dock.paper.methods.trigger()
    qtbot.waitUntil(lambda: dock.paper.dialog is not None)
    dialog = dock.paper.dialog
    dialog.buttons["Copy"].click()
    assert QApplication.clipboard().text() == dialog.text
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "remake.py"), ""))
    dialog.buttons["Save script…"].click()
    assert "remake_tables" in (tmp_path / "remake.py").read_text()
    qtbot.waitUntil(lambda: dock.paper.dialog is None)


def test_the_plots_come_from_the_same_menu(dock, qtbot):
    dock.paper.plots.trigger()
    docks = dock._session.viewer.window.dock_widgets.values()
    (plots,) = (one for one in docks if isinstance(one, PlotsDock))
    qtbot.waitUntil(lambda: not plots.is_busy)
