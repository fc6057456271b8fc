"""How a record is shown: the band's height, the zoom, the captions."""

from dataclasses import replace

import numpy as np
import pytest

from kymflow_core import RectROI
from napari_kymflow.layers.shapes import LayerShape, is_drawn_as, rect_to_vertices
from napari_kymflow.layers.tags import tag_of
from napari_kymflow.layers.view import BAND_HEIGHT
from napari_kymflow.session.session import session_of


def band_height(viewer, session):
    """Return the band's height on the canvas, over the canvas's."""
    return 96 * session.record.tag.stretch * viewer.scene.camera.zoom / viewer.canvas.size[0]


def visible_lines(viewer):
    return viewer.canvas.size[1] / viewer.scene.camera.zoom


def test_a_record_opens_whole_and_fills_the_canvas(viewer_model, demo_session):
    assert visible_lines(viewer_model) == pytest.approx(6000, rel=0.05)
    assert band_height(viewer_model, demo_session) == pytest.approx(BAND_HEIGHT, rel=0.02)


@pytest.mark.slow
@pytest.mark.parametrize("size", [(0, 0), (20, 400), (400, 20), (1, 1)])
def test_a_canvas_that_docks_leave_no_room_is_survived(size, viewer_model, demo_session):
    demo_session.view.strips = (60.0, 40.0)
    viewer_model.canvas.size = size
    demo_session.view.fit()
    assert 0 < demo_session.record.tag.stretch < np.inf
    assert 0 < viewer_model.scene.camera.zoom < np.inf
    viewer_model.canvas.size = (300, 1600)
    demo_session.view.strips = (0.0, 0.0)
    demo_session.view.fit()
    assert band_height(viewer_model, demo_session) == pytest.approx(BAND_HEIGHT, rel=0.02)


@pytest.mark.parametrize("factor", [0.5, 3, 40])
def test_zooming_keeps_the_bands_height_and_its_middle(viewer_model, demo_session, factor):
    viewer_model.scene.camera.zoom *= factor
    assert band_height(viewer_model, demo_session) == pytest.approx(BAND_HEIGHT, rel=0.02)
    assert viewer_model.scene.camera.center[-2] == pytest.approx(95 / 2 * demo_session.record.tag.stretch)


def test_zooming_leaves_the_time_in_the_middle_alone(viewer_model, demo_session):
    viewer_model.scene.camera.center = (0, 0, 1234)
    viewer_model.scene.camera.zoom *= 5
    assert viewer_model.scene.camera.center[-1] == pytest.approx(1234)


@pytest.mark.slow
def test_zooming_changes_no_roi(viewer_model, demo_session):
    before = demo_session.record.rois
    for factor in (40, 0.013, 7, 1.9):
        viewer_model.scene.camera.zoom *= factor
    assert demo_session.record.rois == before
    assert not demo_session.record.is_unsaved


def test_shapes_follow_the_stretch_exactly(viewer_model, demo_session):
    viewer_model.scene.camera.zoom *= 23
    stretch = demo_session.record.tag.stretch
    for vertices, roi in zip(demo_session.record.sync.layer.data, demo_session.record.rois, strict=True):
        assert is_drawn_as(roi, LayerShape(roi_id=roi.roi_id, shape_type="rectangle", vertices=vertices), stretch)


def test_a_rectangle_drawn_at_another_zoom_selects_what_it_covers(viewer_model, demo_session):
    viewer_model.scene.camera.zoom *= 23
    wanted = RectROI(roi_id=3, x0=40, x1=42, y0=100, y1=110)
    demo_session.record.sync.layer.add_rectangles([rect_to_vertices(wanted, demo_session.record.tag.stretch)])
    assert demo_session.record.rois.get(3) == wanted


