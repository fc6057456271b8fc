"""Calibration inside TIFFs: what ImageJ and OME-XML state is taken, in a unit that fits, and nothing else."""

from datetime import datetime, timedelta

import numpy as np
import pytest
import tifffile

from kymflow_core.errors import HeaderError
from kymflow_core.headers import AcquisitionHeader
from kymflow_core.headers.tiff_metadata import ImageJReader, OmeXmlReader, imagej_info
from kymflow_core.images.acquisition_file import read_acquisition_file
from kymflow_core.images.metadata import RecordMetadata
from kymflow_zarr.disk.steps import open_regular

SHAPE = (40, 12)
OME = (
    '<?xml version="1.0" encoding="UTF-8"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
    '<Image ID="Image:0">{image}<Pixels ID="Pixels:0" DimensionOrder="XYCZT" Type="uint16" SizeC="1" SizeZ="1" {pixels}>'
    '<Channel ID="Channel:0:0" Name="plasma"/><TiffData IFD="0" PlaneCount="1"/></Pixels></Image></OME>'
)
ROWS_ARE_TIMES, ROWS_ARE_SPACE = 'SizeX="12" SizeY="1" SizeT="40"', 'SizeX="12" SizeY="40" SizeT="1"'


@pytest.fixture
def pixels(rng):
    return rng.integers(0, 99, SHAPE, dtype=np.uint16)


@pytest.fixture
def imagej_header(tmp_path, pixels):
    """A function that writes an ImageJ TIFF and returns what is read of it."""

    def read(resolution: tuple[float, float], **metadata: object) -> AcquisitionHeader | None:
        tifffile.imwrite(tmp_path / "scan.tif", pixels, imagej=True, resolution=resolution, metadata=metadata)
        return ImageJReader().read(tmp_path / "scan.tif", SHAPE)

    return read


@pytest.fixture
def ome_header(tmp_path, pixels):
    """A function that writes a TIFF with OME-XML and returns what is read of it."""

    def read(entries: str, *, image: str = "") -> AcquisitionHeader | None:
        xml = OME.format(pixels=entries, image=image)
        tifffile.imwrite(tmp_path / "scan.ome.tif", pixels, description=xml.encode(), metadata=None)
        return OmeXmlReader().read(tmp_path / "scan.ome.tif", SHAPE)

    return read


@pytest.mark.parametrize(
    ("resolution", "metadata", "seconds_per_line", "um_per_pixel"),
    [
        pytest.param((4.0, 500.0), {"unit": "um", "yunit": "s"}, 0.002, 0.25, id="µm and s, as our exporter writes"),
        pytest.param((4.0, 500.0), {"unit": "\\u00B5m", "yunit": "sec"}, 0.002, 0.25, id="µm as ImageJ escapes it"),
        pytest.param((4.0, 0.5), {"unit": "micron", "yunit": "ms"}, 0.002, 0.25, id="microns and ms"),
        pytest.param((0.004, 500.0), {"unit": "nm", "yunit": "seconds"}, 0.002, 0.25, id="nm"),
        pytest.param((4000.0, 500.0), {"unit": "mm", "yunit": "s"}, 0.002, 0.25, id="mm"),
        pytest.param((4.0, 4.0), {"unit": "um"}, None, 0.25, id="y in µm is no time"),
        pytest.param((4.0, 500.0), {"unit": "um", "yunit": "pixel"}, None, 0.25, id="y in pixels"),
        pytest.param((4.0, 500.0), {"unit": "pixel", "yunit": "s"}, 0.002, None, id="x in pixels"),
        pytest.param((72.0, 72.0), {"unit": "inch"}, None, None, id="72 dpi"),
        pytest.param((40_000.0, 500.0), {"unit": "cm", "yunit": "s"}, 0.002, 0.25, id="cm"),
        pytest.param((4_000_000.0, 30_000.0), {"unit": "m", "yunit": "min"}, 0.002, 0.25, id="m and minutes"),
        pytest.param((101_600.0, 500.0), {"unit": "inch", "yunit": "s"}, 0.002, 0.25, id="inch"),
        pytest.param((4.0, 4.0), {"unit": "Mm"}, None, None, id="megametres are no millimetres"),
        pytest.param((4.0, 4.0), {}, None, None, id="no unit"),
        pytest.param((4.0, 4.0), {"unit": "um", "finterval": 0.1}, None, 0.25, id="time of a frame is no time of a line"),
    ],
)
def test_imagej(resolution, metadata, seconds_per_line, um_per_pixel, imagej_header):
    header = imagej_header(resolution, **metadata)
    assert header.seconds_per_line == (None if seconds_per_line is None else pytest.approx(seconds_per_line, rel=1e-6))
    assert header.um_per_pixel == (None if um_per_pixel is None else pytest.approx(um_per_pixel, rel=1e-6))


