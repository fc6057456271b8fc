"""The measured speed as short lines over the kymograph, as steep as the streaks of cells there should be. Pure."""

from dataclasses import dataclass

import numpy as np

from kymflow_core.roi.bounds import Bounds
from napari_kymflow.flow.traces import MM_S, Trace
from napari_kymflow.layers.placement import Placement

Segment = tuple[float, float, float, float]
"""From where to where, along time and across it, in pixels of the canvas."""

_APART, _LENGTH = 34.0, 26.0
_ROWS_APART = 40.0
_MOST_ROWS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """What turns a velocity into a slope of the picture; None where the calibration is unknown."""

    seconds_per_line: float | None
    um_per_pixel: float | None
    dwell_s: float | None = None

    def pixels_per_line(self, velocity: float, unit: str) -> float:
        """Return how steep what moves with a velocity is in the picture; NaN where that is not known."""
        delay = self.dwell_s / self.seconds_per_line if self.dwell_s and self.seconds_per_line else 0.0
        if unit != MM_S:
            return apparent(velocity, delay)
        if self.seconds_per_line is None or self.um_per_pixel is None:
            return float("nan")
        return apparent(velocity * 1000 * self.seconds_per_line / self.um_per_pixel, delay)


def apparent(pixels_per_line: float, delay: float) -> float:
    """Return how steep what moves with a speed is in the picture: the beam itself needs `delay` lines for a pixel."""
    return pixels_per_line / (1 - pixels_per_line * delay)


def slopes(trace: Trace, placement: Placement, bounds: Bounds, scale: Scale) -> list[Segment]:
    """Return short lines, evenly over the part of a ROI that is seen; none where a window has no velocity."""
    if not len(trace):
        return []
    begin, end = max(0.0, placement.time_of(bounds.y0)), min(placement.length, placement.time_of(bounds.y1))
    top, bottom = sorted(placement.across_of(pixel) for pixel in (bounds.x0, bounds.x1))
    rows = int(np.clip((bottom - top) // _ROWS_APART, 1, _MOST_ROWS))
    found: list[Segment] = []
    # They stay on the picture while it is moved: they are counted from the record's first line, not from the canvas's edge.
    origin = placement.time_of(0.0)
    for number in range(int(np.ceil((begin - origin) / _APART)), int((end - origin) // _APART) + 1):
        along = origin + number * _APART
        window = trace.window_at(placement.line_at(along))
        if window is None or not np.isfinite(trace.velocity[window]):
            continue
        step = scale.pixels_per_line(float(trace.velocity[window]), trace.unit) * placement.stretch
        length = float(np.hypot(1.0, step))
        if not np.isfinite(length):
            continue
        half_along, half_across = _LENGTH / 2 / length, _LENGTH / 2 * step / length
        for row in range(rows):
            across = top + (row + 0.5) * (bottom - top) / rows
            found.append((along - half_along, across - half_across, along + half_along, across + half_across))
    return found
