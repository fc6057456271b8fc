"""A dataset of the older program in a real window: a copy is offered, made in a worker, and opened."""

import json
import threading
import uuid
from dataclasses import replace

import numpy as np
import pytest
import zarr
from qtpy.QtWidgets import QFileDialog
from typer.testing import CliRunner

from kymflow_zarr import ZarrDataset
from napari_kymflow import _cli
from napari_kymflow.session.session import session_of
from napari_kymflow.widgets.dataset import folder_work
from napari_kymflow.widgets.dataset.dataset_dock import DatasetDock
from napari_kymflow.widgets.docks import find_dataset_dock


@pytest.fixture
def old_path(tmp_path):
    """Two records as the older program writes them."""
    path = tmp_path / "old.zarr"
    zarr.create_group(
        path, zarr_format=2, attributes={"format": "kymflow_zarr_v1", "schema_version": 1, "created_utc": "t"}
    )
    for number in (1, 2):
        image = path / "images" / str(uuid.UUID(int=number, version=4))
        zarr.create_group(image, zarr_format=2, attributes={"axes": ["y", "x"], "created_utc": "t"})
        pixels = zarr.create_array(image / "data", shape=(40, 12), dtype="uint16", chunks=(40, 12), zarr_format=2)
        pixels[...] = np.full((40, 12), number)
        (image / "analysis").mkdir()
        (image / "analysis/metadata.json").write_text(json.dumps({"header": {"name": f"scan {number}"}}))
    return path


@pytest.fixture
def viewer(viewer_model):
    return viewer_model


@pytest.fixture
def dock(alone, qtbot):
    """The dock with nothing open."""
    made = alone(DatasetDock)
    yield made
    if made.upgrade.dialog is not None:
        made.upgrade.dialog.close()


@pytest.fixture
def offered(dock, old_path):
    """The dialog over the dock, after the older dataset was to be opened."""
    dock.do.open_dataset(old_path)
    return dock.upgrade.dialog


@pytest.fixture
def slow(monkeypatch):
    """An event that a copy waits for, after its first record."""
    go_on = threading.Event()
    real = folder_work.upgrade_dataset

    def upgrade(old, new, *, describe, watch):
        def show(done, total, name):
            watch.progress(done, total, name)
            if done == 0:
                go_on.wait(20)

        return real(old, new, describe=describe, watch=replace(watch, progress=show))

    monkeypatch.setattr(folder_work, "upgrade_dataset", upgrade)
    yield go_on
    go_on.set()


def wait(dock, qtbot):
    qtbot.waitUntil(lambda: not dock.is_busy, timeout=30_000)


def test_what_is_dropped_is_offered_as_a_copy(make_napari_viewer, old_path):
    viewer = make_napari_viewer()
    assert viewer.open(str(old_path), plugin="napari-kymflow") == []
    dock = find_dataset_dock(viewer)
    assert dock.upgrade.dialog.isVisible()
    assert dock.upgrade.dialog.windowTitle() == "Make a copy in today's format"
    assert session_of(viewer).dataset is None
    dock.upgrade.dialog.close()


def test_a_record_of_it_that_is_dropped_offers_a_copy_of_all(make_napari_viewer, old_path):
    viewer = make_napari_viewer()
    image = next((old_path / "images").iterdir())
    viewer.open(str(image), plugin="napari-kymflow")
    dialog = find_dataset_dock(viewer).upgrade.dialog
    assert dialog._place.text() == str(old_path.with_name("old copy.zarr"))
    dialog.close()


def test_the_dock_s_open_offers_a_copy(dock, old_path, monkeypatch):
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_args: str(old_path))
    dock.do.choose_and_open()
    assert dock.upgrade.dialog.isVisible()


def test_what_is_open_stays_open_under_the_offer(dock, old_path, demo_path, viewer, qtbot):
    dock.do.open_dataset(demo_path)
    wait(dock, qtbot)
    dock.do.open_dataset(old_path)
    assert (session_of(viewer).path, dock.upgrade.dialog.isVisible()) == (demo_path, True)


def test_nothing_is_made_unless_it_is_wanted(dock, offered, tmp_path, qtbot):
    before = sorted(tmp_path.iterdir())
    offered._cancel.click()
    qtbot.waitUntil(lambda: dock.upgrade.dialog is None)
    assert (sorted(tmp_path.iterdir()), dock.is_busy) == (before, False)


