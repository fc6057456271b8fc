"""Which process runs which tests, so that one `pytest` uses all cores and tests the lower floors without napari.

A process that has napari loaded cannot show that the headless floors do without it, and its large heap makes their tests
slower. So there are two kinds of process: `headless` ones run `HEADLESS` and load none of `PLUGINS`, `window` ones run
everything else. A run of both kinds starts one worker more than there are cores: all cores are at work also once one kind
is done. A run of one kind starts one worker a core, a run of a few files none. With `-n 0` everything runs in this process,
as a debugger needs it.
"""

import gc
import os
import shutil
import sys
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

TESTS = Path(__file__).parent
HEADLESS = (TESTS / "test_kymflow_zarr", TESTS / "test_kymflow_core")
PLUGINS = ("napari", "napari-plugin-engine", "npe2", "pytest-qt", "xvfb")
"""Plugins of pytest that load napari or Qt; `pytest_addoption` loads them where they are needed, and nothing else does."""
WITH_A_WINDOW = {"napari", "npe2", "magicgui", "vispy", "psygnal", "qtpy", "superqt", "PyQt6", "PySide6", "pytestqt"}
"""Packages that no headless process loads."""
KINDS = ("headless", "window")
"""The kinds of process, the one with more to do first: it gets the odd worker."""
KIND = "KYMFLOW_TESTS"
"""The environment variable that chooses a kind, for one worker of a run that has both, or for a whole run."""
MOST_CORES = 4
# Each core has a worker already; threads of small matrix products would only wait for one another.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
RAM_DISK = Path("/dev/shm")
ROOM = 4 << 30
"""How many bytes must be free on a RAM disk; a whole run leaves far fewer behind."""
_ended = 0
"""How many tests ended in this process."""


def asked_kinds(config: pytest.Config) -> set[str]:
    """Return the kinds of the tests that this process and its workers run."""
    if KIND in os.environ:
        return {os.environ[KIND]}
    kinds = set()
    for argument in asked(config):
        if argument in TESTS.parents or argument == TESTS:
            return set(KINDS)
        kinds.add(kind_of(argument))
    return kinds


def asked(config: pytest.Config) -> list[Path]:
    """Return the files and folders that the command line names.

    Values of options that a conftest adds later, such as `ci` of `--trials ci`, look like names here; no file is called so.
    """
    names = config.known_args_namespace.file_or_dir
    paths = ((config.invocation_params.dir / name.split("::")[0]).resolve() for name in names)
    return [path for path in paths if path.exists()] or [TESTS]


def kind_of(path: Path) -> str:
    """Return which kind of process runs the tests in a file or folder."""
    return "headless" if any(path.is_relative_to(folder) for folder in HEADLESS) else "window"


