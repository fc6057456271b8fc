import csv
import json
import re
import statistics
import sys
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile

from kymflow_core.columns import with_titles
from kymflow_core.computed_from import ComputedFrom
from kymflow_core.headers import AcquisitionHeader
from kymflow_core.images.acquisition_file import read_acquisition_file, read_for_import
from kymflow_core.roi import MaskROI, RoiSet
from kymflow_zarr import FileContent, ImportReport, ZarrDataset, ZarrImageRecord
from kymflow_zarr.errors import SourceError
from kymflow_zarr.formats.csv import frame_to_csv

CAPILLARY1 = "Capillary1_0001.tif"
WITHOUT_HEADER = "Capillary2_no_txt.tif"
A89 = "20250722_A89_0005.tif"
UNKNOWN = "calibration unknown: no header gives µm per pixel and seconds per line"


def header_of(record: ZarrImageRecord) -> AcquisitionHeader:
    return AcquisitionHeader.from_json(record.load_metadata_payload()["header"])


def rois_of(record: ZarrImageRecord) -> RoiSet:
    return RoiSet.from_json(record.load_metadata_payload()["rois"])


def header_read(content: FileContent) -> AcquisitionHeader:
    return AcquisitionHeader.from_json(content.metadata["header"])


def write_header(scan_path: Path, text: str) -> None:
    scan_path.with_suffix(".txt").write_bytes(text.encode())


def write_sidecar(scan_path: Path, **document: object) -> None:
    scan_path.with_suffix(".json").write_text(json.dumps(document))


def import_folder(folder: Path) -> ImportReport:
    return ZarrDataset(folder.parent / "imported.zarr").import_folder(folder, read_file=read_acquisition_file)


