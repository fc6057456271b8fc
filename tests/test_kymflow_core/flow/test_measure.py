"""The one call: what it returns, what it refuses, and what it says where there is nothing to measure."""

import numpy as np
import pandas as pd
import pytest
from flow_scenes import MM_S, SECONDS_PER_LINE, UM_PER_PIXEL

from kymflow_core.flow import VelocitySettings, measure_velocity, notes
from kymflow_core.flow.trace import COLUMNS, NO_CELLS
from kymflow_core.simulate import DEMO_SCANS, CellScene, Episode, Scan, simulate_cells, simulate_kymograph

CALIBRATION = {"seconds_per_line": SECONDS_PER_LINE, "um_per_pixel": UM_PER_PIXEL}


@pytest.fixture(scope="module")
def pixels():
    return simulate_cells(CellScene(pixels=24), np.full(240, -3.0), rng=np.random.default_rng(1)).astype(np.uint16)


@pytest.fixture(scope="module")
def trace(pixels):
    return measure_velocity(pixels, **CALIBRATION, first_line=100)


def test_the_frame_has_its_columns_and_one_row_a_window(trace, pixels):
    assert tuple(trace.frame.columns) == COLUMNS
    assert (trace.window, trace.step) == (17, 4)
    assert len(trace.frame) == (len(pixels) - 17) // 4 + 1
    assert [str(dtype) for dtype in trace.frame.dtypes] == ["float64"] * 9 + ["str"]


def test_a_time_is_the_centre_of_its_window_in_the_image(trace):
    expected = (100 + 8.5 + 4 * np.arange(len(trace.frame))) * SECONDS_PER_LINE
    np.testing.assert_allclose(trace.frame["time_s"], expected)


def test_the_velocity_is_signed_and_lies_in_its_interval(trace):
    frame = trace.frame
    assert frame["velocity_mm_s"].median() == pytest.approx(-3 * MM_S, rel=0.01)
    assert (frame["velocity_low_mm_s"] <= frame["velocity_all_mm_s"]).all()
    assert (frame["velocity_all_mm_s"] <= frame["velocity_high_mm_s"]).all()
    assert (frame["velocity_mm_s"].notna() == frame["flag"].isna()).all()


def test_the_posterior_is_a_probability_of_velocities(trace):
    curve = trace.posterior(5)
    assert curve.sum() == pytest.approx(1, abs=1e-4)
    assert curve.index.name == "velocity_mm_s"
    assert curve.idxmax() == pytest.approx(-3 * MM_S, rel=0.05)
    assert abs(trace.likelihood(5).idxmax() - -3 * MM_S) < 0.2 * MM_S


def test_the_limit_is_that_of_the_line(trace):
    assert trace.speed_limit_mm_s == pytest.approx(0.8 * 24 * MM_S)


def test_a_window_that_is_not_there_has_no_posterior(trace):
    with pytest.raises(ValueError, match=r"there is no window 999; this trace has \d+"):
        trace.posterior(999)


def test_without_numba_the_numbers_are_the_same(pixels, trace, monkeypatch):
    monkeypatch.setattr("kymflow_core.flow.likelihood.compiled_sums", lambda: None)
    monkeypatch.setattr("kymflow_core.flow.posterior.compiled_sums", lambda: None)
    plain = measure_velocity(pixels, **CALIBRATION, first_line=100)
    pd.testing.assert_frame_equal(plain.frame, trace.frame, rtol=2e-3, atol=1e-4)


def test_without_a_calibration_speeds_are_in_pixels_per_line(pixels):
    found = measure_velocity(pixels, seconds_per_line=None, um_per_pixel=None)
    assert found.window == 16
    assert found.frame["velocity_mm_s"].isna().all()
    assert found.frame["flag"].isna().mean() > 0.9
    assert found.pixels_per_line["velocity"].median() == pytest.approx(-3, rel=0.01)
    assert found.posterior(3).index.name == "velocity_px_per_line"
    assert notes.CALIBRATION_UNKNOWN in found.notes


