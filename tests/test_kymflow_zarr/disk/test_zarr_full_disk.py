"""An import that fills the disk leaves the dataset sound, and room to save ROIs."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from acknowledged import Contents, contents_of
from states import Sample, make_sample, rectangle, write_tiffs

from kymflow_core.images.acq_image import AcqImage
from kymflow_core.roi import RoiSet
from kymflow_zarr import FileContent, VerifyReport, ZarrDataset
from kymflow_zarr.disk import blobs
from kymflow_zarr.errors import NotSavedError

pytestmark = pytest.mark.trials

DISK_BYTES = 48 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """A dataset on a disk that an import filled: what it held before and after, how the import failed, what a
    deep look found, and the bytes that are free."""

    sample: Sample
    before: Contents
    after: Contents
    failure: str
    report: VerifyReport
    free: int


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """Mount a disk of 48 MB of its own at a folder; skip where that cannot be done."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root can mount a small disk, and only on Linux")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", folder], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.decode().strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


@contextmanager
def told_small(folder: Path) -> Iterator[None]:
    """Let the storage believe that a folder's disk has 48 MB only."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blobs, "free_bytes", lambda path: DISK_BYTES - used_bytes(folder))
        yield


LIMITS = {"a small disk": small_disk, "a disk told small": told_small}
LINES = {"40 kB": 40, "7 MB": 7 * 1024}
"""How many lines of 1 kB an image has. Small ones fill a disk to the last byte, unless something is kept free."""


@pytest.fixture(scope="module", params=[(limit, size) for limit in LIMITS for size in LINES], ids=", images of ".join)
def filled(request, tmp_path_factory) -> Iterator[Filled]:
    """A dataset after an import that the disk could not hold."""
    limit, size = request.param
    folder, disk = tmp_path_factory.mktemp("tiffs"), tmp_path_factory.mktemp("disk")
    write_tiffs(folder / "many", tuple(map(str, range(400))), np.random.default_rng(6))

    def read_noise(path: Path) -> FileContent:
        rng = np.random.default_rng(int(path.stem))
        return FileContent(pixels=rng.integers(0, 2**16, (LINES[size], 512)).astype(np.uint16), axes=("y", "x"))

    with LIMITS[limit](disk):
        sample = make_sample(disk / "sample.zarr", folder / "one")
        before = contents_of(sample.path, sample.full)
        if size == "40 kB":
            leave_free(disk, 10 * 2**20)
        dataset = ZarrDataset(sample.path)
        with pytest.raises(NotSavedError) as caught:
            dataset.import_folder(folder / "many", read_file=read_noise)
        yield Filled(
            sample=sample,
            before=before,
            after=contents_of(sample.path, sample.full),
            failure=str(caught.value),
            report=dataset.verify(deep=True),
            free=DISK_BYTES - used_bytes(disk),
        )


def test_an_import_that_fills_the_disk_leaves_the_dataset_sound(filled):
    assert filled.report.problems == ()


def test_an_import_that_fills_the_disk_says_so(filled):
    assert "not saved: the disk is nearly full" in filled.failure or "No space left" in filled.failure


def test_an_import_that_fills_the_disk_leaves_some_megabytes_free(filled):
    assert filled.free > 4 * 2**20


def test_what_was_imported_before_the_disk_was_full_stays(filled):
    new_images, new_files = filled.after["images"] - filled.before["images"], filled.after["files"] - filled.before["files"]
    assert len(new_images) == len(new_files) > 1


def test_what_was_there_before_the_disk_was_full_stays(filled):
    grown = ("records", "images", "files")
    assert {**filled.after, **{kind: filled.before[kind] for kind in grown}} == filled.before
    assert filled.after["images"] > filled.before["images"]


def test_rois_of_64_kb_can_be_saved_on_the_full_disk(filled):
    image = AcqImage.from_zarr(filled.sample.path, filled.sample.full)
    image.save_rois(RoiSet.of([rectangle(number, note="x" * 1000) for number in range(1, 65)]))
    assert AcqImage.from_zarr(filled.sample.path, filled.sample.full).rois == image.rois


def test_a_mask_can_be_saved_on_the_full_disk(filled):
    image = AcqImage.from_zarr(filled.sample.path, filled.sample.full)
    image.materialize_masks([2])
    assert image.stored_mask(image.rois.get(2)).state == "mask"


def test_rois_that_find_no_room_are_not_saved_and_the_old_ones_stay(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    with small_disk(disk):
        sample = make_sample(disk / "sample.zarr", tmp_path / "one")
        before = contents_of(sample.path, sample.full)
        image = AcqImage.from_zarr(sample.path, sample.full)
        occupy(disk)
        with pytest.raises(NotSavedError, match="No space left"):
            image.save_rois(image.rois.add(rectangle(3, note="x" * 64_000)))
        assert contents_of(sample.path, sample.full) == before


def test_rois_that_found_no_room_are_saved_by_a_plain_retry_when_there_is_some(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    with small_disk(disk):
        sample = make_sample(disk / "sample.zarr", tmp_path / "one")
        image = AcqImage.from_zarr(sample.path, sample.full)
        rois = image.rois.add(rectangle(3, note="x" * 64_000))
        ballast = occupy(disk)
        with pytest.raises(NotSavedError, match="No space left"):
            image.save_rois(rois)
        ballast.unlink()
        image.save_rois(rois)
        assert AcqImage.from_zarr(sample.path, sample.full).rois == rois


def used_bytes(folder: Path) -> int:
    """Return how much the files below a folder take, in whole blocks, while others may come and go."""
    total = 0
    for top, _, names in os.walk(folder):
        for name in names:
            try:
                total += -(-Path(top, name).stat().st_size // 4096) * 4096
            except FileNotFoundError:
                continue
    return total


def leave_free(disk: Path, size: int) -> None:
    """Take all of a disk of 48 MB but so many bytes."""
    with (disk / "taken").open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, DISK_BYTES - used_bytes(disk) - size)


def occupy(disk: Path) -> Path:
    """Fill a disk to the last byte with a file, as another program might, and return the file."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(2**16)) == 2**16:
                pass
        except OSError:
            return ballast
    return ballast
