"""What the dataset dock shows where nothing is open: what to do first, and buttons that do it."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from qtpy.QtCore import QObject, Qt
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from napari_kymflow.session.session import KymSession
from napari_kymflow.tables.samples import SCANS, Sample, SampleWork
from napari_kymflow.tables.work import Outcome
from napari_kymflow.user.recent import recent_datasets
from napari_kymflow.widgets.dataset.actions import DatasetActions
from napari_kymflow.widgets.window.dock import push_button
from napari_kymflow.widgets.window.enabling import enable
from napari_kymflow.widgets.window.line_label import ElidedLabel
from napari_kymflow.widgets.window.task_bar import TaskBar

_FIRST = "<b>Drop a folder of TIFF files, or a dataset (.zarr), onto the canvas</b>, or begin here:"
_LAST = "Opened last:"
_MOST_LISTED = 4
_WIDEST = 200
TIPS: Mapping[Sample, str] = {
    sample: f"{len(scans)} simulated kymographs of {scans[0].lines:,} lines, made in a temporary folder"
    for sample, scans in SCANS.items()
}
"""What each sample is."""


class SampleActions(QObject):
    """Makes sample datasets, and opens them.

    Parameters
    ----------
    parent
        The dock.
    session
        The session in which they are opened.
    bar
        Shows how far the simulation is.
    do
        The dock's other actions.
    """

    def __init__(self, parent: QWidget, session: KymSession, bar: TaskBar, do: DatasetActions) -> None:
        super().__init__(parent)
        self._session, self._bar, self._do = session, bar, do

    def open(self, sample: Sample) -> None:
        """Make a sample in a worker, and open it; nothing while other work runs."""
        if not self._bar.is_running:
            work = SampleWork(sample, self._session.found.indexers)
            self._bar.run("Simulating", work, self._on_made, partial(self._do.on_failed, self._session.path))

    def _on_made(self, outcome: Outcome | None) -> str:
        if outcome is None:
            self._bar.show_result("No sample was made", "cancelled")
            return ""
        self._do.open_and_take_up(outcome)
        return f"The sample is {outcome.path}"


class StartPanel(QWidget):
    """Says what to do first.

    Parameters
    ----------
    parent
        The dock.
    choose_and_import, choose_and_open
        Ask for a folder of TIFFs, for a dataset.
    open_dataset
        Opens one.
    open_sample
        Makes a sample and opens it.
    """

    def __init__(
        self,
        parent: QWidget,
        *,
        choose_and_import: Callable[[], None],
        choose_and_open: Callable[[], None],
        open_dataset: Callable[[Path], None],
        open_sample: Callable[[Sample], None],
    ) -> None:
        super().__init__(parent)
        self._open_dataset = open_dataset
        self._why_not = ""
        self._recent_buttons: list[QPushButton] = []
        first = QLabel(_FIRST, self)
        first.setWordWrap(True)
        self._buttons = (
            push_button(self, "Import a folder…", "Make a dataset of the TIFFs of a folder", choose_and_import),
            push_button(self, "Open a dataset…", "Open a folder whose name ends in .zarr", choose_and_open),
            push_button(self, "Small sample", TIPS["small"], partial(open_sample, "small")),
            push_button(self, "Sample of real size", TIPS["real size"], partial(open_sample, "real size")),
        )
        row = QHBoxLayout()
        for button in self._buttons:
            row.addWidget(button)
        row.addStretch(1)
        self._last = QLabel(_LAST, self)
        self._recent = QGridLayout()
        self._recent.setColumnStretch(1, 1)
        layout = QVBoxLayout(self)
        layout.addWidget(first)
        layout.addLayout(row)
        layout.addWidget(self._last)
        layout.addLayout(self._recent)
        layout.addStretch(1)
        self.fill()

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802  # Qt's name
        """List what was opened last."""
        super().showEvent(event)
        self.fill()

    def follow(self, *, why_not: str) -> None:
        """Let the buttons be used, or say why they cannot be now."""
        self._why_not = why_not
        for button in (*self._buttons, *self._recent_buttons):
            enable(button, why_not)

    def fill(self) -> None:
        """List the datasets that were opened last and are there now."""
        while (item := self._recent.takeAt(0)) is not None:
            item.widget().deleteLater()
        self._recent_buttons = []
        recent = recent_datasets()[:_MOST_LISTED]
        self._last.setVisible(bool(recent))
        for row, path in enumerate(recent):
            # A long name or place must not make the window wider.
            name = self.fontMetrics().elidedText(path.name, Qt.TextElideMode.ElideMiddle, _WIDEST)
            button = push_button(self, name, f"Open {path}", partial(self._open_dataset, path))
            enable(button, self._why_not)
            self._recent_buttons.append(button)
            place = ElidedLabel(self)
            place.show_text(str(path.parent))
            self._recent.addWidget(button, row, 0)
            self._recent.addWidget(place, row, 1)
