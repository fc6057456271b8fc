"""What one program does to a dataset while another is at it: each order of steps by itself, none by chance."""

import errno
import os
import shutil
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tifffile

from kymflow_zarr import Watch, ZarrDataset, ZarrImageRecord
from kymflow_zarr.dataset import manifest, recognize
from kymflow_zarr.dataset.dataset import Dataset
from kymflow_zarr.dataset.lost_sources import find_lost_sources
from kymflow_zarr.disk import steps
from kymflow_zarr.disk.blobs import Blobs
from kymflow_zarr.disk.staging import Staging
from kymflow_zarr.errors import (
    ArtifactExistsError,
    ArtifactNotFoundError,
    DamagedError,
    NotSavedError,
    PixelsExistError,
    RecordNotFoundError,
)
from kymflow_zarr.exporting.export import ExportReport
from kymflow_zarr.importing.run import _Run
from kymflow_zarr.record import revisions
from kymflow_zarr.record.held import HeldRecord
from kymflow_zarr.tables.sources import Source
from kymflow_zarr.tables.table_commits import TableCommits
from kymflow_zarr.tables.tables import Tables
from kymflow_zarr.verify import garbage, verify
from kymflow_zarr.verify import record as verify_record
from kymflow_zarr.verify.verify import VerifyReport

MASK = np.ones((20, 6), bool)


@pytest.fixture
def meanwhile(monkeypatch) -> Callable[[Any, str, Callable[[], object]], None]:
    """A function that lets something happen once, right before the next call of an owner's function."""

    def arrange(owner: Any, name: str, happen: Callable[[], object]) -> None:
        real = getattr(owner, name)

        def call(*args, **kwargs):
            monkeypatch.setattr(owner, name, real)
            happen()
            return real(*args, **kwargs)

        monkeypatch.setattr(owner, name, call)

    return arrange


class Arriving:
    """Values of an array during whose reading something happens, as while a large one is packed."""

    def __init__(self, values, happen):
        self.values = values
        self.happen = happen

    def __array__(self, dtype=None, copy=None):
        self.happen()
        return np.asarray(self.values, dtype)


def rows(image_id, value):
    return pd.DataFrame({"image_id": [image_id], "v": [value]})


def make_older(folder, seconds):
    """Let all of a tree look as if it had been written so long ago."""
    before = time.time() - seconds
    for path in (*folder.rglob("*"), folder):
        os.utime(path, (before, before))


class TestSavingIntoARecordThatIsDeleted:
    @pytest.mark.parametrize(
        "save",
        [
            pytest.param(lambda record: record.save_json("radon/params", {"a": 1}), id="json"),
            pytest.param(lambda record: record.save_df_parquet("report", pd.DataFrame({"v": [1]})), id="table"),
            pytest.param(lambda record: record.save_metadata_payload({"a": 1}), id="metadata"),
            pytest.param(lambda record: record.save_array_artifact("mask", MASK), id="array"),
            pytest.param(lambda record: record.save_array_artifact("mask", MASK, held_by_metadata=True), id="mask"),
        ],
    )
    def test_is_not_acknowledged_and_makes_no_ghost(self, dataset, record, record_folder, meanwhile, save):
        # The record was there when the save began.
        meanwhile(steps, "make_folders", lambda: ZarrDataset(dataset.path).delete_image(record.image_id))
        with pytest.raises(RecordNotFoundError, match=r"not saved: .* is no longer there"):
            save(record)
        assert not record_folder.exists()

    def test_is_not_acknowledged_where_that_was_while_an_array_was_packed(self, dataset, record, record_folder):
        large = Arriving(MASK, lambda: ZarrDataset(dataset.path).delete_image(record.image_id))
        with pytest.raises(RecordNotFoundError, match=r"not saved: .* is no longer there"):
            record.save_array_artifact("mask", large)
        assert not record_folder.exists()

    def test_is_not_acknowledged_for_pixels(self, dataset, record, record_folder, pixels):
        ZarrDataset(dataset.path).delete_image(record.image_id)
        with pytest.raises(RecordNotFoundError, match=r"not saved: .* is no longer there"):
            record.save_array(pixels)
        assert not record_folder.exists()


