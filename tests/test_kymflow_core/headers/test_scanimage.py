"""What ScanImage writes into a TIFF: the time of a line where rows are times, the step along x, channels, date."""

import struct
from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
import pytest
import tifffile

from kymflow_core.headers.acquisition import local_time
from kymflow_core.headers.scanimage import ScanImageReader
from kymflow_core.images.acquisition_file import read_acquisition_file
from kymflow_core.images.metadata import RecordMetadata
from kymflow_core.testing import HeaderReaderContract

LINES, PIXELS = 40, 12
LINE_SCAN = {
    "SI.VERSION_MAJOR": "'2019a'",
    "SI.hChannels.channelName": "{'Channel 1' 'plasma' 'it''s red' 'Channel 4'}",
    "SI.hChannels.channelSave": "[2;3]",
    "SI.hRoiManager.imagingFovUm": "[-3 -50;3 -50;3 50;-3 50]",
    "SI.hRoiManager.linePeriod": "0.002",
    "SI.hRoiManager.linesPerFrame": str(LINES),
    "SI.hRoiManager.mroiEnable": "0",
    "SI.hRoiManager.pixelsPerLine": str(PIXELS),
    "SI.hRoiManager.scanAngleMultiplierSlow": "0",
    "SI.hRoiManager.scanFramePeriod": "0.1",
    "SI.hScan2D.bidirectional": "true",
    "SI.hScan2D.scanPixelTimeMean": "1.5e-06",
    "SI.hStackManager.framesPerSlice": "Inf",
}
FRAME_SCAN = {**LINE_SCAN, "SI.hRoiManager.scanAngleMultiplierSlow": "1"}
EPOCH = "frameNumbers = 1\nepoch = [2019  3  7 14 22 33.125]\n"


def scanimage(planes: Sequence[np.ndarray], settings: Mapping[str, str], description: str = EPOCH) -> bytes:
    """A BigTIFF as ScanImage 2016 and later writes it: its settings once before the pages, and in the tag Software."""
    text = "\n".join(f"{key} = {value}" for key, value in settings.items()).encode() + b"\0"
    content = bytearray(struct.pack("<2sHHHQIIII", b"II", 43, 8, 0, 0, 0x07030301, 3, len(text), 5) + text + b"null\0")
    link = 8
    for plane in planes:
        lines, pixels = plane.shape
        at = len(content)
        words = description.encode() + b"\0"
        content += plane.tobytes() + words + text
        values = {256: pixels, 257: lines, 258: 16, 259: 1, 262: 1, 270: at + plane.nbytes, 273: at, 277: 1, 278: lines}
        values |= {279: plane.nbytes, 305: at + plane.nbytes + len(words), 339: 1}
        texts = {270: len(words), 305: len(text)}
        content[link : link + 8] = struct.pack("<Q", len(content))
        content += struct.pack("<Q", len(values))
        for tag, value in values.items():
            content += struct.pack("<HHQQ", tag, 2 if tag in texts else 16, texts.get(tag, 1), value)
        link = len(content)
        content += bytes(8)
    return bytes(content)


@pytest.fixture
def planes(rng):
    return rng.integers(1, 4000, (4, LINES, PIXELS), dtype=np.uint16)


@pytest.fixture
def header_of(tmp_path, planes):
    """A function that writes a TIFF of two channels with settings, and returns its header, axes and notes."""

    def read(settings, pixels=planes[:2], description=EPOCH):
        path = tmp_path / "scan.tif"
        path.write_bytes(scanimage(pixels, settings, description))
        content = read_acquisition_file(path)
        return RecordMetadata.from_json(content.metadata).header, content

    return read


class TestContract(HeaderReaderContract):
    reader = ScanImageReader()
    files: ClassVar = {".tif": scanimage([np.ones((LINES, PIXELS), np.uint16)], LINE_SCAN)}


