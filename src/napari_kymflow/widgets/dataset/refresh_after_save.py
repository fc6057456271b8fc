"""Lets the tables and the list of records follow every save of ROIs or verdicts, one record at a time, in a worker."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from qtpy.QtCore import QObject, Signal

from napari_kymflow.session.session import KymSession
from napari_kymflow.tables.after_save import ViewsAfterSave, update_after_save
from napari_kymflow.tables.views import DatasetViews
from napari_kymflow.tables.work import Outcome
from napari_kymflow.user.preferences import autorefreshes
from napari_kymflow.widgets.dataset.actions import DatasetActions
from napari_kymflow.widgets.window.binding import soon, unless_gone
from napari_kymflow.widgets.window.task_bar import TaskBar


class RefreshAfterSave(QObject):
    """The records that were saved and wait until their rows are brought up to date.

    Parameters
    ----------
    parent
        The dock.
    session
        The session that saves.
    bar
        Shows other tasks, which are waited for, and what went wrong.
    do
        The dock's actions, which show the dataset as it is afterwards.
    get_shown
        Returns what is shown of the dataset now.
    """

    running_changed = Signal()

    def __init__(
        self,
        parent: QObject,
        session: KymSession,
        bar: TaskBar,
        do: DatasetActions,
        get_shown: Callable[[], DatasetViews],
    ) -> None:
        super().__init__(parent)
        self._session, self._bar, self._do, self._get_shown = session, bar, do, get_shown
        self._waiting: set[tuple[Path, str]] = set()
        self._is_running = False
        self._next = soon(self, self._run_next)
        bar.running_changed.connect(self._on_bar_running_changed)

    @property
    def is_running(self) -> bool:
        """Whether a worker is at work."""
        return self._is_running

    @property
    def is_idle(self) -> bool:
        """Whether no worker is at work, and no record waits."""
        return not self._is_running and not self._waiting

    def on_saved(self, image_id: str) -> None:
        """Bring a saved image's rows up to date, and read it again."""
        path = self._session.path
        if path is not None and image_id in self._session.image_ids:
            self._waiting.add((path, image_id))
            self._run_next()

    def _run_next(self) -> None:
        # While a task runs, what it reads at its end may have been read before the save.
        if self._bar.is_running or self._is_running or not self._waiting or self._session.path is None:
            return
        self._is_running = True
        self.running_changed.emit()
        path, image_id = self._waiting.pop()
        before = self._get_shown() if path == self._session.path else None
        writes = autorefreshes() and not (before is not None and self._session.is_read_only)
        work = partial(update_after_save, path, self._session.found.indexers, image_id, before, writes=writes)
        done, failed = unless_gone(self, self._on_updated), unless_gone(self, self._on_failed)
        self._session.window.run(work, done, failed)

    def _on_updated(self, updated: ViewsAfterSave) -> None:
        self._is_running = False
        if updated.problem:
            self._bar.show_result(f"The tables could not follow: {updated.problem}", "warning")
        elif updated.shown is not None:
            self._do.take_up(Outcome(updated.path, updated.shown))
        self.running_changed.emit()
        self._run_next()

    def _on_failed(self, error: Exception) -> None:
        self._is_running = False
        self.running_changed.emit()
        self._run_next()

    def _on_bar_running_changed(self, running: bool) -> None:  # Qt's signal
        if not running:
            self._next.start()
