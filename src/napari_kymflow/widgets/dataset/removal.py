"""The entries of the dataset dock's menus that remove records, and put removed ones back."""

from collections.abc import Callable, Sequence
from functools import partial

from qtpy.QtCore import QObject
from qtpy.QtGui import QAction
from qtpy.QtWidgets import QMenu, QWidget

from kymflow_zarr.dataset.trash import RemovedRecord
from napari_kymflow.session.session import KymSession
from napari_kymflow.session.why_not import NO_CHOICE, NO_DATASET
from napari_kymflow.tables.trash_work import remove_and_load, restore_and_load
from napari_kymflow.tables.work import Outcome
from napari_kymflow.widgets.dataset.actions import DatasetActions
from napari_kymflow.widgets.window.dialog import agrees
from napari_kymflow.widgets.window.enabling import enable
from napari_kymflow.widgets.window.task_bar import TaskBar

_KEPT = (
    "ROIs, history and results go to the dataset's trash as well; More → Restore removed record brings all of it back. "
    "The imported TIFF files are not touched. The next import of their folder adds the images again."
)
_BACK = "; to bring back: More → Restore removed record"


class RemovalActions(QObject):
    """Moves the chosen records into the trash of their dataset.

    Parameters
    ----------
    parent
        The dock: the parent of the question.
    session
        The session whose dataset loses records.
    bar
        Shows what runs, and its result.
    do
        The dock's other actions, which show the dataset as it is afterwards.
    chosen
        Returns the ids of the records that the user means.
    """

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
        self._why_not = NO_DATASET
        self.remove = QAction(self)
        self.restore = QMenu("Restore removed record", parent)
        self.remove.triggered.connect(self.ask)
        self.restore.aboutToShow.connect(self.fill)
        self.follow(why_not=NO_DATASET)

    def add_to(self, menu: QMenu) -> None:
        """Add the entries to a menu; their texts state the number of records whenever it opens."""
        menu.addAction(self.remove)
        menu.addMenu(self.restore)
        menu.aboutToShow.connect(self.name_records)

    def follow(self, *, why_not: str) -> None:
        """Enable what can be done now, or say why the dataset cannot be changed."""
        self._why_not = why_not
        enable(self.restore.menuAction(), why_not)
        self.name_records()

    def name_records(self) -> None:
        """Say of how many records the entry is."""
        count = len(self._chosen())
        self.remove.setText(f"Remove {count} records…" if count > 1 else "Remove record…")
        enable(self.remove, self._why_not or ("" if count else NO_CHOICE))

    def ask(self, checked: object = None) -> None:
        """Ask whether to remove the chosen records, and do it."""
        path, ids = self._session.path, tuple(self._chosen())
        if path is None or not ids or self._why_not or not self._agrees(ids):
            return
        if self._session.image_id in ids and not self._session.close_record():
            return
        work = partial(remove_and_load, path, self._session.found.indexers, ids, self._do.shown)
        self._bar.run(f"Removing {_count(ids)}", work, partial(self._on_removed, ids), partial(self._do.on_failed, path))

    def fill(self) -> None:
        """List the removed records of the open dataset."""
        self.restore.clear()
        dataset = self._session.dataset
        removed = dataset.list_trash() if dataset is not None else []
        for one in removed:
            action = self.restore.addAction(one.name or one.image_id[:8])
            action.triggered.connect(partial(self._on_restore, one))
        if not removed:
            self.restore.addAction("The trash is empty").setEnabled(False)

    def _agrees(self, ids: Sequence[str]) -> bool:
        images = self._session.snapshot.images.set_index("image_id")["name"]
        what = str(images.get(ids[0], ids[0][:8])) if len(ids) == 1 else _count(ids)
        name = self._session.path.name if self._session.path else ""
        question = f"Remove {what} from {name}?"
        return agrees(self._parent, "Remove", question, details=_KEPT, button="Remove", deletes=True)

    def _on_removed(self, ids: Sequence[str], outcome: Outcome) -> str:
        if not self._do.take_up(outcome):
            self._do.show_newest()
            return ""
        gone = [image_id for image_id in ids if image_id not in outcome.shown.snapshot.image_ids]
        if len(gone) < len(ids):
            self._bar.show_result(f"Moved {len(gone)} of {_count(ids)} to the trash{_BACK if gone else ''}", "cancelled")
            return ""
        return f"Moved {_count(gone)} to the trash{_BACK}"

    def _on_restore(self, removed: RemovedRecord, checked: object = None) -> None:
        path = self._session.path
        if path is None or self._bar.is_running:
            return
        work = partial(restore_and_load, path, self._session.found.indexers, removed, self._do.shown)
        name = removed.name or removed.image_id[:8]
        self._bar.run(f"Restoring {name}", work, partial(self._on_restored, name), partial(self._do.on_failed, path))

    def _on_restored(self, name: str, outcome: Outcome) -> str:
        if not self._do.take_up(outcome):
            self._do.show_newest()
            return ""
        if outcome.problem:
            self._bar.show_result(f"{name} is restored; {outcome.problem}", "warning")
            return ""
        return f"{name} is restored"


def _count(ids: Sequence[str]) -> str:
    return f"{len(ids)} record{'' if len(ids) == 1 else 's'}"
