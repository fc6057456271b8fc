"""The docks of a viewer's window, for whoever opens or looks for them."""

from collections.abc import Callable
from pathlib import Path

import napari
from qtpy.QtCore import QTimer

from napari_kymflow.widgets.dataset.dataset_dock import DatasetDock
from napari_kymflow.widgets.flow.flow_dock import FlowDock
from napari_kymflow.widgets.plots.plots_dock import PlotsDock
from napari_kymflow.widgets.window.layout import DATASET, DOCKS, PLUGIN

_SOON_MS = 50


def open_docks(viewer: "napari.viewer.Viewer") -> None:
    """Open all docks in a viewer's window; where they are open already, leave them where the user put them."""
    for name in DOCKS:
        viewer.window.add_plugin_dock_widget(PLUGIN, name)


def find_dataset_dock(viewer: "napari.viewer.Viewer") -> DatasetDock | None:
    """Return the dataset dock of a viewer's window; None where it is not open."""
    return next((dock for dock in viewer.window.dock_widgets.values() if isinstance(dock, DatasetDock)), None)


def open_dataset_dock(viewer: "napari.viewer.Viewer") -> DatasetDock:
    """Open the dataset dock where it is not, bring it to the front, and return it."""
    dock, inner = viewer.window.add_plugin_dock_widget(PLUGIN, DATASET)
    dock.show()
    dock.raise_()
    if not isinstance(inner, DatasetDock):
        raise TypeError(f"napari opened {inner!r} as {DATASET!r}")
    return inner


def offer_copy(viewer: "napari.viewer.Viewer", path: Path) -> None:
    """Open the docks, and offer to make a copy in today's format of a dataset of the older program."""
    open_docks(viewer)
    open_dataset_dock(viewer).upgrade.offer(path)


def do_when_idle(dock: DatasetDock, action: Callable[[], None]) -> None:
    """Do something at once, or as soon as the dock's worker is done."""
    if not dock.is_busy:
        action()
        return
    timer = QTimer(dock)
    timer.setInterval(_SOON_MS)

    def check() -> None:
        if not dock.is_busy:
            timer.stop()
            timer.deleteLater()
            action()

    timer.timeout.connect(check)
    timer.start()


def is_busy(viewer: "napari.viewer.Viewer") -> bool:
    """Return whether a dock of a viewer's window has a worker at work."""
    docks = viewer.window.dock_widgets.values()
    return any(dock.is_busy for dock in docks if isinstance(dock, DatasetDock | FlowDock | PlotsDock))
