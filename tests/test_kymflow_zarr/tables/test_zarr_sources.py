"""Which file a record came from."""

import hashlib
from pathlib import Path

import pytest

from kymflow_zarr.errors import DamagedError
from kymflow_zarr.tables.sources import Source, sources_to_frame


@pytest.fixture
def source(tiff_folder):
    """The source that is the file a.tif."""
    return Source.from_file(tiff_folder / "a.tif")


def test_a_source_holds_the_files_digest(source, tiff_folder):
    assert source.source_sha256 == hashlib.sha256((tiff_folder / "a.tif").read_bytes()).hexdigest()


def test_a_source_holds_the_files_size_and_time(source, tiff_folder):
    status = (tiff_folder / "a.tif").stat()
    assert (source.source_size_bytes, source.source_mtime_ns) == (status.st_size, status.st_mtime_ns)


def test_a_source_holds_the_absolute_path(source, tiff_folder, monkeypatch):
    monkeypatch.chdir(tiff_folder)
    assert Source.from_file(Path("a.tif")).source_primary_path == source.source_primary_path


def test_a_missing_file_is_no_source(tiff_folder):
    with pytest.raises(FileNotFoundError, match=r"missing\.tif"):
        Source.from_file(tiff_folder / "missing.tif")


def test_a_source_survives_a_round_trip(source):
    assert Source.from_json(source.to_json(), where="x") == source


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        pytest.param({"source_mtime_ns": "1"}, "source_mtime_ns", id="text for a number"),
        pytest.param({"source_sha256": None}, "source_sha256", id="missing"),
        pytest.param({"source_sha256": 1, "source_size_bytes": 1.5}, "source_size_bytes, source_sha256", id="two"),
    ],
)
def test_a_provenance_with_wrong_fields_names_them(source, change, wrong):
    with pytest.raises(DamagedError, match=f"x is no provenance of a file: {wrong} missing or of the wrong type"):
        Source.from_json({**source.to_json(), **change}, where="x")


@pytest.mark.parametrize("value", [None, 3, [], "text"], ids=repr)
def test_a_provenance_that_is_no_object_names_all_fields(value):
    with pytest.raises(DamagedError, match=r"source_primary_path, source_mtime_ns, .* missing"):
        Source.from_json(value, where="x")


def test_each_source_is_one_row(source):
    frame = sources_to_frame({"a": source, "b": source})
    assert frame["image_id"].tolist() == ["a", "b"]


def test_no_sources_have_the_dtypes_of_some(source):
    assert dict(sources_to_frame({}).dtypes) == dict(sources_to_frame({"a": source}).dtypes)
