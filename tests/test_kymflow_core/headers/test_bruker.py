"""Bruker's (Prairie's) XML: the line scan's own time, not that of the frame on which its line was drawn."""

from datetime import datetime, timedelta

import numpy as np
import pytest
import tifffile

from kymflow_core.errors import HeaderError
from kymflow_core.headers import AcquisitionHeader
from kymflow_core.headers.bruker import BrukerReader
from kymflow_core.images.acquisition_file import read_acquisition_file
from kymflow_core.images.metadata import RecordMetadata

SCAN = "LineScan-02052019-1234-2683"
TIFF = f"{SCAN}_Cycle00001_Ch1_000001.ome.tif"
SHAPE = (40, 12)
FRAME_5 = (
    '<PVStateValue key="linesPerFrame" value="40"/><PVStateValue key="pixelsPerLine" value="12"/>'
    '<PVStateValue key="scanLinePeriod" value="0.0136"/>'
)
VERSION_5 = (
    '\ufeff<?xml version="1.0" encoding="utf-8"?><PVScan version="5.4.64.500" date="{date}" notes=""><PVStateShard>'
    '<PVStateValue key="dwellTime" value="16.8"/><PVStateValue key="linesPerFrame" value="256"/>'
    '<PVStateValue key="scanLinePeriod" value="0.0045"/><PVStateValue key="micronsPerPixel">'
    '<IndexedValue index="XAxis" value="{x}"/><IndexedValue index="YAxis" value="{y}"/></PVStateValue></PVStateShard>'
    '<Sequence type="{kind}" cycle="1" time="{time}"><PVStateShard/><Frame index="1">'
    '<File channel="1" channelName="Ch1" filename="{tiff}" source="{scan}-Cycle00001_Ch1Source.tif"/>'
    "<PVStateShard>{frame}</PVStateShard></Frame></Sequence></PVScan>"
)
VERSION_4 = (
    '<?xml version="1.0" encoding="utf-8"?><PVScan version="4.3.2.13" date="{date}" notes=""><Sequence type="Linescan" '
    'cycle="1" time="{time}"><Frame index="1"><File channel="2" channelName="Ch2" filename="{tiff}"/><PVStateShard>'
    '<Key key="linesPerFrame" value="40"/><Key key="pixelsPerLine" value="12"/>'
    '<Key key="scanlinePeriod" value="0.0136"/><Key key="micronsPerPixel_XAxis" value="{x}"/>'
    '<Key key="micronsPerPixel_YAxis" value="{y}"/><Key key="dwellTime" value="7.2"/></PVStateShard></Frame></Sequence>'
    "</PVScan>"
)
USUAL = {
    "date": "2/5/2019 2:50:09 PM",
    "time": "14:50:09.6801205",
    "kind": "Linescan",
    "x": "0.29",
    "y": "0.29",
    "tiff": TIFF,
    "scan": SCAN,
    "frame": FRAME_5,
}


@pytest.fixture
def header_of(tmp_path):
    """A function that writes an XML and returns what is read of it for a TIFF."""

    def read(template=VERSION_5, *, tiff=TIFF, scan=SCAN, **changes) -> AcquisitionHeader | None:
        (tmp_path / f"{scan}.xml").write_text(template.format(**{**USUAL, **changes}), encoding="utf-8")
        return BrukerReader().read(tmp_path / tiff, SHAPE)

    return read


@pytest.mark.parametrize("template", [VERSION_5, VERSION_4], ids=["version 5", "version 4"])
def test_the_numbers_are_those_of_the_line_scan(template, header_of):
    header = header_of(template)
    assert (header.seconds_per_line, header.um_per_pixel, header.shape) == (0.0136, 0.29, SHAPE)
    assert header.unread == ()
    taken = datetime(2019, 2, 5, 14, 50, 9, 680120) - datetime(1970, 1, 1)
    assert header.acquired_local_epoch_ns == taken // timedelta(microseconds=1) * 1000


@pytest.mark.parametrize(("template", "dwell"), [(VERSION_5, "16.8"), (VERSION_4, "7.2")])
def test_the_state_of_the_scan_is_kept(template, dwell, header_of):
    header = header_of(template)
    assert header.fields["State"]["dwellTime"] == dwell
    assert header.dwell_s == pytest.approx(float(dwell) * 1e-6)
    assert header.scan_direction is None
    assert header.fields["State"]["linesPerFrame"] == "40"
    assert header.fields["Sequence"]["cycle"] == "1"
    assert header.channel_names == (("Ch1",) if template is VERSION_5 else ("Ch2",))


STRAIGHT = '<Line startPixelY="101" startPixelX="108" stopPixelX="177" lineLength="20.6"/>'


