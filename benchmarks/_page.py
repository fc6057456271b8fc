"""The page of the documentation that shows what `python -m benchmarks` measured last."""

import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime

_HEAD = """# How fast it is

What a person waits for, measured by `python -m benchmarks`, which also wrote this page. Times are seconds of the processor,
in medians; ours and the peer's were taken in turns, each in a process of its own. *Grows* is the exponent: 1 where twice as
many images take twice as long. A time with ~ was not measured at the size of the goal, but follows from the exponent.
Compare ratios between machines, not seconds.

| work | images | ours | memory | peer | ours / peer | grows | goal | |
|---|---|---|---|---|---|---|---|---|
"""


def page_of(results: Sequence[dict], repeats: int) -> str:
    """Return the page, as Markdown, of rows as `run_row` returns them, each measured so often."""
    missed = sum(not found["is_met"] for found in results)
    end = (
        f"\nGoals missed: {missed} of {len(results)}.\n\n"
        f"Medians of {repeats}, measured on {datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} processors, Python "
        f"{sys.version.split()[0]}, files in the system's cache.\n"
    )
    return _HEAD + "".join(_line(found) for found in results) + end


def _line(found: dict) -> str:
    largest = found["sizes"][-1]
    times = {way: by_size[largest] for way, by_size in found["medians_s"].items()}
    ours = times.pop("ours")
    peer = min(times, key=lambda way: times[way], default="")
    goal = f"{found['goal_s']} s" + ("" if found["goal_bytes"] is None else f", {int(found['goal_bytes']) >> 20} MB")
    where = f" at {found['goal_size']:,}" if found["goal_size"] > 1 else ""
    about = "" if found["is_measured"] else f" (~{_seconds(found['at_goal_s'])})"
    cells = (
        found["row"],
        f"{largest:,}" if largest > 1 else "",
        _seconds(ours),
        f"{found['peak_bytes']['ours'] >> 20} MB" if found["peak_bytes"]["ours"] else "",
        f"{peer} {_seconds(times[peer])}" if peer else "",
        f"{ours / times[peer]:.2f}" if peer and times[peer] else "",
        "" if found["exponent"] is None else f"{found['exponent']:.2f}",
        f"{goal}{where}{about}",
        "met" if found["is_met"] else "missed",
    )
    return f"| {' | '.join(cells)} |\n"


def _seconds(value: float) -> str:
    return f"{value:.1f} s" if value >= 10 else f"{value:.2f} s" if value >= 0.1 else f"{value:.3f} s"
