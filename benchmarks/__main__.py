"""Measure how long the work takes that a person waits for: `python -m benchmarks`.

Each row runs our way and its fairest peers at several sizes, each in a process of its own. It prints medians of the
processor's seconds (those of processes that it starts, too), their ratio, the peak of memory, and the growth exponent: the
slope of time over size, both as logarithms. Where the size of a goal was not measured, the exponent says what it would
take, marked with ~. Processor seconds are less disturbed by other programs than time; between machines compare ratios.

Rows in a real window need a screen, such as Xvfb. The scripts in this folder measure further work, one each: see README.md.
"""

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from _measure import working_folder
from _page import page_of
from _rows import ROWS, Row, installed
from _window_rows import WINDOW_ROWS
from _windows import has_screen

OURS = "ours"
ALL_ROWS = (*ROWS, *WINDOW_ROWS)
_MB = 2**20


def seconds_of_processor() -> float:
    """Return the processor's seconds of this process and of those that it has started and that have ended."""
    times = os.times()
    return time.process_time() + times.children_user + times.children_system


def peak_bytes() -> int | None:
    """Return the most memory that this process has had; None where the system does not say.

    Linux counts in `ru_maxrss` what the process that started this one had; what `/proc` says is of this one alone.
    """
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text().partition("VmHWM:")[2].split()[0]) * 1024
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def measure_here(row: Row, way: str, folder: Path, repeats: int) -> dict[str, object]:
    """Run one way of a row in this process."""
    prepare = row.ours if way == OURS else row.peers[way]
    processor, elapsed = [], []
    for _ in range(repeats):
        action = prepare(folder)
        begun, start = seconds_of_processor(), time.perf_counter()
        action()
        elapsed.append(time.perf_counter() - start)
        processor.append(seconds_of_processor() - begun)
    return {"processor_s": processor, "elapsed_s": elapsed, "peak_bytes": peak_bytes()}


def measure(row: Row, way: str, folder: Path, repeats: int) -> dict[str, object]:
    """Run one way of a row in a process of its own."""
    options = ["--one", row.name, "--way", way, "--folder", str(folder), "--repeats", str(repeats)]
    own = {**os.environ, "NAPARI_CONFIG": ""}  # the user's settings stay as they are
    done = subprocess.run([sys.executable, __file__, *options], capture_output=True, text=True, check=False, env=own)
    if done.returncode:
        raise SystemExit(f"{row.name}, {way}: {done.stderr}")
    found: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return found


def exponent_of(by_size: dict[int, float]) -> float | None:
    """Return the slope of time over size, both as logarithms, between the two largest sizes; None of fewer than two."""
    if len(by_size) < 2:
        return None
    (small, fast), (large, slow) = sorted(by_size.items())[-2:]
    return math.log(slow / fast) / math.log(large / small) if min(fast, slow) > 0 else None


def run_row(row: Row, folders: dict[int, Path], repeats: int) -> dict[str, object]:
    """Measure a row at all sizes, and say whether its goal is met."""
    ways: dict[str, dict[int, dict[str, object]]] = {OURS: {}, **{name: {} for name in installed(row.peers)}}
    for size, folder in sorted(folders.items()):
        for way, found in ways.items():
            found[size] = measure(row, way, folder, repeats)
    medians = {
        way: {size: statistics.median(one["processor_s"]) for size, one in found.items()} for way, found in ways.items()
    }
    largest, exponent = max(folders), exponent_of(medians[OURS])
    at_goal = medians[OURS].get(row.goal_size)
    is_measured = at_goal is not None
    if at_goal is None:
        at_goal = medians[OURS][largest] * (row.goal_size / largest) ** (1.0 if exponent is None else exponent)
    peak = ways[OURS][largest]["peak_bytes"]
    return {
        "row": row.name,
        "sizes": sorted(folders),
        "medians_s": medians,
        "exponent": exponent,
        "peak_bytes": {way: found[largest]["peak_bytes"] for way, found in ways.items()},
        "goal_s": row.goal_s,
        "goal_bytes": None if row.goal_mb is None else row.goal_mb * _MB,
        "goal_size": row.goal_size,
        "at_goal_s": at_goal,
        "is_measured": is_measured,
        "is_met": at_goal <= row.goal_s and (row.goal_mb is None or not peak or peak <= row.goal_mb * _MB),
    }


def describe(found: dict) -> list[str]:
    """Return the lines that are printed of a row."""
    largest = found["sizes"][-1]
    slope = "" if found["exponent"] is None else f"; growth exponent {found['exponent']:.2f}"
    lines = [f"{found['row']}, {largest}{slope}"]
    ours = found["medians_s"][OURS][largest]
    for way, by_size in found["medians_s"].items():
        peak = found["peak_bytes"][way]
        memory = "" if peak is None else f"  {peak / _MB:6.0f} MB"
        ratio = "" if way == OURS else f"  ratio {ours / by_size[largest]:.2f}" if by_size[largest] else ""
        lines.append(f"  {way:32} {by_size[largest]:9.3f} s{memory}{ratio}")
    about = "" if found["is_measured"] else "~"
    most = "" if found["goal_bytes"] is None else f", {found['goal_bytes'] / _MB:.0f} MB"
    verdict = "met" if found["is_met"] else "MISSED"
    return [
        *lines,
        f"  goal {found['goal_s']} s{most} at {found['goal_size']}: {about}{found['at_goal_s']:.3f} s, {verdict}",
    ]


def _drawable() -> tuple[Row, ...]:
    """Return the rows that can be measured here."""
    if has_screen():
        return ALL_ROWS
    print(f"left out, since there is no screen: {', '.join(row.name for row in WINDOW_ROWS)}")
    return ROWS


def main() -> None:
    """Read the command line, and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", help="instead of 100 and 1000, such as 1000 10000")
    parser.add_argument("--rows", nargs="+", choices=[row.name for row in ALL_ROWS], help="only these")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where to work, to measure another disk (default: the temporary one)")
    parser.add_argument("--json", type=Path, help="write everything that was measured to this file")
    parser.add_argument("--page", type=Path, help="write the tables as a page, such as docs/speed.md")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--way", default=OURS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        row = next(row for row in ALL_ROWS if row.name == options.one)
        print(json.dumps(measure_here(row, options.way, options.folder, options.repeats)))
        return
    results = []
    with working_folder(options.folder) as folder:
        made: dict[tuple[object, int], Path] = {}
        for row in (row for row in _drawable() if not options.rows or row.name in options.rows):
            sizes = row.sizes if len(row.sizes) == 1 else tuple(options.sizes or row.sizes)
            for size in sizes:
                if (row.make, size) not in made:
                    made[row.make, size] = folder / f"{len(made)} {row.make.__name__} {size}"
                    made[row.make, size].mkdir()
                    row.make(made[row.make, size], size)
            results.append(run_row(row, {size: made[row.make, size] for size in sizes}, options.repeats))
            print("\n".join(describe(results[-1])), flush=True)
    missed = [found["row"] for found in results if not found["is_met"]]
    print(f"goals missed: {'; '.join(missed) or 'none'} ({os.cpu_count()} CPUs, Python {sys.version.split()[0]})")
    if options.page:
        options.page.write_text(page_of(results, options.repeats), encoding="utf-8")
    if options.json:
        options.json.write_text(json.dumps({"cpus": os.cpu_count(), "python": sys.version, "rows": results}, indent=1))


if __name__ == "__main__":
    main()
