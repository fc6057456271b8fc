"""What is typed to see some rows: the syntax for each kind of column, what is refused, and the search over all columns."""

import contextlib

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_kymflow.tables import filters
from napari_kymflow.tables.filters import FilterError, parse_filter, rows_that_match, rows_with_text

KINDS = pd.Series(["drop", "baseline_Drop", "stall", None, "", "–"], name="kind")
SCORES = pd.Series([0.123456789, 1, 2.5, 3, -4, np.nan], name="score")
COUNTS = pd.Series([1, 2, 3, 1_700_000_000_000_000_001], name="count")
NULLABLE = pd.Series([1, pd.NA, 3], dtype="Int64", name="lines")
OUTDATED = pd.Series([True, False, True], name="outdated")


@pytest.mark.parametrize(
    ("column", "text", "rows"),
    [
        pytest.param(KINDS, "", [0, 1, 2, 3, 4, 5], id="nothing is every row"),
        pytest.param(KINDS, "drop", [0, 1], id="contains, in either case"),
        pytest.param(KINDS, "=drop", [0], id="exactly"),
        pytest.param(KINDS, "= baseline_Drop", [1], id="exactly, after a space"),
        pytest.param(KINDS, "!drop", [2, 3, 4, 5], id="does not contain"),
        pytest.param(KINDS, "!=drop", [1, 2, 3, 4, 5], id="not exactly"),
        pytest.param(KINDS, "-", [3, 4, 5], id="a dash is no value, an empty text is none"),
        pytest.param(KINDS, "Missing", [3, 4, 5], id="missing"),
        pytest.param(KINDS, "!-", [0, 1, 2], id="has a value"),
        pytest.param(KINDS, "drop.*", [], id="no regular expression"),
        pytest.param(SCORES, "1", [1], id="a number equals"),
        pytest.param(SCORES, "0.12346", [0], id="as it is shown"),
        pytest.param(SCORES, "=0.12346", [], id="exactly, not as shown"),
        pytest.param(SCORES, "-4", [4], id="a negative number is no dash"),
        pytest.param(SCORES, "!1", [0, 2, 3, 4, 5], id="any other number, or none"),
        pytest.param(SCORES, ">2.5", [3], id="above"),
        pytest.param(SCORES, ">= 2.5", [2, 3], id="at least"),
        pytest.param(SCORES, "≥2.5", [2, 3], id="at least, as in print"),
        pytest.param(SCORES, "<1", [0, 4], id="below"),
        pytest.param(SCORES, "<=1e0", [0, 1, 4], id="at most"),
        pytest.param(SCORES, "1..3", [1, 2, 3], id="range with its ends"),
        pytest.param(SCORES, "-5 .. -1", [4], id="range of negative numbers"),
        pytest.param(SCORES, "..1", [0, 1, 4], id="range without a beginning"),
        pytest.param(SCORES, "2.5..", [2, 3], id="range without an end"),
        pytest.param(SCORES, "missing", [5], id="no number"),
        pytest.param(COUNTS, "1700000000000000001", [3], id="whole numbers to the last digit"),
        pytest.param(COUNTS, "1700000000000000000", [], id="whole numbers are not rounded"),
        pytest.param(NULLABLE, ">1", [2], id="nullable numbers"),
        pytest.param(NULLABLE, "-", [1], id="nullable numbers, missing"),
        pytest.param(OUTDATED, "yes", [0, 2], id="yes"),
        pytest.param(OUTDATED, "outd", [0, 2], id="the column's own name, half typed"),
        pytest.param(OUTDATED, "false", [1], id="false"),
        pytest.param(OUTDATED, "!yes", [1], id="not yes"),
    ],
)
def test_a_filter_finds_rows(column, text, rows):
    assert np.flatnonzero(rows_that_match(column, text)).tolist() == rows


