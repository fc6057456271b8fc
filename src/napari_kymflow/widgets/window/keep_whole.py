"""A record that is shown whole stays whole when the window, and with it the canvas, changes its size."""

from typing import Any

from qtpy.QtCore import QObject, QTimer

from napari_kymflow.session.session import KymSession


class KeepWhole(QObject):
    """Fits the view of the open record anew after a change of size, unless the user has zoomed into it or away from it.

    Parameters
    ----------
    session
        The session.
    parent
        The window.
    """

    def __init__(self, session: KymSession, parent: QObject) -> None:
        super().__init__(parent)
        self._session = session
        self._width = float(session.viewer.canvas.size[1])
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(0)
        self._timer.timeout.connect(self._session.view.fit)
        session.viewer.canvas.events.size.connect(self._on_size)

    def _on_size(self, event: Any = None) -> None:
        was, self._width = self._width, float(self._session.viewer.canvas.size[1])
        if self._was_whole(was):
            self._timer.start()

    def _was_whole(self, width: float) -> bool:
        return bool(self._timer.isActive()) or self._session.view.shows_whole(width)
