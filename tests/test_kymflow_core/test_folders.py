"""Folders in and out: sidecars, channels, changed files, exports; with headers, ROIs and results."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile

from kymflow_core import (
    AcqImage,
    ComputedFrom,
    ImageIndexer,
    KymDataset,
    MaskROI,
    MetadataEdit,
    RadonReportIndexer,
    RectROI,
    edit_metadata,
    simulate,
)
from kymflow_core.images.acquisition_file import read_acquisition_file
from kymflow_core.images.channel_files import group_channels
from kymflow_core.images.ome_metadata import describe_metadata
from kymflow_core.indexers import INDEXERS
from kymflow_zarr import Watch, ZarrDataset, ZarrImageRecord, pixels_digest, zarr_dataset
from kymflow_zarr.errors import SourceError

UNSAID = "the pixels were replaced after the analysis, or before: it does not say of which pixels it is"


def only(dataset: ZarrDataset):
    (image_id,) = dataset.list_image_ids()
    return dataset.record(image_id)


class TestSidecars:
    @pytest.fixture
    def with_files(self, scan_path: Path) -> Path:
        """A scan with an artifact of each kind next to it."""
        folder = scan_path.parent
        (folder / "scan.params.json").write_text('{"window": 16, "score": NaN}')
        pd.DataFrame({"v": [1.5]}).to_csv(folder / "scan.trace.csv", index=False)
        pd.DataFrame({"v": [2.5]}).to_csv(folder / "scan.packed.csv.gz", index=False)
        pd.DataFrame({"v": [3.5]}).to_parquet(folder / "scan.report.parquet")
        np.save(folder / "scan.labels.npy", np.ones((40, 12), np.uint8))
        (folder / "array_artifacts").mkdir()
        np.save(folder / "array_artifacts" / "distance.npy", np.ones((2, 3)))
        return scan_path

    def test_every_file_becomes_an_artifact(self, with_files, dataset):
        dataset.import_folder(with_files.parent)
        record = only(dataset)
        assert record.load_json("params") == {"window": 16, "score": None}
        assert record.load_df_parquet("trace")["v"].tolist() == [1.5]
        assert record.load_df_csv_gz("packed")["v"].tolist() == [2.5]
        assert record.load_df_parquet("report")["v"].tolist() == [3.5]
        assert record.list_array_artifacts() == ["distance", "labels"]

    def test_without_sidecars_they_stay_out(self, with_files, dataset):
        dataset.ingest_legacy_folder(with_files.parent, include_sidecars=False)
        assert only(dataset).list_analysis_keys() == ["provenance.json"]

    def test_arrays_of_a_user_are_no_garbage(self, with_files, dataset):
        dataset.import_folder(with_files.parent)
        assert not only(dataset).is_held_by_metadata("labels")

    def test_a_file_belongs_to_the_longest_name(self, scan_path, dataset):
        tifffile.imwrite(scan_path.with_name("scan.b.tif"), np.ones((4, 3), np.uint8))
        scan_path.with_name("scan.b.params.json").write_text("{}")
        report = dataset.import_folder(scan_path.parent)
        keys = {file.path.name: dataset.record(file.image_id).list_analysis_keys() for file in report.imported}
        assert keys == {"scan.b.tif": ["params.json", "provenance.json"], "scan.tif": ["provenance.json"]}

    def test_arrays_in_a_folder_of_two_scans_need_their_name(self, scan_path, second_scan_path, dataset):
        folder = scan_path.parent / "array_artifacts"
        folder.mkdir()
        np.save(folder / "whose.npy", np.ones(3))
        np.save(folder / "scan.labels.npy", np.ones(3))
        report = dataset.import_folder(scan_path.parent)
        names = {file.path.name: dataset.record(file.image_id).list_array_artifacts() for file in report.imported}
        assert names == {"scan.tif": ["labels"], "sound.tif": []}

    def test_a_seal_of_ours_is_no_part_of_the_value(self, scan_path, dataset):
        scan_path.with_name("scan.params.json").write_text('{"window": 16, "kymflow": {"sha256": "0"}}')
        dataset.import_folder(scan_path.parent)
        assert only(dataset).load_json("params") == {"window": 16}

    @pytest.mark.parametrize(
        ("name", "taken", "other"),
        [
            ("scan.metadata.json", "metadata", "scan.metadata_1.json"),
            ("scan.metadata.csv", "metadata", "scan.metadata_1.csv"),
            ("scan.zarr.json", "zarr", "scan.zarr_1.json"),
        ],
    )
    def test_a_name_that_every_record_needs_is_said_in_words(self, scan_path, dataset, name, taken, other):
        scan_path.with_name(name).write_text('{"a": 1}')
        (failed,) = dataset.import_folder(scan_path.parent).failed
        assert f"{name} cannot be imported: every record has a file named {taken!r} of its own; rename" in failed.reason
        assert f"for example to {other}, then import again" in failed.reason

    def test_a_provenance_of_somebody_else_is_kept_under_another_name(self, scan_path, dataset):
        scan_path.with_name("scan.provenance.json").write_text('{"by": "me"}')
        dataset.import_folder(scan_path.parent)
        assert only(dataset).load_json("legacy/provenance") == {"by": "me"}
        assert only(dataset).load_json("provenance")["source_primary_path"] == str(scan_path)

    def test_a_name_that_no_artifact_can_have_is_said(self, scan_path, dataset):
        scan_path.with_name("scan.My Notes.json").write_text("{}")
        (file,) = dataset.import_folder(scan_path.parent).imported
        assert any("scan.My Notes.json was not imported: artifact name 'My Notes'" in note for note in file.notes)

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("name", "data", "reason"),
        [
            pytest.param("scan.params.json", b"{", "not readable JSON", id="no JSON"),
            pytest.param(
                "scan.params.json",
                b'{"kymflow": {"a": 1}, "b": 2}',
                "scan.params.json has the key 'kymflow', under which this program notes a digest; call it otherwise",
                id="reserved key",
            ),
            pytest.param(
                "scan.params.json", b'{"kymflow": 1}', "call it otherwise in the file", id="reserved key of a number"
            ),
            pytest.param("scan.table.csv", b"", "cannot be read as a table", id="empty CSV"),
            pytest.param("scan.table.csv", b"a,b\n1,2,3\n1,2\n4,5,6,7\n", "cannot be read as a table", id="ragged CSV"),
            pytest.param("scan.table.parquet", b"PAR1", "not readable Parquet", id="no Parquet"),
            pytest.param("scan.table.csv.gz", b"x" * 30, "not readable gzip", id="no gzip"),
            pytest.param("scan.array.npy", b"x" * 30, "no readable .npy file", id="no npy"),
            pytest.param("flow-analysis/scan_radon.csv", b"a,b\n1,2\n", "lacks the columns", id="other columns"),
            pytest.param("scan.json", b"[1]", "holds no JSON object", id="older JSON"),
        ],
    )
    def test_a_damaged_file_keeps_out_its_scan_whole_and_no_other(
        self, scan_path, second_scan_path, dataset, name, data, reason
    ):
        path = scan_path.parent / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
        report = dataset.import_folder(scan_path.parent)
        (failed,) = report.failed
        assert (failed.path, [file.path for file in report.imported]) == (scan_path, [second_scan_path])
        assert reason in failed.reason
        assert len(dataset.list_image_ids()) == 1

    def test_an_npy_with_objects_is_refused(self, scan_path, dataset):
        np.save(scan_path.with_name("scan.array.npy"), np.array([{}]), allow_pickle=True)
        (failed,) = dataset.import_folder(scan_path.parent).failed
        assert "holds values of dtype '|O'; only numbers and booleans are read" in failed.reason

    def test_a_mask_of_another_shape_keeps_its_scan_out(self, scan_path, dataset):
        AcqImage.from_path(scan_path).add_mask_roi(np.ones((40, 12), bool))
        (mask,) = scan_path.parent.glob("scan.*.npy")
        np.save(mask, np.ones((40, 11), bool))
        (failed,) = dataset.import_folder(scan_path.parent).failed
        assert "has the shape (40, 11), the image (40, 12) (y, x); mend or remove it, then import again" in failed.reason

    def test_of_two_tiffs_of_one_stem_files_beside_them_are_refused(self, scan_path, dataset):
        tifffile.imwrite(scan_path.with_suffix(".tiff"), np.ones((4, 3), np.uint8))
        scan_path.with_name("scan.params.json").write_text("{}")
        report = dataset.import_folder(scan_path.parent)
        assert report.imported == ()
        assert "could belong to scan.tif as well as to scan.tiff; rename one of the two" in report.failed[0].reason

    def test_of_two_tiffs_of_one_stem_without_files_beside_both_come_in(self, scan_path, dataset):
        tifffile.imwrite(scan_path.with_suffix(".tiff"), np.ones((4, 3), np.uint8))
        assert len(dataset.import_folder(scan_path.parent).imported) == 2

    def test_a_long_name_and_a_long_path_come_in(self, scan_folder, dataset):
        deep = scan_folder / ("d" * 150) / ("e" * 150)
        deep.mkdir(parents=True)
        for name in ("short.tif", f"{'n' * 245}.tif"):
            tifffile.imwrite(deep / name, np.ones((4, 3), np.uint8))
        report = dataset.import_folder(scan_folder)
        assert (report.failed, len(report.imported)) == ((), 2)


class TestFolderOfOneRecord:
    @pytest.fixture
    def record_folder(self, scan_folder) -> Path:
        """A folder as the older program exported a record: `image.tif`, `metadata.json`, artifacts by their own names."""
        folder = scan_folder / "images" / "9f0d48b0-5c9b-4948-b598-94633122a275"
        (folder / "array_artifacts").mkdir(parents=True)
        tifffile.imwrite(folder / "image.tif", np.ones((40, 12), np.uint16))
        mask = {"x0": 2, "x1": 5, "y0": 1, "y1": 9}
        roi = {"roi_id": 1, "roi_type": "rect", "data": mask, "meta": {"mask_ref": "analysis_arrays/roi_mask_1"}}
        (folder / "metadata.json").write_text(json.dumps({"header": {"name": "x"}, "rois": [roi], "accepted": True}))
        (folder / "provenance.json").write_text('{"source_primary_path": "/old/x.tif"}')
        (folder / "radon").mkdir()
        (folder / "radon" / "params.json").write_text('{"window": 16}')
        np.save(folder / "array_artifacts" / "roi_mask_1.npy", np.ones((8, 3), bool))
        return folder

    def test_it_becomes_the_record_that_it_was(self, record_folder, scan_folder, dataset):
        dataset.import_folder(scan_folder)
        record = only(dataset)
        assert record.image_id == record_folder.name
        assert record.load_metadata_payload()["accepted"] is True
        assert record.list_analysis_keys() == ["legacy/provenance.json", "provenance.json", "radon/params.json"]

    def test_a_mask_of_the_crops_shape_is_taken(self, record_folder, scan_folder, dataset):
        dataset.import_folder(scan_folder)
        assert AcqImage(only(dataset)).get_roi_mask(1).sum() == 24
        assert only(dataset).is_held_by_metadata("roi_mask_1")
        assert KymDataset(dataset).verify(deep=True).problems == ()

    @pytest.mark.parametrize("text", ['{"author": "me"}', "[1, 2]"])
    def test_metadata_of_another_program_make_no_record_of_a_folder(self, scan_folder, dataset, text):
        tifffile.imwrite(scan_folder / "image.tif", np.ones((40, 12), np.uint16))
        (scan_folder / "metadata.json").write_text(text)
        (scan_folder / "package.json").write_text("{}")
        (scan_folder / "image.res.json").write_text("{}")
        assert dataset.import_folder(scan_folder).failed == ()
        assert only(dataset).list_analysis_keys() == ["provenance.json", "res.json"]
        assert list(only(dataset).load_metadata_payload()) == ["header"]

    def test_a_folder_of_two_tiffs_is_no_records(self, record_folder, dataset):
        tifffile.imwrite(record_folder / "other.tif", np.ones((4, 3), np.uint16))
        (record_folder / "other.res.json").write_text("{}")
        report = dataset.import_folder(record_folder)
        keys = {file.path.name: dataset.record(file.image_id).list_analysis_keys() for file in report.imported}
        assert keys == {"image.tif": ["provenance.json"], "other.tif": ["provenance.json", "res.json"]}
        (image,) = (file for file in report.imported if file.path.name == "image.tif")
        assert any(note.startswith("metadata.json was not imported: it has no header and no ROIs") for note in image.notes)

    def test_metadata_that_cannot_be_read_keep_the_image_out(self, record_folder, dataset):
        (record_folder / "metadata.json").write_text("{")
        (failed,) = dataset.import_folder(record_folder).failed
        assert "metadata.json is not readable JSON" in failed.reason

    def test_where_the_id_is_taken_it_gets_another(self, record_folder, scan_folder, dataset):
        dataset.import_folder(scan_folder)
        copy = shutil.copytree(record_folder, scan_folder.parent / "copy" / record_folder.name)
        assert len(dataset.import_folder(copy.parent).imported) == 1
        assert len(dataset.list_image_ids()) == 2


class TestChannels:
    @pytest.mark.parametrize(
        ("names", "groups"),
        [
            pytest.param(["a_C1", "a_C2", "b"], {"a_C1": ["a_C2"]}, id="short"),
            pytest.param(["a_C001", "a_C002", "a_C010"], {"a_C001": ["a_C002", "a_C010"]}, id="long"),
            pytest.param(["aC001", "aC002"], {"aC001": ["aC002"]}, id="without a line"),
            pytest.param(["a_c2", "a_c1"], {"a_c1": ["a_c2"]}, id="lower case, in order"),
            pytest.param(["a_C1", "b_C2"], {}, id="of different scans"),
            pytest.param(["a_C1"], {}, id="alone"),
            pytest.param(["aC1", "aC2"], {}, id="a name that only ends so"),
            pytest.param(["a_ch00", "a_ch01", "b_ch01"], {"a_ch00": ["a_ch01"]}, id="Leica"),
            pytest.param(["a_Ch1_000001", "a_Ch2_000001"], {"a_Ch1_000001": ["a_Ch2_000001"]}, id="Bruker"),
            pytest.param(
                ["a_Ch1_000001.ome", "a_Ch2_000001.ome"], {"a_Ch1_000001.ome": ["a_Ch2_000001.ome"]}, id="Bruker's OME-TIFF"
            ),
            pytest.param(["a_Ch1_000001", "a_Ch2_000002"], {}, id="of different frames"),
            pytest.param(["C1-a", "C2-a", "C2-b"], {"C1-a": ["C2-a"]}, id="ImageJ's split channels"),
            pytest.param(["C1-a", "a_C2"], {}, id="numbered in different ways"),
        ],
    )
    def test_files_are_grouped_by_their_scan(self, names, groups):
        found = group_channels([Path(f"{name}.tif") for name in names])
        assert {first.stem: [path.stem for path in others] for first, others in found.items()} == groups

    @pytest.fixture
    def two_channels(self, scan_folder) -> Path:
        """A folder with two channels of one scan, of which the first has ROIs."""
        for number in (1, 2):
            tifffile.imwrite(scan_folder / f"scan_C{number}.tif", np.full((40, 12), number, np.uint16))
        (scan_folder / "scan_C1.json").write_text(
            '{"rois": [{"roi_id": 1, "roi_type": "rect", "channel": 2, "data": {"x0": 0, "x1": 3, "y0": 1, "y1": 9}}]}'
        )
        return scan_folder

    def test_on_request_they_are_one_record(self, two_channels, dataset):
        (file,) = dataset.import_folder(two_channels, merge_channels=True).imported
        image = AcqImage(only(dataset))
        assert (image.axes, image.pixels.shape, image.header.shape) == (("c", "y", "x"), (2, 40, 12), (2, 40, 12))
        assert image.roi_stats(1).mean == 2
        assert "2 channels in one record: scan_C1.tif, scan_C2.tif" in file.notes

    def test_what_lies_beside_a_further_channel_is_named(self, two_channels, dataset):
        shutil.copy(two_channels / "scan_C1.json", two_channels / "scan_C2.json")
        (two_channels / "scan_C2.params.json").write_text("{}")
        (file,) = dataset.import_folder(two_channels, merge_channels=True).imported
        said = "these sidecars of scan_C2.tif are not in the record: 1 ROI, legacy/sidecar, params"
        assert any(note.startswith(said) for note in file.notes)

    def test_unasked_they_are_two(self, two_channels, dataset):
        assert len(dataset.import_folder(two_channels).imported) == 2

    def test_channels_that_do_not_fit_are_said(self, two_channels, dataset):
        tifffile.imwrite(two_channels / "scan_C2.tif", np.ones((40, 11), np.uint16))
        (failed,) = dataset.import_folder(two_channels, merge_channels=True).failed
        assert "scan_C2.tif has uint16 pixels of the shape (40, 11); import them one by one" in failed.reason


class TestChangedFile:
    @pytest.fixture
    def analysed(self, scan_path, dataset):
        """A dataset of a scan with a ROI and a report that is fresh in its table."""
        sidecar = {"rois": [{"roi_id": 1, "roi_type": "rect", "data": {"x0": 0, "x1": 3, "y0": 1, "y1": 9}}]}
        scan_path.with_suffix(".json").write_text(json.dumps(sidecar))
        (scan_path.parent / "flow-analysis").mkdir()
        (scan_path.parent / "flow-analysis" / "scan_radon.csv").write_text("roi_id,time,velocity\n1,0.1,0.5\n")
        dataset.import_folder(scan_path.parent)
        KymDataset(dataset).refresh(RadonReportIndexer())
        return dataset

    def test_results_are_outdated_where_an_exported_image_was_edited(self, analysed, tmp_path):
        folder = tmp_path / "out"
        analysed.export_legacy_folder(folder)
        path = folder / "images" / only(analysed).image_id / "image.tif"
        tifffile.imwrite(path, tifffile.imread(path) + 1)
        again = ZarrDataset(tmp_path / "again.zarr")
        again.import_folder(folder)
        KymDataset(again).refresh(RadonReportIndexer())
        (row,) = KymDataset(again).freshness(RadonReportIndexer()).to_dict("records")
        assert (row["state"], row["reason"].startswith("the pixels were replaced")) == ("outdated", True)

    def test_its_results_are_outdated(self, analysed, scan_path):
        tifffile.imwrite(scan_path, tifffile.imread(scan_path) + 1)
        analysed.import_folder(scan_path.parent, on_changed="reingest_if_changed")
        (row,) = KymDataset(analysed).freshness(RadonReportIndexer()).to_dict("records")
        assert (row["state"], row["reason"]) == (
            "outdated",
            "the pixels were replaced after the analysis, or before: it does not say of which pixels it is",
        )

    def test_a_result_that_is_saved_while_the_pixels_change_places_is_not_called_fresh(
        self, analysed, scan_path, monkeypatch
    ):
        record = only(analysed)
        rows = record.load_df_parquet("radon_report").assign(mean_velocity=9.0)

        def save_between(self, *args, **options):
            record.save_df_parquet("radon_report", rows, computed_from=ComputedFrom.of([], algorithm="x").to_json())
            return replace_array(self, *args, **options)

        replace_array = ZarrImageRecord.replace_array
        monkeypatch.setattr(ZarrImageRecord, "replace_array", save_between)
        tifffile.imwrite(scan_path, tifffile.imread(scan_path) + 1)
        analysed.import_folder(scan_path.parent, on_changed="reingest_if_changed")
        KymDataset(analysed).refresh(RadonReportIndexer())
        assert KymDataset(analysed).freshness(RadonReportIndexer())["state"].tolist() == ["outdated"]

    def test_a_result_that_states_nothing_is_outdated_too(self, analysed, scan_path):
        record = only(analysed)
        record.save_df_parquet("radon_report", record.load_df_parquet("radon_report"))
        tifffile.imwrite(scan_path, tifffile.imread(scan_path) + 1)
        analysed.import_folder(scan_path.parent, on_changed="reingest_if_changed")
        (row,) = KymDataset(analysed).freshness(RadonReportIndexer()).to_dict("records")
        assert (row["state"], "it does not say of which pixels it is" in row["reason"]) == ("outdated", True)

    def test_a_result_of_the_new_pixels_is_fresh(self, analysed, scan_path):
        tifffile.imwrite(scan_path, tifffile.imread(scan_path) + 1)
        analysed.import_folder(scan_path.parent, on_changed="reingest_if_changed")
        record = only(analysed)
        said = ComputedFrom.of(AcqImage(record).rois, algorithm="x", pixels=pixels_digest(record.load_array()))
        record.save_df_parquet("radon_report", record.load_df_parquet("radon_report"), computed_from=said.to_json())
        KymDataset(analysed).refresh(RadonReportIndexer())
        assert KymDataset(analysed).freshness(RadonReportIndexer())["state"].tolist() == ["fresh"]

    def test_the_table_of_images_follows_the_shape_wherever_it_was_stopped(self, analysed, scan_path, monkeypatch):
        def stop(*_args, **_options):
            raise KeyboardInterrupt

        images = ImageIndexer()
        tifffile.imwrite(scan_path, np.ones((50, 12), np.uint16))
        for step in ("replace_array", "save_json"):
            with monkeypatch.context() as patch:
                patch.setattr(ZarrImageRecord, step, stop)
                with pytest.raises(KeyboardInterrupt):
                    analysed.import_folder(scan_path.parent, on_changed="reingest_if_changed")
            if step == "replace_array":
                KymDataset(analysed).refresh(images)
        assert only(analysed).get_shape() == (50, 12)
        assert KymDataset(analysed).freshness(images)["state"].tolist() == ["behind"]

    @pytest.mark.parametrize(
        ("by_hand", "expected"), [(False, (0.4, 0.002)), (True, (0.3, 0.001))], ids=["of the file", "by hand"]
    )
    def test_the_calibration_is_that_of_the_new_file_unless_it_was_entered(self, scan_folder, dataset, by_hand, expected):
        def write(value, um, seconds):
            options = {"resolution": (1 / um, 1 / seconds), "metadata": {"axes": "YX", "unit": "um", "yunit": "s"}}
            tifffile.imwrite(scan_folder / "scan.tif", np.full((40, 12), value, np.uint16), imagej=True, **options)

        write(1, 0.2, 0.001)
        dataset.import_folder(scan_folder)
        if by_hand:
            edit_metadata(dataset, dataset.list_image_ids(), MetadataEdit(um_per_pixel=0.3))
        write(2, 0.4, 0.002)
        (file,) = dataset.import_folder(scan_folder, on_changed="reingest_if_changed").replaced
        header = AcqImage(only(dataset)).header
        assert (header.um_per_pixel, header.seconds_per_line) == pytest.approx(expected)
        assert any("its calibration was 0.2 and is 0.4 µm per pixel now" in note for note in file.notes) is not by_hand

    @pytest.mark.parametrize("has_header", [True, False])
    def test_the_dwell_time_is_that_of_the_new_file_unless_its_header_is_gone(
        self, scan_folder, dataset, header_text, has_header
    ):
        text = scan_folder / "scan.txt"
        text.write_text(header_text + '\n"[Acquisition]"\t""\n"Sampling Speed"\t"4.0 [us/pixel]"\n')
        tifffile.imwrite(scan_folder / "scan.tif", np.ones((40, 12), np.uint16))
        dataset.import_folder(scan_folder)
        text.write_bytes(text.read_bytes().replace(b"4.0", b"8.0"))
        if not has_header:
            text.unlink()
        tifffile.imwrite(scan_folder / "scan.tif", np.full((40, 12), 3, np.uint16))
        assert len(dataset.import_folder(scan_folder, on_changed="reingest_if_changed").replaced) == 1
        assert AcqImage(only(dataset)).header.dwell_s == (8e-6 if has_header else 4e-6)

    def test_what_lies_beside_it_is_said_not_to_be_read_again(self, analysed, scan_path):
        tifffile.imwrite(scan_path, tifffile.imread(scan_path) + 1)
        (file,) = analysed.import_folder(scan_path.parent, on_changed="reingest_if_changed").replaced
        assert "ROIs and results next to it were not read again: its record keeps its own" in file.notes

    def test_its_rois_stay(self, analysed, scan_path):
        tifffile.imwrite(scan_path, tifffile.imread(scan_path) + 1)
        analysed.import_folder(scan_path.parent, on_changed="reingest_if_changed")
        assert AcqImage(only(analysed)).rois.ids == (1,)

    def test_more_lines_are_taken_where_the_rois_fit(self, analysed, scan_path):
        tifffile.imwrite(scan_path, np.ones((50, 12), np.uint16))
        report = analysed.import_folder(scan_path.parent, on_changed="reingest_if_changed")
        image = AcqImage(only(analysed))
        assert (len(report.replaced), image.pixels.shape, image.header.shape) == (1, (50, 12), (50, 12))
        assert KymDataset(analysed).verify(deep=True).problems == ()

    def test_fewer_lines_than_a_roi_has_are_refused(self, analysed, scan_path):
        tifffile.imwrite(scan_path, np.ones((5, 12), np.uint16))
        (failed,) = analysed.import_folder(scan_path.parent, on_changed="reingest_if_changed").failed
        assert "from (40, 12) to (5, 12), which the ROIs [1] of its record do not fit; delete them" in failed.reason
        assert AcqImage(only(analysed)).pixels.shape == (40, 12)

    def test_other_axes_are_refused(self, analysed, scan_path):
        tifffile.imwrite(scan_path, np.ones((2, 40, 12), np.uint16), metadata={"axes": "ZYX"})
        (failed,) = analysed.import_folder(scan_path.parent, on_changed="reingest_if_changed").failed
        assert "it has the axes ('z', 'y', 'x') now, and its record ('y', 'x')" in failed.reason


@pytest.fixture(scope="module")
def demo(tmp_path_factory) -> ZarrDataset:
    """A small demo dataset with a drawn mask."""
    path = tmp_path_factory.mktemp("demo") / "demo.zarr"
    scans = [simulate.Scan(name=f"scan {n}", velocity_mm_s=0.4, lines=60, pixels=16) for n in range(2)]
    dataset = simulate.make_demo_dataset(path, scans=scans)
    image = AcqImage(next(dataset.iter_records()))
    shape = {"type": "polygon", "vertices": [[2, 2], [30, 3], [20, 12]]}
    image.save_rois(image.rois.add(MaskROI(roi_id=image.rois.next_id, reference=None, name="drawn", meta={"shape": shape})))
    for indexer in INDEXERS:
        KymDataset(dataset).refresh(indexer)
    return dataset


@pytest.fixture(scope="module")
def again(demo, tmp_path_factory) -> ZarrDataset:
    """The dataset that was made of the demo's export."""
    folder = tmp_path_factory.mktemp("exported") / "demo"
    demo.export_legacy_folder(folder)
    dataset = ZarrDataset(folder.with_name("again.zarr"))
    dataset.import_folder(folder)
    return dataset


