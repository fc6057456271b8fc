"""What of a plot is drawn where: bars, lines, boxes, means and points, with their colours. Pure.

The rule of this room: a few thousand points are drawn at most, evenly chosen, and the text below says so; bars, boxes,
means and numbers are always of all.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kymflow_core.statistics.nested import NestedMean
from kymflow_core.statistics.plots import Plot

Doubles: TypeAlias = NDArray[np.float64]
MOST_POINTS = 4000
_SPREAD = 0.5
"""How wide the points of a box are spread, in places of groups."""
_GOLDEN = 0.6180339887498949
_ALL = "all"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Points:
    """Points: where each is, the number of its colour, the label of its row in the table, and its text."""

    x: Doubles = field(default_factory=lambda: np.empty(0))
    y: Doubles = field(default_factory=lambda: np.empty(0))
    colors: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    rows: tuple[int, ...] = ()
    texts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Bars:
    """The bars of one group of a histogram."""

    left: Doubles
    right: Doubles
    height: Doubles
    color: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Line:
    """A line from point to point, in the colour of that number."""

    x: Doubles
    y: Doubles
    color: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """The box of one group, at a place along x: from the lower to the upper quartile, with the median."""

    x: float
    lower: float
    median: float
    upper: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Mean:
    """The mean of one group, averaged level by level, and its standard error, NaN where it has none."""

    x: float
    mean: float
    sem: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Marks:
    """All that is drawn of a plot. `ticks` are the names along x, `colors` what each colour says, by its number."""

    points: Points = field(default_factory=Points)
    bars: tuple[Bars, ...] = ()
    lines: tuple[Line, ...] = ()
    boxes: tuple[Box, ...] = ()
    means: tuple[Mean, ...] = ()
    ticks: tuple[tuple[float, str], ...] = ()
    colors: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def marks_of(plot: Plot, records: "pd.Series[str] | None" = None) -> Marks:
    """Return what is drawn of a plot; `records` are the names of the records, by the label of the row."""
    made = {"histogram": _histogram, "box": _box, "cumulative": _cumulative, "scatter": _scatter, "paired": _paired}
    return made[plot.request.kind](plot, records)


def _histogram(plot: Plot, records: "pd.Series[str] | None") -> Marks:
    names = _names(plot.numbers["group"])
    bars = [
        Bars(
            left=_doubles(some, "left"),
            right=_doubles(some, "right"),
            height=_doubles(some, "count"),
            color=names.index(str(name)),
        )
        for name, some in plot.numbers.groupby("group", sort=True)
    ]
    return Marks(bars=tuple(bars), colors=_legend(names))


def _box(plot: Plot, records: "pd.Series[str] | None") -> Marks:
    numbers = plot.numbers
    names = _names(numbers["group"])
    shown, notes = _some(numbers.sort_values(["group", "value"], kind="stable"))
    place = _codes(shown["group"], names).astype(np.float64)
    x: Doubles = place + _spread(shown["group"])
    codes, colors = _colors(shown, names)
    firsts = numbers.drop_duplicates("group").set_index("group").reindex(names)
    quartiles = firsts[["lower_quartile", "median", "upper_quartile"]].to_numpy(np.float64)
    boxes = [Box(x=float(at), lower=low, median=middle, upper=high) for at, (low, middle, high) in enumerate(quartiles)]
    return Marks(
        points=_points(shown, x, _doubles(shown, "value"), codes, records),
        boxes=tuple(boxes),
        means=_means(plot.means, names),
        ticks=tuple((float(at), name or _ALL) for at, name in enumerate(names)),
        colors=colors if "color" in shown.columns else (),
        notes=notes,
    )


def _cumulative(plot: Plot, records: "pd.Series[str] | None") -> Marks:
    names = _names(plot.numbers["group"])
    shown, notes = _some(plot.numbers)
    lines = []
    for name, some in shown.groupby("group", sort=True):
        value, part = _doubles(some, "value"), _doubles(some, "part")
        # A step up at each sample.
        x, y = np.repeat(value, 2), np.concatenate([[0.0], np.repeat(part, 2)[:-1]])
        lines.append(Line(x=x, y=y, color=names.index(str(name))))
    codes = _codes(shown["group"], names)
    points = _points(shown, _doubles(shown, "value"), _doubles(shown, "part"), codes, records)
    return Marks(points=points, lines=tuple(lines), colors=_legend(names), notes=notes)


def _scatter(plot: Plot, records: "pd.Series[str] | None") -> Marks:
    names = _names(plot.numbers["group"])
    shown, notes = _some(plot.numbers)
    codes, colors = _colors(shown, names)
    if "color" not in shown.columns:
        codes = _codes(shown["group"], names)
    points = _points(shown, _doubles(shown, "x"), _doubles(shown, "value"), codes, records)
    return Marks(points=points, colors=colors, notes=notes)


def _paired(plot: Plot, records: "pd.Series[str] | None") -> Marks:
    shown, notes = _some(plot.numbers)
    before, after = _doubles(shown, "before"), _doubles(shown, "after")
    codes, colors = _colors(shown, [""])
    ends = np.array([0.0, 1.0])
    lines = [Line(x=ends, y=np.array(pair), color=int(code)) for *pair, code in zip(before, after, codes, strict=True)]
    twice = pd.concat([shown.assign(value=before), shown.assign(value=after, row=shown["row_after"])], ignore_index=True)
    x = np.repeat(ends, len(shown))
    points = _points(twice, x, np.concatenate([before, after]), np.tile(codes, 2), records)
    first, second = plot.request.pair or ("", "")
    return Marks(
        points=points,
        lines=tuple(lines),
        means=_means(plot.means, [first, second]),
        ticks=((0.0, first), (1.0, second)),
        colors=colors if "color" in shown.columns else (),
        notes=notes,
    )


def _points(
    shown: pd.DataFrame, x: Doubles, y: Doubles, codes: NDArray[np.int64], records: "pd.Series[str] | None"
) -> Points:
    rows = shown["row"].tolist()
    names = records.reindex(rows).fillna("").tolist() if records is not None else [""] * len(rows)
    texts = [
        "\n".join(filter(None, [group, _of(sample, record, count), f"{value:.5g}"]))
        for group, sample, record, count, value in zip(
            shown["group"], shown["sample"], names, shown["n_rows"], shown["value"], strict=True
        )
    ]
    return Points(x=x, y=y, colors=codes, rows=tuple(rows), texts=tuple(texts))


def _of(sample: str, record: str, count: int) -> str:
    """Return what a point is of: a record by its name; of several rows how many, and the first one's record."""
    return f"{sample}, {count:,} rows, the first in {record}" if count > 1 else record or sample


