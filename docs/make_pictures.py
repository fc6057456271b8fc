"""Make the pictures of the program's window, and the figure of the tutorial, from simulated kymographs.

`xvfb-run -s "-screen 0 2100x1000x24" python docs/make_pictures.py` writes into docs/images; a name makes just that picture:
`make_pictures.py event.png`. It needs a screen, which Xvfb stands in for, and matplotlib (the dependency group `pictures`).
Run it after a change of the window, and look at what it made.
"""

import os
import re
import shlex
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from kymflow_core import AcqImage, KymDataset, MetadataEdit, ReviewLog, edit_metadata, load_review
from kymflow_core.indexers import INDEXERS
from kymflow_core.simulate import DEMO_SCANS, make_demo_dataset

DOCS = Path(__file__).parent
IMAGES = DOCS / "images"
PLACES = {"icon.png": DOCS.parent / "src" / "napari_kymflow" / "icon.png"}
"""Where pictures belong that no document shows."""
SIZE, WIDE = (1500, 950), (2000, 900)
"""Sizes of the window, in pixels."""
LONGEST_S = 120.0
MORE = ("fourth", "fifth")
_BLOCK = re.compile(r"^```(python|console)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def tutorial(target: Path) -> None:
    """Do what the tutorial says, but for the window, and keep its figure."""
    import matplotlib as mpl
    from typer.testing import CliRunner

    from kymflow_core.cli import app

    mpl.use("Agg")
    names: dict[str, Any] = {}
    for kind, text in _BLOCK.findall((DOCS / "tutorial.md").read_text(encoding="utf-8")):
        if kind == "python":
            exec(compile(text, "tutorial.md", "exec"), names)
            continue
        for command in text.splitlines():
            if not command.startswith("napari-kymflow open"):
                CliRunner().invoke(app, shlex.split(command)[1:], catch_exceptions=False)
    Path("velocity.png").replace(target)


class Window:
    """One napari window with a dataset in it, as a user sees it."""

    def __init__(self, path: Path, size: tuple[int, int] = SIZE) -> None:
        import napari

        from napari_kymflow.session.session import session_of
        from napari_kymflow.widgets.docks import open_dataset_dock

        self.viewer = napari.Viewer(title="napari-kymflow")
        self.viewer.window.resize(*size)
        self.viewer.open(str(path), plugin="napari-kymflow")
        self.session, self.docks = session_of(self.viewer), self.viewer.window.dock_widgets
        self.dataset_dock = open_dataset_dock(self.viewer)
        self.wait()

    def wait(self, until: Callable[[], object] = lambda: True) -> None:
        """Let Qt work until all is drawn, no worker is at work, and something is so."""
        from napari.qt import get_qapp

        from napari_kymflow.widgets.docks import is_busy

        for _ in range(10):
            get_qapp().processEvents()
        end = time.monotonic() + LONGEST_S
        calm = 0
        while calm < 40:
            get_qapp().processEvents()
            time.sleep(0.01)
            calm = 0 if is_busy(self.viewer) or not until() else calm + 1
            if time.monotonic() > end:
                raise TimeoutError("the window did not come to rest")

    def open(self, name: str) -> None:
        """Open the record of this name."""
        names = {record.image_id: AcqImage(record).name for record in self.session.dataset.iter_records()}
        self.session.open_record(next(image_id for image_id, one in names.items() if one == name))
        self.wait()

    def click_row(self, table: str, text: str) -> None:
        """Bring a table to the front, and click the first of its rows that has this text in a cell."""
        from qtpy.QtCore import Qt
        from qtpy.QtTest import QTest

        self.dataset_dock.show_tab(table)
        self.wait()
        view = self._front_table()
        model = view.model()
        cells = (model.index(row, column) for row in range(model.rowCount()) for column in range(model.columnCount()))
        cell = next(one for one in cells if str(one.data()) == text)
        QTest.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=view.visualRect(cell).center())
        self.wait()

    def select_all_records(self) -> None:
        """Select all rows of the list of records."""
        self.dataset_dock.show_tab("Records")
        self._front_table().selectAll()
        self.wait()

    def _front_table(self) -> Any:
        from qtpy.QtWidgets import QTableView

        return next(view for view in self.dataset_dock.findChildren(QTableView) if view.isVisible())

    def save(self, target: Path) -> None:
        """Write a picture of the whole window."""
        self.wait()
        self.viewer.window.screenshot(str(target), flash=False, canvas_only=False)

    def close(self) -> None:
        """Close the window; what is not saved is discarded."""
        for record in [self.session.record] if self.session.record is not None else []:
            record.editor.show_saved()
        self.wait()
        self.viewer.close()


