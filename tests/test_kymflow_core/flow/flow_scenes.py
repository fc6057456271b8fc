"""The scenes that the method must master, with what is asked of each; windows of 16 lines by 38 pixels unless said."""

import sys
from dataclasses import dataclass, field

import numpy as np

from kymflow_core.flow import VelocitySettings, VelocityTrace, measure_velocity
from kymflow_core.simulate import CellScene, simulate_cells

WINDOW, STEP, WINDOWS = 16, 4, 195
LINES = WINDOW + STEP * (WINDOWS - 1)
SECONDS_PER_LINE, UM_PER_PIXEL = 0.00117, 0.284
MM_S = UM_PER_PIXEL / SECONDS_PER_LINE / 1000
"""1 pixel per line in mm/s."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """A scene, the speed in pixels per line, and the most that is allowed, in percent; None is not asked."""

    speed: float | np.ndarray
    scene: CellScene = field(default_factory=CellScene)
    median: float | None = None
    p95: float | None = None
    wrong: float | None = None
    bias: float | None = None
    wrong_of_kept: float | None = None
    least_kept: float = 0.0
    most_kept: float = 100.0
    least_covered: float | None = None

    @property
    def speeds(self) -> np.ndarray:
        return np.broadcast_to(np.asarray(self.speed, float), LINES)


def _heart() -> np.ndarray:
    return 3 * (1 + 0.3 * np.sin(2 * np.pi * 8 * SECONDS_PER_LINE * np.arange(LINES)))


def _reversal() -> np.ndarray:
    lines = np.arange(LINES)
    return np.where((lines > 0.4 * LINES) & (lines < 0.6 * LINES), -2.0, 3.0)


CASES = {
    "plain, 3 px/line": Case(speed=3, median=1, p95=5, wrong=0, bias=0.3, least_kept=95),
    "2 px/line": Case(speed=2, bias=0.3),
    "10 px/line": Case(speed=10, bias=0.3),
    "20 px/line": Case(speed=20, median=2, p95=5, wrong=0),
    "2 photons": Case(speed=3, scene=CellScene(photons=2), median=3, p95=8, wrong=0),
    "stripes of 100 %": Case(speed=3, scene=CellScene(stripes=1.0), median=1.2, p95=6.5, wrong=0),
    "line noise of 30 %": Case(speed=3, scene=CellScene(line_noise=0.3), median=1.5, p95=5, wrong=0),
    "a cell per 100 px": Case(speed=3, scene=CellScene(spacing=100), median=2.5, p95=8, wrong=0, least_kept=60),
    "a cell per 300 px": Case(speed=3, scene=CellScene(spacing=300), wrong_of_kept=0),
    "pure noise": Case(speed=3, scene=CellScene(contrast=0.0), most_kept=0),
    "1.2 widths per line": Case(speed=1.2 * 38, most_kept=0),
    "reversal": Case(speed=_reversal(), wrong_of_kept=2),
    "8 Hz, 30 %": Case(speed=_heart(), median=2, p95=7, wrong=0.5, least_covered=90),
    "beam of 1 %, 10 px/line": Case(speed=10, scene=CellScene(beam_delay=0.01), bias=0.5),
    "beam of 1 %, -10 px/line": Case(speed=-10, scene=CellScene(beam_delay=0.01), bias=0.5),
}


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What was reached in one scene, in percent; arrays hold one value a window, of all seeds."""

    error: np.ndarray
    kept: np.ndarray
    covered: np.ndarray
    signed: np.ndarray

    def of(self, kept: bool) -> np.ndarray:
        return self.error[self.kept] if kept else self.error

    @property
    def median(self) -> float:
        return float(np.median(self.error))

    @property
    def p95(self) -> float:
        return float(np.percentile(self.error, 95))

    @property
    def wrong(self) -> float:
        return 100 * float(np.mean(self.error > 20))

    @property
    def wrong_of_kept(self) -> float:
        return 100 * float(np.mean(self.error[self.kept] > 20)) if self.kept.any() else 0.0

    @property
    def bias(self) -> float:
        return float(np.median(self.signed[self.kept])) if self.kept.any() else np.nan

    @property
    def percent_kept(self) -> float:
        return 100 * float(self.kept.mean())

    @property
    def percent_covered(self) -> float:
        return 100 * float(self.covered[self.kept].mean()) if self.kept.any() else np.nan

    def line(self, name: str) -> str:
        every = f"{name:26} all {self.median:5.2f}/{self.p95:5.1f}/{self.wrong:5.2f}"
        kept = f"kept {self.percent_kept:5.1f} %, {self.wrong_of_kept:4.2f} of them wrong"
        return f"{every}  {kept}, bias {self.bias:5.2f}, covered {self.percent_covered:5.1f}"


def show(text: str) -> None:
    """Print a figure; pytest shows it with -s, and where a test fails."""
    sys.stdout.write(f"{text}\n")


def true_speeds(speeds: np.ndarray) -> np.ndarray:
    """The mean speed between the first and the last line of each window."""
    gone = np.concatenate([[0.0], np.cumsum(speeds)])
    first = np.arange(0, len(speeds) - WINDOW + 1, STEP)
    return (gone[first + WINDOW - 1] - gone[first]) / (WINDOW - 1)


def trace_of(case: Case, *, seed: int) -> VelocityTrace:
    pixels = simulate_cells(case.scene, case.speeds, rng=np.random.default_rng(seed))
    dwell = case.scene.beam_delay * SECONDS_PER_LINE or None
    settings = VelocitySettings(window_lines=WINDOW, step=STEP, dwell_s=dwell)
    return measure_velocity(pixels, seconds_per_line=SECONDS_PER_LINE, um_per_pixel=UM_PER_PIXEL, settings=settings)


def figures_of(case: Case, *, seeds: range) -> Figures:
    truth = true_speeds(case.speeds) * MM_S
    parts = []
    for seed in seeds:
        frame = trace_of(case, seed=seed).frame
        signed = 100 * (frame["velocity_all_mm_s"].to_numpy() - truth) / truth
        inside = (frame["velocity_low_mm_s"] <= truth) & (truth <= frame["velocity_high_mm_s"])
        parts.append([np.abs(signed), frame["velocity_mm_s"].notna().to_numpy(), inside.to_numpy(), signed])
    error, kept, covered, signed = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Figures(error=error, kept=kept, covered=covered, signed=signed)


def missed(case: Case, reached: Figures) -> list[str]:
    """What a scene asks and did not get."""
    problems = [
        f"{name} is {value:.2f} %, and {limit} % is allowed"
        for name in ("median", "p95", "wrong", "wrong_of_kept")
        if (limit := getattr(case, name)) is not None and (value := getattr(reached, name)) > limit
    ]
    if case.bias is not None and not abs(reached.bias) <= case.bias:
        problems.append(f"bias is {reached.bias:.2f} %")
    if not case.least_kept <= reached.percent_kept <= case.most_kept:
        problems.append(f"{reached.percent_kept:.1f} % are kept")
    if case.least_covered is not None and reached.percent_covered < case.least_covered:
        problems.append(f"the interval covers {reached.percent_covered:.1f} %")
    return problems
