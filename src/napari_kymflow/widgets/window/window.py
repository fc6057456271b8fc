"""The window around a session: pauses, workers, questions, and the last word before napari closes."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from weakref import ref

import napari
from napari.qt.threading import thread_worker
from napari.utils.notifications import show_info
from qtpy.QtCore import QEvent, QObject, Qt, QTimer
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import QApplication, QDockWidget, QMainWindow, QMessageBox, QWidget

from kymflow_core.roi import ROI
from napari_kymflow.layers.tags import tag_of
from napari_kymflow.rois.rows import describe_roi
from napari_kymflow.session.session import KymSession, session_of
from napari_kymflow.user.preferences import autosaves
from napari_kymflow.user.window import Answer, Choice, Conflict, OnDone, OnFailed, Window, Work
from napari_kymflow.widgets.window.canvas_axes import CanvasAxes
from napari_kymflow.widgets.window.canvas_labels import CanvasLabels
from napari_kymflow.widgets.window.canvas_place import canvas_widget
from napari_kymflow.widgets.window.focus import FocusFollower
from napari_kymflow.widgets.window.keep_whole import KeepWhole
from napari_kymflow.widgets.window.layout import PLUGIN, is_placed, layout_of, name_of, others_than

_PAUSE_MS = 800
_REST_MS = 120
_DRAFT_MS = 1500
"""Longer than the pause before a save by itself, after which no draft is needed."""
_LONGEST_WAIT_S = 20.0


class Job(QObject):
    """Work in a worker, and what is done with its result in the window's own thread."""

    def __init__(self, work: Work, done: OnDone, failed: OnFailed | None, finished: Callable[["Job"], None]) -> None:
        super().__init__()
        self._done, self._failed, self._finished = done, failed, finished
        self.worker = thread_worker(work)()
        # Methods of an object that Qt knows, so that they run in its thread.
        self.worker.returned.connect(self._on_returned)
        self.worker.errored.connect(self._on_errored)

    def _on_returned(self, result: Any) -> None:
        self._finished(self)
        self._done(result)

    def _on_errored(self, error: Exception) -> None:
        """End the work after an error that is not ours; napari shows it."""
        self._finished(self)
        if self._failed is not None:
            self._failed(error)


class WindowFilter(QObject):
    """Asks before a window closes, and takes the key that saves the record, before napari saves a layer by it."""

    def __init__(self, window: QMainWindow, may_close: Callable[[], bool], save: Callable[[], bool]) -> None:
        super().__init__(window)
        self._may_close, self._save = may_close, save
        window.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802  # Qt's name
        """Stop the closing of the window where the user would rather stay; save by Ctrl+S."""
        if watched is not self.parent():
            return False
        if event.type() == QEvent.Type.Close and not self._may_close():
            event.ignore()
            return True
        # Qt asks all widgets, from the one with the focus up to the window, before it looks for a menu's key.
        if event.type() == QEvent.Type.ShortcutOverride and event.matches(QKeySequence.StandardKey.Save) and self._save():
            event.accept()
            return True
        return False


