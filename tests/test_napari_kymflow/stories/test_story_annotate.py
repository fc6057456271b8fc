"""Annotating through the real viewer: mouse, keys, docks and dialogs; what the canvas, the dock and the disk have then."""

from itertools import pairwise

import numpy as np
import pytest
from napari.utils.notifications import notification_manager
from qtpy.QtCore import Qt
from qtpy.QtGui import QColor
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QColorDialog, QLineEdit, QMessageBox
from test_story import bounds, canvas_point, dock, drag, drop, settle, trigger

from kymflow_core import AcqImage
from kymflow_zarr import ZarrDataset
from napari_kymflow.layers.tags import tag_of
from napari_kymflow.rois.columns import COLUMNS
from napari_kymflow.session.session import session_of
from napari_kymflow.user.preferences import set_autosaves
from napari_kymflow.widgets.docks import open_docks
from napari_kymflow.widgets.rois.dialogs import BoundsDialog, RecordsDialog

pytestmark = [pytest.mark.opengl, pytest.mark.story]

NAMES = ("demo steady flow", "demo stall", "demo reversal")
LEFT, CONTROL = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.ControlModifier
SHIFT, NONE = Qt.KeyboardModifier.ShiftModifier, Qt.KeyboardModifier.NoModifier


def column_place(name):
    return [column.name for column in COLUMNS].index(name)


class Window:
    """One viewer with a dataset dropped onto it, and what a person does in it."""

    def __init__(self, viewer, path):
        self.viewer = viewer
        viewer.window.resize(1250, 700)
        if (path / "zarr.json").is_file():
            drop(viewer, path / "zarr.json")
        else:
            open_docks(viewer)
            dock(viewer, "Kymograph dataset").do.open_dataset(path)
        self.path = path
        self.session = session_of(viewer)
        self.rois_dock, self.records_dock = dock(viewer, "Kymograph ROIs"), dock(viewer, "Kymograph dataset")
        self.table = self.rois_dock._view

    @property
    def rois(self):
        return self.session.record.rois

    @property
    def layer(self):
        return self.session.record.sync.layer

    @property
    def canvas(self):
        return self.viewer.window._qt_viewer.canvas.native

    @property
    def stored(self):
        """The open record's ROIs as they are on the disk."""
        return AcqImage.from_zarr(self.path, self.session.image_id).rois

    @property
    def is_open(self):
        return self.viewer.window._qt_window.isVisible()

    def at(self, line, pixel):
        return canvas_point(self.viewer, line, pixel)

    def draw(self, y0, y1, x0, x1):
        """Draw a rectangle, and return its id."""
        before = set(self.rois.ids)
        trigger(self.rois_dock._add, "Draw rectangle")
        drag(self.viewer, self.at(y0, x0), self.at(y1, x1))
        self.layer.mode = "select"
        (new,) = set(self.rois.ids) - before
        return new

    def move(self, roi_id, lines):
        """Drag the shape of a ROI, by a place where no other is in front, along time."""
        roi = self.rois.get(roi_id)
        start = ((roi.y0 + roi.y1) / 2, roi.x1 - 3)
        self.layer.mode = "select"
        drag(self.viewer, self.at(*start), self.at(start[0] + lines, start[1]))

    def click_canvas(self, line, pixel):
        self.layer.mode = "select"
        QTest.mouseMove(self.canvas, self.at(line, pixel))
        settle()
        QTest.mouseClick(self.canvas, LEFT, NONE, self.at(line, pixel))
        settle()

    def key(self, key, modifiers=CONTROL):
        QTest.keyClick(self.canvas, key, modifiers)
        settle()

    def undo(self):
        self.key(Qt.Key.Key_Z)

    def redo(self):
        self.key(Qt.Key.Key_Z, CONTROL | SHIFT)

    def click(self, name):
        button = self.rois_dock._buttons[name]
        assert button.isEnabled()
        QTest.mouseClick(button, LEFT)
        settle()

    def save(self, qtbot):
        self.click("save")
        qtbot.waitUntil(lambda: not self.session.record.is_unsaved and not self.session.record.saving.is_saving)

    def row(self, roi_id):
        (row,) = self.rois_dock._model.rows_of([roi_id])
        return row

    def click_row(self, roi_id, modifiers=NONE):
        index = self.rois_dock._model.index(self.row(roi_id), column_place("kind"))
        self.table.scrollTo(index)
        QTest.mouseClick(self.table.viewport(), LEFT, modifiers, self.table.visualRect(index).center())
        settle()

    def cell(self, roi_id, column):
        return self.rois_dock._model.index(self.row(roi_id), column_place(column)).data()

    def type_into(self, roi_id, column, text):
        """Open a cell's editor, type over what is there, and press Return."""
        index = self.rois_dock._model.index(self.row(roi_id), column_place(column))
        self.table.setCurrentIndex(index)
        self.table.edit(index)
        settle()
        editor = self.table.indexWidget(index) or self.table.viewport().findChild(QLineEdit)
        assert isinstance(editor, QLineEdit)
        editor.selectAll()
        QTest.keyClicks(editor, text)
        QTest.keyClick(editor, Qt.Key.Key_Return)
        settle()

    def open(self, name):
        """Click a record's row in the dataset dock."""
        view = self.records_dock._panels["Records"].view
        model = view.model()
        row = next(row for row in range(model.rowCount()) if model.index(row, 0).data() == name)
        QTest.mouseClick(view.viewport(), LEFT, NONE, view.visualRect(model.index(row, 0)).center())
        settle()

    def close(self):
        """Close the window by its own button; what napari deletes then is left for the fixture to delete."""
        window = self.viewer.window._qt_window
        window.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose, on=False)
        window.close()
        settle()


