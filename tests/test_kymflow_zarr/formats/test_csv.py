"""CSV: text stays text, integers keep their digits, and what would have to be guessed is refused."""

import csv
import gzip
import io

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kymflow_zarr.errors import SourceError
from kymflow_zarr.formats.csv import frame_to_csv, frame_to_excel_csv, parse_csv, parse_own_csv
from kymflow_zarr.formats.frames import frame_to_table, table_to_frame
from kymflow_zarr.formats.table_csv import table_to_excel_csv
from kymflow_zarr.importing.sidecars import read_sidecars
from property_tests import examples


def table(text):
    return parse_csv(text.encode(), where="x.csv")


def columns(text):
    """Return a table's columns; missing values are None."""
    frame = table(text).frame
    return {name: [None if pd.isna(value) else value for value in frame[name].tolist()] for name in frame.columns}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("t,v\n0.1,3\n0.2,4\n", {"t": [0.1, 0.2], "v": [3, 4]}, id="plain"),
        pytest.param("t,v\r\n0.1,3\r\n\r\n", {"t": [0.1], "v": [3]}, id="lines of Windows, an empty line"),
        pytest.param("\ufefft,v\n1,2\n", {"t": [1], "v": [2]}, id="byte order mark"),
        pytest.param("t,v\n0.1,3,\n0.2,4,\n", {"t": [0.1, 0.2], "v": [3, 4]}, id="a comma at each row's end"),
        pytest.param("t,v,\n0.1,3,\n0.2,4,\n", {"t": [0.1, 0.2], "v": [3, 4]}, id="and at that of the names"),
        pytest.param("t,v\n0.1,3,,,\n0.2,4\n", {"t": [0.1, 0.2], "v": [3, 4]}, id="at some rows' ends"),
        pytest.param("t;v\n0,1;1,5\n0,2;-1,6e-1\n", {"t": [0.1, 0.2], "v": [1.5, -0.16]}, id="decimal commas"),
        pytest.param("t;v\n1;1,5\n2;3\n", {"t": [1, 2], "v": [1.5, 3.0]}, id="decimal commas and whole numbers"),
        pytest.param("t;v\n0.1;1.5\n", {"t": [0.1], "v": [1.5]}, id="semicolons and decimal points"),
        pytest.param("t\tv\n0,1\t1,5\n", {"t": [0.1], "v": [1.5]}, id="tabs"),
        pytest.param("sep=;\nt;v\n1;2\n", {"t": [1], "v": [2]}, id="the line of Excel"),
        pytest.param("# made by x, today\n% y\n// z\n\nt,v\n1,2\n", {"t": [1], "v": [2]}, id="comments"),
        pytest.param(
            "# x\n# t,v\n0.5,2\n1.5,3\n", {"t": [0.5, 1.5], "v": [2, 3]}, id="names in a comment, as numpy writes"
        ),
        pytest.param("0,1\n5,6\n", {"0": [5], "1": [6]}, id="names that pandas gives"),
        pytest.param(",v\n0,5\n1,6\n", {"Unnamed: 0": [0, 1], "v": [5, 6]}, id="the index that pandas writes"),
        pytest.param('n,v\n"a, b",1\n"say ""x""",2\n', {"n": ["a, b", 'say "x"'], "v": [1, 2]}, id="quoted"),
        pytest.param('"n","v"\n"1","2.5"\n', {"n": [1], "v": [2.5]}, id="all quoted, which says nothing"),
        pytest.param('n,v\n"1",2.5\n"3",4.5\n', {"n": ["1", "3"], "v": [2.5, 4.5]}, id="quoted numbers are text"),
        pytest.param("t,v\n", {"t": [], "v": []}, id="no rows"),
    ],
)
def test_what_can_be_read_is_read(text, expected):
    assert columns(text) == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param(["007", "012"], ["007", "012"], id="zeros in front"),
        pytest.param(["12E3", "2E10"], ["12E3", "2E10"], id="names with an E"),
        pytest.param(["NA", "x"], ["NA", "x"], id="NA among names"),
        pytest.param(["NA", "NA"], ["NA", "NA"], id="NA alone"),
        pytest.param(["None", "null"], ["None", "null"], id="other words for nothing"),
        pytest.param(["+5", "+6"], ["+5", "+6"], id="a plus that no number would be written with"),
        pytest.param(["-0", "1"], ["-0", "1"], id="minus nothing"),
        pytest.param(["1", "x"], ["1", "x"], id="a word among numbers"),
        pytest.param(["1,234", "5"], ["1,234", "5"], id="a comma that may divide thousands"),
        pytest.param(["1_000", "0x1f"], ["1_000", "0x1f"], id="what only Python calls numbers"),
        pytest.param(["1", "-2"], [1, -2], id="integers"),
        pytest.param(["1", ""], [1, None], id="integers with a gap"),
        pytest.param(["123456789123456789", ""], [123456789123456789, None], id="all digits beside a gap"),
        pytest.param([str(2**63), "1"], [2**63, 1], id="above 2^63"),
        pytest.param([str(2**64), "1"], [str(2**64), "1"], id="above 2^64"),
        pytest.param(["9" * 5000], ["9" * 5000], id="5000 digits"),
        pytest.param(["9007199254740993", "0.5"], ["9007199254740993", "0.5"], id="an integer that no float holds"),
        pytest.param(["1.50", "-.5", "3."], [1.5, -0.5, 3.0], id="decimals"),
        pytest.param(["1e-05", "2E+03", "1.5E3"], [1e-5, 2000.0, 1500.0], id="exponents as programs write them"),
        pytest.param(["+1.5", "2"], [1.5, 2.0], id="signs"),
        pytest.param(["inf", "-inf"], [np.inf, -np.inf], id="infinite"),
        pytest.param([" 1.5", "2 "], [1.5, 2.0], id="spaces"),
        pytest.param(["True", "False"], [True, False], id="truths"),
        pytest.param(["TRUE", ""], [True, None], id="truths of Excel, with a gap"),
        pytest.param(["", ""], [None, None], id="nothing"),
    ],
)
def test_a_column_has_the_type_of_all_its_values(values, expected):
    text = "v,n\n" + "".join(f'"{value}",x\n' if "," in value else f"{value},x\n" for value in values)
    assert columns(text)["v"] == expected