def test_a_dwell_time_corrects_the_movement_of_the_beam():
    scene = CellScene(pixels=24, beam_delay=0.02)
    image = simulate_cells(scene, np.full(240, 8.0), rng=np.random.default_rng(1))
    plain = measure_velocity(image, **CALIBRATION)
    corrected = measure_velocity(image, **CALIBRATION, settings=VelocitySettings(dwell_s=0.02 * SECONDS_PER_LINE))
    assert plain.frame["velocity_mm_s"].median() == pytest.approx(8 / (1 - 0.16) * MM_S, rel=0.015)
    assert corrected.frame["velocity_mm_s"].median() == pytest.approx(8 * MM_S, rel=0.015)
    assert notes.BEAM_UNKNOWN in plain.notes
    assert notes.BEAM_UNKNOWN not in corrected.notes


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda image: np.full_like(image, 7), notes.CONSTANT),
        (lambda image: np.where(image > 5, np.uint16(4095), image), notes.SATURATED),
        (lambda image: np.where(image == 3, np.nan, image), notes.NOT_FINITE),
        (lambda image: image[:10], notes.shorter_than_a_window(10, 17)),
        (lambda image: image[:0], notes.shorter_than_a_window(0, 17)),
        (lambda image: image[:, :5], notes.too_narrow(5, 6)),
    ],
    ids=["constant", "saturated", "not numbers", "few lines", "no lines", "narrow"],
)
@pytest.mark.parametrize("method", ["likelihood", "piv"])
def test_pixels_that_cannot_be_measured_give_a_reason_and_no_rows(change, reason, method, pixels):
    found = measure_velocity(change(pixels), **CALIBRATION, settings=VelocitySettings(method=method))
    assert found.notes == (reason,)
    assert len(found.frame) == 0
    assert tuple(found.frame.columns) == COLUMNS
    with pytest.raises(ValueError, match="there is no probability of window 0: "):
        found.posterior(0)


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.float32, np.float64, ">u2"])
def test_every_type_of_number_gives_the_same_velocity(dtype, pixels, trace):
    found = measure_velocity(pixels.astype(dtype), **CALIBRATION, first_line=100)
    pd.testing.assert_frame_equal(found.frame, trace.frame, rtol=1e-3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"pixels": np.zeros(5)}, r"pixels have the shape \(5,\)"),
        ({"pixels": np.zeros((5, 5), complex)}, "pixels are of the type complex128"),
        ({"pixels": np.full((5, 5), "a")}, "pixels are of the type"),
        ({"seconds_per_line": 0.0}, "seconds_per_line is 0.0; it is a number above 0"),
        ({"seconds_per_line": np.nan}, "seconds_per_line is nan"),
        ({"um_per_pixel": "0.3"}, "um_per_pixel is '0.3'"),
        ({"um_per_pixel": True}, "um_per_pixel is True"),
    ],
)
def test_what_is_no_kymograph_is_refused(arguments, message, pixels):
    with pytest.raises(ValueError, match=message):
        measure_velocity(**({"pixels": pixels} | CALIBRATION | arguments))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"method": "radon"}, "method is 'radon'; it is one of likelihood, radon_weighted, radon_variance, piv"),
        ({"window_lines": 1}, "window_lines is 1; it is a whole number of lines from 2 on"),
        ({"step": 0, "jump": 1.0}, r"step is 0; .*; jump is 1.0; it lies between 0 and 1"),
        ({"window_s": -1.0}, "window_s is -1.0; it is a number above 0"),
        ({"quality_min": None}, "quality_min is None"),
        ({"compare": ("radon",)}, "compare is"),
    ],
)
def test_settings_that_cannot_be_used_are_all_named(settings, message):
    with pytest.raises(ValueError, match=message):
        VelocitySettings(**settings)


def test_a_window_has_at_least_twelve_lines():
    assert VelocitySettings().lines_of_window(0.01) == 12


def test_pure_noise_has_no_velocity_and_the_notes_say_so(rng):
    found = measure_velocity(rng.poisson(30, (240, 24)), **CALIBRATION)
    assert set(found.frame["flag"]) == {NO_CELLS}
    assert notes.NO_CELLS in found.notes


