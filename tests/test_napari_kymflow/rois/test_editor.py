"""Editing the ROIs of one record, without Qt; saves that take a while are held back by `SlowWindow`."""

import shutil

import numpy as np
import pandas as pd
import pytest
from napari.components import ViewerModel
from napari.layers import Layer
from napari.utils.notifications import notification_manager

from kymflow_core import AcqImage, MaskROI, RectROI, RoiSet
from kymflow_core.errors import RoiError
from kymflow_core.roi import DrawnShape
from kymflow_core.roi.bounds import Bounds
from napari_kymflow.layers.shapes import color_of, color_to_text, rect_to_vertices
from napari_kymflow.rois.drafts import keep_draft, load_draft
from napari_kymflow.session.session import session_of
from napari_kymflow.user.window import Window

TRIANGLE = DrawnShape(type="polygon", vertices=((10.0, 5.0), (10.0, 30.0), (400.0, 20.0)))


class SlowWindow(Window):
    """Work is done at once, and what follows on it when a test says so."""

    def __init__(self, *, autosaves=False):
        self._autosaves = autosaves
        self.waiting = []
        self.paused = None

    @property
    def autosaves(self):
        return self._autosaves

    def run(self, work, done, failed=None):
        result = work()
        self.waiting.append(lambda: done(result))

    def after_a_pause(self, action):
        self.paused = action

    def go_on(self):
        while self.waiting:
            self.waiting.pop(0)()


@pytest.fixture
def slow(viewer_model, demo_path):
    """The demo's first record in a session whose saves wait."""
    opened = session_of(viewer_model)
    opened.window = SlowWindow(autosaves=True)
    opened.open_dataset(demo_path)
    opened.open_record(opened.image_ids[0])
    opened.window.go_on()
    return opened


def stored(session, image_id=None):
    return AcqImage.from_zarr(session.path, image_id or session.image_id).rois


def add(session, **fields):
    return session.record.editor.add_rect(Bounds(x0=1, x1=5, y0=10, y1=90), **fields)


def draw_triangle(session):
    roi = MaskROI(roi_id=1, reference=None, meta={"shape": TRIANGLE.to_dict()})
    return session.record.editor.add_rois([roi])[0]


def test_an_edit_is_saved_after_a_pause(slow):
    add(slow)
    assert slow.record.is_unsaved
    slow.window.paused()
    slow.window.go_on()
    assert (slow.record.is_unsaved, stored(slow).ids) == (False, (1, 2, 3))


@pytest.mark.slow
def test_what_is_drawn_while_a_save_runs_is_kept_and_saved_next(slow):
    add(slow)
    slow.record.saving.save()
    add(slow, name="meanwhile")
    slow.window.go_on()
    assert [roi.name for roi in slow.record.rois][2:] == ["", "meanwhile"]
    assert slow.record.is_unsaved
    slow.window.paused()
    slow.window.go_on()
    assert stored(slow).ids == (1, 2, 3, 4)


@pytest.mark.slow
def test_a_drawn_mask_that_is_moved_while_its_first_save_runs_is_one_roi_with_the_newer_shape(slow):
    roi_id = draw_triangle(slow)
    slow.record.saving.save()
    moved = DrawnShape(type="polygon", vertices=tuple((y + 50, x) for y, x in TRIANGLE.vertices))
    slow.record.editor.sync.set_rois(slow.record.rois.replace(slow.record.rois.get(roi_id).with_shape(moved)))
    slow.window.go_on()
    assert slow.record.rois.ids == (1, 2, 3)
    assert slow.record.rois.get(roi_id).drawn == moved
    slow.record.saving.save()
    slow.window.go_on()
    assert stored(slow).get(roi_id).drawn == moved
    assert slow.record.image.get_roi_mask(roi_id)[60, 10]


def test_a_roi_that_is_deleted_while_a_save_runs_stays_deleted(slow):
    roi_id = add(slow)
    slow.record.saving.save()
    slow.record.editor.delete([roi_id])
    slow.window.go_on()
    assert slow.record.rois.ids == (1, 2)
    slow.record.saving.save()
    slow.window.go_on()
    assert stored(slow).ids == (1, 2)


