"""What is released is whole, says what the project says, and invents no address."""

import importlib.util
import re
import subprocess
import sys
import tarfile
import tomllib
import types
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
ADDRESS = "https://example.org/laboratory/project"
_TEXT = "![A picture](docs/images/demo.png) [docs](docs/tables.md#states), [napari](https://napari.org), [here](#try-it)"


@pytest.fixture(scope="module")
def hatch_build():
    """The module that hatchling runs, also where hatchling is not installed."""
    interface = types.ModuleType("hatchling.metadata.plugin.interface")
    interface.MetadataHookInterface = object
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "hatchling", types.ModuleType("hatchling"))
        patch.setitem(sys.modules, "hatchling.metadata", types.ModuleType("hatchling.metadata"))
        patch.setitem(sys.modules, "hatchling.metadata.plugin", types.ModuleType("hatchling.metadata.plugin"))
        patch.setitem(sys.modules, interface.__name__, interface)
        found = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
        module = importlib.util.module_from_spec(found)
        found.loader.exec_module(module)
    return module


def test_links_of_the_readme_are_absolute_on_the_package_index(hatch_build):
    assert hatch_build.with_absolute_links(_TEXT, ADDRESS) == (
        f"![A picture]({ADDRESS}/raw/HEAD/docs/images/demo.png) [docs]({ADDRESS}/blob/HEAD/docs/tables.md#states), "
        "[napari](https://napari.org), [here](#try-it)"
    )


def test_without_an_address_no_link_is_dead(hatch_build):
    assert hatch_build.with_absolute_links(_TEXT, "") == " docs, [napari](https://napari.org), [here](#try-it)"


def test_the_readme_of_the_package_has_no_relative_link(hatch_build):
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for address in ("", ADDRESS):
        made = hatch_build.with_absolute_links(text, address)
        assert re.findall(r"\]\((?!https://|#)[^)]*\)", made) == []


def test_the_public_address_stands_in_one_place():
    address = PROJECT["tool"]["hatch"]["metadata"]["hooks"]["custom"]["address"]
    names = [*ROOT.glob("*.md"), *ROOT.glob("*.cff"), ROOT / "mkdocs.yml", *(ROOT / "docs").rglob("*.md")]
    elsewhere = [path.name for path in names if address and address in path.read_text(encoding="utf-8")]
    assert elsewhere == []
    assert "urls" not in PROJECT["project"]


def test_the_conda_recipe_needs_what_the_project_needs():
    recipe = (ROOT / "conda" / "recipe.yaml").read_text(encoding="utf-8")
    needed = re.findall(r"^    - (.+)$", recipe.partition("  run:\n")[2].partition("\ntests:")[0], re.MULTILINE)
    minimums = [re.sub(r"(>=)", r" \1", one) for one in PROJECT["project"]["dependencies"]]
    assert needed == [f"python {PROJECT['project']['requires-python']}", *minimums]


def test_the_icon_is_where_the_manifest_says():
    manifest = yaml.safe_load((ROOT / "src" / "napari_kymflow" / "napari.yaml").read_text(encoding="utf-8"))
    package, _, name = manifest["icon"].partition(":")
    header = (ROOT / "src" / package / name).read_bytes()[:24]
    assert header[1:4] == b"PNG"
    assert [int.from_bytes(header[at : at + 4], "big") for at in (16, 20)] == [256, 256]


def test_who_cites_the_program_finds_its_name_and_licence():
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    project = PROJECT["project"]
    assert (cited["title"], cited["license"]) == (project["name"], project["license"])
    assert [one["name"] for one in cited["authors"]] == [one["name"] for one in project["authors"]]


@pytest.mark.trials
def test_the_sdist_has_every_file_of_the_project_and_no_other(tmp_path):
    pytest.importorskip("hatchling", reason="hatchling builds the sdist (dependency group `release`)")
    pytest.importorskip("hatch_vcs", reason="hatch-vcs gives it its version (dependency group `release`)")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, check=False
    )
    if listed.returncode:
        pytest.skip("this is no clone: nothing says which files are the project's")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", tmp_path], cwd=ROOT, check=True)
    with tarfile.open(next(tmp_path.glob("*.tar.gz"))) as archive:
        packed = {name.partition("/")[2] for name in archive.getnames()}
    assert packed == {*listed.stdout.decode().strip("\0").split("\0"), "PKG-INFO"}
