"""What every dock owes to people who use the keyboard or a screen reader, and to those who wonder why a button is gray."""

import threading

import pytest
from pyqtgraph import GraphicsView
from qtpy.QtCore import Qt, QUrl
from qtpy.QtTest import QTest
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSlider,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QDialog,
    QDockWidget,
    QLineEdit,
    QMainWindow,
    QMenu,
    QPlainTextEdit,
    QPushButton,
    QScrollBar,
    QTableView,
    QTextEdit,
    QWidget,
)

from kymflow_core.roi.bounds import Bounds
from kymflow_zarr import ZarrDataset
from napari_kymflow.session.session import session_of
from napari_kymflow.tables.import_form import FolderFacts
from napari_kymflow.tables.metadata_form import load_form
from napari_kymflow.user.help_pages import find_page
from napari_kymflow.widgets.dataset.dataset_dock import DatasetDock
from napari_kymflow.widgets.dataset.import_dialog import ImportDialog
from napari_kymflow.widgets.dataset.import_offer import ImportOffer
from napari_kymflow.widgets.dataset.metadata_dialog import MetadataDialog
from napari_kymflow.widgets.dataset.report_dialog import ReportDialog
from napari_kymflow.widgets.dataset.upgrade_dialog import UpgradeDialog
from napari_kymflow.widgets.dataset.verify_dialog import VerifyDialog
from napari_kymflow.widgets.flow.flow_dock import FlowDock
from napari_kymflow.widgets.flow.settings_window import SettingsWindow
from napari_kymflow.widgets.plots.plots_dock import PlotsDock
from napari_kymflow.widgets.review.review_dock import ReviewDock
from napari_kymflow.widgets.rois.dialogs import BoundsDialog, HistoryDialog, RecordsDialog
from napari_kymflow.widgets.rois.roi_dock import RoiDock
from napari_kymflow.widgets.window.enabling import NOT_NOW
from napari_kymflow.widgets.window.focus import FocusFollower
from napari_kymflow.widgets.window.help import HelpWindow

DOCKS = (DatasetDock, RoiDock, FlowDock, ReviewDock, PlotsDock)
CONTROLS = (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSlider,
    QAbstractSpinBox,
    QComboBox,
    QLineEdit,
    QPlainTextEdit,
    QTextEdit,
)

WHOLE = (QAbstractSpinBox, QComboBox, QLineEdit, QTableView, GraphicsView)


def metadata_dialog(path, what):
    form = load_form(path, ZarrDataset(path, mode="r").list_image_ids())
    return MetadataDialog(form, what, run=lambda work, done: None, save=lambda form, edit: False)


DIALOGS = pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda path: BoundsDialog((9, 9), Bounds(x0=0, x1=5, y0=1, y1=2), None), id="a ROI by numbers"),
        pytest.param(lambda path: RecordsDialog(1, {"a": "one"}, None), id="copy to records"),
        pytest.param(lambda path: HistoryDialog([], print, print, None), id="history"),
        pytest.param(lambda path: ImportDialog(path, FolderFacts(channels=("a.tif",))), id="import"),
        pytest.param(lambda path: ImportOffer([path], None), id="offer"),
        pytest.param(UpgradeDialog, id="upgrade"),
        pytest.param(VerifyDialog, id="verify"),
        pytest.param(lambda path: ReportDialog("Import", "3 imported", "a.tif"), id="report"),
        pytest.param(lambda path: metadata_dialog(path, "Calibration"), id="calibration"),
        pytest.param(lambda path: metadata_dialog(path, "Experiment"), id="experiment"),
        pytest.param(lambda path: SettingsWindow(None), id="settings"),
        pytest.param(lambda path: HelpWindow(find_page(None)), id="help"),
    ],
)


@pytest.fixture(params=DOCKS, ids=lambda dock: dock.__name__)
def dock(request, viewer_model, qtbot):
    """Each dock, with nothing open."""
    opened = request.param(viewer_model)
    qtbot.addWidget(opened)
    return opened


