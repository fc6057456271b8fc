import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kymflow_core.roi import RectROI
from kymflow_core.roi.bounds import roi_bounds
from kymflow_core.roi.pixels import covered_range, drawn_range, pixel_stats, rect_mask
from property_tests import examples

noise = st.floats(-1e-6, 1e-6)


@st.composite
def ranges_in_size(draw: st.DrawFn) -> tuple[int, int, int]:
    size = draw(st.integers(1, 100_000))
    start = draw(st.integers(0, size - 1))
    return start, draw(st.integers(start + 1, size)), size


@settings(max_examples=examples(50))
@given(ranges_in_size())
def test_a_drawn_range_covers_the_pixels_that_it_was_drawn_from(case):
    start, stop, size = case
    assert covered_range(*drawn_range(start, stop), size) == (start, stop)


@settings(max_examples=examples(50))
@given(ranges_in_size(), noise, noise)
def test_float_noise_moves_no_border(case, low_noise, high_noise):
    start, stop, size = case
    low, high = drawn_range(start, stop)
    assert covered_range(low + low_noise, high + high_noise, size) == (start, stop)


@settings(max_examples=examples(50))
@given(ranges_in_size())
def test_a_range_through_float32_and_back_is_the_same(case):
    start, stop, size = case
    low, high = (float(np.float32(edge)) for edge in drawn_range(start, stop))
    assert covered_range(low, high, size) == (start, stop)


@settings(max_examples=examples(50))
@given(st.floats(-50, 150), st.floats(-50, 150), st.integers(1, 100))
def test_the_covered_range_has_exactly_the_centres_within(low, high, size):
    assert list(range(*covered_range(low, high, size))) == [pixel for pixel in range(size) if low <= pixel <= high]


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        pytest.param(2.0, 4.0, (2, 5), id="centres on both ends are in"),
        pytest.param(2.1, 3.9, (3, 4), id="centres outside are not"),
        pytest.param(-7.0, 99.0, (0, 10), id="cut off at the image"),
        pytest.param(2.1, 2.9, (0, 0), id="between two centres"),
        pytest.param(-5.0, -1.0, (0, 0), id="before the image"),
        pytest.param(10.0, 15.0, (0, 0), id="behind the image"),
        pytest.param(5.0, 3.0, (0, 0), id="turned round"),
    ],
)
def test_the_covered_range_of(low, high, expected):
    assert covered_range(low, high, 10) == expected


@pytest.mark.parametrize(
    "roi",
    [
        pytest.param(RectROI(roi_id=1, x0=2, x1=5, y0=1, y1=8), id="inside"),
        pytest.param(RectROI(roi_id=1, x0=0, x1=7, y0=0, y1=9), id="the whole image"),
        pytest.param(RectROI(roi_id=1, x0=3, x1=4, y0=6, y1=7), id="one pixel"),
        pytest.param(RectROI(roi_id=1, x0=5, x1=50, y0=6, y1=60), id="beyond the border"),
        pytest.param(RectROI(roi_id=1, x0=20, x1=50, y0=0, y1=9), id="outside"),
    ],
)
def test_the_mask_is_true_exactly_inside(roi):
    expected = [[roi.y0 <= y < roi.y1 and roi.x0 <= x < roi.x1 for x in range(7)] for y in range(9)]
    assert rect_mask(roi, (9, 7)).tolist() == expected


def rect_stats(roi, image):
    return pixel_stats(image[roi_bounds(roi, image.shape).slices])


def test_the_mask_is_boolean():
    assert rect_mask(RectROI(roi_id=1, x0=0, x1=1, y0=0, y1=1), (3, 3)).dtype == np.bool_


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32", "float32"])
def test_the_statistics_are_those_of_numpy(dtype, rng):
    image = rng.integers(0, 250, (40, 30)).astype(dtype)
    stats = rect_stats(RectROI(roi_id=1, x0=4, x1=21, y0=7, y1=33), image)
    inside = image[7:33, 4:21].astype(np.float64)
    assert (stats.mean, stats.std, stats.min, stats.max, stats.n) == pytest.approx(
        (np.mean(inside), np.std(inside), np.min(inside), np.max(inside), inside.size)
    )


def test_the_mean_of_many_bright_pixels_does_not_overflow():
    stats = rect_stats(RectROI(roi_id=1, x0=0, x1=100, y0=0, y1=100), np.full((100, 100), 65535, dtype=np.uint16))
    assert (stats.mean, stats.std) == (65535.0, 0.0)


def test_a_rectangle_beyond_the_border_counts_the_pixels_that_are_there():
    assert rect_stats(RectROI(roi_id=1, x0=8, x1=99, y0=8, y1=99), np.ones((10, 10))).n == 4


def test_a_rectangle_outside_has_no_pixels_and_no_values():
    stats = rect_stats(RectROI(roi_id=1, x0=90, x1=99, y0=0, y1=1), np.ones((10, 10)))
    assert stats.n == 0
    assert all(math.isnan(value) for value in (stats.mean, stats.std, stats.min, stats.max))