def test_what_is_too_fast_is_said_with_the_limit(rng):
    image = simulate_cells(CellScene(pixels=24), np.full(240, 36.0), rng=rng)
    found = measure_velocity(image, **CALIBRATION)
    assert found.frame["velocity_mm_s"].isna().all()
    assert any(note.endswith(f"it shows speeds up to {0.8 * 24 * MM_S:.3g} mm/s") for note in found.notes)


@pytest.mark.slow
def test_several_speeds_are_said_where_there_is_light(rng):
    lines = np.full(300, 3.0)
    several = simulate_cells(CellScene(photons=300, lanes=6, lane_spread=0.25), lines, rng=rng)
    one = simulate_cells(CellScene(photons=300), lines, rng=rng)
    assert notes.SEVERAL_SPEEDS in measure_velocity(several, **CALIBRATION).notes
    assert notes.SEVERAL_SPEEDS not in measure_velocity(one, **CALIBRATION).notes


def test_a_speed_that_changes_within_a_window_has_no_velocity_there(rng):
    speeds = np.where(np.arange(400) < 200, 3.0, -2.0)
    found = measure_velocity(simulate_cells(CellScene(), speeds, rng=rng), **CALIBRATION)
    straddling = (found.frame["time_s"] / SECONDS_PER_LINE - 200).abs() < 4
    assert found.frame["velocity_mm_s"][straddling].isna().all()
    assert any(note.startswith("speed changed within the window in") for note in found.notes)


@pytest.mark.slow
@pytest.mark.parametrize(("scan", "seed", "lines"), [(1, 2, (2450, 3400)), (2, 1, (2300, 2700)), (2, 2, (2300, 2700))])
def test_a_jump_of_the_speed_has_no_third_velocity(scan, seed, lines):
    """In these images all lines around the jump agree, by chance, with a velocity that neither side has."""
    scan = DEMO_SCANS[scan]
    pixels = simulate_kymograph(scan, rng=np.random.default_rng(seed))[slice(*lines)]
    trace = measure_velocity(pixels, seconds_per_line=scan.seconds_per_line, um_per_pixel=scan.um_per_pixel)
    kept = trace.frame["velocity_mm_s"].dropna()
    assert len(kept) > 0.8 * len(trace.frame)
    assert kept.abs().max() < 1.1 * scan.velocity_mm_s


def test_a_long_stall_leaves_no_shadow_on_the_flow(rng):
    stall = Episode(t0_s=0.2, t1_s=0.7, velocity_mm_s=0.0, kind="stall")
    scan = Scan(name="long stall", velocity_mm_s=0.5, pixels=40, lines=1000, episodes=(stall,))
    trace = measure_velocity(simulate_kymograph(scan, rng=rng), seconds_per_line=0.001, um_per_pixel=0.5)
    kept = trace.frame[["time_s", "velocity_mm_s"]].dropna()
    stands = kept["time_s"].between(0.2, 0.7)
    assert len(kept) > 0.9 * len(trace.frame)
    assert kept["velocity_mm_s"][stands].abs().max() < 0.1
    assert kept["velocity_mm_s"][~stands].between(0.4, 0.6).mean() > 0.97


def test_a_narrow_roi_is_said(pixels):
    assert notes.NARROW in measure_velocity(pixels[:, :8], **CALIBRATION).notes


def test_a_speed_limit_bounds_the_velocities(pixels):
    found = measure_velocity(pixels, **CALIBRATION, settings=VelocitySettings(speed_limit_mm_s=2 * MM_S))
    assert found.speed_limit_mm_s == pytest.approx(2 * MM_S)
    assert found.frame["velocity_mm_s"].isna().all()


def test_other_methods_fill_the_same_columns_and_can_be_compared(pixels):
    settings = VelocitySettings(method="radon_weighted", compare=("piv", "likelihood"))
    found = measure_velocity(pixels, **CALIBRATION, settings=settings)
    assert list(found.frame.columns) == [*COLUMNS, "velocity_piv_mm_s", "velocity_likelihood_mm_s"]
    assert found.frame["quality"].isna().all()
    assert found.frame["velocity_mm_s"].median() == pytest.approx(-3 * MM_S, rel=0.05)
    with pytest.raises(ValueError, match="the method 'radon_weighted' has none"):
        found.posterior(0)
