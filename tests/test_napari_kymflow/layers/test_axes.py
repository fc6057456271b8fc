"""The axes of a record on the canvas."""

import pytest

from napari_kymflow.layers.axes import position_axis, round_values, time_axis
from napari_kymflow.layers.placement import Placement
from napari_kymflow.layers.tags import LayerTag

LINES, PIXELS = 30000, 40
WHOLE = Placement(
    zoom=1 / 30, stretch=150, middle=14999.5, middle_across=19.5 * 150, length=1000, breadth=200, runs_right=True
)


def tag(**calibration):
    return LayerTag(role="rois", dataset_path="lab.zarr", image_id="one", stretch=150, **calibration)


CALIBRATED = tag(seconds_per_line=0.001, um_per_pixel=0.25)


def test_time_is_in_seconds_and_each_tick_is_where_its_line_is():
    axis = time_axis(WHOLE, LINES, CALIBRATED)
    assert axis.title == "time (s)"
    assert [text for _, text in axis.ticks] == ["0", "5", "10", "15", "20", "25", "30"]
    for at, text in axis.ticks:
        assert at == pytest.approx(WHOLE.time_of(float(text) * 1000))


def test_position_is_in_micrometres_of_the_band_only():
    axis = position_axis(WHOLE, PIXELS, CALIBRATED)
    assert (axis.title, [text for _, text in axis.ticks]) == ("position (µm)", ["0", "2", "4", "6", "8", "10"])
    assert axis.ticks[-1][0] == pytest.approx(WHOLE.across_of(40))


def test_without_calibration_the_axes_count_lines_and_pixels():
    assert time_axis(WHOLE, LINES, tag()).title == "time (lines)"
    assert position_axis(WHOLE, PIXELS, tag()).title == "position (pixels)"
    assert [text for _, text in time_axis(WHOLE, LINES, tag()).ticks][1] == "5000"


def test_zoomed_in_the_ticks_are_finer_and_have_the_digits_that_they_need():
    near = Placement(zoom=5, stretch=1, middle=15000, middle_across=19.5, length=1000, breadth=200, runs_right=True)
    texts = [text for _, text in time_axis(near, LINES, CALIBRATED).ticks]
    assert texts == ["14.92", "14.94", "14.96", "14.98", "15.00", "15.02", "15.04", "15.06", "15.08", "15.10"]


@pytest.mark.parametrize(
    ("start", "stop", "apart", "expected"),
    [(0, 10, 3, ["0", "5", "10"]), (1, 9, 2, ["2", "4", "6", "8"]), (0, 0.3, 0.1, ["0.0", "0.1", "0.2", "0.3"])],
)
def test_values_are_round_and_far_enough_apart(start, stop, apart, expected):
    assert [text for _, text in round_values(start, stop, 1.0, apart)] == expected


def test_nothing_is_in_view_beyond_the_record():
    beyond = Placement(zoom=1, stretch=1, middle=90000, middle_across=900, length=100, breadth=100, runs_right=True)
    assert time_axis(beyond, LINES, CALIBRATED).ticks == position_axis(beyond, PIXELS, CALIBRATED).ticks == ()
