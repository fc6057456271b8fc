"""The dialogs that ask for calibration and experiment metadata of one record or of many.

The rule of this room: it says what saving would do before it can be saved; what was not touched stays as it is.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from threading import Event
from typing import Any, Literal, TypeAlias

from magicgui.widgets import ComboBox, LineEdit, TextEdit
from qtpy.QtCore import QSize, Qt, QTimer
from qtpy.QtWidgets import (
    QCompleter,
    QDialogButtonBox,
    QFormLayout,
    QFrame,
    QHBoxLayout,
    QLabel,
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
from napari_kymflow.widgets.window.dialog import Dialog
from napari_kymflow.widgets.window.forms import rows_of
from napari_kymflow.widgets.window.task_bar import Kind, kind_icon

What: TypeAlias = Literal["Calibration", "Experiment"]
Run: TypeAlias = Callable[[Callable[[], Any], Callable[[Any], None]], None]
Save: TypeAlias = Callable[[MetadataForm, MetadataEdit], bool]

_PAUSE_MS = 250
_ICON_SIZE = 18
_WIDTH = 500
_FORM_HEIGHT = 480
_NOTE_HEIGHT = 64
_NOTE = (EXPERIMENT, "note")
_ADDED = ("another entry", "its value")
_NOTHING: Mapping[str, Sequence[str]] = {}
_CALCULATING = "Looking which results depend on it …"


class MetadataDialog(Dialog):
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
        self._inputs: dict[Field, Any] = {}
        self._added: list[Any] = []
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
        return str(self._inputs[one].value)

    def enter(self, one: Field, text: str) -> None:
        """Write into a field, as the user does."""
        self._inputs[one].value = text

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
        rows = self._rows((SECONDS, UM))
        source = self._form.fields[SOURCE]
        rows.addRow("comes from", QLabel(SEVERAL if source.is_mixed else source.text or "nobody gave it yet", self))
        rows.addRow("image", self._extent)
        layout.addLayout(rows)
        layout.addStretch()

    def _lay_out_experiment(self, layout: QVBoxLayout, suggestions: Mapping[str, Sequence[str]]) -> None:
        inner = QWidget(self)
        self._added = [LineEdit(label=name) for name in _ADDED]
        inner.setLayout(self._rows([*((EXPERIMENT, key) for key in self._form.keys), ACCEPTED], suggestions))
        area = QScrollArea(self)
        area.setWidget(inner)
        area.setWidgetResizable(True)
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setMinimumHeight(min(_FORM_HEIGHT, inner.sizeHint().height()))
        layout.addWidget(area, stretch=1)

    def _rows(self, fields: Iterable[Field], suggestions: Mapping[str, Sequence[str]] = _NOTHING) -> QFormLayout:
        """Return the inputs for some fields, each as its value wants it, and for an added entry."""
        for one in fields:
            self._inputs[one] = _input_of(self._form.fields[one], suggestions.get(one[1], ()))
        inputs = [*self._inputs.values(), *self._added]
        for asked in inputs:
            asked.changed.connect(self._on_edited)
        return rows_of(inputs)

    def _on_edited(self, text: object = None) -> None:
        """Take up what is entered, and say what is wrong with it, or in a moment what it would do."""
        self._edit = None
        self._save.setEnabled(False)
        self._timer.stop()
        if SECONDS in self._inputs:
            self._extent.setText(describe_extent(self._form, self.touched))
        try:
            edit = edit_of(self.touched, added=[part.value for part in self._added])
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
        self._say("warning" if preview.outdated else "info", describe_edit(preview, self._form))
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


def _input_of(field: FormField, suggestions: Sequence[str]) -> Any:
    """Return the input for the value of a field."""
    shown = _shown(field)
    if field.field == ACCEPTED or field.choices:
        texts = (YES, NO) if field.field == ACCEPTED else ("", *field.choices)
        return ComboBox(label=field.label, value=shown, choices=list(dict.fromkeys([shown, *texts])))
    kind = TextEdit if field.field == _NOTE else LineEdit
    # Where it cannot be null, magicgui's TextEdit never tells that it changed.
    asked = kind(label=field.label, nullable=kind is TextEdit)
    edit: Any = asked.native
    edit.setPlaceholderText(SEVERAL if field.is_mixed else field.hint)
    if kind is TextEdit:
        edit.setAcceptRichText(False)
        edit.setTabChangesFocus(True)
        edit.setFixedHeight(_NOTE_HEIGHT)
        # Not the value, which Qt would read as HTML where it looks like it.
        edit.setPlainText(shown)
        # napari's themes give it neither a background nor a frame.
        edit.setStyleSheet("QTextEdit { border: 1px solid gray; border-radius: 2px; }")
        return asked
    asked.value = shown
    if suggestions:
        completer = QCompleter(list(suggestions), edit)
        completer.setCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        edit.setCompleter(completer)
    return asked


def _shown(field: FormField) -> str:
    return SEVERAL if field.is_mixed and (field.choices or field.field == ACCEPTED) else field.text


def _wrapped(parent: QWidget) -> QLabel:
    label = QLabel(parent)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setWordWrap(True)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return label
