"""The velocity along a kymograph: the one call."""

import math
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kymflow_core.flow.by_likelihood import by_likelihood
from kymflow_core.flow.preparation import unusable
from kymflow_core.flow.reference import REFERENCE_METHODS
from kymflow_core.flow.settings import VelocitySettings
from kymflow_core.flow.trace import (
    UNCERTAIN,
    Scan,
    VelocityTrace,
    finished_trace,
    mm_s_per_pixel_per_line,
    notes_of,
)
from kymflow_core.velocity_schema import SPEED_LIMIT_WIDTHS


def measure_velocity(
    pixels: ArrayLike,
    *,
    seconds_per_line: float | None,
    um_per_pixel: float | None,
    settings: VelocitySettings | None = None,
    first_line: int = 0,
) -> VelocityTrace:
    """Measure the velocity of cells along a line.

    Parameters
    ----------
    pixels
        Shape (lines, positions): one ROI of one channel.
    seconds_per_line, um_per_pixel
        The calibration; None where it is unknown, and then velocities are in pixels per line only.
    settings
        How; the defaults serve without tuning.
    first_line
        The line of the image that the ROI begins with, so that times are those of the image.

    Returns
    -------
    VelocityTrace
        Where nothing can be measured it has no rows, and its notes say why.

    Raises
    ------
    ValueError
        When these are not pixels (another shape, no numbers) or a calibration is not a number above 0.
    """
    image = _checked(pixels, seconds_per_line=seconds_per_line, um_per_pixel=um_per_pixel)
    settings = settings or VelocitySettings()
    window = settings.lines_of_window(seconds_per_line)
    scale = mm_s_per_pixel_per_line(seconds_per_line, um_per_pixel)
    limit = SPEED_LIMIT_WIDTHS * image.shape[1]
    if settings.speed_limit_mm_s is not None and not math.isnan(scale):
        limit = min(limit, settings.speed_limit_mm_s / scale)
    scan = Scan(
        settings=settings,
        window=window,
        step=settings.lines_of_step(window),
        seconds_per_line=seconds_per_line,
        um_per_pixel=um_per_pixel,
        first_line=first_line,
        limit=limit,
    )
    reason = unusable(image, window=window)
    if reason is not None:
        return finished_trace(scan, np.empty((0, 4)), notes=(reason,))
    trace = by_likelihood(image, scan) if settings.method == "likelihood" else _by_reference(image, scan)
    return _with_comparison(trace, image, scan)


def _checked(pixels: ArrayLike, **calibration: float | None) -> NDArray[np.generic]:
    for name, value in calibration.items():
        number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
        if value is not None and not (number and 0 < float(value) < math.inf):
            raise ValueError(f"{name} is {value!r}; it is a number above 0, or None where it is unknown")
    image = np.asarray(pixels)
    if image.ndim != 2:
        raise ValueError(f"pixels have the shape {image.shape}; (lines, positions) is needed")
    if not (np.issubdtype(image.dtype, np.integer) or np.issubdtype(image.dtype, np.floating)):
        raise ValueError(f"pixels are of the type {image.dtype}; integers or floats are needed")
    return image


def _by_reference(image: NDArray[np.generic], scan: Scan) -> VelocityTrace:
    speeds = REFERENCE_METHODS[scan.settings.method](image, window=scan.window, step=scan.step)
    nothing = np.full_like(speeds, np.nan)
    flags = np.where(np.isfinite(speeds), "", UNCERTAIN).astype(object)
    return finished_trace(
        scan,
        np.stack([speeds, nothing, nothing, speeds], axis=1),
        flags=flags,
        notes=notes_of(replace(scan, settings=replace(scan.settings, dwell_s=None)), flags, image.shape[1]),
    )


def _with_comparison(trace: VelocityTrace, image: NDArray[np.generic], scan: Scan) -> VelocityTrace:
    for method in scan.settings.compare:
        speeds = (
            REFERENCE_METHODS[method](image, window=scan.window, step=scan.step)
            if method in REFERENCE_METHODS
            else by_likelihood(image, scan).pixels_per_line["velocity"].to_numpy()
        )
        trace = replace(
            trace,
            frame=trace.frame.assign(**{f"velocity_{method}_mm_s": speeds * trace.mm_s_per_pixel_per_line}),
            pixels_per_line=trace.pixels_per_line.assign(**{f"velocity_{method}": speeds}),
        )
    return trace
