"""Images out to OME-Zarr with their masks, and foreign images in with their calibration."""

import json
import sys

import numpy as np
import pytest
import zarr
from ome_zarr_models.v05 import Image
from ome_zarr_models.v05.labels import Labels

from kymflow_core import AcqImage, MaskROI, RectROI, RoiSet, export_ome_zarr, import_ome_zarr
from kymflow_core.errors import RoiError, RoiNotFoundError
from kymflow_core.headers import AcquisitionHeader
from kymflow_core.images.ome_files import read_foreign_image
from kymflow_zarr import OmeDescription
from kymflow_zarr.errors import DatasetExistsError, SourceError
from kymflow_zarr.exporting.ome_zarr import write_ome_zarr

HEADER = AcquisitionHeader(name="scan", seconds_per_line=0.002, um_per_pixel=0.5, dwell_s=4e-6, scan_direction="both-ways")


@pytest.fixture
def image(dataset, rng):
    """A calibrated scan of 30 lines of 20 pixels with a rectangle, one that is materialized, and two masks that overlap."""
    with dataset.build_record(rng.integers(0, 1000, (30, 20), dtype=np.uint16)) as draft:
        draft.save_metadata_payload({"header": HEADER.to_json()})
        opened = AcqImage(draft)
        rects = [
            RectROI(roi_id=1, x0=0, x1=4, y0=0, y1=4),
            RectROI(roi_id=2, name="stall", note="long", x0=10, x1=14, y0=10, y1=14),
        ]
        opened.save_rois(RoiSet.of(rects))
        opened.materialize_rect_roi_mask(2)
        for columns in (slice(0, 5), slice(4, 9)):
            mask = np.zeros((30, 20), bool)
            mask[20:25, columns] = True
            opened.add_mask_roi(mask)
    return AcqImage(dataset.record(draft.image_id))


@pytest.fixture
def target(tmp_path):
    return tmp_path / "scan.ome.zarr"


def labels_of(target, name="rois"):
    return zarr.open_group(target, mode="r")[f"labels/{name}/data"][...]


