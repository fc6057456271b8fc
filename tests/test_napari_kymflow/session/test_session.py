"""One viewer's dataset, record and unsaved ROIs, with a viewer model and no Qt."""

import gc
import shutil
import weakref

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.utils.notifications import notification_manager

from kymflow_core import AcqImage, RectROI
from kymflow_core.errors import ImageError, RoiError
from kymflow_core.indexers import RoiIndexer
from kymflow_zarr import ZarrDataset
from kymflow_zarr.errors import DatasetNotFoundError
from napari_kymflow.layers.shapes import rect_to_vertices
from napari_kymflow.layers.tags import tag_of
from napari_kymflow.rois.columns import COLUMNS
from napari_kymflow.rois.measure import measure_rois
from napari_kymflow.session.session import session_of


def draw(session, roi):
    session.record.sync.layer.add_rectangles([rect_to_vertices(roi, session.record.tag.stretch)])


NEW = RectROI(roi_id=3, x0=3, x1=5, y0=10, y1=20)


def roles(viewer):
    return [tag_of(layer).role for layer in viewer.layers]


def stored_ids(session, path):
    return AcqImage.from_zarr(path, session.image_id).rois.ids


def last_message():
    return str(notification_manager.records[-1].message)


def test_a_viewer_has_one_session(viewer_model):
    assert session_of(viewer_model) is session_of(viewer_model)


def test_records_come_in_the_order_of_acquisition(demo_session):
    names = demo_session.snapshot.images.set_index("image_id")["name"]
    assert names.loc[list(demo_session.image_ids)].tolist() == ["demo steady flow", "demo stall", "demo reversal"]


def test_opening_a_record_shows_time_from_left_to_right(demo_session, viewer_model):
    assert roles(viewer_model) == ["pixels", "mask", "rois"]
    assert viewer_model.dims.order == (1, 0)


def test_opening_another_record_replaces_the_layers(demo_session, viewer_model):
    second = list(demo_session.image_ids)[1]
    demo_session.open_record(second)
    assert roles(viewer_model) == ["pixels", "mask", "rois"]
    assert demo_session.image_id == second


def test_opening_the_open_record_again_changes_nothing(demo_session, viewer_model):
    layers = list(viewer_model.layers)
    demo_session.open_record(demo_session.image_id)
    assert list(viewer_model.layers) == layers


@pytest.mark.slow
def test_an_earlier_revision_that_is_shown_goes_with_its_record(demo_session, viewer_model):
    record, second = demo_session.record, list(demo_session.image_ids)[1]
    record.masks.show_revision(record.rois, 0)
    # As the dialog of the history does, which closes with the record.
    demo_session.record_changed.connect(record.masks.end_revision)
    assert demo_session.open_record(second)
    assert roles(viewer_model) == ["pixels", "mask", "rois"]


def test_the_image_of_a_record_that_closes_goes_last(demo_session, viewer_model):
    gone = []
    viewer_model.layers.events.removed.connect(lambda event: gone.append(tag_of(event.value).role))
    demo_session.close_record()
    assert gone[-1] == "pixels"
    assert set(gone) == {"rois", "mask", "pixels"}


def test_layers_of_others_stay_when_a_record_closes(demo_session, viewer_model):
    viewer_model.add_points([[1, 1]], name="mine")
    demo_session.close_record()
    assert [layer.name for layer in viewer_model.layers] == ["mine"]


def test_a_drawn_roi_is_unsaved_until_it_is_saved(demo_session, demo_path):
    draw(demo_session, NEW)
    assert demo_session.record.is_unsaved
    assert demo_session.record.save()
    assert not demo_session.record.is_unsaved
    assert stored_ids(demo_session, demo_path) == (1, 2, 3)


def test_unsaved_rois_survive_a_look_at_another_record(demo_session):
    first, second = list(demo_session.image_ids)[:2]
    draw(demo_session, NEW)
    demo_session.open_record(second)
    assert demo_session.unsaved_ids == (first,)
    demo_session.open_record(first)
    assert demo_session.record.rois.ids == (1, 2, 3)
    assert demo_session.record.is_unsaved


@pytest.mark.slow
def test_saved_rois_come_back_at_exactly_the_same_pixels(demo_session):
    draw(demo_session, NEW)
    demo_session.record.save()
    before = demo_session.record.rois
    first, second = list(demo_session.image_ids)[:2]
    demo_session.open_record(second)
    demo_session.open_record(first)
    assert demo_session.record.rois == before


