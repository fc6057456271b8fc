"""Connections from the session to a dock that end with the dock."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeAlias

from psygnal import SignalInstance
from qtpy.QtCore import QEvent, QObject
from qtpy.QtWidgets import QWidget

Connections: TypeAlias = Sequence[tuple[SignalInstance, Callable[..., Any]]]


def bind_for_life(widget: QWidget, connections: Connections) -> None:
    """Connect signals to a dock's methods until the dock is closed, and destroyed by that: the session lives longer."""
    for signal, slot in connections:
        signal.connect(slot)
    # Not a method of the widget: Qt disconnects these before it says that the widget is destroyed.
    widget.destroyed.connect(partial(_unbind, connections))
    widget.installEventFilter(_Orphan(widget))


class _Orphan(QObject):
    """Deletes a widget that was taken out of its dock: napari leaves it to Python, which on PySide6 keeps it for ever."""

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802  # Qt's name
        """Delete the widget once it has no parent any more."""
        if event.type() == QEvent.Type.ParentChange and watched.parent() is None:
            watched.deleteLater()
        return False


def _unbind(connections: Connections, destroyed: object = None) -> None:
    for signal, slot in connections:
        signal.disconnect(slot, missing_ok=True)
