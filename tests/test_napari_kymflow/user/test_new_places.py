"""Where something new goes on the user's disk."""

import re

import pytest

from napari_kymflow.user.new_places import copy_place, copy_problem, free_place


@pytest.mark.parametrize(
    ("wanted", "there", "expected"),
    [
        ("lab exported", [], "lab exported"),
        ("lab exported", ["lab exported"], "lab exported 2"),
        ("day 1.5 exported", ["day 1.5 exported"], "day 1.5 exported 2"),
        ("lab.zarr", ["lab.zarr"], "lab 2.zarr"),
        ("lab.zarr", ["lab.zarr", "lab 2.zarr"], "lab 3.zarr"),
    ],
)
def test_a_free_name_is_near_the_wanted_one(tmp_path, wanted, there, expected):
    for name in there:
        (tmp_path / name).mkdir()
    assert free_place(tmp_path / wanted) == tmp_path / expected


def test_a_copy_goes_beside_the_original(tmp_path):
    assert copy_place(tmp_path / "old.zarr") == tmp_path / "old copy.zarr"


def test_beside_an_original_that_cannot_be_written_to_there_is_no_place(tmp_path, monkeypatch):
    (tmp_path / "home").mkdir()
    monkeypatch.setattr("napari_kymflow.user.new_places.os.access", lambda path, _mode: path != tmp_path / "share")
    monkeypatch.setattr("napari_kymflow.user.new_places.Path.home", lambda: tmp_path / "home")
    assert copy_place(tmp_path / "share" / "old.zarr") == tmp_path / "home" / "old copy.zarr"


def test_a_free_place_has_no_problem(tmp_path):
    assert copy_problem(tmp_path / "old.zarr", f" {tmp_path / 'new.zarr'} ") == ""


@pytest.mark.parametrize(
    ("place", "problem"),
    [
        ("", "Give the whole path of the copy, such as .*old copy.zarr$"),
        ("new.zarr", "Give the whole path of the copy"),
        ("{}/old.zarr", r"There is something named old\.zarr in this folder already; choose another name"),
        ("{}/old.zarr/new.zarr", "The copy cannot be inside the original"),
        ("{}/away/new.zarr", "There is no folder .*away; choose one that is there"),
        ("{}/" + "x" * 300, "The copy cannot have this name .*; choose another"),
    ],
    ids=["nothing", "a name alone", "taken", "inside", "no folder", "too long"],
)
def test_what_is_wrong_with_a_place_is_said(tmp_path, place, problem):
    (tmp_path / "old.zarr").mkdir()
    assert re.search(problem, copy_problem(tmp_path / "old.zarr", place.format(tmp_path)))


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("napari_kymflow.user.new_places.os.access", lambda *_args: False)
    assert copy_problem(tmp_path / "a", str(tmp_path / "b.zarr")).endswith("cannot be written to; choose another folder.")
