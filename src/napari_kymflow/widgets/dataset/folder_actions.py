"""What the dataset dock does to bring images in and to take them out: import, new from folder, export.

The rule of this room: every action ends with one line about its result, and all details are in one
dialog that can be copied.
"""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from napari.utils.notifications import show_warning
from qtpy.QtCore import QObject
from qtpy.QtWidgets import QFileDialog, QWidget

from kymflow_core import FolderNames, FolderPattern
from kymflow_zarr import ImportPlan, ImportReport, ZarrDataset
from kymflow_zarr.exporting.export import ExportReport
from kymflow_zarr.reports import FailedFile
from napari_kymflow.errors import OUR_ERRORS
from napari_kymflow.session.session import KymSession
from napari_kymflow.tables.import_form import FolderFacts
from napari_kymflow.tables.report_text import (
    export_details,
    failures_of,
    import_details,
    import_headline,
    needs_reading,
    relink_report,
)
from napari_kymflow.tables.work import Outcome
from napari_kymflow.user.new_places import dataset_place, free_place
from napari_kymflow.user.recent import folder_of
from napari_kymflow.widgets.dataset.actions import DatasetActions
from napari_kymflow.widgets.dataset.folder_work import (
    ExportImageWork,
    ExportWork,
    ImportWork,
    LookAtFolder,
    RelinkWork,
)
from napari_kymflow.widgets.dataset.import_dialog import ImportDialog
from napari_kymflow.widgets.dataset.import_offer import ImportOffer
from napari_kymflow.widgets.dataset.report_dialog import ReportDialog
from napari_kymflow.widgets.window.task_bar import TaskBar

_RELINK = "Note where they are"
_REREAD = "Read changed files again"
_COMPLETE = "Add what is missing"


