"""What is read off a trace: episodes, heart rate, cells, the summary; and the diameter of a vessel."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from flow_scenes import SECONDS_PER_LINE, UM_PER_PIXEL

from kymflow_core.flow import (
    VelocitySettings,
    VelocityTrace,
    count_cells,
    detect_events,
    heart_rate,
    measure_diameter,
    measure_velocity,
    summarize,
)
from kymflow_core.simulate import CellScene, simulate_cells

STEP_S = 4 * SECONDS_PER_LINE
CALIBRATION = {"seconds_per_line": SECONDS_PER_LINE, "um_per_pixel": UM_PER_PIXEL}


def trace_of(velocity: np.ndarray) -> VelocityTrace:
    """A trace of these velocities in mm/s, one every 4 lines; NaN is uncertain."""
    empty = measure_velocity(np.zeros((20, 20)), **CALIBRATION, settings=VelocitySettings(window_lines=16, step=4))
    frame = pd.DataFrame({name: np.full(len(velocity), np.nan) for name in empty.frame.columns if name != "flag"})
    flag = pd.Series(np.where(np.isnan(velocity), "uncertain", ""), dtype="str").replace("", None)
    frame = frame.assign(
        time_s=(8 + 4 * np.arange(len(velocity))) * SECONDS_PER_LINE,
        velocity_mm_s=velocity,
        velocity_all_mm_s=np.nan_to_num(velocity),
        flag=flag,
    )
    scale = UM_PER_PIXEL / SECONDS_PER_LINE / 1000
    return replace(empty, frame=frame, pixels_per_line=pd.DataFrame({"velocity": velocity / scale}), notes=())


def steady(seconds: float, rng: np.random.Generator, *, speed: float = -1.2) -> tuple[np.ndarray, np.ndarray]:
    times = (8 + 4 * np.arange(int(seconds / STEP_S))) * SECONDS_PER_LINE
    return times, speed * (1 + 0.05 * rng.standard_normal(len(times)))


class TestEvents:
    @pytest.mark.parametrize(
        ("factor", "kind", "stalled"),
        [(0.3, "low", False), (0.01, "low", True), (1.8, "fast", False), (-0.4, "reversed", False)],
    )
    def test_an_episode_has_its_kind_and_its_edges(self, factor, kind, stalled, rng):
        times, velocity = steady(12, rng)
        velocity[(times >= 5) & (times <= 5.3)] *= factor
        (event,) = detect_events(trace_of(velocity)).to_dict("records")
        assert (event["kind"], event["stalled"], event["event_id"]) == (kind, stalled, 1)
        assert event["t0_s"] == pytest.approx(5, abs=0.02)
        assert event["t1_s"] == pytest.approx(5.3, abs=0.02)
        assert event["extreme_mm_s"] == pytest.approx(1.2 * factor, abs=0.1)

    def test_a_long_stall_is_not_its_own_baseline(self, rng):
        times, velocity = steady(20, rng)
        velocity[(times >= 8) & (times <= 11.5)] *= 0.1
        (event,) = detect_events(trace_of(velocity)).to_dict("records")
        assert (event["t0_s"], event["t1_s"]) == (pytest.approx(8, abs=0.02), pytest.approx(11.5, abs=0.02))
        assert event["baseline_mm_s"] == pytest.approx(1.2, rel=0.05)

    def test_what_has_no_velocity_is_an_episode_of_its_own(self, rng):
        times, velocity = steady(8, rng)
        velocity[(times >= 3) & (times <= 3.1)] = np.nan
        velocity[(times >= 5) & (times <= 5.01)] = np.nan  # shorter than 20 ms
        (event,) = detect_events(trace_of(velocity)).to_dict("records")
        assert event["kind"] == "no evidence"
        assert math.isnan(event["score"])

    def test_steady_flow_has_none(self, rng):
        assert len(detect_events(trace_of(steady(20, rng)[1]))) == 0

    def test_an_empty_trace_has_none_and_the_same_columns(self, rng):
        empty, full = detect_events(trace_of(np.empty(0))), detect_events(trace_of(steady(8, rng)[1]))
        assert list(empty.columns) == list(full.columns)
        assert list(empty.dtypes) == list(full.dtypes)

    def test_an_episode_that_overlaps_an_earlier_one_keeps_its_number(self, rng):
        times, velocity = steady(16, rng)
        for start in (3.0, 8.0, 13.0):
            velocity[(times >= start) & (times <= start + 0.3)] *= 0.3
        first = detect_events(trace_of(velocity))
        assert first["event_id"].tolist() == [1, 2, 3]
        velocity[(times >= 3) & (times <= 3.3)] /= 0.3  # the first is gone
        velocity[(times >= 8.3) & (times <= 8.4)] *= 0.3  # the second is longer
        velocity[(times >= 10.5) & (times <= 10.8)] *= 0.3  # another
        again = detect_events(trace_of(velocity), previous=first)
        assert again["event_id"].tolist() == [2, 4, 3]


class TestHeartRate:
    @pytest.mark.parametrize("hz", [4.1, 6.46, 12.3])
    @pytest.mark.parametrize("gaps", [0.0, 0.2])
    def test_it_is_found_with_gaps_and_noise(self, hz, gaps, rng):
        times, velocity = steady(60, rng)
        velocity *= 1 + 0.08 * np.sin(2 * np.pi * hz * times)
        velocity[rng.random(len(times)) < gaps] = np.nan
        found = heart_rate(trace_of(velocity))
        assert found.hz == pytest.approx(hz, abs=0.03)
        assert found.amplitude_mm_s == pytest.approx(0.096, rel=0.15)
        assert found.power_ratio > 50

    @pytest.mark.parametrize("seconds", [0.0, 0.1, 30.0])
    def test_noise_has_none(self, seconds, rng):
        assert math.isnan(heart_rate(trace_of(steady(seconds, rng)[1])).hz)

    def test_a_scan_too_slow_for_it_has_none(self, rng):
        slow = replace(trace_of(steady(30, rng)[1]), seconds_per_line=0.02)
        assert math.isnan(heart_rate(slow).hz)


class TestCells:
    @pytest.mark.slow
    @pytest.mark.parametrize(("spacing", "least"), [(60, 0.85), (35, 0.85)])
    @pytest.mark.parametrize("speed", [3.0, -3.0])
    def test_cells_are_counted(self, spacing, least, speed):
        scene = CellScene(spacing=spacing, cell_length=8)
        image = simulate_cells(scene, np.full(4000, speed), rng=np.random.default_rng(3))
        trace = measure_velocity(image, **CALIBRATION)
        found = count_cells(image, trace)
        expected = 4000 * abs(speed) / spacing
        assert least * expected <= found.count <= 1.15 * expected
        assert found.occupied_fraction == pytest.approx(8 / spacing, rel=0.25)
        assert found.cells_per_s == pytest.approx(found.count / (4000 * SECONDS_PER_LINE))
        summary = summarize(trace, image, heart=heart_rate(trace), cells=found, events=detect_events(trace))
        assert summary["direction"] == ("to larger x" if speed > 0 else "to smaller x")
        assert summary["n_valid"] == summary["fraction_valid"] * summary["n_windows"]
        assert summary["cell_length_um"] == pytest.approx(8 * UM_PER_PIXEL, rel=0.3)

    def test_without_a_velocity_there_is_no_count(self, rng):
        noise = rng.poisson(30, (300, 20))
        assert math.isnan(count_cells(noise, measure_velocity(noise, **CALIBRATION)).count)


def test_the_summary_of_a_known_trace():
    velocity = np.repeat([-1.0, -2.0, np.nan, 0.5], 10)
    trace = trace_of(velocity)
    found = summarize(
        trace, np.arange(6.0).reshape(2, 3), heart=heart_rate(trace), cells=count_cells(np.ones((9, 9)), trace),
        events=detect_events(trace),
    )  # fmt: skip
    expected = {
        "mean_velocity": -25 / 30,
        "median_velocity": -1.0,
        "n_valid": 30,
        "n_windows": 40,
        "fraction_reversed": 1 / 3,
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected)
    assert (found["n_effective"], found["img_mean"], found["fraction_valid"]) == (7.5, 2.5, 0.75)


def test_the_summary_of_nothing_has_the_same_entries():
    pixels = np.full((30, 10), np.nan)
    nothing = measure_velocity(pixels, **CALIBRATION)
    some = trace_of(np.full(30, 1.0))
    rows = [
        summarize(trace, pixels, heart=heart_rate(trace), cells=count_cells(pixels, nothing), events=detect_events(trace))
        for trace in (nothing, some)
    ]
    assert rows[0].keys() == rows[1].keys()
    assert rows[0]["n_valid"] == 0
    assert math.isnan(rows[0]["mean_velocity"])
    assert rows[0]["notes"] == "; ".join(nothing.notes) != ""


class TestDiameter:
    @pytest.mark.parametrize("width", [6.0, 14.3, 40.0])
    def test_a_flat_vessel_has_its_width(self, width, rng):
        across = np.abs(np.arange(80) - 40.2)
        profile = np.clip(width / 2 + 0.5 - across, 0, 1)
        pixels = rng.poisson(200 * profile + 20, (2000, 80))
        found = measure_diameter(pixels, seconds_per_line=0.001, um_per_pixel=0.5, orientation="across")
        assert len(found) == 100
        assert found["diameter_um"].median() == pytest.approx(0.5 * width, abs=0.05)
        assert found["time_s"].iloc[0] == pytest.approx(0.01)

    def test_a_round_vessel_reads_less_by_geometry(self, rng):
        profile = np.sqrt(np.clip(1 - np.square((np.arange(80) - 40.2) / 20), 0, None))
        pixels = rng.poisson(300 * profile + 20, (2000, 80))
        found = measure_diameter(pixels, seconds_per_line=0.001, um_per_pixel=1.0, orientation="across")
        assert 0.82 < found["diameter_um"].median() / 40 < 0.9

    def test_a_line_along_the_vessel_has_none(self):
        with pytest.raises(ValueError, match="the line lies along the vessel; only a line across it has a diameter"):
            measure_diameter(np.ones((40, 40)), seconds_per_line=0.001, um_per_pixel=1.0, orientation="along")

    def test_a_vessel_wider_than_the_roi_has_none(self):
        flat = measure_diameter(np.ones((40, 40)), seconds_per_line=0.001, um_per_pixel=1.0, orientation="across")
        assert flat["diameter_um"].isna().all()
