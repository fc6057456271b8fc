"""The dialog that looks for damage in a dataset, lists what it found, and repairs what can be.

The rule of this room: looking opens the dataset for reading only and may be stopped; a repair is asked for, and never
stopped halfway.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtGui import QAction, QGuiApplication, QKeySequence
from qtpy.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QHBoxLayout,
    QLabel,
    QListView,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from kymflow_core import KymDataset
from kymflow_zarr import Problem, VerifyReport, Watch, ZarrDataset
from kymflow_zarr.errors import CancelledError
from napari_kymflow.widgets.window.dialog import Dialog, agrees
from napari_kymflow.widgets.window.task_bar import Kind, TaskBar, kind_icon

_INTRODUCTION = "Looks for what a crash or a bad disk left behind. Looking changes nothing."
_NOT_YET = "Verify first"
_NOTHING_TO_REPAIR = "Nothing was found that can be repaired"
_REPAIR = "Makes whole what can be, after asking; nothing is deleted"
_NOT_HALFWAY = "A repair is not stopped halfway"
_ICON_SIZE = 18


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What was found in a dataset, and how it was looked for."""

    report: VerifyReport
    deep: bool

    @property
    def repairable(self) -> int:
        """How many problems can still be repaired."""
        return sum(problem.state == "repairable" and not problem.repaired for problem in self.report.problems)

    @property
    def damaged(self) -> int:
        """How many problems only a backup can make good."""
        return sum(problem.state == "damaged" and not problem.repaired for problem in self.report.problems)


class ProblemList(QListWidget):
    """The problems of a report, the damaged ones first; the chosen ones can be copied.

    Parameters
    ----------
    parent
        The dialog.
    """

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAccessibleName("Problems")
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setWordWrap(True)
        self.setTextElideMode(Qt.TextElideMode.ElideNone)
        self.setResizeMode(QListView.ResizeMode.Adjust)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setIconSize(QSize(_ICON_SIZE, _ICON_SIZE))
        self.setSpacing(2)
        copy = QAction("Copy", self)
        copy.setShortcut(QKeySequence.StandardKey.Copy)
        copy.setShortcutContext(Qt.ShortcutContext.WidgetShortcut)
        copy.triggered.connect(self.copy_chosen)
        self.addAction(copy)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.ActionsContextMenu)

    def show_problems(self, problems: tuple[Problem, ...]) -> None:
        """Show these problems instead."""
        self.clear()
        icons = {kind: kind_icon(kind) for kind in ("error", "warning", "info")}
        for problem in sorted(problems, key=_urgency):
            kind, word = describe_state(problem)
            # Invisible places to break a long path at.
            where = problem.where.replace("/", "/\u200b")
            item = QListWidgetItem(icons[kind], f"{word}: {where}\n{problem.what}")
            item.setData(Qt.ItemDataRole.UserRole, f"{word}\t{problem.where}\t{problem.what}")
            self.addItem(item)

    def copy_chosen(self) -> None:
        """Copy the chosen problems as lines of state, place and what is wrong, with tabs between them."""
        chosen = [self.item(row) for row in sorted(index.row() for index in self.selectedIndexes())]
        if chosen:
            text = "\n".join(str(item.data(Qt.ItemDataRole.UserRole)) for item in chosen)
            QGuiApplication.clipboard().setText(text)


