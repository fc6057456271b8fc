"""Click one record after another in the list: how long until its picture and its trace are there, and what blocks.

Each way runs in a process of its own, with a real window. The plugin's window has its docks, and each record is measured.
The time runs from the click until the trace is drawn and the canvas is at rest. A block is the longest time between two
beats of a timer of 1 ms while the record opens: so long the window answers nothing. napari alone replaces the data of an
image of the same size.

Targets: a record with its trace 0.5 s after the click, a block of 100 ms. Needs a screen, such as Xvfb.
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

from _kymographs import kymographs
from _measure import as_time, parser_of, print_table, working_folder

WAYS = {"plugin": "the plugin, with its docks", "napari": "napari alone, an image"}
TARGETS = {"open": 0.5, "processor": 0.5, "block": 0.1}
TITLES = {
    "open": "a record with its trace, after the click",
    "processor": "the same, in seconds of the processor, which a busy machine disturbs less",
    "block": "the longest block of the window",
}
_LONGEST_S = 60.0


def measure(options: argparse.Namespace) -> dict[str, list[float]]:
    """Open a window, and one record after another; return the times in s."""
    import napari

    viewer = napari.Viewer(show=True)
    viewer.window.resize(1366, 740)
    way = with_plugin if options.one == "plugin" else alone
    show, is_shown = way(viewer, options)
    taken: dict[str, list[float]] = {what: [] for what in TARGETS}
    for step in range(options.steps + 1):
        values = time_until(lambda at=step % 2: show(at), lambda at=step % 2: is_shown(at))
        if step:  # the first one builds what all others use again
            for what, value in values.items():
                taken[what].append(value)
    viewer.close()
    return taken


def time_until(action: Callable[[], object], is_done: Callable[[], bool]) -> dict[str, float]:
    """Do something in Qt's event loop; return how long until it is done, and the longest time without a beat, in s."""
    from qtpy.QtCore import QEventLoop, Qt, QTimer

    loop, timer = QEventLoop(), QTimer()
    begun = last = time.perf_counter()
    worked = time.process_time()
    longest, done_at, processor = 0.0, None, 0.0

    def beat() -> None:
        nonlocal last, longest, done_at, processor
        now = time.perf_counter()
        longest, last = max(longest, now - last), now
        if done_at is not None and now - done_at > 0.2:  # what still follows may block too
            loop.quit()
        elif done_at is None and is_done():
            done_at, processor = now, time.process_time() - worked
        elif now - begun > _LONGEST_S:
            raise SystemExit("the record was not shown within a minute")

    timer.setTimerType(Qt.TimerType.PreciseTimer)
    timer.setInterval(1)
    timer.timeout.connect(beat)
    timer.start()
    QTimer.singleShot(0, action)
    loop.exec()
    timer.stop()
    return {"open": (done_at or last) - begun, "processor": processor, "block": longest}


def with_plugin(viewer: "napari.Viewer", options: argparse.Namespace) -> tuple[Callable, Callable]:  # noqa: F821
    """Return what clicks a record of a new dataset, and whether it is shown with its trace."""
    from qtpy.QtCore import Qt
    from qtpy.QtTest import QTest
    from qtpy.QtWidgets import QApplication, QTableView

    from kymflow_core import AcqImage, MetadataEdit, RectROI, RoiSet, edit_metadata
    from kymflow_zarr import ZarrDataset
    from napari_kymflow.session.session import session_of
    from napari_kymflow.widgets.docks import is_busy, open_dataset_dock
    from napari_kymflow.widgets.flow.flow_dock import FlowDock

    path = options.folder / "two.zarr"
    dataset = ZarrDataset(path)
    for pixels in kymographs(2, lines=options.lines, pixels=options.pixels):
        record = dataset.add_image(pixels)
        edit_metadata(dataset, [record.image_id], MetadataEdit(seconds_per_line=0.001, um_per_pixel=0.25))
        image = AcqImage(record)
        image.save_rois(RoiSet.of([RectROI(roi_id=1, y0=0, y1=options.lines, x0=0, x1=options.pixels)]))
        image.analyze([1])
    viewer.open(str(path), plugin="napari-kymflow")
    dock, session = open_dataset_dock(viewer), session_of(viewer)
    end = time.monotonic() + _LONGEST_S
    while time.monotonic() < end and (is_busy(viewer) or time.monotonic() < end - _LONGEST_S + 1):
        QApplication.processEvents()
    view = next(one for one in dock.findChildren(QTableView) if one.isVisible())
    flow = next(one for one in viewer.window.dock_widgets.values() if isinstance(one, FlowDock)).flow
    order = list(session.image_ids)

    def click(at: int) -> None:
        QTest.mouseClick(
            view.viewport(), Qt.MouseButton.LeftButton, pos=view.visualRect(view.model().index(at, 0)).center()
        )

    return click, lambda at: session.image_id == order[at] and not flow.is_loading and bool(flow.traces)


def alone(viewer: "napari.Viewer", options: argparse.Namespace) -> tuple[Callable, Callable]:  # noqa: F821
    """Return what shows the first or the second image in a layer of napari's, and whether it is shown."""
    images = list(kymographs(2, lines=options.lines, pixels=options.pixels))
    image = viewer.add_image(images[1], scale=(1, 0.42 * options.lines / options.pixels), contrast_limits=(0, 4000))
    viewer.dims.order = (1, 0)
    viewer.reset_view()

    def show(at: int) -> None:
        image.data = images[at]

    return show, lambda at: image.data is images[at]


def main() -> None:
    """Read the command line, run each way in its own processes, and print both."""
    parser = parser_of(__doc__, repeats=3)
    parser.add_argument("--lines", type=int, default=30000)
    parser.add_argument("--pixels", type=int, default=38)
    parser.add_argument("--steps", type=int, default=10, help="how many records are opened")
    parser.add_argument("--one", choices=[*WAYS], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options)))
        return
    found: dict[str, dict[str, list[float]]] = {name: {what: [] for what in TARGETS} for name in WAYS}
    for _ in range(options.repeats):
        for name in WAYS:
            with working_folder(options.folder) as folder:
                for what, values in run_one(name, folder, options).items():
                    found[name][what].append(max(values) if what == "block" else statistics.median(values))
    for what, target in TARGETS.items():
        medians = {name: statistics.median(found[name][what]) for name in WAYS}
        said = "met" if medians["plugin"] <= target else "MISSED"
        print_table(
            f"{TITLES[what]}: {options.lines} x {options.pixels}",
            rows={WAYS[name]: as_time(value) for name, value in medians.items()},
            ratio=medians["plugin"] / medians["napari"],
            target=f"{as_time(target).strip()}, {said}",
            repeats=options.repeats,
        )


def run_one(name: str, folder: Path, options: argparse.Namespace) -> dict[str, list[float]]:
    """Run one way in a process of its own, which leaves the user's settings alone."""
    sizes = {"lines": options.lines, "pixels": options.pixels, "steps": options.steps}
    arguments = [text for option, value in sizes.items() for text in (f"--{option}", str(value))]
    command = [sys.executable, __file__, "--one", name, "--folder", str(folder), *arguments]
    own = {"NAPARI_CONFIG": "", "XDG_CONFIG_HOME": str(folder), "XDG_DATA_HOME": str(folder)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **own})
    if done.returncode:
        raise SystemExit(done.stderr)
    answer: dict[str, list[float]] = json.loads(done.stdout.splitlines()[-1])
    return answer


if __name__ == "__main__":
    main()
