"""Kymographs with streaks and photon noise, so that they compress as real ones do, made fast."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from kymflow_core.simulate import Scan, simulate_kymograph

DISTINCT = 8


def kymographs(count: int, *, lines: int, pixels: int) -> Iterator[NDArray[np.uint16]]:
    """Yield different kymographs; only `DISTINCT` are simulated, the others begin at another of their lines."""
    rng = np.random.default_rng(0)
    simulated = [
        simulate_kymograph(Scan(name="benchmark", velocity_mm_s=0.2 + 0.1 * number, lines=lines, pixels=pixels), rng=rng)
        for number in range(min(count, DISTINCT))
    ]
    for number in range(count):
        yield np.roll(simulated[number % DISTINCT], number * 997, axis=0)
