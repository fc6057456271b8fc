"""The axes of a record on the canvas: time and position, with ticks at round numbers. Pure."""

from dataclasses import dataclass

import numpy as np

from napari_kymflow.layers.placement import Placement
from napari_kymflow.layers.tags import LayerTag

_TIME_APART, _POSITION_APART = 90.0, 34.0
"""How far ticks are apart at least, in pixels of the screen."""
_ROUND = (1.0, 2.0, 5.0, 10.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """One axis: its title with the unit, and each tick as its place on the canvas, in pixels of the screen, and text."""

    title: str
    ticks: tuple[tuple[float, str], ...]


def time_axis(placement: Placement, lines: int, tag: LayerTag) -> Axis:
    """Return the axis along time, in s from the first line on, or in lines without a calibration."""
    scale = tag.seconds_per_line
    start, stop = placement.visible
    values = round_values(max(0.0, start), min(float(lines), stop), scale or 1.0, _TIME_APART / placement.zoom)
    ticks = tuple((placement.time_of(value / (scale or 1.0)), text) for value, text in values)
    return Axis(title="time (s)" if scale else "time (lines)", ticks=ticks)


def position_axis(placement: Placement, pixels: int, tag: LayerTag) -> Axis:
    """Return the axis along the scanned line, in µm from its first pixel on, or in pixels without a calibration."""
    scale = tag.um_per_pixel
    ends = placement.pixel_at(0.0), placement.pixel_at(placement.breadth)
    least = _POSITION_APART / (placement.zoom * placement.stretch)
    values = round_values(max(0.0, ends[0]), min(float(pixels), ends[1]), scale or 1.0, least)
    ticks = tuple((placement.across_of(value / (scale or 1.0)), text) for value, text in values)
    return Axis(title="position (µm)" if scale else "position (pixels)", ticks=ticks)


def round_values(start: float, stop: float, scale: float, apart: float) -> list[tuple[float, str]]:
    """Return round values from `start` to `stop`, as numbers and as texts with as many digits as they need.

    Parameters
    ----------
    start, stop
        In lines or pixels.
    scale
        The unit of the values a line or pixel.
    apart
        How far values are apart at least, in lines or pixels.
    """
    least = apart * scale
    power = 10.0 ** np.floor(np.log10(least))
    step = power * next(factor for factor in _ROUND if factor * power >= least * (1 - 1e-9))
    digits = max(0, -int(np.floor(np.log10(step) + 1e-9)))
    first, last = int(np.ceil(start * scale / step - 1e-9)), int(np.floor(stop * scale / step + 1e-9))
    return [(number * step, f"{number * step:.{digits}f}") for number in range(first, last + 1)]
