"""The ROI dock: the list of the active record's ROIs, in step with the shapes on the canvas."""

from functools import partial
from typing import Any

import napari
from qtpy.QtCore import QAbstractTableModel, QItemSelection, QItemSelectionModel, QModelIndex, Qt, QTimer
from qtpy.QtWidgets import QCheckBox, QGridLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from kymflow_core import RectROI
from kymflow_core.roi import ROI
from napari_kymflow._echo import EchoGuard
from napari_kymflow._session import KymSession, session_of
from napari_kymflow.widgets._binding import bind_for_life
from napari_kymflow.widgets._table_view import make_table_view

_COLUMNS = ("id", "name", "mask", "lines", "pixels", "time (s)", "space (µm)")
_NAME = _COLUMNS.index("name")
_NAME_WIDTH = 90
_WIDTH = 500
_EMPTY = "No record is open. Drop a dataset (a .zarr folder) onto the canvas, or click a record in the dataset dock."


class RoiModel(QAbstractTableModel):
    """The ROIs on screen, one a row; the name can be edited."""

    def __init__(self, session: KymSession) -> None:
        super().__init__()
        self._session = session
        self._rois: tuple[ROI, ...] = ()

    def refresh(self) -> None:
        """Show the session's ROIs as they are now."""
        rois = self._session.rois.rois
        if len(rois) == len(self._rois):
            self._rois = rois
            if rois:
                self.dataChanged.emit(self.index(0, 0), self.index(len(rois) - 1, len(_COLUMNS) - 1))
            return
        self.beginResetModel()
        self._rois = rois
        self.endResetModel()

    def roi_at(self, row: int) -> ROI:
        """Return the ROI in a row."""
        return self._rois[row]

    def rows_of(self, roi_ids: tuple[int, ...]) -> list[int]:
        """Return the rows of these ROIs."""
        return [row for row, roi in enumerate(self._rois) if roi.roi_id in roi_ids]

    def rowCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802  # Qt's name
        """Return the number of ROIs."""
        return 0 if parent is not None and parent.isValid() else len(self._rois)

    def columnCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802  # Qt's name
        """Return the number of columns."""
        return len(_COLUMNS)

    def headerData(  # noqa: N802  # Qt's name
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        """Return a column's name."""
        if role == Qt.ItemDataRole.DisplayRole and orientation == Qt.Orientation.Horizontal:
            return _COLUMNS[section]
        return None

    def flags(self, index: QModelIndex) -> Qt.ItemFlag:
        """Let names be edited."""
        flags: Qt.ItemFlag = super().flags(index)
        return flags | Qt.ItemFlag.ItemIsEditable if index.column() == _NAME else flags

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return the text or tooltip of a cell."""
        if not index.isValid():
            return None
        roi = self._rois[index.row()]
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.EditRole):
            return self._texts(roi)[index.column()]
        if role == Qt.ItemDataRole.ToolTipRole and roi.note:
            return roi.note
        return None

    def setData(self, index: QModelIndex, value: Any, role: int = Qt.ItemDataRole.EditRole) -> bool:  # noqa: N802
        """Rename a ROI."""
        if role != Qt.ItemDataRole.EditRole or index.column() != _NAME:
            return False
        self._session.rename_roi(self._rois[index.row()].roi_id, str(value).strip())
        return True

    def _texts(self, roi: ROI) -> tuple[str, ...]:
        if not isinstance(roi, RectROI):
            return (str(roi.roi_id), roi.name, "is a mask", "–", "–", "–", "–")
        tag = self._session.tag
        per_line, per_pixel = (tag.seconds_per_line, tag.um_per_pixel) if tag else (None, None)
        return (
            str(roi.roi_id),
            roi.name,
            self._session.mask_state(roi),
            f"{roi.y0} – {roi.y1}",
            f"{roi.x0} – {roi.x1}",
            f"{roi.y0 * per_line:.3f} – {roi.y1 * per_line:.3f}" if per_line else "unknown",
            f"{roi.x0 * per_pixel:.2f} – {roi.x1 * per_pixel:.2f}" if per_pixel else "unknown",
        )


class RoiDock(QWidget):
    """Lists the ROIs of the open record; select, rename, delete, save, materialize.

    Parameters
    ----------
    napari_viewer
        The viewer whose record is shown.
    """

    def __init__(self, napari_viewer: "napari.viewer.Viewer") -> None:
        super().__init__()
        self._viewer = napari_viewer
        self._session = session_of(napari_viewer)
        self._echo = EchoGuard()
        self._state = QLabel()
        self._state.setWordWrap(True)
        self._warning = QLabel()
        self._warning.setWordWrap(True)
        self._model = RoiModel(self._session)
        self._view = make_table_view(self._model, self, several=True)
        self._buttons = {
            "draw": self._button("Draw rectangle", "Drag a rectangle on the image", self._on_draw_clicked),
            "delete": self._button("Delete", "Delete the selected ROIs; saved with the next Save", self._on_delete_clicked),
            "save": self._button("Save", "Write the ROIs into the record", self._on_save_clicked),
            "masks": self._button(
                "Materialize masks", "Save, and write every rectangle as a mask of the whole image", self._on_masks_clicked
            ),
        }
        self._time_only = QCheckBox("Zoom time only", self)
        self._time_only.setToolTip(
            "Zooming keeps the height of the kymograph, so that streaks can be seen; off: both ways alike"
        )
        self._time_only.setChecked(self._session.view.zoom_time_only)
        # Until napari's own code for the release of the mouse has run, a changed layer would confuse it.
        self._session.later = partial(QTimer.singleShot, 0)
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
                (session.selection_changed, self._on_canvas_selection),
            ],
        )
        self._view.selectionModel().selectionChanged.connect(self._on_table_selection)
        self._time_only.toggled.connect(self._on_time_only_toggled)

    def _lay_out(self) -> None:
        layout = QVBoxLayout(self)
        layout.addWidget(self._state)
        layout.addWidget(self._view, stretch=1)
        layout.addWidget(self._warning)
        grid = QGridLayout()
        for position, button in enumerate(self._buttons.values()):
            grid.addWidget(button, position // 2, position % 2)
        layout.addLayout(grid)
        layout.addWidget(self._time_only)
        self.setMinimumWidth(_WIDTH)

    def _button(self, text: str, tip: str, on_clicked: Any) -> QPushButton:
        button = QPushButton(text, self)
        button.setToolTip(tip)
        button.clicked.connect(on_clicked)
        return button

    def _on_record_changed(self) -> None:
        self._on_rois_changed()
        self._view.resizeColumnsToContents()
        self._view.setColumnWidth(_NAME, max(_NAME_WIDTH, self._view.columnWidth(_NAME)))

    def _on_rois_changed(self) -> None:
        with self._echo:
            self._model.refresh()
        self._on_canvas_selection()
        self._show_state()

    def _show_state(self) -> None:
        image, sync = self._session.image, self._session.sync
        for name, button in self._buttons.items():
            button.setEnabled(image is not None and (name != "save" or self._session.is_unsaved))
        if image is None or sync is None:
            self._state.setText(_EMPTY)
            self._warning.hide()
            return
        count = f"{len(self._session.rois)} ROI{'' if len(self._session.rois) == 1 else 's'}"
        mark = "<b>● not saved</b>" if self._session.is_unsaved else "saved"
        calibration = (
            "" if image.header.is_calibrated else "<br>Calibration unknown: no header gave µm per pixel and s per line."
        )
        self._state.setText(f"<b>{image.name or self._session.image_id}</b>: {count}, {mark}{calibration}")
        self._warning.setVisible(bool(sync.refused))
        self._warning.setText(sync.refusal)

    def _on_table_selection(self, selected: QItemSelection | None = None, deselected: QItemSelection | None = None) -> None:
        if self._echo or self._session.sync is None:
            return
        with self._echo:
            self._session.sync.select(self._selected_ids())

    def _on_canvas_selection(self) -> None:
        if self._echo or self._session.sync is None:
            return
        with self._echo:
            selection = QItemSelection()
            for row in self._model.rows_of(self._session.sync.selected_ids):
                selection.select(self._model.index(row, 0), self._model.index(row, len(_COLUMNS) - 1))
            self._view.selectionModel().select(selection, QItemSelectionModel.SelectionFlag.ClearAndSelect)

    def _selected_ids(self) -> tuple[int, ...]:
        return tuple(
            self._model.roi_at(row).roi_id
            for span in self._view.selectionModel().selection()
            for row in range(span.top(), span.bottom() + 1)
        )

    def _on_draw_clicked(self) -> None:
        if self._session.sync is not None:
            self._viewer.layers.selection.active = self._session.sync.layer
            self._session.sync.layer.visible = True
            self._session.sync.layer.mode = "add_rectangle"

    def _on_delete_clicked(self) -> None:
        self._session.delete_rois(self._selected_ids())

    def _on_save_clicked(self) -> None:
        self._session.save_rois()

    def _on_masks_clicked(self) -> None:
        self._session.materialize_masks()

    def _on_time_only_toggled(self, checked: bool) -> None:
        self._session.view.zoom_time_only = checked
