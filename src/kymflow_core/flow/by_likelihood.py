"""The method `likelihood`: the velocity of each window from the posterior of all speeds, and how sure it is."""

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from kymflow_core.flow import notes
from kymflow_core.flow.hyperparameters import Hyperparameters, estimate_hyperparameters
from kymflow_core.flow.likelihood import Likelihood, likelihood
from kymflow_core.flow.operators import make_operators
from kymflow_core.flow.posterior import CHANGE_LINES, CHANGE_PIXELS_PER_LINE, CHANGE_RELATIVE, Chain, evidence, posterior
from kymflow_core.flow.preparation import FEWEST_PIXELS, join_pixels, prepare, running_mean
from kymflow_core.flow.settings import VelocitySettings
from kymflow_core.flow.speed_grid import Doubles, Floats, at_midpoints, speed_grid, with_midpoints
from kymflow_core.flow.statistics import Statistics, parabola, read_posterior
from kymflow_core.flow.trace import (
    NO_CELLS,
    SPEED_CHANGED,
    UNCERTAIN,
    Scan,
    VelocityTrace,
    finished_trace,
    mm_s_per_pixel_per_line,
    notes_of,
)
from kymflow_core.velocity_schema import AT_LIMIT

CLEAR_NATS = 3.0
"""Evidence of a pattern, 20 to 1. A window with less takes its velocity from its neighbours, and must be twice as
certain."""
MOST_EMPTY = 0.95
"""The part of the windows that may be taken as empty beforehand; more would silence the few that are not."""
PIXELS_OF_LENGTH = 3
"""Pixels of the length of the pattern that are enough; more are joined."""
LONG = 8
"""Windows around each one; where most of them are too fast, it is, and not only odd."""
MISFIT = 1.2
UNEXPLAINED = 0.05
"""Residual over noise, and what is unexplained of the pattern, from which on what moves does not move as one."""
UNRELATED = 0.97
"""The part of the nats of lines that share nothing that the speeds found must reach: 1.0 to 1.2 for cells that move, also
where they change their shape, and 0.85 to 0.96 for what is too fast."""
STANDING = 0.05
"""Pixels per line below which no movement can be seen within a window."""
LONG_STALL, FEWEST_MOVING = 0.05, 0.1
"""The part of the lines that stand still from which on they are left out of the columns' means, and that must be left."""
WINDOWS_AT_ONCE = 512


def by_likelihood(image: NDArray[np.generic], scan: Scan) -> VelocityTrace:
    """Return the velocity of each window of an image that can be measured.

    Cells that stand still for a good part of the image are in the mean of each column, and divided by it, all other lines
    have their shadow. Then it is measured again, with the columns' means of the lines in which cells move.
    """
    trace = _measured(image, scan)
    moving = _lines_in_motion(trace, scan, lines=len(image))
    return _measured(image, scan, moving) if FEWEST_MOVING < moving.mean() < 1 - LONG_STALL else trace


def _lines_in_motion(trace: VelocityTrace, scan: Scan, *, lines: int) -> NDArray[np.bool_]:
    """Return which lines are in no window that stands still."""
    moving = np.ones(lines, bool)
    for window in np.flatnonzero(trace.pixels_per_line["velocity"].abs() < STANDING):
        moving[window * scan.step : window * scan.step + scan.window] = False
    return moving


def _measured(image: NDArray[np.generic], scan: Scan, moving: NDArray[np.bool_] | None = None) -> VelocityTrace:
    settings = scan.settings
    prepared = prepare(image, window=scan.window, moving=moving)
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
    trace = finished_trace(
        scan,
        np.stack([read.median, read.low, read.high, alone], axis=1),
        quality=read.quality,
        explained=seen.explained,
        evidence=nats,
        flags=flags,
        notes=(*found, *notes_of(scan, flags, image.shape[1])),
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


def _chain(scan: Scan, joined: int, *, empty: float) -> Chain:
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
