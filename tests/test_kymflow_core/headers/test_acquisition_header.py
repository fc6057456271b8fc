import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kymflow_core.headers import AcquisitionHeader
from kymflow_core.headers.acquisition import calibration_of_voxels
from property_tests import examples

calibrations = st.none() | st.floats(1e-9, 1e9)
headers = st.builds(
    AcquisitionHeader,
    name=st.text(max_size=8),
    shape=st.lists(st.integers(0, 10**6), max_size=5).map(tuple),
    seconds_per_line=calibrations,
    um_per_pixel=calibrations,
    calibration_source=st.none() | st.sampled_from(["olympus_txt", "sidecar"]),
    acquired_local_epoch_ns=st.none() | st.integers(-(10**18), 2 * 10**18),
    channel_names=st.lists(st.text(max_size=8), max_size=3).map(tuple),
    dwell_s=calibrations,
    scan_direction=st.sampled_from([None, "one-way", "both-ways"]),
    scan_path=st.lists(st.tuples(*(st.floats(-1e9, 1e9),) * 2), max_size=3).map(tuple),
    fields=st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=3),
)


@settings(max_examples=examples(50))
@given(headers)
def test_a_header_comes_back_from_its_json(header):
    assert AcquisitionHeader.from_json(header.to_json()) == header


def test_an_empty_header_knows_nothing():
    header = AcquisitionHeader.from_json({})
    assert header == AcquisitionHeader()
    assert (header.seconds_per_line, header.um_per_pixel, header.acquired_local_epoch_ns) == (None, None, None)


@pytest.mark.parametrize("entry", ["seconds_per_line", "um_per_pixel", "dwell_s"])
@pytest.mark.parametrize(
    "value", [0, 0.0, -1.0, math.inf, math.nan, True, "0.284", None, [1.0], 10**400], ids=lambda one: repr(one)[:9]
)
def test_a_calibration_that_is_no_positive_number_is_unknown(entry, value):
    assert getattr(AcquisitionHeader.from_json({entry: value}), entry) is None


@pytest.mark.parametrize(
    ("json", "expected"),
    [
        pytest.param({"name": 3}, AcquisitionHeader(), id="name a number"),
        pytest.param({"shape": "30000 x 38"}, AcquisitionHeader(), id="shape text"),
        pytest.param({"acquired_local_epoch_ns": "noon"}, AcquisitionHeader(), id="time text"),
        pytest.param({"channel_names": "RNDD2"}, AcquisitionHeader(), id="channels text"),
        pytest.param({"fields": []}, AcquisitionHeader(), id="fields a list"),
        pytest.param({"calibration_source": 1}, AcquisitionHeader(), id="source a number"),
        pytest.param({"scan_path": [[1, 2], [3]]}, AcquisitionHeader(), id="a point of one number"),
        pytest.param({"scan_path": [[1, 2], [3, "4"]]}, AcquisitionHeader(), id="a point of text"),
        pytest.param({"scan_path": [[1, 2], [3, math.nan]]}, AcquisitionHeader(), id="a point nowhere"),
        pytest.param({"scan_path": 3}, AcquisitionHeader(), id="path a number"),
        pytest.param({"scan_direction": "Oneway"}, AcquisitionHeader(), id="direction in other words"),
    ],
)
def test_an_entry_of_the_wrong_type_is_unknown(json, expected):
    assert AcquisitionHeader.from_json(json) == expected


@pytest.mark.parametrize(
    ("seconds_per_line", "um_per_pixel", "expected"),
    [(0.001, 0.3, True), (0.001, None, False), (None, 0.3, False), (None, None, False)],
)
def test_calibrated_means_that_both_numbers_are_known(seconds_per_line, um_per_pixel, expected):
    header = AcquisitionHeader(seconds_per_line=seconds_per_line, um_per_pixel=um_per_pixel)
    assert header.is_calibrated is expected


@pytest.mark.parametrize(
    ("voxels", "units", "expected"),
    [
        pytest.param([0.0012, 0.284], ["s", "um"], (0.0012, 0.284), id="both known"),
        pytest.param([1.0, 1.0], ["px", "px"], (None, None), id="pixels are no calibration"),
        pytest.param([1.0, 0.284], ["px", "um"], (None, 0.284), id="time unknown"),
        pytest.param([0.0012, 1.0], ["s", "px"], (0.0012, None), id="space unknown"),
        pytest.param([1.2, 0.284], ["ms", "um"], (None, 0.284), id="another unit is not guessed"),
        pytest.param([0.0, -1.0], ["s", "um"], (None, None), id="not positive"),
        pytest.param([0.0012], ["s"], (None, None), id="one dimension"),
        pytest.param([1.0, 0.0012, 0.284], ["um", "s", "um"], (None, None), id="three dimensions"),
        pytest.param(None, ["s", "um"], (None, None), id="no voxels"),
        pytest.param([0.0012, 0.284], None, (None, None), id="no units"),
        pytest.param("12", "su", (None, None), id="text"),
    ],
)
def test_the_calibration_of_the_older_programs_voxels(voxels, units, expected):
    assert calibration_of_voxels({"voxels": voxels, "voxels_units": units}) == expected
