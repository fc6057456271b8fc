"""Addresses are refused; paths of this computer, whatever they look like, are not."""

import os
from pathlib import Path

import pytest

from kymflow_zarr import ZarrDataset
from kymflow_zarr.disk.local_path import address_of, local_path
from kymflow_zarr.errors import InvalidNameError, ReadOnlyError
from kymflow_zarr.stores import TiffSidecarStore
from kymflow_zarr.upgrade import upgrade_dataset

ADDRESSES = ("s3://b/l.zarr", Path("s3://b/l.zarr"), "https://x.org/l.zarr", "file:///d/l.zarr", "gs://b", "memory://x")


@pytest.mark.parametrize("address", ADDRESSES, ids=str)
def test_an_address_is_refused_with_a_sentence_and_nothing_is_written(dataset, tmp_path, monkeypatch, address):
    monkeypatch.chdir(tmp_path)
    before = sorted(os.walk(tmp_path))
    for use in (
        lambda: dataset.import_folder(address),
        lambda: dataset.import_ome_zarr(address),
        lambda: dataset.export_legacy_folder(address),
        lambda: upgrade_dataset(address, tmp_path / "new.zarr"),
        lambda: TiffSidecarStore(f"{address}.tif"),
    ):
        with pytest.raises(InvalidNameError, match="is an address and no folder or file of this computer"):
            use()
    assert sorted(os.walk(tmp_path)) == before


@pytest.mark.parametrize("address", ["s3://b/l.zarr", Path("s3://b/l.zarr"), "HTTPS://x.org/l.zarr"], ids=str)
def test_an_address_is_not_opened_for_writing_and_nothing_is_written(tmp_path, monkeypatch, address):
    monkeypatch.chdir(tmp_path)
    for use in (lambda: ZarrDataset(address), lambda: ZarrDataset.create(address)):
        with pytest.raises(ReadOnlyError, match=r"(s3|https)://.* is an address, and datasets there are only read"):
            use()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("address", ["file:///d/l.zarr", "gs://b", "memory://x"])
def test_an_address_of_a_kind_that_is_not_read_is_refused_in_either_mode(tmp_path, monkeypatch, address):
    monkeypatch.chdir(tmp_path)
    for use in (lambda: ZarrDataset(address), lambda: ZarrDataset(address, mode="r")):
        with pytest.raises(InvalidNameError, match="is no address that is read"):
            use()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("path", ["s3://b/l.zarr", Path("s3://b/l.zarr"), r"s3:\\b\l.zarr", "S3://b/l.zarr/"], ids=str)
def test_an_address_is_known_by_whatever_a_path_makes_of_it(path):
    assert address_of(path) == "s3://b/l.zarr"


@pytest.mark.parametrize("path", ["l.zarr", "a:b/l.zarr", "C:/l.zarr", "/x/s3:/b", "./s3:", "2025:/x", "mouse: 7/l.zarr"])
def test_a_path_of_this_computer_is_taken_as_it_is(path):
    assert local_path(path) == Path(path)
