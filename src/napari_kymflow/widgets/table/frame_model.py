"""A pandas frame as a Qt table: sorted and filtered by an order array, so that a million rows stay usable."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from qtpy.QtCore import QAbstractTableModel, QModelIndex, QPointF, QRectF, Qt
from qtpy.QtGui import QColor, QIcon, QPainter, QPen, QPixmap, QPolygonF

from kymflow_core.columns import column_title
from kymflow_zarr import units_of
from napari_kymflow.tables.filters import MISSING, as_text, as_texts, seems_distinct

STATE = "state"
OUTDATED = "outdated"

# Colours of middling lightness, which stand out on light and on dark alike; the shapes serve those who see no colours.
_STATES: Final = {
    "fresh": ("tick", "#1a9e6b"),
    "outdated": ("triangle", "#e08a00"),
    "behind": ("clock", "#3b8ede"),
    "failed": ("cross", "#e0453a"),
    "never analysed": ("ring", "#8a8f98"),
    "not saved": ("disc", "#8f6ff0"),
    "damaged": ("square", "#c2489a"),
}
_ICON_SIZE = 48


class FrameModel(QAbstractTableModel):
    """Shows a frame's columns as text; numbers are aligned right, missing values are a dash.

    Rows are addressed by their place on screen, which follows the order and the filter; `row_at` gives the frame's row.
    The order is kept when the filter or the frame changes. A column named "state" has an icon for the word that its text
    begins with; a column of yes and no named "outdated" says so only where it is.
    """

    def __init__(self, frame: pd.DataFrame | None = None) -> None:
        super().__init__()
        self._sorted_by: tuple[str, Qt.SortOrder] | None = None
        self._icons: dict[str, QIcon] = {}
        self.set_frame(frame if frame is not None else pd.DataFrame())

    def set_frame(self, frame: pd.DataFrame, mask: NDArray[np.bool_] | None = None) -> None:
        """Show another frame, sorted as the last one was; of its rows those that a mask (n,) is true for, or all."""
        frame, names = frame.reset_index(drop=True), list(frame.columns)
        cells = [_cells_of(frame.iloc[:, position]) for position in range(frame.shape[1])]
        flags = {place for place, name in enumerate(names) if name == OUTDATED and _is_flag(frame[name])}
        checked, in_order = _checked(mask, len(frame)), _rows_in_order(frame, self._sorted_by)
        # All that may fail is done before: views never come back from half a reset.
        self.beginResetModel()
        self._frame, self._cells, self._flags = frame, cells, flags
        self._with_icons = flags | {place for place, name in enumerate(names) if name == STATE}
        self._tooltips: dict[int, Sequence[str]] = {}
        self._mask, self._sorted = checked, in_order
        self._order = self._shown(in_order)
        self.endResetModel()

    def set_filter(self, mask: NDArray[np.bool_] | None) -> None:
        """Show only the frame's rows that a mask (n,) is true for; all where it is None."""
        checked = _checked(mask, len(self._frame))
        self.beginResetModel()
        self._mask = checked
        self._order = self._shown(self._sorted)
        self.endResetModel()

    def set_tooltips(self, tooltips: Mapping[str, Sequence[str]]) -> None:
        """Say what is shown over the cells of some columns, one text for each of the frame's rows; an empty one is none.

        Raises
        ------
        ValueError
            When there are more or fewer texts than rows.
        """
        for name, texts in tooltips.items():
            if len(texts) != len(self._frame):
                raise ValueError(f"column {name!r} has {len(texts)} tooltips; the frame has {len(self._frame)} rows")
        names = self.column_names
        self._tooltips = {names.index(name): texts for name, texts in tooltips.items() if name in names}

    @property
    def column_names(self) -> list[str]:
        """The names of the columns, in order."""
        return list(self._frame.columns)

    @property
    def total_rows(self) -> int:
        """The number of rows, with those that the filter hides."""
        return len(self._frame)

    @property
    def is_filtered(self) -> bool:
        """Whether a filter is set, though it may hide nothing."""
        return self._mask is not None

    @property
    def frame(self) -> pd.DataFrame:
        """The whole frame, in its own order."""
        return self._frame

    @property
    def shown_rows(self) -> NDArray[np.intp]:
        """The numbers of the frame's rows that are shown, in the order on screen."""
        return self._order

    @property
    def sorted_by(self) -> tuple[str, Qt.SortOrder] | None:
        """The column that rows are sorted by, and which way; None for the frame's own order."""
        return self._sorted_by

    def row_at(self, place: int) -> "pd.Series[Any]":
        """Return the frame's row that is shown at a place."""
        return self._frame.iloc[int(self._order[place])]

    def place_of(self, column: str, value: object) -> int | None:
        """Return the first place whose row has a value in a column, None where no row has."""
        if column not in self._frame.columns:
            return None
        found = np.flatnonzero((as_texts(self._frame[column]) == value).to_numpy(dtype=bool, na_value=False)[self._order])
        return int(found[0]) if found.size else None

    def rows_where(self, column: str, values: Collection[object]) -> NDArray[np.intp]:
        """Return the places, from the top, whose rows have one of some values in a column; none for a column not there."""
        if column not in self._frame.columns:
            return np.zeros(0, dtype=np.intp)
        return np.flatnonzero(as_texts(self._frame[column]).isin(list(values)).to_numpy(dtype=bool)[self._order])

    def places_of_rows(self, rows: NDArray[np.intp]) -> NDArray[np.intp]:
        """Return the places, from the top, at which some of the frame's rows are shown; hidden ones have none."""
        wanted = np.zeros(len(self._frame), dtype=bool)
        wanted[rows] = True
        return np.flatnonzero(wanted[self._order])

    def rowCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802  # Qt's name
        """Return the number of rows that are shown."""
        return 0 if parent is not None and parent.isValid() else len(self._order)

    def columnCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802  # Qt's name
        """Return the number of columns."""
        return 0 if parent is not None and parent.isValid() else len(self._cells)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return the text, icon, alignment or tooltip of a cell."""
        if not index.isValid():
            return None
        column, row = index.column(), self._order[index.row()]
        value = self._cells[column][row]
        if role == Qt.ItemDataRole.DisplayRole:
            return self._text(column, value)
        if role == Qt.ItemDataRole.ToolTipRole:
            text = self._tooltips[column][row] if column in self._tooltips else ""
            return text or (str(value) if as_text(value) != MISSING else "")
        if role == Qt.ItemDataRole.DecorationRole and column in self._with_icons:
            return self._icon(self._text(column, value))
        if role == Qt.ItemDataRole.TextAlignmentRole and self._is_number(column, value):
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        return None

    def headerData(  # noqa: N802  # Qt's name
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        """Return a column's title, and as tooltip its name in the table's file where that is another."""
        if orientation != Qt.Orientation.Horizontal or not 0 <= section < len(self._cells):
            return None
        name = self._frame.columns[section]
        title = column_title(name, units_of(self._frame).get(name, ""))
        if role == Qt.ItemDataRole.DisplayRole:
            return title
        return name if role == Qt.ItemDataRole.ToolTipRole and title != name else None

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Sort by a column; equal values keep their order, missing ones come last; -1 is the frame's own order."""
        if column >= len(self._cells):
            return
        sorted_by = (self._frame.columns[column], order) if column >= 0 else None
        in_order = _rows_in_order(self._frame, sorted_by)
        # No binding but PyQt lets Python emit what changed.
        self.layoutAboutToBeChanged.emit()
        kept = self.persistentIndexList()
        rows = [int(self._order[index.row()]) for index in kept]
        self._sorted_by, self._sorted = sorted_by, in_order
        self._order = self._shown(in_order)
        if kept:
            places = np.full(len(self._frame), -1)
            places[self._order] = np.arange(len(self._order))
            self.changePersistentIndexList(
                kept, [self.index(int(places[row]), index.column()) for row, index in zip(rows, kept, strict=True)]
            )
        self.layoutChanged.emit()

    def _shown(self, rows: NDArray[np.intp]) -> NDArray[np.intp]:
        return rows if self._mask is None else rows[self._mask[rows]]

    def _text(self, column: int, value: object) -> str:
        if column in self._flags:
            return OUTDATED if value is not pd.NA and bool(value) else ""
        return as_text(value)

    def _icon(self, text: str) -> QIcon | None:
        # Unsaved records are marked by a dot before the word.
        word = next((word for word in _STATES if text.removeprefix("● ").startswith(word)), None)
        if word is None:
            return None
        if word not in self._icons:
            self._icons[word] = _draw_icon(*_STATES[word])
        return self._icons[word]

    def _is_number(self, column: int, value: object) -> bool:
        """Return whether a value is a number, or missing among numbers: among texts it is a not-a-number of numpy too."""
        if as_text(value) == MISSING:
            return pd.api.types.is_numeric_dtype(self._frame.dtypes.iloc[column])
        return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def _is_flag(column: "pd.Series[Any]") -> bool:
    return pd.api.types.is_bool_dtype(column.dtype)


