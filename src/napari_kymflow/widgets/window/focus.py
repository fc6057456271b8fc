"""What people who use the keyboard need: a frame around what has the focus, and Tab in the order that is seen.

napari's themes do not mark what has the focus.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from qtpy.QtCore import QObject, Qt
from qtpy.QtGui import QColor, QPainter, QPen
from qtpy.QtWidgets import QApplication, QDockWidget, QLayout, QScrollArea, QTabWidget, QWidget

from napari_kymflow.widgets.window.canvas_overlay import CanvasOverlay
from napari_kymflow.widgets.window.layout import name_of

# Seen on napari's light and dark backgrounds alike.
_COLOR = "#1f7ae0"
_WIDTH = 2


class FocusFrame(CanvasOverlay):
    """A frame over one widget, which lives as long. Qt's own lies around it, where many widgets have no room."""

    def paintEvent(self, event: Any) -> None:  # noqa: N802  # Qt's name
        """Draw the frame."""
        painter = QPainter(self)
        painter.setPen(QPen(QColor(_COLOR), _WIDTH))
        painter.drawRect(self.rect().adjusted(1, 1, -1, -1))
        painter.end()


class FocusFollower(QObject):
    """Frames what has the focus in a window's docks of ours, and in their dialogs.

    Parameters
    ----------
    window
        The window; the follower lives as long.
    """

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        self.frame: FocusFrame | None = None
        """The frame; None where what has the focus is not ours."""
        QApplication.instance().focusChanged.connect(self._on_focus_changed)

    def _on_focus_changed(self, before: QWidget | None, now: QWidget | None) -> None:
        if self.frame is not None:
            self.frame.destroyed.disconnect(self._on_frame_gone)
            self.frame.hide()
            self.frame.deleteLater()
            self.frame = None
        if now is not None and self._is_ours(now):
            self.frame = FocusFrame(now)
            self.frame.destroyed.connect(self._on_frame_gone)

    def _on_frame_gone(self, destroyed: object = None) -> None:
        self.frame = None

    def _is_ours(self, widget: QWidget) -> bool:
        parent: Any = widget
        while parent is not None and not (isinstance(parent, QDockWidget) and parent.parent() is self.parent()):
            parent = parent.parent()
        return parent is not None and name_of(parent) is not None


def order_tabs(dock: QWidget) -> None:
    """Let the Tab key go through a dock or a dialog in the order of its layout, whatever was made first."""
    for before, after in pairwise(in_tab_order(dock)):
        QWidget.setTabOrder(before, after)


def in_tab_order(widget: QWidget) -> Iterator[QWidget]:
    """Yield what takes the focus in a widget, as it is laid out."""
    if isinstance(widget, QTabWidget):
        yield widget.tabBar()
        corner = widget.cornerWidget()
        if corner is not None:
            yield from in_tab_order(corner)
        for place in range(widget.count()):
            yield from in_tab_order(widget.widget(place))
    elif isinstance(widget, QScrollArea) and widget.widget() is not None:
        yield from in_tab_order(widget.widget())
    elif widget.layout() is not None:
        yield from _of_layout(widget.layout())
    elif Qt.FocusPolicy.TabFocus in widget.focusPolicy():
        yield widget


def _of_layout(layout: QLayout) -> Iterator[QWidget]:
    for place in range(layout.count()):
        item: Any = layout.itemAt(place)
        if item.widget() is not None:
            yield from in_tab_order(item.widget())
        elif item.layout() is not None:
            yield from _of_layout(item.layout())
