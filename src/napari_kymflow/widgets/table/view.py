"""A table view as every dock uses it; for those that want more, a header with filters, and columns that stay arranged.

The rule of this room: nothing here takes longer in a long table than in a short one; each trap that Qt sets for that is
named where it is avoided.
"""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from napari.utils.notifications import show_warning
from numpy.typing import NDArray
from qtpy.QtCore import QAbstractTableModel, QEvent, QItemSelectionModel, QModelIndex, QObject, QSize, Qt, QTimer, Signal
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import (
    QAbstractItemView,
    QApplication,
    QHeaderView,
    QLineEdit,
    QMenu,
    QStyledItemDelegate,
    QTableView,
    QWidget,
)

from kymflow_core.columns import column_title
from napari_kymflow.layers.echo_guard import EchoGuard
from napari_kymflow.tables.filters import SYNTAX
from napari_kymflow.user.table_layouts import load_layout, save_layout
from napari_kymflow.widgets.window.enabling import enable
from napari_kymflow.widgets.window.keys import DELETE_KEYS

_FILLED = "kymflow_is_filled"
_MOST_FITTED_ROWS = 50
_LONG = 10_000
_MOST_SORTED_SELECTED_ROWS = 20_000
_LAYOUT_MS = 600
_ROW_HEIGHT = 20
_NARROWEST, _WIDEST = 48, 280
_SHOW_ALL = "Show all"
_LAST = "It is the last column that is shown."
_RETURN_KEYS = (Qt.Key.Key_Return, Qt.Key.Key_Enter)
_WRONG = "QLineEdit { border: 1px solid #e0453a; }"


class TableView(QTableView):
    """A view of whole rows that says which one the user chose, and when a copy is asked for."""

    row_chosen = Signal(int)
    """A row was clicked, or Return was pressed in it; not when the arrow keys move there."""
    return_pressed = Signal(int)
    """Return was pressed in a row, and not to end the editing of a cell."""
    copy_asked = Signal()
    delete_asked = Signal()
    """Delete or Backspace was pressed."""

    def __init__(self, model: QAbstractTableModel, parent: QWidget) -> None:
        super().__init__(parent)
        # Before the view's own selection hears of it, which is when the model is set.
        model.layoutAboutToBeChanged.connect(self._on_about_to_be_sorted)
        self.setModel(model)
        model.modelAboutToBeReset.connect(self._on_about_to_be_reset)
        self.clicked.connect(self._on_clicked)

    def event(self, event: QEvent) -> bool:
        """Keep the copy shortcut from napari's own, which would copy layers."""
        if event.type() == QEvent.Type.ShortcutOverride and event.matches(QKeySequence.StandardKey.Copy):
            event.accept()
            return True
        return bool(super().event(event))

    def keyPressEvent(self, event: Any) -> None:  # noqa: N802  # Qt's name
        """Choose the row by Return, ask for a copy by Ctrl+C, and for a deletion by Delete."""
        if event.key() in DELETE_KEYS:
            self.delete_asked.emit()
            return
        # The Return that ends the editing of a cell comes here as well.
        is_editing = self.state() == QAbstractItemView.State.EditingState
        super().keyPressEvent(event)
        if event.matches(QKeySequence.StandardKey.Copy):
            self.copy_asked.emit()
        elif not is_editing and event.key() in _RETURN_KEYS and self.currentIndex().isValid():
            self.row_chosen.emit(self.currentIndex().row())
            self.return_pressed.emit(self.currentIndex().row())

    def selected_rows(self) -> NDArray[np.bool_]:
        """Return which rows are selected (n,), from the top."""
        selected = np.zeros(self.model().rowCount(), dtype=bool)
        # Ranges: `selectedRows()` makes an object a row.
        for span in self.selectionModel().selection():
            selected[span.top() : span.bottom() + 1] = True
        return selected

    def _on_clicked(self, index: QModelIndex) -> None:
        """Choose a row, unless the user is adding it to a selection."""
        held = QApplication.keyboardModifiers()
        if not held & (Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier):
            self.row_chosen.emit(index.row())

    def _on_about_to_be_reset(self) -> None:
        # A reset of a long table that is scrolled takes seconds.
        if self.model().rowCount() > _LONG:
            self.scrollToTop()

    def _on_about_to_be_sorted(self, *change: object) -> None:
        # Qt moves each selected row by itself, unless all are: a selection of very many is given up.
        if _MOST_SORTED_SELECTED_ROWS < np.count_nonzero(self.selected_rows()) < self.model().rowCount():
            self.clearSelection()