@pytest.mark.shared
class TestLaboratorysFiles:
    @pytest.mark.slow
    def test_all_three_are_imported(self, lab_import):
        assert lab_import.report.summary() == "3 imported, 0 skipped"

    def test_the_dataset_is_sound(self, lab_import):
        assert lab_import.dataset.validate() == []

    @pytest.mark.parametrize(
        ("name", "shape"),
        [(CAPILLARY1, (30000, 38)), (WITHOUT_HEADER, (30000, 25)), (A89, (30000, 7))],
    )
    def test_the_pixels_have_their_shape(self, name, shape, lab_import):
        assert lab_import.record(name).open_array().shape == shape

    @pytest.mark.parametrize("name", [CAPILLARY1, WITHOUT_HEADER, A89])
    def test_the_pixels_are_those_of_the_tiff(self, name, lab_import):
        (path,) = lab_import.folder.rglob(name)
        pixels = lab_import.record(name).load_array()
        assert pixels.dtype == np.uint16
        np.testing.assert_array_equal(pixels, tifffile.imread(path))

    @pytest.mark.parametrize("name", [CAPILLARY1, WITHOUT_HEADER, A89])
    def test_rows_are_lines_and_columns_pixels(self, name, lab_import):
        assert lab_import.record(name).get_axes() == ("y", "x")

    @pytest.mark.parametrize(
        ("name", "seconds_per_line", "um_per_pixel"),
        [(CAPILLARY1, 35.099 / 30000, 0.284), (A89, 33.299 / 30000, 0.829)],
    )
    def test_the_calibration_is_the_microscopes(self, name, seconds_per_line, um_per_pixel, lab_import):
        header = header_of(lab_import.record(name))
        assert header.seconds_per_line == pytest.approx(seconds_per_line, rel=1e-12)
        assert (header.um_per_pixel, header.calibration_source) == (um_per_pixel, "olympus_txt")

    @pytest.mark.parametrize("name", [CAPILLARY1, A89])
    def test_the_dwell_time_and_the_direction_of_scanning_are_the_microscopes(self, name, lab_import):
        header = header_of(lab_import.record(name))
        assert (header.dwell_s, header.scan_direction) == (2e-6, "one-way")

    def test_a_calibrated_file_has_no_notes(self, lab_import):
        assert lab_import.notes(CAPILLARY1) == ()

    def test_the_time_of_acquisition_is_local(self, lab_import):
        taken = datetime(2022, 11, 2, 12, 30, 15, 461000) - datetime(1970, 1, 1)
        expected = taken // timedelta(microseconds=1) * 1000
        assert header_of(lab_import.record(CAPILLARY1)).acquired_local_epoch_ns == expected

    def test_the_channel_is_named(self, lab_import):
        assert header_of(lab_import.record(CAPILLARY1)).channel_names == ("RNDD2",)

    def test_the_header_is_kept_section_by_section(self, lab_import):
        fields = header_of(lab_import.record(CAPILLARY1)).fields
        assert fields["Reference Image"]["Image Size"] == "512 * 512 [pixel]"

    def test_the_rois_have_their_bounds(self, lab_import):
        found = [(roi.roi_id, roi.x0, roi.x1, roi.y0, roi.y1) for roi in rois_of(lab_import.record(CAPILLARY1))]
        assert found == [(1, 0, 38, 0, 30000), (2, 9, 28, 7500, 22500), (3, 0, 12, 10000, 30000)]

    def test_the_rois_are_written_as_they_stand_in_the_file(self, lab_import):
        sidecar = json.loads((lab_import.folder / "Capillary1_0001.json").read_bytes())
        assert lab_import.record(CAPILLARY1).load_metadata_payload()["rois"] == sidecar["rois"]

    def test_the_next_roi_id_is_above_all(self, lab_import):
        assert lab_import.record(CAPILLARY1).load_metadata_payload()["next_roi_id"] == 4

    def test_flat_rois_are_read(self, lab_import):
        found = [(roi.roi_id, roi.x0, roi.x1, roi.y0, roi.y1) for roi in rois_of(lab_import.record(A89))]
        assert found == [(1, 0, 7, 0, 30000), (2, 0, 7, 0, 30000)]

    def test_what_the_laboratory_noted_is_kept(self, lab_import):
        sidecar = json.loads((lab_import.folder / "Capillary1_0001.json").read_bytes())
        metadata = lab_import.record(CAPILLARY1).load_metadata_payload()
        assert metadata["experiment_metadata"] == sidecar["experiment_metadata"]

    def test_what_was_accepted_is_kept(self, lab_import):
        assert lab_import.record(CAPILLARY1).load_metadata_payload()["accepted"] is True

    def test_without_a_header_the_calibration_is_none(self, lab_import):
        header = lab_import.record(WITHOUT_HEADER).load_metadata_payload()["header"]
        keys = ("seconds_per_line", "um_per_pixel", "calibration_source")
        assert [header[key] for key in keys] == [None, None, None]

    def test_without_a_header_the_unknown_calibration_is_said(self, lab_import):
        assert lab_import.notes(WITHOUT_HEADER) == (UNKNOWN,)

    @pytest.mark.parametrize(
        ("name", "artifacts"),
        [
            pytest.param(
                CAPILLARY1,
                {
                    "legacy/events.json",
                    "legacy/kymanalysis.json",
                    "legacy/radon.json",
                    "legacy/sidecar.json",
                    "provenance.json",
                    "radon_report.parquet",
                    "radon_velocity.parquet",
                    "velocity_events.parquet",
                },
                id="newer and older results",
            ),
            pytest.param(WITHOUT_HEADER, {"provenance.json"}, id="no results"),
            pytest.param(
                A89,
                {
                    "legacy/kymanalysis.json",
                    "legacy/sidecar.json",
                    "provenance.json",
                    "radon_report.parquet",
                    "radon_velocity.parquet",
                },
                id="older results, an empty velocity_events",
            ),
        ],
    )
    def test_the_artifacts_are(self, name, artifacts, lab_import):
        assert set(lab_import.record(name).list_analysis_keys()) == artifacts

    @pytest.mark.parametrize("name", ["radon", "events", "kymanalysis"])
    def test_the_older_programs_json_is_kept_whole(self, name, lab_import):
        original = json.loads((lab_import.folder / f"flow-analysis/Capillary1_0001_{name}.json").read_bytes())
        assert lab_import.record(CAPILLARY1).load_json(f"legacy/{name}") == original

    def test_the_stored_report_is_the_mean_over_the_valid_velocities(self, lab_import):
        velocities: dict[int, list[float]] = {}
        with (lab_import.folder / "flow-analysis/Capillary1_0001_radon.csv").open(newline="") as file:
            for row in csv.DictReader(file):
                value = float(row["velocity"] or "nan")
                if 0 < abs(value) <= 0.8 * 38 * 0.284 / float(row["delt"]) / 1000:
                    velocities.setdefault(int(row["roi_id"]), []).append(value)
        expected = {roi_id: pytest.approx(statistics.fmean(values), rel=1e-9) for roi_id, values in velocities.items()}
        report = lab_import.record(CAPILLARY1).load_df_parquet("radon_report")
        assert dict(zip(report["roi_id"], report["mean_velocity"], strict=True)) == expected

    def test_the_stored_velocities_are_as_many_as_the_rows_of_the_csv(self, lab_import):
        with (lab_import.folder / "flow-analysis/Capillary1_0001_radon.csv").open(newline="") as file:
            expected = sum(1 for _ in csv.DictReader(file))
        assert len(lab_import.record(CAPILLARY1).load_df_parquet("radon_velocity")) == expected

    def test_the_stored_events_are_as_many_as_in_the_json(self, lab_import):
        document = json.loads((lab_import.folder / "flow-analysis/Capillary1_0001_events.json").read_bytes())
        expected = sum(len(events) for events in document["velocity_events"].values())
        assert len(lab_import.record(CAPILLARY1).load_df_parquet("velocity_events")) == expected

    def test_the_stored_events_have_the_times_of_the_json(self, lab_import):
        document = json.loads((lab_import.folder / "flow-analysis/Capillary1_0001_events.json").read_bytes())
        expected = [event["t_start"] for events in document["velocity_events"].values() for event in events]
        assert lab_import.record(CAPILLARY1).load_df_parquet("velocity_events")["t0_s"].tolist() == expected

    @pytest.mark.parametrize("name", [CAPILLARY1, A89])
    def test_the_results_are_fresh_with_the_calibration_of_the_header(self, name, lab_import):
        record = lab_import.record(name)
        stated = ComputedFrom.from_json(record.load_computed_from("radon_report.parquet"), where="radon_report")
        assert stated.calibration_changes(header_of(record)) == []
        assert set(stated.calibration) == {"seconds_per_line", "um_per_pixel"}

    def test_importing_writes_nothing_beside_the_files(self, lab_import, olympus_folder):
        found = {path.relative_to(lab_import.folder) for path in lab_import.folder.rglob("*")}
        assert found == {path.relative_to(olympus_folder) for path in olympus_folder.rglob("*")}


