"""The window around a session: when it does what it was asked to do later."""

from qtpy.QtCore import QEvent, QObject
from qtpy.QtWidgets import QApplication

from napari_kymflow.session.session import session_of
from napari_kymflow.widgets.window.window import NapariWindow


def test_the_wait_after_a_step_of_the_zoom_begins_once_the_canvas_is_drawn(viewer_model, qtbot):
    window, waits, done = NapariWindow(session_of(viewer_model)), [], []

    class Canvas(QObject):
        def event(self, event):
            waits.append(window._zoom_timer.isActive())
            return True

    canvas = Canvas()
    for _ in range(2):  # the second step of the wheel comes while the first waits, or after
        QApplication.postEvent(canvas, QEvent(QEvent.Type.UpdateRequest), -1)  # as a widget that asks to be drawn
        window.when_it_rests(lambda: done.append(len(waits)))
        qtbot.waitUntil(lambda: window._zoom_timer.isActive() or bool(done))
    qtbot.waitUntil(lambda: 2 in done)
    assert waits == [False, False]
