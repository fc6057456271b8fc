"""The list of a dataset's files."""

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kymflow_zarr.errors import DamagedError, InvalidNameError
from kymflow_zarr.layout import FILE_LIST
from kymflow_zarr.remote.blobs import RemoteBlobs
from kymflow_zarr.remote.file_list import FileList, files_of, size_of
from kymflow_zarr.remote.objects import Objects

_PARTS = st.sampled_from(["a", "b c", "é", "images", "zarr.json", "0b0b0b0b-1111-2222-3333-444444444444"])
_KEYS = st.lists(_PARTS, min_size=1, max_size=4).map("/".join)
_STAMPS = st.integers(0, 10**12).map(lambda size: f"{size}-1-2-3")


@given(st.dictionaries(_KEYS, _STAMPS, max_size=12))
def test_it_comes_back_from_its_bytes(files):
    made = FileList.of_files(files.items())
    back = FileList.from_bytes(made.to_bytes(), what="the list")
    assert sorted(files_of(back.top)) == sorted(files_of(made.top))


def test_it_names_every_visible_file_of_a_dataset_and_its_size(dataset, record):
    record.save_json("a", 1)
    (dataset.path / ".hidden").write_bytes(b"")
    (dataset.path / "images" / "Thumbs.db").write_bytes(b"")
    count = dataset.save_file_list()
    files = dict(files_of(FileList.from_bytes((dataset.path / FILE_LIST).read_bytes(), what="the list").top))
    there = {path.relative_to(dataset.path).as_posix(): path for path in dataset.path.rglob("*") if path.is_file()}
    assert set(files) == set(there) - {FILE_LIST, ".hidden", "images/Thumbs.db"}
    assert all(stamp.startswith(f"{there[key].stat().st_size}-") for key, stamp in files.items())
    assert count == len(files)


def test_a_dataset_with_a_list_is_sound(dataset, record):
    dataset.save_file_list()
    assert dataset.verify(deep=True).problems == ()


@pytest.mark.parametrize("text", ["", "kymflow files 2\n", "<html>\n"], ids=["empty", "of another version", "a page"])
def test_what_is_no_list_is_damage(text):
    with pytest.raises(
        DamagedError, match=r"no list of files of this version; make it with: napari-kymflow prepare-upload"
    ):
        FileList.from_bytes(gzip.compress(text.encode()), what="it")


@pytest.mark.parametrize("line", ["[]", '{"zarr.json": "x"}', '{"zarr.json": 5}', "{"])
def test_a_line_that_says_no_sizes_is_damage_when_it_is_read(line):
    files = FileList.from_bytes(gzip.compress(f"kymflow files 1\n {{}}\na {line}\n".encode()), what="it")
    with pytest.raises(DamagedError, match="the list of files"):
        size_of(files.find("images/a/zarr.json"))


def test_a_key_that_leads_out_of_the_dataset_is_not_asked_for():
    pytest.importorskip("obstore")
    blobs = RemoteBlobs(Objects("http://127.0.0.1:9/lab.zarr"), FileList.of_files([("../secret", "5-1")]))
    with pytest.raises(InvalidNameError, match="does not name a place inside the dataset"):
        blobs.read("../secret")
