"""The benchmarks run, at tiny sizes, in this process; no time is asserted."""

import json
import os
import re
import runpy
import subprocess
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
    "open_record.py": ["--lines", "300", "--pixels", "12", "--steps", "2"],
    "read_at_address.py": ["--records", "3", "--lines", "60", "--pixels", "8", "--latency-ms", "0"],
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


@pytest.mark.trials
def test_the_rows_of_one_run_are_printed_and_kept(tmp_path):
    out, page = tmp_path / "found.json", tmp_path / "speed.md"
    rows = ["nothing changed, one table", "import of small files"]
    options = ["--sizes", "2", "4", "--repeats", "1", "--folder", str(tmp_path), "--rows", *rows]
    options += ["--json", str(out), "--page", str(page)]
    command = [sys.executable, "-m", "benchmarks", *options]
    done = subprocess.run(command, cwd=FOLDER.parent, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(out.read_text())["rows"]
    assert [(row["row"], row["sizes"]) for row in found] == [(rows[0], [2, 4]), (rows[1], [2, 4])]
    assert re.findall(r"^  goal .*, (?:met|MISSED)$", done.stdout, re.MULTILINE) != []
    assert re.search(r"^goals missed: ", done.stdout, re.MULTILINE)
    lines = page.read_text().splitlines()
    assert [line.split(" | ")[0] for line in lines if line.startswith("| ")] == ["| work", *(f"| {row}" for row in rows)]
    assert {line.count("|") for line in lines if line.startswith("|")} == {10}
    assert sorted(tmp_path.iterdir()) == [out, page]


def test_every_benchmark_is_run_and_described():
    scripts = {path.name for path in FOLDER.glob("[!_]*.py")}
    described = set(re.findall(r"^\| `(\w+\.py)`", (FOLDER / "README.md").read_text(), re.MULTILINE))
    assert scripts == set(TINY) == described
