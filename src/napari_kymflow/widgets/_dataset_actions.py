"""What the dataset dock's buttons do: open, import, refresh, rebuild, verify. Work runs in a worker, under the task bar.

The rule of this room: every action ends with one line that says what came of it, and with a new look at the dataset.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from napari.utils.notifications import show_error, show_warning
from qtpy.QtCore import QObject
from qtpy.QtWidgets import QFileDialog, QWidget

from kymflow_core import UpdateReport
from kymflow_core.acquisition_file import read_acquisition_file
from kymflow_core.indexers import DatasetIndexer
from kymflow_zarr import ImportReport, ZarrDataset
from napari_kymflow._look import full_look, result_tables
from napari_kymflow._recent import folder_of, note_folder
from napari_kymflow._records import OUR_ERRORS, How, run_indexers
from napari_kymflow._records_view import Shown, make_shown
from napari_kymflow._session import KymSession
from napari_kymflow.widgets._task_bar import TaskBar, TaskHandle
from napari_kymflow.widgets._verify_dialog import VerifyDialog

_MOST_SAID = 3
"""Notes of an import that are shown one by one."""


class _CancelledError(Exception):
    """Stops an import from its progress callback; what was imported stays."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a worker did, and what the dataset held then."""

    path: Path
    shown: Shown
    reports: Sequence[UpdateReport] = ()
    imported: ImportReport | None = None
    """What an import did; None where it was cancelled."""
    n_new: int = 0
    """How many images came in."""
    is_cancelled: bool = False
    problem: str = ""
    """Why the tables could not follow an import."""


