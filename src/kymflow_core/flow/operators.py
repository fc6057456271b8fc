"""What the likelihood of one window geometry needs at every speed, computed once and shared by all windows.

The model of a window, in pixels `x` and lines `t` from its centre, at the speed `v`:

    y(t, x) = g(x - v t) + o(t) + noise
 `g` is a random pattern, a Gaussian process with Matérn 3/2 correlation; `o` are offsets of lines, one of them common to
all lines and of any size: how bright a window is says nothing of its speed. On bins of one pixel, with linear weights `P`
(bins to pixels) and `R` (lines to pixels), `g` has a covariance `K` and `o` a precision `E`, both in units of the noise,
and

    log p(y | v) - log p(y | no pattern) = (b' A^-1 b + r' S^-1 r - n' H n) / 2 - log det(K A) / 2 - log det(H S) / 2
    A = K^-1 + P' P,  b = P' y,  n = R' y,  H = (E + R' R)^-1,  C = P' R,  r = n - C' A^-1 b,  S = H^-1 - C' A^-1 C
 (Rasmussen and Williams 2006, Gaussian Processes for Machine Learning, chapter 2.7; `g` and `o` marginalised one after the
other). Nothing is approximated in the algebra: `P' P` is tridiagonal, since the pixels of a line have one common fraction
of a bin; `K^-1` is banded, since sampled on bins the pattern is taken as the autoregression of order `ORDER` that has the
Matérn correlation at the lags up to that order (Rue and Held 2005, Gaussian Markov Random Fields, chapter 2.4). So one
window at one speed costs the binning, two banded substitutions, and one small triangular matrix for the lines.

One more "speed" comes last: lines that share nothing, as where cells pass faster than one line after the other can show.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve_banded, cholesky_banded

from kymflow_core.flow.hyperparameters import MATERN_PER_HALF_LENGTH

ORDER = 3
LANES = 64
"""Windows that are computed side by side."""
NUGGET = 1e-6
"""Part of the variance that is white, so that a long pattern has a precision that can be computed."""

APART = 4.0
"""Lengths of the pattern between lines that share nothing."""

Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Operators:
    """The operators of all speeds, one after the other; bins of all speeds stand in one array.

    Parameters
    ----------
    shifts, fractions
        Shape (speeds + 1, lines): the bin of the first pixel of a line, and how far it lies towards the next bin.
    first_bins
        Shape (speeds + 2,): where the bins of a speed begin in `factors`.
    factors
        Shape (bins of all speeds, `ORDER` + 1): the rows of the banded Cholesky factor, the inverse of the diagonal first.
    offsets
        Shape (speeds + 1, lines, lines), lower triangular: the inverse of the Cholesky factor of `S`.
    half_log_determinants
        Shape (speeds + 1,).
    line_noise
        Variance of the offset of a line over that of the noise of one pixel.
    """

    shifts: NDArray[np.int32]
    fractions: NDArray[np.float32]
    first_bins: NDArray[np.int64]
    factors: NDArray[np.float32]
    offsets: NDArray[np.float32]
    half_log_determinants: NDArray[np.float32]
    line_noise: float

    @property
    def most_bins(self) -> int:
        """The bins of the speed that has most."""
        return int(np.diff(self.first_bins).max())


@lru_cache(maxsize=8)
def make_operators(
    *, lines: int, pixels: int, speeds: tuple[float, ...], signal: float, length: float, line_noise: float
) -> Operators:
    """Return the operators of windows of `lines` by `pixels`.

    Parameters
    ----------
    lines, pixels
        The window.
    speeds
        In pixels per line.
    signal
        Variance of the pattern over that of the noise of one pixel.
    length
        Where the correlation of the pattern falls to 0.607, in pixels.
    line_noise
        Variance of the offset of a line over that of the noise of one pixel.
    """
    prior = _autoregression(length)
    from_centre = np.arange(lines) - 0.5 * (lines - 1)
    apart = np.arange(lines) * (pixels + np.ceil(APART * length))
    per_speed = [
        _one_speed(starts, pixels=pixels, prior=prior, signal=signal, line_noise=line_noise)
        for starts in (*(-speed * from_centre for speed in speeds), apart)
    ]
    shifts, fractions, factors, offsets, determinants = zip(*per_speed, strict=True)
    return Operators(
        shifts=np.array(shifts, np.int32),
        fractions=np.array(fractions, np.float32),
        first_bins=np.concatenate([[0], np.cumsum([len(factor) for factor in factors])]).astype(np.int64),
        factors=np.concatenate(factors).astype(np.float32),
        offsets=np.array(offsets, np.float32),
        half_log_determinants=np.array(determinants, np.float32),
        line_noise=line_noise,
    )


def correlation(lags: Doubles, length: float) -> Doubles:
    """Return the Matérn 3/2 correlation of a pattern at distances in pixels, with the nugget."""
    scaled = np.sqrt(3.0) * np.abs(lags) / (MATERN_PER_HALF_LENGTH * length)
    return np.asarray((1 + scaled) * np.exp(-scaled) + NUGGET * (lags == 0))


def _autoregression(length: float) -> list[tuple[Doubles, float]]:
    """Return, for each order from 0 to `ORDER`, what predicts a bin from those before it, and the variance that is left.

    The Yule-Walker equations; the coefficients begin with 1 for the bin itself and minus those of the bins before it.
    """
    values = correlation(np.arange(ORDER + 1.0), length)
    found = [(np.ones(1), float(values[0]))]
    for order in range(1, ORDER + 1):
        matrix = values[np.abs(np.subtract.outer(np.arange(order), np.arange(order)))]
        weights = np.linalg.solve(matrix, values[1 : order + 1])
        found.append((np.concatenate([[1.0], -weights]), float(values[0] - weights @ values[1 : order + 1])))
    return found


def _prior_precision(bins: int, prior: list[tuple[Doubles, float]], signal: float) -> tuple[Doubles, float]:
    """Return `K^-1` as lower bands, shape (`ORDER` + 1, bins), and `log det K`."""
    bands = np.zeros((ORDER + 1, bins))
    log_determinant = 0.0
    for order, (weights, variance) in enumerate(prior):
        rows = slice(order, order + 1 if order < ORDER else bins)
        count = rows.stop - rows.start
        log_determinant += count * np.log(signal * variance)
        for later in range(order + 1):
            for earlier in range(later, order + 1):
                column = order - earlier
                bands[earlier - later, column : column + count] += weights[later] * weights[earlier] / (signal * variance)
    return bands, log_determinant


def _one_speed(
    starts: Doubles, *, pixels: int, prior: list[tuple[Doubles, float]], signal: float, line_noise: float
) -> tuple[NDArray[np.intp], Doubles, Doubles, Doubles, float]:
    lines = len(starts)
    starts = starts - np.floor(starts.min())
    shifts = np.floor(starts).astype(np.intp)
    fractions = starts - shifts
    bins = int(shifts.max()) + pixels + 1
    bands, log_determinant = _prior_precision(bins, prior, signal)
    line_bins = np.zeros((bins, lines))
    for line, (shift, fraction) in enumerate(zip(shifts, fractions, strict=True)):
        bands[0, shift : shift + pixels] += (1 - fraction) ** 2
        bands[0, shift + 1 : shift + pixels + 1] += fraction**2
        bands[1, shift : shift + pixels] += fraction * (1 - fraction)
        line_bins[shift : shift + pixels, line] += 1 - fraction
        line_bins[shift + 1 : shift + pixels + 1, line] += fraction
    factor = cholesky_banded(bands, lower=True, check_finite=False)
    inverse = (pixels + 1 / line_noise) * np.eye(lines) - 1 / (lines * line_noise)
    pattern = line_bins.T @ cho_solve_banded((factor, True), line_bins, check_finite=False)
    offsets = np.linalg.cholesky(inverse - pattern)
    log_determinant += 2 * np.log(factor[0]).sum() + 2 * np.log(np.diag(offsets)).sum() - np.linalg.slogdet(inverse)[1]
    rows = np.zeros((bins, ORDER + 1))
    rows[:, 0] = 1 / factor[0]
    for before in range(1, ORDER + 1):
        rows[before:, before] = factor[before, : bins - before]
    # Not scipy's solve_triangular: for a matrix as small as this it starts threads that cost 200 times what they compute.
    return shifts, fractions, rows, np.tril(np.linalg.inv(offsets)), 0.5 * log_determinant
