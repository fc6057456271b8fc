"""One line that shows long work: its progress and a way to stop it, and afterwards its result.

The rule of this room: work happens in a worker and never touches a widget; what it says comes to the window's own thread by
signals of Qt, which end with the bar. Work whose bar is gone is cancelled, and finishes unseen.
"""

from collections.abc import Callable
from dataclasses import dataclass
from threading import Event, Lock
from typing import Any, Literal, TypeAlias
from weakref import ref

from napari.qt.threading import thread_worker
from napari.utils.notifications import notification_manager, show_error
from qtpy.QtCore import QObject, QPointF, QSize, Qt, QTimer, Signal
from qtpy.QtGui import QColor, QIcon, QPainter, QPen, QPixmap, QPolygonF
from qtpy.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QPushButton, QWidget

from kymflow_zarr import Watch
from napari_kymflow.errors import OUR_ERRORS
from napari_kymflow.widgets.window.enabling import enable
from napari_kymflow.widgets.window.line_label import ElidedLabel

Kind: TypeAlias = Literal["info", "cancelled", "warning", "error"]
Task: TypeAlias = Callable[[Watch], Any]
Step: TypeAlias = tuple[int, int, str]

_UPDATE_MS = 50
_BAR_WIDTH = 140
_CANCELLING = "Cancelling after the present image …"
_WORDS: dict[Kind, str] = {"info": "Done", "cancelled": "Cancelled", "warning": "Warning", "error": "Error"}
# White is readable on each of them, and so they are on napari's light and dark backgrounds alike.
_COLORS: dict[Kind, str] = {"info": "#2e7d32", "cancelled": "#546e7a", "warning": "#9a5b00", "error": "#c62828"}
_STROKES: dict[Kind, tuple[tuple[tuple[int, int], ...], ...]] = {
    "info": (((17, 34), (28, 45), (47, 21)),),
    "cancelled": (((20, 32), (44, 32)),),
    "warning": (((32, 14), (32, 37)), ((32, 49), (32, 50))),
    "error": (((21, 21), (43, 43)), ((43, 21), (21, 43))),
}


@dataclass(frozen=True, slots=True)
class Success:
    """What work returned."""

    result: Any


@dataclass(frozen=True, slots=True)
class Failure:
    """Why work did not succeed."""

    reason: str


class TaskHandle(QObject):
    """What a bar and its work share: how far the work is, and whether it is to stop; safe in a worker."""

    progressed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._cancelled = Event()
        self._is_quitting: Callable[[], bool] = _never
        self._lock = Lock()
        self._latest: Step | None = None

    @property
    def watch(self) -> Watch:
        """What the work reports to, and asks whether to stop."""
        return Watch(progress=self.progress, is_cancelled=self.is_cancelled)

    def progress(self, done: int, total: int, name: str) -> None:
        """Say how far the work is; as often as one likes, as only the latest is shown.

        Parameters
        ----------
        done
            How many are done.
        total
            How many there are; 0 where that is not known.
        name
            What is worked on now.
        """
        with self._lock:
            is_announced = self._latest is not None
            self._latest = (done, total, name)
        if not is_announced:
            self.progressed.emit()

    def is_cancelled(self) -> bool:
        """Return whether to stop: the user said so, the bar is gone, or napari quits."""
        return self._cancelled.is_set() or self._is_quitting()

    def cancel(self, destroyed: object = None) -> None:
        """Ask the work to stop at the next good place."""
        self._cancelled.set()

    def follow(self, worker: Any) -> None:
        """Be cancelled when napari asks the worker to quit, for it waits until all workers have ended."""
        # Weakly: the worker holds this handle.
        known = ref(worker)
        self._is_quitting = lambda: (found := known()) is not None and found.abort_requested

    def take(self) -> Step | None:
        """Return the latest progress once; None where there is nothing new."""
        with self._lock:
            latest, self._latest = self._latest, None
        return latest