class DatasetActions(QObject):
    """The actions of one dock.

    Parameters
    ----------
    parent
        The dock, over which dialogs stand.
    session
        The session whose dataset is worked on.
    bar
        Shows what runs and what came of it.
    show
        Called with what there is to show.
    """

    def __init__(self, parent: QWidget, session: KymSession, bar: TaskBar, show: Callable[[Shown], None]) -> None:
        # An object that Qt knows: connections to its methods do not keep the dock alive.
        super().__init__(parent)
        self._parent, self._session, self._bar, self._show = parent, session, bar, show
        self.shown: Shown | None = None
        self._dialogs: dict[Path, VerifyDialog] = {}
        self._is_looked_at = False

    def look(self) -> None:
        """Look at the open dataset in a worker; where something runs already, that ends with a look."""
        if self._session.path is not None and not self._bar.is_running and not self._is_looked_at:
            self._run("Looking at the records", [], "refresh", None, said=False)

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
        """Open a dataset and the first of its records that opens; show one message where that fails."""
        try:
            if not self._session.open_dataset(path):
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
        if reasons:
            show_error(f"{len(reasons)} of {len(self._session.image_ids)} records could not be opened: {reasons[0]}")

    def choose_and_import(self) -> None:
        """Ask for a folder of TIFFs, and for a new dataset where none is open, and import."""
        folder = QFileDialog.getExistingDirectory(self._parent, "Import the TIFF files of a folder and its subfolders")
        if not folder:
            return
        path = self._session.path
        target = str(path) if path else QFileDialog.getSaveFileName(self._parent, "Name the new dataset", "lab.zarr")[0]
        if target:
            self.import_folder(Path(folder), Path(target))

    def refresh_from_folder(self) -> None:
        """Import what is new in the folder that the dataset is filled from; ask for it the first time."""
        dataset = self._session.dataset
        if dataset is None:
            return
        folder = folder_of(dataset.dataset_id)
        if folder is None or not folder.is_dir():
            start = str(_likely_folder(dataset) or Path.home())
            chosen = QFileDialog.getExistingDirectory(
                self._parent, "Choose the folder that new TIFF files of this dataset come into", start
            )
            folder = Path(chosen) if chosen else None
        if folder is not None:
            self.import_folder(folder, dataset.path)

    def import_folder(self, folder: Path, target: Path) -> None:
        """Import a folder in a worker, refresh the tables, and open the dataset."""
        path = self._session.path
        work = ImportWork(folder, target, self._session.found.indexers, is_there=target.resolve() == path)
        self._bar.run(f"Importing {folder.name}", work, self._on_imported, partial(self._on_failed, path))

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
        dialog.repaired.connect(self.look)
        dialog.destroyed.connect(partial(self._on_dialog_gone, path))
        dialog.show()

    def _on_dialog_gone(self, path: Path, destroyed: object = None) -> None:
        self._dialogs.pop(path, None)

    def _run(
        self,
        title: str,
        indexers: Sequence[DatasetIndexer],
        how: How,
        image_ids: Sequence[str] | None,
        *,
        said: bool = True,
    ) -> None:
        path = self._session.path
        if path is None:
            return
        work = _TableWork(path, self._session.found.indexers, indexers, how, image_ids, self.shown)
        self._bar.run(title, work, self._on_done if said else self._on_looked, partial(self._on_failed, path))

    def _on_failed(self, path: Path | None, reason: str) -> None:
        """Look at the dataset that was opened while the failed task ran, if there is one: nobody did yet."""
        if path != self._session.path:
            self.look()

    def take_up(self, outcome: Outcome) -> bool:
        """Show what a worker saw; return False where another dataset is open by now."""
        if outcome.path != self._session.path:
            return False
        self.shown = outcome.shown
        self._session.show_look(outcome.shown.look)
        self._show(outcome.shown)
        return True

    def _on_looked(self, outcome: Outcome) -> str:
        if not self.take_up(outcome):
            self.look()
            return ""
        problems = [*outcome.shown.look.problems.values(), *outcome.shown.look.notes, *self._session.found.problems]
        damaged = outcome.shown.records.frame.get("state")
        count = 0 if damaged is None else int(damaged.str.startswith("damaged").sum())
        if count:
            total = len(outcome.shown.look.image_ids)
            problems.insert(0, f"{total - count} of {total} records open; {count} damaged: see More → Verify…")
        if problems:
            self._bar.show_result("; ".join(problems), "warning")
        return ""

    def _on_done(self, outcome: Outcome) -> str:
        if not self.take_up(outcome):
            self.look()
            return ""
        failures = _failures(outcome)
        for text in failures[:1]:
            show_error(text)
        if outcome.is_cancelled or failures:
            self._bar.show_result("; ".join([describe_reports(outcome), *failures]), "warning")
            return ""
        return describe_reports(outcome)

    def _on_imported(self, outcome: Outcome) -> str:
        report = outcome.imported
        if report is not None:
            _say_notes(report)
        if outcome.path != self._session.path:
            self._is_looked_at = True
            try:
                self.open_dataset(outcome.path)
            finally:
                self._is_looked_at = False
        if not self.take_up(outcome) and self.shown is None:
            self.look()
            return ""
        counts = f"Cancelled after {outcome.n_new} new image{'' if outcome.n_new == 1 else 's'}: what came in stays"
        if report is not None:
            counts = (
                f"Cancelled: the tables may be behind. {report.summary()}" if outcome.is_cancelled else report.summary()
            )
        problems = [*_failures(outcome), *([outcome.problem] if outcome.problem else [])]
        if report is None or report.failed or problems or outcome.is_cancelled:
            self._bar.show_result("; ".join([counts, *problems]), "warning")
            return ""
        return counts


class _TableWork:
    """Brings tables up to date and looks at the dataset; called in a worker."""

    def __init__(
        self,
        path: Path,
        known: Sequence[DatasetIndexer],
        indexers: Sequence[DatasetIndexer],
        how: How,
        image_ids: Sequence[str] | None,
        before: Shown | None,
    ) -> None:
        self._path, self._known, self._indexers = path, known, indexers
        self._how, self._image_ids, self._before = how, image_ids, before

    def __call__(self, handle: TaskHandle) -> Outcome:
        reports = run_indexers(
            self._path,
            self._indexers,
            self._how,
            image_ids=self._image_ids,
            told=handle.progress,
            cancelled=handle.cancelled,
        )
        shown = look_at_all(self._path, self._known, self._before, handle)
        return Outcome(self._path, shown, reports, is_cancelled=handle.cancelled())


