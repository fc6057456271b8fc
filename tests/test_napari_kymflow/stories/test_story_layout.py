"""One layout whatever the way in, sized to the screen: what fits on 1366 x 768, and what stays when the window changes."""

from types import SimpleNamespace

import numpy as np
import pytest
from qtpy.QtCore import QRect, Qt
from qtpy.QtWidgets import QDockWidget
from test_story import dock, drop, settle, wheel

from napari_kymflow._sample_data import make_sample_data
from napari_kymflow.session.session import session_of
from napari_kymflow.widgets.dataset.dataset_dock import RECORDS
from napari_kymflow.widgets.window.canvas_axes import CanvasAxes
from napari_kymflow.widgets.window.canvas_labels import CanvasLabels
from napari_kymflow.widgets.window.layout import REVIEW, layout_of, name_of

SIZE = (1366, 740)
"""What a laptop's screen leaves of 1366 x 768 for a maximised window."""
SCREEN = QRect(0, 0, 1366, 768)
FIRST_SIZE = (910, 512)
"""What napari's first window has there: two thirds of the screen."""


@pytest.fixture
def viewer(make_napari_viewer):
    opened = make_napari_viewer(show=True)
    opened.window.resize(*SIZE)
    return opened


def by_menu(viewer, path):
    viewer.window.add_plugin_dock_widget("napari-kymflow", "Kymograph ROIs")
    settle()
    session_of(viewer).open_dataset(path)
    session_of(viewer).open_record(session_of(viewer).image_ids[0])


def by_drop(viewer, path):
    drop(viewer, path / "zarr.json")


def by_command(viewer, path):
    viewer.open(str(path), plugin="napari-kymflow")


def by_sample(viewer, path):
    for layer in make_sample_data():
        viewer._add_layer_from_data(*layer)


def idle(viewer, qtbot):
    dataset_dock = dock(viewer, "Kymograph dataset")
    qtbot.waitUntil(lambda: not dataset_dock.is_busy and dataset_dock.after_save.is_idle, timeout=20_000)
    settle()


def place_of(viewer, name):
    """Return where a dock is in the window."""
    window = viewer.window._qt_window
    [frame] = [one for one in window.findChildren(QDockWidget) if one.windowTitle().startswith(name) and one.isVisible()]
    return window.dockWidgetArea(frame), frame.geometry()


def visible_rows(view):
    return sum(
        view.viewport().rect().contains(view.viewport().rect().center().x(), y + view.rowHeight(0) - 1)
        for y in range(0, view.viewport().height(), view.rowHeight(0))
    )


def shows_whole(viewer):
    """Return how much wider than the record the canvas beside the axes is, and whether all of the record is on it."""
    session = session_of(viewer)
    lines, placement, (left, _) = session.record.shape[0], session.view.placement, session.view.strips
    start, stop = placement.line_at(left), placement.line_at(placement.length)
    return round((stop - start) / lines, 2), bool(start <= 1 and stop >= lines - 1)


@pytest.mark.opengl
def test_the_layout_is_the_same_whatever_the_way_in_and_fits_a_laptop(make_napari_viewer, demo_path, qtbot):
    places = []
    for open_by in (by_menu, by_drop, by_command, by_sample):
        viewer = make_napari_viewer(show=True)
        viewer.window.resize(*SIZE)
        settle()
        open_by(viewer, demo_path)
        settle()
        idle(viewer, qtbot)
        window = viewer.window._qt_window
        assert (window.width(), window.height()) == SIZE
        assert window.minimumSizeHint().width() <= SIZE[0]
        records, rois = dock(viewer, "Kymograph dataset")._panels[RECORDS].view, dock(viewer, "Kymograph ROIs")._view
        assert visible_rows(records) >= 5
        assert visible_rows(rois) >= 3
        assert shows_whole(viewer) == (1.03, True)
        places.append([place_of(viewer, name) for name in ("Kymograph dataset", "Kymograph ROIs")])
        viewer.close()
    for other in places[1:]:
        for (area, frame), (first_area, first) in zip(other, places[0], strict=True):
            assert area == first_area
            near = [frame.x() - first.x(), frame.y() - first.y(), frame.width() - first.width()]
            assert np.abs(near).max() <= 3


@pytest.mark.opengl
def test_the_record_is_fitted_again_until_the_user_zooms_and_a_closed_dock_comes_back(viewer, demo_path, qtbot):
    by_drop(viewer, demo_path)
    idle(viewer, qtbot)
    for width in (1300, 1340):
        viewer.window.resize(width, 700)
        settle()
        assert shows_whole(viewer) == (1.03, True)

    area, frame = place_of(viewer, "Kymograph ROIs")
    viewer.window.remove_dock_widget(dock(viewer, "Kymograph ROIs"))
    settle()
    viewer.window.add_plugin_dock_widget("napari-kymflow", "Kymograph ROIs")
    settle()
    again, placed = place_of(viewer, "Kymograph ROIs")
    assert again == area
    assert np.abs([placed.x() - frame.x(), placed.y() - frame.y(), placed.width() - frame.width()]).max() <= 3

    wheel(viewer, viewer.window._qt_viewer.canvas.native.rect().center(), steps=3)
    zoom = viewer.scene.camera.zoom
    viewer.window.resize(1300, 700)
    settle()
    assert viewer.scene.camera.zoom == zoom
    assert shows_whole(viewer)[1] is False


