"""The rooms of the method, each against something that computes the same in another way."""

from itertools import pairwise

import numpy as np
import pytest
from skimage.transform import radon

from kymflow_core.flow import acceleration
from kymflow_core.flow.hyperparameters import Hyperparameters, estimate_hyperparameters
from kymflow_core.flow.likelihood import likelihood
from kymflow_core.flow.operators import _autoregression, _prior_precision, correlation, make_operators
from kymflow_core.flow.posterior import Chain, posterior, prior_of, transitions
from kymflow_core.flow.preparation import prepare
from kymflow_core.flow.reference import REFERENCE_METHODS, radon_variance
from kymflow_core.flow.speed_grid import at_midpoints, speed_grid, with_midpoints
from kymflow_core.flow.statistics import read_posterior
from kymflow_core.simulate import CellScene, simulate_cells

LINES, PIXELS, STEP = 12, 16, 3
SIGNAL, LENGTH, LINE_NOISE = 4.0, 3.0, 0.5
SPEEDS = (-9.5, -2.2, 0.0, 0.4, 3.0, 12.0)
CHAIN = Chain(change=0.06, relative=0.05, jump=1e-3, empty=0.2, weight=0.5)
needs_numba = pytest.mark.skipif(acceleration.compiled_sums() is None, reason="numba is not installed")


@pytest.fixture
def values(rng):
    pixels = simulate_cells(CellScene(pixels=PIXELS, cell_length=5, spacing=12), np.full(60, 3.0), rng=rng)
    return prepare(pixels, window=LINES).values


def operators(speeds=SPEEDS):
    return make_operators(
        lines=LINES, pixels=PIXELS, speeds=tuple(speeds), signal=SIGNAL, length=LENGTH, line_noise=LINE_NOISE
    )


def covariance(bins: int) -> np.ndarray:
    """The covariance of the pattern on bins, of which the method uses the inverse."""
    bands, _ = _prior_precision(bins, _autoregression(LENGTH), SIGNAL)
    precision = sum(np.diag(band[: bins - lag], -lag) for lag, band in enumerate(bands))
    return np.linalg.inv(precision + np.tril(precision, -1).T)


def test_the_pattern_has_the_correlation_that_it_should_have():
    lags = np.arange(40.0)
    np.testing.assert_allclose(covariance(60)[0, :40] / SIGNAL, correlation(lags, LENGTH), atol=0.03)


def dense_ratio(window: np.ndarray, starts: np.ndarray, noise: float) -> float:
    """The log of two normal densities, by their whole covariances: with the pattern, and with noise and offsets alone."""
    starts = starts - np.floor(starts.min())
    bins = int(starts.max()) + PIXELS + 1
    weights = np.zeros((LINES * PIXELS, bins))
    for line, start in enumerate(starts):
        for pixel in range(PIXELS):
            place = int(start) + pixel
            weights[line * PIXELS + pixel, place : place + 2] = 1 - start % 1, start % 1
    common = 1e5  # an offset of any size, nearly
    lines = np.kron(LINE_NOISE * np.eye(LINES) + common, np.ones((PIXELS, PIXELS)))
    without = noise * (np.eye(LINES * PIXELS) + lines)
    pattern = without + noise * weights @ covariance(bins) @ weights.T
    y = window.astype(float).ravel()
    densities = [-0.5 * (y @ np.linalg.solve(matrix, y) + np.linalg.slogdet(matrix)[1]) for matrix in (pattern, without)]
    return densities[0] - densities[1]


def test_the_likelihood_is_that_of_the_whole_covariance(values):
    estimated = Hyperparameters(signal=0.4, length=LENGTH, noise=0.1, line_noise=LINE_NOISE)
    seen = likelihood(values, operators(), estimated, window=LINES, step=STEP)
    for window in (0, 5):
        lines = values[window * STEP : window * STEP + LINES]
        starts = [-speed * (np.arange(LINES) - 0.5 * (LINES - 1)) for speed in SPEEDS]
        expected = [dense_ratio(lines, start, float(seen.noise[window])) for start in starts]
        np.testing.assert_allclose(seen.ratios[window], expected, rtol=1e-4, atol=5e-3)
        apart = np.arange(LINES) * (PIXELS + 12.0)
        assert seen.unrelated[window] == pytest.approx(
            dense_ratio(lines, apart, float(seen.noise[window])), rel=5e-3, abs=0.7
        )


@needs_numba
def test_numba_gives_the_same_likelihood(values):
    estimated = estimate_hyperparameters(values)
    compiled, plain = (
        likelihood(values, operators(), estimated, window=LINES, step=STEP, compiled=compiled) for compiled in (True, False)
    )
    np.testing.assert_allclose(compiled.ratios, plain.ratios, rtol=1e-4, atol=2e-3)
    np.testing.assert_allclose(compiled.unrelated, plain.unrelated, rtol=1e-4, atol=2e-3)


