"""A Bruker (Prairie) folder: the channels of a line scan are one record, and it has the images of where its line lies."""

import importlib.util
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile

from kymflow_core import AcqImage
from kymflow_core.images.file_reader import FILE_READER
from kymflow_zarr import ZarrDataset

SCAN = "LineScan-02052019-1234-2683"
HAS_CODECS = importlib.util.find_spec("imagecodecs") is not None
EARLIER = replace(FILE_READER, version=FILE_READER.version - 1, find_sets=None)
"""Reads each file as an image of its own, as the program did before it knew which files are one scan."""
CALIBRATION = {
    5: '<PVStateValue key="scanLinePeriod" value="0.0136"/><PVStateValue key="micronsPerPixel">'
    '<IndexedValue index="XAxis" value="0.29"/><IndexedValue index="YAxis" value="0.29"/></PVStateValue>',
    4: '<Key key="scanlinePeriod" value="0.0136"/><Key key="micronsPerPixel_XAxis" value="0.29"/>'
    '<Key key="micronsPerPixel_YAxis" value="0.29"/>',
}


def name_of(cycle: int, channel: int, version: int = 5) -> str:
    """The name of one channel of a cycle, as each version writes it."""
    middle, ending = ("", ".ome.tif") if version == 5 else ("CurrentSettings_", ".tif")
    return f"{SCAN}_Cycle{cycle:05}_{middle}Ch{channel}_000001{ending}"


def source_of(cycle: int, channel: int) -> str:
    """The name of the frame on which the line of a cycle was drawn."""
    return f"{SCAN}-Cycle{cycle:05}_Ch{channel}Source.tif"


def write_folder(folder: Path, *, version: int = 5, cycles: int = 1, channels: int = 2, kind: str = "Linescan") -> Path:
    """Write a folder as the microscope does; the pixels of each line scan are 10 times its cycle and its channel."""
    (folder / "References").mkdir(parents=True)
    sequences = []
    for cycle in range(1, cycles + 1):
        files = []
        for channel in range(1, channels + 1):
            tifffile.imwrite(folder / name_of(cycle, channel, version), np.full((40, 12), 10 * cycle + channel, np.uint16))
            tifffile.imwrite(folder / source_of(cycle, channel), np.full((32, 32), 100 * cycle + channel, np.uint16))
            source = f'source="{source_of(cycle, channel)}"' if version == 5 else ""
            files.append(f'<File channelName="Ch{channel}" filename="{name_of(cycle, channel, version)}" {source}/>')
        sequences.append(
            f'<Sequence type="{kind}" cycle="{cycle}"><Frame index="1">{"".join(files)}'
            f"<PVStateShard>{CALIBRATION[version]}</PVStateShard></Frame></Sequence>"
        )
    (folder / f"{SCAN}.xml").write_text(f'<PVScan version="{version}">{"".join(sequences)}</PVScan>')
    tifffile.imwrite(folder / f"References/{SCAN}-Cycle00002-Ch1-16bit-Reference.tif", np.full((16, 16), 7, np.uint16))
    return folder


@pytest.fixture
def scan(tmp_path) -> Path:
    """A folder with one line scan of two channels."""
    return write_folder(tmp_path / SCAN)


def names_of(files) -> list[str]:
    return sorted(file.path.name for file in files)