class TestTakingOutWhatAnotherProgramTakesOut:
    @pytest.fixture
    def delete(self, dataset, record) -> Callable[[], object]:
        return lambda: ZarrDataset(dataset.path).delete_image(record.image_id)

    @pytest.mark.parametrize("take", ["delete_image", "move_to_trash"])
    def test_a_record_is_no_longer_there(self, dataset, record, meanwhile, delete, take):
        meanwhile(steps, "rename", delete)
        with pytest.raises(RecordNotFoundError, match=r"no record .*; it has 0 records"):
            getattr(dataset, take)(record.image_id)

    def test_a_record_in_the_trash_is_no_longer_there(self, dataset, record, meanwhile):
        dataset.move_to_trash(record.image_id)
        (removed,) = dataset.list_trash()
        meanwhile(steps, "rename_folder", lambda: ZarrDataset(dataset.path).restore_from_trash(removed))
        with pytest.raises(RecordNotFoundError, match="is no longer in the trash"):
            dataset.restore_from_trash(removed)
        assert dataset.list_image_ids() == [record.image_id]

    def test_a_disk_that_fails_is_said_to_fail(self, dataset, record, monkeypatch):
        def fail(source, target):
            raise OSError(errno.EIO, os.strerror(errno.EIO), source)

        monkeypatch.setattr(steps, "rename", fail)
        with pytest.raises(NotSavedError, match="Input/output error"):
            dataset.delete_image(record.image_id)

    @pytest.mark.parametrize(
        ("happens_in", "delete"),
        [
            pytest.param((os, "unlink"), lambda record: record.delete_analysis("report.parquet"), id="table"),
            pytest.param((steps, "rename"), lambda record: record.delete_array_artifact("labels"), id="array"),
        ],
    )
    def test_an_artifact_is_no_longer_there(self, dataset, record, meanwhile, happens_in, delete):
        record.save_df_parquet("report", pd.DataFrame({"v": [1]}))
        record.save_array_artifact("labels", MASK)
        meanwhile(*happens_in, lambda: delete(ZarrDataset(dataset.path).record(record.image_id)))
        with pytest.raises(ArtifactNotFoundError, match="artifact named"):
            delete(record)

    def test_garbage_is_deleted_once(self, dataset, meanwhile):
        left = dataset.path / ".staging" / "building-000000000000~images%2Fx"
        left.mkdir(parents=True)
        make_older(left, 2 * 24 * 3600)
        there = dataset.path / ".staging" / left.name
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(garbage, "_is_old", lambda blobs, key, now: key.endswith(left.name))
            meanwhile(steps, "rename", lambda: shutil.rmtree(there))
            assert dataset.collect_garbage() == []

    def test_records_are_listed_without_it(self, dataset, record, pixels, meanwhile, delete):
        other = dataset.add_image(pixels)
        meanwhile(ZarrDataset, "record", delete)
        assert [one.image_id for one in dataset.iter_records()] == [other.image_id]

    def test_the_manifest_is_without_it(self, dataset, record, pixels, meanwhile, delete):
        other = dataset.add_image(pixels)
        meanwhile(manifest, "_entry", delete)
        assert [entry.image_id for entry in dataset.load_manifest().entries] == [other.image_id]

    @pytest.mark.parametrize("method", ["load_array", "get_shape", "load_attributes", "load_revision"])
    def test_reading_it_does_not_speak_of_damage(self, record, delete, meanwhile, method):
        record.save_metadata_payload({"a": 1})
        meanwhile(Blobs, "read", delete)
        with pytest.raises(RecordNotFoundError, match="no longer there"):
            getattr(record, method)()

    @pytest.mark.parametrize(
        "read",
        [
            pytest.param(lambda record: record.load_json("params"), id="json"),
            pytest.param(lambda record: record.load_df_parquet("report"), id="table"),
            pytest.param(lambda record: record.load_computed_from("report.parquet"), id="statement"),
            pytest.param(lambda record: record.load_array_artifact("mask"), id="array"),
        ],
    )
    def test_reading_what_is_in_it_does_not_speak_of_an_artifact_that_it_lacks(self, record, delete, meanwhile, read):
        record.save_json("params", {"a": 1})
        record.save_df_parquet("report", pd.DataFrame({"v": [1]}))
        record.save_array_artifact("mask", MASK)
        meanwhile(Blobs, "read", delete)
        with pytest.raises(RecordNotFoundError, match="no longer there"):
            read(record)

    @pytest.mark.parametrize("method", ["load_array", "open_array"])
    def test_its_pixels_have_lost_no_file(self, record, delete, meanwhile, method):
        meanwhile(Blobs, "has_bytes", delete)
        with pytest.raises(RecordNotFoundError, match="no longer there"):
            getattr(record, method)()

    def test_metadata_are_read_where_it_was_away_for_a_moment(self, dataset, record, monkeypatch):
        record.save_metadata_payload({"a": 1})
        dataset.move_to_trash(record.image_id)
        (removed,) = dataset.list_trash()
        real, asked = revisions.sealed_revision, []

        def back_then(blobs, number):
            asked.append(number)
            if len(asked) == 2:
                dataset.restore_from_trash(removed)
            return real(blobs, number)

        monkeypatch.setattr(revisions, "sealed_revision", back_then)
        assert revisions.load_revision(record._blobs, [0]).payload == {"a": 1}

    def test_the_readable_copy_is_renewed_where_it_was_away_as_that_was_to_be_written(self, dataset, record, meanwhile):
        record.save_metadata_payload({"a": 1})
        meanwhile(revisions, "_keep_foreign_copy", lambda: dataset.move_to_trash(record.image_id))
        record.save_metadata_payload({"a": 2})
        (removed,) = dataset.list_trash()
        dataset.restore_from_trash(removed)
        assert record.load_metadata_payload() == {"a": 2}
        assert not dataset.verify(deep=True).problems

    def test_the_readable_copy_is_the_newest_where_another_program_saves_as_it_is_repaired(
        self, dataset, record, record_folder, meanwhile
    ):
        record.save_metadata_payload({"a": 1})
        (record_folder / "analysis" / "metadata.json").unlink()
        meanwhile(Blobs, "write", lambda: ZarrDataset(dataset.path).record(record.image_id).save_metadata_payload({"a": 2}))
        dataset.verify(repair=True)
        assert not dataset.verify(deep=True).problems

    def test_the_sources_have_no_row_of_it(self, dataset, record):
        source = Source.of_older({"source_primary_path": "/data/scan.tif"})
        dataset.delete_image(record.image_id)
        dataset.add_sources({record.image_id: source})
        assert not len(dataset.load_sources_index())

    def test_the_sources_have_a_row_of_one_that_is_restored_at_once(self, dataset, record, meanwhile):
        record.save_json("provenance", Source.of_older({"source_primary_path": "/data/scan.tif"}).to_json())

        def restore():
            (removed,) = ZarrDataset(dataset.path).list_trash()
            ZarrDataset(dataset.path).restore_from_trash(removed)

        meanwhile(Tables, "delete_rows", restore)
        dataset.add_sources({record.image_id: Source.of_older({"source_primary_path": "/data/scan.tif"})})
        dataset.move_to_trash(record.image_id)
        assert list(dataset.load_sources()) == [record.image_id]

    def test_an_import_goes_on(self, dataset, tmp_path, pixels, meanwhile):
        folder = tmp_path / "scans"
        folder.mkdir()
        tifffile.imwrite(folder / "a.tif", pixels)
        (file,) = dataset.import_folder(folder).imported
        meanwhile(_Run, "_may_add_to", lambda: ZarrDataset(dataset.path).delete_image(file.image_id))
        assert dataset.import_folder(folder).failed == ()
        assert len(dataset.import_folder(folder).imported) == 1

    def test_a_record_is_not_damaged_as_its_source_is_looked_for(self, dataset, record, meanwhile, delete):
        record.save_json("provenance", Source.of_older({"source_primary_path": "/data/scan.tif"}).to_json())
        meanwhile(ZarrImageRecord, "load_json", delete)
        assert find_lost_sources(dataset, dataset._sources) == ({}, {})

    def test_a_row_that_was_written_while_it_was_deleted_goes_with_it(self, dataset, record, meanwhile):
        write = partial(ZarrDataset(dataset.path).replace_rows, "events", {record.image_id: rows(record.image_id, 1)})
        meanwhile(steps, "rename", write)
        dataset.delete_image(record.image_id)
        assert not len(dataset.load_table("events"))

    def test_a_save_that_was_not_confirmed_is_not_acknowledged(self, record, meanwhile, delete):
        meanwhile(steps, "confirm", delete)
        with pytest.raises(RecordNotFoundError, match=r"not saved: .* is no longer there"):
            record.save_metadata_payload({"a": 1})