@pytest.fixture(scope="session", autouse=True)
def _no_window_below_the_plugin(pytestconfig: pytest.Config) -> Iterator[None]:
    """The tests of the lower floors never load napari or Qt: nothing of them is there when their process ends."""
    yield
    if "window" not in asked_kinds(pytestconfig):
        assert not WITH_A_WINDOW & set(sys.modules)


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """Load the plugins for tests with a window, where this process runs such tests."""
    config = pluginmanager.get_plugin("pytestconfig")
    if "window" in asked_kinds(config):
        for name in PLUGINS:
            pluginmanager.load_setuptools_entrypoints("pytest11", name=name)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave the other kind's files to the other processes; never import one."""
    if KIND not in os.environ or collection_path == TESTS or collection_path in TESTS.parents:
        return None
    return True if kind_of(collection_path) != os.environ[KIND] else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out files of the other kind that the command line names: pytest ignores none of those."""
    if KIND in os.environ:
        items[:] = [item for item in items if kind_of(item.path) == os.environ[KIND]]


def pytest_collection_finish() -> None:
    """Take what is imported out of garbage collection, which from now on `pytest_runtest_protocol` does.

    Python collects in whatever thread is at work. A viewer that was never shown leaves timers and an OpenGL context that is
    current in the thread of the windows: where a worker's thread deletes them on PySide6, the process crashes later.
    """
    gc.collect()
    gc.freeze()
    gc.disable()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol() -> Generator[None, object, object]:
    """Collect what a test left, in the thread of the windows; what older tests left after every fiftieth.

    What is alive after a fiftieth test, such as modules that it imported, is not looked at again.
    """
    global _ended
    result = yield
    _ended += 1
    gc.collect(2 if _ended % 50 == 0 else 1)
    if _ended % 50 == 0:
        gc.freeze()
    return result


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Return how many workers `-n auto` starts."""
    if all(path.is_file() for path in asked(config)):
        return 0
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    # Each worker collects all tests of its kind first, which costs seconds: so only one more than there are cores.
    return min(available, MOST_CORES) + len(asked_kinds(config)) - 1


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(config: pytest.Config, specs: Sequence[Any]) -> None:
    """Give each worker its kind, in turns, where a run has both."""
    if _is_mixed(config, len(specs)):
        for number, spec in enumerate(specs):
            spec.env[KIND] = KINDS[number % 2]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object | None:
    """Return a scheduler for workers of both kinds; None, for the usual one, where a run has one."""
    from xdist.workermanage import parse_tx_spec_config

    workers = len(parse_tx_spec_config(config))
    return _make_scheduler(config, log, workers) if _is_mixed(config, workers) else None


def _is_mixed(config: pytest.Config, workers: int) -> bool:
    return workers > 1 and len(asked_kinds(config)) > 1


def _make_scheduler(config: pytest.Config, log: Any, workers: int) -> object:
    from xdist.scheduler import LoadFileScheduling

    class BothKinds:
        """Two of xdist's schedulers that hand out whole files, one for each kind of worker."""

        def __init__(self) -> None:
            self._of = {kind: LoadFileScheduling(config, log) for kind in KINDS}
            for number, scheduler in enumerate(self._of.values()):
                scheduler.numnodes = (workers + 1 - number) // 2

        def _scheduler(self, node: Any) -> LoadFileScheduling:
            return self._of[node.gateway.spec.env[KIND]]

        @property
        def nodes(self) -> list[Any]:
            return [node for scheduler in self._of.values() for node in scheduler.nodes]

        @property
        def collection_is_completed(self) -> bool:
            return all(scheduler.collection_is_completed for scheduler in self._of.values())

        @property
        def tests_finished(self) -> bool:
            return all(scheduler.tests_finished for scheduler in self._of.values())

        @property
        def has_pending(self) -> bool:
            return any(scheduler.has_pending for scheduler in self._of.values())

        def add_node(self, node: Any) -> None:
            self._scheduler(node).add_node(node)

        def add_node_collection(self, node: Any, collection: Sequence[str]) -> None:
            self._scheduler(node).add_node_collection(node, collection)
            collections = [next(iter(one.registered_collections.values()), []) for one in self._of.values()]
            # xdist has just set this to one worker's number; 0 would mean that the whole run has no test.
            config.pluginmanager.get_plugin("session").testscollected = sum(map(len, collections))

        def mark_test_complete(self, node: Any, item_index: int, duration: float = 0) -> None:
            self._scheduler(node).mark_test_complete(node, item_index, duration)

        def remove_node(self, node: Any) -> str | None:
            return self._scheduler(node).remove_node(node)

        def schedule(self) -> None:
            for scheduler in self._of.values():
                scheduler.schedule()

    return BothKinds()


def use_ram_disk() -> None:
    """Let pytest make its temporary folders on a RAM disk that has room, unless the user chose a place."""
    if "TMPDIR" not in os.environ and RAM_DISK.is_dir() and shutil.disk_usage(RAM_DISK).free > ROOM:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(RAM_DISK))


use_ram_disk()