class TestChannels:
    @pytest.mark.parametrize("version", [4, 5])
    def test_those_of_a_line_scan_are_one_record(self, tmp_path, dataset, version):
        (file,) = dataset.import_folder(write_folder(tmp_path / "scan", version=version)).imported
        image = AcqImage(dataset.record(file.image_id))
        assert (image.axes, image.pixels.shape, image.pixels[:, 0, 0].tolist()) == (("c", "y", "x"), (2, 40, 12), [11, 12])
        header = image.header
        assert (header.seconds_per_line, header.um_per_pixel, header.channel_names) == (0.0136, 0.29, ("Ch1", "Ch2"))
        source = dataset.load_sources()[file.image_id]
        assert (Path(source.source_primary_path).name, source.further_names()) == (
            name_of(1, 1, version),
            (name_of(1, 2, version),),
        )

    def test_each_cycle_is_a_record(self, tmp_path, dataset):
        report = dataset.import_folder(write_folder(tmp_path / "scan", cycles=3))
        values = [dataset.record(file.image_id).load_array()[:, 0, 0].tolist() for file in report.imported]
        assert (values, report.failed) == ([[11, 12], [21, 22], [31, 32]], ())

    def test_a_channel_that_was_not_copied_is_missing_in_numbers(self, scan, dataset):
        (scan / name_of(1, 2)).unlink()
        (file,) = dataset.import_folder(scan).imported
        said = (
            f"incomplete: 1 of the 2 channels that {SCAN}.xml names for this scan is in the record, without {name_of(1, 2)}"
        )
        assert f"{said}, which is not in the folder" in file.notes
        assert dataset.record(file.image_id).get_axes() == ("y", "x")

    def test_a_channel_that_comes_later_is_reported(self, scan, dataset):
        other = (scan / name_of(1, 2)).rename(scan.parent / "other.tif")
        dataset.import_folder(scan)
        other.rename(scan / name_of(1, 2))
        report = dataset.import_folder(scan)
        assert (names_of(report.failed), report.imported) == ([name_of(1, 2)], ())
        assert "is one file of a scan that is in the dataset already, without it; delete that" in report.failed[0].reason
        (alone,) = dataset.import_folder(scan, patterns=[name_of(1, 2)]).imported
        assert any("which is a file of its own" in note for note in alone.notes)
        assert dataset.import_folder(scan).failed == ()

    @pytest.mark.parametrize(
        "pixels", [np.zeros((40, 11), np.uint16), np.zeros((40, 12), np.uint8)], ids=["shape", "dtype"]
    )
    def test_those_that_do_not_fit_are_not_merged(self, scan, dataset, pixels):
        tifffile.imwrite(scan / name_of(1, 2), pixels)
        report = dataset.import_folder(scan)
        assert (report.imported, len(report.failed)) == ((), 1)
        assert "the channels do not fit together" in report.failed[0].reason
        assert len(dataset.import_folder(scan, patterns=[name_of(1, 1)]).imported) == 1

    def test_two_scans_in_one_folder_stay_two(self, scan, dataset):
        other = "LineScan-02052019-1234-2684"
        for path in write_folder(scan.parent / "other").glob("*.*"):
            text = path.read_bytes().replace(SCAN.encode(), other.encode()) if path.suffix == ".xml" else path.read_bytes()
            (scan / path.name.replace(SCAN, other)).write_bytes(text)
        report = dataset.import_folder(scan)
        assert names_of(report.imported) == [name_of(1, 1), name_of(1, 1).replace(SCAN, other)]

    def test_frames_are_not_merged_unasked(self, tmp_path, dataset):
        folder = write_folder(tmp_path / "scan", kind="TSeries Timed Element")
        assert len([file for file in dataset.import_folder(folder).imported if "_Cycle" in file.path.name]) == 2

    def test_without_the_xml_names_alone_merge_on_request(self, scan, tmp_path, dataset):
        (scan / f"{SCAN}.xml").unlink()
        report = ZarrDataset(tmp_path / "unasked.zarr").import_folder(scan)
        assert {name_of(1, 1), name_of(1, 2)} <= set(names_of(report.imported))
        report = dataset.import_folder(scan, merge_channels=True)
        (file,) = (file for file in report.imported if file.path.name == name_of(1, 1))
        assert dataset.record(file.image_id).get_axes() == ("c", "y", "x")
        assert name_of(1, 2) not in names_of(report.imported)

    def test_an_xml_that_cannot_be_read_merges_nothing(self, scan, dataset):
        (scan / f"{SCAN}.xml").write_text("<PVScan>")
        report = dataset.import_folder(scan)
        (file,) = (file for file in report.imported if file.path.name == name_of(1, 1))
        assert any("it is no sound XML" in note for note in file.notes)
        assert name_of(1, 2) in names_of(report.imported)


class TestReferences:
    def test_they_are_arrays_of_the_record(self, scan, dataset):
        (file,) = dataset.import_folder(scan).imported
        record = dataset.record(file.image_id)
        found = {record.load_json(name)["file"]: record.load_array_artifact(name) for name in record.list_array_artifacts()}
        assert {name: (pixels.shape, int(pixels[0, 0])) for name, pixels in found.items()} == {
            source_of(1, 1): ((32, 32), 101),
            source_of(1, 2): ((32, 32), 102),
            f"References/{SCAN}-Cycle00002-Ch1-16bit-Reference.tif": ((16, 16), 7),
        }
        assert record.load_json("reference_1")["axes"] == ["y", "x"]

    @pytest.mark.parametrize("version", [4, 5])
    def test_each_cycle_has_its_own_frame(self, tmp_path, dataset, version):
        report = dataset.import_folder(write_folder(tmp_path / "scan", version=version, cycles=2, channels=1))
        for cycle, file in enumerate(report.imported, start=1):
            record = dataset.record(file.image_id)
            files = [record.load_json(name)["file"] for name in record.list_array_artifacts()]
            assert files == [source_of(cycle, 1), f"References/{SCAN}-Cycle00002-Ch1-16bit-Reference.tif"]

    def test_one_line_of_the_report_names_them(self, scan, dataset):
        report = dataset.import_folder(scan)
        (note,) = report.notes
        assert note.startswith("3 files belong to the images of the same scan as reference images")
        assert (source_of(1, 1) in note, "16bit-Reference.tif" in note, report.failed) == (True, True, ())

    def test_those_that_cannot_be_read_are_one_note_of_the_scan(self, tmp_path, dataset):
        folder = write_folder(tmp_path / "scan", cycles=3, channels=1)
        broken = folder / f"References/{SCAN}-Cycle00002-Window1-Ch1-8bit-Reference.tif"
        broken.write_bytes(b"no TIFF")
        report = dataset.import_folder(folder)
        notes = [note for file in report.imported for note in file.notes if "reference images" in note]
        assert (len(report.imported), report.failed, len(notes)) == (3, (), 1)
        assert notes[0].startswith(f"the images of its scan lack 1 of 3 reference images ({broken.name}): ")

    def test_a_folder_of_references_alone_gives_no_image(self, scan, dataset):
        report = dataset.import_folder(scan / "References")
        assert (report.imported, report.failed, len(report.notes)) == ((), (), 1)


