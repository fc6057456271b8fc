"""The dialog that offers a copy, in today's format, of a dataset of the older program."""

from html import escape
from pathlib import Path

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QLabel, QLineEdit, QPushButton, QVBoxLayout, QWidget

from napari_kymflow.user.new_places import ZARR, copy_place, copy_problem
from napari_kymflow.widgets.window.dialog import Dialog

_WIDTH = 640
_BUSY = "Kymflow is at work; the copy can be made when that is done."
_OFFER = (
    "<b>{name}</b> was written by the older program. To open it, make a copy in today's format. The copy has everything "
    "that is in the dataset, and is compared with it before it opens. The original stays as it is."
)


class UpgradeDialog(Dialog):
    """Asks where the copy goes; it is deleted when it is closed.

    Parameters
    ----------
    original
        The older dataset.
    is_busy
        Whether something runs, so that no copy can be made yet; see `set_busy`.
    parent
        The dock.
    """

    wanted = Signal(object)
    """Where the copy is to be made."""

    def __init__(self, original: Path, *, is_busy: bool = False, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Make a copy in today's format")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._original, self._is_busy = original, is_busy
        offer = QLabel(_OFFER.format(name=escape(original.name)), self)
        offer.setTextFormat(Qt.TextFormat.RichText)
        offer.setToolTip(str(original))
        self._place = QLineEdit(str(copy_place(original)), self)
        self._place.setAccessibleName("Place of the copy")
        self._problem = QLabel(self)
        self._problem.setTextFormat(Qt.TextFormat.PlainText)
        for label in (offer, self._problem):
            label.setWordWrap(True)
        self._choose = QPushButton("Choose…", self)
        self._copy = QPushButton("Make the copy", self)
        self._cancel = QPushButton("Cancel", self)
        self._choose.setAutoDefault(False)
        self._cancel.setAutoDefault(False)
        self._copy.setDefault(True)
        self._lay_out(offer)
        self._place.textChanged.connect(self._update)
        self._choose.clicked.connect(self._on_choose)
        self._copy.clicked.connect(self.accept)
        self._cancel.clicked.connect(self.reject)
        self.accepted.connect(self._on_accepted)
        self._update()

    def _lay_out(self, offer: QLabel) -> None:
        place, buttons = QHBoxLayout(), QHBoxLayout()
        place.addWidget(QLabel("The copy:", self))
        place.addWidget(self._place, stretch=1)
        place.addWidget(self._choose)
        buttons.addStretch(1)
        buttons.addWidget(self._copy)
        buttons.addWidget(self._cancel)
        layout = QVBoxLayout(self)
        layout.addWidget(offer)
        layout.addLayout(place)
        layout.addWidget(self._problem)
        layout.addStretch(1)
        layout.addLayout(buttons)
        # Two lines for the problem, so that the dialog keeps its height when there is one.
        self._problem.setMinimumHeight(2 * self._problem.fontMetrics().lineSpacing())
        self.resize(_WIDTH, layout.totalHeightForWidth(_WIDTH))

    def set_busy(self, is_busy: bool) -> None:  # Qt's signal
        """Let the copy be made, or not while something else runs."""
        self._is_busy = is_busy
        self._update()

    def _update(self) -> None:
        problem = copy_problem(self._original, self._place.text()) or (_BUSY if self._is_busy else "")
        self._problem.setText(problem)
        self._copy.setEnabled(not problem)

    def _on_choose(self) -> None:
        chosen = QFileDialog.getSaveFileName(self, "Where the copy goes", self._place.text(), f"Datasets (*{ZARR})")[0]
        if chosen:
            self._place.setText(chosen if chosen.endswith(ZARR) else f"{chosen}{ZARR}")

    def _on_accepted(self) -> None:
        self.wanted.emit(Path(self._place.text().strip()))
