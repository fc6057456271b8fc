"""One door for files: every way of importing reads headers, ROIs and results, also of records that were made without."""

import json
import shutil
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kymflow_core import (
    AcqImage,
    ImageIndexer,
    KymDataset,
    MetadataEdit,
    RadonReportIndexer,
    RectROI,
    RoiIndexer,
    RoiSet,
    VelocityEventsIndexer,
    edit_metadata,
)
from kymflow_core.headers import AcquisitionHeader
from kymflow_core.images.acquisition_file import read_acquisition_file
from kymflow_core.images.file_reader import FILE_READER
from kymflow_core.images.metadata import RecordMetadata
from kymflow_zarr import ZarrDataset, ZarrImageRecord
from kymflow_zarr.importing.file_reader import installed_reader
from kymflow_zarr.importing.tiffs import read_tiff

INDEXERS = [ImageIndexer(), RoiIndexer(), RadonReportIndexer(), VelocityEventsIndexer()]
CAPILLARY1 = "Capillary1_0001.tif"


def header_of(record: ZarrImageRecord) -> AcquisitionHeader:
    return RecordMetadata.from_json(record.load_metadata_payload()).header


def rois_of(record: ZarrImageRecord) -> RoiSet:
    return AcqImage(record).rois


def draw(record: ZarrImageRecord, *rois: RectROI) -> None:
    AcqImage(record).save_rois(RoiSet.of(rois))


@pytest.fixture
def complete_scan(scan_path: Path, header_text: str) -> Path:
    """A scan with a header, a ROI with a note, and a velocity of it."""
    scan_path.with_suffix(".txt").write_bytes(header_text.encode())
    roi = {"roi_id": 1, "roi_type": "rect", "data": {"x0": 2, "x1": 8, "y0": 0, "y1": 40}, "note": "of the file"}
    document = {"rois": [roi], "experiment_metadata": {"species": "mouse", "depth": 35.0}, "accepted": True}
    scan_path.with_suffix(".json").write_text(json.dumps(document))
    (scan_path.parent / "flow-analysis").mkdir()
    windows = pd.DataFrame({"roi_id": [1, 1], "channel": [1, 1], "time": [0.0, 0.1], "velocity": [0.5, 0.7]})
    windows.to_csv(scan_path.parent / "flow-analysis" / "scan_radon.csv", index=False)
    return scan_path


@pytest.fixture
def bare(dataset: ZarrDataset, complete_scan: Path) -> ZarrImageRecord:
    """The record of the scan, made of its pixels alone."""
    (file,) = dataset.import_folder(complete_scan.parent, read_file=read_tiff).imported
    return dataset.record(file.image_id)


@pytest.fixture
def folder(complete_scan: Path) -> Path:
    return complete_scan.parent


def test_the_installed_reader_is_ours():
    assert installed_reader() is FILE_READER


