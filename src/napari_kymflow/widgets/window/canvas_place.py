"""Where napari's canvas is on the screen: what is drawn with OpenGL in the middle of its window, as Qt knows it."""

from typing import Any

from napari.components import ViewerModel
from qtpy.QtCore import QPoint
from qtpy.QtOpenGLWidgets import QOpenGLWidget
from qtpy.QtWidgets import QWidget

from napari_kymflow.session.session import session_of


def canvas_widget(viewer: ViewerModel) -> QWidget | None:
    """Return the widget that a viewer's canvas is drawn in; None before a dock of ours lies in its window."""
    window: Any = getattr(session_of(viewer).window, "main_window", None)
    middle = window.centralWidget() if window is not None else None
    return middle.findChild(QOpenGLWidget) if middle is not None else None


def along_canvas(canvas: QWidget, global_x: float) -> float:
    """Return a place on the screen as a place along the canvas, in pixels from its left edge."""
    return global_x - float(canvas.mapToGlobal(QPoint(0, 0)).x())
