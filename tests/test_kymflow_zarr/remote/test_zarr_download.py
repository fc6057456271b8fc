"""A copy of a dataset at an address on a disk."""

import pytest

from kymflow_zarr import Watch, ZarrDataset
from kymflow_zarr.download import download_dataset
from kymflow_zarr.errors import (
    CancelledError,
    DamagedError,
    DatasetExistsError,
    DatasetNotFoundError,
    InvalidNameError,
    RemoteError,
)
from kymflow_zarr.layout import FILE_LIST, MANIFEST


@pytest.fixture
def target(tmp_path):
    folder = tmp_path / "copies"
    folder.mkdir()
    return folder / "copy.zarr"


def test_the_copy_has_every_file_as_it_is(served, target):
    download_dataset(served.address, target)
    files = served.local._blobs.files("")
    copied = ZarrDataset(target)._blobs
    assert copied.files("") == [key for key in files if "/." not in key and key != FILE_LIST]
    assert all(copied.read(key) == served.local._blobs.read(key) for key in copied.files("") if key != MANIFEST)


def test_the_copy_is_sound_and_can_be_changed(served, target):
    download_dataset(served.address, target)
    copy = ZarrDataset(target)
    assert copy.verify(deep=True).problems == ()
    copy.record(served.record.image_id).save_json("new", 1)


def test_it_says_what_it_brought(served, target):
    assert download_dataset(served.address, target).summary().startswith("1 record downloaded: ")


def test_it_shows_how_far_it_is(served, target):
    seen = []
    download_dataset(served.address, target, watch=Watch(progress=lambda done, total, name: seen.append((done, total))))
    total = seen[0][1]
    assert seen == [(number, total) for number in range(1, total + 1)]


@pytest.mark.parametrize(("status", "error"), [(500, RemoteError), (403, RemoteError), (404, DamagedError)])
def test_where_a_file_cannot_be_had_there_is_no_copy(served, target, status, error):
    served.server.answers["radon_report.parquet"] = status
    with pytest.raises(error, match=r"radon_report\.parquet"):
        download_dataset(served.address, target)
    assert list(target.parent.iterdir()) == []


def test_a_cancelled_download_leaves_nothing(served, target):
    with pytest.raises(CancelledError, match="the download was cancelled; nothing was written"):
        download_dataset(served.address, target, watch=Watch(is_cancelled=lambda: True))
    assert list(target.parent.iterdir()) == []


def test_nothing_that_is_there_is_replaced(served, target):
    target.mkdir()
    with pytest.raises(DatasetExistsError, match=r"there is something at .* already; give the copy a new name"):
        download_dataset(served.address, target)


def test_where_no_dataset_is_nothing_is_made(served, target):
    with pytest.raises(DatasetNotFoundError):
        download_dataset(served.server.url("no.zarr"), target)
    assert list(target.parent.iterdir()) == []


def test_a_folder_of_this_computer_is_no_address(served, target):
    with pytest.raises(InvalidNameError, match="is no address; copy a folder of this computer with what the system has"):
        download_dataset(served.local.path, target)
