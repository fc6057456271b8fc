"""How a record is shown: time from left to right, the band filling the canvas, seconds and µm in the status bar. No Qt.

The rule of this room: a line scan has a thousand times more lines than pixels, so zooming both ways alike would show either
a line or less than a pixel. Zooming therefore acts on time only: whatever the zoom, the stretch along x is set so that the
band keeps its height on the canvas. `zoom_time_only = False` leaves the stretch as it is.

A step of the zoom changes how our layers are placed, never what is in them: nothing is read, cut out or uploaded again, but
for the part of a long image that comes into view (`layers.levels`). When the zoom rests, the shapes are drawn anew, so that
their edges are two pixels of the screen wide.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any
from weakref import ref

from napari.components import ViewerModel
from napari.layers import Image, Layer, Shapes
from napari.utils.notifications import show_info

from napari_kymflow.layers.convert import describe_position
from napari_kymflow.layers.echo_guard import EchoGuard
from napari_kymflow.layers.levels import value_at
from napari_kymflow.layers.placement import Placement
from napari_kymflow.layers.roi_sync import RoiSync
from napari_kymflow.layers.shapes import EDGE_PIXELS
from napari_kymflow.layers.tags import KEY, LayerTag, tag_of

BAND_HEIGHT = 0.86
"""The band's height over the canvas's; the rest is for labels and for seeing where the image ends."""

_LEAST_FREE = 10.0
_MARGIN = 1.03
_FEWEST_LINES = 4.0
_AT_MOST = 1.2
"""How many times the record's own length the canvas shows where the record is called whole; more is the user's zoom."""
_SAME = 0.01
_SAME_WIDTH = 0.2
_NOTCH = 1.007**30
"""How much one notch of the wheel zooms, as in vispy's own camera."""


