"""What a server does not give: only its "not found" means that there is nothing, and no failure looks like that."""

import sys

import numpy as np
import pandas as pd
import pytest

from kymflow_zarr import ZarrDataset
from kymflow_zarr.errors import (
    DamagedError,
    DatasetNotFoundError,
    InvalidNameError,
    NotADatasetError,
    NotInstalledError,
    ReadOnlyError,
    RemoteError,
)
from kymflow_zarr.layout import FILE_LIST
from kymflow_zarr.remote.file_list import FileList
from kymflow_zarr.remote.objects import Objects

FAILURES = pytest.mark.parametrize("status", [401, 403, 500, 503, 0], ids=lambda status: f"status {status}")


class TestOpening:
    def test_where_nothing_is_it_says_so(self, served):
        with pytest.raises(DatasetNotFoundError, match=r"no index/files\.json\.gz at .*/no\.zarr.* look at the address"):
            ZarrDataset(served.server.url("no.zarr"), mode="r")

    def test_without_a_list_of_files_it_says_how_to_make_one(self, unlisted):
        with pytest.raises(DatasetNotFoundError, match="run napari-kymflow prepare-upload, and copy all of it again"):
            unlisted.open()

    @FAILURES
    def test_a_failure_is_not_taken_for_no_dataset(self, served, status):
        served.server.answers["files.json.gz"] = status
        with pytest.raises(RemoteError, match=r"made\.zarr/index/files\.json\.gz (was refused|could not be read)"):
            served.open()

    def test_a_server_that_is_not_there_is_no_missing_dataset(self):
        with pytest.raises(
            RemoteError, match=r"could not be read .* look at the address and the connection, and try again"
        ):
            ZarrDataset("http://127.0.0.1:9/lab.zarr", mode="r")

    def test_a_list_of_files_that_is_no_list_is_damage(self, served):
        (served.local.path / FILE_LIST).write_bytes(b"<html>Welcome</html>")
        with pytest.raises(DamagedError, match=r"files\.json\.gz is not readable gzip"):
            served.open()

    def test_something_else_with_a_list_of_files_is_no_dataset(self, served):
        (served.local.path / "zarr.json").write_text('{"zarr_format": 3, "node_type": "group", "attributes": {}}')
        served.local._blobs.write(FILE_LIST, FileList.of_dataset(served.local._blobs).to_bytes())
        with pytest.raises(NotADatasetError, match=r"http.*made\.zarr is a zarr group, but not a kymflow dataset"):
            served.open()

    @pytest.mark.parametrize(
        "address", ["ftp://host/lab.zarr", "https://host/lab.zarr?key=1", "memory://lab.zarr", "gs://b/x"]
    )
    def test_other_kinds_of_address_are_refused(self, address):
        with pytest.raises(InvalidNameError, match="is no address that is read; give https://host/path"):
            ZarrDataset(address, mode="r")

    def test_without_the_package_it_says_how_to_install_it(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "obstore.store", None)
        with pytest.raises(NotInstalledError, match=r'pip install "napari-kymflow\[remote\]"'):
            ZarrDataset("https://host/lab.zarr", mode="r")


