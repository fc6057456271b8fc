"""Two ways of doing one thing, in turns, and one small table of their medians.

The rule of this room: what is left over from one run is flushed to the disk before the next one begins, outside the
measured time; otherwise a way that flushes waits for what the other one did not flush.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way of doing it: a name for the table, and a function that is given an empty folder and returns seconds."""

    name: str
    run: Callable[[Path], float]


def parser_of(description: str | None, *, repeats: int) -> argparse.ArgumentParser:
    """Return a parser with the options that every script has."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=repeats, help=f"how often each way runs (default {repeats})")
    parser.add_argument("--folder", type=Path, help="where to work, to measure another disk (default: the temporary one)")
    return parser


@contextmanager
def working_folder(parent: Path | None) -> Iterator[Path]:
    """Make a folder that is removed in the end."""
    with tempfile.TemporaryDirectory(prefix="kymflow-benchmark-", dir=parent, ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def seconds(action: Callable[[], object]) -> float:
    """Return how long one call takes."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def compare(title: str, *, ours: Way, baseline: Way, repeats: int, folder: Path, target: str) -> None:
    """Run both ways in turns and print their medians, the ratio and the target."""
    taken: dict[str, list[float]] = {ours.name: [], baseline.name: []}
    for _ in range(repeats):
        for way in (ours, baseline):
            with working_folder(folder) as empty:
                settle()
                taken[way.name].append(way.run(empty))
    print_table(
        title,
        rows={name: f"{as_time(statistics.median(times))} ({_spread(times)})" for name, times in taken.items()},
        ratio=statistics.median(taken[ours.name]) / statistics.median(taken[baseline.name]),
        target=target,
        repeats=repeats,
    )


def print_table(title: str, *, rows: dict[str, str], ratio: float, target: str, repeats: int) -> None:
    """Print a title, one line a way, and the ratio of the first to the second."""
    width = max(map(len, rows))
    print(f"{title}; median of {repeats} ({os.cpu_count()} CPUs)")
    for name, text in rows.items():
        print(f"  {name:{width}}  {text}")
    print(f"  ratio {ratio:.2f}   target: {target}")


def as_time(value: float) -> str:
    """Return a time with a fitting unit."""
    return f"{value:8.2f} s " if value >= 1 else f"{value * 1e3:8.1f} ms"


def settle() -> None:
    """Let the system write what it has not written yet."""
    if hasattr(os, "sync"):  # Windows has none
        os.sync()


def _spread(times: list[float]) -> str:
    return f"{as_time(min(times)).strip()} to {as_time(max(times)).strip()}"
