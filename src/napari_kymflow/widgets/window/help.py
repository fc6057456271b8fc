"""The documentation of a dock: in the web browser, or in a window of its own where it is not public."""

from pathlib import Path
from typing import Any

from napari.utils.notifications import show_error
from qtpy.QtCore import Qt, QUrl
from qtpy.QtGui import QDesktopServices, QImage, QTextDocument
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QTextBrowser, QVBoxLayout, QWidget

from napari_kymflow.user.help_pages import find_page
from napari_kymflow.widgets.window.dialog import Dialog

_SIZE = (820, 640)
_WIDEST_PICTURE = 760


class HelpPage(QTextBrowser):
    """Shows pages of Markdown; pictures are no wider than the page."""

    def loadResource(self, kind: int, name: QUrl) -> Any:  # noqa: N802  # Qt's name
        """Return what a page needs, with pictures made smaller."""
        if kind != QTextDocument.ResourceType.ImageResource.value:
            return super().loadResource(kind, name)
        picture = QImage(self.source().resolved(name).toLocalFile())
        if picture.width() <= _WIDEST_PICTURE:
            return picture
        return picture.scaledToWidth(_WIDEST_PICTURE, Qt.TransformationMode.SmoothTransformation)


class HelpWindow(Dialog):
    """Shows a page that is a file, and those that its links lead to; it is deleted when it is closed.

    Parameters
    ----------
    path
        The page.
    parent
        The dock.
    """

    def __init__(self, path: Path, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("Kymflow: help")
        self.page = HelpPage(self)
        """What shows the page."""
        self.page.setAccessibleName("Documentation")
        self.page.setOpenExternalLinks(True)
        back, close = QPushButton("Back", self), QPushButton("Close", self)
        back.clicked.connect(self.page.backward)
        close.clicked.connect(self.close)
        row = QHBoxLayout()
        row.addWidget(back)
        row.addStretch(1)
        row.addWidget(close)
        layout = QVBoxLayout(self)
        layout.addWidget(self.page)
        layout.addLayout(row)
        self.resize(*_SIZE)
        self.page.setSource(QUrl.fromLocalFile(str(path)))


def show_help(dock: str | None, parent: QWidget) -> None:
    """Show the page on a dock, by its name."""
    try:
        page = find_page(dock)
    except FileNotFoundError as error:
        show_error(str(error))
        return
    if isinstance(page, str):
        QDesktopServices.openUrl(QUrl(page))
    else:
        HelpWindow(page, parent).show()
