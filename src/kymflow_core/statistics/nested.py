"""Means over nested samples: windows in images, images in vessels, vessels in animals.

The rule of this room: a sample is an animal, or whatever the outermost level is. Each level is averaged before the next
one, so that 500 windows of one animal are one sample, and n is stated at each level.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from kymflow_core.errors import PlotError

LEVELS = ("exp_subject_id", "exp_vessel_id", "image_id", "roi_id")
"""How samples are nested in a laboratory, the outermost first."""


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
        """Return one line, such as "awake: 0.52 ± 0.04 (SEM), n = 3 exp_subject_id, 7 exp_vessel_id, 812 values"."""
        counts = ", ".join(f"{count} {level}" for level, count in self.n.items())
        name = f"{self.group}: " if self.group else ""
        spread = f" ± {self.sem:.3g} (SEM)" if math.isfinite(self.sem) else ""
        return f"{name}{self.mean:.4g}{spread}, n = {', '.join(filter(None, [counts, f'{self.n_rows} values']))}"


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


def sample_means(frame: pd.DataFrame, value: str, *, group: str | None, level: Sequence[str]) -> pd.DataFrame:
    """Return one row a sample, averaged level by level: what is drawn as a point.

    Parameters
    ----------
    frame, value, group
        As in `nested_means`.
    level
        The levels, the outermost first; a sample is one of the outermost. Without any each row is a sample.

    Returns
    -------
    pandas.DataFrame
        `group`, `sample`, `value`, `n_rows`, and `row`: the label of the first of its rows in `frame`, which says where a
        click on the point leads.
    """
    rows = _checked(frame, value, [*([group] if group else []), *level])
    rows = rows.assign(_group=rows[group].astype("str") if group else "", _row=rows.index)
    if not level:
        samples = rows.index.astype("str")
        return pd.DataFrame(
            {
                "group": rows["_group"].array,
                "sample": samples.array,
                "value": rows[value].to_numpy(np.float64),
                "n_rows": 1,
                "row": rows["_row"].array,
            }
        )
    found = []
    for (name, sample), some in rows.groupby(["_group", level[0]], sort=True):
        means = _averaged(some, value, level)
        found.append(
            {
                "group": str(name),
                "sample": str(sample),
                "value": float(means.mean()),
                "n_rows": len(some),
                "row": some["_row"].iloc[0],
            }
        )
    return pd.DataFrame(found, columns=["group", "sample", "value", "n_rows", "row"])


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


def _averaged(rows: pd.DataFrame, value: str, levels: Sequence[str]) -> "pd.Series[float]":
    """Return the means of the outermost level, each the mean of the means of the next one."""
    if not levels:
        return rows[value].astype("float64")
    means = rows.groupby(list(levels), sort=True)[value].mean()
    for depth in range(len(levels) - 1, 0, -1):
        means = means.groupby(level=list(range(depth)), sort=True).mean()
    return means


def _checked(frame: pd.DataFrame, value: str, keys: Sequence[str]) -> pd.DataFrame:
    missing = [name for name in (value, *keys) if name not in frame.columns]
    if missing:
        raise PlotError(f"the rows have no column {', '.join(map(repr, missing))}; they have {list(frame.columns)}")
    if not pd.api.types.is_numeric_dtype(frame[value]) or pd.api.types.is_bool_dtype(frame[value]):
        raise PlotError(f"{value!r} has no numbers; choose a column of numbers")
    rows = frame[frame[value].notna()]
    for key in keys:
        lacking = int((rows[key].isna() | (rows[key].astype("str").str.strip() == "")).sum())
        if lacking:
            raise PlotError(
                f"{lacking} of {len(rows)} rows have no {key!r}, so it is not known of which they are; enter it, or leave "
                "these rows out with a filter"
            )
    return rows