def _colors(shown: pd.DataFrame, names: Sequence[str]) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Return the number of each point's colour, and what each colour says; without a column for it one colour is enough."""
    if "color" not in shown.columns:
        return np.zeros(len(shown), dtype=np.int64), _legend(names)
    words = _names(shown["color"])
    return _codes(shown["color"], words), tuple(words)


def _means(means: Sequence[NestedMean], names: Sequence[str]) -> tuple[Mean, ...]:
    return tuple(Mean(x=float(names.index(one.group)), mean=one.mean, sem=one.sem) for one in means if one.group in names)


def _some(numbers: pd.DataFrame) -> tuple[pd.DataFrame, tuple[str, ...]]:
    if len(numbers) <= MOST_POINTS:
        return numbers, ()
    chosen = np.unique(np.linspace(0, len(numbers) - 1, MOST_POINTS).round().astype(np.int64))
    return numbers.iloc[chosen], (f"{len(chosen):,} of {len(numbers):,} points are drawn",)


def _spread(groups: "pd.Series[str]") -> Doubles:
    """Return how far each point lies beside its group's place: evenly, so that neighbours in value lie apart."""
    order = groups.groupby(groups).cumcount()
    shuffled = ((order * _GOLDEN) % 1).groupby(groups)
    place = (shuffled.rank(method="first") - 0.5) / shuffled.transform("size")
    return _SPREAD * (place.to_numpy(np.float64) - 0.5)


def _codes(column: "pd.Series[str]", names: Sequence[str]) -> NDArray[np.int64]:
    """Return which of the names each value is, as its number."""
    places = {name: at for at, name in enumerate(names)}
    return np.array([places[one] for one in column], dtype=np.int64)


def _names(column: "pd.Series[str]") -> list[str]:
    return sorted(set(column))


def _legend(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(names) if len(names) > 1 else ()


def _doubles(frame: pd.DataFrame, name: str) -> Doubles:
    return frame[name].to_numpy(np.float64)
