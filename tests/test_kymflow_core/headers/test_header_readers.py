"""Several readers make one header: in their order, with what they contradict said; those of other packages are found."""

import io
from importlib.metadata import EntryPoint
from typing import ClassVar

import numpy as np
import pytest
import tifffile

from kymflow_core.errors import HeaderError
from kymflow_core.headers import AcquisitionHeader, FoundHeaderReaders, HeaderReader, find_header_readers, read_header
from kymflow_core.headers.discovery import GROUP
from kymflow_core.headers.older_sidecar import OlderSidecarReader
from kymflow_core.headers.olympus import OlympusReader
from kymflow_core.headers.tiff_metadata import ImageJReader, OmeXmlReader
from kymflow_core.images import acquisition_file
from kymflow_core.images.acquisition_file import read_acquisition_file
from kymflow_core.testing import HeaderReaderContract

SHAPE = (40, 12)
TAKEN = "but the image has 40 lines of 12 pixels; the image's shape was taken"
OWN = ["olympus_txt", "bruker_xml", "scanimage_tiff", "ome_xml", "imagej_tiff", "sidecar"]
LEFT_OUT = "the header reader 'x' was left out"
MODULE = """
from kymflow_core.headers import AcquisitionHeader

class Leica:
    name = "leica_xml"

    def read(self, path, shape):
        return AcquisitionHeader(um_per_pixel=0.5)

class Raising(Leica):
    name = "raising"

    def __init__(self):
        raise RuntimeError("no license")

class Taken(Leica):
    name = "olympus_txt"

class NoName(Leica):
    name = ""

instance = Leica()
number = 3
"""


class Saying:
    """A reader that says the same of every image, or raises."""

    def __init__(self, name: str, said: AcquisitionHeader | Exception | None) -> None:
        self.name = name
        self._said = said

    def read(self, path, shape):
        if isinstance(self._said, Exception):
            raise self._said
        return self._said


def header(**values: object) -> AcquisitionHeader:
    return AcquisitionHeader(**values)


def read(tmp_path, *said):
    """What readers named a, b, … make of one image."""
    return read_header(tmp_path / "scan.tif", SHAPE, [Saying(name, one) for name, one in zip("abc", said, strict=False)])