def test_what_becomes_missing_is_reported():
    read = table("v,n\n1.5,a\nNA,b\nN/A,c\n")
    assert read.notes == ("x.csv: its column 'v' has 'N/A', 'NA' among numbers: 2 values are missing",)
    assert read.frame["v"].isna().tolist() == [False, True, True]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param("", "it is empty", id="empty"),
        pytest.param("t,v\n1,2,3\n", "row 2 has 3 values, and its columns have 2 names", id="one value too many"),
        pytest.param("t,v\n1,2\n3\n", "row 3 has 1 values, and its columns have 2 names", id="one too few"),
        pytest.param("v\n1,5\n1,6\n", "row 2 has 2 values, and its columns have 1 names", id="commas of one column"),
        pytest.param("A title\nt,v\n1,2\n", "row 2 has 2 values, and its columns have 1 names", id="a title"),
        pytest.param("t,t\n1,2\n", "two columns have the name 't'", id="one name twice"),
        pytest.param("0.5,2\n1.5,3\n", "numbers and no names of columns in its first line", id="no names"),
        pytest.param(
            "t;v\n1,5;2.5\n", r"with a decimal point \(column 'v'\) and with a decimal comma \(column 't'\)", id="signs"
        ),
        pytest.param("a;b,c\n1;2,5\n", "could be divided into columns at ',' or at ';'", id="two dividers"),
        pytest.param('t,v\n"1,2\n', "a quotation mark", id="an open quotation mark"),
        pytest.param("t,v\n1,2\0\n3,4\n", "", id="a byte that is no text"),
    ],
)
def test_what_would_be_a_guess_is_refused_by_name(text, reason):
    if "\0" in text:
        assert columns(text)["v"] == ["2\0", "4"]
        return
    with pytest.raises(SourceError, match=rf"^x\.csv .*{reason}"):
        table(text)


def test_bytes_that_are_no_text_are_refused():
    with pytest.raises(SourceError, match=r"^x\.csv cannot be read as a table \(it is no text in UTF-8: "):
        parse_csv(b"t,v\n1,\xff\n", where="x.csv")


def test_names_beside_a_tiff_stay_text_in_every_ending(tmp_path):
    (tmp_path / "x.tif").touch()
    text = b"mouse,v\n007,1\n12E3,2\n"
    (tmp_path / "x.a.csv").write_bytes(text)
    (tmp_path / "x.b.csv.gz").write_bytes(gzip.compress(text))
    read = read_sidecars(tmp_path / "x.tif")
    for frame in (read.table_artifacts["a"], read.csv_gz_artifacts["b"]):
        assert frame["mouse"].tolist() == ["007", "12E3"]


TEXTS = st.sampled_from(["", "7", "007", "1.5", "True", "NA", "nan", 'say "x"', "a,b", "two\nlines", "\ue000", "x"])
INTEGERS = st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1))
FLOATS = st.one_of(st.floats(allow_nan=False), st.just(float("nan")))


@settings(deadline=None)
@given(st.lists(st.tuples(TEXTS, INTEGERS, FLOATS, st.booleans()), min_size=1, max_size=8))
def test_our_own_csv_gives_back_what_was_written(rows):
    texts, integers, floats, truths = zip(*rows, strict=True)
    frame = pd.DataFrame(
        {
            "text": pd.Series(texts, dtype="str"),
            "integer": pd.array(integers, dtype="Int64"),
            "float": pd.Series(floats, dtype="float64"),
            "truth": pd.Series(truths, dtype="bool"),
        }
    )
    again = parse_own_csv(frame_to_csv(frame), where="x.csv.gz")
    assert ["" if pd.isna(one) else one for one in again["text"].tolist()] == list(
        texts
    )  # missing and empty text are one in CSV
    assert [None if pd.isna(one) else int(one) for one in again["integer"].tolist()] == list(integers)
    np.testing.assert_array_equal(again["float"].to_numpy(np.float64), floats)
    assert again["truth"].tolist() == list(truths)


