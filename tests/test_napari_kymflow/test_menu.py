"""The entries in napari's File ▸ IO Utilities: they open the dock and do what its buttons do."""

import pytest
import tifffile
from napari._app_model import get_app_model
from napari.utils.notifications import notification_manager
from npe2 import PluginManifest
from qtpy.QtWidgets import QFileDialog

from kymflow_zarr import ZarrDataset
from napari_kymflow._menu import export_dataset, import_new_from_folder, import_tiff_folder
from napari_kymflow.session.session import session_of
from napari_kymflow.widgets.dataset.folder_actions import ExchangeActions
from napari_kymflow.widgets.docks import find_dataset_dock, open_dataset_dock

IMPORT, NEW = "napari-kymflow.import_tiff_folder", "napari-kymflow.import_new_from_folder"
EXPORT = "napari-kymflow.export_dataset"


@pytest.fixture
def viewer(make_napari_viewer):
    return make_napari_viewer()


@pytest.fixture
def session(viewer, demo_path):
    """The demo dataset, open, without a dock."""
    opened = session_of(viewer)
    opened.open_dataset(demo_path)
    return opened


@pytest.fixture
def called(monkeypatch):
    """Which of the dock's actions were called."""
    names = []
    for name in ("choose_and_import", "refresh_from_folder", "choose_and_export"):
        monkeypatch.setattr(ExchangeActions, name, lambda _self, name=name: names.append(name))
    return names


def last_message():
    return str(notification_manager.records[-1].message)


def test_the_entries_are_in_napari_s_menu():
    manifest = PluginManifest.from_distribution("napari-kymflow")
    items = manifest.contributions.menus["napari/file/io_utilities"]
    assert [item.command for item in items] == [IMPORT, NEW, EXPORT]


def test_each_has_a_title_that_says_what_it_does():
    commands = {one.id: one.title for one in PluginManifest.from_distribution("napari-kymflow").contributions.commands}
    assert (commands[IMPORT], commands[NEW]) == ("Import TIFF folder…", "New from folder…")


def test_an_import_opens_the_dock_and_asks_there(viewer, called):
    import_tiff_folder(viewer)
    assert (called, find_dataset_dock(viewer) is not None) == (["choose_and_import"], True)


def test_the_same_dock_is_taken_again(viewer, called):
    dock = open_dataset_dock(viewer)
    import_tiff_folder(viewer)
    assert open_dataset_dock(viewer) is dock
    assert called == ["choose_and_import"]


@pytest.mark.parametrize(
    ("command", "action"),
    [
        (import_tiff_folder, "choose_and_import"),
        (import_new_from_folder, "refresh_from_folder"),
        (export_dataset, "choose_and_export"),
    ],
)
def test_a_dock_that_looks_at_the_dataset_first_is_waited_for(viewer, session, called, qtbot, command, action):
    command(viewer)
    qtbot.waitUntil(lambda: called == [action])
    assert not find_dataset_dock(viewer).is_busy


def test_without_a_dataset_there_is_nothing_new(viewer, called):
    import_new_from_folder(viewer)
    assert called == []
    assert last_message().startswith("No dataset is open, so there is none to fill from its folder")


def test_without_a_dataset_there_is_nothing_to_export(viewer, called):
    export_dataset(viewer)
    assert called == []
    assert last_message() == "No dataset is open, so there is none to export: open one first."


def test_a_dataset_that_is_only_read_can_be_exported(viewer, session, called, monkeypatch, qtbot):
    monkeypatch.setattr(type(session), "is_read_only", "on a disk that cannot be written to")
    export_dataset(viewer)
    qtbot.waitUntil(lambda: called == ["choose_and_export"])


def test_while_the_dock_is_at_work_nothing_is_begun(viewer, session, called, qtbot, monkeypatch):
    dock = open_dataset_dock(viewer)
    qtbot.waitUntil(lambda: not dock.is_busy)
    monkeypatch.setattr(type(dock), "is_busy", property(lambda _self: True))
    import_tiff_folder(viewer)
    assert called == []
    assert last_message().startswith("Kymflow is at work: wait until that is done")
    monkeypatch.undo()


def test_into_a_dataset_that_is_only_read_nothing_is_imported(viewer, session, called, monkeypatch):
    monkeypatch.setattr(type(session), "is_read_only", "on a disk that cannot be written to")
    import_tiff_folder(viewer)
    assert called == []
    assert last_message() == (
        "demo.zarr is read-only (on a disk that cannot be written to), so nothing can be imported into it."
    )


@pytest.mark.everyday
def test_napari_hands_the_command_its_viewer(viewer, called):
    get_app_model().commands.execute_command(IMPORT).result()
    assert called == ["choose_and_import"]


@pytest.mark.everyday
def test_a_folder_is_imported_through_the_menu(viewer, tmp_path, monkeypatch, qtbot, scan_path):
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_args: str(scan_path.parent))
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_args: (str(tmp_path / "lab.zarr"), ""))
    import_tiff_folder(viewer)
    dock = find_dataset_dock(viewer)
    qtbot.waitUntil(lambda: session_of(viewer).image_id is not None and not dock.is_busy, timeout=20_000)
    assert len(ZarrDataset(tmp_path / "lab.zarr", mode="r").list_image_ids()) == 1
    session_of(viewer).close_record()


@pytest.fixture
def scan_path(tmp_path):
    """A line scan in a folder."""
    path = tmp_path / "scans" / "scan.tif"
    path.parent.mkdir()
    tifffile.imwrite(path, [[1, 2, 3]] * 20, dtype="uint16")
    return path
