"""What ends with a dock: connections from the session, and what is to be done in a moment."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from threading import Event
from typing import Any, ParamSpec, TypeAlias

from psygnal import SignalInstance
from qtpy.QtCore import QEvent, QObject, QTimer
from qtpy.QtWidgets import QWidget

P = ParamSpec("P")
Connections: TypeAlias = Sequence[tuple[SignalInstance, Callable[..., Any]]]


def bind_for_life(widget: QWidget, connections: Connections) -> None:
    """Connect signals to a dock's methods until the dock is closed, and destroyed by that: the session lives longer."""
    for signal, slot in connections:
        signal.connect(slot)
    # Not a method of the widget: Qt disconnects these before it says that the widget is destroyed.
    widget.destroyed.connect(partial(_unbind, connections))
    widget.installEventFilter(_Orphan(widget))


def disconnect_all(emitters: Iterable[Any], slot: Callable[..., Any], destroyed: object = None) -> None:
    """Disconnect a method from napari's events; connected to `destroyed` of what the method belongs to."""
    for emitter in emitters:
        emitter.disconnect(slot)


def soon(owner: QObject, action: Callable[[], None]) -> QTimer:
    """Return a timer that, started, calls an action when Qt has done what it is about to do; it ends with its owner."""
    timer = QTimer(owner)
    timer.setSingleShot(True)
    timer.setInterval(0)
    timer.timeout.connect(action)
    return timer


def unless_gone(owner: QObject, action: Callable[P, object]) -> Callable[P, None]:
    """Return an action that does nothing once its owner is destroyed: a worker may be done after its dock was closed."""
    gone = Event()
    owner.destroyed.connect(lambda *_: gone.set())

    def act(*args: P.args, **kwargs: P.kwargs) -> None:
        if not gone.is_set():
            action(*args, **kwargs)

    return act


def next_turn(owner: QObject, action: Callable[[], None]) -> None:
    """Call an action with the next events, unless its owner is gone by then; `soon` waits until Qt has nothing to do."""
    QTimer.singleShot(0, unless_gone(owner, action))


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