class TestTheDesignsFlow:
    @pytest.mark.shared
    def test_real_files_give_headers_rois_results_and_full_tables(self, olympus_folder, tmp_path):
        ds = ZarrDataset(tmp_path / "lab.zarr")
        ids = ds.refresh_from_folder(olympus_folder)
        kym = KymDataset(ds)
        for indexer in INDEXERS:
            assert kym.update_images(indexer, ids).failed == {}
        (image_id,) = (one for one, source in ds.load_sources().items() if source.source_primary_path.endswith(CAPILLARY1))
        record = ds.record(image_id)
        assert len(ids) == 3
        assert header_of(record).um_per_pixel == pytest.approx(0.284)
        assert header_of(record).seconds_per_line == pytest.approx(35.099 / 30000)
        assert rois_of(record).ids == (1, 2, 3)
        tables = {indexer.table_name: kym.get_table(indexer.table_name) for indexer in INDEXERS}
        assert {name: len(table) > 0 for name, table in tables.items()} == dict.fromkeys(tables, True)
        assert set(tables["radon_report"]["image_id"]) >= {image_id}
        assert tables["images"].set_index("image_id")["um_per_pixel"].notna().sum() == 2

    @pytest.mark.slow
    @pytest.mark.shared
    def test_real_records_made_without_a_reader_are_completed_by_the_next_import(self, olympus_folder, tmp_path):
        bare, full = ZarrDataset(tmp_path / "bare.zarr"), ZarrDataset(tmp_path / "full.zarr")
        bare.import_folder(olympus_folder, read_file=read_tiff)
        full.import_folder(olympus_folder)
        report = bare.import_folder(olympus_folder, complete=True)
        assert (len(report.completed), report.failed, report.incomplete) == (3, (), ())
        by_path = {source.source_primary_path: image_id for image_id, source in full.load_sources().items()}
        for image_id, source in bare.load_sources().items():
            record, other = bare.record(image_id), full.record(by_path[source.source_primary_path])
            assert record.load_metadata_payload() == other.load_metadata_payload()
            assert record.list_analysis_keys() == other.list_analysis_keys()
        assert bare.validate() == []

    @pytest.mark.parametrize("way", ["import_folder", "refresh_from_folder", "ingest_legacy_folder"])
    def test_every_way_reads_the_header(self, dataset, folder, way):
        getattr(dataset, way)(folder)
        (record,) = dataset.iter_records()
        assert (header_of(record).um_per_pixel, rois_of(record).ids) == (0.25, (1,))

    def test_a_record_notes_which_reader_made_it(self, dataset, folder):
        dataset.import_folder(folder)
        (source,) = dataset.load_sources().values()
        (record,) = dataset.iter_records()
        noted = record.load_json("provenance")
        assert (source.reader, source.reader_version) == ("kymflow_core", str(FILE_READER.version))
        assert (noted["reader"], noted["reader_version"]) == ("kymflow_core", str(FILE_READER.version))


class TestOffer:
    def test_what_was_not_read_is_offered(self, dataset, bare, folder):
        report = dataset.import_folder(folder)
        assert [(one.image_id, one.reader) for one in report.incomplete] == [
            (bare.image_id, "kymflow_zarr.importing.tiffs.read_tiff")
        ]
        assert report.describe_incomplete() == (
            "1 record was imported by kymflow_zarr.importing.tiffs.read_tiff, which may have left out headers, ROIs and "
            "results of its file"
        )
        assert (report.skipped, bare.load_metadata_payload()) == ((folder / "scan.tif",), {})

    def test_nothing_is_offered_of_what_this_reader_made(self, dataset, folder):
        dataset.import_folder(folder)
        assert dataset.import_folder(folder).incomplete == ()

    def test_a_reader_that_knows_more_than_before_offers_it(self, dataset, folder, monkeypatch):
        dataset.import_folder(folder)
        later = replace(FILE_READER, version=FILE_READER.version + 1)
        monkeypatch.setattr("kymflow_zarr.importing.plan.installed_reader", lambda: later)
        assert len(dataset.import_folder(folder).incomplete) == 1
        assert len(dataset.import_folder(folder, complete=True).completed) == 1
        assert dataset.import_folder(folder).incomplete == ()

    def test_a_plain_reader_offers_nothing(self, dataset, folder):
        dataset.import_folder(folder)
        assert dataset.import_folder(folder, read_file=read_tiff).incomplete == ()

    @pytest.mark.parametrize(("reader", "offered"), [(None, 0), (read_tiff, 1)], ids=["with a header", "without"])
    def test_of_records_that_name_no_reader_their_header_decides(self, dataset, folder, reader, offered):
        dataset.import_folder(folder, **({"read_file": reader} if reader else {}))
        (record,) = dataset.iter_records()
        provenance = record.load_json("provenance")
        record.save_json("provenance", {key: provenance[key] for key in provenance if not key.startswith("reader")})
        path = dataset.path / "tables" / "sources.parquet"
        pd.read_parquet(path).drop(columns=["reader", "reader_version"]).to_parquet(path)
        assert len(ZarrDataset(dataset.path).import_folder(folder).incomplete) == offered


