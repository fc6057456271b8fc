"""The dataset dock: the records and the tables of the open dataset; a click on a row goes there."""

from collections.abc import Callable, Sequence
from functools import partial
from html import escape
from typing import Any

import napari
import pandas as pd
from napari.utils.notifications import show_error
from qtpy.QtCore import Qt
from qtpy.QtGui import QKeySequence, QShortcut
from qtpy.QtWidgets import QHBoxLayout, QMenu, QPushButton, QTabWidget, QVBoxLayout

from kymflow_core.columns import table_title
from kymflow_zarr import ZarrDataset
from napari_kymflow.errors import OUR_ERRORS
from napari_kymflow.layers.echo_guard import EchoGuard
from napari_kymflow.session.selected_event import SelectedEvent
from napari_kymflow.session.table_filters import RowFilter
from napari_kymflow.session.why_not import (
    BUSY,
    NO_DATASET,
    NO_IMAGE,
    NO_RECORD,
    NOT_OURS,
    read_only,
    why_not_change,
    why_not_read,
)
from napari_kymflow.tables.row_place import place_of
from napari_kymflow.tables.views import DatasetViews, View, records_view, with_marks
from napari_kymflow.user.preferences import record_keys
from napari_kymflow.user.recent import note_recent
from napari_kymflow.widgets.dataset.actions import DatasetActions
from napari_kymflow.widgets.dataset.dropped_tiffs import take_tiff_drops
from napari_kymflow.widgets.dataset.folder_actions import ExchangeActions
from napari_kymflow.widgets.dataset.metadata_actions import MetadataActions
from napari_kymflow.widgets.dataset.open_menu import OpenMenu
from napari_kymflow.widgets.dataset.paper_actions import PaperActions
from napari_kymflow.widgets.dataset.refresh_after_save import RefreshAfterSave
from napari_kymflow.widgets.dataset.removal import RemovalActions
from napari_kymflow.widgets.dataset.start_panel import SampleActions, StartPanel
from napari_kymflow.widgets.dataset.step_buttons import add_step_buttons
from napari_kymflow.widgets.dataset.upgrade_actions import UpgradeActions
from napari_kymflow.widgets.table.panel import TablePanel
from napari_kymflow.widgets.window.binding import Connections, bind_for_life
from napari_kymflow.widgets.window.dock import Dock, push_button
from napari_kymflow.widgets.window.enabling import enable
from napari_kymflow.widgets.window.focus import order_tabs
from napari_kymflow.widgets.window.line_label import LineLabel
from napari_kymflow.widgets.window.task_bar import TaskBar

RECORDS = "Records"
_MARGINS = (6, 4, 6, 4)
_EMPTY = "The dataset has no record yet. Drop a folder of TIFF files onto the canvas, or click Import TIFFs…."
_LOOKING = "Looking …"
_NO_ROWS = (
    "This table has no rows yet.\nIf images were analysed, click Refresh; the list of records says what each one has."
)


