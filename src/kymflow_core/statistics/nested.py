"""Means over nested samples: windows in images, images in vessels, vessels in animals.

The rule of this room: a sample is an animal, or whatever the outermost level is. Each level is averaged before the next
one, so that 500 windows of one animal are one sample, and n is stated at each level.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from kymflow_core.columns import column_title
from kymflow_core.errors import PlotError
from kymflow_zarr.counted import counted

_WORDS = {"exp_subject_id": "animal", "exp_vessel_id": "vessel", "image_id": "image", "roi_id": "ROI"}
LEVELS = tuple(_WORDS)
"""How samples are nested in a laboratory, the outermost first."""
EACH_ROW = "row"
"""In place of a level: each row is a point, whatever it is of."""
SEVERAL, NOT_ENTERED = "several", "not entered"
"""The colour's value of a sample whose rows differ, and of one without any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NestedMean:
    """The mean of a quantity in one group, averaged level by level.

    `sd` and `sem` are over the outermost level, NaN where it has fewer than two samples; `n` is the number of samples at
    each level, the outermost first, and `n_rows` that of the values.
    """

    group: str
    mean: float
    sd: float
    sem: float
    n: Mapping[str, int]
    n_rows: int

    def summary(self) -> str:
        """Return one line, such as "awake: 0.52 ± 0.04 (SEM), n = 3 animals, 7 vessels, 812 values"."""
        counts = ", ".join(counted(count, level_word(level)) for level, count in self.n.items())
        name = f"{self.group}: " if self.group else ""
        spread = f" ± {self.sem:.3g} (SEM)" if math.isfinite(self.sem) else ""
        return f"{name}{self.mean:.4g}{spread}, n = {', '.join(filter(None, [counts, counted(self.n_rows, 'value')]))}"


def level_word(level: str) -> str:
    """Return what a sample of a level is called, such as "animal"; of a level that is not known the column's name."""
    return _WORDS.get(level, level)


def plot_title(name: str) -> str:
    """Return what a column is called in a plot, such as "mean (mm/s)", or "condition" for "exp_condition"."""
    word = level_word(name)
    return (
        word
        if word != name
        else column_title(name.removeprefix("exp_").replace("_", " ") if name.startswith("exp_") else name)
    )


def with_experiment(rows: pd.DataFrame, images: pd.DataFrame) -> pd.DataFrame:
    """Return rows of a table with the experiment's columns, and the name, of the image that each is of.

    Parameters
    ----------
    rows
        Rows of any table, with `image_id`; columns that they have themselves stay.
    images
        The table `images`.
    """
    wanted = [one for one in images.columns if one.startswith("exp_") or one in ("name", "accepted")]
    new = [one for one in wanted if one not in rows.columns]
    joined = rows.merge(images[["image_id", *new]], on="image_id", how="left", sort=False)
    joined.index = rows.index
    return joined


def levels_in(frame: pd.DataFrame) -> list[str]:
    """Return which of `LEVELS` rows have at all, the outermost first."""
    return [one for one in LEVELS if one in frame.columns and frame[one].notna().any()]


def nested_means(
    frame: pd.DataFrame, value: str, *, group: str | None = None, levels: Sequence[str] = ()
) -> list[NestedMean]:
    """Return the mean of a column in each group, averaged level by level from the innermost outwards.

    Parameters
    ----------
    frame
        Rows; those whose value is missing are left out.
    value
        The column of numbers.
    group
        The column that splits the rows, such as "exp_condition"; by default all are one group.
    levels
        How the samples are nested, the outermost first, such as `("exp_subject_id", "exp_vessel_id", "image_id")`; without
        any each row is a sample.

    Raises
    ------
    PlotError
        When a column is missing, the values are no numbers, or rows do not say of which group or sample they are: nobody
        knows how many samples there are then.
    """
    rows = _checked(frame, value, [*([group] if group else []), *levels])
    groups = rows.groupby(group, sort=True) if group else [("", rows)]
    return [_nested_mean(str(name), some, value, levels) for name, some in groups]