def test_names_of_rois_are_written_while_napari_shows_text(viewer, demo_path, qtbot):
    by_drop(viewer, demo_path)
    idle(viewer, qtbot)
    [labels] = viewer.window._qt_viewer.canvas.native.findChildren(CanvasLabels)
    record = session_of(viewer).record
    assert [label.text for label, _ in labels.placed()] == [roi.name for roi in record.rois]
    record.sync.layer.text.visible = False
    assert labels.placed() == []
    record.sync.layer.text.visible = True
    record.editor.delete([record.rois.ids[0]])
    settle()
    assert len(labels.placed()) == len(record.rois)


@pytest.mark.opengl
def test_position_is_written_at_the_left_and_time_below_but_once(viewer, demo_path, qtbot):
    by_drop(viewer, demo_path)
    idle(viewer, qtbot)
    [axes] = viewer.window._qt_viewer.canvas.native.findChildren(CanvasAxes)
    left, below = axes.axes()
    assert (left.title, below.title) == ("position (µm)", "time (s)")
    assert axes.has_time_below
    assert session_of(viewer).view.strips[1] == 0
    viewer.window.remove_dock_widget(dock(viewer, "Kymograph flow"))
    settle()
    assert not axes.has_time_below
    assert session_of(viewer).view.strips[1] > 0
    assert shows_whole(viewer) == (1.03, True)
    picture = axes.grab().toImage()
    at, _ = axes.axes()[1].ticks[1]
    tick = [picture.pixelColor(round(at), y).lightness() for y in range(axes.height() - 40, axes.height() - 34)]
    assert max(tick) > 128
    wheel(viewer, axes.rect().center(), steps=20)
    settle()
    assert axes.axes()[1] != below
    session_of(viewer).close_record()
    settle()
    assert axes.axes() is None


@pytest.mark.opengl
def test_the_review_shows_several_events_and_makes_no_window_larger_than_the_screen(viewer, demo_path, qtbot):
    by_drop(viewer, demo_path)
    idle(viewer, qtbot)
    _, review = viewer.window.add_plugin_dock_widget("napari-kymflow", "Kymograph review")
    qtbot.waitUntil(lambda: review._model.rowCount() == 4)
    review._name.setText("Ada")
    review._name.editingFinished.emit()
    window = viewer.window._qt_window
    qtbot.waitUntil(lambda: visible_rows(review._view) >= 3)
    assert (window.width(), window.height()) == SIZE
    dock = next(one for one in window.findChildren(QDockWidget) if name_of(one) == REVIEW)
    window.resizeDocks([dock], [800], Qt.Orientation.Horizontal)
    qtbot.waitUntil(lambda: dock.width() > 600)
    layout_of(window).arrange_later()
    qtbot.waitUntil(lambda: abs(dock.width() - 0.35 * SIZE[0]) < 10)


@pytest.mark.opengl
def test_the_plots_are_a_tab_beside_the_tables_and_make_no_window_wider(viewer, demo_path, qtbot):
    by_drop(viewer, demo_path)
    idle(viewer, qtbot)
    _, plots = viewer.window.add_plugin_dock_widget("napari-kymflow", "Kymograph plots")
    qtbot.waitUntil(lambda: not plots.is_busy and plots.plots.shown.plot is not None)
    window = viewer.window._qt_window
    assert (window.width(), window.height()) == SIZE
    assert plots.isVisible()


@pytest.fixture
def small_viewer(make_napari_viewer):
    """napari's own first window on a laptop's screen, which the tests' own screen is smaller than."""
    viewer = make_napari_viewer(show=True)
    window = viewer.window._qt_window
    window.screen = lambda: SimpleNamespace(availableGeometry=lambda: SCREEN)
    window.setGeometry(227, 115, *FIRST_SIZE)
    settle()
    return viewer


@pytest.mark.opengl
def test_napari_first_window_stays_on_the_screen_and_shows_the_kymograph(small_viewer, demo_path, qtbot):
    window = small_viewer.window._qt_window
    by_command(small_viewer, demo_path)
    settle()
    idle(small_viewer, qtbot)
    qtbot.waitUntil(lambda: SCREEN.contains(window.frameGeometry()), timeout=5_000)
    assert window.centralWidget().height() > 100


@pytest.mark.opengl
def test_window_that_cannot_be_smaller_is_moved_onto_the_screen_with_its_docks(small_viewer, demo_path, qtbot):
    window = small_viewer.window._qt_window
    # As after Qt made room for napari's own docks above the first one of ours.
    window.setGeometry(227, 300, FIRST_SIZE[0], window.minimumSizeHint().height())
    settle()
    assert not SCREEN.contains(window.frameGeometry())
    by_command(small_viewer, demo_path)
    settle()
    idle(small_viewer, qtbot)
    qtbot.waitUntil(lambda: SCREEN.contains(window.frameGeometry()), timeout=5_000)
