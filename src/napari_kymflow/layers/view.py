"""How a record is shown: time from left to right, the band filling the canvas, seconds and µm in the status bar. No Qt.

The rule of this room: a line scan has a thousand times more lines than pixels, so zooming both ways alike would show either
a line or less than a pixel. Zooming therefore acts on time only: whatever the zoom, the stretch along x is set so that the
band keeps its height on the canvas. `zoom_time_only = False` leaves the stretch as it is.
"""

from dataclasses import replace
from typing import Any
from weakref import ref

from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer

from napari_kymflow.layers.convert import describe_position
from napari_kymflow.layers.echo_guard import EchoGuard
from napari_kymflow.layers.roi_sync import RoiSync
from napari_kymflow.layers.shapes import EDGE_PIXELS
from napari_kymflow.layers.tags import KEY, LayerTag, tag_of

BAND_HEIGHT = 0.86
"""The band's height over the canvas's; the rest is for labels and for seeing where the image ends."""

_MARGIN = 1.03
_SAME = 0.01
_SAME_WIDTH = 0.2


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
        self._edge_width = 0.0
        self._busy = EchoGuard()
        self._zoom_time_only = True

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
        self.viewer.dims.ndisplay = 2
        dimensions = self.viewer.dims.ndim
        self.viewer.dims.order = (*range(dimensions - 2), dimensions - 1, dimensions - 2)
        self.viewer.layers.selection.active = sync.layer
        self.viewer.scene.camera.events.zoom.connect(self._on_zoom)
        self.viewer.canvas.events.size.connect(self._on_zoom)
        sync.editing_ended.connect(self._on_zoom)
        # Last, so that napari's own text is there first and ours stays.
        self.viewer.events.status.connect(self._on_status, position="last")
        self.fit()
        self._on_status()

    def unbind(self) -> None:
        """Stop following: the inverse of `bind`."""
        if self._sync is not None:
            self._sync.editing_ended.disconnect(self._on_zoom)
        self._sync = None
        self.viewer.scene.camera.events.zoom.disconnect(self._on_zoom)
        self.viewer.canvas.events.size.disconnect(self._on_zoom)
        self.viewer.events.status.disconnect(self._on_status)
        self._caption("")

    @property
    def zoom_time_only(self) -> bool:
        """Whether zooming keeps the band's height on the canvas."""
        return self._zoom_time_only

    @zoom_time_only.setter
    def zoom_time_only(self, value: bool) -> None:
        self._zoom_time_only = value
        self._on_zoom()

    def fit(self) -> None:
        """Show the whole record, filling the canvas."""
        self.go_to_lines(0, self._shape[0])

    def visible_lines(self) -> tuple[int, int]:
        """Return the lines of the record that are on the canvas, half-open."""
        camera = self.viewer.scene.camera
        half = self.viewer.canvas.size[1] / camera.zoom / 2
        start, stop = round(camera.center[-1] - half), round(camera.center[-1] + half)
        return max(0, min(start, self._shape[0] - 1)), max(1, min(stop, self._shape[0]))

    def go_to_lines(self, start: float, stop: float, *, caption: str = "") -> None:
        """Show the lines from `start` to `stop`, and write a caption on the canvas."""
        if self._sync is None:
            return
        camera = self.viewer.scene.camera
        with self._busy:
            camera.zoom = self.viewer.canvas.size[1] / (max(1.0, stop - start) * _MARGIN)
        self._follow_zoom(fill=True)
        camera.center = (0.0, camera.center[-2], (start + stop) / 2)
        self._caption(caption)

    def _on_zoom(self, event: Any = None) -> None:
        if not self._busy:
            self._follow_zoom(fill=self._zoom_time_only)

    def _follow_zoom(self, *, fill: bool) -> None:
        """Keep the band's height, where `fill`, and ROI edges two pixels of the screen wide."""
        if self._sync is None or self._sync.is_editing:
            return
        camera = self.viewer.scene.camera
        width = EDGE_PIXELS / camera.zoom
        with self._busy:
            if fill:
                stretch = BAND_HEIGHT * self.viewer.canvas.size[0] / (camera.zoom * self._shape[1])
                if abs(stretch / self._sync.stretch - 1) > _SAME:
                    self._set_stretch(stretch)
                camera.center = (0.0, (self._shape[1] - 1) / 2 * self._sync.stretch, camera.center[-1])
            if abs(width / (self._edge_width or width * 2) - 1) > _SAME_WIDTH:
                self._edge_width = width
                self._sync.set_edge_width(width)

    def _set_stretch(self, stretch: float) -> None:
        if self._sync is None:
            return
        factor = stretch / self._sync.stretch
        ours = self._layers()
        for layer in self.viewer.layers:
            tag = tag_of(layer)
            if layer in ours and tag is not None:
                layer.metadata[KEY] = replace(tag, stretch=stretch)
            if isinstance(layer, Image | Labels) and layer in ours:
                layer.scale = (*layer.scale[:-1], stretch)
            elif layer not in ours or (tag is not None and tag.role == "revision"):
                # Layers of the user, points say, stay where they are on the image.
                layer.scale = (*layer.scale[:-1], layer.scale[-1] * factor)
                layer.translate = (*layer.translate[:-1], layer.translate[-1] * factor)
        self._sync.set_stretch(stretch)

    def _on_status(self, event: Any = None) -> None:
        status = self.viewer.status
        if self._sync is None or self._busy or not isinstance(status, dict) or not status.get("coordinates"):
            return
        tag = tag_of(self._sync.layer)
        if tag is None:
            return
        value = self._value_under_cursor()
        text = describe_position(tag, self.viewer.cursor.position)
        shown = text if value is None else f"{text}: {value:.6g}"
        with self._busy:
            self.viewer.status = {**status, "coordinates": shown, "value": ""}

    def _value_under_cursor(self) -> Any:
        for layer in self._layers():
            tag = tag_of(layer)
            if isinstance(layer, Image) and tag is not None and tag.role == "pixels":
                return layer.get_value(self.viewer.cursor.position, world=True)
        return None

    def _layers(self) -> list[Layer]:
        """Return the layers of the record that is shown."""
        shown = tag_of(self._sync.layer) if self._sync else None
        return [layer for layer in self.viewer.layers if shown and _same_record(tag_of(layer), shown)]

    def _caption(self, text: str) -> None:
        overlay = self.viewer.canvas.overlays.text
        overlay.text = text
        overlay.visible = bool(text)


def _same_record(tag: LayerTag | None, other: LayerTag) -> bool:
    return tag is not None and (tag.dataset_path, tag.image_id) == (other.dataset_path, other.image_id)
