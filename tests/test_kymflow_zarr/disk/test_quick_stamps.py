"""Quick stamps are those of a record, or no answer."""

import shutil

import numpy as np
import pytest

from kymflow_zarr import MASKS_KEY, METADATA_KEY, PIXEL_VALUES_KEY, PIXELS_KEY, ZarrDataset

KEYS = {
    "an artifact": ["report.parquet"],
    "one that is not there": ["other.json"],
    "the metadata": [METADATA_KEY],
    "the pixels": [PIXELS_KEY],
    "the masks": [METADATA_KEY, MASKS_KEY],
    "the values of the pixels": [METADATA_KEY, PIXEL_VALUES_KEY, PIXELS_KEY],
    "several": ["report.parquet", METADATA_KEY, PIXELS_KEY, "other.json"],
}


@pytest.fixture
def dataset(tmp_path):
    """A dataset of one record with metadata and an artifact."""
    dataset = ZarrDataset.create(tmp_path / "lab.zarr")
    record = dataset.add_image([[1, 2], [3, 4]])
    record.save_json("report", {"v": 1})
    (dataset.path / "images" / record.image_id / "analysis/report.json").rename(
        dataset.path / "images" / record.image_id / "analysis/report.parquet"
    )
    for number in range(3):
        record.save_metadata_payload({"rois": [], "next_roi_id": number})
    return dataset


@pytest.mark.parametrize("keys", KEYS.values(), ids=KEYS)
def test_they_are_the_same_text(dataset, keys):
    (image_id,) = dataset.list_image_ids()
    assert dataset.quick_stamps(image_id).file_stamp(keys) == dataset.record(image_id).file_stamp(keys)


@pytest.mark.parametrize("keys", KEYS.values(), ids=KEYS)
def test_so_they_are_with_arrays(dataset, keys):
    record = dataset.record(*dataset.list_image_ids())
    for name in ("mask", "other"):
        record.save_array_artifact(name, np.ones((2, 2), bool))
    assert dataset.quick_stamps(record.image_id).file_stamp(keys) == record.file_stamp(keys)


def test_a_link_among_the_arrays_gives_no_answer(dataset, tmp_path):
    record = dataset.record(*dataset.list_image_ids())
    record.save_array_artifact("mask", np.ones((2, 2), bool))
    path = dataset.path / "images" / record.image_id / "analysis_arrays/mask"
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    assert dataset.quick_stamps(record.image_id).file_stamp([MASKS_KEY]) is None


def test_a_record_without_metadata_has_the_same_text(dataset):
    record = dataset.add_image([[1, 2], [3, 4]])
    keys = [METADATA_KEY, "report.parquet"]
    assert dataset.quick_stamps(record.image_id).file_stamp(keys) == record.file_stamp(keys)


def test_a_save_changes_them(dataset):
    (image_id,) = dataset.list_image_ids()
    before = dataset.quick_stamps(image_id).file_stamp([METADATA_KEY])
    dataset.record(image_id).save_metadata_payload({"rois": [], "next_roi_id": 9})
    assert dataset.quick_stamps(image_id).file_stamp([METADATA_KEY]) != before


def test_a_record_that_is_gone_gives_no_answer(dataset):
    (image_id,) = dataset.list_image_ids()
    shutil.rmtree(dataset.path / "images" / image_id)
    assert dataset.quick_stamps(image_id).file_stamp([METADATA_KEY]) is None


@pytest.mark.parametrize("key", ["reviews/", "radon/params.json"])
def test_what_takes_a_longer_look_gives_no_answer(dataset, key):
    (image_id,) = dataset.list_image_ids()
    assert dataset.quick_stamps(image_id).file_stamp([key]) is None


@pytest.mark.parametrize("where", ["", "analysis", "analysis/history", "analysis/report.parquet"])
def test_a_link_gives_no_answer(dataset, where, tmp_path):
    (image_id,) = dataset.list_image_ids()
    path = dataset.path / "images" / image_id / where
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    assert dataset.quick_stamps(image_id).file_stamp([METADATA_KEY, "report.parquet"]) is None
