"""The guides and the tutorial do what they say: their Python and their commands run, in their order, in one folder."""

import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from typer.main import get_command
from typer.testing import CliRunner

from kymflow_core.simulate import Scan, simulate_kymograph
from napari_kymflow._cli import app

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
DOCS = ROOT / "docs"
GUIDES = sorted((DOCS / "guides").glob("*.md"))
TWO_SCREENS = 90
"""Lines of text that two screens of 1366 × 768 show."""
_BLOCK = re.compile(r"^(?P<indent> *)```(?P<kind>python|console)\n(?P<text>.*?)^ *```", re.MULTILINE | re.DOTALL)
_ELSEWHERE = ("--dask", "https:")
"""What commands have in their options and arguments that need more than this computer."""

WITH_COMMANDS = ("import_export.md", "metadata.md", "troubleshooting.md")
_RUN_DOCUMENTS = ("test_documents.py", "test_project.py", "test_kymflow_core/test_docs.py")
"""The tests that run documents."""
_STARTS_PROCESSES = {"cluster"}


def blocks_of(document: Path) -> list[tuple[str, str]]:
    """The Python and the console blocks of a document, each with its kind, in their order."""
    return [(found["kind"], found["text"]) for found in _BLOCK.finditer(document.read_text(encoding="utf-8"))]


def commands_of(block: str) -> list[str]:
    """The commands of a console block, without prompts, comments and broken lines."""
    joined = block.replace("\\\n", " ")
    return [re.sub(r"\s+# .*$", "", line).strip().removeprefix("$ ") for line in joined.splitlines() if line.strip()]


@dataclass
class Reader:
    """Somebody who does what a document says, in a folder."""

    names: dict[str, Any] = field(default_factory=lambda: {"__name__": "document"})
    has_a_screen: bool = False
    only_checked: list[str] = field(default_factory=list)

    def follow(self, document: Path, *, kinds: tuple[str, ...] = ("python", "console")) -> None:
        for kind, text in blocks_of(document):
            if kind not in kinds:
                continue
            if kind == "python":
                exec(compile(text, document.name, "exec"), self.names)
            else:
                for command in commands_of(text):
                    self.do(command)

    def do(self, command: str) -> None:
        program, *arguments = shlex.split(command)
        if program == "cp":
            shutil.copytree(*arguments[1:])
            return
        if program in _CHECKS:
            _CHECKS[program](command)
            return
        assert program == "napari-kymflow", command
        if opens_a_window(arguments) and self.has_a_screen:
            see(arguments)
            return
        if opens_a_window(arguments) or any(one.startswith(_ELSEWHERE) for one in arguments) or "old.zarr" in arguments:
            check_arguments(arguments)
            self.only_checked.append(command)
            return
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 0, f"{command}: {result.output} {result.exception}"


def opens_a_window(arguments: list[str]) -> bool:
    return arguments[0] == "open" or (arguments[0] == "demo" and "--no-window" not in arguments)


def check_arguments(arguments: list[str]) -> None:
    """Fail where a command has no such name, option or argument; do nothing else."""
    group = get_command(app)
    group.commands[arguments[0]].make_context(arguments[0], arguments[1:])


def see(arguments: list[str]) -> None:
    """Run a command that opens a window in a program of its own, which renders the window and ends."""
    picture = arguments[arguments.index("--screenshot") + 1] if "--screenshot" in arguments else "seen.png"
    asked = arguments if "--screenshot" in arguments else [*arguments, "--screenshot", picture]
    code = "from napari_kymflow._cli import main; main()"
    subprocess.run([sys.executable, "-c", code, *asked], check=True, capture_output=True)
    assert Path(picture).read_bytes().startswith(b"\x89PNG")


def check_pip(command: str) -> None:
    """Fail where a command installs an extra that the project does not have."""
    extras = {one for found in re.findall(r'"(?:napari-kymflow|\.)\[([a-z,]+)\]"', command) for one in found.split(",")}
    assert extras <= set(PROJECT["project"]["optional-dependencies"])


def check_packages(command: str) -> None:
    """Fail where a command installs packages of the system that no test run installs."""
    tried = (ROOT / ".ci" / "run").read_text()
    names = shlex.split(command)[3:]
    assert len(names) > 5
    assert [name for name in names if not re.search(rf"(^|\s){re.escape(name)}(\s|$)", tried)] == []


def check_python(command: str) -> None:
    """Fail where a command makes an environment for a Python that the project does not take."""
    major, minor = map(int, re.search(r"python=(\d+)\.(\d+)", command).groups())
    assert f"Programming Language :: Python :: {major}.{minor}" in PROJECT["project"]["classifiers"]


def make_environment(command: str) -> None:
    """Make the environment as the document says, and see that its Python is the active one afterwards."""
    found = subprocess.run(["bash", "-c", f"{command} && command -v python"], check=True, capture_output=True, text=True)
    assert Path(found.stdout.strip()) == Path.cwd() / ".venv" / "bin" / "python"


