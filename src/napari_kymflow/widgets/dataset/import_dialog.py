"""The dialog that asks how a folder is imported, where there is something to ask."""

from pathlib import Path

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QCheckBox, QDialog, QDialogButtonBox, QLabel, QLineEdit, QVBoxLayout, QWidget

from kymflow_core.errors import MetadataError
from kymflow_core.folder_names import EXAMPLE
from napari_kymflow.tables.import_form import FolderFacts, ImportWish, describe_pattern, pattern_of

_WIDTH = 560
_LINES = 5


class ImportDialog(QDialog):
    """Asks for channels of one scan, and for what the names of subfolders stand for.

    Parameters
    ----------
    folder
        The folder that is to be imported.
    facts
        What lies in it.
    parent
        The dock.
    """

    def __init__(self, folder: Path, facts: FolderFacts, *, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(f"Import {folder.name}")
        self._facts = facts
        self.merge = QCheckBox("Make one image of each scan, with its channels", self)
        self.pattern = QLineEdit(self)
        self.pattern.setPlaceholderText(f"nothing, or such as {EXAMPLE}")
        self._sentence = QLabel(self)
        standard = QDialogButtonBox.StandardButton
        self._buttons = QDialogButtonBox(standard.Ok | standard.Cancel, self)
        self._buttons.button(standard.Ok).setText("Import")
        self._buttons.accepted.connect(self.accept)
        self._buttons.rejected.connect(self.reject)
        self._lay_out()
        self.pattern.textChanged.connect(self._on_edited)

    @property
    def wish(self) -> ImportWish:
        """What is asked for."""
        return ImportWish(merge_channels=self.merge.isChecked(), folder_names=pattern_of(self.pattern.text()))

    @property
    def can_import(self) -> bool:
        """Whether what is entered can be used."""
        return bool(self._buttons.button(QDialogButtonBox.StandardButton.Ok).isEnabled())

    @property
    def sentence(self) -> str:
        """What the pattern takes from the folders, or why it cannot be used."""
        return str(self._sentence.text())

    def _lay_out(self) -> None:
        channels = QLabel(self._facts.describe_channels(), self)
        folders = QLabel("Enter what the folders between this one and a file are called, as experiment metadata:", self)
        self._sentence.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
        self._sentence.setMinimumHeight(_LINES * self._sentence.fontMetrics().lineSpacing())
        layout = QVBoxLayout(self)
        for label in (channels, folders, self._sentence):
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setWordWrap(True)
        parts = {channels: self._facts.channels, self.merge: self._facts.channels}
        parts |= dict.fromkeys((folders, self.pattern, self._sentence), self._facts.has_subfolders)
        for part, is_asked in parts.items():
            layout.addWidget(part)
            part.setVisible(bool(is_asked))
        layout.addWidget(self._buttons)
        self.setMinimumWidth(_WIDTH)

    def _on_edited(self, text: str) -> None:
        try:
            pattern = pattern_of(text)
            sentence = describe_pattern(pattern, self._facts.files) if pattern else ""
        except MetadataError as error:
            self._buttons.button(QDialogButtonBox.StandardButton.Ok).setEnabled(False)
            self._sentence.setText(str(error))
            return
        self._buttons.button(QDialogButtonBox.StandardButton.Ok).setEnabled(True)
        self._sentence.setText(sentence)
