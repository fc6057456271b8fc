"""What is collected, when, and what never is."""

import time

import numpy as np
import pytest

MASK = np.ones((20, 6), bool)


@pytest.fixture
def folder(record_folder):
    return record_folder / "analysis_arrays"


def test_a_mask_that_no_revision_names_is_garbage_after_a_day(dataset, record, folder, two_days_later):
    record.save_array_artifact("mask", MASK, held_by_metadata=True)
    two_days_later()
    assert dataset.collect_garbage() == [f"images/{record.image_id}/analysis_arrays/mask"]
    assert record.list_array_artifacts() == []


def test_a_young_one_is_kept(dataset, record):
    record.save_array_artifact("mask", MASK, held_by_metadata=True)
    assert (dataset.collect_garbage(), record.list_array_artifacts()) == ([], ["mask"])


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param({"rois": [{"data": {"mask_ref": "analysis_arrays/mask"}}]}, id="named by a ROI"),
        pytest.param({"anything": {"else": ["analysis_arrays/mask"]}}, id="named anywhere"),
    ],
)
def test_one_that_any_revision_names_is_kept(dataset, record, folder, payload, two_days_later):
    record.save_array_artifact("mask", MASK, held_by_metadata=True)
    record.save_metadata_payload(payload)
    record.save_metadata_payload({})
    two_days_later()
    assert (dataset.collect_garbage(), record.list_array_artifacts()) == ([], ["mask"])


def test_a_mask_is_young_by_the_disks_clock_where_this_machines_is_ahead(dataset, record, monkeypatch):
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 2 * 86_400)
    record.save_array_artifact("mask", MASK, held_by_metadata=True)
    assert (dataset.collect_garbage(), record.list_array_artifacts()) == ([], ["mask"])


def test_an_array_that_was_saved_by_name_is_never_garbage(dataset, record, folder, two_days_later):
    record.save_array_artifact("distance", MASK)
    two_days_later()
    assert (dataset.collect_garbage(), record.list_array_artifacts()) == ([], ["distance"])


def test_a_damaged_revision_may_name_anything(dataset, record, record_folder, folder, two_days_later):
    record.save_array_artifact("mask", MASK, held_by_metadata=True)
    record.save_metadata_payload({})
    record.save_metadata_payload({"a": 1})
    (record_folder / "analysis/history/metadata.00000000.json").write_text("{")
    two_days_later()
    assert dataset.collect_garbage() == []


def test_metadata_that_a_repair_set_aside_may_name_anything(dataset, record, record_folder, two_days_later):
    record.save_array_artifact("mask", MASK, held_by_metadata=True)
    (record_folder / "analysis/metadata.json").write_text('{"rois": [{"mask_ref": "analysis_arrays/mask"')
    assert dataset.verify(repair=True).exit_code == 0
    two_days_later()
    assert (dataset.collect_garbage(), record.list_array_artifacts()) == ([], ["mask"])


@pytest.mark.parametrize(
    ("name", "garbage"), [("building-x~images", True), ("deleted-x~images", True), ("replaced-x~y", False)]
)
def test_old_staging_is_garbage_but_what_may_be_the_only_copy(dataset, name, garbage, two_days_later):
    left = dataset.path / ".staging" / name
    left.mkdir(parents=True)
    two_days_later()
    assert dataset.collect_garbage() == ([f".staging/{name}"] if garbage else [])
    assert left.exists() is not garbage
