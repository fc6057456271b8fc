"""Labels of one line, plain or with words in bold, that end in … where they are too narrow for their text."""

from html import escape
from typing import Any

from qtpy.QtCore import QEvent, Qt
from qtpy.QtGui import QFont, QTextCursor, QTextDocument, QTextLine
from qtpy.QtWidgets import QLabel, QSizePolicy, QWidget


class _OneLine(QLabel):
    """One line that ends in … where its text is too long for it."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._full = ""

    def resizeEvent(self, event: Any) -> None:  # noqa: N802  # Qt's name
        """Show as much of the text as there is room for."""
        super().resizeEvent(event)
        self._elide()

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802  # Qt's name
        """Show as much of the text as there is room for in another font."""
        super().changeEvent(event)
        if event.type() in (QEvent.Type.FontChange, QEvent.Type.StyleChange):
            self._elide()

    def _elide(self) -> None:
        raise NotImplementedError


class ElidedLabel(_OneLine):
    """One line of plain text that ends in … where it is too long; the tooltip always has all of it."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)

    @property
    def full_text(self) -> str:
        """All of the text."""
        return self._full

    def show_text(self, text: str) -> None:
        """Show a text; its line ends become spaces."""
        self._full = " ".join(text.split())
        # As rich text, so that Qt breaks a long one into lines, and reads no markup into a file's name.
        self.setToolTip(f"<qt>{escape(text.strip())}</qt>" if self._full else "")
        self._elide()

    def _elide(self) -> None:
        self.setText(self.fontMetrics().elidedText(self._full, Qt.TextElideMode.ElideRight, self.width()))


class LineLabel(_OneLine):
    """One line of rich text, also where its text is longer: it ends in … there, the tooltip has all of it."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._tip = ""
        self.setTextFormat(Qt.TextFormat.RichText)
        # What is below it never moves.
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    def text(self) -> str:
        """Return all of the text."""
        return self._full

    def setText(self, text: str) -> None:  # noqa: N802  # Qt's name
        """Show a text."""
        self._full = text
        self._elide()

    def setToolTip(self, text: str) -> None:  # noqa: N802  # Qt's name
        """Have another tooltip than the text that was cut off."""
        self._tip = text
        self._elide()

    def _elide(self) -> None:
        shown = elided(self._full, self.font(), self.width())
        super().setText(shown)
        super().setToolTip(self._tip or ("" if shown == self._full else f"<qt>{self._full}</qt>"))


def elided(text: str, font: QFont, width: float) -> str:
    """Return a line of rich text that ends in … where it is wider than so many pixels."""
    document = QTextDocument()
    document.setDefaultFont(font)
    document.setDocumentMargin(0)
    document.setHtml(text)
    # Qt lays it out only when its size is asked for.
    if document.size().width() <= width:
        return text
    cursor = QTextCursor(document)
    cursor.movePosition(QTextCursor.MoveOperation.End)
    cursor.insertText("…")
    room = width - (document.size().width() - _width_without_end(document))
    line = document.firstBlock().layout().lineAt(0)
    cursor.setPosition(line.xToCursor(room, QTextLine.CursorPosition.CursorOnCharacter))
    cursor.movePosition(QTextCursor.MoveOperation.End, QTextCursor.MoveMode.KeepAnchor)
    cursor.insertText("…")
    return str(document.toHtml())


def _width_without_end(document: QTextDocument) -> float:
    line = document.firstBlock().layout().lineAt(0)
    place: Any = line.cursorToX(line.textLength() - 1)
    # PyQt6 returns the corrected position as well.
    return float(place[0] if isinstance(place, tuple) else place)
