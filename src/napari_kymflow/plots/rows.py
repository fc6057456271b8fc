"""The rows that a plot is of: a table with its filter, with the experiment of each image. Safe in a worker.

The rule of this room: what is left out is counted and said.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from kymflow_core.artifacts import METHOD_COLUMN
from kymflow_core.statistics.nested import LEVELS, NOT_ENTERED, with_experiment
from kymflow_core.tables.freshness import State
from kymflow_zarr import ZarrDataset
from kymflow_zarr.counted import counted
from napari_kymflow.session.table_filters import RowFilter
from napari_kymflow.tables.metadata_form import NO
from napari_kymflow.tables.snapshot import DatasetSnapshot, quick_snapshot
from napari_kymflow.tables.views import table_view

_MOST_GROUPS = 30
_NO_QUANTITY = frozenset({"roi_id", "event_id", "channel", "z", "window", "i_start", "i_peak", "i_end", "blinded_seed"})
"""Numbers that only name something."""
_NO_GROUP = frozenset({"image_id", "record", "name", "note", "notes", "source", "acquired", "reviewed_utc", "shape"})
_LEFT_OUT: Mapping[str, str] = {State.OUTDATED.value: "outdated", State.DELETED.value: "of deleted images"}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PlotRows:
    """The rows of a table to plot; `total` is how many the table has, and `notes` say what was left out of them."""

    table: str = ""
    frame: pd.DataFrame = field(default_factory=pd.DataFrame)
    total: int = 0
    notes: tuple[str, ...] = ()

    @property
    def quantities(self) -> list[str]:
        """The columns of numbers that have any value."""
        return [str(name) for name in self.frame.columns if name not in _NO_QUANTITY and _is_quantity(self.frame[name])]

    @property
    def groups(self) -> list[str]:
        """The columns that split the rows into a few groups, those of the experiment first."""
        found = [str(name) for name in self.frame.columns if name not in _NO_GROUP and _is_group(self.frame[name])]
        return sorted(found, key=lambda name: not name.startswith("exp_"))

    @property
    def levels(self) -> tuple[str, ...]:
        """How the rows are nested, the outermost first: the levels that every row has."""
        return tuple(name for name in LEVELS if name in self.frame.columns and _is_entered(self.frame[name]).all())

    @property
    def missing_levels(self) -> dict[str, int]:
        """How many rows lack each level that they do not all have."""
        lacking = {name: int((~_is_entered(self.frame[name])).sum()) for name in LEVELS if name in self.frame.columns}
        return {name: count for name, count in lacking.items() if count}

    def row(self, label: int) -> "pd.Series[Any]":
        """Return the row with a label."""
        at = self.frame.index.get_indexer(pd.Index([label]))[0]
        return self.frame.iloc[int(at)]

    def names_in(self, column: str) -> list[str]:
        """Return the groups of a column, sorted."""
        return sorted(set(self.frame[column].dropna().astype("str"))) if column in self.frame.columns else []


def list_tables(snapshot: DatasetSnapshot, path: Path) -> list[str]:
    """Return the tables of a dataset, also those that nobody has read yet."""
    return list(dict.fromkeys([*snapshot.tables, *ZarrDataset(path, mode="r").list_table_names()]))


def read_rows(snapshot: DatasetSnapshot, path: Path, table: str, row_filter: RowFilter, *, only_good: bool) -> PlotRows:
    """Return the rows of a table that its filter lets through.

    Parameters
    ----------
    snapshot, path
        The dataset.
    table
        The table's name.
    row_filter
        What is typed above the table.
    only_good
        Whether outdated rows, and those of images that were not accepted, are left out.

    Raises
    ------
    KymflowZarrError
        When the table cannot be read.
    """
    dataset = ZarrDataset(path, mode="r")
    known = table in snapshot.tables
    frames = {table: snapshot.tables[table] if known else dataset.load_table(table)}
    images = quick_snapshot(dataset).images if snapshot.is_quick else snapshot.images
    shown = table_view(replace(snapshot, tables={**snapshot.tables, **frames}, images=images), table).frame
    mask = row_filter.rows(shown)
    notes = [] if mask is None else [f"{mask.sum():,} of {counted(len(shown), 'row')} by the table's filters"]
    frame = shown if mask is None else shown[mask]
    frame = _with_numbers(with_experiment(frame, images)) if "image_id" in frame.columns else frame
    if only_good:
        frame, left_out = _good(frame)
        notes += left_out
    if METHOD_COLUMN in frame.columns:
        methods = sorted(set(frame[METHOD_COLUMN].astype("str").where(frame[METHOD_COLUMN].notna(), NOT_ENTERED)))
        mixed = f"several methods are mixed ({', '.join(methods)}): filter the table by one"
        notes += [mixed] if len(methods) > 1 else []
    return PlotRows(table=table, frame=frame, total=len(shown), notes=tuple(notes))


def _with_numbers(frame: pd.DataFrame) -> pd.DataFrame:
    """Return rows with what was entered of the experiment as numbers where all of it is: a depth is a quantity."""
    numbers = {}
    for name in frame.columns:
        if str(name).startswith("exp_") and name not in LEVELS and pd.api.types.is_string_dtype(frame[name]):
            entered = frame[name].where(_is_entered(frame[name]))
            as_numbers = pd.to_numeric(entered, errors="coerce")
            if entered.notna().any() and as_numbers.notna().equals(entered.notna()):
                numbers[name] = as_numbers.astype("float64")
    return frame.assign(**numbers)


def _good(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    said = []
    if "state" in frame.columns:
        for state, words in _LEFT_OUT.items():
            rows = (frame["state"] == state).fillna(value=False).to_numpy(dtype=bool)
            said += [f"left out: {rows.sum():,} {words}"] if rows.any() else []
            frame = frame[~rows]
    if "accepted" in frame.columns:
        rows = frame["accepted"].astype("str").eq(NO).to_numpy(dtype=bool)
        said += [f"left out: {rows.sum():,} of images that are not accepted"] if rows.any() else []
        frame = frame[~rows]
    return frame, said


def _is_quantity(column: "pd.Series[Any]") -> bool:
    is_number = pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
    return bool(is_number and column.notna().any())


def _is_group(column: "pd.Series[Any]") -> bool:
    is_word = pd.api.types.is_string_dtype(column) or pd.api.types.is_bool_dtype(column)
    is_whole = pd.api.types.is_integer_dtype(column)
    return bool((is_word or is_whole) and column.notna().any() and column.nunique() <= _MOST_GROUPS)


def _is_entered(column: "pd.Series[Any]") -> "pd.Series[bool]":
    return column.notna() & (column.astype("str").str.strip() != "")