def test_a_header_calibrates_without_a_note(scan_path, header_text):
    write_header(scan_path, header_text)
    content = read_acquisition_file(scan_path)
    header = header_read(content)
    assert (header.seconds_per_line, header.um_per_pixel, content.notes) == (0.002, 0.25, ())


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_the_channel_names_survive_the_encoding(encoding, scan_path, header_text):
    scan_path.with_suffix(".txt").write_bytes(header_text.encode(encoding))
    assert header_read(read_acquisition_file(scan_path)).channel_names == ("RNDD2", "TRITC µ")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        pytest.param("12 * 40 [pixel]", "12 * 50 [pixel]", "50 lines of 12 pixels", id="lines"),
        pytest.param("12 * 40 [pixel]", "13 * 40 [pixel]", "40 lines of 13 pixels", id="pixels"),
        pytest.param("12 * 40 [pixel]", "40 * 12 [pixel]", "12 lines of 40 pixels", id="turned"),
    ],
)
def test_a_header_that_contradicts_the_shape_is_said(old, new, said, scan_path, header_text):
    write_header(scan_path, header_text.replace(old, new))
    assert read_acquisition_file(scan_path).notes == (
        f"the header olympus_txt says {said}, but the image has 40 lines of 12 pixels; the image's shape was taken",
    )


def test_a_header_that_contradicts_only_the_pixels_says_no_lines(scan_path, header_text):
    text = header_text.replace('"Image Size"\t"12 * 40 [pixel]"\r\n', "").replace('"12, 0.0', '"13, 0.0')
    write_header(scan_path, text)
    assert read_acquisition_file(scan_path).notes[0] == (
        "the header olympus_txt says 13 pixels, but the image has 40 lines of 12 pixels; the image's shape was taken"
    )


