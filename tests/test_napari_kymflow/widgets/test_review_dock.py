"""The review dock in a real window: keys, filters, blinded, and what is there after reopening."""

from itertools import chain

import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QDockWidget

from kymflow_core.reviews.event import ARTEFACT, TRUE_STALL, UNREVIEWED, VERDICTS
from kymflow_core.reviews.review import load_review
from napari_kymflow.session.session import session_of
from napari_kymflow.widgets.docks import open_docks
from napari_kymflow.widgets.review.review_dock import ReviewDock
from napari_kymflow.widgets.window.keys_help import KEYS, REVIEW
from napari_kymflow.widgets.window.layout import DATASET, FLOW, ROIS, name_of


@pytest.fixture
def viewer(make_napari_viewer):
    return make_napari_viewer(show=True)


@pytest.fixture
def dock(viewer, demo_path, qtbot):
    """The dock over the demo dataset, Ada at work."""
    session = session_of(viewer)
    session.open_dataset(demo_path)
    opened = ReviewDock(viewer)
    viewer.window.add_dock_widget(opened)
    qtbot.waitUntil(lambda: opened._model.rowCount() == 4)
    opened._name.setText("Ada")
    opened._name.editingFinished.emit()
    return opened


def press(dock, *keys):
    dock._view.setFocus()
    for key in keys:
        QTest.keyClick(dock._view, key)
    QApplication.processEvents()


def on_disk(viewer, one):
    review = load_review(session_of(viewer).dataset.record(one.image_id))
    return next(found.by("Ada").user_type for found in review.events if found.event == one.event)


@pytest.mark.everyday
def test_an_event_gets_its_verdict_by_key_and_the_next_one_is_shown(dock, viewer, qtbot):
    assert set(dock._view.actions_by_key) == set(chain.from_iterable(KEYS[REVIEW].values()))
    assert [KEYS[REVIEW][verdict] for verdict in VERDICTS] == [(str(key),) for key in range(1, 6)]
    press(dock, Qt.Key.Key_N, Qt.Key.Key_1, Qt.Key.Key_3)
    shown = dock.review.shown
    qtbot.waitUntil(lambda: dock._progress.text() == "2 of 4 reviewed")
    assert [on_disk(viewer, one) for one in shown] == [TRUE_STALL, ARTEFACT, UNREVIEWED, UNREVIEWED]
    assert dock._view.currentIndex().row() == 2
    assert session_of(viewer).image_id == shown[2].image_id
    dock._buttons["undo"].click()
    assert on_disk(viewer, shown[1]) == UNREVIEWED
    dock._blinded.setChecked(True)
    assert [dock._model.index(row, 0).data() for row in range(4)] == [f"event {place}" for place in range(1, 5)]


def test_columns_are_as_wide_as_their_texts_where_there_is_room(dock):
    view = dock._view
    dock.resize(700, 400)
    QApplication.processEvents()
    assert all(view.columnWidth(column) >= view.sizeHintForColumn(column) for column in range(4))
    press(dock, Qt.Key.Key_N)
    dock._note.setText("stuck")
    dock._note.returnPressed.emit()
    assert view.columnWidth(3) >= view.sizeHintForColumn(3)
    for width in (330, 360):
        dock.resize(width, 400)
        QApplication.processEvents()
        assert [view.columnWidth(column) for column in range(4)] == [92, 76, 72, 84]
    dock.resize(456, 400)
    QApplication.processEvents()
    assert view.horizontalScrollBar().maximum() == 0
    view.setColumnWidth(0, 50)
    dock.resize(700, 400)
    QApplication.processEvents()
    assert view.columnWidth(0) == 50


def test_blinded_leaves_the_trace_and_hides_the_docks_that_name_records(dock, viewer, qtbot):
    open_docks(viewer)
    docks = {name_of(one): one for one in dock.window().findChildren(QDockWidget)}
    qtbot.waitUntil(lambda: not any(docks[name].isHidden() for name in (DATASET, ROIS, FLOW)))
    dock._blinded.setChecked(True)
    assert [docks[name].isHidden() for name in (DATASET, ROIS, FLOW)] == [True, True, False]
    dock._blinded.setChecked(False)
    assert not any(docks[name].isHidden() for name in (DATASET, ROIS, FLOW))


def test_a_note_is_kept_and_no_letter_of_it_is_a_verdict(dock, viewer):
    press(dock, Qt.Key.Key_N)
    dock._note.setFocus()
    QTest.keyClicks(dock._note, "1 cell stuck")
    QTest.keyClick(dock._note, Qt.Key.Key_Return)
    assert dock._model.index(0, 3).data() == "unreviewed: 1 cell stuck"


def test_the_filter_leaves_what_is_to_do(dock):
    press(dock, Qt.Key.Key_N, Qt.Key.Key_1)
    dock._verdict.setCurrentText(UNREVIEWED)
    assert dock._model.rowCount() == 3


def test_after_the_name_is_entered_keys_are_verdicts_and_no_part_of_the_name(dock, viewer, qtbot):
    dock._name.setFocus()
    dock._name.clear()
    qtbot.keyClicks(dock._name, "Bob")
    for key in (Qt.Key.Key_Return, Qt.Key.Key_N, Qt.Key.Key_1):
        qtbot.keyClick(dock.window().focusWidget(), key)
    assert dock.review.reviewer == dock._name.text() == "Bob"
    assert dock.review.progress.startswith("1 of 4 reviewed")


def test_without_a_name_nothing_can_be_judged_and_it_says_why(dock):
    dock._name.setText("")
    dock._name.editingFinished.emit()
    press(dock, Qt.Key.Key_N)
    assert dock._reason.text() == "Enter your name: each verdict is stored with its reviewer."
    assert not any(button.isEnabled() for button in dock._verdict_buttons)