class TestMakingOneDataset:
    @pytest.mark.parametrize("call", range(1, 5))
    def test_all_give_it_one_id(self, tmp_path, pixels, monkeypatch, call):
        path, left, real = tmp_path / "new.zarr", [call], steps.write_file
        mine, theirs = ZarrDataset(path), ZarrDataset(path)

        def overtaken(*args, **kwargs):
            left[0] -= 1
            if not left[0]:
                theirs.add_image(pixels)
            return real(*args, **kwargs)

        monkeypatch.setattr(steps, "write_file", overtaken)
        mine.add_image(pixels)
        assert mine.dataset_id == theirs.dataset_id == ZarrDataset(path).dataset_id
        assert not ZarrDataset(path).verify(deep=True).problems
        assert len(mine.list_image_ids()) == 2

    @pytest.mark.parametrize("call", range(1, 5))
    def test_who_finishes_what_a_stopped_one_began_keeps_its_id(self, tmp_path, pixels, monkeypatch, call):
        path, left, real = tmp_path / "new.zarr", [call], steps.write_file

        def stopped(*args, **kwargs):
            left[0] -= 1
            if not left[0]:
                raise KeyboardInterrupt
            return real(*args, **kwargs)

        with monkeypatch.context() as patch:
            patch.setattr(steps, "write_file", stopped)
            with pytest.raises(KeyboardInterrupt):
                ZarrDataset.create(path)
        ZarrDataset(path).add_image(pixels)
        assert not ZarrDataset(path).verify(deep=True).problems

    @pytest.mark.parametrize("what", ["records", "other things"])
    def test_one_that_is_made_while_it_is_opened_is_a_dataset(self, tmp_path, pixels, meanwhile, what):
        path = tmp_path / "new.zarr"
        path.mkdir()
        make = ZarrDataset(path).add_image if what == "records" else lambda _: ZarrDataset.create(path)
        meanwhile(recognize, "load_older_attributes", lambda: make(pixels))
        assert len(ZarrDataset(path, mode="r").list_image_ids()) == (what == "records")


