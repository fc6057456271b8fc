"""The examples run, as they are, and print what they promise."""

import subprocess
import sys
from pathlib import Path

import pytest

from kymflow_core.simulate import Scan, make_demo_dataset

FOLDER = Path(__file__).parents[1] / "examples"


def run(script: str, *arguments: str) -> str:
    """Run an example and return what it printed; it must end well and complain of nothing."""
    command = [sys.executable, FOLDER / script, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_every_example_is_tested():
    assert [path.name for path in FOLDER.glob("*.py")] == ["tables.py"]


@pytest.mark.trials
def test_the_tables_of_a_dataset_are_filled_and_one_image_is_edited():
    before, after_edit, after_refresh = run("tables.py").partition("before the edit:")[2].split("after the ")
    assert (before.count("  fresh"), before.count("behind")) == (3, 0)
    assert (after_edit.count("  fresh"), after_edit.count("behind")) == (2, 1)
    assert "velocity_events: 2 rows of 1 image\n" in after_edit
    assert (after_refresh.count("  fresh"), after_refresh.count("behind")) == (3, 0)


@pytest.mark.parametrize("scans", [[], [Scan(name="steady", velocity_mm_s=0.4, lines=60, pixels=32)]], ids=["none", "one"])
@pytest.mark.trials
def test_a_dataset_without_events_is_left_alone(scans, tmp_path):
    make_demo_dataset(tmp_path / "mine.zarr", scans=scans)
    assert run("tables.py", str(tmp_path / "mine.zarr")).endswith("no image has events to edit\n")
