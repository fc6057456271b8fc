"""Which pixels a drawn shape has."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kymflow_core.errors import RoiError
from kymflow_core.roi.raster import clip_box, has_pixels, outline, shape_mask
from kymflow_core.roi.shape_kinds import SHAPE_KINDS, shape_problems
from property_tests import examples

everyday = settings(max_examples=examples(100))
shapes = st.tuples(st.integers(1, 14), st.integers(1, 14))
coordinates = st.one_of(
    st.integers(-4, 18).map(float),
    st.integers(-8, 36).map(lambda twice: twice / 2),
    # scikit-image takes a vertex for a centre within 1e-12 of it; here only a vertex on the centre is.
    st.integers(-4_000_000, 18_000_000).map(lambda millionths: millionths / 1e6),
)


def vertex_lists(min_size, max_size):
    return st.lists(st.tuples(coordinates, coordinates), min_size=min_size, max_size=max_size)


closed_shapes = st.one_of(
    st.tuples(st.just("polygon"), vertex_lists(3, 9)),
    st.tuples(st.sampled_from(["ellipse", "rectangle"]), vertex_lists(4, 4)),
)
open_shapes = st.one_of(st.tuples(st.just("path"), vertex_lists(2, 6)), st.tuples(st.just("line"), vertex_lists(2, 2)))
any_shapes = st.one_of(closed_shapes, open_shapes)


def mask_of_text(text):
    return [[letter == "#" for letter in line] for line in text.split()]


@everyday
@given(vertex_lists(3, 12), shapes)
def test_a_polygon_has_the_pixels_of_scikit_image(vertices, shape):
    draw = pytest.importorskip("skimage.draw", reason="scikit-image comes with napari")
    assert np.array_equal(shape_mask("polygon", vertices, shape), draw.polygon2mask(shape, np.array(vertices)))


@everyday
@given(any_shapes, shapes)
def test_the_mask_is_a_boolean_image(drawn, shape):
    mask = shape_mask(*drawn, shape)
    assert (mask.shape, mask.dtype) == (shape, np.bool_)


@everyday
@given(any_shapes, shapes)
def test_no_pixel_lies_outside_the_clip_box(drawn, shape):
    mask = shape_mask(*drawn, shape)
    y0, y1, x0, x1 = clip_box(*drawn, shape)
    assert 0 <= y0 <= y1 <= shape[0]
    assert 0 <= x0 <= x1 <= shape[1]
    mask[y0:y1, x0:x1] = False
    assert not mask.any()


@everyday
@given(any_shapes, shapes)
def test_a_shape_has_pixels_where_its_mask_has(drawn, shape):
    assert has_pixels(*drawn, shape) == shape_mask(*drawn, shape).any()


def test_a_path_on_the_far_edge_of_the_last_pixel_has_none():
    assert not has_pixels("path", [(3.5, 0), (3.5, 0)], (4, 4))


@everyday
@given(any_shapes, shapes)
def test_what_lies_outside_the_image_is_cut_off_and_changes_nothing_inside(drawn, shape):
    wide = shape_mask(*drawn, (30, 30))
    assert np.array_equal(shape_mask(*drawn, shape), wide[: shape[0], : shape[1]])


@everyday
@given(st.tuples(st.just("polygon"), vertex_lists(3, 8)), st.integers(0, 7), st.booleans())
def test_it_does_not_matter_where_a_polygon_begins_nor_which_way_it_runs(drawn, start, backwards):
    shape_type, vertices = drawn
    turned = np.roll(vertices, start, axis=0)
    assert np.array_equal(
        shape_mask(shape_type, vertices, (15, 15)), shape_mask(shape_type, turned[::-1] if backwards else turned, (15, 15))
    )


@pytest.mark.parametrize(
    ("shape_type", "vertices", "expected"),
    [
        pytest.param("polygon", [(1, 1), (1, 3), (3, 3), (3, 1)], "..... .###. .###. .###. .....", id="outline on centres"),
        pytest.param(
            "polygon",
            [(0.5, 0.5), (0.5, 3.5), (3.5, 3.5), (3.5, 0.5)],
            "..... .###. .###. .###. .....",
            id="on pixel edges",
        ),
        pytest.param(
            "polygon", [(0.9, 1.1), (0.9, 2.9), (3, 2.9), (3, 1.1)], "..... ..#.. ..#.. ..#.. .....", id="short of it"
        ),
        pytest.param("polygon", [(0, 0), (4, 4), (4, 0)], "#.... ##... ###.. ####. #####", id="a slope on centres"),
        pytest.param(
            "polygon",
            [(0, 0), (0, 4), (4, 0), (4, 4)],
            "##### .###. ..... .###. #####",
            id="a bow tie, but for where it crosses",
        ),
        pytest.param(
            "polygon",
            [(0, 0), (0, 4), (4, 4), (4, 0), (0, 0), (0.5, 0.5), (0.5, 3.5), (3.5, 3.5), (3.5, 0.5), (0.5, 0.5)],
            "##### #...# #...# #...# #####",
            id="gone round twice",
        ),
        pytest.param("rectangle", [(0, 2), (2, 4), (4, 2), (2, 0)], "..#.. .###. ##### .###. ..#..", id="turned rectangle"),
        pytest.param(
            "ellipse", [(-0.5, -0.5), (-0.5, 4.5), (4.5, 4.5), (4.5, -0.5)], ".###. ##### ##### ##### .###.", id="disc"
        ),
        pytest.param("path", [(0, 0), (0, 3), (3, 3)], "####. ...#. ...#. ...#. .....", id="path"),
        pytest.param("path", [(0, 0), (2, 4)], "#.... .##.. ...## ..... .....", id="shallow"),
        pytest.param("path", [(0, 0), (4, 2)], "#.... .#... .#... ..#.. ..#..", id="steep"),
        pytest.param("line", [(0.4, 0.4), (0.4, 4.4)], "##### ..... ..... ..... .....", id="rounded vertices"),
        pytest.param("line", [(2, 2), (2, 2)], "..... ..... ..#.. ..... .....", id="one pixel"),
        pytest.param("path", [(2, -3), (2, 9)], "..... ..... ##### ..... .....", id="through the image"),
    ],
)
def test_the_pixels_of(shape_type, vertices, expected):
    assert shape_mask(shape_type, vertices, (5, 5)).tolist() == mask_of_text(expected)


def test_an_ellipse_is_a_polygon_of_99_sides_that_touches_its_rectangle():
    corners = np.array([(2.0, 3.0), (2.0, 13.0), (8.0, 13.0), (8.0, 3.0)])
    points = outline("ellipse", corners)
    assert points.shape == (100, 2)
    assert points[0] == pytest.approx(points[-1])
    assert points.max(axis=0) == pytest.approx([8, 13], abs=0.01)
    assert points.min(axis=0) == pytest.approx([2, 3], abs=0.01)
    assert np.linalg.norm((points - [5, 8]) / [3, 5], axis=1) == pytest.approx(np.ones(100))


@pytest.mark.parametrize("shape_type", [name for name in list(SHAPE_KINDS) if name != "ellipse"])
def test_the_outline_of_other_shapes_is_their_vertices(shape_type):
    vertices = np.array([(0.0, 0.0), (0.0, 1.0), (1.0, 1.0), (1.0, 0.0)])
    assert outline(shape_type, vertices) is vertices


@pytest.mark.parametrize(
    ("vertices", "pixels"),
    [
        pytest.param([(2, 2)] * 3, [(2, 2)], id="a point on a centre"),
        pytest.param([(2.5, 2.5)] * 3, [], id="a point between centres"),
        pytest.param([(1, 0), (1, 2), (1, 4)], [(1, 0), (1, 2), (1, 4)], id="a level line has its vertices only"),
        pytest.param([(0, 0), (2, 2), (4, 4)], [(0, 0), (2, 2), (4, 4)], id="so has a slope"),
        pytest.param([(1.5, 0), (1.5, 2), (1.5, 4)], [], id="a line between centres"),
        pytest.param([(9, 9), (9, 20), (20, 9)], [], id="wholly below"),
        pytest.param([(-9, -9), (-9, -2), (-2, -9)], [], id="wholly above"),
    ],
)
def test_a_degenerate_polygon_has_the_pixels(vertices, pixels):
    assert np.argwhere(shape_mask("polygon", vertices, (5, 5))).tolist() == [list(pixel) for pixel in pixels]


@pytest.mark.parametrize("far", [1e7, 1e9, 1e12])
@pytest.mark.parametrize(
    ("shape_type", "vertices"),
    [
        ("polygon", [(-1, -1), (-1, 1), (1, 1), (1, -1)]),
        ("rectangle", [(-1, -1), (-1, 1), (1, 1), (1, -1)]),
        ("ellipse", [(-1, -1), (-1, 1), (1, 1), (1, -1)]),
    ],
)
def test_a_shape_round_an_image_far_inside_has_all_pixels(shape_type, vertices, far):
    assert shape_mask(shape_type, np.array(vertices) * far, (6, 7)).all()


@pytest.mark.parametrize("far", [1e7, 1e9, 1e12])
def test_half_a_plane_ends_where_its_border_is(far):
    mask = shape_mask("polygon", [(-far, -far), (-far, 2.5), (far, 2.5), (far, -far)], (6, 7))
    assert mask.all(axis=0).tolist() == mask.any(axis=0).tolist() == [True, True, True, False, False, False, False]


@pytest.mark.parametrize("far", [1e7, 1e9])
def test_a_path_that_comes_from_afar_has_the_pixels_that_it_passes(far):
    assert np.argwhere(shape_mask("path", [(-far, -far), (far, far)], (3, 5))).tolist() == [[0, 0], [1, 1], [2, 2]]


@everyday
@given(st.sampled_from(list(SHAPE_KINDS)), st.tuples(st.integers(20, 10**7), st.integers(20, 10**7)), st.booleans())
def test_a_shape_far_away_has_no_pixels(shape_type, place, negative):
    vertices = (np.array([(0, 0), (0, 5), (5, 5), (5, 0)]) + place) * (-1 if negative else 1)
    vertices = vertices[:2] if shape_type == "line" else vertices
    assert not shape_mask(shape_type, vertices, (15, 15)).any()


def test_a_polygon_of_many_rows_is_filled_in_blocks_without_a_seam():
    mask = shape_mask("polygon", [(-0.5, 0), (-0.5, 3), (1999.5, 3), (1999.5, 0)], (2000, 5))
    assert mask.sum(axis=0).tolist() == [2000, 2000, 2000, 2000, 0]


def test_an_unknown_type_is_refused():
    with pytest.raises(RoiError, match=r"a shape of type 'star' has no pixels; known are \['ellipse', 'polygon'"):
        shape_mask("star", [(0, 0)], (3, 3))


@pytest.mark.parametrize(
    ("shape_type", "vertices", "problem"),
    [
        pytest.param("star", [], "meta.shape.type must be one of", id="unknown type"),
        pytest.param(None, [], "meta.shape.type must be one of", id="no type"),
        pytest.param("path", None, "meta.shape.vertices must be a list of [y, x], not None", id="no vertices"),
        pytest.param("path", "abc", "meta.shape.vertices must be a list of [y, x], not 'abc'", id="text"),
        pytest.param("path", [[0, 0], [1]], "meta.shape.vertices must be finite numbers [y, x], not [1]", id="one number"),
        pytest.param("path", [[0, 0], [1, None]], "must be finite numbers [y, x], not [1, None]", id="none"),
        pytest.param("path", [[0, 0], [1, True]], "must be finite numbers [y, x], not [1, True]", id="boolean"),
        pytest.param("path", [[0, float("nan")], [1, 1]], "must be finite numbers [y, x], not [0, nan]", id="not a number"),
        pytest.param("path", [[0, 0], [1, float("inf")]], "must be finite numbers [y, x], not [1, inf]", id="infinite"),
        pytest.param(
            "line", [[0, 0], [2e9, 0]], "must lie within 1e+09 pixels of the image, not [2000000000.0, 0]", id="far"
        ),
        pytest.param("path", [[0, 0]], "meta.shape needs 2 vertices for the type 'path', not 1", id="path of one"),
        pytest.param("line", [], "meta.shape needs 2 vertices for the type 'line', not 0", id="line of none"),
        pytest.param(
            "polygon", [[0, 0], [1, 1]], "meta.shape needs 3 vertices for the type 'polygon', not 2", id="polygon of two"
        ),
        pytest.param(
            "ellipse", [[0, 0]] * 5, "meta.shape needs 4 vertices for the type 'ellipse', not 5", id="ellipse of five"
        ),
        pytest.param(
            "rectangle",
            [[0, 0]] * 3,
            "meta.shape needs 4 vertices for the type 'rectangle', not 3",
            id="rectangle of three",
        ),
    ],
)
def test_what_is_wrong_with_a_shape_is_said(shape_type, vertices, problem):
    (found,) = shape_problems(shape_type, vertices)
    assert problem in found


@everyday
@given(any_shapes)
def test_a_shape_that_can_be_drawn_has_no_problems(drawn):
    assert shape_problems(*drawn) == []