class TestAgain:
    def test_a_second_import_does_nothing(self, scan, dataset):
        dataset.import_folder(scan)
        report = dataset.import_folder(scan)
        assert (report.imported, report.changed, report.failed, len(report.skipped)) == ((), (), (), 1)

    @pytest.mark.slow
    @pytest.mark.parametrize("channel", [1, 2])
    def test_a_change_of_any_file_is_found(self, scan, dataset, channel):
        (file,) = dataset.import_folder(scan).imported
        tifffile.imwrite(scan / name_of(1, channel), np.full((40, 12), 99, np.uint16))
        assert dataset.import_folder(scan).changed == (scan / name_of(1, 1),)
        report = dataset.import_folder(scan, on_changed="reingest_if_changed")
        assert (len(report.replaced), len(dataset.list_image_ids())) == (1, 1)
        assert dataset.record(file.image_id).load_array()[channel - 1, 0, 0] == 99

    def test_a_folder_that_moved_is_known(self, scan, dataset):
        dataset.import_folder(scan)
        moved = scan.rename(scan.with_name("moved"))
        report = dataset.import_folder(moved, relink=True)
        assert (report.imported, len(report.moved)) == ((), 1)
        assert (dataset.import_folder(moved).moved, len(dataset.list_image_ids())) == ((), 1)

    @pytest.mark.parametrize("is_moved", [False, True], ids=["where they were", "moved"])
    def test_records_of_one_channel_each_stay_as_they_are(self, scan, dataset, is_moved):
        earlier = dataset.import_folder(scan, reader=EARLIER)
        folder = scan.rename(scan.with_name("moved")) if is_moved else scan
        report = dataset.import_folder(folder)
        assert (len(earlier.imported), report.imported, report.failed) == (5, (), ())
        assert len(report.moved if is_moved else report.skipped) == 5
        assert sorted(dataset.list_image_ids()) == sorted(file.image_id for file in earlier.imported)

    def test_records_of_one_channel_each_get_the_references_on_request(self, scan, dataset):
        earlier = dataset.import_folder(scan, reader=EARLIER, patterns=["*_Ch?_000001.ome.tif"])
        report = dataset.import_folder(scan, complete=True)
        assert names_of(report.completed) == names_of(earlier.imported)
        for file in earlier.imported:
            assert len(dataset.record(file.image_id).list_array_artifacts()) == 3

    def test_an_exported_scan_comes_back_whole(self, scan, dataset, tmp_path):
        (file,) = dataset.import_folder(scan).imported
        dataset.export_legacy_folder(tmp_path / "exported")
        again = ZarrDataset(tmp_path / "again.zarr")
        again.import_folder(tmp_path / "exported")
        one, other = dataset.record(file.image_id), again.record(file.image_id)
        np.testing.assert_array_equal(other.load_array(), one.load_array())
        assert other.list_array_artifacts() == one.list_array_artifacts()
        assert other.load_json("reference_2") == one.load_json("reference_2")


class TestRealFiles:
    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("name", "count", "shape", "seconds", "um", "n_references", "n_packed"),
        [
            ("LineScan-02052019-1234-2683", 1, (2, 1000, 70), 0.0136941563, 0.294698, 6, 2),
            ("LineScan-02132019-1317-2775", 10, (501, 40), 0.0019952473, 0.589397, 1, 1),
            ("LineScan-03292014-1525-552", 1, (2, 211, 113), 0.0023621794, 1.372255, 5, 3),
        ],
    )
    def test_each_folder_is_what_its_xml_says(
        self, bruker_folder, tmp_path, dataset, name, count, shape, seconds, um, n_references, n_packed
    ):
        folder = shutil.copytree(bruker_folder / name, tmp_path / name)
        report = dataset.import_folder(folder)
        assert (len(report.imported), report.failed) == (count, ())
        for file in report.imported:
            image = AcqImage(record := dataset.record(file.image_id))
            assert image.pixels.shape == shape
            assert image.header.seconds_per_line == pytest.approx(seconds, abs=1e-9)
            assert image.header.um_per_pixel == pytest.approx(um, abs=1e-6)
            assert len(image.header.channel_names) == (shape[0] if len(shape) == 3 else 1)
            assert len(record.list_array_artifacts()) == n_references - (0 if HAS_CODECS else n_packed)
        lacking = [note for file in report.imported for note in file.notes if "pip install imagecodecs" in note]
        assert len(lacking) == (0 if HAS_CODECS else 1)
        assert not any("one file of a set" in note for file in report.imported for note in file.notes)
        again = dataset.import_folder(folder)
        assert (again.imported, again.changed, len(again.skipped)) == ((), (), count)
