"""What the pattern of cells and the noise of a ROI are like, from its own autocovariance."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MATERN_PER_HALF_LENGTH = 1.4
"""The Matérn 3/2 length whose correlation falls to 0.607 at half of it: exp(-1/2), where a Gaussian's is at its length."""
SHORTEST = 0.8
LEAST_LINE_NOISE = 0.3
ENOUGH_LINES = 8000


@dataclass(frozen=True, slots=True, kw_only=True)
class Hyperparameters:
    """The pattern and the noise, in relative brightness squared and in pixels.

    Parameters
    ----------
    signal
        Variance of the pattern.
    length
        Where the correlation of the pattern falls to 0.607, in pixels.
    noise
        Variance of the noise of one pixel.
    line_noise
        Variance of the offset of a whole line, divided by `noise`.
    """

    signal: float
    length: float
    noise: float
    line_noise: float

    @property
    def signal_to_noise(self) -> float:
        """The variance of the pattern over that of the noise of one pixel."""
        return self.signal / self.noise

    def rounded(self) -> tuple[float, float, float]:
        """Return signal to noise, length and line noise on a coarse scale, so that similar ROIs share their operators.

        The likelihood hardly depends on them: a factor of 2 in the signal changes no velocity visibly.
        """
        signal = 2.0 ** round(np.log2(np.clip(self.signal_to_noise, 2.0**-7, 64)))
        length = float(np.exp(round(np.log(self.length) / 0.15) * 0.15))
        return float(signal), length, float(2.0 ** round(np.log2(self.line_noise)))


def estimate_hyperparameters(values: NDArray[np.float32]) -> Hyperparameters:
    """Return what the spatial autocovariance says of the pattern and the noise.

    Noise is white: it is the drop between lag 0 and the straight line through lags 1 to 3 over the square of the lag. The
    length is where the rest falls to 0.607. Offsets of lines are what the mean of the lines drops between no lag and one
    line, beyond the noise of their pixels: they differ from line to line, as a pattern that moves by less than its length
    does not.

    Parameters
    ----------
    values
        Relative brightness, shape (lines, positions), 0 on average in every column.
    """
    positions = values.shape[1]
    lags = max(3, min(positions // 2, 24))
    covariance = _autocovariance(values, lags)
    near = np.arange(1, min(4, lags))
    at_zero = float(np.polyfit(near**2, covariance[near], 1)[1])
    signal = max(at_zero, float(covariance[1]), 1e-6)
    noise = max(float(covariance[0]) - signal, 1e-3 * float(covariance[0]), 1e-9)
    length = _where_it_falls(covariance, signal)
    return Hyperparameters(
        signal=signal,
        length=float(np.clip(length, SHORTEST, positions / 2)),
        noise=noise,
        line_noise=float(np.clip(_line_offsets(values, noise) / noise, LEAST_LINE_NOISE, 16.0)),
    )


def _autocovariance(values: NDArray[np.float32], lags: int) -> NDArray[np.float64]:
    # Neighbouring lines show the same cells: some lines of a long scan say as much as all.
    values = values[:: max(1, len(values) // ENOUGH_LINES)]
    positions = values.shape[1]
    products = values.T @ values / np.float32(len(values))
    return np.array([np.trace(products, offset=lag) / (positions - lag) for lag in range(lags)], np.float64)


def _where_it_falls(covariance: NDArray[np.float64], signal: float) -> float:
    threshold = 0.607 * signal
    below = np.flatnonzero(covariance < threshold)
    if not len(below):
        return float(len(covariance))
    first = int(below[0])
    if first == 0:
        return SHORTEST
    before = float(covariance[first - 1]) if first > 1 else signal
    return first - 1 + (before - threshold) / max(before - float(covariance[first]), 1e-9)


def _line_offsets(values: NDArray[np.float32], noise: float) -> float:
    means = values.mean(axis=1, dtype=np.float64)
    covariances = [np.mean(means[: len(means) - lag] * means[lag:]) for lag in range(4)]
    at_zero = float(np.polyfit(np.arange(1, 4) ** 2, covariances[1:], 1)[1])
    return float(covariances[0] - max(at_zero, covariances[1]) - noise / values.shape[1])
