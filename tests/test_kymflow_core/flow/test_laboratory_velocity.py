"""Real line scans of capillaries, from the laboratory's files."""

import numpy as np
import pandas as pd
import pytest
import tifffile

from kymflow_core.flow import VelocitySettings, detect_events, heart_rate, measure_velocity

pytestmark = pytest.mark.shared

CAPILLARY = {"seconds_per_line": 35.099 / 30000, "um_per_pixel": 0.284}
SAME_WINDOWS = VelocitySettings(window_lines=16, step=4)


@pytest.fixture(scope="module")
def capillary(olympus_folder):
    return tifffile.imread(olympus_folder / "Capillary1_0001.tif")


@pytest.fixture(scope="module")
def whole(capillary):
    return measure_velocity(capillary, **CAPILLARY, settings=SAME_WINDOWS)


@pytest.mark.trials
def test_two_halves_that_share_no_pixel_agree(capillary):
    halves = [
        measure_velocity(part, **CAPILLARY, settings=SAME_WINDOWS).frame for part in (capillary[:, :19], capillary[:, 19:])
    ]
    left, right = halves
    both = left["velocity_mm_s"].notna() & right["velocity_mm_s"].notna()
    difference = (
        (left["velocity_mm_s"] - right["velocity_mm_s"]).abs() / (left["velocity_mm_s"] + right["velocity_mm_s"]).abs() * 2
    )
    overlap = (left["velocity_low_mm_s"] <= right["velocity_high_mm_s"]) & (
        right["velocity_low_mm_s"] <= left["velocity_high_mm_s"]
    )
    assert both.mean() > 0.95
    assert difference[both].median() <= 0.035
    assert overlap[both].mean() >= 0.97


def test_the_three_episodes_of_low_flow_are_found(whole):
    events = detect_events(whole)
    low = events[events["kind"] != "no evidence"]
    assert low["kind"].tolist() == ["low"] * 3
    np.testing.assert_allclose(low[["t0_s", "t1_s"]], [[0, 0.17], [4.165, 4.334], [20.61, 21.28]], atol=0.02)
    assert low["stalled"].tolist() == [False, False, True]


def test_nearly_every_window_has_a_velocity(whole):
    assert whole.frame["velocity_mm_s"].notna().mean() > 0.97


def test_the_heart_beats_as_it_does(whole):
    assert heart_rate(whole).hz == pytest.approx(6.46, abs=0.05)


def test_a_scan_of_seven_pixels_has_its_heart_rate_too(olympus_folder):
    pixels = tifffile.imread(olympus_folder / "28d AngII" / "20250722" / "20250722_A89_0005.tif")
    trace = measure_velocity(pixels, seconds_per_line=33.299 / 30000, um_per_pixel=0.829)
    assert heart_rate(trace).hz == pytest.approx(8.1, abs=0.15)


def test_it_agrees_with_the_older_programs_trace_where_that_is_plausible(whole, olympus_folder):
    older = pd.read_csv(olympus_folder / "flow-analysis" / "Capillary1_0001_radon.csv")
    older = older[older["roi_id"] == 1].reset_index(drop=True)
    assert len(older) == len(whole.frame)
    np.testing.assert_allclose(older["time"], whole.frame["time_s"], atol=1e-4)
    ratio = older["velocity"] / whole.frame["velocity_mm_s"]
    near = ratio[(ratio > 0.7) & (ratio < 1.4)]
    assert len(near) > 0.85 * len(ratio)
    assert near.median() == pytest.approx(1, abs=0.05)
