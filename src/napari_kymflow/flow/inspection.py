"""Why the velocity of a window is what it is: its pixels, the likelihood of each speed, and the reasons in words.

The rule of this room: what an analysis does not keep is measured again, with the settings that it states, from the pixels
that it had; where these changed since, nothing is explained.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kymflow_core import AcqImage
from kymflow_core.computed_from import ComputedFrom
from kymflow_core.flow import VelocityTrace
from kymflow_core.images.velocity_of_roi import filled, settings_of, trace_of
from kymflow_core.velocity_schema import AT_LIMIT
from kymflow_zarr import ZarrDataset
from napari_kymflow.errors import OUR_ERRORS
from napari_kymflow.flow.slopes import apparent
from napari_kymflow.flow.traces import MM_S, STATES, Trace

Doubles = NDArray[np.float64]

MOST_LINES = 60_000
"""A longer ROI is not measured again as a whole, but `MOST_LINES` around the window."""
_CONTEXT_WINDOWS = 1.5
"""How much is shown before and after a window, in windows."""
_ALSO_NATS = 3.0
_SAME_PART, _SAME_PIXELS = 0.1, 0.05
WHY = {
    "": "Valid: one velocity fits.",
    "speed changed": "No velocity: the speed changed within the window, so that no single velocity is right.",
    "uncertain": "No velocity: the pixels fit several speeds, and the windows around do not decide between them.",
    "no cells": "No velocity: no pattern moves here, so that there seem to be no cells.",
    AT_LIMIT: "No velocity: faster than this line can show.",
}
"""What each state of a window means."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Inspection:
    """One ROI, measured again with what an analysis does not keep.

    Parameters
    ----------
    trace
        The measurement.
    pixels
        Shape (lines, positions).
    first_line, first_pixel
        Where the pixels lie in the image.
    first_window
        Which window of the ROI is the first one of `trace`.
    delay
        How long the beam needs from one pixel to the next, in lines.
    """

    trace: VelocityTrace
    pixels: NDArray[np.generic]
    first_line: int
    first_pixel: int
    first_window: int
    delay: float

    def holds(self, window: int) -> bool:
        """Return whether a window of the ROI was measured again."""
        return 0 <= window - self.first_window < len(self.trace.frame)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WindowReasons:
    """Why the velocity of one window is what it is, ready to be drawn.

    Parameters
    ----------
    title
        When it is, and its velocity.
    sentences
        The reasons, in words.
    pixels, first_line, first_pixel
        The pixels of the window and some before and after, shape (lines, positions), and where they lie in the image.
    window
        The lines of the window, half-open.
    slope, slope_alone
        What moves as fast as was measured, and as fast as the window by itself says, in pixels per line as the beam sees
        it; NaN where there is none.
    speeds, probabilities
        What all windows say of each speed, in `unit`; the sum is 1.
    speeds_alone, log_ratios
        How much more probable the window by itself is with each speed than without a pattern, in nats.
    """

    title: str
    sentences: tuple[str, ...]
    pixels: NDArray[np.generic]
    first_line: int
    first_pixel: int
    window: tuple[int, int]
    slope: float
    slope_alone: float
    unit: str
    velocity: float
    interval: tuple[float, float]
    speeds: Doubles
    probabilities: Doubles
    speeds_alone: Doubles
    log_ratios: Doubles


