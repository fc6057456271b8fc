"""The menu of the button *Open*: any dataset, or one of those that were open last."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from napari.utils.notifications import show_error
from qtpy.QtWidgets import QMenu, QWidget

from napari_kymflow.user.recent import forget_recent, recent_datasets


class OpenMenu(QMenu):
    """Lists the datasets that were open last, newest first.

    Parameters
    ----------
    parent
        The dock.
    choose
        Asks for a dataset and opens it.
    open_dataset
        Opens one.
    """

    def __init__(self, parent: QWidget, choose: Callable[[], None], open_dataset: Callable[[Path], None]) -> None:
        super().__init__(parent)
        self._choose, self._open_dataset = choose, open_dataset
        self.aboutToShow.connect(self.fill)

    def fill(self) -> None:
        """List the datasets that are there now: asked for when the menu opens, as a disk that is away takes its time."""
        self.clear()
        self.addAction("Open dataset…").triggered.connect(self._choose)
        self.addSeparator()
        recent = recent_datasets()
        for path in recent:
            action = self.addAction(f"{path.name}  –  {path.parent}")
            action.setData(str(path))
            action.triggered.connect(partial(self._on_recent, path))
        if recent:
            self.addSeparator()
            self.addAction("Forget this list").triggered.connect(self._on_forget)

    def _on_recent(self, path: Path, checked: object = None) -> None:
        self._open_dataset(path)

    def _on_forget(self) -> None:
        try:
            forget_recent()
        except OSError as error:
            show_error(str(error))
