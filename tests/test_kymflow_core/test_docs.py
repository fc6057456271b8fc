"""The recipes for an indexer and for readers work, block after block, and their contract tests pass."""

import inspect
import re
from pathlib import Path

import pytest

from kymflow_core import KymDataset
from kymflow_core.headers.discovery import GROUP as GROUP_OF_READERS
from kymflow_core.images.image_readers import GROUP as GROUP_OF_IMAGES
from kymflow_core.indexers.discovery import GROUP

DOCS = Path(__file__).parents[2] / "docs"
DOCUMENT, OF_READERS = DOCS / "add_an_indexer.md", DOCS / "add_a_header_reader.md"
OF_IMAGES = DOCS / "add_a_file_reader.md"
_PYTHON = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def run(document, folder):
    """Run the blocks of a document in a folder, and return the names that they made."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        made = {"__name__": "recipe", "folder": folder}
        for block in _PYTHON.findall(document.read_text()):
            exec(compile(block, document.name, "exec"), made)
    return made


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    """What the blocks of the recipe for an indexer made: their names, and the folder that they ran in."""
    return run(DOCUMENT, tmp_path_factory.mktemp("recipe"))


@pytest.fixture(scope="module")
def of_readers(tmp_path_factory):
    """What the blocks of the recipe for a header reader made."""
    return run(OF_READERS, tmp_path_factory.mktemp("readers"))


@pytest.fixture(scope="module")
def of_images(tmp_path_factory):
    """What the blocks of the recipe for an image reader made."""
    return run(OF_IMAGES, tmp_path_factory.mktemp("images"))


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
        folder = tmp_path / name
        folder.mkdir()
        test(folder) if "tmp_path" in inspect.signature(test).parameters else test()


def test_the_entry_point_of_the_recipe_is_of_the_group_that_is_looked_for():
    assert f'[project.entry-points."{GROUP}"]' in DOCUMENT.read_text()


def test_the_recipe_for_a_header_reader_reads_a_header(of_readers):
    header = of_readers["found"].header
    assert (header.seconds_per_line, header.um_per_pixel, header.calibration_source) == (0.0015, 0.25, "leica_xml")
    assert (header.fields["Scan"]["zoom"], of_readers["found"].notes) == ("3.5", ())


@pytest.mark.parametrize(("recipe_of", "name"), [("of_readers", "TestLeicaReader"), ("of_images", "TestKymReader")])
def test_the_contract_test_of_a_reader_passes(recipe_of, name, request, tmp_path):
    contract = request.getfixturevalue(recipe_of)[name]()
    tests = [name for name in dir(contract) if name.startswith("test_")]
    assert len(tests) > 5
    for name in tests:
        folder = tmp_path / name
        folder.mkdir()
        test = getattr(contract, name)
        test() if "it_is" in name else test(folder)


def test_the_entry_point_of_the_header_reader_is_of_the_group_that_is_looked_for():
    assert f'[project.entry-points."{GROUP_OF_READERS}"]' in OF_READERS.read_text()


def test_the_recipe_for_an_image_reader_reads_an_image(of_images):
    image = of_images["image"]
    assert (of_images["pixels"].shape, image.axes, image.header.seconds_per_line, image.notes) == (
        (40, 12),
        ("y", "x"),
        0.0015,
        (),
    )
    assert of_images["pixels"][1, 0] == 12


def test_the_entry_point_of_the_image_reader_is_of_the_group_that_is_looked_for():
    assert f'[project.entry-points."{GROUP_OF_IMAGES}"]' in OF_IMAGES.read_text()


@pytest.mark.parametrize("name", ["velocity.md", "from_radon.md"])
def test_every_measured_place_of_a_document_is_filled_by_a_script(name):
    text = (DOCS / name).read_text()
    places = re.findall(r"<!-- measured: (.*?) -->\n(.*?)<!-- end -->", text, re.DOTALL)
    scripts = "".join(path.read_text() for path in DOCS.glob("make_*.py"))
    assert len(places) == text.count("<!-- measured: ") > 0
    assert [place for place, content in places if not content.strip() or f'"{place}"' not in scripts] == []
    assert [path for path in re.findall(r"\]\((images/.*?)\)", text) if f'"{Path(path).name}"' not in scripts] == []


def test_the_example_of_the_velocity_document_runs(tmp_path, capsys):
    made = run(DOCS / "velocity.md", tmp_path)
    assert made["trace"].frame["velocity_mm_s"].notna().mean() > 0.9
    assert "quality" in capsys.readouterr().out


@pytest.mark.slow
def test_the_review_of_the_page_has_two_reviewers_and_an_event_by_hand(tmp_path):
    made = run(DOCS / "review.md", tmp_path)
    review = made["load_review"](made["record"])
    assert review.reviewers == ("Ada", "Ben")
    assert [one.event.made_by for one in review.events].count("Ada") == 1


@pytest.mark.slow
def test_the_numbers_of_the_page_are_means_of_two_animals(tmp_path):
    made = run(DOCS / "plots.md", tmp_path)
    assert made["mean"].n == {"exp_subject_id": 2, "exp_vessel_id": 2, "image_id": 3}
    assert len(made["plot"].numbers) == 2
