"""A transparent widget over another one, such as napari's canvas, and as large. The mouse goes through it."""

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtWidgets import QWidget


class CanvasOverlay(QWidget):
    """Covers a canvas; what is drawn is up to the classes that inherit.

    Parameters
    ----------
    canvas
        The widget of the canvas; the overlay lives as long.
    """

    def __init__(self, canvas: QWidget) -> None:
        super().__init__(canvas)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setAttribute(Qt.WidgetAttribute.WA_NoSystemBackground)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        canvas.installEventFilter(self)
        self.setGeometry(canvas.rect())
        self.show()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802  # Qt's name
        """Stay as large as the canvas."""
        if event.type() == QEvent.Type.Resize and isinstance(watched, QWidget):
            self.setGeometry(watched.rect())
        return False