@pytest.mark.slow
def test_a_record_that_is_left_while_its_save_runs_has_its_rois_when_it_is_opened_again(slow):
    first, second = list(slow.image_ids)[:2]
    add(slow)
    slow.open_record(second)
    slow.open_record(first)
    assert slow.record.rois.ids == (1, 2, 3)
    slow.window.go_on()
    assert slow.record.rois.ids == (1, 2, 3)
    assert stored(slow).ids == (1, 2, 3)
    slow.open_record(second)
    slow.window.go_on()
    assert slow.unsaved_ids == ()


def test_a_roi_with_results_is_not_saved_by_itself_once_it_was_moved(slow):
    slow.record.editor.set_bounds(1, Bounds(x0=0, x1=9, y0=0, y1=99))
    slow.window.paused()
    assert slow.record.saving.outdating == [
        "ROI 1 was changed; computed for it as it was: radon report (1 row), velocity series (300 rows)"
    ]
    assert not slow.record.saving.is_saving
    slow.record.save()
    slow.window.go_on()
    assert (stored(slow).get(1).x1, slow.record.saving.outdating) == (9, [])


def test_a_renamed_roi_outdates_no_results(slow):
    slow.record.editor.edit(1, name="new", note="x")
    assert slow.record.saving.outdating == []


@pytest.mark.slow
def test_undo_takes_back_one_edit_at_a_time_and_redo_makes_it_again(demo_session):
    before = demo_session.record.rois.rois
    add(demo_session)
    demo_session.record.editor.edit(1, name="new")
    demo_session.record.editor.undo()
    assert (demo_session.record.rois.get(1).name, demo_session.record.rois.ids) == ("vessel", (1, 2, 3))
    demo_session.record.editor.undo()
    assert demo_session.record.rois.rois == before
    assert not demo_session.record.is_unsaved
    demo_session.record.editor.redo()
    demo_session.record.editor.redo()
    assert (demo_session.record.rois.get(1).name, demo_session.record.rois.ids) == ("new", (1, 2, 3))
    assert not demo_session.record.editor.can_redo


@pytest.mark.slow
@pytest.mark.parametrize("can_edit", [True, False], ids=["own", "read-only"])
def test_a_colour_of_naparis_layer_controls_is_the_colour_of_the_selected_rois(demo_session, can_edit):
    record = demo_session.record
    record.editor.can_edit = can_edit
    layer, before = record.sync.layer, color_of(record.rois.get(1))
    record.selection.select([1])
    layer.current_edge_color = "#12ab3480"
    wanted = "#12ab34" if can_edit else before.lower()
    assert (color_of(record.rois.get(1)).lower(), color_to_text(layer.edge_color[0])) == (wanted, wanted)
    assert (record.is_unsaved, record.editor.can_undo) == (can_edit, can_edit)
    assert record.selection.ids == (1,)
    record.selection.select([2])
    assert color_of(record.rois.get(2)) != "#12ab34"


@pytest.mark.slow
def test_the_id_of_an_undone_roi_is_not_given_again(demo_session):
    assert add(demo_session) == 3
    demo_session.record.editor.undo()
    assert add(demo_session) == 4


@pytest.mark.slow
def test_an_undo_after_a_save_is_an_unsaved_edit(demo_session):
    draw_triangle(demo_session)
    demo_session.record.save()
    assert not demo_session.record.is_unsaved
    demo_session.record.editor.undo()
    assert (demo_session.record.rois.ids, demo_session.record.is_unsaved) == ((1, 2), True)
    demo_session.record.editor.redo()
    assert (demo_session.record.rois.get(3).mask_ref, demo_session.record.is_unsaved) == (
        "analysis_arrays/roi_mask_3",
        False,
    )


def test_an_undo_leaves_what_another_window_saved(demo_session):
    add(demo_session)
    other = AcqImage(demo_session.dataset.record(demo_session.image_id))
    other.edit_roi(2, name="theirs")
    demo_session.record.save()
    demo_session.record.editor.undo()
    assert [roi.name for roi in demo_session.record.rois] == ["vessel", "theirs"]


