"""What a person types to see some rows of a table: one text a column, and one search over all columns.

The rule of this room: a text that means nothing for a column is refused with what can be written there; it is never
guessed at. Nothing here knows of Qt.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kymflow_core.columns import column_title

MISSING = "–"


Rows = NDArray[np.bool_]
Kind = Literal["any", "missing", "contains", "exactly", "range"]

NO_VALUE = ("", "–")
"""Texts that stand for a value that is not there: nothing, and the dash that tables show."""
SYNTAX = (
    "Text: drop (contains), =drop (exactly), !drop (does not contain)\n"
    "Numbers: 5, >5, >=5, <5, <=5, 1..3, ..3, 1..\n"
    "- or missing (no value), !- (has a value)"
)

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_COMPARISON = re.compile(r"(>=|<=|>|<|≥|≤)\s*(.*)", re.DOTALL)
_FOR_TEXT = "write drop (contains), =drop (exactly), !drop (does not contain), - (no value)"
_FOR_NUMBERS = "write 5, >5, >=5, <5, <=5, 1..3, ..3, 1.., !5, - (no value)"
_FOR_FLAGS = "write yes, no, - (no value)"
_SHOWN_DIGITS = 5
_SAMPLE = 20_000


class FilterError(ValueError):
    """A text that is no filter for its column; the message says what is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """What was typed, taken apart; which column it is for is not known yet."""

    text: str
    kind: Kind
    word: str = ""
    """What the value contains or is."""
    low: float = -math.inf
    high: float = math.inf
    with_low: bool = True
    with_high: bool = True
    negated: bool = False
    """Whether the other rows are meant."""


def parse_filter(text: str) -> Filter:
    """Return what a text asks for.

    Raises
    ------
    FilterError
        When a comparison or a range has no number, a range ends before it begins, or there is nothing after ``!``.

    Examples
    --------
    >>> parse_filter("1..3").high
    3
    """
    asked = text.strip()
    if not asked:
        return Filter(text=text, kind="any")
    if asked[0] == "!":
        if not asked[1:].strip():
            raise FilterError(f"{asked!r} says not what is left out: write !drop (does not contain), !- (has a value)")
        others = parse_filter(asked[1:])
        return replace(others, text=text, negated=not others.negated)
    if asked == "-" or asked.casefold() == "missing":
        return Filter(text=text, kind="missing")
    if asked[0] == "=":
        return Filter(text=text, kind="exactly", word=asked[1:].strip())
    comparison = _COMPARISON.fullmatch(asked)
    if comparison is not None:
        return _parse_comparison(text, *comparison.groups())
    first, dots, last = (part.strip() for part in asked.partition(".."))
    if dots and (first or last) and all(not end or _NUMBER.fullmatch(end) for end in (first, last)):
        return _parse_range(text, first, last)
    return Filter(text=text, kind="contains", word=asked)


def rows_that_match(column: "pd.Series[Any]", text: str) -> Rows:
    """Return which rows of a column are what a text asks for (n,), one bool a row.

    Upper and lower case are alike, except after ``=``. A bare number is compared as it is shown, to 5 significant digits;
    after ``=`` exactly. Rows without a value match only ``-`` and what is negated. Empty texts and dashes are no value.

    Raises
    ------
    FilterError
        When the text is no filter for what the column holds.
    """
    asked = parse_filter(text)
    if asked.kind == "any":
        return np.ones(len(column), dtype=bool)
    column = as_texts(column)
    if asked.kind == "missing":
        rows = _missing(column)
    elif pd.api.types.is_bool_dtype(column.dtype):
        rows = _flags_that_match(column, asked)
    elif pd.api.types.is_numeric_dtype(column.dtype):
        rows = _numbers_that_match(column, asked)
    else:
        rows = _texts_that_match(column, asked)
    return ~rows if asked.negated else rows


def rows_with_text(frame: pd.DataFrame, text: str) -> Rows:
    """Return which rows have every word of a text in some column (n,), one bool a row.

    A word is found within texts, upper and lower case alike; in a column of numbers it must be the number, as it is shown;
    in a column of yes and no it is found within the column's name, where the row says yes.
    """
    words = text.split()
    found = [np.zeros(len(frame), dtype=bool) for _ in words]
    for position in range(frame.shape[1] if words else 0):
        for rows, hits in zip(found, _hits(frame.iloc[:, position], words), strict=True):
            if hits is not None:
                rows |= hits
    every = np.ones(len(frame), dtype=bool)
    for rows in found:
        every &= rows
    return every


def as_texts(column: "pd.Series[Any]") -> "pd.Series[Any]":
    """Return a column, its values as text where they are lists and the like, which can be neither sorted nor looked up."""
    if not pd.api.types.is_object_dtype(column.dtype):
        return column
    kind = pd.api.types.infer_dtype(column)
    return column.map(str, na_action="ignore") if kind in ("mixed", "mixed-integer") else column


