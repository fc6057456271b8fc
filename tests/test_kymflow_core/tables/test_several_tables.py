"""Several tables that are updated together are just what they are when they are updated one after another."""

import shutil
from concurrent.futures import ThreadPoolExecutor

import pandas as pd
import pytest
from laboratory import RADON, TABLE, KeysOfADict, Noting, add_image, analyse, edit_roi, stale, stored_rows

from kymflow_core import ImageIndexer, KymDataset, RoiIndexer, VelocityEventsIndexer
from kymflow_core.indexers import INDEXERS
from kymflow_zarr import Watch, ZarrDataset
from kymflow_zarr.disk import steps
from kymflow_zarr.errors import DamagedError, ReadOnlyError

TABLES = tuple(indexer.table_name for indexer in INDEXERS)


@pytest.fixture
def lab(tmp_path):
    """Three images with ROIs 1 and 2: one with a report of both, one whose ROI was changed after it, one without."""
    dataset = ZarrDataset.create(tmp_path / "lab.zarr")
    first, second, _ = (add_image(dataset, 1, 2) for _ in range(3))
    analyse(first, 1, 2)
    analyse(second, 1, 2)
    edit_roi(second, 1, x1=12)
    return dataset


def copy_of(dataset, name):
    return KymDataset(shutil.copytree(dataset.path, dataset.path.with_name(name)))


def analysed(dataset):
    """The id of an image that has a report."""
    return next(record.image_id for record in dataset.iter_records() if record.has_analysis(f"{TABLE}.parquet"))


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["rebuild", "refresh"])
def test_tables_and_reports_are_those_of_one_after_another(lab, mode):
    together, apart = KymDataset(lab), copy_of(lab, "apart.zarr")
    updated = getattr(together, f"{mode}_tables")(INDEXERS)
    assert updated.checked() == tuple(getattr(apart, mode)(indexer) for indexer in INDEXERS)
    assert {name: stored_rows(together, name) for name in TABLES} == {name: stored_rows(apart, name) for name in TABLES}
    for indexer in INDEXERS:
        pd.testing.assert_frame_equal(together.freshness(indexer), apart.freshness(indexer))


def test_only_the_tables_that_are_behind_are_written(lab):
    kd = KymDataset(lab)
    kd.rebuild_tables(INDEXERS)
    digests = {name: lab.table_digest(name) for name in TABLES}
    record = lab.record(lab.list_image_ids()[0])
    record.save_df_parquet("velocity_events", pd.DataFrame())
    kd.refresh_tables(INDEXERS)
    changed = {name for name in TABLES if lab.table_digest(name) != digests[name]}
    assert changed == {"images", "velocity_events", "reviews"}
    assert all(not stale(kd, indexer) for indexer in INDEXERS)


def test_some_images_only(lab):
    kd, (one, *others) = KymDataset(lab), lab.list_image_ids()
    updated = kd.refresh_tables(INDEXERS, image_ids=[one])
    assert {image_id for report in updated.reports for image_id in report.rows} == {one}
    assert stale(kd, ImageIndexer()) == set(others)


def test_any_executor_gives_the_same_tables(lab):
    kd = KymDataset(lab)
    expected = kd.rebuild_tables(INDEXERS), {name: stored_rows(kd, name) for name in TABLES}
    with ThreadPoolExecutor(2) as executor:
        found = kd.rebuild_tables(INDEXERS, executor=executor)
    assert (found, {name: stored_rows(kd, name) for name in TABLES}) == expected


def test_each_file_of_an_image_is_opened_once_for_all_tables_but_its_pixels(lab, monkeypatch):
    record = lab.record(analysed(lab))
    opened, real = [], steps._open_regular

    def noted(path, flags=0):
        found = real(path, flags)
        opened.append(path)
        return found

    monkeypatch.setattr(steps, "_open_regular", noted)
    KymDataset(lab).rebuild_tables([ImageIndexer(), RoiIndexer(), RADON, VelocityEventsIndexer()])
    own = [path for path in opened if f"/{record.image_id}/" in path and "/data/" not in path]
    assert len(own) == len(set(own)) > 3