def test_an_edit_after_an_undo_ends_what_could_be_redone(demo_session):
    add(demo_session)
    demo_session.record.editor.undo()
    demo_session.record.editor.edit(1, name="new")
    assert not demo_session.record.editor.can_redo


def refuse(*args, **kwargs):
    raise PermissionError(13, "Permission denied")


@pytest.mark.slow
def test_rois_that_cannot_be_saved_are_kept_and_offered_until_they_are(demo_session, drafts, monkeypatch):
    image_id = demo_session.image_id
    with monkeypatch.context() as broken:
        add(demo_session, name="kept")
        broken.setattr("os.link", refuse)
        demo_session.record.save()
        assert "Not saved: " in str(notification_manager.records[-1].message)
        assert len(list(drafts.glob("*.json"))) == 1
    viewer = ViewerModel()
    again = session_of(viewer)
    again.open_dataset(demo_session.path)
    again.open_record(image_id)
    assert again.record.kept is not None
    assert [roi.name for roi in again.record.kept.rois][2:] == ["kept"]
    again.record.take_up_kept()
    assert [roi.name for roi in again.record.rois][2:] == ["kept"]
    assert again.record.save()
    assert list(drafts.glob("*.json")) == []
    assert [roi.name for roi in stored(again)][2:] == ["kept"]


def reopened(session):
    first, second = session.image_id, next(key for key in session.image_ids if key != session.image_id)
    session.open_record(second)
    session.open_record(first)


def leave_behind(session):
    """Leave the unsaved ROIs as a draft, as a program that was killed does, and open the record again."""
    draft = session.record.draft
    session.record.editor.undo()
    keep_draft(session.dataset.dataset_id, session.image_id, draft)
    reopened(session)


@pytest.mark.slow
def test_kept_rois_can_be_forgotten(demo_session, drafts):
    add(demo_session)
    leave_behind(demo_session)
    assert demo_session.record.kept is not None
    demo_session.record.drop_kept()
    assert (list(drafts.glob("*.json")), demo_session.record.kept) == ([], None)


@pytest.mark.slow
def test_kept_rois_that_nobody_took_up_outlast_other_saves_and_failures(demo_session, drafts, monkeypatch):
    add(demo_session, name="kept")
    leave_behind(demo_session)
    demo_session.record.editor.edit(2, note="new")
    demo_session.record.save()
    assert len(list(drafts.glob("*.json"))) == 1
    with monkeypatch.context() as broken:
        broken.setattr("os.link", refuse)
        demo_session.record.editor.edit(2, note="newer")
        demo_session.record.save()
        assert len(list(drafts.glob("*.json"))) == 2
    demo_session.record.save()
    assert len(list(drafts.glob("*.json"))) == 1
    demo_session.record.editor.edit(1, name="on screen")
    demo_session.record.take_up_kept()
    assert [roi.name for roi in demo_session.record.rois] == ["on screen", "centre, first half", "kept"]


@pytest.mark.slow
def test_every_unsaved_edit_is_on_the_disk_too_until_it_is_saved_or_taken_back(demo_session, drafts, demo_path):
    record = demo_session.record
    for end in (record.editor.undo, record.save, record.saving.give_up):
        add(demo_session, name="new")
        demo_session.record.editor.edit(1, note=end.__name__)
        draft = load_draft(demo_session.dataset.dataset_id, demo_session.image_id)
        assert draft.rois == record.rois
        record.editor.undo() if end == record.editor.undo else None
        end()
        assert list(drafts.glob("*.json")) == []
    add(demo_session, name="left")
    shutil.rmtree(demo_path / "images")
    draw_triangle(demo_session)
    assert (len(record.rois), record.is_unsaved) == (len(record.editor.base) + 2, True)
    again = load_draft(demo_session.dataset.dataset_id, demo_session.image_id)
    assert (again.rois, again.base) == (record.rois, record.editor.base)


