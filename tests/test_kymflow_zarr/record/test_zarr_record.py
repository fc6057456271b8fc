"""One record: pixels once, artifacts by name."""

import gzip
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import zarr

from kymflow_zarr import ZarrDataset
from kymflow_zarr.errors import (
    ArtifactNotFoundError,
    ConflictError,
    DamagedError,
    InvalidNameError,
    InvalidValueError,
    NotADatasetError,
    PixelsExistError,
)

FRAME = pd.DataFrame({"time_s": [0.0, 0.5], "note": ["a", "b"]})


class TestPixels:
    def test_pixels_are_loaded_as_added(self, record, pixels):
        np.testing.assert_array_equal(record.load_array(), pixels, strict=True)

    def test_pixels_open_lazily_as_a_zarr_array(self, record, pixels):
        opened = record.open_array()
        assert (type(opened), opened.shape, opened.read_only) == (zarr.Array, pixels.shape, True)

    def test_pixels_are_written_once(self, record, pixels):
        with pytest.raises(
            PixelsExistError, match="has its pixels already; pixels are written once, add a new image instead"
        ):
            record.save_array(pixels + 1)

    def test_refused_pixels_leave_the_old_ones(self, record, pixels):
        with pytest.raises(PixelsExistError, match="written once"):
            record.save_array(pixels + 1)
        np.testing.assert_array_equal(record.load_array(), pixels)

    @pytest.mark.parametrize("read", ["open_array", "load_array"])
    def test_missing_pixels_are_damage(self, dataset, record, record_folder, read):
        (record_folder / "data" / "zarr.json").unlink()
        with pytest.raises(DamagedError, match=f"record {record.image_id} has no pixels; restore it from a backup"):
            getattr(record, read)()

    def test_a_missing_chunk_is_damage(self, record, record_folder):
        (record_folder / "data/c/0/0").unlink()
        with pytest.raises(DamagedError, match="has lost 1 of its files, c/0/0 among them"):
            record.load_array()

    def test_a_flipped_byte_is_damage(self, record, record_folder):
        shard = record_folder / "data/c/0/0"
        good = shard.read_bytes()
        shard.write_bytes(good[:40] + bytes([good[40] ^ 0xFF]) + good[41:])
        with pytest.raises(DamagedError, match="is damaged"):
            record.load_array()


class TestAttributes:
    def test_axes_are_inferred(self, record):
        assert record.get_axes() == ("y", "x")

    def test_given_axes_are_kept(self, dataset, pixels):
        assert dataset.add_image(pixels, axes=("line", "pixel")).get_axes() == ("line", "pixel")

    def test_a_missing_document_is_damage(self, record, record_folder):
        (record_folder / "zarr.json").unlink()
        with pytest.raises(DamagedError, match=r"zarr\.json is missing; restore it from a backup"):
            record.get_axes()

    def test_a_document_of_an_array_is_refused(self, record, record_folder):
        (record_folder / "zarr.json").write_text('{"node_type": "array"}')
        with pytest.raises(NotADatasetError, match="does not describe a zarr group"):
            record.get_axes()


class TestMetadata:
    def test_metadata_are_empty_at_first(self, record):
        assert record.load_metadata_payload() == {}

    def test_saved_metadata_are_loaded(self, record):
        record.save_metadata_payload({"rois": []})
        assert record.load_metadata_payload() == {"rois": []}

    def test_loaded_metadata_can_be_changed_and_saved(self, record):
        record.save_metadata_payload({"note": "a"})
        payload = record.load_metadata_payload()
        payload["note"] = "b"
        assert record.save_metadata_payload(payload).number == 1

    def test_two_handles_that_save_upon_one_revision_conflict(self, dataset, record):
        other = ZarrDataset(dataset.path).record(record.image_id)
        mine, yours = record.load_revision(), other.load_revision()
        record.save_metadata_payload({"who": "me"}, expected=mine)
        with pytest.raises(ConflictError, match="not saved"):
            other.save_metadata_payload({"who": "you"}, expected=yours)


