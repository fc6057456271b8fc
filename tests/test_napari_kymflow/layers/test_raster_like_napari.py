"""The pixels of drawn shapes, beside those that napari gives them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from napari.layers import Shapes

from kymflow_core.roi.raster import outline, shape_mask
from property_tests import examples

SHAPE = (24, 17)

everyday = settings(max_examples=examples(40))


def thousandths(low, high):
    # napari's polygons take a vertex for a pixel's centre within 1e-12 of it; here only a vertex on the centre is.
    return st.integers(low * 1000, high * 1000).map(lambda number: number / 1000)


in_image = st.tuples(thousandths(0, SHAPE[0] - 1), thousandths(0, SHAPE[1] - 1))
anywhere = st.tuples(thousandths(-6, 30), thousandths(-6, 24))


@st.composite
def turned_rectangles(draw):
    along, across, angle = draw(st.floats(0.5, 12)), draw(st.floats(0.5, 12)), draw(st.floats(0, 7))
    first = np.array([np.cos(angle), np.sin(angle)]) * along
    second = np.array([-np.sin(angle), np.cos(angle)]) * across
    return np.add(draw(anywhere), [-first - second, first - second, first + second, -first + second])


@st.composite
def stars(draw):
    """Corners round a centre; bermuda, which makes napari's triangles, fails at some polygons that cross themselves."""
    count = draw(st.integers(3, 9))
    angles = (np.arange(count) + [draw(st.floats(-0.4, 0.4)) for _ in range(count)]) * 2 * np.pi / count
    reach = np.array([draw(st.floats(0.3, 14)) for _ in range(count)])
    return np.add(draw(anywhere), (reach * [np.sin(angles), np.cos(angles)]).T)


def both(shape_type, vertices):
    """Our pixels and napari's, of what napari keeps of the vertices: 32-bit floats."""
    layer = Shapes([np.array(vertices, dtype=np.float32)], shape_type=shape_type)
    kept = np.asarray(layer.data[0], dtype=np.float64)
    return shape_mask(shape_type, kept, SHAPE), layer.to_masks(mask_shape=SHAPE)[0]


def distance_to_edge(shape_type, vertices, pixel):
    """Return how far a pixel's centre is from the nearest edge of a shape, in pixels."""
    corners = outline(shape_type, np.array(vertices, dtype=np.float32).astype(np.float64))
    along = np.roll(corners, -1, axis=0) - corners
    part = np.clip(((pixel - corners) * along).sum(axis=1) / np.maximum((along**2).sum(axis=1), 1e-30), 0, 1)
    return np.hypot(*(corners + part[:, np.newaxis] * along - pixel).T).min()


def assert_alike(shape_type, vertices):
    """Of a centre on an edge itself, the last digit of a float decides: napari rounds otherwise there at times."""
    ours, napari = both(shape_type, vertices)
    assert all(distance_to_edge(shape_type, vertices, pixel) < 1e-6 for pixel in np.argwhere(ours != napari))


@everyday
@given(st.sampled_from(["ellipse", "rectangle"]), turned_rectangles())
def test_a_turned_ellipse_or_rectangle_has_the_pixels_that_napari_gives_it(shape_type, corners):
    assert_alike(shape_type, corners)


@everyday
@given(stars())
def test_a_polygon_has_the_pixels_that_napari_gives_it(vertices):
    assert_alike("polygon", vertices)


@everyday
@given(st.lists(in_image, min_size=2, max_size=6, unique=True))
def test_a_path_in_the_image_has_the_pixels_that_napari_gives_it(vertices):
    ours, napari = both("path", vertices)
    places = np.rint(np.array(vertices, dtype=np.float32)).astype(int)
    if (places == places[0]).all():
        # Within one pixel napari gives a path nothing; here it has that pixel.
        assert not napari.any()
        napari[tuple(places[0])] = True
    assert np.array_equal(ours, napari)


@pytest.mark.parametrize("shape_type", ["path", "line"])
def test_a_path_within_one_pixel_has_that_pixel_where_napari_gives_it_nothing(shape_type):
    ours, napari = both(shape_type, [(4.1, 5.2), (3.9, 4.8)])
    assert np.argwhere(ours).tolist() == [[4, 5]]
    assert not napari.any()
