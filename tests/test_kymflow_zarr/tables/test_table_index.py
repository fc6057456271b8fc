"""The index of a table, and its parts: newer entries of some images, which hold only upon the file that they name."""

import pyarrow as pa
import pytest

from kymflow_zarr import TableIndex, ZarrDataset

TABLE = "velocity"
PART = "index/velocity.part-00000001.parquet"


def entries(**values):
    return pa.table({"image_id": list(values), "v": list(values.values())})


@pytest.fixture
def dataset(tmp_path, monkeypatch):
    """A dataset with an index of three images, which counts as long."""
    monkeypatch.setattr("kymflow_zarr.tables.index._LEAST_ENTRIES", 1)
    dataset = ZarrDataset.create(tmp_path / "lab.zarr")
    dataset.save_table_index(TABLE, TableIndex(entries(a=1, b=2, c=3), "one"))
    return dataset


def add(dataset, digest, **values):
    dataset.save_table_index(TABLE, TableIndex(entries(**values), digest), upon=dataset.load_table_index(TABLE))


def stored(dataset):
    index = dataset.load_table_index(TABLE)
    return dict(zip(*index.rows.to_pydict().values(), strict=True)), index.table_digest


def test_newer_entries_are_written_by_themselves(dataset):
    before = (dataset.path / "index/velocity.parquet").stat().st_mtime_ns
    add(dataset, "two", b=9, d=4)
    assert stored(dataset) == ({"a": 1, "b": 9, "c": 3, "d": 4}, "two")
    assert (dataset.path / "index/velocity.parquet").stat().st_mtime_ns == before


def test_a_part_upon_a_part(dataset):
    add(dataset, "two", b=9)
    add(dataset, "three", b=8, c=7)
    assert stored(dataset) == ({"a": 1, "b": 8, "c": 7}, "three")


def test_entries_of_a_short_index_are_written_with_all(dataset, monkeypatch):
    monkeypatch.setattr("kymflow_zarr.tables.index._LEAST_ENTRIES", 100)
    add(dataset, "two", b=9)
    assert (stored(dataset), (dataset.path / PART).exists()) == (({"a": 1, "b": 9, "c": 3}, "two"), False)


def test_more_parts_than_the_limit_become_one_file(dataset, monkeypatch):
    monkeypatch.setattr("kymflow_zarr.tables.index._MOST_PARTS", 2)
    for value in range(3):
        add(dataset, f"{value}", b=value)
    assert stored(dataset) == ({"a": 1, "b": 2, "c": 3}, "2")
    assert sorted(path.name for path in (dataset.path / "index").glob("velocity*")) == ["velocity.parquet"]


def test_a_part_upon_another_file_counts_no_longer(dataset):
    add(dataset, "two", b=9)
    part = (dataset.path / PART).read_bytes()
    dataset.save_table_index(TABLE, TableIndex(entries(a=5), "new"))
    (dataset.path / PART).write_bytes(part)  # as after a crash before it was removed
    assert stored(dataset) == ({"a": 5}, "new")
    add(dataset, "newer", b=6)
    assert stored(dataset) == ({"a": 5, "b": 6}, "newer")


@pytest.mark.parametrize("how", ["gone", "torn", "flipped"])
def test_a_lost_part_leaves_what_was_known_before(dataset, how):
    add(dataset, "two", b=9)
    add(dataset, "three", c=9)
    data = (dataset.path / PART).read_bytes()
    (dataset.path / PART).unlink()
    if how != "gone":
        (dataset.path / PART).write_bytes(data[:-20] if how == "torn" else data[:30] + bytes([data[30] ^ 1]) + data[31:])
    assert stored(dataset) == ({"a": 1, "b": 2, "c": 3}, "one")


def test_a_damaged_part_is_named_and_set_aside(dataset):
    add(dataset, "two", b=9)
    (dataset.path / PART).write_bytes(b"torn")
    assert [problem.where for problem in dataset.verify(repair=True).problems] == [PART]
    assert dataset.verify(deep=True).problems == ()