class TestExport:
    def test_image_and_labels_are_valid(self, image, target):
        export_ome_zarr(image, target)
        group = zarr.open_group(target, mode="r")
        assert Image.from_zarr(group)
        assert Labels.from_zarr(group["labels"]).label_paths == ["rois", "rois_2"]

    def test_masks_and_materialized_rectangles_come_without_overlap(self, image, target):
        assert export_ome_zarr(image, target) == {"rois": (2, 3), "rois_2": (4,)}

    def test_a_label_is_its_rois_id_at_its_pixels(self, image, target):
        export_ome_zarr(image, target)
        expected = np.zeros((30, 20), np.uint8)
        expected[10:14, 10:14], expected[20:25, 0:5] = 2, 3
        np.testing.assert_array_equal(labels_of(target), expected, strict=True)

    def test_a_label_has_its_rois_name(self, image, target):
        export_ome_zarr(image, target)
        document = json.loads((target / "labels/rois/zarr.json").read_text())
        assert document["attributes"]["ome"]["image-label"]["properties"] == [
            {"label-value": 2, "name": "stall", "note": "long", "channel": 1, "z": 0},
            {"label-value": 3, "name": "ROI 3", "note": "", "channel": 1, "z": 0},
        ]

    def test_others_come_where_asked_for(self, image, target):
        assert export_ome_zarr(image, target, roi_ids=[1]) == {"rois": (1,)}
        assert labels_of(target).sum() == 16

    def test_labels_that_stay_behind_are_named_when_it_comes_in(self, image, target):
        export_ome_zarr(image, target)
        assert "its images of labels were not imported: rois, rois_2" in read_foreign_image(target).notes

    def test_one_in_a_collection_comes_in_by_the_name_of_its_folder(self, image, dataset, tmp_path):
        export_ome_zarr(image, tmp_path / "0.zarr")
        inside = (tmp_path / "0.zarr").rename(tmp_path / "0")
        assert len(dataset.import_folder(inside).imported) == 1

    def test_one_that_moved_is_not_imported_twice(self, image, dataset, target, tmp_path):
        export_ome_zarr(image, target)
        (first,) = dataset.import_folder(target).imported
        moved = target.rename(tmp_path / "moved.ome.zarr")
        report = dataset.import_folder(moved)
        assert ([one.image_id for one in report.moved], report.imported) == ([first.image_id], ())

    @pytest.mark.skipif(sys.platform == "win32", reason="makes a symbolic link")
    def test_one_with_a_link_in_it_stays_out_and_the_next_comes_in(self, image, dataset, target, tmp_path):
        other = tmp_path / "other.ome.zarr"
        export_ome_zarr(image, target)
        dataset.import_folder(target)
        export_ome_zarr(image, other, roi_ids=[])
        moved = target.rename(tmp_path / "moved.ome.zarr")
        (tmp_path / "secret").touch()
        (moved / "outside").symlink_to(tmp_path / "secret")
        report = dataset.import_paths([moved, other], read_file=read_foreign_image)
        assert [one.path for one in report.imported] == [other]
        assert [(one.path, "outside" in one.reason) for one in report.failed] == [(moved, True)]

    def test_a_record_of_a_dataset_does_not_come_in_so(self, image, dataset):
        with pytest.raises(SourceError, match="is a dataset of this program already"):
            dataset.import_folder(dataset.path / "images" / image.source.image_id)

    def test_without_masks_there_are_no_labels(self, image, target):
        assert export_ome_zarr(image, target, roi_ids=[]) == {}
        assert not (target / "labels").exists()

    def test_a_large_id_takes_a_larger_number(self, image, target):
        image.save_rois(RoiSet.of([RectROI(roi_id=70_000, x0=0, x1=4, y0=0, y1=4)]))
        export_ome_zarr(image, target, roi_ids=[70_000])
        assert labels_of(target).max() == 70_000

    def test_a_roi_lies_in_its_slice(self, dataset, target, rng):
        record = dataset.add_image(rng.integers(0, 9, (2, 3, 8, 7, 2)), axes=("t", "z", "y", "x", "c"))
        image = AcqImage(record)
        image.save_rois(RoiSet.of([RectROI(roi_id=1, z=2, channel=2, x0=0, x1=2, y0=0, y1=3)]))
        export_ome_zarr(image, target, roi_ids=[1])
        labels = labels_of(target)
        assert (labels.shape, labels[:, 2].sum(), labels[:, :2].sum()) == ((2, 3, 8, 7), 12, 0)

    def test_a_roi_of_no_slice_is_refused(self, dataset, target):
        image = AcqImage(dataset.add_image(np.zeros((2, 8, 7), "u1")))
        image.save_rois(RoiSet.of([RectROI(roi_id=1, z=2, x0=0, x1=2, y0=0, y1=3)]))
        with pytest.raises(RoiError, match="ROI 1 is at z 2, and the image has 2 slices"):
            export_ome_zarr(image, target, roi_ids=[1])

    def test_a_roi_that_is_not_there_is_refused(self, image, target):
        with pytest.raises(RoiNotFoundError):
            export_ome_zarr(image, target, roi_ids=[99])
        assert not target.exists()

    def test_roi_0_is_refused(self, image, target):
        image.save_rois(RoiSet.of([RectROI(roi_id=0, x0=0, x1=2, y0=0, y1=3)]))
        with pytest.raises(RoiError, match="ROI 0 cannot be a label, since 0 means no label"):
            export_ome_zarr(image, target, roi_ids=[0])

    def test_nothing_is_written_over(self, image, target):
        export_ome_zarr(image, target)
        with pytest.raises(DatasetExistsError, match="there is something at"):
            export_ome_zarr(image, target)

    def test_a_tiff_with_drawn_rois_can_be_exported(self, scan_path, target):
        image = AcqImage.from_path(scan_path)
        shape = {"type": "polygon", "vertices": [[1, 1], [1, 5], [6, 5]]}
        image.save_rois(RoiSet.of([MaskROI(roi_id=1, reference=None, meta={"shape": shape})]))
        export_ome_zarr(image, target)
        np.testing.assert_array_equal(labels_of(target) == 1, image.get_roi_mask(1))


def header_of(dataset, report):
    return AcqImage(dataset.record(report.imported[0].image_id)).header


