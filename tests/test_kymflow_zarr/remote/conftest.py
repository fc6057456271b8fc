"""A dataset on a disk, and a web server that gives its files."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from file_server import FileServer, serving
from kymflow_zarr import ZarrDataset, ZarrImageRecord

pytest.importorskip("obstore")

PIXELS = np.random.default_rng(0).integers(0, 60_000, (20, 6)).astype(np.uint16)


@dataclass(frozen=True)
class Served:
    """One dataset on a disk, its only record, and the server that gives it as `address`."""

    local: ZarrDataset
    server: FileServer

    @property
    def address(self) -> str:
        return self.server.url(self.local.path.name)

    @property
    def record(self) -> ZarrImageRecord:
        return self.local.record(self.local.list_image_ids()[0])

    @property
    def pixels(self) -> NDArray[np.uint16]:
        return PIXELS

    def open(self) -> ZarrDataset:
        return ZarrDataset(self.address, mode="r")

    def open_record(self) -> ZarrImageRecord:
        return self.open().record(self.record.image_id)


@pytest.fixture(autouse=True)
def no_second_try(monkeypatch) -> None:
    monkeypatch.setattr("kymflow_zarr.remote.objects.RETRIES", 0)


@pytest.fixture
def server(tmp_path) -> Iterator[FileServer]:
    """A web server for the files of the temporary folder."""
    with serving(tmp_path) as one:
        yield one


@pytest.fixture(scope="session")
def template(tmp_path_factory) -> Path:
    """A dataset with one record that has everything, which no test changes."""
    dataset = ZarrDataset.create(tmp_path_factory.mktemp("template") / "made.zarr")
    record = dataset.add_image(PIXELS)
    record.save_metadata_payload({"header": {"name": "scan", "acquired_local_epoch_ns": 5}})
    record.save_metadata_payload({"header": {"name": "scan"}, "rois": []})
    record.save_json("heart/rate", {"bpm": 420})
    record.save_df_parquet("radon_report", pd.DataFrame({"velocity": [1.5, 2.5]}))
    record.save_df_csv_gz("notes", pd.DataFrame({"note": ["a", "b"]}))
    record.save_array_artifact("roi_mask_1", np.eye(6, dtype=bool))
    for name in ("events", "images"):
        dataset.save_table(name, pd.DataFrame({"image_id": [record.image_id] * 2, "value": [1, 2]}))
    dataset.replace_rows("events", {record.image_id: pd.DataFrame({"image_id": [record.image_id], "value": [3]})})
    return dataset.path


@pytest.fixture
def unlisted(template, tmp_path, server) -> Served:
    """A dataset with one record that has everything, of which no list of files was made."""
    return Served(ZarrDataset(shutil.copytree(template, tmp_path / template.name)), server)


@pytest.fixture
def served(unlisted) -> Served:
    """A dataset with one record that has everything, prepared for a server."""
    unlisted.local.save_file_list()
    return unlisted