def sample_means(
    frame: pd.DataFrame,
    value: str,
    *,
    group: str | None,
    level: Sequence[str],
    sample: str | None = None,
    color: str | None = None,
) -> pd.DataFrame:
    """Return one row a sample, averaged level by level: what is drawn as a point.

    Parameters
    ----------
    frame, value, group
        As in `nested_means`.
    level
        The levels, the outermost first. Without any each row is a sample.
    sample
        The level of which each sample is one, such as "exp_vessel_id" for a point a vessel, or `EACH_ROW`; by default the
        outermost.
    color
        A column that colours the samples.

    Returns
    -------
    pandas.DataFrame
        `group`, `sample`, `value`, `n_rows`, and `row`: the label of the first of its rows in `frame`, which says where a
        click on the point leads. With a `color` also `color`: its value, `SEVERAL` where the rows of a sample differ,
        `NOT_ENTERED` where they have none.

    Raises
    ------
    PlotError
        As in `nested_means`, and where `sample` is none of the levels.
    """
    rows = _checked(frame, value, [*([group] if group else []), *level])
    rows = rows.assign(_group=rows[group].astype("str") if group else "", _row=rows.index)
    if color is not None:
        rows = rows.assign(_color=_colors(rows, color))
    if not level or sample == EACH_ROW:
        return _each_row(rows, value)
    depth = _depth(level, sample)
    keys = ["_group", *level[:depth]]
    samples = rows.groupby(keys, sort=True)
    found = samples["_row"].agg(["size", "first"]).rename(columns={"size": "n_rows", "first": "row"})
    found["value"] = _averaged(rows, value, ["_group", *level], keep=len(keys))
    if color is not None:
        found["color"] = samples["_color"].agg(_one_or_several)
    names = found.index.to_frame(index=False)
    named = found.reset_index(drop=True).assign(
        group=names["_group"].astype("str"),
        sample=[" / ".join(map(str, parts)) for parts in names[list(level[:depth])].itertuples(index=False)],
    )
    return named[["group", "sample", "value", "n_rows", "row", *(["color"] if color is not None else [])]]


def _each_row(rows: pd.DataFrame, value: str) -> pd.DataFrame:
    columns = {
        "group": rows["_group"].array,
        "sample": rows.index.astype("str").array,
        "value": rows[value].to_numpy(np.float64),
        "n_rows": 1,
        "row": rows["_row"].array,
    }
    return pd.DataFrame({**columns, **({"color": rows["_color"].array} if "_color" in rows.columns else {})})


def _depth(level: Sequence[str], sample: str | None) -> int:
    """Return how many of the levels name a sample."""
    if sample is None:
        return 1
    if sample not in level:
        raise PlotError(
            f"the rows do not all say of which {level_word(sample)} they are; enter it, or choose another point"
        )
    return level.index(sample) + 1


def _colors(rows: pd.DataFrame, color: str) -> "pd.Series[str]":
    if color not in rows.columns:
        raise PlotError(f"the rows have no column {color!r}; they have {list(rows.columns)}")
    return rows[color].astype("str").where(rows[color].notna(), NOT_ENTERED)


def _one_or_several(values: "pd.Series[str]") -> str:
    return str(values.iloc[0]) if (values == values.iloc[0]).all() else SEVERAL


def _nested_mean(name: str, rows: pd.DataFrame, value: str, levels: Sequence[str]) -> NestedMean:
    samples = _averaged(rows, value, levels)
    n_samples = len(samples)
    sd = float(samples.std(ddof=1)) if n_samples > 1 else math.nan
    counts = {level: len(rows[list(levels[: place + 1])].drop_duplicates()) for place, level in enumerate(levels)}
    return NestedMean(
        group=name,
        mean=float(samples.mean()) if n_samples else math.nan,
        sd=sd,
        sem=sd / math.sqrt(n_samples) if n_samples > 1 else math.nan,
        n=counts,
        n_rows=len(rows),
    )


def _averaged(rows: pd.DataFrame, value: str, levels: Sequence[str], *, keep: int = 1) -> "pd.Series[float]":
    """Return the means of the outermost levels, `keep` of them, each the mean of the means of the next one."""
    if not levels:
        return rows[value].astype("float64")
    means = rows.groupby(list(levels), sort=True)[value].mean()
    for depth in range(len(levels) - 1, keep - 1, -1):
        means = means.groupby(level=list(range(depth)), sort=True).mean()
    return means


def _checked(frame: pd.DataFrame, value: str, keys: Sequence[str]) -> pd.DataFrame:
    missing = [name for name in (value, *keys) if name not in frame.columns]
    if missing:
        raise PlotError(f"the rows have no column {', '.join(map(repr, missing))}; they have {list(frame.columns)}")
    if not pd.api.types.is_numeric_dtype(frame[value]) or pd.api.types.is_bool_dtype(frame[value]):
        raise PlotError(f"{plot_title(value)} has no numbers; choose a column of numbers")
    rows = frame[frame[value].notna()]
    for key in keys:
        lacking = int((rows[key].isna() | (rows[key].astype("str").str.strip() == "")).sum())
        if lacking:
            raise PlotError(
                f"{lacking} of {len(rows)} rows have no {plot_title(key)}, so it is not known of which they are; "
                "enter it, or leave these rows out with a filter"
            )
    return rows
