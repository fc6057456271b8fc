"""A dataset: opening writes nothing, the first write makes it, and what is wrong is found."""

import errno
import json
import os
import shutil
import uuid

import numpy as np
import pandas as pd
import pytest
import tifffile
import zarr

from kymflow_zarr import Problem, ZarrDataset
from kymflow_zarr.errors import (
    DamagedError,
    DatasetExistsError,
    DatasetNotFoundError,
    InvalidValueError,
    KymflowZarrError,
    NotADatasetError,
    NotSavedError,
    ReadOnlyError,
    RecordNotFoundError,
    UnsupportedVersionError,
)


@pytest.fixture(scope="module")
def imported_folder(tmp_path_factory):
    """Three TIFFs, which the records of `complete` came from."""
    folder = tmp_path_factory.mktemp("imported")
    for name in ("a.tif", "b.tif", "c.tif"):
        tifffile.imwrite(folder / name, np.ones((20, 6), np.uint16))
    return folder


@pytest.fixture(scope="module")
def complete_original(tmp_path_factory, imported_folder):
    """What `complete` is a copy of, since flushing it to disk anew for every test takes long."""
    dataset = ZarrDataset.create(tmp_path_factory.mktemp("original") / "complete.zarr")
    dataset.import_folder(imported_folder)
    for record in dataset.iter_records():
        record.save_metadata_payload({"rois": []})
        record.save_json("radon/params", {"a": 1})
        record.save_df_parquet("radon_report", pd.DataFrame({"v": [1.0]}))
        record.save_array_artifact("mask", np.ones((20, 6), bool))
        rows = pd.DataFrame({"image_id": [record.image_id], "v": [1.0]})
        dataset.replace_rows_for_image_id("velocity", record.image_id, rows)
    return dataset.path


@pytest.fixture
def complete(tmp_path, complete_original):
    """A dataset with everything: three imported records, metadata, artifacts and a table."""
    return ZarrDataset(shutil.copytree(complete_original, tmp_path / "complete.zarr"))


@pytest.fixture
def three_records(dataset, pixels):
    """A dataset of records acquired at 200, at no known time, and at 100."""
    records = [dataset.add_image(pixels) for _ in range(3)]
    for record, acquired in zip(records, (200, None, 100), strict=True):
        record.save_metadata_payload({"header": {"acquired_local_epoch_ns": acquired}})
    return dataset, [record.image_id for record in records]


def staged(dataset):
    staging = dataset.path / ".staging"
    return list(staging.iterdir()) if staging.exists() else []


def ids(records):
    return [record.image_id for record in records]


