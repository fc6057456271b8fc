"""The benchmarks run, at tiny sizes, in this process; no time is asserted."""

import os
import re
import runpy
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"
TINY = {
    "refresh_tables.py": ["--images", "3", "--rows", "4", "--updated", "2"],
    "table_panel.py": ["--rows", "100"],
    "import_tiffs.py": ["--files", "2", "--lines", "40", "--pixels", "8"],
    "import_growth.py": ["--files", "2", "4"],
    "manifest.py": ["--records", "3"],
    "replace_rows.py": ["--rows", "100", "--images", "10", "--replaced", "2"],
    "export_folder.py": ["--records", "2", "--lines", "40", "--pixels", "8"],
    "array_artifact.py": ["--megabytes", "0.01"],
    "polygon_mask.py": ["--lines", "60", "--pixels", "40"],
    "velocity.py": ["--lines", "120", "--pixels", "12", "--windows", "2"],
    "zoom_and_switch.py": ["--lines", "60", "--pixels", "8", "--steps", "2"],
    "read_window.py": ["--records", "2", "--lines", "300", "--pixels", "8"],
}


@pytest.mark.parametrize("script", TINY)
@pytest.mark.trials
def test_a_benchmark_prints_a_ratio_and_leaves_nothing_behind(script, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(os, "sync", lambda: None)  # waits for whatever else the machine writes
    monkeypatch.syspath_prepend(FOLDER)
    monkeypatch.setattr(sys, "argv", [script, *TINY[script], "--repeats", "1", "--folder", str(tmp_path)])
    runpy.run_path(str(FOLDER / script), run_name="__main__")
    printed = capsys.readouterr()
    assert printed.err == ""
    assert re.search(r"^  ratio \d+\.\d\d   target: ", printed.out, re.MULTILINE), printed.out
    assert list(tmp_path.iterdir()) == []


def test_every_benchmark_is_run_and_described():
    scripts = {path.name for path in FOLDER.glob("[!_]*.py")}
    described = set(re.findall(r"^\| `(\w+\.py)`", (FOLDER / "README.md").read_text(), re.MULTILINE))
    assert scripts == set(TINY) == described