@needs_numba
def test_numba_gives_the_same_posterior(rng):
    grid = speed_grid(lines=LINES, pixels=PIXELS, limit=10)
    ratios = rng.normal(0, 3, (40, len(grid))).astype(np.float32)
    compiled, plain = (posterior(ratios, with_midpoints(grid), CHAIN, compiled=compiled) for compiled in (True, False))
    np.testing.assert_allclose(compiled, plain, rtol=2e-3, atol=1e-6)


def test_the_posterior_is_that_of_the_whole_chain(rng):
    grid = speed_grid(lines=LINES, pixels=PIXELS, limit=6)
    speeds = with_midpoints(grid)
    ratios = rng.normal(0, 3, (6, len(grid))).astype(np.float32)
    prior = prior_of(speeds)
    onward = (1 - CHAIN.jump) * transitions(speeds, CHAIN).toarray() + CHAIN.jump * prior
    seen = (1 - CHAIN.empty) * np.exp(CHAIN.weight * at_midpoints(ratios).astype(float)) + CHAIN.empty
    seen = 0.98 * seen / (seen @ prior)[:, None] + 0.02
    forward, backward = [prior * seen[0]], [np.ones(len(speeds))]
    for window in seen[1:]:
        forward.append(forward[-1] @ onward * window)
    for window in seen[:0:-1]:
        backward.append(onward @ (window * backward[-1]))
    expected = np.array(forward) * np.array(backward[::-1])
    expected /= expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(posterior(ratios, speeds, CHAIN), expected, rtol=2e-3, atol=1e-6)


@pytest.mark.parametrize("spread", [0.004, 0.3])
def test_the_statistics_of_a_normal_posterior_are_its_own(spread):
    speeds = with_midpoints(speed_grid(lines=16, pixels=38, limit=30))
    density = np.exp(-0.5 * np.square((speeds - 3.013) / spread)) * np.gradient(speeds)
    read = read_posterior((density / density.sum())[None].astype(np.float32), speeds, tolerance=0.2, half_window=2)
    assert read.median[0] == pytest.approx(3.013, abs=0.05 * spread)
    assert read.high[0] - read.low[0] == pytest.approx(2 * 1.96 * spread, rel=0.06)
    assert read.quality[0] == pytest.approx(1 if spread < 0.1 else 0.9545, abs=0.004)


def test_neighbouring_speeds_differ_by_a_pixel_while_a_cell_stays():
    speeds = speed_grid(lines=16, pixels=38, limit=30)
    assert np.array_equal(speeds, -speeds[::-1])
    for speed, above in pairwise(speeds):
        stays = min(15, 38 / max(abs(speed), abs(above)))
        assert (above - speed) * stays <= 1 + 1e-9


def test_hyperparameters_are_those_of_the_simulation(rng):
    pattern = np.convolve(rng.normal(size=4000), np.exp(-0.5 * np.square(np.arange(-15, 16) / 3.0)), "valid")
    pattern *= 0.3 / pattern.std()
    rows = np.array([pattern[start : start + 40] for start in range(0, 3900, 3)])
    values = (rows + rng.normal(0, 0.2, rows.shape) + 0.1 * rng.normal(size=(len(rows), 1))).astype(np.float32)
    found = estimate_hyperparameters(values)
    assert found.noise == pytest.approx(0.04, rel=0.1)
    assert found.signal == pytest.approx(0.09 + 0.01, rel=0.15)
    assert found.line_noise == pytest.approx(0.25, abs=0.15)


@pytest.mark.slow
@pytest.mark.parametrize(("lines", "pixels"), [(16, 38), (17, 25), (20, 7)])
def test_the_radon_variance_is_that_of_scikit_image(lines, pixels, rng):
    image = simulate_cells(CellScene(pixels=pixels), np.full(lines + 8 * 11, 3.0), rng=rng)
    found = radon_variance(image, window=lines, step=8)
    coarse, fine = np.arange(180.0), np.arange(-8, 9) * 0.25
    for number, speed in enumerate(found):
        window = image[number * 8 : number * 8 + lines].astype(float)
        window -= window.mean()
        best = coarse[radon(window, coarse, circle=False).var(axis=0).argmax()] + fine
        best = best[radon(window, best, circle=False).var(axis=0).argmax()]
        assert np.tan(np.deg2rad(best)) == pytest.approx(speed, rel=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(("method", "error"), [("radon_weighted", 0.03), ("radon_variance", 0.06), ("piv", 0.2)])
@pytest.mark.parametrize("speed", [3.0, -3.0])
def test_methods_of_others_find_the_speed_and_its_direction(method, error, speed, rng):
    image = simulate_cells(CellScene(photons=100), np.full(400, speed), rng=rng)
    found = REFERENCE_METHODS[method](image, window=16, step=4)
    assert np.median(found) == pytest.approx(speed, rel=error)


def test_columns_without_light_and_slow_drift_leave_nothing(rng):
    pixels = rng.poisson(50, (900, 12)) * np.linspace(1, 2, 900)[:, None] * np.linspace(1, 5, 12)
    pixels[:, 4] = 0
    prepared = prepare(pixels, window=16)
    assert prepared.dead_columns == 1
    assert not prepared.values[:, 4].any()
    assert abs(prepared.values[:100].mean() - prepared.values[-100:].mean()) < 0.1  # of 0.6
