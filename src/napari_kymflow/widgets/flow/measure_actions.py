"""What the flow dock's buttons for measuring do: ask, save the ROIs, work, say what happened."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from napari.utils.notifications import show_error, show_warning
from qtpy.QtCore import QObject
from qtpy.QtWidgets import QMenu, QPushButton, QWidget

from kymflow_zarr.counted import counted
from napari_kymflow.flow.flow_view import FlowView
from napari_kymflow.flow.measuring import SCOPES, Measured, Scope, plan, why_not
from napari_kymflow.flow.state import FlowState
from napari_kymflow.session.why_not import BUSY
from napari_kymflow.widgets.dataset.report_dialog import ReportDialog
from napari_kymflow.widgets.window.enabling import enable
from napari_kymflow.widgets.window.task_bar import TaskBar


class MeasureActions(QObject):
    """Measures, with the settings that the user chose.

    Parameters
    ----------
    parent
        The dock: the parent of buttons and dialogs.
    flow
        What the dock shows.
    bar
        Shows what runs, and its result.
    """

    def __init__(self, parent: QWidget, flow: FlowView, bar: TaskBar) -> None:
        super().__init__(parent)
        self._parent, self._flow, self._bar = parent, flow, bar
        self.settings: Any = None
        """The settings that the user chose; None for the defaults."""
        self.button = QPushButton("Measure", parent)
        self.button.setToolTip("Measure the velocity of cells in ROIs")
        menu = QMenu(self.button)
        menu.setToolTipsVisible(True)
        self._actions = {scope: menu.addAction(text) for scope, text in SCOPES.items()}
        for scope, action in self._actions.items():
            action.triggered.connect(partial(self._on_chosen, scope))
        self.button.setMenu(menu)
        self.again = QPushButton("Measure again", parent)
        self.again.setToolTip("Save the ROIs, and measure those anew whose results do not hold any more")
        self.again.clicked.connect(self._on_again)
        self._again: tuple[int, ...] = ()

    def show_state(self, state: FlowState) -> None:
        """Let just those buttons work that can do something now."""
        running = self._bar.is_running
        enable(self.button, BUSY if running else "")
        for scope, action in self._actions.items():
            enable(action, why_not(self._flow, scope))
        self._again = state.again or state.offer
        can = bool(self._again) and not why_not(self._flow, "roi")
        self.again.setText("Measure again" if state.again else f"Measure {counted(len(self._again), 'ROI')}")
        self.again.setVisible(can)
        enable(self.again, BUSY if running else "")

    def run(self, scope: Scope, roi_ids: Sequence[int] = ()) -> None:
        """Save the open record's ROIs, and measure a scope."""
        reason = why_not(self._flow, scope)
        if reason or self._bar.is_running:
            show_warning(reason or "A measurement runs already: wait until it is done, or cancel it.")
            return
        record = self._flow.record
        # The ids may change while the ROIs are saved: another window may have made one of the same number.
        if record is None or not record.is_unsaved:
            self._start(scope, roi_ids)
        else:
            record.saving.save(lambda saved: self._on_saved(scope, roi_ids, saved=saved))

    def _on_saved(self, scope: Scope, roi_ids: Sequence[int], *, saved: bool) -> None:
        if saved:
            self._start(scope, roi_ids)
        else:
            show_error("Nothing was measured, as the ROIs could not be saved.")

    def _start(self, scope: Scope, roi_ids: Sequence[int]) -> None:
        # scipy is loaded only where a velocity is measured.
        from kymflow_core.flow import VelocitySettings

        if self._bar.is_running:
            return
        work = plan(self._flow, scope, self.settings or VelocitySettings(), roi_ids=roi_ids)
        self._bar.run("Measuring", work, self._on_done, lambda reason: self._flow.load())

    def _on_done(self, measured: Measured) -> str:
        self._flow.session.results_changed.emit()
        if not measured.failures and not measured.problem and not measured.is_cancelled:
            return measured.summary()
        self._bar.show_result(measured.summary(), "warning")
        if measured.failures:
            ReportDialog("Measured", measured.summary(), measured.details(), parent=self._parent).show()
        return ""

    def _on_chosen(self, scope: Scope, checked: object = None) -> None:
        self.run(scope)

    def _on_again(self, checked: object = None) -> None:
        self.run("roi", self._again)
