"""A held record: each file is read once, and what was read stays."""

import pandas as pd
import pytest

from kymflow_zarr import METADATA_KEY, ZarrDataset
from kymflow_zarr.disk import steps
from kymflow_zarr.errors import RecordNotFoundError

KEY = "report.parquet"


def report(value):
    return pd.DataFrame({"v": [value]})


@pytest.fixture
def record(tmp_path):
    record = ZarrDataset.create(tmp_path / "made.zarr").add_image([[1, 2], [3, 4]])
    record.save_metadata_payload({"header": {"name": "scan"}})
    record.save_df_parquet("report", report(1), computed_from={"rois": {}})
    return record


@pytest.fixture
def dataset(record, tmp_path):
    return ZarrDataset(tmp_path / "made.zarr")


@pytest.fixture
def held(dataset, record):
    return dataset.held_record(record.image_id)


def all_of(record):
    """What an indexer and its freshness ask of a record."""
    return (
        record.file_stamp([KEY, METADATA_KEY]),
        record.fingerprint([KEY, METADATA_KEY]),
        record.load_computed_from(KEY),
        record.load_metadata_payload(),
        record.load_df_parquet("report").to_dict("list"),
        record.list_analysis_keys(),
        record.load_attributes(),
        record.get_shape(),
    )


def test_it_says_what_the_record_says(record, held):
    assert all_of(held) == all_of(record)


def test_each_file_is_opened_once(held, monkeypatch):
    opened, real = [], steps._open_regular
    monkeypatch.setattr(steps, "_open_regular", lambda path, flags=0: opened.append(path) or real(path, flags))
    for _ in range(2):
        all_of(held)
    names = sorted(path.rpartition("/")[2] for path in opened)
    assert names == ["metadata.00000000.json", "metadata.json", "report.parquet", "zarr.json", "zarr.json"]


def test_a_later_save_is_not_seen(record, held):
    before = all_of(held)
    record.save_df_parquet("report", report(2))
    record.save_metadata_payload({"header": {"name": "other"}})
    assert all_of(held) == before


def test_who_changes_the_metadata_that_it_got_changes_them_for_nobody_else(held):
    before = held.fingerprint([METADATA_KEY])
    held.load_metadata_payload()["header"]["name"] = "other"
    assert held.load_metadata_payload() == {"header": {"name": "scan"}}
    assert held.fingerprint([METADATA_KEY]) == before


def test_an_earlier_revision_can_be_asked_for(record, held):
    record.save_metadata_payload({"header": {"name": "other"}})
    assert held.load_metadata_payload(revision=0) == {"header": {"name": "scan"}}


def test_looking_again_sees_it(record, held):
    all_of(held)
    record.save_df_parquet("report", report(2))
    assert all_of(held.again()) == all_of(record)


def test_there_is_none_of_a_record_that_is_not_there(dataset):
    with pytest.raises(RecordNotFoundError, match=r"no record 'x' in .*; it has 1 record"):
        dataset.held_record("x")
