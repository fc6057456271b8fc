"""The velocity along a kymograph: the one call, and what it returns.

The rule of this room: pixels and lines become µm and s here, at the very end, and nowhere else.
"""

import math
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from kymflow_core.flow import notes
from kymflow_core.flow.hyperparameters import Hyperparameters, estimate_hyperparameters
from kymflow_core.flow.likelihood import Likelihood, likelihood
from kymflow_core.flow.operators import make_operators
from kymflow_core.flow.posterior import CHANGE_LINES, CHANGE_PIXELS_PER_LINE, CHANGE_RELATIVE, Chain, evidence, posterior
from kymflow_core.flow.preparation import FEWEST_PIXELS, join_pixels, prepare, running_mean, unusable
from kymflow_core.flow.reference import REFERENCE_METHODS
from kymflow_core.flow.settings import VelocitySettings
from kymflow_core.flow.speed_grid import Doubles, Floats, at_midpoints, speed_grid, with_midpoints
from kymflow_core.flow.statistics import Statistics, parabola, read_posterior
from kymflow_core.velocity_schema import AT_LIMIT, SPEED_LIMIT_WIDTHS, VELOCITY_COLUMNS

_OF_THE_SERIES = ("roi_id", "channel", "method", "window")
COLUMNS = tuple(name for name in VELOCITY_COLUMNS if name not in _OF_THE_SERIES)
SPEED_COLUMNS = tuple(name for name in COLUMNS if name.endswith("_mm_s"))

NO_CELLS = "no cells"
UNCERTAIN = "uncertain"
SPEED_CHANGED = "speed changed"