class TestOpening:
    def test_opening_nothing_for_writing_makes_nothing(self, tmp_path):
        ZarrDataset(tmp_path / "new.zarr", mode="a")
        assert list(tmp_path.iterdir()) == []

    def test_reading_nothing_makes_nothing(self, tmp_path):
        dataset = ZarrDataset(tmp_path / "new.zarr")
        assert (dataset.list_image_ids(), dataset.list_table_names(), list(dataset.iter_records())) == ([], [], [])
        assert (len(dataset.load_sources_index()), dataset.validate(), list(tmp_path.iterdir())) == (0, [], [])

    def test_opening_nothing_for_reading_is_refused(self, tmp_path):
        with pytest.raises(DatasetNotFoundError, match=r"there is no dataset at .*new\.zarr"):
            ZarrDataset(tmp_path / "new.zarr", mode="r")

    @pytest.mark.parametrize("mode", ["r", "a"])
    def test_reading_all_changes_no_file_and_no_time(self, complete, tree_picture, mode):
        before = tree_picture(complete.path)
        dataset = ZarrDataset(complete.path, mode=mode)
        for record in dataset.iter_records(order_by="acquired_local_epoch_ns"):
            for read in (record.load_array, record.load_revision, record.get_axes, record.list_analysis_keys):
                read()
            record.load_json("radon/params")
            record.load_df_parquet("radon_report")
            record.load_array_artifact("mask")
        dataset.load_table("velocity")
        dataset.load_sources_index()
        dataset.validate()
        assert tree_picture(complete.path) == before

    @pytest.mark.parametrize(
        "write",
        [
            pytest.param(lambda dataset, _: dataset.add_image(np.zeros((2, 2))), id="add_image"),
            pytest.param(lambda dataset, image_id: dataset.delete_image(image_id), id="delete_image"),
            pytest.param(lambda dataset, i: dataset.save_table("t", pd.DataFrame({"image_id": [i]})), id="save_table"),
            pytest.param(lambda dataset, image_id: dataset.replace_rows("velocity", {}), id="replace_rows"),
            pytest.param(lambda dataset, image_id: dataset.record(image_id).save_json("a", 1), id="save_json"),
            pytest.param(lambda dataset, image_id: dataset.record(image_id).save_metadata_payload({}), id="metadata"),
            pytest.param(lambda dataset, i: dataset.record(i).save_array_artifact("m", np.zeros(3)), id="array"),
        ],
    )
    def test_a_dataset_opened_for_reading_refuses_and_changes_nothing(self, complete, tree_picture, write):
        before, image_id = tree_picture(complete.path), complete.list_image_ids()[0]
        with pytest.raises(ReadOnlyError, match=r"not saved: .* opened for reading only; open it with mode 'a'"):
            write(ZarrDataset(complete.path, mode="r"), image_id)
        assert tree_picture(complete.path) == before

    def test_another_mode_is_refused(self, tmp_path):
        with pytest.raises(ValueError, match="mode 'w' is not known; use 'r' to read or 'a' to read and write"):
            ZarrDataset(tmp_path / "new.zarr", mode="w")

    def test_a_file_is_refused(self, tmp_path):
        (tmp_path / "x.zarr").touch()
        with pytest.raises(DatasetNotFoundError, match=r"x\.zarr is a file; a dataset is a folder"):
            ZarrDataset(tmp_path / "x.zarr")

    def test_a_foreign_zarr_group_is_refused(self, tmp_path):
        zarr.open_group(tmp_path / "x.zarr", mode="w", zarr_format=3)
        with pytest.raises(NotADatasetError, match=r"x\.zarr is a zarr group, but not a kymflow dataset"):
            ZarrDataset(tmp_path / "x.zarr")

    @pytest.mark.parametrize("name", ["x.txt", "images/photo.png", ".zgroup", "tables/zarr.json.bak"])
    def test_a_foreign_folder_is_refused(self, tmp_path, name):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
        with pytest.raises(NotADatasetError, match="is a folder with other things in it; choose a new name"):
            ZarrDataset(tmp_path)

    def test_a_newer_dataset_is_refused(self, dataset):
        document = dataset.path / "zarr.json"
        document.write_text(document.read_text().replace('"schema_version": 2', '"schema_version": 3'))
        with pytest.raises(UnsupportedVersionError, match="has schema version 3; this program reads version 2: update it"):
            ZarrDataset(dataset.path)

    def test_records_without_the_root_document_are_damage(self, dataset, record):
        (dataset.path / "zarr.json").unlink()
        with pytest.raises(DamagedError, match=r"has image records but no zarr\.json; restore that file from a backup"):
            ZarrDataset(dataset.path)

    def test_a_torn_root_document_is_damage(self, dataset):
        (dataset.path / "zarr.json").write_text("{")
        with pytest.raises(DamagedError, match=r"zarr\.json is not readable JSON"):
            ZarrDataset(dataset.path)


