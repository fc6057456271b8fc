"""The form for the settings of a measurement, and what they are used for."""

from collections.abc import Mapping
from typing import Any

from magicgui import magicgui
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from napari_kymflow.flow.measuring import SCOPES, Scope
from napari_kymflow.flow.settings_form import AUTOMATIC, QUESTIONS, describe_changes, settings_from
from napari_kymflow.widgets.window.dialog import Dialog
from napari_kymflow.widgets.window.dock import push_button
from napari_kymflow.widgets.window.enabling import enable
from napari_kymflow.widgets.window.forms import keep_in, rows_of

_WIDTH = 460


class SettingsWindow(Dialog):
    """Asks how velocities are measured; it may stay open beside napari's window.

    Parameters
    ----------
    parent
        The dock.
    """

    changed = Signal(object)
    """The `VelocitySettings`, each time they were changed to some that can be used."""
    measure_asked = Signal(str)
    """The scope that is to be measured with them."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowFlag(Qt.WindowType.Tool)
        self.setWindowTitle("How velocities are measured")
        options = {name: {"label": one.label, **one.options} for name, one in QUESTIONS.items()}
        self.form: Any = _make_form(options)
        """The form, made from the arguments of `settings_from`."""
        self._defaults = self._answers
        for name, one in QUESTIONS.items():
            widget = getattr(self.form, name)
            default = f"{self._defaults[name]:g}" if isinstance(self._defaults[name], float) else self._defaults[name]
            widget.tooltip = f"<qt>{one.tip} <i>Default: {AUTOMATIC if one.is_automatic else _yes_or(default)}.</i></qt>"
            if one.is_automatic:
                # Shown at the lowest value, which is 0.
                widget.native.setSpecialValueText(AUTOMATIC)
            if one.options.get("widget_type"):
                widget.native.setDecimals(0)
        self._said = QLabel(self)
        self._said.setWordWrap(True)
        self._scopes: dict[Scope, QPushButton] = {}
        self._reasons: Mapping[Scope, str] = {}
        self._lay_out()
        self.form.changed.connect(self._on_changed)
        self._on_changed()

    def _lay_out(self) -> None:
        layout = QVBoxLayout(self)
        layout.addLayout(rows_of(self.form))
        keep_in(self.form, self)
        layout.addWidget(self._said)
        scopes: tuple[Scope, ...] = ("roi", "rois", "dataset")
        for scope in scopes:
            button = push_button(self, SCOPES[scope], f"Measure with these settings: {SCOPES[scope].lower()}")
            button.clicked.connect(lambda _checked=False, scope=scope: self.measure_asked.emit(scope))
            button.setAutoDefault(False)
            self._scopes[scope] = button
        row = QHBoxLayout()
        row.addWidget(push_button(self, "Defaults", "Take the settings that serve without tuning", self.reset))
        row.addStretch(1)
        row.addWidget(QLabel("Measure:", self))
        for button in self._scopes.values():
            row.addWidget(button)
        layout.addLayout(row)
        self.setMinimumWidth(_WIDTH)

    def reset(self) -> None:
        """Take the defaults."""
        for name, value in self._defaults.items():
            getattr(self.form, name).value = value

    def show_reasons(self, reasons: Mapping[Scope, str]) -> None:
        """Let just those buttons work that can measure something now: those without a reason why not."""
        self._reasons = reasons
        self._show_buttons()

    def _show_buttons(self) -> None:
        for scope, button in self._scopes.items():
            enable(button, self._problem or self._reasons.get(scope, ""))

    @property
    def _answers(self) -> dict[str, Any]:
        return {name: getattr(self.form, name).value for name in QUESTIONS}

    @property
    def _problem(self) -> str | None:
        try:
            self.form()
        except ValueError as error:
            return str(error)
        return None

    def _on_changed(self) -> None:
        problem = self._problem
        self._said.setText(problem or describe_changes(self._answers, self._defaults))
        self._show_buttons()
        if problem is None:
            self.changed.emit(self.form())


def _make_form(options: Mapping[str, Any]) -> Any:
    make: Any = magicgui
    return make(settings_from, call_button=False, **options)


def _yes_or(value: Any) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