class ImportWork:
    """Imports a folder, refreshes the tables and looks at the dataset; called in a worker.

    Parameters
    ----------
    folder
        Where the files are.
    target
        The dataset.
    known
        The tables.
    is_there
        Whether the dataset was there when the user asked for it: if it is gone by now, none is made in its place.
    """

    def __init__(self, folder: Path, target: Path, known: Sequence[DatasetIndexer], *, is_there: bool) -> None:
        self._folder, self._target, self._known, self._is_there = folder, target, known, is_there

    def __call__(self, handle: TaskHandle) -> Outcome:
        """Import, and return what came of it; raise `DatasetNotFoundError` where the dataset is gone."""
        if self._is_there:
            ZarrDataset(self._target, mode="r")
        dataset = ZarrDataset(self._target)
        seen = set(dataset.list_image_ids())
        report: ImportReport | None
        try:
            report = dataset.import_folder(self._folder, read_file=read_acquisition_file, progress=_stoppable(handle))
        except _CancelledError:
            report = None
        n_new = len(set(dataset.list_image_ids()) - seen)
        note_folder(dataset.dataset_id, self._folder)
        path = dataset.path.resolve()
        reports, problem = list[UpdateReport](), ""
        try:
            reports = run_indexers(path, self._known, "refresh", told=handle.progress, cancelled=handle.cancelled)
        except OUR_ERRORS as error:
            problem = f"the tables could not follow: {error}"
        shown = look_at_all(path, self._known, None, handle)
        return Outcome(path, shown, reports, report, n_new, is_cancelled=handle.cancelled(), problem=problem)


def look_at_all(path: Path, known: Sequence[DatasetIndexer], before: Shown | None, handle: TaskHandle) -> Shown:
    """Return what is shown of a dataset now; safe in a worker."""
    dataset = ZarrDataset(path, mode="r")
    look = full_look(
        dataset, known, before=before.look if before else None, told=handle.progress, cancelled=handle.cancelled
    )
    return make_shown(look, result_tables(known), before=before)


def _stoppable(handle: TaskHandle) -> Callable[[int, int, str], None]:
    def tell(done: int, total: int, name: str) -> None:
        handle.progress(done, total, name)
        if handle.cancelled():
            raise _CancelledError

    return tell


def describe_reports(outcome: Outcome) -> str:
    """Return what was done to tables in one line; those where nothing had to be done are not listed."""
    busy = [report for report in outcome.reports if report.rows or report.failed or report.removed or report.is_cancelled]
    done = "; ".join(report.summary() for report in busy)
    if outcome.is_cancelled:
        return f"Cancelled; {done or 'no table was changed'}"
    return done or "All tables were up to date: nothing to do"


def _failures(outcome: Outcome) -> list[str]:
    """Return how many images no rows could be made of, and why of the first; nothing where all went well."""
    failed = {image_id: reason for report in outcome.reports for image_id, reason in report.failed.items()}
    if not failed:
        return []
    return [f"{len(failed)} image{'' if len(failed) == 1 else 's'} could not be read: {next(iter(failed.values()))}"]


def _say_notes(report: ImportReport) -> None:
    """Show what failed and what is worth knowing, the first few one by one."""
    failures = [f"Not imported: {failure.path.name}: {failure.reason}" for failure in report.failed]
    notes = [f"{file.path.name}: {note}" for file in report.imported for note in file.notes]
    for say, texts in ((show_error, failures), (show_warning, notes)):
        for text in texts[:_MOST_SAID]:
            say(text)
        if len(texts) > _MOST_SAID:
            say(f"… and {len(texts) - _MOST_SAID} more of that kind.")


def _likely_folder(dataset: ZarrDataset) -> Path | None:
    """Return the folder of the file that came in last, where it is still there."""
    try:
        sources = dataset.load_sources_index()
    except OUR_ERRORS:
        return None
    if not len(sources):
        return None
    folder = Path(str(sources.sort_values("ingested_epoch_ns")["source_primary_path"].iloc[-1])).parent
    return folder if folder.is_dir() else None