def test_renaming_a_roi_changes_its_label_on_the_canvas(demo_session):
    demo_session.record.editor.edit(2, name="capillary wall")
    assert demo_session.record.sync.layer.features["label"].tolist() == ["vessel", "capillary wall"]


def test_deleting_a_roi_takes_its_shape_away(demo_session):
    demo_session.record.editor.delete([1])
    assert demo_session.record.rois.ids == (2,)
    assert demo_session.record.sync.layer.nshapes == 1


def test_materializing_writes_masks_and_shows_them(demo_session, viewer_model, demo_path):
    demo_session.record.materialize_masks()
    assert roles(viewer_model) == ["pixels", "mask", "rois"]
    assert viewer_model.layers[1].name == "2 masks"
    record = ZarrDataset(demo_path).record(demo_session.image_id)
    assert record.list_array_artifacts() == ["roi_mask_1", "roi_mask_2"]
    assert not demo_session.record.is_unsaved
    assert str(notification_manager.records[-1].message) == "1 mask written."
    demo_session.record.materialize_masks()
    assert "nothing was written" in str(notification_manager.records[-1].message)


def mask_state(session, roi_id):
    return session.record.measured.facts_of(roi_id).mask_state


@pytest.mark.slow
def test_a_mask_is_outdated_after_its_roi_was_moved_until_it_is_made_again(demo_session):
    assert mask_state(demo_session, 2) == "mask"
    demo_session.record.sync.layer.data = [np.add(vertices, (100, 0)) for vertices in demo_session.record.sync.layer.data]
    assert mask_state(demo_session, 2) == "mask outdated"
    demo_session.record.save()
    assert mask_state(demo_session, 2) == "mask outdated"
    demo_session.record.materialize_masks()
    assert mask_state(demo_session, 2) == "mask"
    assert str(notification_manager.records[-1].message) == "2 masks written."


def delete_first_elsewhere(session, demo_path):
    other = AcqImage.from_zarr(demo_path, session.image_id)
    other.save_rois(other.rois.remove(1))


def test_changes_of_different_rois_in_two_windows_are_saved_together(demo_session, demo_path):
    draw(demo_session, NEW)
    delete_first_elsewhere(demo_session, demo_path)
    assert demo_session.record.save()
    assert (demo_session.record.rois.ids, stored_ids(demo_session, demo_path)) == ((2, 3), (2, 3))
    assert any("Another window has also saved ROIs" in str(record.message) for record in notification_manager.records)


def rename_first_elsewhere(session, demo_path):
    other = AcqImage.from_zarr(demo_path, session.image_id)
    other.edit_roi(1, name="theirs")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("choice", "names"),
    [
        ("mine", ["mine", "centre, first half"]),
        ("theirs", ["theirs", "centre, first half"]),
        ("both", ["theirs", "centre, first half", "mine"]),
    ],
)
def test_a_roi_that_both_changed_is_asked_about_and_saved_as_answered(choice, names, demo_session, demo_path):
    asked = []
    demo_session.window.ask_conflicts = lambda conflicts: asked.extend(conflicts) or choice
    demo_session.record.editor.edit(1, name="mine")
    rename_first_elsewhere(demo_session, demo_path)
    assert demo_session.record.save()
    assert [(pair.theirs.name, pair.mine.name) for pair in asked] == [("theirs", "mine")]
    assert [roi.name for roi in demo_session.record.rois] == names
    assert [roi.name for roi in AcqImage.from_zarr(demo_path, demo_session.image_id).rois] == names


@pytest.mark.slow
def test_two_new_rois_with_one_id_are_both_saved_and_nobody_is_asked(demo_session, demo_path):
    other = AcqImage.from_zarr(demo_path, demo_session.image_id)
    other.add_roi(x0=1, x1=2, y0=3, y1=4, name="theirs")
    draw(demo_session, NEW)
    assert demo_session.record.save()
    assert [(roi.roi_id, roi.name) for roi in demo_session.record.rois][2:] == [(3, "theirs"), (4, "")]
    assert any("yours is now ROI 4" in str(record.message) for record in notification_manager.records)


def two_new_rois_with_one_id(session, demo_path):
    other = AcqImage.from_zarr(demo_path, session.image_id)
    other.add_roi(x0=1, x1=2, y0=3, y1=4, name="theirs")
    draw(session, NEW)
    session.record.editor.sync.select([3])
    assert session.record.save()


def test_the_roi_that_one_has_drawn_stays_selected_when_it_gets_another_id(demo_session, demo_path):
    two_new_rois_with_one_id(demo_session, demo_path)
    assert demo_session.record.editor.sync.selected_ids == (4,)