class TestMaking:
    @pytest.mark.parametrize(
        "write",
        [
            pytest.param(lambda dataset: dataset.add_image(np.zeros((2, 2))), id="add_image"),
            pytest.param(lambda dataset: dataset.save_table("t", pd.DataFrame({"image_id": ["a"]})), id="save_table"),
        ],
    )
    def test_the_first_write_makes_the_dataset(self, tmp_path, write):
        dataset = ZarrDataset(tmp_path / "new.zarr")
        write(dataset)
        assert ZarrDataset(dataset.path, mode="r").dataset_id == dataset.dataset_id

    def test_an_empty_folder_becomes_a_dataset(self, tmp_path):
        (tmp_path / "new.zarr").mkdir()
        assert ZarrDataset.create(tmp_path / "new.zarr").validate() == []

    def test_create_refuses_a_dataset_that_is_there(self, dataset):
        with pytest.raises(DatasetExistsError, match=r"there is a dataset at .*made\.zarr already; open it instead"):
            ZarrDataset.create(dataset.path)

    def test_create_refuses_a_dataset_that_appears_meanwhile(self, tmp_path, monkeypatch):
        path = tmp_path / "new.zarr"
        monkeypatch.setattr("kymflow_zarr.dataset.dataset.load_attributes", lambda _blobs: None)
        ZarrDataset.create(path)
        with pytest.raises(DatasetExistsError, match="already; open it instead"):
            ZarrDataset.create(path)

    def test_the_first_to_make_a_dataset_names_it(self, tmp_path, pixels):
        one, other = (ZarrDataset(tmp_path / "new.zarr") for _ in range(2))
        one.add_image(pixels)
        other.add_image(pixels)
        assert {one.dataset_id, other.dataset_id} == {ZarrDataset(one.path).dataset_id}

    @pytest.mark.parametrize("nth", range(1, 9))
    def test_a_dataset_whose_making_was_stopped_is_made_by_the_next_write(self, tmp_path, monkeypatch, nth):
        fsync, calls = os.fsync, []

        def fail_nth(descriptor):
            calls.append(descriptor)
            if len(calls) == nth:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            fsync(descriptor)

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", fail_nth)
            with pytest.raises(NotSavedError, match=r"not saved|not known whether it is saved"):
                ZarrDataset.create(tmp_path / "new.zarr")
        dataset = ZarrDataset(tmp_path / "new.zarr")
        dataset.add_image(np.zeros((2, 2)))
        assert dataset.validate() == []

    def test_a_temporary_file_of_a_killed_program_is_no_foreign_thing(self, tmp_path):
        (tmp_path / ".0123456789abcdef0123456789abcdef.tmp").touch()
        assert ZarrDataset(tmp_path).list_image_ids() == []


class TestLayout:
    def test_the_files_are_those_of_the_format(self, dataset, record):
        record.save_metadata_payload({"rois": []})
        record.save_json("radon/params", 1)
        record.save_df_parquet("report", pd.DataFrame({"v": [1.0]}))
        record.save_array_artifact("mask", np.ones((20, 6), bool))
        dataset.save_table("velocity", pd.DataFrame({"image_id": [record.image_id]}))
        image = f"images/{record.image_id}"
        assert sorted(path.relative_to(dataset.path).as_posix() for path in dataset.path.rglob("*") if path.is_file()) == [
            f"{image}/analysis/history/metadata.00000000.json",
            f"{image}/analysis/metadata.json",
            f"{image}/analysis/radon/params.json",
            f"{image}/analysis/report.parquet",
            f"{image}/analysis/zarr.json",
            f"{image}/analysis_arrays/mask/data/c/0/0",
            f"{image}/analysis_arrays/mask/data/zarr.json",
            f"{image}/analysis_arrays/mask/zarr.json",
            f"{image}/analysis_arrays/zarr.json",
            f"{image}/data/c/0/0",
            f"{image}/data/zarr.json",
            f"{image}/zarr.json",
            "images/zarr.json",
            "index/zarr.json",
            "tables/velocity.parquet",
            "tables/zarr.json",
            "zarr.json",
        ]

    def test_every_group_document_is_opened_by_zarr(self, complete):
        documents = [p for p in complete.path.rglob("zarr.json") if json.loads(p.read_text())["node_type"] == "group"]
        groups = [zarr.open_group(document.parent, mode="r") for document in documents]
        assert {group.metadata.zarr_format for group in groups} == {3}

    def test_the_root_says_what_it_is(self, dataset):
        ours = dict(zarr.open_group(dataset.path, mode="r").attrs)["kymflow"]
        assert ours == {
            "format": "kymflow_zarr",
            "schema_version": 2,
            "dataset_id": dataset.dataset_id,
            "created_utc": ours["created_utc"],
            "sha256": ours["sha256"],
        }

    def test_a_record_says_its_axes(self, record_folder):
        assert zarr.open_group(record_folder, mode="r").attrs["axes"] == ["y", "x"]

    def test_the_pixels_are_opened_by_zarr_through_the_root(self, dataset, record, pixels):
        group = zarr.open_group(dataset.path, mode="r")
        np.testing.assert_array_equal(group[f"images/{record.image_id}/data"][...], pixels)

    def test_a_record_is_named_by_a_uuid4(self, record):
        assert uuid.UUID(record.image_id).version == 4


