"""The entries of the dataset dock's menus that edit calibration and experiment metadata, and take the last edit back."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from napari.utils.notifications import show_error, show_warning
from qtpy.QtCore import QObject, Signal
from qtpy.QtGui import QAction
from qtpy.QtWidgets import QMenu, QWidget

from kymflow_core import EditReport, MetadataEdit
from kymflow_core.indexers.images import EXPERIMENT as EXPERIMENT_COLUMN
from kymflow_zarr import Watch
from napari_kymflow.session.open_record import OpenRecord
from napari_kymflow.session.session import KymSession
from napari_kymflow.session.why_not import NO_CHOICE, NO_DATASET
from napari_kymflow.tables.metadata_form import MetadataForm, describe_report, load_form
from napari_kymflow.tables.metadata_work import Edited, edit_and_load
from napari_kymflow.user.preferences import autorefreshes
from napari_kymflow.widgets.dataset.actions import DatasetActions
from napari_kymflow.widgets.dataset.metadata_dialog import MetadataDialog, What
from napari_kymflow.widgets.window.enabling import enable
from napari_kymflow.widgets.window.task_bar import TaskBar

_UNDO = "Undo last change of calibration / experiment"
_NO_CHANGE = "Neither calibration nor experiment was changed here since the dock was opened."
_MOST_SUGGESTED = 200


class MetadataActions(QObject):
    """Edits the metadata of the chosen records.

    Parameters
    ----------
    parent
        The dock: the parent of the dialogs.
    session
        The session whose dataset is edited.
    bar
        Shows what runs, and its result.
    do
        The dock's other actions, which show the dataset as it is afterwards.
    chosen
        Returns the ids of the records that the user means.
    """

    edited = Signal(object)
    """The ids of records that were edited, or whose edit was taken back, once they are shown as they are now."""

    def __init__(
        self,
        parent: QWidget,
        session: KymSession,
        bar: TaskBar,
        do: DatasetActions,
        chosen: Callable[[], Sequence[str]],
    ) -> None:
        super().__init__(parent)
        self._parent, self._session, self._bar, self._do, self._chosen = parent, session, bar, do, chosen
        self._last: tuple[Path, What, EditReport] | None = None
        self._why_not = NO_DATASET
        self.dialog: MetadataDialog | None = None
        """The dialog that is open."""
        self.calibration, self.experiment, self.undo = QAction(self), QAction(self), QAction(_UNDO, self)
        self.calibration.setToolTip("Seconds per line and µm per pixel")
        self.experiment.setToolTip("Species, condition, depth and so on; whether the image is accepted")
        self.calibration.triggered.connect(partial(self.ask, "Calibration"))
        self.experiment.triggered.connect(partial(self.ask, "Experiment"))
        self.undo.triggered.connect(self.take_back)
        self.follow(why_not=NO_DATASET)

    def add_to(self, menu: QMenu) -> None:
        """Add the entries to a menu; their texts state the number of records whenever it opens."""
        for action in (self.calibration, self.experiment, self.undo):
            menu.addAction(action)
        menu.aboutToShow.connect(self.name_records)

    def follow(self, *, why_not: str) -> None:
        """Enable what can be done now, or say why the dataset cannot be changed."""
        self._why_not = why_not
        self.name_records()

    def name_records(self) -> None:
        """Say in the entries of how many records they are."""
        count = len(self._chosen())
        of = f" ({count} records)" if count > 1 else ""
        for action, what in ((self.calibration, "Calibration…"), (self.experiment, "Experiment…")):
            action.setText(f"{what}{of}")
            enable(action, self._why_not or ("" if count else NO_CHOICE))
        is_here = self._last is not None and self._last[0] == self._session.path
        enable(self.undo, self._why_not or ("" if is_here else _NO_CHANGE))
        self.undo.setText(_UNDO if self._last is None or not is_here else f"Undo last change of {self._last[1].lower()}")

    def ask(self, what: What, checked: object = None) -> None:
        """Read what the chosen records have, and open the dialog; a dialog that is open comes to the front."""
        if self.dialog is not None:
            self.dialog.raise_()
            self.dialog.activateWindow()
            return
        path, ids = self._session.path, tuple(self._chosen())
        if path is not None and ids and not self._bar.is_running:
            work = partial(_load, path, ids)
            what_is_read = f"Reading the metadata of {len(ids)} record{'' if len(ids) == 1 else 's'}"
            self._bar.run(what_is_read, work, partial(self._on_read, what), partial(self._do.on_failed, path))

    def take_back(self) -> None:
        """Put back what the last edit changed."""
        if self._last is not None and self._last[0] == self._session.path and not self._bar.is_running:
            path, what, report = self._last
            self._run(path, what, report, ())

    def _on_read(self, what: What, form: MetadataForm) -> str:
        if form.path != self._session.path:
            self._do.show_newest()
            return ""
        if not form.image_ids:
            show_error(form.problems[0])
            return ""
        self.dialog = MetadataDialog(
            form,
            what,
            run=self._session.window.run,
            save=partial(self._save, what),
            suggestions=suggestions_of(self._session, form),
            parent=self._parent,
        )
        self.dialog.destroyed.connect(self._on_dialog_gone)
        self.dialog.show()
        return ""

    def _on_dialog_gone(self, destroyed: object = None) -> None:
        self.dialog = None

    def _save(self, what: What, form: MetadataForm, edit: MetadataEdit) -> bool:
        if self._bar.is_running:
            show_warning("The dock is at work: save once it is done.")
            return False
        self._run(form.path, what, edit, form.image_ids)
        return True

    def _run(self, path: Path, what: What, step: MetadataEdit | EditReport, image_ids: Sequence[str]) -> None:
        title = f"{'Undoing' if isinstance(step, EditReport) else 'Saving'} the {what.lower()}"
        before = self._do.shown if path == self._session.path else None
        known = self._session.found.indexers
        work = partial(edit_and_load, path, known, step, image_ids, before, writes_tables=autorefreshes())
        done = partial(self._on_done, what, undone=isinstance(step, EditReport))
        self._bar.run(title, work, done, partial(self._do.on_failed, path))

    def _on_done(self, what: What, edited: Edited, *, undone: bool) -> str:
        report, outcome = edited.report, edited.outcome
        if undone:
            self._last = None
        elif report.changed:
            self._last = (outcome.path, what, report)
        for failed in report.failed[:1]:
            show_error(f"{failed.name}: {failed.reason}")
        if not self._do.take_up(outcome):
            self._do.show_newest()
            return ""
        changed = [change.image_id for change in report.changed]
        if self._session.image_id in changed:
            self._session.with_record(OpenRecord.reload_metadata)
        self.edited.emit(changed)
        self.name_records()
        text = describe_report(report, what, undone=undone)
        if report.failed or report.is_cancelled or outcome.problem:
            self._bar.show_result("; ".join([text, *([outcome.problem] if outcome.problem else [])]), "warning")
            return ""
        return text


def suggestions_of(session: KymSession, form: MetadataForm) -> Mapping[str, Sequence[str]]:
    """Return the values of the other records of the dataset, so that one thing is not written in two ways."""
    images, found = session.snapshot.images, {}
    for key in form.keys:
        column = f"{EXPERIMENT_COLUMN}{key}"
        if column in images.columns:
            texts = sorted({str(value) for value in images[column].dropna().tolist()} - {""})
            found[key] = texts[:_MOST_SUGGESTED]
    return found


def _load(path: Path, image_ids: Sequence[str], watch: Watch) -> MetadataForm:
    return load_form(path, image_ids)
