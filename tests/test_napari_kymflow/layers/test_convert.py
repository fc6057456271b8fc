"""Records to layers, pure."""

import numpy as np
import pytest

from kymflow_core import AcqImage
from kymflow_zarr import ZarrDataset
from napari_kymflow.layers.convert import (
    channels_to_pixels,
    contrast_limits,
    describe_position,
    display_stretch,
    record_to_layers,
)
from napari_kymflow.layers.tags import LayerTag
from napari_kymflow.user.displays import ChannelDisplay, Display


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
    others = [axis for axis in axes if axis not in "yxc"]
    channels = channels_to_pixels(image)
    assert list(channels) == ([1, 2, 3, 4] if "c" in axes else [1])
    monkeypatch.setattr("napari_kymflow.layers.convert.MOST_BYTES", 0)
    for channel, whole in channels.items():
        assert whole.shape == (*(sizes[axis] for axis in others), 50, 7)
        assert type(whole) is np.ndarray
        expected = np.moveaxis(pixels, [axes.index("y"), axes.index("x")], [-2, -1])
        expected = expected if "c" not in axes else expected[:, channel - 1]
        np.testing.assert_array_equal(whole, expected)
        lazy = channels_to_pixels(image)[channel]
        assert (lazy.shape, lazy.ndim, lazy.dtype, lazy.size, len(lazy)) == (
            *(whole.shape, whole.ndim, whole.dtype, whole.size, len(whole)),
        )
        np.testing.assert_array_equal(lazy, whole)
        first = (*(1 for _ in others), slice(None), slice(2, 5))
        np.testing.assert_array_equal(lazy[first], whole[first])
        np.testing.assert_array_equal(lazy[0, ..., 3], whole[0, ..., 3])
        np.testing.assert_array_equal(lazy[0], whole[0])
        assert contrast_limits(lazy) == contrast_limits(whole)


def to_layers(dataset, pixels, axes, **display):
    record = dataset.add_image(pixels, axes=axes)
    layers = record_to_layers(AcqImage(record), dataset_path="d", image_id=record.image_id, **display)
    return [(data, options) for data, options, kind in layers if kind == "image"]


@pytest.mark.parametrize(
    ("count", "colors"),
    [(1, ["gray"]), (2, ["magenta", "green"]), (3, ["cyan", "yellow", "magenta"])],
)
def test_channels_are_layers_in_colours_that_add_up(tmp_path, count, colors):
    pixels = np.random.default_rng(0).integers(0, 99, (count, 50, 7)).astype(np.uint8)
    layers = to_layers(ZarrDataset(tmp_path / "d.zarr"), pixels, ("c", "y", "x"))
    assert [options["colormap"] for _, options in layers] == colors
    assert [options["blending"] for _, options in layers[1:]] == ["additive"] * (count - 1)
    for channel, (data, _) in enumerate(layers):
        np.testing.assert_array_equal(data, pixels[channel])


def test_a_spectrum_stays_one_layer_with_a_slider(tmp_path):
    layers = to_layers(ZarrDataset(tmp_path / "d.zarr"), np.zeros((7, 50, 5), np.uint8), ("c", "y", "x"))
    assert [(data.shape, options["axis_labels"]) for data, options in layers] == [((7, 50, 5), ("c", "y", "x"))]


def test_what_the_user_chose_counts_and_percentiles_where_nothing_was_chosen(tmp_path):
    pixels = np.arange(2 * 1000 * 10, dtype=np.float32).reshape(2, 1000, 10)
    chosen = ChannelDisplay(limits=(3.0, 9.0), colormap="fire", gamma=0.5)
    display = Display(channels={2: chosen}, percentiles=(10.0, 90.0))
    (_, first), (_, second) = to_layers(ZarrDataset(tmp_path / "d.zarr"), pixels, ("c", "y", "x"), display=display)
    assert (second["contrast_limits"], second["colormap"], second["gamma"]) == ((3.0, 9.0), "fire", 0.5)
    assert (first["contrast_limits"], first["colormap"]) == (pytest.approx((1000, 9000), rel=0.01), "magenta")


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
    assert options["scale"] == (*[1.0] * (min(len(shape), 3) - 1), stretch)


def test_contrast_limits_leave_out_single_bright_pixels():
    pixels = np.random.default_rng(0).integers(100, 200, (5000, 40)).astype(np.uint16)
    pixels[17, 3] = 65535
    low, high = contrast_limits(pixels)
    assert 100 <= low < high <= 200


def test_contrast_limits_of_a_wide_image_are_those_of_pixels_all_across():
    pixels = np.tile(np.arange(4096, dtype=np.uint16), (100, 1))
    assert contrast_limits(pixels, (10, 90)) == pytest.approx((410, 3686), abs=10)


def test_contrast_limits_of_an_even_image_are_still_a_range():
    assert contrast_limits(np.full((50, 40), 7, np.uint16)) == (7.0, 8.0)
