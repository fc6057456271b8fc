"""The commands for a dataset on a web server."""

import json
from collections.abc import Iterator

import numpy as np
import pytest
from typer.testing import CliRunner

from file_server import FileServer, serving
from kymflow_core import KymDataset
from kymflow_core.cli import app
from kymflow_core.indexers import INDEXERS
from kymflow_zarr import ZarrDataset

pytest.importorskip("obstore")


def run(*arguments: object):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


@pytest.fixture(scope="module")
def lab(tmp_path_factory) -> ZarrDataset:
    """A dataset with two records and its tables, prepared for a server by the command."""
    dataset = ZarrDataset.create(tmp_path_factory.mktemp("served") / "lab.zarr")
    for number in (1, 2):
        dataset.add_image(np.full((20, 6), number, np.uint16))
    for indexer in INDEXERS:
        KymDataset(dataset).refresh(indexer)
    result = run("prepare-upload", dataset.path)
    assert (result.exit_code, "files listed; now copy the whole folder" in result.output) == (0, True)
    return dataset


@pytest.fixture(scope="module")
def server(lab) -> Iterator[FileServer]:
    with serving(lab.path.parent) as one:
        yield one


@pytest.fixture
def address(server) -> str:
    server.asked()
    return server.url("lab.zarr")


def test_info_says_the_same_as_on_the_disk(lab, address):
    there, local = run("info", address), run("info", lab.path)
    assert there.output.replace(address, "") == local.output.replace(str(lab.path), "")
    assert there.output.startswith(f"{address}: 2 records")


def test_info_asks_for_the_lists_the_tables_and_their_indexes_and_for_no_record(lab, address, server):
    assert run("info", address).exit_code == 0
    asked = server.asked()
    assert len(asked) == 3 + 2 * len(lab.list_table_names())
    assert not [path for path in asked if "/images/" in path]


def test_info_as_json_says_the_address(address):
    assert json.loads(run("info", address, "--json").stdout)["path"] == address


def test_freshness_says_the_same_as_on_the_disk(lab, address):
    assert run("freshness", address).output == run("freshness", lab.path).output


def test_a_server_that_fails_is_an_error_of_info_and_no_damaged_table(address, server, monkeypatch):
    monkeypatch.setattr("kymflow_zarr.remote.objects.RETRIES", 0)
    monkeypatch.setitem(server.answers, "tables/rois.parquet", 500)
    result = run("info", address)
    assert result.exit_code == 1
    assert "could not be read (Server returned non-2xx status code: 500 Internal Server Error)" in result.output
    assert "damaged" not in result.output


@pytest.mark.parametrize("command", ["index", "refresh", "prepare-upload"])
def test_what_writes_says_how_to_make_a_copy(address, command):
    result = run(command, address)
    assert (result.exit_code, f"napari-kymflow download {address} lab.zarr" in result.output) == (1, True)


def test_download_makes_a_sound_copy(address, tmp_path):
    result = run("download", address, tmp_path / "copy.zarr")
    assert (result.exit_code, result.output.startswith("2 records downloaded: ")) == (0, True)
    assert run("verify", tmp_path / "copy.zarr", "--deep").exit_code == 0


def test_verify_says_to_verify_a_copy(address):
    result = run("verify", address)
    assert (result.exit_code, "not verified there" in result.output) == (2, True)


def test_methods_says_the_same_as_on_the_disk(lab, address):
    assert run("methods", address).output == run("methods", lab.path).output


def test_a_server_that_fails_at_a_record_is_no_excluded_image_of_the_paper(address, server, monkeypatch, lab):
    monkeypatch.setattr("kymflow_zarr.remote.objects.RETRIES", 0)
    record = lab.record(lab.list_image_ids()[0])
    record.save_metadata_payload({"header": {"name": "one"}})
    lab.save_file_list()
    monkeypatch.setitem(server.answers, "metadata.00000000.json", 500)
    result = run("methods", address)
    assert (result.exit_code, "500 Internal Server Error" in result.output, "excluded" in result.output) == (1, True, False)
