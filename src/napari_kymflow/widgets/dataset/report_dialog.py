"""The dialog that says what an import or an export did; all of it can be copied."""

from collections.abc import Callable, Mapping
from html import escape

from qtpy.QtCore import Qt
from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPlainTextEdit, QPushButton, QVBoxLayout, QWidget

from napari_kymflow.widgets.window.dialog import Dialog

_SIZE = (720, 380)


class ReportDialog(Dialog):
    """Shows a headline, the details below it, and what can be done about them; it is deleted when it is closed.

    Parameters
    ----------
    title
        The window's title.
    headline
        One line.
    details
        Plain text.
    actions
        By a button's text, its tooltip and what it does; the dialog closes then.
    parent
        The dock.
    """

    def __init__(
        self,
        title: str,
        headline: str,
        details: str,
        *,
        actions: Mapping[str, tuple[str, Callable[[], None]]] | None = None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle(title)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.text = f"{headline}\n\n{details}\n"
        label = QLabel(f"<b>{escape(headline)}</b>", self)
        label.setTextFormat(Qt.TextFormat.RichText)
        label.setWordWrap(True)
        self._details = QPlainTextEdit(details, self)
        self._details.setAccessibleName("Details")
        self._details.setReadOnly(True)
        self.buttons: dict[str, QPushButton] = {}
        row = QHBoxLayout()
        self._add_button(row, "Copy", "Copy all of this text", self.copy)
        row.addStretch(1)
        for name, (tip, action) in (actions or {}).items():
            self._add_button(row, name, tip, action)
            self.buttons[name].clicked.connect(self.accept)
        self._add_button(row, "Close", "", self.accept)
        self.buttons["Close"].setDefault(True)
        layout = QVBoxLayout(self)
        layout.addWidget(label)
        layout.addWidget(self._details, stretch=1)
        layout.addLayout(row)
        self.resize(*_SIZE)

    def copy(self) -> None:
        """Put the whole text into the clipboard."""
        QGuiApplication.clipboard().setText(self.text)

    def _add_button(self, row: QHBoxLayout, name: str, tip: str, action: Callable[[], None]) -> None:
        button = self.buttons[name] = QPushButton(name, self)
        button.setToolTip(tip)
        button.setAutoDefault(False)
        button.clicked.connect(lambda _checked=False: action())
        row.addWidget(button)