@pytest.fixture
def open_window(make_napari_viewer):
    return lambda path: Window(make_napari_viewer(show=True), path)


@pytest.fixture
def window(open_window, demo_path, qtbot):
    """The demo's first record: ROI 1 is around ROI 2; what was computed for them is known."""
    opened = open_window(demo_path)
    qtbot.waitUntil(lambda: opened.session.record.saving.results is not None)
    return opened


def image_of(path, name):
    images = map(AcqImage, ZarrDataset(path).iter_records())
    return next(image for image in images if image.name == name)


def messages():
    return [str(record.message) for record in notification_manager.records]


def is_said(text):
    return any(text in message for message in messages())


# One layer, bound by its tag.


def test_a_layer_that_was_renamed_and_reordered_keeps_its_rois_ids(window):
    before = window.rois
    window.layer.name = "my cells"
    window.viewer.layers.move(window.viewer.layers.index(window.layer), 1)
    window.viewer.layers.selection.active = window.layer
    window.move(2, 500)
    assert window.rois.ids == (1, 2)
    assert window.rois.get(2).y0 == pytest.approx(before.get(2).y0 + 500, abs=20)
    assert window.rois.get(2).name == before.get(2).name
    assert window.rois.get(1) == before.get(1)


def test_a_pasted_roi_is_a_new_one_and_the_copied_one_stays(window, qtbot):
    before = window.rois
    window.click_canvas(1500, 48)
    assert window.session.record.selection.ids == (2,)
    window.key(Qt.Key.Key_C)
    window.key(Qt.Key.Key_V)
    assert window.rois.ids == (1, 2, 3)
    assert window.rois.rois[:2] == before.rois
    window.save(qtbot)
    assert window.stored.ids == (1, 2, 3)


def test_a_vertex_drag_makes_a_mask_of_the_same_id_and_undo_a_rectangle_again(window, qtbot):
    old = window.rois.get(2)
    window.layer.mode = "direct"
    window.session.record.sync.select([2])
    settle()
    drag(window.viewer, window.at(2999.5, 59.5), window.at(4000, 70))
    turned = window.rois.get(2)
    assert (turned.roi_type, turned.name) == ("mask", old.name)
    assert window.cell(2, "kind") == "polygon"
    window.undo()
    assert window.rois.get(2) == old
    assert window.cell(2, "kind") == "rectangle"
    assert not window.session.record.is_unsaved


def test_ids_stay_when_a_record_is_opened_again_and_a_deleted_id_is_not_used_again(window, qtbot):
    drawn = window.draw(3500, 4500, 20, 40)
    window.click_row(2)
    window.click("delete")
    window.save(qtbot)
    before = window.rois
    window.open("demo stall")
    window.open("demo steady flow")
    assert window.rois == before
    assert window.rois.ids == (1, drawn)
    assert window.draw(4600, 5200, 20, 40) == drawn + 1


