"""What the ROI dock's menus do beyond one click: ask, work, say what happened."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from napari.utils.notifications import show_error, show_info, show_warning
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QColorDialog, QFileDialog, QMenu, QWidget

from kymflow_core.errors import KymflowError
from kymflow_core.roi import ROI
from kymflow_core.roi.bounds import NOWHERE, Bounds
from napari_kymflow.errors import OUR_ERRORS
from napari_kymflow.layers.shapes import color_of
from napari_kymflow.rois.copy_rois import copy_rois, records_of_shape
from napari_kymflow.rois.editor import RoiEditor
from napari_kymflow.rois.files import export_rois, import_imagej
from napari_kymflow.rois.revisions import RoiRevision, load_revisions
from napari_kymflow.session.session import KymSession
from napari_kymflow.widgets.rois.dialogs import BoundsDialog, HistoryDialog, RecordsDialog

_IMAGEJ = "ImageJ ROIs (*.zip *.roi)"
_GEOJSON = "GeoJSON (*.geojson)"
_MOST_SAID = 8
T = TypeVar("T")

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
        The dock, over which dialogs stand.
    """

    def __init__(self, session: KymSession, parent: QWidget) -> None:
        self._session, self._parent = session, parent
        self._history: HistoryDialog | None = None

    def add_menu(self) -> QMenu:
        """Return the menu of everything that makes a new ROI."""
        menu = QMenu(self._parent)
        for text, mode in TOOLS:
            self._action(menu, f"Draw {text.lower()}", partial(self.draw, mode))
        menu.addSeparator()
        self._action(menu, "Full height: all lines", self.add_full_height)
        self._action(menu, "Full width: all pixels", self.add_full_width)
        self._action(menu, "By numbers…", self.add_by_numbers)
        menu.addSeparator()
        self._action(menu, "From ImageJ (.roi, .zip)…", self.import_imagej)
        self._action(menu, "From the active Labels layer", self._session.masks.save_labels)
        return menu

    def more_menu(self) -> QMenu:
        """Return the menu of everything else."""
        menu = QMenu(self._parent)
        menu.setToolTipsVisible(True)
        self._action(menu, "Duplicate", lambda: self._with_selected(lambda editor, ids: editor.duplicate(ids)))
        self._action(menu, "Copy to other records…", self.copy_to_records)
        self._action(menu, "Colour…", self.choose_color)
        menu.addSeparator()
        self._action(menu, "Materialize masks of all rectangles", self._session.materialize_masks)
        self._action(menu, "Paint masks as labels", self._session.masks.open_labels)
        self._action(menu, "Save labels as ROIs", self._session.masks.save_labels)
        menu.addSeparator()
        self._action(menu, "Export to ImageJ…", lambda: self.export(_IMAGEJ, ".zip"))
        self._action(menu, "Export to GeoJSON…", lambda: self.export(_GEOJSON, ".geojson"))
        menu.addSeparator()
        self._action(menu, "History…", self.show_history)
        return menu

    def draw(self, mode: str) -> None:
        """Let the user draw a shape of a kind on the canvas."""
        if self._session.sync is not None:
            layer = self._session.sync.layer
            self._session.viewer.layers.selection.active = layer
            layer.visible = True
            layer.mode = mode

    def add_full_height(self) -> None:
        """Add a ROI of all lines, as wide as the selected ROI, else as the image."""
        editor = self._session.editor
        if editor is not None:
            around = self._selected_bounds(editor)
            self._add(editor, around._replace(y0=0, y1=editor.image.slice_shape[0]))

    def add_full_width(self) -> None:
        """Add a ROI of all pixels, as high as the selected ROI, else as the lines that are in view."""
        editor = self._session.editor
        if editor is not None:
            around = self._selected_bounds(editor, lines=self._session.view.visible_lines())
            self._add(editor, around._replace(x0=0, x1=editor.image.slice_shape[1]))

    def add_by_numbers(self) -> None:
        """Ask for a rectangle by its lines and pixels, and add it."""
        editor = self._session.editor
        if editor is None:
            return
        around = self._selected_bounds(editor, lines=self._session.view.visible_lines())
        dialog = BoundsDialog(editor.image.slice_shape, around, self._parent)
        if dialog.exec():
            self._add(editor, dialog.bounds)

    def choose_color(self) -> None:
        """Ask for a colour, and draw the selected ROIs in it."""

        def choose(editor: RoiEditor, ids: tuple[int, ...]) -> None:
            before = QColor(color_of(editor.rois.get(ids[0])))
            color = QColorDialog.getColor(before, self._parent, "Colour of the selected ROIs")
            if color.isValid():
                editor.set_color(ids, color.name())

        self._with_selected(choose)

    def copy_to_records(self) -> None:
        """Ask for records of the same shape, and copy the selected ROIs to them."""

        def choose(editor: RoiEditor, ids: tuple[int, ...]) -> None:
            path, shape, image_id = editor.dataset.path, editor.image.slice_shape, editor.image_id
            self._session.window.run(
                lambda: records_of_shape(path, shape, without=image_id),
                lambda records: self._on_records_found(editor, ids, records),
            )

        self._with_selected(choose)

    def import_imagej(self) -> None:
        """Ask for a file of ImageJ's, and add its ROIs."""
        editor = self._session.editor
        path, _ = QFileDialog.getOpenFileName(self._parent, "ROIs of ImageJ", "", _IMAGEJ)
        if not path or editor is None:
            return
        self._session.window.run(
            lambda: _tried(lambda: import_imagej(Path(path), editor)),
            lambda found: self._on_imported(editor, Path(path).name, found),
        )

    def export(self, kind: str, ending: str) -> None:
        """Ask for a file, and write the selected ROIs into it, or all where none is selected."""
        editor = self._session.editor
        if editor is None:
            return
        name = f"{editor.image.name or editor.image_id[:8]}{ending}"
        chosen, _ = QFileDialog.getSaveFileName(self._parent, "Export ROIs", name, kind)
        if not chosen:
            return
        path = Path(chosen) if Path(chosen).suffix else Path(chosen).with_suffix(ending)
        wanted = self._session.selected_roi_ids or editor.rois.ids
        count = f"{len(wanted)} ROI{'' if len(wanted) == 1 else 's'}"
        self._session.window.run(
            lambda: _tried(lambda: export_rois(path, editor, wanted)),
            lambda lost: show_error(lost) if isinstance(lost, str) else _say(f"{count} were written to {path.name}", lost),
        )

    def show_history(self) -> None:
        """List the record's earlier revisions."""
        editor = self._session.editor
        if editor is None:
            return
        path, image_id = editor.dataset.path, editor.image_id
        self._session.window.run(
            lambda: load_revisions(path, image_id), lambda revisions: self._on_revisions_loaded(editor, revisions)
        )

    def close_dialogs(self) -> None:
        """Close what belongs to a record that is no longer open."""
        if self._history is not None:
            self._history.close()

    def _on_imported(self, editor: RoiEditor, name: str, found: tuple[tuple[ROI, ...], tuple[str, ...]] | str) -> None:
        if isinstance(found, str):
            show_error(found)
        elif self._session.editor is not editor:
            show_warning(f"Another record was opened meanwhile, so the ROIs of {name} were not added.")
        else:
            rois, lost = found
            editor.add_rois(rois)
            _say(f"{len(rois)} ROI{'' if len(rois) == 1 else 's'} of {name} were added", lost)

    def _on_revisions_loaded(self, editor: RoiEditor, revisions: list[RoiRevision] | str) -> None:
        if isinstance(revisions, str):
            show_error(revisions)
        elif not revisions:
            show_info("This record has no earlier revision: it was never saved here.")
        elif self._session.editor is editor:
            self._history = HistoryDialog(revisions, self._session.masks.show_revision, editor.restore, self._parent)
            self._history.finished.connect(self._on_history_closed)
            self._history.show()

    def _on_history_closed(self, result: int = 0) -> None:
        self._session.masks.end_revision()
        if self._history is not None:
            self._history.deleteLater()
            self._history = None

    def _on_records_found(self, editor: RoiEditor, ids: tuple[int, ...], records: dict[str, str]) -> None:
        if not records:
            show_info("No other record of this dataset has the same number of lines and pixels.")
            return
        dialog = RecordsDialog(len(ids), records, self._parent)
        if not dialog.exec() or not dialog.chosen:
            return
        rois, chosen = [editor.rois.get(roi_id) for roi_id in ids], dialog.chosen
        path, image_id = editor.dataset.path, editor.image_id
        self._session.window.run(
            lambda: copy_rois(path, image_id, rois, chosen), lambda failed: self._on_copied(chosen, records, failed)
        )

    def _on_copied(self, chosen: list[str], names: dict[str, str], failed: dict[str, str]) -> None:
        for image_id, reason in failed.items():
            show_error(f"Not copied to {names[image_id]}: {reason}")
        done = len(chosen) - len(failed)
        if done:
            show_info(f"The ROIs were copied to {done} record{'' if done == 1 else 's'}, and saved there.")
        for image_id in chosen:
            self._session.saved.emit(image_id)

    def _selected_bounds(self, editor: RoiEditor, *, lines: tuple[int, int] | None = None) -> Bounds:
        height, width = editor.image.slice_shape
        selected = editor.sync.selected_ids
        around = editor.bounds_of(editor.rois.get(selected[0])) if selected else None
        start, stop = lines or (0, height)
        return Bounds(x0=0, x1=width, y0=start, y1=stop) if around in (None, NOWHERE) else around

    @staticmethod
    def _add(editor: RoiEditor, bounds: Bounds) -> None:
        try:
            editor.add_rect(bounds)
        except KymflowError as error:
            show_error(str(error))

    def _with_selected(self, action: Callable[[RoiEditor, tuple[int, ...]], None]) -> None:
        editor = self._session.editor
        ids = self._session.selected_roi_ids
        if editor is None or not ids:
            show_info("Select one or more ROIs first, in the list or on the canvas.")
            return
        action(editor, ids)

    @staticmethod
    def _action(menu: QMenu, text: str, do: Callable[[], Any]) -> None:
        menu.addAction(text).triggered.connect(lambda checked=False: do())


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
