import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kymflow_core.images.acq_image import AcqImage
from kymflow_core.indexers import RadonReportIndexer, VelocityEventsIndexer, VelocityIndexer
from kymflow_core.simulate import DEMO_SCANS, Episode, Scan, make_demo_dataset, simulate_kymograph
from kymflow_zarr import ZarrDataset
from kymflow_zarr.errors import DatasetExistsError

SHORT_SCANS = tuple(
    Scan(name=f"scan {number}", velocity_mm_s=0.4, episodes=(Episode(t0_s=0.1, t1_s=0.2, velocity_mm_s=0.0, kind="stall"),))
    if number
    else Scan(name="scan 0", velocity_mm_s=-0.3, lines=64, pixels=32)
    for number in range(2)
)


def estimate_velocity(kymograph: np.ndarray, *, um_per_pixel: float, seconds_per_line: float, most_lines: int = 3) -> float:
    """Return mm/s from how far lines must be shifted to look like those 1 to `most_lines` later: nothing of the model."""
    lines = kymograph / kymograph.mean(axis=0) - 1.0
    pixels = lines.shape[1]
    shifts = np.arange(-(pixels // 4), pixels // 4 + 1)
    lags = np.arange(1, most_lines + 1)
    found = []
    for lag in lags:
        earlier, later = lines[:-lag], lines[lag:]
        likeness = np.array(
            [
                np.mean(earlier[:, max(0, -s) : pixels - max(0, s)] * later[:, max(0, s) : pixels + min(0, s)])
                for s in shifts
            ]
        )
        best = int(np.argmax(likeness[1:-1])) + 1
        left, top, right = likeness[best - 1 : best + 2]
        found.append(shifts[best] + 0.5 * (left - right) / (left - 2 * top + right))
    pixels_per_line = float(np.dot(found, lags) / np.dot(lags, lags))
    return pixels_per_line * um_per_pixel / seconds_per_line / 1000


@pytest.fixture(scope="session")
def demo_dataset(tmp_path_factory: pytest.TempPathFactory) -> ZarrDataset:
    """The demo dataset as it is made by default; tests read it and never write."""
    return make_demo_dataset(tmp_path_factory.mktemp("demo") / "demo.zarr")


@pytest.fixture(scope="session")
def demo_images(demo_dataset: ZarrDataset) -> dict[str, AcqImage]:
    """The images of the demo dataset by name."""
    images = [AcqImage(record) for record in demo_dataset.iter_records()]
    return {image.name: image for image in images}


@pytest.mark.parametrize("velocity", [-2.0, -0.8, -0.25, 0.1, 0.4, 0.8, 1.5])
def test_the_velocity_is_recovered(velocity, rng):
    scan = Scan(name="steady", velocity_mm_s=velocity, lines=3000)
    estimated = estimate_velocity(simulate_kymograph(scan, rng=rng), um_per_pixel=0.5, seconds_per_line=0.001)
    assert estimated == pytest.approx(velocity, rel=0.04)


@pytest.mark.parametrize(("um_per_pixel", "seconds_per_line"), [(0.25, 0.001), (0.5, 0.002), (0.8, 0.0005)])
def test_the_velocity_is_recovered_whatever_the_calibration(um_per_pixel, seconds_per_line, rng):
    calibration = {"um_per_pixel": um_per_pixel, "seconds_per_line": seconds_per_line}
    scan = Scan(name="steady", velocity_mm_s=-0.5, lines=3000, **calibration)
    assert estimate_velocity(simulate_kymograph(scan, rng=rng), **calibration) == pytest.approx(-0.5, rel=0.04)


def test_cells_that_stand_still_have_no_velocity(rng):
    # Not normalized by column: there the standing cells themselves would be taken for the illumination.
    kymograph = simulate_kymograph(Scan(name="stall", velocity_mm_s=0.0, lines=2000), rng=rng).astype(np.float64)
    assert np.corrcoef(kymograph[:1000].mean(axis=0), kymograph[1000:].mean(axis=0))[0, 1] > 0.999


def test_the_velocity_within_an_episode_is_its_own(rng):
    episode = Episode(t0_s=2.0, t1_s=5.0, velocity_mm_s=-0.25, kind="reversal")
    scan = Scan(name="reversal", velocity_mm_s=0.4, episodes=(episode,))
    kymograph = simulate_kymograph(scan, rng=rng)
    parts = {"before": kymograph[:2000], "within": kymograph[2000:5000]}
    found = {key: estimate_velocity(part, um_per_pixel=0.5, seconds_per_line=0.001) for key, part in parts.items()}
    assert found == {"before": pytest.approx(0.4, rel=0.04), "within": pytest.approx(-0.25, rel=0.04)}


def test_the_true_velocity_is_that_of_the_episode_from_its_start_to_before_its_end():
    episode = Episode(t0_s=0.002, t1_s=0.004, velocity_mm_s=-1.0, kind="reversal")
    scan = Scan(name="short", velocity_mm_s=2.0, episodes=(episode,), lines=6)
    assert scan.true_velocity().tolist() == [2.0, 2.0, -1.0, -1.0, 2.0, 2.0]


@pytest.mark.parametrize(("lines", "pixels"), [(100, 96), (64, 7), (1, 20)])
def test_a_kymograph_has_the_shape_of_its_scan(lines, pixels, rng):
    scan = Scan(name="small", velocity_mm_s=0.4, lines=lines, pixels=pixels)
    assert simulate_kymograph(scan, rng=rng).shape == (lines, pixels)


def test_a_kymograph_has_16_bits(rng):
    assert simulate_kymograph(SHORT_SCANS[0], rng=rng).dtype == np.uint16


def test_the_same_seed_gives_the_same_pixels():
    once, again = (simulate_kymograph(SHORT_SCANS[0], rng=np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(once, again)


def test_another_seed_gives_other_pixels():
    one, other = (simulate_kymograph(SHORT_SCANS[0], rng=np.random.default_rng(seed)) for seed in (3, 4))
    assert not np.array_equal(one, other)


def test_the_demo_dataset_is_sound(demo_dataset):
    assert demo_dataset.validate() == []


def test_the_demo_dataset_has_the_three_scans(demo_images):
    assert sorted(demo_images) == sorted(scan.name for scan in DEMO_SCANS)
    assert len(demo_images) == 3


@pytest.mark.parametrize("name", [scan.name for scan in DEMO_SCANS])
def test_every_demo_image_is_calibrated(name, demo_images):
    header = demo_images[name].header
    assert (header.seconds_per_line, header.um_per_pixel, header.calibration_source) == (0.001, 0.5, "simulated")


@pytest.mark.parametrize("name", [scan.name for scan in DEMO_SCANS])
def test_every_demo_image_has_two_rois_within_it(name, demo_images):
    image = demo_images[name]
    lines, pixels = image.slice_shape
    assert [(roi.roi_id, roi.y1 <= lines, roi.x1 <= pixels) for roi in image.rois] == [(1, True, True), (2, True, True)]


@pytest.mark.parametrize("name", [scan.name for scan in DEMO_SCANS])
def test_every_demo_image_has_one_mask_that_is_right(name, demo_images):
    image = demo_images[name]
    assert image.source.list_array_artifacts() == ["roi_mask_2"]
    assert [image.stored_mask(roi).state for roi in image.rois] == ["", "mask"]


@pytest.mark.parametrize("scan", DEMO_SCANS, ids=lambda scan: scan.name)
def test_every_demo_image_has_its_report_and_events(scan, demo_images):
    record = demo_images[scan.name].source
    assert len(record.load_df_parquet("radon_report")) == 2
    assert record.load_df_parquet("velocity_events")["kind"].tolist() == [episode.kind for episode in scan.episodes]


def test_the_demo_reports_state_the_true_velocity(demo_images):
    record = demo_images["demo steady flow"].source
    assert record.load_df_parquet("radon_report")["mean_velocity"].tolist() == pytest.approx([0.4, 0.4])


@pytest.mark.parametrize("scan", DEMO_SCANS, ids=lambda scan: scan.name)
def test_every_demo_image_has_a_velocity_series_that_was_measured(scan, demo_images):
    series = demo_images[scan.name].source.load_df_parquet("velocity")
    assert (len(series), series["roi_id"].unique().tolist()) == (300, [1])
    valid = series[series["velocity_mm_s"].notna()]
    true = scan.true_velocity()[(valid["time_s"] / scan.seconds_per_line).astype(int)]
    assert len(valid) > 285
    assert np.median(np.abs(valid["velocity_mm_s"] - true)) < 0.02


@pytest.mark.parametrize(
    ("indexer", "rows"), [(RadonReportIndexer(), 6), (VelocityEventsIndexer(), 4), (VelocityIndexer(), 900)]
)
def test_the_demo_dataset_has_the_table(indexer, rows, demo_dataset):
    table = demo_dataset.load_table(indexer.table_name)
    assert len(table) == rows
    assert set(indexer.required_columns()) <= set(table.columns)


def test_the_demo_dataset_has_no_other_table(demo_dataset):
    assert demo_dataset.list_table_names() == [
        "images",
        "radon_report",
        "reviews",
        "rois",
        "velocity",
        "velocity_events",
    ]


def test_the_demo_dataset_never_overwrites(demo_dataset):
    with pytest.raises(DatasetExistsError, match=r"^there is a dataset at .* already; open it instead$"):
        make_demo_dataset(demo_dataset.path, scans=SHORT_SCANS)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_demo_pixels(tmp_path: Path):
    digests = [
        {
            hashlib.sha256(record.load_array()).hexdigest()
            for record in make_demo_dataset(path, scans=SHORT_SCANS).iter_records()
        }
        for path in (tmp_path / "one.zarr", tmp_path / "two.zarr")
    ]
    assert len(digests[0]) == 2
    assert digests[0] == digests[1]


def test_a_demo_dataset_without_scans_has_empty_tables(tmp_path: Path):
    table = make_demo_dataset(tmp_path / "none.zarr", scans=()).load_table("radon_report")
    pd.testing.assert_index_equal(table.columns, pd.Index([*RadonReportIndexer().required_columns(), "outdated"]))
