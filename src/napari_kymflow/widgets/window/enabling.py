"""Buttons and entries of menus that cannot be used now say why in their tooltips."""

from qtpy.QtGui import QAction
from qtpy.QtWidgets import QWidget

NOT_NOW = "Not now: "
_WHAT_IT_DOES = "kymflow_what_it_does"


def enable(control: QWidget | QAction, why_not: str = "") -> None:
    """Let a control be used; where `why_not` says why it cannot be, show that below what it does."""
    does = control.property(_WHAT_IT_DOES)
    if does is None:
        # Qt makes a tooltip of an entry's text where it has none of its own.
        is_text = isinstance(control, QAction) and control.toolTip() == control.text().rstrip("….")
        does = "" if is_text else control.toolTip()
        control.setProperty(_WHAT_IT_DOES, does)
    control.setEnabled(not why_not)
    control.setToolTip("\n\n".join([*([does] if does else []), *([f"{NOT_NOW}{why_not}"] if why_not else [])]))
