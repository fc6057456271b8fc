"""Datasets of the older program: refused with the way out, and copied with nothing lost."""

import gzip
import json
import re
import shutil
import uuid

import numpy as np
import pandas as pd
import pytest
import zarr
from numcodecs import Blosc

from kymflow_zarr import OmeDescription, Watch, ZarrDataset
from kymflow_zarr.arrays.foreign import load_foreign_array
from kymflow_zarr.errors import (
    DamagedError,
    DatasetExistsError,
    DatasetNotFoundError,
    NotADatasetError,
    OlderDatasetError,
    UnsupportedVersionError,
)
from kymflow_zarr.importing.ome_zarr import read_ome_zarr
from kymflow_zarr.upgrade import upgrade_dataset
from kymflow_zarr.upgrade.older import OlderDataset

ATTRIBUTES = {"format": "kymflow_zarr_v1", "schema_version": 1, "created_utc": "2025-01-02T03:04:05Z", "lab": "x"}
METADATA = {"header": {"name": "old", "acquired_local_epoch_ns": 5}, "rois": [{"id": 1, "dim0_start": 0}], "seen": True}


def write_json(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


def write_array(path, values, **options):
    array = zarr.create_array(
        path, shape=values.shape, dtype=values.dtype, chunks=(7, 4), zarr_format=2, compressors=Blosc("zstd"), **options
    )
    array[...] = values


@pytest.fixture
def older_path(tmp_path, rng):
    """A dataset as the older program writes it: zarr v2, names that are refused today, gzipped artifacts."""
    path = tmp_path / "older.zarr"
    write_json(path / ".zattrs", ATTRIBUTES)
    write_json(path / ".zgroup", {"zarr_format": 2})
    (path / "README.txt").write_text("of the lab")
    image = path / "images" / str(uuid.UUID(int=7, version=4))
    write_json(image / ".zgroup", {"zarr_format": 2})
    write_json(image / ".zattrs", {"axes": ["y", "x"], "created_utc": "2025-01-02T03:04:06Z", "updated_utc": "u"})
    write_array(image / "data", rng.integers(0, 60_000, (20, 6)).astype(">u2"))
    mask = image / "analysis_arrays" / "Roi Mask 1"
    write_json(mask / ".zgroup", {"zarr_format": 2})
    write_json(mask / ".zattrs", {"axes": ["y", "x"]})
    write_array(mask / "data", np.ones((10, 4), bool))
    analysis = image / "analysis"
    write_json(analysis / "metadata.json", METADATA)
    write_json(analysis / "provenance.json", {"source_primary_path": "/data/old.tif", "ingest_mode": "legacy"})
    write_json(analysis / "Radon Params.json", {"window": 16})
    (analysis / "nested").mkdir()
    (analysis / "nested/events.json.gz").write_bytes(gzip.compress(b'[{"kind": "stall"}]'))
    (analysis / "velocity.csv.gz").write_bytes(gzip.compress(b"t,v\n0,1.5\n"))
    (analysis / "notes.txt").write_text("by a person")
    pd.DataFrame({"v": [1.0, np.nan], "who": ["me", None]}).to_parquet(analysis / "report.parquet")
    (path / "tables").mkdir()
    pd.DataFrame({"image_id": [image.name], "mean": [1.5]}).to_parquet(path / "tables/radon_report.parquet")
    (path / "index").mkdir()
    (path / "index/manifest.json.gz").write_bytes(gzip.compress(b"{}"))
    return path


@pytest.fixture
def older(older_path):
    return OlderDataset(older_path)


@pytest.fixture
def older_record(older):
    return older.record(older.list_image_ids()[0])


@pytest.fixture
def upgraded(older_path, tmp_path):
    upgrade_dataset(older_path, tmp_path / "new.zarr")
    return ZarrDataset(tmp_path / "new.zarr")


class TestOpening:
    """Only `upgrade` reads it; everything else names `upgrade`."""

    @pytest.mark.parametrize("mode", ["r", "a"])
    def test_it_is_refused_with_the_way_out(self, older_path, mode):
        text = r"older\.zarr was written by the older program.*: napari-kymflow upgrade OLD\.zarr NEW\.zarr$"
        with pytest.raises(OlderDatasetError, match=text):
            ZarrDataset(older_path, mode=mode)

    def test_none_is_made_in_its_place(self, older_path, tree_picture):
        before = tree_picture(older_path)
        with pytest.raises(OlderDatasetError):
            ZarrDataset.create(older_path)
        assert tree_picture(older_path) == before

    def test_another_version_of_it_is_refused(self, older_path, tmp_path):
        write_json(older_path / ".zattrs", {**ATTRIBUTES, "schema_version": 2})
        text = "has schema version 2 of the older program; only version 1 can be copied into today's format"
        with pytest.raises(UnsupportedVersionError, match=text):
            ZarrDataset(older_path)
        with pytest.raises(UnsupportedVersionError, match=text):
            upgrade_dataset(older_path, tmp_path / "new.zarr")

    def test_torn_attributes_are_damage(self, older_path):
        (older_path / ".zattrs").write_text("{")
        with pytest.raises(DamagedError, match=r"\.zattrs is not readable JSON"):
            ZarrDataset(older_path)

    def test_a_zarr_v2_group_of_somebody_else_is_no_dataset(self, older_path, tmp_path):
        write_json(older_path / ".zattrs", {"multiscales": []})
        with pytest.raises(NotADatasetError, match="is a zarr group, but not a kymflow dataset"):
            upgrade_dataset(older_path, tmp_path / "new.zarr")

    def test_as_an_ome_zarr_image_it_is_refused_with_the_way_out(self, older_path):
        with pytest.raises(OlderDatasetError, match="napari-kymflow upgrade"):
            read_ome_zarr(older_path)


class TestReading:
    def test_pixels_and_axes_are_read(self, older_record, older_path):
        raw = zarr.open_array(older_path / "images" / older_record.image_id / "data", mode="r")[...]
        np.testing.assert_array_equal(older_record.load_array(), raw)
        assert older_record.load_attributes().axes == ("y", "x")

    def test_every_artifact_is_listed_whatever_its_name(self, older_record):
        keys = ["Radon Params.json", "nested/events.json.gz", "provenance.json", "report.parquet"]
        assert older_record.list_analysis_keys() == keys
        assert older_record.list_array_artifacts() == ["Roi Mask 1"]

    def test_of_json_that_is_there_packed_too_the_plain_one_is_read(self, older_path, older_record, tmp_path):
        packed = older_path / "images" / older_record.image_id / "analysis/Radon Params.json.gz"
        packed.write_bytes(gzip.compress(b'{"window": 8}'))
        upgrade_dataset(older_path, tmp_path / "new.zarr")
        copy = ZarrDataset(tmp_path / "new.zarr").record(older_record.image_id)
        assert copy.load_json("Radon Params") == {"window": 16}
        assert (tmp_path / "new.zarr/older" / packed.relative_to(older_path)).read_bytes() == packed.read_bytes()

    def test_chunks_of_zeros_may_be_missing(self, older_path, older_record, tmp_path):
        folder = older_path / "images" / older_record.image_id / "data"
        for chunk in folder.glob("[0-9]*"):
            chunk.unlink()
        upgrade_dataset(older_path, tmp_path / "new.zarr")
        assert not ZarrDataset(tmp_path / "new.zarr").record(older_record.image_id).load_array().any()

    def test_of_a_large_array_most_chunks_may_be_missing(self, older_path, older_record, monkeypatch):
        """As of a mask of one small ROI in a large stack; a foreign image of that kind is refused."""
        monkeypatch.setitem(load_foreign_array.__kwdefaults__, "most_unstored", 100)
        folder = older_path / "images" / older_record.image_id / "data"
        for chunk in list(folder.glob("[0-9]*"))[1:]:
            chunk.unlink()
        assert older_record.load_array().shape == (20, 6)
        with pytest.raises(DamagedError, match="of its 6 files only 1"):
            load_foreign_array(older_record.blobs, "data")

    def test_pixels_that_are_missing_stop_it(self, older_path, older_record, tmp_path):
        shutil.rmtree(older_path / "images" / older_record.image_id / "data")
        with pytest.raises(DamagedError, match=r"not upgraded: the array .*/data is missing; restore it from a backup"):
            upgrade_dataset(older_path, tmp_path / "new.zarr")

    def test_an_array_without_its_values_stops_it(self, older_path, older_record, tmp_path):
        shutil.rmtree(older_path / "images" / older_record.image_id / "analysis_arrays/Roi Mask 1/data")
        with pytest.raises(DamagedError, match=r"not upgraded: the array .*/Roi Mask 1/data is missing"):
            upgrade_dataset(older_path, tmp_path / "new.zarr")

    def test_a_record_without_attributes_stops_it(self, older_path, older_record, tmp_path):
        (older_path / "images" / older_record.image_id / ".zattrs").unlink()
        with pytest.raises(DamagedError, match=r"not upgraded: .*\.zattrs is missing; restore it from a backup"):
            upgrade_dataset(older_path, tmp_path / "new.zarr")

    def test_a_torn_chunk_is_damage(self, older_record, older_path):
        chunk = older_path / "images" / older_record.image_id / "data/0.0"
        chunk.write_bytes(chunk.read_bytes()[:20])
        with pytest.raises(DamagedError, match="is cut off: it should have"):
            older_record.load_array()

    def test_a_chunk_that_unpacks_to_more_than_it_should_is_damage(self, older_record, older_path):
        chunk = older_path / "images" / older_record.image_id / "data/0.0"
        chunk.write_bytes(bytes(Blosc("zstd").encode(np.zeros(2**20, np.uint8))))
        with pytest.raises(DamagedError, match="says that it unpacks to 1048576 bytes, not 56"):
            older_record.load_array()


class TestUpgrade:
    def test_the_copy_is_sound_and_can_be_written(self, upgraded):
        assert (upgraded.verify(deep=True).problems, upgraded.mode) == ((), "a")

    def test_it_keeps_what_the_dataset_said_of_itself(self, upgraded):
        assert upgraded.attributes.created_utc == ATTRIBUTES["created_utc"]
        assert upgraded.attributes.upgraded_from == ATTRIBUTES

    def test_it_keeps_ids_pixels_and_axes(self, upgraded, older_record):
        copy = upgraded.record(older_record.image_id)
        np.testing.assert_array_equal(copy.load_array(), older_record.load_array())
        assert (copy.load_array().dtype, copy.load_attributes()) == (np.uint16, older_record.load_attributes())

    def test_the_metadata_are_the_first_revision(self, upgraded, older_record):
        (revision,) = upgraded.record(older_record.image_id).history()
        assert (revision.number, revision.payload) == (0, METADATA)

    def test_it_keeps_every_artifact_under_its_name(self, upgraded, older_record):
        copy = upgraded.record(older_record.image_id)
        assert copy.load_json("Radon Params") == {"window": 16}
        assert copy.load_json("nested/events") == [{"kind": "stall"}]
        assert copy.load_df_csv_gz("velocity").to_dict("list") == {"t": [0], "v": [1.5]}
        pd.testing.assert_frame_equal(copy.load_df_parquet("report"), older_record.load_df_parquet("report.parquet"))
        np.testing.assert_array_equal(copy.load_array_artifact("Roi Mask 1"), np.ones((10, 4), bool))

    def test_it_keeps_what_the_older_program_said_of_a_record(self, upgraded, older_record):
        said = json.loads((upgraded.path / "older/images" / older_record.image_id / ".zattrs").read_text())
        assert said == {"axes": ["y", "x"], "created_utc": "2025-01-02T03:04:06Z", "updated_utc": "u"}

    def test_no_file_is_without_a_place(self, older_path, tmp_path):
        """Every file is converted, or lies in the copy, at its place or below `older`, with the same bytes."""
        image = next((older_path / "images").glob("*-*"))
        for name in ("tables/notes.csv", "images/readme.txt", "images/not a uuid/x.bin", ".hidden", "images/.zattrs"):
            (older_path / name).parent.mkdir(exist_ok=True)
            (older_path / name).write_text(name)
        for name in ("data/.zattrs", "data/extra.txt", "analysis/Radon Params.json.gz", "analysis_arrays/.zattrs"):
            (image / name).write_bytes(gzip.compress(b"{}") if name.endswith("gz") else b"{}")
        upgrade_dataset(older_path, tmp_path / "new.zarr")
        new = tmp_path / "new.zarr"
        known = {".zgroup", ".zarray", "manifest.json.gz"}
        missing = [
            path.relative_to(older_path).as_posix()
            for path in older_path.rglob("*")
            if path.is_file() and path.name not in known and not re.fullmatch(r"[0-9]+\.[0-9]+", path.name)
            if not any(
                (top / path.relative_to(older_path)).is_file()
                and (top / path.relative_to(older_path)).read_bytes() == path.read_bytes()
                for top in (new, new / "older")
            )
        ]
        converted = [
            "analysis/Radon Params.json",
            "analysis/metadata.json",
            "analysis/provenance.json",
            "analysis/report.parquet",
        ]
        assert sorted(missing) == sorted(
            [".zattrs", "tables/radon_report.parquet", *(f"images/{image.name}/{name}" for name in converted)]
        )
        assert ZarrDataset(new).verify(deep=True).problems == ()

    def test_nan_becomes_null_and_the_file_is_kept(self, older_path, older_record, tmp_path):
        path = older_path / "images" / older_record.image_id / "analysis/metadata.json"
        path.write_text('{"header": {"um_per_pixel": NaN}, "rois": [1]}')
        upgrade_dataset(older_path, tmp_path / "new.zarr")
        copy = ZarrDataset(tmp_path / "new.zarr").record(older_record.image_id)
        assert copy.load_metadata_payload() == {"header": {"um_per_pixel": None}, "rois": [1]}
        assert "NaN" in (tmp_path / "new.zarr/older" / path.relative_to(older_path)).read_text()

    def test_gzipped_metadata_are_kept(self, older_path, older_record, tmp_path):
        path = older_path / "images" / older_record.image_id / "analysis/metadata.json"
        path.with_name("metadata.json.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
        upgrade_dataset(older_path, tmp_path / "new.zarr")
        copy = ZarrDataset(tmp_path / "new.zarr").record(older_record.image_id)
        assert copy.load_metadata_payload() == METADATA

    def test_torn_metadata_stop_it(self, older_path, older_record, tmp_path):
        (older_path / "images" / older_record.image_id / "analysis/metadata.json").write_text('{"rois"')
        with pytest.raises(DamagedError, match=r"not upgraded: .*metadata\.json is not readable JSON"):
            upgrade_dataset(older_path, tmp_path / "new.zarr")

    def test_the_older_sources_are_kept(self, older_path, older_record, tmp_path):
        source = {"image_id": [older_record.image_id], "source_primary_path": ["/lab/a.tif"], "source_size_bytes": [7]}
        pd.DataFrame(source).to_parquet(older_path / "tables/sources.parquet")
        upgrade_dataset(older_path, tmp_path / "new.zarr")
        row = ZarrDataset(tmp_path / "new.zarr").load_sources_index().iloc[0]
        assert (row["source_primary_path"], row["source_size_bytes"], row["source_mtime_ns"]) == ("/lab/a.tif", 7, -1)

    def test_what_appears_at_its_place_meanwhile_is_not_touched(self, older_path, tmp_path):
        def appear(*_step):
            ZarrDataset.create(tmp_path / "new.zarr").add_image(np.ones((2, 2)))

        with pytest.raises(DatasetExistsError, match=r"there is something at .* already"):
            upgrade_dataset(older_path, tmp_path / "new.zarr", watch=Watch(progress=appear))
        assert len(ZarrDataset(tmp_path / "new.zarr").list_image_ids()) == 1

    def test_a_place_inside_the_original_is_refused(self, older_path, tree_picture):
        before = tree_picture(older_path)
        with pytest.raises(DatasetExistsError, match=r"is inside .* which is only read; choose another place"):
            upgrade_dataset(older_path, older_path / "new.zarr")
        assert tree_picture(older_path) == before

    def test_it_keeps_files_of_other_kinds(self, upgraded, older_record):
        assert (upgraded.path / "README.txt").read_text() == "of the lab"
        notes = upgraded.path / "images" / older_record.image_id / "analysis/notes.txt"
        assert notes.read_text() == "by a person"

    def test_it_keeps_the_tables(self, upgraded, older):
        pd.testing.assert_frame_equal(upgraded.load_table("radon_report"), older.tables.load("radon_report"))

    def test_it_knows_where_the_images_came_from(self, upgraded):
        row = upgraded.load_sources_index().iloc[0]
        assert (row["source_primary_path"], row["source_size_bytes"]) == ("/data/old.tif", -1)

    def test_the_original_is_untouched(self, older_path, tmp_path, tree_picture):
        before = tree_picture(older_path)
        upgrade_dataset(older_path, tmp_path / "new.zarr")
        assert tree_picture(older_path) == before

    def test_nothing_else_is_left_beside_it(self, upgraded, tmp_path):
        assert sorted(path.name for path in tmp_path.iterdir()) == ["new.zarr", "older.zarr"]

    def test_it_says_what_it_copied(self, older_path, tmp_path):
        report = upgrade_dataset(older_path, tmp_path / "new.zarr")
        assert report.summary() == "1 record and 1 table copied, and compared with the original"

    def test_it_reports_its_progress(self, older_path, tmp_path):
        calls = []
        upgrade_dataset(
            older_path, tmp_path / "new.zarr", watch=Watch(progress=lambda done, total, _: calls.append((done, total)))
        )
        assert calls == [(0, 1)]

    def test_a_damaged_original_leaves_nothing(self, older_path, older_record, tmp_path):
        (older_path / "images" / older_record.image_id / "analysis/Radon Params.json").write_text("{")
        with pytest.raises(DamagedError, match=r"not upgraded: .*Radon Params\.json is not readable JSON"):
            upgrade_dataset(older_path, tmp_path / "new.zarr")
        assert [path.name for path in tmp_path.iterdir() if path.name != ".staging"] == ["older.zarr"]

    def test_a_copy_that_differs_does_not_appear(self, older_path, tmp_path, monkeypatch):
        monkeypatch.setattr("kymflow_zarr.upgrade.copying.save_revision", lambda *_args, **_kwargs: None)
        with pytest.raises(DamagedError, match=r"not upgraded: the metadata of record .* came out otherwise"):
            upgrade_dataset(older_path, tmp_path / "new.zarr")
        assert not (tmp_path / "new.zarr").exists()

    def test_a_place_that_is_taken_is_refused(self, older_path, dataset):
        with pytest.raises(DatasetExistsError, match=r"there is something at .* already"):
            upgrade_dataset(older_path, dataset.path)

    def test_a_dataset_of_this_format_is_refused(self, dataset, tmp_path):
        with pytest.raises(NotADatasetError, match="is a dataset of this format already"):
            upgrade_dataset(dataset.path, tmp_path / "new.zarr")

    def test_where_there_is_nothing_is_refused(self, tmp_path):
        with pytest.raises(DatasetNotFoundError, match="there is no dataset at"):
            upgrade_dataset(tmp_path / "gone.zarr", tmp_path / "new.zarr")

    def test_it_can_be_stopped_between_records_and_leaves_nothing(self, older_path, tmp_path):
        def stop(_done, _total, _name):
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            upgrade_dataset(older_path, tmp_path / "new.zarr", watch=Watch(progress=stop))
        assert [path.name for path in tmp_path.iterdir()] == ["older.zarr"]

    @pytest.mark.shared
    def test_the_real_one_is_copied_whole(self, older_dataset_path, tmp_path):
        upgrade_dataset(older_dataset_path, tmp_path / "new.zarr")
        assert ZarrDataset(tmp_path / "new.zarr").verify(deep=True).problems == ()


class TestOme:
    def attributes(self, dataset):
        (image_id,) = dataset.list_image_ids()
        return json.loads((dataset.path / "images" / image_id / "zarr.json").read_text())["attributes"]

    def test_a_copied_record_is_an_image(self, upgraded):
        assert self.attributes(upgraded)["ome"]["version"] == "0.5"

    def test_what_its_metadata_say_of_the_axes_is_asked_for(self, older_path, tmp_path):
        def describe(metadata):
            return OmeDescription(name=metadata["header"]["name"], steps={"x": 0.5})

        upgrade_dataset(older_path, tmp_path / "new.zarr", describe=describe)
        (image,) = self.attributes(ZarrDataset(tmp_path / "new.zarr"))["ome"]["multiscales"]
        assert (image["name"], image["datasets"][0]["coordinateTransformations"][0]["scale"]) == ("old", [1.0, 0.5])
