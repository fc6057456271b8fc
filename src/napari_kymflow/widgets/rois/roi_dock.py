"""The ROI dock: the list of the active record's ROIs, in step with the shapes on the canvas."""

from collections.abc import Callable
from functools import partial

import napari
from qtpy.QtCore import QItemSelection, QItemSelectionModel, QModelIndex, Qt
from qtpy.QtWidgets import QCheckBox, QHBoxLayout, QLabel, QLineEdit, QMenu, QPushButton, QVBoxLayout, QWidget

from napari_kymflow.layers.echo_guard import EchoGuard
from napari_kymflow.rois.columns import COLUMNS
from napari_kymflow.rois.drafts import Draft
from napari_kymflow.rois.rows import local_text
from napari_kymflow.session.open_record import OpenRecord
from napari_kymflow.session.record_state import state_of
from napari_kymflow.user.preferences import autosave_preferred, autosaves, set_autosaves
from napari_kymflow.widgets.rois.actions import RoiActions
from napari_kymflow.widgets.rois.display_menu import DisplayMenu
from napari_kymflow.widgets.rois.model import RoiModel
from napari_kymflow.widgets.table.view import ColumnArranger, make_table_view
from napari_kymflow.widgets.window.binding import bind_for_life, disconnect_all
from napari_kymflow.widgets.window.dock import Dock, push_button
from napari_kymflow.widgets.window.enabling import enable
from napari_kymflow.widgets.window.line_label import LineLabel

_WIDTH = 400
_BOTH_WAYS = "Next to layers that are not of the record, zooming acts both ways alike."
_MARGINS = (6, 4, 6, 4)


