"""The manifest: fast where it holds, never trusted where it does not, and what lists and opening cost."""

import gzip
import json
import os
import shutil
from collections import Counter

import numpy as np
import pytest

from kymflow_zarr import Manifest, ManifestEntry, ZarrDataset
from kymflow_zarr.disk import steps
from kymflow_zarr.errors import DamagedError

RECORDS = 12
ORDERS = ["image_id", "created_utc", "acquired_local_epoch_ns"]


@pytest.fixture(scope="module")
def unlisted_original(tmp_path_factory):
    """A dataset of some records, a third of them without an acquisition time; tests copy it."""
    dataset = ZarrDataset.create(tmp_path_factory.mktemp("unlisted") / "made.zarr")
    for number in range(RECORDS):
        with dataset.build_record(np.zeros((3, 2), np.uint16)) as draft:
            acquired = None if number % 3 == 0 else (number * 7) % 5
            draft.save_metadata_payload({"header": {"name": f"scan {number}", "acquired_local_epoch_ns": acquired}})
    return dataset.path


@pytest.fixture
def listed(unlisted_original, tmp_path):
    """A dataset of some records, a third of them without an acquisition time, with its manifest stored."""
    dataset = ZarrDataset(shutil.copytree(unlisted_original, tmp_path / "made.zarr"))
    dataset.rebuild_manifest()
    return dataset


@pytest.fixture
def opened_files(monkeypatch):
    """How often each file below a dataset was opened, by what it is; taken at the only step that opens files."""
    counts: Counter[str] = Counter()
    open_regular = steps._open_regular

    def count(path, flags=0):
        parts = path.split(".zarr/", 1)[1].split("/")
        counts["/".join("ID" if part.count("-") == 4 else part for part in parts)] += 1
        return open_regular(path, flags)

    monkeypatch.setattr(steps, "_open_regular", count)
    return counts


def manifest_path(dataset):
    return dataset.path / "index/manifest.json.gz"


def ids(records):
    return [record.image_id for record in records]


def set_time(dataset, image_id, acquired):
    record = dataset.record(image_id)
    record.save_metadata_payload({"header": {"acquired_local_epoch_ns": acquired}})


class TestCost:
    def test_opening_reads_one_file_however_many_records_there_are(self, listed, opened_files):
        ZarrDataset(listed.path, mode="r")
        assert opened_files == {"zarr.json": 1}

    def test_rebuilding_reads_each_record_once(self, listed, opened_files):
        listed.rebuild_manifest()
        assert opened_files == {
            "images/ID/zarr.json": RECORDS,
            "images/ID/data/zarr.json": RECORDS,
            "images/ID/analysis/metadata.json": RECORDS,
            "images/ID/analysis/history/metadata.00000000.json": RECORDS,
        }

    @pytest.mark.parametrize("order_by", ORDERS[1:])
    def test_a_list_with_the_manifest_reads_only_the_manifest(self, listed, opened_files, order_by):
        list(listed.iter_records(order_by=order_by))
        assert opened_files == {"index/manifest.json.gz": 1}

    @pytest.mark.parametrize("order_by", ORDERS)
    def test_no_list_reads_pixels(self, listed, opened_files, order_by):
        manifest_path(listed).unlink()
        list(listed.iter_records(order_by=order_by))
        listed.load_manifest()
        assert [key for key in opened_files if "/data/c" in key] == []

    def test_one_changed_record_is_the_only_one_read_again(self, listed, opened_files):
        set_time(listed, listed.list_image_ids()[0], 99)
        opened_files.clear()
        listed.load_manifest()
        assert opened_files["images/ID/zarr.json"] == 1