_CHECKS = {"python3": make_environment, "python": check_pip, "conda": check_python, "sudo": check_packages}
"""Commands of the system, and what is done with each: no test downloads 370 MB."""


@pytest.fixture(scope="module")
def laboratory(tmp_path_factory):
    """A folder with two short line scans of a vessel, with ImageJ's calibration, and a dataset of them, measured."""
    folder = tmp_path_factory.mktemp("laboratory")
    vessel = folder / "line-scans" / "A89" / "V1"
    vessel.mkdir(parents=True)
    for number in (1, 2):
        scan = Scan(name=f"scan {number}", velocity_mm_s=0.5, lines=200, pixels=32)
        pixels = simulate_kymograph(scan, rng=np.random.default_rng(number))
        unit = {"unit": "um", "yunit": "s"}
        tifffile.imwrite(vessel / f"scan {number}.tif", pixels, imagej=True, resolution=(2.0, 1000.0), metadata=unit)
    reader = Reader()
    reader.do(f"napari-kymflow import {shlex.quote(str(folder / 'line-scans'))} {folder / 'lab.zarr'}")
    reader.do(f"napari-kymflow analyze {folder / 'lab.zarr'} --roi full")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(
    "document",
    [pytest.param(path, id=path.stem, marks=[pytest.mark.trials] * (path.stem in _STARTS_PROCESSES)) for path in GUIDES],
)
def test_a_guide_does_what_it_says(document, laboratory, tmp_path, monkeypatch):
    shutil.copytree(laboratory, tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert blocks_of(document)
    Reader().follow(document)


@pytest.mark.opengl
@pytest.mark.trials
@pytest.mark.skipif(sys.platform == "win32", reason="the commands are those of a shell on Linux and macOS")
@pytest.mark.parametrize("document", ["README.md", "docs/guides/look.md"])
def test_what_a_document_says_can_be_done_with_a_window(document, laboratory, tmp_path, monkeypatch):
    shutil.copytree(laboratory, tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    Reader(has_a_screen=True).follow(ROOT / document)


@pytest.mark.trials
def test_the_tutorial_leads_from_tiffs_to_a_figure(tmp_path, monkeypatch):
    pytest.importorskip("matplotlib", reason="the figure is drawn with matplotlib (dependency group `pictures`)").use("Agg")
    monkeypatch.chdir(tmp_path)
    Reader().follow(DOCS / "tutorial.md")
    assert {"velocities.csv", "events.csv", "velocity.png", "remake.py", "published"} <= {
        path.name for path in tmp_path.iterdir()
    }


@pytest.mark.slow
@pytest.mark.parametrize("document", WITH_COMMANDS)
def test_the_commands_of_a_document_work(document, laboratory, tmp_path, monkeypatch):
    shutil.copytree(laboratory, tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    Reader().follow(DOCS / document, kinds=("console",))


def test_every_document_with_python_or_commands_is_run():
    others = "".join((ROOT / "tests" / name).read_text(encoding="utf-8") for name in _RUN_DOCUMENTS)
    run = {*GUIDES, DOCS / "tutorial.md", DOCS / "command_line.md"}
    left = [path for path in DOCS.rglob("*.md") if path not in run and blocks_of(path) and path.name not in others]
    assert left == []
    commands = [path.name for path in DOCS.glob("*.md") if "console" in dict(blocks_of(path))]
    assert set(commands) == {*WITH_COMMANDS, "command_line.md", "tutorial.md"}


@pytest.mark.parametrize("document", GUIDES, ids=lambda path: path.stem)
def test_a_guide_has_two_screens_at_most(document):
    assert len(document.read_text(encoding="utf-8").splitlines()) <= TWO_SCREENS


OF_OTHERS = ("could not load the Qt platform plugin", "cannot import name", "from 'kymflow_core'")
"""Messages in the tables that are not the program's own."""


@pytest.mark.parametrize("document", ["troubleshooting.md", "guides/import.md"])
def test_what_a_table_of_symptoms_quotes_is_what_the_program_says(document):
    source = "".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "src").rglob("*.py")))
    said = re.sub(r"\{[^{}]*\}", "…", re.sub(r'"\n\s*f?"', "", source))
    rows = re.findall(r"^\| (.+?) \| .*\|$", (DOCS / document).read_text(encoding="utf-8"), re.MULTILINE)
    quoted = [part.strip(" :,.") for row in rows for quote in re.findall(r"\*(.+?)\*", row) for part in quote.split("…")]
    quoted = [part for part in quoted if " " in part and not part.startswith(OF_OTHERS)]
    assert len(quoted) > 3
    assert [part for part in quoted if part not in said] == []


def test_every_way_to_install_names_extras_that_there_are():
    for document in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS.rglob("*.md")]:
        check_pip(document.read_text(encoding="utf-8"))


def test_a_command_that_is_only_checked_must_have_its_options():
    with pytest.raises(Exception, match="screen"):
        check_arguments(["open", "lab.zarr", "--screen", "x.png"])