@pytest.mark.slow
def test_a_roi_that_got_another_id_can_be_taken_back_and_drawn_again_and_theirs_stays(demo_session, demo_path):
    two_new_rois_with_one_id(demo_session, demo_path)
    editor = demo_session.record.editor
    editor.undo()
    assert [(roi.roi_id, roi.name) for roi in editor.rois][2:] == [(3, "theirs")]
    editor.redo()
    assert {roi.roi_id: roi.name for roi in editor.rois if roi.roi_id > 2} == {3: "theirs", 4: ""}


@pytest.mark.slow
def test_a_draft_never_overwrites_what_somebody_else_saved_meanwhile(demo_session, demo_path):
    first, second = list(demo_session.image_ids)[:2]
    draw(demo_session, NEW)
    demo_session.open_record(second)
    other = AcqImage.from_zarr(demo_path, first)
    other.save_rois(other.rois.remove(1))
    demo_session.open_record(first)
    assert demo_session.record.rois.ids == (2, 3)


@pytest.mark.slow
def test_unsaved_rois_survive_a_look_at_another_dataset(demo_session, demo_path, tmp_path):
    first = demo_session.image_id
    draw(demo_session, NEW)
    ZarrDataset.create(tmp_path / "other.zarr")
    demo_session.open_dataset(tmp_path / "other.zarr")
    assert demo_session.unsaved_ids == ()
    demo_session.open_dataset(demo_path)
    assert demo_session.unsaved_ids == (first,)
    demo_session.open_record(first)
    assert demo_session.record.rois.ids == (1, 2, 3)


def test_saving_to_a_disk_that_refuses_says_so_and_keeps_the_rois(demo_session, monkeypatch):
    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    draw(demo_session, NEW)
    monkeypatch.setattr("os.link", refuse)
    assert not demo_session.record.save()
    assert "no permission to write" in last_message()
    assert demo_session.record.is_unsaved


def test_a_missing_dataset_is_an_error_and_the_open_one_stays(demo_session, tmp_path, demo_path):
    with pytest.raises(DatasetNotFoundError, match="there is no dataset"):
        demo_session.open_dataset(tmp_path / "gone.zarr")
    assert demo_session.dataset.path == demo_path


def test_going_to_an_event_centres_it_and_selects_its_roi(demo_session, viewer_model):
    demo_session.open_record(list(demo_session.image_ids)[1])
    demo_session.record.go_to(roi_id=1, seconds=(1.8, 2.6))
    assert viewer_model.scene.camera.center[-1] == pytest.approx(2200)
    assert demo_session.record.sync.selected_ids == (1,)


def test_going_to_a_roi_centres_it(demo_session, viewer_model):
    demo_session.record.go_to(roi_id=2)
    assert viewer_model.scene.camera.center[-1] == pytest.approx(1500, abs=1)


def test_the_status_bar_reads_seconds_and_micrometres(demo_session, viewer_model):
    viewer_model.cursor.position = (1500.0, 8 * demo_session.record.tag.stretch)
    viewer_model.status = {"layer_base": "x", "source_type": "", "plugin": "", "coordinates": " [1500 8]", "value": ""}
    assert viewer_model.status["coordinates"].startswith("1.5000 s, 4.00 µm (line 1500, pixel 8): ")


def test_edges_stay_two_screen_pixels_wide_at_any_zoom(demo_session, viewer_model):
    viewer_model.scene.camera.zoom = 0.01
    assert set(demo_session.record.sync.layer.edge_width) == {200.0}
    assert demo_session.view.zoom_time_only
    viewer_model.scene.camera.zoom = 2.0
    assert set(demo_session.record.sync.layer.edge_width) == {1.0}


@pytest.mark.slow
def test_removing_the_roi_layer_by_hand_closes_the_record_and_keeps_the_draft(demo_session, viewer_model):
    draw(demo_session, NEW)
    image_id = demo_session.image_id
    viewer_model.layers.remove(demo_session.record.sync.layer)
    assert demo_session.image_id is None
    demo_session.open_record(image_id)
    assert demo_session.record.rois.ids == (1, 2, 3)


@pytest.mark.slow
def test_layers_that_were_opened_before_the_session_are_adopted(demo_path):
    from napari.layers import Layer

    from napari_kymflow._reader import read

    viewer = ViewerModel()
    for data, options, kind in read(str(demo_path)):
        viewer.add_layer(Layer.create(data, options, kind))
    assert session_of(viewer).record.rois.ids == (1, 2)


