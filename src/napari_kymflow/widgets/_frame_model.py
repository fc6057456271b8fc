"""A pandas frame as a Qt table: sorted by an order array, so that a million rows stay usable."""

import math
from typing import Any

import numpy as np
import pandas as pd
from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt

MISSING = "–"


class FrameModel(QAbstractTableModel):
    """Shows a frame's columns as text; numbers are aligned right, missing values are a dash.

    Rows are addressed by their place on screen; `row_at` gives the frame's row.
    """

    def __init__(self, frame: pd.DataFrame | None = None) -> None:
        super().__init__()
        self.set_frame(frame if frame is not None else pd.DataFrame())

    def set_frame(self, frame: pd.DataFrame) -> None:
        """Show another frame, in its own order."""
        self.beginResetModel()
        self._frame = frame.reset_index(drop=True)
        self._columns = [self._frame[name].to_numpy() for name in self._frame.columns]
        self._order = np.arange(len(self._frame))
        self.endResetModel()

    @property
    def column_names(self) -> list[str]:
        """The names of the columns, in order."""
        return list(self._frame.columns)

    def row_at(self, place: int) -> "pd.Series[Any]":
        """Return the frame's row that is shown at a place."""
        return self._frame.iloc[int(self._order[place])]

    def place_of(self, column: str, value: object) -> int | None:
        """Return the first place whose row has a value in a column, None where no row has."""
        if column not in self._frame.columns:
            return None
        found = np.flatnonzero(self._frame[column].to_numpy()[self._order] == value)
        return int(found[0]) if found.size else None

    def rowCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802  # Qt's name
        """Return the number of rows."""
        return 0 if parent is not None and parent.isValid() else len(self._frame)

    def columnCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802  # Qt's name
        """Return the number of columns."""
        return 0 if parent is not None and parent.isValid() else len(self._columns)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return the text, alignment or tooltip of a cell."""
        if not index.isValid():
            return None
        value = self._columns[index.column()][self._order[index.row()]]
        if role == Qt.ItemDataRole.DisplayRole:
            return as_text(value)
        if role == Qt.ItemDataRole.ToolTipRole:
            return str(value)
        if role == Qt.ItemDataRole.TextAlignmentRole and _is_number(value):
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        return None

    def headerData(  # noqa: N802  # Qt's name
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        """Return a column's name."""
        if role == Qt.ItemDataRole.DisplayRole and orientation == Qt.Orientation.Horizontal:
            return self._frame.columns[section]
        return None

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Sort by a column; equal values keep their order, missing ones come last."""
        if not 0 <= column < len(self._columns):
            return
        values = self._frame.iloc[:, column]
        ascending = order == Qt.SortOrder.AscendingOrder
        try:
            by = values.sort_values(kind="stable", ascending=ascending, na_position="last")
        except TypeError:  # text and numbers in one column
            by = values.astype(str).sort_values(kind="stable", ascending=ascending, na_position="last")
        self.layoutAboutToBeChanged.emit()
        self._order = by.index.to_numpy()
        self.layoutChanged.emit()


def as_text(value: object) -> str:
    """Return a value as a person reads it: 5 significant digits, a dash for what is missing."""
    if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return MISSING
    if isinstance(value, float):
        return f"{value:.5g}"
    return str(value)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)
