"""The dialog that asks how a folder is imported, where there is something to ask."""

from pathlib import Path
from typing import Any

from magicgui import magicgui
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from kymflow_core.errors import MetadataError
from kymflow_core.folder_names import EXAMPLE
from napari_kymflow.tables.import_form import FolderFacts, ImportWish, describe_pattern, import_wish, pattern_of
from napari_kymflow.widgets.window.dialog import Dialog
from napari_kymflow.widgets.window.forms import accept_button, keep_in, ok_cancel, rows_of

_WIDTH = 560
_FOLDERS = (
    "Do the names of the folders tell which animal and which vessel it was? Then write what each level of folders names, "
    "in braces: {example} for a folder A89 with a folder V1 in it. Each image gets these as entries of its experiment. "
    "Otherwise leave this empty."
)
_LINES = 5


class ImportDialog(Dialog):
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
        self.form: Any = magicgui(
            import_wish,
            merge_channels={"label": "Make one image of each scan, with its channels"},
            folder_names={"label": "the folders name"},
            labels=False,
            call_button=False,
        )
        """What is asked, made from the arguments of `import_wish`."""
        self.form.folder_names.native.setPlaceholderText(f"nothing; or such as {EXAMPLE}")
        self._sentence = QLabel(self)
        self._buttons = ok_cancel(self, "Import")
        self._lay_out()
        self.form.folder_names.changed.connect(self._on_edited)

    @property
    def wish(self) -> ImportWish:
        """What is asked for."""
        wish: ImportWish = self.form()
        return wish

    @property
    def can_import(self) -> bool:
        """Whether what is entered can be used."""
        return bool(accept_button(self._buttons).isEnabled())

    @property
    def sentence(self) -> str:
        """What the pattern takes from the folders, or why it cannot be used."""
        return str(self._sentence.text())

    def _lay_out(self) -> None:
        channels = QLabel(self._facts.describe_channels(), self)
        folders = QLabel(_FOLDERS.format(example=EXAMPLE), self)
        self._sentence.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
        self._sentence.setMinimumHeight(_LINES * self._sentence.fontMetrics().lineSpacing())
        layout = QVBoxLayout(self)
        for label in (channels, folders, self._sentence):
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setWordWrap(True)
        layout.addWidget(channels)
        layout.addWidget(folders)
        rows = rows_of(self.form)
        keep_in(self.form, self)
        layout.addLayout(rows)
        layout.addWidget(self._sentence)
        layout.addWidget(self._buttons)
        asks_channels, asks_folders = bool(self._facts.channels), self._facts.has_subfolders
        channels.setVisible(asks_channels)
        rows.setRowVisible(self.form.merge_channels.native, asks_channels)
        for label in (folders, self._sentence):
            label.setVisible(asks_folders)
        rows.setRowVisible(self.form.folder_names.native, asks_folders)
        self.setMinimumWidth(_WIDTH)

    def _on_edited(self, text: str) -> None:
        try:
            pattern = pattern_of(text)
            sentence = describe_pattern(pattern, self._facts.files) if pattern else ""
        except MetadataError as error:
            accept_button(self._buttons).setEnabled(False)
            self._sentence.setText(str(error))
            return
        accept_button(self._buttons).setEnabled(True)
        self._sentence.setText(sentence)