def test_saving_into_a_record_that_is_gone_says_so_keeps_the_rois_and_makes_no_ghost(demo_session, demo_path):
    draw(demo_session, NEW)
    folder = demo_path / "images" / demo_session.image_id
    shutil.rmtree(folder)
    assert not demo_session.record.save()
    assert last_message().startswith("Not saved: no record")
    assert demo_session.record.rois.ids == (1, 2, 3)
    assert not folder.exists()


def test_a_dataset_is_the_same_under_a_relative_path(demo_session, demo_path, monkeypatch):
    draw(demo_session, NEW)
    monkeypatch.chdir(demo_path.parent)
    demo_session.open_dataset("demo.zarr")
    assert demo_session.record.is_unsaved


def test_a_new_roi_is_in_the_slice_that_is_shown(viewer_model, tmp_path):
    dataset = ZarrDataset(tmp_path / "stack.zarr")
    dataset.add_image(np.random.default_rng(0).integers(0, 9, (4, 300, 20, 2)).astype(np.uint8))
    opened = session_of(viewer_model)
    opened.open_dataset(tmp_path / "stack.zarr")
    opened.open_record(dataset.list_image_ids()[0])
    viewer_model.dims.set_current_step(0, 2)
    opened.record.display.channels[1].visible = False
    draw(opened, RectROI(roi_id=1, x0=3, x1=5, y0=10, y1=20))
    assert [(roi.z, roi.channel) for roi in opened.record.rois] == [(2, 2)]


def test_shapes_that_cannot_be_saved_are_said_when_their_record_closes(demo_session):
    demo_session.record.sync.layer.add_ellipses([np.array([[-90, -90], [-90, -50], [-50, -50], [-50, -90]])])
    demo_session.open_record(list(demo_session.image_ids)[1])
    messages = [str(record.message) for record in notification_manager.records]
    assert any("1 shape on the canvas cannot be saved" in text and "gone with the record" in text for text in messages)


def test_a_copy_of_the_roi_layer_is_said_to_be_only_a_drawing(demo_session, viewer_model):
    viewer_model.add_layer(
        type(demo_session.record.sync.layer)(**demo_session.record.sync.layer._get_state() | {"ndim": 2})
    )
    assert "is not saved with the record" in last_message()
    assert tag_of(viewer_model.layers[-1]) is None


@pytest.mark.slow
def test_an_image_layer_that_was_deleted_closes_its_record_which_can_be_opened_again(demo_session, viewer_model):
    image_id = demo_session.image_id
    viewer_model.layers.remove(viewer_model.layers[0])
    assert (demo_session.record, list(viewer_model.layers)) == (None, [])
    demo_session.open_record(image_id)
    assert roles(viewer_model) == ["pixels", "mask", "rois"]


def test_masks_of_deleted_rois_leave_the_canvas_with_the_save(demo_session, viewer_model):
    demo_session.record.editor.delete([2])
    demo_session.record.save()
    mask = viewer_model.layers["no mask"]
    assert (mask.visible, tag_of(mask).role, np.asarray(mask.data).any()) == (False, "mask", False)


def test_a_record_opens_flat_in_a_viewer_that_showed_3d(viewer_model, demo_path):
    viewer_model.add_image(np.zeros((3, 4, 5)))
    viewer_model.dims.ndisplay = 3
    opened = session_of(viewer_model)
    opened.open_dataset(demo_path)
    opened.open_record(opened.image_ids[0])
    assert viewer_model.dims.ndisplay == 2


@pytest.mark.slow
@pytest.mark.parametrize(
    "pixels",
    [
        pytest.param(np.eye(60, 20, dtype=bool), id="bool"),
        pytest.param(np.full((60, 20), np.nan), id="all NaN"),
        pytest.param(np.where(np.eye(60, 20) > 0, np.inf, 1.0), id="some infinite"),
        pytest.param(np.zeros((1, 1), np.int64), id="one pixel"),
    ],
)
def test_unusual_pixels_open(viewer_model, tmp_path, pixels):
    dataset = ZarrDataset(tmp_path / "odd.zarr")
    record = dataset.add_image(pixels)
    opened = session_of(viewer_model)
    opened.open_dataset(tmp_path / "odd.zarr")
    opened.open_record(record.image_id)
    assert roles(viewer_model) == ["pixels", "rois"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("pixels", "axes"),
    [
        pytest.param(np.zeros((6, 2), complex), None, id="complex"),
        pytest.param(np.zeros((0, 5)), None, id="no lines"),
        pytest.param(np.zeros((6, 5)), ("t", "x"), id="other axes"),
    ],
)
def test_pixels_that_cannot_be_shown_are_refused_and_the_viewer_stays_as_it_was(demo_session, viewer_model, pixels, axes):
    record = demo_session.dataset.add_image(pixels, axes=axes)
    with pytest.raises(ImageError, match="needed"):
        demo_session.open_record(record.image_id)
    assert roles(viewer_model) == ["pixels", "mask", "rois"]


