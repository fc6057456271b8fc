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
from collections.abc import Callable
from pathlib import Path

import numpy as np
from _kymographs import kymographs
from _measure import as_time, parser_of, print_table, seconds, working_folder

TURNS = 10
"""How many notches the wheel is turned one way before it is turned back."""


def boxes(count: int, lines: int, pixels: int) -> list[tuple[int, int, int, int]]:
    """Return rectangles (y0, y1, x0, x1) all over an image."""
    rng = np.random.default_rng(0)
    y0, x0 = rng.integers(0, lines - 2, count), rng.integers(0, pixels - 2, count)
    return [(int(y), int(min(lines, y + lines // 50 + 1)), int(x), int(x + 2)) for y, x in zip(y0, x0, strict=True)]


def measure(options: argparse.Namespace) -> dict[str, list[float]]:
    """Open a window, turn the wheel, switch records; return the times, and the memory in bytes."""
    import napari
    from qtpy.QtCore import QPoint, QPointF, Qt
    from qtpy.QtGui import QWheelEvent
    from qtpy.QtWidgets import QApplication

    viewer = napari.Viewer(show=True)
    viewer.window.resize(1366, 700)
    application = QApplication.instance()
    canvas = viewer.window._qt_viewer.canvas.native  # noqa: SLF001

    def settle() -> None:
        for _ in range(5):
            application.processEvents()

    def turn(forward: bool) -> None:
        place = QPoint(canvas.width() // 4, canvas.height() // 3)
        delta = QPoint(0, 120 if forward else -120)
        nothing, keys, phase = Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase
        at = QPointF(canvas.mapToGlobal(place))
        QApplication.sendEvent(canvas, QWheelEvent(QPointF(place), at, QPoint(0, 0), delta, nothing, keys, phase, False))
        settle()

    settle()
    way = with_plugin if options.one == "plugin" else alone
    switch = way(viewer, options)
    switch(0)
    settle()
    taken: dict[str, list[float]] = {"step": [], "switch": [], "memory": []}
    for step in range(options.steps):
        taken["step"].append(seconds(lambda step=step: turn(forward=step // TURNS % 2 == 0)))
        taken["memory"].append(resident_bytes())
    for step in range(options.steps):
        taken["switch"].append(seconds(lambda step=step: switch(1 - step % 2)))
        settle()
        taken["memory"].append(resident_bytes())
    end = time.monotonic() + 0.3
    while time.monotonic() < end or is_busy(viewer):  # what still waits for its timer, or works
        settle()
    viewer.close()
    settle()
    return taken


def is_busy(viewer: "napari.Viewer") -> bool:  # noqa: F821
    """Return whether a worker of the plugin is at work."""
    from napari_kymflow.session.session import session_of

    return bool(getattr(session_of(viewer).window, "is_busy", False))


def resident_bytes() -> float:
    """Return how much memory this process has now."""
    import psutil

    return float(psutil.Process().memory_info().rss)


def with_plugin(viewer: "napari.Viewer", options: argparse.Namespace) -> Callable[[int], object]:  # noqa: F821
    """Return what opens the first or the second record of a new dataset."""
    from kymflow_core import AcqImage, RectROI, RoiSet
    from kymflow_zarr import ZarrDataset
    from napari_kymflow.session.session import session_of
    from napari_kymflow.widgets.window.window import window_of

    path = options.folder / "two.zarr"
    dataset = ZarrDataset(path)
    ids = []
    for pixels in kymographs(2, lines=options.lines, pixels=options.pixels):
        record = dataset.add_image(pixels)
        drawn = enumerate(boxes(options.rois, options.lines, options.pixels), start=1)
        AcqImage(record).save_rois(RoiSet.of(RectROI(roi_id=at, y0=a, y1=b, x0=c, x1=d) for at, (a, b, c, d) in drawn))
        ids.append(record.image_id)
    window_of(viewer)
    session = session_of(viewer)
    session.open_dataset(path)
    return lambda at: session.open_record(ids[at])


def alone(viewer: "napari.Viewer", options: argparse.Namespace) -> Callable[[int], object]:  # noqa: F821
    """Return what shows the first or the second image in napari's own layers."""
    images = list(kymographs(2, lines=options.lines, pixels=options.pixels))
    stretch = 0.42 * options.lines / options.pixels
    corners = [
        np.array([[a, c], [a, d], [b, d], [b, c]]) for a, b, c, d in boxes(options.rois, options.lines, options.pixels)
    ]
    image = viewer.add_image(images[1], scale=(1, stretch), contrast_limits=(0, 4000))
    drawn = [box * (1, stretch) for box in corners]
    shapes = viewer.add_shapes(drawn, shape_type="rectangle", edge_width=40, face_color="transparent", edge_color="yellow")
    viewer.dims.order = (1, 0)
    viewer.reset_view()

    def switch(at: int) -> None:
        image.data, shapes.data = images[at], drawn

    return switch


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
