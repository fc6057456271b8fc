"""The project's own files: documents whose code runs, minimums that are tested."""

import re
import tomllib
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pytest

from processes import TESTS, asked

ROOT = Path(__file__).parents[1]
_PYTHON = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
_REQUIREMENT = re.compile(r"^([a-z0-9_-]+)>=([0-9.]+)$")


@pytest.mark.slow
@pytest.mark.parametrize("document", ["README.md", "docs/tables.md", "docs/import_export.md", "docs/metadata.md"])
def test_the_python_in_a_document_runs(document, tmp_path, monkeypatch):
    blocks = _PYTHON.findall((ROOT / document).read_text())
    assert blocks
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, document, "exec"), names)


def test_links_between_documents_lead_somewhere():
    documents = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    missing = [
        (document.name, link)
        for document in documents
        for link in re.findall(r"\]\(([^)#]+)\)", document.read_text())
        if "://" not in link and not (document.parent / link).exists()
    ]
    assert not missing


def test_every_picture_of_the_documents_is_shown_and_made_by_a_script():
    texts = "".join(path.read_text() for path in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
    scripts = "".join(path.read_text() for path in (ROOT / "docs").glob("make_*.py"))
    there = {path.name for path in (ROOT / "docs" / "images").iterdir()}
    assert there == set(re.findall(r"images/([a-z_]+\.png)\)", texts))
    assert [name for name in sorted(there) if f'"{name}"' not in scripts] == []


@pytest.mark.parametrize("package", ["kymflow_core", "kymflow_zarr"])
def test_the_public_names_are_those_of_the_reference(package):
    page = (ROOT / "docs" / "reference" / f"{package}.md").read_text()
    assert re.findall(rf"^::: {package}\.(\w+)$", page, re.MULTILINE) == sorted(import_module(package).__all__)


def test_every_page_of_the_documentation_is_in_its_menu():
    menu = (ROOT / "mkdocs.yml").read_text().partition("\nnav:")[2]
    pages = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    listed = set(re.findall(r"[a-z_/]+\.md", menu))
    assert pages == listed


def test_every_file_of_the_map_is_there():
    chapter = (ROOT / "docs" / "architecture.md").read_text().partition("## I want to …")[2].partition("\n## ")[0]
    paths = re.findall(r"`(\w+/[\w/.]+)`", chapter.partition("|---|---|")[2])
    assert len(paths) > 20
    assert [path for path in paths if not (ROOT / "src" / path).is_file()] == []


def minimums():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    listed = [
        *project["project"]["dependencies"],
        *(
            re.split("[,;]", one)[0]
            for name, extra in project["project"]["optional-dependencies"].items()
            if name != "all"
            for one in extra
        ),
        *project["dependency-groups"]["core-test"],
        *(one for one in project["dependency-groups"]["test"] if one != {"include-group": "core-test"}),
    ]
    return dict(_REQUIREMENT.fullmatch(requirement).groups() for requirement in listed)


def as_numbers(version):
    return tuple(int(part) for part in re.sub(r"(\.0)+$", "", version).split("."))


def test_the_oldest_dependencies_that_are_tested_are_the_minimums():
    lines = (ROOT / ".ci" / "lowest.txt").read_text().splitlines()
    tested = dict(line.split("==") for line in lines if "==" in line)
    assert {name: as_numbers(version) for name, version in tested.items()} == {
        name: as_numbers(version) for name, version in minimums().items()
    }


STORAGE = ROOT / "src" / "kymflow_zarr"
_FILE_SYSTEM = re.compile(
    r"\b(shutil|tempfile)\.|\bos\.(open|rename|replace|link|unlink|remove|mkdir|makedirs|rmdir|scandir|walk|stat|truncate)\b"
    r"|\.(read_bytes|write_bytes|read_text|write_text|unlink|mkdir|rmdir|iterdir|rglob|touch|symlink_to)\("
)
_AT_THE_EDGE = {
    "disk/blobs.py",
    "disk/quick_stamps.py",
    "disk/readable.py",
    "disk/staging.py",
    "disk/steps.py",
    "disk/walks.py",
    "importing/folders.py",
    "testing.py",
}
"""Who may touch files: the blobs, and who reads TIFFs that lie outside datasets."""


def modules_with(is_bad):
    """The storage's modules, by their path in it, whose text is bad."""
    texts = {path.relative_to(STORAGE).as_posix(): path.read_text() for path in sorted(STORAGE.rglob("*.py"))}
    assert texts
    return {name for name, text in texts.items() if is_bad(text)}


class TestStorage:
    def test_only_the_blobs_touch_a_file_system(self):
        assert modules_with(_FILE_SYSTEM.search) - _AT_THE_EDGE == set()

    @pytest.mark.parametrize("dangerous", ["overwrite=True", "members(", "group_keys(", "consolidate", "allow_pickle=True"])
    def test_nothing_dangerous_is_used(self, dangerous):
        assert modules_with(lambda text: dangerous in text) == set()


def test_the_value_of_an_option_is_no_file_that_the_command_line_names():
    config = SimpleNamespace(
        known_args_namespace=SimpleNamespace(file_or_dir=["ci"]), invocation_params=SimpleNamespace(dir=ROOT)
    )
    assert asked(config) == [TESTS]
