"""The list of datasets that were opened last, and that nothing that is wrong with it stops anybody."""

import json
import shutil
from pathlib import Path

import pytest

from napari_kymflow.user import recent
from napari_kymflow.user.recent import folder_of, forget_recent, note_folder, note_recent, recent_datasets


@pytest.fixture(autouse=True)
def recent_file(tmp_path, monkeypatch):
    path = tmp_path / "config" / "recent.json"
    monkeypatch.setattr(recent, "recent_path", lambda: path)
    return path


@pytest.fixture
def make(tmp_path):
    """A function that makes what looks like a dataset."""

    def make_dataset(name, document="zarr.json"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / document).write_text("{}")
        return folder

    return make_dataset


def test_at_first_there_is_none():
    assert recent_datasets() == ()


def test_the_newest_is_first(make):
    first, second = make("a.zarr"), make("b.zarr")
    note_recent(first)
    note_recent(second)
    assert recent_datasets() == (second, first)


def test_one_that_is_opened_again_moves_to_the_front(make):
    first, second = make("a.zarr"), make("b.zarr")
    for path in (first, second, first):
        note_recent(path)
    assert recent_datasets() == (first, second)


def test_no_more_than_ten_are_kept(make):
    paths = [make(f"{number}.zarr") for number in range(12)]
    for path in paths:
        note_recent(path)
    assert recent_datasets() == tuple(reversed(paths[2:]))


def test_a_relative_path_is_kept_whole(make, tmp_path, monkeypatch):
    path = make("a.zarr")
    monkeypatch.chdir(tmp_path)
    note_recent("a.zarr")
    assert recent_datasets() == (path,)


def test_one_that_is_gone_is_left_out(make):
    first, second = make("a.zarr"), make("b.zarr")
    note_recent(first)
    note_recent(second)
    shutil.rmtree(second)
    assert recent_datasets() == (first,)


def test_a_folder_that_is_no_dataset_any_more_is_left_out(make):
    path = make("a.zarr")
    note_recent(path)
    (path / "zarr.json").unlink()
    assert recent_datasets() == ()


def test_one_that_is_back_is_listed_again(make, tmp_path):
    first, second = make("a.zarr"), make("b.zarr")
    note_recent(first)
    first.rename(tmp_path / "away")
    note_recent(second)
    (tmp_path / "away").rename(first)
    assert recent_datasets() == (second, first)


def test_a_folder_that_may_not_be_looked_into_is_left_out(make, monkeypatch):
    def refuse(_self):
        raise PermissionError(13, "Permission denied")

    note_recent(make("a.zarr"))
    monkeypatch.setattr(Path, "is_file", refuse)
    assert recent_datasets() == ()


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b'{"paths": ["/a', id="torn"),
        pytest.param(b"[]", id="no object"),
        pytest.param(b"\xff\xfe\x00", id="no text"),
        pytest.param(b"[" * 100_000, id="too deep"),
        pytest.param(b'{"format": "kymflow_recent", "version": 2, "paths": ["/"]}', id="another version"),
        pytest.param(b'{"format": "kymflow_recent", "version": 1, "paths": 7}', id="paths are no list"),
        pytest.param(b'{"format": "kymflow_recent", "version": 1, "paths": [7, null, ""]}', id="paths are no text"),
    ],
)
class TestDamagedList:
    def test_is_empty(self, recent_file, content):
        recent_file.parent.mkdir()
        recent_file.write_bytes(content)
        assert recent_datasets() == ()

    def test_is_begun_anew(self, recent_file, content, make):
        recent_file.parent.mkdir()
        recent_file.write_bytes(content)
        path = make("a.zarr")
        note_recent(path)
        assert recent_datasets() == (path,)


def test_a_list_that_cannot_be_written_stops_nobody(recent_file, make):
    recent_file.parent.write_text("a file where the folder should be")
    note_recent(make("a.zarr"))
    assert recent_datasets() == ()


def test_a_write_that_fails_leaves_the_list_as_it_was(make, monkeypatch):
    first, second = make("a.zarr"), make("b.zarr")
    note_recent(first)
    monkeypatch.setattr("os.fsync", _full)
    note_recent(second)
    assert recent_datasets() == (first,)


def test_a_write_that_fails_leaves_no_temporary_file(recent_file, make, monkeypatch):
    monkeypatch.setattr("os.fsync", _full)
    note_recent(make("a.zarr"))
    assert list(recent_file.parent.iterdir()) == []


def test_the_file_says_what_it_is(recent_file, make):
    path = make("a.zarr")
    note_recent(path)
    assert json.loads(recent_file.read_text()) == {
        "format": "kymflow_recent",
        "version": 1,
        "paths": [str(path)],
        "folders": {},
    }


def test_forgetting_empties_the_list(make):
    note_recent(make("a.zarr"))
    forget_recent()
    assert recent_datasets() == ()


def test_forgetting_nothing_is_no_error():
    forget_recent()
    assert recent_datasets() == ()


def _full(_descriptor):
    raise OSError(28, "No space left on device")


def test_the_folder_of_a_dataset_is_remembered_and_the_list_stays(make, tmp_path):
    note_recent(make("a.zarr"))
    note_folder("an id", tmp_path)
    note_recent(make("b.zarr"))
    assert (folder_of("an id"), folder_of("another")) == (tmp_path, None)
    assert [path.name for path in recent_datasets()] == ["b.zarr", "a.zarr"]