class TestReading:
    @FAILURES
    def test_a_failure_is_neither_a_missing_nor_a_damaged_record(self, served, status):
        dataset = served.open()
        served.server.answers |= {"manifest.json.gz": status, f"{served.record.image_id}/zarr.json": status}
        with pytest.raises(RemoteError):
            dataset.load_manifest()

    @pytest.mark.parametrize("end", ["ID/zarr.json", "data/zarr.json", "metadata.00000001.json"])
    def test_a_failure_at_one_file_of_a_record_is_no_damage_of_it(self, unlisted, end):
        unlisted.local._blobs.write(FILE_LIST, FileList.of_dataset(unlisted.local._blobs).to_bytes())  # and no manifest
        dataset = unlisted.open()
        unlisted.server.answers[end.replace("ID", unlisted.record.image_id)] = 500
        with pytest.raises(RemoteError, match="500 Internal Server Error"):
            dataset.load_manifest()

    @FAILURES
    def test_a_failure_is_no_damage_of_pixels(self, served, status):
        record = served.open_record()
        served.server.answers["data/c/0/0"] = status
        with pytest.raises(RemoteError, match=r"data/c/0/0 (was refused|could not be read)"):
            record.load_array()

    @pytest.mark.parametrize("end", ["radon_report.parquet", "metadata.00000001.json", "metadata.json"])
    def test_a_failure_is_no_lack_of_results_or_metadata(self, served, end):
        record = served.open_record()
        served.server.answers[end] = 503
        with pytest.raises(RemoteError, match="503"):
            record.load_df_parquet("radon_report") if "radon" in end else record.load_metadata_payload()

    def test_a_failure_at_a_table_is_no_missing_table(self, served):
        dataset = served.open()
        served.server.answers["events.parquet"] = 403
        with pytest.raises(RemoteError, match=r"events\.parquet was refused .* it needs a permission, or there is no such"):
            dataset.load_table("events")

    def test_a_failure_at_the_index_of_a_table_is_no_missing_index(self, served):
        served.local._blobs.write("index/events.parquet", b"x")
        served.local.save_file_list()
        dataset = served.open()
        served.server.answers["index/events.parquet"] = 500
        with pytest.raises(RemoteError):
            dataset.load_table_index("events")

    def test_a_failure_is_tried_again(self, served, monkeypatch):
        monkeypatch.setattr("kymflow_zarr.remote.objects.RETRIES", 1)
        dataset = served.open()
        served.server.answers["events.parquet"] = 503
        served.server.asked()
        with pytest.raises(RemoteError):
            dataset.load_table("events")
        assert len(served.server.asked()) == 2

    def test_a_listed_file_that_is_not_there_is_damage(self, served):
        record = served.open_record()
        served.server.answers["radon_report.parquet"] = 404
        with pytest.raises(DamagedError, match=r"in the list of files, and the server has no such file.* prepare-upload"):
            record.load_df_parquet("radon_report")

    def test_a_chunk_that_is_not_listed_is_damage_and_no_zeros(self, served):
        (file,) = served.local.path.glob("images/*/data/c/0/0")
        file.unlink()
        served.local.save_file_list()
        with pytest.raises(DamagedError, match="has lost 1 of its files"):
            served.open_record().load_array()

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            pytest.param(
                lambda data: data + b"\n", r"has \d+ bytes on the server; at most \d+ are believable", id="larger"
            ),
            pytest.param(lambda data: data[:-1], r"gave \d+ bytes and not \d+, which the list of files says", id="smaller"),
        ],
    )
    def test_a_file_of_another_size_than_listed_is_damage(self, served, change, said):
        record = served.open_record()
        (file,) = served.local.path.glob("images/*/analysis/heart/rate.json")
        file.write_bytes(change(file.read_bytes()))
        with pytest.raises(DamagedError, match=rf"rate\.json {said}.*prepare-upload"):
            record.load_json("heart/rate")

    def test_a_list_of_files_that_is_larger_than_believable_is_not_read(self, served, monkeypatch):
        monkeypatch.setattr("kymflow_zarr.remote.objects.MOST_BYTES", 10)
        with pytest.raises(DamagedError, match=r"files\.json\.gz has \d+ bytes on the server; at most 10 are believable"):
            served.open()

    def test_a_file_that_is_larger_than_believable_is_not_asked_for(self, served):
        dataset = served.open()
        served.server.asked()
        with pytest.raises(DamagedError, match="at most 10 are believable here"):
            dataset._blobs.read("tables/events.parquet", limit=10)
        assert served.server.asked() == []


WRITES = {
    "a record": lambda dataset: dataset.add_image(np.zeros((2, 2))),
    "a deletion": lambda dataset: dataset.delete_image(dataset.list_image_ids()[0]),
    "a table": lambda dataset: dataset.save_table("new", pd.DataFrame({"image_id": ["a"]})),
    "a result": lambda dataset: dataset.record(dataset.list_image_ids()[0]).save_json("a", 1),
    "metadata": lambda dataset: dataset.record(dataset.list_image_ids()[0]).save_metadata_payload({}),
    "an array": lambda dataset: dataset.record(dataset.list_image_ids()[0]).save_array_artifact("a", np.zeros(2)),
    "a manifest": lambda dataset: dataset.rebuild_manifest(),
    "a list of files": lambda dataset: dataset.save_file_list(),
    "garbage": lambda dataset: dataset.collect_garbage() or dataset._blobs.now(),
}


class TestWriting:
    @pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
    def test_it_is_refused(self, served, write):
        with pytest.raises(
            ReadOnlyError, match=r"is an address, and datasets there are only read.* napari-kymflow download"
        ):
            write(served.open())

    def test_an_address_is_not_opened_for_writing(self, served):
        with pytest.raises(ReadOnlyError, match="open it with mode='r'"):
            ZarrDataset(served.address)

    def test_an_address_is_not_verified(self, served):
        with pytest.raises(InvalidNameError, match=r"not verified there.* napari-kymflow download"):
            served.open().verify()


def test_a_server_that_has_nothing_new_for_somebody_who_had_nothing_is_an_error(monkeypatch):
    monkeypatch.setattr(Objects, "read_changed", lambda self, key, mark: None)
    with pytest.raises(RemoteError, match="none was read before"):
        ZarrDataset("http://127.0.0.1:9/lab.zarr", mode="r")
