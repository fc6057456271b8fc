"""Microscopes' own formats: line scans of each, what is missing in them, and the libraries that read them."""

import struct
import sys
import weakref
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from made_files import LINES, PIXELS, czi, lif, lsm, nd2, oib, oif

from kymflow_core.images.formats.leica_lif import LifReader
from kymflow_core.images.formats.nikon_nd2 import Nd2Reader
from kymflow_core.images.formats.olympus_oif import OifReader
from kymflow_core.images.formats.shared import reading
from kymflow_core.images.formats.zeiss_czi import CziReader
from kymflow_core.images.formats.zeiss_lsm import LsmReader
from kymflow_core.images.image_readers import installed_image_readers, read_image
from kymflow_core.images.metadata import RecordMetadata
from kymflow_core.testing import ImageReaderContract
from kymflow_zarr import ZarrDataset
from kymflow_zarr.errors import SourceError

# oiffile leaves a file open that it cannot read; it closes as soon as our error is made.
pytestmark = pytest.mark.filterwarnings("ignore:Exception ignored in.*scan.oib:pytest.PytestUnraisableExceptionWarning")

LINE_SCAN = np.random.default_rng(5).integers(1, 4000, (LINES, PIXELS)).astype(np.uint16)
TWO = np.stack([LINE_SCAN, LINE_SCAN + 1])
TIMES = [0.002 * line for line in range(LINES)]
XML = (
    f"<ImageDocument><Metadata><Information><Image><SizeX>{PIXELS}</SizeX><SizeY>1</SizeY><SizeT>{LINES}</SizeT><Dimensions>"
    '<Channels><Channel Id="Channel:0" Name="Ch1"/></Channels></Dimensions></Image></Information><Scaling><Items><Distance '
    'Id="X"><Value>2.5e-07</Value></Distance></Items></Scaling></Metadata></ImageDocument>'
)
STATED = {"DimensionX": PIXELS, "DimensionY": 1, "DimensionZ": 1, "DimensionTime": LINES, "ScanType": 2}
CALIBRATED = {"VoxelSizeX": 0.25e-6, "TimeIntervall": 0.002}
FRAME = ("frame", np.ones((8, 12), np.uint16), {"1": (1e-6, "m"), "2": (1e-6, "m")})
LINE = ("line", LINE_SCAN, {"1": ((PIXELS - 1) * 0.25e-6, "m"), "4": ((LINES - 1) * 0.002, "s")})
LINES_OF_CZI = [line[None] for line in LINE_SCAN]
FRAMES_OF_ND2 = [line[None, :, None] for line in LINE_SCAN]


class TestLif(ImageReaderContract):
    reader = LifReader()
    files: ClassVar = {"scan.lif": lif([FRAME, LINE])}


class TestCzi(ImageReaderContract):
    reader = CziReader()
    files: ClassVar = {"scan.czi": czi(LINES_OF_CZI, xml=XML, times=TIMES)}


class TestLsm(ImageReaderContract):
    reader = LsmReader()
    files: ClassVar = {"scan.lsm": lsm(np.stack([LINE_SCAN] * 3), DimensionChannels=3, **STATED, **CALIBRATED)}


class TestNd2(ImageReaderContract):
    reader = Nd2Reader()
    files: ClassVar = {"scan.nd2": nd2(FRAMES_OF_ND2, times=[1000 * time for time in TIMES])}


class TestOif(ImageReaderContract):
    reader = OifReader()
    files: ClassVar = oif(TWO)


class TestOib(ImageReaderContract):
    reader = OifReader()
    files: ClassVar = {"scan.oib": oib(oif(TWO))}


CONTRACTS = (TestLif, TestCzi, TestLsm, TestNd2, TestOif, TestOib)
LIBRARIES = {TestLif: "liffile", TestCzi: "czifile", TestNd2: "nd2", TestOif: "oiffile", TestOib: "oiffile"}


