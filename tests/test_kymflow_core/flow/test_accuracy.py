"""What the method reaches on simulated scenes whose truth is known: some every day, the whole list as trials."""

from dataclasses import replace

import numpy as np
import pytest
from flow_scenes import CASES, LINES, MM_S, STEP, WINDOW, Case, figures_of, missed, show, trace_of

from kymflow_core.simulate import CellScene, simulate_cells

EVERYDAY = ("plain, 3 px/line", "stripes of 100 %", "pure noise", "1.2 widths per line", "beam of 1 %, -10 px/line")


@pytest.mark.parametrize("name", EVERYDAY)
def test_a_scene_is_measured_as_well_as_is_asked(name):
    case = CASES[name]
    assert missed(case, figures_of(case, seeds=range(1))) == []


@pytest.fixture(scope="module")
def reached():
    return {name: figures_of(case, seeds=range(40, 46)) for name, case in CASES.items()}


@pytest.mark.trials
class TestAllScenes:
    @pytest.mark.parametrize("name", CASES)
    def test_each_is_measured_as_well_as_is_asked(self, name, reached):
        show(reached[name].line(name))
        assert missed(CASES[name], reached[name]) == []

    def test_the_quality_and_the_interval_keep_their_word(self, reached):
        kept = [figures for figures in reached.values() if figures.kept.any()]
        right = 100 * np.mean(np.concatenate([figures.of(kept=True) for figures in kept]) <= 20)
        covered = 100 * np.mean(np.concatenate([figures.covered[figures.kept] for figures in kept]))
        show(f"right where kept {right:.1f} %, covered {covered:.1f} %")
        assert right >= 97
        assert 93 <= covered <= 100

    @pytest.mark.parametrize("photons", [10, 50])
    def test_one_window_reaches_the_cramer_rao_bound(self, photons):
        # var v = noise / sum of g'^2 (t - mean t)^2, with the mean over pixels that move together, in each window.
        speed = 3.0
        case = Case(speed=speed, scene=CellScene(photons=photons))
        errors, deviations = [], []
        for seed in range(40, 46):
            trace = trace_of(case, seed=seed)
            errors.append(np.abs(trace.frame["velocity_window_mm_s"] - speed * MM_S) / (speed * MM_S))
            light = simulate_cells(replace(case.scene, photons=1e7), case.speeds, rng=np.random.default_rng(seed)) / 1e7
            deviations.append(_bounds(light, speed=speed, noise=np.mean(light) / photons))
        spread = np.concatenate(deviations)
        bound = np.median(np.abs(np.random.default_rng(0).normal(size=(100, len(spread))) * spread)) / speed
        median = np.median(np.concatenate(errors))
        show(f"{photons} photons: one window {100 * median:.2f} %, bound {100 * bound:.2f} %")
        assert median <= 1.15 * bound


def _bounds(light: np.ndarray, *, speed: float, noise: float) -> np.ndarray:
    """The least standard deviation of the speed of each window, in pixels per line."""
    slopes = np.square(np.gradient(light, axis=1))
    lines, positions = np.meshgrid(np.arange(WINDOW), np.arange(light.shape[1]), indexing="ij")
    together = np.round(positions - speed * lines).astype(int)
    together = (together - together.min()).ravel()
    means = np.bincount(together, lines.ravel()) / np.maximum(np.bincount(together), 1)
    levers = np.square(lines - means[together].reshape(lines.shape))
    windows = np.lib.stride_tricks.sliding_window_view(slopes, WINDOW, axis=0)[::STEP]
    return np.sqrt(noise / np.einsum("wxt,tx->w", windows, levers))


def test_scenes_have_enough_windows():
    assert (LINES - WINDOW) // STEP + 1 >= 190