class FilterHeader(QHeaderView):
    """A header whose columns have an edit below their names, when it is asked to show them."""

    edited = Signal()
    """The user changed a filter; `texts` says what they are now."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(Qt.Orientation.Horizontal, parent)
        self._edits: dict[str, QLineEdit] = {}
        self._kept: dict[str, str] = {}
        self._shows_edits = False
        self.setSectionsMovable(True)
        self.setSectionsClickable(True)
        self.setSortIndicatorShown(True)
        self.setHighlightSections(False)
        # A header has these for itself: what is set on the one that it replaces is lost. The last column does not stretch,
        # as that would be remembered as a width that the user chose.
        self.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        self.setResizeContentsPrecision(_MOST_FITTED_ROWS)
        self.sectionResized.connect(self._on_section_changed)
        self.sectionMoved.connect(self._on_section_changed)
        parent.horizontalScrollBar().valueChanged.connect(self.place_edits)

    @property
    def shows_edits(self) -> bool:
        """Whether the edits are shown."""
        return self._shows_edits

    def set_columns(self, names: list[str]) -> None:
        """Have one edit a column; a column that stays, or comes back, keeps its text."""
        for name in [name for name in self._edits if name not in names]:
            edit = self._edits.pop(name)
            self._kept[name] = edit.text()
            edit.hide()
            edit.deleteLater()
        for name in names:
            if name not in self._edits:
                self._edits[name] = self._make_edit(name)
        self._edits = {name: self._edits[name] for name in names}
        self.place_edits()

    def show_edits(self, *, shown: bool) -> None:
        """Show or hide the row of edits."""
        self._shows_edits = shown
        # The table asks its header for its height only then.
        self.geometriesChanged.emit()
        self.place_edits()

    def edit_of(self, name: str) -> QLineEdit:
        """Return a column's edit."""
        return self._edits[name]

    def texts(self) -> dict[str, str]:
        """Return the filters that are not empty, by column."""
        return {name: edit.text() for name, edit in self._edits.items() if edit.text().strip()}

    def set_texts(self, texts: Mapping[str, str]) -> None:
        """Write filters, empty ones where none is given, as if the user had not."""
        self._kept.clear()
        for name, edit in self._edits.items():
            edit.blockSignals(True)
            edit.setText(texts.get(name, ""))
            edit.blockSignals(False)

    def mark_wrong(self, reasons: Mapping[str, str]) -> None:
        """Mark the columns whose filter is none, with the reason as tooltip, and only these."""
        for name, edit in self._edits.items():
            style = _WRONG if name in reasons else ""
            if edit.styleSheet() != style:
                edit.setStyleSheet(style)
            edit.setToolTip(reasons.get(name) or _tip(name))

    def mark_order(self, name: str, order: Qt.SortOrder) -> None:
        """Mark the column that rows are sorted by, or none where there is no such column; sort nothing."""
        names = list(self._edits)
        self.blockSignals(True)
        self.setSortIndicator(names.index(name) if name in names else -1, order)
        self.blockSignals(False)

    def sizeHint(self) -> QSize:  # noqa: N802  # Qt's name
        """Return the size of the names, and of the edits below them."""
        size = super().sizeHint()
        return QSize(size.width(), size.height() + self._edit_height())

    def updateGeometries(self) -> None:  # noqa: N802  # Qt's name
        """Leave room for the edits."""
        self.setViewportMargins(0, 0, 0, self._edit_height())
        super().updateGeometries()
        self.place_edits()

    def place_edits(self) -> None:
        """Put each edit below its column's name."""
        top = super().sizeHint().height()
        for column, edit in enumerate(self._edits.values()):
            shown = self._shows_edits and column < self.count() and not self.isSectionHidden(column)
            edit.setVisible(shown)
            if shown:
                left = self.sectionViewportPosition(column)
                edit.setGeometry(left, top, self.sectionSize(column) - 1, self._edit_height())

    def _edit_height(self) -> int:
        edit = next(iter(self._edits.values()), None)
        return edit.sizeHint().height() if edit is not None and self._shows_edits else 0

    def _make_edit(self, name: str) -> QLineEdit:
        edit = QLineEdit(self._kept.pop(name, ""), self)
        edit.setPlaceholderText("filter")
        edit.setToolTip(_tip(name))
        edit.textChanged.connect(self._on_text_changed)
        return edit

    def _on_text_changed(self, text: str) -> None:
        self.edited.emit()

    def _on_section_changed(self, *change: int) -> None:
        self.place_edits()