def _cells_of(column: "pd.Series[Any]") -> Any:
    # Arrow's texts stay where they are: to copy a million of them out takes a tenth of a second a column.
    return column.to_numpy() if isinstance(column.dtype, np.dtype) and column.dtype.kind not in "mM" else column.array


def _checked(mask: NDArray[np.bool_] | None, rows: int) -> NDArray[np.bool_] | None:
    if mask is not None and mask.shape != (rows,):
        raise ValueError(f"the filter has shape {mask.shape}; the frame has {rows} rows")
    return mask


def _rows_in_order(frame: pd.DataFrame, sorted_by: tuple[str, Qt.SortOrder] | None) -> NDArray[np.intp]:
    """Return a frame's row numbers, sorted by a column that it has; otherwise in its own order."""
    names = list(frame.columns)
    if sorted_by is None or sorted_by[0] not in names:
        return np.arange(len(frame))
    column = as_texts(frame.iloc[:, names.index(sorted_by[0])])
    return _sorted_rows(column, descending=sorted_by[1] == Qt.SortOrder.DescendingOrder)


def _sorted_rows(column: "pd.Series[Any]", *, descending: bool) -> NDArray[np.intp]:
    """Return a column's row numbers in order: stable both ways, missing values last."""
    if seems_distinct(column):
        return np.asarray(column.array.argsort(ascending=not descending, kind="stable", na_position="last"))
    missing = column.isna().to_numpy(dtype=bool)
    present = np.flatnonzero(~missing)
    # Turned round before and after sorting, so that equal values keep their order.
    step = -1 if descending else 1
    turned = present[::step]
    order = turned[np.argsort(_sort_keys(column)[turned], kind="stable")][::step]
    return np.concatenate([order, np.flatnonzero(missing)])