# The dock.


@pytest.fixture
def painted_path(demo_path):
    """The demo with a painted mask, ROI 3, in its first record."""
    inside = np.zeros((6000, 96), bool)
    inside[4000:4500, 20:30] = True
    image_of(demo_path, NAMES[0]).add_mask_roi(inside, name="painted")
    return demo_path


def test_rows_and_shapes_are_selected_together_and_a_painted_mask_in_its_row_only(open_window, painted_path):
    window = open_window(painted_path)
    window.click_row(2)
    assert window.session.record.sync.selected_ids == (2,)
    window.click_row(3)
    assert (window.session.record.sync.selected_ids, window.session.record.selection.ids) == ((), (3,))
    assert window.rois_dock._selected_ids() == (3,)
    window.click_row(1)
    assert window.session.record.selection.ids == (1,)
    window.click_canvas(1500, 48)
    assert (window.rois_dock._selected_ids(), window.session.record.selection.ids) == ((2,), (2,))


def test_a_name_a_note_and_bounds_are_typed_into_the_table_and_saved(window, qtbot):
    window.type_into(2, "name", "arteriole")
    window.type_into(2, "note", "out of focus")
    window.type_into(2, "lines", "100-2100")
    window.type_into(2, "pixels", "30-50")
    assert window.layer.features["label"].tolist()[1] == "arteriole"
    vertices = window.layer.data[1] / (1.0, window.session.record.tag.stretch)
    np.testing.assert_allclose([vertices.min(axis=0), vertices.max(axis=0)], [(99.5, 29.5), (2099.5, 49.5)], atol=1e-3)
    window.save(qtbot)
    roi = window.stored.get(2)
    assert (roi.name, roi.note) == ("arteriole", "out of focus")
    assert bounds([roi]) == {2: (30, 50, 100, 2100)}


def test_a_filter_bounds_that_are_none_and_a_click_change_nothing_and_a_drag_draws_a_roi(window):
    QTest.keyClicks(window.rois_dock._filter, "centre rect")
    assert [window.rois_dock._model.roi_at(row).roi_id for row in range(window.rois_dock._model.rowCount())] == [2]
    assert window.rois.ids == (1, 2)
    window.click_row(2)
    assert window.session.record.sync.selected_ids == (2,)
    window.rois_dock._filter.clear()
    assert window.rois_dock._model.rowCount() == 2
    before = window.rois
    for text, why in (("all of it", "is no range"), ("200-100", "y0 must be at least 0 and below y1"), ("0-6001", "6000")):
        said = len(messages())
        window.type_into(2, "lines", text)
        assert window.rois == before
        assert window.cell(2, "lines") == "0 – 3000"
        assert [str(record.severity) for record in notification_manager.records[said:]] == ["error"]
        assert why in messages()[-1]
    trigger(window.rois_dock._add, "Draw rectangle")
    QTest.mouseClick(window.canvas, LEFT, NONE, window.at(1500, 20))
    settle()
    assert (window.layer.nshapes, window.rois.ids) == (2, (1, 2))
    assert window.draw(3500, 4500, 20, 60) == 3
    assert window.layer.nshapes == 3


def test_full_height_full_width_and_typed_in_rois(window, monkeypatch):
    window.click_row(2)
    trigger(window.rois_dock._add, "All time")
    assert bounds(window.rois)[3] == (36, 60, 0, 6000)
    window.click_row(2)
    trigger(window.rois_dock._add, "All positions")
    assert bounds(window.rois)[4] == (0, 96, 0, 3000)

    def typed(dialog):
        for name, value in {"first_line": 7, "end_line": 9, "first_pixel": 1, "end_pixel": 4}.items():
            dialog.form[name].value = value
        return True

    monkeypatch.setattr(BoundsDialog, "exec", typed)
    trigger(window.rois_dock._add, "By numbers…")
    assert bounds(window.rois)[5] == (1, 4, 7, 9)
    assert window.session.record.selection.ids == (5,)