class ColumnArranger(QObject):
    """Hides, orders and widens a view's columns as the user did the last time, and remembers what is changed.

    Parameters
    ----------
    view
        The view, with a header whose sections can be moved.
    name
        The table's name, by which its layout is kept.
    """

    shown_changed = Signal(str)
    """The user showed or hid a column."""

    def __init__(self, view: QTableView, name: str) -> None:
        super().__init__(view)
        self._view, self._name = view, name
        self._names: list[str] = []
        self.arranging = EchoGuard()
        """Held while columns change that the user did not touch."""
        self._layout = self._kept_layout = load_layout(name)
        self.menu = QMenu(view)
        self.menu.aboutToShow.connect(self.fill_menu)
        self.menu.triggered.connect(self._on_triggered)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_LAYOUT_MS)
        self._timer.timeout.connect(self.keep)
        view.horizontalHeader().sectionResized.connect(self._on_section_resized)
        view.horizontalHeader().sectionMoved.connect(self._on_section_moved)

    def arrange(self, names: list[str], widths: Mapping[str, int]) -> None:
        """Arrange a new frame's columns: as wide as the user made them, else as given here, else as fits."""
        self._names = names
        header = self._view.horizontalHeader()
        with self.arranging:
            for place, name in enumerate(self._layout.ordered(names)):
                header.moveSection(header.visualIndex(names.index(name)), place)
            for column, name in enumerate(names):
                width = self._layout.widths.get(name) or widths.get(name) or self._fitting_width(column)
                self._view.setColumnWidth(column, width)
                self._view.setColumnHidden(column, self.hides(name))

    def hides(self, name: str) -> bool:
        """Return whether a column is hidden, or would be if it were there."""
        return name in self._layout.hidden

    def shown(self) -> list[str]:
        """Return the columns that are not hidden, from left to right."""
        return [name for name in self._ordered() if not self.hides(name)]

    def widths(self) -> dict[str, int]:
        """Return how wide the columns are that are shown."""
        return {name: self._view.columnWidth(self._names.index(name)) for name in self.shown()}

    def show(self, name: str, *, shown: bool) -> None:
        """Show or hide a column, and remember it."""
        hidden = {other for other in self._names if self.hides(other)} - {name} | (set() if shown else {name})
        column = self._names.index(name)
        with self.arranging:
            self._view.setColumnHidden(column, not shown)
        self._note(hidden=hidden)
        self.shown_changed.emit(name)

    def fill_menu(self) -> None:
        """List the columns, as they are ordered now, to be shown or hidden."""
        self.menu.clear()
        for name in self._ordered():
            action = self.menu.addAction(column_title(name))
            action.setData(name)
            action.setCheckable(True)
            action.setChecked(not self.hides(name))
            # Of the last column, the header would go too, and with it the way to sort and filter.
            enable(action, _LAST if self.shown() == [name] else "")
        self.menu.addSeparator()
        self.menu.addAction(_SHOW_ALL)

    def keep(self) -> None:
        """Write the layout, where it was changed and is not written yet; say so once where that fails."""
        self._timer.stop()
        if self._layout is self._kept_layout:
            return
        self._kept_layout = self._layout
        try:
            save_layout(self._name, self._layout)
        except OSError as error:
            show_warning(f"How the columns are arranged cannot be remembered: {error}")

    def _ordered(self) -> list[str]:
        header = self._view.horizontalHeader()
        return [self._names[header.logicalIndex(place)] for place in range(len(self._names))]

    def _fitting_width(self, column: int) -> int:
        header = self._view.horizontalHeader()
        fitting = max(self._view.sizeHintForColumn(column), header.sectionSizeHint(column))
        return int(min(max(fitting, _NARROWEST), _WIDEST))

    def _note(self, *, hidden: Collection[str] | None = None, widths: Mapping[str, int] | None = None) -> None:
        now_hidden = [name for name in self._names if self.hides(name)] if hidden is None else hidden
        self._layout = self._layout.changed(order=self._ordered(), hidden=now_hidden, widths=widths or {})
        self._timer.start()

    def _on_triggered(self, action: Any) -> None:
        if action.isCheckable():
            self.show(action.data(), shown=action.isChecked())
            return
        for name in self._names:
            if self.hides(name):
                self.show(name, shown=True)

    def _on_section_resized(self, column: int, old: int, new: int) -> None:
        if not self.arranging and new and column < len(self._names):
            self._note(widths={self._names[column]: new})

    def _on_section_moved(self, *places: int) -> None:
        if not self.arranging:
            self._note()


