"""One writer between the steps of another: the orders of steps that trials hit by chance, one at a time."""

import shutil
from collections.abc import Callable
from contextlib import suppress

import numpy as np
import pytest
from states import Sample, make_sample, rectangle, table_rows

from kymflow_core.images.acq_image import AcqImage
from kymflow_core.indexers import ImageIndexer
from kymflow_core.roi import RoiSet
from kymflow_core.tables import each_image, extraction
from kymflow_core.tables.kym_dataset import KymDataset
from kymflow_zarr import ZarrDataset
from kymflow_zarr.disk.blobs import Blobs
from kymflow_zarr.errors import ConflictError


@pytest.fixture
def sample(tmp_path) -> Sample:
    return make_sample(tmp_path / "sample.zarr", tmp_path / "imported")


@pytest.fixture
def meanwhile(monkeypatch) -> Callable[[str, Callable[[], object]], None]:
    """A function that lets something happen once, right before the next call of a method of `Blobs`."""

    def arrange(method: str, happen: Callable[[], object]) -> None:
        real = getattr(Blobs, method)

        def call(self, *args, **kwargs):
            monkeypatch.setattr(Blobs, method, real)
            happen()
            return real(self, *args, **kwargs)

        monkeypatch.setattr(Blobs, method, call)

    return arrange


@pytest.mark.parametrize("commits", [1, 2, 3])
def test_rows_are_kept_where_another_program_commits_meanwhile(sample, meanwhile, commits):
    mine, theirs = ZarrDataset(sample.path), ZarrDataset(sample.path)
    theirs.replace_rows("events", {"theirs": table_rows("theirs", 1)})

    def commit() -> None:
        for value in range(commits):
            theirs.replace_rows("events", {"theirs": table_rows("theirs", 1, value=value)})

    meanwhile("create", commit)
    mine.replace_rows("events", {"mine": table_rows("mine", 1)})
    assert set(mine.load_table("events")["image_id"]) == {sample.full, "mine", "theirs"}


def test_a_mask_is_not_replaced_by_another_that_is_saved_under_the_same_name_meanwhile(sample, meanwhile):
    AcqImage.from_zarr(sample.path, sample.full).save_rois(RoiSet.of([rectangle(1), rectangle(2)]))
    mine, theirs = (AcqImage.from_zarr(sample.path, sample.full) for _ in range(2))
    meanwhile("build", lambda: theirs.materialize_masks([1], name="vessel"))
    with suppress(ConflictError):
        mine.materialize_masks([2], name="vessel")
    assert theirs.stored_mask(theirs.rois.get(1)).state == "mask"


@pytest.mark.parametrize("commits", [1, 2, 3])
def test_rois_are_not_saved_where_another_program_saved_meanwhile(sample, meanwhile, commits):
    mine, theirs = (AcqImage.from_zarr(sample.path, sample.full) for _ in range(2))

    def commit() -> None:
        for number in range(commits):
            theirs.save_rois(theirs.rois.add(rectangle(10 + number)))

    meanwhile("create", commit)
    with pytest.raises(ConflictError):
        mine.save_rois(mine.rois.add(rectangle(3)))
    assert AcqImage.from_zarr(sample.path, sample.full).rois == theirs.rois


@pytest.mark.slow
@pytest.mark.parametrize("how", ["refresh", "update_images"])
def test_a_table_has_no_mark_of_a_record_that_was_deleted_while_it_was_read(sample, monkeypatch, how):
    dataset, indexer, real = KymDataset(sample.path), ImageIndexer(), extraction.extract
    other = dataset.dataset.add_image(np.zeros((4, 3), np.uint16)).image_id
    dataset.refresh(indexer)
    for image_id in (other, sample.full):
        AcqImage.from_zarr(sample.path, image_id).save_rois(RoiSet.of([rectangle(1, x1=2, y1=3)]))

    def extract(held, indexers, image_id):
        if image_id == other:
            shutil.rmtree(sample.path / "images" / other)  # by a program that has not removed the rows yet
        return real(held, indexers, image_id)

    monkeypatch.setattr(each_image, "extract", extract)
    report = dataset.refresh(indexer) if how == "refresh" else dataset.update_images(indexer, [other, sample.full])
    assert (set(report.failed), report.removed) == (set(), (other,))
    refreshed = dataset.get_table("images").astype(str)
    dataset.rebuild(indexer)
    assert refreshed.equals(dataset.get_table("images").astype(str))