class TestJson:
    @pytest.mark.parametrize("value", [None, 3, "µ", [1, [2]], {"a": {"b": 1.5}}], ids=repr)
    def test_json_survives_a_round_trip(self, record, value):
        record.save_json("radon/params", value)
        assert record.load_json("radon/params") == value

    def test_json_lies_under_its_name(self, record, record_folder):
        record.save_json("radon/params", {"window": 3})
        document = json.loads((record_folder / "analysis/radon/params.json").read_text())
        place = {"record": record.image_id, "key": "analysis/radon/params.json"}
        assert document == {"window": 3, "kymflow": {"of": place, "sha256": document["kymflow"]["sha256"]}}

    def test_a_missing_one_is_named_with_those_there_are(self, record):
        record.save_json("params", 3)
        with pytest.raises(
            ArtifactNotFoundError, match=r"no JSON artifact named 'parms' in record .*; it has 'params\.json'"
        ):
            record.load_json("parms")

    def test_a_torn_one_is_damage(self, record, record_folder):
        record.save_json("params", {"a": 3})
        (record_folder / "analysis/params.json").write_text('{"a"')
        with pytest.raises(DamagedError, match=r"params\.json is not readable JSON"):
            record.load_json("params")

    def test_a_value_that_json_cannot_hold_is_refused(self, record):
        with pytest.raises(InvalidValueError, match=r"artifact 'params' cannot be stored as JSON: \$\.a is nan"):
            record.save_json("params", {"a": float("nan")})


class TestTables:
    def test_a_table_survives_a_round_trip(self, record):
        record.save_df_parquet("events", FRAME)
        pd.testing.assert_frame_equal(record.load_df_parquet("events"), FRAME)

    def test_a_table_without_rows_keeps_its_dtypes(self, record):
        record.save_df_parquet("events", FRAME[:0])
        assert dict(record.load_df_parquet("events").dtypes) == dict(FRAME.dtypes)

    def test_a_missing_one_is_named_with_those_there_are(self, record):
        with pytest.raises(ArtifactNotFoundError, match=r"no table artifact named 'events' in record .*; it has none"):
            record.load_df_parquet("events")

    def test_a_torn_one_is_damage(self, record, record_folder):
        record.save_df_parquet("events", FRAME)
        (record_folder / "analysis/events.parquet").write_bytes(b"PAR1")
        with pytest.raises(DamagedError, match=r"events\.parquet is not readable Parquet"):
            record.load_df_parquet("events")


class TestArrays:
    @pytest.mark.parametrize("shape", [(), (3,), (20, 6), (2, 3, 4, 5, 6, 7), (0, 4)], ids=str)
    def test_an_array_survives_a_round_trip(self, record, rng, shape):
        values = rng.random(shape)
        record.save_array_artifact("distances", values)
        np.testing.assert_array_equal(record.load_array_artifact("distances"), values, strict=True)

    def test_a_mask_stays_boolean(self, record, pixels):
        record.save_array_artifact("mask", pixels > 9)
        assert record.open_array_artifact("mask").dtype == bool

    def test_an_array_is_replaced_whole(self, record):
        record.save_array_artifact("mask", np.ones((30, 30), bool))
        record.save_array_artifact("mask", np.zeros((2, 2), bool))
        np.testing.assert_array_equal(record.load_array_artifact("mask"), np.zeros((2, 2), bool), strict=True)

    def test_a_refused_array_leaves_the_old_one(self, record):
        record.save_array_artifact("mask", np.ones((2, 2), bool))
        with pytest.raises(InvalidValueError, match="only numbers and booleans"):
            record.save_array_artifact("mask", np.array(["a"]))
        assert record.load_array_artifact("mask").all()

    @pytest.mark.parametrize(
        ("axes", "expected"), [(None, ("y", "x")), (("line", "pixel"), ("line", "pixel"))], ids=["inferred", "given"]
    )
    def test_the_axes_come_back(self, record, pixels, axes, expected):
        record.save_array_artifact("mask", pixels, axes=axes)
        assert record.get_array_artifact_axes("mask") == expected

    def test_arrays_are_listed_sorted(self, record):
        for name in ("b", "a"):
            record.save_array_artifact(name, np.zeros(3))
        assert record.list_array_artifacts() == ["a", "b"]

    def test_none_are_listed_at_first(self, record):
        assert record.list_array_artifacts() == []

    def test_a_missing_one_is_named_with_those_there_are(self, record):
        record.save_array_artifact("mask", np.zeros(3))
        with pytest.raises(ArtifactNotFoundError, match=r"no array artifact named 'msk' in record .*; it has 'mask'"):
            record.load_array_artifact("msk")

    def test_a_missing_chunk_is_damage(self, record, record_folder):
        record.save_array_artifact("mask", np.zeros((3, 3), bool))
        (record_folder / "analysis_arrays/mask/data/c/0/0").unlink()
        with pytest.raises(DamagedError, match="has lost 1 of its files"):
            record.load_array_artifact("mask")


