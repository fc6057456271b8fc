"""The dataset dock: the records and the tables of the open dataset; a click on a row goes there."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import napari
import pandas as pd
from napari.qt.threading import thread_worker
from napari.utils.notifications import show_error, show_info, show_warning
from qtpy.QtCore import QModelIndex, QTimer
from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QLabel, QPushButton, QTableView, QTabWidget, QVBoxLayout, QWidget

from kymflow_core import AcqImage
from kymflow_core.acquisition_file import read_acquisition_file
from kymflow_core.indexers import INDEXERS
from kymflow_zarr import ImportReport, ZarrDataset
from napari_kymflow._records import OUR_ERRORS
from napari_kymflow._session import session_of
from napari_kymflow.widgets._binding import bind_for_life
from napari_kymflow.widgets._frame_model import MISSING, FrameModel, as_text
from napari_kymflow.widgets._table_view import make_table_view
from napari_kymflow.widgets._window import attach_to_window, host_of

_RECORDS = "Records"
_EMPTY = "No dataset is open. Drop a .zarr folder onto the canvas, open one, or import a folder of TIFF files."


@dataclass(frozen=True, slots=True)
class Failure:
    """Why work in the background did not succeed."""

    reason: str


class DatasetDock(QWidget):
    """Shows the records and tables of the open dataset.

    Parameters
    ----------
    napari_viewer
        The viewer whose dataset is shown.
    """

    def __init__(self, napari_viewer: "napari.viewer.Viewer") -> None:
        super().__init__()
        self._session = session_of(napari_viewer)
        self._host = host_of(napari_viewer)
        self._running = ""
        self._when_done: Callable[[Any], None] = _nothing
        self._damaged = 0
        self._rows: list[dict[str, object]] = []
        self._marked: set[str] = set()
        self._state = QLabel(_EMPTY)
        self._state.setWordWrap(True)
        self._tabs = QTabWidget(self)
        self._views: dict[str, QTableView] = {}
        self._models: dict[str, FrameModel] = {}
        for name in (_RECORDS, *(indexer.table_name for indexer in INDEXERS)):
            self._add_tab(name)
        self._open = self._button("Open dataset…", "Open a .zarr folder", self._on_open_clicked)
        self._import = self._button(
            "Import TIFF folder…",
            "Add the TIFFs of a folder, with their headers, ROIs and results",
            self._on_import_clicked,
        )
        self._update = self._button(
            "Update this image", "Make the rows of the open image again from its results", self._on_update_clicked
        )
        self._rebuild = self._button("Rebuild tables", "Make all tables again from all results", self._on_rebuild_clicked)
        self._lay_out()
        self._bind()
        self._on_dataset_changed()
        QTimer.singleShot(0, self._attach)

    def _bind(self) -> None:
        session = self._session
        bind_for_life(
            self,
            [
                (session.dataset_changed, self._on_dataset_changed),
                (session.record_changed, self._on_record_changed),
                (session.state_changed, self._on_state_changed),
                (session.saved, self._on_saved),
                (session.tables_changed, self._on_dataset_changed),
            ],
        )

    def showEvent(self, event: Any) -> None:  # noqa: N802  # Qt's name
        """Attach to the window that the dock is shown in."""
        super().showEvent(event)
        self._attach()

    def _attach(self) -> None:
        attach_to_window(self._host, self)

    def show_tab(self, name: str) -> None:
        """Bring the records or a table to the front."""
        self._tabs.setCurrentWidget(self._views[name])

    def _add_tab(self, name: str) -> None:
        model = self._models[name] = FrameModel()
        view = self._views[name] = make_table_view(model, self)
        view.setSortingEnabled(True)
        view.horizontalHeader().setSortIndicator(-1, view.horizontalHeader().sortIndicatorOrder())
        view.clicked.connect(lambda index, name=name: self._on_row_clicked(name, index))
        view.activated.connect(lambda index, name=name: self._on_row_clicked(name, index))
        self._tabs.addTab(view, name)

    def _button(self, text: str, tip: str, on_clicked: Any) -> QPushButton:
        button = QPushButton(text, self)
        button.setToolTip(tip)
        button.clicked.connect(on_clicked)
        return button

    def _lay_out(self) -> None:
        layout = QVBoxLayout(self)
        top = QHBoxLayout()
        top.addWidget(self._state, stretch=1)
        for button in (self._open, self._import, self._update, self._rebuild):
            top.addWidget(button)
        layout.addLayout(top)
        layout.addWidget(self._tabs, stretch=1)
        self.setMinimumHeight(220)

    def _on_dataset_changed(self) -> None:
        images = self._show_records()
        for indexer in INDEXERS:
            try:
                table = self._session.load_table(indexer.table_name)
                rows = "not built" if table is None else f"{len(table)} rows"
            except OUR_ERRORS as error:
                table, rows = None, "damaged: rebuild it"
                show_error(str(error))
            self._show_frame(indexer.table_name, _named(table, images) if table is not None else pd.DataFrame())
            position = self._tabs.indexOf(self._views[indexer.table_name])
            self._tabs.setTabText(
                position, f"{indexer.table_name} ({rows})" if self._session.dataset else indexer.table_name
            )

    def _show_records(self) -> dict[str, AcqImage | str]:
        images = self._session.records()
        self._show_rows([_record_row(image_id, image) for image_id, image in images.items()])
        self._damaged = sum(isinstance(image, str) for image in images.values())
        self._on_record_changed()
        return images

    def _show_rows(self, rows: list[dict[str, object]]) -> None:
        self._rows = rows
        kept = self._session.ids_with_kept_rois(str(row["image_id"]) for row in rows)
        marks = [(row, _mark_of(str(row["image_id"]), self._marked, kept)) for row in rows]
        shown = [{**row, "state": f"{mark} {row['state']}".strip()} for row, mark in marks]
        self._show_frame(_RECORDS, pd.DataFrame(shown))
        place = self._models[_RECORDS].place_of("image_id", self._session.image_id)
        if place is not None:
            self._views[_RECORDS].selectRow(place)

    def _on_saved(self, image_id: str) -> None:
        """Show one record as it is saved now; the others are not read again."""
        dataset = self._session.dataset
        places = [place for place, row in enumerate(self._rows) if row["image_id"] == image_id]
        if dataset is None or not places:
            return
        try:
            row = _record_row(image_id, AcqImage(dataset.record(image_id)))
        except OUR_ERRORS as error:
            row = _record_row(image_id, str(error))
        if row != self._rows[places[0]]:
            self._show_rows([row if place == places[0] else old for place, old in enumerate(self._rows)])
        self._on_record_changed()

    def _show_frame(self, name: str, frame: pd.DataFrame) -> None:
        view, model = self._views[name], self._models[name]
        view.scrollToTop()
        model.set_frame(frame)
        for position, column in enumerate(frame.columns):
            view.setColumnHidden(position, column == "image_id")
        header = view.horizontalHeader()
        model.sort(header.sortIndicatorSection(), header.sortIndicatorOrder())
        view.resizeColumnsToContents()

    def _on_record_changed(self) -> None:
        place = self._models[_RECORDS].place_of("image_id", self._session.image_id)
        if place is not None:
            self._views[_RECORDS].selectRow(place)
        else:
            self._views[_RECORDS].clearSelection()
        self._show_state()

    def _on_state_changed(self) -> None:
        self._mark_unsaved()
        self._show_state()

    def _mark_unsaved(self) -> None:
        """Mark the records in the list that have unsaved ROIs."""
        unsaved = set(self._session.unsaved_ids)
        if unsaved != self._marked:
            self._marked = unsaved
            self._show_rows(self._rows)

    def _show_state(self) -> None:
        dataset = self._session.dataset
        running = bool(self._running)
        self._import.setEnabled(not running)
        writable = dataset is not None and not self._session.is_older and not running
        self._update.setEnabled(self._session.image is not None and writable)
        self._rebuild.setEnabled(writable)
        if running:
            self._state.setText(self._running)
            return
        if dataset is None:
            self._state.setText(_EMPTY)
            return
        count = self._models[_RECORDS].rowCount()
        unsaved = len(self._session.unsaved_ids)
        mark = f", <b>● {unsaved} with unsaved ROIs</b>" if unsaved else ""
        mark += "".join(f", <b>● unsaved ROIs in {path.name}</b>" for path in self._session.unsaved_elsewhere)
        records = f"{count} record{'' if count == 1 else 's'}"
        if self._damaged:
            records = f"{count - self._damaged} of {records} open; {self._damaged} damaged"
        if self._session.is_older:
            records += ", of the older program: only to look at"
        self._state.setText(f"<b>{dataset.path.name}</b>: {records}{mark}")
        self._state.setToolTip(str(dataset.path))

    def _on_row_clicked(self, name: str, index: QModelIndex) -> None:
        row = self._models[name].row_at(index.row())
        try:
            if not self._session.open_record(str(row["image_id"])):
                self._on_record_changed()
                return
        except OUR_ERRORS as error:
            show_error(str(error))
            return
        if name != _RECORDS:
            roi_id = row.get("roi_id")
            known = None if roi_id is None or pd.isna(roi_id) else int(roi_id)
            self._session.go_to(roi_id=known, seconds=_seconds_of(row), caption=_caption_of(row))
        else:
            self._session.view.fit()

    def _on_open_clicked(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Open a kymflow dataset (a folder whose name ends in .zarr)")
        if folder:
            self.open_dataset(Path(folder))

    def open_dataset(self, path: Path) -> None:
        """Open a dataset and its first record; show one message where that fails."""
        try:
            if not self._session.open_dataset(path):
                return
            first = next(iter(self._session.records()), None)
            if first is not None:
                self._session.open_record(first)
        except OUR_ERRORS as error:
            show_error(str(error))

    def _on_import_clicked(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Import the TIFF files of a folder and its subfolders")
        if not folder:
            return
        dataset = self._session.dataset
        target = str(dataset.path) if dataset else QFileDialog.getSaveFileName(self, "Name the new dataset", "lab.zarr")[0]
        if target:
            self.import_folder(Path(folder), Path(target))

    def import_folder(self, folder: Path, target: Path) -> None:
        """Import a folder in the background, rebuild the tables, and open the dataset."""

        def work() -> ImportReport:
            return ZarrDataset(target).import_folder(folder, read_file=read_acquisition_file)

        def done(report: ImportReport) -> None:
            for failure in report.failed:
                show_error(f"Not imported: {failure.path.name}: {failure.reason}")
            for file in report.imported:
                for note in file.notes:
                    show_warning(f"{file.path.name}: {note}")
            show_info(report.summary())
            self.open_dataset(target)
            self._on_rebuild_clicked()

        self._run(work, done, f"Importing {folder.name} …")

    def _on_update_clicked(self) -> None:
        image_id = self._session.image_id
        self._run(lambda: self._session.run_indexers(image_id), self._session.show_reports, "Updating …")

    def _on_rebuild_clicked(self) -> None:
        self._run(self._session.run_indexers, self._session.show_reports, "Rebuilding tables …")

    def _run(self, work: Callable[[], Any], done: Callable[[Any], None], text: str) -> None:
        """Work in the background; show one of our errors where it raises one."""

        def guarded() -> Any:
            # An exception that leaves a worker, even as its result, ends the process on PyQt6.
            try:
                return work()
            except (*OUR_ERRORS, OSError) as error:
                return Failure(str(error))

        self._running, self._when_done = text, done
        self._show_state()
        worker = thread_worker(guarded, progress=True)()
        # Methods, not closures: Qt disconnects them when the dock is destroyed.
        worker.returned.connect(self._on_work_returned)
        worker.errored.connect(self._on_work_failed)
        self.worker = worker
        worker.start()

    def _on_work_returned(self, result: Any) -> None:
        self._running = ""
        self._show_state()
        if isinstance(result, Failure):
            show_error(result.reason)
        else:
            self._when_done(result)

    def _on_work_failed(self, error: Exception) -> None:
        """End the work after an error that is not ours; napari shows it."""
        self._running = ""
        self._show_state()


def _nothing(result: Any) -> None:
    """Follow on work before there was any."""


def _record_row(image_id: str, image: AcqImage | str) -> dict[str, object]:
    if isinstance(image, str):
        return {"record": image_id[:8], "state": f"damaged: {image}", "image_id": image_id}
    header = image.header
    return {
        "record": image.name or image_id[:8],
        "acquired": _local_time(header.acquired_local_epoch_ns),
        "lines × pixels": " × ".join(map(str, header.shape)) or MISSING,
        "ms per line": header.seconds_per_line * 1000 if header.seconds_per_line else float("nan"),
        "µm per pixel": header.um_per_pixel if header.um_per_pixel else float("nan"),
        "ROIs": len(image.rois),
        "condition": image.experiment_metadata.get("condition") or MISSING,
        "state": "" if header.is_calibrated else "calibration unknown",
        "image_id": image_id,
    }


def _mark_of(image_id: str, unsaved: set[str], kept: set[str]) -> str:
    if image_id in unsaved:
        return "● not saved"
    return "● ROIs were kept, open it to take them up" if image_id in kept else ""


def _local_time(epoch_ns: int | None) -> str:
    if epoch_ns is None:
        return MISSING
    return datetime.fromtimestamp(epoch_ns / 10**9, tz=UTC).strftime("%Y-%m-%d %H:%M:%S")


def _named(table: pd.DataFrame, images: dict[str, AcqImage | str]) -> pd.DataFrame:
    """Put each row's record first, by name."""
    names = {image_id: image.name for image_id, image in images.items() if isinstance(image, AcqImage) and image.name}
    shown = table.copy()
    shown.insert(0, "record", [names.get(image_id, image_id[:8]) for image_id in table["image_id"]])
    return shown


def _caption_of(row: "pd.Series[Any]") -> str:
    """Return what is written on the canvas for an event, such as "event 4: baseline_drop at 20.5 s"; empty for others."""
    if "event_id" not in row or _seconds_of(row) is None:
        return ""
    return f"event {row['event_id']}: {row.get('kind', '')} at {as_text(row['t0_s'])} s"


def _seconds_of(row: "pd.Series[Any]") -> tuple[float, float] | None:
    start, stop = row.get("t0_s"), row.get("t1_s")
    if start is None or pd.isna(start):
        return None
    return float(start), float(start) if stop is None or pd.isna(stop) else float(stop)
