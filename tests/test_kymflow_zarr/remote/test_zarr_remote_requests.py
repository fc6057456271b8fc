"""How often a server is asked."""

import numpy as np
import pytest

from kymflow_zarr import layout
from kymflow_zarr.dataset.manifest import Manifest, ManifestEntry, stored_manifest
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
