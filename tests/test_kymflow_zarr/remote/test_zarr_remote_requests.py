"""How often a server is asked."""

import numpy as np
import pytest

from kymflow_zarr import ZarrDataset, layout
from kymflow_zarr.dataset.manifest import Manifest, ManifestEntry, stored_manifest
from kymflow_zarr.errors import DatasetNotFoundError, RemoteError
from kymflow_zarr.remote.file_list import FileList, files_of

MANY = 10_000


@pytest.fixture
def many(served):
    """A dataset whose list of files and manifest name 10,000 records; one of them is there."""
    path, (entry,) = served.local.path, stored_manifest(served.local._blobs).entries
    files = FileList.from_bytes((path / layout.FILE_LIST).read_bytes(), what="list")
    ids = [f"{number:08x}-0000-4000-8000-{number:012x}" for number in range(MANY - 1)]
    stamps = ("zarr.json", "data/zarr.json", "analysis/metadata.json", "analysis/history/metadata.00000001.json")
    of_record = [one for one in files_of(files.find(f"images/{entry.image_id}")) if one[0] in stamps]
    more = [(f"images/{one}/{key}", stamp) for one in ids for key, stamp in of_record]
    entries = [ManifestEntry(image_id=one, stamp=entry.stamp, axes=entry.axes, shape=entry.shape) for one in ids]
    manifest = Manifest(entries=(*entries, entry)).to_bytes()
    (path / layout.MANIFEST).write_bytes(manifest)
    own = [(key, f"{len(manifest)}-" if key == layout.MANIFEST else stamp) for key, stamp in files_of(files.top)]
    (path / layout.FILE_LIST).write_bytes(FileList.of_files([*own, *more]).to_bytes())
    return served


@pytest.mark.slow
def test_a_dataset_of_10000_records_opens_and_is_listed_with_three_requests(many):
    dataset = many.open()
    manifest = dataset.load_manifest()
    assert (len(dataset.list_image_ids()), len(manifest.entries), manifest.damaged) == (MANY, MANY, ())
    assert len(many.server.asked()) == 3


def test_a_record_is_read_with_its_metadata_and_pixels_with_five_requests(served):
    dataset = served.open()
    served.server.asked()
    record = dataset.record(served.record.image_id)
    record.load_attributes()
    assert record.load_metadata_payload()["rois"] == []
    assert np.array_equal(record.load_array(), served.pixels)
    assert len(served.server.asked()) == 5


def test_a_table_costs_one_request_however_much_is_asked_of_it(served):
    dataset = served.open()
    served.server.asked()
    dataset.load_table("events")
    dataset.count_table_rows("events")
    dataset.table_digest("events")
    assert served.server.asked() == ["/made.zarr/tables/events.parquet"]


def test_what_there_is_costs_no_request(served):
    dataset = served.open()
    record = dataset.record(served.record.image_id)
    served.server.asked()
    dataset.list_image_ids()
    dataset.list_table_names()
    record.list_analysis_keys()
    record.list_array_artifacts()
    record.file_stamp(["metadata.json", "masks", "pixel values"])
    assert served.server.asked() == []


class TestOpenedAgain:
    @pytest.fixture
    def known(self, served):
        """A dataset on a server that says when a file is still as it was; it was opened, and its record read."""
        served.server.knows_changes = True
        served.open_record().load_array()
        served.server.asked()
        return served

    def test_it_costs_one_request_while_its_list_of_files_is_the_same(self, known):
        assert np.array_equal(known.open_record().load_array(), known.pixels)
        assert known.server.asked() == ["/made.zarr/index/files.json.gz"]

    def test_it_is_read_anew_once_its_list_of_files_is_another(self, known):
        known.record.save_json("heart/rate", {"bpm": 500})
        known.local.save_file_list()
        assert known.open_record().load_json("heart/rate") == {"bpm": 500}

    def test_it_is_gone_once_its_list_of_files_is(self, known):
        (known.local.path / layout.FILE_LIST).unlink()
        with pytest.raises(DatasetNotFoundError):
            known.open()

    @pytest.mark.parametrize("status", [403, 500])
    def test_a_failure_is_not_taken_for_the_same(self, known, status):
        known.server.answers["files.json.gz"] = status
        with pytest.raises(RemoteError):
            known.open()

    def test_of_many_addresses_only_the_last_ones_are_kept(self, known, monkeypatch):
        monkeypatch.setattr("kymflow_zarr.remote.opening.KEPT", 1)
        ZarrDataset(known.server.url("./made.zarr"), mode="r")
        known.server.asked()
        known.open()
        assert known.server.asked() == ["/made.zarr/index/files.json.gz", "/made.zarr/zarr.json"]


def test_the_server_counts_what_the_handle_counts(served):
    dataset = served.open()
    dataset.load_table("events")
    assert dataset._blobs.objects.requests == len(served.server.asked())


def test_what_is_kept_in_memory_is_limited(served, monkeypatch):
    monkeypatch.setattr("kymflow_zarr.remote.objects.CACHE_BYTES", 2000)
    dataset = served.open()
    for name in ("events", "images", "events"):
        dataset.load_table(name)
    assert served.server.requests.count("/made.zarr/tables/events.parquet") == 2
