"""What the dataset dock does for a paper: the plots, the words of the methods, the script that makes the tables again."""

from functools import partial
from pathlib import Path

from napari.utils.notifications import show_error, show_info
from qtpy.QtCore import QObject
from qtpy.QtGui import QAction
from qtpy.QtWidgets import QFileDialog, QMenu, QWidget

from kymflow_zarr.disk.local_file import save_file
from napari_kymflow.session.session import KymSession
from napari_kymflow.tables.methods_work import MethodsText, gather_methods
from napari_kymflow.widgets.dataset.report_dialog import ReportDialog
from napari_kymflow.widgets.window.enabling import enable
from napari_kymflow.widgets.window.layout import PLOTS, PLUGIN
from napari_kymflow.widgets.window.task_bar import TaskBar

_HEADLINE = "For the methods of a paper: every number is counted in this dataset."
_SAVE = "Save script…"


class PaperActions(QObject):
    """The actions of one dock.

    Parameters
    ----------
    parent
        The dock: the parent of the dialogs.
    session
        The session whose dataset is described.
    bar
        Shows what runs.
    """

    def __init__(self, parent: QWidget, session: KymSession, bar: TaskBar) -> None:
        super().__init__(parent)
        self._parent, self._session, self._bar = parent, session, bar
        self.dialog: ReportDialog | None = None
        """The text that is shown; None where none is."""
        self.plots, self.methods = QAction("Plots", self), QAction("Methods text…", self)
        """The entries of the menu."""
        self.plots.triggered.connect(self.open_plots)
        self.methods.triggered.connect(self.write_methods)

    def add_to(self, menu: QMenu) -> None:
        """Put the entries into a menu."""
        menu.addAction(self.plots)
        menu.addAction(self.methods)

    def follow(self, *, why_not: str, why_no_plots: str) -> None:
        """Let the entries be chosen, or say why the methods cannot be counted, and no plots be shown, now."""
        enable(self.methods, why_not)
        enable(self.plots, why_no_plots)

    def open_plots(self) -> None:
        """Open the plots dock, or bring it to the front."""
        viewer = self._session.viewer
        dock, _ = viewer.window.add_plugin_dock_widget(PLUGIN, PLOTS)
        dock.show()
        dock.raise_()

    def write_methods(self) -> None:
        """Count in a worker, then show the paragraph."""
        path = self._session.path
        if path is not None:
            self._bar.run("Counting for the methods", partial(gather_methods, path), self._on_gathered, can_cancel=False)

    def _on_gathered(self, text: MethodsText) -> str:
        if self.dialog is not None:
            self.dialog.close()
        actions = {_SAVE: ("A script that makes the tables again from the raw files", partial(self.choose_and_save, text))}
        dialog = self.dialog = ReportDialog("Methods", _HEADLINE, text.paragraph, actions=actions, parent=self._parent)
        dialog.text = text.paragraph
        dialog.destroyed.connect(partial(self._on_dialog_gone, id(dialog)))
        dialog.show()
        return f"The methods of {text.path.name} are counted"

    def _on_dialog_gone(self, which: int, destroyed: object = None) -> None:
        if self.dialog is not None and id(self.dialog) == which:
            self.dialog = None

    def choose_and_save(self, text: MethodsText) -> None:
        """Ask for a file, and save the script there."""
        chosen, _ = QFileDialog.getSaveFileName(self._parent, "Save the script", "remake.py", "Python (*.py)")
        if not chosen:
            return
        try:
            save_file(Path(chosen), text.script.encode())
        except OSError as error:
            show_error(f"Not saved to {chosen}: {error}")
        else:
            show_info(f"Saved {chosen}. Its first lines say how to run it.")