def test_a_duplicate_is_a_new_roi_at_the_same_place_and_deleting_takes_it_away(window):
    window.click_row(2)
    trigger(window.rois_dock._more, "Duplicate")
    assert bounds(window.rois)[3] == bounds(window.rois)[2]
    assert window.rois.get(3).name == "centre, first half copy"
    assert window.session.record.selection.ids == (3,)
    window.click("delete")
    assert window.rois.ids == (1, 2)
    assert not window.session.record.is_unsaved


def test_rois_are_copied_to_another_record_and_saved_there(window, demo_path, monkeypatch, qtbot):
    def choose(dialog):
        names = [dialog._list.item(row).text() for row in range(dialog._list.count())]
        assert names == ["demo reversal", "demo stall"]
        dialog._list.item(1).setSelected(True)
        return True

    monkeypatch.setattr(RecordsDialog, "exec", choose)
    before = image_of(demo_path, "demo stall").rois
    window.click_row(2)
    trigger(window.rois_dock._more, "Copy to other records…")
    qtbot.waitUntil(lambda: is_said("copied to 1 record"))
    after = image_of(demo_path, "demo stall").rois
    assert after.rois[: len(before)] == before.rois
    assert bounds(list(after)[len(before) :]) == {before.next_id: (36, 60, 0, 3000)}
    assert image_of(demo_path, "demo reversal").rois.ids == (1, 2)


def test_a_colour_is_drawn_saved_and_there_again(window, monkeypatch, qtbot):
    monkeypatch.setattr(QColorDialog, "getColor", lambda *args: QColor("#00ff80"))
    window.click_row(2)
    trigger(window.rois_dock._more, "Colour…")
    np.testing.assert_allclose(window.layer.edge_color[1], (0, 1, 128 / 255, 1), atol=0.01)
    window.save(qtbot)
    window.open("demo stall")
    window.open("demo steady flow")
    np.testing.assert_allclose(window.layer.edge_color[1], (0, 1, 128 / 255, 1), atol=0.01)
    assert window.layer.edge_color[0][2] < 0.1


def test_an_empty_dock_and_a_record_without_rois_say_what_to_do(window):
    window.session.record.selection.select([1, 2])
    window.click("delete")
    assert "Click <b>Add ROI</b>, and drag on the image" in window.rois_dock._warning.text()
    window.session.close_record()
    assert "Drop a dataset (a .zarr folder) onto the canvas" in window.rois_dock._warning.text()
    assert not any(button.isEnabled() for button in (*window.rois_dock._buttons.values(), window.rois_dock._add))


def test_a_folder_that_cannot_be_written_to_is_only_to_look_at(open_window, demo_path, monkeypatch, qtbot):
    monkeypatch.setattr("napari_kymflow.session.session.is_writable", lambda path: False)
    window = open_window(demo_path)
    assert "2 ROIs, read-only" in window.rois_dock._state.text()
    assert "Read-only" in window.rois_dock._warning.text()
    assert "copy it to a folder that you may write to" in window.rois_dock._warning.text()
    assert not any(button.isEnabled() for button in (*window.rois_dock._buttons.values(), window.rois_dock._add))
    index = window.rois_dock._model.index(0, column_place("name"))
    assert not window.rois_dock._model.flags(index) & Qt.ItemFlag.ItemIsEditable
    ways = {
        "Delete key": lambda: window.key(Qt.Key.Key_Delete, NONE),
        "duplicate": lambda: trigger(window.rois_dock._more, "Duplicate"),
        "paste": lambda: (window.key(Qt.Key.Key_C), window.key(Qt.Key.Key_V)),
    }
    for way, edit in ways.items():
        window.viewer.layers.selection.active = window.layer
        window.click_row(2)
        edit()
        assert (window.rois.ids, window.session.record.is_unsaved) == ((1, 2), False), way
    trigger(window.rois_dock._more, "Materialize masks of all rectangles")
    qtbot.wait(300)
    assert len(image_of(demo_path, "demo steady flow").list_mask_names()) == 1


# Saved or not.


def test_with_autosave_a_drawn_roi_is_in_the_record_soon_without_a_click(window, qtbot):
    set_autosaves(value=True)
    drawn = window.draw(3500, 4500, 20, 40)
    qtbot.waitUntil(lambda: drawn in window.stored)
    qtbot.waitUntil(lambda: window.rois_dock._state.text().endswith("3 ROIs, saved"))


