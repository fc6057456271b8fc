"""What CloudScope saves next to an image is kept, named in the report, and not read."""

import json

import pandas as pd
import pytest

from kymflow_core.images.acquisition_file import read_acquisition_file
from kymflow_zarr import ZarrDataset

STATE = {"accepted": True, "rois": [{"id": 1}], "my numbers": [1, 2]}
NOTE = "kept, not read: what CloudScope saved next to it, as cloudscope/radon_velocity, cloudscope/state"


@pytest.fixture
def saved_path(scan_path):
    """A line scan with CloudScope's files next to it."""
    scan_path.with_name("scan.tif.json").write_text(json.dumps(STATE))
    scan_path.with_name("scan.tif.radon_velocity.csv").write_text("when,speed\n0.1,2.5\n0.2,nan\n")
    return scan_path


def test_they_are_kept_whole_and_the_report_names_them(saved_path):
    content = read_acquisition_file(saved_path)
    assert content.json_artifacts == {"cloudscope/state": STATE}
    pd.testing.assert_frame_equal(
        content.table_artifacts["cloudscope/radon_velocity"], pd.DataFrame({"when": [0.1, 0.2], "speed": [2.5, None]})
    )
    assert NOTE in content.notes


def test_nothing_in_them_counts(saved_path):
    metadata = read_acquisition_file(saved_path).metadata
    assert (metadata.get("accepted"), metadata.get("rois")) == (None, None)


def test_other_files_next_to_it_keep_their_names(saved_path):
    saved_path.with_name("scan.tiff.json").write_text("{}")
    saved_path.with_name("scan.mine.csv").write_text("a\n1\n")
    content = read_acquisition_file(saved_path)
    assert {*content.json_artifacts, *content.table_artifacts} >= {"tiff", "mine", "cloudscope/state"}


def test_they_come_back_from_an_export(saved_path, tmp_path):
    dataset = ZarrDataset(tmp_path / "lab.zarr")
    dataset.import_folder(saved_path.parent)
    dataset.export_legacy_folder(tmp_path / "exported")
    again = ZarrDataset(tmp_path / "again.zarr")
    again.import_folder(tmp_path / "exported")
    record = next(again.iter_records())
    assert record.load_json("cloudscope/state") == STATE
    assert len(record.load_df_parquet("cloudscope/radon_velocity")) == 2
