"""One viewer's dataset, record and unsaved ROIs, with a viewer model and no Qt."""

from dataclasses import replace

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.utils.notifications import notification_manager

from kymflow_core import AcqImage, RectROI
from kymflow_zarr import ZarrDataset
from kymflow_zarr.errors import DatasetNotFoundError
from napari_kymflow._convert import rect_to_vertices
from napari_kymflow._session import session_of
from napari_kymflow._tags import tag_of


@pytest.fixture
def viewer():
    return ViewerModel()


@pytest.fixture
def session(viewer, demo_path):
    """The demo dataset with its first record open."""
    opened = session_of(viewer)
    opened.open_dataset(demo_path)
    opened.open_record(next(iter(opened.records())))
    return opened


def draw(session, roi):
    session.sync.layer.add_rectangles([rect_to_vertices(roi, session.tag.stretch)])


NEW = RectROI(roi_id=3, x0=3, x1=5, y0=10, y1=20)


def roles(viewer):
    return [tag_of(layer).role for layer in viewer.layers]


def stored_ids(session, path):
    return AcqImage.from_zarr(path, session.image_id).rois.ids


def last_message():
    return str(notification_manager.records[-1].message)


def test_a_viewer_has_one_session(viewer):
    assert session_of(viewer) is session_of(viewer)


def test_records_come_in_the_order_of_acquisition(session):
    assert [image.name for image in session.records().values()] == ["demo steady flow", "demo stall", "demo reversal"]


def test_opening_a_record_shows_time_from_left_to_right(session, viewer):
    assert roles(viewer) == ["pixels", "mask", "rois"]
    assert viewer.dims.order == (1, 0)


def test_opening_another_record_replaces_the_layers(session, viewer):
    second = list(session.records())[1]
    session.open_record(second)
    assert roles(viewer) == ["pixels", "mask", "rois"]
    assert session.image_id == second


def test_opening_the_open_record_again_changes_nothing(session, viewer):
    layers = list(viewer.layers)
    session.open_record(session.image_id)
    assert list(viewer.layers) == layers


def test_layers_of_others_stay_when_a_record_closes(session, viewer):
    viewer.add_points([[1, 1]], name="mine")
    session.close_record()
    assert [layer.name for layer in viewer.layers] == ["mine"]


def test_a_drawn_roi_is_unsaved_until_it_is_saved(session, demo_path):
    draw(session, NEW)
    assert session.is_unsaved
    assert session.save_rois()
    assert not session.is_unsaved
    assert stored_ids(session, demo_path) == (1, 2, 3)


def test_unsaved_rois_survive_a_look_at_another_record(session):
    first, second = list(session.records())[:2]
    draw(session, NEW)
    session.open_record(second)
    assert session.unsaved_ids == (first,)
    session.open_record(first)
    assert session.rois.ids == (1, 2, 3)
    assert session.is_unsaved


def test_saved_rois_come_back_at_exactly_the_same_pixels(session):
    draw(session, NEW)
    session.save_rois()
    before = session.rois
    first, second = list(session.records())[:2]
    session.open_record(second)
    session.open_record(first)
    assert session.rois == before


def test_renaming_a_roi_changes_its_label_on_the_canvas(session):
    session.rename_roi(2, "capillary wall")
    assert session.sync.layer.features["label"].tolist() == ["vessel", "capillary wall"]


def test_deleting_a_roi_takes_its_shape_away(session):
    session.delete_rois([1])
    assert session.rois.ids == (2,)
    assert session.sync.layer.nshapes == 1


def test_materializing_writes_masks_and_shows_them(session, viewer, demo_path):
    session.materialize_masks()
    assert roles(viewer) == ["pixels", "mask", "mask", "rois"]
    record = ZarrDataset(demo_path).record(session.image_id)
    assert record.list_array_artifacts() == ["roi_mask_1", "roi_mask_2"]
    assert not session.is_unsaved


def test_a_mask_is_outdated_after_its_roi_was_moved(session):
    assert session.mask_state(session.rois.get(2)) == "mask"
    session.sync.layer.data = [np.add(vertices, (100, 0)) for vertices in session.sync.layer.data]
    assert session.mask_state(session.rois.get(2)) == "mask outdated"


def delete_first_elsewhere(session, demo_path):
    other = AcqImage.from_zarr(demo_path, session.image_id)
    other.save_rois(other.rois.remove(1))


def test_a_save_after_somebody_else_saved_shows_both_changes_and_saves_at_the_second_time(session, demo_path):
    draw(session, NEW)
    delete_first_elsewhere(session, demo_path)
    assert not session.save_rois()
    assert "Both changes are on screen, nothing is saved yet" in last_message()
    assert (session.rois.ids, session.is_unsaved) == ((2, 3), True)
    assert stored_ids(session, demo_path) == (2,)
    assert session.save_rois()
    assert stored_ids(session, demo_path) == (2, 3)


