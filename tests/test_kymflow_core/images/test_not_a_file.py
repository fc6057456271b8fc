"""Pipes and devices are not read, whichever of a TIFF's files they stand for."""

import os

import pytest
import tifffile

from kymflow_core.images.acquisition_file import read_for_import
from kymflow_zarr.errors import SourceError
from kymflow_zarr.tables.sources import Source


@pytest.fixture
def path(tmp_path):
    (tmp_path / "flow-analysis").mkdir()
    tifffile.imwrite(tmp_path / "x.tif", [[1, 2], [3, 4]])
    return tmp_path / "x.tif"


@pytest.mark.parametrize("make", [os.mkfifo, lambda place: place.symlink_to("/dev/zero")], ids=["pipe", "device"])
class TestNotAFile:
    @pytest.mark.parametrize(
        "name",
        [
            "x.json",
            "x.kymflow.json",
            "x.a.json",
            "x.a.csv",
            "x.a.csv.gz",
            "x.a.parquet",
            "x.a.npy",
            "flow-analysis/x_radon.csv",
            "flow-analysis/x_radon.json",
            "flow-analysis/x_events.json",
        ],
    )
    def test_next_to_a_tiff_keeps_it_out_by_name(self, path, make, name):
        make(path.parent / name)
        with pytest.raises(SourceError, match=name):
            read_for_import(path)

    def test_that_has_the_name_of_a_header_is_reported(self, path, make):
        make(path.with_suffix(".txt"))
        notes = read_for_import(path).notes
        assert notes[0].startswith("the header olympus_txt was not used: x.txt: ")

    def test_that_has_the_name_of_a_tiff_is_no_source(self, path, make):
        path.unlink()
        make(path)
        with pytest.raises(SourceError, match=r"x\.tif is no file but a pipe or a device"):
            Source.from_file(path)
