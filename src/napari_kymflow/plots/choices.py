"""What the user chose to plot, and what of it fits the rows of another table. Pure.

The rule of this room: a choice that fits stays when the table or its filter changes; in place of one that does not comes
the one that a person would make first.
"""

from dataclasses import dataclass, replace

from kymflow_core.statistics.nested import EACH_ROW, level_word
from kymflow_core.statistics.plots import Kind, PlotRequest
from napari_kymflow.plots.rows import PlotRows

KIND_TITLES: dict[Kind, str] = {
    "histogram": "Histogram",
    "box": "Box and points",
    "cumulative": "Cumulative",
    "scatter": "Scatter",
    "paired": "Before and after",
}
_FIRST_TABLES = ("radon_report", "velocity_events")
_FIRST_VALUES = ("mean_velocity", "velocity_mm_s", "extreme_mm_s", "score", "mean")
_FIRST_GROUPS = ("exp_condition", "kind")


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What is to be plotted.

    `table` and the columns `value`, `against` (along x), `group` (what splits the rows) and `color` are names, None where
    there is none; `sample` is the level of which a point is one, `EACH_ROW` for a point a row; `pair` is before and after;
    `only_good` leaves out what is outdated or not accepted.
    """

    table: str | None = None
    kind: Kind = "box"
    value: str | None = None
    against: str | None = None
    group: str | None = None
    color: str | None = None
    sample: str | None = None
    pair: tuple[str, str] | None = None
    only_good: bool = True

    @property
    def needs_x(self) -> bool:
        """Whether the plot has a quantity along x that is chosen."""
        return self.kind == "scatter"

    @property
    def needs_pair(self) -> bool:
        """Whether the plot is of two groups."""
        return self.kind == "paired"

    @property
    def has_colors(self) -> bool:
        """Whether points can have a colour of their own column."""
        return self.kind in ("box", "scatter", "paired")


def first_table(tables: list[str], chosen: str | None) -> str | None:
    """Return the chosen table where it is there, else the one to begin with; None where there is none."""
    wanted = [*([chosen] if chosen else []), *_FIRST_TABLES, *tables]
    return next((one for one in wanted if one in tables), None)


def fitting(choices: Choices, rows: PlotRows) -> Choices:
    """Return the choices with those replaced that rows do not fit."""
    quantities, groups = rows.quantities, rows.groups
    value = _first([choices.value, *_FIRST_VALUES, *quantities], quantities)
    others = [one for one in quantities if one != value]
    is_new = choices.value is None
    group = choices.group if choices.group in groups else None
    if group is None and (is_new or choices.needs_pair):
        group = _first([*_FIRST_GROUPS, *(groups if choices.needs_pair else [])], groups)
    names = rows.names_in(group) if group else []
    pair = choices.pair
    if pair is None or set(pair) - set(names) or pair[0] == pair[1]:
        pair = (names[0], names[1]) if len(names) > 1 else None
    return replace(
        choices,
        value=value,
        against=_first([choices.against, *others], quantities),
        group=group,
        color=choices.color if choices.color in groups else None,
        sample=_fitting_sample(choices, rows),
        pair=pair,
    )


def request_of(choices: Choices, rows: PlotRows) -> PlotRequest:
    """Return what to make of rows for choices that fit them."""
    return PlotRequest(
        kind=choices.kind,
        value=choices.value or "",
        group=choices.group,
        levels=rows.levels,
        sample=choices.sample,
        color=choices.color if choices.has_colors else None,
        against=choices.against,
        pair=choices.pair if choices.needs_pair else None,
    )


def sample_title(sample: str) -> str:
    """Return what is chosen for the points, such as "animal", or "row"."""
    return level_word(sample)


def _fitting_sample(choices: Choices, rows: PlotRows) -> str:
    """Return the level of a point: an animal where all are entered, since 500 windows of one are not 500 samples."""
    if choices.sample is not None and choices.sample in (EACH_ROW, *rows.levels):
        return choices.sample
    return rows.levels[0] if rows.levels else EACH_ROW


def _first(wanted: list[str | None], there: list[str]) -> str | None:
    return next((one for one in wanted if one in there), None)
