"""Measure every figure of docs/velocity.md on simulated scenes, put the tables into it and draw its pictures.

`python docs/make_velocity_pictures.py` does all parts, `python docs/make_velocity_pictures.py errors limits` some. It needs
matplotlib (the dependency group `pictures`) and numba, and takes some minutes.
"""

import argparse
from dataclasses import replace

import _figures as figures
import numpy as np
from _figures import BLUE, GREY, MM_S, RED, STEP, WINDOW, Case, Doubles, Picture, put, save, short, table, three
from flow_scenes import CASES, LINES, SECONDS_PER_LINE, UM_PER_PIXEL
from numpy.typing import NDArray

from kymflow_core.flow import VelocitySettings, count_cells, measure_diameter, measure_velocity, notes
from kymflow_core.flow.reference import REFERENCE_METHODS
from kymflow_core.simulate import CellScene, simulate_cells

DOCUMENT = "velocity.md"
SEEDS = range(40, 46)
FEWER_SEEDS = range(40, 42)
ONE_SPEED = {**CASES, "0.5 px/line": Case(speed=0.5)}
COMPARED = (
    "plain, 3 px/line", "0.5 px/line", "20 px/line", "2 photons", "stripes of 100 %", "line noise of 30 %",
    "a cell per 100 px", "a cell per 300 px", "reversal", "8 Hz, 30 %",
)  # fmt: skip
WITHOUT_ANSWER = ("pure noise", "1.2 widths per line")
BIASED = (
    "2 px/line",
    "plain, 3 px/line",
    "10 px/line",
    "20 px/line",
    "beam of 1 %, 10 px/line",
    "beam of 1 %, -10 px/line",
)
WIDTHS, SPEEDS, PHOTONS = (8, 12, 20, 38, 76), (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0), (2, 10, 50)


def draw_the_method() -> None:
    """Draw one scene as pixels, likelihood, posterior and velocity."""
    lines = np.arange(LINES)
    speeds = np.where(np.abs(lines - 0.5 * LINES) < 60, 0.6, 3 + np.sin(lines / 60))
    scene = CellScene(spacing=60, photons=5)
    pixels = simulate_cells(scene, speeds, rng=np.random.default_rng(3))
    settings = VelocitySettings(window_lines=WINDOW, step=STEP)
    trace = measure_velocity(pixels, seconds_per_line=SECONDS_PER_LINE, um_per_pixel=UM_PER_PIXEL, settings=settings)
    radon = REFERENCE_METHODS["radon_variance"](pixels, window=WINDOW, step=STEP)
    frame, times = trace.frame, trace.frame["time_s"].to_numpy()
    picture = Picture(figsize=(8, 7.5), layout="constrained")
    axes = picture.subplots(5, 1, sharex=True, height_ratios=(1.3, 1.3, 1.3, 1.6, 0.6))
    whole = (0, LINES * SECONDS_PER_LINE, 0, scene.pixels * UM_PER_PIXEL)
    axes[0].imshow(pixels.T, aspect="auto", origin="lower", cmap="gray", extent=whole)
    axes[0].set_ylabel("position (µm)")
    curves = np.array([trace.likelihood(window) for window in range(len(times))])
    _map(axes[1], times, trace.likelihood(0).index, curves - curves.max(axis=1, keepdims=True), low=-15.0)
    _map(axes[2], times, trace.posterior(0).index, np.array([trace.posterior(window) for window in range(len(times))]))
    axes[1].set_ylabel("likelihood\n(mm/s)")
    axes[2].set_ylabel("posterior\n(mm/s)")
    axes[3].plot(times, radon * MM_S, ".", color=BLUE, markersize=3, label="Radon variance")
    axes[3].fill_between(
        times,
        frame["velocity_low_mm_s"],
        frame["velocity_high_mm_s"],
        where=frame["velocity_mm_s"].notna(),
        color=RED,
        alpha=0.3,
    )
    axes[3].plot(times, figures.true_speeds(speeds) * MM_S, color="black", linewidth=0.8, label="truth")
    axes[3].plot(times, frame["velocity_mm_s"], color=RED, linewidth=1.2, label="velocity, 95 % interval")
    axes[3].set(ylim=(-0.5, 1.8), ylabel="velocity (mm/s)")
    axes[3].legend(loc="upper right", fontsize=7, ncols=3)
    axes[4].plot(times, frame["quality"], color=GREY)
    axes[4].axhline(settings.quality_min, color="black", linewidth=0.6, linestyle=":")
    axes[4].set(ylim=(0, 1.05), ylabel="quality", xlabel="time (s)", xlim=(times[0], times[-1]))
    save(picture, "velocity_method.png")


