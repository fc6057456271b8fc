"""Olympus' `.oir`, whose library runs on Python 3.12 and newer."""

import sys
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from made_files import LINES, PIXELS, oir

from kymflow_core.headers.acquisition import local_time
from kymflow_core.images.formats.olympus_oir import OirReader
from kymflow_core.images.formats.shared import load_library
from kymflow_core.images.image_readers import read_image
from kymflow_core.testing import ImageReaderContract
from kymflow_zarr.errors import SourceError

newer_python = pytest.mark.skipif(sys.version_info < (3, 12), reason="oirfile runs on Python 3.12 and newer")

LINE_SCAN = np.random.default_rng(5).integers(1, 4000, (LINES, PIXELS)).astype(np.uint16)
TWO = np.stack([LINE_SCAN, LINE_SCAN + 1])


def read(folder: Path, content: bytes):
    path = folder / "scan.oir"
    path.write_bytes(content)
    return read_image(path, OirReader())


@newer_python
class TestOir(ImageReaderContract):
    reader = OirReader()
    files: ClassVar = {"scan.oir": oir(TWO)}


@newer_python
class TestLineScan:
    @pytest.fixture
    def scan(self, tmp_path):
        return read(tmp_path, oir(TWO))

    def test_its_times_are_lines(self, scan):
        image, pixels = scan
        np.testing.assert_array_equal(pixels, TWO)
        assert image.axes == ("c", "y", "x")

    def test_its_header_has_what_is_stated(self, scan):
        header = scan[0].header
        assert (header.seconds_per_line, header.um_per_pixel) == (pytest.approx(0.002), pytest.approx(0.25))
        assert (header.channel_names, header.scan_direction, header.unread) == (("CH1", "CH2"), "both-ways", ())
        assert str(local_time(header.acquired_local_epoch_ns)) == "2020-12-23 14:44:50.939000"


@newer_python
@pytest.mark.parametrize(
    ("content", "why"),
    [
        pytest.param(oir(TWO, bytes_less=30), "states pixels of 1920 bytes, and 1860 bytes of them", id="part of a plane"),
        pytest.param(oir(TWO, times=3, left_out=[2]), "states pixels of 5760 bytes, and 4800 bytes", id="plane"),
        pytest.param(oir(TWO, stated=50), "states 50 times, and has one plane of 40 lines", id="lines"),
        pytest.param(b"not an oir", "please report it to the developers with a small file", id="no oir"),
    ],
)
def test_what_a_file_states_and_does_not_have_is_refused(content, why, tmp_path):
    with pytest.raises(SourceError, match=why):
        read(tmp_path, content)


@newer_python
@pytest.mark.parametrize(
    ("content", "note"),
    [
        pytest.param(
            oir(TWO, times=3, stated=5), "it states 5 planes along t; the 3 that are in it were taken", id="times"
        ),
        pytest.param(
            oir(TWO, left_out=[1]), "it names 2 channels; 1 of them with pixels was taken", id="channel without pixels"
        ),
    ],
)
def test_planes_and_channels_that_are_stated_and_not_there_are_reported(content, note, tmp_path):
    image, _ = read(tmp_path, content)
    assert image.notes == (note,)


def test_the_further_files_of_a_long_scan_belong_to_it(tmp_path):
    for name in ("scan.oir", "scan_00001", "scan_00002", "scan_00004"):
        (tmp_path / name).touch()
    found = OirReader().files_of(tmp_path / "scan.oir")
    assert [path.name for path in found] == ["scan_00001", "scan_00002"]


def test_a_library_that_needs_a_newer_python_says_which():
    newer = (sys.version_info.major, sys.version_info.minor + 1)
    version = ".".join(map(str, newer))
    with pytest.raises(SourceError, match=rf"scan\.oir needs Python {version} or newer, on which the package oirfile runs"):
        load_library("oirfile", Path("scan.oir"), python=newer)
