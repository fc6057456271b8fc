"""Revisions and commits of numbers that no save comes to."""

import shutil

import pandas as pd
import pytest

from kymflow_zarr.errors import DamagedError


def rows(record, value):
    return {record.image_id: pd.DataFrame({"image_id": [record.image_id], "v": [value]})}


def test_a_save_after_a_revision_of_a_far_number_is_seen(dataset, record, record_folder):
    history = record_folder / "analysis/history"
    record.save_metadata_payload({"v": 0})
    stamps = {record.file_stamp(["metadata.json"])}
    shutil.copy(history / "metadata.00000000.json", history / "metadata.99999999.json")
    for value in (1, 2):
        record.save_metadata_payload({"v": value})
        stamps.add(record.file_stamp(["metadata.json"]))
        assert record.load_metadata_payload() == {"v": value}
    assert (len(stamps), record.list_revisions()) == (3, [0, 99_999_999, 100_000_000, 100_000_001])


def test_the_older_revision_under_a_far_number_is_not_believed_and_set_aside(dataset, record, record_folder):
    for value in (0, 1):
        record.save_metadata_payload({"v": value})
    history = record_folder / "analysis/history"
    shutil.copy(history / "metadata.00000000.json", history / "metadata.99999999.json")
    assert record.load_metadata_payload() == {"v": 1}
    found = dataset.verify(repair=True)
    assert "lies in the place of revision 99999999 and says that it is revision 0" in str(found.problems[0])
    assert (dataset.verify(deep=True).problems, record.list_revisions()) == ((), [0, 1])


def test_a_commit_of_a_far_number_hides_no_later_one(dataset, record):
    commits = dataset.path / "tables/.commits"
    for value in (0, 1):
        dataset.replace_rows("mine", rows(record, value))
    shutil.copy(commits / "mine.00000001.parquet", commits / "mine.99999999.parquet")
    assert dataset.load_table("mine")["v"].tolist() == [1]
    for value in (2, 3):
        dataset.replace_rows("mine", rows(record, value))
        assert dataset.load_table("mine")["v"].tolist() == [value]


def test_the_last_number_of_all_is_refused_with_the_file_that_has_it(dataset, record, record_folder):
    record.save_metadata_payload({"v": 0})
    dataset.replace_rows("mine", rows(record, 0))
    dataset.replace_rows("mine", rows(record, 1))
    (record_folder / f"analysis/history/metadata.{10**17 - 1}.json").write_text("{}")
    (dataset.path / f"tables/.commits/mine.{10**17 - 1}.parquet").write_text("")
    with pytest.raises(DamagedError, match=r"metadata\.99999999999999999\.json has the highest number"):
        record.save_metadata_payload({"v": 1})
    with pytest.raises(DamagedError, match="a commit of the table 'mine' has the highest number"):
        dataset.replace_rows("mine", rows(record, 2))
    assert (record.load_metadata_payload(), dataset.load_table("mine")["v"].tolist()) == ({"v": 0}, [1])