def _map(axis, times, speeds, values, *, low: float | None = None) -> None:  # noqa: ANN001
    near = (speeds > -0.5) & (speeds < 1.8)
    axis.pcolormesh(times, speeds[near], values[:, near].T, cmap="magma", vmin=low, rasterized=True)


def compare_methods() -> None:
    """Measure the scenes by all methods."""
    rows, reached = [], []
    for name in COMPARED:
        case = ONE_SPEED[name]
        windows = figures.measure_scene(case, seeds=SEEDS)
        others = [
            three(figures.measure_by(method, case, seeds=SEEDS)) for method in ("radon_variance", "radon_weighted", "piv")
        ]
        alone = three(100 * np.abs(windows.alone - windows.truth) / np.abs(windows.truth))
        kept = windows.error[windows.kept]
        rows.append([name, *others, alone, three(windows.error), f"{three(kept)}; {100 * windows.kept.mean():.0f} %"])
        inside = (windows.low <= windows.truth) & (windows.truth <= windows.high)
        reached.append((kept <= 20, inside[windows.kept]))
    head = ["scene", "Radon variance", "Radon weighted", "PIV", "one window", "along time, all", "along time, kept"]
    put(DOCUMENT, "comparison", table(head, rows))
    kept_where_there_is_nothing = [
        100 * figures.measure_scene(CASES[name], seeds=SEEDS).kept.mean() for name in WITHOUT_ANSWER
    ]
    biases = []
    for name in BIASED:
        windows = figures.measure_scene(CASES[name], seeds=SEEDS)
        signed = 100 * (windows.all_speeds / windows.truth - 1)
        biases.append(f"{name}: {np.median(signed[windows.kept]):+.2f} %")
    right, covered = (100 * np.mean(np.concatenate(column)) for column in zip(*reached, strict=True))
    nothing = ", ".join(
        f"{value:.1f} % in *{name}*" for name, value in zip(WITHOUT_ANSWER, kept_where_there_is_nothing, strict=True)
    )
    put(
        DOCUMENT,
        "sums",
        f"Of the velocities that are kept in these scenes, {right:.2f} % are right within 20 %, and the interval of\n"
        f"{covered:.1f} % holds the truth. Where there is nothing to measure, this is kept: {nothing}.\n"
        f"Median bias: {'; '.join(biases)}.",
    )


def map_errors() -> None:
    """Draw the median error over speed, width and photons."""
    picture = Picture(figsize=(9, 3.6), layout="constrained")
    axes = picture.subplots(1, len(PHOTONS), sharey=True)
    for axis, photons in zip(axes, PHOTONS, strict=True):
        cells = np.array([[_cell(width, speed, photons) for speed in SPEEDS] for width in WIDTHS])
        error, kept = cells[..., 0], cells[..., 1]
        axis.set_facecolor("lightgrey")
        colour = np.log10(np.clip(error, 0.1, 100))
        shown = axis.imshow(colour, vmin=-1, vmax=2, cmap="RdYlGn_r", aspect="auto", origin="lower")
        for row, column in np.ndindex(error.shape):
            text = "–" if not kept[row, column] else f"{short(error[row, column])}\n{short(100 * kept[row, column])} %"
            axis.text(column, row, text, ha="center", va="center", fontsize=6)
        axis.set_xticks(range(len(SPEEDS)), [f"{speed:g}" for speed in SPEEDS], fontsize=7)
        axis.set_yticks(range(len(WIDTHS)), [str(width) for width in WIDTHS])
        axis.set(title=f"{photons} photons", xlabel="pixels per line")
    axes[0].set_ylabel("width (pixels)")
    picture.colorbar(
        shown, ax=axes, label="median error (%)", ticks=[-1, 0, 1, 2], format=lambda value, _: f"{10.0**value:g}"
    )
    save(picture, "velocity_errors.png")


