"""The recipe for an indexer works, block after block, and its contract test passes."""

import re
from pathlib import Path

import pytest

from kymflow_core import KymDataset
from kymflow_core.indexers.discovery import GROUP

DOCUMENT = Path(__file__).parents[2] / "docs" / "add_an_indexer.md"
_PYTHON = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    """What the blocks of the recipe made: their names, and the folder that they ran in."""
    folder = tmp_path_factory.mktemp("recipe")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        made = {"__name__": "recipe", "folder": folder}
        for block in _PYTHON.findall(DOCUMENT.read_text()):
            exec(compile(block, DOCUMENT.name, "exec"), made)
    return made


def test_the_recipe_makes_a_table_and_an_outdated_image(recipe):
    kd = KymDataset(recipe["folder"] / "diameters.zarr", mode="r")
    frame = kd.freshness(recipe["indexer"])
    assert frame["state"].value_counts().to_dict() == {"fresh": 2, "outdated": 1}
    assert frame.loc[frame["state"] == "outdated", "reason"].item() == "ROI 1: x1 84 → 50 after the analysis"
    assert len(kd.get_table("diameter")) == 6


def test_the_contract_test_of_the_recipe_passes(recipe, tmp_path, monkeypatch):
    monkeypatch.setattr(recipe["DiameterIndexer"], "__module__", __name__)
    monkeypatch.setitem(globals(), "DiameterIndexer", recipe["DiameterIndexer"])  # so that it can be pickled
    contract = recipe["TestDiameterIndexer"]()
    tests = [name for name in dir(contract) if name.startswith("test_")]
    assert len(tests) > 10
    for name in tests:
        test = getattr(contract, name)
        test(tmp_path) if "nothing_is_written" in name else test()


def test_the_entry_point_of_the_recipe_is_of_the_group_that_is_looked_for():
    assert f'[project.entry-points."{GROUP}"]' in DOCUMENT.read_text()
