"""Folders, links and pipes in the place of files: one bad record is one bad record, and everything ends."""

import os
import shutil
import signal
import sys
from contextlib import suppress

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from kymflow_zarr import ZarrDataset
from kymflow_zarr.errors import DamagedError
from kymflow_zarr.tables.index import TableIndex

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="has no pipes among files, and links need a right")

ODD = {
    "folder": lambda place: (place.mkdir(), (place / "inside").write_text("x")),
    "pipe": os.mkfifo,
    "link to another disk": lambda place: place.symlink_to("/etc"),
    "link to nothing": lambda place: place.symlink_to("gone"),
    "link to itself": lambda place: place.symlink_to(place.name),
}
OF_RECORD = (
    "",
    "zarr.json",
    "data",
    "data/zarr.json",
    "analysis",
    "analysis/metadata.json",
    "analysis/history",
    "analysis/history/metadata.00000001.json",
    "analysis/history/metadata.00000002.json",
    "analysis_arrays",
)
OF_TABLE = ("tables/images.parquet", "tables/.commits/images.00000001.parquet", "tables/.commits/images.00000007.parquet")


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """A dataset of two records, each with two revisions, a table of two commits, and an index; tests copy it."""
    dataset = ZarrDataset.create(tmp_path_factory.mktemp("sound") / "sound.zarr")
    for _ in "ab":
        record = dataset.add_image(np.ones((4, 3), np.uint8))
        for number in range(2):
            record.save_metadata_payload({"number": number})
        record.save_json("params", {"window": 16})
        record.save_array_artifact("mask", np.ones((4, 3), bool))
    for value in range(2):
        rows = {one: pd.DataFrame({"image_id": [one], "v": [value]}) for one in dataset.list_image_ids()}
        dataset.replace_rows("images", rows)
    dataset.rebuild_manifest()
    return dataset.path


@pytest.fixture
def dataset(sound, tmp_path):
    return ZarrDataset(shutil.copytree(sound, tmp_path / "odd.zarr"))


@pytest.fixture(autouse=True)
def ends():
    """Whatever waits or goes on for ever fails."""

    def fail(*_):
        raise AssertionError("it does not end")

    was = signal.signal(signal.SIGALRM, fail)
    signal.alarm(30)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, was)


def put(place, make):
    if place.is_dir():
        shutil.rmtree(place)
    else:
        place.unlink(missing_ok=True)
    make(place)


def use(record):
    """Read all of a record, and save into it."""
    record.load_array()
    record.save_json("params", record.load_json("params"))
    record.load_array_artifact("mask")
    record.save_metadata_payload({"number": record.load_revision().number + 1})


@pytest.mark.slow
@pytest.mark.parametrize("name", ODD)
def test_one_bad_record_is_named_and_the_others_work(dataset, sound, tmp_path, name):
    bad, good = dataset.list_image_ids()
    for at, key in enumerate(OF_RECORD):
        path = shutil.copytree(sound, tmp_path / f"{at}.zarr")
        put(path / "images" / bad / key, ODD[name])
        dataset = ZarrDataset(path)
        assert [entry.image_id for entry in dataset.load_manifest().damaged] in ([], [bad])
        assert [record.image_id for record in dataset.iter_records()] == [bad, good]
        use(dataset.record(good))
        dataset.collect_garbage()
        problems = dataset.verify(deep=True).problems
        assert problems, key
        assert all(bad in problem.where or problem.where.startswith("index") for problem in problems), (key, problems)
        dataset.verify(deep=True, repair=True)
        use(dataset.record(good))


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in ODD if name != "folder"])
@pytest.mark.parametrize("key", ["analysis/params.json", "analysis/new.parquet", "analysis_arrays/mask"])
def test_what_is_no_file_among_the_results_is_named_and_set_aside(dataset, name, key):
    bad, _ = dataset.list_image_ids()
    put(dataset.path / "images" / bad / key, ODD[name])
    problems = dataset.verify(repair=True).problems
    assert [problem.where for problem in problems] == [f"images/{bad}/{key}"]
    assert dataset.verify(deep=True).problems == ()


@pytest.mark.parametrize("name", ODD)
def test_derived_files_are_made_again(dataset, name):
    dataset.save_table_index("images", TableIndex(pa.table({"image_id": ["x"]}), ""))
    for key in ("index/manifest.json.gz", "index/images.parquet"):
        put(dataset.path / key, ODD[name])
    assert (len(dataset.load_manifest().entries), dataset.load_table_index("images")) == (2, None)
    dataset.save_table_index("images", TableIndex(pa.table({"image_id": ["x"]}), ""))
    dataset.rebuild_manifest()
    assert dataset.verify(deep=True).problems == ()


@pytest.mark.slow
@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("key", OF_TABLE)
def test_rows_are_replaced_or_refused_and_a_repair_makes_the_table_whole(dataset, name, key):
    put(dataset.path / key, ODD[name])
    rows = {one: pd.DataFrame({"image_id": [one], "v": [7]}) for one in dataset.list_image_ids()}
    with suppress(DamagedError):
        dataset.replace_rows("images", rows)
    assert dataset.verify(repair=True).exit_code == 0
    dataset.replace_rows("images", rows)
    assert dataset.load_table("images")["v"].tolist() == [7, 7]
    assert dataset.verify(deep=True).problems == ()


def test_a_record_of_another_user_is_not_called_missing(dataset, monkeypatch):
    bad, good = dataset.list_image_ids()
    locked, real = str(dataset.path / "images" / bad), {name: getattr(os, name) for name in ("stat", "open", "listdir")}

    def refusing(name):
        def call(path, *args, **options):
            if isinstance(path, str) and path.startswith(f"{locked}/"):
                raise PermissionError(13, "Permission denied", path)
            return real[name](path, *args, **options)

        return call

    with monkeypatch.context() as patch:
        for name in real:
            patch.setattr(os, name, refusing(name))
        problems = [str(problem) for problem in dataset.verify().problems]
        assert any("Permission denied" in one for one in problems)
        assert all(bad in one for one in problems)
        use(dataset.record(good))
        with pytest.raises(PermissionError, match="Permission denied"):
            dataset.record(bad).load_revision()
    use(dataset.record(bad))