class KymographView:
    """Shows one record in one viewer, and follows its zoom.

    Parameters
    ----------
    viewer
        The viewer.
    """

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer_ref = ref(viewer)
        self._sync: RoiSync | None = None
        self._shape = (1, 1)
        self._busy = EchoGuard()
        self._zoom_time_only = True
        self._before: tuple[int, tuple[int, ...]] | None = None
        self._strips = (0.0, 0.0)
        self.when_it_rests: Callable[[Callable[[], None]], None] = _at_once
        """How to do something once the zoom rests; a window puts a timer here."""

    @property
    def viewer(self) -> ViewerModel:
        """The viewer."""
        viewer = self._viewer_ref()
        if viewer is None:
            raise RuntimeError("the viewer of this view is closed")
        return viewer

    def bind(self, sync: RoiSync, shape: tuple[int, int]) -> None:
        """Show the record that a ROI layer belongs to, with `shape` (y, x), whole, and follow zoom and cursor."""
        self._sync, self._shape = sync, shape
        viewer = self.viewer
        viewer.layers.selection.active = sync.layer
        viewer.mouse_wheel_callbacks.append(self._on_wheel)
        viewer.scene.camera.events.zoom.connect(self._on_zoom)
        viewer.canvas.events.size.connect(self._on_zoom)
        viewer.canvas.overlays.scale_bar.events.visible.connect(self._on_scale_bar)
        sync.editing_ended.connect(self._on_zoom)
        # Last, so that napari's own text is there first and ours stays.
        viewer.events.status.connect(self._on_status, position="last")
        self.arrange()
        self._on_scale_bar()
        self._draw_shapes()
        self._on_status()

    def arrange(self) -> None:
        """Turn time from left to right, unless layers of others would be turned as well, and show the whole record."""
        if self._sync is None:
            return
        dims = self.viewer.dims
        if self._before is None:
            self._before = dims.ndisplay, dims.order
        with self._busy:  # napari shows turned layers whole in its own way first
            dims.ndisplay = 2
            lines, pixels = dims.ndim - 2, dims.ndim - 1
            if self.is_alone:
                dims.order = (*range(lines), pixels, lines)
            # The first line and pixel are within the image at every stretch; napari cuts a slice anew when the point moves.
            dims.set_point((lines, pixels), (0.0, 0.0))
        self.fit()

    def unbind(self) -> None:
        """Stop following: the inverse of `bind`."""
        if self._sync is not None:
            self._sync.editing_ended.disconnect(self._on_zoom)
        self._sync = None
        viewer = self.viewer
        viewer.mouse_wheel_callbacks.remove(self._on_wheel)
        viewer.scene.camera.events.zoom.disconnect(self._on_zoom)
        viewer.canvas.events.size.disconnect(self._on_zoom)
        viewer.canvas.overlays.scale_bar.events.visible.disconnect(self._on_scale_bar)
        viewer.events.status.disconnect(self._on_status)
        self._caption("")

    def restore(self) -> None:
        """Show what else is in the viewer as it was shown before a record was."""
        if self._before is None:
            return
        (ndisplay, order), self._before = self._before, None
        dims = self.viewer.dims
        if len(self.viewer.layers) and dims.ndim != len(order):
            order = tuple(range(dims.ndim))
        if dims.ndim == len(order):
            dims.order = order
        dims.ndisplay = ndisplay

    @property
    def is_alone(self) -> bool:
        """Whether the viewer shows nothing but the record: layers of others are neither turned nor stretched."""
        return all(tag_of(layer) is not None for layer in self.viewer.layers)

    @property
    def zoom_time_only(self) -> bool:
        """Whether zooming keeps the band's height on the canvas, where the record is alone there."""
        return self._zoom_time_only

    @zoom_time_only.setter
    def zoom_time_only(self, value: bool) -> None:
        self._zoom_time_only = value
        self._on_zoom()

    @property
    def strips(self) -> tuple[float, float]:
        """How wide the axes are at the left of the canvas and below, in pixels; the record lies beside them."""
        return self._strips

    @strips.setter
    def strips(self, value: tuple[float, float]) -> None:
        if value != self._strips:
            is_whole, self._strips = self.shows_whole(self.viewer.canvas.size[1]), value
            if is_whole:
                self.fit()
            else:
                self._on_zoom()

    def shows_whole(self, width: float) -> bool:
        """Return whether the whole record, and little else, is shown beside the axes where the canvas is so wide."""
        if self._sync is None or not self.runs_right:
            return False
        lines, zoom = self._shape[0], self.viewer.scene.camera.zoom
        start, stop = self._middle - (width / 2 - self._strips[0]) / zoom, self._middle + width / 2 / zoom
        return bool(start <= 1 and stop >= lines - 1 and stop - start <= _AT_MOST * lines)

    def fitting_stretch(self, shape: tuple[int, int]) -> float:
        """Return the stretch of an image of `shape` (y, x) that is shown whole."""
        along, across = self._free
        return float(BAND_HEIGHT * across * shape[0] * _MARGIN / (along * shape[1]))

    def fitting_edge_width(self, shape: tuple[int, int]) -> float:
        """Return how wide edges are, in display units, where an image of `shape` (y, x) is shown whole."""
        return float(EDGE_PIXELS * shape[0] * _MARGIN / self._free[0])

    def fit(self) -> None:
        """Show the whole record, filling the canvas."""
        self.go_to_lines(0, self._shape[0])

    def visible_lines(self) -> tuple[int, int]:
        """Return the lines of the record that are on the canvas, half-open."""
        half = self._free[0] / self.viewer.scene.camera.zoom / 2
        middle = self._middle + self._aside[0]
        start, stop = round(middle - half), round(middle + half)
        return max(0, min(start, self._shape[0] - 1)), max(1, min(stop, self._shape[0]))

    @property
    def placement(self) -> Placement | None:
        """Where the record lies on the canvas now; None where none is shown."""
        if self._sync is None:
            return None
        camera, (length, breadth) = self.viewer.scene.camera, self._canvas
        return Placement(
            zoom=float(camera.zoom),
            stretch=self._stretch,
            middle=self._middle,
            middle_across=float(camera.center[-2 if self.runs_right else -1]),
            length=float(length),
            breadth=float(breadth),
            runs_right=self.runs_right,
        )

    def show_lines(self, start: float, stop: float) -> None:
        """Show just the lines from `start` to `stop`, from one edge of the canvas to the other."""
        if self._sync is not None:
            self._zoom_to(self._canvas[0] / max(stop - start, _FEWEST_LINES), middle=(start + stop) / 2 - 0.5)

    def go_to_lines(self, start: float, stop: float, *, caption: str = "") -> None:
        """Show the lines from `start` to `stop`, and write a caption on the canvas."""
        if self._sync is None:
            return
        zoom = self._free[0] / (max(1.0, stop - start) * _MARGIN)
        self._zoom_to(zoom, middle=(start + stop) / 2 - self._aside_at(zoom)[0], is_new=True)
        self._caption(caption)

    @property
    def runs_right(self) -> bool:
        """Whether time runs from left to right, as it does unless layers of others were there first."""
        dims = self.viewer.dims
        return self.is_alone or bool(dims.order[-1] == dims.ndim - 2)

    @property
    def _canvas(self) -> tuple[float, float]:
        """The size of the canvas along time and across it, in pixels of the screen."""
        height, width = self.viewer.canvas.size
        return (width, height) if self.runs_right else (height, width)

    @property
    def _free(self) -> tuple[float, float]:
        """The size of the canvas beside the strips of the axes, along time and across it, in pixels of the screen.

        Where docks leave the canvas less than the strips, it is as if a little were free: a stretch must be above 0.
        """
        (along, across), (left, below) = self._canvas, self._strips
        beside = (along - left, across - below) if self.runs_right else (along - below, across - left)
        return max(beside[0], _LEAST_FREE), max(beside[1], _LEAST_FREE)

    def _aside_at(self, zoom: float) -> tuple[float, float]:
        """Return how far the middle of the free part lies from that of the canvas, in napari's world, at a zoom."""
        left, below = (length / 2 / zoom for length in self._strips)
        return (left, -below) if self.runs_right else (-below, left)

    @property
    def _aside(self) -> tuple[float, float]:
        return self._aside_at(self.viewer.scene.camera.zoom)

    @property
    def _middle(self) -> float:
        """The line in the middle of the canvas."""
        return float(self.viewer.scene.camera.center[-1 if self.runs_right else -2])

    def _on_wheel(self, viewer: ViewerModel, event: Any) -> None:
        """Zoom time around the cursor, in one step: else the canvas is drawn with a wrong height in between."""
        camera = viewer.scene.camera
        is_ours = self._zoom_time_only and self.is_alone and self._sync is not None and not self._sync.is_editing
        if not is_ours or event.modifiers or not camera.mouse_zoom or viewer.dims.ndisplay != 2:
            return
        factor = _NOTCH ** event.delta[1]
        at = event.position[viewer.dims.order[-1]]
        self._zoom_to(camera.zoom * factor, middle=at + (self._middle - at) / factor)
        event.handled = True

    def _on_zoom(self, event: Any = None) -> None:
        if not self._busy:
            self._zoom_to(self.viewer.scene.camera.zoom, middle=self._middle)

    def _zoom_to(self, zoom: float, *, middle: float, is_new: bool = False) -> None:
        """Show time at a zoom around a line; the band keeps its height, or gets it where the view `is_new`."""
        sync, camera = self._sync, self.viewer.scene.camera
        if sync is None:
            return
        fills = not sync.is_editing and (self._zoom_time_only or is_new) and self.is_alone
        with self._busy:
            if fills:
                self._set_stretch(BAND_HEIGHT * self._free[1] / (zoom * self._shape[1]))
            across = camera.center[-2 if self.runs_right else -1]
            if fills or is_new:
                across = (self._shape[1] - 1) / 2 * self._stretch - self._aside_at(zoom)[1]
            camera.zoom = zoom
            camera.center = (0.0, across, middle) if self.runs_right else (0.0, middle, across)
        self.when_it_rests(self._draw_shapes)

    def _draw_shapes(self) -> None:
        """Draw the shapes for the stretch and the zoom of now, unless they are nearly right, or the user draws."""
        sync = self._sync
        if sync is None or sync.is_editing or self._viewer_ref() is None:  # the zoom came to rest after the viewer was gone
            return
        width = EDGE_PIXELS / self.viewer.scene.camera.zoom
        is_right = abs(width / sync.edge_width - 1) <= _SAME_WIDTH and abs(self._stretch / sync.stretch - 1) <= _SAME_WIDTH
        if not is_right:
            with self._busy:
                with placed_only([sync.layer]):
                    sync.layer.scale = (1.0, 1.0)
                sync.draw_for(self._stretch, edge_width=width)

    @property
    def _stretch(self) -> float:
        """How many display units one pixel is high now, on all layers of the record."""
        tag = tag_of(self._sync.layer) if self._sync is not None else None
        return tag.stretch if tag is not None else 1.0

    def _set_stretch(self, stretch: float) -> None:
        factor = stretch / self._stretch
        if abs(factor - 1) <= _SAME:
            return
        layers = self.record_layers
        with placed_only(layers):
            for layer in layers:
                layer.metadata[KEY] = replace(layer.metadata[KEY], stretch=stretch)
                # Shapes are drawn for a stretch already; what was drawn for another one since is stretched by the rest.
                layer.scale = (*layer.scale[:-1], layer.scale[-1] * factor if isinstance(layer, Shapes) else stretch)

    def _on_scale_bar(self, event: Any = None) -> None:
        """Hide napari's scale bar: it counts lines of a kymograph, and calls them pixels."""
        bar = self.viewer.canvas.overlays.scale_bar
        if bar.visible and self.is_alone:
            bar.visible = False
            show_info("A kymograph has axes in s and µm instead of napari's scale bar, which knows one unit for both.")

    def _on_status(self, event: Any = None) -> None:
        status = self.viewer.status
        if self._sync is None or self._busy or not isinstance(status, dict) or not status.get("coordinates"):
            return
        tag, active = tag_of(self._sync.layer), self.viewer.layers.selection.active
        if tag is None or (active is not None and tag_of(active) is None):
            return
        values = " | ".join(f"{value:.6g}" for value in self._values_under_cursor())
        text = describe_position(tag, self.viewer.cursor.position)
        shown = f"{text}: {values}" if values else text
        with self._busy:
            self.viewer.status = {**status, "coordinates": shown, "value": ""}

    def _values_under_cursor(self) -> list[Any]:
        """Return the value of each channel that is shown."""
        tags = ((layer, tag_of(layer)) for layer in self.record_layers if isinstance(layer, Image) and layer.visible)
        shown = [layer for layer, tag in tags if tag is not None and tag.role == "pixels"]
        values = (value_at(layer, self.viewer.cursor.position) for layer in shown)
        return [value for value in values if value is not None]

    @property
    def record_layers(self) -> list[Layer]:
        """The layers of the record that is shown."""
        shown = tag_of(self._sync.layer) if self._sync else None
        return [layer for layer in self.viewer.layers if shown and _same_record(tag_of(layer), shown)]

    def _caption(self, text: str) -> None:
        overlay = self.viewer.canvas.overlays.text
        overlay.text = text
        overlay.visible = bool(text)


@contextmanager
def placed_only(layers: Iterable[Layer]) -> Iterator[None]:
    """Within, another scale moves a layer and does no more.

    napari otherwise cuts out and uploads its picture again: 1.2 s for 30000 x 4096 pixels. It has no public way.
    """
    with ExitStack() as stack:
        for layer in layers:
            stack.enter_context(layer._block_refresh())  # noqa: SLF001
        yield


def _at_once(action: Callable[[], None]) -> None:
    action()


def _same_record(tag: LayerTag | None, other: LayerTag) -> bool:
    return tag is not None and tag.key == other.key
