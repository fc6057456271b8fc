"""What docs/command_line.md shows is what the commands print."""

import re
import shlex
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
import tifffile
from typer.testing import CliRunner

from napari_kymflow._cli import app

DOCUMENT = Path(__file__).parents[2] / "docs" / "command_line.md"
_BLOCK = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_HEADER = "\r\n".join(
    [
        '"[General]"\t""',
        '"Name"\t"capillary 1.oir"',
        '"Date"\t"11/02/2022 12:30:15.461 PM"',
        '"[Dimensions]"\t""',
        '"X Dimension"\t"12, 0.0 - 3.000 [um], 0.250 [um/pixel]"',
        '"T Dimension"\t"1, 0.000 - 0.080 [s], Interval FreeRun"',
        '"[Image]"\t""',
        '"Image Size"\t"12 * 40 [pixel]"',
        "",
    ]
)


def commands() -> list[tuple[str, str]]:
    """The commands of the document with what they print, in their order."""
    found = []
    for block in _BLOCK.findall(DOCUMENT.read_text(encoding="utf-8")):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, printed = part.partition("\n")
            found.append((command, printed))
    return found


def make_scans(folder: Path) -> None:
    """Write the folder that the document speaks of: two line scans, the first with a header, ROIs and results."""
    (folder / "flow-analysis").mkdir(parents=True)
    pixels = np.arange(480, dtype=np.uint16).reshape(40, 12)
    tifffile.imwrite(folder / "capillary 1.tif", pixels)
    tifffile.imwrite(folder / "capillary 2.tif", pixels[::-1])
    (folder / "capillary 1.txt").write_bytes(_HEADER.encode())
    (folder / "capillary 1.json").write_text(
        '{"rois": [{"roi_id": 1, "roi_type": "rect", "data": {"x0": 0, "x1": 12, "y0": 0, "y1": 40}}]}'
    )
    (folder / "flow-analysis" / "capillary 1_radon.csv").write_text(
        "roi_id,channel,time,velocity\n1,1,0.01,0.5\n1,1,0.02,0.7\n"
    )


def run(command: str) -> str:
    """Run one command as the document shows it, in this process where no window opens; return what it prints."""
    program, *arguments = shlex.split(command)
    if program == "mv":
        shutil.move(*arguments)
        return ""
    if program == "cp":
        shutil.copytree(*arguments[1:])
        return ""
    assert program == "napari-kymflow"
    if arguments[0] == "open":
        code = "from napari_kymflow._cli import main; main()"
        done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
        return done.stdout
    result = CliRunner().invoke(app, arguments)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.stdout + result.stderr


def normalized(text: str, here: Path) -> str:
    text = text.replace(f"napari-kymflow {version('napari-kymflow')}", "napari-kymflow 0.1.0")
    return _UUID.sub("0c9d…", text.replace(str(here), "/data").replace(str(here.resolve()), "/data"))


@pytest.mark.opengl
@pytest.mark.trials
def test_the_commands_print_what_the_document_shows(tmp_path, monkeypatch, request):
    monkeypatch.chdir(tmp_path)
    make_scans(tmp_path / "scans")
    wrong = []
    for command, printed in commands():
        if "old.zarr" in command:
            shutil.copytree(request.getfixturevalue("older_dataset_path"), tmp_path / "old.zarr")
        said = normalized(run(command), tmp_path)
        if said != printed:
            wrong.append(f"$ {command}\n{said}")
    assert wrong == []


def test_the_document_shows_every_command():
    shown = {shlex.split(command)[1] for command, _ in commands() if command.startswith("napari-kymflow")}
    in_words = {"install-shortcut", "download"}  # one writes to the user's own folder, the other needs a server
    assert all(f"`napari-kymflow {command}`" in DOCUMENT.read_text(encoding="utf-8") for command in in_words)
    there = {one.name or one.callback.__name__.replace("_", "-") for one in app.registered_commands}
    assert shown | in_words == there
