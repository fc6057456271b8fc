"""Connections from the session to a dock that end with the dock."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeAlias

from psygnal import SignalInstance
from qtpy.QtWidgets import QWidget

Connections: TypeAlias = Sequence[tuple[SignalInstance, Callable[..., Any]]]


def bind_for_life(widget: QWidget, connections: Connections) -> None:
    """Connect signals to a widget's methods until the widget is destroyed: the session lives longer than a dock."""
    for signal, slot in connections:
        signal.connect(slot)
    # Not a method of the widget: Qt disconnects these before it says that the widget is destroyed.
    widget.destroyed.connect(partial(_unbind, connections))


def _unbind(connections: Connections, destroyed: object = None) -> None:
    for signal, slot in connections:
        signal.disconnect(slot, missing_ok=True)
