"""What the dataset dock does with a dataset of the older program: offers a copy in today's format, makes and opens it."""

from functools import partial
from pathlib import Path

from qtpy.QtCore import QObject
from qtpy.QtWidgets import QWidget

from napari_kymflow.session.session import KymSession
from napari_kymflow.widgets.dataset.actions import DatasetActions
from napari_kymflow.widgets.dataset.folder_work import Upgraded, UpgradeWork
from napari_kymflow.widgets.dataset.upgrade_dialog import UpgradeDialog
from napari_kymflow.widgets.window.task_bar import TaskBar


class UpgradeActions(QObject):
    """The offer, and what follows on it.

    Parameters
    ----------
    parent
        The dock: the parent of the dialog.
    session
        The session in which the copy is opened.
    bar
        Shows what runs, and its result.
    do
        The dock's other actions, which find the older dataset, and open the copy.
    """

    def __init__(self, parent: QWidget, session: KymSession, bar: TaskBar, do: DatasetActions) -> None:
        super().__init__(parent)
        self._parent, self._session, self._bar, self._do = parent, session, bar, do
        self.dialog: UpgradeDialog | None = None
        """The offer that is open now; None where there is none."""
        do.older_found.connect(self.offer)

    def offer(self, original: Path) -> None:
        """Offer to make a copy of an older dataset."""
        if self.dialog is not None:
            self.dialog.close()
        dialog = self.dialog = UpgradeDialog(original, is_busy=self._bar.is_running, parent=self._parent)
        self._bar.running_changed.connect(dialog.set_busy)
        dialog.wanted.connect(partial(self.copy, original))
        dialog.destroyed.connect(partial(self._on_dialog_gone, id(dialog)))
        dialog.open()

    def copy(self, original: Path, place: Path) -> None:
        """Make the copy in a worker, and open it."""
        work = UpgradeWork(original, place, self._session.found.indexers)
        failed = partial(self._do.on_failed, self._session.path)
        self._bar.run(f"Copying {original.name}", work, self._on_copied, failed)

    def _on_copied(self, upgraded: Upgraded | None) -> str:
        if upgraded is None:
            self._bar.show_result("No copy was made", "cancelled")
            return ""
        self._do.open_and_take_up(upgraded.outcome)
        return f"{upgraded.report.summary()}: {upgraded.outcome.path.name}"

    def _on_dialog_gone(self, number: int, destroyed: object = None) -> None:
        if self.dialog is not None and id(self.dialog) == number:
            self.dialog = None