def test_a_cancelled_run_leaves_every_table_sound_with_what_was_done(lab):
    kd, done = KymDataset(lab), []
    watch = Watch(progress=lambda number, *_: done.append(number), is_cancelled=lambda: len(done) >= 1)
    reports = kd.rebuild_tables(INDEXERS, watch=watch).checked()
    assert all(report.is_cancelled and len(report.states) == 1 for report in reports)
    assert len(stored_rows(kd, "images")) == 1
    assert len(stale(kd, ImageIndexer())) == 2
    kd.refresh_tables(INDEXERS)
    assert all(not stale(kd, indexer) for indexer in INDEXERS)


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [None, 2])
def test_ctrl_c_leaves_every_table_sound_with_what_was_done(lab, jobs):
    kd = KymDataset(lab)

    def press(number, *_):
        raise KeyboardInterrupt

    with ThreadPoolExecutor(jobs) as executor, pytest.raises(KeyboardInterrupt):
        kd.rebuild_tables(INDEXERS, watch=Watch(progress=press), executor=executor if jobs else None)
    assert len(stored_rows(kd, "images")) == 1
    assert len(stale(kd, ImageIndexer())) == len(stale(kd, RoiIndexer())) == 2
    kd.refresh_tables(INDEXERS)
    assert all(not stale(kd, indexer) for indexer in INDEXERS)


def test_what_changes_after_one_indexer_has_read_it_is_seen_by_all(lab):
    image_id = analysed(lab)
    changes = iter([2.5])

    def change(asked):
        if asked == image_id:
            for mean in changes:
                analyse(lab.record(image_id), 1, mean=mean)

    class Counting(KeysOfADict):
        reads = (f"{TABLE}.parquet",)

        def extract_rows(self, rec):
            return pd.DataFrame(
                {"image_id": [rec.image_id], "diameter_um": rec.load_df_parquet(TABLE)["mean_velocity"][:1]}
            )

    kd = KymDataset(lab)
    kd.rebuild_tables([Counting(), Noting(before=change), RoiIndexer()], image_ids=[image_id])
    assert set(kd.get_table("diameter")["diameter_um"]) == set(kd.get_table(TABLE)["mean_velocity"]) == {2.5}
    assert image_id not in stale(kd, Counting()) | stale(kd, RADON)


def test_an_indexer_that_changes_what_it_gets_does_not_change_what_the_next_gets(lab):
    class Careless(KeysOfADict):
        reads = ("metadata.json",)

        def extract_rows(self, rec):
            rec.load_metadata_payload()["rois"][0]["data"]["x1"] = 3
            return super().extract_rows(rec)

    kd = KymDataset(lab)
    kd.rebuild_tables([Careless(), RoiIndexer()]).checked()
    assert set(kd.get_table("rois")["x1"]) == {9, 12}


@pytest.mark.parametrize("mode", ["rebuild", "refresh"])
def test_a_table_that_cannot_be_used_does_not_stop_the_others(lab, mode, monkeypatch):
    kd = KymDataset(lab)
    kd.rebuild_tables([RoiIndexer()])
    real = ZarrDataset.commit_arrow

    def commit(self, name, *args, **options):
        if name == "rois":
            raise DamagedError("the table rois is odd")
        return real(self, name, *args, **options)

    monkeypatch.setattr(ZarrDataset, "commit_arrow", commit)
    edit_roi(lab.record(lab.list_image_ids()[0]), 1, x1=15)
    updated = getattr(kd, f"{mode}_tables")([RoiIndexer(), ImageIndexer()])
    assert ([report.table_name for report in updated.reports], list(updated.unusable)) == (["images"], ["rois"])
    assert len(stored_rows(kd, "images")) == 3
    with pytest.raises(DamagedError, match="the table rois is odd"):
        updated.checked()


def test_where_nothing_can_be_written_the_first_table_says_so(lab):
    with pytest.raises(ReadOnlyError, match="mode 'a'"):
        KymDataset(lab.path, mode="r").rebuild_tables(INDEXERS)


def test_two_indexers_of_one_table_are_refused(lab):
    with pytest.raises(
        ValueError, match=r"two indexers fill one table; their tables are \['radon_report', 'radon_report'\]"
    ):
        KymDataset(lab).rebuild_tables([RADON, Noting()])