def _cell(width: int, speed: float, photons: int) -> tuple[float, float]:
    """Return the median error of what is kept, in percent, and the part that is kept."""
    windows = figures.measure_scene(Case(speed=speed, scene=CellScene(pixels=width, photons=photons)), seeds=FEWER_SEEDS)
    error = windows.error[windows.kept]
    return (float(np.median(error)) if len(error) else np.nan), float(windows.kept.mean())


def calibrate_quality() -> None:
    """Draw which part of the windows is right at each quality."""
    names = [*COMPARED, "10 px/line"]
    cases = [ONE_SPEED[name] for name in names] + [Case(speed=3, scene=CellScene(photons=1))]
    windows = [figures.measure_scene(case, seeds=SEEDS) for case in cases]
    quality = np.concatenate([one.quality for one in windows])
    right = np.concatenate([_right(one.all_speeds, one.truth) for one in windows])
    edges = np.array([0, 0.2, 0.4, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.999, 1.0])
    bins = np.clip(np.digitize(quality, edges) - 1, 0, len(edges) - 2)
    found = [
        (quality[bins == bin_].mean(), right[bins == bin_].mean(), int((bins == bin_).sum()))
        for bin_ in range(len(edges) - 1)
    ]
    picture = Picture(figsize=(4.6, 4.2), layout="constrained")
    axis = picture.subplots()
    axis.plot([0, 1], [0, 1], color=GREY, linewidth=0.8)
    stated, true, counts = (np.array(column) for column in zip(*found, strict=True))
    spread = 1.96 * np.sqrt(np.clip(true * (1 - true), 1e-9, None) / counts)
    axis.errorbar(stated, true, yerr=spread, fmt="o-", color=RED, markersize=4, capsize=2)
    axis.axvline(0.9, color="black", linewidth=0.6, linestyle=":")
    axis.set(xlabel="quality", ylabel="part of the windows that is right", xlim=(0, 1.02), ylim=(0, 1.02))
    save(picture, "velocity_quality.png")
    rows = [
        [f"{low:g}–{high:g}", str(count), f"{state:.3f}", f"{part:.3f}"]
        for low, high, (state, part, count) in zip(edges[:-1], edges[1:], found, strict=True)
    ]
    put(DOCUMENT, "quality", table(["quality", "windows", "mean quality", "right"], rows))


def _right(speeds: Doubles, truth: Doubles) -> NDArray[np.bool_]:
    return np.abs(speeds - truth) <= np.maximum(0.2 * np.abs(truth), 0.2)