def seems_distinct(column: "pd.Series[Any]") -> bool:
    """Return whether a long column's texts hardly ever repeat, so that to number the distinct ones would only cost time."""
    if not isinstance(column.dtype, pd.StringDtype) or len(column) <= _SAMPLE:
        return False
    sample = column.iloc[:: len(column) // _SAMPLE]
    return bool(sample.nunique() == len(sample))


def _parse_comparison(text: str, sign: str, number: str) -> Filter:
    if not _NUMBER.fullmatch(number.strip()):
        raise FilterError(f"{text.strip()!r} compares with no number: write {sign}5")
    value = _to_number(number)
    if sign in (">", ">=", "≥"):
        return Filter(text=text, kind="range", low=value, with_low=sign != ">")
    return Filter(text=text, kind="range", high=value, with_high=sign != "<")


def _parse_range(text: str, first: str, last: str) -> Filter:
    low = _to_number(first) if first else -math.inf
    high = _to_number(last) if last else math.inf
    if low > high:
        raise FilterError(f"{text.strip()!r} ends before it begins: write {last}..{first}")
    return Filter(text=text, kind="range", low=low, high=high)


def _to_number(text: str) -> float:
    # Whole numbers stay whole: times in nanoseconds have more digits than a float.
    try:
        return int(text)
    except ValueError:
        return float(text)


def _missing(column: "pd.Series[Any]") -> Rows:
    rows = column.isna().to_numpy(dtype=bool)
    if _holds_text(column):
        rows = rows | column.isin(NO_VALUE).to_numpy(dtype=bool)
    return rows


def _holds_text(column: "pd.Series[Any]") -> bool:
    return pd.api.types.is_object_dtype(column.dtype) or pd.api.types.is_string_dtype(column.dtype)


def _flags_that_match(column: "pd.Series[Any]", asked: Filter) -> Rows:
    word = asked.word.casefold()
    yes = any(meant.startswith(word) for meant in ("yes", "true", "1", str(column.name).casefold()))
    no = any(meant.startswith(word) for meant in ("no", "false", "0"))
    if asked.kind == "range" or not word or not (yes or no):
        raise _refused(column, asked, "yes or no", _FOR_FLAGS)
    return column.eq(yes).fillna(value=False).to_numpy(dtype=bool)


def _numbers_that_match(column: "pd.Series[Any]", asked: Filter) -> Rows:
    values = _numbers(column)
    if asked.kind != "range":
        if not _NUMBER.fullmatch(asked.word):
            raise _refused(column, asked, "numbers", _FOR_NUMBERS)
        number = _to_number(asked.word)
        return values == number if asked.kind == "exactly" else _as_shown(values, number)
    rows = np.ones(len(values), dtype=bool) if values.dtype.kind in "iu" else ~np.isnan(values)
    if asked.low > -math.inf:
        rows &= values >= asked.low if asked.with_low else values > asked.low
    if asked.high < math.inf:
        rows &= values <= asked.high if asked.with_high else values < asked.high
    return rows


def _texts_that_match(column: "pd.Series[Any]", asked: Filter) -> Rows:
    if asked.kind == "range":
        raise _refused(column, asked, "text", _FOR_TEXT)
    codes, texts = _distinct(column)
    if asked.kind == "exactly":
        return _in_rows((texts == asked.word).to_numpy(dtype=bool), codes)
    return _in_rows(_containing(texts, asked.word), codes)


def _hits(column: "pd.Series[Any]", words: list[str]) -> Iterator[Rows | None]:
    """Yield each word's rows in one column, None where the column cannot have it."""
    if pd.api.types.is_bool_dtype(column.dtype):
        name = str(column.name).casefold()
        flags = column.eq(other=True).fillna(value=False).to_numpy(dtype=bool)
        yield from (flags if word.casefold() in name else None for word in words)
    elif pd.api.types.is_numeric_dtype(column.dtype):
        for word in words:
            yield _as_shown(_numbers(column), _to_number(word)) if _NUMBER.fullmatch(word) else None
    else:
        codes, texts = _distinct(as_texts(column))
        for word in words:
            hits = _containing(texts, word)
            yield _in_rows(hits, codes) if hits.any() else None


def _numbers(column: "pd.Series[Any]") -> NDArray[Any]:
    if isinstance(column.dtype, np.dtype):
        return column.to_numpy()
    return column.to_numpy(dtype=float, na_value=np.nan)


def _as_shown(values: NDArray[Any], number: float) -> Rows:
    """Return which values are shown as a number: a person copies 0.12346 from the table, where the value is 0.123456789."""
    is_shown_so = number != 0 and float(f"{number:.{_SHOWN_DIGITS}g}") == number
    if values.dtype.kind in "iu" or not is_shown_so:
        return np.asarray(values == number)
    half = 0.5 * 10.0 ** (math.floor(math.log10(abs(number))) - _SHOWN_DIGITS + 1)
    return np.asarray(np.abs(values - number) <= half)


def _distinct(column: "pd.Series[Any]") -> tuple[NDArray[np.intp], "pd.Series[Any]"]:
    """Return each row's place among the column's distinct texts, -1 where there is no value, and these texts."""
    if seems_distinct(column):
        return np.arange(len(column)), column
    codes, values = pd.factorize(column)
    return codes, pd.Series(values).astype("str")


def _containing(texts: "pd.Series[Any]", word: str) -> Rows:
    return texts.str.contains(word, case=False, regex=False, na=False).to_numpy(dtype=bool)


def _in_rows(hits: Rows, codes: NDArray[np.intp]) -> Rows:
    # The place -1, of rows without a value, takes what is appended.
    return np.append(hits, values=False)[codes]


def _refused(column: "pd.Series[Any]", asked: Filter, holds: str, possible: str) -> FilterError:
    return FilterError(
        f"{asked.text.strip()!r} is no filter for {column_title(str(column.name))!r}, which holds {holds}: {possible}"
    )


def as_text(value: object) -> str:
    """Return a value as a person reads it: 5 significant digits, times to the second, a dash for what is missing."""
    if value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and math.isnan(value)):
        return MISSING
    if isinstance(value, float | np.floating):
        return f"{value:.5g}"
    return f"{value:%Y-%m-%d %H:%M:%S}" if isinstance(value, datetime) else str(value)