FORMULAS = ("=1+1", '=HYPERLINK("http://x","y")', "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\uff1d1", "'=1", "''-1")
HARMLESS = ("a=1", "'quoted'", "mouse-7", " =1", "12", "")


class TestForExcel:
    @pytest.mark.parametrize("dtype", ["str", "object", "category"])
    def test_no_text_and_no_name_is_a_formula_and_both_come_back_as_they_were(self, dtype):
        texts = [*FORMULAS, *HARMLESS[:-1], None]
        frame = pd.DataFrame({"=note": pd.Series(texts, dtype=dtype), "v": -1.5})
        data = frame_to_excel_csv(frame)
        with io.StringIO(data.decode("utf-8-sig"), newline="") as file:
            cells = [cell for row in csv.reader(file) for cell in row if cell != "-1.5"]
        assert [cell for cell in cells if cell[:1] in tuple("=+-@\t\r\n\uff1d")] == []
        assert len(cells) == 2 + len(texts)
        again = parse_csv(data, where="x.csv").frame
        assert [None if pd.isna(one) else one for one in again["=note"]] == texts
        assert again["v"].tolist() == [-1.5] * len(texts)

    def test_plain_csv_has_the_text_as_it_is(self):
        frame = pd.DataFrame({"note": [*FORMULAS, "'=1"]})
        data = frame_to_csv(frame)
        rows = list(csv.reader(io.StringIO(data.decode(), newline="")))
        assert rows == [["note"], *([text] for text in frame["note"])]
        assert parse_csv(data, where="x.csv").frame["note"].tolist() == frame["note"].tolist()

    @settings(max_examples=examples(50))
    @given(texts=st.lists(st.text("'=+-@\t\r\n,\"a1\uff1d", max_size=5).filter(lambda text: text.strip()), min_size=1))
    def test_any_text_comes_back(self, texts):
        frame = pd.DataFrame({"note": [*texts, "text"]})
        assert parse_csv(frame_to_excel_csv(frame), where="x.csv").frame["note"].tolist() == [*texts, "text"]


CELLS = st.one_of(TEXTS, st.sampled_from([*FORMULAS, *HARMLESS, "a\rb", "\r"]), st.none())


class TestOfArrow:
    """An Arrow table becomes the CSV that its frame becomes, to the byte."""

    @pytest.mark.slow
    @settings(deadline=None, max_examples=examples(200))
    @given(
        st.lists(st.tuples(CELLS, CELLS, INTEGERS, FLOATS, st.one_of(st.none(), st.booleans())), max_size=8),
        st.sampled_from(["v", "=v", "a,b", ""]),
    )
    def test_plain_columns(self, rows, name):
        texts, others, integers, floats, truths = zip(*rows, strict=True) if rows else ((),) * 5
        table = pa.table(
            {
                name: pa.array(texts, pa.string()),
                "other": pa.array(others, pa.large_string()),
                "integer": pa.array(integers, pa.int64()),
                "float": pa.array(floats, pa.float64()),
                "truth": pa.array(truths, pa.bool_()),
            }
        )
        titles = {"other": "other (s)"}
        frame = table_to_frame(table, what="x").rename(columns=titles)
        assert table_to_excel_csv(table, titles, what="x") == frame_to_excel_csv(frame)

    @settings(deadline=None, max_examples=examples(50))
    @given(st.lists(CELLS, min_size=1, max_size=4))
    def test_one_column(self, texts):
        table = pa.table({"only": pa.array(texts, pa.string())})
        assert table_to_excel_csv(table, {}, what="x") == frame_to_excel_csv(table_to_frame(table, what="x"))

    @pytest.mark.parametrize(
        "frame",
        [
            pytest.param(pd.DataFrame({"v": np.array([0.1, 2], np.float32)}), id="32-bit floats"),
            pytest.param(pd.DataFrame({"t": pd.to_datetime(["2025-07-01 12:00", None])}), id="times"),
            pytest.param(pd.DataFrame({"list": [[1, 2], None]}), id="lists"),
            pytest.param(pd.DataFrame({"kind": pd.Categorical(["a", "=b"])}), id="categories"),
            pytest.param(pd.DataFrame(), id="nothing"),
        ],
    )
    def test_other_columns(self, frame):
        table = frame_to_table(frame, what="x")
        assert table_to_excel_csv(table, {}, what="x") == frame_to_excel_csv(table_to_frame(table, what="x"))

    @pytest.mark.parametrize("index", [pd.Index([7, 8]), pd.Index(["a", "b"], name="id")], ids=["of rows", "named"])
    def test_an_index_that_another_program_stored(self, index):
        table = pa.Table.from_pandas(pd.DataFrame({"v": [1.5, 2]}, index=index))
        assert table_to_excel_csv(table, {}, what="x") == frame_to_excel_csv(table_to_frame(table, what="x"))
