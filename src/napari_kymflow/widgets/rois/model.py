"""The ROIs on screen as a Qt table: one a row, filtered, in their own colours."""

from collections.abc import Sequence
from typing import Any

from napari.utils.notifications import show_error
from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt
from qtpy.QtGui import QColor

from kymflow_core.errors import KymflowError
from kymflow_core.roi import ROI
from napari_kymflow.layers.shapes import color_of
from napari_kymflow.rois.columns import COLUMNS, ID, Column, ListedRoi
from napari_kymflow.rois.rows import matches
from napari_kymflow.session.session import KymSession


class RoiModel(QAbstractTableModel):
    """The session's ROIs that match a filter; name, note and bounds can be edited."""

    def __init__(self, session: KymSession) -> None:
        super().__init__()
        self._session = session
        self._rois: tuple[ROI, ...] = ()
        self._texts: dict[tuple[int, str], str] = {}
        self._unsaved: frozenset[int] = frozenset()
        self._words: tuple[str, ...] = ()

    def refresh(self) -> None:
        """Show the session's ROIs as they are now."""
        record = self._session.record
        rois = tuple(roi for roi in record.rois if matches(roi, self._words)) if record else ()
        self._unsaved = frozenset(record.editor.unsaved_roi_ids) if record else frozenset()
        self._texts.clear()
        if [roi.roi_id for roi in rois] == [roi.roi_id for roi in self._rois]:
            self._rois = rois
            if rois:
                self.dataChanged.emit(self.index(0, 0), self.index(len(rois) - 1, len(COLUMNS) - 1))
            return
        self.beginResetModel()
        self._rois = rois
        self.endResetModel()

    def set_filter(self, text: str) -> None:
        """Show only ROIs that have all these words in their id, name, note or kind."""
        self._words = tuple(text.lower().split())
        self.refresh()

    def roi_at(self, row: int) -> ROI:
        """Return the ROI in a row."""
        return self._rois[row]

    def rows_of(self, roi_ids: Sequence[int]) -> list[int]:
        """Return the rows of these ROIs."""
        wanted = set(roi_ids)
        return [row for row, roi in enumerate(self._rois) if roi.roi_id in wanted]

    def rowCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802  # Qt's name
        """Return the number of ROIs."""
        return 0 if parent is not None and parent.isValid() else len(self._rois)

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
        record = self._session.record
        can_edit = record is not None and record.editor.can_edit and COLUMNS[index.column()].edit is not None
        return flags | Qt.ItemFlag.ItemIsEditable if can_edit else flags

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return the text, colour, alignment or tooltip of a cell."""
        if not index.isValid():
            return None
        roi, column = self._rois[index.row()], COLUMNS[index.column()]
        unsaved = column is ID and roi.roi_id in self._unsaved
        if role == Qt.ItemDataRole.DisplayRole:
            return f"● {self._text(roi, column)}" if unsaved else self._text(roi, column)
        if role == Qt.ItemDataRole.EditRole:
            return self._text(roi, column)
        if role == Qt.ItemDataRole.DecorationRole and column is ID:
            return QColor(color_of(roi))
        if role == Qt.ItemDataRole.TextAlignmentRole and column.is_number:
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        if role == Qt.ItemDataRole.ToolTipRole:
            return "not saved yet" if unsaved else column.tip(roi) or None
        return None

    def setData(self, index: QModelIndex, value: Any, role: int = Qt.ItemDataRole.EditRole) -> bool:  # noqa: N802
        """Edit a ROI; say what is wrong with what was typed."""
        record, column = self._session.record, COLUMNS[index.column()]
        if role != Qt.ItemDataRole.EditRole or record is None or column.edit is None:
            return False
        roi = self._rois[index.row()]
        text = str(value).strip()
        if text == self._text(roi, column):
            return False
        try:
            column.edit(record.editor, roi, text)
        except KymflowError as error:
            show_error(str(error))
            return False
        return True

    def _text(self, roi: ROI, column: Column) -> str:
        key, record = (roi.roi_id, column.name), self._session.record
        if key not in self._texts and record is not None:
            measured = record.measured
            listed = ListedRoi(roi=roi, tag=record.tag, bounds=measured.bounds_of(roi), facts=measured.facts_of(roi.roi_id))
            self._texts[key] = column.text(listed)
        return self._texts.get(key, "")