def test_a_roi_that_both_changed_is_shown_twice(session, demo_path):
    session.rename_roi(1, "mine")
    other = AcqImage.from_zarr(demo_path, session.image_id)
    other.save_rois(other.rois.replace(replace(other.rois.get(1), name="theirs")))
    session.save_rois()
    assert [roi.name for roi in session.rois] == ["theirs", "centre, first half", "mine"]
    assert "ROI 1 was changed by both: yours is now ROI 3" in last_message()


def test_a_draft_never_overwrites_what_somebody_else_saved_meanwhile(session, demo_path):
    first, second = list(session.records())[:2]
    draw(session, NEW)
    session.open_record(second)
    other = AcqImage.from_zarr(demo_path, first)
    other.save_rois(other.rois.remove(1))
    session.open_record(first)
    assert session.rois.ids == (2, 3)


def test_unsaved_rois_survive_a_look_at_another_dataset(session, demo_path, tmp_path):
    first = session.image_id
    draw(session, NEW)
    ZarrDataset.create(tmp_path / "other.zarr")
    session.open_dataset(tmp_path / "other.zarr")
    assert session.unsaved_ids == ()
    session.open_dataset(demo_path)
    assert session.unsaved_ids == (first,)
    session.open_record(first)
    assert session.rois.ids == (1, 2, 3)


def test_saving_to_a_disk_that_refuses_says_so_and_keeps_the_rois(session, monkeypatch):
    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    draw(session, NEW)
    monkeypatch.setattr("os.link", refuse)
    assert not session.save_rois()
    assert "no permission to write" in last_message()
    assert session.is_unsaved


def test_a_missing_dataset_is_an_error_and_the_open_one_stays(session, tmp_path, demo_path):
    with pytest.raises(DatasetNotFoundError, match="there is no dataset"):
        session.open_dataset(tmp_path / "gone.zarr")
    assert session.dataset.path == demo_path


def test_tables_can_be_rebuilt_and_updated(session):
    image_id = list(session.records())[1]
    frame = session.load_table("velocity_events")
    session.dataset.record(image_id).save_df_parquet("velocity_events", frame.iloc[:0].drop(columns="image_id"))
    session.show_reports(session.run_indexers(image_id))
    assert image_id not in set(session.load_table("velocity_events")["image_id"])
    session.show_reports(session.run_indexers())
    assert len(session.load_table("velocity_events")) == len(frame) - 2
    assert "velocity_events: 2 rows of 3 images" in last_message()


def test_going_to_an_event_centres_it_and_selects_its_roi(session, viewer):
    session.open_record(list(session.records())[1])
    session.go_to(roi_id=1, seconds=(1.8, 2.6))
    assert viewer.scene.camera.center[-1] == pytest.approx(2200)
    assert session.sync.selected_ids == (1,)


def test_going_to_a_roi_centres_it(session, viewer):
    session.go_to(roi_id=2)
    assert viewer.scene.camera.center[-1] == pytest.approx(1500, abs=1)


def test_the_status_bar_reads_seconds_and_micrometres(session, viewer):
    viewer.cursor.position = (1500.0, 8 * session.tag.stretch)
    viewer.status = {"layer_base": "x", "source_type": "", "plugin": "", "coordinates": " [1500 8]", "value": ""}
    assert viewer.status["coordinates"].startswith("1.5000 s, 4.00 µm (line 1500, pixel 8): ")


def test_edges_stay_two_screen_pixels_wide_at_any_zoom(session, viewer):
    viewer.scene.camera.zoom = 0.01
    assert set(session.sync.layer.edge_width) == {200.0}
    assert session.view.zoom_time_only
    viewer.scene.camera.zoom = 2.0
    assert set(session.sync.layer.edge_width) == {1.0}


def test_removing_the_roi_layer_by_hand_closes_the_record_and_keeps_the_draft(session, viewer):
    draw(session, NEW)
    image_id = session.image_id
    viewer.layers.remove(session.sync.layer)
    assert session.image_id is None
    session.open_record(image_id)
    assert session.rois.ids == (1, 2, 3)


def test_layers_that_were_opened_before_the_session_are_adopted(demo_path):
    from napari.layers import Layer

    from napari_kymflow._reader import read

    viewer = ViewerModel()
    for data, options, kind in read(str(demo_path)):
        viewer.add_layer(Layer.create(data, options, kind))
    assert session_of(viewer).rois.ids == (1, 2)