@pytest.mark.parametrize(
    ("line", "path"),
    [
        pytest.param(STRAIGHT + '<PVLine startPixelY="0.39"/>', ((101, 108), (101, 177)), id="straight"),
        pytest.param(STRAIGHT.replace(" lineL", ' stopPixelY="90" lineL'), ((101, 108), (90, 177)), id="oblique"),
        pytest.param('<Freehand x="1" y="2" z="0"/><Freehand x="3.5" y="4"/>', ((2, 1), (4, 3.5)), id="free"),
        pytest.param('<Freehand x="1" y="2"/>', (), id="one point"),
        pytest.param('<Freehand x="1" y="2"/><Freehand x="3"/>', (), id="half a point"),
        pytest.param('<PVFreehand x="0.1" y="0.2"/><PVFreehand x="0.3" y="0.4"/>', (), id="not in pixels"),
        pytest.param(STRAIGHT + STRAIGHT, (), id="two lines"),
        pytest.param('<PVSpiral radius="3"/>', (), id="spiral"),
        pytest.param(STRAIGHT.replace("108", "nan"), (), id="nowhere"),
    ],
)
@pytest.mark.parametrize("template", [VERSION_5, VERSION_4], ids=["version 5", "version 4"])
def test_the_line_is_stated_in_pixels_of_its_frame(line, path, template, header_of):
    stated = template.replace("<Frame ", f'<PVLinescanDefinition mode="m">{line}</PVLinescanDefinition><Frame ', 1)
    header = header_of(stated)
    assert (header.scan_path, header.fields["Line"]) == (path, {"mode": "m"})
    assert header_of(template).scan_path == ()


@pytest.mark.parametrize(
    ("changes", "seconds", "um", "reason"),
    [
        pytest.param(
            {"frame": '<PVStateValue key="linesPerFrame" value="40"/>'},
            None,
            0.29,
            "that of its head is another",
            id="head",
        ),
        pytest.param({"kind": "TSeries Timed Element"}, None, 0.29, "it is 'TSeries Timed Element', no line", id="movie"),
        pytest.param({"y": "0.58"}, 0.0136, None, "0.29 µm along x and 0.58 along y", id="pixels that are not square"),
        pytest.param({"x": "0", "y": "0"}, 0.0136, None, "", id="no size"),
    ],
)
def test_what_the_xml_does_not_state_is_unknown_and_reported(changes, seconds, um, reason, header_of):
    header = header_of(**changes)
    assert (header.seconds_per_line, header.um_per_pixel) == (seconds, um)
    assert any(reason in text for text in header.unread) or not reason


def test_the_frame_on_which_the_line_was_drawn_has_no_time_of_a_line(header_of):
    header = header_of(tiff=f"{SCAN}-Cycle00001_Ch1Source.tif")
    assert (header.seconds_per_line, header.um_per_pixel, header.shape) == (None, 0.29, ())
    assert "it is a frame, no line scan" in header.unread[0]


@pytest.mark.parametrize(
    ("date", "time", "known"),
    [
        pytest.param("2/5/2019 11:59:59 PM", "00:00:03.5", datetime(2019, 2, 6, 0, 0, 3, 500_000), id="after midnight"),
        pytest.param("2/5/2019 14:50:09", "14:50:09.5", datetime(2019, 2, 5, 14, 50, 9, 500_000), id="24 hours"),
        pytest.param("5/2/2019 2:50:09 PM", "14:50:09.5", None, id="day first, by the scan's name"),
        pytest.param("2019-02-05 2:50:09 PM", "14:50:09.5", None, id="another order"),
        pytest.param("2/5/2019 2:50:09 PM", "noon", None, id="no time"),
    ],
)
def test_the_date_is_taken_where_the_scans_name_confirms_it(date, time, known, header_of):
    header = header_of(date=date, time=time)
    expected = None if known is None else (known - datetime(1970, 1, 1)) // timedelta(microseconds=1) * 1000
    assert header.acquired_local_epoch_ns == expected
    assert bool(header.unread) is (known is None)


@pytest.mark.parametrize("tiff", ["scan.tif", f"{SCAN}_Cycle00002_Ch1_000001.ome.tif", f"{SCAN}x_Cycle00001_Ch1.tif"])
def test_a_file_that_the_xml_does_not_name_has_no_header(tiff, header_of):
    assert header_of(tiff=tiff) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<PVScan>", "it is no sound XML"),
        ('<!DOCTYPE x [<!ENTITY a "b">]><PVScan/>', "it has a document type"),
        (VERSION_5.format(**{**USUAL, "x": "wide"}), "its micronsPerPixel XAxis is no number: 'wide'"),
    ],
)
def test_an_xml_that_cannot_be_understood_is_reported(text, message, tmp_path):
    (tmp_path / f"{SCAN}.xml").write_text(text, encoding="utf-8")
    with pytest.raises(HeaderError, match=message):
        BrukerReader().read(tmp_path / TIFF, SHAPE)


@pytest.mark.parametrize(("name", "encoding"), [(f"{SCAN}.XML", "utf-8"), (f"{SCAN}.xml", "utf-16")])
def test_an_xml_in_capitals_or_in_utf_16_is_read(name, encoding, tmp_path):
    (tmp_path / name).write_text(VERSION_5.format(**USUAL).lstrip("\ufeff"), encoding=encoding)
    header = BrukerReader().read(tmp_path / TIFF, SHAPE)
    assert (header.seconds_per_line, header.dwell_s) == (0.0136, pytest.approx(16.8e-6))