def write(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder / next(iter(files))


def read(folder: Path, files: dict[str, bytes]):
    path = write(folder, files)
    return read_image(path, installed_image_readers().reader_of(path))


@pytest.mark.parametrize("contract", CONTRACTS)
def test_the_lines_of_a_line_scan_are_y_with_the_calibration_that_is_stated(contract, tmp_path):
    image, pixels = read(tmp_path, contract.files)
    assert image.axes[-2:] == ("y", "x")
    assert (image.axes[:-2] == ("c",)) == (pixels.ndim == 3)
    np.testing.assert_array_equal(pixels.reshape(-1, LINES, PIXELS)[0], LINE_SCAN)
    header = image.header
    assert (header.seconds_per_line, header.um_per_pixel) == (pytest.approx(0.002), pytest.approx(0.25))
    assert (header.shape, header.unread) == ((LINES, PIXELS), ())


def test_a_folder_of_all_formats_becomes_records_and_is_skipped_the_second_time(tmp_path):
    for contract in CONTRACTS:
        write(tmp_path / contract.__name__, contract.files)
    dataset = ZarrDataset(tmp_path / "lab.zarr")
    report = dataset.import_folder(tmp_path)
    images = len(CONTRACTS) + 1  # the project of Leica has two
    assert (len(report.imported), report.failed) == (images, ())
    sources = {RecordMetadata.load(one).header.calibration_source for one in dataset.iter_records()}
    assert sources == {"leica_lif", "zeiss_czi", "zeiss_lsm", "nikon_nd2", "olympus_oif"}
    assert len(dataset.import_folder(tmp_path).skipped) == images
    (tmp_path / "TestOif" / "scan.oif.files" / "s_C002.tif").write_bytes(oif(TWO + 1)["scan.oif.files/s_C002.tif"])
    report = dataset.import_folder(tmp_path)
    assert [path.name for path in report.changed] == ["scan.oif"]


@pytest.mark.parametrize("contract", LIBRARIES)
def test_without_its_library_a_file_fails_with_the_command_that_installs_it(contract, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, LIBRARIES[contract], None)
    with pytest.raises(
        SourceError, match=rf'needs the package {LIBRARIES[contract]} .*pip install "napari-kymflow\[formats\]"'
    ):
        read(tmp_path, contract.files)


# The size along x that the first block itself states, behind the heads of the file, the block and its dimensions.
SIZE_IN_BLOCK = 32 + 512 + 32 + 16 + 32 + 8
DAMAGED_CZI = bytearray(czi(LINES_OF_CZI, xml=XML))
DAMAGED_CZI[SIZE_IN_BLOCK : SIZE_IN_BLOCK + 4] = (2**30).to_bytes(4, "little")

CUT_ND2 = nd2([LINE_SCAN[..., None]]).replace(struct.pack("<Q", 8 + LINE_SCAN.nbytes), struct.pack("<Q", LINE_SCAN.nbytes))
LOSSY_ND2 = nd2(FRAMES_OF_ND2).replace(
    b'<eCompression runtype="lx_uint32" value="2"', b'<eCompression runtype="lx_uint32" value="1"'
)


def without(files: dict[str, bytes], name: str) -> dict[str, bytes]:
    return {key: content for key, content in files.items() if key != name}


@pytest.mark.parametrize(
    ("files", "why"),
    [
        pytest.param(
            {"a.czi": czi(LINES_OF_CZI, xml=XML, left_out=[7, 8])},
            "480 pixels, and 24 of them are in none",
            id="czi block",
        ),
        pytest.param({"a.czi": czi(LINES_OF_CZI[:-3], xml=XML)}, "states 40 lines, and 37 can be read", id="czi lines"),
        pytest.param(
            {"a.lsm": lsm(LINE_SCAN, DimensionChannels=1, **{**STATED, "DimensionTime": 44})}, "44", id="lsm lines"
        ),
        pytest.param(without(oif(TWO), "scan.oif.files/s_C002.tif"), "it has 1 TIFFs for {'C': ", id="oif channel"),
        pytest.param(oif(TWO, lines=44), r"shape \(2, 44, 12\), and its TIFFs have \(2, 40, 12\)", id="oif lines"),
        pytest.param({"a.lif": lif([("xz", LINE_SCAN, {"1": (1.0, "m"), "3": (1.0, "m")})])}, "no line scan", id="lif xz"),
        pytest.param({"a.nd2": nd2(FRAMES_OF_ND2, left_out=[7])}, "states 40 frames, and 39 can be read", id="nd2 frame"),
        pytest.param(
            {"a.nd2": nd2(FRAMES_OF_ND2[:30], stated=20)}, "states 20 frames, and 30 can be", id="nd2 more frames"
        ),
        pytest.param({"a.nd2": CUT_ND2}, "states 1 frame, and 0 can be read", id="nd2 bytes of a frame"),
        pytest.param({"a.nd2": LOSSY_ND2}, "packed as JPEG 2000", id="nd2 lossy"),
        pytest.param({"a.nd2": b"not an nd2"}, "please report it to the developers with a small file", id="no nd2"),
        pytest.param({"a.lif": b"not a lif"}, "please report it to the developers with a small file", id="no lif"),
        pytest.param({"a.oib": b"not an oib"}, "please report it to the developers with a small file", id="no oib"),
        pytest.param({"a.czi": bytes(DAMAGED_CZI)}, "a block has the shape .*1073741824", id="czi size of a block"),
        pytest.param({"a.czi": b"not a czi"}, "please report it to the developers with a small file", id="no czi"),
        pytest.param({"a.lsm": b"not an lsm"}, "cannot be read as a TIFF", id="no lsm"),
    ],
)
def test_what_a_file_states_and_does_not_have_is_refused(files, why, tmp_path):
    with pytest.raises(SourceError, match=why):
        read(tmp_path, files)


@pytest.mark.parametrize(
    ("files", "why"),
    [
        pytest.param(oif(TWO, interval=3.0), "lines 0.003 s apart by their interval", id="oif"),
        pytest.param({"a.czi": czi(LINES_OF_CZI, xml=XML, times=[*TIMES[:-1], 5.0])}, "40 times of 40 lines", id="czi"),
        pytest.param({"a.nd2": nd2(FRAMES_OF_ND2, times=[*TIMES[:-1], 9e3])}, "40 times of 40 lines", id="nd2"),
        pytest.param({"a.czi": czi(LINES_OF_CZI, xml=XML, times=TIMES[:-1])}, "39 times of 40 lines", id="czi times"),
    ],
)
def test_a_time_between_lines_that_is_contradicted_is_unknown_and_reported(files, why, tmp_path):
    header = read(tmp_path, files)[0].header
    assert header.seconds_per_line is None
    assert why in header.unread[0]


def test_of_a_project_the_line_scan_comes_first_and_the_others_are_named(tmp_path):
    xz = ("xz", LINE_SCAN, {"1": (1.0, "m"), "3": (1.0, "m")})
    image, _ = read(tmp_path, {"a.lif": lif([FRAME, xz, LINE])})
    assert image.name == "line"
    assert image.notes[0] == "1 of its images have no lines, or axes that are not read: xz"
    assert "only the first is read, line (40, 12); the others are frame (8, 12)" in image.notes[1]


def test_of_a_time_series_that_was_stopped_the_lines_that_are_there_are_read_with_a_note(tmp_path):
    image, pixels = read(tmp_path, {"a.nd2": nd2(FRAMES_OF_ND2[:30], stated=LINES)})
    np.testing.assert_array_equal(pixels, LINE_SCAN[:30])
    assert image.notes == ("it states 40 times, and the first 30 are in it and were taken",)


def test_a_plane_of_an_nd2_has_its_channels_and_no_time_of_a_line(tmp_path):
    image, pixels = read(tmp_path, {"a.nd2": nd2([np.moveaxis(TWO, 0, -1)])})
    np.testing.assert_array_equal(pixels, TWO)
    header = image.header
    assert (image.axes, header.channel_names, header.seconds_per_line) == (("c", "y", "x"), ("Ch1", "Ch2"), None)


FILETIME = 132532082909390000  # 2020-12-23 14:44:50.939 UTC
DAYS = 44188.614478  # 2020-12-23 14:44:51


@pytest.mark.parametrize(
    ("files", "acquired"),
    [
        pytest.param(
            {"a.lif": lif([LINE], stamps=[FILETIME, FILETIME + 1])},
            {"first time": "2020-12-23T14:44:50.939", "time zone": "UTC"},
            id="lif",
        ),
        pytest.param(
            {"a.lsm": lsm(np.stack([LINE_SCAN] * 3), days=DAYS, DimensionChannels=3, **STATED)},
            {"first time": "2020-12-23T14:44:50", "time zone": "not stated"},
            id="lsm",
        ),
    ],
)
def test_a_time_of_another_zone_than_the_laboratorys_is_an_entry_only(files, acquired, tmp_path):
    header = read(tmp_path, files)[0].header
    assert header.fields["Acquired"] == acquired
    assert header.acquired_local_epoch_ns is None


def test_a_time_that_no_calendar_has_is_reported(tmp_path):
    files = {"a.lsm": lsm(np.stack([LINE_SCAN] * 3), days=1e9, DimensionChannels=3, **STATED)}
    assert read(tmp_path, files)[0].header.unread == ("the time 1000000000.0 of its first sample",)


class TestProject:
    """A file with several images, of which each is a record."""

    @pytest.fixture
    def project_path(self, tmp_path):
        return write(tmp_path / "scans", {"lab.lif": lif([FRAME, LINE])})

    @pytest.fixture
    def imported(self, project_path, tmp_path):
        dataset = ZarrDataset(tmp_path / "lab.zarr")
        dataset.import_folder(project_path.parent)
        return dataset

    def test_each_image_is_a_record_with_its_name_and_its_own_pixels(self, imported):
        records = {RecordMetadata.load(one).header.name: one for one in imported.iter_records()}
        assert set(records) == {"lab line", "lab frame"}
        np.testing.assert_array_equal(records["lab line"].load_array(), LINE_SCAN)
        np.testing.assert_array_equal(records["lab frame"].load_array(), FRAME[1])

    def test_only_what_is_not_there_yet_is_imported(self, imported, project_path):
        assert len(imported.import_folder(project_path.parent).skipped) == 2
        gone = next(imported.iter_records()).image_id
        imported.delete_image(gone)
        report = imported.import_folder(project_path.parent)
        assert (len(report.imported), len(report.skipped)) == (1, 1)
        project_path.write_bytes(lif([FRAME, LINE, ("new", LINE_SCAN, LINE[2])]))
        report = imported.import_folder(project_path.parent)
        assert (len(report.imported), report.changed) == (1, (project_path,))

    def test_a_file_that_has_changed_is_named_once_and_read_again_into_each_record(self, imported, project_path):
        before = set(imported.list_image_ids())
        project_path.write_bytes(lif([FRAME, (LINE[0], LINE_SCAN + 1, LINE[2])]))
        assert imported.import_folder(project_path.parent).changed == (project_path,)
        report = imported.import_folder(project_path.parent, on_changed="reingest_if_changed")
        assert {one.image_id for one in report.replaced} == before
        pixels = [one.load_array() for one in imported.iter_records() if one.get_shape() == (LINES, PIXELS)]
        np.testing.assert_array_equal(pixels[0], LINE_SCAN + 1)

    def test_its_records_are_recognised_where_it_has_moved(self, imported, project_path):
        moved = project_path.rename(project_path.with_name("renamed.lif"))
        report = imported.import_folder(moved.parent, relink=True)
        assert (len(report.moved), report.imported, report.failed) == (2, (), ())
        assert len(imported.import_folder(moved.parent).skipped) == 2

    def test_the_same_records_come_back_from_an_export(self, imported, tmp_path):
        imported.export_legacy_folder(tmp_path / "exported")
        again = ZarrDataset(tmp_path / "again.zarr")
        assert len(again.import_folder(tmp_path / "exported").imported) == 2
        assert len(again.import_folder(tmp_path / "scans").skipped) == 2

    def test_names_that_stand_twice_get_the_number_of_the_image(self, tmp_path):
        path = write(tmp_path, {"lab.lif": lif([("day 1/line", *LINE[1:]), ("day 2/line", LINE_SCAN + 7, LINE[2])])})
        assert LifReader().images_of(path) == ["line (1)", "line (2)"]
        _, pixels = read_image(path, LifReader(), "line (2)")
        np.testing.assert_array_equal(pixels, LINE_SCAN + 7)
        with pytest.raises(SourceError, match=r"holds no image named 'line'; it has 'line \(1\)', 'line \(2\)'"):
            read_image(path, LifReader(), "line")

    def test_an_image_that_its_library_leaves_out_is_reported(self, tmp_path):
        images = LifReader().read(write(tmp_path, {"lab.lif": lif([LINE, LINE])}))
        # liffile before 2026.10.3 gives one image of each path.
        assert (len(images), bool(images[0].notes)) in ((1, True), (2, False))

    def test_sidecars_of_a_project_are_read_where_it_has_one_image(self, tmp_path):
        dataset = ZarrDataset(tmp_path / "lab.zarr")
        path = write(tmp_path / "scans", {"one.lif": lif([LINE]), "one.mine.json": b'{"a": 1}'})
        write(tmp_path / "scans", {"two.lif": lif([FRAME, LINE]), "two.mine.json": b'{"a": 2}'})
        report = dataset.import_folder(path.parent)
        has_it = {
            one.path.name: "mine.json" in dataset.record(one.image_id).list_analysis_keys() for one in report.imported
        }
        assert (has_it, len(report.imported)) == ({"one.lif": True, "two.lif": False}, 3)


def test_what_a_library_left_open_is_let_go_with_its_error(tmp_path):
    held = []

    class Opened:
        pass

    def library():
        opened = Opened()
        held.append(weakref.ref(opened))
        raise ValueError("damaged")

    with pytest.raises(SourceError, match="damaged") as raised, reading(tmp_path / "scan.oib", "a kind"):
        library()
    assert held[0]() is None
    assert isinstance(raised.value.__cause__, ValueError)  # our error, and the library's, are still held