def demo(target: Path) -> None:
    """Draw a record with its ROIs, its velocity and the tables."""
    window = demo_window()
    window.open("demo reversal")
    window.save(target)
    window.close()


def event(target: Path) -> None:
    """Draw what a click on an event shows."""
    window = demo_window()
    window.click_row("velocity_events", "1.8")
    window.save(target)
    window.close()


def why(target: Path) -> None:
    """Draw why the velocity of a window at the edge of a stall is what it is."""
    from napari_kymflow.widgets.flow.flow_dock import FlowDock

    window = demo_window()
    window.click_row("velocity_events", "1.8")
    dock = next(one for one in window.docks.values() if isinstance(one, FlowDock))
    dock.why.button.click()
    seconds = window.session.event.t0_s
    dock.why.inspector.choose(seconds / dock.flow.seconds_per_line)
    window.wait(lambda: dock.why.inspector.reasons is not None)
    dock.why.window.grab().save(str(target))
    dock.why.window.close()
    window.close()


def annotate(target: Path) -> None:
    """Draw ROIs of several kinds, of which one was moved and not saved."""
    window = demo_window()
    record = window.session.record
    stretch = record.tag.stretch
    layer = record.sync.layer
    layer.add_polygons([[(500, 14 * stretch), (1500, 16 * stretch), (1250, 63 * stretch), (700, 53 * stretch)]])
    corners = [(3300, 30 * stretch), (3300, 75 * stretch), (4300, 75 * stretch), (4300, 30 * stretch)]
    layer.add_ellipses([corners])
    window.wait(lambda: len(record.rois) == 4)
    record.editor.edit(3, name="bright patch")
    record.editor.edit(4, name="stall?")
    record.editor.edit(1, y1=4600)
    window.wait(lambda: record.saving.outdating)
    window.save(target)
    window.close()


