"""The dialog that offers to make a dataset of a folder of TIFFs, or of TIFFs, that somebody dropped."""

from collections.abc import Sequence
from html import escape
from pathlib import Path

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QDialogButtonBox,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QRadioButton,
    QVBoxLayout,
    QWidget,
)

from napari_kymflow.user.new_places import ZARR, dataset_place, place_problem
from napari_kymflow.widgets.window.dialog import Dialog

_WIDTH = 620
_HOW = (
    "Each TIFF becomes a record, with its microscope header, ROIs and results from the files next to it. "
    "The files stay as they are."
)


class ImportOffer(Dialog):
    """Asks which dataset dropped files go into; it is deleted when it is closed.

    Parameters
    ----------
    paths
        A folder, or some TIFFs.
    opened
        The dataset that is open and can be written to; None where there is none.
    is_known
        Whether the open dataset is filled from that folder, so that it is the first choice.
    parent
        The dock.
    """

    wanted = Signal(object)
    """The dataset into which to import."""

    def __init__(
        self, paths: Sequence[Path], opened: Path | None, *, is_known: bool = False, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        is_folder, name = paths[0].is_dir(), escape(paths[0].name)
        self._paths, self._opened = paths, opened
        self._such_as = dataset_place(paths[0])
        self.setWindowTitle("Make a dataset of this folder" if is_folder else "Import into a dataset")
        what = f"the TIFF files of <b>{name}</b> and its subfolders" if is_folder else f"<b>{name}</b>"
        more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
        text = QLabel(f"Import {what}{more}. {_HOW}", self)
        text.setWordWrap(True)
        self.new = QRadioButton("Into a new dataset:", self)
        self.old = QRadioButton(f"Into the open dataset {opened.name}" if opened else "", self)
        self.old.setVisible(opened is not None)
        takes_open = opened is not None and (is_known or not is_folder)
        (self.old if takes_open else self.new).setChecked(True)
        self.place = QLineEdit(str(self._such_as), self)
        self.place.setAccessibleName("Place of the new dataset")
        self._choose = QPushButton("Choose…", self)
        self._choose.setAutoDefault(False)
        self._problem = QLabel(self)
        self._problem.setWordWrap(True)
        self._problem.setTextFormat(Qt.TextFormat.PlainText)
        self.buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel, self)
        self.buttons.button(QDialogButtonBox.StandardButton.Ok).setText("Make the dataset" if is_folder else "Import")
        self._lay_out(text)
        self._bind()
        self._update()

    def _lay_out(self, text: QLabel) -> None:
        place = QHBoxLayout()
        place.addSpacing(22)
        place.addWidget(self.place, stretch=1)
        place.addWidget(self._choose)
        layout = QVBoxLayout(self)
        layout.addWidget(text)
        layout.addWidget(self.new)
        layout.addLayout(place)
        layout.addWidget(self.old)
        layout.addWidget(self._problem)
        layout.addWidget(self.buttons)
        self._problem.setMinimumHeight(2 * self._problem.fontMetrics().lineSpacing())
        self.resize(_WIDTH, layout.totalHeightForWidth(_WIDTH))

    def _bind(self) -> None:
        self.place.textChanged.connect(self._update)
        self.new.toggled.connect(self._update)
        self._choose.clicked.connect(self._on_choose)
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        self.accepted.connect(self._on_accepted)

    def _update(self, changed: object = None) -> None:
        is_new = self.new.isChecked()
        self.place.setEnabled(is_new)
        self._choose.setEnabled(is_new)
        problem = place_problem(self.place.text(), what="dataset", such_as=self._such_as) if is_new else ""
        self._problem.setText(problem)
        ok = self.buttons.button(QDialogButtonBox.StandardButton.Ok)
        ok.setEnabled(not problem)
        if self._paths[0].is_dir():
            ok.setText("Make the dataset" if is_new else "Import")

    def _on_choose(self) -> None:
        chosen = QFileDialog.getSaveFileName(self, "Where the dataset goes", self.place.text(), f"Datasets (*{ZARR})")[0]
        if chosen:
            self.place.setText(chosen if chosen.endswith(ZARR) else f"{chosen}{ZARR}")

    def _on_accepted(self) -> None:
        is_open = self.old.isChecked() and self._opened is not None
        self.wanted.emit(self._opened if is_open else Path(self.place.text().strip()))
