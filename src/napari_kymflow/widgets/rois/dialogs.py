"""The ROI dock's dialogs: a ROI by numbers, other records to copy to, earlier revisions."""

from collections.abc import Callable
from typing import Any

from magicgui import magicgui
from qtpy.QtCore import QItemSelectionModel, Qt
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from kymflow_core import RoiSet
from kymflow_core.roi.bounds import Bounds
from napari_kymflow.rois.revisions import RoiRevision
from napari_kymflow.rois.rows import bounds_by_numbers, local_text
from napari_kymflow.widgets.window.dialog import Dialog
from napari_kymflow.widgets.window.forms import accept_button, keep_in, ok_cancel, rows_of


class BoundsDialog(Dialog):
    """Asks for a rectangle by its lines and pixels.

    Parameters
    ----------
    shape
        The image's shape (y, x).
    bounds
        What is filled in.
    parent
        The dock.
    """

    def __init__(self, shape: tuple[int, int], bounds: Bounds, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("New ROI by numbers")
        lines, pixels = shape
        self.form: Any = magicgui(
            bounds_by_numbers,
            first_line={"max": lines - 1, "value": bounds.y0},
            end_line={"min": 1, "max": lines, "value": bounds.y1},
            first_pixel={"max": pixels - 1, "value": bounds.x0},
            end_pixel={"min": 1, "max": pixels, "value": bounds.x1},
            all_time={"label": "All time (all lines)"},
            all_positions={"label": "All positions (all pixels)"},
            shape={"bind": shape},
            labels=False,
            call_button=False,
        )
        """What is asked, made from the arguments of `bounds_by_numbers`."""
        layout = QVBoxLayout(self)
        layout.addWidget(QLabel("Lines count along time, pixels along the scan. The end is not included."))
        layout.addLayout(rows_of(asked for asked in self.form if asked.name != "shape"))
        keep_in(self.form, self)
        self._buttons = ok_cancel(self, "Add ROI")
        layout.addWidget(self._buttons)
        self.form.changed.connect(self._on_changed)

    @property
    def bounds(self) -> Bounds:
        """What was typed in."""
        bounds: Bounds = self.form()
        return bounds

    def _on_changed(self) -> None:
        form, bounds = self.form, self.bounds
        form.first_line.enabled = form.end_line.enabled = not form.all_time.value
        form.first_pixel.enabled = form.end_pixel.enabled = not form.all_positions.value
        accept_button(self._buttons).setEnabled(bounds.y0 < bounds.y1 and bounds.x0 < bounds.x1)


class RecordsDialog(Dialog):
    """Asks to which records ROIs are copied.

    Parameters
    ----------
    count
        How many ROIs.
    records
        The names of the records by id.
    parent
        The dock.
    """

    def __init__(self, count: int, records: dict[str, str], parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Copy to other records")
        layout = QVBoxLayout(self)
        what = f"{count} ROI{'' if count == 1 else 's'}"
        label = QLabel(
            f"Click the records to copy {what} to; only those as large as this one are listed. They are saved at once."
        )
        label.setWordWrap(True)
        layout.addWidget(label)
        # Selected rows are seen in every theme of napari; the boxes of checkable ones are dark on dark.
        self._list = QListWidget(self)
        self._list.setAccessibleName("records")
        self._list.setSelectionMode(QAbstractItemView.SelectionMode.MultiSelection)
        for image_id, name in records.items():
            item = QListWidgetItem(name)
            item.setData(Qt.ItemDataRole.UserRole, image_id)
            self._list.addItem(item)
        layout.addWidget(self._list)
        everything = QPushButton("All", self)
        everything.clicked.connect(self.choose_all)
        layout.addWidget(everything)
        layout.addWidget(ok_cancel(self, "Copy"))
        self.resize(420, 360)

    def choose_all(self) -> None:
        """Choose all records."""
        self._list.selectAll()

    @property
    def chosen(self) -> list[str]:
        """The ids of the records that are chosen."""
        return [str(item.data(Qt.ItemDataRole.UserRole)) for item in self._list.selectedItems()]


class HistoryDialog(Dialog):
    """Lists a record's earlier revisions; the chosen one is shown on the canvas, and can be restored.

    Parameters
    ----------
    revisions
        The revisions, newest first.
    show_revision
        Shows the ROIs of one on the canvas.
    restore
        Takes them back.
    parent
        The dock.
    """

    def __init__(
        self,
        revisions: list[RoiRevision],
        show_revision: Callable[[RoiSet, int], None],
        restore: Callable[[RoiSet], None],
        parent: QWidget,
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("History of the ROIs")
        self._revisions, self._show_revision, self._restore_rois = revisions, show_revision, restore
        layout = QVBoxLayout(self)
        label = QLabel("Every save of this record. Click one to see its ROIs in white on the canvas.")
        label.setWordWrap(True)
        layout.addWidget(label)
        self._table = QTableWidget(len(revisions), 4, self)
        self._table.setAccessibleName("earlier revisions")
        self._table.setHorizontalHeaderLabels(["revision", "saved", "ROIs", "what changed"])
        self._table.verticalHeader().setVisible(False)
        self._table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self._table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self._table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        for row, one in enumerate(revisions):
            saved = local_text(one.saved_utc) or "not known"
            count = str(len(one.rois)) if one.rois is not None else "–"
            for column, text in enumerate((str(one.number), saved, count, one.changes)):
                self._table.setItem(row, column, QTableWidgetItem(text))
        self._table.resizeColumnsToContents()
        self._table.horizontalHeader().setStretchLastSection(True)
        self._table.itemSelectionChanged.connect(self._on_selected)
        layout.addWidget(self._table)
        buttons = QHBoxLayout()
        self._restore = QPushButton("Restore these ROIs", self)
        self._restore.setToolTip("Puts them on the canvas as an edit, which can be undone; saving makes a new revision")
        self._restore.setEnabled(False)
        self._restore.clicked.connect(self._on_restore)
        close = QPushButton("Close", self)
        close.clicked.connect(self.close)
        buttons.addWidget(self._restore)
        buttons.addWidget(close)
        layout.addLayout(buttons)
        self.resize(620, 380)

    def select(self, row: int) -> None:
        """Choose the revision in a row."""
        index = self._table.model().index(row, 0)
        flags = QItemSelectionModel.SelectionFlag
        self._table.selectionModel().select(index, flags.ClearAndSelect | flags.Rows)

    def _chosen(self) -> RoiRevision | None:
        rows = {index.row() for index in self._table.selectedIndexes()}
        return self._revisions[rows.pop()] if rows else None

    def _on_selected(self) -> None:
        chosen = self._chosen()
        can_show = chosen is not None and chosen.rois is not None
        self._restore.setEnabled(can_show)
        if chosen is not None and chosen.rois is not None:
            self._show_revision(chosen.rois, chosen.number)

    def _on_restore(self) -> None:
        chosen = self._chosen()
        if chosen is not None and chosen.rois is not None:
            self._restore_rois(chosen.rois)
        self.close()