def test_what_is_preferred_elsewhere_is_seen_in_the_dock(window):
    for value in (True, False):
        set_autosaves(value=value)
        assert window.rois_dock._autosave.isChecked() == value


def test_autosave_that_met_a_pressed_mouse_saves_after_its_release(window, qtbot):
    set_autosaves(value=True)
    drawn = window.draw(3500, 4500, 20, 40)
    place = window.at(5500, 90)
    QTest.mousePress(window.canvas, LEFT, NONE, place)
    qtbot.wait(1300)
    QTest.mouseRelease(window.canvas, LEFT, NONE, place)
    settle()
    qtbot.waitUntil(lambda: drawn in window.stored, timeout=3000)


def test_opening_another_record_asks_and_does_what_was_answered(window, answers, demo_path, qtbot):
    window.draw(3500, 4500, 20, 40)
    answers["unsaved"] = ["stay", "save", "discard"]
    window.open("demo stall")
    assert (window.session.record.image.name, window.rois.ids) == ("demo steady flow", (1, 2, 3))
    assert window.session.record.is_unsaved
    assert window.stored.ids == (1, 2)
    view = window.records_dock._panels["Records"].view
    assert [index.row() for index in view.selectionModel().selectedRows()] == [0]
    window.open("demo stall")
    assert window.session.record.image.name == "demo stall"
    qtbot.waitUntil(lambda: image_of(demo_path, "demo steady flow").rois.ids == (1, 2, 3))
    window.draw(3500, 4500, 20, 40)
    window.open("demo steady flow")
    assert window.rois.ids == (1, 2, 3)
    window.open("demo stall")
    assert (window.rois.ids, window.stored.ids) == ((1, 2), (1, 2))
    assert len(answers["asked"]) == 3


def test_deleting_the_roi_layer_asks_and_does_what_was_answered(window, answers, demo_path, qtbot):
    answers["unsaved"] = ["stay", "discard", "save"]

    def delete_layer():
        window.viewer.layers.selection = {window.layer}
        window.viewer.layers.remove_selected()
        settle()

    drawn = window.draw(3500, 4500, 20, 40)
    delete_layer()
    assert drawn in window.rois
    assert window.session.record.is_unsaved
    delete_layer()
    assert window.session.image_id is None
    window.open("demo steady flow")
    assert (window.rois.ids, window.stored.ids) == ((1, 2), (1, 2))
    window.draw(3500, 4500, 20, 40)
    delete_layer()
    qtbot.waitUntil(lambda: len(image_of(demo_path, "demo steady flow").rois) == 3)
    assert [what.startswith("The layer was deleted. ") for _, what in answers["asked"]] == [True] * 3


def test_closing_the_window_asks_and_stays_open_with_the_rois_or_discards_them(window, answers, demo_path):
    window.draw(3500, 4500, 20, 40)
    answers["unsaved"] = ["stay", "discard"]
    window.close()
    assert window.is_open
    assert window.rois.ids == (1, 2, 3)
    assert window.session.record.is_unsaved
    window.close()
    assert not window.is_open
    assert image_of(demo_path, "demo steady flow").rois.ids == (1, 2)


def test_closing_the_window_saves_when_that_is_answered(window, answers, demo_path):
    window.draw(3500, 4500, 20, 40)
    answers["unsaved"] = ["save"]
    window.close()
    assert not window.is_open
    assert image_of(demo_path, "demo steady flow").rois.ids == (1, 2, 3)


def test_closing_napari_right_after_drawing_saves_first_and_asks_nothing(window, answers, demo_path):
    set_autosaves(value=True)
    window.draw(3500, 4500, 20, 40)
    window.close()
    assert not window.is_open
    assert image_of(demo_path, "demo steady flow").rois.ids == (1, 2, 3)
    assert answers["asked"] == []


def refuse_to_write(*args, **kwargs):
    raise PermissionError(13, "Permission denied")


