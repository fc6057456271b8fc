"""Frames to Parquet and back, and frames together."""

import io

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kymflow_zarr import concatenate_frames, units_of, with_units
from kymflow_zarr.errors import DamagedError, InvalidValueError
from kymflow_zarr.formats import parquet, parquet_limits
from kymflow_zarr.formats.csv_gz import frame_from_csv_gz, frame_to_csv_gz
from kymflow_zarr.formats.frames import frame_from_parquet, frame_to_parquet
from property_tests import examples

EVERY_KIND = pd.DataFrame(
    {
        "text": ["a", "µ", ""],
        "number": [1.5, np.nan, -0.0],
        "count": [1, 2, 2**62],
        "flag": [True, False, True],
    }
)


def arrow_types(data):
    return {field.name: str(field.type) for field in pq.read_schema(io.BytesIO(data))}


class TestParquet:
    def test_a_frame_survives_a_round_trip(self):
        pd.testing.assert_frame_equal(frame_from_parquet(frame_to_parquet(EVERY_KIND, what="x"), what="x"), EVERY_KIND)

    def test_an_empty_frame_keeps_its_dtypes(self):
        empty = EVERY_KIND[:0]
        assert dict(frame_from_parquet(frame_to_parquet(empty, what="x"), what="x").dtypes) == dict(empty.dtypes)

    @settings(max_examples=examples(20))
    @given(
        texts=st.lists(st.text() | st.none(), min_size=1, max_size=5),
        numbers=st.lists(st.floats(allow_nan=False), min_size=1, max_size=5),
    )
    def test_texts_and_numbers_survive_a_round_trip(self, texts, numbers):
        frame = pd.DataFrame({"text": pd.Series(texts, dtype="str"), "number": pd.Series(numbers, dtype="float64")})
        pd.testing.assert_frame_equal(frame_from_parquet(frame_to_parquet(frame, what="x"), what="x"), frame)

    @pytest.mark.parametrize(
        "dtype", ["str", "object", "string[pyarrow]", "string[python]", pd.ArrowDtype(pa.large_string())], ids=str
    )
    def test_text_is_stored_as_arrow_string(self, dtype):
        frame = pd.DataFrame({"text": pd.Series(["a"], dtype=dtype)})
        assert arrow_types(frame_to_parquet(frame, what="x")) == {"text": "string"}

    def test_a_column_of_nulls_is_stored_as_arrow_string(self):
        frame = pd.DataFrame({"note": pd.Series([None, None], dtype="object")})
        assert arrow_types(frame_to_parquet(frame, what="x")) == {"note": "string"}

    def test_the_index_is_not_stored(self):
        frame = pd.DataFrame({"a": [1, 2]}, index=[7, 8])
        assert list(frame_from_parquet(frame_to_parquet(frame, what="x"), what="x").index) == [0, 1]

    @pytest.mark.parametrize("columns", [["a", "a"], ["a", 1]], ids=["twice the same", "a number"])
    def test_columns_that_are_no_different_texts_are_refused(self, columns):
        with pytest.raises(InvalidValueError, match="x: column names must be different strings, not"):
            frame_to_parquet(pd.DataFrame([[1, 2]], columns=columns), what="x")

    @pytest.mark.parametrize("values", [[1, "a"], [object()], ["\ud800"]], ids=["mixed", "objects", "half a character"])
    def test_values_of_no_arrow_type_are_refused(self, values):
        with pytest.raises(InvalidValueError, match="x cannot be stored as a table: "):
            frame_to_parquet(pd.DataFrame({"a": pd.Series(values, dtype="object")}), what="x")

    @pytest.mark.parametrize(
        "damage", [lambda b: b"", lambda b: b[:-9], lambda b: b"PAR1" * 9], ids=["empty", "torn", "other"]
    )
    def test_bytes_that_are_no_parquet_are_damage(self, damage):
        with pytest.raises(DamagedError, match="x is not readable Parquet"):
            frame_from_parquet(damage(frame_to_parquet(EVERY_KIND, what="x")), what="x")