def test_the_shape_of_the_tiff_wins(scan_path, header_text):
    write_header(scan_path, header_text.replace("12 * 40 [pixel]", "13 * 50 [pixel]"))
    content = read_acquisition_file(scan_path)
    assert (content.pixels.shape, header_read(content).shape) == ((40, 12), (40, 12))


def test_a_header_without_the_image_size_contradicts_nothing(scan_path, header_text):
    write_header(scan_path, header_text.replace('"Image Size"\t"12 * 40 [pixel]"\r\n', ""))
    assert read_acquisition_file(scan_path).notes == (UNKNOWN,)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"notes of the day\nmouse 7\n", id="notes"),
        pytest.param(b"old Mac\rline ends", id="carriage returns"),
        pytest.param(b"x" * 200_000, id="one very long line"),
        pytest.param(b"", id="empty"),
    ],
)
def test_an_unrelated_text_is_said_and_not_used(data, scan_path):
    scan_path.with_suffix(".txt").write_bytes(data)
    content = read_acquisition_file(scan_path)
    assert header_read(content) == AcquisitionHeader(name="scan", shape=(40, 12))
    assert re.match("the header olympus_txt was not used: scan.txt: it is not an Olympus text header: ", content.notes[0])


def test_a_header_that_gives_no_calibration_is_no_source_of_one(scan_path, header_text):
    text = header_text.replace('"X Dimension"', '"A"').replace('"T Dimension"', '"B"')
    write_header(scan_path, text)
    assert header_read(read_acquisition_file(scan_path)).calibration_source is None


def test_the_sidecar_calibrates_where_there_is_no_header(scan_path):
    write_sidecar(scan_path, header={"voxels": [0.003, 0.5], "voxels_units": ["s", "um"]})
    header = header_read(read_acquisition_file(scan_path))
    assert (header.seconds_per_line, header.um_per_pixel, header.calibration_source) == (0.003, 0.5, "sidecar")


def test_a_calibration_of_the_sidecar_is_said(scan_path):
    write_sidecar(scan_path, header={"voxels": [0.003, 0.5], "voxels_units": ["s", "um"]})
    note = "calibration taken from the older program's .json: no microscope header gives it"
    assert read_acquisition_file(scan_path).notes == (note,)


def test_the_header_wins_over_the_sidecar(scan_path, header_text):
    write_header(scan_path, header_text)
    write_sidecar(scan_path, header={"voxels": [0.003, 0.5], "voxels_units": ["s", "um"]})
    header = header_read(read_acquisition_file(scan_path))
    assert (header.seconds_per_line, header.um_per_pixel, header.calibration_source) == (0.002, 0.25, "olympus_txt")


def test_what_the_header_gives_wins_where_the_sidecar_gives_the_rest(scan_path, header_text):
    write_header(scan_path, header_text.replace('"T Dimension"', '"B"'))
    write_sidecar(scan_path, header={"voxels": [0.003, 0.5], "voxels_units": ["s", "um"]})
    header = header_read(read_acquisition_file(scan_path))
    assert (header.seconds_per_line, header.um_per_pixel) == (0.003, 0.25)


def test_voxels_in_pixels_are_no_calibration(scan_path):
    write_sidecar(scan_path, header={"voxels": [1.0, 1.0], "voxels_units": ["px", "px"]})
    content = read_acquisition_file(scan_path)
    header = header_read(content)
    assert (header.seconds_per_line, header.um_per_pixel, content.notes) == (None, None, (UNKNOWN,))


