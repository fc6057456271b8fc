import pandas as pd
import pytest

from kymflow_core import columns
from kymflow_core.indexers import INDEXERS


def test_every_column_of_our_tables_has_a_title_of_its_own():
    required = {name for indexer in INDEXERS for name in indexer.required_columns()}
    assert required <= set(columns._COLUMNS)
    assert len(columns._NAMES) == len(columns._COLUMNS)


def test_a_unit_is_stated_by_every_name_that_has_one():
    units = columns.units_of_columns(columns._COLUMNS)
    suffixes = {"_per_s": "1/s", "_mm_s": "mm/s", "_s": "s", "_um": "µm", "_nats": "nat"}
    of_names = {
        name: next((unit for suffix, unit in suffixes.items() if name.endswith(suffix)), None) for name in columns._COLUMNS
    }
    assert {name: units.get(name) for name, unit in of_names.items() if unit} == {
        name: unit for name, unit in of_names.items() if unit
    }


@pytest.mark.parametrize(
    ("name", "unit", "title"),
    [
        ("mean_velocity", "", "mean (mm/s)"),
        ("t0_s", "", "start (s)"),
        ("roi_id", "", "ROI"),
        ("diameter", "µm", "diameter (µm)"),
        ("diameter", "", "diameter"),
    ],
)
def test_a_title_has_the_unit(name, unit, title):
    assert columns.column_title(name, unit) == title


@pytest.mark.parametrize("indexer", INDEXERS, ids=lambda indexer: indexer.table_name)
def test_titles_lead_back_to_the_names(indexer):
    names = [*indexer.required_columns(), "grade", "outdated"]
    titles = columns.titles_of(names)
    assert titles["grade"] == "grade"
    again = columns.names_of_titles(titles.values())
    assert [again.get(title, title) for title in titles.values()] == names


def test_a_table_whose_own_names_would_be_taken_for_titles_has_none():
    assert columns.titles_of(["roi_id", "ROI"]) == {}
    assert columns.titles_of(["mean (mm/s)"]) == {}


def test_a_frame_gets_titles_and_its_names_back():
    frame = pd.DataFrame({"roi_id": [1], "mean_velocity": [0.5], "grade": ["a"]})
    titled = columns.with_titles(frame)
    assert list(titled.columns) == ["ROI", "mean (mm/s)", "grade"]
    pd.testing.assert_frame_equal(columns.with_names(titled), frame)
    pd.testing.assert_frame_equal(columns.with_names(frame), frame)
    other = pd.DataFrame({"mean (mm/s)": [1], "kind": ["x"]})
    pd.testing.assert_frame_equal(columns.with_names(other), other)