@pytest.mark.parametrize("seconds_per_line", [35.099 / 30000, 33.299 / 30000, 3e-4, 2.5])
@pytest.mark.parametrize("um_per_pixel", [0.284, 0.829, 12.0])
def test_what_an_export_writes_is_read_to_a_millionth(seconds_per_line, um_per_pixel, imagej_header):
    header = imagej_header((1 / um_per_pixel, 1 / seconds_per_line), unit="um", yunit="s")
    assert (header.seconds_per_line, header.um_per_pixel) == pytest.approx((seconds_per_line, um_per_pixel), rel=1e-6)


def test_what_imagej_wrote_is_kept(imagej_header):
    assert imagej_header((4.0, 500.0), unit="um", yunit="s").fields["ImageJ"]["yunit"] == "s"


@pytest.mark.parametrize(
    ("resolutionunit", "unit", "per_unit", "um_per_pixel"),
    [
        pytest.param("NONE", "um", 3.5211, 0.284, id="µm"),
        pytest.param("CENTIMETER", "um", 35211.0, 0.284, id="µm with a resolution per cm, which ImageJ multiplies"),
        pytest.param("CENTIMETER", "cm", 35211.0, 0.284, id="cm"),
        pytest.param("INCH", "inch", 89436.6, 0.284, id="inch"),
        pytest.param("CENTIMETER", "nm", 35211.0, None, id="nm with a resolution per cm"),
        pytest.param("CENTIMETER", "mm", 35211.0, None, id="mm with a resolution per cm"),
        pytest.param("CENTIMETER", "inch", 35211.0, None, id="inch with a resolution per cm"),
        pytest.param("INCH", "um", 89436.6, None, id="µm with a resolution per inch"),
        pytest.param("INCH", "cm", 89436.6, None, id="cm with a resolution per inch"),
    ],
)
def test_where_unit_and_resolution_unit_contradict_each_other_the_size_is_unknown_and_reported(
    resolutionunit, unit, per_unit, um_per_pixel, tmp_path, pixels
):
    path = tmp_path / "scan.tif"
    tifffile.imwrite(
        path, pixels, imagej=True, resolution=(per_unit, 1.0), resolutionunit=resolutionunit, metadata={"unit": unit}
    )
    content = read_acquisition_file(path)
    header = RecordMetadata.from_json(content.metadata).header
    assert header.um_per_pixel == (None if um_per_pixel is None else pytest.approx(um_per_pixel, rel=1e-4))
    said = f"its unit along x is {unit!r}, and its resolution is stated per {resolutionunit.lower()}; it is unknown"
    assert any(said in note for note in content.notes) is (um_per_pixel is None)


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ("finterval=0,002", "its finterval '0,002' is no number; it is unknown"),
        ("finterval=2\ntunit=frames", "its finterval 2 is in 'frames', which is no unit of time; it is unknown"),
    ],
)
def test_a_time_between_frames_that_is_not_understood_is_reported(entries, reason, tmp_path, pixels):
    text = f"ImageJ=1.54f\nimages=40\nframes=40\n{entries}\n"
    tifffile.imwrite(
        tmp_path / "scan.tif", pixels[:, np.newaxis], description=text, metadata=None, photometric="minisblack"
    )
    content = read_acquisition_file(tmp_path / "scan.tif")
    assert RecordMetadata.from_json(content.metadata).header.seconds_per_line is None
    assert f"of the header imagej_tiff: {reason}" in content.notes


@pytest.mark.parametrize(
    ("metadata", "seconds_per_line"),
    [
        pytest.param({"finterval": 0.002}, 0.002, id="seconds"),
        pytest.param({"finterval": 2.0, "tunit": "ms"}, 0.002, id="milliseconds"),
        pytest.param({"finterval": 0.0}, None, id="zero"),
        pytest.param({"finterval": 2.0, "tunit": "frames"}, None, id="no time"),
        pytest.param({}, None, id="not stated"),
    ],
)
def test_the_time_between_frames_of_one_line_is_that_of_a_line(metadata, seconds_per_line, tmp_path, pixels):
    path = tmp_path / "scan.tif"
    tifffile.imwrite(
        path, pixels[:, None], imagej=True, resolution=(4, 4), metadata={"axes": "TYX", "unit": "um", **metadata}
    )
    header = RecordMetadata.from_json(read_acquisition_file(path).metadata).header
    assert (header.seconds_per_line, header.um_per_pixel) == (seconds_per_line, 0.25)


