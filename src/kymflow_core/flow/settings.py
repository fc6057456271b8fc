"""How a velocity is measured: one value, in physical units, whose defaults serve without tuning."""

import math
from dataclasses import dataclass, fields

from kymflow_core.velocity_schema import METHODS, Method

FEWEST_LINES = 12
LINES_WITHOUT_CALIBRATION = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class VelocitySettings:
    """How the velocity of a kymograph is measured.

    Parameters
    ----------
    method
        ``"likelihood"`` is the method of this program. ``"radon_weighted"``, ``"radon_variance"`` and ``"piv"`` are methods
        of others, for comparison: they have no interval and no quality.
    window_s
        How long a window is, in s; at least `FEWEST_LINES` lines are taken.
    window_lines
        How long a window is, in lines; where it is given, `window_s` is not used.
    step
        Lines from one window to the next; None is a quarter of the window.
    speed_limit_mm_s
        The fastest speed that is considered, in either direction; None is 0.8 of the ROI's width in one line, beyond which
        no window can decide.
    acceleration
        How much the speed may change, in mm/s per s, as a standard deviation, beside 5 % of the speed a step; None is 0.06
        pixels per line a step of 4 lines.
    jump
        How probable it is that the speed jumps anywhere, a step.
    empty
        How probable it is at least that a window holds no cell; in a ROI with more empty windows it is their part.
    tolerance
        A velocity counts as right within this part of it, or within 0.2 pixels per line where that is more.
    quality_min
        A velocity of less quality is left out (NaN).
    dwell_s
        How long the beam stays on one pixel, in s, from the microscope's header; with it the movement of the beam is
        corrected. None is not corrected, and a note says so.
    compare
        Reference methods whose velocities become further columns, `velocity_<method>_mm_s`.

    Raises
    ------
    ValueError
        When a value cannot be used; all of them are named.
    """

    method: Method = "likelihood"
    window_s: float = 0.02
    window_lines: int | None = None
    step: int | None = None
    speed_limit_mm_s: float | None = None
    acceleration: float | None = None
    jump: float = 1e-3
    empty: float = 0.2
    tolerance: float = 0.2
    quality_min: float = 0.9
    dwell_s: float | None = None
    compare: tuple[Method, ...] = ()

    def __post_init__(self) -> None:
        problems = [problem for field in fields(self) if (problem := self._problem(field.name)) is not None]
        if problems:
            raise ValueError(f"these settings cannot be used: {'; '.join(problems)}")

    def _problem(self, name: str) -> str | None:
        value = getattr(self, name)
        if name == "method":
            return None if value in METHODS else f"method is {value!r}; it is one of {', '.join(METHODS)}"
        if name == "compare":
            good = isinstance(value, tuple) and set(value) <= set(METHODS)
            return None if good else f"compare is {value!r}; it is a tuple of {', '.join(METHODS)}"
        if value is None and name not in {"window_s", "jump", "empty", "tolerance", "quality_min"}:
            return None
        if name in {"window_lines", "step"}:
            least = 2 if name == "window_lines" else 1
            good = isinstance(value, int) and not isinstance(value, bool) and value >= least
            return None if good else f"{name} is {value!r}; it is a whole number of lines from {least} on"
        number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        if name in {"jump", "empty", "tolerance", "quality_min"}:
            return None if number and 0 < value < 1 else f"{name} is {value!r}; it lies between 0 and 1"
        return None if number and value > 0 else f"{name} is {value!r}; it is a number above 0"

    def lines_of_window(self, seconds_per_line: float | None) -> int:
        """Return how many lines a window has."""
        if self.window_lines is not None:
            return self.window_lines
        if seconds_per_line is None:
            return LINES_WITHOUT_CALIBRATION
        return max(FEWEST_LINES, round(self.window_s / seconds_per_line))

    def lines_of_step(self, window: int) -> int:
        """Return how many lines lie between the first lines of two windows."""
        return self.step if self.step is not None else max(1, window // 4)
