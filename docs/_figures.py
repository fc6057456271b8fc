"""What the scripts of the velocity documents share: scenes, methods side by side, tables and pictures put in their place.

The rule of this room: a figure gets into a document only from here, between two comments that name it.
"""

import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure as Picture
from numpy.typing import NDArray
from PIL import Image

DOCS = Path(__file__).parent
sys.path.append(str(DOCS.parent / "tests" / "test_kymflow_core" / "flow"))

from flow_scenes import MM_S, STEP, WINDOW, Case, trace_of, true_speeds  # noqa: E402

from kymflow_core.flow import VelocityTrace  # noqa: E402
from kymflow_core.flow.reference import REFERENCE_METHODS  # noqa: E402
from kymflow_core.simulate import simulate_cells  # noqa: E402

Doubles = NDArray[np.float64]
BLUE, RED, GREY = "#3465a4", "#c03020", "#777777"


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Windows:
    """One value a window, of all seeds of a scene, in pixels per line."""

    truth: Doubles
    all_speeds: Doubles
    alone: Doubles
    kept: NDArray[np.bool_]
    low: Doubles
    high: Doubles
    quality: Doubles
    flags: NDArray[np.object_]

    @property
    def error(self) -> Doubles:
        """The error of every window, in percent."""
        return percent_off(self.all_speeds, self.truth)


def measure_scene(case: Case, *, seeds: Iterable[int]) -> Windows:
    """Measure a scene with the defaults, windows of 16 lines every 4."""
    truth = true_speeds(case.speeds)
    parts = []
    for seed in seeds:
        trace = trace_of(case, seed=seed)
        speeds = trace.pixels_per_line
        parts.append(
            (
                truth,
                speeds["velocity_all"].to_numpy(),
                speeds["velocity_window"].to_numpy(),
                speeds["velocity"].notna().to_numpy(),
                speeds["velocity_low"].to_numpy(),
                speeds["velocity_high"].to_numpy(),
                trace.frame["quality"].to_numpy(),
                trace.frame["flag"].to_numpy(object),
            )
        )
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    return Windows(**dict(zip(Windows.__dataclass_fields__, columns, strict=True)))


def measure_by(method: str, case: Case, *, seeds: Iterable[int]) -> Doubles:
    """Return the error of every window by a reference method, in percent."""
    truth = true_speeds(case.speeds)
    found = []
    for seed in seeds:
        pixels = simulate_cells(case.scene, case.speeds, rng=np.random.default_rng(seed))
        found.append(percent_off(REFERENCE_METHODS[method](pixels, window=WINDOW, step=STEP), truth))
    return np.concatenate(found)


def percent_off(speeds: Doubles, truth: Doubles) -> Doubles:
    """Return how far speeds are off, in percent of the truth."""
    return np.asarray(100 * np.abs(speeds - truth) / np.abs(truth))


def three(error: Doubles) -> str:
    """Return the median error, the 95th percentile and the part that is wrong by more than 20 %, as one cell of a table."""
    return " / ".join(short(value) for value in (np.median(error), np.percentile(error, 95), 100 * np.mean(~(error <= 20))))


def short(value: float) -> str:
    """Return a percentage with two digits below 10, as a whole number up to 999, and no further."""
    if value >= 1000:
        return "> 999"
    return f"{value:.0f}" if value >= 9.95 or value == 0 else f"{value:.2g}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def put(document: str, name: str, text: str) -> None:
    """Put a measured text where a document has its place: between the comments `measured: name` and `end`."""
    path = DOCS / document
    place = re.compile(rf"(<!-- measured: {re.escape(name)} -->\n).*?(<!-- end -->)", re.DOTALL)
    found, count = place.subn(lambda match: f"{match[1]}{text}\n{match[2]}", path.read_text(encoding="utf-8"))
    if count != 1:
        raise ValueError(f"{path} has {count} places for {name!r}; exactly one is needed")
    path.write_text(found, encoding="utf-8")


def save(picture: Picture, name: str) -> None:
    """Write a picture into docs/images, with few colours, so that it stays small."""
    drawn = BytesIO()
    picture.savefig(drawn, dpi=100, format="png")
    Image.open(drawn).convert("RGB").quantize(colors=96).save(DOCS / "images" / name, optimize=True)


__all__ = [
    "BLUE", "Case", "DOCS", "Doubles", "GREY", "MM_S", "Picture", "RED", "STEP", "VelocityTrace", "WINDOW", "Windows",
    "measure_by", "measure_scene", "percent_off", "put", "save", "short", "table", "three", "trace_of", "true_speeds",
]  # fmt: skip
