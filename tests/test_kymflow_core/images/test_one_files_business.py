"""What goes wrong with one file is that file's failure, whatever is raised."""

import json

import numpy as np
import pytest
import tifffile

from kymflow_core.images import acquisition_file
from kymflow_core.images.acquisition_file import read_for_import
from kymflow_zarr import ZarrDataset
from kymflow_zarr.errors import DamagedError, SourceError


class StrangeError(Exception):
    """Of a package that nobody here knows."""


@pytest.fixture
def path(tmp_path):
    (tmp_path / "flow-analysis").mkdir()
    tifffile.imwrite(tmp_path / "x.tif", np.zeros((40, 12), np.uint16))
    return tmp_path / "x.tif"


@pytest.mark.parametrize(
    "error", [StrangeError("odd"), OverflowError("too big"), ImportError("no codec"), DamagedError("bad")]
)
@pytest.mark.parametrize("at", ["read_image", "read_sidecars", "read_header", "describe_header", "_with_masks_held"])
def test_whatever_is_raised_names_the_file(path, monkeypatch, at, error):
    def fail(*_args, **_options):
        raise error

    monkeypatch.setattr(acquisition_file, at, fail)
    with pytest.raises(SourceError, match=rf"x\.tif cannot be imported: .*{error}"):
        read_for_import(path)


def test_running_out_of_memory_is_no_files_business(path, monkeypatch):
    def fail(*_args, **_options):
        raise MemoryError

    monkeypatch.setattr(acquisition_file, "read_sidecars", fail)
    with pytest.raises(MemoryError):
        read_for_import(path)


def test_a_header_reader_that_fails_in_a_way_of_its_own_is_a_note(path, monkeypatch):
    class Reader:
        name = "odd_xml"

        def read(self, path, shape):
            raise StrangeError("no such thing")

    found = acquisition_file.installed_header_readers()
    monkeypatch.setattr(acquisition_file, "installed_header_readers", lambda: type(found)(readers=(Reader(),), problems=()))
    assert read_for_import(path).notes[0] == "the header reader odd_xml failed: StrangeError: no such thing"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("flow-analysis/x_radon.csv", f"roi_id,channel,time,velocity\n{2**63},1,0.1,0.5\n"),
        ("flow-analysis/x_radon.csv", "roi_id,channel,time,velocity\n1.5,1,0.1,0.5\n"),
        ("flow-analysis/x_radon.csv", "roi_id,channel,time,velocity\n1,1,0.1,0.5,0.7\n"),
        ("flow-analysis/x_events.json", json.dumps({"velocity_events": {str(2**70): [{"i_start": 2**70}]}})),
        ("flow-analysis/x_radon.json", "[" * 100_000),
        ("x.json", json.dumps({"rois": [{"roi_id": 1, "roi_type": ["rect"], "data": {}}]})),
        ("x.json", json.dumps({"rois": [{"roi_id": "one", "roi_type": "rect", "data": {"x0": []}}]})),
        ("x.kymflow.json", json.dumps({"format": "kymflow_tiff", "version": 1, "revision": 0, "metadata": {"rois": [7]}})),
        ("x.a.parquet", "PAR1 and no more"),
        ("x.a.csv.gz", "no gzip"),
        ("x.a.npy", "\x93NUMPY and no more"),
    ],
)
def test_a_file_next_to_it_that_cannot_be_read_keeps_it_out_and_no_other(path, tmp_path, name, text):
    (tmp_path / name).write_text(text)
    tifffile.imwrite(tmp_path / "y.tif", np.ones((40, 12), np.uint16))
    dataset = ZarrDataset.create(tmp_path / "d.zarr")
    report = dataset.import_paths([path, tmp_path / "y.tif"], read_file=read_for_import)
    assert [one.path.name for one in report.imported] == ["y.tif"]
    assert [one.path.name for one in report.failed] == ["x.tif"]
    assert name.rpartition("/")[2] in report.failed[0].reason
