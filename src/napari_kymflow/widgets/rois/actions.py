"""What the ROI dock's menus do beyond one click: ask, work, say what happened."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeAlias, TypeVar

from napari.utils.notifications import show_error, show_info, show_warning
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QColorDialog, QFileDialog, QMenu, QWidget

from kymflow_core.errors import KymflowError
from kymflow_core.roi import ROI
from kymflow_core.roi.bounds import NOWHERE, Bounds
from napari_kymflow.errors import OUR_ERRORS
from napari_kymflow.layers.shapes import color_of
from napari_kymflow.rois.copy_rois import copy_rois, records_of_shape
from napari_kymflow.rois.files import export_rois, import_imagej
from napari_kymflow.rois.revisions import RoiRevision, load_revisions
from napari_kymflow.rois.rows import local_text
from napari_kymflow.session.open_record import OpenRecord
from napari_kymflow.session.session import KymSession
from napari_kymflow.widgets.rois.dialogs import BoundsDialog, HistoryDialog, RecordsDialog
from napari_kymflow.widgets.window.binding import unless_gone
from napari_kymflow.widgets.window.dialog import agrees

_IMAGEJ = "ImageJ ROIs (*.zip *.roi)"
_GEOJSON = "GeoJSON (*.geojson)"
_MOST_SAID = 8
T = TypeVar("T")
Action: TypeAlias = Callable[[OpenRecord], object]

TOOLS = (
    ("Rectangle", "add_rectangle"),
    ("Ellipse", "add_ellipse"),
    ("Polygon", "add_polygon"),
    ("Free hand", "add_polygon_lasso"),
    ("Path", "add_path"),
    ("Line", "add_line"),
)


class RoiActions:
    """The actions of one ROI dock.

    Parameters
    ----------
    session
        The session.
    parent
        The dock: the parent of the dialogs.
    """

    def __init__(self, session: KymSession, parent: QWidget) -> None:
        self._session, self._parent = session, parent
        self._history: HistoryDialog | None = None

    def add_menu(self) -> QMenu:
        """Return the menu of everything that makes a new ROI."""
        menu = QMenu(self._parent)
        for text, mode in TOOLS:
            self._action(menu, f"Draw {text.lower()}", partial(self._draw, mode))
        menu.addSeparator()
        self._action(menu, "All time", self._add_full_height)
        self._action(menu, "All positions", self._add_full_width)
        self._action(menu, "By numbers…", self._add_by_numbers)
        menu.addSeparator()
        self._action(menu, "From ImageJ (.roi, .zip)…", self._import_imagej)
        self._action(menu, "From the active Labels layer", lambda record: record.masks.save_labels())
        return menu

    def more_menu(self) -> QMenu:
        """Return the menu of everything else."""
        menu = QMenu(self._parent)
        menu.setToolTipsVisible(True)
        self._action(menu, "Duplicate", _with_selected(lambda record, ids: record.editor.duplicate(ids)))
        self._action(menu, "Copy to other records…", _with_selected(self._copy_to_records))
        self._action(menu, "Colour…", _with_selected(self._choose_color))
        menu.addSeparator()
        self._action(menu, "Materialize masks of all rectangles", OpenRecord.materialize_masks)
        self._action(menu, "Paint masks as labels", lambda record: record.masks.open_labels())
        self._action(menu, "Save labels as ROIs", lambda record: record.masks.save_labels())
        menu.addSeparator()
        self._action(menu, "Export to ImageJ…", partial(self._export, _IMAGEJ, ".zip"))
        self._action(menu, "Export to GeoJSON…", partial(self._export, _GEOJSON, ".geojson"))
        menu.addSeparator()
        self._action(menu, "History…", self._show_history)
        return menu

    def do(self, action: Action, checked: object = None) -> None:
        """Do something with the open record, where there is one."""
        self._session.with_record(action)

    def _draw(self, mode: str, record: OpenRecord) -> None:
        """Let the user draw a shape of a kind on the canvas."""
        layer = record.sync.layer
        self._session.viewer.layers.selection.active = layer
        layer.visible = True
        layer.mode = mode

    def _add_full_height(self, record: OpenRecord) -> None:
        """Add a ROI of all lines, as wide as the selected ROI, else as the image."""
        self._add(record, self._selected_bounds(record)._replace(y0=0, y1=record.shape[0]))

    def _add_full_width(self, record: OpenRecord) -> None:
        """Add a ROI of all pixels, as high as the selected ROI, else as the lines that are in view."""
        around = self._selected_bounds(record, lines=self._session.view.visible_lines())
        self._add(record, around._replace(x0=0, x1=record.shape[1]))

    def _add_by_numbers(self, record: OpenRecord) -> None:
        """Ask for a rectangle by its lines and pixels, and add it."""
        around = self._selected_bounds(record, lines=self._session.view.visible_lines())
        dialog = BoundsDialog(record.shape, around, self._parent)
        if dialog.exec():
            self._add(record, dialog.bounds)

    def _choose_color(self, record: OpenRecord, ids: tuple[int, ...]) -> None:
        """Ask for a colour, and draw the selected ROIs in it."""
        before = QColor(color_of(record.rois.get(ids[0])))
        color = QColorDialog.getColor(before, self._parent, "Colour of the selected ROIs")
        if color.isValid():
            record.editor.set_color(ids, color.name())

    def _copy_to_records(self, record: OpenRecord, ids: tuple[int, ...]) -> None:
        """Ask for records of the same shape, and copy the selected ROIs to them."""
        path, shape, image_id = record.dataset.path, record.shape, record.image_id
        self._session.window.run(
            lambda: records_of_shape(path, shape, without=image_id),
            unless_gone(self._parent, partial(self._on_records_found, record, ids)),
        )

    def _import_imagej(self, record: OpenRecord) -> None:
        """Ask for a file of ImageJ's, and add its ROIs."""
        path, _ = QFileDialog.getOpenFileName(self._parent, "ROIs of ImageJ", "", _IMAGEJ)
        if path:
            self._session.window.run(
                lambda: _tried(lambda: import_imagej(Path(path), record.editor)),
                lambda found: self._on_imported(record, Path(path).name, found),
            )

    def _export(self, kind: str, ending: str, record: OpenRecord) -> None:
        """Ask for a file, and write the selected ROIs into it, or all where none is selected."""
        chosen, _ = QFileDialog.getSaveFileName(self._parent, "Export ROIs", f"{record.name}{ending}", kind)
        if not chosen:
            return
        path = Path(chosen) if Path(chosen).suffix else Path(chosen).with_suffix(ending)
        wanted = record.selection.ids or record.rois.ids
        count = f"{len(wanted)} ROI{'' if len(wanted) == 1 else 's'}"
        self._session.window.run(
            lambda: _tried(lambda: export_rois(path, record.editor, wanted)),
            lambda lost: show_error(lost) if isinstance(lost, str) else _say(f"{count} were written to {path.name}", lost),
        )

    def _show_history(self, record: OpenRecord) -> None:
        """List the record's earlier revisions."""
        path, image_id = record.dataset.path, record.image_id
        self._session.window.run(
            lambda: load_revisions(path, image_id), unless_gone(self._parent, partial(self._on_revisions_loaded, record))
        )

    def close_dialogs(self) -> None:
        """Close what belongs to a record that is no longer open."""
        if self._history is not None:
            self._history.close()

    def _on_imported(self, record: OpenRecord, name: str, found: tuple[tuple[ROI, ...], tuple[str, ...]] | str) -> None:
        if isinstance(found, str):
            show_error(found)
        elif self._session.record is not record:
            show_warning(f"Another record is open now, so the ROIs of {name} were not added.")
        else:
            rois, lost = found
            record.editor.add_rois(rois)
            _say(f"{len(rois)} ROI{'' if len(rois) == 1 else 's'} of {name} were added", lost)

    def _on_revisions_loaded(self, record: OpenRecord, revisions: list[RoiRevision] | str) -> None:
        if isinstance(revisions, str):
            show_error(revisions)
        elif not revisions:
            show_info("This record has no earlier revision: it was never saved here.")
        elif self._session.record is record:
            self._history = HistoryDialog(revisions, record.masks.show_revision, record.editor.restore, self._parent)
            self._history.finished.connect(partial(self._on_history_closed, record))
            self._history.show()

    def _on_history_closed(self, record: OpenRecord, result: int = 0) -> None:
        record.masks.end_revision()
        if self._history is not None:
            self._history.deleteLater()
            self._history = None

    def _on_records_found(self, record: OpenRecord, ids: tuple[int, ...], records: dict[str, str]) -> None:
        if not records:
            show_info("No other record of this dataset has the same number of lines and pixels.")
            return
        dialog = RecordsDialog(len(ids), records, self._parent)
        if not dialog.exec() or not dialog.chosen:
            return
        rois, chosen = [record.rois.get(roi_id) for roi_id in ids], dialog.chosen
        path, image_id = record.dataset.path, record.image_id
        self._session.window.run(
            lambda: copy_rois(path, image_id, rois, chosen), lambda failed: self._on_copied(chosen, records, failed)
        )

    def forget_kept(self, record: OpenRecord) -> None:
        """Ask whether to delete the unsaved ROIs of an earlier time, and do it."""
        if record.kept is None:
            return
        question = f"Delete the unsaved ROIs of {local_text(record.kept.kept_utc)}?"
        kept = f"They are kept on this computer only, and cannot be brought back. What is saved of {record.name} stays."
        if agrees(self._parent, "Forget kept ROIs", question, details=kept, button="Delete", deletes=True):
            record.drop_kept()

    def _on_copied(self, chosen: list[str], names: dict[str, str], failed: dict[str, str]) -> None:
        for image_id, reason in failed.items():
            show_error(f"Not copied to {names[image_id]}: {reason}")
        done = len(chosen) - len(failed)
        if done:
            show_info(f"The ROIs were copied to {done} record{'' if done == 1 else 's'}, and saved there.")
        for image_id in chosen:
            self._session.saved.emit(image_id)

    @staticmethod
    def _selected_bounds(record: OpenRecord, *, lines: tuple[int, int] | None = None) -> Bounds:
        height, width = record.shape
        selected = record.sync.selected_ids
        around = record.measured.bounds_of(record.rois.get(selected[0])) if selected else None
        start, stop = lines or (0, height)
        return Bounds(x0=0, x1=width, y0=start, y1=stop) if around in (None, NOWHERE) else around

    @staticmethod
    def _add(record: OpenRecord, bounds: Bounds) -> None:
        try:
            record.editor.add_rect(bounds)
        except KymflowError as error:
            show_error(str(error))

    def _action(self, menu: QMenu, text: str, action: Action) -> None:
        menu.addAction(text).triggered.connect(partial(self.do, action))


def _with_selected(action: Callable[[OpenRecord, tuple[int, ...]], None]) -> Action:
    """Return what does something with the selected ROIs, or says that none is."""

    def do(record: OpenRecord) -> None:
        if record.selection.ids:
            action(record, record.selection.ids)
        else:
            show_info("Select one or more ROIs first, in the list or on the canvas.")

    return do


def _tried(work: Callable[[], T]) -> T | str:
    """Return what work returns, or why it failed; safe in a worker."""
    try:
        return work()
    except (*OUR_ERRORS, OSError) as error:
        return str(error)


def _say(what: str, lost: tuple[str, ...]) -> None:
    if not lost:
        show_info(f"{what}; nothing was lost.")
        return
    shown = "\n".join(lost[:_MOST_SAID])
    more = f"\n… and {len(lost) - _MOST_SAID} more" if len(lost) > _MOST_SAID else ""
    show_warning(f"{what}. Not everything could be carried over:\n{shown}{more}")
