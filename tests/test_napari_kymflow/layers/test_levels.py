"""Long images in levels: which lines each has, what programs get that ask for the pixels, and the values."""

import numpy as np
import pytest
from napari.layers import Image

from kymflow_zarr import ZarrDataset
from napari_kymflow.layers.lazy_pixels import LazyPixels
from napari_kymflow.layers.levels import Levels, all_pixels, pixels_to_levels, show_pixels, value_at
from napari_kymflow.session.session import session_of

LINES = 70001


@pytest.fixture(scope="module")
def long_pixels():
    return np.random.default_rng(0).integers(0, 2**16, (LINES, 128)).astype(np.uint16)


@pytest.fixture(scope="module")
def levels(long_pixels):
    return pixels_to_levels(long_pixels)


def open_image(viewer, folder, pixels, **options):
    """Open a new record with these pixels, and return the session."""
    dataset = ZarrDataset(folder / "d.zarr")
    record, session = dataset.add_image(pixels, **options), session_of(viewer)
    session.open_dataset(dataset.path)
    session.open_record(record.image_id)
    return session


@pytest.mark.parametrize(
    "shape",
    [
        pytest.param((30000, 128), id="a usual line scan"),
        pytest.param((4096, 4096), id="wide, with few lines"),
        pytest.param((20, 512, 512), id="a stack of frames"),
    ],
)
def test_other_images_stay_plain_arrays(shape):
    pixels = np.zeros(shape, np.uint8)
    assert pixels_to_levels(pixels) is pixels


def test_each_level_has_every_fourth_line_of_the_one_before_and_takes_no_memory(levels, long_pixels):
    assert levels.shapes == ((70001, 128), (17500, 128), (4375, 128), (1094, 128))
    assert all(np.shares_memory(level, long_pixels) for level in levels)
    np.testing.assert_array_equal(levels[1], long_pixels[2::4])
    np.testing.assert_array_equal(levels[2], long_pixels[10::16])


@pytest.mark.slow
def test_each_slice_of_a_long_stack_has_all_levels():
    pixels = np.random.default_rng(0).integers(0, 99, (2, LINES, 128)).astype(np.uint8)
    levels = pixels_to_levels(pixels)
    assert levels.shapes[-1] == (2, 1094, 128)
    np.testing.assert_array_equal(levels[1], pixels[:, 2::4])


def test_pixels_that_are_not_in_memory_stay_there_and_their_levels_are_the_same(levels, long_pixels, monkeypatch):
    monkeypatch.setattr("napari_kymflow.layers.levels._PIECE_BYTES", 30000)  # 29 x 4 lines, which LINES is no multiple of
    lazy = LazyPixels(long_pixels, (0, 1), {})
    lazy_levels = pixels_to_levels(lazy)
    assert lazy_levels[0] is lazy
    assert lazy_levels.shapes == levels.shapes
    for read, expected in zip(lazy_levels[1:], levels[1:], strict=True):
        np.testing.assert_array_equal(read, expected)


def test_a_stack_that_is_not_in_memory_is_read_a_slice_at_a_time(long_pixels):
    lazy = LazyPixels(long_pixels[None], (0, 1, 2), {})
    assert pixels_to_levels(lazy) is lazy


def test_as_an_array_the_levels_are_all_pixels(levels, long_pixels):
    np.testing.assert_array_equal(np.asarray(levels), long_pixels)
    assert np.asarray(levels, dtype=np.float32).dtype == np.float32


def test_a_layer_changes_between_plain_pixels_and_levels_and_always_has_all_pixels(levels, long_pixels):
    small = np.arange(12, dtype=np.uint16).reshape(4, 3)
    layer = Image(small, contrast_limits=(0, 1))
    for data, pixels in ((levels, long_pixels), (small, small), (levels, long_pixels), (levels, long_pixels)):
        show_pixels(layer, data)
        layer.refresh()
        assert layer.multiscale == isinstance(data, Levels)
        assert all_pixels(layer) is pixels
        np.testing.assert_array_equal(np.asarray(layer.data), pixels)
        assert layer.extent.data.tolist() == [[0, 0], [pixels.shape[0] - 1, pixels.shape[1] - 1]]


def test_the_end_of_a_long_image_is_not_looked_for_in_a_shorter_one(levels):
    layer = Image(levels, multiscale=True, contrast_limits=(0, 1))
    layer.corner_pixels = np.array([[1000, 0], [1093, 127]])
    shorter = Levels([level[: len(level) // 2] for level in levels])
    show_pixels(layer, shorter)
    layer.refresh()
    assert layer._data_view.shape == shorter[-1].shape


def test_the_value_at_a_place_is_that_of_the_line_whatever_level_is_shown(levels, long_pixels):
    layer = Image(levels, multiscale=True, contrast_limits=(0, 1), scale=(1, 300))
    assert layer.data_level == 3
    assert value_at(layer, (12345.3, 77.2 * 300)) == long_pixels[12345, 77]
    assert value_at(layer, (LINES + 3, 0)) is None
    assert value_at(layer, (0, -300)) is None


@pytest.mark.slow
@pytest.mark.parametrize("most_bytes", [pytest.param(2**30, id="in memory"), pytest.param(0, id="read as needed")])
def test_the_status_bar_has_the_value_of_the_line_in_each_channel(viewer_model, tmp_path, most_bytes, monkeypatch):
    monkeypatch.setattr("napari_kymflow.layers.convert.MOST_BYTES", most_bytes)
    pixels = np.random.default_rng(0).integers(0, 2**16, (2, LINES, 128)).astype(np.uint16)
    session = open_image(viewer_model, tmp_path, pixels, axes=("c", "y", "x"))
    assert [layer.multiscale for layer in session.record.display.channels.values()] == [True, True]
    viewer_model.cursor.position = (12345.0, 77 * session.record.tag.stretch)
    viewer_model.status = {"layer_base": "x", "source_type": "", "plugin": "", "coordinates": " [1 8]", "value": ""}
    values = " | ".join(str(value) for value in pixels[:, 12345, 77])
    assert viewer_model.status["coordinates"] == f"line 12345, pixel 77 (calibration unknown): {values}"


def test_auto_contrast_looks_at_all_lines(viewer_model, tmp_path):
    pixels = np.full((LINES, 128), 10, np.uint8)
    pixels[5::4] = 200  # of which no level has any
    session = open_image(viewer_model, tmp_path, pixels)
    session.record.display.use_percentiles(0, 100)
    (layer,) = session.record.display.channels.values()
    assert layer.contrast_limits == [10, 200]


def test_the_value_of_a_plain_layer_is_napari_s_own():
    layer = Image(np.arange(12).reshape(4, 3), contrast_limits=(0, 1), scale=(1, 300))
    assert (value_at(layer, (3, 600)), value_at(layer, (3, 1200))) == (11, None)