def controls(widget):
    """All that can be clicked, typed into or moved, but what Qt makes of it inside."""
    for control in [one for one in widget.findChildren(QWidget) if isinstance(one, CONTROLS)]:
        if not isinstance(control, QScrollBar) and not is_inside(control):
            yield control


def is_inside(control):
    """Whether a control is a part that Qt makes of another one, or in the menu that pyqtgraph makes for a plot."""
    parent = control.parent()
    while parent is not None and not isinstance(parent, WHOLE):
        parent = parent.parent()
    return parent is not None


def name_of(control):
    return control.accessibleName() or (control.text() if isinstance(control, QAbstractButton) else "")


def reached_by_tab(widget):
    """The controls that Tab goes to, from what has the focus at first."""
    shown = [control for control in controls(widget) if control.isVisibleTo(widget)]
    start = widget.focusWidget() or widget
    reached, at = [], start if start in shown else start.nextInFocusChain()
    while at is not start or not reached:
        if at in shown and at.isEnabled() and Qt.FocusPolicy.TabFocus in at.focusPolicy():
            reached.append(at)
        at = at.nextInFocusChain()
    return reached


def place_in(widget, control):
    """Its row, and where it is in it."""
    centre = control.mapTo(widget, control.rect().center())
    return centre.y() // 12, centre.x()


def test_every_control_has_a_name(dock):
    nameless = [control for control in controls(dock) if not any(map(str.isalpha, name_of(control)))]
    assert [(type(control).__name__, control.toolTip(), type(control.parent()).__name__) for control in nameless] == []


@pytest.mark.slow
def test_tab_goes_through_the_rows_from_the_top(dock):
    dock.resize(900, 500)
    dock.show()
    places = [place_in(dock, one) for one in reached_by_tab(dock)]
    assert places == sorted(places)


@pytest.mark.slow
@DIALOGS
def test_a_dialog_begins_at_its_top_and_tab_goes_through_its_rows(make, demo_path, qtbot):
    dialog = make(demo_path)
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose, on=False)
    qtbot.addWidget(dialog)
    dialog.show()
    places = [place_in(dialog, one) for one in reached_by_tab(dialog)]
    assert places == sorted(places)


@pytest.mark.slow
@DIALOGS
def test_every_control_of_a_dialog_has_a_name(make, demo_path, qtbot):
    dialog = make(demo_path)
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose, on=False)
    qtbot.addWidget(dialog)
    nameless = [control for control in controls(dialog) if not any(map(str.isalpha, name_of(control)))]
    assert [(type(control).__name__, control.toolTip()) for control in nameless if control.isVisibleTo(dialog)] == []


@pytest.fixture(params=["nothing open", "nothing selected", "selected", "read-only", "busy"])
def state(request, viewer_model, demo_path, monkeypatch):
    """What there is, before a dock is made; whether it is to be at work."""
    session = session_of(viewer_model)
    if request.param == "read-only":
        monkeypatch.setattr(type(session), "is_read_only", "on a disk that cannot be written to")
    if request.param != "nothing open":
        session.open_dataset(demo_path)
    if request.param not in ("nothing open", "nothing selected"):
        session.open_record(session.image_ids[0])
        session.record.selection.select([1])
    return request.param


@pytest.mark.slow
@pytest.mark.parametrize("kind", DOCKS, ids=lambda dock: dock.__name__)
def test_what_cannot_be_used_says_why(kind, state, viewer_model, qtbot):
    dock, may_end = kind(viewer_model), threading.Event()
    qtbot.addWidget(dock)
    if state == "busy" and hasattr(dock, "_bar"):
        qtbot.waitUntil(lambda: not dock.is_busy)
        dock._bar.run("At work", lambda watch: may_end.wait(20), lambda result: "")
    entries = [entry for menu in dock.findChildren(QMenu) for entry in menu.actions() if not entry.isSeparator()]
    gray = [one for one in (*controls(dock), *entries) if not one.isEnabled()]
    silent = [(one.text(), one.toolTip()) for one in gray if NOT_NOW not in one.toolTip()]
    may_end.set()
    session = session_of(viewer_model)
    qtbot.waitUntil(lambda: not (session.window.is_busy or getattr(dock, "is_busy", False)))
    assert silent == []
    assert gray or state == "selected"


