import builtins

import numpy as np
import pytest

from kymflow_core import AcqImage
from kymflow_core.errors import MissingPackageError
from kymflow_core.headers import AcquisitionHeader
from kymflow_core.images.metadata import RecordMetadata

KNOWN = AcquisitionHeader(name="scan", seconds_per_line=0.002, um_per_pixel=0.25, channel_names=("plasma", "cells"))


def image_of(dataset, pixels, axes, header):
    with dataset.build_record(pixels, axes=axes) as draft:
        draft.save_metadata_payload(RecordMetadata().with_header(header).to_json())
    return AcqImage(dataset.record(draft.image_id))


@pytest.mark.slow
def test_a_calibrated_scan_has_coordinates_in_s_and_um_and_channels_by_name(dataset):
    pytest.importorskip("xarray")
    pixels = np.arange(24, dtype=np.uint16).reshape(2, 4, 3)
    array = image_of(dataset, pixels, ("c", "y", "x"), KNOWN).to_xarray()
    assert (array.dims, array.name) == (("channel", "time", "position"), "scan")
    np.testing.assert_array_equal(array.sel(channel="cells"), pixels[1])
    np.testing.assert_allclose(array["time"], [0.0, 0.002, 0.004, 0.006])
    np.testing.assert_allclose(array["position"], [0.0, 0.25, 0.5])
    assert (array["time"].attrs, array["position"].attrs) == ({"units": "s"}, {"units": "µm"})


@pytest.mark.slow
def test_what_is_not_known_has_no_coordinate(dataset):
    pytest.importorskip("xarray")
    array = image_of(dataset, np.zeros((4, 3), np.uint8), ("y", "x"), AcquisitionHeader(channel_names=("dye",))).to_xarray()
    assert (array.dims, list(array.coords), array.coords["channel"].item()) == (("time", "position"), ["channel"], "dye")


def test_without_xarray_the_error_says_what_to_install(dataset, monkeypatch):
    real = builtins.__import__

    def refuse(name, *rest):
        if name == "xarray":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", refuse)
    image = image_of(dataset, np.zeros((4, 3), np.uint8), ("y", "x"), KNOWN)
    with pytest.raises(MissingPackageError, match=r"install it with: pip install xarray$"):
        image.to_xarray()