class TaskBar(QWidget):
    """Shows one task at a time: its title and progress with a button to cancel it, then its result until the next one.

    Parameters
    ----------
    parent
        The dock or dialog.
    """

    running_changed = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._title = ""
        self._is_running = False
        self._handle: TaskHandle | None = None
        self._worker: Any = None
        self._done: Callable[[Any], str] = _say_nothing
        self._failed: Callable[[str], None] | None = None
        self._badge = QLabel(self)
        self._label = ElidedLabel(self)
        self._bar = QProgressBar(self)
        self._bar.setFixedWidth(_BAR_WIDTH)
        self._cancel = QPushButton("Cancel", self)
        self._cancel.setAutoDefault(False)
        self._cancel.clicked.connect(self.cancel)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_UPDATE_MS)
        self._timer.timeout.connect(self._on_time_to_show)
        self._lay_out()

    def _lay_out(self) -> None:
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._badge, alignment=Qt.AlignmentFlag.AlignVCenter)
        layout.addWidget(self._label, stretch=1)
        layout.addWidget(self._bar)
        layout.addWidget(self._cancel)
        # The line stays as high when its button goes, so that nothing below it moves.
        self.setMinimumHeight(self._cancel.sizeHint().height())
        for widget in (self._badge, self._bar, self._cancel):
            widget.hide()

    @property
    def is_running(self) -> bool:
        """Whether a task runs."""
        return self._is_running

    @property
    def text(self) -> str:
        """All of the text that the line shows or shortens."""
        return self._label.full_text

    def run(
        self,
        title: str,
        work: Task,
        done: Callable[[Any], str],
        failed: Callable[[str], None] | None = None,
        *,
        can_cancel: bool = True,
    ) -> None:
        """Do work in a worker, and show its progress and result.

        Parameters
        ----------
        title
            What is done, such as "Importing day 1 …".
        work
            Called in a worker with a `Watch`. It can only be cancelled where it looks now and then whether it is, and
            then returns what it has.
        done
            Called in the window's thread with what the work returned; it may start the next task. It returns the result
            line; an empty one leaves what it showed by `show_result`.
        failed
            Called with the reason when the work raised an error, after that was shown.
        can_cancel
            Whether the user may stop it.

        Raises
        ------
        RuntimeError
            When a task runs already.
        """
        if self._is_running:
            raise RuntimeError(f"a task runs already: {self._title!r}; wait until `is_running` is False")
        self._title, self._done, self._failed = title, done, failed
        self._handle = handle = TaskHandle()
        # Without this, errors that are not ours are raised once more by a slot, which can end the process on PyQt6.
        self._worker = worker = thread_worker(_Guarded(title, work, handle.watch), ignore_errors=True)()
        handle.follow(worker)
        # Methods of objects that Qt knows: they run in its thread, and Qt disconnects them when the bar is destroyed.
        handle.progressed.connect(self._on_progressed)
        self.destroyed.connect(handle.cancel)
        worker.returned.connect(self._on_returned)
        worker.errored.connect(self._on_errored)
        worker.finished.connect(self._on_finished)
        self._is_running = True
        self._show_running(can_cancel=can_cancel)
        worker.start()
        self.running_changed.emit(True)

    def cancel(self) -> None:
        """Ask the task to stop; it runs until it has looked, and then hands on what it returns."""
        if self._is_running and self._handle is not None:
            self._handle.cancel()
            enable(self._cancel, _CANCELLING)
            self._label.show_text(_CANCELLING)

    def show_result(self, text: str, kind: Kind = "info") -> None:
        """Show a text, with a word for its kind, until the next task; an empty one clears the line."""
        self._badge.setText(_WORDS[kind])
        self._badge.setStyleSheet(
            f"background-color: {_COLORS[kind]}; color: white; font-weight: bold; border-radius: 3px; padding: 1px 6px;"
        )
        self._badge.setVisible(bool(text))
        self._label.show_text(text)

    def _show_running(self, *, can_cancel: bool) -> None:
        self._badge.hide()
        self._label.show_text(self._title)
        self._bar.setRange(0, 0)
        self._bar.show()
        enable(self._cancel)
        self._cancel.setVisible(can_cancel)

    def _on_progressed(self) -> None:
        # Progress that comes until the timer ends is shown then, so the last step before a long one is never lost.
        if self._is_running and not self._timer.isActive():
            self._timer.start()

    def _on_time_to_show(self) -> None:
        step = self._handle.take() if self._handle is not None else None
        if step is None or self._handle is None:
            return
        done, total, name = step
        self._bar.setRange(0, total)
        self._bar.setValue(done)
        if not self._handle.is_cancelled():
            far = f" {done} of {total}" if total else ""
            self._label.show_text(f"{self._title}{far}{': ' if far and name else ' '}{name}")

    def _on_returned(self, outcome: Success | Failure) -> None:
        self._end()
        if isinstance(outcome, Failure):
            self._fail(outcome.reason)
            return
        try:
            text = self._done(outcome.result)
        except (*OUR_ERRORS, OSError) as error:
            self._fail(str(error))
            return
        if text and not self._is_running:
            self.show_result(text)

    def _on_errored(self, error: Exception) -> None:
        """End the task after an error that is not ours; napari shows it, with where it came from."""
        self._end()
        self.show_result(f"{self._title} ended with an error", "error")
        # napari's workers would do so themselves, were it not that Qt's classes do not call the code for it.
        notification_manager.receive_error(type(error), error, error.__traceback__)
        if self._failed is not None:
            self._failed(str(error))

    def _on_finished(self) -> None:
        # A worker that napari asked to quit hands on no result. Otherwise this comes after the result, whose task is over.
        if self._is_running and self._worker.abort_requested:
            self._end()
            self.show_result(f"{self._title} was stopped", "warning")

    def _fail(self, reason: str) -> None:
        self.show_result(reason, "error")
        show_error(reason)
        if self._failed is not None:
            self._failed(reason)

    def _end(self) -> None:
        self._timer.stop()
        self._is_running = False
        self._bar.hide()
        self._cancel.hide()
        self.show_result("")
        self.running_changed.emit(False)


def kind_icon(kind: Kind) -> QIcon:
    """Return a sign in a disc: a tick, a line, an exclamation mark or a cross, in the colour of a result of that kind."""
    pixmap = QPixmap(QSize(64, 64))
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(_COLORS[kind]))
    painter.drawEllipse(2, 2, 60, 60)
    painter.setPen(QPen(QColor("white"), 8, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap, Qt.PenJoinStyle.RoundJoin))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    for stroke in _STROKES[kind]:
        painter.drawPolyline(QPolygonF([QPointF(x, y) for x, y in stroke]))
    painter.end()
    icon = QIcon(pixmap)
    # Qt would mix the colour of a chosen row into it.
    icon.addPixmap(pixmap, QIcon.Mode.Selected)
    return icon


@dataclass(frozen=True)
class _Guarded:
    """Work that returns our errors; napari names it by its title when it asks whether to close."""

    title: str
    work: Task
    watch: Watch

    def __str__(self) -> str:
        return self.title

    def __call__(self) -> Success | Failure:
        # A worker raises a result that is an exception, so what the work returned is wrapped.
        try:
            return Success(self.work(self.watch))
        except (*OUR_ERRORS, OSError) as error:
            return Failure(str(error))


def _never() -> bool:
    return False


def _say_nothing(result: Any) -> str:
    """Follow on work before there was any."""
    return ""