def test_without_a_sidecar_there_are_no_rois_and_no_experiment(scan_path):
    assert set(read_acquisition_file(scan_path).metadata) == {"header"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        pytest.param("scan.json", '{"rois": [', "cannot be read as JSON", id="broken sidecar"),
        pytest.param("scan.json", '{"rois": [{"roi_type": "blob"}]}', "ROI None has roi_type 'blob'", id="wrong ROI"),
        pytest.param("scan.json", '{"rois": [{"id": 1, "dim0_stop": 3}]}', "ROI 1 is not valid: dim0_start", id="flat ROI"),
        pytest.param("flow-analysis/scan_events.json", "[]", "holds no JSON object", id="broken events"),
        pytest.param(
            "flow-analysis/scan_events.json",
            '{"velocity_events": {"1": [{"t_start": "soon"}]}}',
            "an event has no number where one is expected",
            id="event without a time",
        ),
        pytest.param("flow-analysis/scan_radon.csv", "a,b\n1,2\n", "lacks the columns", id="broken velocities"),
        pytest.param(
            "flow-analysis/scan_radon.csv",
            "roi_id,time,velocity\n1,0.1,fast\n",
            "has text or gaps where numbers are expected",
            id="velocity a word",
        ),
    ],
)
def test_a_broken_file_fails_its_tiff_and_the_others_import(name, text, reason, scan_path, second_scan_path):
    (scan_path.parent / "flow-analysis").mkdir()
    (scan_path.parent / name).write_text(text)
    report = import_folder(scan_path.parent)
    (failure,) = report.failed
    assert failure.path == scan_path
    assert re.fullmatch(rf"{re.escape(str(scan_path.parent))}[^\n]*{reason}[^\n]*", failure.reason)
    assert [file.path for file in report.imported] == [second_scan_path]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        pytest.param(
            "flow-analysis/scan_events.json",
            '{"velocity_events": {"1": [{"user_type": 3}, {"user_type": "other"}]}}',
            id="text and numbers in one column",
        ),
        pytest.param("scan.json", '{"experiment_metadata": {"note": "\\ud800"}}', id="half a character"),
    ],
)
def test_what_cannot_be_stored_fails_its_tiff_and_the_others_import(name, text, scan_path, second_scan_path):
    (scan_path.parent / "flow-analysis").mkdir()
    (scan_path.parent / name).write_text(text)
    report = import_folder(scan_path.parent)
    assert [failure.path for failure in report.failed] == [scan_path]
    assert [file.path for file in report.imported] == [second_scan_path]


def test_a_mended_file_is_imported_the_next_time(scan_path, second_scan_path):
    scan_path.with_suffix(".json").write_text("{")
    import_folder(scan_path.parent)
    scan_path.with_suffix(".json").write_text("{}")
    report = import_folder(scan_path.parent)
    assert ([file.path for file in report.imported], report.skipped) == ([scan_path], (second_scan_path,))


def test_a_mask_that_is_missing_keeps_its_tiff_out(scan_path):
    mask = MaskROI(roi_id=1, reference="analysis_arrays/drawn").to_dict()
    scan_path.with_suffix(".json").write_text(json.dumps({"rois": [mask]}))
    with pytest.raises(SourceError, match=r"ROI 1 of .* has a mask 'drawn', which is not next to it; put scan\.drawn\.npy"):
        read_for_import(scan_path)


def test_the_older_programs_file_is_kept_whole(scan_path):
    document = {"my_key": {"x": 1}, "accepted": "yes", "header": {"scanner": "mine"}, "rois": []}
    scan_path.with_suffix(".json").write_text(json.dumps(document))
    assert read_acquisition_file(scan_path).json_artifacts["legacy/sidecar"] == document


@pytest.mark.skipif(sys.platform != "linux", reason="the disk takes capitals for the same")
def test_endings_in_capitals_are_read(scan_path):
    scan_path.with_suffix(".JSON").write_text('{"rois": [], "accepted": true}')
    assert read_acquisition_file(scan_path).metadata["accepted"] is True