class TestNames:
    @pytest.fixture
    def tree(self, dataset, record):
        """All paths of the dataset that holds `record`."""
        return lambda: sorted(path.relative_to(dataset.path) for path in dataset.path.rglob("*"))

    SAVES = (
        pytest.param(lambda record, name: record.save_json(name, 1), id="JSON"),
        pytest.param(lambda record, name: record.save_df_parquet(name, FRAME), id="table"),
        pytest.param(lambda record, name: record.save_array_artifact(name, np.zeros(3)), id="array"),
    )

    @pytest.mark.parametrize("save", SAVES)
    @pytest.mark.parametrize("name", ["", "..", "../x", "/x", "A", "a\\b", "a b", "nul"])
    def test_a_bad_name_is_refused_with_the_rule(self, record, save, name):
        with pytest.raises(InvalidNameError, match=r"artifact name .* is not allowed: a name has lower-case letters"):
            save(record, name)

    @pytest.mark.parametrize("save", SAVES)
    def test_a_refused_name_writes_nothing(self, record, tree, save):
        before = tree()
        with pytest.raises(InvalidNameError, match="not allowed"):
            save(record, "../x")
        assert tree() == before

    @pytest.mark.parametrize("save", SAVES[:2])
    @pytest.mark.parametrize("name", ["metadata", "history/metadata.00000009", "history/x"])
    def test_the_metadatas_own_names_are_refused(self, record, save, name):
        with pytest.raises(InvalidNameError, match="is the metadata's own; save it with save_metadata_payload"):
            save(record, name)

    @pytest.mark.parametrize("name", ["zarr", "radon/zarr"])
    def test_zarrs_own_names_are_refused_for_json(self, record, name):
        with pytest.raises(InvalidNameError, match=f"artifact name '{name}' is zarr's own; choose another"):
            record.save_json(name, 1)

    def test_zarrs_own_name_is_refused_for_arrays(self, record):
        with pytest.raises(InvalidNameError, match=r"array artifact name 'zarr\.json' is zarr's own; choose another"):
            record.save_array_artifact("zarr.json", np.zeros(3))

    @pytest.mark.parametrize("read", ["load_json", "load_df_parquet", "load_array_artifact"])
    def test_reading_cannot_leave_the_record(self, record, read):
        with pytest.raises(InvalidNameError, match="does not name a place inside the dataset"):
            getattr(record, read)("../../../x")


class TestListing:
    def test_artifacts_are_listed_with_their_endings_and_without_the_metadata(self, record):
        record.save_metadata_payload({"a": 1})
        record.save_json("radon/params", 1)
        record.save_df_parquet("radon_report", FRAME)
        assert record.list_analysis_keys() == ["radon/params.json", "radon_report.parquet"]

    def test_a_record_knows_its_id(self, record):
        assert repr(record) == f"ZarrImageRecord({record.image_id!r})"

    def test_reading_writes_nothing(self, dataset, record, tree_picture):
        record.save_json("params", 1)
        record.save_array_artifact("mask", np.zeros(3))
        record.save_metadata_payload({"a": 1})
        before = tree_picture(Path(dataset.path))
        for read in (record.load_array, record.load_revision, record.list_analysis_keys):
            read()
        record.load_json("params")
        record.load_array_artifact("mask")
        assert tree_picture(Path(dataset.path)) == before


