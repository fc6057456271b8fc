"""Viewers and datasets for the plugin's tests; no X server is needed, but canvas screenshots are skipped without one.

Every process loads this file, also one without napari (see `processes`); so it imports napari in its fixtures only.
"""

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from kymflow_core.images.acquisition_file import read_acquisition_file
from kymflow_core.indexers import INDEXERS
from kymflow_core.simulate import make_demo_dataset
from kymflow_core.tables.kym_dataset import KymDataset
from kymflow_zarr import ZarrDataset

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_kymflow.session.session import KymSession

os.environ.setdefault("NAPARI_CONFIG", "")
_HAS_SCREEN = sys.platform != "linux" or "DISPLAY" in os.environ or shutil.which("Xvfb") is not None
if not _HAS_SCREEN:
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
OFFSCREEN = os.environ.get("QT_QPA_PLATFORM") == "offscreen"


@pytest.fixture(autouse=True, scope="session")
def _patience() -> None:
    """Let a wait end only when what it waits for is there: pytest-qt's 5 s are too short where the machine is loaded."""
    from pytestqt.qtbot import QtBot

    for wait in (QtBot.waitUntil, QtBot.waitSignal, QtBot.waitExposed):
        wait.__kwdefaults__["timeout"] = 60_000


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests in a real window, before pytest leaves out the stories; skip those that nothing draws."""
    for item in items:
        markers = {marker.name for marker in item.iter_markers()}
        fixtures = {"make_napari_viewer", "alone"} & set(getattr(item, "fixturenames", ()))
        if fixtures and not markers & {"story", "everyday"}:
            item.add_marker("window")
            item.add_marker("story")
        if OFFSCREEN and item.get_closest_marker("opengl"):
            item.add_marker(pytest.mark.skip(reason="Qt's offscreen platform draws no canvas; install Xvfb"))


@pytest.fixture(autouse=True)
def _opengl_without_a_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let napari make viewers where there is no OpenGL: it only asks for limits and extensions."""
    if not OFFSCREEN:
        return
    from napari._vispy.utils import gl
    from vispy.gloo import gl as gloo

    def parameter(name: int) -> str | int:
        return "" if name == gloo.GL_EXTENSIONS else 16384

    monkeypatch.setattr(gloo, "glGetParameter", parameter)
    for cached in (gl.get_gl_extensions, gl.get_max_texture_sizes):
        cached.cache_clear()


@pytest.fixture(autouse=True)
def drafts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where ROIs that could not be saved are kept, instead of the user's own folder."""
    folder = tmp_path / "drafts"
    monkeypatch.setattr("napari_kymflow.rois.drafts.drafts_folder", lambda: folder)
    return folder


@pytest.fixture(autouse=True)
def answers(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[Any]]:
    """What the user answers to each kind of question, in order; unasked ones discard. Ends with what was asked."""
    given: dict[str, list[Any]] = {"unsaved": [], "conflicts": [], "close": [], "own": [], "asked": []}

    def answer(kind: str, default: Any) -> Any:
        def ask(self: object, what: Any) -> Any:
            given["asked"].append((kind, what))
            return given[kind].pop(0) if given[kind] else default

        return ask

    from napari_kymflow.widgets.window.window import NapariWindow

    monkeypatch.setattr(NapariWindow, "ask_unsaved", answer("unsaved", "discard"))
    monkeypatch.setattr(NapariWindow, "ask_conflicts", answer("conflicts", "both"))
    monkeypatch.setattr(NapariWindow, "ask_close", answer("close", True))
    monkeypatch.setattr(NapariWindow, "ask_own_window", answer("own", False))
    return given


@pytest.fixture(autouse=True)
def _no_autosave(monkeypatch: pytest.MonkeyPatch) -> None:
    """Edits are saved when a test says so; the user's own preferences are never touched."""
    from napari.utils.events import EventedModel

    class Preferences(EventedModel):
        autosave: bool = False

    preferences = Preferences()
    monkeypatch.setattr("napari_kymflow.user.preferences._rois", lambda: preferences)