class TestBuildRecord:
    def test_a_record_appears_when_the_block_ends(self, dataset, pixels):
        with dataset.build_record(pixels) as draft:
            before = dataset.list_image_ids()
        assert (before, dataset.list_image_ids()) == ([], [draft.image_id])

    def test_a_record_appears_with_all_that_was_saved_in_the_block(self, dataset, pixels):
        with dataset.build_record(pixels) as draft:
            draft.save_metadata_payload({"a": 1})
            draft.save_array_artifact("mask", pixels > 9)
        record = dataset.record(draft.image_id)
        assert (record.load_metadata_payload(), record.list_array_artifacts()) == ({"a": 1}, ["mask"])

    @pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt], ids=lambda kind: kind.__name__)
    def test_an_error_inside_leaves_no_record_and_nothing_in_staging(self, dataset, pixels, error):
        with pytest.raises(error), dataset.build_record(pixels) as draft:  # noqa: PT012
            draft.save_json("a", 1)
            raise error
        assert (dataset.list_image_ids(), staged(dataset)) == ([], [])

    def test_refused_pixels_leave_no_record_and_nothing_in_staging(self, dataset):
        with pytest.raises(InvalidValueError, match="only numbers and booleans"):
            dataset.add_image(np.array(["a"]))
        assert (dataset.list_image_ids(), staged(dataset)) == ([], [])

    def test_staging_is_empty_at_rest(self, complete):
        assert staged(complete) == []

    def test_a_failing_disk_leaves_no_record(self, dataset, pixels, monkeypatch):
        with monkeypatch.context() as patch:
            patch.setattr(os, "rename", lambda *_: (_ for _ in ()).throw(OSError(errno.ENOSPC, "No space left")))
            with pytest.raises(NotSavedError, match="not saved: No space left"):
                dataset.add_image(pixels)
        assert (dataset.list_image_ids(), staged(dataset)) == ([], [])


class TestRecords:
    @pytest.mark.parametrize("image_id", ["", "..", "zarr.json", "../tables", str(uuid.UUID(int=0)), "A" * 36])
    def test_a_missing_record_is_refused(self, dataset, record, image_id):
        with pytest.raises(RecordNotFoundError, match=r"no record .* in .*; it has 1 record, see list_image_ids\(\)"):
            dataset.record(image_id)

    def test_ids_are_sorted(self, three_records):
        dataset, added = three_records
        assert dataset.list_image_ids() == sorted(added)

    @pytest.mark.parametrize("name", ["desktop.ini", "notes", ".DS_Store"])
    def test_a_stray_file_is_no_record(self, dataset, record, name):
        (dataset.path / "images" / name).touch()
        assert ids(dataset.iter_records()) == [record.image_id]

    def test_records_come_by_id(self, three_records):
        dataset, added = three_records
        assert ids(dataset.iter_records()) == sorted(added)

    def test_records_come_by_creation(self, three_records):
        dataset, added = three_records
        assert ids(dataset.iter_records(order_by="created_utc")) == added

    def test_records_without_acquisition_time_come_last(self, three_records):
        dataset, (at_200, unknown, at_100) = three_records
        assert ids(dataset.iter_records(order_by="acquired_local_epoch_ns")) == [at_100, at_200, unknown]

    def test_records_without_acquisition_time_come_first_where_asked(self, three_records):
        dataset, (at_200, unknown, at_100) = three_records
        ordered = dataset.iter_records(order_by="acquired_local_epoch_ns", missing="first")
        assert ids(ordered) == [unknown, at_100, at_200]

    @pytest.mark.parametrize("missing", ["first", "last"])
    @pytest.mark.parametrize(
        "header", [{}, {"acquired_local_epoch_ns": 7}, None], ids=["no time", "equal times", "no header"]
    )
    def test_records_of_equal_time_come_by_id(self, dataset, pixels, missing, header):
        for _ in range(3):
            dataset.add_image(pixels).save_metadata_payload({"header": header})
        ordered = dataset.iter_records(order_by="acquired_local_epoch_ns", missing=missing)
        assert ids(ordered) == dataset.list_image_ids()

    @pytest.mark.parametrize("arguments", [{"order_by": "size"}, {"missing": "never"}], ids=str)
    def test_another_order_is_refused(self, dataset, arguments):
        with pytest.raises(ValueError, match=r"is not known; see the signature"):
            list(dataset.iter_records(**arguments))


