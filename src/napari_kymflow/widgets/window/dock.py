"""What all our docks share: their session, their window, their buttons, and that typing in them edits no ROI."""

from collections.abc import Callable
from typing import Any

import napari
from qtpy.QtCore import Qt
from qtpy.QtGui import QKeyEvent, QShowEvent
from qtpy.QtWidgets import QDockWidget, QHBoxLayout, QPushButton, QWidget

from napari_kymflow.session.session import session_of
from napari_kymflow.widgets.window.binding import next_turn
from napari_kymflow.widgets.window.focus import order_tabs
from napari_kymflow.widgets.window.help import show_help
from napari_kymflow.widgets.window.keys import is_for_napari
from napari_kymflow.widgets.window.layout import name_of
from napari_kymflow.widgets.window.window import attach_to_window, window_of

_HELP_WIDTH = 26


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
        self._help: QPushButton | None = None
        # Where the dock is shown already, no event comes any more. Not `soon`: before the canvas gets another size.
        next_turn(self, self._attach)

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802  # Qt's name
        """Attach to the window that the dock is shown in."""
        super().showEvent(event)
        self._add_help()
        order_tabs(self)
        self._attach()

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802  # Qt's name
        """Show the help by F1; keep from the ROI layer what is typed here."""
        if event.key() == Qt.Key.Key_F1:
            self._show_help()
        elif is_for_napari(event):
            super().keyPressEvent(event)

    def _add_help(self) -> None:
        """Put the button of the help at the end of the dock's first row, once."""
        layout = self.layout()
        row = layout.itemAt(0).layout() if layout is not None and layout.count() else None
        if self._help is None and isinstance(row, QHBoxLayout):
            self._help = push_button(self, "?", "Open the page of the documentation on this dock (F1)", self._show_help)
            self._help.setAccessibleName("Help")
            self._help.setFixedWidth(_HELP_WIDTH)
            row.addWidget(self._help, alignment=Qt.AlignmentFlag.AlignTop)

    def _show_help(self) -> None:
        dock = self.parent()
        show_help(name_of(dock) if isinstance(dock, QDockWidget) else None, self)

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
