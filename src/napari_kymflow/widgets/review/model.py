"""The events of a review as a Qt table: one a row."""

from typing import Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt

from napari_kymflow.review.event_review import EventReview
from napari_kymflow.review.listed import texts_of

_COLUMNS = ("record", "time (s)", "kind", "verdict", "others")


class ReviewTableModel(QAbstractTableModel):
    """The events that a review shows, in its order."""

    def __init__(self, review: EventReview) -> None:
        super().__init__()
        self._review = review
        self._cells: list[tuple[str, ...]] = []

    def refresh(self) -> None:
        """Show the events as they are now."""
        cells = [texts_of(one, self._review.reviewer) for one in self._review.shown]
        if len(cells) == len(self._cells):
            self._cells = [*cells]
            if cells:
                self.dataChanged.emit(self.index(0, 0), self.index(len(cells) - 1, len(_COLUMNS) - 1))
            return
        self.beginResetModel()
        self._cells = [*cells]
        self.endResetModel()

    def rowCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802  # Qt's name
        """Return the number of events."""
        return 0 if parent is not None and parent.isValid() else len(self._cells)

    def columnCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802  # Qt's name
        """Return the number of columns."""
        return len(_COLUMNS)

    def headerData(  # noqa: N802  # Qt's name
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        """Return a column's title."""
        if role == Qt.ItemDataRole.DisplayRole and orientation == Qt.Orientation.Horizontal:
            return _COLUMNS[section]
        return None

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return the text of a cell; the tooltip is the whole of it."""
        if index.isValid() and role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole):
            return self._cells[index.row()][index.column()]
        return None
