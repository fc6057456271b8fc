"""ROIs and a Shapes layer in step, without Qt. napari's own events are fired by its own calls."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from napari.layers import Shapes
from napari.utils.interactions import mouse_press_callbacks, mouse_release_callbacks

from kymflow_core import RectROI, RoiSet
from napari_kymflow.layers.convert import display_stretch
from napari_kymflow.layers.roi_sync import RoiSync
from napari_kymflow.layers.shapes import rect_to_vertices, rois_to_layer
from napari_kymflow.session.session import session_of

SHAPE = (30000, 38)
STRETCH = display_stretch(SHAPE)
TWO = RoiSet.of([RectROI(roi_id=1, name="a", x0=0, x1=38, y0=0, y1=30000), RectROI(roi_id=2, x0=9, x1=28, y0=75, y1=225)])


@pytest.fixture
def sync():
    """Two rectangles on a layer, bound."""
    data, options, _ = rois_to_layer(TWO, {}, STRETCH, name="ROIs")
    bound = RoiSync(Shapes(data, **options), TWO, stretch=STRETCH, shape=SHAPE)
    bound.bind()
    yield bound
    bound.unbind()


def bounds(sync):
    return {roi.roi_id: (roi.x0, roi.x1, roi.y0, roi.y1) for roi in sync.rois}


def shown_ids(sync):
    return sync.layer.features["roi_id"].tolist()


def draw(sync, x0, x1, y0, y1):
    sync.layer.add_rectangles([rect_to_vertices(RectROI(roi_id=1, x0=x0, x1=x1, y0=y0, y1=y1), STRETCH)])


def test_binding_changes_nothing(sync):
    assert sync.rois == TWO
    assert shown_ids(sync) == [1, 2]


def test_a_drawn_rectangle_becomes_a_roi_with_the_next_id(sync):
    draw(sync, 3, 5, 10, 20)
    assert bounds(sync)[3] == (3, 5, 10, 20)
    assert shown_ids(sync) == [1, 2, 3]


def test_a_drawn_rectangle_snaps_to_the_edges_of_its_pixels(sync):
    sync.layer.add_rectangles([np.array([[9.8, 2.7], [9.8, 4.2], [19.3, 4.2], [19.3, 2.7]]) * (1, STRETCH)])
    expected = rect_to_vertices(RectROI(roi_id=3, x0=3, x1=5, y0=10, y1=20), STRETCH)
    assert sync.layer.data[2].min(axis=0) == pytest.approx(expected.min(axis=0))
    assert sync.layer.data[2].max(axis=0) == pytest.approx(expected.max(axis=0))


def test_deleting_a_shape_deletes_its_roi(sync):
    sync.layer.selected_data = {0}
    sync.layer.remove_selected()
    assert list(bounds(sync)) == [2]


def test_a_pasted_shape_is_a_new_roi(sync):
    sync.layer.selected_data = {1}
    sync.layer._copy_data()
    sync.layer._paste_data()
    assert shown_ids(sync) == [1, 2, 3]
    assert bounds(sync)[3] == bounds(sync)[2]


def test_replacing_all_data_moves_the_rois_and_keeps_their_ids(sync):
    moved = [np.add(vertices, (100, 0)) for vertices in sync.layer.data]
    sync.layer.data = moved
    assert bounds(sync) == {1: (0, 38, 100, 30000), 2: (9, 28, 175, 325)}


OUTSIDE = np.array([[-900, -900], [-800, -900], [-900, -800]])


def test_a_polygon_becomes_a_mask_roi(sync):
    sync.layer.add_polygons([np.array([[0, 0], [900, 0], [0, 20]]) * (1, STRETCH)])
    assert (sync.rois.ids, sync.rois.get(3).drawn.type, sync.refused) == ((1, 2, 3), "polygon", ())
    assert shown_ids(sync) == [1, 2, 3]


def test_a_shape_without_a_pixel_stays_on_screen_and_is_refused_with_a_reason(sync):
    sync.layer.add_polygons([OUTSIDE])
    assert (sync.rois, sync.refused) == (TWO, (2,))
    assert sync.refusal == "1 shape on the canvas cannot be saved: no pixel of the image lies inside."


def test_a_rectangle_that_became_a_polygon_is_told_and_keeps_its_id(sync):
    told = []
    sync.rois_turned.connect(told.append)
    corners = sync.layer.data[1].copy()
    corners[2] += (50, 5 * STRETCH)
    sync.layer.data = [(sync.layer.data[0], "rectangle"), (corners, "polygon")]
    assert (told, sync.rois.ids, sync.rois.get(2).roi_type) == ([(2,)], (1, 2), "mask")


def test_another_stretch_moves_no_roi_however_often(sync):
    sync.layer.add_ellipses([np.array([[5, 3], [5, 9], [99, 9], [99, 3]]) * (1, STRETCH)])
    before = sync.rois
    for factor in (0.37, 11.1, 0.003, 7.7) * 5:
        sync.draw_for(sync.stretch * factor, edge_width=12.0)
    sync.layer.events.set_data()
    assert sync.rois == before


def test_rois_are_drawn_in_their_own_colours(sync):
    sync.set_rois(sync.rois.replace(replace(sync.rois.get(2), meta={"color": "#0000ff"})))
    assert sync.layer.edge_color[1].tolist() == [0, 0, 1, 1]


def test_reordered_shapes_keep_their_ids(sync):
    sync.layer.selected_data = {1}
    sync.layer.move_to_back()
    sync.layer.events.set_data()
    assert sync.rois == TWO


def test_rois_set_from_outside_are_drawn(sync):
    sync.set_rois(TWO.remove(1).add(RectROI(roi_id=3, name="new", x0=1, x1=2, y0=1, y1=2)))
    assert shown_ids(sync) == [2, 3]
    assert sync.layer.features["label"].tolist() == ["ROI 2", "new"]


def test_rois_set_from_outside_keep_refused_shapes(sync):
    sync.layer.add_polygons([OUTSIDE])
    sync.set_rois(TWO.remove(1))
    assert shown_ids(sync) == [2, 0]
    assert sync.layer.shape_type == ["rectangle", "polygon"]


def test_selecting_a_roi_selects_its_shape_and_back(sync):
    sync.select([2])
    assert set(sync.layer.selected_data) == {1}
    sync.layer.selected_data = {0}
    assert sync.selected_ids == (1,)


def test_a_change_is_reported_once(sync):
    calls = []
    sync.rois_changed.connect(lambda: calls.append(sync.rois))
    draw(sync, 3, 5, 10, 20)
    assert len(calls) == 1


def test_after_unbind_the_layer_is_not_followed(sync):
    sync.unbind()
    draw(sync, 3, 5, 10, 20)
    assert sync.rois == TWO
    sync.bind()


def test_edges_can_be_set_to_one_width(sync):
    sync.draw_for(sync.stretch, edge_width=12.5)
    assert set(sync.layer.edge_width) == {12.5}
    assert sync.rois == TWO


def test_an_empty_layer_takes_a_first_roi():
    data, options, _ = rois_to_layer(RoiSet(), {}, STRETCH, name="ROIs")
    bound = RoiSync(Shapes(data, **options), RoiSet(), stretch=STRETCH, shape=SHAPE)
    bound.bind()
    draw(bound, 3, 5, 10, 20)
    assert bounds(bound) == {1: (3, 5, 10, 20)}
    bound.unbind()


def test_a_roi_whose_shape_is_refused_keeps_it_while_another_is_renamed(sync):
    sync.layer.data = [(sync.layer.data[0], "rectangle"), (OUTSIDE, "polygon")]
    sync.set_rois(sync.rois.replace(replace(sync.rois.get(1), name="new")))
    assert sync.layer.shape_type == ["rectangle", "polygon"]
    assert np.allclose(sync.layer.data[1], OUTSIDE)
    assert (sync.refused, shown_ids(sync)) == ((1,), [1, 2])


def test_nothing_is_reconciled_while_a_shape_is_being_changed(sync):
    sync.layer.events.data(value=sync.layer.data, action="changing", data_indices=(0,), vertex_indices=((),))
    assert sync.is_editing
    sync.layer.events.set_data()
    assert sync.rois == TWO


def test_giving_up_a_change_by_another_mode_ends_it(sync):
    ended = []
    sync.editing_ended.connect(lambda: ended.append(True))
    sync.layer.events.data(value=sync.layer.data, action="adding", data_indices=(-1,), vertex_indices=((),))
    sync.layer.mode = "select"
    assert (sync.is_editing, ended) == (False, [True])


def click_on(viewer, line, pixel):
    """Press and release the left button at a line and pixel, in the Shapes layer of the record."""
    layer, record = viewer.layers.selection.active, session_of(viewer).record
    position, waiting = (line, pixel * record.tag.stretch), []
    record.sync.later = waiting.append  # in a window, after napari has answered the mouse
    for kind, callbacks in (("mouse_press", mouse_press_callbacks), ("mouse_release", mouse_release_callbacks)):
        callbacks(layer, SimpleNamespace(type=kind, position=position, pos=position, button=1, modifiers=[]))
    while waiting:
        waiting.pop(0)()


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["add_rectangle", "add_ellipse", "add_line"])
def test_a_click_draws_nothing(mode, viewer_model, demo_session):
    layer = viewer_model.layers.selection.active = demo_session.record.sync.layer
    before = demo_session.record.rois
    layer.mode = mode
    click_on(viewer_model, 3000, 40)
    assert (demo_session.record.rois, layer.nshapes) == (before, 2)
    assert not demo_session.record.is_unsaved