class TestStagingThatAnotherProgramRemoves:
    def test_an_export_is_built_all_the_same(self, dataset, record, tmp_path, monkeypatch):
        real, left = Staging.new_path, [1]

        def removed(self, what, place):
            path = real(self, what, place)
            if left and what == "building":
                left.clear()
                Path(path).parent.rmdir()
            return path

        monkeypatch.setattr(Staging, "new_path", removed)
        assert dataset.export_legacy_folder(tmp_path / "exported").records == 1
        assert not left


class TestExportsAndWhatIsAddedMeanwhile:
    def test_a_table_has_no_rows_of_a_record_that_came_later(self, dataset, record, pixels, tmp_path, meanwhile):
        def add():
            later = dataset.add_image(pixels)
            dataset.replace_rows("events", {one.image_id: rows(one.image_id, 1) for one in (record, later)})

        meanwhile(ZarrDataset, "list_table_names", add)
        dataset.export_legacy_folder(tmp_path / "exported")
        again = ZarrDataset.create(tmp_path / "again.zarr")
        again.ingest_legacy_folder(tmp_path / "exported")
        assert list(again.load_table("events")["image_id"]) == [record.image_id]
        assert not again.verify(deep=True).problems

    def test_a_table_has_no_rows_of_a_record_that_was_deleted_before_it_was_exported(
        self, dataset, record, record_folder, pixels, tmp_path
    ):
        stays = dataset.add_image(pixels)
        dataset.replace_rows("events", {one.image_id: rows(one.image_id, 1) for one in (record, stays)})
        take_away = Watch(progress=lambda *_: shutil.rmtree(record_folder, ignore_errors=True))  # and not yet the rows
        report = dataset.export_legacy_folder(tmp_path / "exported", watch=take_away)
        assert report.records == 1
        again = ZarrDataset.create(tmp_path / "again.zarr")
        again.ingest_legacy_folder(tmp_path / "exported")
        assert list(again.load_table("events")["image_id"]) == [stays.image_id]

    def test_rows_that_another_program_wrote_while_an_export_is_restored_stay(
        self, dataset, record, pixels, tmp_path, meanwhile
    ):
        dataset.replace_rows("events", {record.image_id: rows(record.image_id, 1)})
        dataset.export_legacy_folder(tmp_path / "exported")
        again = ZarrDataset.create(tmp_path / "again.zarr")
        other = again.add_image(pixels).image_id
        add = partial(ZarrDataset(again.path).replace_rows, "events", {other: rows(other, 7)})
        meanwhile(Tables, "save", add)
        again.ingest_legacy_folder(tmp_path / "exported")
        assert set(again.load_table("events")["image_id"]) == {record.image_id, other}


