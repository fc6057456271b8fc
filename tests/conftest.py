"""Fixtures that tests of all floors share."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from property_tests import examples, try_all

pytest_plugins = ["processes"]


SHARED = Path(__file__).parents[2] / "shared" / "data"
COUNTED = pytest.StashKey[Counter[str]]()


@dataclass(frozen=True, slots=True, kw_only=True)
class Trials:
    """How much the endurance tests try.

    How often a writer is killed, how often each of several commits, for how long; how many damages and switches of records.
    One primitive of an operation in `every` fails with each fault, one in `every_in_parts` where an operation has many;
    others with each fault, so that each primitive of writing fails in some way.
    """

    kills: int
    commits: int
    seconds: float
    damages: int
    switches: int
    every: int
    every_in_parts: int


TRIALS = {
    "small": Trials(kills=20, commits=25, seconds=3, damages=120, switches=10, every=1, every_in_parts=3),
    "ci": Trials(kills=80, commits=200, seconds=10, damages=200, switches=12, every=4, every_in_parts=6),
    "weekly": Trials(kills=200, commits=500, seconds=30, damages=500, switches=100, every=1, every_in_parts=3),
    "long": Trials(kills=2000, commits=500, seconds=120, damages=2000, switches=100, every=1, every_in_parts=1),
}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--trials", choices=list(TRIALS), default="small", help="how much the endurance tests try")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[COUNTED] = Counter()
    if config.getoption("--trials") != "small":
        try_all()
    # No test depends on a clock: hypothesis fails slow examples unless it is told not to.
    options = {"max_examples": examples(100), "deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
    settings.register_profile("any clock", parent=settings.default, **options)
    settings.load_profile("any clock")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand what one of several processes counted to the one that prints it."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["counted"] = dict(session.config.stash[COUNTED])


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """Take over what another process counted."""
    node.config.stash[COUNTED].update(getattr(node, "workeroutput", {}).get("counted", {}))


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    for what, number in config.stash[COUNTED].items():
        terminalreporter.write_line(f"endurance: {number} {what}")


@pytest.fixture(scope="session")
def trials(request) -> Trials:
    return TRIALS[request.config.getoption("trials")]


@pytest.fixture(scope="session")
def count(request) -> Callable[[str, int], None]:
    """A function that adds to a number that is printed after the run."""

    def add(what: str, number: int) -> None:
        request.config.stash[COUNTED][what] += number

    return add


@pytest.fixture(scope="session")
def olympus_folder() -> Path:
    """The laboratory's real line scans; read only."""
    folder = SHARED / "olympus"
    if not folder.is_dir():
        pytest.skip(f"the laboratory's files are not at {folder}")
    return folder


@pytest.fixture(scope="session")
def bruker_folder() -> Path:
    """Real line scans of a Bruker microscope; read only."""
    folder = SHARED / "bruker"
    if not folder.is_dir():
        pytest.skip(f"the laboratory's files are not at {folder}")
    return folder


@pytest.fixture(scope="session")
def older_dataset_path() -> Path:
    """A dataset that the older program wrote; read only."""
    path = SHARED / "original_v01.zarr"
    if not path.is_dir():
        pytest.skip(f"the older program's dataset is not at {path}")
    return path


@pytest.fixture
def tree_picture() -> Callable[[Path], dict[str, tuple[int, bytes | None]]]:
    """A function that takes a picture of a tree: each path with its modification time and bytes."""

    def take(top: Path) -> dict[str, tuple[int, bytes | None]]:
        return {
            path.relative_to(top).as_posix(): (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else None)
            for path in sorted([top, *top.rglob("*")])
        }

    return take
