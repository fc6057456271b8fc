"""The plots dock in a real window: what is chosen is drawn, a click opens a record, pictures and numbers are saved."""

import pytest
from qtpy.QtCore import QPointF, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QDockWidget, QFileDialog

from napari_kymflow.session.session import session_of
from napari_kymflow.widgets.docks import open_dataset_dock
from napari_kymflow.widgets.plots.saving import KINDS, save
from napari_kymflow.widgets.window.layout import PLOTS, PLUGIN

STARTS = (b"\x89PNG", b"<?xml", b"group,", b"group,")


@pytest.fixture
def viewer(make_napari_viewer):
    return make_napari_viewer(show=True)


@pytest.fixture
def dock(viewer, demo_path, qtbot):
    """The dock over the demo dataset, a point a ROI."""
    session_of(viewer).open_dataset(demo_path)
    tables = open_dataset_dock(viewer)
    _, opened = viewer.window.add_plugin_dock_widget(PLUGIN, PLOTS)
    qtbot.waitUntil(lambda: not tables.is_busy and not opened.is_busy and opened.plots.shown.plot is not None)
    opened.plots.choose(sample="roi_id")
    qtbot.waitUntil(lambda: not opened.is_busy)
    return opened


def dock_around(widget):
    while not isinstance(widget, QDockWidget):
        widget = widget.parent()
    return widget


def click_row(dock, label):
    """Click the point of a row with the mouse."""
    QApplication.processEvents()
    view = dock.chart
    place = view._box.mapViewToScene(QPointF(*view.place_of_row(label)))
    at = view.mapFromScene(place)
    QTest.mouseMove(view.viewport(), at)
    QTest.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=at)


@pytest.mark.everyday
def test_a_click_on_a_point_opens_its_record(dock, viewer, qtbot):
    session = session_of(viewer)
    shown = dock.plots.shown
    row = shown.rows.frame[shown.rows.frame["record"] == "demo stall"].iloc[0]
    click_row(dock, row.name)
    qtbot.waitUntil(lambda: session.image_id == row["image_id"])
    assert session.selected_roi_ids == (row["roi_id"],)


def test_a_text_that_is_wider_than_the_dock_is_broken_into_lines_that_are_seen(dock):
    QApplication.processEvents()
    words = "left out: 6 outdated"
    dock._show_text(words)
    high = dock._text.height()
    while dock._text.fontMetrics().horizontalAdvance(words) < 1.5 * dock._text.viewport().width():
        words += "; several methods are mixed"
    dock._show_text(words)
    QApplication.processEvents()
    assert (dock._text.height() > high, dock._text.verticalScrollBar().maximum()) == (True, 0)


def test_copy_and_save_are_seen_in_the_lowest_dock(dock, viewer):
    viewer.window.resize(1366, 600)
    dock_around(dock).setMaximumHeight(dock.minimumHeight())
    QApplication.processEvents()
    for button in (dock._copy, dock._save):
        assert button.visibleRegion().boundingRect() == button.rect()


def test_it_is_a_tab_beside_the_tables_and_comes_to_the_front(dock, viewer):
    window = viewer.window._qt_window
    tabbed = window.tabifiedDockWidgets(dock_around(open_dataset_dock(viewer)))
    assert tabbed == [dock_around(dock)]


def test_what_is_chosen_in_the_form_is_drawn(dock, qtbot):
    kind = dock._choices["kind"]
    kind.setCurrentIndex(kind.findData("scatter"))
    qtbot.waitUntil(lambda: not dock.is_busy)
    assert dock.plots.shown.choices.kind == "scatter"
    assert dock._choices["against"].isVisibleTo(dock)
    assert not dock._choices["before"].isVisibleTo(dock)


def test_a_filter_typed_above_the_table_counts(dock, viewer, qtbot):
    tables = open_dataset_dock(viewer)
    tables.show_tab("radon_report")
    panel = tables._panels["radon_report"]
    panel.search.setText("stall")
    panel.apply_filters()
    dock_around(dock).raise_()
    qtbot.waitUntil(lambda: not dock.is_busy and len(dock.plots.shown.rows.frame) == 2)
    assert "2 of 6 rows by the table's filters" in dock._text.toPlainText()


@pytest.mark.parametrize(("kind", "start"), list(zip(KINDS, STARTS, strict=True)))
def test_pictures_and_numbers_are_saved(dock, tmp_path, kind, start):
    save(dock.chart, dock.plots.shown, tmp_path / "plot", kind)
    assert (tmp_path / "plot").read_bytes().startswith(start)


def test_an_ending_that_is_typed_chooses_the_kind(dock, tmp_path, monkeypatch):
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "plot.SVG"), "PNG (*.png)"))
    dock._save.click()
    assert (tmp_path / "plot.SVG").read_bytes().startswith(b"<?xml")


def test_a_picture_is_as_for_paper_and_the_screen_stays_as_it_was(dock, viewer):
    before = dock.chart._colors
    dock._copy.menu().actions()[0].trigger()
    image = QApplication.clipboard().image()
    assert image.pixelColor(1, 1).name() == "#ffffff"
    assert dock.chart._colors is before
    assert before.background != "#ffffff"


def test_the_numbers_are_copied_for_a_spreadsheet(dock):
    dock._copy.menu().actions()[1].trigger()
    lines = QApplication.clipboard().text().splitlines()
    assert lines[0].split("\t")[:3] == ["group", "sample", "value"]
    assert len(lines) == 1 + 6


def test_the_theme_counts_in_the_plot(dock, viewer):
    viewer.theme = "light"
    assert dock.chart._colors.groups[0] == "#0072b2"


def test_a_plot_that_cannot_be_made_leaves_no_axes_of_the_last_one_and_says_why(dock, qtbot):
    dock.plots.choose(kind="paired", group=None)
    qtbot.waitUntil(lambda: not dock.is_busy)
    assert dock._text.toPlainText() == dock.plots.shown.problem != ""
    assert not dock.chart._plot.isVisible()
    assert not dock._copy.isEnabled()
    dock.plots.choose(kind="box")
    qtbot.waitUntil(lambda: not dock.is_busy)
    assert dock.chart._plot.isVisible()
