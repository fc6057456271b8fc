"""Where the docks stand: both below the canvas, since a kymograph is wide and low."""

import napari
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QMainWindow

from napari_kymflow._session import session_of
from napari_kymflow.widgets.dataset_dock import DatasetDock

PLUGIN = "napari-kymflow"
DATASET, ROIS = "Kymograph dataset", "Kymograph ROIs"
_WIDTHS = (680, 820)
_HEIGHT = 330


def open_docks(viewer: "napari.viewer.Viewer") -> None:
    """Open both docks in a viewer's window; where they are open already, leave them where the user put them."""
    window = viewer.window
    if all(any(title.startswith(name) for title in window.dock_widgets) for name in (DATASET, ROIS)):
        return
    dataset_dock, _ = window.add_plugin_dock_widget(PLUGIN, DATASET)
    roi_dock, _ = window.add_plugin_dock_widget(PLUGIN, ROIS)
    main = dataset_dock.parent()
    if isinstance(main, QMainWindow):
        docks = [dataset_dock, roi_dock]
        for dock in docks:
            main.addDockWidget(Qt.DockWidgetArea.BottomDockWidgetArea, dock)
        main.splitDockWidget(dataset_dock, roi_dock, Qt.Orientation.Horizontal)
        main.resizeDocks(docks, list(_WIDTHS), Qt.Orientation.Horizontal)
        main.resizeDocks(docks, [_HEIGHT] * 2, Qt.Orientation.Vertical)
    # The canvas has its new size only after Qt has laid the window out.
    fit = QTimer(dataset_dock)
    fit.setSingleShot(True)
    fit.timeout.connect(session_of(viewer).view.fit)
    fit.start(0)


def is_busy(viewer: "napari.viewer.Viewer") -> bool:
    """Return whether a dock of a viewer's window has a worker at work."""
    return any(dock.is_busy for dock in viewer.window.dock_widgets.values() if isinstance(dock, DatasetDock))