@pytest.fixture(autouse=True)
def table_preferences(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """What the user prefers of tables: they follow a save when a test says so; what is remembered lies aside."""
    preferences = SimpleNamespace(autorefresh=False, previous_record_key="Alt+Up", next_record_key="Alt+Down")
    monkeypatch.setattr("napari_kymflow.user.preferences._tables", lambda: preferences)
    monkeypatch.setattr("napari_kymflow.user.recent.recent_path", lambda: tmp_path / "config" / "recent.json")
    monkeypatch.setattr("napari_kymflow.flow.limits.limits_path", lambda: tmp_path / "config" / "limits.json")
    monkeypatch.setattr("napari_kymflow.user.reviewer.reviewer_path", lambda: tmp_path / "config" / "reviewer.json")
    monkeypatch.setattr("napari_kymflow.user.displays.displays_path", lambda: tmp_path / "config" / "displays.json")
    monkeypatch.setattr("napari_kymflow.user.table_layouts.layouts_path", lambda: tmp_path / "config" / "layouts.json")
    return preferences


@pytest.fixture(scope="session")
def _demo_original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("demo") / "demo.zarr"
    make_demo_dataset(path)
    return path


@pytest.fixture
def demo_path(_demo_original: Path, tmp_path: Path) -> Path:
    """The simulated dataset: three records, two rectangles and one mask each, tables built; may be changed."""
    return Path(shutil.copytree(_demo_original, tmp_path / "demo.zarr"))


@pytest.fixture(scope="session")
def _lab_original(olympus_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("lab") / "lab.zarr"
    ZarrDataset(path).import_folder(olympus_folder, read_file=read_acquisition_file)
    tables = KymDataset(path)
    for indexer in INDEXERS:
        tables.rebuild(indexer)
    return path


@pytest.fixture
def lab_path(_lab_original: Path, tmp_path: Path) -> Path:
    """The laboratory's real line scans, imported, tables built; may be changed."""
    return Path(shutil.copytree(_lab_original, tmp_path / "lab.zarr"))


@pytest.fixture
def until_gone(qtbot: Any) -> Callable[[Any], AbstractContextManager[None]]:
    """A function that returns a context, which ends when a widget is deleted."""

    @contextmanager
    def wait(widget: Any) -> Iterator[None]:
        gone: list[bool] = []
        # Not `waitSignal`, which disconnects at the end: on PySide6 nothing can be disconnected from what is gone.
        widget.destroyed.connect(lambda *_: gone.append(True))
        yield
        qtbot.waitUntil(lambda: gone == [True], timeout=20_000)

    return wait


@pytest.fixture
def viewer_model() -> "ViewerModel":
    """A viewer without Qt and without a canvas."""
    from napari.components import ViewerModel

    return ViewerModel()


@pytest.fixture
def alone(viewer_model: "ViewerModel", until_gone: Any, qtbot: Any) -> Iterator[Callable[[type], Any]]:
    """A function that makes a dock over `viewer_model`, without napari's window, which costs seconds a test.

    After the test the docks are deleted, once their workers are done. Such tests run where those of windows run.
    """
    from napari_kymflow.session.session import session_of

    made: list[Any] = []

    def make(kind: type) -> Any:
        made.append(kind(viewer_model))
        return made[-1]

    yield make
    session = session_of(viewer_model)
    session.close_record()
    qtbot.waitUntil(lambda: not session.window.is_busy and not any(getattr(dock, "is_busy", False) for dock in made))
    for dock in made:
        with until_gone(dock):
            dock.deleteLater()


@pytest.fixture
def demo_session(viewer_model: "ViewerModel", demo_path: Path) -> "KymSession":
    """The demo dataset in `viewer_model`, its first record open: 6000 lines of 96 pixels."""
    from napari_kymflow.session.session import session_of

    opened = session_of(viewer_model)
    opened.open_dataset(demo_path)
    opened.open_record(opened.image_ids[0])
    return opened