class TestSeals:
    @pytest.mark.parametrize("value", [{"a": [1, 2.5, None]}, {}, [1, "x"], 3, 2.5, "text", True, None], ids=repr)
    def test_any_value_survives_its_seal(self, record, value):
        record.save_json("params", value)
        assert record.load_json("params") == value

    def test_the_seals_own_key_is_refused(self, record):
        with pytest.raises(InvalidValueError, match="its key 'kymflow' is reserved; choose another"):
            record.save_json("params", {"kymflow": 1})

    def test_a_changed_json_artifact_is_damage(self, record, record_folder):
        record.save_json("params", {"window": 16})
        path = record_folder / "analysis/params.json"
        path.write_text(path.read_text().replace("16", "17"))
        with pytest.raises(DamagedError, match=r"params\.json was changed or damaged since it was written"):
            record.load_json("params")

    def test_a_json_file_of_another_program_is_read(self, record, record_folder):
        (record_folder / "analysis/theirs.json").write_text('{"kymflow": 3, "a": 1}')
        assert record.load_json("theirs") == {"kymflow": 3, "a": 1}

    def test_a_changed_table_artifact_is_damage(self, record, record_folder):
        record.save_df_parquet("report", FRAME)
        path = record_folder / "analysis/report.parquet"
        data = bytearray(path.read_bytes())
        data[len(data) // 3] ^= 4
        path.write_bytes(data)
        with pytest.raises(DamagedError, match=r"report\.parquet (was changed or damaged|is not readable)"):
            record.load_df_parquet("report")

    def test_a_parquet_file_of_another_program_is_read(self, record, record_folder):
        FRAME.to_parquet(record_folder / "analysis/theirs.parquet")
        pd.testing.assert_frame_equal(record.load_df_parquet("theirs"), FRAME)

    def test_sealed_files_are_read_by_other_programs(self, record, record_folder):
        record.save_df_parquet("report", FRAME)
        record.save_array_artifact("mask", np.ones((2, 3), bool))
        pd.testing.assert_frame_equal(pd.read_parquet(record_folder / "analysis/report.parquet"), FRAME)
        assert zarr.open_array(record_folder / "analysis_arrays/mask/data", mode="r")[...].all()

    def test_a_json_value_that_is_too_large_is_refused(self, record, monkeypatch):
        monkeypatch.setattr("kymflow_zarr.formats.strict_json.MAX_BYTES", 1000)
        with pytest.raises(InvalidValueError, match="at most 0 MB are stored, save it as a table or array"):
            record.save_json("params", list(range(1000)))


class TestCsv:
    def test_a_table_survives_a_round_trip(self, record):
        record.save_df_csv_gz("raw", FRAME)
        pd.testing.assert_frame_equal(record.load_df_csv_gz("raw"), FRAME)

    def test_it_is_gzipped_csv_for_others(self, record, record_folder):
        record.save_df_csv_gz("raw", FRAME)
        pd.testing.assert_frame_equal(pd.read_csv(record_folder / "analysis/raw.csv.gz"), FRAME)

    def test_the_same_table_gives_the_same_bytes(self, record, record_folder):
        record.save_df_csv_gz("raw", FRAME)
        before = (record_folder / "analysis/raw.csv.gz").read_bytes()
        record.save_df_csv_gz("raw", FRAME)
        assert (record_folder / "analysis/raw.csv.gz").read_bytes() == before

    def test_an_empty_table_is_read(self, record):
        record.save_df_csv_gz("raw", pd.DataFrame())
        assert len(record.load_df_csv_gz("raw")) == 0

    def test_a_missing_one_is_named_with_those_there_are(self, record):
        record.save_df_csv_gz("raw", FRAME)
        with pytest.raises(ArtifactNotFoundError, match=r"no CSV artifact named 'row' in record .*; it has 'raw\.csv\.gz'"):
            record.load_df_csv_gz("row")

    @pytest.mark.parametrize("content", [b"", b"no gzip", gzip.compress(b"a,b\n1,2\n")[:-4]], ids=["empty", "text", "torn"])
    def test_a_damaged_one_says_so(self, record, record_folder, content):
        (record_folder / "analysis/raw.csv.gz").write_bytes(content)
        with pytest.raises(DamagedError, match=r"raw\.csv\.gz is (not readable gzip|damaged)"):
            record.load_df_csv_gz("raw")


class TestDelete:
    def test_an_artifact_is_deleted_by_its_key(self, record):
        record.save_json("params", 1)
        record.save_df_parquet("params", FRAME)
        record.delete_analysis("params.json")
        assert record.list_analysis_keys() == ["params.parquet"]

    @pytest.mark.parametrize(
        "key", ["params", "metadata.json", "history/metadata.00000000.json", "../zarr.json", "zarr.json"]
    )
    def test_nothing_else_is(self, record, tree_picture, record_folder, key):
        record.save_metadata_payload({"a": 1})
        record.save_json("params", 1)
        before = tree_picture(record_folder)
        with pytest.raises(ArtifactNotFoundError, match=r"no JSON or table artifact named .*; it has 'params\.json'"):
            record.delete_analysis(key)
        assert tree_picture(record_folder) == before

    def test_an_array_is_deleted(self, record):
        for name in ("mask", "distance"):
            record.save_array_artifact(name, np.ones(3))
        record.delete_array_artifact("mask")
        assert record.list_array_artifacts() == ["distance"]

    @pytest.mark.parametrize("name", ["other", "..", "", "zarr.json", "mask/data"])
    def test_a_missing_array_is_named_with_those_there_are(self, record, name):
        record.save_array_artifact("mask", np.ones(3))
        with pytest.raises(ArtifactNotFoundError, match=r"no array artifact named .*; it has 'mask'"):
            record.delete_array_artifact(name)

    def test_nothing_is_left_in_staging(self, dataset, record):
        record.save_array_artifact("mask", np.ones(3))
        record.delete_array_artifact("mask")
        assert list((dataset.path / ".staging").iterdir()) == []


class TestHistory:
    def test_every_save_is_kept(self, record):
        for a in "xyz":
            record.save_metadata_payload({"a": a})
        assert [revision.payload for revision in record.history()] == [{"a": "x"}, {"a": "y"}, {"a": "z"}]

    def test_one_of_them_is_loaded(self, record):
        for a in "xyz":
            record.save_metadata_payload({"a": a})
        assert record.load_metadata_payload(revision=1) == {"a": "y"}


class TestAnyArray:
    @pytest.mark.parametrize("dimensions", range(9))
    def test_of_any_number_of_dimensions(self, record, rng, dimensions):
        values = rng.integers(0, 9, (2, 3, 1, 2, 1, 2, 1, 2)[:dimensions])
        record.save_array_artifact("any", values)
        np.testing.assert_array_equal(record.load_array_artifact("any"), values, strict=True)
        assert len(record.get_array_artifact_axes("any")) == dimensions

    @pytest.mark.parametrize("dtype", ["?", *"bBhHiIlLqQefdFD"])
    def test_of_any_dtype(self, record, dtype):
        values = np.arange(6).reshape(2, 3).astype(dtype)
        record.save_array_artifact("any", values)
        np.testing.assert_array_equal(record.load_array_artifact("any"), values, strict=True)

    @pytest.mark.parametrize(
        "values",
        [
            pytest.param(np.arange(6, dtype=">u2").reshape(2, 3), id="big-endian"),
            pytest.param(np.arange(12).reshape(4, 3)[::2, ::-1], id="non-contiguous"),
            pytest.param(np.asfortranarray(np.arange(6).reshape(2, 3)), id="Fortran order"),
            pytest.param(np.zeros((0, 5)), id="empty"),
            pytest.param(np.zeros(0, bool), id="empty and boolean"),
            pytest.param(np.float32(3), id="a scalar"),
            pytest.param([[True, False]], id="a list"),
        ],
    )
    def test_however_it_lies_in_memory(self, record, values):
        record.save_array_artifact("any", values)
        loaded = record.load_array_artifact("any")
        assert (loaded.shape, loaded.dtype) == (np.shape(values), np.asarray(values).dtype.newbyteorder("="))
        np.testing.assert_array_equal(loaded, values)