def inspect_roi(path: Path, image_id: str, roi_id: int, statement: ComputedFrom, *, line: float) -> Inspection | str:
    """Measure a ROI again as an analysis states that it did, near a line of the image; else return why not. In a worker."""
    try:
        image = AcqImage(ZarrDataset(path, mode="r").record(image_id))
        settings, roi = settings_of(statement), image.rois.get(roi_id)
        pixels, bounds = filled(image.get_roi_pixels(roi_id)), image.bounds_of(roi)
        window = settings.lines_of_window(image.header.seconds_per_line)
        step = settings.lines_of_step(window)
        first = 0
        if len(pixels) > MOST_LINES:
            most = (len(pixels) - MOST_LINES) // step
            first = step * max(0, min(most, round(line - bounds.y0 - MOST_LINES / 2) // step))
            pixels = pixels[first : first + MOST_LINES]
        trace = trace_of(pixels, image.metadata, settings, first_line=bounds.y0 + first)
    except (*OUR_ERRORS, ValueError) as error:
        return str(error)
    if not len(trace.frame):
        return "; ".join(trace.notes)
    dwell, per_line = settings.dwell_s, image.header.seconds_per_line
    return Inspection(
        trace=trace,
        pixels=pixels,
        first_line=bounds.y0 + first,
        first_pixel=bounds.x0,
        first_window=first // step,
        delay=dwell / per_line if dwell is not None and per_line else 0.0,
    )


def reasons_of(inspection: Inspection, shown: Trace, window: int) -> WindowReasons:
    """Return why a window of a trace that is shown has its velocity.

    Raises
    ------
    ValueError
        When the method has no likelihoods, or the window was not measured again.
    """
    trace, number = inspection.trace, window - inspection.first_window
    likelihood, posterior = trace.likelihood(number), trace.posterior(number)
    row, in_pixels = trace.frame.iloc[number], trace.pixels_per_line.iloc[number]
    scale = trace.mm_s_per_pixel_per_line if shown.unit == MM_S else 1.0
    first, context = number * trace.step, round(_CONTEXT_WINDOWS * trace.window)
    begin, end = max(0, first - context), min(len(inspection.pixels), first + trace.window + context)
    values = {name: float(in_pixels[name]) * scale for name in ("velocity_all", "velocity_low", "velocity_high")}
    reasons = WindowReasons(
        title="",
        sentences=(),
        pixels=inspection.pixels[begin:end],
        first_line=inspection.first_line + begin,
        first_pixel=inspection.first_pixel,
        window=(inspection.first_line + first, inspection.first_line + first + trace.window),
        slope=apparent(float(in_pixels["velocity_all"]), inspection.delay),
        slope_alone=apparent(float(in_pixels["velocity_window"]), inspection.delay),
        unit=shown.unit,
        velocity=values["velocity_all"],
        interval=(values["velocity_low"], values["velocity_high"]),
        speeds=posterior.index.to_numpy(np.float64),
        probabilities=posterior.to_numpy(np.float64),
        speeds_alone=likelihood.index.to_numpy(np.float64),
        log_ratios=likelihood.to_numpy(np.float64),
    )
    alone = float(in_pixels["velocity_window"]) * scale
    sentences = _sentences(reasons, shown, window, alone=alone, row=row, scale=scale)
    return replace(reasons, title=_title(reasons, trace), sentences=sentences)


def _title(reasons: WindowReasons, trace: VelocityTrace) -> str:
    middle, length = sum(reasons.window) / 2, reasons.window[1] - reasons.window[0]
    per_line = trace.seconds_per_line
    if per_line is None:
        return f"Window of {length} lines around line {middle:.0f}"
    return f"Window of {length} lines ({1000 * length * per_line:.1f} ms) around {middle * per_line:.3f} s"


def _sentences(
    reasons: WindowReasons, shown: Trace, window: int, *, alone: float, row: "pd.Series[Any]", scale: float
) -> tuple[str, ...]:
    unit, (low, high), quality = reasons.unit, reasons.interval, float(row["quality"])
    said = [WHY[STATES[shown.states[window]]]]
    said.append(
        f"After all windows: {reasons.velocity:.3g} {unit}; 95 % lie between {low:.3g} and {high:.3g}; it is right with a "
        f"probability of {quality:.2f}."
    )
    said.append(f"This window by itself: {alone:.3g} {unit}{_also(reasons, alone)}.")
    nats = float(row["evidence_nats"])
    more = "more probable with a moving pattern than without" if nats > 0 else "more probable without a moving pattern"
    said.append(f"It is {_times(abs(nats))} {more} ({nats:.1f} nats).")
    said.append(f"The moving pattern explains {100 * float(row['explained']):.0f} % of the variance of its pixels.")
    kept = shown.velocity[window]
    if np.isfinite(kept) and abs(kept - reasons.velocity) > max(_SAME_PART * abs(kept), _SAME_PIXELS * scale):
        said.append(f"The stored velocity is {kept:.3g} {unit}, so it was measured otherwise: measure this ROI again.")
    return tuple(said)


def _also(reasons: WindowReasons, alone: float) -> str:
    """Return the other speeds that the window by itself fits nearly as well, in words."""
    ratios = reasons.log_ratios
    inner = np.flatnonzero((ratios[1:-1] > ratios[:-2]) & (ratios[1:-1] >= ratios[2:])) + 1
    best = int(np.argmax(ratios))
    near = [place for place in inner if ratios[best] - ratios[place] <= _ALSO_NATS and abs(place - best) > 2]
    near.sort(key=lambda place: -ratios[place])
    if not near:
        return "; no other speed fits nearly as well"
    texts = [f"{reasons.speeds_alone[place]:.3g} ({ratios[best] - ratios[place]:.1f} nats less)" for place in near[:3]]
    return f"; nearly as well it fits {', '.join(texts)}"


def _times(nats: float) -> str:
    if nats > np.log(1e6):
        return "more than a million times"
    return f"{np.exp(nats):,.0f} times" if nats > np.log(10) else f"{np.exp(nats):.1f} times"
