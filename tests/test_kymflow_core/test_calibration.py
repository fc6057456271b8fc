"""Physical numbers come from a known calibration, or are refused with the way out."""

import math

import numpy as np
import pytest

from kymflow_core import AcqImage, Calibration, RoiExtent
from kymflow_core.errors import CalibrationError, RoiNotFoundError
from kymflow_core.headers import AcquisitionHeader


def saved(record, **header):
    """The record's image, with another header."""
    payload = record.load_metadata_payload()
    record.save_metadata_payload({**payload, "header": header})
    return AcqImage(record)


def test_an_image_has_its_calibration(record):
    assert AcqImage(record).calibration == Calibration(seconds_per_line=0.002, um_per_pixel=0.25)


@pytest.mark.parametrize(
    ("header", "what"),
    [
        pytest.param({"name": "scan 7"}, r"of scan 7 is unknown \(seconds per line and µm per pixel\)", id="both"),
        pytest.param({"name": "s", "um_per_pixel": 0.2}, r"of s is unknown \(seconds per line\)", id="time"),
        pytest.param({"name": "s", "seconds_per_line": 0.2}, r"of s is unknown \(µm per pixel\)", id="space"),
        pytest.param({"name": "s", "seconds_per_line": 0.2, "um_per_pixel": 0}, r"\(µm per pixel\)", id="zero"),
    ],
)
@pytest.mark.parametrize("ask", [lambda image: image.calibration, lambda image: image.roi_extent(1)])
def test_without_a_calibration_a_physical_number_is_refused(header, what, ask, record):
    with pytest.raises(CalibrationError, match=f"{what}, so there is no result in seconds and µm"):
        ask(saved(record, **header))


def test_the_refusal_says_how_to_enter_it(record):
    message = r"Enter it in the dataset dock with More → Calibration…, or in Python with kymflow_core\.edit_metadata$"
    with pytest.raises(CalibrationError, match=message):
        _ = saved(record).calibration


def test_an_image_without_a_name_is_called_by_its_id(record):
    with pytest.raises(CalibrationError, match=f"the calibration of {record.image_id} is unknown"):
        _ = saved(record).calibration


@pytest.mark.parametrize("value", [0, -0.1, math.nan, math.inf, None, "0.2", True])
@pytest.mark.parametrize("name", ["seconds_per_line", "um_per_pixel"])
def test_a_calibration_is_two_numbers_above_0(name, value):
    with pytest.raises(CalibrationError, match=f"^{name} is {value!r}; a number above 0 is needed$"):
        Calibration(**{"seconds_per_line": 0.002, "um_per_pixel": 0.25, name: value})


def test_a_header_gives_its_calibration():
    header = AcquisitionHeader(seconds_per_line=0.002, um_per_pixel=0.25)
    assert Calibration.of(header, record="x") == Calibration(seconds_per_line=0.002, um_per_pixel=0.25)


def test_the_extent_of_a_rectangle(record):
    extent = AcqImage(record).roi_extent(1)
    expected = pytest.approx((0.01, 0.034, 0.5, 2.25))
    assert (extent.t0_s, extent.t1_s, extent.x0_um, extent.x1_um) == expected
    assert (extent.duration_s, extent.length_um) == pytest.approx((0.024, 1.75))


def test_the_extent_of_a_mask_is_the_box_of_its_pixels(record):
    image = AcqImage(record)
    rows, columns = np.nonzero(image.get_roi_mask(3))
    expected = RoiExtent(
        t0_s=rows.min() * 0.002, t1_s=(rows.max() + 1) * 0.002, x0_um=columns.min() * 0.25, x1_um=(columns.max() + 1) * 0.25
    )
    assert image.roi_extent(3) == expected


def test_the_extent_of_a_roi_that_is_not_there(record):
    with pytest.raises(RoiNotFoundError, match="9"):
        AcqImage(record).roi_extent(9)
