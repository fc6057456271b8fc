"""The velocity by the methods of others, for comparison: pixels per line, without an interval and without a quality.

The rule of this room: what a method does is what its authors describe, its weaknesses too.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from types import MappingProxyType

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.fft import irfft, next_fast_len, rfft
from scipy.sparse import coo_array, csr_array

Doubles = NDArray[np.float64]
Floats = NDArray[np.float32]

WINDOWS_AT_ONCE = 256
FINE_DEGREES = 0.25
FINE_REACH = 8
"""Fine angles on each side of the best whole degree."""
WEIGHTED_DEGREES = 0.5
MOST_OF_WIDTH = 0.7
"""The part of the width by which lines are shifted at most."""


def radon_variance(pixels: NDArray[np.generic], *, window: int, step: int) -> Doubles:
    """Return the speed at the angle whose projection varies most: whole degrees over 180, then quarters within 2 degrees.

    The rule of the older program (Drew et al. 2010, doi 10.1007/s10827-009-0159-1). The Radon transform is that of
    scikit-image with `circle=False`, as one sparse matrix for all windows: the image is turned about its centre with
    bilinear weights. Vertical streaks are at 0 degrees and have no speed; horizontal ones are at 90 degrees, and the speed
    is enormous.
    """
    positions = pixels.shape[1]
    projector = _radon_projector(window, positions)
    angles = np.arange(0, 180, FINE_DEGREES)
    bins = projector.shape[0] // len(angles)
    per_degree = round(1 / FINE_DEGREES)
    best = []
    for windows in _batches(pixels, window, step):
        flat = windows.reshape(len(windows), -1)
        projections = projector @ (flat - flat.mean(axis=1, keepdims=True)).T
        variances = projections.reshape(len(angles), bins, -1).var(axis=1)
        coarse = variances[::per_degree].argmax(axis=0) * per_degree
        near = (coarse + np.arange(-FINE_REACH, FINE_REACH + 1)[:, None]) % len(angles)
        fine = np.take_along_axis(variances, near, axis=0).argmax(axis=0)
        best.append(angles[np.take_along_axis(near, fine[None], axis=0)[0]])
    return np.asarray(np.tan(np.deg2rad(np.concatenate(best))), np.float64)


def radon_weighted(pixels: NDArray[np.generic], *, window: int, step: int) -> Doubles:
    """Return the speed at the angle between whose projected bins most of the variance lies, each with its number of pixels.

    As `radon_variance`, but a bin of few pixels counts little (an analysis of variance), so that the corners of the window
    do not decide, and between two angles a parabola is laid.
    """
    positions = pixels.shape[1]
    projector = _weighted_projector(window, positions)
    angles = np.deg2rad(np.arange(-90, 90, WEIGHTED_DEGREES))
    bins = projector.shape[0] // len(angles)
    found = []
    for windows in _batches(pixels, window, step):
        flat = windows.reshape(len(windows), -1)
        projections = projector @ (flat - flat.mean(axis=1, keepdims=True)).T
        between = np.square(projections).reshape(len(angles), bins, -1).sum(axis=1)
        at = between.argmax(axis=0)
        around = [np.take_along_axis(between, ((at + by) % len(angles))[None], axis=0)[0] for by in (-1, 0, 1)]
        found.append(np.tan(angles[at] + _parabola(*around) * np.deg2rad(WEIGHTED_DEGREES)))
    return np.concatenate(found)


def piv(pixels: NDArray[np.generic], *, window: int, step: int) -> Doubles:
    """Return the shift between each line and the next that correlates best, summed over the window.

    Line-scanning particle image velocimetry (Kim et al. 2012, doi 10.1371/journal.pone.0038590), by Fourier transforms,
    with a parabola between shifts. Correlations are divided by the root of the pixels that overlap; shifts stay within 0.7
    widths.
    """
    positions = pixels.shape[1]
    length = next_fast_len(2 * positions, real=True)
    shifts = np.arange(1 - positions, positions)
    overlap = np.sqrt(positions - np.abs(shifts))
    allowed = np.abs(shifts) <= MOST_OF_WIDTH * positions
    found = []
    for windows in _batches(pixels, window, step):
        spectra = rfft(windows - windows.mean(axis=2, keepdims=True), length, axis=2)
        products = (np.conj(spectra[:, :-1]) * spectra[:, 1:]).sum(axis=1)
        correlations = irfft(products, length, axis=1)[:, shifts % length] / overlap
        correlations = np.where(allowed, correlations, -np.inf)
        first, last = np.flatnonzero(allowed)[[0, -1]]
        at = np.clip(correlations.argmax(axis=1), first + 1, last - 1)
        rows = np.arange(len(at))
        found.append(shifts[at] + _parabola(*(correlations[rows, at + by] for by in (-1, 0, 1))))
    return np.concatenate(found)


REFERENCE_METHODS: Mapping[str, Callable[..., Doubles]] = MappingProxyType(
    {"radon_weighted": radon_weighted, "radon_variance": radon_variance, "piv": piv}
)
"""By the names of `VelocitySettings.method`."""


def _batches(pixels: NDArray[np.generic], window: int, step: int) -> list[Floats]:
    """Return the windows, shape (windows, lines, positions), some at once."""
    every = sliding_window_view(pixels, window, axis=0)[::step].transpose(0, 2, 1)
    return [every[first : first + WINDOWS_AT_ONCE].astype(np.float32) for first in range(0, len(every), WINDOWS_AT_ONCE)]


def _parabola(left: Floats, middle: Floats, right: Floats) -> Doubles:
    """Return where between -1/2 and 1/2 the parabola through three neighbours is highest; 0 where they are on a line."""
    bend = left.astype(np.float64) - 2 * middle + right
    flat = np.abs(bend) < 1e-12
    return np.where(flat, 0.0, np.clip(0.5 * (left - right) / np.where(flat, 1.0, bend), -0.5, 0.5))


@lru_cache(maxsize=2)
def _radon_projector(lines: int, positions: int) -> csr_array:
    """Return the matrix from a window to all its projections, angle after angle, as `skimage.transform.radon`."""
    shape = np.array([lines, positions])
    padding = np.ceil(np.sqrt(2) * shape.max() - shape).astype(int)
    before = (shape + padding) // 2 - shape // 2
    rows, columns = shape + padding
    centre = rows // 2
    across, down = np.meshgrid(np.arange(columns), np.arange(rows))
    angles = np.deg2rad(np.arange(0, 180, FINE_DEGREES))
    targets, sources, weights = [], [], []
    for number, angle in enumerate(angles):
        cosine, sine = np.cos(angle), np.sin(angle)
        x = cosine * across + sine * down - centre * (cosine + sine - 1) - before[1]
        y = -sine * across + cosine * down - centre * (cosine - sine - 1) - before[0]
        left, top = np.floor(x).astype(int), np.floor(y).astype(int)
        for by_x, by_y in ((0, 0), (0, 1), (1, 0), (1, 1)):
            weight = np.abs(1 - by_x - (x - left)) * np.abs(1 - by_y - (y - top))
            inside = (top + by_y >= 0) & (top + by_y < lines) & (left + by_x >= 0) & (left + by_x < positions)
            targets.append((number * columns + across)[inside])
            sources.append(((top + by_y) * positions + left + by_x)[inside])
            weights.append(weight[inside])
    entries = np.concatenate(weights).astype(np.float32)
    size = (len(angles) * int(columns), lines * positions)
    return csr_array(coo_array((entries, (np.concatenate(targets), np.concatenate(sources))), shape=size))


@lru_cache(maxsize=2)
def _weighted_projector(lines: int, positions: int) -> csr_array:
    """Return the matrix from a window to the sums of its bins over the root of their pixels, angle after angle."""
    across, down = np.meshgrid(np.arange(positions) - (positions - 1) / 2, np.arange(lines) - (lines - 1) / 2)
    radius = np.hypot(lines, positions) / 2 + 1
    bins = int(2 * radius) + 2
    angles = np.deg2rad(np.arange(-90, 90, WEIGHTED_DEGREES))
    targets, weights = [], []
    for number, angle in enumerate(angles):
        place = (across * np.cos(angle) - down * np.sin(angle) + radius).ravel()
        left = np.floor(place).astype(int)
        own = np.concatenate([left, left + 1])
        parts = np.concatenate([1 - (place - left), place - left])
        sizes = np.bincount(own, parts, minlength=bins)
        kept = sizes > 0.5
        targets.append(own + number * bins)
        weights.append(parts * np.where(kept, 1 / np.sqrt(np.where(kept, sizes, 1.0)), 0.0)[own])
    sources = np.tile(np.arange(lines * positions), 2 * len(angles))
    entries = np.concatenate(weights).astype(np.float32)
    size = (len(angles) * bins, lines * positions)
    return csr_array(coo_array((entries, (np.concatenate(targets), sources)), shape=size))
