"""ROIs to shapes and back, pure."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kymflow_core import MaskROI, RectROI, RoiSet
from kymflow_core.roi import DrawnShape
from kymflow_core.roi.bounds import Bounds
from napari_kymflow.layers.convert import display_stretch
from napari_kymflow.layers.shapes import (
    NO_ROI,
    ROI_COLOR,
    LayerShape,
    color_of,
    colors_of,
    reconcile,
    rect_to_vertices,
    roi_label,
    rois_to_shapes,
    shape_to_region,
)


def vertices_to_bounds(vertices, stretch, shape):
    drawn = LayerShape(roi_id=NO_ROI, shape_type="rectangle", vertices=vertices)
    region = shape_to_region(drawn, stretch, shape)
    return region if isinstance(region, Bounds) else None


SHAPE = (30000, 38)
STRETCH = display_stretch(SHAPE)


@st.composite
def rects_in_an_image(draw):
    lines, pixels = draw(st.integers(1, 60000)), draw(st.integers(1, 4096))
    y0, x0 = draw(st.integers(0, lines - 1)), draw(st.integers(0, pixels - 1))
    y1, x1 = draw(st.integers(y0 + 1, lines)), draw(st.integers(x0 + 1, pixels))
    return RectROI(roi_id=1, x0=x0, x1=x1, y0=y0, y1=y1), (lines, pixels)


@settings(deadline=None)
@given(rects_in_an_image())
def test_a_rectangle_drawn_and_read_back_has_the_same_pixels(case):
    roi, shape = case
    stretch = display_stretch(shape)
    # napari keeps vertices as 32-bit floats.
    vertices = rect_to_vertices(roi, stretch).astype(np.float32)
    assert vertices_to_bounds(vertices, stretch, shape) == Bounds(roi.x0, roi.x1, roi.y0, roi.y1)


def test_a_rectangle_is_drawn_on_the_outer_edges_of_its_pixels():
    vertices = rect_to_vertices(RectROI(roi_id=1, x0=10, x1=20, y0=5, y1=6), 2.0)
    assert vertices.min(axis=0).tolist() == [4.5, 19.0]
    assert vertices.max(axis=0).tolist() == [5.5, 39.0]


@settings(deadline=None)
@given(st.floats(-5, 45), st.floats(-5, 45), st.floats(-5, 45), st.floats(-5, 45))
def test_a_hand_drawn_rectangle_selects_the_pixels_whose_centres_it_covers(y_a, y_b, x_a, x_b):
    (y0, y1), (x0, x1) = sorted((y_a, y_b)), sorted((x_a, x_b))
    vertices = np.array([[y0, x0], [y0, x1], [y1, x1], [y1, x0]])
    inside = [(y, x) for y in range(40) for x in range(30) if y0 <= y <= y1 and x0 <= x <= x1]
    bounds = vertices_to_bounds(vertices, 1.0, (40, 30))
    found = [] if bounds is None else [(y, x) for y in range(bounds.y0, bounds.y1) for x in range(bounds.x0, bounds.x1)]
    assert found == inside


@pytest.mark.parametrize("stretch", [0.05, 1.0, 331.0])
def test_a_tilt_of_half_a_pixel_is_no_upright_rectangle_at_any_stretch(stretch):
    corners = np.array([[0, 2.0], [0, 9.0], [50, 9.5], [50, 2.5]])
    assert vertices_to_bounds(corners * (1.0, stretch), stretch, (200, 20)) is None


@pytest.mark.parametrize("stretch", [0.05, 0.7, 1000.0])
def test_a_rectangle_keeps_its_pixels_at_any_stretch(stretch):
    roi = RectROI(roi_id=1, x0=4090, x1=4096, y0=29990, y1=30000)
    vertices = rect_to_vertices(roi, stretch).astype(np.float32)
    assert vertices_to_bounds(vertices, stretch, (30000, 4096)) == Bounds(roi.x0, roi.x1, roi.y0, roi.y1)


def test_a_rotated_rectangle_has_no_bounds():
    vertices = np.array([[0, 50], [50, 0], [100, 50], [50, 100]])
    assert vertices_to_bounds(vertices, 1.0, (200, 200)) is None


def rectangle(roi_id, x0=1, x1=3, y0=10, y1=20):
    roi = RectROI(roi_id=1, x0=x0, x1=x1, y0=y0, y1=y1)
    return LayerShape(roi_id=roi_id, shape_type="rectangle", vertices=rect_to_vertices(roi, STRETCH))


def reconciled(shapes, previous):
    return reconcile(shapes, previous, stretch=STRETCH, shape=SHAPE)


ONE = RoiSet.of(
    [RectROI(roi_id=4, name="cell", note="n", x0=1, x1=3, y0=10, y1=20, meta={"mask_ref": "analysis_arrays/m"})]
)


def test_an_unchanged_shape_leaves_its_roi_as_it_is():
    assert reconciled([rectangle(4)], ONE).rois == ONE


def test_a_moved_shape_keeps_its_id_name_note_and_meta():
    (roi,) = reconciled([rectangle(4, x0=7, x1=9)], ONE).rois
    assert (roi.roi_id, roi.name, roi.note, roi.meta, roi.x0, roi.x1) == (4, "cell", "n", ONE.get(4).meta, 7, 9)


def test_a_pasted_shape_with_a_copied_id_becomes_a_new_roi():
    result = reconciled([rectangle(4), rectangle(4, x0=5, x1=6)], ONE)
    assert result.ids == (4, 5)
    assert result.rois.get(4) == ONE.get(4)


def test_a_shape_that_is_gone_deletes_its_roi_and_its_id_stays_used():
    result = reconciled([], ONE)
    assert (len(result.rois), result.rois.next_id) == (0, 5)


def test_a_mask_roi_has_no_shape_and_stays():
    masks = RoiSet.of([MaskROI(roi_id=2, reference="analysis_arrays/m")])
    assert reconciled([], masks).rois == masks


def shape(roi_id, shape_type, vertices):
    return LayerShape(roi_id=roi_id, shape_type=shape_type, vertices=np.multiply(vertices, (1.0, STRETCH)))


@pytest.mark.parametrize(
    ("shape_type", "vertices"),
    [
        pytest.param("polygon", [[0, 0], [0, 9], [99, 0]], id="polygon"),
        pytest.param("ellipse", [[10, 5], [10, 9], [90, 9], [90, 5]], id="ellipse"),
        pytest.param("rectangle", [[0, 15], [50, 10], [100, 15], [50, 20]], id="rotated rectangle"),
        pytest.param("path", [[0, 0], [50, 9], [99, 0]], id="path"),
        pytest.param("line", [[0, 0], [50, 9]], id="line"),
    ],
)
def test_every_other_shape_becomes_a_mask_roi_that_keeps_what_was_drawn(shape_type, vertices):
    result = reconciled([rectangle(4), shape(NO_ROI, shape_type, vertices)], ONE)
    roi = result.rois.get(5)
    assert (result.ids, result.refused, roi.reference) == ((4, 5), (), None)
    assert roi.drawn == DrawnShape(type=shape_type, vertices=tuple((float(y), float(x)) for y, x in vertices))


def test_a_rectangle_whose_corner_was_dragged_is_a_mask_with_the_same_id_name_and_note():
    drawn = LayerShape(
        roi_id=4, shape_type="polygon", vertices=np.add(rectangle(4).vertices, [[0, 0], [0, 0], [9, 9], [0, 0]])
    )
    result = reconciled([drawn], ONE)
    roi = result.rois.get(4)
    assert (result.turned, roi.roi_type, roi.name, roi.note) == ((4,), "mask", "cell", "n")
    assert set(roi.meta) == {"shape"}


def test_a_mask_that_was_turned_back_upright_is_a_rectangle_again():
    turned = reconciled([shape(4, "rectangle", [[0, 15], [50, 10], [100, 15], [50, 20]])], ONE).rois
    (roi,) = reconciled([rectangle(4)], turned).rois
    assert (roi.roi_type, roi.roi_id, roi.name, roi.x0, roi.x1) == ("rect", 4, "cell", 1, 3)


def test_a_drawn_mask_that_was_moved_has_no_mask_yet_and_keeps_the_rest():
    old = MaskROI(
        roi_id=2, name="cell", reference="analysis_arrays/m", meta={"shape": {"type": "line", "vertices": [[0, 0], [9, 9]]}}
    )
    (roi,) = reconciled([shape(2, "line", [[1, 0], [10, 9]])], RoiSet.of([old])).rois
    assert (roi.name, roi.reference, roi.drawn.vertices) == ("cell", None, ((1.0, 0.0), (10.0, 9.0)))


def test_a_shape_whose_roi_has_its_shape_gone_wrong_keeps_what_it_was():
    outside = LayerShape(roi_id=4, shape_type="polygon", vertices=np.array([[-9, -9], [-5, -9], [-9, -5]]))
    result = reconciled([outside], ONE)
    assert (result.refused, result.rois) == ((0,), ONE)


coordinate = st.floats(-20, 220, width=32)


@st.composite
def drawn_rois(draw):
    kind = draw(st.sampled_from(["polygon", "ellipse", "rectangle", "path", "line"]))
    count = {"ellipse": 4, "rectangle": 4, "line": 2}.get(kind) or draw(st.integers(3, 12))
    vertices = draw(st.lists(st.tuples(coordinate, coordinate), min_size=count, max_size=count))
    shape = {"type": kind, "vertices": np.round(vertices, 3).tolist()}
    return MaskROI(roi_id=1, reference="analysis_arrays/m", meta={"shape": shape})


@settings(deadline=None)
@given(drawn_rois(), st.floats(0.05, 1000))
def test_a_drawn_roi_shown_at_any_stretch_and_read_back_is_itself(roi, stretch):
    held = RoiSet.of([roi])
    (drawn,) = rois_to_shapes(held, stretch)
    on_screen = LayerShape(roi_id=1, shape_type=drawn.shape_type, vertices=drawn.vertices.astype(np.float32))
    assert reconcile([on_screen], held, stretch=stretch, shape=(200, 200)).rois == held


@settings(deadline=None)
@given(rects_in_an_image(), st.floats(0.05, 1000))
def test_a_rectangle_shown_at_any_stretch_and_read_back_is_itself(case, stretch):
    roi, shape = case
    held = RoiSet.of([roi])
    (drawn,) = rois_to_shapes(held, stretch)
    on_screen = LayerShape(roi_id=1, shape_type="rectangle", vertices=drawn.vertices.astype(np.float32))
    assert reconcile([on_screen], held, stretch=stretch, shape=shape).rois == held


@pytest.mark.parametrize("color", ["red", "#12", "#12345g", 7, None])
def test_a_colour_that_is_none_is_that_of_the_id(color):
    assert color_of(RectROI(roi_id=1, x0=0, x1=1, y0=0, y1=1, meta={"color": color})) == ROI_COLOR


def test_rois_next_to_each_other_have_different_colours():
    rois = RoiSet.of([RectROI(roi_id=number, x0=0, x1=1, y0=0, y1=1) for number in range(1, 8)])
    colors = colors_of(rois.ids, rois)
    assert len(set(colors[:6])) == 6
    assert colors[6] == colors[0] == ROI_COLOR


@pytest.mark.parametrize(
    ("name", "note", "label"),
    [
        ("vessel", "a note", "vessel"),
        ("", "artery, left\nsecond line", "artery, left"),
        ("", "x" * 40, "x" * 29 + "…"),
        ("", "", "ROI 4"),
    ],
)
def test_a_roi_without_a_name_is_called_by_its_note(name, note, label):
    assert roi_label(RectROI(roi_id=4, name=name, note=note, x0=0, x1=1, y0=0, y1=1)) == label


def test_a_roi_is_drawn_in_its_own_colour():
    rois = RoiSet.of([RectROI(roi_id=1, x0=0, x1=1, y0=0, y1=1, meta={"color": "#00ff00"})])
    assert colors_of([1, NO_ROI], rois) == ["#00ff00", ROI_COLOR]


def test_a_rectangle_outside_the_image_is_refused():
    result = reconciled([LayerShape(roi_id=0, shape_type="rectangle", vertices=rectangle(0).vertices - [50, 0])], RoiSet())
    assert (result.refused, len(result.rois)) == ((0,), 0)


def test_ids_are_never_given_twice_over_several_edits():
    rois = reconciled([rectangle(0), rectangle(0)], RoiSet()).rois
    rois = reconciled([], rois).rois
    assert reconciled([rectangle(0)], rois).ids == (3,)


@pytest.mark.parametrize("doubled", [(0,), (1,), (2,), (0, 0, 2)])
def test_a_corner_that_a_fast_click_made_twice_is_one_corner(doubled):
    corners = [(100.0, 5.0), (900.0, 5.0), (500.0, 20.0)]
    vertices = np.array([corner for at, corner in enumerate(corners) for _ in range(1 + doubled.count(at))]) * (
        1.0,
        STRETCH,
    )
    drawn = LayerShape(roi_id=NO_ROI, shape_type="polygon", vertices=vertices)
    assert shape_to_region(drawn, STRETCH, SHAPE) == DrawnShape(type="polygon", vertices=tuple(corners))


def test_a_path_that_ends_where_it_begins_stays_so():
    corners = [(100.0, 5.0), (900.0, 5.0), (900.0, 5.0), (500.0, 20.0), (100.0, 5.0)]
    drawn = LayerShape(roi_id=NO_ROI, shape_type="path", vertices=np.array(corners) * (1.0, STRETCH))
    wanted = DrawnShape(type="path", vertices=(*corners[:2], *corners[3:]))
    assert shape_to_region(drawn, STRETCH, SHAPE) == wanted
