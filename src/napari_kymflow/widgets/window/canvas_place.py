"""Where napari's canvas is on the screen: the one place that needs something private of its window."""

from typing import Any

from napari.components import ViewerModel
from qtpy.QtCore import QPoint
from qtpy.QtWidgets import QWidget


def canvas_widget(viewer: ViewerModel) -> QWidget | None:
    """Return the widget that a viewer's canvas is drawn in; None without a window, and where napari has it elsewhere."""
    window: Any = getattr(viewer, "window", None)
    viewer_widget = getattr(window, "_qt_viewer", None)
    native = getattr(getattr(viewer_widget, "canvas", None), "native", None)
    return native if isinstance(native, QWidget) else None


def along_canvas(canvas: QWidget, global_x: float) -> float:
    """Return a place on the screen as a place along the canvas, in pixels from its left edge."""
    return global_x - float(canvas.mapToGlobal(QPoint(0, 0)).x())