def test_a_line_scan_that_ome_tiff_has_as_one_line_at_each_time_has_lines_and_pixels(scan_path):
    path = scan_path.with_name("other.ome.tif")
    said = {"axes": "TYX", "PhysicalSizeX": 0.3, "TimeIncrement": 1.17, "TimeIncrementUnit": "ms"}
    tifffile.imwrite(path, np.zeros((200, 1, 50), np.uint16), metadata=said)
    content = read_acquisition_file(path)
    assert (content.axes, content.pixels.shape) == (("y", "x"), (200, 50))
    assert header_read(content).seconds_per_line == pytest.approx(0.00117)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("id,v\n001,1.5\n002,NA\n", {"id": ["001", "002"], "v": [1.5, None]}, id="names of zeros"),
        pytest.param("id\n0\n10\n", {"id": [0, 10]}, id="numbers"),
        pytest.param("v\n0.5\n-0.25\n", {"v": [0.5, -0.25]}, id="fractions"),
        pytest.param("id,v\n,1\n007,2\n", {"id": [None, "007"], "v": [1, 2]}, id="one is missing"),
    ],
)
def test_numbers_that_begin_with_zeros_stay_text(text, expected, scan_path):
    scan_path.with_name("scan.ids.csv").write_text(text)
    frame = read_acquisition_file(scan_path).table_artifacts["ids"]
    found = {name: [None if pd.isna(one) else one for one in frame[name]] for name in frame}
    assert found == expected


def test_a_file_of_two_images_says_that_one_was_taken(scan_path):
    with tifffile.TiffWriter(scan_path) as writer:
        writer.write(np.zeros((20, 8), np.uint16))
        writer.write(np.ones((30, 9), np.uint16))
    content = read_acquisition_file(scan_path)
    assert content.pixels.shape == (20, 8)
    assert content.notes[0].startswith("it holds 2 images, and only the first was imported, of the shape (20, 8)")


def test_of_two_files_for_one_artifact_it_is_said_which_was_taken(scan_path):
    (scan_path.parent / "flow-analysis").mkdir()
    (scan_path.parent / "flow-analysis" / "scan_radon.csv").write_text("roi_id,channel,time,velocity\n1,1,0.1,2.0\n")
    pd.DataFrame({"roi_id": [1], "mean_velocity": [42.0]}).to_parquet(scan_path.with_suffix(".radon_report.parquet"))
    content = read_acquisition_file(scan_path)
    assert content.table_artifacts["radon_report"]["mean_velocity"].tolist() == [2.0]
    assert any("artifact 'radon_report' was not taken" in note for note in content.notes)


def test_a_file_for_a_tiff_with_a_point_is_not_another_ones_artifact(scan_path):
    tifffile.imwrite(scan_path.with_name("scan.b.tif"), np.zeros((40, 12), np.uint16))
    scan_path.with_name("scan.b.json").write_text('{"rois": []}')
    assert read_acquisition_file(scan_path).json_artifacts == {}


def test_a_file_that_is_no_tiff_is_said(scan_path):
    scan_path.write_bytes(b"II*\x00 no more")
    with pytest.raises(SourceError, match=f"^{re.escape(str(scan_path))} is a TIFF without an image in it"):
        read_acquisition_file(scan_path)


def test_a_file_that_is_not_there_is_said(scan_folder):
    with pytest.raises(SourceError, match=r"gone.tif cannot be read \(No such file or directory\)$"):
        read_acquisition_file(scan_folder / "gone.tif")


def test_a_colour_image_is_said_and_has_its_lines_and_pixels(scan_path):
    tifffile.imwrite(scan_path, np.zeros((40, 12, 3), np.uint8), photometric="rgb")
    content = read_acquisition_file(scan_path)
    assert "a colour image: the 3 values of each pixel became channels" in content.notes
    assert content.metadata["header"]["shape"] == [3, 40, 12]


def test_a_titled_csv_of_results_is_read_with_the_names_that_it_was_written_from(scan_path):
    report = {
        "roi_id": [1, 2],
        "mean_velocity": [0.5, -0.25],
        "median_velocity": 0.4,
        "n_valid": 3,
        "notes": "a",
        "mouse": "007",
    }
    frame = pd.DataFrame(report)
    csv_of = scan_path.with_name("scan.radon_report.csv")
    csv_of.write_bytes(frame_to_csv(with_titles(frame)))
    assert csv_of.read_text().startswith("ROI,mean (mm/s),median (mm/s),valid windows,notes,mouse\n")
    scan_path.with_name("scan.times.csv").write_text("ROI,start (s)\n1,0.5\n")
    tables = read_acquisition_file(scan_path).table_artifacts
    pd.testing.assert_frame_equal(tables["radon_report"], frame)
    assert list(tables["times"].columns) == ["ROI", "start (s)"]
