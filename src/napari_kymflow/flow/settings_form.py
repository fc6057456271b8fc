"""The settings of a measurement as a form asks for them: in units of a microscopist, with what each means. Pure.

The rule of this room: what nobody touched is the default, to the last digit, so that results stay fresh.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kymflow_core.flow import VelocitySettings
from kymflow_core.velocity_schema import METHODS, Method

AUTOMATIC = "automatic"
"""What is shown instead of 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One row of the form: what it asks for, with its unit, what that means, and what can be entered.

    `options` are those of magicgui's widget; a question that is `automatic` takes 0 for what the program finds by itself.
    """

    label: str
    tip: str
    options: Mapping[str, Any] = field(default_factory=dict)
    is_automatic: bool = False


_WHOLE = {"widget_type": "FloatSpinBox", "min": 0.0, "max": 10_000.0, "step": 1.0}
"""A whole number. The widget for these has no text for its lowest value."""

QUESTIONS: Mapping[str, Question] = {
    "method": Question(
        label="Method",
        tip="likelihood is the method of this program; the others are methods of others, for comparison: they have neither "
        "an interval nor a quality.",
        options={"choices": METHODS},
    ),
    "window_ms": Question(
        label="Window (ms)",
        tip="How long a window is; it has at least 12 lines. Longer ones are surer where cells are few, shorter ones "
        "follow the heart beat better.",
        options={"min": 1.0, "max": 10_000.0, "step": 1.0},
    ),
    "window_lines": Question(
        label="Window (lines)",
        tip="How long a window is, in lines, instead of in ms.",
        options=_WHOLE,
        is_automatic=True,
    ),
    "step_lines": Question(
        label="Step (lines)",
        tip="Lines from one window to the next; by itself a quarter of the window.",
        options=_WHOLE,
        is_automatic=True,
    ),
    "speed_limit_mm_s": Question(
        label="Fastest speed (mm/s)",
        tip="Faster speeds are not considered, in either direction; by itself 0.8 of the ROI's width in one line, beyond "
        "which no window can decide.",
        options={"min": 0.0, "max": 1000.0, "step": 0.1},
        is_automatic=True,
    ),
    "acceleration_mm_s2": Question(
        label="Acceleration (mm/s²)",
        tip="How much the speed may change, in mm/s per s, as a standard deviation.",
        options={"min": 0.0, "max": 100_000.0, "step": 1.0},
        is_automatic=True,
    ),
    "jump": Question(
        label="Jumps (probability)",
        tip="How probable it is that the speed jumps anywhere, from one window to the next.",
        options={"min": 0.0001, "max": 0.9999, "step": 0.0005},
    ),
    "empty": Question(
        label="Empty windows (probability)",
        tip="How probable it is at least that a window holds no cell.",
        options={"min": 0.01, "max": 0.99, "step": 0.05},
    ),
    "tolerance_percent": Question(
        label="Tolerance (%)",
        tip="A velocity counts as right within this part of it, or within 0.2 pixels per line where that is more.",
        options={"min": 1.0, "max": 99.0, "step": 5.0},
    ),
    "quality_min": Question(
        label="Least quality",
        tip="A velocity with a lower probability to be right is left out.",
        options={"min": 0.01, "max": 0.99, "step": 0.05},
    ),
    "dwell_us": Question(
        label="Time on one pixel (µs)",
        tip="With it the movement of the beam itself is corrected; by itself from the microscope's header.",
        options={"min": 0.0, "max": 1_000_000.0, "step": 0.1},
        is_automatic=True,
    ),
    "compare_radon": Question(
        label="Compare with Radon", tip="Also measure by radon_variance, in a column of its own of the table."
    ),
    "compare_piv": Question(label="Compare with PIV", tip="Also measure by piv, in a column of its own of the table."),
}
"""By the names of `settings_from`'s arguments."""


def settings_from(
    method: Method = "likelihood",
    window_ms: float = 20.0,
    window_lines: int = 0,
    step_lines: int = 0,
    speed_limit_mm_s: float = 0.0,
    acceleration_mm_s2: float = 0.0,
    jump: float = 0.001,
    empty: float = 0.2,
    tolerance_percent: float = 20.0,
    quality_min: float = 0.9,
    dwell_us: float = 0.0,
    *,
    compare_radon: bool = False,
    compare_piv: bool = False,
) -> VelocitySettings:
    """Return the settings that a form's answers stand for; the form is made from these arguments.

    Raises
    ------
    ValueError
        When they cannot be used; all problems are named.
    """
    asked: tuple[tuple[bool, Method], ...] = ((compare_radon, "radon_variance"), (compare_piv, "piv"))
    return VelocitySettings(
        method=method,
        window_s=window_ms / 1000,
        window_lines=int(window_lines) or None,
        step=int(step_lines) or None,
        speed_limit_mm_s=speed_limit_mm_s or None,
        acceleration=acceleration_mm_s2 or None,
        jump=jump,
        empty=empty,
        tolerance=tolerance_percent / 100,
        quality_min=quality_min,
        dwell_s=dwell_us / 1e6 if dwell_us else None,
        compare=tuple(name for wanted, name in asked if wanted),
    )


def describe_changes(answers: Mapping[str, Any], defaults: Mapping[str, Any]) -> str:
    """Return which answers are not the default, such as "Not the default: Window (ms): 30 instead of 20"."""
    changed = [
        f"{QUESTIONS[name].label}: {_text(name, value)} instead of {_text(name, defaults[name])}"
        for name, value in answers.items()
        if value != defaults[name]
    ]
    return f"Not the default: {'; '.join(changed)}." if changed else "All settings are the defaults."


def _text(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if QUESTIONS[name].is_automatic and not value:
        return AUTOMATIC
    return f"{value:g}" if isinstance(value, int | float) else str(value)
