"""Small files that once came in wrong, each folder imported by the command line: what its README says must be, is."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import tifffile
from typer.testing import CliRunner

from kymflow_core import AcqImage
from kymflow_core.cli import app
from kymflow_zarr import ZarrDataset, ZarrImageRecord

CASES = Path(__file__).parents[3] / "shared" / "cases"


@dataclass(frozen=True)
class Imported:
    """A folder of cases after its import."""

    folder: Path
    dataset_path: Path
    report: dict[str, Any]

    @cached_property
    def dataset(self) -> ZarrDataset:
        return ZarrDataset(self.dataset_path)

    @cached_property
    def records(self) -> dict[str, ZarrImageRecord]:
        """The records by the name of their file."""
        sources = self.dataset.load_sources()
        return {
            Path(source.source_primary_path).name: self.dataset.record(image_id) for image_id, source in sources.items()
        }

    def image(self, name: str) -> AcqImage:
        return AcqImage(self.records[name])

    def notes(self, name: str) -> str:
        return " | ".join(
            note for one in self.report["imported"] if Path(one["path"]).name == name for note in one["notes"]
        )

    def reason(self, name: str) -> str:
        return next((one["reason"] for one in self.report["failed"] if Path(one["path"]).name == name), "")


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    """A function that imports a folder of cases by the command line, once."""
    done: dict[str, Imported] = {}

    def import_case(name: str, inside: str = "") -> Imported:
        folder = CASES / name
        if not folder.is_dir():
            pytest.skip(f"the cases are not at {folder}")
        if name not in done:
            target = tmp_path_factory.mktemp("case") / "x.zarr"
            result = CliRunner().invoke(app, ["import", "--json", str(folder / inside), str(target)])
            assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
            done[name] = Imported(folder, target, json.loads(result.stdout))
        return done[name]

    return import_case


pytestmark = [pytest.mark.shared, pytest.mark.filterwarnings("ignore")]


@pytest.mark.slow
def test_01_planes_that_are_missing_are_left_out_with_their_numbers(case):
    found = case("01-ome-planes-missing")
    stopped, short = found.image("stopped.ome.tif"), found.image("short.ome.tif")
    assert (stopped.pixels.shape, short.pixels.shape) == ((600, 32), (200, 32))
    assert np.asarray(stopped.pixels)[:].min() > 0
    assert "600 of the 1000 planes" in found.notes("stopped.ome.tif")
    assert "1 of the 2 planes" in found.notes("short.ome.tif")
    assert stopped.header.seconds_per_line * stopped.pixels.shape[0] == pytest.approx(1.2)


def test_02_a_set_is_one_record_with_the_pixels_of_each_file_once(case):
    found = case("02-ome-set-n-times")
    ((name, record),) = found.records.items()
    files = sorted(path.name for path in found.folder.iterdir())
    assert [name, *found.dataset.load_sources()[record.image_id].further_names()] == files
    assert "6 of the 20 planes" in found.notes(name)
    assert "14 of the 14 other files of its set are not in its folder" in found.notes(name)
    image = found.image(name)
    assert (image.axes, image.pixels.shape[0]) == (("t", "y", "x"), 6)
    for at, one in enumerate(files):
        with tifffile.TiffFile(found.folder / one, is_ome=False) as tiff:
            np.testing.assert_array_equal(image.pixels[at], tiff.pages[0].asarray())


def test_03_missing_strips_are_refused(case):
    found = case("03-tiff-strips-missing")
    assert "6 of 10 strips" in found.reason("six_of_ten_strips.tif")
    assert not found.records


def test_04_a_stack_that_was_cut_is_refused(case):
    found = case("04-imagej-stack-one-ifd-cut")
    assert "6 of the 10 planes" in found.reason("cut.tif")
    assert found.image("whole.tif").pixels.shape == (10, 100, 40)


def test_05_one_file_does_not_stop_the_others(case):
    found = case("05-one-file-stops-the-import")
    assert found.reason("b_zstd.tif")
    assert sorted(found.records) == ["c00.tif", "c01.tif"]
    assert len(found.dataset.load_table("images")) == 2


def test_06_columns_are_not_shifted(case):
    frame = case("06-csv-shifted-columns").records["a.tif"].load_df_parquet("width")
    assert frame.iloc[0].to_dict() == {"time": 0.1, "velocity": 1.5, "width": 3}


@pytest.mark.slow
def test_07_the_older_programs_csv_with_a_trailing_comma_is_read(case):
    found = case("07-radon-csv-stops-the-import")
    windows = found.records["a.tif"].load_df_parquet("radon_velocity")
    assert windows[["time_s", "velocity_mm_s"]][:2].to_numpy().tolist() == [[0.0, 0.5], [0.1, 0.51]]
    assert windows["parentFolder"].tolist() == ["p"] * 10


def test_08_integers_keep_every_digit(case):
    found = case("08-integers-with-gaps")
    (path,) = found.dataset_path.glob("images/*/analysis/spikes.parquet")
    before = pq.read_table(found.folder / "a.spikes.parquet")["t_ns"].to_pylist()
    assert pq.read_table(path)["t_ns"].to_pylist() == before
    loaded = found.records["a.tif"].load_df_parquet("spikes")["t_ns"]
    assert [None if pd.isna(one) else int(one) for one in loaded] == before


def test_09_micrometres_with_a_resolution_per_centimetre(case):
    found = case("09-imagej-um-with-resolution-per-cm")
    for name in ("per_cm.tif", "per_um.tif"):
        assert found.image(name).header.um_per_pixel == pytest.approx(0.284, rel=1e-4)


def test_10_a_movies_header_states_no_time_of_a_line(case):
    found = case("10-olympus-header-of-a-movie")
    header = found.image("movie.tif").header
    assert (header.seconds_per_line, header.um_per_pixel) == (None, 0.284)
    assert "no time of a line is stated" in found.notes("movie.tif")


@pytest.mark.parametrize(
    ("name", "axes", "shape"),
    [
        ("ome_one.ome.tif", ("y", "x"), (300, 32)),
        ("ome_two.ome.tif", ("c", "y", "x"), (2, 300, 32)),
        ("imagej_one.tif", ("y", "x"), (300, 32)),
    ],
)
def test_11_lines_at_times_are_kymographs(case, name, axes, shape):
    image = case("11-lines-at-times-with-channels").image(name)
    assert (image.axes, image.pixels.shape) == (axes, shape)
    assert (image.header.seconds_per_line, image.header.um_per_pixel) == (0.002, 0.25)


def test_12_names_stay_text(case):
    records = case("12-csv-names-become-numbers").records
    assert records["a.tif"].load_df_csv_gz("mice")["mouse"].tolist() == ["007", "012"]
    assert records["b.tif"].load_df_parquet("mice")["mouse"].tolist() == ["12E3", "2E10"]


@pytest.mark.parametrize("name", ["lzw.tif", "packed12.tif"])
def test_13_codecs_are_read_or_named_with_the_command(case, name):
    found = case("13-codecs")
    try:
        import imagecodecs  # noqa: F401
    except ImportError:
        assert "`pip install imagecodecs`" in found.reason(name)
    else:
        assert found.image(name).pixels.shape == (300, 40)
        assert float(np.asarray(found.image(name).pixels[:]).mean()) == pytest.approx(1994.0818, abs=1e-3)


def test_14_rois_inside_a_tiff_are_rois(case):
    image = case("14-imagej-rois-inside-the-tiff").image("withroi.tif")
    assert [roi.name for roi in image.rois] == ["vessel", "o0", "o1", "o2"]
    assert all(image.roi_stats(roi.roi_id).n > 0 for roi in image.rois)


def test_15_zstandard_without_a_size_is_read(case):
    found = case("15-omezarr-zstd-without-size", "ts.zarr")
    (record,) = found.records.values()
    assert record.get_shape() == (128, 40)
    assert record.load_array().mean() == pytest.approx(2004.392, abs=1e-3)


def test_17_tall_images_of_imagej_are_whole(case):
    pixels = case("17-guard-imagej-tall").image("h70000.tif").pixels
    assert pixels.shape == (70_000, 8)
    assert pixels[-1].min() > 0


@pytest.mark.slow
def test_18_signed_numbers_are_those_that_imagej_shows_and_are_exported_so(case, tmp_path):
    found = case("18-imagej-signed-16-bit")
    assert float(np.asarray(found.image("signed.tif").pixels[:]).mean()) == pytest.approx(1399.4, abs=0.05)
    assert CliRunner().invoke(app, ["export", str(found.dataset_path), str(tmp_path / "out")]).exit_code == 0
    (path,) = (tmp_path / "out").rglob("image.tif")
    with tifffile.TiffFile(path) as tiff, tifffile.TiffFile(found.folder / "signed.tif") as original:
        np.testing.assert_array_equal(tiff.asarray(), original.asarray())
        for key in ("cf", "c0", "c1", "unit", "yunit"):
            assert tiff.imagej_metadata[key] == original.imagej_metadata[key]