def test_rois_that_could_not_be_saved_are_kept_said_and_offered_in_the_next_session(
    window, open_window, answers, drafts, demo_path, monkeypatch, qtbot
):
    drawn = window.draw(3500, 4500, 20, 40)
    with monkeypatch.context() as patched:
        patched.setattr("os.link", refuse_to_write)
        window.click("save")
        qtbot.waitUntil(lambda: bool(window.session.record.saving.failure))
        assert "no permission to write" in window.rois_dock._warning.text()
        assert is_said("and offered again when the record is opened")
        (draft,) = drafts.iterdir()
        answers["unsaved"], answers["close"] = ["save", "save"], [False, True]
        window.close()
        assert window.is_open
        window.close()
        assert not window.is_open
    assert image_of(demo_path, "demo steady flow").rois.ids == (1, 2)
    later = open_window(demo_path)
    assert later.rois.ids == (1, 2)
    assert later.rois_dock._kept.isVisible()
    assert "no permission to write" in later.rois_dock._kept_text.text()
    QTest.mouseClick(later.rois_dock._take_up, LEFT)
    assert (later.rois.ids, later.session.record.is_unsaved) == ((1, 2, drawn), True)
    assert not later.rois_dock._kept.isVisible()
    assert draft.is_file()
    later.save(qtbot)
    assert later.stored.ids == (1, 2, drawn)
    assert not draft.exists()


def test_a_kept_draft_that_was_not_taken_up_outlives_the_save_of_another_edit(
    window, open_window, answers, drafts, demo_path, monkeypatch, qtbot
):
    window.draw(3500, 4500, 20, 40)
    with monkeypatch.context() as patched:
        patched.setattr("os.link", refuse_to_write)
        window.click("save")
        qtbot.waitUntil(lambda: bool(window.session.record.saving.failure))
    (draft,) = drafts.iterdir()
    later = open_window(demo_path)
    assert later.rois_dock._kept.isVisible()
    later.type_into(2, "name", "renamed")
    later.save(qtbot)
    assert later.rois_dock._kept.isVisible()
    assert draft.is_file()


@pytest.mark.parametrize(("answer", "is_kept"), [("Cancel", True), ("Delete", False)])
def test_kept_rois_are_deleted_only_after_a_question(
    window, open_window, answers, drafts, demo_path, monkeypatch, qtbot, answer, is_kept
):
    window.draw(3500, 4500, 20, 40)
    with monkeypatch.context() as patched:
        patched.setattr("os.link", refuse_to_write)
        window.click("save")
        qtbot.waitUntil(lambda: bool(window.session.record.saving.failure))
    later = open_window(demo_path)

    def choose(box):
        assert box.defaultButton().text() == "Cancel"
        [button] = [one for one in box.buttons() if one.text() == answer]
        button.click()

    monkeypatch.setattr(QMessageBox, "exec", choose)
    QTest.mouseClick(later.rois_dock._drop, LEFT)
    assert (later.rois_dock._kept.isVisible(), bool(list(drafts.iterdir()))) == (is_kept, is_kept)


# Undo, redo, history.


def test_draw_move_delete_and_rename_are_undone_and_redone_one_at_a_time_by_keys_and_buttons(window):
    steps = [window.rois]
    window.draw(3500, 4500, 20, 40)
    steps.append(window.rois)
    window.move(3, 600)
    steps.append(window.rois)
    window.click_row(2)
    window.click("delete")
    steps.append(window.rois)
    window.type_into(1, "name", "arteriole")
    steps.append(window.rois)
    assert all(before.rois != after.rois for before, after in pairwise(steps))
    window.viewer.layers.selection.active = window.layer
    ways = (window.undo, window.redo), (lambda: window.click("undo"), lambda: window.click("redo"))
    for undo, redo in ways:
        for rois in steps[-2::-1]:
            undo()
            assert window.rois.rois == rois.rois
        assert not window.rois_dock._buttons["undo"].isEnabled()
        for rois in steps[1:]:
            redo()
            assert window.rois.rois == rois.rois
        assert not window.rois_dock._buttons["redo"].isEnabled()
    assert window.layer.features["label"].tolist() == ["arteriole", "ROI 3"]


