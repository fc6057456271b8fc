"""Fixtures of the storage floor."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from kymflow_zarr import ZarrDataset, ZarrImageRecord
from kymflow_zarr.disk.blobs import Blobs


@pytest.fixture(scope="module", autouse=True)
def no_installed_reader() -> Iterator[None]:
    """Storage by itself: no package brings a reader, so that a TIFF and its sidecars are read, and nothing else."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kymflow_zarr.importing.file_reader.entry_points", lambda group: ())
        yield


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture
def pixels(rng) -> NDArray[np.uint16]:
    """A small kymograph: 20 lines of 6 pixels."""
    return rng.integers(0, 60_000, (20, 6)).astype(np.uint16)


@pytest.fixture
def dataset(tmp_path) -> ZarrDataset:
    """An empty dataset, made, open for writing."""
    return ZarrDataset.create(tmp_path / "made.zarr")


@pytest.fixture
def record(dataset, pixels) -> ZarrImageRecord:
    """The only record of `dataset`."""
    return dataset.add_image(pixels)


@pytest.fixture
def record_folder(dataset, record) -> Path:
    """Where `record` lies on disk."""
    return dataset.path / "images" / record.image_id


@pytest.fixture
def blobs(tmp_path) -> Blobs:
    """A writable folder that does not exist yet."""
    return Blobs(tmp_path / "blobs", read_only=False)


@pytest.fixture(scope="session")
def tiff_folder_original(tmp_path_factory) -> Path:
    """Three TIFFs: two beside each other, one in a subfolder; tests copy them."""
    folder = tmp_path_factory.mktemp("originals") / "tiffs"
    (folder / "day 2").mkdir(parents=True)
    rng = np.random.default_rng(1)
    for name in ("a.tif", "b.tif", "day 2/c.tif"):
        tifffile.imwrite(folder / name, rng.integers(0, 60_000, (20, 6)).astype(np.uint16))
    return folder


@pytest.fixture
def tiff_folder(tiff_folder_original, tmp_path) -> Path:
    """Three TIFFs: two beside each other, one in a subfolder."""
    return shutil.copytree(tiff_folder_original, tmp_path / "tiffs")


@pytest.fixture
def two_days_later(monkeypatch):
    """A function that lets two days go by, for this machine and for the disk."""
    real = time.time

    def pass_by():
        monkeypatch.setattr("kymflow_zarr.verify.verify.time.time", lambda: real() + 2 * 86_400)
        monkeypatch.setattr(Blobs, "now", lambda _self: real() + 2 * 86_400)

    return pass_by