class ExchangeActions(QObject):
    """The actions of one dock that move images.

    Parameters
    ----------
    parent
        The dock: the parent of the dialogs.
    session
        The session whose dataset is filled or exported.
    bar
        Shows what runs, and its result.
    do
        The dock's other actions, which show the dataset as it is afterwards.
    """

    def __init__(self, parent: QWidget, session: KymSession, bar: TaskBar, do: DatasetActions) -> None:
        super().__init__(parent)
        self._parent, self._session, self._bar, self._do = parent, session, bar, do
        self.dialog: ReportDialog | None = None
        """The report that was shown last; None where none was, or it is closed."""
        self.import_offer: ImportOffer | None = None
        """The offer to import what was dropped last."""

    def choose_and_import(self) -> None:
        """Ask for a folder of TIFFs, and for a new dataset where none is open, and import."""
        folder = QFileDialog.getExistingDirectory(
            self._parent, "Import the TIFF files of a folder and its subfolders, or an exported folder"
        )
        if not folder:
            return
        path = self._session.path
        target = str(path) if path else self._ask_new_dataset(dataset_place(Path(folder)))
        if target:
            self._look_and_import(Path(folder), Path(target))

    def _ask_new_dataset(self, proposed: Path) -> str:
        return str(QFileDialog.getSaveFileName(self._parent, "Name the new dataset", str(proposed))[0])

    def offer(self, paths: Sequence[Path]) -> None:
        """Offer to import a folder of TIFFs, or some TIFFs, that somebody dropped: into a new dataset, or the open one."""
        if self._bar.is_running:
            show_warning("Kymflow is at work: wait until that is done, or cancel it; then drop the files again.")
            return
        is_writable = self._session.dataset is not None and not self._session.is_read_only
        dialog = self.import_offer = ImportOffer(
            paths, self._session.path if is_writable else None, is_known=self._is_filled_from(paths), parent=self._parent
        )
        dialog.wanted.connect(partial(self._import_offered, paths))
        dialog.open()

    def _is_filled_from(self, paths: Sequence[Path]) -> bool:
        """Return whether the open dataset is filled from a folder, or from that of some files."""
        dataset = self._session.dataset
        folder = folder_of(dataset.dataset_id) if dataset is not None else None
        return folder is not None and folder in {paths[0], paths[0].parent}

    def _import_offered(self, paths: Sequence[Path], target: Path) -> None:
        if paths[0].is_dir():
            self._look_and_import(paths[0], target)
        else:
            self._import(paths[0].parent, target, files=paths)

    def _look_and_import(self, folder: Path, target: Path) -> None:
        self._bar.run(
            f"Looking at {folder.name}",
            LookAtFolder(folder),
            partial(self._on_looked_at, folder, target),
            partial(self._do.on_failed, self._session.path),
        )

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

    def import_folder(
        self, folder: Path, target: Path, plan: ImportPlan | None = None, *, folder_names: FolderPattern | None = None
    ) -> None:
        """Import a folder in a worker, refresh the tables, and open the dataset."""
        self._import(folder, target, plan, folder_names=folder_names)

    def _import(
        self,
        folder: Path,
        target: Path,
        plan: ImportPlan | None = None,
        *,
        files: Sequence[Path] = (),
        folder_names: FolderPattern | None = None,
    ) -> None:
        path, known = self._session.path, self._session.found.indexers
        is_there = target.resolve() == path
        work = ImportWork(folder, target, known, is_there=is_there, plan=plan, files=files, folder_names=folder_names)
        name = folder.name if not files else files[0].name if len(files) == 1 else f"{len(files)} files"
        done = partial(self._on_imported, folder, target, is_single=len(files) == 1)
        self._bar.run(f"Importing {name}", work, done, partial(self._do.on_failed, path))

    def choose_and_export(self) -> None:
        """Ask where the export is to lie, and write the dataset there, into a new folder."""
        path = self._session.path
        if path is None or not self._session.leave():
            return
        chosen = QFileDialog.getExistingDirectory(
            self._parent, "Export the dataset: choose the folder in which a new folder is made", str(path.parent)
        )
        if chosen:
            self.export_to(free_place(Path(chosen) / f"{path.stem} exported"))

    def export_to(self, folder: Path) -> None:
        """Write the open dataset as a new folder, in a worker."""
        path = self._session.path
        if path is not None:
            failed = partial(self._do.on_failed, path)
            self._bar.run(f"Exporting {path.name}", ExportWork(path, folder), self._on_exported, failed)

    def choose_and_export_image(self) -> None:
        """Ask for a name, and write the open image with its masks as OME-Zarr."""
        record = self._session.record
        if record is None or not self._session.leave():
            return
        path = record.dataset.path
        start = path.parent / f"{record.name}.ome.zarr"
        chosen = QFileDialog.getSaveFileName(
            self._parent, "Export this image with its masks as OME-Zarr", str(start), "OME-Zarr (*.zarr)"
        )[0]
        if chosen:
            target = Path(chosen) if chosen.endswith(".zarr") else Path(f"{chosen}.ome.zarr")
            work = ExportImageWork(path, record.image_id, target)
            self._bar.run(f"Exporting {record.image.name}", work, lambda said: str(said), partial(self._do.on_failed, path))

    def _on_looked_at(self, folder: Path, target: Path, facts: FolderFacts) -> str:
        plan, folder_names = ImportPlan(), None
        if not facts.is_plain:
            dialog = ImportDialog(folder, facts, parent=self._parent)
            is_accepted, wish = bool(dialog.exec()), dialog.wish
            dialog.deleteLater()
            if not is_accepted:
                self._bar.show_result("Nothing was imported", "cancelled")
                return ""
            plan, folder_names = ImportPlan(merge_channels=wish.merge_channels), wish.folder_names
        self.import_folder(folder, target, plan, folder_names=folder_names)
        return ""

    def _on_imported(self, folder: Path, target: Path, outcome: Outcome, *, is_single: bool) -> str:
        report = outcome.imported
        if not self._do.open_and_take_up(outcome):
            return ""
        if is_single and report is not None and report.imported:
            self._session.open_record(report.imported[0].image_id)
        if report is not None and needs_reading(report, outcome.named):
            self._show_report(report, outcome.named, folder, target)
        counts = "" if report is None else import_headline(report, outcome.named)
        if report is not None and report.is_cancelled:
            new = len(report.imported)
            counts = f"Cancelled after {new} new image{'' if new == 1 else 's'}, which stay{'s' if new == 1 else ''}"
        elif outcome.is_cancelled:
            counts = f"Cancelled: the tables may be behind. {counts}"
        problems = [*failures_of(outcome), *([outcome.problem] if outcome.problem else [])]
        is_whole = outcome.named is None or outcome.named.is_whole
        if report is None or report.failed or problems or outcome.is_cancelled or not is_whole:
            self._bar.show_result("; ".join([counts, *problems]), "warning")
            return ""
        return counts

    def _show_report(self, report: ImportReport, named: FolderNames | None, folder: Path, target: Path) -> None:
        actions: dict[str, tuple[str, Callable[[], None]]] = {}
        if report.moved:
            tip = "The dataset notes where these files are now, so that the next import finds them"
            actions[_RELINK] = (tip, lambda: self._relink(target, report))
        if report.changed:
            tip = "Their records get the new pixels; ROIs and history stay, and results made before are outdated"
            again = ImportPlan(on_changed="reingest_if_changed")
            actions[_REREAD] = (tip, lambda: self.import_folder(folder, target, again))
        if report.incomplete:
            tip = f"Adds {report.reads} to these records; what was drawn, edited or entered since stays as it is"
            complete = ImportPlan(complete=True)
            actions[_COMPLETE] = (tip, lambda: self.import_folder(folder, target, complete))
        self._show("Import", import_headline(report, named), import_details(report, named), actions)

    def _relink(self, target: Path, report: ImportReport) -> None:
        self._bar.run(
            "Noting where the files are",
            RelinkWork(target, report.moved),
            partial(self._on_relinked, len(report.moved)),
            partial(self._do.on_failed, self._session.path),
        )

    def _on_relinked(self, wanted: int, failed: Sequence[FailedFile]) -> str:
        text, details = relink_report(wanted, failed)
        if not failed:
            return text
        self._show("Moved files", text, details, {})
        self._bar.show_result(text, "warning")
        return ""

    def _on_exported(self, report: ExportReport | None) -> str:
        if report is None:
            self._bar.show_result("Nothing was exported", "cancelled")
            return ""
        text, details = f"{report.summary()} in {report.folder}", export_details(report)
        if details:
            self._show("Export", text, details, {})
        if report.failed:
            self._bar.show_result(text, "warning")
            return ""
        return text

    def _show(self, title: str, headline: str, details: str, actions: dict[str, tuple[str, Callable[[], None]]]) -> None:
        if self.dialog is not None:
            self.dialog.close()
        dialog = self.dialog = ReportDialog(title, headline, details, actions=actions, parent=self._parent)
        dialog.destroyed.connect(partial(self._on_dialog_gone, id(dialog)))
        dialog.show()

    def _on_dialog_gone(self, number: int, destroyed: object = None) -> None:
        if self.dialog is not None and id(self.dialog) == number:
            self.dialog = None


def _likely_folder(dataset: ZarrDataset) -> Path | None:
    """Return the folder of the file that was imported last, where it is still there."""
    try:
        sources = dataset.load_sources_index()
    except OUR_ERRORS:
        return None
    if not len(sources):
        return None
    folder = Path(str(sources.sort_values("ingested_epoch_ns")["source_primary_path"].iloc[-1])).parent
    return folder if folder.is_dir() else None