@pytest.mark.slow
def test_all_layers_of_the_record_have_one_stretch(viewer_model, demo_session):
    viewer_model.scene.camera.zoom *= 11
    demo_session.record.materialize_masks()
    stretches = {tag_of(layer).stretch for layer in viewer_model.layers}
    scales = {float(layer.scale[-1]) for layer in viewer_model.layers if tag_of(layer).role != "rois"}
    assert stretches == scales == {demo_session.record.tag.stretch}


def test_zooming_both_ways_alike_leaves_the_stretch(viewer_model, demo_session):
    demo_session.view.zoom_time_only = False
    before = demo_session.record.tag.stretch
    viewer_model.scene.camera.zoom *= 5
    assert demo_session.record.tag.stretch == before


def test_turning_time_only_on_again_fills_the_canvas(viewer_model, demo_session):
    demo_session.view.zoom_time_only = False
    viewer_model.scene.camera.zoom *= 5
    demo_session.view.zoom_time_only = True
    assert band_height(viewer_model, demo_session) == pytest.approx(BAND_HEIGHT, rel=0.02)


def test_a_canvas_of_another_size_is_filled_too(viewer_model, demo_session):
    viewer_model.canvas.size = (300, 1600)
    assert band_height(viewer_model, demo_session) == pytest.approx(BAND_HEIGHT, rel=0.02)


def test_the_home_button_shows_the_whole_record(viewer_model, demo_session):
    viewer_model.scene.camera.zoom *= 50
    viewer_model.reset_view()
    assert visible_lines(viewer_model) == pytest.approx(6000, rel=0.15)
    assert band_height(viewer_model, demo_session) == pytest.approx(BAND_HEIGHT, rel=0.02)


def test_an_event_is_named_on_the_canvas_until_something_else_is_shown(viewer_model, demo_session):
    demo_session.record.go_to(roi_id=1, seconds=(1.0, 2.0), caption="event 1: stall at 1 s")
    overlay = viewer_model.canvas.overlays.text
    assert (overlay.text, overlay.visible) == ("event 1: stall at 1 s", True)
    demo_session.view.fit()
    assert not overlay.visible


def test_going_to_an_event_shows_it_with_its_surroundings(viewer_model, demo_session):
    demo_session.record.go_to(seconds=(1.0, 2.0))
    assert viewer_model.scene.camera.center[-1] == pytest.approx(1500)
    assert visible_lines(viewer_model) == pytest.approx(4000, rel=0.05)


def test_an_event_without_an_end_is_shown_within_two_seconds(viewer_model, demo_session):
    demo_session.record.go_to(seconds=(3.0, 3.0))
    assert visible_lines(viewer_model) == pytest.approx(2000, rel=0.05)


def test_without_a_record_there_is_nothing_to_go_to(viewer_model):
    session = session_of(viewer_model)
    before = viewer_model.scene.camera.zoom
    session.view.fit()
    assert viewer_model.scene.camera.zoom == before


def test_a_step_of_the_zoom_reads_and_uploads_nothing(viewer_model, demo_session):
    calls, data = [], demo_session.record.sync.layer.data
    demo_session.view.when_it_rests = calls.append
    for layer in viewer_model.layers:
        layer.events.set_data.connect(lambda event: calls.append(event.source))
    for factor in (1.3, 4, 0.01):
        viewer_model.scene.camera.zoom *= factor
    assert set(calls) == {demo_session.view._draw_shapes}
    assert all(before is now for before, now in zip(data, demo_session.record.sync.layer.data, strict=True))
    record = demo_session.record
    scale = record.sync.layer.scale[-1]
    assert scale * record.sync.stretch == pytest.approx(record.tag.stretch)
    record.sync.layer.add_rectangles([rect_to_vertices(record.rois.get(2), record.sync.stretch)])
    assert record.rois.get(3) == replace(record.rois.get(2), roi_id=3, name="", meta={})
    calls.clear()
    demo_session.view._draw_shapes()
    assert record.sync.layer in calls  # napari draws what changed
    assert record.sync.layer.scale[-1] == 1


