"""Pixels as ImageJ's TIFFs: the same values, and the calibration."""

import io

import numpy as np
import pytest
import tifffile

from napari_kymflow.layers.imagej_tiff import pixels_to_tiff

KNOWN = {"um_per_pixel": 0.25, "seconds_per_line": 0.002}


def opened(tiff):
    return tifffile.TiffFile(io.BytesIO(tiff.content))


def ratio(page, name):
    above, below = page.tags[name].value
    return above / below


@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
def test_what_imagej_has_comes_as_it_is(dtype):
    pixels = np.arange(120).reshape(20, 6).astype(dtype)
    np.testing.assert_array_equal(opened(pixels_to_tiff(pixels, "yx", **KNOWN)).asarray(), pixels, strict=True)


@pytest.mark.parametrize(("dtype", "becomes"), [("bool", "u1"), ("i4", "u2"), ("i8", "u2"), ("f2", "f4")])
def test_what_it_can_hold_without_a_change_comes_as_that(dtype, becomes):
    pixels = (np.arange(120).reshape(20, 6) % 2).astype(dtype)
    tiff = pixels_to_tiff(pixels, "yx", **KNOWN)
    assert tiff.for_imagej
    np.testing.assert_array_equal(opened(tiff).asarray(), pixels.astype(becomes), strict=True)


@pytest.mark.parametrize(
    "pixels", [np.full((4, 3), 1 / 3), np.full((4, 3), -1), np.full((4, 3), 70_000, "u4")], ids=["f8", "negative", "large"]
)
def test_what_it_cannot_hold_loses_no_value(pixels):
    tiff = pixels_to_tiff(pixels, "yx", **KNOWN)
    assert not tiff.for_imagej
    np.testing.assert_array_equal(opened(tiff).asarray(), pixels, strict=True)


def test_then_the_calibration_stands_in_the_description():
    (said,) = opened(pixels_to_tiff(np.full((4, 3), 1 / 3), "yx", **KNOWN)).shaped_metadata
    assert said["scales"] == {"y": "0.002 s", "x": "0.25 um"}


def test_x_is_in_um_and_y_in_seconds():
    file = opened(pixels_to_tiff(np.zeros((20, 6), "u2"), "yx", **KNOWN))
    page = file.pages[0]
    assert (ratio(page, "XResolution"), ratio(page, "YResolution")) == pytest.approx((4.0, 500.0))
    assert (file.imagej_metadata["unit"], file.imagej_metadata["yunit"]) == ("um", "s")


def test_what_is_not_known_is_pixels():
    file = opened(pixels_to_tiff(np.zeros((20, 6), "u2"), "yx", um_per_pixel=0.25, seconds_per_line=None))
    page = file.pages[0]
    assert (ratio(page, "XResolution"), ratio(page, "YResolution")) == pytest.approx((4.0, 1.0))
    assert (file.imagej_metadata["unit"], file.imagej_metadata["yunit"]) == ("um", "pixel")


@pytest.mark.parametrize(
    ("axes", "ordered"), [("zcyx", "ZCYX"), ("czyx", "ZCYX"), ("tzyx", "TZYX"), ("cyx", "CYX"), ("ctyx", "TCYX")]
)
def test_stacks_come_in_the_order_of_imagej(axes, ordered):
    pixels = np.arange(np.prod((2, 3, 4, 5)[-len(axes) :])).reshape((2, 3, 4, 5)[-len(axes) :]).astype("u2")
    file = opened(pixels_to_tiff(pixels, axes, **KNOWN))
    expected = np.einsum(f"{axes}->{ordered.lower()}", pixels)
    assert file.series[0].axes == ordered
    np.testing.assert_array_equal(file.asarray(), expected)


def test_axes_that_imagej_does_not_know_come_in_an_ordinary_tiff():
    pixels = np.zeros((2, 4, 3), "u1")
    tiff = pixels_to_tiff(pixels, ("a0", "y", "x"), **KNOWN)
    assert (tiff.for_imagej, opened(tiff).asarray().shape) == (False, (2, 4, 3))
