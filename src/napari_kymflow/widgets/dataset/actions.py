"""What the dataset dock's buttons do: open, refresh, rebuild, verify. Work runs in a worker, under the task bar.

The rule of this room: every action ends with one line about its result, and with a new snapshot of the dataset.
"""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from napari.utils.notifications import show_error
from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QFileDialog, QWidget

from kymflow_core.indexers import DatasetIndexer
from kymflow_zarr.errors import OlderDatasetError
from napari_kymflow.errors import OUR_ERRORS
from napari_kymflow.session.session import KymSession
from napari_kymflow.tables.report_text import describe_reports, failures_of
from napari_kymflow.tables.views import DatasetViews
from napari_kymflow.tables.work import Outcome, RefreshMode, update_and_load
from napari_kymflow.widgets.dataset.verify_dialog import VerifyDialog
from napari_kymflow.widgets.window.task_bar import TaskBar


class DatasetActions(QObject):
    """The actions of one dock.

    Parameters
    ----------
    parent
        The dock: the parent of the dialogs.
    session
        The session whose dataset is worked on.
    bar
        Shows what runs, and its result.
    show
        Called with what there is to show.
    """

    older_found = Signal(object)
    """The path of a dataset of the older program, which was to be opened."""

    def __init__(self, parent: QWidget, session: KymSession, bar: TaskBar, show: Callable[[DatasetViews], None]) -> None:
        # An object that Qt knows: connections to its methods do not keep the dock alive.
        super().__init__(parent)
        self._parent, self._session, self._bar, self._show = parent, session, bar, show
        self.shown: DatasetViews | None = None
        self._dialogs: dict[Path, VerifyDialog] = {}
        self._is_showing_newest = False

    def show_newest(self) -> None:
        """Take a new snapshot of the open dataset in a worker; work that runs already ends with one."""
        if self._session.path is not None and not self._bar.is_running and not self._is_showing_newest:
            self._run("Looking at the records", [], "refresh", None, says_what_was_done=False)

    def refresh(self) -> None:
        """Bring all tables up to date: just what is not fresh."""
        self._run("Refreshing", self._session.found.indexers, "refresh", None)

    def rebuild(self, table_name: str | None = None) -> None:
        """Make one table, by default all, anew from the results of all images."""
        indexers = [one for one in self._session.found.indexers if table_name in (None, one.table_name)]
        self._run(f"Rebuilding {table_name or 'all tables'}", indexers, "rebuild", None)

    def update_image(self) -> None:
        """Make the rows of the open image anew in all tables."""
        if self._session.image_id is not None:
            self._run("Updating this image", self._session.found.indexers, "rebuild", [self._session.image_id])

    def choose_and_open(self) -> None:
        """Ask for a dataset and open it."""
        folder = QFileDialog.getExistingDirectory(
            self._parent, "Open a kymflow dataset (a folder whose name ends in .zarr)"
        )
        if folder:
            self.open_dataset(Path(folder))

    def open_dataset(self, path: Path) -> None:
        """Open a dataset and the first of its records that opens; show one message where that fails.

        Of a dataset of the older program, only `older_found` tells.
        """
        try:
            if not self._session.open_dataset(path):
                return
        except OlderDatasetError:
            self.older_found.emit(path)
            return
        except OUR_ERRORS as error:
            show_error(str(error))
            return
        reasons = []
        for image_id in self._session.image_ids:
            try:
                self._session.open_record(image_id)
                break
            except OUR_ERRORS as error:
                reasons.append(str(error))
        if self._session.record is None:
            self._session.close_record()
        if reasons:
            show_error(f"{len(reasons)} of {len(self._session.image_ids)} records could not be opened: {reasons[0]}")

    def verify(self) -> None:
        """Open the dialog that looks for damage."""
        path = self._session.path
        if path is None:
            return
        if path in self._dialogs:
            self._dialogs[path].raise_()
            self._dialogs[path].activateWindow()
            return
        if not self._session.leave():
            return
        dialog = self._dialogs[path] = VerifyDialog(path, self._parent)
        dialog.repaired.connect(self.show_newest)
        dialog.destroyed.connect(partial(self._on_dialog_gone, path))
        dialog.show()

    def _on_dialog_gone(self, path: Path, destroyed: object = None) -> None:
        self._dialogs.pop(path, None)

    def _run(
        self,
        title: str,
        indexers: Sequence[DatasetIndexer],
        mode: RefreshMode,
        image_ids: Sequence[str] | None,
        *,
        says_what_was_done: bool = True,
    ) -> None:
        path = self._session.path
        if path is None:
            return
        known = self._session.found.indexers
        work = partial(update_and_load, path, known, indexers, mode, image_ids, self.shown)
        self._bar.run(title, work, self._on_done if says_what_was_done else self._on_shown, partial(self.on_failed, path))

    def on_failed(self, path: Path | None, reason: str) -> None:
        """Look at the dataset that was opened while the failed task ran, if there is one: nobody did yet."""
        if path != self._session.path:
            self.show_newest()

    def take_up(self, outcome: Outcome) -> bool:
        """Show what a worker saw; return False where another dataset is open by now."""
        if outcome.path != self._session.path:
            return False
        self.shown = outcome.shown
        self._session.show_snapshot(outcome.shown.snapshot)
        self._show(outcome.shown)
        return True

    def open_and_take_up(self, outcome: Outcome) -> bool:
        """Open the dataset that a worker filled, and show what it saw; return False where nothing could be shown."""
        if outcome.path != self._session.path:
            self._is_showing_newest = True
            try:
                self.open_dataset(outcome.path)
            finally:
                self._is_showing_newest = False
        if not self.take_up(outcome) and self.shown is None:
            self.show_newest()
            return False
        return True

    def _on_shown(self, outcome: Outcome) -> str:
        if not self.take_up(outcome):
            self.show_newest()
            return ""
        problems = [*outcome.shown.snapshot.problems.values(), *outcome.shown.snapshot.notes, *self._session.found.problems]
        damaged = outcome.shown.records.frame.get("state")
        count = 0 if damaged is None else int(damaged.str.startswith("damaged").sum())
        if count:
            total = len(outcome.shown.snapshot.image_ids)
            problems.insert(0, f"{total - count} of {total} records open; {count} damaged: see More → Verify…")
        if problems:
            self._bar.show_result("; ".join(problems), "warning")
        return ""

    def _on_done(self, outcome: Outcome) -> str:
        if not self.take_up(outcome):
            self.show_newest()
            return ""
        failures = failures_of(outcome)
        for text in failures[:1]:
            show_error(text)
        if outcome.is_cancelled or failures:
            self._bar.show_result("; ".join([describe_reports(outcome), *failures]), "warning")
            return ""
        return describe_reports(outcome)