class TestConcatenate:
    def test_rows_keep_their_order(self):
        frames = [pd.DataFrame({"a": [1, 2]}), pd.DataFrame({"a": [0]})]
        assert concatenate_frames(frames, what="x")["a"].tolist() == [1, 2, 0]

    @pytest.mark.parametrize(
        "column",
        [
            pytest.param(pd.Series([], dtype="object"), id="empty object"),
            pytest.param(pd.Series([], dtype="str"), id="empty text"),
            pytest.param(pd.Series([None, None], dtype="object"), id="null objects"),
            pytest.param(pd.Series([None, None], dtype="str"), id="null texts"),
        ],
    )
    @pytest.mark.parametrize("first", [True, False], ids=["first", "last"])
    @pytest.mark.parametrize("values", [[1.5], ["a"], [True]], ids=["numbers", "texts", "flags"])
    def test_a_column_without_values_fits_any_other(self, column, first, values):
        frames = [pd.DataFrame({"a": column}), pd.DataFrame({"a": values})]
        joined = concatenate_frames(frames if first else frames[::-1], what="x")
        assert joined["a"].dropna().tolist() == values

    def test_a_column_without_values_does_not_change_the_dtype_of_numbers(self):
        frames = [pd.DataFrame({"a": pd.Series([None], dtype="str")}), pd.DataFrame({"a": [1.5]})]
        assert concatenate_frames(frames, what="x")["a"].dtype == "float64"

    def test_an_empty_frame_does_not_change_the_dtypes_of_the_others(self):
        empty = pd.DataFrame(columns=list(EVERY_KIND.columns))
        assert dict(concatenate_frames([empty, EVERY_KIND], what="x").dtypes) == dict(EVERY_KIND.dtypes)

    def test_empty_frames_together_keep_their_dtypes(self):
        assert dict(concatenate_frames([EVERY_KIND[:0], EVERY_KIND[:0]], what="x").dtypes) == dict(EVERY_KIND.dtypes)

    def test_a_column_that_one_frame_lacks_is_missing_there(self):
        joined = concatenate_frames([pd.DataFrame({"a": [1]}), pd.DataFrame({"b": ["x"]})], what="x")
        assert joined.isna().to_numpy().tolist() == [[False, True], [True, False]]

    def test_whole_numbers_widen_to_fractions(self):
        frames = [pd.DataFrame({"a": [1]}), pd.DataFrame({"a": [0.5]})]
        assert concatenate_frames(frames, what="x")["a"].tolist() == [1.0, 0.5]

    def test_texts_of_both_arrow_types_fit_together(self):
        frames = [
            pd.DataFrame({"a": pd.Series(["x"], dtype=pd.ArrowDtype(kind()))}) for kind in (pa.string, pa.large_string)
        ]
        assert concatenate_frames(frames, what="x")["a"].tolist() == ["x", "x"]

    def test_text_and_numbers_are_refused(self):
        with pytest.raises(InvalidValueError, match=r"the rows of x do not fit together: .* Field a has incompatible"):
            concatenate_frames([pd.DataFrame({"a": ["1"]}), pd.DataFrame({"a": [1]})], what="x")

    def test_text_and_numbers_within_one_frame_are_refused(self):
        with pytest.raises(InvalidValueError, match="x cannot be stored as a table"):
            concatenate_frames([pd.DataFrame({"a": ["1", 1]})], what="x")

    def test_no_frames_are_refused(self):
        with pytest.raises(InvalidValueError, match="the rows of x do not fit together"):
            concatenate_frames([], what="x")


def test_a_named_index_of_another_program_is_a_column(tmp_path):
    pd.DataFrame({"image_id": ["a", "b"], "v": [1.0, 2.0]}).set_index("image_id").to_parquet(tmp_path / "x.parquet")
    frame = frame_from_parquet((tmp_path / "x.parquet").read_bytes(), what="x")
    assert frame.to_dict("list") == {"image_id": ["a", "b"], "v": [1.0, 2.0]}


BIG = 123_456_789_123_456_789
"""An integer that no float holds."""


