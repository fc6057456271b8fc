"""Measures the part of a ROI that is seen, for `LiveFlow`. In a worker, one call after the other."""

import time
from dataclasses import replace
from typing import Any

import numpy as np

from kymflow_core import AcqImage
from kymflow_core.flow import VelocitySettings, VelocityTrace
from kymflow_core.images.velocity_of_roi import settings_for, trace_of
from kymflow_core.roi.bounds import Bounds
from kymflow_zarr import ZarrDataset
from napari_kymflow.errors import OUR_ERRORS
from napari_kymflow.flow.live_part import MOST_WINDOWS, LiveResult, Stage, Wish
from napari_kymflow.flow.traces import MM_S, PIXELS_PER_LINE, STATES, Trace


class LiveMeasure:
    """Measures parts of records; the record of the last call stays open."""

    def __init__(self) -> None:
        self._open: tuple[Any, AcqImage] | None = None

    def __call__(self, wish: Wish, stage: Stage) -> LiveResult:
        """Return the velocity of what is seen; where all is seen, with as many windows as can be told apart."""
        start, stop = wish.part(stage)
        if stop <= start:
            return LiveResult(problem="the ROI is not on the canvas")
        begun = time.perf_counter()
        try:
            image = self._image(wish.key)
            first, behind = wish.columns(stage)
            bounds = Bounds(x0=first, x1=behind, y0=start, y1=stop)
            pixels = image.slice_pixels(z=wish.z, channel=wish.channel, bounds=bounds)
            settings = settings_for(image.metadata, wish.settings or VelocitySettings())
            step = settings.lines_of_step(settings.lines_of_window(image.header.seconds_per_line))
            coarse = replace(settings, step=max(step, -(-(stop - start) // MOST_WINDOWS)))
            measured = trace_of(pixels, image.metadata, coarse, first_line=start)
        except (*OUR_ERRORS, ValueError) as error:
            return LiveResult(problem=str(error))
        if not len(measured.frame):
            return LiveResult(problem="; ".join(measured.notes))
        return LiveResult(trace=shown_trace(measured, first_line=start), seconds=time.perf_counter() - begun)

    def _image(self, key: Any) -> AcqImage:
        if self._open is None or self._open[0] != key:
            path, image_id = key
            self._open = key, AcqImage(ZarrDataset(path, mode="r").record(image_id))
        return self._open[1]


def shown_trace(measured: VelocityTrace, *, first_line: int) -> Trace:
    """Return a trace as it is drawn, of one that was measured from a line of the image on."""
    scale = measured.mm_s_per_pixel_per_line
    in_mm_s = np.isfinite(scale)
    columns: Any = measured.pixels_per_line.items()
    values = {name: column.to_numpy(np.float64) * (scale if in_mm_s else 1.0) for name, column in columns}
    flags = measured.frame["flag"].fillna("").to_list()
    return Trace(
        lines=first_line + measured.step * np.arange(len(measured.frame), dtype=np.float64) + measured.window / 2,
        velocity=values["velocity"],
        low=values["velocity_low"],
        high=values["velocity_high"],
        alone=values["velocity_window"],
        quality=measured.frame["quality"].to_numpy(np.float64),
        states=np.array([STATES.index(str(flag)) for flag in flags], np.uint8),
        unit=MM_S if in_mm_s else PIXELS_PER_LINE,
        window_lines=measured.window,
    )
