"""The columns of velocity series, with their types and units: one row a window, the same for every method and program.

The rule of this room: series of any image can be stacked as they are. A value of another type is refused, never converted
by a guess; what is not known is missing.
"""

from numbers import Real
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd

from kymflow_core.columns import units_of_columns
from kymflow_core.errors import VelocityError
from kymflow_zarr import with_units

Method = Literal["likelihood", "radon_weighted", "radon_variance", "piv"]
METHODS: tuple[str, ...] = get_args(Method)
"""What the column `method` has in rows of this program."""
AT_LIMIT = "at limit"
"""The flag of a window whose streaks are steeper or flatter than the scan can show: its velocity is not valid."""
SPEED_LIMIT_WIDTHS = 0.8
"""Widths of a ROI that a cell may move in the time of one line; beyond, it leaves no streak that could be measured."""

VELOCITY_COLUMNS = {
    "roi_id": "int64",
    "channel": "int64",
    "method": "str",
    "window": "int64",
    "time_s": "float64",
    "velocity_mm_s": "float64",
    "velocity_all_mm_s": "float64",
    "velocity_low_mm_s": "float64",
    "velocity_high_mm_s": "float64",
    "velocity_window_mm_s": "float64",
    "quality": "float64",
    "explained": "float64",
    "evidence_nats": "float64",
    "flag": "str",
}
"""The columns in their order, each with its dtype in pandas; numbers and texts may be missing, whole numbers not.

`window` counts the windows of one ROI and channel from 0, `time_s` is the centre of the window from the first line.
`velocity_mm_s`, signed by direction, is missing where it is not valid; `velocity_all_mm_s` is the same before that
decision, `velocity_low_mm_s` and `velocity_high_mm_s` are its 95 % interval, and `velocity_window_mm_s` is what the window
alone says. `quality` is the probability to be right, `explained` the part of the variance that the model explains,
`evidence_nats` the logarithm of how much more probable the window is with moving cells than without. `flag` says why a
velocity is not valid.
"""
VELOCITY_UNITS = units_of_columns(VELOCITY_COLUMNS)
"""The units of the columns that have one."""

_WANTED = {"int64": "a whole number", "float64": "a number", "str": "text"}
_TYPES: dict[str, type] = {"int64": Real, "float64": Real, "str": str}


def conform_velocity(frame: pd.DataFrame, *, what: str) -> pd.DataFrame:
    """Return windows with exactly the columns of the schema, in their order, types and units.

    Parameters
    ----------
    frame
        One row a window. Of the columns in `VELOCITY_COLUMNS` those of whole numbers must be there; others that lack are
        missing in every row. Further columns are left out.
    what
        The windows, for messages, such as "the velocity of ROI 1".

    Raises
    ------
    VelocityError
        When a column of whole numbers lacks, or a value is of another type; the message names column and value.
    """
    whole = [name for name, dtype in VELOCITY_COLUMNS.items() if dtype == "int64"]
    lacking = [name for name in whole if name not in frame.columns]
    if lacking:
        raise VelocityError(f"{what} lacks the columns {lacking}; it has {list(frame.columns)}")
    columns = {
        name: _conformed(frame[name].reset_index(drop=True), dtype, f"{what}: {name!r}").array
        if name in frame.columns
        else pd.Series(None, index=range(len(frame)), dtype=dtype).array
        for name, dtype in VELOCITY_COLUMNS.items()
    }
    return with_units(pd.DataFrame(columns), VELOCITY_UNITS)


def _conformed(column: "pd.Series[Any]", dtype: str, what: str) -> "pd.Series[Any]":
    """Return a column in its dtype; raise `VelocityError` with the first value that has no place in it."""
    if str(column.dtype) == dtype:
        return column
    missing = column.isna()
    wrong = ~missing & ~_is_of_type(column, _TYPES[dtype])
    if dtype == "int64":
        wrong = wrong | missing
        wrong[~wrong] = ~column[~wrong].map(_is_int64).astype(bool)
    if wrong.any():
        place = int(np.flatnonzero(wrong.to_numpy())[0])
        value = column.iloc[place]
        shown = repr(value) if isinstance(value, str) else value
        raise VelocityError(f"{what} has {shown} in row {place}, and must have {_WANTED[dtype]}")
    if dtype == "float64":
        return pd.Series(pd.to_numeric(column).to_numpy(dtype=np.float64, na_value=np.nan))
    return pd.Series(column.array, dtype=dtype)


def _is_of_type(column: "pd.Series[Any]", wanted: type) -> "pd.Series[bool]":
    """Return which values are of a type; truths are no numbers, and a column of one type is looked at once."""
    if isinstance(column.dtype, pd.StringDtype):
        return pd.Series(wanted is str, index=column.index)
    if pd.api.types.is_integer_dtype(column) or pd.api.types.is_float_dtype(column):
        return pd.Series(wanted is Real, index=column.index)
    return column.map(lambda value: isinstance(value, wanted) and not isinstance(value, bool | np.bool_)).astype(bool)


def _is_int64(value: float) -> bool:
    return -(2**63) <= value < 2**63 and value == int(value)
