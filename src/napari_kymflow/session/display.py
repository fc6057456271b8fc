"""How the open record is shown: its channels, their contrast and colours, as the user changes them. No Qt.

The rule of this room: whatever changes a layer's contrast, in napari or here, is the user's choice, and remembered.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from napari.layers import Image
from napari.utils.colormaps import AVAILABLE_COLORMAPS

from napari_kymflow.layers.convert import contrast_limits
from napari_kymflow.layers.echo_guard import EchoGuard
from napari_kymflow.layers.levels import all_pixels
from napari_kymflow.layers.tags import tag_of
from napari_kymflow.layers.view import KymographView
from napari_kymflow.user.displays import Limits, load_display, save_display


class RecordDisplay:
    """The display of one record.

    Parameters
    ----------
    view
        Shows the record in the viewer.
    dataset_id, image_id
        Which record it is.
    """

    def __init__(self, view: KymographView, dataset_id: str, image_id: str) -> None:
        self._view, self._key = view, (dataset_id, image_id)
        self._display = load_display(dataset_id, image_id)
        self._saved = self._display
        self._connected: list[tuple[Any, Callable[..., None]]] = []
        self._quiet = EchoGuard()

    def bind(self) -> None:
        """Follow what the user changes."""
        for channel, layer in self.channels.items():
            slot = partial(self._on_changed, channel, layer)
            for emitter in (layer.events.contrast_limits, layer.events.colormap, layer.events.gamma):
                emitter.connect(slot)
                self._connected.append((emitter, slot))

    def unbind(self) -> None:
        """Stop following: the inverse of `bind`."""
        for emitter, slot in self._connected:
            emitter.disconnect(slot)
        self._connected.clear()
        self.remember()

    @property
    def channels(self) -> dict[int, Image]:
        """The layers of the record's channels, by channel, from 1."""
        found = {}
        for layer in self._view.record_layers:
            tag = tag_of(layer)
            if isinstance(layer, Image) and tag is not None and tag.role == "pixels":
                found[tag.channel] = layer
        return dict(sorted(found.items()))

    @property
    def shown_channel(self) -> int:
        """The first channel that is shown, which new ROIs are of; 1 where none is."""
        return next((channel for channel, layer in self.channels.items() if layer.visible), 1)

    @property
    def percentiles(self) -> Limits:
        """The pixels that are black and white, in %, where the contrast was not chosen for the record."""
        return self._display.percentiles

    def use_percentiles(self, low: float, high: float) -> None:
        """Set the contrast of all channels by percentiles, which count from now on for the dataset's other records too."""
        channels = {channel: replace(self._display.of(channel), limits=None) for channel in self.channels}
        self._display = replace(self._display, channels={**self._display.channels, **channels}, percentiles=(low, high))
        with self._quiet:
            for layer in self.channels.values():
                limits = contrast_limits(all_pixels(layer), (low, high))
                layer.contrast_limits_range = limits
                layer.contrast_limits = limits

    def set_auto(self) -> None:
        """Forget the contrast that was chosen for the record."""
        self.use_percentiles(*self.percentiles)

    def remember(self) -> None:
        """Keep what the user changed for the next time."""
        if self._display != self._saved:
            self._saved = self._display
            save_display(*self._key, self._display)

    def _on_changed(self, channel: int, layer: Image, event: Any) -> None:
        if self._quiet:
            return
        changed = self._display.of(channel)
        if event.type == "contrast_limits":
            low, high = layer.contrast_limits
            changed = replace(changed, limits=(float(low), float(high)))
        elif event.type == "gamma":
            changed = replace(changed, gamma=float(layer.gamma))
        elif layer.colormap.name in AVAILABLE_COLORMAPS:
            changed = replace(changed, colormap=str(layer.colormap.name))
        self._display = replace(self._display, channels={**self._display.channels, channel: changed})