def test_a_long_text_of_imagej_is_kept_whole(tmp_path, pixels):
    text = "a line of settings\n" * 400
    tifffile.imwrite(tmp_path / "scan.tif", pixels, imagej=True, metadata={"Info": text})
    header = RecordMetadata.from_json(read_acquisition_file(tmp_path / "scan.tif").metadata).header
    assert header.fields["ImageJ"]["Info"] == imagej_info(header) == text


@pytest.mark.parametrize("resolution", [(0, 1), (0, 0), (5, 0)])
def test_a_resolution_that_is_no_number_is_no_calibration(resolution, tmp_path, pixels):
    path = tmp_path / "scan.tif"
    tifffile.imwrite(path, pixels, imagej=True, resolution=(4, 500), metadata={"unit": "um", "yunit": "s"})
    with tifffile.TiffFile(path, mode="r+b") as tiff:
        tiff.pages.first.tags["XResolution"].overwrite(resolution)
    assert ImageJReader().read(path, SHAPE).um_per_pixel is None


@pytest.mark.parametrize("reader", [ImageJReader(), OmeXmlReader()])
@pytest.mark.parametrize("resolutionunit", ["INCH", "CENTIMETER", None])
def test_the_resolution_of_a_plain_tiff_is_no_calibration(reader, resolutionunit, tmp_path, pixels):
    path = tmp_path / "scan.tif"
    tifffile.imwrite(path, pixels, resolution=(72, 72), resolutionunit=resolutionunit)
    assert reader.read(path, SHAPE) is None


@pytest.mark.parametrize("reader", [ImageJReader(), OmeXmlReader()])
def test_a_file_that_is_no_tiff_is_said(reader, tmp_path):
    (tmp_path / "scan.tif").write_bytes(b"no TIFF at all")
    with pytest.raises(HeaderError, match=r"scan\.tif cannot be read as a TIFF \(not a TIFF file"):
        reader.read(tmp_path / "scan.tif", SHAPE)


