"""Measure how the older program's velocities differ from ours, and why; put the tables into the documents.

`python docs/make_radon_comparison.py FOLDER` writes into docs/from_radon.md and docs/velocity.md. It needs the laboratory's
folder with `Capillary1_0001.tif`, its `flow-analysis` and
`28d AngII/20250722/20250722_A89_0005.tif`, and matplotlib (the dependency group `pictures`).
"""

import argparse
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import tifffile
from _figures import BLUE, GREY, RED, STEP, WINDOW, Doubles, Picture, put, save, short, table
from numpy.typing import NDArray

from kymflow_core.flow import VelocitySettings, VelocityTrace, heart_rate, measure_velocity
from kymflow_core.flow.preparation import prepare
from kymflow_core.flow.reference import radon_variance, radon_weighted
from kymflow_core.simulate import CellScene, simulate_cells

DOCUMENT = "from_radon.md"
SECONDS_PER_LINE, UM_PER_PIXEL = 35.099 / 30000, 0.284
DWELL_S = 2e-6
SETTINGS = VelocitySettings(window_lines=WINDOW, step=STEP)
BORDERS = (0.0, 0.3, 0.8, 1.1, 1.4, np.inf)
SIMULATED = (0.6, 1.2, 2.3, 4.0, 5.0, 6.0)
UNEVEN = 0.17
"""The unevenness of a simulated line whose columns differ as those of the real file do; the table states both."""
LINES, SEEDS = 2000, range(3)
LOW_FLOW_S = (20.2, 21.7)