def test_the_zoom_waits_until_a_shape_is_done(viewer_model, demo_session):
    layer, before = demo_session.record.sync.layer, demo_session.record.tag.stretch
    layer.events.data(value=layer.data, action="changing", data_indices=(0,), vertex_indices=((),))
    viewer_model.scene.camera.zoom *= 7
    assert demo_session.record.tag.stretch == before
    layer.events.data(value=layer.data, action="changed", data_indices=(0,), vertex_indices=((),))
    assert band_height(viewer_model, demo_session) == pytest.approx(BAND_HEIGHT, rel=0.02)


@pytest.mark.slow
def test_layers_of_others_are_neither_stretched_nor_turned_and_shown_as_before_in_the_end(viewer_model, demo_path):
    photo = viewer_model.add_image(np.zeros((40, 60)), scale=(0.5, 0.5))
    before = viewer_model.dims.order
    session = session_of(viewer_model)
    session.open_dataset(demo_path)
    for image_id in session.image_ids[:2]:
        session.open_record(image_id)
        stretch = session.record.tag.stretch
        width = 2 / viewer_model.scene.camera.zoom
        assert session.record.sync.layer.edge_width == pytest.approx([width] * 2, rel=0.26)
        viewer_model.scene.camera.zoom *= 7
        assert session.record.tag.stretch == stretch
        assert viewer_model.dims.order == before
        np.testing.assert_array_equal(photo.scale, (0.5, 0.5))
    session.close_record()
    assert (viewer_model.dims.order, list(viewer_model.layers)) == (before, [photo])


@pytest.mark.slow
def test_a_layer_that_is_added_later_stays_on_its_pixels_and_the_record_fills_the_canvas_again_without_it(
    viewer_model, demo_session
):
    stretch = demo_session.record.tag.stretch
    points = viewer_model.add_points([[100, 20 * stretch]])
    viewer_model.scene.camera.zoom *= 7
    assert (demo_session.record.tag.stretch, points.scale[-1], viewer_model.dims.order) == (stretch, 1, (1, 0))
    viewer_model.layers.remove(points)
    assert band_height(viewer_model, demo_session) == pytest.approx(BAND_HEIGHT, rel=0.02)
    demo_session.close_record()
    assert viewer_model.dims.order == (0, 1)


def test_the_status_bar_is_left_to_a_layer_of_others_that_is_active(viewer_model, demo_session):
    viewer_model.add_image(np.zeros((40, 60)), name="photo")
    status = {"layer_base": "photo", "source_type": "", "plugin": "", "coordinates": " [3 4]", "value": ""}
    viewer_model.status = status
    assert viewer_model.status == status


def test_the_whole_record_lies_beside_the_axes(viewer_model, demo_session):
    demo_session.view.strips = (80, 40)
    placement = demo_session.view.placement
    height, width = viewer_model.canvas.size
    assert 80 < placement.time_of(0) < placement.time_of(6000) < width
    assert 0 < placement.across_of(0) < placement.across_of(96) < height - 40
    assert placement.across_of(0) == pytest.approx(height - 40 - placement.across_of(96), abs=1)


def test_a_zoomed_record_stays_where_it_is_in_time_when_the_axes_change(viewer_model, demo_session):
    demo_session.view.show_lines(1000, 1400)
    demo_session.view.strips = (80, 40)
    assert demo_session.view.placement.visible == pytest.approx((1000, 1400))
    start, stop = demo_session.view.visible_lines()
    assert (start, stop) == (pytest.approx(1000 + 80 * 400 / viewer_model.canvas.size[1], abs=1), 1400)


def test_naparis_scale_bar_says_nothing_of_a_kymograph(viewer_model, demo_session):
    bar = viewer_model.canvas.overlays.scale_bar
    bar.visible = True
    assert not bar.visible
    demo_session.close_record()
    bar.visible = True
    assert bar.visible
