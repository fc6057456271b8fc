"""The dialogs that ask for calibration and experiment metadata of one record or of many.

The rule of this room: it says what saving would do before it can be saved; what was not touched stays as it is.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from threading import Event
from typing import Any, Literal, TypeAlias

from qtpy.QtCore import QSize, Qt, QTimer
from qtpy.QtWidgets import (
    QComboBox,
    QCompleter,
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QFrame,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from kymflow_core import MetadataEdit, preview_edit
from kymflow_core.errors import MetadataError
from kymflow_core.images.metadata import EXPERIMENT
from kymflow_core.images.metadata_fields import ACCEPTED, Field
from kymflow_core.metadata_edit import EditPreview
from napari_kymflow.errors import OUR_ERRORS
from napari_kymflow.tables.metadata_form import (
    NO,
    SECONDS,
    SEVERAL,
    SOURCE,
    UM,
    YES,
    FormField,
    MetadataForm,
    describe_edit,
    describe_extent,
    describe_records,
    edit_of,
    title_of,
)
from napari_kymflow.widgets.window.task_bar import Kind, kind_icon

What: TypeAlias = Literal["Calibration", "Experiment"]
Run: TypeAlias = Callable[[Callable[[], Any], Callable[[Any], None]], None]
Save: TypeAlias = Callable[[MetadataForm, MetadataEdit], bool]

_PAUSE_MS = 250
_ICON_SIZE = 18
_WIDTH = 500
_FORM_HEIGHT = 480
_NOTE_HEIGHT = 64
_CALCULATING = "Looking which results depend on it …"


class MetadataDialog(QDialog):
    """Asks for the calibration, or for the experiment metadata, of some records; it is deleted when it is closed.

    Parameters
    ----------
    form
        What the records have.
    what
        Which of both is asked for.
    run
        Does work in the background, and hands on its result.
    save
        Called with the form and what was entered, when the user saves; returns whether it is being saved.
    suggestions
        For some entries, texts that others entered before.
    parent
        The dock.
    """

    def __init__(
        self,
        form: MetadataForm,
        what: What,
        *,
        run: Run,
        save: Save,
        suggestions: Mapping[str, Sequence[str]] | None = None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._form, self._run, self._save_edit = form, run, save
        self._edit: MetadataEdit | None = None
        self._is_looking = False
        self._inputs: dict[Field, QLineEdit | QPlainTextEdit | QComboBox] = {}
        self._added: list[QLineEdit] = []
        self.setWindowTitle(title_of(form, what))
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        # What looks in the background may end after the dialog.
        gone = self._gone = Event()
        self.destroyed.connect(lambda: gone.set())
        self._extent = _wrapped(self)
        self._sign = QLabel(self)
        self._sentence = _wrapped(self)
        self._sentence.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
        standard = QDialogButtonBox.StandardButton
        self._buttons = QDialogButtonBox(standard.Save | standard.Cancel, self)
        self._buttons.accepted.connect(self.save)
        self._buttons.rejected.connect(self.reject)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_PAUSE_MS)
        self._timer.timeout.connect(self._preview_edit)
        self._lay_out(what, suggestions or {})
        self._on_edited()

    @property
    def touched(self) -> dict[Field, str]:
        """The texts of the fields that are not as they were."""
        texts = {one: self.text(one) for one in self._inputs}
        return {one: text for one, text in texts.items() if text != _shown(self._form.fields[one])}

    def text(self, one: Field) -> str:
        """Return the text of a field."""
        field = self._inputs[one]
        if isinstance(field, QComboBox):
            return str(field.currentText())
        return str(field.toPlainText() if isinstance(field, QPlainTextEdit) else field.text())

    def enter(self, one: Field, text: str) -> None:
        """Write into a field, as the user does."""
        field = self._inputs[one]
        if isinstance(field, QComboBox):
            field.setCurrentText(text)
        elif isinstance(field, QPlainTextEdit):
            field.setPlainText(text)
        else:
            field.setText(text)

    @property
    def can_save(self) -> bool:
        """Whether something is entered, and the effect of saving it is shown."""
        return bool(self._save.isEnabled())

    def save(self) -> None:
        """Hand on what was entered, and close where it is being saved."""
        if self.can_save and self._edit is not None and self._save_edit(self._form, self._edit):
            self.accept()

    @property
    def _save(self) -> Any:
        return self._buttons.button(QDialogButtonBox.StandardButton.Save)

    def _lay_out(self, what: What, suggestions: Mapping[str, Sequence[str]]) -> None:
        layout = QVBoxLayout(self)
        names = _wrapped(self)
        names.setText(describe_records(self._form))
        layout.addWidget(names)
        if what == "Calibration":
            self._lay_out_calibration(layout)
        else:
            self._lay_out_experiment(layout, suggestions)
        verdict = QHBoxLayout()
        verdict.addWidget(self._sign, alignment=Qt.AlignmentFlag.AlignTop)
        verdict.addWidget(self._sentence, stretch=1)
        layout.addLayout(verdict)
        layout.addWidget(self._buttons)
        self.setMinimumWidth(_WIDTH)

    def _lay_out_calibration(self, layout: QVBoxLayout) -> None:
        rows = QFormLayout()
        for one in (SECONDS, UM):
            self._add_line(rows, self._form.fields[one], ())
        source = self._form.fields[SOURCE]
        rows.addRow("comes from", QLabel(SEVERAL if source.is_mixed else source.text or "nobody gave it yet", self))
        rows.addRow("image", self._extent)
        layout.addLayout(rows)
        layout.addStretch()

    def _lay_out_experiment(self, layout: QVBoxLayout, suggestions: Mapping[str, Sequence[str]]) -> None:
        inner = QWidget(self)
        rows = QFormLayout(inner)
        rows.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        for key in self._form.keys:
            field = self._form.fields[EXPERIMENT, key]
            if key == "note":
                self._add_note(rows, field)
            elif field.choices:
                self._add_choice(rows, field, ("", *field.choices))
            else:
                self._add_line(rows, field, suggestions.get(key, ()))
        self._add_choice(rows, self._form.fields[ACCEPTED], (YES, NO))
        for hint in ("another entry", "its value"):
            part = QLineEdit(self)
            part.setPlaceholderText(hint)
            part.textChanged.connect(self._on_edited)
            self._added.append(part)
        rows.addRow(*self._added)
        area = QScrollArea(self)
        area.setWidget(inner)
        area.setWidgetResizable(True)
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setMinimumHeight(min(_FORM_HEIGHT, inner.sizeHint().height()))
        layout.addWidget(area, stretch=1)

    def _add_line(self, rows: QFormLayout, field: FormField, suggestions: Sequence[str]) -> None:
        line = QLineEdit(field.text, self)
        line.setPlaceholderText(SEVERAL if field.is_mixed else field.hint)
        if suggestions:
            completer = QCompleter(list(suggestions), line)
            completer.setCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
            line.setCompleter(completer)
        line.textChanged.connect(self._on_edited)
        self._inputs[field.field] = line
        rows.addRow(field.label, line)

    def _add_note(self, rows: QFormLayout, field: FormField) -> None:
        note = QPlainTextEdit(field.text, self)
        note.setPlaceholderText(SEVERAL if field.is_mixed else field.hint)
        note.setTabChangesFocus(True)
        note.setFixedHeight(_NOTE_HEIGHT)
        # napari's themes give it neither a background nor a frame.
        note.setStyleSheet("QPlainTextEdit { border: 1px solid gray; border-radius: 2px; }")
        note.textChanged.connect(self._on_edited)
        self._inputs[field.field] = note
        rows.addRow(field.label, note)

    def _add_choice(self, rows: QFormLayout, field: FormField, texts: Sequence[str]) -> None:
        choice = QComboBox(self)
        choice.addItems(list(dict.fromkeys([_shown(field), *texts])))
        choice.currentTextChanged.connect(self._on_edited)
        self._inputs[field.field] = choice
        rows.addRow(field.label, choice)

    def _on_edited(self, *text: str) -> None:
        """Take up what is entered, and say what is wrong with it, or in a moment what it would do."""
        self._edit = None
        self._save.setEnabled(False)
        self._timer.stop()
        if SECONDS in self._inputs:
            self._extent.setText(describe_extent(self._form, self.touched))
        try:
            edit = edit_of(self.touched, added=[part.text() for part in self._added])
        except MetadataError as error:
            self._say("error", str(error))
            return
        if edit.is_empty:
            self._say(None, describe_edit(EditPreview(), self._form))
            return
        self._edit = edit
        self._say(None, _CALCULATING)
        self._timer.start()

    def _preview_edit(self) -> None:
        """Find out in the background what saving would do; again if something else was entered in between."""
        if self._edit is None or self._is_looking:
            return
        self._is_looking = True
        edit = self._edit
        self._run(partial(_preview, self._form, edit), partial(self._on_previewed, edit))

    def _on_previewed(self, edit: MetadataEdit, preview: EditPreview | str) -> None:
        if self._gone.is_set():
            return
        self._is_looking = False
        if edit is not self._edit:
            self._preview_edit()
            return
        if isinstance(preview, str):
            self._say("error", preview)
            return
        self._say("warning" if preview.n_outdated else "info", describe_edit(preview, self._form))
        self._save.setEnabled(bool(preview.changed))

    def _say(self, kind: Kind | None, sentence: str) -> None:
        self._sign.setVisible(kind is not None)
        if kind is not None:
            self._sign.setPixmap(kind_icon(kind).pixmap(QSize(_ICON_SIZE, _ICON_SIZE)))
        self._sentence.setText(sentence)


def _preview(form: MetadataForm, edit: MetadataEdit) -> EditPreview | str:
    """Return what an edit would do, or why that is not known; safe in a worker."""
    try:
        return preview_edit(form.path, form.image_ids, edit)
    except (*OUR_ERRORS, OSError) as error:
        return str(error)


def _shown(field: FormField) -> str:
    return SEVERAL if field.is_mixed and (field.choices or field.field == ACCEPTED) else field.text


def _wrapped(parent: QWidget) -> QLabel:
    label = QLabel(parent)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setWordWrap(True)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return label
