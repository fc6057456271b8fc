"""Exports that somebody edited before they were imported again: what the domain has against it."""

import json

import numpy as np
import pytest

from kymflow_core import AcqImage, KymDataset
from kymflow_zarr import ZarrDataset
from kymflow_zarr.arrays.npy import npy_to_bytes


@pytest.fixture
def out(scan_path, dataset, tmp_path):
    """An exported record with a mask."""
    dataset.import_folder(scan_path.parent)
    AcqImage(next(dataset.iter_records())).add_mask_roi(np.ones((40, 12), bool))
    dataset.export_legacy_folder(tmp_path / "out")
    return tmp_path / "out"


@pytest.fixture
def target(tmp_path) -> ZarrDataset:
    """Where the folder is imported into."""
    return ZarrDataset(tmp_path / "target.zarr")


def test_a_mask_of_another_shape_keeps_its_record_out(out, target):
    (mask,) = out.rglob("array_artifacts/*.npy")
    mask.write_bytes(npy_to_bytes(np.ones((3, 3), bool)))
    (failed,) = target.import_folder(out).failed
    assert "ROI 1 has a mask of shape (3, 3) in an image of {'y': 40, 'x': 12}; mend them, then import" in failed.reason
    assert target.list_image_ids() == []


def test_a_roi_that_cannot_be_read_keeps_its_record_out(out, target):
    (path,) = out.rglob("metadata.json")
    path.write_text(json.dumps({"header": {}, "rois": [{"roi_id": "q"}]}))
    (failed,) = target.import_folder(out).failed
    assert "files of it were changed since the export, and " in failed.reason
    assert target.list_image_ids() == []


def test_one_that_was_mended_comes_in(out, target):
    (path,) = out.rglob("metadata.json")
    path.write_text(json.dumps({"header": {"name": "mine"}, "rois": []}))
    assert len(target.import_folder(out).imported) == 1
    assert KymDataset(target).verify(deep=True).exit_code == 0
