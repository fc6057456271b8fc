import numpy as np
import pandas as pd
import pytest

from kymflow_core.errors import VelocityError
from kymflow_core.velocity_schema import VELOCITY_COLUMNS, VELOCITY_UNITS, conform_velocity
from kymflow_zarr import units_of

IDS = {"roi_id": [1, 2], "channel": [1, 1], "window": [0, 1]}


def test_windows_get_exactly_the_schema():
    windows = conform_velocity(pd.DataFrame({"extra": [1, 2], "quality": [1, 0], **IDS}, index=[7, 7]), what="x")
    assert {name: str(dtype) for name, dtype in windows.dtypes.items()} == VELOCITY_COLUMNS
    assert windows["quality"].tolist() == [1.0, 0.0]
    assert windows.drop(columns=[*IDS, "quality"]).isna().all(axis=None)
    assert units_of(windows) == VELOCITY_UNITS


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        pytest.param("roi_id", [1.0, 2.0], [1, 2], id="whole floats"),
        pytest.param("roi_id", pd.array([1, 2], dtype="Int64"), [1, 2], id="nullable integers"),
        pytest.param("quality", pd.array([1, None], dtype="Int64"), [1.0, np.nan], id="integers with a gap"),
        pytest.param("quality", pd.Series([None, 1], dtype=object), [np.nan, 1.0], id="objects"),
        pytest.param("flag", pd.Series([None, None], dtype=object), [np.nan, np.nan], id="no text"),
        pytest.param("flag", pd.Series(["a", None], dtype="string"), ["a", np.nan], id="pandas' other text"),
        pytest.param("flag", [np.nan, np.nan], [np.nan, np.nan], id="missing numbers for text"),
    ],
)
def test_values_that_fit_are_taken(name, values, expected):
    windows = conform_velocity(pd.DataFrame({**IDS, name: values}), what="x")
    np.testing.assert_equal(windows[name].tolist(), expected)
    assert str(windows[name].dtype) == VELOCITY_COLUMNS[name]


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("roi_id", ["a", 2], "x: 'roi_id' has 'a' in row 0, and must have a whole number"),
        ("roi_id", ["1", "2"], "x: 'roi_id' has '1' in row 0, and must have a whole number"),
        ("window", [0, 1.5], "x: 'window' has 1.5 in row 1, and must have a whole number"),
        ("channel", [1, None], "x: 'channel' has nan in row 1, and must have a whole number"),
        ("channel", [1, float("inf")], "x: 'channel' has inf in row 1, and must have a whole number"),
        ("roi_id", [1, 2**63], "x: 'roi_id' has 9223372036854775808 in row 1, and must have a whole number"),
        ("roi_id", [2.0**63, 1], r"x: 'roi_id' has 9.223372036854776e\+18 in row 0, and must have a whole number"),
        ("roi_id", [True, False], "x: 'roi_id' has True in row 0, and must have a whole number"),
        ("roi_id", [1 + 2j, 1], r"x: 'roi_id' has \(1\+2j\) in row 0, and must have a whole number"),
        ("quality", [0.5, "high"], "x: 'quality' has 'high' in row 1, and must have a number"),
        ("quality", [True, False], "x: 'quality' has True in row 0, and must have a number"),
        ("time_s", pd.to_datetime(["2020-01-01", None]), "x: 'time_s' has 2020-01-01 00:00:00 in row 0"),
        ("method", ["a", 3], "x: 'method' has 3 in row 1, and must have text"),
        ("flag", [0.0, 1.0], "x: 'flag' has 0.0 in row 0, and must have text"),
    ],
)
def test_a_value_of_another_type_is_named(name, values, message):
    with pytest.raises(VelocityError, match=f"^{message}"):
        conform_velocity(pd.DataFrame({**IDS, name: values}), what="x")


def test_ids_that_lack_are_named():
    with pytest.raises(VelocityError, match=r"^the file lacks the columns \['channel', 'window'\]; it has \['roi_id'\]$"):
        conform_velocity(pd.DataFrame({"roi_id": [1]}), what="the file")


def test_windows_of_no_rows_have_the_schema():
    windows = conform_velocity(pd.DataFrame({name: [] for name in VELOCITY_COLUMNS}), what="x")
    assert {name: str(dtype) for name, dtype in windows.dtypes.items()} == VELOCITY_COLUMNS
