"""Files and folders in the place of others: found by a deep look, never read as the other's, and no repair hides it."""

import itertools
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from kymflow_zarr import ZarrDataset
from kymflow_zarr.errors import KymflowZarrError
from kymflow_zarr.formats.places import UNBOUND
from kymflow_zarr.formats.seals import UNSEALED
from kymflow_zarr.tables.index import TableIndex

GOLDEN = Path(__file__).parents[2] / "golden"
FOLDERS = (
    "",
    "analysis",
    "analysis/history",
    "analysis/radon",
    "analysis_arrays",
    "analysis_arrays/labels",
    "analysis_arrays/labels/data",
    "analysis_arrays/labels/data/c",
    "data",
    "data/c",
)
"""Of a record."""
FILES = (
    "zarr.json",
    "data/zarr.json",
    "data/c/0/0",
    "analysis_arrays/labels/zarr.json",
    "analysis_arrays/labels/data/zarr.json",
    "analysis_arrays/labels/data/c/0/0",
    "analysis/zarr.json",
    "analysis/metadata.json",
    "analysis/history/metadata.00000000.json",
    "analysis/history/metadata.00000002.json",
    "analysis/provenance.json",
    "analysis/radon/params.json",
    "analysis/report.parquet",
    "analysis/velocity.csv.gz",
)


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """A dataset of two records with the same names and shapes in them, two tables, and an index of each; tests copy it."""
    dataset = ZarrDataset.create(tmp_path_factory.mktemp("sound") / "sound.zarr")
    rng = np.random.default_rng(1)
    for at in range(2):
        record = dataset.add_image(rng.integers(0, 9, (8, 4)).astype(np.uint8))
        for number in range(3):
            record.save_metadata_payload({"rois": [], "next_roi_id": 10 * at + number})
        for name in ("provenance", "radon/params", "other"):
            record.save_json(name, {"at": at, "name": name})
        for name in ("report", "events"):
            record.save_df_parquet(name, pd.DataFrame({name: [at, 1]}))
        record.save_df_csv_gz("velocity", pd.DataFrame({"v": [at]}))
        record.save_array_artifact("mask", rng.random((8, 4)) > 0.5, held_by_metadata=True)
        record.save_array_artifact("labels", rng.integers(0, 9, (8, 4)))
    for name in ("images", "velocity"):
        for value in range(2):
            rows = pd.DataFrame({"image_id": dataset.list_image_ids(), name: value})
            digest = dataset.save_table(name, rows)
        dataset.save_table_index(name, TableIndex(pa.Table.from_pandas(rows), digest))
    dataset.rebuild_manifest()
    assert dataset.verify(deep=True).problems == ()
    return dataset.path


@pytest.fixture
def path(sound, tmp_path):
    return shutil.copytree(sound, tmp_path / "exchanged.zarr")


def exchange(one, other):
    aside = one.with_name(f"{one.name}.aside")
    one.rename(aside)
    other.rename(one)
    aside.rename(other)


def content(path):
    """Return all that can be read, by what it is; what raises one of our errors is left out."""
    dataset, found = ZarrDataset(path, mode="r"), {}

    def read(what, load):
        try:
            found[what] = repr(load())
        except (KymflowZarrError, OSError):
            return

    for image_id in dataset.list_image_ids():
        record = dataset.record(image_id)
        read((image_id, "attributes"), record.load_attributes)
        read((image_id, "pixels"), lambda: record.load_array().tolist())  # noqa: B023
        read((image_id, "metadata"), record.load_metadata_payload)
        for key in record.list_analysis_keys():
            load = {"json": record.load_json, "parquet": record.load_df_parquet, "gz": record.load_df_csv_gz}
            name = key.partition(".")[0]
            read((image_id, key), lambda: load[key.rpartition(".")[2]](name))  # noqa: B023
        for name in record.list_array_artifacts():
            read((image_id, name), lambda: record.load_array_artifact(name).tolist())  # noqa: B023
    return found


def verdict(path, before):
    """Return what is wrong with how an exchange is answered; empty when nothing is."""
    try:
        dataset = ZarrDataset(path)
        if not dataset.verify(deep=True).problems:
            return "not found"
        report = dataset.verify(deep=True, repair=True)
        report = dataset.verify(deep=True) if report.exit_code == 0 else report
    except (KymflowZarrError, OSError) as error:
        return "" if path.name not in str(error) else f"ends in {error!r}"
    after = content(path)
    if report.exit_code == 0 and after != before:
        return (
            f"called sound after a repair, but {[key for key in {**before, **after} if after.get(key) != before.get(key)]}"
        )
    return "" if report.exit_code in (0, 2) else f"not repaired: {report.problems}"


