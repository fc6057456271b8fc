"""A long table: a change of one image writes just its rows and its entry of the index; all else is as of a short one."""

from functools import partial

import pytest
from laboratory import RADON, TABLE, add_image, analyse, stale, states, stored_rows

from kymflow_core import KymDataset
from kymflow_zarr import ZarrDataset
from kymflow_zarr.tables.tables import PartLimits


@pytest.fixture
def kd(tmp_path, monkeypatch):
    """A dataset of twelve images with two rows each in a table that counts as long."""
    monkeypatch.setattr("kymflow_zarr.tables.tables.PartLimits", partial(PartLimits, least_rows=1))
    monkeypatch.setattr("kymflow_zarr.tables.index._LEAST_ENTRIES", 1)
    dataset = ZarrDataset.create(tmp_path / "long.zarr")
    for _ in range(12):
        analyse(add_image(dataset, 1, 2), 1, 2)
    kd = KymDataset(dataset)
    kd.rebuild(RADON)
    return kd


def change(kd, at, mean):
    record = kd.dataset.record(kd.dataset.list_image_ids()[at])
    analyse(record, 1, 2, mean=mean)
    return record.image_id


def parts(kd):
    return [
        path.name for folder in ("tables", "index") for path in sorted((kd.dataset.path / folder).glob(f"{TABLE}.part-*"))
    ]


def test_one_image_writes_its_rows_and_its_entry_only(kd):
    image_id = change(kd, 3, 0.9)
    whole = [kd.dataset.path / folder / f"{TABLE}.parquet" for folder in ("tables", "index")]
    before = [path.read_bytes() for path in whole]
    kd.refresh(RADON, image_ids=[image_id])
    assert [path.read_bytes() for path in whole] == before
    assert parts(kd) == [f"{TABLE}.part-00000001.parquet"] * 2


def test_the_rows_are_fresh_and_new(kd):
    image_id = change(kd, 3, 0.9)
    kd.refresh(RADON, image_ids=[image_id])
    assert (set(states(kd).values()), stale(kd)) == ({"fresh"}, set())
    rows = kd.get_table(TABLE)
    assert rows[rows["image_id"] == image_id]["mean_velocity"].tolist() == [0.9, 0.9]


def test_several_changes_one_after_another(kd):
    for at, mean in ((1, 0.1), (2, 0.2), (1, 0.3)):
        kd.update_image(RADON, change(kd, at, mean))
    assert stale(kd) == set()
    again = KymDataset(kd.dataset.path)
    before = stored_rows(again)
    again.rebuild(RADON)
    assert stored_rows(again) == before


def test_a_refresh_of_all_makes_one_file_and_all_stays_fresh(kd):
    kd.update_image(RADON, change(kd, 1, 0.1))
    before = stored_rows(kd)
    kd.refresh(RADON)
    assert (parts(kd), stored_rows(kd), stale(kd)) == ([], before, set())


@pytest.mark.slow
@pytest.mark.parametrize("folder", ["tables", "index"])
def test_a_part_that_is_lost_leaves_its_image_behind_or_all_as_it_is(kd, folder):
    image_id = change(kd, 1, 0.1)
    kd.update_image(RADON, image_id)
    before = stored_rows(kd)
    for path in kd.dataset.path.glob(f"{folder}/**/{TABLE}.*00000001.parquet"):
        path.unlink()
    for path in kd.dataset.path.glob(f"{folder}/.commits/{TABLE}.00000001.parquet"):
        path.unlink()
    assert stale(kd) == {image_id}
    kd.refresh(RADON)
    assert (stored_rows(kd), stale(kd)) == (before, set())


def test_an_image_that_loses_its_rows_is_out_of_the_table(kd):
    record = kd.dataset.record(kd.dataset.list_image_ids()[0])
    analyse(record)
    kd.update_image(RADON, record.image_id)
    assert record.image_id not in set(kd.get_table(TABLE)["image_id"])
    assert stale(kd) == set()