def measure_limits() -> None:
    """Measure several speeds at once, narrow ROIs and very slow cells."""
    rows = []
    for photons in (10, 30, 100, 300, 1000):
        several = Case(speed=3, scene=CellScene(photons=photons, lanes=6, lane_spread=0.25))
        noted, error, inside = [], [], []
        for seed in SEEDS:
            trace = figures.trace_of(several, seed=seed)
            kept = trace.frame["velocity_mm_s"].notna().to_numpy()
            frame = trace.frame[kept]
            noted.append(notes.SEVERAL_SPEEDS in trace.notes)
            error.append(100 * (frame["velocity_mm_s"] / MM_S / 3 - 1))
            inside.append((frame["velocity_low_mm_s"] <= 3 * MM_S) & (frame["velocity_high_mm_s"] >= 3 * MM_S))
        one = [
            notes.SEVERAL_SPEEDS in figures.trace_of(replace(several, scene=CellScene(photons=photons)), seed=seed).notes
            for seed in SEEDS
        ]
        off = np.concatenate(error)
        held = 100 * np.concatenate(inside).mean()
        of_images = [f"{sum(found)} of {len(found)}" for found in (noted, one)]
        rows.append(
            [str(photons), f"{np.median(off):+.1f} %", f"{np.median(np.abs(off)):.1f} %", f"{held:.0f} %", *of_images]
        )
    head = [
        "photons",
        "median bias",
        "median error",
        "intervals that hold the mean speed",
        "note",
        "note where there is one speed",
    ]
    put(DOCUMENT, "several", table(head, rows))
    rows = []
    for width in (6, 7, 8, 10, 12, 20):
        windows = figures.measure_scene(
            Case(speed=2, scene=CellScene(pixels=width, cell_length=8, spacing=20)), seeds=SEEDS
        )
        signed = 100 * (windows.all_speeds / windows.truth - 1)[windows.kept]
        rows.append(
            [
                str(width),
                f"{np.median(signed):+.1f} %",
                f"{np.median(np.abs(signed)):.1f} %",
                f"{100 * windows.kept.mean():.0f} %",
            ]
        )
    put(DOCUMENT, "narrow", table(["width", "median bias", "median error", "kept"], rows))
    rows = []
    for speed in (0.02, 0.05, 0.1, 0.25):
        windows = figures.measure_scene(Case(speed=speed), seeds=SEEDS)
        found = windows.all_speeds[windows.kept]
        rows.append(
            [
                f"{speed:g}",
                f"{np.median(found):.3f}",
                f"{np.percentile(np.abs(found - speed), 95):.3f}",
                f"{100 * np.mean(found > 0):.0f} %",
                f"{100 * windows.kept.mean():.0f} %",
            ]
        )
    put(DOCUMENT, "slow", table(["pixels per line", "median", "95 % of errors below", "right direction", "kept"], rows))


def measure_readings() -> None:
    """Measure what cells are counted and what a round vessel reads."""
    rows = []
    for spacing in (100, 60, 35, 22):
        parts = []
        for seed in FEWER_SEEDS:
            image = simulate_cells(
                CellScene(spacing=spacing, cell_length=8), np.full(4000, 3.0), rng=np.random.default_rng(seed)
            )
            trace = measure_velocity(image, seconds_per_line=SECONDS_PER_LINE, um_per_pixel=UM_PER_PIXEL)
            parts.append(count_cells(image, trace).count / (4000 * 3.0 / spacing))
        rows.append([f"{100 * 8 / spacing:.0f} %", f"{np.mean(parts):.2f}"])
    put(DOCUMENT, "cells", table(["occupied", "cells counted, of those that passed"], rows))
    rows = []
    for width in (10, 20, 40):
        read = []
        for form in ("flat", "round"):
            across = np.abs(np.arange(80) - 40.2)
            flat = np.clip(width / 2 + 0.5 - across, 0, 1)
            profile = flat if form == "flat" else np.sqrt(np.clip(1 - np.square(across / (width / 2)), 0, None))
            pixels = np.random.default_rng(1).poisson(200 * profile + 20, (2000, 80))
            found = measure_diameter(pixels, seconds_per_line=0.001, um_per_pixel=1.0, orientation="across")
            read.append(f"{found['diameter_um'].median() / width:.3f}")
        rows.append([f"{width} pixels", *read])
    put(DOCUMENT, "diameter", table(["diameter", "flat profile reads", "round vessel reads"], rows))


PARTS = {
    "method": draw_the_method,
    "comparison": compare_methods,
    "quality": calibrate_quality,
    "errors": map_errors,
    "limits": measure_limits,
    "readings": measure_readings,
}


def main() -> None:
    """Do the parts of the command line, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "parts", nargs="*", choices=[*PARTS, []], metavar="part", help=f"of {', '.join(PARTS)}; all if none is given"
    )
    for name in parser.parse_args().parts or PARTS:
        print(name, flush=True)
        PARTS[name]()


if __name__ == "__main__":
    main()