class TypingDelegate(QStyledItemDelegate):
    """Leaves what is being typed into a cell alone, while measurements and saves change the table around it."""

    def setEditorData(self, editor: QWidget, index: QModelIndex) -> None:  # noqa: N802  # Qt's name
        """Fill an editor when it opens, and not again: Qt would do so whenever several cells change."""
        if not editor.property(_FILLED):
            super().setEditorData(editor, index)
            editor.setProperty(_FILLED, True)


def make_table_view(model: QAbstractTableModel, parent: QWidget, *, several: bool = False) -> TableView:
    """Return a view of whole rows, sortable, without row numbers."""
    view = TableView(model, parent)
    view.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
    mode = QAbstractItemView.SelectionMode
    view.setSelectionMode(mode.ExtendedSelection if several else mode.SingleSelection)
    view.setWordWrap(False)
    # Tab leaves the table, for those who use the keyboard; the arrow keys move in it.
    view.setTabKeyNavigation(False)
    view.setItemDelegate(TypingDelegate(view))
    # A visible row header makes a reset after scrolling take seconds in a long table.
    view.verticalHeader().setVisible(False)
    view.verticalHeader().setDefaultSectionSize(_ROW_HEIGHT)
    header = view.horizontalHeader()
    header.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
    header.setStretchLastSection(True)
    header.setResizeContentsPrecision(_MOST_FITTED_ROWS)
    forget_selection(view.verticalHeader(), model)
    forget_selection(header, model)
    return view


def forget_selection(header: QHeaderView, model: QAbstractTableModel) -> None:
    """Let a header know of no selection: it would check every selected cell, for over 20 s where a million rows are."""
    header.setSelectionModel(QItemSelectionModel(model, header))
    header.setHighlightSections(False)


def _tip(name: str) -> str:
    return f"Show only some rows by {column_title(name)}.\n{SYNTAX}"