def test_an_undo_after_a_save_is_an_edit_that_is_saved(window, qtbot):
    before = window.rois
    window.draw(3500, 4500, 20, 40)
    window.save(qtbot)
    window.viewer.layers.selection.active = window.layer
    window.undo()
    assert window.rois.rois == before.rois
    assert "not saved" in window.rois_dock._state.text()
    assert window.stored.ids == (1, 2, 3)
    window.save(qtbot)
    assert window.stored.ids == (1, 2)


def roles(window):
    return [tag.role for layer in window.viewer.layers if (tag := tag_of(layer))]


def test_an_earlier_revision_is_looked_at_and_restored_as_an_edit(window, qtbot):
    first = window.rois
    window.click_row(2)
    window.click("delete")
    window.save(qtbot)
    trigger(window.rois_dock._more, "History…")
    qtbot.waitUntil(lambda: window.rois_dock._actions._history is not None)
    dialog = window.rois_dock._actions._history
    assert [dialog._table.item(0, column).text() for column in (2, 3)] == ["1", "1 deleted"]
    dialog.select(1)
    (shown,) = (layer for layer in window.viewer.layers if (tag := tag_of(layer)) and tag.role == "revision")
    assert shown.nshapes == 2
    dialog.close()
    settle()
    assert "revision" not in roles(window)
    assert (window.rois.ids, window.session.record.is_unsaved) == ((1,), False)
    trigger(window.rois_dock._more, "History…")
    qtbot.waitUntil(lambda: window.rois_dock._actions._history is not None)
    dialog = window.rois_dock._actions._history
    dialog.select(1)
    QTest.mouseClick(dialog._restore, LEFT)
    settle()
    assert "revision" not in roles(window)
    assert window.rois.rois == first.rois
    assert window.session.record.is_unsaved
    window.undo()
    assert window.rois.ids == (1,)
    window.click("redo")
    window.save(qtbot)
    assert window.stored.rois == first.rois


# Two windows on one record.


def test_two_windows_save_different_rois_both_and_of_one_roi_what_is_answered(window, open_window, answers, qtbot):
    other = open_window(window.path)
    drawn = window.draw(3500, 4500, 20, 40)
    window.save(qtbot)
    other.type_into(2, "name", "renamed in the other")
    other.save(qtbot)
    assert window.stored.get(2).name == "renamed in the other"
    assert drawn in window.stored
    assert other.rois.rois == window.stored.rois
    assert answers["asked"] == []
    window.session.record.save()
    qtbot.waitUntil(lambda: window.rois == window.stored and not window.session.record.saving.is_saving)
    answers["conflicts"] = ["mine", "theirs", "both"]
    expected = []
    for number, choice in enumerate(answers["conflicts"].copy()):
        theirs, mine = f"theirs {number}", f"mine {number}"
        other.session.record.save()
        qtbot.waitUntil(lambda: other.rois == other.stored and not other.session.record.saving.is_saving)
        other.type_into(2, "name", theirs)
        other.save(qtbot)
        window.type_into(2, "name", mine)
        window.save(qtbot)
        expected = {"mine": [mine], "theirs": [theirs], "both": [theirs, mine]}[choice]
        assert [roi.name for roi in window.stored if roi.roi_id != drawn][1:] == expected
        assert window.rois.rois == window.stored.rois
    assert [kind for kind, _ in answers["asked"]] == ["conflicts"] * 3
    assert (len(window.stored), window.stored.ids[:3]) == (4, (1, 2, drawn))


# ROIs that results depend on.


def test_moving_a_roi_that_has_results_is_said_and_waits_for_save(window, qtbot):
    set_autosaves(value=True)
    before = window.stored
    window.move(1, 600)
    assert window.rois.get(1) != before.get(1)
    warning = window.rois_dock._warning.text()
    assert "ROI 1" in warning
    assert "radon report" in warning
    assert "Click <b>Save</b>, or <b>Undo</b>" in warning
    qtbot.wait(1300)
    assert window.stored == before
    reports = (window.path / "images" / window.session.image_id / "analysis/radon_report.parquet").read_bytes()
    window.save(qtbot)
    assert window.stored.get(1) == window.rois.get(1)
    assert (window.path / "images" / window.session.image_id / "analysis/radon_report.parquet").read_bytes() == reports
    assert not window.rois_dock._warning.isVisible()


