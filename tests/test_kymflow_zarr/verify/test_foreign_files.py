"""What systems and synchronizing programs put into folders: named as what it is, and never taken for ours."""

import json

import pandas as pd
import pytest

from kymflow_zarr import ZarrDataset
from kymflow_zarr.disk.foreign_files import copied_from

SYSTEM = ("Thumbs.db", "desktop.ini", ".DS_Store", "._metadata.json")
COPIES = (
    "{} (Ann's conflicted copy 2026-11-28){}",
    "{} (SFConflict ann@x.org 2026-11-28-21-00-00){}",
    "{}.sync-conflict-20261128-213000-ABCDEF7{}",
    "{}_conflict-20261128-213000{}",
    "{} (1){}",
)


@pytest.fixture
def full(dataset, record):
    """The dataset with one of everything that has a name."""
    record.save_metadata_payload({"rois": [{"roi_id": 1, "name": "vessel"}]})
    record.save_json("params", {"a": 1})
    record.save_df_parquet("report", pd.DataFrame({"v": [1.0]}))
    record.save_array_artifact("mask", record.load_array() > 0)
    for _ in range(2):
        dataset.save_table("mine", pd.DataFrame({"image_id": [record.image_id]}))
    dataset.rebuild_manifest()
    return dataset


def listed(dataset):
    (record,) = dataset.iter_records()
    found = (record.list_analysis_keys(), record.list_array_artifacts(), record.list_revisions())
    return dataset.list_image_ids(), dataset.list_table_names(), found


@pytest.mark.parametrize("name", SYSTEM)
def test_what_a_system_puts_into_every_folder_is_noted_and_no_damage(full, name):
    before = listed(full)
    folders = [folder for folder in (full.path, *full.path.rglob("*")) if folder.is_dir() and folder.name != ".staging"]
    for folder in folders:
        (folder / name).write_bytes(b"x")
    report = full.verify(deep=True, repair=True)
    assert (report.problems, report.exit_code, len(report.notes)) == ((), 0, len(folders))
    assert "no part of the dataset, and can be deleted" in report.notes[0]
    assert listed(ZarrDataset(full.path)) == before
    full.collect_garbage()
    full.export_legacy_folder(full.path.parent / "exported")
    assert all((folder / name).exists() for folder in folders)


@pytest.mark.parametrize("copy", COPIES)
def test_a_synchronizing_programs_copy_is_no_artifact_and_no_table(full, record_folder, copy):
    before = listed(full)
    for original in (record_folder / "analysis/params.json", record_folder / "analysis/report.parquet",
                     full.path / "tables/mine.parquet"):  # fmt: skip
        original.with_name(copy.format(original.stem, original.suffix)).write_bytes(original.read_bytes() + b" ")
    report = full.verify(deep=True)
    assert (report.problems, len(report.notes)) == ((), 3)
    assert "another computer's version of params.json" in " ".join(report.notes)
    assert listed(full) == before


@pytest.mark.parametrize("copy", COPIES)
def test_two_versions_of_one_revision_are_a_conflict_with_the_rois_of_both(full, record, record_folder, tmp_path, copy):
    other = ZarrDataset.create(tmp_path / "other.zarr").add_image(record.load_array())
    other.save_metadata_payload({"rois": [{"roi_id": 1, "name": "vessel"}, {"roi_id": 2}]})
    place = record_folder / "analysis/history" / copy.format("metadata.00000000", ".json")
    place.write_bytes(other.load_revision_bytes(0))
    readable = record_folder / "analysis" / copy.format("metadata", ".json")
    readable.write_text(json.dumps(other.load_metadata_payload()))
    report = full.verify(repair=True)
    assert (report.exit_code, len(report.problems)) == (2, 2)
    both = "it has ROIs 1 (vessel), 2, and the record's own metadata (revision 0) have ROI 1 (vessel)"
    assert all(f"a conflict: {both}" in problem.what for problem in report.problems)
    assert place.exists()
    assert record.load_metadata_payload() == {"rois": [{"roi_id": 1, "name": "vessel"}]}
    assert "metadata" not in " ".join(record.list_analysis_keys())


def test_line_ends_of_windows_are_recognised_and_all_revisions_stay(full, record, record_folder):
    for number in range(2):
        record.save_metadata_payload({"number": number})
    texts = [path for path in record_folder.rglob("*.json") if path.name != "zarr.json"]
    before = {path: path.read_bytes() for path in texts}
    for path in texts:
        path.write_bytes(before[path].replace(b"\n", b"\r\n"))
    assert record.load_metadata_payload() == {"number": 1}
    assert len(record.history()) == 3
    report = full.verify(deep=True, repair=True)
    assert report.exit_code == 0
    assert sum("line ends of Windows" in problem.what for problem in report.problems) == 4
    assert {path: path.read_bytes() for path in texts} == before
    assert (full.verify(deep=True).problems, record.list_revisions()) == ((), [0, 1, 2])


@pytest.mark.parametrize("name", ["a (1).json", "mouse (left).json", "conflict.json", "a-b.json", "metadata.00000001.json"])
def test_a_name_that_only_resembles_a_copy_is_none(name):
    assert copied_from(name, [name]) is None