class TestIntegersWithGaps:
    @pytest.mark.parametrize(
        ("values", "kind"),
        [
            pytest.param([BIG, None, -BIG], pa.int64(), id="int64"),
            pytest.param([2**64 - 1, None], pa.uint64(), id="uint64"),
            pytest.param([5, None], pa.int8(), id="int8"),
            pytest.param([[BIG, None], [], None], pa.list_(pa.int64()), id="lists"),
            pytest.param([{"t": BIG}, {"t": None}, None], pa.struct([("t", pa.int64())]), id="objects"),
            pytest.param([{"t": BIG}, None], pa.struct([("t", pa.int64())]), id="a missing object"),
            pytest.param([{"t": [BIG, None]}], pa.struct([("t", pa.list_(pa.int64()))]), id="lists in objects"),
            pytest.param([[{"t": BIG}, {"t": None}]], pa.list_(pa.struct([("t", pa.int64())])), id="objects in lists"),
        ],
    )
    def test_keep_every_digit_when_they_are_loaded_and_saved(self, values, kind):
        table = pa.table({"first": range(len(values)), "n": pa.array(values, kind)})
        sink = io.BytesIO()
        pq.write_table(table, sink)
        frame = frame_from_parquet(sink.getvalue(), what="x")
        again = pq.read_table(io.BytesIO(frame_to_parquet(frame, what="x")))
        assert again["n"].to_pylist() == values
        assert frame["first"].tolist() == list(range(len(values)))

    @pytest.mark.parametrize("values", [[BIG, None], [2**63, None]])
    def test_keep_every_digit_in_csv_gz(self, values):
        dtype = "Int64" if max(filter(None, values)) < 2**63 else "UInt64"
        frame = pd.DataFrame({"n": pd.array(values, dtype=dtype)})
        again = frame_from_csv_gz(frame_to_csv_gz(frame, what="x"), what="x")
        pd.testing.assert_frame_equal(again, frame)

    def test_columns_without_a_gap_have_their_usual_types(self):
        frame = pd.DataFrame({"n": [1, 2], "m": pd.array([BIG, None], dtype="Int64"), "l": [[1, 2], [3]]})
        again = frame_from_parquet(frame_to_parquet(frame, what="x"), what="x")
        assert (str(again["n"].dtype), str(again["m"].dtype)) == ("int64", "Int64")

    def test_rows_that_lack_the_column_leave_gaps(self):
        joined = concatenate_frames([pd.DataFrame({"n": [BIG]}), pd.DataFrame({"v": [0.5]})], what="x")
        assert joined["n"].tolist() == [BIG, pd.NA]


class TestUnits:
    FRAME = with_units(pd.DataFrame({"v": [1.0], "n": [1]}), {"v": "mm/s", "gone": "s"})

    def test_are_in_the_fields_metadata_and_come_back(self):
        data = frame_to_parquet(self.FRAME, what="x")
        fields = pq.read_schema(io.BytesIO(data))
        assert (fields.field("v").metadata, fields.field("n").metadata) == ({b"units": b"mm/s"}, None)
        assert units_of(frame_from_parquet(data, what="x")) == {"v": "mm/s"}

    def test_of_frames_together_are_the_last_that_are_stated(self):
        other = with_units(pd.DataFrame({"v": [2.0], "t": [0.5]}), {"v": "m/s", "t": "s"})
        joined = concatenate_frames([pd.DataFrame({"v": [0.0]}), self.FRAME, other], what="x")
        assert units_of(joined) == {"v": "m/s", "t": "s"}

    def test_that_are_stated_anew_replace_those_before(self):
        assert units_of(with_units(self.FRAME, {"n": "1"})) == {"n": "1"}
        assert units_of(self.FRAME) == {"v": "mm/s"}

    def test_that_are_no_texts_are_none(self):
        frame = pd.DataFrame({"v": [1.0]})
        frame.attrs["units"] = {"v": 3}
        assert units_of(frame_from_parquet(frame_to_parquet(frame, what="x"), what="x")) == {}


class TestIndex:
    FRAME = pd.DataFrame({"roi_id": [1, 1, 2], "channel": [1, 1, 1], "v": [1.0, 3.0, 5.0]})
    WAYS = pytest.mark.parametrize(
        ("to_bytes", "from_bytes"), [(frame_to_parquet, frame_from_parquet), (frame_to_csv_gz, frame_from_csv_gz)]
    )

    @WAYS
    @pytest.mark.parametrize("by", [["roi_id"], ["roi_id", "channel"]])
    def test_a_named_one_is_kept_as_columns(self, to_bytes, from_bytes, by):
        means = self.FRAME.groupby(by)[["v"]].mean()
        again = from_bytes(to_bytes(means, what="x"), what="x")
        pd.testing.assert_frame_equal(again, means.reset_index())

    @WAYS
    def test_one_of_values_without_a_name_is_refused(self, to_bytes, from_bytes):
        with pytest.raises(InvalidValueError, match=r"^x: its index has values and no name; name it with rename_axis"):
            to_bytes(pd.DataFrame({"v": [1.0]}, index=["mouse 7"]), what="x")

    @WAYS
    def test_one_with_the_name_of_a_column_is_refused(self, to_bytes, from_bytes):
        frame = pd.DataFrame({"v": [1.0]}, index=pd.Index([4.0], name="v"))
        with pytest.raises(InvalidValueError, match=r"^x: its index has the name of a column, 'v'; name it"):
            to_bytes(frame, what="x")