def test_a_shape_that_an_error_keeps_from_becoming_a_roi_is_not_saved_until_it_is_one(demo_session, drafts, monkeypatch):
    record, layer = demo_session.record, demo_session.record.sync.layer
    corners = rect_to_vertices(RectROI(roi_id=1, x0=3, x1=9, y0=5, y1=99), record.sync.stretch)
    with monkeypatch.context() as broken:
        broken.setattr("napari_kymflow.layers.roi_sync.reconcile", refuse)
        with pytest.raises(PermissionError):
            layer.add_rectangles([corners])
        assert (layer.nshapes, len(record.rois), record.is_unsaved) == (3, 2, True)
        assert len(list(drafts.glob("*.json"))) == 1
        with pytest.raises(PermissionError):
            record.save()
    assert record.save()
    assert (len(stored(demo_session)), record.is_unsaved, list(drafts.glob("*.json"))) == (3, False, [])


@pytest.mark.slow
def test_a_kept_file_that_is_damaged_is_said_and_left(demo_session, drafts):
    second = list(demo_session.image_ids)[1]
    add(demo_session)
    path = demo_session.record.saving.keep_draft()
    path.write_text("{")
    first = demo_session.image_id
    demo_session.open_record(second)
    demo_session.open_record(first)
    assert "cannot be read" in " ".join(str(record.message) for record in notification_manager.records)
    assert path.read_text() == "{"


def test_bounds_outside_the_image_are_refused_and_nothing_changes(demo_session):
    before = demo_session.record.rois
    with pytest.raises(RoiError, match="is not within the image, which has 6000 lines and 96 pixels"):
        demo_session.record.editor.set_bounds(1, Bounds(x0=0, x1=97, y0=0, y1=9))
    assert demo_session.record.rois == before


def test_a_mask_has_no_bounds_to_type_in(demo_session):
    roi_id = draw_triangle(demo_session)
    with pytest.raises(RoiError, match=r"^ROI 3 is a mask; only a rectangle has bounds to type in"):
        demo_session.record.editor.set_bounds(roi_id, Bounds(x0=0, x1=9, y0=0, y1=9))


def test_a_duplicate_has_a_new_id_and_the_same_place(demo_session):
    demo_session.record.editor.duplicate([2])
    copy, old = demo_session.record.rois.get(3), demo_session.record.rois.get(2)
    assert copy.name == "centre, first half copy"
    assert (copy.x0, copy.x1, copy.y0, copy.y1) == (old.x0, old.x1, old.y0, old.y1)


def test_a_colour_is_saved_with_the_roi(demo_session):
    demo_session.record.editor.set_color([1, 2], "#00ff00")
    demo_session.record.save()
    assert [roi.meta["color"] for roi in stored(demo_session)] == ["#00ff00"] * 2


def test_restoring_an_earlier_revision_is_an_edit(demo_session):
    demo_session.record.editor.restore(RoiSet.of([RectROI(roi_id=1, x0=0, x1=1, y0=0, y1=1)]))
    assert (demo_session.record.rois.ids, demo_session.record.rois.next_id, demo_session.record.is_unsaved) == (
        (1,),
        3,
        True,
    )
    demo_session.record.editor.undo()
    assert not demo_session.record.is_unsaved


def test_only_the_rois_that_differ_from_the_record_are_marked(demo_session):
    add(demo_session)
    demo_session.record.editor.edit(2, note="x")
    assert demo_session.record.editor.unsaved_roi_ids == (2, 3)


def test_giving_up_shows_what_is_saved(demo_session):
    before = demo_session.record.rois.rois
    add(demo_session)
    demo_session.record.saving.give_up()
    assert (demo_session.record.rois.rois, demo_session.record.is_unsaved) == (before, False)


def test_every_roi_is_measured_again_when_its_place_changed_and_not_when_its_name_did(demo_session):
    record = demo_session.record
    first = record.measured.facts_of(1)
    record.editor.edit(1, name="new")
    assert record.measured.facts_of(1) is first
    record.editor.set_bounds(1, Bounds(x0=0, x1=9, y0=0, y1=99))
    assert record.measured.facts_of(1).stats == record.image.measure(record.rois.get(1))


@pytest.mark.slow
def test_a_record_with_an_unsaved_polygon_that_is_left_is_saved_once(slow):
    first, second = list(slow.image_ids)[:2]
    draw_triangle(slow)
    slow.open_record(second)
    slow.window.go_on()
    assert slow.unsaved_ids == ()
    slow.open_record(first)
    slow.window.go_on()
    assert (slow.record.rois.ids, slow.record.is_unsaved) == ((1, 2, 3), False)


