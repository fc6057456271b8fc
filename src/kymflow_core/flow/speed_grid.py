"""The speeds that are compared: pixels per line, never angles, as fine as a window can tell them apart."""

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]
Floats = NDArray[np.float32]


def speed_grid(*, lines: int, pixels: int, limit: float, spacing: float = 1.0) -> Doubles:
    """Return speeds from -`limit` to `limit` in pixels per line, 0 in the middle.

    Neighbours differ by a shift of `spacing` pixels over the lines for which a cell stays in the window: all of them for a
    slow cell, `pixels / speed` for a fast one.
    """
    speeds = [0.0]
    while speeds[-1] < limit:
        stay = min(lines - 1.0, max(pixels / speeds[-1], 1.0)) if speeds[-1] else lines - 1.0
        speeds.append(speeds[-1] + spacing / stay)
    positive = np.array(speeds[1:])
    return np.concatenate([-positive[::-1], [0.0], positive])


def with_midpoints(speeds: Doubles) -> Doubles:
    """Return the speeds and those half way between neighbours."""
    fine = np.empty(2 * len(speeds) - 1)
    fine[::2] = speeds
    fine[1::2] = 0.5 * (speeds[1:] + speeds[:-1])
    return fine


def at_midpoints(curves: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return curves over the speeds of `with_midpoints`, by cubic interpolation over the number of the speed.

    Parameters
    ----------
    curves
        Shape (windows, speeds). They are smooth at the scale of the grid, so that a cubic through four values is exact
        enough.
    """
    fine = np.empty((len(curves), 2 * curves.shape[1] - 1), np.float32)
    fine[:, ::2] = curves
    fine[:, 3:-3:2] = 0.5625 * (curves[:, 1:-2] + curves[:, 2:-1]) - 0.0625 * (curves[:, :-3] + curves[:, 3:])
    fine[:, 1] = 0.5 * (curves[:, 0] + curves[:, 1])
    fine[:, -2] = 0.5 * (curves[:, -2] + curves[:, -1])
    return fine


def cell_edges(speeds: Doubles) -> Doubles:
    """Return the borders between the cells of the grid, one more than speeds; the outermost cells are half as wide."""
    return np.concatenate([speeds[:1], 0.5 * (speeds[1:] + speeds[:-1]), speeds[-1:]])