def test_a_dwell_time_that_is_no_number_leaves_the_rest(header_of):
    header = header_of(VERSION_5.replace('value="16.8"', 'value="16,8"'))
    assert (header.seconds_per_line, header.um_per_pixel, header.dwell_s) == (0.0136, 0.29, None)
    assert header.unread == ("its dwellTime is no number: '16,8'",)


def test_an_xml_of_another_program_is_none(tmp_path):
    (tmp_path / f"{SCAN}.xml").write_text("<Other/>")
    assert BrukerReader().read(tmp_path / TIFF, SHAPE) is None


def test_an_xml_is_read_once_for_all_files_of_a_scan(tmp_path, monkeypatch):
    files = "".join(f'<File channel="1" channelName="Ch1" filename="{SCAN}_Cycle{at:05}_Ch1.tif"/>' for at in range(50))
    text = VERSION_5.format(**USUAL).replace("<File ", files + "<File ", 1)
    (tmp_path / f"{SCAN}.xml").write_text(text, encoding="utf-8")
    read = []
    monkeypatch.setattr(
        "kymflow_core.headers.bruker.read_regular", lambda path, limit: read.append(path) or text.encode("utf-8")
    )
    for at in range(50):
        assert BrukerReader().read(tmp_path / f"{SCAN}_Cycle{at:05}_Ch1.tif", SHAPE).seconds_per_line == 0.0136
    assert len(read) == 1


def test_an_import_takes_it(tmp_path):
    (tmp_path / f"{SCAN}.xml").write_text(VERSION_5.format(**USUAL), encoding="utf-8")
    tifffile.imwrite(tmp_path / TIFF, np.zeros(SHAPE, np.uint16), metadata={"axes": "YX", "PhysicalSizeX": 0.29})
    header = RecordMetadata.from_json(read_acquisition_file(tmp_path / TIFF).metadata).header
    assert (header.seconds_per_line, header.um_per_pixel, header.calibration_source) == (0.0136, 0.29, "bruker_xml")


@pytest.mark.shared
@pytest.mark.filterwarnings("ignore")  # tifffile's, over the dates in the files' private tags
@pytest.mark.parametrize(
    ("scan", "count", "shape", "seconds", "um", "dwell_s"),
    [
        ("LineScan-02052019-1234-2683", 2, (1000, 70), 0.0136941563, 0.294698, 16.8e-6),
        ("LineScan-02132019-1317-2775", 10, (501, 40), 0.0019952473, 0.589397, 6e-6),
        ("LineScan-03292014-1525-552", 2, (211, 113), 0.0023621794, 1.372255, 7.2e-6),
    ],
)
def test_the_laboratorys_line_scans_have_their_calibration(scan, count, shape, seconds, um, dwell_s, bruker_folder):
    files = sorted((bruker_folder / scan).glob("*_Cycle*_Ch*.tif"))
    files = [path for path in files if "Source" not in path.name]
    assert len(files) == count
    for path in files:
        content = read_acquisition_file(path)
        header = RecordMetadata.from_json(content.metadata).header
        assert content.pixels.shape == header.shape == shape
        assert header.seconds_per_line == pytest.approx(seconds, abs=1e-10)
        assert header.um_per_pixel == pytest.approx(um, abs=1e-6)
        assert header.dwell_s == pytest.approx(dwell_s)
        assert header.acquired_local_epoch_ns is not None
        assert not any("but the image has" in note for note in content.notes)


@pytest.mark.shared
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("scan", "tiff", "path"),
    [
        ("LineScan-02052019-1234-2683", "_Cycle00001_Ch1_000001.ome.tif", ((101, 108), (101, 177))),
        ("LineScan-02132019-1317-2775", "_Cycle00010_Ch2_000001.ome.tif", ((120, 135), (120, 174))),
        ("LineScan-03292014-1525-552", "_Cycle00001_CurrentSettings_Ch2_000001.tif", ((138, 76), (138, 188))),
    ],
)
def test_the_laboratorys_line_scans_have_their_path(scan, tiff, path, bruker_folder):
    header = BrukerReader().read(bruker_folder / scan / f"{scan}{tiff}", (1, 1))
    assert header.scan_path == path


@pytest.mark.shared
@pytest.mark.filterwarnings("ignore")
def test_the_frame_looks_along_the_path_as_the_lines_do(bruker_folder):
    scan = bruker_folder / SCAN
    lines = read_acquisition_file(scan / TIFF)
    (y, begin), (_, end) = RecordMetadata.from_json(lines.metadata).header.scan_path
    frame = tifffile.imread(scan / f"{SCAN}-Cycle00001_Ch1Source.tif")
    along = frame[int(y), int(begin) : int(end) + 1]
    assert np.corrcoef(along, lines.pixels.mean(axis=0))[0, 1] > 0.99
