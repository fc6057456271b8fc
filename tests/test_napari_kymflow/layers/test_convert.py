"""Records to layers, pure."""

import numpy as np
import pytest

from kymflow_core import AcqImage
from kymflow_zarr import ZarrDataset
from napari_kymflow.layers.convert import (
    contrast_limits,
    describe_position,
    display_stretch,
    record_to_layers,
    shown_pixels,
)
from napari_kymflow.layers.tags import LayerTag


@pytest.mark.parametrize(
    ("shape", "aspect"),
    [
        pytest.param((30000, 38), 0.42, id="a long line scan"),
        pytest.param((6000, 96), 0.42, id="the demo"),
        pytest.param((30000, 7), 0.42, id="a very narrow one"),
        pytest.param((512, 512), 1.0, id="a square image is not squeezed"),
    ],
)
def test_the_stretch_shows_a_kymograph_as_a_band(shape, aspect):
    assert shape[1] * display_stretch(shape) / shape[0] == pytest.approx(aspect, rel=0.03)


CALIBRATED = LayerTag(
    role="pixels", dataset_path="d", image_id="i", stretch=100.0, seconds_per_line=0.001, um_per_pixel=0.25
)


def test_a_position_reads_seconds_and_micrometres():
    assert describe_position(CALIBRATED, (1500.2, 410.0)) == "1.5000 s, 1.00 µm (line 1500, pixel 4)"


def test_a_position_without_calibration_reads_lines_and_pixels_and_says_so():
    tag = LayerTag(role="pixels", dataset_path="d", image_id="i", stretch=100.0)
    assert describe_position(tag, (3, 1500.0, 410.0)) == "line 1500, pixel 4 (calibration unknown)"


def test_a_record_becomes_pixels_masks_and_last_its_rois(demo_path):
    dataset = ZarrDataset(demo_path)
    image_id = dataset.list_image_ids()[0]
    layers = record_to_layers(AcqImage(dataset.record(image_id)), dataset_path=str(demo_path), image_id=image_id)
    assert [(kind, options["metadata"]["kymflow"].role) for _, options, kind in layers] == [
        ("image", "pixels"),
        ("image", "mask"),
        ("shapes", "rois"),
    ]


@pytest.mark.parametrize("axes", [("y", "x"), ("z", "y", "x"), ("z", "y", "x", "c"), ("x", "t", "y")])
def test_pixels_are_a_plain_array_and_above_a_size_are_read_slice_by_slice(tmp_path, axes, monkeypatch):
    sizes = {"t": 2, "z": 3, "c": 4, "y": 50, "x": 7}
    pixels = np.random.default_rng(0).integers(0, 99, [sizes[axis] for axis in axes]).astype(np.uint16)
    image = AcqImage(ZarrDataset(tmp_path / "d.zarr").add_image(pixels, axes=axes))
    whole = shown_pixels(image)
    others = [axis for axis in axes if axis not in "yx"]
    assert whole.shape == (*(sizes[axis] for axis in others), 50, 7)
    assert type(whole) is np.ndarray
    monkeypatch.setattr("napari_kymflow.layers.convert.MOST_BYTES", 0)
    lazy = shown_pixels(image)
    assert (lazy.shape, lazy.ndim, lazy.dtype, lazy.size, len(lazy)) == (
        *(whole.shape, whole.ndim, whole.dtype, whole.size, len(whole)),
    )
    np.testing.assert_array_equal(lazy, whole)
    first = (*(1 for _ in others), slice(None), slice(2, 5))
    np.testing.assert_array_equal(lazy[first], whole[first])
    np.testing.assert_array_equal(lazy[0, ..., 3], whole[0, ..., 3])
    np.testing.assert_array_equal(lazy[0], whole[0])
    assert contrast_limits(lazy) == contrast_limits(whole)


@pytest.mark.parametrize(
    ("shape", "stretch"),
    [
        pytest.param((40, 30), 1.0, id="y,x"),
        pytest.param((3, 400, 30), 6.0, id="z,y,x"),
        pytest.param((2, 400, 30, 2), 6.0, id="z,y,x,c"),
    ],
)
def test_images_of_more_dimensions_are_stretched_along_x_only(tmp_path, shape, stretch):
    dataset = ZarrDataset(tmp_path / "d.zarr")
    record = dataset.add_image(np.zeros(shape, np.uint8))
    _, options, _ = record_to_layers(AcqImage(record), dataset_path="d", image_id=record.image_id)[0]
    assert options["axis_labels"][-2:] == ("y", "x")
    assert options["scale"] == (*[1.0] * (len(shape) - 1), stretch)


def test_contrast_limits_leave_out_single_bright_pixels():
    pixels = np.random.default_rng(0).integers(100, 200, (5000, 40)).astype(np.uint16)
    pixels[17, 3] = 65535
    low, high = contrast_limits(pixels)
    assert 100 <= low < high <= 200


def test_contrast_limits_of_an_even_image_are_still_a_range():
    assert contrast_limits(np.full((50, 40), 7, np.uint16)) == (7.0, 8.0)