def plots(target: Path) -> None:
    """Draw the plots of a small study: three animals of two vessels each, awake and anaesthetised."""
    from napari_kymflow.widgets.window.layout import PLOTS, PLUGIN

    path, groups = Path("study.zarr"), ("awake", "isoflurane")
    scans = [
        replace(scan, name=f"scan {number:02d}", lines=1000, velocity_mm_s=0.5 + 0.06 * (number // 4) - 0.2 * (number % 2))
        for number, scan in enumerate([DEMO_SCANS[0]] * 12)
    ]
    dataset = make_demo_dataset(path, scans=scans)
    for number, record in enumerate(dataset.iter_records(order_by="acquired_local_epoch_ns")):
        experiment = {
            "subject_id": f"mouse {number // 4 + 1}",
            "vessel_id": "ab"[number // 2 % 2],
            "condition": groups[number % 2],
        }
        edit_metadata(dataset, [record.image_id], MetadataEdit(experiment=experiment))
    KymDataset(dataset).refresh_tables(INDEXERS).checked()
    window = Window(path)
    _, dock = window.viewer.window.add_plugin_dock_widget(PLUGIN, PLOTS)
    window.wait(lambda: dock.plots.shown.plot is not None)
    dock.plots.choose(sample="exp_vessel_id", color="exp_subject_id")
    window.save(target)
    window.close()


def review(target: Path) -> None:
    """Draw the review dock, after the first event was judged."""
    from napari_kymflow.user.reviewer import note_reviewer
    from napari_kymflow.widgets.window.layout import PLUGIN

    note_reviewer("Ada")
    window = demo_window()
    dataset = window.session.dataset
    judged = next(record for record in dataset.iter_records() if AcqImage(record).name == "demo stall")
    ReviewLog(judged, reviewer="Ada").judge(load_review(judged).events[0].event, "true stall", note="both edges are sharp")
    window.viewer.window.add_plugin_dock_widget(PLUGIN, "Kymograph review")
    window.click_row("velocity_events", "1.8")
    window.save(target)
    window.close()


def tables(target: Path) -> None:
    """Draw the list of records with one record in each state."""
    path = Path("demo.zarr")
    dataset = make_demo_dataset(path, scans=[*DEMO_SCANS, *(replace(DEMO_SCANS[0], name=f"demo {name}") for name in MORE)])
    _, moved, replaced, damaged, empty = (record for record in dataset.iter_records(order_by="acquired_local_epoch_ns"))
    AcqImage(moved).edit_roi(1, x1=61)
    artifacts = {one: path / "images" / one.image_id / "analysis" for one in (replaced, damaged, empty)}
    (artifacts[damaged] / "velocity_events.parquet").write_bytes(b"no table")
    for artifact in ("radon_report", "velocity_events", "velocity"):
        (artifacts[empty] / f"{artifact}.parquet").unlink()
    KymDataset(dataset).refresh_tables(INDEXERS).checked()
    events = replaced.load_df_parquet("velocity_events")
    stated = replaced.load_computed_from("velocity_events.parquet")
    replaced.save_df_parquet("velocity_events", events[:1], computed_from=stated)
    window = Window(path, WIDE)
    window.dataset_dock.grab().save(str(target))
    window.close()


def calibration(target: Path) -> None:
    """Draw the dialog that asks for the calibration of three records."""
    from napari_kymflow.tables.metadata_form import UM

    window = demo_window()
    window.select_all_records()
    metadata = window.dataset_dock.metadata
    metadata.ask("Calibration")
    window.wait(lambda: metadata.dialog is not None)
    metadata.dialog.enter(UM, "0.6")
    window.wait(lambda: metadata.dialog.can_save)
    metadata.dialog.grab().save(str(target))
    metadata.dialog.reject()
    window.close()


def icon(target: Path) -> None:
    """Draw streaks that turn steep and flat again, with a ROI over them, 256 pixels wide."""
    import numpy as np
    from PIL import Image, ImageDraw

    time_, place = np.meshgrid(np.arange(256), np.arange(256))
    gone = np.cumsum(1.2 + 0.9 * np.sin(np.arange(256) / 41))
    streaks = np.cos(2 * np.pi * (place - gone[time_]) / 52) > -0.1
    picture = Image.fromarray(np.where(streaks, 225, 45).astype(np.uint8)).convert("RGB")
    ImageDraw.Draw(picture).rectangle((34, 70, 221, 185), outline="#ffd400", width=12)
    picture.quantize(32).save(target, optimize=True)


def demo_window() -> Window:
    """Return a window on the simulated dataset."""
    path = Path("demo.zarr")
    make_demo_dataset(path)
    return Window(path)


PICTURES: dict[str, Callable[[Path], None]] = {
    "annotate.png": annotate,
    "calibration.png": calibration,
    "demo.png": demo,
    "event.png": event,
    "icon.png": icon,
    "plots.png": plots,
    "review.png": review,
    "tables.png": tables,
    "tutorial.png": tutorial,
    "why.png": why,
}


def main(names: list[str]) -> None:
    """Make the pictures of these names; all, where there are none."""
    unknown = set(names) - set(PICTURES)
    if unknown:
        raise SystemExit(f"no picture is called {', '.join(sorted(unknown))}; there are {', '.join(PICTURES)}")
    for name in names or PICTURES:
        with tempfile.TemporaryDirectory() as folder:
            # The windows that were opened before, and what they remember, are the user's own.
            os.environ.update(NAPARI_CONFIG="", XDG_CONFIG_HOME=folder, XDG_DATA_HOME=folder)
            os.chdir(folder)
            PICTURES[name](PLACES.get(name, IMAGES / name))
            os.chdir(DOCS)
        print(f"Wrote {PLACES.get(name, IMAGES / name)}")


if __name__ == "__main__":
    main(sys.argv[1:])
