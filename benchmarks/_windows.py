"""A real window with a record or with napari's own layers, the wheel turned over it; for rows of `python -m benchmarks`.

The rule of this room: an action ends when the canvas is drawn. It needs a screen, such as Xvfb.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

Action = Callable[[], object]
TURNS = 10
"""How many notches the wheel is turned one way before it is turned back."""


def has_screen() -> bool:
    """Return whether a window can be drawn here."""
    return sys.platform != "linux" or bool(os.environ.get("DISPLAY"))


def boxes(count: int, lines: int, pixels: int) -> list[tuple[int, int, int, int]]:
    """Return rectangles (y0, y1, x0, x1) all over an image."""
    rng = np.random.default_rng(0)
    y0, x0 = rng.integers(0, lines - 2, count), rng.integers(0, pixels - 2, count)
    return [(int(y), int(min(lines, y + lines // 50 + 1)), int(x), int(x + 2)) for y, x in zip(y0, x0, strict=True)]


def make_two(folder: Path, *, lines: int, pixels: int, rois: int) -> None:
    """Make a dataset of two kymographs with ROIs, and a file of each for napari alone."""
    from _kymographs import kymographs

    from kymflow_core import AcqImage, RectROI, RoiSet
    from kymflow_zarr import ZarrDataset

    dataset = ZarrDataset(folder / "two.zarr")
    for number, image in enumerate(kymographs(2, lines=lines, pixels=pixels)):
        np.save(folder / f"{number}.npy", image)
        record = dataset.add_image(image)
        drawn = enumerate(boxes(rois, lines, pixels), start=1)
        AcqImage(record).save_rois(RoiSet.of(RectROI(roi_id=at, y0=a, y1=b, x0=c, x1=d) for at, (a, b, c, d) in drawn))


class Window:
    """A window of napari's with a canvas of about 1366 x 700 pixels of the screen."""

    def __init__(self) -> None:
        import napari
        from qtpy.QtWidgets import QApplication

        self.viewer = napari.Viewer(show=True)
        self.viewer.window.resize(1366, 700)
        self._application = QApplication.instance()
        self.settle()

    def settle(self) -> None:
        """Draw what waits to be drawn."""
        for _ in range(5):
            self._application.processEvents()

    def turn(self, *, forward: bool) -> None:
        """Turn the wheel by one notch, and draw."""
        from qtpy.QtCore import QPoint, QPointF, Qt
        from qtpy.QtGui import QWheelEvent

        canvas = self.viewer.window._qt_viewer.canvas.native  # noqa: SLF001
        place, delta = QPoint(canvas.width() // 4, canvas.height() // 3), QPoint(0, 120 if forward else -120)
        nothing, keys, phase = Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase
        at = QPointF(canvas.mapToGlobal(place))
        event = QWheelEvent(QPointF(place), at, QPoint(0, 0), delta, nothing, keys, phase, False)
        self._application.sendEvent(canvas, event)
        self.settle()


def with_plugin(window: Window, dataset: Path) -> Callable[[int], object]:
    """Return what opens the first or the second record of a dataset, with the plugin."""
    from napari_kymflow.session.session import session_of
    from napari_kymflow.widgets.window.window import window_of

    window_of(window.viewer)
    session = session_of(window.viewer)
    session.open_dataset(dataset)
    ids = session.image_ids
    return lambda at: session.open_record(ids[at])


def alone(window: Window, folder: Path, *, lines: int, pixels: int, rois: int) -> Callable[[int], object]:
    """Return what shows the first or the second image in napari's own layers; the first call makes them."""
    images, stretch = [np.load(folder / f"{number}.npy") for number in (0, 1)], 0.42 * lines / pixels
    drawn = [np.array([[a, c], [a, d], [b, d], [b, c]]) * (1, stretch) for a, b, c, d in boxes(rois, lines, pixels)]
    layers: list[object] = []

    def switch(at: int) -> None:
        viewer = window.viewer
        if not layers:
            layers.append(viewer.add_image(images[at], scale=(1, stretch), contrast_limits=(0, 4000)))
            look = {"edge_width": 40, "face_color": "transparent", "edge_color": "yellow"}
            layers.append(viewer.add_shapes(drawn, shape_type="rectangle", **look))
            viewer.dims.order = (1, 0)
            viewer.reset_view()
        else:
            layers[0].data, layers[1].data = images[at], drawn

    return switch
