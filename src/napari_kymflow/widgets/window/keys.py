"""Keys belong to what has the focus: which of them a dock keeps for itself.

napari hands every key that a dock does not take to the active layer, so that Delete in a table would delete a ROI.
"""

from qtpy.QtCore import QKeyCombination, Qt
from qtpy.QtGui import QKeyEvent, QKeySequence

DELETE_KEYS = (Qt.Key.Key_Delete, Qt.Key.Key_Backspace)
_NAPARIS = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.AltModifier | Qt.KeyboardModifier.MetaModifier


def is_for_napari(event: QKeyEvent) -> bool:
    """Return whether a key that a dock has no use for goes on to napari: those with Ctrl or Alt, such as Ctrl+Z."""
    return event.key() not in DELETE_KEYS and bool(event.modifiers() & _NAPARIS)


def name_of_key(event: QKeyEvent) -> str:
    """Return what a key that was pressed is called, with its modifiers, such as "Ctrl+Z"; "1" also on the keypad."""
    modifiers = event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
    pressed = QKeySequence(QKeyCombination(modifiers, Qt.Key(event.key())))
    return str(pressed.toString(QKeySequence.SequenceFormat.PortableText))