@pytest.mark.slow
def test_what_is_drawn_while_a_save_runs_is_saved_when_the_record_is_left(slow):
    first, second = list(slow.image_ids)[:2]
    add(slow)
    slow.record.saving.save()
    add(slow, name="meanwhile")
    slow.open_record(second)
    slow.window.go_on()
    assert [roi.name for roi in stored(slow, first)][2:] == ["", "meanwhile"]
    assert slow.unsaved_ids == ()


@pytest.mark.slow
def test_what_is_drawn_while_a_save_meets_a_disagreement_is_kept(slow):
    slow.window.ask_conflicts = lambda conflicts: "mine"
    slow.record.editor.edit(2, name="mine")
    AcqImage(slow.dataset.record(slow.image_id)).edit_roi(2, name="theirs")
    slow.record.saving.save()
    add(slow, name="meanwhile")
    slow.window.go_on()
    assert [roi.name for roi in stored(slow)] == ["vessel", "mine", "meanwhile"]


@pytest.mark.slow
def test_a_new_id_that_was_given_to_mine_is_not_taken_by_what_is_drawn_meanwhile(slow):
    AcqImage(slow.dataset.record(slow.image_id)).add_roi(x0=0, x1=1, y0=0, y1=1, name="theirs")
    add(slow, name="mine")
    slow.record.saving.save()
    add(slow, name="meanwhile")
    slow.window.go_on()
    slow.record.saving.save()
    slow.window.go_on()
    assert [roi.name for roi in stored(slow)][2:] == ["theirs", "mine", "meanwhile"]
    assert len(set(stored(slow).ids)) == 5


@pytest.mark.slow
def test_an_edit_during_a_save_of_a_roi_that_another_window_changed_keeps_both(slow):
    add(slow)
    AcqImage(slow.dataset.record(slow.image_id)).edit_roi(2, name="theirs")
    slow.record.saving.save()
    slow.record.editor.edit(2, name="mine")
    slow.window.go_on()
    assert {"theirs", "mine"} <= {roi.name for roi in slow.record.rois}


@pytest.mark.slow
def test_materializing_while_a_roi_is_renamed_asks_nobody(slow):
    slow.window.ask_conflicts = pytest.fail
    slow.record.materialize_masks()
    slow.window.waiting.pop(0)()
    slow.record.editor.edit(2, name="new")
    slow.window.go_on()
    slow.record.saving.save()
    slow.window.go_on()
    assert [roi.name for roi in stored(slow)] == ["vessel", "new"]
    assert stored(slow).get(1).mask_ref is not None


@pytest.mark.slow
def test_a_save_that_ends_while_a_shape_is_drawn_waits_for_the_shape(slow):
    draw_triangle(slow)
    slow.record.saving.save()
    layer = slow.record.sync.layer
    layer.events.data(value=layer.data, action="adding", data_indices=(-1,), vertex_indices=((),))
    slow.window.go_on()
    assert slow.record.rois.get(3).mask_ref is None
    layer.mode = "select"
    assert slow.record.rois.get(3).mask_ref == "analysis_arrays/roi_mask_3"
    assert not slow.record.is_unsaved


def test_an_autosave_that_comes_while_the_mouse_is_pressed_comes_again(slow):
    add(slow)
    slow.record.sync.is_pressed = True
    pause, slow.window.paused = slow.window.paused, None
    pause()
    slow.record.sync.is_pressed = False
    slow.window.paused()
    slow.window.go_on()
    assert not slow.record.is_unsaved


def test_an_unexpected_error_in_a_worker_ends_the_save_and_keeps_the_rois(slow, drafts):
    add(slow)
    slow.window.run = lambda work, done, failed=None: failed(ZeroDivisionError("x"))
    slow.record.saving.save()
    assert not slow.record.saving.is_saving
    assert "ZeroDivisionError" in slow.record.saving.failure
    assert len(list(drafts.glob("*.json"))) == 1