@pytest.mark.slow
@pytest.mark.parametrize("key", FOLDERS, ids=lambda key: key or "whole record")
def test_folders_of_two_records_that_were_exchanged_are_found(path, key):
    before = content(path)
    one, other = (path / "images" / image_id / key for image_id in ZarrDataset(path).list_image_ids())
    exchange(one, other)
    assert verdict(path, before) == ""
    assert ZarrDataset(path).verify(deep=True).damaged_records == 2


@pytest.mark.slow
@pytest.mark.parametrize("key", FILES)
def test_files_of_two_records_that_were_exchanged_are_found(path, key):
    before = content(path)
    one, other = (path / "images" / image_id / key for image_id in ZarrDataset(path).list_image_ids())
    exchange(one, other)
    assert verdict(path, before) == ""


EXCHANGES = {
    "JSON artifacts": ("images/ID/analysis/radon/params.json", "images/ID/analysis/other.json"),
    "Parquet artifacts": ("images/ID/analysis/report.parquet", "images/ID/analysis/events.parquet"),
    "arrays": ("images/ID/analysis_arrays/mask", "images/ID/analysis_arrays/labels"),
    "revisions": ("images/ID/analysis/history/metadata.00000001.json", "images/ID/analysis/history/metadata.00000002.json"),
    "artifact and revision": ("images/ID/analysis/other.json", "images/ID/analysis/history/metadata.00000001.json"),
    "artifact and table": ("images/ID/analysis/events.parquet", "tables/images.parquet"),
    "tables": ("tables/images.parquet", "tables/velocity.parquet"),
    "commits": ("tables/.commits/images.00000001.parquet", "tables/.commits/velocity.00000001.parquet"),
    "table and index": ("tables/images.parquet", "index/images.parquet"),
    "indexes": ("index/images.parquet", "index/velocity.parquet"),
    "groups": ("tables/zarr.json", "index/zarr.json"),
    "groups of arrays": ("images/ID/analysis_arrays/mask/zarr.json", "images/ID/analysis_arrays/labels/zarr.json"),
    "manifest and index": ("index/manifest.json.gz", "index/images.parquet"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", EXCHANGES)
def test_things_of_one_dataset_that_were_exchanged_are_found(path, name):
    before = content(path)
    image_id = ZarrDataset(path).list_image_ids()[0]
    exchange(*(path / key.replace("ID", image_id) for key in EXCHANGES[name]))
    assert verdict(path, before) == ""


@pytest.mark.trials
def test_any_two_files_that_were_exchanged_are_found(sound, tmp_path, count, trials):
    """Every pair of files, also of different kinds; the root, without which nothing opens, is tried by itself."""
    files = [file.relative_to(sound) for file in sorted(sound.rglob("*")) if file.is_file() and file.parent != sound]
    pairs = list(itertools.combinations(files, 2))
    step = max(1, len(pairs) // trials.damages)
    before, wrong = content(sound), []
    pairs = pairs[::step]
    for at, (one, other) in enumerate(pairs):
        path = shutil.copytree(sound, tmp_path / f"{at}.zarr")
        if (path / one).read_bytes() == (path / other).read_bytes():  # alike: nothing is exchanged
            shutil.rmtree(path)
            continue
        exchange(path / one, path / other)
        if answer := verdict(path, before):
            wrong.append(f"{one} and {other}: {answer}")
        shutil.rmtree(path)
    count("exchanges tried", len(pairs))
    assert not wrong, f"{len(wrong)} of {len(pairs)}:\n" + "\n".join(wrong)


@pytest.mark.trials
def test_any_file_that_lies_over_another_is_found(sound, tmp_path, count, trials):
    files = [file.relative_to(sound) for file in sorted(sound.rglob("*")) if file.is_file() and file.parent != sound]
    pairs = list(itertools.permutations(files, 2))
    step = max(1, len(pairs) // trials.damages)
    before, wrong = content(sound), []
    pairs = pairs[::step]
    for at, (one, other) in enumerate(pairs):
        path = shutil.copytree(sound, tmp_path / f"{at}.zarr")
        if (path / one).read_bytes() == (path / other).read_bytes():
            continue
        (path / other).write_bytes((path / one).read_bytes())
        if answer := verdict(path, before):
            wrong.append(f"{one} over {other}: {answer}")
        shutil.rmtree(path)
    count("files put over others", len(pairs))
    assert not wrong, f"{len(wrong)} of {len(pairs)}:\n" + "\n".join(wrong)


def test_a_record_that_was_copied_under_another_id_is_found_and_is_none_of_two(path):
    image_id = ZarrDataset(path).list_image_ids()[0]
    copied = "00000000-0000-4000-8000-000000000001"
    shutil.copytree(path / "images" / image_id, path / "images" / copied)
    for repair in (False, True, False):
        report = ZarrDataset(path).verify(repair=repair)
        assert (report.exit_code, report.damaged_records) == (2, 1)
        assert f"it says that it is zarr.json of record {image_id}" in " ".join(map(str, report.problems))
    with pytest.raises(
        KymflowZarrError, match=f"is not in its place: it says that it is data/zarr.json of record {image_id}"
    ):
        ZarrDataset(path).record(copied).load_array()
    assert (path / "images" / copied / "analysis/history/metadata.00000002.json").exists()


@pytest.mark.parametrize("deep", [True, False])
def test_the_root_of_another_dataset_is_found(path, tmp_path, deep):
    other = ZarrDataset.create(tmp_path / "other.zarr")
    shutil.copy(other.path / "zarr.json", path / "zarr.json")
    for repair in (False, True, False):
        report = ZarrDataset(path).verify(deep=deep, repair=repair)
        assert report.exit_code == 2
        assert f"zarr.json: is not in its place: it is of dataset {other.dataset_id}" in str(report.problems[0])


def test_a_group_of_another_dataset_is_made_again(path, tmp_path):
    other = ZarrDataset.create(tmp_path / "other.zarr")
    shutil.copy(other.path / "tables/zarr.json", path / "tables/zarr.json")
    report = ZarrDataset(path).verify(deep=True, repair=True)
    assert [(problem.where, problem.repaired) for problem in report.problems] == [("tables/zarr.json", True)]
    assert ZarrDataset(path).verify(deep=True).problems == ()


def test_a_revision_that_is_missing_in_the_middle_is_found_and_stays_so(path):
    image_id = ZarrDataset(path).list_image_ids()[0]
    (path / "images" / image_id / "analysis/history/metadata.00000001.json").unlink()
    for repair in (False, True, False):
        report = ZarrDataset(path).verify(deep=True, repair=repair)
        assert report.exit_code == 2
        assert "metadata.00000001.json: is gone, and a later one was saved upon it" in str(report.problems[0])


def test_a_damaged_revision_that_a_repair_set_aside_is_none_that_is_missing(path):
    image_id = ZarrDataset(path).list_image_ids()[0]
    middle = path / "images" / image_id / "analysis/history/metadata.00000001.json"
    middle.write_bytes(middle.read_bytes()[:-40])
    assert ZarrDataset(path).verify(deep=True, repair=True).exit_code == 0
    assert ZarrDataset(path).verify(deep=True).problems == ()


def test_a_newest_revision_of_another_record_is_not_believed(path):
    one, other = ZarrDataset(path).list_image_ids()
    history = "analysis/history/metadata.00000003.json"
    ZarrDataset(path).record(other).save_metadata_payload({"rois": [], "theirs": True})
    shutil.copy(path / "images" / other / history, path / "images" / one / history)
    record = ZarrDataset(path).record(one)
    assert (record.load_revision().number, "theirs" in record.load_metadata_payload()) == (2, False)
    assert ZarrDataset(path).verify(deep=True, repair=True).exit_code == 0
    assert (ZarrDataset(path).verify(deep=True).problems, record.list_revisions()) == ((), [0, 1, 2])


def test_the_readable_copy_of_another_record_is_no_edit_by_hand(path):
    one, other = ZarrDataset(path).list_image_ids()
    before = ZarrDataset(path).record(one).load_metadata_payload()
    shutil.copy(path / "images" / other / "analysis/metadata.json", path / "images" / one / "analysis/metadata.json")
    report = ZarrDataset(path).verify(repair=True)
    assert [problem.what for problem in report.problems] == [
        f"is the readable copy of the metadata of record {other}, and of no revision of this one"
    ]
    assert ZarrDataset(path).record(one).load_metadata_payload() == before
    assert ZarrDataset(path).verify(deep=True).problems == ()


@pytest.mark.slow
@pytest.mark.parametrize(("store", "what"), [("v2.zarr", UNSEALED), ("v2-sealed.zarr", UNBOUND)])
def test_what_an_earlier_version_wrote_is_read_and_a_repair_binds_it(tmp_path, store, what):
    path = shutil.copytree(GOLDEN / store, tmp_path / "golden.zarr")
    before = content(path)
    problems = ZarrDataset(path).verify(deep=True).problems
    assert ({problem.what for problem in problems}, ZarrDataset(path).verify().problems) == ({what}, ())
    assert ZarrDataset(path).verify(deep=True, repair=True).exit_code == 0
    assert ZarrDataset(path).verify(deep=True).problems == ()
    assert content(path) == before
    one, other = (path / "images" / image_id / "data/c" for image_id in ZarrDataset(path).list_image_ids())
    exchange(one, other)
    assert ZarrDataset(path).verify(deep=True).damaged_records == 2