def test_of_a_line_scan_all_that_is_stated_is_read(header_of, planes):
    header, content = header_of(LINE_SCAN)
    np.testing.assert_array_equal(content.pixels, planes[:2])
    assert content.axes == ("c", "y", "x")
    assert (header.seconds_per_line, header.um_per_pixel, header.dwell_s) == (0.002, 0.5, 1.5e-6)
    assert (header.calibration_source, header.scan_direction) == ("scanimage_tiff", "both-ways")
    assert header.channel_names == ("plasma", "it's red")
    assert str(local_time(header.acquired_local_epoch_ns)) == "2019-03-07 14:22:33.125000"
    assert header.fields["ScanImage"]["SI.VERSION_MAJOR"] == "'2019a'"
    assert content.notes == ()


def test_frames_and_channels_are_told_apart(header_of, planes):
    header, content = header_of(FRAME_SCAN, planes)
    np.testing.assert_array_equal(content.pixels, planes.reshape(2, 2, LINES, PIXELS))
    assert content.axes == ("t", "c", "y", "x")
    assert (header.seconds_per_line, header.um_per_pixel) == (None, 0.5)


def test_frames_of_one_line_are_the_lines_of_a_kymograph(header_of, planes):
    lines = planes[0].reshape(LINES, 1, PIXELS)
    one = {**FRAME_SCAN, "SI.hChannels.channelSave": "1", "SI.hRoiManager.linesPerFrame": "1"}
    header, content = header_of({**one, "SI.hScan2D.logAverageFactor": "2"}, lines)
    np.testing.assert_array_equal(content.pixels, planes[0])
    assert (header.seconds_per_line, header.channel_names, content.notes) == (0.2, ("Channel 1",), ())


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"SI.hRoiManager.imagingFovUm": "[]"}, id="no corners"),
        pytest.param({"SI.hRoiManager.mroiEnable": "1"}, id="several regions"),
        pytest.param({"SI.hRoiManager.pixelsPerLine": "NaN"}, id="no pixels"),
    ],
)
def test_a_step_that_is_not_stated_is_unknown(changed, header_of):
    assert header_of({**LINE_SCAN, **changed})[0].um_per_pixel is None


def test_channels_whose_numbers_have_no_name_have_none(header_of):
    assert header_of({**LINE_SCAN, "SI.hChannels.channelSave": "[2;7]"})[0].channel_names == ()


@pytest.mark.parametrize("epoch", ["[2019 3 7]", "[2019 13 7 14 22 33]", "[]", "[2019 3 7 14 22 1e400]"])
def test_a_date_that_is_none_is_reported(epoch, header_of):
    header, content = header_of(LINE_SCAN, description=f"epoch = {epoch}\n")
    assert header.acquired_local_epoch_ns is None
    assert f"of the header scanimage_tiff: the date {epoch!r}; it is unknown" in content.notes


def test_another_number_of_lines_than_stated_is_reported(header_of):
    _, content = header_of({**LINE_SCAN, "SI.hRoiManager.linesPerFrame": "50"})
    assert any("the header scanimage_tiff says 50 lines of 12 pixels" in note for note in content.notes)


def test_scanimage_2015_states_the_same_in_the_description(tmp_path, planes):
    settings = "".join(f"scanimage.{key} = {value}\n" for key, value in LINE_SCAN.items())
    tifffile.imwrite(tmp_path / "scan.tif", planes[0], description=f"{EPOCH}{settings}", metadata=None)
    header = RecordMetadata.from_json(read_acquisition_file(tmp_path / "scan.tif").metadata).header
    assert (header.seconds_per_line, header.um_per_pixel, header.channel_names) == (0.002, 0.5, ("plasma", "it's red"))
    assert str(local_time(header.acquired_local_epoch_ns)) == "2019-03-07 14:22:33.125000"


@pytest.mark.parametrize(("line_scan", "seconds"), [("1", 0.002), ("0", None)])
def test_scanimage_3_states_the_time_of_a_line_of_line_scans(line_scan, seconds, tmp_path, planes):
    said = f"state.configName='a'\rstate.acq.linescan={line_scan}\rstate.acq.msPerLine=2\r"
    tifffile.imwrite(tmp_path / "scan.tif", planes[0], description=said, metadata=None)
    header = RecordMetadata.from_json(read_acquisition_file(tmp_path / "scan.tif").metadata).header
    assert header.seconds_per_line == seconds
    assert header.fields["ScanImage"]["state.acq.msPerLine"] == "2"
