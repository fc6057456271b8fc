"""The ROIs on screen as a Qt table: one a row, filtered, in their own colours."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from napari.utils.notifications import show_error
from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt
from qtpy.QtGui import QColor

from kymflow_core.errors import KymflowError
from kymflow_core.roi import ROI
from napari_kymflow.layers.shapes import color_of
from napari_kymflow.rois.columns import COLUMNS, ID, ListedRoi
from napari_kymflow.rois.rows import matches
from napari_kymflow.session.open_record import OpenRecord
from napari_kymflow.session.session import KymSession


class _Row:
    """A ROI of the open record; what is measured of it is looked up once, when a cell asks for it."""

    def __init__(self, record: OpenRecord, roi: ROI, *, is_unsaved: bool) -> None:
        self.record, self.roi, self.is_unsaved = record, roi, is_unsaved

    @cached_property
    def listed(self) -> ListedRoi:
        """The ROI with what its cells are made from."""
        measured = self.record.measured
        bounds, facts = measured.bounds_of(self.roi), measured.facts_of(self.roi.roi_id)
        return ListedRoi(roi=self.roi, tag=self.record.tag, bounds=bounds, facts=facts)


class RoiModel(QAbstractTableModel):
    """The session's ROIs that match a filter; name, note and bounds can be edited."""

    def __init__(self, session: KymSession) -> None:
        super().__init__()
        self._session = session
        self._rows: list[_Row] = []
        self._words: tuple[str, ...] = ()

    def refresh(self) -> None:
        """Show the session's ROIs as they are now."""
        record = self._session.record
        rows = self._rows_of(record) if record else []
        if [row.roi.roi_id for row in rows] == [row.roi.roi_id for row in self._rows]:
            self._rows = rows
            if rows:
                self.dataChanged.emit(self.index(0, 0), self.index(len(rows) - 1, len(COLUMNS) - 1))
            return
        self.beginResetModel()
        self._rows = rows
        self.endResetModel()

    def _rows_of(self, record: OpenRecord) -> list[_Row]:
        unsaved = set(record.editor.unsaved_roi_ids)
        # By id, as in the dataset's tables; restored and merged sets may have another order.
        rois = sorted((roi for roi in record.rois if matches(roi, self._words)), key=lambda roi: roi.roi_id)
        return [_Row(record, roi, is_unsaved=roi.roi_id in unsaved) for roi in rois]

    def set_filter(self, text: str) -> None:
        """Show only ROIs that have all these words in their id, name, note or kind."""
        self._words = tuple(text.lower().split())
        self.refresh()

    def roi_at(self, row: int) -> ROI:
        """Return the ROI in a row."""
        return self._rows[row].roi

    def rows_of(self, roi_ids: Sequence[int]) -> list[int]:
        """Return the rows of these ROIs."""
        wanted = set(roi_ids)
        return [row for row, shown in enumerate(self._rows) if shown.roi.roi_id in wanted]

    def rowCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802  # Qt's name
        """Return the number of ROIs."""
        return 0 if parent is not None and parent.isValid() else len(self._rows)

    def columnCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802  # Qt's name
        """Return the number of columns."""
        return len(COLUMNS)

    def headerData(  # noqa: N802  # Qt's name
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        """Return a column's name."""
        if role == Qt.ItemDataRole.DisplayRole and orientation == Qt.Orientation.Horizontal:
            return COLUMNS[section].name
        return None

    def flags(self, index: QModelIndex) -> Qt.ItemFlag:
        """Let names, notes and bounds be edited."""
        flags: Qt.ItemFlag = super().flags(index)
        if not index.isValid() or COLUMNS[index.column()].edit is None:
            return flags
        can_edit = self._rows[index.row()].record.editor.can_edit
        return flags | Qt.ItemFlag.ItemIsEditable if can_edit else flags

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return the text, colour, alignment or tooltip of a cell."""
        if not index.isValid():
            return None
        row, column = self._rows[index.row()], COLUMNS[index.column()]
        roi, unsaved = row.roi, column is ID and row.is_unsaved
        if role == Qt.ItemDataRole.DisplayRole:
            return f"● {column.text(row.listed)}" if unsaved else column.text(row.listed)
        if role == Qt.ItemDataRole.EditRole:
            return column.text(row.listed)
        if role == Qt.ItemDataRole.DecorationRole and column is ID:
            return QColor(color_of(roi))
        if role == Qt.ItemDataRole.TextAlignmentRole and column.is_number:
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        if role == Qt.ItemDataRole.ToolTipRole:
            return "not saved yet" if unsaved else column.tip(roi) or None
        return None

    def setData(self, index: QModelIndex, value: Any, role: int = Qt.ItemDataRole.EditRole) -> bool:  # noqa: N802
        """Edit a ROI; say what is wrong with what was typed."""
        row, column = self._rows[index.row()], COLUMNS[index.column()]
        text = str(value).strip()
        if role != Qt.ItemDataRole.EditRole or column.edit is None or text == column.text(row.listed):
            return False
        try:
            column.edit(row.record.editor, row.roi, text)
        except KymflowError as error:
            show_error(str(error))
            return False
        return True