class TestExportsOfARecordThatOthersChange:
    @pytest.fixture
    def record(self, record) -> ZarrImageRecord:
        """The record with something of each kind."""
        record.save_metadata_payload({"n": 1})
        record.save_json("params", {"n": 1})
        record.save_df_parquet("report", pd.DataFrame({"n": [1]}))
        record.save_array_artifact("mask", MASK)
        return record

    @pytest.fixture
    def restored(self, dataset, tmp_path) -> Callable[[], tuple[ExportReport, ZarrDataset]]:
        """A function that exports the dataset and makes another one of that."""

        def restore():
            report = dataset.export_legacy_folder(tmp_path / "exported")
            again = ZarrDataset.create(tmp_path / "again.zarr")
            assert not again.ingest_legacy_folder(tmp_path / "exported").failed
            assert not again.verify(deep=True).problems
            return report, again

        return restore

    STEPS = ("load_attributes", "load_revision", "load_array", "load_json", "list_array_artifacts", "is_held_by_metadata")

    @pytest.mark.slow
    @pytest.mark.parametrize("step", STEPS)
    @pytest.mark.parametrize("take_away", ["delete_image", "move_to_trash"])
    def test_one_that_is_taken_out_is_not_in_the_export(
        self, dataset, record, tmp_path, meanwhile, restored, step, take_away
    ):
        meanwhile(HeldRecord, step, partial(getattr(ZarrDataset(dataset.path), take_away), record.image_id))
        report, again = restored()
        assert report.records == 0
        assert [str(one.path) for one in report.failed] == [f"images/{record.image_id}"]
        assert "deleted or moved to the trash while the dataset was exported" in report.failed[0].reason
        assert again.list_image_ids() == []
        assert not (tmp_path / "exported" / "images" / record.image_id).exists()

    def test_the_rows_of_one_that_is_restored_from_the_trash_too_late_are_not_in_the_export(
        self, dataset, record, meanwhile, restored
    ):
        other = ZarrDataset(dataset.path)

        def restore():
            other.restore_from_trash(other.list_trash()[0])
            other.replace_rows("events", {record.image_id: rows(record.image_id, 1)})

        meanwhile(HeldRecord, "load_array", partial(other.move_to_trash, record.image_id))
        meanwhile(Dataset, "list_table_names", restore)
        report, again = restored()
        assert report.records == 0
        assert again.list_image_ids() == []
        assert "events" not in again.list_table_names() or again.load_table("events").empty

    @pytest.mark.slow
    @pytest.mark.parametrize("step", STEPS)
    def test_one_that_is_back_from_the_trash_is_whole(
        self, dataset, record, record_folder, tmp_path, meanwhile, restored, step
    ):
        other, probe = ZarrDataset(dataset.path), tmp_path / "probe"
        made = record_folder.stat().st_ctime_ns
        probe.touch()
        while probe.stat().st_ctime_ns <= made:  # the disk's clock may be coarse
            probe.touch()
        meanwhile(HeldRecord, step, partial(other.move_to_trash, record.image_id))
        meanwhile(HeldRecord, "again", lambda: other.restore_from_trash(other.list_trash()[0]))
        report, again = restored()
        assert (report.records, report.failed) == (1, ())
        back = again.record(record.image_id)
        assert (back.list_analysis_keys(), back.list_array_artifacts()) == (["params.json", "report.parquet"], ["mask"])

    @pytest.mark.slow
    @pytest.mark.parametrize("step", STEPS)
    def test_metadata_and_results_are_of_one_moment(self, dataset, record, meanwhile, restored, step):
        def save():
            other = ZarrDataset(dataset.path).record(record.image_id)
            other.save_metadata_payload({"n": 2})
            other.save_json("params", {"n": 2})
            other.save_df_parquet("report", pd.DataFrame({"n": [2]}))
            other.save_array_artifact("later", MASK)
            other.delete_array_artifact("mask")

        meanwhile(HeldRecord, step, save)
        report, again = restored()
        assert (report.failed, report.notes) == ((), ())
        back = again.record(record.image_id)
        assert back.load_metadata_payload() == {"n": 2}
        assert back.load_json("params") == {"n": 2}
        assert back.load_df_parquet("report")["n"].tolist() == [2]
        assert back.list_array_artifacts() == ["later"]

    def test_one_that_changes_each_time_is_exported_with_a_note_and_its_history_as_it_was(
        self, dataset, record, restored, monkeypatch
    ):
        real, other = HeldRecord.load_revision, ZarrDataset(dataset.path).record(record.image_id)

        def change(held):
            revision = real(held)
            other.save_metadata_payload({"n": other.load_metadata_payload()["n"] + 1})
            return revision

        monkeypatch.setattr(HeldRecord, "load_revision", change)
        report, again = restored()
        assert [note.partition(": ")[2] for note in report.notes] == [
            "its files are of several moments, since other programs changed it meanwhile"
        ]
        # No revision of an earlier state upon a later one.
        numbers = [revision.payload["n"] for revision in again.record(record.image_id).history()]
        assert numbers == list(range(1, len(numbers) + 1))


class TestArraysThatAreWrittenOnce:
    def test_pixels_that_were_saved_meanwhile_stay(self, dataset, record, record_folder, pixels):
        shutil.rmtree(record_folder / "data")
        theirs = ZarrDataset(dataset.path).record(record.image_id)
        with pytest.raises(PixelsExistError, match="has its pixels already"):
            record.save_array(Arriving(pixels, lambda: theirs.save_array(np.full_like(pixels, 7))))
        assert set(record.load_array().ravel()) == {7}

    def test_a_mask_of_the_metadata_that_was_saved_meanwhile_stays(self, dataset, record):
        theirs = ZarrDataset(dataset.path).record(record.image_id)
        mine = Arriving(MASK, lambda: theirs.save_array_artifact("mask", ~MASK, held_by_metadata=True))
        with pytest.raises(ArtifactExistsError, match="give it another name"):
            record.save_array_artifact("mask", mine, held_by_metadata=True)
        assert not record.load_array_artifact("mask").any()


