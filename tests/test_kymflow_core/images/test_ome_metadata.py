"""The OME-Zarr metadata of a kymograph, and how it follows the header."""

import json
from dataclasses import replace

import pytest
import zarr
from ome_zarr_models.v05 import Image

from kymflow_core import KymDataset, MetadataEdit, edit_metadata
from kymflow_core.headers import AcquisitionHeader
from kymflow_core.images.acquisition_file import read_acquisition_file
from kymflow_core.images.metadata import RecordMetadata
from kymflow_core.images.ome_metadata import describe_header, describe_metadata, follow_header, rebuild_ome, update_ome
from kymflow_core.simulate import DEMO_SCANS, make_demo_dataset
from kymflow_zarr import ZarrDataset, ZarrImageRecord

HEADER = AcquisitionHeader(name="scan", seconds_per_line=0.002, um_per_pixel=0.5)
UNKNOWN = AcquisitionHeader(name="scan")


def multiscale_of(record, dataset):
    document = json.loads((dataset.path / "images" / record.image_id / "zarr.json").read_text())
    return document["attributes"]["ome"]["multiscales"][0]


def scale_of(record, dataset):
    return multiscale_of(record, dataset)["datasets"][0]["coordinateTransformations"][0]["scale"]


class TestDescribe:
    def test_lines_have_their_seconds_as_step_and_no_unit(self):
        described = describe_header(HEADER)
        assert (described.steps, described.units) == ({"y": 0.002, "x": 0.5}, {"x": "micrometer"})

    def test_what_y_is_stands_in_the_notes(self):
        assert describe_header(HEADER).notes == {
            "kymflow": {"y": "lines; the scale is seconds per line", "seconds_per_line": 0.002, "um_per_pixel": 0.5}
        }

    def test_what_is_not_known_has_no_step(self):
        assert describe_header(UNKNOWN).steps == {}

    @pytest.mark.parametrize("metadata", [{}, {"header": None}, {"header": [1]}], ids=str)
    def test_metadata_without_a_header_say_nothing(self, metadata):
        assert describe_metadata(metadata).steps == {}


class TestUpdate:
    def test_it_says_what_the_header_says(self, dataset, record):
        assert update_ome(record, HEADER) == ""
        assert scale_of(record, dataset) == [0.002, 0.5]

    def test_it_follows_an_edit_and_forgets_the_old_value(self, dataset, record):
        update_ome(record, HEADER)
        update_ome(record, replace(HEADER, seconds_per_line=None))
        assert scale_of(record, dataset) == [1.0, 0.5]

    def test_of_a_dataset_that_is_only_read_the_reason_is_returned(self, dataset, record):
        reader = ZarrDataset(dataset.path, mode="r").record(record.image_id)
        assert "is in a dataset opened for reading only" in update_ome(reader, HEADER)

    def test_of_a_record_that_is_no_image_the_reason_is_returned(self, dataset, rng):
        record = dataset.add_image(rng.integers(0, 9, (2, 3, 4, 2)), axes=("z", "y", "x", "c"))
        assert update_ome(record, HEADER).endswith("the axes ('z', 'y', 'x', 'c'), which are no OME-Zarr image as they lie")

    def test_of_a_record_that_was_deleted_the_reason_is_returned(self, dataset, record):
        dataset.delete_image(record.image_id)
        assert "is no longer there" in update_ome(record, HEADER)

    def test_a_full_disk_is_a_reason(self, record, monkeypatch):
        def full(*_args, **_options):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("kymflow_zarr.disk.steps.write_file", full)
        assert "No space left on device" in update_ome(record, HEADER)


def test_a_repair_tells_again_what_the_header_says(dataset, record):
    path = dataset.path / "images" / record.image_id / "zarr.json"
    update_ome(record, RecordMetadata.load(record).header)
    before = path.read_text()
    path.write_text(before.replace('"scale"', '"scalf"'))
    KymDataset(dataset).verify(deep=True, repair=True)
    assert path.read_text() == before


class TestRebuild:
    def test_every_record_says_again_what_its_header_says(self, dataset, record):
        record.save_metadata_payload({"header": {"seconds_per_line": 0.004}})
        assert rebuild_ome(dataset) == {}
        assert scale_of(record, dataset) == [0.004, 1.0]

    def test_damaged_records_are_named_and_the_others_done(self, dataset, record, rng):
        damaged = dataset.add_image(rng.integers(0, 9, (4, 5)))
        (dataset.path / "images" / damaged.image_id / "zarr.json").write_text("{")
        record.save_metadata_payload({"header": {"um_per_pixel": 2}})
        assert list(rebuild_ome(dataset)) == [damaged.image_id]
        assert scale_of(record, dataset) == [1.0, 2.0]


def test_an_imported_scan_is_a_valid_image_with_its_calibration(dataset, scan_path, header_text):
    scan_path.with_suffix(".txt").write_text(header_text, encoding="utf-16")
    report = dataset.import_folder(scan_path.parent, read_file=read_acquisition_file)
    record = dataset.record(report.imported[0].image_id)
    Image.from_zarr(zarr.open_group(dataset.path / "images" / record.image_id, mode="r"))
    assert (scale_of(record, dataset), multiscale_of(record, dataset)["name"]) == ([0.002, 0.25], "scan")


def test_the_demo_dataset_says_its_calibration(tmp_path):
    dataset = make_demo_dataset(tmp_path / "demo.zarr", scans=[replace(DEMO_SCANS[0], lines=400, pixels=24)])
    (record,) = dataset.iter_records()
    assert scale_of(record, dataset) == [0.001, 0.5]


def test_they_follow_the_header_that_another_program_saves_meanwhile(record, dataset, monkeypatch):
    real = ZarrImageRecord.save_ome
    edit_metadata(dataset, [record.image_id], MetadataEdit(um_per_pixel=0.5, seconds_per_line=0.002))

    def overtaken(self, described):
        monkeypatch.setattr(ZarrImageRecord, "save_ome", real)
        edit_metadata(dataset.path, [record.image_id], MetadataEdit(um_per_pixel=0.25))
        return real(self, described)

    monkeypatch.setattr(ZarrImageRecord, "save_ome", overtaken)
    assert follow_header(record) == ""
    assert scale_of(record, dataset) == [0.002, 0.25]
