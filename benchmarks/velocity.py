"""Measure the velocity of a kymograph, with interval and quality: ours against scikit-image's exhaustive Radon transform.

Ours is `measure_velocity` as it is called: windows of 16 lines every 4, all of them, with the posterior along time. The
peer takes, for each window, the variance of `skimage.transform.radon` at 180 whole degrees and at 17 quarters around the
best; it runs on some windows, and its time is scaled to all. Both in this process, in CPU seconds of all threads; what
numba compiles is compiled before. Memory is what the process grows by at its peak during ours, beside the pixels.

Targets: the whole trace 50 times faster at 30000 x 38 and 100 times at 30000 x 128 (aim: 150), 300 MB, 800 lines in 100 ms.
"""

import statistics
import sys
import time
import warnings
from collections.abc import Callable

import numpy as np
from _measure import as_time, parser_of, print_table
from numpy.typing import NDArray
from skimage.transform import radon

from kymflow_core.flow import VelocitySettings, measure_velocity
from kymflow_core.simulate import CellScene, simulate_cells

WINDOW, STEP = 16, 4
SETTINGS = VelocitySettings(window_lines=WINDOW, step=STEP)
FACTORS = {38: 50, 128: 100}
MOST_MEGABYTES = 300
VISIBLE_LINES, MOST_SECONDS_VISIBLE = 800, 0.1


def main() -> None:
    """Read the command line and measure each width."""
    parser = parser_of(__doc__, repeats=3)
    parser.add_argument("--lines", type=int, default=30000)
    parser.add_argument("--pixels", type=int, nargs="+", default=[38, 128])
    parser.add_argument("--windows", type=int, default=40, help="windows that the peer measures (default 40)")
    options = parser.parse_args()
    for pixels in options.pixels:
        speeds = 3 + np.sin(np.arange(options.lines) / 400)
        image = simulate_cells(CellScene(pixels=pixels), speeds, rng=np.random.default_rng(0)).astype(np.uint16)
        measure(image[: 20 * WINDOW])
        grown = peak_growth(lambda image=image: measure(image))
        ours = median_of(options.repeats, lambda image=image: measure(image))
        visible = median_of(options.repeats, lambda image=image: measure(image[:VISIBLE_LINES]))
        peer = median_of(1, lambda image=image: exhaustive_radon(image, options.windows))
        windows = (options.lines - WINDOW) // STEP + 1
        scaled = peer * windows / min(options.windows, windows)
        least = FACTORS.get(pixels, 50)
        print_table(
            f"velocity of {options.lines} x {pixels} pixels, {windows} windows, CPU time",
            rows={
                "measure_velocity": as_time(ours),
                f"skimage radon, {min(options.windows, windows)} windows scaled": as_time(scaled),
                f"measure_velocity, {min(VISIBLE_LINES, len(image))} lines": verdict(
                    as_time(visible), visible <= MOST_SECONDS_VISIBLE, "100 ms"
                ),
                "memory beside the pixels": "not measured here"
                if grown is None
                else verdict(f"{grown:8.0f} MB", grown <= MOST_MEGABYTES, f"{MOST_MEGABYTES} MB"),
            },
            ratio=scaled / ours,
            target=f"at least {least}, {'reached' if scaled / ours >= least else 'missed'}",
            repeats=options.repeats,
        )


def measure(image: NDArray[np.uint16]) -> None:
    """Measure one image as anybody would."""
    measure_velocity(image, seconds_per_line=0.00117, um_per_pixel=0.284, settings=SETTINGS)


def exhaustive_radon(image: NDArray[np.uint16], windows: int) -> None:
    """Find the angle of some windows, spread over the image, by scikit-image."""
    coarse, near = np.arange(180.0), np.arange(-8, 9) * 0.25
    starts = np.linspace(0, len(image) - WINDOW, num=windows, dtype=int)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a window is no circle
        for start in starts:
            window = image[start : start + WINDOW].astype(np.float64)
            window -= window.mean()
            best = coarse[radon(window, coarse, circle=False).var(axis=0).argmax()]
            radon(window, best + near, circle=False).var(axis=0).argmax()


def median_of(repeats: int, action: Callable[[], None]) -> float:
    """Return the median CPU time of some calls."""
    taken = []
    for _ in range(repeats):
        start = time.process_time()
        action()
        taken.append(time.process_time() - start)
    return statistics.median(taken)


def peak_growth(action: Callable[[], None]) -> float | None:
    """Return by how many megabytes the process grows at its peak; None where the system does not say."""
    if sys.platform == "win32":
        return None
    import resource

    unit = 2**20 if sys.platform == "darwin" else 2**10
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    action()
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / unit


def verdict(text: str, reached: bool, goal: str) -> str:
    """Return a figure with its goal."""
    return f"{text.strip():>12}   target: {goal}, {'reached' if reached else 'missed'}"


if __name__ == "__main__":
    main()
