"""TIFFs of kymographs that are dropped onto the canvas of a window with a dataset dock: an import is offered.

The rule of this room: only a TIFF with a kymograph's header is ours, and only if the user says so. All others go to napari,
and those that the user wants as plain images. A reader cannot do this: napari would ask which one to use before every TIFF.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from qtpy.QtCore import QEvent, QObject
from qtpy.QtWidgets import QMainWindow, QMessageBox, QWidget

from kymflow_core.images.line_scans import is_line_scan

_TIFF = (".tif", ".tiff")
_MOST_LOOKED_AT = 10


class TiffDrops(QObject):
    """Watches what is dropped onto the middle of a window.

    Parameters
    ----------
    window
        The window.
    """

    offer: Callable[[Sequence[Path]], None]
    """What is called with the TIFFs that the user wants to import."""

    def __init__(self, window: QMainWindow) -> None:
        super().__init__(window)
        self._window = window
        for widget in window.centralWidget().findChildren(QWidget):
            if widget.acceptDrops():
                widget.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802  # Qt's name
        """Take a drop of kymographs that the user wants to import."""
        if event.type() != QEvent.Type.Drop:
            return False
        paths = _tiffs_in(event)
        if not any(is_line_scan(path) for path in paths[:_MOST_LOOKED_AT]) or not self._wants_import(paths):
            return False
        event.accept()
        self.offer(paths)
        return True

    def _wants_import(self, paths: Sequence[Path]) -> bool:
        what = paths[0].name if len(paths) == 1 else f"{paths[0].name} and {len(paths) - 1} more"
        box = QMessageBox(
            QMessageBox.Icon.Question, "Line scan", f"{what} has the header of a line scan.", parent=self._window
        )
        box.setInformativeText("Import it into a dataset, to measure it, or open it as a plain image?")
        wanted = box.addButton("Import…", QMessageBox.ButtonRole.AcceptRole)
        box.addButton("Open as image", QMessageBox.ButtonRole.RejectRole)
        box.exec()
        return box.clickedButton() is wanted


def take_tiff_drops(window: QMainWindow, offer: Callable[[Sequence[Path]], None]) -> None:
    """Call `offer` with the kymographs that are dropped onto a window from now on; the last dock that asks counts."""
    drops = window.findChild(TiffDrops) or TiffDrops(window)
    drops.offer = offer


def _tiffs_in(event: Any) -> list[Path]:
    """Return the files of a drop; nothing where they are not all TIFFs of this computer."""
    urls = event.mimeData().urls()
    paths = [Path(url.toLocalFile()) for url in urls if url.isLocalFile()]
    return paths if len(paths) == len(urls) and all(path.suffix.lower() in _TIFF for path in paths) else []
