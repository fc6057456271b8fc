"""The commands that need a window, as far as they refuse before one opens."""

import importlib.metadata
import importlib.util
import json
import re

import pytest
from typer.testing import CliRunner

from napari_kymflow._cli import app


def run(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


def empty_folder(tmp_path):
    (tmp_path / "x.zarr").mkdir()


def file(tmp_path):
    (tmp_path / "x.zarr").touch()


@pytest.mark.parametrize("make", [lambda tmp_path: None, empty_folder, file], ids=["nothing", "an empty folder", "a file"])
def test_opening_what_is_no_dataset_is_said_in_one_sentence(tmp_path, make):
    make(tmp_path)
    result = run("open", tmp_path / "x.zarr")
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert "there is no kymflow dataset at" in result.stderr
    assert "napari-kymflow import FOLDER" in result.stderr


def test_opening_a_path_that_is_too_long_is_said_in_one_sentence():
    result = run("open", "x" * 300)
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert "; give a shorter name" in result.stderr


def test_opening_a_dataset_of_a_newer_program_is_said(demo_path):
    document = demo_path / "zarr.json"
    document.write_text(document.read_text().replace('"schema_version": 2', '"schema_version": 9'))
    result = run("open", demo_path)
    assert result.exit_code == 1
    assert "has schema version 9; this program reads version 2: update it" in " ".join(result.stderr.split())


def test_the_demo_does_not_overwrite_a_dataset(demo_path):
    result = run("demo", "--dataset", demo_path)
    assert result.exit_code == 1
    assert "already; open it instead" in " ".join(result.stderr.split())


@pytest.mark.slow
def test_the_demo_is_told_to_a_script(tmp_path):
    result = run("demo", "--dataset", tmp_path / "demo.zarr", "--no-window", "--json")
    assert json.loads(result.stdout) == {"exit_code": 0, "dataset": str(tmp_path / "demo.zarr")}


@pytest.mark.slow
def test_the_quiet_demo_prints_nothing(tmp_path):
    result = run("demo", "--dataset", tmp_path / "demo.zarr", "--no-window", "--quiet")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")


def test_opening_what_is_no_dataset_is_told_to_a_script(tmp_path):
    said = json.loads(run("open", tmp_path / "x.zarr", "--json").stdout)
    assert (said["exit_code"], said["error"].startswith("there is no kymflow dataset at")) == (1, True)


@pytest.mark.parametrize("command", ["demo", "open"])
def test_help_has_an_example(command):
    assert f"Example: napari-kymflow {command}" in run(command, "--help").stdout


@pytest.mark.parametrize(
    ("missing", "named"),
    [({"napari"}, "napari must"), ({"PySide6", "PyQt6", "PyQt5"}, r"a Qt binding \(PySide6\) must")],
    ids=["napari", "Qt"],
)
def test_without_what_a_window_needs_one_sentence_says_what_to_install_before_anything_is_written(
    tmp_path, monkeypatch, missing, named
):
    found = importlib.util.find_spec
    monkeypatch.setattr("napari_kymflow._cli.find_spec", lambda name: None if name in missing else found(name))
    for words in (("demo", "--dataset", tmp_path / "demo.zarr"), ("open", tmp_path / "lab.zarr")):
        result = run(*words)
        assert result.exit_code == 1
        assert re.fullmatch(
            rf'{named} be installed to open a window; install all with: python -m pip install "napari-kymflow\[all\]"',
            " ".join(result.stderr.split()),
        )
    assert list(tmp_path.iterdir()) == []


def test_the_version_is_that_of_the_package():
    assert run("--version").stdout == f"napari-kymflow {importlib.metadata.version('napari-kymflow')}\n"


def test_the_shortcut_is_told_to_a_script(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    result = run("install-shortcut", "--json")
    path = tmp_path / "applications" / "napari-kymflow.desktop"
    assert json.loads(result.stdout) == {"exit_code": 0, "shortcut": str(path)}