class TestExport:
    @pytest.mark.slow
    def test_rois_masks_and_results_are_the_same(self, demo, again):
        for record in demo.iter_records():
            one, other = AcqImage(record), AcqImage(again.record(record.image_id))
            assert (one.rois, one.header, one.name) == (other.rois, other.header, other.name)
            for roi in one.rois:
                np.testing.assert_array_equal(one.get_roi_mask(roi.roi_id), other.get_roi_mask(roi.roi_id))

    @pytest.mark.slow
    @pytest.mark.parametrize("indexer", INDEXERS, ids=lambda indexer: indexer.table_name)
    def test_tables_are_the_same_and_stay_so_after_a_rebuild(self, demo, again, indexer):
        before = again.load_table(indexer.table_name)
        pd.testing.assert_frame_equal(before, demo.load_table(indexer.table_name))
        KymDataset(again).rebuild(indexer)
        order = ["image_id", *(["roi_id"] if "roi_id" in before else [])]
        one, other = (
            frame.sort_values(order, ignore_index=True) for frame in (before, again.load_table(indexer.table_name))
        )
        pd.testing.assert_frame_equal(one, other)

    def test_the_dataset_is_sound(self, again):
        assert KymDataset(again).verify(deep=True).problems == ()

    def test_fiji_reads_the_calibration(self, demo, tmp_path):
        demo.export_legacy_folder(tmp_path / "out")
        path = next((tmp_path / "out" / "images").glob("*/image.tif"))
        with tifffile.TiffFile(path) as tiff:
            x, y = (tiff.pages[0].tags[name].value for name in ("XResolution", "YResolution"))
            said = tiff.imagej_metadata
        assert (x[1] / x[0], y[1] / y[0]) == pytest.approx((0.5, 0.001))
        assert (said["unit"], said["yunit"]) == ("um", "s")

    def test_the_image_alone_keeps_its_calibration(self, demo, dataset, tmp_path, scan_folder):
        demo.export_legacy_folder(tmp_path / "out")
        path = next((tmp_path / "out" / "images").glob("*/image.tif"))
        shutil.copy(path, scan_folder / "alone.tif")
        dataset.import_folder(scan_folder)
        header = AcqImage(only(dataset)).header
        assert (header.um_per_pixel, header.seconds_per_line) == pytest.approx((0.5, 0.001))

    def test_a_record_that_came_back_is_the_same_ome_zarr(self, demo, again):
        for record in again.iter_records():
            described = describe_metadata(record.load_metadata_payload())
            assert record.save_ome(described)
            assert described.steps == {"y": 0.001, "x": 0.5}

    def test_what_came_in_before_a_stop_is_described_to_ome_zarr(self, demo, tmp_path):
        def stop(done, _total, _name):
            if done == 1:
                raise KeyboardInterrupt

        demo.export_legacy_folder(tmp_path / "out")
        dataset = ZarrDataset(tmp_path / "stopped.zarr")
        with pytest.raises(KeyboardInterrupt):
            dataset.import_folder(tmp_path / "out", watch=Watch(progress=stop))
        record = only(dataset)
        document = json.loads((dataset.path / "images" / record.image_id / "zarr.json").read_text())
        (multiscale,) = document["attributes"]["ome"]["multiscales"]
        assert multiscale["datasets"][0]["coordinateTransformations"][0]["scale"] == [0.001, 0.5]

    def test_an_export_is_known_as_one(self, demo, tmp_path):
        demo.export_legacy_folder(tmp_path / "out")
        assert (ZarrDataset.is_export(tmp_path / "out"), ZarrDataset.is_export(tmp_path)) == (True, False)

    def test_an_export_of_a_later_version_is_no_folder_of_tiffs(self, dataset, scan_path):
        (scan_path.parent / "dataset.json").write_text('{"format": "kymflow_export", "version": 9}')
        with pytest.raises(SourceError, match="is of version 9; this program reads version 2: update it"):
            dataset.import_folder(scan_path.parent)

    def test_a_foreign_dataset_json_is_passed_over(self, dataset, scan_path):
        (scan_path.parent / "dataset.json").write_text('{"mine": 1}')
        assert len(dataset.import_folder(scan_path.parent).imported) == 1