@pytest.mark.slow
def test_a_layer_that_was_made_before_another_window_saved_shows_what_is_there_now(viewer_model, demo_path):
    opened = session_of(viewer_model)
    opened.open_dataset(demo_path)
    image_id = opened.image_ids[0]
    layers = opened.layers_of(image_id)
    AcqImage.from_zarr(demo_path, image_id).add_roi(x0=1, x1=2, y0=3, y1=4, name="theirs")
    for data, options, kind in layers:
        viewer_model.add_layer(Layer.create(data, options, kind))
    assert (opened.record.rois.ids, opened.record.is_unsaved, opened.record.sync.layer.nshapes) == ((1, 2, 3), False, 3)


CROSSING = DrawnShape(type="polygon", vertices=((0.0, 0.0), (900.0, 90.0), (0.0, 90.0), (900.0, 0.0)))


@pytest.mark.slow
def test_a_polygon_that_crosses_itself_is_shown_as_a_path_and_stays_a_polygon(demo_session):
    demo_session.record.editor.add_rois([MaskROI(roi_id=1, reference=None, meta={"shape": CROSSING.to_dict()})])
    assert demo_session.record.sync.layer.shape_type == ["rectangle", "rectangle", "path"]
    assert demo_session.record.save()
    demo_session.record.sync.layer.events.set_data()
    assert (demo_session.record.rois.get(3).drawn, demo_session.record.is_unsaved) == (CROSSING, False)
    reopened(demo_session)
    assert (demo_session.record.rois.get(3).drawn, demo_session.record.is_unsaved) == (CROSSING, False)
    moved = demo_session.record.sync.layer.data
    demo_session.record.sync.layer.data = [moved[0], moved[1], moved[2] + (10, 0)]
    assert demo_session.record.rois.get(3).drawn.type == "polygon"
    assert demo_session.record.rois.get(3).drawn.vertices[0] == (10.0, 0.0)
    assert len(demo_session.record.rois.get(3).drawn.vertices) == 4


def test_a_polygon_that_is_drawn_across_itself_becomes_a_path_on_screen(demo_session):
    stretch = demo_session.record.sync.stretch
    demo_session.record.sync.layer.add_polygons([np.array(CROSSING.vertices) * (1.0, stretch)])
    assert demo_session.record.sync.layer.shape_type[2] == "path"
    assert demo_session.record.rois.get(3).drawn == CROSSING


def test_of_a_record_that_is_only_looked_at_nothing_is_edited(demo_session):
    demo_session.record.editor.can_edit = False
    demo_session.record.editor.duplicate([1])
    demo_session.record.editor.edit(1, name="new")
    assert not demo_session.record.is_unsaved
    assert "is read-only" in str(notification_manager.records[-1].message)


def test_results_that_were_computed_since_the_record_was_opened_are_not_outdated_by_an_autosave(slow):
    for name in ("radon_report", "velocity"):
        slow.dataset.record(slow.image_id).delete_analysis(f"{name}.parquet")
    slow.record.saving.find_results()
    slow.window.go_on()
    assert 1 not in slow.record.saving.results
    report = pd.DataFrame({"roi_id": [1], "mean_velocity": [1.0], "median_velocity": [1.0], "n_valid": [3], "notes": [""]})
    slow.dataset.record(slow.image_id).save_df_parquet("radon_report", report)
    slow.record.editor.set_bounds(1, Bounds(x0=0, x1=9, y0=0, y1=99))
    slow.window.paused()
    slow.window.go_on()
    assert (slow.record.is_unsaved, slow.record.saving.outdating) == (
        True,
        ["ROI 1 was changed; computed for it as it was: radon report (1 row)"],
    )


@pytest.mark.slow
def test_a_mask_that_another_window_wrote_is_no_disagreement(demo_session):
    demo_session.window.ask_conflicts = pytest.fail
    demo_session.record.editor.edit(1, name="mine")
    AcqImage(demo_session.dataset.record(demo_session.image_id)).materialize_rect_roi_mask(1)
    assert demo_session.record.save()
    assert (stored(demo_session).get(1).name, stored(demo_session).get(1).mask_ref) == (
        "mine",
        "analysis_arrays/roi_mask_1",
    )