class TestLazyArrays:
    def test_pixels_of_a_record_that_was_deleted_since_are_an_error_not_zeros(self, dataset, record):
        lazy = record.open_array()
        ZarrDataset(dataset.path).delete_image(record.image_id)
        with pytest.raises(DamagedError, match="is no longer there: the array was deleted or moved, or its disk is gone"):
            lazy[...]

    def test_a_part_of_them_is_too(self, dataset, record):
        lazy = record.open_array()
        ZarrDataset(dataset.path).delete_image(record.image_id)
        with pytest.raises(DamagedError, match="is no longer there"):
            lazy[3:5, 1]

    def test_an_array_is_read_where_its_record_lay_after_the_working_folder_changed(
        self, dataset, record, pixels, tmp_path, monkeypatch
    ):
        monkeypatch.chdir(dataset.path.parent)
        lazy = ZarrDataset(dataset.path.name, mode="r").record(record.image_id).open_array()
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.chdir(tmp_path / "elsewhere")
        assert np.array_equal(lazy[...], pixels)

    def test_a_new_dataset_is_made_where_it_was_opened(self, tmp_path, monkeypatch, pixels):
        monkeypatch.chdir(tmp_path)
        opened = ZarrDataset("new.zarr")
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.chdir(tmp_path / "elsewhere")
        opened.add_image(pixels)
        assert len(ZarrDataset(tmp_path / "new.zarr", mode="r").list_image_ids()) == 1


class TestVerifyingWhatOthersAreAt:
    def test_a_record_that_is_deleted_while_it_is_looked_at_is_no_damage(self, dataset, record):
        other = ZarrDataset(dataset.path)
        report = dataset.verify(watch=Watch(progress=lambda done, *_: done or other.delete_image(record.image_id)))
        assert report.problems == ()

    @pytest.mark.parametrize("repair", [False, True])
    def test_an_old_record_that_is_just_being_deleted_was_not_left_behind(
        self, dataset, record, record_folder, meanwhile, repair
    ):
        make_older(record_folder, 2 * 86_400)
        reports = []
        meanwhile(shutil, "rmtree", lambda: reports.append(ZarrDataset(dataset.path).verify(repair=repair)))
        dataset.delete_image(record.image_id)
        assert [report.problems for report in reports] == [()]

    def test_an_old_array_that_is_just_being_replaced_is_not_put_back(self, dataset, record, record_folder, monkeypatch):
        """On a disk that cannot exchange folders the place is empty for a moment."""
        record.save_array_artifact("distance", np.zeros((20, 6)))
        make_older(record_folder / "analysis_arrays/distance", 900)
        reports, rename = [], steps.rename

        def look_after_the_first(source, target):
            rename(source, target)
            if not reports:
                reports.append(ZarrDataset(dataset.path).verify(repair=True))

        monkeypatch.setattr(steps, "swap", lambda _first, _second: False)
        monkeypatch.setattr(steps, "rename", look_after_the_first)
        record.save_array_artifact("distance", np.ones((20, 6)))
        assert [problem for report in reports for problem in report.problems] == []
        assert record.load_array_artifact("distance").all()

    @pytest.mark.parametrize("repair", [False, True])
    def test_a_commit_that_is_forgotten_while_it_is_looked_at_is_no_damage(self, dataset, record, meanwhile, repair):
        theirs = ZarrDataset(dataset.path)
        for value in (1, 2):
            theirs.replace_rows("events", {record.image_id: rows(record.image_id, value)})
        (commit,) = (dataset.path / "tables/.commits").iterdir()
        shutil.copy(commit, dataset.path / "copy").replace(commit)  # no longer another name of the table's own file
        meanwhile(
            TableCommits,
            "_commit_problem",
            lambda: theirs.replace_rows("events", {record.image_id: rows(record.image_id, 3)}),
        )
        assert dataset.verify(deep=True, repair=repair).problems == ()
        assert not commit.exists()

    @pytest.mark.parametrize("asked", ["digest_chunks", "check_chunks"])
    def test_pixels_that_are_replaced_while_they_are_looked_at_are_no_damage(
        self, dataset, record, pixels, meanwhile, asked
    ):
        theirs = ZarrDataset(dataset.path).record(record.image_id)
        meanwhile(verify_record, asked, lambda: theirs.replace_array(np.full_like(pixels, 7)))
        assert not dataset.verify(deep=True).problems

    @pytest.mark.parametrize("deep", [False, True])
    def test_an_array_and_a_table_that_are_deleted_while_they_are_looked_at_are_no_damage(
        self, dataset, record, meanwhile, deep
    ):
        record.save_array_artifact("mask", MASK)
        record.save_df_parquet("report", pd.DataFrame({"v": [1]}))
        theirs = ZarrDataset(dataset.path).record(record.image_id)

        real = verify_record._array_findings
        asked = []

        def look(blobs, key, where, *, deep):
            asked.append(key)
            if key.startswith("analysis_arrays"):
                theirs.delete_array_artifact("mask")
            return real(blobs, key, where, deep=deep)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(verify_record, "_array_findings", look)
            meanwhile(verify_record, "_file_problem", lambda: theirs.delete_analysis("report.parquet"))
            assert not dataset.verify(deep=deep).problems
        assert "analysis_arrays/mask/data" in asked

    def test_masks_of_a_record_that_was_away_for_a_moment_are_no_garbage(
        self, dataset, record, meanwhile, two_days_later, monkeypatch
    ):
        record.save_array_artifact("mask", MASK, held_by_metadata=True)
        record.save_metadata_payload({"rois": ["analysis_arrays/mask"]})
        two_days_later()
        real = garbage.list_revisions

        def away(folder):
            (removed,) = dataset.list_trash()
            found = real(folder)
            dataset.restore_from_trash(removed)
            return found

        def first(folder):
            found = real(folder)
            monkeypatch.setattr(garbage, "list_revisions", away)
            return found

        monkeypatch.setattr(garbage, "list_revisions", first)
        meanwhile(garbage, "load_history", lambda: dataset.move_to_trash(record.image_id))
        assert (dataset.collect_garbage(), record.list_array_artifacts()) == ([], ["mask"])