class VerifyDialog(Dialog):
    """Verifies a dataset in the background, and repairs it where that is asked; it is deleted when it is closed.

    Parameters
    ----------
    dataset_path
        The dataset's folder.
    parent
        The dock.
    """

    repaired = Signal()
    """After a repair: what is shown of the dataset may have changed."""

    def __init__(self, dataset_path: Path, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._path = dataset_path
        self._checked: Checked | None = None
        self._is_repairing = False
        self.setWindowTitle(f"Verify {dataset_path.name}")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._deep = QCheckBox("Read every byte (takes longer)", self)
        self._deep.setToolTip("Reads all pixels and masks too, and compares every checksum")
        self._sign = QLabel(self)
        self._sentence = QLabel(self)
        self._sentence.setWordWrap(True)
        self._sentence.setTextFormat(Qt.TextFormat.PlainText)
        self._sentence.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._problems = ProblemList(self)
        self.task_bar = TaskBar(self)
        self._verify = QPushButton("Verify", self)
        self._verify.setDefault(True)
        self._repair = QPushButton("Repair…", self)
        self._close = QPushButton("Close", self)
        for button in (self._repair, self._close):
            button.setAutoDefault(False)
        self._lay_out()
        self._verify.clicked.connect(self.verify)
        self._repair.clicked.connect(self._on_repair_clicked)
        self._close.clicked.connect(self.close)
        self.task_bar.running_changed.connect(self._on_running_changed)
        self._show(None)

    def _lay_out(self) -> None:
        layout = QVBoxLayout(self)
        introduction = QLabel(_INTRODUCTION, self)
        introduction.setWordWrap(True)
        introduction.setToolTip(str(self._path))
        layout.addWidget(introduction)
        layout.addWidget(self._deep)
        verdict = QHBoxLayout()
        verdict.addWidget(self._sign, alignment=Qt.AlignmentFlag.AlignTop)
        verdict.addWidget(self._sentence, stretch=1)
        layout.addLayout(verdict)
        layout.addWidget(self._problems, stretch=1)
        layout.addStretch()
        layout.addWidget(self.task_bar)
        buttons = QHBoxLayout()
        for button in (self._verify, self._repair, self._close):
            buttons.addWidget(button)
        layout.addLayout(buttons)
        self.resize(640, 380)

    def verify(self) -> None:
        """Look for damage in the background."""
        self._show(None)
        work = partial(_find_problems, self._path, self._deep.isChecked())
        self.task_bar.run(f"Verifying {self._path.name} …", work, self._on_verified)

    def repair(self) -> None:
        """Repair in the background what the last look found."""
        if self._checked is None:
            return
        work = partial(_mend, self._path, self._checked.deep)
        self._is_repairing = True
        self._show(None)
        self.task_bar.run(
            f"Repairing {self._path.name} …", work, self._on_repaired, self._on_repair_failed, can_cancel=False
        )

    def ask_repair(self, what: str) -> bool:
        """Ask whether to repair, after saying what that does."""
        return agrees(self, "Repair", what, button="Repair")

    def reject(self) -> None:
        """Close, and stop looking; stay while something is repaired, so that its result is seen."""
        if not self._is_repairing:
            self.task_bar.cancel()
            super().reject()

    def _on_repair_clicked(self) -> None:
        if self._checked is not None and self.ask_repair(describe_repair(self._path.name, self._checked)):
            self.repair()

    def _on_verified(self, checked: Checked | None) -> str:
        if checked is None:
            self.task_bar.show_result("Only a part of the dataset was checked", "cancelled")
        else:
            self._show(checked)
        return ""

    def _on_repaired(self, checked: Checked) -> str:
        self._is_repairing = False
        self._show(checked)
        self.repaired.emit()
        return ""

    def _on_repair_failed(self, reason: str) -> None:
        self._is_repairing = False
        self._show(None)
        # What came before the error may have been repaired.
        self.repaired.emit()

    def _on_running_changed(self, running: bool) -> None:  # Qt's signal
        self._update_buttons()

    def _show(self, checked: Checked | None) -> None:
        self._checked = checked
        problems = checked.report.problems if checked is not None else ()
        self._problems.show_problems(problems)
        self._problems.setVisible(bool(problems))
        self._sign.setVisible(checked is not None)
        self._sentence.setText("")
        if checked is not None:
            kind, sentence = describe_result(checked)
            self._sign.setPixmap(kind_icon(kind).pixmap(QSize(_ICON_SIZE, _ICON_SIZE)))
            self._sentence.setText(sentence)
        self._update_buttons()

    def _update_buttons(self) -> None:
        idle, checked = not self.task_bar.is_running, self._checked
        self._verify.setEnabled(idle)
        self._deep.setEnabled(idle)
        self._close.setEnabled(not self._is_repairing)
        self._close.setToolTip(_NOT_HALFWAY if self._is_repairing else "")
        self._repair.setEnabled(idle and checked is not None and bool(checked.repairable))
        found = _REPAIR if checked is not None and checked.repairable else _NOTHING_TO_REPAIR
        self._repair.setToolTip(_NOT_YET if checked is None else found)


def describe_state(problem: Problem) -> tuple[Kind, str]:
    """Return how bad a problem is, and a word for it."""
    if problem.repaired:
        return "info", "Repaired"
    return ("warning", "Can be repaired") if problem.state == "repairable" else ("error", "Damaged")


def describe_result(checked: Checked) -> tuple[Kind, str]:
    """Return how bad it is, and a sentence that says so."""
    report = checked.report
    if report.problems:
        kinds: dict[int, Kind] = {0: "info", 1: "warning", 2: "error"}
        # The button is next to it; the option is for the command line.
        summary = report.summary().removesuffix(", with --repair")
        backup = " Only a backup can bring back what is damaged." if checked.damaged else ""
        return kinds[report.exit_code], f"{summary}.{backup}"
    if not report.records:
        return "info", "This dataset is sound; it has no records yet."
    records = "its record" if report.records == 1 else f"all {report.records} records"
    if checked.deep:
        return "info", f"This dataset is sound: every byte of {records} was read, and is as it was written."
    opens = "opens" if report.records == 1 else "open"
    return "info", f"This dataset is sound: {records} {opens}, and nothing was left behind."


def describe_repair(name: str, checked: Checked) -> str:
    """Return what a repair will do, in plain words, as a question."""
    things = "1 thing" if checked.repairable == 1 else f"{checked.repairable} things"
    text = (
        f"Repair {things} in {name}?\n\nWhat the rest of the dataset still knows is written again; what is broken or left "
        "behind is moved out of the way. Nothing is deleted: what is set aside is in the dataset's folder .quarantine."
    )
    if checked.damaged:
        stay = (
            "1 damaged thing stays as it is"
            if checked.damaged == 1
            else f"{checked.damaged} damaged things stay as they are"
        )
        text += f"\n\n{stay}: only a backup can bring that back."
    return text


def _urgency(problem: Problem) -> int:
    return ("error", "warning", "info").index(describe_state(problem)[0])


def _find_problems(path: Path, deep: bool, watch: Watch) -> Checked | None:
    """Return what is wrong with a dataset; None where the user stopped it; safe in a worker."""
    dataset = ZarrDataset(path, mode="r")
    try:
        report = KymDataset(dataset).verify(deep=deep, watch=watch)
    except CancelledError:
        return None
    return Checked(report=report, deep=deep)


def _mend(path: Path, deep: bool, watch: Watch) -> Checked:
    """Repair a dataset, and return what was wrong with it; safe in a worker."""
    # Where nothing is, opening for writing would be the start of a new dataset.
    ZarrDataset(path, mode="r")
    report = KymDataset(ZarrDataset(path, mode="a")).verify(deep=deep, repair=True, watch=Watch(progress=watch.progress))
    return Checked(report=report, deep=deep)
