"""Addresses are refused; paths of this computer, whatever they look like, are not."""

import os
from pathlib import Path

import pytest

from kymflow_zarr import ZarrDataset
from kymflow_zarr.disk.local_path import local_path
from kymflow_zarr.errors import InvalidNameError
from kymflow_zarr.stores import TiffSidecarStore
from kymflow_zarr.upgrade import upgrade_dataset

ADDRESSES = ("s3://b/l.zarr", Path("s3://b/l.zarr"), "https://x.org/l.zarr", "file:///d/l.zarr", "gs://b", "memory://x")


@pytest.mark.parametrize("address", ADDRESSES, ids=str)
def test_an_address_is_refused_with_a_sentence_and_nothing_is_written(dataset, tmp_path, monkeypatch, address):
    monkeypatch.chdir(tmp_path)
    before = sorted(os.walk(tmp_path))
    for use in (
        lambda: ZarrDataset(address),
        lambda: ZarrDataset.create(address),
        lambda: ZarrDataset(address, mode="r"),
        lambda: dataset.import_folder(address),
        lambda: dataset.import_ome_zarr(address),
        lambda: dataset.export_legacy_folder(address),
        lambda: upgrade_dataset(address, tmp_path / "new.zarr"),
        lambda: TiffSidecarStore(f"{address}.tif"),
    ):
        with pytest.raises(InvalidNameError, match="is an address and no folder or file of this computer"):
            use()
    assert sorted(os.walk(tmp_path)) == before


@pytest.mark.parametrize("path", ["l.zarr", "a:b/l.zarr", "C:/l.zarr", "/x/s3:/b", "./s3:", "2025:/x", "mouse: 7/l.zarr"])
def test_a_path_of_this_computer_is_taken_as_it_is(path):
    assert local_path(path) == Path(path)
