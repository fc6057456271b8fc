"""A long record in the real window: what is drawn is right at each zoom, and records of other lengths follow it."""

import numpy as np
import pytest
import tifffile
from qtpy.QtCore import QPoint
from qtpy.QtTest import QTest
from test_story import settle, wheel
from test_story_annotate import Window

from kymflow_core import AcqImage, RectROI, RoiSet
from kymflow_zarr import ZarrDataset
from napari_kymflow.layers.tags import tag_of

pytestmark = [pytest.mark.opengl, pytest.mark.story]

LINES, PIXELS = 70001, 128
_BLOCKS = 50
"""In so many blocks of lines a record is dark or bright; shown whole, one is more than ten pixels of the screen wide."""


def stripes(lines):
    """Return a kymograph of dark and bright blocks of lines, in an order that never repeats."""
    bright = np.random.default_rng(1).integers(0, 2, _BLOCKS + 1)
    of_line = bright[np.arange(lines) // (lines // _BLOCKS)] * 200 + 20
    return np.repeat(of_line[:, None], PIXELS, axis=1).astype(np.uint8)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "long.zarr"
    dataset = ZarrDataset(path)
    for lines in (LINES, 3000, 2 * LINES):
        roi = RectROI(roi_id=1, y0=1, y1=lines - 1, x0=2, x1=4)
        AcqImage(dataset.add_image(stripes(lines))).save_rois(RoiSet.of([roi]))
    return path


@pytest.fixture
def window(make_napari_viewer, path):
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(1200, 800)
    return Window(viewer, path)


def open_long(window, lines):
    (found,) = (one for one in window.session.image_ids if window.session.dataset.record(one).get_shape()[0] == lines)
    window.session.open_record(found)
    window.session.record.display.channels[1].contrast_limits = (0, 255)
    return window.session.record.display.channels[1]


def drawn_and_expected(window, lines):
    """Return the brightness along time on the canvas, and that of the pixels; without where a block begins or ends."""
    settle()
    picture = window.viewer.screenshot(canvas_only=True, flash=False)
    row = picture[picture.shape[0] // 2 - 3, :, 0].astype(int)
    place = window.session.view.placement
    at = place.middle + ((np.arange(len(row)) + 0.5) / len(row) - 0.5) * place.length / place.zoom
    line = np.rint(at).astype(int)
    beside_axes = np.arange(len(row)) > window.session.view.strips[0] + 5
    near, block = 2 / place.zoom + 1, lines // _BLOCKS
    of_block = (at + 0.5) % block
    is_clear = beside_axes & (line >= 0) & (line < lines) & (of_block > near) & (of_block < block - near)
    assert is_clear.sum() > 200
    return row[is_clear], stripes(lines)[line[is_clear], 0].astype(int)


@pytest.mark.parametrize("shown", [LINES, 20000, 5000, 1500, 300])
def test_each_zoom_shows_the_right_lines_in_the_right_place(window, shown):
    layer = open_long(window, LINES)
    first = (LINES - shown) // 3
    window.session.view.go_to_lines(first, first + shown)
    drawn, expected = drawn_and_expected(window, LINES)
    np.testing.assert_allclose(drawn, expected, atol=3)
    assert (layer.multiscale, layer.data_level > 0) == (True, shown > 1500)


def test_records_of_all_lengths_follow_each_other_with_the_wheel_turning(window, trials):
    layers = list(window.viewer.layers)
    for number in range(trials.switches):
        lines = (LINES, 3000, 2 * LINES)[number % 3]
        layer = open_long(window, lines)
        assert layer.multiscale == (lines > 3000)
        if number < 6:
            drawn, expected = drawn_and_expected(window, lines)
            np.testing.assert_allclose(drawn, expected, atol=3)
        for place in (QPoint(300, 100), QPoint(150, 120), QPoint(420, 90)):
            QTest.mouseMove(window.canvas, place)
            wheel(window.viewer, place, steps=3 + number % 7)
        assert window.rois.get(1).y1 == lines - 1
    assert list(window.viewer.layers) == layers
    assert {tag_of(layer).image_id for layer in layers} == {window.session.image_id}


def test_a_roi_that_is_drawn_on_a_level_has_the_lines_under_the_mouse(window):
    open_long(window, LINES)
    settle()
    roi_id = window.draw(20000, 50000, 30, 90)
    drawn = window.rois.get(roi_id)
    assert (drawn.y0, drawn.y1) == (pytest.approx(20000, abs=150), pytest.approx(50000, abs=150))


@pytest.mark.parametrize("plugin", [pytest.param("napari-kymflow", id="by us"), pytest.param("napari", id="by napari")])
def test_a_long_image_is_saved_with_all_its_lines(window, plugin, tmp_path):
    for lines in (LINES, 2 * LINES):
        layer = open_long(window, lines)
        layer.save(str(tmp_path / "saved.tif"), plugin=plugin)
        np.testing.assert_array_equal(tifffile.imread(tmp_path / "saved.tif"), stripes(lines))