@pytest.fixture
def package(tmp_path, monkeypatch):
    """The name of an importable module of somebody's header readers."""
    (tmp_path / "somebodys_readers.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    return "somebodys_readers"


def point(value: str, name: str = "mine") -> EntryPoint:
    return EntryPoint(name=name, value=value, group=GROUP)


def test_without_a_reader_that_knows_it_the_image_has_name_and_shape(tmp_path):
    found = read(tmp_path, None, None)
    assert (found.header, found.notes) == (AcquisitionHeader(name="scan", shape=SHAPE), ())


@pytest.mark.parametrize(
    ("said", "dwell_s", "direction", "noted"),
    [
        pytest.param([header(dwell_s=2e-6), header(scan_direction="one-way")], 2e-6, "one-way", False, id="each one"),
        pytest.param([header(dwell_s=2e-6), header(dwell_s=3e-6)], 2e-6, None, False, id="the first counts"),
        pytest.param([header(dwell_s=1e-3, seconds_per_line=0.012)], 1e-3, None, False, id="all of a line's time"),
        pytest.param([header(dwell_s=1.1e-3), header(seconds_per_line=0.012)], None, None, True, id="more than a line has"),
    ],
)
def test_a_dwell_time_is_known_where_the_pixels_of_a_line_can_have_it(said, dwell_s, direction, noted, tmp_path):
    found = read(tmp_path, *said)
    assert (found.header.dwell_s, found.header.scan_direction) == (dwell_s, direction)
    assert any("12 pixels in 0.012 s per line cannot have" in note for note in found.notes) is noted


@pytest.mark.parametrize(
    ("said", "seconds_per_line", "um_per_pixel", "source"),
    [
        pytest.param([header(seconds_per_line=0.002, um_per_pixel=0.25)], 0.002, 0.25, "a", id="one"),
        pytest.param([None, header(seconds_per_line=0.002, um_per_pixel=0.25)], 0.002, 0.25, "b", id="the second"),
        pytest.param([header(um_per_pixel=0.25), header(seconds_per_line=0.002)], 0.002, 0.25, "b, a", id="each one"),
        pytest.param([header(um_per_pixel=0.25), header(um_per_pixel=0.25)], None, 0.25, "a", id="the same"),
        pytest.param([header(um_per_pixel=0.25), header(um_per_pixel=0.5)], None, 0.25, "a", id="the first counts"),
        pytest.param([header(channel_names=("x",))], None, None, None, id="no calibration"),
    ],
)
def test_what_one_does_not_know_the_next_one_fills(said, seconds_per_line, um_per_pixel, source, tmp_path):
    made = read(tmp_path, *said).header
    assert (made.seconds_per_line, made.um_per_pixel, made.calibration_source) == (seconds_per_line, um_per_pixel, source)


def test_channels_time_and_entries_are_filled_too(tmp_path):
    first = header(fields={"Section": {"key": "first"}})
    second = header(channel_names=("x",), acquired_local_epoch_ns=0, fields={"Section": {"key": "2"}, "More": {}})
    made = read(tmp_path, first, second).header
    assert (made.channel_names, made.acquired_local_epoch_ns) == (("x",), 0)
    assert made.fields == {"Section": {"key": "first"}, "More": {}}


@pytest.mark.parametrize(
    ("said", "notes"),
    [
        pytest.param(
            [header(um_per_pixel=0.25), header(um_per_pixel=0.5)],
            ("0.25 µm per pixel of a was taken; b says 0.5",),
            id="pixel",
        ),
        pytest.param(
            [header(seconds_per_line=0.002), None, header(seconds_per_line=0.003)],
            ("0.002 seconds per line of a was taken; c says 0.003",),
            id="line",
        ),
        pytest.param([header(um_per_pixel=0.284), header(um_per_pixel=0.28401)], (), id="rounded otherwise"),
        pytest.param(
            [header(acquired_local_epoch_ns=0), header(acquired_local_epoch_ns=2 * 10**9)],
            ("the header b states another time of acquisition, which was not used",),
            id="time",
        ),
        pytest.param([header(acquired_local_epoch_ns=0), header(acquired_local_epoch_ns=10**9)], (), id="the second"),
        pytest.param([header(shape=(40, 12))], (), id="shape of the TIFF"),
        pytest.param(
            [header(shape=(5, 12))],
            (f"the header a says 5 lines of 12 pixels, {TAKEN}",),
            id="another shape",
        ),
        pytest.param(
            [header(shape=(13,))],
            (f"the header a says 13 pixels, {TAKEN}",),
            id="pixels only",
        ),
        pytest.param([HeaderError("a page is torn")], ("the header a was not used: a page is torn",), id="not understood"),
        pytest.param([KeyError("zoom")], ("the header reader a failed: KeyError: 'zoom'",), id="a mistake in the reader"),
    ],
)
def test_what_does_not_fit_is_said(said, notes, tmp_path):
    assert read(tmp_path, *said).notes == notes


def test_a_reader_that_fails_does_not_stop_the_next(tmp_path):
    assert read(tmp_path, HeaderError("torn"), header(um_per_pixel=0.25)).header.um_per_pixel == 0.25


def test_our_own_readers_are_readers():
    found = find_header_readers(points=[])
    assert ([one.name for one in found.readers], found.problems) == (OWN, ())
    assert all(isinstance(one, HeaderReader) for one in found.readers)


@pytest.mark.parametrize("value", ["Leica", "instance"])
def test_one_of_another_package_comes_after_the_microscopes_and_before_the_tiff(value, package):
    found = find_header_readers(points=[point(f"{package}:{value}")])
    assert [one.name for one in found.readers] == [
        "olympus_txt",
        "bruker_xml",
        "leica_xml",
        "scanimage_tiff",
        "ome_xml",
        "imagej_tiff",
        "sidecar",
    ]


@pytest.mark.parametrize(
    ("value", "why"),
    [
        pytest.param("not_there:Leica", "No module named 'not_there'", id="module not there"),
        pytest.param("somebodys_readers:number", "it is no header reader: it needs name and read", id="number"),
        pytest.param("somebodys_readers:Raising", "no license", id="constructor raises"),
        pytest.param("somebodys_readers:Taken", "another header reader has the name 'olympus_txt' already", id="taken"),
        pytest.param("somebodys_readers:NoName", "its name must be text, such as 'leica_xml', not ''", id="no name"),
    ],
)
def test_one_that_does_not_work_is_named_and_left_out(value, why, package):
    found = find_header_readers(points=[point(value, "broken"), point(f"{package}:Leica")])
    assert found.problems == (f"the header reader 'broken' ({value}) was left out: {why}",)
    assert "leica_xml" in [one.name for one in found.readers]


def test_an_import_uses_them_and_says_what_was_left_out(scan_path, monkeypatch):
    found = FoundHeaderReaders(readers=(Saying("mine", header(um_per_pixel=0.5)),), problems=(LEFT_OUT,))
    monkeypatch.setattr(acquisition_file, "installed_header_readers", lambda: found)
    content = read_acquisition_file(scan_path)
    assert content.metadata["header"]["calibration_source"] == "mine"
    assert content.notes[0] == LEFT_OUT


def tiff(**options: object) -> bytes:
    """A TIFF of 40 lines of 12 pixels, as its bytes."""
    file = io.BytesIO()
    tifffile.imwrite(file, np.zeros(SHAPE, np.uint16), **options)
    return file.getvalue()


OLYMPUS = (
    b'"[General]"\t""\r\n"Date"\t"11/02/2022 12:30:15.461 PM"\r\n"[Dimensions]"\t""\r\n'
    b'"X Dimension"\t"12, 0.0 - 3.000 [um], 0.250 [um/pixel]"\r\n"T Dimension"\t"1, 0.000 - 0.080 [s]"\r\n'
    b'"[Image]"\t""\r\n"Image Size"\t"12 * 40 [pixel]"\r\n'
)


class TestOlympusReader(HeaderReaderContract):
    reader = OlympusReader()
    files: ClassVar = {".txt": OLYMPUS}


class TestOlderSidecarReader(HeaderReaderContract):
    reader = OlderSidecarReader()
    files: ClassVar = {".json": b'{"header": {"voxels": [0.003, 0.5], "voxels_units": ["s", "um"]}}'}


class TestImageJReader(HeaderReaderContract):
    reader = ImageJReader()
    files: ClassVar = {".tif": tiff(imagej=True, resolution=(4, 500), metadata={"unit": "um", "yunit": "s"})}


class TestOmeXmlReader(HeaderReaderContract):
    reader = OmeXmlReader()
    files: ClassVar = {".tif": tiff(ome=True, metadata={"axes": "YX", "PhysicalSizeX": 0.25})}
