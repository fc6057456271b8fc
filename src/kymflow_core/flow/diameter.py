"""The diameter of a vessel, where the line lies across it. Elsewhere there is none, and none is made up."""

from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import gaussian_filter1d

Doubles = NDArray[np.float64]

LINES = 20
EDGE_PART = 0.15
"""The part of the range of brightness that counts as the vessel's own, and as that of its surroundings."""
FEWEST_PIXELS = 6


def measure_diameter(
    pixels: ArrayLike,
    *,
    seconds_per_line: float,
    um_per_pixel: float,
    orientation: Literal["across", "along"],
    lines: int = LINES,
) -> pd.DataFrame:
    """Return the full width at half maximum of the mean of every `lines` lines.

    Parameters
    ----------
    pixels
        Shape (lines, positions); the vessel is bright.
    seconds_per_line, um_per_pixel
        The calibration.
    orientation
        How the line lies; only a line across the vessel has a diameter.
    lines
        Lines that are averaged.

    Returns
    -------
    pandas.DataFrame
        `time_s`, the centre of the lines, and `diameter_um`, NaN where an edge lies outside the ROI.

    Raises
    ------
    ValueError
        When the line lies along the vessel, or these are not pixels.

    Notes
    -----
    A vessel that is equally bright over its width is measured to 0.05 µm. A round one that shines through its depth
    is brighter in the middle, and its width at half maximum is 0.87 of its diameter, by geometry (the chord is half as long
    at a distance of sqrt(3)/2 radii from the middle), less where the focus is shallow. No factor is applied.
    """
    if orientation != "across":
        raise ValueError(f"the line lies {orientation} the vessel; only a line across it has a diameter")
    image = np.asarray(pixels)
    if image.ndim != 2 or image.shape[1] < FEWEST_PIXELS or lines < 1:
        raise ValueError(
            f"pixels have the shape {image.shape}; (lines, positions) with at least {FEWEST_PIXELS} positions is needed"
        )
    count = len(image) // lines
    profiles = image[: count * lines].reshape(count, lines, -1).mean(axis=1, dtype=np.float64)
    return pd.DataFrame(
        {
            "time_s": (np.arange(count) + 0.5) * lines * seconds_per_line,
            "diameter_um": np.array([_width(profile) for profile in profiles]) * um_per_pixel,
        }
    )


def _width(profile: Doubles) -> float:
    smooth = gaussian_filter1d(profile, 1.0)
    low, high = float(smooth.min()), float(smooth.max())
    # Medians of the vessel and of its surroundings: the highest and the lowest pixel are so by their noise.
    background = float(np.median(profile[smooth <= low + EDGE_PART * (high - low)]))
    inside = float(np.median(profile[smooth >= high - EDGE_PART * (high - low)]))
    half = 0.5 * (background + inside)
    middle = int(np.argmax(smooth))
    if not inside > background or profile[middle] <= half:
        return float("nan")
    first, last = middle, middle
    while first > 0 and profile[first] > half:
        first -= 1
    while last < len(profile) - 1 and profile[last] > half:
        last += 1
    if profile[first] > half or profile[last] > half:
        return float("nan")
    left = first + (half - profile[first]) / (profile[first + 1] - profile[first])
    right = last - (half - profile[last]) / (profile[last - 1] - profile[last])
    return float(right - left)