def test_the_copy_is_made_and_opened(dock, offered, old_path, viewer, qtbot):
    offered._copy.click()
    wait(dock, qtbot)
    session = session_of(viewer)
    assert session.path == old_path.with_name("old copy.zarr")
    assert (session.record.image.name, session.record.image.pixels[0, 0]) == ("scan 1", 1)
    assert dock._bar.text == "2 records and 0 tables copied, and compared with the original: old copy.zarr"
    assert not session.is_read_only


def test_the_copy_goes_where_the_user_says(dock, offered, tmp_path, viewer, qtbot, monkeypatch):
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_args: (str(tmp_path / "mine"), ""))
    offered._choose.click()
    assert offered._place.text() == str(tmp_path / "mine.zarr")
    offered._copy.click()
    wait(dock, qtbot)
    assert session_of(viewer).path == tmp_path / "mine.zarr"


def test_a_place_that_is_taken_is_not_taken_again(offered, old_path):
    offered._place.setText(str(old_path))
    assert not offered._copy.isEnabled()
    assert offered._problem.text().startswith("There is something named old.zarr in this folder already")
    offered._place.setText(str(old_path.with_name("new.zarr")))
    assert (offered._copy.isEnabled(), offered._problem.text()) == (True, "")


def test_progress_is_shown(dock, offered, slow, qtbot):
    offered._copy.click()
    qtbot.waitUntil(lambda: dock._bar.text == "Copying old.zarr 0 of 2")
    slow.set()
    wait(dock, qtbot)


def test_it_can_be_cancelled_and_leaves_nothing(dock, offered, slow, old_path, viewer, qtbot):
    offered._copy.click()
    qtbot.waitUntil(lambda: dock._bar.text.startswith("Copying old.zarr"))
    dock._bar.cancel()
    slow.set()
    wait(dock, qtbot)
    assert (dock._bar._badge.text(), dock._bar.text) == ("Cancelled", "No copy was made")
    assert [path.name for path in old_path.parent.glob("*.zarr")] == ["old.zarr"]
    assert session_of(viewer).dataset is None


def test_a_damaged_original_is_reported_and_nothing_opens(dock, offered, old_path, viewer, qtbot):
    next(old_path.glob("images/*/analysis/metadata.json")).write_text("{")
    offered._copy.click()
    wait(dock, qtbot)
    assert dock._bar.text.startswith("not upgraded: ")
    assert session_of(viewer).dataset is None
    assert not old_path.with_name("old copy.zarr").exists()


def test_while_the_dock_is_at_work_no_copy_is_begun(dock, old_path, qtbot):
    go_on = threading.Event()
    dock._bar.run("At work", lambda _handle: go_on.wait(20), lambda _done: "")
    dock.do.open_dataset(old_path)
    dialog = dock.upgrade.dialog
    assert (dialog._copy.isEnabled(), "Kymflow is at work" in dialog._problem.text()) == (False, True)
    go_on.set()
    qtbot.waitUntil(lambda: dialog._copy.isEnabled())


def test_a_second_offer_takes_the_place_of_the_first(dock, offered, old_path, tmp_path, qtbot):
    other = old_path.rename(tmp_path / "other.zarr")
    dock.do.open_dataset(other)
    qtbot.waitUntil(lambda: dock.upgrade.dialog is not None and dock.upgrade.dialog is not offered)
    assert dock.upgrade.dialog._place.text() == str(tmp_path / "other copy.zarr")


def test_the_command_open_opens_the_window_on_it(old_path, monkeypatch):
    shown = []
    monkeypatch.setattr(_cli, "_show", lambda path, *_args: shown.append(path))
    result = CliRunner().invoke(_cli.app, ["open", str(old_path)])
    assert (result.exit_code, shown) == (0, [old_path])


def test_for_a_screenshot_nobody_can_be_asked(old_path, tmp_path, monkeypatch):
    monkeypatch.setattr(_cli, "_show", lambda *_args: pytest.fail("a window was opened"))
    result = CliRunner().invoke(_cli.app, ["open", str(old_path), "--screenshot", str(tmp_path / "x.png")])
    assert (result.exit_code, "napari-kymflow upgrade" in result.stderr) == (1, True)


def test_the_copy_is_a_dataset_of_today(dock, offered, old_path, qtbot):
    offered._copy.click()
    wait(dock, qtbot)
    copy = ZarrDataset(old_path.with_name("old copy.zarr"), mode="r")
    assert (copy.verify(deep=True).problems, copy.attributes.upgraded_from["format"]) == ((), "kymflow_zarr_v1")