class TestImport:
    def test_what_was_exported_comes_back_with_its_calibration(self, dataset, image, target):
        export_ome_zarr(image, target)
        report = import_ome_zarr(dataset, target)
        record = dataset.record(report.imported[0].image_id)
        np.testing.assert_array_equal(record.load_array(), np.asarray(image.pixels), strict=True)
        header = header_of(dataset, report)
        assert (header.name, header.seconds_per_line, header.um_per_pixel) == ("scan", 0.002, 0.5)
        assert (header.shape, header.calibration_source) == ((30, 20), "ome_zarr")
        assert (header.dwell_s, header.scan_direction) == (4e-6, "both-ways")

    def test_the_new_record_is_an_image_as_the_old_one_is(self, dataset, image, target):
        export_ome_zarr(image, target)
        (imported,) = import_ome_zarr(dataset, target).imported
        assert Image.from_zarr(zarr.open_group(dataset.path / "images" / imported.image_id, mode="r"))

    def test_a_second_time_does_nothing(self, dataset, image, target):
        export_ome_zarr(image, target)
        import_ome_zarr(dataset, target)
        report = import_ome_zarr(dataset, target)
        assert (report.skipped, len(dataset.list_image_ids())) == ((target,), 2)

    def test_the_import_is_in_the_sources(self, dataset, image, target):
        export_ome_zarr(image, target)
        (imported,) = import_ome_zarr(dataset, target).imported
        assert dataset.load_sources_index()["image_id"].tolist() == [imported.image_id]

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("steps", "units", "calibration"),
        [
            ({"y": 2.0, "x": 250.0}, {"y": "millisecond", "x": "nanometer"}, (0.002, 0.25)),
            ({"y": 1.0, "x": 0.5}, {"y": "second", "x": "micrometer"}, (1.0, 0.5)),
            ({"y": 0.3, "x": 0.3}, {"y": "micrometer", "x": "micrometer"}, (None, 0.3)),
            ({"y": 0.3, "x": 0.3}, {}, (None, None)),
            ({"y": 0.3, "x": 0.3}, {"y": "furlong", "x": "second"}, (None, None)),
            ({}, {"y": "second", "x": "micrometer"}, (None, None)),
        ],
    )
    def test_a_calibration_is_taken_where_its_unit_fits(self, dataset, target, rng, steps, units, calibration):
        described = OmeDescription(steps=steps, units=units)
        write_ome_zarr(target, rng.integers(0, 9, (30, 20)), axes=("y", "x"), described=described)
        header = header_of(dataset, import_ome_zarr(dataset, target))
        assert (header.seconds_per_line, header.um_per_pixel) == pytest.approx(calibration)

    def test_what_is_not_known_is_said(self, target, rng):
        described = OmeDescription(steps={"x": 0.3}, units={"x": "micrometer"})
        write_ome_zarr(target, rng.integers(0, 9, (30, 20)), axes=("y", "x"), described=described)
        assert read_foreign_image(target).notes == (
            "calibration unknown: its axes are stated in no unit (y) and micrometer (x)",
        )

    @pytest.mark.parametrize("noted", ["0.002", -1, float("1e400"), [1], None], ids=str)
    def test_a_note_that_is_no_number_is_not_taken(self, dataset, target, rng, noted):
        write_ome_zarr(target, rng.integers(0, 9, (30, 20)), axes=("y", "x"))
        document = json.loads((target / "zarr.json").read_text())
        document["attributes"]["ome"]["multiscales"][0]["metadata"] = {"kymflow": {"seconds_per_line": noted}}
        (target / "zarr.json").write_text(json.dumps(document))
        assert header_of(dataset, import_ome_zarr(dataset, target)).seconds_per_line is None

    def test_channels_have_their_names(self, target, rng):
        write_ome_zarr(target, rng.integers(0, 9, (2, 30, 20)), axes=("c", "y", "x"))
        document = json.loads((target / "zarr.json").read_text())
        document["attributes"]["ome"]["omero"] = {"channels": [{"label": "RNDD2"}, {"label": "TRITC"}]}
        (target / "zarr.json").write_text(json.dumps(document))
        content = read_foreign_image(target)
        assert content.metadata["header"]["channel_names"] == ["RNDD2", "TRITC"]

    def test_a_folder_that_is_no_image_adds_nothing(self, dataset, tmp_path):
        with pytest.raises(SourceError, match="is no OME-Zarr image"):
            import_ome_zarr(dataset, tmp_path)
        assert dataset.list_image_ids() == []

    def test_a_damaged_image_adds_nothing(self, dataset, image, target):
        export_ome_zarr(image, target)
        (target / "data" / "zarr.json").unlink()
        with pytest.raises(SourceError, match="has lost its pixels"):
            import_ome_zarr(dataset, target)
        assert len(dataset.list_image_ids()) == 1

    def test_a_record_of_another_dataset_is_an_image_too(self, dataset, image, tmp_path):
        other = type(dataset).create(tmp_path / "other.zarr")
        (folder,) = (dataset.path / "images" / one for one in dataset.list_image_ids())
        image.source.save_ome(OmeDescription(name="theirs"))
        report = import_ome_zarr(other, folder)
        assert header_of(other, report).name == "theirs"