class RoiDock(Dock):
    """Lists the ROIs of the open record: select, edit, add, delete, undo, save.

    Parameters
    ----------
    napari_viewer
        The viewer whose record is shown.
    """

    def __init__(self, napari_viewer: "napari.viewer.Viewer") -> None:
        super().__init__(napari_viewer)
        self._echo = EchoGuard()
        self._actions = RoiActions(self._session, self)
        self._state = LineLabel(self)
        self._warning = _label()
        self._model = RoiModel(self._session)
        self._view = make_table_view(self._model, self, several=True)
        self._columns = ColumnArranger(self._view, "roi list")
        self._columns.menu.setTitle("Columns")
        self._filter = QLineEdit(self)
        self._filter.setPlaceholderText("Filter by name, note, kind or id")
        self._filter.setClearButtonEnabled(True)
        self._filter.setAccessibleName("Filter the ROIs")
        self._view.setAccessibleName("ROIs of the open record")
        self._buttons = {
            "delete": self._button("Delete", "Delete the selected ROIs; it can be undone", self._delete),
            "undo": self._button("Undo", "Take back the last edit of a ROI (Ctrl+Z)", lambda record: record.editor.undo()),
            "redo": self._button("Redo", "Make it again (Ctrl+Shift+Z)", lambda record: record.editor.redo()),
            "save": self._button("Save", "Write the ROIs into the record", OpenRecord.save),
        }
        self._add = self._menu_button("Add ROI", "Draw a ROI, or type it in", self._actions.add_menu())
        more = self._actions.more_menu()
        more.addSeparator()
        more.addMenu(self._columns.menu)
        self._more = self._menu_button("More", "Copy, colours, masks, files of other programs, history, columns", more)
        self._display = self._menu_button("Display", "Channels and contrast", DisplayMenu(self._session, self))
        self._kept = QWidget(self)
        self._kept_text = _label()
        self._take_up = self._button("Take them up", "Show them on the canvas", OpenRecord.take_up_kept)
        self._drop = self._button("Forget them…", "Delete what was kept", self._actions.forget_kept)
        self._autosave = QCheckBox("Save by itself", self)
        self._autosave.setToolTip("Save a moment after every edit; off: only when you click Save")
        self._autosave.setChecked(autosaves())
        self._time_only = QCheckBox("Zoom time only", self)
        self._time_only.setToolTip(
            "Zooming keeps the height of the kymograph, so that streaks can be seen; off: both ways alike"
        )
        self._time_only.setChecked(self._session.view.zoom_time_only)
        self._lay_out()
        self._bind()
        self._on_record_changed()

    def _bind(self) -> None:
        session = self._session
        bind_for_life(
            self,
            [
                (session.record_changed, self._on_record_changed),
                (session.rois_changed, self._on_rois_changed),
                (session.state_changed, self._on_state_changed),
                (session.selection_changed, self._on_canvas_selection),
            ],
        )
        self._view.selectionModel().selectionChanged.connect(self._on_table_selection)
        self._view.doubleClicked.connect(self._on_double_clicked)
        self._view.return_pressed.connect(self._bring_into_view)
        self._view.delete_asked.connect(partial(self._actions.do, self._delete))
        self._filter.textChanged.connect(self._on_filter_changed)
        self._autosave.toggled.connect(self._on_autosave_toggled)
        preferred = autosave_preferred()
        preferred.connect(self._on_autosave_preferred)
        self.destroyed.connect(partial(disconnect_all, [preferred], self._on_autosave_preferred))
        self._time_only.toggled.connect(self._on_time_only_toggled)

    def _lay_out(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(*_MARGINS)
        layout.setSpacing(4)
        top = QHBoxLayout()
        top.addWidget(self._state, stretch=1)
        top.addWidget(self._display)
        layout.addLayout(top)
        kept = QHBoxLayout(self._kept)
        kept.setContentsMargins(0, 0, 0, 0)
        kept.addWidget(self._kept_text, stretch=1)
        kept.addWidget(self._take_up)
        kept.addWidget(self._drop)
        layout.addWidget(self._kept)
        layout.addWidget(self._warning)
        layout.addWidget(self._view, stretch=1)
        row = QHBoxLayout()
        for widget in (self._add, *self._buttons.values(), self._more):
            row.addWidget(widget)
        layout.addLayout(row)
        bottom = QHBoxLayout()
        bottom.addWidget(self._filter, stretch=1)
        bottom.addWidget(self._autosave)
        bottom.addWidget(self._time_only)
        layout.addLayout(bottom)
        self.setMinimumWidth(_WIDTH)

    def _button(self, text: str, tip: str, do: Callable[[OpenRecord], object]) -> QPushButton:
        return push_button(self, text, tip, partial(self._actions.do, do))

    def _menu_button(self, text: str, tip: str, menu: QMenu) -> QPushButton:
        button = push_button(self, text, tip)
        button.setMenu(menu)
        return button

    def _on_record_changed(self) -> None:
        self._actions.close_dialogs()
        self._on_rois_changed()
        self._fit_columns()

    def _fit_columns(self) -> None:
        """Make the columns as wide as they need, unless the user chose, and hide those that say nothing of the record."""
        record = self._session.record
        with self._columns.arranging:
            self._view.resizeColumnsToContents()
        names = [column.name for column in COLUMNS]
        widths = [max(column.least_width, self._view.columnWidth(place)) for place, column in enumerate(COLUMNS)]
        self._columns.arrange(names, dict(zip(names, widths, strict=True)))
        with self._columns.arranging:
            for place, column in enumerate(COLUMNS):
                if record is not None and column.is_hidden(record.image.sizes):
                    self._view.setColumnHidden(place, True)

    def _on_rois_changed(self) -> None:
        before = self._model.rowCount()
        with self._echo:
            self._model.refresh()
        if self._model.rowCount() != before:
            self._fit_columns()
        self._on_canvas_selection()
        self._show_state()

    def _on_state_changed(self) -> None:
        with self._echo:
            self._model.refresh()
        self._show_state()

    def _show_state(self) -> None:
        state = state_of(self._session.record, read_only=self._session.is_read_only)
        others = {"add": self._add, "more": self._more, "display": self._display}
        for name, button in {**self._buttons, **others}.items():
            enable(button, state.why_not[name])
        self._state.setText(state.text)
        self._warning.setVisible(bool(state.warning))
        self._warning.setText(state.warning)
        enable(self._time_only, "" if self._session.view.is_alone else _BOTH_WAYS)
        self._show_kept(state.kept)

    def _show_kept(self, kept: Draft | None) -> None:
        self._kept.setVisible(kept is not None)
        if kept is not None:
            why = f" ({kept.reason})" if kept.reason else ""
            self._kept_text.setText(f"ROIs of {local_text(kept.kept_utc)} were not saved{why}. They were kept.")

    def _on_table_selection(self, selected: QItemSelection | None = None, deselected: QItemSelection | None = None) -> None:
        if not self._echo:
            with self._echo:
                self._session.with_record(lambda record: record.selection.select(self._selected_ids()))

    def _on_canvas_selection(self) -> None:
        if self._echo:
            return
        with self._echo:
            selection = QItemSelection()
            rows = self._model.rows_of(self._session.selected_roi_ids)
            for row in rows:
                selection.select(self._model.index(row, 0), self._model.index(row, len(COLUMNS) - 1))
            self._view.selectionModel().select(selection, QItemSelectionModel.SelectionFlag.ClearAndSelect)
            if rows:
                self._view.scrollTo(self._model.index(rows[0], 0))

    def _selected_ids(self) -> tuple[int, ...]:
        return tuple(
            self._model.roi_at(row).roi_id
            for span in self._view.selectionModel().selection()
            for row in range(span.top(), span.bottom() + 1)
        )

    def _delete(self, record: OpenRecord) -> None:
        record.editor.delete(self._selected_ids())

    def _on_double_clicked(self, index: QModelIndex) -> None:
        """Bring a ROI into view, unless the cell is one that is edited by a double click."""
        if not self._model.flags(index) & Qt.ItemFlag.ItemIsEditable:
            self._bring_into_view(index.row())

    def _bring_into_view(self, row: int) -> None:
        roi_id = self._model.roi_at(row).roi_id
        self._session.with_record(lambda record: record.go_to(roi_id=roi_id))

    def _on_filter_changed(self, text: str) -> None:
        with self._echo:
            self._model.set_filter(text)
        self._on_canvas_selection()

    def _on_autosave_toggled(self, checked: bool) -> None:  # Qt's signal
        set_autosaves(value=checked)
        if checked:
            self._session.with_record(lambda record: record.saving.save_now())

    def _on_autosave_preferred(self, _event: object = None) -> None:
        self._autosave.setChecked(autosaves())

    def _on_time_only_toggled(self, checked: bool) -> None:  # Qt's signal
        self._session.view.zoom_time_only = checked


def _label() -> QLabel:
    label = QLabel()
    label.setWordWrap(True)
    return label