def main() -> None:
    """Measure the real file and the simulated ones."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    pixels = tifffile.imread(folder / "Capillary1_0001.tif")
    older = pd.read_csv(folder / "flow-analysis" / "Capillary1_0001_radon.csv").query("roi_id == 1")["velocity"].to_numpy()
    trace = measure(pixels)
    state_capillary(pixels, trace, folder)
    compare(pixels, trace, older)
    simulate(unevenness(pixels))
    draw(trace, older)


def measure(pixels: NDArray[np.generic], *, dwell_s: float | None = None) -> VelocityTrace:
    """Measure with the windows of the older program."""
    settings = VelocitySettings(window_lines=WINDOW, step=STEP, dwell_s=dwell_s)
    return measure_velocity(pixels, seconds_per_line=SECONDS_PER_LINE, um_per_pixel=UM_PER_PIXEL, settings=settings)


def unevenness(pixels: NDArray[np.generic]) -> float:
    """Return the standard deviation of the logarithm of the mean brightness of the columns."""
    return float(np.log(pixels.mean(axis=0)).std())


def state_capillary(pixels: NDArray[np.generic], trace: VelocityTrace, folder: Path) -> None:
    """State how well two halves agree, and the heart rates."""
    left, right = (measure(part).frame for part in (pixels[:, :19], pixels[:, 19:]))
    both = left["velocity_mm_s"].notna() & right["velocity_mm_s"].notna()
    apart = (
        200
        * (left["velocity_mm_s"] - right["velocity_mm_s"]).abs()
        / (left["velocity_mm_s"] + right["velocity_mm_s"]).abs()
    )
    overlap = (left["velocity_low_mm_s"] <= right["velocity_high_mm_s"]) & (
        right["velocity_low_mm_s"] <= left["velocity_high_mm_s"]
    )
    narrow = tifffile.imread(folder / "28d AngII" / "20250722" / "20250722_A89_0005.tif")
    narrow_trace = measure_velocity(narrow, seconds_per_line=33.299 / 30000, um_per_pixel=0.829)
    put(
        "velocity.md",
        "capillary",
        table(
            ["", ""],
            [
                [
                    "windows with a velocity",
                    f"{100 * trace.frame['velocity_mm_s'].notna().mean():.1f} % of {len(trace.frame)}",
                ],
                ["two halves of 19 pixels, which share no pixel: median difference", f"{apart[both].median():.1f} %"],
                ["intervals of the halves that overlap", f"{100 * overlap[both].mean():.1f} %"],
                ["heart rate", f"{heart_rate(trace).hz:.2f} Hz"],
                ["heart rate in `A89_0005`, 7 pixels wide", f"{heart_rate(narrow_trace).hz:.2f} Hz"],
            ],
        ),
    )


def compare(pixels: NDArray[np.generic], trace: VelocityTrace, older: Doubles) -> None:
    """Compare the stored trace with ours, by speed, and its rule on columns that are divided by their mean."""
    scale = trace.mm_s_per_pixel_per_line
    ours = trace.frame["velocity_mm_s"].to_numpy()
    again = radon_variance(pixels, window=WINDOW, step=STEP) * scale
    divided = prepare(pixels, window=WINDOW).values
    variance = radon_variance(divided, window=WINDOW, step=STEP) * scale
    weighted = radon_weighted(divided, window=WINDOW, step=STEP) * scale
    corrected = measure(pixels, dwell_s=DWELL_S).frame["velocity_mm_s"].to_numpy()
    rows = []
    for low, high in pairwise(BORDERS):
        here = (np.abs(ours) >= low) & (np.abs(ours) < high)
        label = f"above {low:g}" if high == np.inf else f"{low:g}–{high:g}"
        others = [compared(series[here] / ours[here]) for series in (older, variance, weighted)]
        zeros = f"{int((older[here] == 0).sum())}"
        rows.append(
            [f"{label} mm/s", str(int(here.sum())), zeros, *others, f"{np.nanmedian(corrected[here] / ours[here]):.3f}"]
        )
    head = [
        "speed",
        "windows",
        "stored zeros",
        "stored",
        "its rule, columns divided",
        "weighted, columns divided",
        "ours, beam corrected",
    ]
    put(DOCUMENT, "by speed", table(head, rows))
    missing = np.isnan(ours)
    off = ~missing & ~(np.abs(older / ours - 1) < 0.25)
    mended = np.abs(variance[off] / ours[off] - 1) < 0.25
    flags = trace.frame["flag"][missing].value_counts()
    equal = 100 * np.mean(np.isclose(again, older, rtol=1e-3, atol=1e-6))
    fastest = trace.speed_limit_mm_s
    beyond, beyond_divided = (int((np.abs(series) > fastest).sum()) for series in (older, variance))
    gone = ", ".join(f"{count} {flag}" for flag, count in flags.items())
    rows = [
        ["stored velocities that the rule gives again (`radon_variance`)", f"{equal:.1f} %"],
        ["stored velocities that are exactly 0", f"{(older == 0).sum()}"],
        ["the same with the columns divided", f"{(variance == 0).sum()}"],
        [
            f"stored velocities above the limit of this line, {fastest:.2f} mm/s",
            f"{beyond}, up to {np.abs(older).max():.1e} mm/s",
        ],
        ["the same with the columns divided", f"{beyond_divided}"],
        ["windows in which ours has no velocity", f"{missing.sum()} ({gone})"],
        ["of them with a stored velocity", f"{np.isfinite(older[missing]).sum()}"],
        ["windows that differ by more than 25 %", f"{off.sum()}"],
        ["of them within 25 % with the columns divided", f"{100 * mended.mean():.0f} %"],
    ]
    put(DOCUMENT, "counts", table([f"of {len(ours)} windows", ""], rows))


def compared(ratio: Doubles) -> str:
    """Return the median of a ratio and how many are within 25 %."""
    return f"{np.median(ratio):.3f}; {100 * np.mean(np.abs(ratio - 1) < 0.25):.0f} %"


def simulate(real: float) -> None:
    """Measure the older rule on cells of known speed, evenly and unevenly lit."""
    rows, reached = [], []
    for speed in SIMULATED:
        cells = []
        for uneven in (0.0, UNEVEN):
            scene = CellScene(photons=400, stripes=uneven, spacing=30, contrast=0.5)
            images = [simulate_cells(scene, np.full(LINES, -speed), rng=np.random.default_rng(seed)) for seed in SEEDS]
            stored = np.concatenate([radon_variance(image, window=WINDOW, step=STEP) / -speed for image in images])
            cells.append(f"{compared(stored)}; {short(100 * np.mean(stored == 0))} %")
        reached.append(np.mean([unevenness(image) for image in images]))
        divided = [prepare(image, window=WINDOW).values for image in images]
        for method in (radon_variance, radon_weighted):
            cells.append(compared(np.concatenate([method(image, window=WINDOW, step=STEP) / -speed for image in divided])))
        ours = np.concatenate([measure(image).pixels_per_line["velocity"].to_numpy() / -speed for image in images])
        cells.append(f"{np.nanmedian(ours):.3f}; {100 * np.mean(np.abs(ours - 1) < 0.25):.0f} %")
        rows.append([f"{speed:g}", *cells])
    head = [
        "pixels per line",
        "older rule, even light",
        "older rule, uneven light",
        "older rule, columns divided",
        "weighted, columns divided",
        "ours",
    ]
    put(DOCUMENT, "simulated", table(head, rows))
    percent = f"{100 * real:.0f} % (standard deviation) in the real file, and by {100 * np.mean(reached):.0f} %"
    put(DOCUMENT, "unevenness", f"The brightness of the columns varies by {percent} in the uneven light.")


def draw(trace: VelocityTrace, older: Doubles) -> None:
    """Draw both traces through an episode of low flow."""
    frame = trace.frame
    near = frame["time_s"].between(*LOW_FLOW_S).to_numpy()
    times = frame["time_s"][near]
    picture = Picture(figsize=(8, 4), layout="constrained")
    upper, lower = picture.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    upper.plot(times, older[near], ".", color=BLUE, markersize=3, label="older program")
    kept = frame["velocity_mm_s"][near].notna()
    upper.fill_between(
        times, frame["velocity_low_mm_s"][near], frame["velocity_high_mm_s"][near], where=kept, color=RED, alpha=0.3
    )
    upper.plot(times, frame["velocity_mm_s"][near], color=RED, linewidth=1.1, label="velocity, 95 % interval")
    upper.set(ylim=(-1.9, 0.6), ylabel="velocity (mm/s)")
    upper.legend(fontsize=8, ncols=2)
    lower.plot(times, frame["quality"][near], color=GREY)
    lower.set(ylim=(0, 1.05), ylabel="quality", xlabel="time (s)", xlim=LOW_FLOW_S)
    save(picture, "from_radon_low_flow.png")


if __name__ == "__main__":
    main()
