"""What all dialogs of ours have in common."""

from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QDialog, QMessageBox, QPushButton, QWidget

from napari_kymflow.widgets.window.focus import in_tab_order, order_tabs


class Dialog(QDialog):
    """A dialog in which the keyboard begins at the first row; Tab goes through the rows as they are seen."""

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802  # Qt's name
        """Order the controls, and give the first one the focus; a button gets it from Qt, which knows the default one."""
        order_tabs(self)
        first = next((one for one in in_tab_order(self) if one.isEnabled() and one.isVisibleTo(self)), None)
        if first is not None and not isinstance(first, QPushButton):
            first.setFocus()
        super().showEvent(event)


def agrees(parent: QWidget, title: str, question: str, *, details: str = "", button: str, deletes: bool = False) -> bool:
    """Ask whether to do something, and return whether it is agreed to; Return takes nothing away where it `deletes`."""
    box = QMessageBox(QMessageBox.Icon.Question, title, question, parent=parent)
    box.setInformativeText(details)
    roles = QMessageBox.ButtonRole
    yes = box.addButton(button, roles.DestructiveRole if deletes else roles.AcceptRole)
    no = box.addButton("Cancel", roles.RejectRole)
    box.setDefaultButton(no if deletes else yes)
    box.exec()
    return box.clickedButton() is yes