class NapariWindow(Window):
    """napari's window around a session.

    Parameters
    ----------
    session
        The session.
    """

    def __init__(self, session: KymSession) -> None:
        self._session = session
        self._main_window: Callable[[], QMainWindow | None] = _no_window
        self._paused: Callable[[], None] = _nothing
        self._timer = QTimer()
        self._timer.setSingleShot(True)
        self._timer.setInterval(_PAUSE_MS)
        self._timer.timeout.connect(self._on_pause)
        self._after_zoom: Callable[[], None] = _nothing
        self._zoom_timer = QTimer()
        self._zoom_timer.setSingleShot(True)
        self._zoom_timer.setInterval(_REST_MS)
        self._zoom_timer.timeout.connect(self._on_zoom_rests)
        self._drawn_timer = QTimer()
        self._drawn_timer.setSingleShot(True)
        self._drawn_timer.timeout.connect(self._zoom_timer.start)
        self._keep_draft: Callable[[], None] = _nothing
        self._draft_timer = QTimer()
        self._draft_timer.setSingleShot(True)
        self._draft_timer.setInterval(_DRAFT_MS)
        self._draft_timer.timeout.connect(self._on_draft_time)
        self._jobs: set[Job] = set()
        self._is_closing = False
        self._said_close = False

    def attach(self, window: QMainWindow) -> None:
        """Have the last word before `window` closes."""
        if self.main_window is None:
            # Weakly: the session lives as long as its viewer, and the window must not live longer.
            self._main_window = ref(window)
            WindowFilter(window, self.may_close, self.save_record)
            KeepWhole(self._session, window)
            FocusFollower(window)
            canvas = canvas_widget(self._session.viewer)
            if canvas is not None:
                CanvasLabels(canvas, self._session)
                CanvasAxes(canvas, self._session, layout_of(window))
            window.destroyed.connect(self._on_window_gone)

    def _on_window_gone(self, destroyed: object = None) -> None:
        self._timer.stop()
        self._zoom_timer.stop()
        self._said_close, self._main_window = True, _no_window

    def place(self, dock: QDockWidget) -> None:
        """Put a dock of ours where it belongs; the first one in a window brings the others."""
        window, name = self.main_window, name_of(dock)
        if window is None or name is None:
            return
        layout = layout_of(window)
        is_first = layout.is_new
        layout.put(name, dock)
        viewer = self._session.viewer
        if is_first and isinstance(viewer, napari.Viewer):
            # napari's column is wider for a record's layers than without any.
            self._session.record_changed.connect(layout.arrange_later)
            for other in others_than(name):
                viewer.window.add_plugin_dock_widget(PLUGIN, other)

    @property
    def main_window(self) -> QMainWindow | None:
        """Qt's window, the parent of questions; None until a dock lies in one."""
        return self._main_window()

    @property
    def autosaves(self) -> bool:
        """Whether edits are saved by themselves a moment after they were made."""
        return autosaves()

    @property
    def can_ask(self) -> bool:
        """Whether there is somebody to ask."""
        return True

    def later(self, action: Callable[[], None]) -> None:
        """Do something after napari has handled the mouse."""
        # Until napari's own code for the release of the mouse has run, a changed layer would confuse it.
        QTimer.singleShot(0, partial(self._unless_closed, action))

    def after_a_pause(self, action: Callable[[], None]) -> None:
        """Do something once nothing was asked for a moment; the last action counts."""
        self._paused = action
        if not self._is_closed:
            self._timer.start()

    def within_two_seconds(self, action: Callable[[], None]) -> None:
        """Do something soon, however often it is asked for meanwhile."""
        self._keep_draft = action
        if not self._draft_timer.isActive():
            self._draft_timer.start()

    def when_it_rests(self, action: Callable[[], None]) -> None:
        """Do something once the zoom rests; the last action counts.

        The wait begins once the canvas is drawn: where that takes long, it would be over before the wheel turns on.
        """
        self._after_zoom = action
        self._zoom_timer.stop()
        self._drawn_timer.start()

    @contextmanager
    def busy(self) -> Iterator[None]:
        """Show the cursor that waits; what the user does meanwhile is answered afterwards."""
        QApplication.setOverrideCursor(Qt.CursorShape.WaitCursor)
        try:
            yield
        finally:
            QApplication.restoreOverrideCursor()

    def run(self, work: Work, done: OnDone, failed: OnFailed | None = None) -> None:
        """Do work in a worker, then hand on what it returned or raised; at once while the window closes."""
        if self._is_closing:
            done(work())
            return
        job = Job(work, done, failed, self._jobs.discard)
        self._jobs.add(job)
        job.worker.start()

    @property
    def is_busy(self) -> bool:
        """Whether a worker is at work, or a pause is waited for."""
        return bool(self._jobs) or self._timer.isActive()

    def may_close(self) -> bool:
        """Save what is not saved, or ask; return False where the user would rather stay."""
        self._timer.stop()
        self._draft_timer.stop()
        self._finish_jobs()
        self._is_closing = True
        try:
            if self._session.leave():
                record = self._session.record
                self._said_close = record is None or not record.is_unsaved or self.ask_close(record.saving.failure)
            return self._said_close
        finally:
            self._is_closing = False

    def save_record(self) -> bool:
        """Save the open record, and return whether there is one; where a layer that is not ours is active, napari saves."""
        record, active = self._session.record, self._session.viewer.layers.selection.active
        if record is None or (active is not None and tag_of(active) is None):
            return False
        if record.is_unsaved:
            record.save()
        else:
            show_info(f"All ROIs of {record.name} are saved.")
        return True

    def open_elsewhere(self, path: Path, image_id: str, others: Sequence[str]) -> bool:
        """Offer to open a record in a window of its own, as this one has layers of others; return whether it was."""
        if not self.ask_own_window(others):
            return False
        viewer = napari.Viewer(title=path.name)
        viewer.open(str(path / "images" / image_id), plugin="napari-kymflow")
        return True

    def ask_own_window(self, others: Sequence[str]) -> bool:
        """Ask whether a record is to have a window of its own."""
        text = (
            f"This window shows other layers too: {', '.join(others)}.\n\nTo leave them as they are, a record runs from "
            "top to bottom here, and zooming acts both ways alike. Open it in a window of its own instead?"
        )
        box = QMessageBox(QMessageBox.Icon.Question, "Other layers are open", text, parent=self.main_window)
        own = box.addButton("Own window", QMessageBox.ButtonRole.AcceptRole)
        box.addButton("Show it here", QMessageBox.ButtonRole.RejectRole)
        box.exec()
        return box.clickedButton() is own

    def ask_unsaved(self, what: str) -> Answer:
        """Ask whether to save unsaved ROIs, to discard them, or to stay with them."""
        box = QMessageBox(QMessageBox.Icon.Question, "Unsaved ROIs", what, parent=self.main_window)
        save = box.addButton("Save", QMessageBox.ButtonRole.AcceptRole)
        discard = box.addButton("Discard", QMessageBox.ButtonRole.DestructiveRole)
        box.addButton("Stay", QMessageBox.ButtonRole.RejectRole)
        box.exec()
        if box.clickedButton() is save:
            return "save"
        return "discard" if box.clickedButton() is discard else "stay"

    def ask_conflicts(self, conflicts: Sequence[Conflict]) -> Choice:
        """Show ROIs that another window changed as well, and ask which of the two counts."""
        lines = [
            f"<p><b>ROI {pair.theirs.roi_id}</b><br>theirs: {self._described(pair.theirs)}<br>"
            f"yours: {self._described(pair.mine)}</p>"
            for pair in conflicts
        ]
        text = "<p>Another window saved other changes of the same ROIs. Both are on the canvas now.</p>" + "".join(lines)
        box = QMessageBox(QMessageBox.Icon.Question, "Changed by both", text, parent=self.main_window)
        mine = box.addButton("Keep mine", QMessageBox.ButtonRole.AcceptRole)
        theirs = box.addButton("Keep theirs", QMessageBox.ButtonRole.DestructiveRole)
        box.setDefaultButton(box.addButton("Keep both", QMessageBox.ButtonRole.RejectRole))
        box.exec()
        if box.clickedButton() is mine:
            return "mine"
        return "theirs" if box.clickedButton() is theirs else "both"

    def _described(self, roi: ROI) -> str:
        record = self._session.record
        return describe_roi(roi, record.measured.bounds_of(roi) if record else None)

    def ask_close(self, reason: str) -> bool:
        """Ask whether to close napari although saving failed."""
        text = f"The ROIs could not be saved: {reason}\n\nThey are kept on this computer, and offered again next time."
        box = QMessageBox(QMessageBox.Icon.Warning, "Not saved", text, parent=self.main_window)
        close = box.addButton("Close napari", QMessageBox.ButtonRole.AcceptRole)
        box.addButton("Stay", QMessageBox.ButtonRole.RejectRole)
        box.exec()
        return box.clickedButton() is close

    @property
    def _is_closed(self) -> bool:
        # napari may ask a question of its own after ours, and stay open.
        return self._said_close and (self.main_window is None or not self.main_window.isVisible())

    def _unless_closed(self, action: Callable[[], None]) -> None:
        # napari clears its layers after the window closed, which is no deletion by hand.
        if not self._is_closed:
            action()

    def _on_pause(self) -> None:
        self._paused()

    def _on_draft_time(self) -> None:
        self._unless_closed(self._keep_draft)

    def _on_zoom_rests(self) -> None:
        self._unless_closed(self._after_zoom)

    def _finish_jobs(self) -> None:
        end = time.monotonic() + _LONGEST_WAIT_S
        while self._jobs and time.monotonic() < end:
            # Only what workers send: a canvas that is drawn while its window closes, or another window's, can fail.
            QApplication.sendPostedEvents(None, QEvent.Type.MetaCall)
            time.sleep(0.005)


def window_of(viewer: "napari.viewer.Viewer") -> NapariWindow:
    """Return the window around a viewer's session; the first call puts it there."""
    session = session_of(viewer)
    if not isinstance(session.window, NapariWindow):
        session.window = NapariWindow(session)
    return session.window


def attach_to_window(window: NapariWindow, widget: QWidget) -> None:
    """Let the session have the last word before the window closes that a dock has come to lie in, and place the dock."""
    parent: Any = widget
    dock = None
    while parent is not None and not isinstance(parent, QMainWindow):
        dock = parent if isinstance(parent, QDockWidget) else dock
        parent = parent.parent()
    if parent is not None:
        window.attach(parent)
        if dock is not None and not is_placed(dock):
            # Its corner is set before Qt makes the window larger for napari's own docks above this one.
            layout_of(parent)
            # Not now: Qt is about to show the dock, and ends in a segmentation fault where that moves it.
            soon = QTimer(dock)
            soon.setSingleShot(True)
            soon.timeout.connect(partial(window.place, dock))
            soon.start(0)


def _no_window() -> None:
    """Be no window, until a dock lies in one."""


def _nothing() -> None:
    """Follow on a pause before anything was asked for."""