def test_what_has_the_focus_is_framed_in_our_docks_and_their_dialogs_alone(qtbot):
    window = QMainWindow()
    qtbot.addWidget(window)
    ours, other = QDockWidget("Kymograph ROIs", window), QDockWidget("histogram", window)
    button, dialog, foreign = QPushButton(ours), QDialog(ours), QPushButton(other)
    ours.setWidget(button)
    other.setWidget(foreign)
    in_dialog = QPushButton(dialog)
    follower = FocusFollower(window)
    framed = []
    for now in (button, foreign, in_dialog, None, button):
        QApplication.instance().focusChanged.emit(None, now)
        framed.append(follower.frame.parent() if follower.frame is not None else None)
    assert framed == [button, None, in_dialog, None, button]


def test_the_frame_is_drawn_in_its_colour(qtbot):
    window = QMainWindow()
    qtbot.addWidget(window)
    dock = QDockWidget("Kymograph ROIs", window)
    button, follower = QPushButton(dock), FocusFollower(window)
    button.resize(60, 30)
    QApplication.instance().focusChanged.emit(None, button)
    picture = follower.frame.grab().toImage()
    assert picture.pixelColor(picture.width() // 2, 1).name() == "#1f7ae0"
    assert picture.pixelColor(picture.width() // 2, picture.height() // 2).name() != "#1f7ae0"


def test_the_frame_ends_with_what_it_is_around(qtbot, until_gone):
    window = QMainWindow()
    qtbot.addWidget(window)
    dock = QDockWidget("Kymograph ROIs", window)
    button, follower = QPushButton(dock), FocusFollower(window)
    QApplication.instance().focusChanged.emit(None, button)
    with until_gone(dock):
        dock.deleteLater()
    assert follower.frame is None


@pytest.mark.slow
@pytest.mark.parametrize("how", ["button", "key"])
@pytest.mark.parametrize("kind", DOCKS, ids=lambda dock: dock.__name__)
def test_the_help_of_a_dock_is_its_page(kind, how, viewer_model, qtbot, monkeypatch):
    shown, place = [], "napari_kymflow.widgets.window.help"
    monkeypatch.setattr(f"{place}.find_page", lambda name: shown.append(name) or "https://x.org")
    monkeypatch.setattr(f"{place}.QDesktopServices.openUrl", lambda url: shown.append(url.host()))
    titled, dock = QDockWidget("Kymograph ROIs (Kymflow)"), kind(viewer_model)
    qtbot.addWidget(titled)
    titled.setWidget(dock)
    titled.show()
    if how == "key":
        QTest.keyClick(dock, Qt.Key.Key_F1)
    else:
        next(button for button in dock.findChildren(QPushButton) if button.text() == "?").click()
    assert shown == ["Kymograph ROIs", "x.org"]


def test_help_without_a_public_address_is_a_window_whose_links_work(qtbot):
    window = HelpWindow(find_page("Kymograph ROIs"))
    window.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose, on=False)
    qtbot.addWidget(window)
    assert window.page.toPlainText().startswith("Annotating: ROIs and masks")
    window.page.setSource(window.page.source().resolved(QUrl("review.md")))
    assert "verdict" in window.page.toPlainText()
    window.page.backward()
    assert window.page.toPlainText().startswith("Annotating: ROIs and masks")


def test_tab_leaves_a_table(dock):
    assert [view for view in dock.findChildren(QTableView) if view.tabKeyNavigation()] == []
