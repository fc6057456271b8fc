"""Indexers of other packages: one that works is found, one that does not is named and stops nobody."""

import textwrap
from importlib.metadata import EntryPoint

import pytest

from kymflow_core.indexers import INDEXERS, find_indexers
from kymflow_core.indexers.discovery import GROUP

MODULE = """
import pandas as pd

class Diameter:
    name, table_name, schema_version, reads = "diameter", "diameter", "1", ("diameter.parquet",)

    def required_columns(self):
        return ["image_id"]

    def extract_rows(self, rec):
        return pd.DataFrame({"image_id": pd.Series([], dtype="str")})

class Raising(Diameter):
    table_name = "raising"

    def __init__(self):
        raise RuntimeError("no license")

class NeedsArguments(Diameter):
    table_name = "needs_arguments"

    def __init__(self, path):
        self.path = path

class Taken(Diameter):
    table_name = "radon_report"

class BadName(Diameter):
    table_name = "Diameter (µm)"

class NoName(Diameter):
    table_name = "***"

class Sources(Diameter):
    table_name = "sources"

instance = Diameter()
number = 3
"""


@pytest.fixture
def package(tmp_path, monkeypatch):
    """The name of an importable module of somebody's indexers."""
    (tmp_path / "somebodys_indexers.py").write_text(MODULE)
    (tmp_path / "broken_indexers.py").write_text("def (")
    (tmp_path / "raising_indexers.py").write_text(textwrap.dedent("raise OSError('no such device')"))
    monkeypatch.syspath_prepend(tmp_path)
    return "somebodys_indexers"


def point(value: str, name: str = "mine") -> EntryPoint:
    return EntryPoint(name=name, value=value, group=GROUP)


@pytest.mark.parametrize("value", ["Diameter", "instance"])
def test_an_indexer_or_a_class_of_one_is_found(value, package):
    found = find_indexers(INDEXERS, points=[point(f"{package}:{value}")])
    assert found.problems == ()
    assert found.indexers[:-1] == INDEXERS
    assert found.indexers[-1].table_name == "diameter"


@pytest.mark.parametrize(
    ("value", "why"),
    [
        pytest.param("not_there:Diameter", "No module named 'not_there'", id="module not there"),
        pytest.param("broken_indexers:Diameter", "invalid syntax", id="module broken"),
        pytest.param("raising_indexers:Diameter", "no such device", id="module raises"),
        pytest.param("somebodys_indexers:Radius", "has no attribute 'Radius'", id="not in the module"),
        pytest.param("somebodys_indexers:number", "it is no indexer: it needs name, table_name,", id="number"),
        pytest.param("somebodys_indexers", "it is no indexer: it needs name, table_name,", id="module"),
        pytest.param("somebodys_indexers:Raising", "no license", id="constructor raises"),
        pytest.param("somebodys_indexers:NeedsArguments", "missing 1 required positional argument", id="needs arguments"),
        pytest.param("somebodys_indexers:Taken", "another indexer fills the table 'radon_report' already", id="taken"),
        pytest.param("somebodys_indexers:BadName", "'Diameter (µm)' is not allowed; use 'diameter_m'", id="bad name"),
        pytest.param("somebodys_indexers:NoName", "becomes '', which is 0 characters long", id="no name"),
        pytest.param("somebodys_indexers:Sources", "which is the dataset's own table", id="the dataset's own"),
    ],
)
def test_one_that_does_not_work_is_named_and_left_out(value, why, package):
    found = find_indexers(INDEXERS, points=[point(value, "broken"), point(f"{package}:Diameter")])
    (problem,) = found.problems
    assert problem.startswith(f"the indexer 'broken' ({value}) was left out: ")
    assert why in problem
    assert [indexer.table_name for indexer in found.indexers[len(INDEXERS) :]] == ["diameter"]


def test_of_two_for_one_table_the_first_is_taken(package):
    found = find_indexers([], points=[point(f"{package}:Diameter", "first"), point(f"{package}:instance", "second")])
    assert len(found.indexers) == 1
    assert found.problems[0].startswith("the indexer 'second'")


def test_installed_packages_are_looked_at_by_default(monkeypatch, package):
    asked = []

    def entry_points(*, group):
        asked.append(group)
        return [point(f"{package}:Diameter")]

    monkeypatch.setattr("kymflow_core.entry_points.entry_points", entry_points)
    assert (len(find_indexers(INDEXERS).indexers), asked) == (len(INDEXERS) + 1, ["napari_kymflow.indexers"])
