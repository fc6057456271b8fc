"""The numbers of a plot as tables for other programs. Pure."""

import pandas as pd

from napari_kymflow.plots.plots_view import ShownPlot


def numbers_of(shown: ShownPlot) -> pd.DataFrame:
    """Return what is drawn, one row a bar or point, with the record that each point leads to; empty without a plot."""
    if shown.plot is None:
        return pd.DataFrame()
    numbers, rows = shown.plot.numbers, shown.rows.frame
    if "row" not in numbers.columns:
        return numbers
    named = [name for name in ("record", "image_id", "roi_id", "event_id", "window") if name in rows.columns]
    about = rows.loc[numbers["row"], named].reset_index(drop=True)
    plain = numbers.drop(columns=["row", "row_after"], errors="ignore").reset_index(drop=True)
    return plain.join(about[[name for name in named if name not in plain.columns]])


def means_of(shown: ShownPlot) -> pd.DataFrame:
    """Return one row a group: its mean, averaged level by level, sd, sem, n at each level, and the number of values."""
    means = shown.plot.means if shown.plot is not None else ()
    return pd.DataFrame(
        [
            {
                "group": one.group,
                "mean": one.mean,
                "sd": one.sd,
                "sem": one.sem,
                **{f"n_{level}": count for level, count in one.n.items()},
                "n_values": one.n_rows,
            }
            for one in means
        ]
    )
