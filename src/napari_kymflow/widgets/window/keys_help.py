"""The keys of the docks, in a window that stays beside napari's until it is closed.

The rule of this room: a key belongs to what has the focus, so each group says where that is. Tests compare the groups of
the trace and of the review with what these docks do.
"""

from collections.abc import Mapping

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QGridLayout, QLabel, QPushButton, QWidget

from napari_kymflow.widgets.window.dialog import Dialog
from napari_kymflow.widgets.window.dock import push_button

TRACE, REVIEW, ELSEWHERE = (
    "In the trace, after a click in it",
    "In the list of the review",
    "On the kymograph and in tables",
)
KEYS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    TRACE: {
        "next event": ("N", "Space"),
        "previous event": ("P", "Shift+Space"),
        "select no event": ("Esc",),
        "delete an event made by hand": ("Del", "Backspace"),
        "undo, redo": ("Ctrl+Z", "Ctrl+Shift+Z"),
        "why is this number so?": ("W",),
        "the window before, the next one": ("Left", "Right"),
        "these keys": ("F1",),
    },
    REVIEW: {
        "next event": ("N", "Space"),
        "previous event": ("P", "Shift+Space"),
        "true stall": ("1",),
        "reversal": ("2",),
        "artefact": ("3",),
        "other": ("4",),
        "rejected": ("5",),
        "take the verdict back": ("0",),
        "undo, redo": ("Ctrl+Z", "Ctrl+Shift+Z"),
        "these keys": ("F1",),
    },
    ELSEWHERE: {
        "save the record": ("Ctrl+S",),
        "undo, redo of ROIs": ("Ctrl+Z", "Ctrl+Shift+Z"),
        "move the selected ROIs by a line or pixel": ("Left", "Right", "Up", "Down"),
        "another ROI of the same shape": ("T",),
        "next record, previous record": ("Alt+Down", "Alt+Up"),
        "open the row": ("Return",),
        "copy the rows": ("Ctrl+C",),
    },
}
"""By where the focus is: what keys do, and the keys, by the names that Qt has for them."""
MOUSE: Mapping[str, str] = {
    "drag an edge of the selected event": "moves it",
    "Shift and drag": "a new event",
    "double click": "why is this number so?",
    "wheel, drag": "zoom and move time",
    "wheel, drag over the velocity axis": "zoom and move velocity",
}
"""What the mouse does in the trace."""


class KeysWindow(Dialog):
    """Lists the keys; Escape closes it."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowFlag(Qt.WindowType.Tool)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("Keys")
        layout = QGridLayout(self)
        layout.setHorizontalSpacing(24)
        for column, (place, keys) in enumerate(KEYS.items()):
            rows = {what: ", ".join(names) for what, names in keys.items()}
            layout.addWidget(_table(place, rows), 0, column, alignment=Qt.AlignmentFlag.AlignTop)
        mouse = {said: gesture for gesture, said in MOUSE.items()}
        layout.addWidget(_table("In the trace, with the mouse", mouse), 1, 0, 1, len(KEYS))


def keys_button(parent: QWidget) -> QPushButton:
    """Return a button that lists the keys."""
    return push_button(parent, "Keys", "List the keys of the docks (F1)", lambda: show_keys(parent))


def show_keys(parent: QWidget) -> None:
    """List the keys beside a window, or bring the list to the front."""
    shown = parent.window().findChild(KeysWindow) or KeysWindow(parent)
    shown.show()
    shown.raise_()
    shown.activateWindow()


def _table(title: str, rows: Mapping[str, str]) -> QLabel:
    cells = "".join(f"<tr><td><b>{keys}</b>&nbsp;&nbsp;</td><td>{what}</td></tr>" for what, keys in rows.items())
    label = QLabel(f"<p>{title}</p><table cellspacing='3'>{cells}</table>")
    label.setTextFormat(Qt.TextFormat.RichText)
    return label