class TestTruth:
    @pytest.mark.parametrize("order_by", ORDERS)
    @pytest.mark.parametrize("missing", ["first", "last"])
    def test_the_order_is_the_same_without_it(self, listed, order_by, missing):
        with_it = ids(listed.iter_records(order_by=order_by, missing=missing))
        manifest_path(listed).unlink()
        assert ids(listed.iter_records(order_by=order_by, missing=missing)) == with_it

    @pytest.mark.parametrize(
        "change",
        [
            pytest.param(lambda dataset: set_time(dataset, dataset.list_image_ids()[3], -5), id="a save"),
            pytest.param(lambda dataset: dataset.delete_image(dataset.list_image_ids()[3]), id="a deletion"),
            pytest.param(lambda dataset: dataset.add_image(np.zeros((2, 2))), id="a new image"),
            pytest.param(lambda dataset: edit_by_hand(dataset, dataset.list_image_ids()[3]), id="an edit by hand"),
            pytest.param(lambda dataset: recreate(dataset, dataset.list_image_ids()[3]), id="another time of creation"),
        ],
    )
    def test_it_is_not_believed_after(self, listed, change):
        change(listed)
        with_it = listed.load_manifest()
        manifest_path(listed).unlink()
        assert listed.load_manifest() == with_it

    @pytest.mark.parametrize(
        "content",
        [
            pytest.param(b"", id="empty"),
            pytest.param(b"no gzip", id="no gzip"),
            pytest.param(gzip.compress(b"{"), id="torn JSON"),
            pytest.param(gzip.compress(b"[]"), id="a list"),
            pytest.param(gzip.compress(b'{"manifest_version": 9}\n'), id="of another version"),
            pytest.param(gzip.compress(b'{"manifest_version": 1, "entries": []}'), id="of the version before lines"),
            pytest.param(gzip.compress(b'{"manifest_version": 2}\n{}\n'), id="an empty entry"),
            pytest.param(gzip.compress(b'{"manifest_version": 2}\n3\n'), id="an entry that is no object"),
            pytest.param(gzip.compress(b'{"manifest_version": 2}\n[" * 2**21'), id="a line without an end"),
            pytest.param(gzip.compress(b"[" * 100_000), id="nested deep"),
        ],
    )
    def test_a_damaged_one_changes_no_answer(self, listed, content):
        expected = listed.load_manifest()
        manifest_path(listed).write_bytes(content)
        assert listed.load_manifest() == expected

    def test_what_it_says_of_a_record_whose_files_did_not_change_is_found_by_verify(self, listed):
        _, *lines = map(json.loads, gzip.decompress(manifest_path(listed).read_bytes()).splitlines())
        lines[0]["acquired_local_epoch_ns"] = 12345
        lying = Manifest(entries=tuple(map(ManifestEntry.from_json, lines)))
        manifest_path(listed).write_bytes(lying.to_bytes())
        (problem,) = listed.verify(deep=True).problems
        assert problem.what == "says what is not so of 1 record; it can be made again"

    def test_reading_it_writes_nothing(self, listed, tree_picture):
        set_time(listed, listed.list_image_ids()[0], 3)
        before = tree_picture(listed.path)
        ZarrDataset(listed.path, mode="r").load_manifest()
        assert tree_picture(listed.path) == before


class TestDamagedRecords:
    @pytest.fixture
    def damaged(self, listed):
        for image_id in listed.list_image_ids()[:3]:
            (listed.path / "images" / image_id / "zarr.json").write_text("{")
        return listed

    def test_they_are_counted(self, damaged):
        assert damaged.load_manifest().summary() == "9 of 12 records open; 3 damaged"

    def test_they_say_why(self, damaged):
        assert all("zarr.json is not readable JSON" in entry.problem for entry in damaged.load_manifest().damaged)

    def test_the_others_are_listed_in_order(self, damaged):
        times = [entry.created_utc for entry in damaged.load_manifest().ordered("created_utc")]
        assert (times[:9], times[9:]) == (sorted(times[:9]), [None] * 3)

    def test_all_are_iterated(self, damaged):
        assert len(list(damaged.iter_records(order_by="created_utc"))) == RECORDS

    def test_a_record_that_is_whole_again_opens_again(self, listed):
        document = listed.path / "images" / listed.list_image_ids()[0] / "zarr.json"
        content = document.read_bytes()
        document.write_text("{")
        listed.rebuild_manifest()
        document.write_bytes(content)
        assert listed.load_manifest().damaged == ()


def edit_by_hand(dataset, image_id):
    path = dataset.path / "images" / image_id / "analysis/metadata.json"
    path.write_text(json.dumps({"header": {"name": "by hand", "acquired_local_epoch_ns": 1}}))


def recreate(dataset, image_id):
    path = dataset.path / "images" / image_id / "zarr.json"
    path.write_text(path.read_text().replace('"created_utc": "2', '"created_utc": "1'))
    os.utime(path, (0, 0))


def test_a_manifest_survives_a_round_trip(listed):
    manifest = listed.load_manifest()
    assert Manifest.from_bytes(manifest.to_bytes(), what="x") == manifest


def test_an_unreadable_manifest_says_so():
    with pytest.raises(DamagedError, match="x is not readable gzip"):
        Manifest.from_bytes(b"no gzip", what="x")


@pytest.mark.parametrize(("count", "text"), [(0, "0 records"), (1, "1 record"), (2, "2 records")])
def test_a_sound_dataset_is_summed_up(count, text):
    entries = tuple(ManifestEntry(image_id=str(number), stamp="") for number in range(count))
    assert Manifest(entries=entries).summary() == text


@pytest.mark.trials
def test_a_manifest_of_more_records_than_one_json_file_has_room_for_is_read_again():
    one = ManifestEntry(image_id="x" * 36, stamp="s" * 200, axes=("y", "x"), shape=(3, 2), name="n" * 100)
    whole = Manifest(entries=(one,) * 100_000)
    data = whole.to_bytes()
    assert len(gzip.decompress(data)) > 2**25
    assert Manifest.from_bytes(data, what="x") == whole


def test_it_knows_the_newest_revision_that_was_believed(listed):
    image_id = listed.list_image_ids()[0]
    history = listed.path / "images" / image_id / "analysis/history"
    shutil.copy(history / "metadata.00000000.json", history / "metadata.00000009.json")
    assert {entry.image_id: entry.newest_revision for entry in listed.load_manifest().entries}[image_id] == 0
    edit_by_hand(listed, image_id)
    assert {entry.image_id: entry.newest_revision for entry in listed.load_manifest().entries}[image_id] == 0
