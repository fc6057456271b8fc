"""What the flow dock's buttons for measuring do: ask, save the ROIs, work, say what happened."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_error, show_warning
from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QMenu, QPushButton, QWidget

from kymflow_zarr.counted import counted
from napari_kymflow.errors import OUR_ERRORS
from napari_kymflow.flow.flow_view import FlowView
from napari_kymflow.flow.measuring import SCOPES, Measured, Scope, plan, why_not
from napari_kymflow.flow.state import FlowState
from napari_kymflow.session.why_not import BUSY
from napari_kymflow.widgets.dataset.report_dialog import ReportDialog
from napari_kymflow.widgets.window.enabling import enable
from napari_kymflow.widgets.window.task_bar import TaskBar

if TYPE_CHECKING:
    from napari_kymflow.widgets.flow.settings_window import SettingsWindow


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

    settings_changed = Signal(object)
    """The settings that the user chose; None for the defaults."""

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
        menu.addSeparator()
        self.live = menu.addAction("Live: follow while a ROI or a setting changes")
        self.live.setCheckable(True)
        self._settings_action = menu.addAction("Settings…")
        self._settings_action.triggered.connect(self.open_settings)
        self.button.setMenu(menu)
        self.settings_window: SettingsWindow | None = None
        """The form, once it was opened."""
        self.again = QPushButton("Measure again", parent)
        self.again.setToolTip("Save the ROIs, and measure those anew whose results do not hold any more")
        self.again.clicked.connect(self._on_again)
        self._again: tuple[int, ...] = ()
        self.report: ReportDialog | None = None
        """What could not be measured, as it was shown last."""

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

        self._settings_action.setText("Settings…" if self.settings is None else "Settings (changed)…")
        if self.settings_window is not None:
            why = "A measurement runs already." if running else ""
            self.settings_window.show_reasons({scope: why or why_not(self._flow, scope) for scope in SCOPES})

    def open_settings(self, checked: object = None) -> None:
        """Ask how velocities are measured from now on, until napari is closed."""
        # scipy is loaded only where a velocity is measured.
        from napari_kymflow.widgets.flow.settings_window import SettingsWindow

        if self.settings_window is None:
            self.settings_window = SettingsWindow(self._parent)
            self.settings_window.changed.connect(self._on_settings)
            self.settings_window.measure_asked.connect(self.run)
        self.show_state(self._flow.state)
        self.settings_window.show()
        self.settings_window.raise_()
        # A window manager may leave the keyboard in the main window.
        self.settings_window.activateWindow()

    def _on_settings(self, settings: Any) -> None:
        from kymflow_core.flow import VelocitySettings

        self.settings = None if settings == VelocitySettings() else settings
        self.show_state(self._flow.state)
        self.settings_changed.emit(self.settings)

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
            actions: dict[str, tuple[str, Callable[[], None]]] = {
                "Go to the first": ("Open the record, and go to the ROI", partial(self._go_to, *measured.failed[0])),
                "Try again": ("Measure once more what failed", partial(self._try_again, measured)),
            }
            self.report = ReportDialog(
                "Measured", measured.summary(), measured.details(), actions=actions, parent=self._parent
            )
            self.report.show()
        return ""

    def _go_to(self, image_id: str, roi_id: int | None) -> None:
        session = self._flow.session
        try:
            is_open = session.open_record(image_id)
        except OUR_ERRORS as error:
            show_error(str(error))
            return
        if is_open and roi_id is not None:
            session.with_record(lambda record: record.go_to(roi_id=roi_id))

    def _try_again(self, measured: Measured) -> None:
        image_ids, roi_ids = {image_id for image_id, _ in measured.failed}, [roi_id for _, roi_id in measured.failed]
        is_here = image_ids == {self._flow.session.image_id} and None not in roi_ids
        # Elsewhere, too, only what failed is measured: all else is fresh by now.
        self.run("roi" if is_here else "dataset", [roi_id for roi_id in roi_ids if roi_id is not None and is_here])

    def _on_chosen(self, scope: Scope, checked: object = None) -> None:
        self.run(scope)

    def _on_again(self, checked: object = None) -> None:
        self.run("roi", self._again)
