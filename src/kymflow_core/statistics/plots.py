"""What a plot shows, as numbers: histogram, box and points, cumulative, scatter, paired. No drawing.

The rule of this room: each plot has its numbers as a table, which is what is drawn and what is saved as CSV.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias, get_args

import numpy as np
import pandas as pd

from kymflow_core.errors import PlotError
from kymflow_core.statistics.nested import NestedMean, nested_means, plot_title, sample_means

Kind: TypeAlias = Literal["histogram", "box", "cumulative", "scatter", "paired"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlotRequest:
    """What is to be plotted: a column of numbers, and how the rows are split and averaged.

    `group` is the column that splits the rows; `levels` is how samples are nested, the outermost first, none for each row
    by itself; `sample` is the level of which each point is one, by default the outermost, or
    `EACH_ROW`. `color` is a column that colours
    points; `against` is the column along x of a scatter; `pair` are the two groups of a paired plot, before and after.
    """

    kind: Kind
    value: str
    group: str | None = None
    levels: tuple[str, ...] = ()
    sample: str | None = None
    color: str | None = None
    against: str | None = None
    pair: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Plot:
    """A plot as numbers.

    `numbers` is what is drawn, one row a bar, point or step; where a row is one sample, `row` is the label of its first row
    in the table, and `row_after` that of the second half of a pair. `means` are the means of the groups with n at each
    level, `x_title` and `y_title` have units, and `notes` say what was left out.
    """

    request: PlotRequest
    numbers: pd.DataFrame
    x_title: str
    y_title: str
    means: tuple[NestedMean, ...] = ()
    notes: tuple[str, ...] = field(default_factory=tuple)


def make_plot(frame: pd.DataFrame, request: PlotRequest) -> Plot:
    """Return a plot of rows of a table, with their filters applied, and with the experiment's columns.

    Raises
    ------
    PlotError
        When the request does not fit the rows, or no row has a value; the message says what to change.
    """
    made = {
        "histogram": _histogram,
        "box": _box,
        "cumulative": _cumulative,
        "scatter": _scatter,
        "paired": _paired,
    }
    if request.kind not in made:
        raise PlotError(f"a plot is one of {', '.join(KINDS)}, not {request.kind!r}")
    samples = _samples(frame, request, request.value, color=request.color)
    if not len(samples):
        raise PlotError(f"no row has a value in {plot_title(request.value)}; choose another column, or widen the filter")
    plot: Plot = made[request.kind](frame, samples, request)
    return plot


def _samples(frame: pd.DataFrame, request: PlotRequest, value: str, color: str | None = None) -> pd.DataFrame:
    return sample_means(frame, value, group=request.group, level=request.levels, sample=request.sample, color=color)


def _means(frame: pd.DataFrame, request: PlotRequest) -> tuple[NestedMean, ...]:
    return tuple(nested_means(frame, request.value, group=request.group, levels=request.levels))


def _histogram(frame: pd.DataFrame, samples: pd.DataFrame, request: PlotRequest) -> Plot:
    edges = np.histogram_bin_edges(samples["value"], bins="auto")
    parts = []
    for name, some in samples.groupby("group", sort=True):
        counts, _ = np.histogram(some["value"], bins=edges)
        parts.append(pd.DataFrame({"group": name, "left": edges[:-1], "right": edges[1:], "count": counts}))
    return Plot(
        request=request,
        numbers=pd.concat(parts, ignore_index=True),
        x_title=plot_title(request.value),
        y_title="samples",
        means=_means(frame, request),
    )


def _box(frame: pd.DataFrame, samples: pd.DataFrame, request: PlotRequest) -> Plot:
    groups = samples.groupby("group", sort=True)["value"]
    quartiles = {"lower_quartile": 0.25, "median": 0.5, "upper_quartile": 0.75}
    boxes = pd.DataFrame({name: groups.quantile(part) for name, part in quartiles.items()}).reset_index()
    return Plot(
        request=request,
        numbers=samples.merge(boxes, on="group", how="left"),
        x_title=plot_title(request.group) if request.group else "",
        y_title=plot_title(request.value),
        means=_means(frame, request),
    )


def _cumulative(frame: pd.DataFrame, samples: pd.DataFrame, request: PlotRequest) -> Plot:
    ordered = samples.sort_values(["group", "value"], kind="stable", ignore_index=True)
    groups = ordered.groupby("group", sort=True)["value"]
    part = (groups.cumcount() + 1) / groups.transform("size")
    return Plot(
        request=request,
        numbers=ordered.assign(part=part),
        x_title=plot_title(request.value),
        y_title="part of the samples",
        means=_means(frame, request),
    )


def _scatter(frame: pd.DataFrame, samples: pd.DataFrame, request: PlotRequest) -> Plot:
    if request.against is None:
        raise PlotError("a scatter needs a column along x; choose one")
    along = frame if request.against == request.value else frame[frame[request.value].notna()]
    others = _samples(along, request, request.against)
    both = samples.merge(others[["group", "sample", "value"]].rename(columns={"value": "x"}), on=["group", "sample"])
    lost = len(samples) - len(both)
    return Plot(
        request=request,
        numbers=both,
        x_title=plot_title(request.against),
        y_title=plot_title(request.value),
        notes=(f"{lost} without a value along x",) if lost else (),
    )


def _paired(frame: pd.DataFrame, samples: pd.DataFrame, request: PlotRequest) -> Plot:
    if request.group is None or not request.levels:
        raise PlotError("a paired plot needs a column that says before and after, and one that says of which sample")
    there = _names(samples["group"])
    first, second = request.pair or (there if len(there) == 2 else (None, None))
    if first is None or second is None or {first, second} - set(there):
        raise PlotError(f"a paired plot needs two groups of {plot_title(request.group)}; there are {', '.join(there)}")
    before, after = (samples[samples["group"] == one] for one in (first, second))
    other = after[["sample", "value", "row"]].rename(columns={"value": "after", "row": "row_after"})
    both = before.merge(other, on="sample")
    if not len(both):
        raise PlotError(f"no sample has both {first!r} and {second!r}; choose another column for the sample")
    paired_request = replace(request, pair=(str(first), str(second)))
    unpaired = len(set(before["sample"]) ^ set(after["sample"]))
    return Plot(
        request=paired_request,
        numbers=both.rename(columns={"value": "before"}).assign(difference=both["after"] - both["value"]),
        x_title=plot_title(request.group),
        y_title=plot_title(request.value),
        means=tuple(one for one in _means(frame, request) if one.group in (first, second)),
        notes=(f"{unpaired} without the other of the two",) if unpaired else (),
    )


def _names(groups: "pd.Series[str]") -> Sequence[str]:
    return sorted(set(groups))
