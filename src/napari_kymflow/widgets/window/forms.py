"""Forms that magicgui makes from typed functions and values, and what is below them in a dialog."""

from collections.abc import Iterable
from typing import Any

from magicgui.widgets import CheckBox
from qtpy.QtWidgets import QDialog, QDialogButtonBox, QFormLayout


def rows_of(inputs: Iterable[Any]) -> QFormLayout:
    """Return the inputs of a form one below the other, each with its label, which is its accessible name too.

    magicgui's own rows are not aligned in napari, whose font is wider than the one that magicgui measures.
    """
    rows = QFormLayout()
    rows.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    for asked in inputs:
        asked.native.setAccessibleName(asked.label)
        if isinstance(asked, CheckBox):
            rows.addRow(asked.native)
        else:
            rows.addRow(asked.label, asked.native)
            rows.labelForField(asked.native).setToolTip(asked.tooltip or "")
    return rows


def keep_in(form: Any, dialog: QDialog) -> None:
    """Let a magicgui form whose inputs `rows_of` lays out end with a dialog: what was around them is a window else."""
    form.native.setParent(dialog)
    form.native.hide()


def ok_cancel(dialog: QDialog, text: str) -> QDialogButtonBox:
    """Return the two buttons that accept a dialog, by a button with a text, and reject it."""
    standard = QDialogButtonBox.StandardButton
    buttons = QDialogButtonBox(standard.Ok | standard.Cancel, dialog)
    buttons.button(standard.Ok).setText(text)
    buttons.accepted.connect(dialog.accept)
    buttons.rejected.connect(dialog.reject)
    return buttons


def accept_button(buttons: QDialogButtonBox) -> Any:
    """Return the button that accepts the dialog."""
    return buttons.button(QDialogButtonBox.StandardButton.Ok)
