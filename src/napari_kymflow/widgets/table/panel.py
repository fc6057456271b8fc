"""A table with everything that a person does with one: search, filter, sort, arrange columns, copy, save.

The rule of this room: the panel knows its frame and nothing of datasets. Its owner gives it frames, and gets a signal
with the row that the user chose.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from napari.utils.notifications import show_error, show_info
from numpy.typing import NDArray
from qtpy.QtCore import QItemSelection, QItemSelectionModel, Qt, QTimer, Signal
from qtpy.QtWidgets import (
    QApplication,
    QFileDialog,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from kymflow_core.columns import table_title
from napari_kymflow.session.table_filters import RowFilter
from napari_kymflow.tables.filters import FilterError, rows_that_match, rows_with_text
from napari_kymflow.tables.save_rows import SAVE_KINDS, SaveKind, Written, rows_to_clipboard_text, save_rows
from napari_kymflow.user.window import OnDone, Work
from napari_kymflow.widgets.table.frame_model import FrameModel
from napari_kymflow.widgets.table.view import ColumnArranger, FilterHeader, forget_selection, make_table_view
from napari_kymflow.widgets.window.chosen_file import chosen_file
from napari_kymflow.widgets.window.dock import push_button

_TYPING_MS = 200
_MOST_COPIED_AT_ONCE = 20_000
_MOST_KEPT_SELECTED = 1_000
_ID = "image_id"


class TablePanel(QWidget):
    """Shows a frame, up to a million rows of it, and lets the user search, filter, sort, arrange, copy and save it.

    Parameters
    ----------
    name
        The table's name: how its columns are arranged is remembered by it, and files are suggested to be called so.
    parent
        The widget that the panel is in.

    Attributes
    ----------
    row_activated
        Emitted with the row, a series, when it is clicked, when Return is pressed in it, or by `step`.
    unit
        What a row is called in the counts below the table.
    run_in_background
        Is given work, which touches no widget and raises nothing, and what to call with its result in the GUI's thread.
    """

    row_activated = Signal(object)
    menu_asked = Signal(object)
    """The user asked for a menu of the selected rows, at a point of the screen."""
    filtered = Signal(object)
    """The `RowFilter` that is typed above the rows, when another one is."""
    delete_asked = Signal()
    """Delete or Backspace was pressed in the rows."""

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.run_in_background: Callable[[Work, OnDone], None] = _run_here
        self.unit = "row"
        self._name = name
        self._note = ""
        self._reasons: dict[str, str] = {}
        self._is_fitted = False
        self.model = FrameModel()
        self.view = make_table_view(self.model, self, several=True)
        self.header = FilterHeader(self.view)
        self.view.setHorizontalHeader(self.header)
        forget_selection(self.header, self.model)
        self.header.setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        self.view.setSortingEnabled(True)
        self.columns = ColumnArranger(self.view, name)
        self.search = QLineEdit(self)
        self.search.setPlaceholderText("Search…")
        self.search.setAccessibleName("Search the rows")
        self.view.setAccessibleName(f"Rows of {name}")
        self.search.setToolTip("Show rows with all these words, in any column that is shown")
        self.search.setClearButtonEnabled(True)
        self._filters_button = push_button(self, "Filters", "Filter by single columns")
        self._filters_button.setCheckable(True)
        self._columns_button = push_button(self, "Columns", "Show or hide columns")
        self._columns_button.setMenu(self.columns.menu)
        self._copy_button = push_button(self, "Copy", "Copy the selected rows, or all that are shown (Ctrl+C)")
        self._save_button = push_button(self, "Save as…", "Save the rows that are shown to a file")
        self._footer = _label(Qt.AlignmentFlag.AlignLeft)
        self._empty = _label(Qt.AlignmentFlag.AlignCenter)
        self._empty.setText("There are no rows.")
        self._no_match = QWidget(self)
        self._clear_button = QPushButton("Clear filters", self._no_match)
        self._pages = QStackedWidget(self)
        self._typing = QTimer(self)
        self._typing.setSingleShot(True)
        self._typing.setInterval(_TYPING_MS)
        self._lay_out()
        self._bind()
        self._show_counts()

    def set_frame(
        self,
        frame: pd.DataFrame,
        *,
        tooltips: Mapping[str, Sequence[str]] | None = None,
        note: str = "",
        fits: bool = False,
    ) -> None:
        """Show another frame; filters, order and columns stay as they are.

        Parameters
        ----------
        frame
            The rows; its own order is shown until the user sorts.
        tooltips
            For some columns, a text for each row.
        note
            What is added to the counts below the table.
        fits
            Whether the columns become as wide as their contents once more, but for those that the user made so.
        """
        names = list(frame.columns)
        widths = self.columns.widths() if self._is_fitted and not fits else {}
        with self.columns.arranging:
            self.header.set_columns(names)
            self.model.set_frame(frame, self._mask_of(frame))
            self.model.set_tooltips(tooltips or {})
            self.columns.arrange(names, widths)
        self._is_fitted = self._can_fit()
        self.header.mark_order(*(self.model.sorted_by or ("", Qt.SortOrder.AscendingOrder)))
        self.header.place_edits()
        self.set_note(note)

    def set_note(self, text: str) -> None:
        """Show another text next to the counts."""
        self._note = text
        self._show_counts()

    def set_empty_text(self, text: str) -> None:
        """Say what is shown instead of a table without rows, such as what to do to get some."""
        self._empty.setText(text)

    def highlight(self, column_values: Mapping[str, Collection[object]]) -> None:
        """Select the rows that have, in every one of some columns, one of its values; emit nothing."""
        rows = np.full(self.model.rowCount(), fill_value=bool(column_values))
        for name, values in column_values.items():
            rows &= np.isin(np.arange(len(rows)), self.model.rows_where(name, values))
        places = np.flatnonzero(rows)
        self._select(places)
        if places.size and not self._sees_any(places):
            self._scroll_to(int(places[0]))

    def step(self, delta: int) -> None:
        """Choose the row so many places below the current one, or above it; nothing where there is none."""
        current = self.view.currentIndex()
        place = current.row() + delta if current.isValid() else 0
        if 0 <= place < self.model.rowCount():
            self._select(np.array([place]))
            self._scroll_to(place)
            self._on_row_chosen(place)

    def save(self, path: Path, kind: SaveKind) -> None:
        """Save the rows that are shown, with the visible columns and the image_id; say how it went."""
        columns = self.columns.shown()
        columns += [_ID] if _ID in self.model.column_names and _ID not in columns else []
        frame, rows = self.model.frame, self.model.shown_rows
        self.run_in_background(lambda: save_rows(frame, rows, columns, path, kind), _on_written)

    def copy(self) -> None:
        """Copy the selected rows, or all that are shown, with the visible columns, to be pasted into a spreadsheet."""
        frame, columns, rows = self.model.frame, self.columns.shown(), self._selected_rows()
        rows = rows if rows.size else self.model.shown_rows
        run = self.run_in_background if len(rows) > _MOST_COPIED_AT_ONCE else _run_here
        run(lambda: rows_to_clipboard_text(frame, rows, columns), _on_written)

    def show_filters(self, *, shown: bool) -> None:
        """Show or hide the row of filters; hidden ones still filter."""
        self._filters_button.setChecked(shown)
        self.header.show_edits(shown=shown)

    @property
    def selected_ids(self) -> list[str]:
        """The ids of the images of the rows that are selected, in the order on screen, each once; none without a column."""
        if _ID not in self.model.column_names:
            return []
        return list(dict.fromkeys(self.model.frame[_ID].iloc[self._selected_rows()].astype("str")))

    @property
    def selected(self) -> pd.DataFrame:
        """The rows that are selected, as in the frame, in the order on screen."""
        return self.model.frame.iloc[self._selected_rows()]

    @property
    def row_filter(self) -> RowFilter:
        """What is typed above the rows."""
        searched = tuple(name for name in self.model.frame.columns if not self.columns.hides(name))
        return RowFilter(by_column=self.header.texts(), search=self.search.text().strip(), searched=searched)

    def clear_filters(self) -> None:
        """Show all rows."""
        self.search.clear()
        self.header.set_texts({})
        self.apply_filters()

    def apply_filters(self) -> None:
        """Show the rows that the search and the filters are for, now."""
        self._typing.stop()
        kept = self._selected_rows()
        self.filtered.emit(self.row_filter)
        with self.columns.arranging:
            self.model.set_filter(self._mask_of(self.model.frame))
        if len(kept) <= _MOST_KEPT_SELECTED:
            self._select(self.model.places_of_rows(kept))
        self._fit()
        self._show_counts()

    def showEvent(self, event: Any) -> None:  # noqa: N802  # Qt's name
        """Fit the columns."""
        super().showEvent(event)
        self._fit()

    def hideEvent(self, event: Any) -> None:  # noqa: N802  # Qt's name
        """Keep the layout, if it was changed a moment ago."""
        super().hideEvent(event)
        self.columns.keep()

    def _lay_out(self) -> None:
        inner = QVBoxLayout(self._no_match)
        text = _label(Qt.AlignmentFlag.AlignCenter)
        text.setText("No row matches the filters")
        text.setWordWrap(False)
        inner.addWidget(text)
        inner.addWidget(self._clear_button, alignment=Qt.AlignmentFlag.AlignCenter)
        table = QWidget(self)
        # Over the table, not instead of it: the filter that the user types stays where it is.
        grid = QGridLayout(table)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.addWidget(self.view, 0, 0)
        grid.addWidget(self._no_match, 0, 0, alignment=Qt.AlignmentFlag.AlignCenter)
        self._pages.addWidget(table)
        self._pages.addWidget(self._empty)
        top = QHBoxLayout()
        top.addWidget(self.search, stretch=1)
        for button in (self._filters_button, self._columns_button, self._copy_button, self._save_button):
            top.addWidget(button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 2, 0, 0)
        layout.setSpacing(3)
        layout.addLayout(top)
        layout.addWidget(self._pages, stretch=1)
        layout.addWidget(self._footer)

    def _bind(self) -> None:
        self._typing.timeout.connect(self.apply_filters)
        self.search.textChanged.connect(self._on_typed)
        self.header.edited.connect(self._on_typed)
        self._filters_button.clicked.connect(self._on_filters_clicked)
        self._copy_button.clicked.connect(self.copy)
        self._save_button.clicked.connect(self._on_save_clicked)
        self._clear_button.clicked.connect(self.clear_filters)
        self.columns.shown_changed.connect(self._on_column_shown)
        self.view.row_chosen.connect(self._on_row_chosen)
        self.view.copy_asked.connect(self.copy)
        self.view.delete_asked.connect(self.delete_asked)
        self.view.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.view.customContextMenuRequested.connect(self._on_menu_asked)

    def _can_fit(self) -> bool:
        # The theme's fonts are known only when it is shown, and how much room rows take only when there are some.
        return self.isVisible() and self.model.rowCount() > 0

    def _fit(self) -> None:
        """Make the columns as wide as what they hold, once."""
        if not self._is_fitted and self._can_fit():
            self._is_fitted = True
            self.columns.arrange(self.model.column_names, {})

    def _mask_of(self, frame: pd.DataFrame) -> NDArray[np.bool_] | None:
        """Return which rows to show, None for all; note which filters are none."""
        self._reasons = {}
        masks = []
        for name, text in self.header.texts().items():
            try:
                masks.append(rows_that_match(frame[name], text))
            except FilterError as error:
                self._reasons[name] = str(error)
        if self.search.text().strip():
            searched = [name for name in frame.columns if not self.columns.hides(name)]
            masks.append(rows_with_text(frame[searched], self.search.text()))
        self.header.mark_wrong(self._reasons)
        return np.all(masks, axis=0) if masks else None

    def _show_counts(self) -> None:
        total, shown = self.model.total_rows, self.model.rowCount()
        self._pages.setCurrentIndex(0 if total else 1)
        self._no_match.setVisible(total > 0 and not shown)
        rows = f"{total:,} {self.unit}{'' if total == 1 else 's'}"
        counts, note = rows, self._note
        if self.model.is_filtered:
            counts, note = f"{shown:,} of {rows}", note and f"without the filter: {note}"
        lines = [" · ".join(text for text in (counts, note) if text), *self._reasons.values()]
        self._footer.setText("\n".join(lines))
        filters = len(self.header.texts())
        self._filters_button.setText(f"Filters ({filters})" if filters else "Filters")

    def _selected_rows(self) -> NDArray[np.intp]:
        """Return the numbers of the frame's rows that are selected, in the order on screen."""
        return self.model.shown_rows[self.view.selected_rows()]

    def _select(self, places: NDArray[np.intp]) -> None:
        selection = QItemSelection()
        last = self.model.columnCount() - 1
        for run in np.split(places, np.flatnonzero(np.diff(places) != 1) + 1) if places.size else ():
            selection.select(self.model.index(int(run[0]), 0), self.model.index(int(run[-1]), last))
        chooser = self.view.selectionModel()
        chooser.select(selection, QItemSelectionModel.SelectionFlag.ClearAndSelect)
        if places.size:
            current = self.model.index(int(places[0]), self._left_column())
            chooser.setCurrentIndex(current, QItemSelectionModel.SelectionFlag.NoUpdate)

    def _sees_any(self, places: NDArray[np.intp]) -> bool:
        first, last = self.view.rowAt(0), self.view.rowAt(self.view.viewport().height() - 1)
        seen = (places >= first) & (places <= (last if last >= 0 else self.model.rowCount()))
        return bool(seen.any())

    def _scroll_to(self, place: int) -> None:
        self.view.scrollTo(self.model.index(place, self._left_column()))

    def _left_column(self) -> int:
        # The view scrolls sideways to whichever column it is sent to.
        return max(int(self.view.columnAt(0)), 0)

    def _on_row_chosen(self, place: int) -> None:
        self.row_activated.emit(self.model.row_at(place))

    def _on_menu_asked(self, point: Any) -> None:
        self.menu_asked.emit(self.view.viewport().mapToGlobal(point))

    def _on_typed(self, *text: str) -> None:
        self._typing.start()

    def _on_column_shown(self, name: str) -> None:
        """Drop the filter of a column that is hidden: nobody would see why rows are missing."""
        if self.columns.hides(name):
            self.header.set_texts({other: text for other, text in self.header.texts().items() if other != name})
        self.apply_filters()
        self.header.place_edits()

    def _on_filters_clicked(self) -> None:
        self.show_filters(shown=self._filters_button.isChecked())

    def _on_save_clicked(self) -> None:
        title = table_title(self._name)
        chosen, kind = QFileDialog.getSaveFileName(self, f"Save {title}", title, ";;".join(SAVE_KINDS))
        found = chosen_file(chosen, kind, SAVE_KINDS)
        if found is not None:
            path, kind = found
            self.save(path, SAVE_KINDS[kind])


def _label(alignment: Any) -> QLabel:
    label = QLabel()
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setWordWrap(True)
    label.setAlignment(alignment)
    return label


def _run_here(work: Work, done: OnDone) -> None:
    done(work())


def _on_written(written: Written) -> None:
    if written.error:
        show_error(written.error)
        return
    if written.text:
        QApplication.clipboard().setText(written.text)
    show_info(written.message)