@pytest.mark.parametrize(
    ("entries", "seconds_per_line", "um_per_pixel"),
    [
        pytest.param(f'{ROWS_ARE_TIMES} PhysicalSizeX="0.25" TimeIncrement="0.002"', 0.002, 0.25, id="default units"),
        pytest.param(
            f'{ROWS_ARE_TIMES} PhysicalSizeX="250" PhysicalSizeXUnit="nm" TimeIncrement="2" TimeIncrementUnit="ms"',
            0.002,
            0.25,
            id="other units",
        ),
        pytest.param(f'{ROWS_ARE_TIMES} PhysicalSizeX="0.25" PhysicalSizeXUnit="µm"', None, 0.25, id="no time"),
        pytest.param(
            f'{ROWS_ARE_SPACE} PhysicalSizeX="0.25" PhysicalSizeY="0.25" TimeIncrement="0.002"',
            None,
            0.25,
            id="rows are space",
        ),
        pytest.param(f'{ROWS_ARE_TIMES} PhysicalSizeX="1" PhysicalSizeXUnit="pixel"', None, None, id="pixels"),
        pytest.param(f'{ROWS_ARE_TIMES} PhysicalSizeX="0" TimeIncrement="0"', None, None, id="zero"),
        pytest.param(f'{ROWS_ARE_TIMES} PhysicalSizeX="inf" TimeIncrement="nan"', None, None, id="not finite"),
        pytest.param(ROWS_ARE_TIMES, None, None, id="nothing"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_ome_xml(entries, seconds_per_line, um_per_pixel, ome_header):
    header = ome_header(entries)
    assert (header.seconds_per_line, header.um_per_pixel) == (
        None if seconds_per_line is None else pytest.approx(seconds_per_line),
        um_per_pixel,
    )


@pytest.mark.parametrize(
    ("times", "seconds_per_line"),
    [
        pytest.param([t * 0.002 for t in range(40)], 0.002, id="even"),
        pytest.param([5 + t * 0.002 for t in range(40)], 0.002, id="not from 0"),
        pytest.param([t * 0.002 for t in range(39)] + [0.2], None, id="uneven"),
        pytest.param([0.0], None, id="one"),
        pytest.param([0.0, 0.0], None, id="no time between them"),
    ],
)
def test_the_times_of_the_planes_are_those_of_lines(times, seconds_per_line, tmp_path, pixels):
    planes = "".join(f'<Plane TheC="0" TheZ="0" TheT="{t}" DeltaT="{time}"/>' for t, time in enumerate(times))
    xml = OME.format(pixels=f'{ROWS_ARE_TIMES} PhysicalSizeX="0.25"', image="").replace("<TiffData", f"{planes}<TiffData")
    tifffile.imwrite(tmp_path / "scan.ome.tif", pixels, description=xml.encode(), metadata=None)
    header = OmeXmlReader().read(tmp_path / "scan.ome.tif", SHAPE)
    assert header.seconds_per_line == (None if seconds_per_line is None else pytest.approx(seconds_per_line))


def test_an_ome_tiff_as_tifffile_writes_it(tmp_path, pixels):
    path = tmp_path / "scan.ome.tif"
    tifffile.imwrite(path, pixels, metadata={"axes": "YX", "PhysicalSizeX": 0.25, "TimeIncrement": 0.002})
    header = OmeXmlReader().read(path, SHAPE)
    assert (header.um_per_pixel, header.seconds_per_line, header.shape) == (0.25, None, SHAPE)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2022-11-02T12:30:15", (datetime(2022, 11, 2, 12, 30, 15) - datetime(1970, 1, 1)) // timedelta(seconds=1) * 10**9),
        ("2022-11-02T12:30:15+01:00", None),
        ("yesterday", None),
    ],
)
def test_the_time_of_ome_xml_is_taken_where_it_is_local(text, expected, ome_header):
    header = ome_header(ROWS_ARE_SPACE, image=f"<AcquisitionDate>{text}</AcquisitionDate>")
    assert header.acquired_local_epoch_ns == expected


def test_the_channels_of_ome_xml_are_named(ome_header):
    assert ome_header(ROWS_ARE_SPACE).channel_names == ("plasma",)


@pytest.mark.parametrize(
    ("xml", "message"),
    [
        pytest.param("<OME><Image></OME>", "^its OME-XML is broken: ", id="broken"),
        pytest.param("<OME></OME>", "^its OME-XML describes no pixels$", id="no pixels"),
        pytest.param(
            '<!DOCTYPE x [<!ENTITY a "b">]><OME></OME>',
            "^its OME-XML has a document type, which no OME-XML has$",
            id="document type",
        ),
    ],
)
def test_ome_xml_that_cannot_be_understood_is_said(xml, message, tmp_path, pixels):
    tifffile.imwrite(tmp_path / "scan.tif", pixels, description=xml, metadata=None)
    with pytest.raises(HeaderError, match=message):
        OmeXmlReader().read(tmp_path / "scan.tif", SHAPE)


def test_a_size_that_is_no_number_is_said(ome_header):
    with pytest.raises(HeaderError, match=r"^its PhysicalSizeX is no number: 'wide'$"):
        ome_header(f'{ROWS_ARE_SPACE} PhysicalSizeX="wide"')


def test_the_file_is_opened_once(tmp_path, pixels, monkeypatch):
    tifffile.imwrite(tmp_path / "scan.tif", pixels, imagej=True, resolution=(4, 500), metadata={"unit": "um", "yunit": "s"})
    opened = []

    def count(path):
        opened.append(path)
        return open_regular(path)

    monkeypatch.setattr("kymflow_zarr.importing.tiffs.open_regular", count)
    content = read_acquisition_file(tmp_path / "scan.tif")
    assert RecordMetadata.from_json(content.metadata).header.is_calibrated
    assert len(opened) == 1


@pytest.mark.parametrize(
    ("written", "source"),
    [
        ({"imagej": True, "resolution": (4, 500), "metadata": {"unit": "um", "yunit": "s"}}, "imagej_tiff"),
        ({"ome": True, "metadata": {"axes": "YX", "PhysicalSizeX": 0.25}}, "ome_xml"),
    ],
)
def test_an_import_takes_it(written, source, tmp_path, pixels):
    tifffile.imwrite(tmp_path / "scan.tif", pixels, **written)
    header = AcquisitionHeader.from_json(read_acquisition_file(tmp_path / "scan.tif").metadata["header"])
    assert (header.um_per_pixel, header.calibration_source) == (0.25, source)