class TestDelete:
    @pytest.fixture
    def emptied(self, complete):
        """A dataset after one of its records was deleted, and the deleted id."""
        image_id = complete.list_image_ids()[0]
        complete.delete_image(image_id)
        return complete, image_id

    def test_the_record_is_gone(self, emptied):
        dataset, image_id = emptied
        assert image_id not in dataset.list_image_ids()

    def test_its_rows_are_gone_from_tables_and_sources(self, emptied):
        dataset, image_id = emptied
        assert image_id not in {*dataset.load_table("velocity")["image_id"], *dataset.load_sources_index()["image_id"]}

    def test_the_other_rows_stay(self, emptied):
        dataset, _ = emptied
        assert (len(dataset.load_table("velocity")), len(dataset.load_sources_index())) == (2, 2)

    def test_the_dataset_is_sound_after_it(self, emptied):
        assert emptied[0].validate() == []

    def test_a_deleted_file_is_imported_again(self, emptied, imported_folder):
        assert len(emptied[0].import_folder(imported_folder).imported) == 1

    def test_a_missing_record_is_refused(self, dataset):
        with pytest.raises(RecordNotFoundError, match="no record"):
            dataset.delete_image(str(uuid.uuid4()))


def files_of(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


class TestTrash:
    def test_a_removed_record_comes_back_as_it_was(self, complete):
        image_id = complete.list_image_ids()[0]
        before = files_of(complete.path / "images" / image_id)
        sources = complete.load_sources_index()

        complete.move_to_trash(image_id)
        assert image_id not in complete.list_image_ids()
        assert image_id not in {*complete.load_table("velocity")["image_id"], *complete.load_sources_index()["image_id"]}
        assert complete.validate() == []
        [removed] = complete.list_trash()
        assert removed.image_id == image_id

        complete.restore_from_trash(removed)
        assert files_of(complete.path / "images" / image_id) == before
        assert complete.list_trash() == []
        order = {"by": "image_id", "ignore_index": True}
        pd.testing.assert_frame_equal(
            complete.load_sources_index().sort_values(**order), sources.sort_values(**order), check_dtype=False
        )
        assert complete.validate() == []

    def test_it_is_not_restored_over_a_record_nor_twice(self, dataset, pixels):
        with dataset.build_record(pixels) as draft:
            pass
        dataset.move_to_trash(draft.image_id)
        [removed] = dataset.list_trash()
        with dataset.build_record(pixels, image_id=draft.image_id):
            pass
        with pytest.raises(FileExistsError):
            dataset.restore_from_trash(removed)
        dataset.delete_image(draft.image_id)
        dataset.restore_from_trash(removed)
        with pytest.raises(RecordNotFoundError, match="no longer in the trash"):
            dataset.restore_from_trash(removed)


class TestValidate:
    def test_a_sound_dataset_has_no_problems(self, complete):
        assert complete.validate() == []

    def test_a_problem_says_where_and_what(self):
        assert str(Problem(where="tables/x", what="is torn")) == "tables/x: is torn"

    @pytest.mark.parametrize(
        ("name", "damage", "where", "what"),
        [
            pytest.param("images/ID/data/c/0/0", "unlink", "images/ID/data", "has lost 1 of its files", id="missing chunk"),
            pytest.param("images/ID/data/zarr.json", "unlink", "images/ID/data", "is missing", id="missing pixels"),
            pytest.param(
                "images/ID/data/zarr.json", "tear", "images/ID/data", "is not readable JSON", id="torn array document"
            ),
            pytest.param("images/ID/zarr.json", "unlink", "images/ID", "zarr.json is missing", id="missing zarr.json"),
            pytest.param("images/ID/zarr.json", "tear", "images/ID", "is not readable JSON", id="torn zarr.json"),
            pytest.param("images/ID/zarr.json", "folder", "images/ID", "Is a directory", id="folder as zarr.json"),
            pytest.param(
                "images/ID/analysis/radon/params.json",
                "tear",
                "images/ID/analysis/radon/params.json",
                "not readable JSON",
                id="torn JSON",
            ),
            pytest.param(
                "images/ID/analysis/radon_report.parquet",
                "tear",
                "images/ID/analysis/radon_report.parquet",
                "Parquet",
                id="torn artifact",
            ),
            pytest.param(
                "images/ID/analysis_arrays/mask/data/c/0/0",
                "unlink",
                "images/ID/analysis_arrays/mask/data",
                "has lost 1",
                id="mask's chunk",
            ),
            pytest.param(
                "images/ID/analysis_arrays/mask/data/zarr.json",
                "unlink",
                "images/ID/analysis_arrays/mask/data",
                "is missing",
                id="mask's document",
            ),
            pytest.param(
                "tables/velocity.parquet", "tear", "tables/velocity.parquet", "is not readable Parquet", id="torn table"
            ),
            pytest.param(
                "tables/velocity.parquet", "folder", "tables/velocity.parquet", "Is a directory", id="folder as table"
            ),
            pytest.param(
                "tables/sources.parquet", "tear", "tables/sources.parquet", "is not readable Parquet", id="torn sources"
            ),
        ],
    )
    def test_damage_is_found(self, complete, name, damage, where, what):
        image_id = complete.list_image_ids()[0]
        path = complete.path / name.replace("ID", image_id)
        shutil.rmtree(complete.path / "tables/.commits", ignore_errors=True)
        content = path.read_bytes()
        path.unlink()
        if damage == "tear":
            path.write_bytes(content[: len(content) // 2])
        elif damage == "folder":
            path.mkdir()
        (problem,) = complete.validate()
        assert (problem.where, what in problem.what) == (where.replace("ID", image_id), True)

    def test_metadata_without_a_sound_revision_are_found(self, complete):
        image_id = complete.list_image_ids()[0]
        (complete.path / f"images/{image_id}/analysis/history/metadata.00000000.json").write_text("{")
        (problem,) = complete.validate()
        assert (problem.where.rpartition("/")[2], problem.state) == ("metadata.00000000.json", "repairable")

    def test_rows_of_a_gone_record_are_found(self, dataset, record):
        dataset.save_table("velocity", pd.DataFrame({"image_id": [record.image_id, "gone"]}))
        assert dataset.validate() == [
            Problem(
                where="tables/velocity.parquet", what="has rows of 1 record that is gone, gone first", state="repairable"
            )
        ]

    def test_a_table_without_image_ids_is_found(self, dataset):
        pd.DataFrame({"v": [1.0]}).to_parquet(dataset.path / "tables/foreign.parquet")
        problem = Problem(where="tables/foreign.parquet", what="has no column 'image_id'", state="repairable")
        assert dataset.validate() == [problem]

    def test_image_ids_that_are_no_text_are_found(self, dataset):
        pd.DataFrame({"image_id": [[1], [2]]}).to_parquet(dataset.path / "tables/foreign.parquet")
        (problem,) = dataset.validate()
        assert "has rows of 2 records that are gone" in problem.what

    def test_leftovers_in_staging_are_found(self, dataset, two_days_later):
        (dataset.path / ".staging/building-1").mkdir(parents=True)
        two_days_later()
        what = "was left behind by a program that was stopped"
        problem = Problem(where=".staging/building-1", what=what, state="repairable")
        assert dataset.validate() == [problem]

    def test_a_stray_folder_among_the_records_is_found(self, dataset):
        (dataset.path / "images/notes").mkdir()
        problem = Problem(where="images/notes", what="is not named by a uuid, so it is no record", state="repairable")
        assert dataset.validate() == [problem]

    def test_every_problem_is_found_at_once(self, complete):
        for image_id in complete.list_image_ids():
            (complete.path / f"images/{image_id}/data/c/0/0").unlink()
        assert len(complete.validate()) == 3

    @pytest.mark.slow
    def test_any_one_torn_file_raises_nothing(self, complete):
        image_id = complete.list_image_ids()[0]
        folders = (complete.path / "images" / image_id, complete.path / "tables")
        for path in [path for folder in folders for path in folder.rglob("*") if path.is_file()]:
            content = path.read_bytes()
            for torn in (b"", content[: len(content) // 2], b"[]"):
                path.write_bytes(torn)
                assert isinstance(complete.validate(), list), path
            path.write_bytes(content)
        assert complete.validate() == []


def test_every_error_is_ours_and_a_builtin():
    ours = KymflowZarrError.__subclasses__()
    assert [kind.__name__ for kind in ours if not issubclass(kind, (ValueError, OSError, RuntimeError, ImportError))] == []