class TestLimits:
    def test_a_table_of_equal_values_above_the_number_that_any_file_may_have_is_read_again(self, monkeypatch):
        monkeypatch.setattr(parquet_limits, "SPARSE_CELLS", 100_000)
        frame = pd.DataFrame({"image_id": "a" * 36, "kind": "low", "value": np.zeros(100_000)})
        pd.testing.assert_frame_equal(frame_from_parquet(frame_to_parquet(frame, what="x"), what="x"), frame)

    def test_a_small_file_that_says_that_it_has_many_rows_is_not_believed(self, monkeypatch):
        data = frame_to_parquet(pd.DataFrame({"value": ["low"] * 100_000}), what="x")
        monkeypatch.setattr(parquet_limits, "SPARSE_CELLS", 1000)
        with pytest.raises(DamagedError, match=r"says that it has 100000 rows in .* bytes, which is not believable"):
            frame_from_parquet(data, what="x")

    @pytest.mark.parametrize(("limit", "most"), [("MAX_ROWS", "1,000"), ("MAX_CELLS", "500")])
    def test_what_would_not_be_read_is_not_written(self, monkeypatch, limit, most):
        monkeypatch.setattr(parquet_limits, limit, 1000)
        with pytest.raises(InvalidValueError, match=f"1,001 rows of 2 columns are too many .* holds at most {most}"):
            frame_to_parquet(pd.DataFrame({"a": range(1001), "b": 0}), what="x")

    def test_what_is_too_large_only_as_a_file_is_not_written_either(self, monkeypatch):
        monkeypatch.setattr(parquet_limits, "MAX_UNPACKED_BYTES", 1000)
        with pytest.raises(InvalidValueError, match="the rows would not be read again as Parquet: it says"):
            frame_to_parquet(pd.DataFrame({"a": range(1001)}), what="x")

    @pytest.mark.trials
    def test_a_table_of_eleven_million_rows_of_ten_columns_is_read_again(self):
        rows = 11_100_000
        columns = {f"c{at}": np.arange(rows, dtype=np.int32) + at for at in range(9)}
        table = pa.table({"image_id": pa.repeat(pa.scalar("a"), rows), **columns})
        data = parquet.table_to_parquet(table)
        del table, columns
        read = parquet.table_from_parquet(data, what="x")
        assert (read.num_rows, read["c8"][-1].as_py()) == (rows, rows + 7)


class TestProblem:
    """What is wrong with Parquet bytes, with as little work as proves it."""

    SEALED = frame_to_parquet(EVERY_KIND, what="x")

    @pytest.fixture
    def reads(self, monkeypatch):
        """What is unpacked."""
        reads = []
        table = parquet.ParquetBytes.table
        monkeypatch.setattr(parquet.ParquetBytes, "table", lambda opened, of=None: reads.append(of) or table(opened, of))
        return reads

    def test_rows_that_a_whole_seal_proves_are_not_unpacked(self, reads):
        assert (parquet.parquet_problem(self.SEALED, what="x", deep=False, of=None), reads) == (None, [])

    def test_deep_they_are(self, reads):
        assert (parquet.parquet_problem(self.SEALED, what="x", deep=True, of=None), len(reads)) == (None, 1)

    def test_rows_without_a_seal_are_unpacked(self, reads):
        buffer = io.BytesIO()
        EVERY_KIND.to_parquet(buffer)
        assert (parquet.parquet_problem(buffer.getvalue(), what="x", deep=False, of=None), len(reads)) == (None, 1)

    @pytest.mark.parametrize("deep", [False, True])
    def test_one_changed_byte_is_seen(self, deep):
        data = bytearray(self.SEALED)
        data[len(data) // 3] ^= 1
        said = parquet.parquet_problem(bytes(data), what="x", deep=deep, of=None)
        assert said == "x was changed or damaged since it was written; restore it from a backup"

    @pytest.mark.parametrize("deep", [False, True])
    def test_another_place_is_seen(self, deep):
        data = frame_to_parquet(EVERY_KIND, what="x", of={"key": "tables/a.parquet"})
        said = parquet.parquet_problem(data, what="x", deep=deep, of={"key": "tables/b.parquet"})
        assert "it says that it is tables/a.parquet" in said