def test_deleting_a_roi_that_has_results_is_said_and_waits_for_save_or_undo(window, qtbot):
    set_autosaves(value=True)
    window.click_row(1)
    window.click("delete")
    assert "ROI 1 was deleted; computed for it as it was: radon report" in window.rois_dock._warning.text()
    qtbot.wait(1300)
    assert window.stored.ids == (1, 2)
    window.click("undo")
    assert not window.rois_dock._warning.isVisible()
    window.click("redo")
    window.save(qtbot)
    assert window.stored.ids == (2,)


# Labels.


def paint(window, layer, label, start, stop):
    """Paint a stroke with napari's brush."""
    layer.selected_label, layer.mode, layer.brush_size = label, "paint", 9
    drag(window.viewer, window.at(*start), window.at(*stop))


def test_painted_masks_are_saved_as_they_were_painted_and_a_new_number_is_a_new_roi(open_window, painted_path, qtbot):
    window = open_window(painted_path)
    trigger(window.rois_dock._more, "Paint masks as labels")
    layer = window.viewer.layers.selection.active
    before = layer.data == 3
    paint(window, layer, 3, (4600, 24), (4900, 24))
    paint(window, layer, 70, (200, 90), (500, 90))
    changed, new = layer.data == 3, layer.data == 70
    assert changed.sum() > before.sum()
    assert new.any()
    trigger(window.rois_dock._more, "Save labels as ROIs")
    qtbot.waitUntil(lambda: window.stored.ids == (1, 2, 3, 4) and not window.session.window.is_busy)
    image = AcqImage.from_zarr(window.path, window.session.image_id)
    assert [(roi.roi_id, roi.name) for roi in image.rois][2:] == [(3, "painted"), (4, "label 70")]
    np.testing.assert_array_equal(image.get_roi_mask(3), changed)
    np.testing.assert_array_equal(image.get_roi_mask(4), new)
    assert set(np.unique(layer.data)) == {0, 3, 4}
    assert not window.session.record.is_unsaved


def test_labels_of_the_users_own_are_saved_where_they_are_as_large_as_the_image(window, qtbot):
    layer = window.viewer.add_labels(np.ones((60, 9), np.int32), name="too small")
    trigger(window.rois_dock._add, "From the active Labels layer")
    qtbot.waitUntil(lambda: is_said("the labels have the shape (60, 9), and the image (6000, 96)"))
    assert window.stored.ids == (1, 2)
    window.viewer.layers.remove(layer)
    labels = np.zeros((6000, 96), np.int32)
    labels[700:800, 5:50], labels[900:950, 3:7] = 1, 8
    window.viewer.add_labels(labels.copy(), name="mine")
    trigger(window.rois_dock._add, "From the active Labels layer")
    qtbot.waitUntil(lambda: window.stored.ids == (1, 2, 3, 4))
    image = AcqImage.from_zarr(window.path, window.session.image_id)
    assert image.rois.ids == (1, 2, 3, 4)
    np.testing.assert_array_equal(image.get_roi_mask(3), labels == 1)
    np.testing.assert_array_equal(image.get_roi_mask(4), labels == 8)


def test_a_shape_clicked_on_the_canvas_is_selected_instead_of_a_painted_mask(open_window, painted_path):
    window = open_window(painted_path)
    window.click_row(3)
    window.click_canvas(1500, 48)
    assert window.rois_dock._selected_ids() == (2,)
    window.click("delete")
    assert window.rois.ids == (1, 3)


def test_a_failed_save_on_leaving_is_offered_when_the_record_is_opened_again_and_leaves_no_draft_once_saved(
    window, answers, drafts, monkeypatch, qtbot
):
    drawn = window.draw(3500, 4500, 20, 40)
    answers["unsaved"] = ["save"]
    with monkeypatch.context() as patched:
        patched.setattr("os.link", refuse_to_write)
        window.open("demo stall")
        qtbot.waitUntil(lambda: len(list(drafts.glob("*.json"))) == 1)
    window.open("demo steady flow")
    assert drawn in window.rois
    assert not window.rois_dock._kept.isVisible()
    window.save(qtbot)
    assert drawn in window.stored
    assert list(drafts.glob("*.json")) == []