class TestCompletion:
    def test_it_gives_what_a_first_import_gives(self, dataset, bare, folder, tmp_path):
        assert dataset.import_folder(folder, complete=True).summary() == "0 imported, 1 completed, 0 skipped"
        other = ZarrDataset(tmp_path / "other.zarr")
        other.import_folder(folder)
        (full,) = other.iter_records()
        assert bare.load_metadata_payload() == full.load_metadata_payload()
        assert bare.list_analysis_keys() == full.list_analysis_keys()
        np.testing.assert_array_equal(bare.load_array(), full.load_array())

    def test_the_next_import_has_nothing_to_complete(self, dataset, bare, folder):
        dataset.import_folder(folder, complete=True)
        revisions = bare.list_revisions()
        report = dataset.import_folder(folder, complete=True)
        assert (report.completed, len(report.skipped), bare.list_revisions()) == ((), 1, revisions)

    def test_a_roi_that_was_drawn_since_is_not_touched(self, dataset, bare, folder):
        drawn = RectROI(roi_id=1, x0=0, x1=3, y0=5, y1=9, name="mine")
        draw(bare, drawn)
        (file,) = dataset.import_folder(folder, complete=True).completed
        assert tuple(rois_of(bare)) == (drawn,)
        assert "ROI 1 stays as it is in the record; the file has another of that number" in file.notes

    def test_results_of_another_roi_are_outdated(self, dataset, bare, folder):
        draw(bare, RectROI(roi_id=1, x0=0, x1=3, y0=5, y1=9))
        dataset.import_folder(folder, complete=True)
        kym = KymDataset(dataset)
        kym.refresh(RadonReportIndexer())
        assert kym.freshness(RadonReportIndexer())["state"].tolist() == ["outdated"]

    def test_the_id_of_a_deleted_roi_is_not_given_again(self, dataset, bare, folder):
        draw(bare, RectROI(roi_id=1, x0=0, x1=3, y0=5, y1=9))
        AcqImage(bare).save_rois(rois_of(bare).remove(1))
        (file,) = dataset.import_folder(folder, complete=True).completed
        assert (rois_of(bare).ids, rois_of(bare).next_id) == ((), 2)
        assert "ROI 1 of the file was left out: a ROI of that number was deleted in the record" in file.notes

    def test_results_that_do_not_say_of_which_roi_are_left_out_where_others_were_drawn(self, dataset, bare, folder):
        (folder / "scan.json").unlink()
        draw(bare, RectROI(roi_id=1, x0=0, x1=3, y0=5, y1=9))
        (file,) = dataset.import_folder(folder, complete=True).completed
        assert any(note.startswith("the results 'radon_report' were left out: they do not say") for note in file.notes)
        assert "radon_report.parquet" not in bare.list_analysis_keys()

    def test_a_calibration_entered_by_hand_stays(self, dataset, bare, folder):
        edit_metadata(dataset, [bare.image_id], MetadataEdit(um_per_pixel=0.7, seconds_per_line=0.5))
        dataset.import_folder(folder, complete=True)
        header = header_of(bare)
        assert (header.um_per_pixel, header.seconds_per_line, header.calibration_source) == (0.7, 0.5, "entered by hand")
        assert header.channel_names == ("RNDD2", "TRITC µ")

    def test_a_record_of_an_earlier_version_gets_the_dwell_time(self, dataset, folder):
        text = folder / "scan.txt"
        added = '"[Acquisition]"\t""\r\n"Scan Direction"\t"Roundtrip"\r\n"Sampling Speed"\t"4.0 [us/pixel]"\r\n'
        text.write_bytes(text.read_bytes() + f"\r\n{added}".encode())
        dataset.import_folder(folder, reader=replace(FILE_READER, version=2))
        (record,) = dataset.iter_records()
        metadata = record.load_metadata_payload()
        earlier = {key: value for key, value in metadata["header"].items() if key not in ("dwell_s", "scan_direction")}
        record.save_metadata_payload({**metadata, "header": earlier})
        assert header_of(record).dwell_s is None
        (file,) = dataset.import_folder(folder, complete=True).completed
        assert file.image_id == record.image_id
        assert (header_of(record).dwell_s, header_of(record).scan_direction) == (4e-6, "both-ways")
        assert record.load_metadata_payload() == metadata

    def test_half_a_calibration_is_filled_and_both_sources_are_named(self, dataset, bare, folder):
        edit_metadata(dataset, [bare.image_id], MetadataEdit(um_per_pixel=0.7))
        dataset.import_folder(folder, complete=True)
        header = header_of(bare)
        assert (header.um_per_pixel, header.seconds_per_line) == (0.7, 0.002)
        assert header.calibration_source == "entered by hand, olympus_txt"

    def test_experiment_metadata_entered_by_hand_stay(self, dataset, bare, folder):
        edit_metadata(dataset, [bare.image_id], MetadataEdit(experiment={"species": "rat"}, accepted=False))
        dataset.import_folder(folder, complete=True)
        metadata = bare.load_metadata_payload()
        assert metadata["experiment_metadata"] == {"species": "rat", "depth": 35.0}
        assert metadata["accepted"] is False

    def test_an_artifact_that_the_record_has_stays(self, dataset, bare, folder):
        bare.save_df_parquet("radon_report", pd.DataFrame({"roi_id": [1], "mine": [1.0]}))
        (file,) = dataset.import_folder(folder, complete=True).completed
        assert list(bare.load_df_parquet("radon_report")) == ["roi_id", "mine"]
        assert "'radon_report' of the record stays as it is; the file has another" in file.notes

    def test_a_record_of_an_image_read_otherwise_is_not_completed(self, dataset, folder):
        dataset.import_folder(folder, read_file=lambda path: replace(read_tiff(path), axes=("t", "x")))
        (failed,) = dataset.import_folder(folder, complete=True).failed
        assert "and its record has ('t', 'x') and (40, 12); delete the record" in failed.reason

    def test_a_file_that_changed_keeps_the_note_of_who_read_its_results(self, dataset, bare, folder):
        read = (folder / "scan.tif").read_bytes()
        (folder / "scan.tif").write_bytes(read.replace(b"\x05\x00\x06\x00", b"\x06\x00\x05\x00", 1))
        assert len(dataset.import_folder(folder, on_changed="reingest_if_changed").replaced) == 1
        assert len(dataset.import_folder(folder).incomplete) == 1

    @pytest.mark.slow
    @pytest.mark.parametrize("step", range(7))
    def test_one_that_was_stopped_is_done_by_the_next(self, dataset, bare, folder, step, monkeypatch):
        saves = ["save_metadata_payload", "save_json", "save_df_parquet", "save_ome"]
        count = 0

        def stop_at(name):
            real = getattr(ZarrImageRecord, name)

            def save(self, *args, **options):
                nonlocal count
                count += 1
                if count > step:
                    raise KeyboardInterrupt
                return real(self, *args, **options)

            return save

        with monkeypatch.context() as patch:
            for name in saves:
                patch.setattr(ZarrImageRecord, name, stop_at(name))
            with suppress(KeyboardInterrupt):
                dataset.import_folder(folder, complete=True)
        dataset.import_folder(folder, complete=True)
        assert (header_of(bare).um_per_pixel, rois_of(bare).ids) == (0.25, (1,))
        assert {"radon_report.parquet", "radon_velocity.parquet", "legacy/sidecar.json"} <= set(bare.list_analysis_keys())
        assert (dataset.import_folder(folder).incomplete, dataset.validate()) == ((), [])

    def test_one_killed_before_the_table_is_known_by_its_record(self, dataset, bare, folder, monkeypatch):
        def fail(*_args):
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr("kymflow_zarr.tables.sources.Sources.add", lambda self, sources: fail() if sources else None)
            with pytest.raises(KeyboardInterrupt):
                dataset.import_folder(folder, complete=True)
        report = ZarrDataset(dataset.path).import_folder(folder)
        assert (report.incomplete, len(report.skipped)) == ((), 1)
        assert [source.reader for source in ZarrDataset(dataset.path).load_sources().values()] == ["kymflow_core"]


def test_an_export_reads_the_scales_of_the_installed_reader(dataset, folder, tmp_path):
    dataset.import_folder(folder)
    dataset.export_legacy_folder(tmp_path / "out")
    (tiff,) = (tmp_path / "out").rglob("image.tif")
    shutil.copy(tiff, tmp_path / "alone.tif")
    header = read_acquisition_file(tmp_path / "alone.tif").metadata["header"]
    assert (header["um_per_pixel"], header["seconds_per_line"]) == (0.25, 0.002)


def test_verify_finds_what_is_wrong_with_rois(dataset, bare):
    bare.save_metadata_payload({"rois": [{"roi_id": 1}]})
    assert any("roi_type" in problem.what for problem in dataset.verify().problems)
