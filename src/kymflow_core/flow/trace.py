"""What measuring the velocity along a kymograph returns.

The rule of this room: pixels and lines become µm and s here, at the very end, and nowhere else.
"""

import math
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kymflow_core.flow import notes
from kymflow_core.flow.hyperparameters import Hyperparameters
from kymflow_core.flow.settings import VelocitySettings
from kymflow_core.flow.speed_grid import Doubles, Floats
from kymflow_core.velocity_schema import AT_LIMIT, VELOCITY_COLUMNS

_OF_THE_SERIES = ("roi_id", "channel", "method", "window")
COLUMNS = tuple(name for name in VELOCITY_COLUMNS if name not in _OF_THE_SERIES)
SPEED_COLUMNS = tuple(name for name in COLUMNS if name.endswith("_mm_s"))
NO_CELLS = "no cells"
UNCERTAIN = "uncertain"
SPEED_CHANGED = "speed changed"
SURE_WIDTH = 10
FEW = 0.01
"""The part of the windows from which on something is worth a note."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class VelocityTrace:
    """The velocity in each window of a kymograph, and how sure it is.

    Parameters
    ----------
    frame
        One row a window. `time_s` is its centre. `velocity_mm_s` is the velocity where its quality suffices, else NaN;
        `velocity_all_mm_s` is the same everywhere; `velocity_low_mm_s` and `velocity_high_mm_s` hold 95 %;
        `velocity_window_mm_s` is that of the window by itself. `quality` is the probability to be right, `explained` the
        part of the variance that the moving pattern explains, `evidence_nats` how much more probable the window is with a
        pattern, and `flag` why there is no velocity; it is missing where there is one. Positive is towards larger x.
    pixels_per_line
        The columns with a velocity in pixels per line, named without their unit; they exist without a calibration too.
    settings
        How it was measured.
    window, step
        In lines.
    seconds_per_line, um_per_pixel
        The calibration, None where it is unknown.
    speed_limit
        In pixels per line.
    hyperparameters
        What the pattern and the noise are like; None where nothing was measured.
    misfit, unexplained
        The residual over the noise, and what is unexplained over the pattern: 1 and 0 where everything moves as one.
    notes
        What is to be known of these velocities.
    """

    frame: pd.DataFrame
    pixels_per_line: pd.DataFrame
    settings: VelocitySettings
    window: int
    step: int
    seconds_per_line: float | None
    um_per_pixel: float | None
    speed_limit: float
    hyperparameters: Hyperparameters | None = None
    misfit: float = math.nan
    unexplained: float = math.nan
    notes: tuple[str, ...] = ()
    _speeds: Doubles = field(default_factory=lambda: np.empty(0), repr=False)
    _probabilities: Floats | None = field(default=None, repr=False)
    _ratios: Floats | None = field(default=None, repr=False)

    @property
    def mm_s_per_pixel_per_line(self) -> float:
        """What 1 pixel per line is in mm/s; NaN where the calibration is unknown."""
        return mm_s_per_pixel_per_line(self.seconds_per_line, self.um_per_pixel)

    @property
    def speed_limit_mm_s(self) -> float:
        """The fastest speed that this line can show; NaN where the calibration is unknown."""
        return self.speed_limit * self.mm_s_per_pixel_per_line

    def posterior(self, window: int) -> pd.Series:
        """Return the probability of each velocity in one window, after all windows were seen."""
        return self._curve(self._probabilities, window, step=1, name="probability")

    def likelihood(self, window: int) -> pd.Series:
        """Return, for each velocity, how much more probable one window is with it than without a pattern, in nats."""
        return self._curve(self._ratios, window, step=2, name="log_ratio_nats")

    def _curve(self, curves: Floats | None, window: int, *, step: int, name: str) -> pd.Series:
        if curves is None:
            why = "; ".join(self.notes) if not len(self.frame) else f"the method {self.settings.method!r} has none"
            raise ValueError(f"there is no {name} of window {window}: {why}")
        if not 0 <= window < len(curves):
            raise ValueError(f"there is no window {window}; this trace has {len(curves)}, from 0 to {len(curves) - 1}")
        scale = self.mm_s_per_pixel_per_line
        index = pd.Index(
            self._speeds[::step] * (1.0 if math.isnan(scale) else scale),
            name="velocity_px_per_line" if math.isnan(scale) else "velocity_mm_s",
        )
        return pd.Series(curves[window].astype(np.float64), index=index, name=name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """What is measured: the geometry of windows and the calibration."""

    settings: VelocitySettings
    window: int
    step: int
    seconds_per_line: float | None
    um_per_pixel: float | None
    first_line: int
    limit: float

    @property
    def delay(self) -> float:
        """How long the beam needs from one pixel to the next, in lines."""
        dwell = self.settings.dwell_s
        return 0.0 if dwell is None or self.seconds_per_line is None else dwell / self.seconds_per_line


def mm_s_per_pixel_per_line(seconds_per_line: float | None, um_per_pixel: float | None) -> float:
    """Return what 1 pixel per line is in mm/s; NaN where the calibration is unknown."""
    if seconds_per_line is None or um_per_pixel is None:
        return math.nan
    return um_per_pixel / seconds_per_line / 1000


def finished_trace(
    scan: Scan,
    speeds: Doubles,
    *,
    quality: Doubles | None = None,
    explained: NDArray[np.floating] | None = None,
    evidence: Doubles | None = None,
    flags: NDArray[np.object_] | None = None,
    notes: tuple[str, ...] = (),
) -> VelocityTrace:
    """Return the trace of speeds in pixels per line: median, low, high, of the window alone."""
    count = len(speeds)
    empty = np.full(count, np.nan)
    labels = np.full(count, "", dtype=object) if flags is None else flags
    kept = np.asarray(labels == "")
    columns = [np.where(kept, speeds[:, 0], np.nan), *speeds.T]
    in_pixels = pd.DataFrame(
        {name.removesuffix("_mm_s"): column for name, column in zip(SPEED_COLUMNS, columns, strict=True)}
    )
    scale = mm_s_per_pixel_per_line(scan.seconds_per_line, scan.um_per_pixel)
    centres = scan.first_line + np.arange(count) * scan.step + 0.5 * scan.window
    frame = pd.DataFrame(
        {
            "time_s": centres * (math.nan if scan.seconds_per_line is None else scan.seconds_per_line),
            **{f"{name}_mm_s": in_pixels[name] * scale for name in in_pixels.columns},
            "quality": empty if quality is None else quality,
            "explained": empty if explained is None else explained.astype(np.float64),
            "evidence_nats": empty if evidence is None else evidence,
            "flag": pd.Series(labels, dtype="str").mask(kept),
        }
    )
    return VelocityTrace(
        frame=frame,
        pixels_per_line=in_pixels,
        settings=scan.settings,
        window=scan.window,
        step=scan.step,
        seconds_per_line=scan.seconds_per_line,
        um_per_pixel=scan.um_per_pixel,
        speed_limit=scan.limit,
        notes=notes,
    )


def notes_of(scan: Scan, flags: NDArray[np.object_], positions: int) -> tuple[str, ...]:
    """Return what is to be known of velocities with these flags, from a ROI of so many positions."""
    found = []
    counts = {flag: int((flags == flag).sum()) for flag in (NO_CELLS, AT_LIMIT, SPEED_CHANGED)}
    if all(flags) and counts[NO_CELLS] > len(flags) / 2:
        found.append(notes.NO_CELLS)
    if counts[AT_LIMIT] > FEW * len(flags):
        found.append(notes.too_fast(counts[AT_LIMIT], _limit_text(scan)))
    if counts[SPEED_CHANGED] > FEW * len(flags):
        found.append(notes.speed_changed(counts[SPEED_CHANGED]))
    if positions < SURE_WIDTH:
        found.append(notes.NARROW)
    if scan.seconds_per_line is None or scan.um_per_pixel is None:
        found.append(notes.CALIBRATION_UNKNOWN)
    if scan.settings.dwell_s is None or scan.seconds_per_line is None:
        found.append(notes.BEAM_UNKNOWN)
    return tuple(found)


def _limit_text(scan: Scan) -> str:
    scale = mm_s_per_pixel_per_line(scan.seconds_per_line, scan.um_per_pixel)
    return f"{scan.limit:.3g} pixels per line" if math.isnan(scale) else f"{scan.limit * scale:.3g} mm/s"