@pytest.mark.slow
def test_a_drawn_mask_that_two_windows_moved_alike_is_one(demo_session):
    demo_session.window.ask_conflicts = pytest.fail
    roi_id = draw_triangle(demo_session)
    demo_session.record.save()
    moved = DrawnShape(type="polygon", vertices=tuple((y + 50, x) for y, x in TRIANGLE.vertices))
    other = AcqImage(demo_session.dataset.record(demo_session.image_id))
    other.save_rois(other.rois.replace(other.rois.get(roi_id).with_shape(moved)))
    demo_session.record.sync.set_rois(
        demo_session.record.rois.replace(demo_session.record.rois.get(roi_id).with_shape(moved))
    )
    assert demo_session.record.save()
    assert stored(demo_session).ids == (1, 2, 3)


def test_what_is_given_up_while_its_save_runs_is_not_in_the_record(slow):
    add(slow)
    slow.record.saving.save()
    slow.record.saving.give_up()
    slow.window.go_on()
    assert stored(slow).ids == (1, 2)
    assert not slow.record.is_unsaved


def test_bounds_that_are_typed_in_bring_a_shape_back_onto_the_image(demo_session):
    demo_session.record.sync.layer.data = [vertices - (9000, 0) for vertices in demo_session.record.sync.layer.data]
    assert demo_session.record.sync.refused == (0, 1)
    demo_session.record.editor.set_bounds(1, Bounds(x0=0, x1=9, y0=0, y1=99))
    assert demo_session.record.sync.refused == (1,)


def test_undoing_a_saved_move_outdates_nothing_again_and_is_saved_by_itself(slow):
    slow.record.editor.set_bounds(1, Bounds(x0=0, x1=9, y0=0, y1=99))
    slow.record.save()
    slow.window.go_on()
    slow.record.editor.undo()
    assert slow.record.saving.outdating == []
    slow.window.paused()
    slow.window.go_on()
    assert (slow.record.is_unsaved, stored(slow).get(1).x1) == (False, 84)


def test_the_selected_outline_is_twice_as_strong(demo_session):
    record = demo_session.record
    width = record.sync.edge_width
    record.selection.select([2])
    assert list(record.sync.layer.edge_width) == pytest.approx([width, 2 * width])
    demo_session.viewer.scene.camera.zoom *= 7
    width = record.sync.edge_width
    assert list(record.sync.layer.edge_width) == pytest.approx([width, 2 * width])
    record.selection.select([])
    assert list(record.sync.layer.edge_width) == pytest.approx([width, width])
    assert not record.is_unsaved


def press(session, key):
    """Press a key while the ROI layer has the keys."""
    layer = session.record.sync.layer
    next(action for bound, action in layer.keymap.items() if str(bound) == key)(layer)


@pytest.mark.slow
def test_arrows_move_the_selected_rois_by_a_pixel_but_not_out_of_the_image(demo_session):
    record = demo_session.record
    bounds = record.rois.get(2)
    record.selection.select([2])
    for key in ("Right", "Right", "Left", "Down", "Left"):
        press(demo_session, key)
    moved = record.rois.get(2)
    assert (moved.y0, moved.y1, moved.x0, moved.x1) == (bounds.y0, bounds.y1, bounds.x0 + 1, bounds.x1 + 1)
    press(demo_session, "Left")  # The ROI begins at the first line.
    assert record.rois.get(2) == moved
    record.editor.undo()
    assert record.rois.get(2).y0 == bounds.y0 + 1


def test_arrows_move_a_drawn_shape_with_its_vertices(demo_session):
    record = demo_session.record
    [roi_id] = record.editor.add_rois([MaskROI(roi_id=1, reference=None, meta={"shape": TRIANGLE.to_dict()})])
    press(demo_session, "Down")
    assert record.rois.get(roi_id).drawn.vertices == ((10.0, 6.0), (10.0, 31.0), (400.0, 21.0))


def test_t_adds_a_roi_of_the_same_shape_and_selects_it(demo_session):
    record = demo_session.record
    record.selection.select([2])
    press(demo_session, "T")
    first, added = record.rois.get(2), record.rois.get(3)
    assert (added.y0, added.y1, added.x0, added.x1) == (first.y0, first.y1, first.x0, first.x1)
    assert record.selection.ids == (3,)