class TestWhatOtherProgramsPutThere:
    @pytest.mark.parametrize("deep", [False, True])
    def test_a_file_servers_own_folders_and_files_are_no_arrays(self, dataset, record, record_folder, deep):
        record.save_array_artifact("mask", MASK)
        (record_folder / "analysis_arrays/@eaDir").mkdir()
        (record_folder / "analysis_arrays/Thumbs.db").write_bytes(b"picture")
        assert (record.list_array_artifacts(), dataset.verify(deep=deep).problems) == (["mask"], ())

    def test_an_attribute_that_another_zarr_tool_added_to_the_pixels_is_no_damage(self, dataset, record, pixels):
        zarr = pytest.importorskip("zarr")
        zarr.open_array(dataset.path / "images" / record.image_id / "data", mode="a").attrs["note"] = "theirs"
        assert np.array_equal(record.load_array(), pixels)
        assert dataset.verify().problems == ()

    def test_an_attribute_that_another_zarr_tool_added_to_the_record_is_no_damage(self, dataset, record):
        zarr = pytest.importorskip("zarr")
        zarr.open_group(dataset.path / "images" / record.image_id, mode="a").attrs["ome"] = {"version": "0.5"}
        assert (record.get_axes(), dataset.verify().problems) == (("y", "x"), ())

    def test_axes_that_were_changed_are_not_believed(self, record, record_folder):
        document = record_folder / "zarr.json"
        document.write_text(document.read_text().replace('"y"', '"q"', 1))
        with pytest.raises(DamagedError, match="was changed, and its axes are not those of the pixels"):
            record.get_axes()

    def test_axes_that_were_changed_are_found_without_reading_everything(self, dataset, record, record_folder):
        document = record_folder / "zarr.json"
        document.write_text(document.read_text().replace('"y"', '"q"', 1))
        assert dataset.verify().exit_code == 2


class TestTwoRepairsAtOnce:
    """Both have looked; the other one has repaired by the time that this one does."""

    @pytest.fixture
    def repaired_by_another(self, dataset, meanwhile) -> Callable[..., VerifyReport]:
        """A function that repairs after another program has looked, repaired, and done one thing more."""

        def repair(then: Callable[[], object] = lambda: None) -> VerifyReport:
            def other() -> None:
                assert ZarrDataset(dataset.path).verify(deep=True, repair=True).exit_code == 0
                then()

            meanwhile(verify, "_repaired", other)
            return dataset.verify(deep=True, repair=True)

        return repair

    def test_a_revision_that_was_saved_since_is_kept(self, dataset, record, record_folder, repaired_by_another):
        for number in range(2):
            record.save_metadata_payload({"n": number})
        torn = record_folder / "analysis/history/metadata.00000001.json"
        torn.write_bytes(torn.read_bytes()[:-9])
        saved = partial(ZarrDataset(dataset.path).record(record.image_id).save_metadata_payload, {"n": 2})
        assert repaired_by_another(saved).exit_code == 0
        assert [revision.payload for revision in record.history()] == [{"n": 0}, {"n": 1}, {"n": 2}]
        assert not dataset.verify(deep=True).problems

    @pytest.mark.parametrize("make", [os.mkfifo, lambda place: place.symlink_to("gone")], ids=["pipe", "link"])
    @pytest.mark.parametrize(
        ("place", "save", "load"),
        [
            pytest.param(
                "analysis/params.json",
                lambda record: record.save_json("params", {"n": 2}),
                lambda record: record.load_json("params") == {"n": 2},
                id="artifact",
            ),
            pytest.param(
                "analysis_arrays/mask",
                lambda record: record.save_array_artifact("mask", MASK),
                lambda record: record.load_array_artifact("mask").all(),
                id="array",
            ),
        ],
    )
    def test_what_was_saved_since_in_the_place_of_what_is_no_file_is_kept(
        self, dataset, record, record_folder, repaired_by_another, make, place, save, load
    ):
        make(record_folder / place)
        assert repaired_by_another(partial(save, record)).exit_code == 0
        assert load(record)

    @pytest.mark.parametrize(
        "spoil",
        [
            pytest.param(lambda commit: commit.write_bytes(b"PAR1 torn"), id="torn"),
            pytest.param(os.mkfifo, id="pipe"),
        ],
    )
    def test_a_commit_of_a_table_that_was_made_since_is_kept(self, dataset, record, repaired_by_another, spoil):
        for value in range(2):
            dataset.save_table("velocity", rows(record.image_id, value))
        commit = dataset.path / "tables/.commits/velocity.00000002.parquet"
        spoil(commit)
        saved = partial(ZarrDataset(dataset.path).save_table, "velocity", rows(record.image_id, 2))
        assert repaired_by_another(saved).exit_code == 0
        assert dataset.load_table("velocity")["v"].tolist() == [2]
        assert [path.name for path in commit.parent.iterdir()] == [commit.name]

    @pytest.mark.parametrize(
        "spoil",
        [
            pytest.param(lambda path: (path / "images/strange").mkdir(), id="stranger"),
            pytest.param(lambda path: (path / f".{'0' * 32}.tmp").touch(), id="temporary file"),
            pytest.param(lambda path: (path / ".staging/building-1~x").mkdir(parents=True), id="left in staging"),
            pytest.param(lambda path: (path / "index/rois.parquet").write_bytes(b"torn"), id="index"),
        ],
    )
    def test_what_both_set_aside_is_repaired(self, dataset, record, repaired_by_another, two_days_later, spoil):
        (dataset.path / "index").mkdir(exist_ok=True)
        spoil(dataset.path)
        two_days_later()
        report = repaired_by_another()
        assert [problem.repaired for problem in report.problems] == [True]

    def test_what_both_put_back_is_repaired(self, dataset, record, record_folder, repaired_by_another, two_days_later):
        moved = dataset.path / f".staging/replaced-1~{'images%2F' + record.image_id}"
        moved.parent.mkdir(exist_ok=True)
        record_folder.rename(moved)
        two_days_later()
        report = repaired_by_another()
        assert [problem.repaired for problem in report.problems] == [True]
        assert dataset.list_image_ids() == [record.image_id]