@pytest.mark.shared
class TestLaboratorysFiles:
    def test_they_go_out_and_come_back(self, lab_import, tmp_path):
        report = lab_import.dataset.export_legacy_folder(tmp_path / "out", friendly_names=True)
        again = ZarrDataset(tmp_path / "again.zarr")
        again.import_folder(tmp_path / "out")
        assert (report.failed, report.notes) == ((), ())
        for record in lab_import.dataset.iter_records():
            other = again.record(record.image_id)
            np.testing.assert_array_equal(record.load_array(), other.load_array(), strict=True)
            assert record.load_metadata_payload() == other.load_metadata_payload()
            assert record.list_analysis_keys() == other.list_analysis_keys()

    def test_every_file_beside_them_is_accounted_for(self, olympus_folder, lab_import):
        """Each file below the folder is a TIFF that came in, or is held, whole or as a table, by the record of its TIFF."""
        held = {
            "Capillary1_0001.txt": "metadata: header",
            "Capillary1_0001.json": "metadata: rois",
            "20250722_A89_0005.txt": "metadata: header",
            "20250722_A89_0005.json": "metadata: rois",
            "Capillary1_0001_radon.csv": "radon_velocity.parquet",
            "Capillary1_0001_radon.json": "legacy/radon.json",
            "Capillary1_0001_events.json": "legacy/events.json",
            "Capillary1_0001_kymanalysis.json": "legacy/kymanalysis.json",
            "Capillary1_0001_kymanalysis.csv": "radon_velocity.parquet",
            "20250722_A89_0005_kymanalysis.csv": "radon_velocity.parquet",
            "20250722_A89_0005_kymanalysis.json": "legacy/kymanalysis.json",
        }
        files = [path for path in olympus_folder.rglob("*") if path.is_file() and path.suffix != ".tif"]
        assert {path.name for path in files} == set(held)
        documented = (Path(__file__).parents[2] / "docs" / "import_export.md").read_text()
        for path in files:
            stem = path.name.removesuffix(path.suffix)
            for suffix in ("_radon", "_events", "_kymanalysis"):
                stem = stem.removesuffix(suffix)
            record = lab_import.record(f"{stem}.tif")
            what, place = held[path.name], path.name.replace(stem, "<stem>")
            if what.startswith("metadata: "):
                assert record.load_metadata_payload()[what.removeprefix("metadata: ")]
            else:
                assert what in record.list_analysis_keys()
            assert place in documented

    def test_the_same_csv_under_both_names_has_the_same_content(self, olympus_folder):
        folder = olympus_folder / "flow-analysis"
        one, other = (pd.read_csv(folder / f"Capillary1_0001_{name}.csv") for name in ("radon", "kymanalysis"))
        shared = [name for name in other.columns if name in one.columns]
        pd.testing.assert_frame_equal(one[shared], other[shared])


def test_a_tiff_with_rois_saved_beside_it_comes_in_with_them(scan_path, dataset):
    image = AcqImage.from_path(scan_path)
    image.save_rois(image.rois.add(RectROI(roi_id=1, x0=0, x1=3, y0=1, y1=9)))
    image.add_mask_roi(np.eye(40, 12, dtype=bool))
    dataset.import_folder(scan_path.parent)
    assert AcqImage(only(dataset)).rois == image.rois
    assert read_acquisition_file(scan_path).array_artifacts == {}


def test_files_that_move_again_before_they_are_linked_are_said_to_have_failed(
    scan_path, second_scan_path, dataset, monkeypatch
):
    dataset.import_folder(scan_path.parent)
    moved = scan_path.parent.rename(scan_path.parent.with_name("moved"))
    load = zarr_dataset.import_files

    def load_and_move(*args, **options):
        report = load(*args, **options)
        (moved / scan_path.name).rename(moved / "again.tif")
        return report

    monkeypatch.setattr(zarr_dataset, "import_files", load_and_move)
    report = dataset.import_folder(moved, relink=True)
    assert [one.path.name for one in report.moved] == [second_scan_path.name]
    assert [one.path.name for one in report.failed] == [scan_path.name]
