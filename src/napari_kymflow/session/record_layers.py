"""The layers in which a viewer shows the open record: its pixels, its masks, its ROIs. No Qt.

The rule of this room: these layers stay, and the next record takes them over. Where a layer is taken away while the mouse
is at work on the canvas, napari can end in a segmentation fault: vispy still draws what is gone, to find out what was hit.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from napari.layers import Image, Layer, Shapes

from kymflow_core import RoiSet
from napari_kymflow.layers.convert import LayerData
from napari_kymflow.layers.levels import show_pixels
from napari_kymflow.layers.roi_sync import show_shapes
from napari_kymflow.layers.shapes import rois_to_shapes
from napari_kymflow.layers.tags import KEY, LayerTag, Role, tag_of
from napari_kymflow.layers.view import KymographView, placed_only

_ORDER: tuple[Role, ...] = ("pixels", "mask", "rois")
"""From the bottom to the top."""


class RecordLayers:
    """The layers of one viewer that are ours.

    Parameters
    ----------
    view
        Shows a record in the viewer.
    """

    def __init__(self, view: KymographView) -> None:
        self._view = view

    @property
    def all(self) -> list[Layer]:
        """All layers of ours, those included that show labels or an earlier revision."""
        return [layer for layer in self._view.viewer.layers if tag_of(layer) is not None]

    def find(self, role: Role, channel: int | None = None) -> Layer | None:
        """Return the layer of a role, and of a channel; None where it was never made, or the user deleted it."""
        tags = ((layer, _tag(layer)) for layer in self.all)
        return next((layer for layer, tag in tags if tag.role == role and channel in (None, tag.channel)), None)

    def show(self, layers: Sequence[LayerData], rois: RoiSet, *, edge_width: float) -> Shapes:
        """Show a record, given as `record_to_layers` returns it, and return the ROI layer; ROIs have edges so wide."""
        tag: LayerTag = layers[0][1]["metadata"][KEY]
        for layer in [layer for layer in self.all if _tag(layer).role not in (*_ORDER, "spare")]:
            self._view.viewer.layers.remove(layer)
        for data, given, kind in layers:
            own: LayerTag = given["metadata"][KEY]
            role, there = own.role, self.find(own.role, own.channel)
            if role == "pixels" and there is None and (there := self.find("spare")) is not None:
                given = {**given, "visible": True}
            options = {**given, "edge_width": edge_width} if role == "rois" else given
            if isinstance(there, Shapes):
                _replace_shapes(there, rois, options, edge_width)
            elif isinstance(there, Image):
                _replace_image(there, data, options)
            else:
                self._add(role, Layer.create(data, options, kind))
        tags = [options["metadata"][KEY] for _, options, _ in layers]
        if not any(own.role == "mask" for own in tags):
            self.show_masks(None, tag)
        channels = {own.channel for own in tags if own.role == "pixels"}
        for layer in self.all:
            if isinstance(layer, Image) and _tag(layer).role == "pixels" and _tag(layer).channel not in channels:
                _replace_image(layer, *_nothing("no channel", replace(tag, role="spare")))
        shown = self.find("rois")
        if not isinstance(shown, Shapes):
            raise TypeError(f"the ROI layer is {shown!r}")
        return shown

    def show_masks(self, masks: LayerData | None, tag: LayerTag) -> None:
        """Show the masks of the record of a tag, or that it has none."""
        there, metadata = self.find("mask"), {KEY: replace(tag, role="mask")}
        if masks is not None:
            data, options, kind = masks
            options = {**options, "scale": (1.0, tag.stretch), "metadata": metadata}
            if isinstance(there, Image):
                _replace_image(there, data, options)
            else:
                self._add("mask", Layer.create(data, options, kind))
        elif isinstance(there, Image):
            _replace_image(there, *_nothing("no mask", replace(tag, role="mask")))

    def clear(self) -> None:
        """Take all layers of ours away, the image last: napari warns where only a ROI layer without ROIs is left."""
        for layer in sorted(self.all, key=lambda layer: _tag(layer).role == "pixels"):
            # A dialog that closes with the record takes its own layer away.
            if layer in self._view.viewer.layers:
                self._view.viewer.layers.remove(layer)

    def _add(self, role: Role, layer: Layer) -> None:
        """Add a layer below those that belong above it."""
        layers = self._view.viewer.layers
        above = [self.find(other) for other in _ORDER[_ORDER.index(role) + 1 :]]
        places = [layers.index(other) for other in above if other is not None]
        layers.insert(min(places, default=len(layers)), layer)


def _tag(layer: Layer) -> LayerTag:
    tag = tag_of(layer)
    if tag is None:
        raise ValueError(f"{layer} is no layer of a record")
    return tag


def _nothing(name: str, tag: LayerTag) -> tuple[Any, Mapping[str, Any]]:
    """Return what a layer shows that the record does not need: it stays, hidden, for one that does."""
    options = {"name": name, "visible": False, "scale": (1.0, tag.stretch), "metadata": {KEY: tag}}
    return np.zeros((1, 1), np.uint8), options


def _replace_image(layer: Image, data: Any, options: Mapping[str, Any]) -> None:
    with placed_only([layer]):
        layer.name, layer.metadata = options["name"], options["metadata"]
        show_pixels(layer, data)
        _place(layer, options["scale"])
        if "axis_labels" in options:
            layer.axis_labels = options["axis_labels"]
        if "contrast_limits" in options:
            layer.contrast_limits_range = options["contrast_limits"]
            layer.contrast_limits = options["contrast_limits"]
        if "gamma" in options:
            layer.gamma, layer.blending, layer.colormap = options["gamma"], options["blending"], options["colormap"]
        layer.visible = options.get("visible", layer.visible)
    layer.refresh()


def _replace_shapes(layer: Shapes, rois: RoiSet, options: Mapping[str, Any], edge_width: float) -> None:
    tag: LayerTag = options["metadata"][KEY]
    layer.mode = "pan_zoom"
    with placed_only([layer]):
        layer.name, layer.metadata = options["name"], options["metadata"]
        _place(layer, (1.0, 1.0))
        show_shapes(layer, rois_to_shapes(rois, tag.stretch), rois, edge_width=edge_width)
    layer.refresh()


def _place(layer: Layer, scale: Sequence[float]) -> None:
    """Give a layer a scale that it does not have: after each that it is given napari asks all layers for their extent."""
    if not np.array_equal(layer.scale, scale):
        layer.scale = scale