def test_a_session_ends_with_its_viewer(demo_path):
    viewer = ViewerModel()
    opened = session_of(viewer)
    opened.open_dataset(demo_path)
    gone = weakref.ref(viewer)
    del viewer
    gc.collect()
    assert gone() is None


def test_going_to_a_roi_that_is_not_there_says_so(demo_session):
    demo_session.record.go_to(roi_id=99)
    assert "ROI 99 is not among the ROIs" in last_message()


def test_a_save_after_somebody_changed_other_metadata_succeeds_and_keeps_both(demo_session, demo_path):
    draw(demo_session, NEW)
    record = ZarrDataset(demo_path).record(demo_session.image_id)
    record.save_metadata_payload({**record.load_metadata_payload(), "accepted": True})
    assert demo_session.record.save()
    assert stored_ids(demo_session, demo_path) == (1, 2, 3)
    assert record.load_metadata_payload()["accepted"] is True


@pytest.fixture
def painted_session(demo_session, demo_path):
    """The demo's first record with a ROI 3 that was painted on the lines 7 to 29."""
    image = AcqImage.from_zarr(demo_path, demo_session.image_id)
    mask = np.zeros(image.slice_shape, bool)
    mask[7, 3], mask[29, 8] = True, True
    image.add_mask_roi(mask)
    reopen(demo_session)
    return demo_session


def reopen(session):
    first, second = session.image_ids[:2]
    session.open_record(second)
    session.open_record(first)


@pytest.mark.slow
def test_the_list_the_table_and_the_image_state_the_same_place_of_a_painted_roi(painted_session, demo_path):
    image = AcqImage.from_zarr(demo_path, painted_session.image_id)
    record = painted_session.record
    row = RoiIndexer().extract_rows(image.source).set_index("roi_id").loc[3]
    bounds = record.measured.bounds_of(record.rois.get(3))
    assert bounds == image.bounds_of(record.rois.get(3)) == tuple(row[["x0", "x1", "y0", "y1"]])


@pytest.mark.slow
def test_a_painted_roi_whose_mask_is_lost_is_named_in_the_list(painted_session, demo_path):
    shutil.rmtree(demo_path / "images" / painted_session.image_id / "analysis_arrays" / "roi_mask_3")
    reopen(painted_session)
    assert mask_state(painted_session, 3) == "mask missing"
    record = painted_session.record
    assert record.measured.bounds_of(record.rois.get(3)) is None


@pytest.mark.slow
def test_a_range_typed_for_a_painted_roi_is_refused_also_where_its_mask_is_lost(painted_session, demo_path):
    shutil.rmtree(demo_path / "images" / painted_session.image_id / "analysis_arrays" / "roi_mask_3")
    reopen(painted_session)
    record, lines = painted_session.record, next(column for column in COLUMNS if column.name == "lines")
    with pytest.raises(RoiError, match=r"^ROI 3 is a mask; only a rectangle has bounds to type in"):
        lines.edit(record.editor, record.rois.get(3), "10 – 20")


def test_a_mask_that_is_damaged_is_said_in_the_list_and_the_rois_are_saved_all_the_same(demo_session, demo_path):
    shutil.rmtree(demo_path / "images" / demo_session.image_id / "analysis_arrays" / "roi_mask_2" / "data" / "c")
    draw(demo_session, NEW)
    measured = measure_rois(demo_path, demo_session.image_id, [demo_session.record.rois.get(2)])
    assert measured[2][1].mask_state == "mask damaged"
    assert demo_session.record.save()
    assert stored_ids(demo_session, demo_path) == (1, 2, 3)


def test_another_record_is_told_of_once_and_nothing_of_it_is_called_saved(demo_session):
    told = []
    for name in ("record_changed", "rois_changed", "saved"):
        getattr(demo_session, name).connect(lambda *_, name=name: told.append(name))
    demo_session.open_record(demo_session.image_ids[1])
    assert told == ["record_changed"]