@pytest.mark.parametrize(
    ("column", "text", "reason"),
    [
        pytest.param(SCORES, "drop", "'drop' is no filter for 'score', which holds numbers: write 5, >5", id="text"),
        pytest.param(SCORES, "=drop", "'=drop' is no filter for 'score', which holds numbers", id="exact text"),
        pytest.param(SCORES, "1,5", "'1,5' is no filter", id="comma"),
        pytest.param(SCORES, "..", "'..' is no filter", id="range of nothing"),
        pytest.param(KINDS, ">5", "'>5' is no filter for 'kind', which holds text: write drop", id="number for text"),
        pytest.param(KINDS, "1..3", "which holds text", id="range for text"),
        pytest.param(OUTDATED, "maybe", "which holds yes or no: write yes, no", id="neither yes nor no"),
        pytest.param(OUTDATED, ">0", "which holds yes or no", id="comparison of yes and no"),
        pytest.param(SCORES, ">", "'>' compares with no number: write >5", id="comparison with nothing"),
        pytest.param(SCORES, "<=few", "'<=few' compares with no number: write <=5", id="comparison with text"),
        pytest.param(SCORES, "3..1", "'3..1' ends before it begins: write 1..3", id="range turned round"),
        pytest.param(KINDS, "! ", "'!' says not what is left out", id="not nothing"),
    ],
)
def test_what_is_no_filter_is_refused_with_what_is(column, text, reason):
    with pytest.raises(FilterError, match=reason.replace("(", r"\(").replace(".", r"\.")):
        rows_that_match(column, text)


@given(text=st.text())
def test_any_text_is_a_filter_or_refused(text):
    with contextlib.suppress(FilterError):
        assert parse_filter(text).text == text


@given(text=st.text().filter(str.strip), rows=st.lists(st.text(), max_size=8))
def test_not_is_all_the_other_rows(text, rows):
    column = pd.Series(rows, dtype="str", name="kind")
    try:
        matching = rows_that_match(column, text)
    except FilterError:
        return
    assert np.array_equal(rows_that_match(column, f"!{text}"), ~matching)


@pytest.fixture
def events():
    """Three events: texts of both dtypes, numbers, whether outdated, and a missing value."""
    return pd.DataFrame(
        {
            "record": ["mouse 12", "Maus Ä", "mouse 12"],
            "kind": pd.Series(["drop", None, "stall"], dtype=object),
            "score": [12.0, 0.123456789, np.nan],
            "lines": [7, 12, 9],
            "outdated": [True, False, False],
        }
    )


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        pytest.param("", [0, 1, 2], id="nothing"),
        pytest.param("MOUSE", [0, 2], id="either case"),
        pytest.param("maus ä", [1], id="either case of an umlaut"),
        pytest.param("mouse stall", [2], id="words in two columns"),
        pytest.param("drop stall", [], id="every word must occur"),
        pytest.param("12", [0, 1, 2], id="a number, in texts and in numbers"),
        pytest.param("0.12346", [1], id="a number as it is shown"),
        pytest.param("ro", [0], id="inside a word"),
        pytest.param("outdated", [0], id="yes, by the column's name"),
        pytest.param(".*", [], id="no regular expression"),
    ],
)
def test_a_search_finds_rows(events, text, rows):
    assert np.flatnonzero(rows_with_text(events, text)).tolist() == rows


@pytest.mark.parametrize("text", ["n1", "=n1", "!n1", "-"])
def test_long_columns_of_distinct_texts_are_filtered_like_short_ones(monkeypatch, text):
    column = pd.Series(["n10", "N1", "n2", "m", "Ä", "n1", None], name="record")
    short = rows_that_match(column, text)
    monkeypatch.setattr(filters, "_SAMPLE", 3)
    assert filters.seems_distinct(column.iloc[:6])
    assert np.array_equal(rows_that_match(column.iloc[:6], text), short[:6])


def test_a_frame_without_rows_can_be_searched():
    assert rows_with_text(pd.DataFrame({"kind": []}), "drop").shape == (0,)


@pytest.mark.parametrize("text", ["2", "-", "!-", "=[1, 2]"])
def test_lists_are_filtered_by_their_text(text):
    column = pd.Series([[1, 2], None, {"a": 3}], dtype=object, name="odd")
    wanted = {"2": [True, False, False], "-": [False, True, False], "!-": [True, False, True]}
    assert rows_that_match(column, text).tolist() == wanted.get(text, [True, False, False])


def test_lists_are_searched_by_their_text():
    frame = pd.DataFrame({"odd": pd.Series([[1, 2], None, {"a": 3}], dtype=object)})
    assert rows_with_text(frame, "a").tolist() == [False, False, True]
