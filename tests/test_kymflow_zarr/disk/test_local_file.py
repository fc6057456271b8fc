"""A small file on a local disk is the old one or the new one, and nothing is left next to it."""

import errno

import pytest

from kymflow_zarr.disk import steps
from kymflow_zarr.disk.local_file import save_file, saving_file


def refusing(*_arguments):
    raise OSError(errno.EIO, "Input/output error")


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def save(path):
    save_file(path, b"new")


def save_by_name(path):
    with saving_file(path) as temporary:
        temporary.write_bytes(b"new")


@pytest.mark.parametrize("way", [save, save_by_name])
class TestSaving:
    def test_makes_a_file_and_leaves_nothing_next_to_it(self, way, tmp_path):
        way(tmp_path / "a.json")
        assert contents(tmp_path) == {"a.json": b"new"}

    def test_replaces_a_file(self, way, tmp_path):
        (tmp_path / "a.json").write_bytes(b"old")
        way(tmp_path / "a.json")
        assert contents(tmp_path) == {"a.json": b"new"}

    def test_flushes_the_file_before_it_is_renamed_and_the_folder_after(self, way, tmp_path, monkeypatch):
        done = []
        for name in ("flush_file", "replace", "flush_folder"):
            real = getattr(steps, name)
            monkeypatch.setattr(steps, name, lambda *given, name=name, real=real: done.append(name) or real(*given))
        way(tmp_path / "a.json")
        assert done[:3] == ["flush_file", "replace", "flush_folder"]

    @pytest.mark.parametrize("primitive", ["flush_file", "replace"])
    def test_that_fails_leaves_the_old_file_and_nothing_next_to_it(self, way, primitive, tmp_path, monkeypatch):
        (tmp_path / "a.json").write_bytes(b"old")
        monkeypatch.setattr(steps, primitive, refusing)
        with pytest.raises(OSError, match="Input/output error"):
            way(tmp_path / "a.json")
        assert contents(tmp_path) == {"a.json": b"old"}

    def test_into_a_folder_that_is_not_there_is_an_error_and_makes_none(self, way, tmp_path):
        with pytest.raises(FileNotFoundError):
            way(tmp_path / "gone" / "a.json")
        assert contents(tmp_path) == {}


def test_an_error_of_who_writes_leaves_the_old_file_and_nothing_next_to_it(tmp_path):
    (tmp_path / "a.json").write_bytes(b"old")

    def write_half():
        with saving_file(tmp_path / "a.json") as temporary:
            temporary.write_bytes(b"half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_half()
    assert contents(tmp_path) == {"a.json": b"old"}


def test_a_relative_path_and_a_name_as_long_as_can_be_are_saved(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_file("n" * 255, b"new")
    assert contents(tmp_path) == {"n" * 255: b"new"}