def _sort_keys(column: "pd.Series[Any]") -> NDArray[Any]:
    """Return one number a row that sorts as the values do."""
    if isinstance(column.dtype, np.dtype) and column.dtype.kind in "biufmM":
        return column.to_numpy()
    codes, values = pd.factorize(column)
    distinct = pd.Series(values)
    if distinct.dtype == object:
        numbers = pd.api.types.infer_dtype(distinct) in ("integer", "floating", "mixed-integer-float", "boolean")
        distinct = distinct.astype(float if numbers else "str")
    ranks = np.empty(len(distinct) + 1, dtype=np.uint16 if len(distinct) < 2**16 else np.int64)
    ranks[np.argsort(distinct.array)] = np.arange(len(distinct), dtype=ranks.dtype)
    return ranks[codes]


def _draw_icon(shape: str, color: str) -> QIcon:
    pixmap = QPixmap(_ICON_SIZE, _ICON_SIZE)
    pixmap.fill(QColor(0, 0, 0, 0))
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    pen = QPen(QColor(color), 7)
    pen.setCapStyle(Qt.PenCapStyle.RoundCap)
    pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
    painter.setPen(pen)
    if shape in ("triangle", "disc", "square"):
        painter.setBrush(QColor(color))
    if shape in ("disc", "ring", "clock"):
        painter.drawEllipse(QRectF(8, 8, 32, 32))
    if shape == "square":
        painter.drawRect(QRectF(9, 9, 30, 30))
    for line in _LINES.get(shape, ()):
        points = [QPointF(x, y) for x, y in line]
        if shape == "triangle":
            painter.drawPolygon(QPolygonF(points))
        else:
            painter.drawPolyline(QPolygonF(points))
    painter.end()
    return QIcon(pixmap)


_LINES: Final[Mapping[str, Sequence[Sequence[tuple[float, float]]]]] = {
    "tick": [[(7, 26), (19, 38), (41, 11)]],
    "triangle": [[(24, 8), (42, 40), (6, 40)]],
    "clock": [[(24, 15), (24, 25), (31, 28)]],
    "cross": [[(9, 9), (39, 39)], [(39, 9), (9, 39)]],
}
