"""A dataset at an address is looked at as one on a disk, and nothing of it can be changed."""

from collections.abc import Iterator

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.utils.notifications import notification_manager
from typer.testing import CliRunner

from file_server import FileServer, serving
from kymflow_core.indexers import INDEXERS
from kymflow_zarr import ZarrDataset
from kymflow_zarr.watch import UNWATCHED
from napari_kymflow._cli import app
from napari_kymflow._reader import NOTHING, get_reader, read
from napari_kymflow.session.session import session_of
from napari_kymflow.tables.work import load_views, run_indexers
from napari_kymflow.user.recent import note_recent

pytest.importorskip("obstore")


@pytest.fixture
def server(demo_path) -> Iterator[FileServer]:
    """A web server that gives the demo dataset's files."""
    ZarrDataset(demo_path).save_file_list()
    with serving(demo_path.parent) as one:
        one.knows_changes = True
        yield one


@pytest.fixture
def address(server, demo_path) -> str:
    return server.url(demo_path.name)


@pytest.mark.parametrize("end", ["", "/zarr.json"])
def test_the_reader_opens_it(address, end):
    assert get_reader(f"{address}{end}") is not None
    assert [kind for _, _, kind in read(f"{address}{end}")] == ["image", "image", "shapes"]


def test_the_reader_opens_one_record_of_it(address, demo_path):
    image_id = ZarrDataset(demo_path).list_image_ids()[1]
    layers = read(f"{address}/images/{image_id}")
    assert layers[0][1]["metadata"]["kymflow"].image_id == image_id
    assert np.array_equal(layers[0][0], ZarrDataset(demo_path).record(image_id).load_array())


@pytest.mark.slow
def test_the_reader_leaves_other_addresses_to_others(server):
    assert get_reader(server.url("other.zarr")) is None
    assert get_reader("https://localhost.invalid/picture.png") is None


@pytest.mark.slow
def test_a_record_of_it_is_shown_read_only(address):
    viewer = ViewerModel()
    session = session_of(viewer)
    assert session.open_dataset(address)
    assert session.is_read_only == "at an address of a server"
    assert session.path == ZarrDataset(address, mode="r").path
    assert session.open_record(session.image_ids[0])
    assert not session.record.editor.can_edit


@pytest.mark.slow
def test_its_tables_are_looked_at_without_writing(address):
    path = ZarrDataset(address, mode="r").path
    assert run_indexers(path, [], "refresh") == []
    assert set(load_views(path, INDEXERS, None, UNWATCHED).snapshot.tables) >= {"images", "rois"}


def test_it_is_not_among_the_recent_datasets_of_this_computer(address, tmp_path, monkeypatch):
    monkeypatch.setattr("napari_kymflow.user.recent.recent_path", lambda: tmp_path / "recent.json")
    note_recent(ZarrDataset(address, mode="r").path)
    assert not (tmp_path / "recent.json").exists()


def test_the_command_line_says_why_it_cannot_be_opened(server):
    result = CliRunner().invoke(app, ["open", server.url("other.zarr")])
    assert (result.exit_code, "there is no index/files.json.gz at" in result.output) == (1, True)


def test_a_server_that_fails_at_a_record_is_no_damaged_record(address, server, monkeypatch):
    monkeypatch.setattr("kymflow_zarr.remote.objects.RETRIES", 0)
    server.answers["metadata.00000001.json"] = 500
    before = len(notification_manager.records)
    assert read(address) == NOTHING
    (said,) = [str(record.message) for record in notification_manager.records[before:]]
    assert "could not be read (Server returned non-2xx status code: 500" in said
    assert "damaged" not in said