CLEAR_NATS = 3.0
"""Evidence of a pattern, 20 to 1. A window with less takes its velocity from its neighbours, and must be twice as
certain."""
MOST_EMPTY = 0.95
"""The part of the windows that may be taken as empty beforehand; more would silence the few that are not."""
PIXELS_OF_LENGTH = 3
"""Pixels of the length of the pattern that are enough; more are joined."""
SURE_WIDTH = 10
FEW = 0.01
"""The part of the windows from which on something is worth a note."""
LONG = 8
"""Windows around each one; where most of them are too fast, it is, and not only odd."""
MISFIT = 1.2
UNEXPLAINED = 0.05
"""Residual over noise, and what is unexplained of the pattern, from which on what moves does not move as one."""
UNRELATED = 0.97
"""The part of the nats of lines that share nothing that the speeds found must reach: 1.0 to 1.2 for cells that move, also
where they change their shape, and 0.85 to 0.96 for what is too fast."""


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
class _Scan:
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
    scan = _Scan(
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
        return _finished(scan, np.empty((0, 4)), notes=(reason,))
    trace = _by_likelihood(image, scan) if settings.method == "likelihood" else _by_reference(image, scan)
    return _with_comparison(trace, image, scan)


def mm_s_per_pixel_per_line(seconds_per_line: float | None, um_per_pixel: float | None) -> float:
    """Return what 1 pixel per line is in mm/s; NaN where the calibration is unknown."""
    if seconds_per_line is None or um_per_pixel is None:
        return math.nan
    return um_per_pixel / seconds_per_line / 1000


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


def _by_likelihood(image: NDArray[np.generic], scan: _Scan) -> VelocityTrace:
    settings = scan.settings
    prepared = prepare(image, window=scan.window)
    values = prepared.values
    estimated = estimate_hyperparameters(values)
    joined = max(1, int(estimated.length // PIXELS_OF_LENGTH))
    if joined > 1 and values.shape[1] // joined >= FEWEST_PIXELS:
        values = join_pixels(values, joined)
        estimated = estimate_hyperparameters(values)
    else:
        joined = 1
    positions = values.shape[1]
    grid = speed_grid(lines=scan.window, pixels=positions, limit=scan.limit / joined, spacing=1 / joined)
    signal, length, line_noise = estimated.rounded()
    operators = make_operators(
        lines=scan.window,
        pixels=positions,
        speeds=tuple(grid.tolist()),
        signal=signal,
        length=length,
        line_noise=line_noise,
    )
    seen = likelihood(values, operators, estimated, window=scan.window, step=scan.step)
    speeds = with_midpoints(grid)
    nats = evidence(seen.ratios, grid)
    probabilities = posterior(seen.ratios, speeds, _chain(scan, joined, empty=_part_without_cells(nats, scan.settings)))
    # The beam moves while it scans, so cells that go with it seem faster than they are.
    speeds = speeds * joined
    true = speeds / (1 + speeds * scan.delay)
    read = read_posterior(
        probabilities, true, tolerance=settings.tolerance, half_window=max(1, scan.window // (2 * scan.step))
    )
    alone = _of_each_window(seen.ratios, true)
    misfit, unexplained = _misfit(seen, estimated, nats)
    unrelated = _faster_than_the_line_shows(seen, probabilities, around=scan.window // scan.step)
    flags = _flags(read, nats, unrelated, quality_min=settings.quality_min, long=LONG * scan.window // scan.step)
    found = [notes.dark_columns(prepared.dead_columns)] if prepared.dead_columns else []
    if misfit > MISFIT and unexplained > UNEXPLAINED and not all(flags):
        found.append(notes.SEVERAL_SPEEDS)
    trace = _finished(
        scan,
        np.stack([read.median, read.low, read.high, alone], axis=1),
        quality=read.quality,
        explained=seen.explained,
        evidence=nats,
        flags=flags,
        notes=(*found, *_notes(scan, flags, image.shape[1])),
    )
    return replace(
        trace,
        hyperparameters=estimated,
        misfit=misfit,
        unexplained=unexplained,
        _speeds=true,
        _probabilities=probabilities,
        _ratios=seen.ratios,
    )


def _part_without_cells(nats: Doubles, settings: VelocitySettings) -> float:
    """Return how probable a window without cells is: as the settings say, or as many as there seem to be in this ROI.

    Where most windows are empty, what little the others say must not be taken for cells.
    """
    return max(settings.empty, min(MOST_EMPTY, float(np.mean(nats < 0))))


def _chain(scan: _Scan, joined: int, *, empty: float) -> Chain:
    grown = math.sqrt(scan.step / CHANGE_LINES)
    change = CHANGE_PIXELS_PER_LINE * grown
    scale = mm_s_per_pixel_per_line(scan.seconds_per_line, scan.um_per_pixel)
    if scan.settings.acceleration is not None and scan.seconds_per_line is not None and not math.isnan(scale):
        change = scan.settings.acceleration * scan.step * scan.seconds_per_line / scale
    return Chain(
        change=change / joined,
        relative=CHANGE_RELATIVE * grown,
        jump=scan.settings.jump,
        empty=empty,
        weight=min(1.0, 2 * scan.step / scan.window),
    )


WINDOWS_AT_ONCE = 512


def _of_each_window(ratios: Floats, speeds: Doubles) -> Doubles:
    parts = range(0, len(ratios), WINDOWS_AT_ONCE)
    curves = (at_midpoints(ratios[first : first + WINDOWS_AT_ONCE]) for first in parts)
    return np.concatenate([parabola(speeds, curve.astype(np.float64))[0] for curve in curves])


def _faster_than_the_line_shows(seen: Likelihood, probabilities: Floats, *, around: int) -> NDArray[np.bool_]:
    """Return where lines that share nothing explain the pixels better than the speeds that were found.

    Both are summed over the windows that share lines with each one, so that no single window decides.
    """
    parts = (slice(first, first + WINDOWS_AT_ONCE) for first in range(0, len(probabilities), WINDOWS_AT_ONCE))
    found = [np.einsum("ws,ws->w", probabilities[part], at_midpoints(seen.ratios[part])) for part in parts]
    length = 2 * around + 1
    moving = running_mean(np.concatenate(found).astype(np.float64), length)
    unrelated = running_mean(seen.unrelated.astype(np.float64), length)
    return np.asarray((unrelated > 0) & (moving < UNRELATED * unrelated))


def _misfit(seen: Likelihood, estimated: Hyperparameters, nats: Doubles) -> tuple[float, float]:
    moving = nats > 0
    if not moving.any():
        return math.nan, math.nan
    residual = float(np.median(seen.noise[moving]))
    return residual / estimated.noise, (residual - estimated.noise) / estimated.signal


def _flags(
    read: Statistics, nats: Doubles, unrelated: NDArray[np.bool_], *, quality_min: float, long: int
) -> NDArray[np.object_]:
    """Return why each window has no velocity, an empty text where it has one."""
    unclear = nats < CLEAR_NATS
    needed = np.where(unclear, (1 + quality_min) / 2, quality_min)
    poor = ~(read.quality >= needed)
    flags = np.full(len(nats), "", dtype=object)
    flags[poor] = UNCERTAIN
    flags[unrelated] = UNCERTAIN
    flags[unrelated & (running_mean(unrelated.astype(np.float64), long) > 0.5)] = AT_LIMIT
    flags[poor & (read.certain >= needed)] = SPEED_CHANGED
    flags[read.at_limit] = AT_LIMIT
    flags[unclear & (flags != "")] = NO_CELLS
    return flags


def _notes(scan: _Scan, flags: NDArray[np.object_], positions: int) -> tuple[str, ...]:
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


def _limit_text(scan: _Scan) -> str:
    scale = mm_s_per_pixel_per_line(scan.seconds_per_line, scan.um_per_pixel)
    return f"{scan.limit:.3g} pixels per line" if math.isnan(scale) else f"{scan.limit * scale:.3g} mm/s"


def _by_reference(image: NDArray[np.generic], scan: _Scan) -> VelocityTrace:
    speeds = REFERENCE_METHODS[scan.settings.method](image, window=scan.window, step=scan.step)
    nothing = np.full_like(speeds, np.nan)
    flags = np.where(np.isfinite(speeds), "", UNCERTAIN).astype(object)
    return _finished(
        scan,
        np.stack([speeds, nothing, nothing, speeds], axis=1),
        flags=flags,
        notes=_notes(replace(scan, settings=replace(scan.settings, dwell_s=None)), flags, image.shape[1]),
    )


def _with_comparison(trace: VelocityTrace, image: NDArray[np.generic], scan: _Scan) -> VelocityTrace:
    for method in scan.settings.compare:
        speeds = (
            REFERENCE_METHODS[method](image, window=scan.window, step=scan.step)
            if method in REFERENCE_METHODS
            else _by_likelihood(image, scan).pixels_per_line["velocity"].to_numpy()
        )
        trace = replace(
            trace,
            frame=trace.frame.assign(**{f"velocity_{method}_mm_s": speeds * trace.mm_s_per_pixel_per_line}),
            pixels_per_line=trace.pixels_per_line.assign(**{f"velocity_{method}": speeds}),
        )
    return trace


def _finished(
    scan: _Scan,
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