class TestATableThatARepairSetsAsideMeanwhile:
    @pytest.fixture
    def set_aside(self, dataset, record) -> Callable[[], None]:
        """A function that does with a table what a repair does with one that cannot be read."""
        dataset.replace_rows("events", {record.image_id: rows(record.image_id, 1)})
        return Tables(Blobs(dataset.path, read_only=False)).file("events").set_aside

    def test_does_not_keep_an_image_from_being_deleted(self, dataset, record, meanwhile, set_aside):
        meanwhile(Tables, "load", set_aside)
        dataset.delete_image(record.image_id)
        assert dataset.list_image_ids() == []

    @pytest.mark.parametrize("repair", [False, True])
    def test_is_no_problem(self, dataset, record, meanwhile, set_aside, repair):
        meanwhile(TableCommits, "is_behind", set_aside)
        assert dataset.verify(deep=True, repair=repair).problems == ()

    def test_has_no_rows_that_are_to_be_removed(self, dataset, record, record_folder, meanwhile, set_aside):
        shutil.rmtree(record_folder)
        meanwhile(verify, "_repaired", set_aside)
        assert [problem.repaired for problem in dataset.verify(repair=True).problems] == [True]


class TestRepairs:
    def test_a_mask_that_only_a_revision_in_the_quarantine_names_is_no_garbage(
        self, dataset, record, record_folder, two_days_later
    ):
        for name in ("first", "second", "third"):
            record.save_array_artifact(name, MASK, held_by_metadata=True)
            record.save_metadata_payload({"rois": [{"mask_ref": f"analysis_arrays/{name}"}]})
        torn = record_folder / "analysis/history/metadata.00000001.json"
        torn.write_bytes(torn.read_bytes()[:-9])
        assert dataset.verify(deep=True, repair=True).exit_code == 0
        two_days_later()
        assert (dataset.collect_garbage(), record.list_array_artifacts()) == ([], ["first", "second", "third"])

    def test_a_table_is_not_published_from_a_torn_commit(self, dataset, record, monkeypatch):
        """The newest sound commit is the only file that has the last rows."""
        dataset.save_table("velocity", rows(record.image_id, 0))
        dataset.save_table("velocity", rows(record.image_id, 1))

        def fail(_self, _source, _key):
            raise NotSavedError(28, "not saved: No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(Blobs, "duplicate", fail)
            dataset.save_table("velocity", rows(record.image_id, 2))
        (dataset.path / "tables/.commits/velocity.00000003.parquet").write_bytes(b"PAR1 torn")
        dataset.verify(repair=True)
        assert dataset.load_table("velocity")["v"].tolist() == [2]
        assert pd.read_parquet(dataset.path / "tables/velocity.parquet")["v"].tolist() == [2]