class DatasetDock(Dock):
    """Shows the records and tables of the open dataset.

    Parameters
    ----------
    napari_viewer
        The viewer whose dataset is shown.
    """

    def __init__(self, napari_viewer: "napari.viewer.Viewer") -> None:
        super().__init__(napari_viewer)
        self._bar = TaskBar(self)
        self.do = DatasetActions(self, self._session, self._bar, self._show)
        self.exchange = ExchangeActions(self, self._session, self._bar, self.do)
        self.upgrade = UpgradeActions(self, self._session, self._bar, self.do)
        self._shown = DatasetViews()
        self._current: dict[str, View] = {}
        self.after_save = RefreshAfterSave(self, self._session, self._bar, self.do, lambda: self._shown)
        self._was_quick = True
        self._opening = EchoGuard()
        self._state = LineLabel(self)
        self.samples = SampleActions(self, self._session, self._bar, self.do)
        self._start = StartPanel(
            self,
            choose_and_import=self.exchange.choose_and_import,
            choose_and_open=self.do.choose_and_open,
            open_dataset=self.do.open_dataset,
            open_sample=self.samples.open,
        )
        self._tabs = QTabWidget(self)
        self._panels: dict[str, TablePanel] = {}
        records = self._add_panel(RECORDS, "records")
        self.metadata = MetadataActions(self, self._session, self._bar, self.do, self._chosen_ids)
        self.removal = RemovalActions(self, self._session, self._bar, self.do, self._chosen_ids)
        records.menu_asked.connect(self._on_menu_asked)
        records.delete_asked.connect(self.removal.ask)
        self.paper = PaperActions(self, self._session, self._bar)
        self._buttons = self._make_buttons()
        self._steps = add_step_buttons(self._tabs, self._on_previous, self._on_next)
        self._lay_out()
        self._bind()
        self._on_dataset_changed()

    @property
    def is_busy(self) -> bool:
        """Whether a worker is at work for the dock."""
        return self._bar.is_running or self.after_save.is_running

    def show_tab(self, name: str) -> None:
        """Bring the records or a table to the front."""
        self._tabs.setCurrentWidget(self._panels[name])

    def _attach(self) -> None:
        super()._attach()
        if self._window.main_window is not None:
            take_tiff_drops(self._window.main_window, self.exchange.offer)

    def _make_buttons(self) -> dict[str, QPushButton]:
        do, exchange = self.do, self.exchange
        buttons = {
            "open": push_button(self, "Open", "Open a dataset, or one of those that were open last"),
            "import": push_button(
                self,
                "Import TIFFs…",
                "Add the TIFFs of a folder, with their headers, ROIs and results",
                exchange.choose_and_import,
            ),
            "from folder": push_button(
                self,
                "New from folder",
                "Import the TIFFs that are new in this dataset's folder",
                exchange.refresh_from_folder,
            ),
            "refresh": push_button(
                self, "Refresh", "Bring all tables up to date: just the rows that are not fresh", do.refresh
            ),
            "more": push_button(
                self, "More", "Enter calibration and experiment, rebuild tables, plot, export, look for damage"
            ),
        }
        self._open_menu, self._more_menu = OpenMenu(self, do.choose_and_open, do.open_dataset), QMenu(self)
        self._more_menu.setToolTipsVisible(True)
        buttons["open"].setMenu(self._open_menu)
        buttons["more"].setMenu(self._more_menu)
        self.metadata.add_to(self._more_menu)
        self._more_menu.addSeparator()
        self.removal.add_to(self._more_menu)
        self._more_menu.addSeparator()
        self._update = self._action("Update this image", do.update_image)
        self._rebuild_one = self._action("Rebuild this table", self._on_rebuild_one)
        self._rebuild = self._action("Rebuild all tables", self._on_rebuild)
        self._more_menu.addSeparator()
        self.paper.add_to(self._more_menu)
        self._more_menu.addSeparator()
        self._export = self._action("Export dataset…", self.exchange.choose_and_export)
        self._export_image = self._action("Export this image as OME-Zarr…", self.exchange.choose_and_export_image)
        self._more_menu.addSeparator()
        self._verify = self._action("Verify…", do.verify)
        return buttons

    def _action(self, text: str, on_triggered: Callable[[], None]) -> Any:
        action = self._more_menu.addAction(text)
        action.triggered.connect(on_triggered)
        return action

    def _lay_out(self) -> None:
        top = QHBoxLayout()
        top.addWidget(self._state, stretch=1)
        for button in self._buttons.values():
            top.addWidget(button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(*_MARGINS)
        layout.setSpacing(4)
        layout.addLayout(top)
        layout.addWidget(self._start, stretch=1)
        layout.addWidget(self._tabs, stretch=1)
        layout.addWidget(self._bar)
        self.setMinimumHeight(220)

    def _bind(self) -> None:
        session = self._session
        connections: Connections = [
            (session.dataset_changed, self._on_dataset_changed),
            (session.record_changed, self._on_record_changed),
            (session.state_changed, self._on_state_changed),
            (session.selection_changed, self._on_selection_changed),
            (session.event_selected, self._on_event_selected),
            (session.saved, self.after_save.on_saved),
            (session.results_changed, self.do.show_newest),
        ]
        bind_for_life(self, connections)
        self._bar.running_changed.connect(self._show_state)
        self.after_save.running_changed.connect(self._show_state)
        self.metadata.edited.connect(self._on_metadata_edited)
        self._tabs.currentChanged.connect(self._on_tab_changed)
        for keys, step in zip(record_keys(), (self._on_previous, self._on_next), strict=True):
            if keys:
                QShortcut(QKeySequence(keys), self, activated=step, context=Qt.ShortcutContext.WindowShortcut)

    def _add_panel(self, name: str, layout_name: str) -> TablePanel:
        panel = self._panels[name] = TablePanel(layout_name, self)
        panel.set_empty_text(_EMPTY if name == RECORDS else _NO_ROWS)
        panel.unit = "record" if name == RECORDS else "row"
        panel.set_note("")
        panel.run_in_background = self._window.run
        panel.filtered.connect(partial(self._session.filters.note, name))
        self._session.filters.note(name, RowFilter())
        panel.row_activated.connect(self._on_record_activated if name == RECORDS else self._on_row_activated)
        self._tabs.addTab(panel, table_title(name))
        return panel

    def _on_dataset_changed(self) -> None:
        dataset = self._session.dataset
        self.do.shown = None
        if dataset is not None:
            note_recent(dataset.path)
            snapshot = self._session.snapshot
            self._show(DatasetViews(snapshot=snapshot, records=records_view(snapshot, [])))
            self.do.show_newest()
        self._show_state()

    def _show(self, shown: DatasetViews) -> None:
        """Show a snapshot of the dataset; tables behind the front one are filled when they come to the front."""
        self._shown = shown
        known = [one.table_name for one in self._session.found.indexers]
        names = [RECORDS, *dict.fromkeys([*known, *shown.snapshot.tables])]
        for name in [name for name in self._panels if name not in names]:
            panel = self._panels.pop(name)
            self._current.pop(name, None)
            self._tabs.removeTab(self._tabs.indexOf(panel))
            panel.deleteLater()
        for name in [name for name in names if name not in self._panels]:
            self._add_panel(name, name)
        order_tabs(self)
        for name, panel in self._panels.items():
            self._tabs.setTabText(self._tabs.indexOf(panel), self._title(name))
        self._fill_current()
        self._show_state()
        self._on_record_changed()

    def _chosen_ids(self) -> list[str]:
        """Return the ids of the records that are selected in the list; else that of the open record."""
        ids = self._panels[RECORDS].selected_ids if self._current_name() == RECORDS else []
        return ids or [one for one in [self._session.image_id] if one is not None]

    def _on_metadata_edited(self, image_ids: Sequence[str]) -> None:
        """Select the records again that were edited, for the next entry."""
        if image_ids and self._current_name() == RECORDS:
            self._panels[RECORDS].highlight({"image_id": image_ids})

    def _on_menu_asked(self, point: Any) -> None:
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.metadata.name_records()
        self.removal.name_records()
        for action in (self.metadata.calibration, self.metadata.experiment):
            menu.addAction(action)
        menu.addSeparator()
        menu.addAction(self.removal.remove)
        menu.popup(point)

    def _title(self, name: str) -> str:
        snapshot = self._shown.snapshot
        title = table_title(name)
        if name == RECORDS:
            return f"{title} ({len(snapshot.image_ids):,})" if self._session.dataset is not None else title
        if snapshot.is_quick:
            return title
        if name in snapshot.tables:
            return f"{title} ({len(snapshot.tables[name]):,})"
        if snapshot.is_too_long(name):
            return f"{title} ({snapshot.rows_of(name):,})"
        return f"{title} (damaged)" if name in snapshot.problems else f"{title} (not made yet)"

    def _fill_current(self) -> None:
        """Show in the front panel what it does not show yet."""
        name = self._current_name()
        panel = self._panels[name]
        if name == RECORDS:
            marked = self._marked_records()
        else:
            marked = self._shown.tables.get(name, View(frame=pd.DataFrame(), note=self._shown.snapshot.why_empty(name)))
        if self._current.get(name) is not marked:
            self._current[name] = marked
            fits = self._shown.snapshot.is_quick != self._was_quick
            self._was_quick = self._shown.snapshot.is_quick
            panel.set_frame(marked.frame, tooltips=marked.tooltips, note=marked.note, fits=fits)

    def _marked_records(self) -> View:
        ids = self._shown.snapshot.image_ids
        unsaved, kept = set(self._session.unsaved_ids), self._session.ids_with_kept_rois(ids)
        return with_marks(self._shown.records, unsaved=unsaved, kept=kept)

    def _current_name(self) -> str:
        current = self._tabs.currentWidget()
        return next((name for name, panel in self._panels.items() if panel is current), RECORDS)

    def _on_tab_changed(self, place: int) -> None:
        self._fill_current()
        self._show_state()
        self._on_record_changed()

    def _on_record_changed(self) -> None:
        """Mark the open record in the list, and its selected ROIs' rows in a table."""
        self._show_state()
        name = self._current_name()
        if self._opening or self._session.image_id is None:
            return
        if name == RECORDS:
            self._panels[name].highlight({"image_id": [self._session.image_id]})
        else:
            self._on_selection_changed()

    def _on_selection_changed(self) -> None:
        """Mark the rows of the ROIs that are selected on the canvas, or that of the selected event."""
        name, ids, event = self._current_name(), self._session.selected_roi_ids, self._session.event
        panel = self._panels[name]
        columns = panel.model.column_names
        if self._opening or name == RECORDS or "roi_id" not in columns:
            return
        wanted: dict[str, Sequence[object]] = {"image_id": [self._session.image_id]}
        if event is not None and event.image_id == self._session.image_id and "event_id" in columns:
            panel.highlight(wanted | {"roi_id": [event.roi_id], "event_id": [event.event_id], "kind": [event.kind]})
        elif ids:
            panel.highlight(wanted | {"roi_id": ids})

    def _on_event_selected(self, event: SelectedEvent | None) -> None:
        self._on_selection_changed()

    def _on_state_changed(self) -> None:
        if self._current_name() == RECORDS:
            self._fill_current()
        self._show_state()

    def _show_state(self, running_changed: object = None) -> None:
        session, dataset, running = self._session, self._session.dataset, self.is_busy
        reading, changing = why_not_read(session, is_busy=running), why_not_change(session, is_busy=running)
        no_record = "" if session.image_id is not None else NO_RECORD
        enable(self._buttons["import"], BUSY if running else read_only(session))
        for button in ("from folder", "refresh"):
            enable(self._buttons[button], changing)
        enable(self._buttons["more"], "" if dataset is not None else NO_DATASET)
        for step in self._steps:
            enable(step, "" if session.image_ids else NO_IMAGE)
        enable(self._update, changing or no_record)
        enable(self._rebuild, changing)
        name = self._current_name()
        is_ours = name in [indexer.table_name for indexer in session.found.indexers]
        self._rebuild_one.setText(f"Rebuild {table_title(name)}" if is_ours else "Rebuild this table")
        enable(self._rebuild_one, changing or ("" if is_ours else NOT_OURS))
        enable(self._export, reading)
        enable(self._export_image, reading or no_record)
        enable(self._verify, reading)
        self.metadata.follow(why_not=changing)
        self.paper.follow(why_not=reading, why_no_plots="" if dataset is not None else NO_DATASET)
        self.removal.follow(why_not=changing)
        self._start.follow(why_not=BUSY if running else "")
        is_looking = self._bar.is_running and self._shown.snapshot.is_quick
        for panel in [panel for other, panel in self._panels.items() if other != RECORDS]:
            panel.set_empty_text(_LOOKING if is_looking else _NO_ROWS)
        self._start.setVisible(dataset is None)
        self._tabs.setVisible(dataset is not None)
        self._state.setText("No dataset is open" if dataset is None else self._describe(dataset))
        self._state.setToolTip("" if dataset is None else f"{self._state.text()}<br>{escape(str(dataset.path))}")

    def _describe(self, dataset: ZarrDataset) -> str:
        unsaved = len(self._session.unsaved_ids)
        mark = f", <b>● {unsaved} with unsaved ROIs</b>" if unsaved else ""
        mark += "".join(f", <b>● unsaved ROIs in {escape(path.name)}</b>" for path in self._session.unsaved_elsewhere)
        said = f", {self._session.is_read_only}: read-only" if self._session.is_read_only else ""
        # In front as well, since a long line is cut off.
        return f"{'● ' if mark else ''}<b>{escape(dataset.path.name)}</b>{said}{mark}"

    def _on_record_activated(self, row: "pd.Series[Any]") -> None:
        if self._open(row):
            self._session.view.fit()

    def _on_row_activated(self, row: "pd.Series[Any]") -> None:
        if not self._open(row) or self._session.record is None:
            return
        with self._opening:
            self._session.go_to(place_of(row))

    def _open(self, row: "pd.Series[Any]") -> bool:
        """Open a row's record, and return whether it is shown now; the row stays the selected one."""
        try:
            with self._opening:
                is_open = self._session.open_record(str(row["image_id"]))
        except OUR_ERRORS as error:
            show_error(str(error))
            return False
        self._show_state()
        if not is_open:
            self._go_back()
        return is_open

    def _go_back(self) -> None:
        """Select the rows of the open record, and of its selected ROIs, again: the user would rather stay with it."""
        panel, ids = self._panels[self._current_name()], self._session.selected_roi_ids
        wanted: dict[str, Sequence[object]] = {"image_id": [self._session.image_id]}
        if ids and "roi_id" in panel.model.column_names:
            wanted["roi_id"] = ids
        panel.highlight(wanted)

    def _on_previous(self) -> None:
        self._step(-1)

    def _on_next(self) -> None:
        self._step(1)

    def _step(self, delta: int) -> None:
        """Open the record above or below the open one in the list, as it is sorted and filtered."""
        self.show_tab(RECORDS)
        panel = self._panels[RECORDS]
        if self._session.image_id is not None:
            panel.highlight({"image_id": [self._session.image_id]})
        panel.step(delta)

    def _on_rebuild(self) -> None:
        self.do.rebuild()

    def _on_rebuild_one(self) -> None:
        self.do.rebuild(self._current_name())
