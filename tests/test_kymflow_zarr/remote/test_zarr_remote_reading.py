"""A dataset on a web server reads as it does on a disk."""

import pickle

import numpy as np
import pytest

from kymflow_zarr import ZarrDataset
from kymflow_zarr.disk.blobs import Blobs
from kymflow_zarr.remote.blobs import RemoteBlobs
from kymflow_zarr.remote.opening import open_remote


class TestDataset:
    def test_its_id_is_that_on_the_disk(self, served):
        assert served.open().dataset_id == served.local.dataset_id

    def test_its_records_are_those_on_the_disk(self, served):
        assert served.open().list_image_ids() == served.local.list_image_ids()

    def test_its_manifest_is_that_on_the_disk(self, served):
        assert served.open().load_manifest() == served.local.load_manifest()

    def test_its_tables_are_those_on_the_disk(self, served):
        there = served.open()
        assert there.list_table_names() == ["events", "images"]
        for name in there.list_table_names():
            assert there.load_table(name).equals(served.local.load_table(name))

    def test_the_rows_of_a_table_are_counted(self, served):
        assert served.open().count_table_rows("events") == 1

    def test_its_location_is_its_address(self, served):
        assert served.open().location == served.address

    def test_its_path_opens_it_again(self, served):
        path = pickle.loads(pickle.dumps(served.open().path))
        assert ZarrDataset(path, mode="r").dataset_id == served.local.dataset_id

    def test_a_slash_at_the_end_of_its_address_does_not_matter(self, served):
        assert ZarrDataset(f"{served.address}/", mode="r").location == served.address

    def test_a_folder_with_a_space_is_found(self, served):
        served.local.path.rename(served.local.path.with_name("my lab.zarr"))
        assert ZarrDataset(served.server.url("my lab.zarr"), mode="r").dataset_id == served.local.dataset_id

    def test_a_table_that_was_committed_and_not_published_is_listed_as_committed(self, unlisted, monkeypatch):
        monkeypatch.setattr("kymflow_zarr.tables.table_commits.TableCommits._publish", lambda self, own=-1: None)
        unlisted.local.save_table("images", unlisted.local.load_table("images").head(1))
        monkeypatch.undo()
        unlisted.local.save_file_list()
        assert len(unlisted.open().load_table("images")) == 1


class TestRecord:
    def test_its_pixels_are_those_on_the_disk(self, served):
        assert np.array_equal(served.open_record().load_array(), served.pixels)

    def test_its_axes_and_shape_are_those_on_the_disk(self, served):
        there = served.open_record()
        assert (there.get_axes(), there.get_shape()) == (("y", "x"), (20, 6))

    def test_its_metadata_and_their_history_are_those_on_the_disk(self, served):
        there = served.open_record()
        assert there.load_revision() == served.record.load_revision()
        assert there.history() == served.record.history()

    def test_its_results_are_those_on_the_disk(self, served):
        there = served.open_record()
        assert there.list_analysis_keys() == served.record.list_analysis_keys()
        assert there.load_json("heart/rate") == {"bpm": 420}
        assert there.load_df_parquet("radon_report").equals(served.record.load_df_parquet("radon_report"))
        assert there.load_df_csv_gz("notes").equals(served.record.load_df_csv_gz("notes"))

    def test_its_arrays_are_those_on_the_disk(self, served):
        there = served.open_record()
        assert there.list_array_artifacts() == ["roi_mask_1"]
        assert np.array_equal(there.load_array_artifact("roi_mask_1"), np.eye(6, dtype=bool))

    def test_its_stamps_are_those_on_the_disk(self, served):
        keys = ["metadata.json", "radon_report.parquet", "masks", "pixels"]
        assert served.open_record().file_stamp(keys) == served.record.file_stamp(keys)


class TestParts:
    @pytest.fixture
    def long(self, unlisted, rng, monkeypatch):
        """A record of which each file is large."""
        monkeypatch.setattr("kymflow_zarr.remote.objects.WHOLE_BYTES", 1000)
        monkeypatch.setattr("kymflow_zarr.remote.objects.PART_BYTES", 512)
        monkeypatch.setattr("kymflow_zarr.remote.blobs.WHOLE_BYTES", 1000)
        self.pixels = rng.integers(0, 60_000, (256, 64)).astype(np.uint16)
        record = unlisted.local.add_image(self.pixels, chunks=(16, 64))
        unlisted.local.save_file_list()
        return unlisted, record.image_id

    def test_of_long_pixels_only_the_part_is_asked_for_that_is_read(self, long):
        served, image_id = long
        found = np.asarray(served.open().record(image_id).open_array()[32:40])
        assert np.array_equal(found, self.pixels[32:40])
        asked = [stop - start for path, start, stop in served.server.ranges if "/data/c/" in path]
        assert 0 < sum(asked) < self.pixels.nbytes / 4

    def test_long_pixels_are_read_whole(self, long):
        served, image_id = long
        assert np.array_equal(served.open().record(image_id).load_array(), self.pixels)

    def test_a_server_that_gives_files_only_whole_gives_the_same_pixels(self, long):
        served, image_id = long
        served.server.gives_parts = False
        assert np.array_equal(np.asarray(served.open().record(image_id).open_array()[32:40]), self.pixels[32:40])

    def test_the_end_of_a_long_file_is_read_without_the_rest(self, long):
        served, _ = long
        with open_remote(served.address).open("tables/events.parquet") as file:
            size = file.seek(0, 2)
            file.seek(-4, 2)
            assert (file.read(), file.read(), file.tell()) == (b"PAR1", b"", size)


class TestFolders:
    KEYS = ("", "images", "tables", "tables/events.parquet", "no", "zarr.json", "zarr.json/x")

    @pytest.fixture
    def both(self, served) -> tuple[Blobs, RemoteBlobs]:
        """The dataset's folder on the disk, as another machine sees it: no hidden files; and the one on the server."""
        return Blobs(served.local.path, read_only=True), open_remote(served.address)

    @pytest.mark.parametrize("what", ["exists", "is_listed", "is_folder", "is_regular", "names"])
    def test_it_answers_as_a_disk_does(self, both, what):
        local, there = both
        assert [getattr(there, what)(key) for key in self.KEYS] == [getattr(local, what)(key) for key in self.KEYS]

    @pytest.mark.parametrize("what", ["has_bytes", "stamp"])
    def test_of_files_it_answers_as_a_disk_does(self, both, what):
        local, there = both
        keys = [key for key in self.KEYS if not local.is_folder(key)]
        assert [getattr(there, what)(key) for key in keys] == [getattr(local, what)(key) for key in keys]

    def test_it_lists_the_same_files_but_the_list_itself(self, both):
        local, there = both
        assert there.files("") == [key for key in local.files("") if "/." not in key and key != "index/files.json.gz"]

    @pytest.mark.parametrize(("key", "error"), [("no", FileNotFoundError), ("images", IsADirectoryError)])
    def test_what_is_no_file_is_not_read(self, both, key, error):
        for blobs in both:
            with pytest.raises(error):
                blobs.read(key)
