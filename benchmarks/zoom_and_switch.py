"""Turn the wheel over a record and open one record after another: the plugin, against napari alone with the same layers.

Each way runs in a process of its own, with a real window. A step of the zoom is one notch of the wheel and the drawing of
the canvas. napari alone replaces the data of its image and its shapes where the plugin opens another record. Memory is the
largest that the process had over all steps and switches.

Targets: a step at most 3 times napari's; a switch in 150 ms at 30000 x 38; memory at most 1.3 times napari's. Needs a
screen, such as Xvfb.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from _measure import as_time, parser_of, print_table, seconds, working_folder
from _windows import TURNS, Window, alone, make_two, with_plugin


def measure(options: argparse.Namespace) -> dict[str, list[float]]:
    """Open a window, turn the wheel, switch records; return the times, and the memory in bytes."""
    window, sizes = Window(), {"lines": options.lines, "pixels": options.pixels, "rois": options.rois}
    make_two(options.folder, **sizes)
    if options.one == "plugin":
        switch = with_plugin(window, options.folder / "two.zarr")
    else:
        switch = alone(window, options.folder, **sizes)
    switch(0)
    window.settle()
    taken: dict[str, list[float]] = {"step": [], "switch": [], "memory": []}
    for step in range(options.steps):
        taken["step"].append(seconds(lambda step=step: window.turn(forward=step // TURNS % 2 == 0)))
        taken["memory"].append(resident_bytes())
    for step in range(options.steps):
        taken["switch"].append(seconds(lambda step=step: switch(1 - step % 2)))
        window.settle()
        taken["memory"].append(resident_bytes())
    end = time.monotonic() + 0.3
    while time.monotonic() < end or is_busy(window):  # what still waits for its timer, or works
        window.settle()
    window.viewer.close()
    window.settle()
    return taken


def is_busy(window: Window) -> bool:
    """Return whether a worker of the plugin is at work."""
    from napari_kymflow.session.session import session_of

    return bool(getattr(session_of(window.viewer).window, "is_busy", False))


def resident_bytes() -> float:
    """Return how much memory this process has now."""
    import psutil

    return float(psutil.Process().memory_info().rss)


def main() -> None:
    """Read the command line, run each way in its own processes, and print both."""
    parser = parser_of(__doc__, repeats=3)
    parser.add_argument("--lines", type=int, default=30000)
    parser.add_argument("--pixels", type=int, default=128)
    parser.add_argument("--rois", type=int, default=3)
    parser.add_argument("--steps", type=int, default=30, help="how often the wheel is turned, and how often it switches")
    parser.add_argument("--one", choices=["plugin", "napari"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options)))
        return
    ways = {"plugin": "the plugin", "napari": "napari alone"}
    found: dict[str, dict[str, list[float]]] = {name: {"step": [], "switch": [], "memory": []} for name in ways}
    for _ in range(options.repeats):
        for name in ways:
            with working_folder(options.folder) as folder:
                for what, values in run_one(name, folder, options).items():
                    found[name][what].append(max(values) if what == "memory" else statistics.median(values))
    title = f"{options.lines} x {options.pixels}, {options.rois} ROIs"
    targets = {"step": "ratio below 3", "switch": "150 ms at 30000 x 38", "memory": "ratio below 1.3"}
    for what, target in targets.items():
        medians = {name: statistics.median(found[name][what]) for name in ways}
        texts = {name: f"{value / 1e6:.0f} MB" if what == "memory" else as_time(value) for name, value in medians.items()}
        print_table(
            f"{what}: {title}",
            rows={ways[name]: text for name, text in texts.items()},
            ratio=medians["plugin"] / medians["napari"],
            target=target,
            repeats=options.repeats,
        )


def run_one(name: str, folder: Path, options: argparse.Namespace) -> dict[str, list[float]]:
    """Run one way in a process of its own, which leaves the user's settings alone."""
    sizes = {"lines": options.lines, "pixels": options.pixels, "rois": options.rois, "steps": options.steps}
    arguments = [text for option, value in sizes.items() for text in (f"--{option}", str(value))]
    command = [sys.executable, __file__, "--one", name, "--folder", str(folder), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "NAPARI_CONFIG": ""})
    if done.returncode:
        raise SystemExit(done.stderr)
    answer: dict[str, list[float]] = json.loads(done.stdout.splitlines()[-1])
    return answer


if __name__ == "__main__":
    main()
