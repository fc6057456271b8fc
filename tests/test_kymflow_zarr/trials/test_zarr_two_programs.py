"""What one program does to a dataset while another is at it: each order of steps by itself, none by chance."""

import os
import shutil
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from kymflow_zarr import Watch, ZarrDataset
from kymflow_zarr.disk import steps
from kymflow_zarr.disk.blobs import Blobs
from kymflow_zarr.errors import ArtifactExistsError, DamagedError, NotSavedError, PixelsExistError, RecordNotFoundError

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
