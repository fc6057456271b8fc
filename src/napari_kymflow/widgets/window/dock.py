"""What all our docks share: their session, their window, their buttons, and that typing in them edits no ROI."""

from collections.abc import Callable
from typing import Any

import napari
from qtpy.QtCore import QTimer
from qtpy.QtGui import QKeyEvent, QShowEvent
from qtpy.QtWidgets import QPushButton, QWidget

from napari_kymflow.session.session import session_of
from napari_kymflow.widgets.window.focus import order_tabs
from napari_kymflow.widgets.window.keys import is_for_napari
from napari_kymflow.widgets.window.window import attach_to_window, window_of


class Dock(QWidget):
    """A dock of a viewer.

    Parameters
    ----------
    napari_viewer
        The viewer whose session the dock shows.
    """

    def __init__(self, napari_viewer: "napari.viewer.Viewer") -> None:
        super().__init__()
        self._session = session_of(napari_viewer)
        self._window = window_of(napari_viewer)
        # Where the dock is shown already, no event comes any more.
        QTimer.singleShot(0, self._attach)

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802  # Qt's name
        """Attach to the window that the dock is shown in."""
        super().showEvent(event)
        order_tabs(self)
        self._attach()

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802  # Qt's name
        """Keep from the ROI layer what is typed here."""
        if is_for_napari(event):
            super().keyPressEvent(event)

    def _attach(self) -> None:
        attach_to_window(self._window, self)


def push_button(parent: QWidget, text: str, tip: str, on_clicked: Callable[[], Any] | None = None) -> QPushButton:
    """Return a button with a tooltip, and what a click does."""
    # No tool button: in napari's themes these have neither a frame nor a look of being checked.
    button = QPushButton(text, parent)
    button.setToolTip(tip)
    if on_clicked is not None:
        button.clicked.connect(lambda _checked=False: on_clicked())
    return button
