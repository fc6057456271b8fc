"""What napari's *File ▸ IO Utilities* offers: the dataset dock's own actions, also where the dock is not open yet. No Qt.

The rule of this room: nothing is done here; the dock is opened, and does it.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import napari
from napari.utils.notifications import show_warning

from napari_kymflow.session.session import session_of

if TYPE_CHECKING:
    from napari_kymflow.widgets.dataset.folder_actions import ExchangeActions


def import_tiff_folder(viewer: "napari.Viewer") -> None:
    """Ask for a folder of TIFFs, and for a new dataset where none is open, and import."""
    _do(viewer, lambda actions: actions.choose_and_import())


def import_new_from_folder(viewer: "napari.Viewer") -> None:
    """Import what is new in the folder that the open dataset is filled from; ask for it the first time."""
    if session_of(viewer).dataset is None:
        show_warning("No dataset is open, so there is none to fill from its folder: open one first, or import a folder.")
        return
    _do(viewer, lambda actions: actions.refresh_from_folder())


def export_dataset(viewer: "napari.Viewer") -> None:
    """Ask where, and write the open dataset as a folder of TIFFs and tables."""
    if session_of(viewer).dataset is None:
        show_warning("No dataset is open, so there is none to export: open one first.")
        return
    _do(viewer, lambda actions: actions.choose_and_export(), writes=False)


def _do(viewer: "napari.Viewer", action: "Callable[[ExchangeActions], None]", *, writes: bool = True) -> None:
    """Open the dock and let it do something, unless it is at work, or writes where the dataset is read-only."""
    from napari_kymflow.widgets.docks import do_when_idle, find_dataset_dock, open_dataset_dock

    session = session_of(viewer)
    if writes and session.is_read_only:
        name = session.path.name if session.path else "The dataset"
        show_warning(f"{name} is read-only ({session.is_read_only}), so nothing can be imported into it.")
        return
    open_dock = find_dataset_dock(viewer)
    if open_dock is not None and open_dock.is_busy:
        show_warning("Kymflow is at work: wait until that is done, or cancel it in the dock Kymograph dataset.")
        return
    dock = open_dataset_dock(viewer)
    # A dock that was just opened looks at the dataset first.
    do_when_idle(dock, lambda: action(dock.exchange))
