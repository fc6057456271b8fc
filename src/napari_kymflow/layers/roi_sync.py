"""Binds the ROIs of one record to one Shapes layer, without Qt.

napari reports a drawn or moved shape by `data`, a pasted one only by `set_data`, and copies the features of the last row
to a new shape. So every one of these events is answered alike: read all shapes, and reconcile them by the id in their
features.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

import numpy as np
from napari.layers import Shapes
from numpy.typing import NDArray
from psygnal import Signal

from kymflow_core import RoiSet
from kymflow_core.roi.bounds import Bounds
from napari_kymflow.layers.echo_guard import EchoGuard
from napari_kymflow.layers.shapes import (
    EDGE_PIXELS,
    MOST_MARKED,
    NO_ROI,
    ROI_COLOR,
    ROI_ID,
    SELECTED_EDGE,
    LayerShape,
    Reconciled,
    color_of,
    color_to_text,
    colors_of,
    features_of,
    has_shape,
    is_drawn_as,
    reconcile,
    rois_to_shapes,
    shape_to_region,
)

_UNFINISHED = ("adding", "changing", "removing")
CLICK_PIXELS = 6.0
"""A shape that is drawn no larger than this, in pixels of the screen, was a click: napari's own is 5 wide."""


class RoiSync:
    """Keeps a `RoiSet` and a Shapes layer the same, whichever of them changes.

    Parameters
    ----------
    layer
        The layer, in display units.
    rois
        What the layer shows now.
    stretch
        Display units a pixel along x.
    shape
        The image's shape (y, x), in pixels.
    get_slice
        Returns z (from 0) and channel (from 1) of the slice that is shown, for new ROIs.
    """

    rois_changed = Signal()
    rois_turned = Signal(tuple)
    """The ids of rectangles that were drawn into another shape, and are masks now."""
    rois_colored = Signal(tuple, str)
    """The ids of ROIs that the user gave another colour in napari's layer controls, and the colour, "#rrggbb"."""
    selection_changed = Signal()
    editing_ended = Signal()

    def __init__(
        self,
        layer: Shapes,
        rois: RoiSet,
        *,
        stretch: float,
        shape: tuple[int, int],
        get_slice: Callable[[], tuple[int, int]] = lambda: (0, 1),
    ) -> None:
        self.layer = layer
        self._is_bound = False
        self._is_unfinished = False
        self.is_pressed = False
        """Whether the mouse is pressed on the canvas."""
        self.is_behind = False
        """Whether shapes were drawn that are no ROIs yet, since an error came in between."""
        self.later: Callable[[Callable[[], None]], None] = _at_once
        """How to do something after napari has handled the mouse; a dock puts Qt's event loop here."""
        self.get_slice = get_slice
        """Returns z (from 0) and channel (from 1) of the slice that is shown."""
        self.rois = rois
        self.refused: tuple[int, ...] = ()
        self.stretch = stretch
        """Display units a pixel along x, as the shapes are drawn; while the user zooms, the layer's scale adds to it."""
        self.edge_width = float(layer.current_edge_width)
        """How wide the edges are drawn, in display units."""
        self.shape = shape
        """The image's shape (y, x), in pixels."""
        self._busy = EchoGuard()

    @property
    def is_editing(self) -> bool:
        """Whether a shape is being drawn or dragged: until it is done, nobody may touch the layer's data."""
        return self._is_unfinished or self.is_pressed

    def end_drawing(self) -> None:
        """Take a shape that is being drawn as it is by now."""
        if self._is_unfinished:
            self.layer.mode = "pan_zoom"

    def catch_up(self) -> None:
        """Take up shapes that an error kept from becoming ROIs; raise it again where it is still there."""
        if self.is_behind and self._is_bound:
            self._on_layer_changed()

    def bind(self) -> None:
        """Listen to the layer."""
        self._is_bound = True
        self.layer.mouse_drag_callbacks.append(self._on_mouse_drag)
        self.layer.events.data.connect(self._on_layer_data)
        self.layer.events.set_data.connect(self._on_layer_changed)
        self.layer.events.features.connect(self._on_layer_changed)
        self.layer.events.mode.connect(self._on_layer_mode)
        self.layer.events.edge_color.connect(self._on_layer_edge_color)
        self.layer.selected_data.events.items_changed.connect(self._on_layer_selection)

    def unbind(self) -> None:
        """Stop listening: the inverse of `bind`. From now on the layer is another record's, and is left alone."""
        self._is_bound = self._is_unfinished = self.is_pressed = False
        self.layer.mouse_drag_callbacks.remove(self._on_mouse_drag)
        self.layer.events.data.disconnect(self._on_layer_data)
        self.layer.events.set_data.disconnect(self._on_layer_changed)
        self.layer.events.features.disconnect(self._on_layer_changed)
        self.layer.events.mode.disconnect(self._on_layer_mode)
        self.layer.events.edge_color.disconnect(self._on_layer_edge_color)
        self.layer.selected_data.events.items_changed.disconnect(self._on_layer_selection)

    @property
    def refusal(self) -> str:
        """Why some shapes on the canvas cannot be saved; empty where all can."""
        if not self.refused:
            return ""
        count = len(self.refused)
        return f"{count} shape{'' if count == 1 else 's'} on the canvas cannot be saved: no pixel of the image lies inside."

    @property
    def refused_vertices(self) -> list[NDArray[np.float64]]:
        """The vertices (n, 2) as (y, x) pixels of the shapes that cannot be saved."""
        return [np.asarray(drawn.vertices)[:, -2:] / (1.0, self.stretch) for drawn in self._refused_shapes()]

    @property
    def selected_ids(self) -> tuple[int, ...]:
        """The ids of the ROIs whose shapes are selected."""
        if not self._is_bound:
            return ()
        ids = self._ids()
        return tuple(ids[index] for index in sorted(self.layer.selected_data) if index < len(ids) and ids[index] != NO_ROI)

    def drawn_bounds(self, roi_id: int) -> Bounds | None:
        """Return where a rectangle is drawn now, also while it is dragged; None for other shapes."""
        shapes = [one for one in self._shapes() if one.roi_id == roi_id] if self._is_bound else []
        region = shape_to_region(shapes[0], self.stretch, self.shape) if shapes else None
        return region if isinstance(region, Bounds) else None

    def select(self, roi_ids: Sequence[int]) -> None:
        """Select the shapes of these ROIs."""
        if not self._is_bound:
            return
        wanted = {index for index, roi_id in enumerate(self._ids()) if roi_id in roi_ids}
        if wanted != set(self.layer.selected_data):
            self.layer.selected_data = wanted

    def set_rois(self, rois: RoiSet) -> None:
        """Show other ROIs; shapes that cannot be saved as ROIs are kept as they are drawn."""
        if not self._is_bound:
            self.rois = rois
            return
        refused = self._refused_shapes()
        kept = {roi.roi_id for roi in rois if roi.roi_id in self.rois and self.rois.get(roi.roi_id) == roi}
        odd = {drawn.roi_id: drawn for drawn in refused if drawn.roi_id in kept}
        shown = [odd.get(shape.roi_id, shape) for shape in rois_to_shapes(rois, self.stretch)]
        shown += [drawn for drawn in refused if drawn.roi_id == NO_ROI]
        with self._busy:
            selected = self.selected_ids
            show_shapes(self.layer, shown, rois, edge_width=self.edge_width)
            self.rois = rois
            self.refused = self._reconciled().refused
        self.select(selected)
        self._mark_selected()
        self.rois_changed.emit()

    def show_if_different(self, rois: RoiSet) -> None:
        """Show ROIs unless the layer has exactly their shapes."""
        ids = [roi_id for roi_id in self._ids() if roi_id != NO_ROI]
        if ids != [shape.roi_id for shape in rois_to_shapes(rois, self.stretch)] or self._reconciled().rois != rois:
            self.set_rois(rois)

    def draw_for(self, stretch: float, *, edge_width: float) -> None:
        """Draw all shapes for another stretch along x, with edges so wide, in display units; the ROIs stay as they are."""
        factor = stretch / self.stretch
        self.stretch, self.edge_width = stretch, edge_width
        exact = {shape.roi_id: shape for shape in rois_to_shapes(self.rois, stretch)}
        with self._busy:
            selected = set(self.layer.selected_data)
            self.layer.selected_data = set()
            self.layer.current_edge_width = edge_width
            if self.layer.nshapes:
                self.layer.edge_width = self._edge_widths(selected)
                self.layer.data = [
                    # From the ROI, so that no rounding adds up.
                    exact[drawn.roi_id].vertices
                    if drawn.roi_id in exact and position not in self.refused
                    else drawn.vertices * (1.0, factor)
                    for position, drawn in enumerate(self._shapes())
                ]
            self.layer.selected_data = selected

    def _on_layer_data(self, event: Any) -> None:
        if self._busy:
            return
        self._is_unfinished = str(getattr(event.action, "value", event.action)) in _UNFINISHED
        if not self.is_editing:
            self._on_editing_ended()

    def _on_mouse_drag(self, layer: Shapes, event: Any) -> Iterator[None]:
        """Wait for the mouse to be released: while a corner is dragged, napari reports every step as a change."""
        self.is_pressed = self._is_bound
        yield
        while event.type == "mouse_move":
            yield
        self.later(self._on_released)

    def _on_released(self) -> None:
        self.is_pressed = False
        if self._is_bound and not self._is_unfinished:
            self._drop_clicks()
            self._on_editing_ended()

    def _drop_clicks(self) -> None:
        """Take away shapes that a click left, which napari makes where the mouse is pressed and not dragged."""
        least = CLICK_PIXELS * self.edge_width / EDGE_PIXELS
        known = sum(map(has_shape, self.rois)) + len(self.refused)  # napari appends new shapes
        drawn = enumerate(self.layer.data[known:], start=known)
        clicks = {position for position, vertices in drawn if np.ptp(vertices, axis=0).max() <= least}
        if clicks:
            with self._busy:
                self.layer.selected_data = clicks
                self.layer.remove_selected()

    def _on_layer_mode(self, event: Any = None) -> None:
        # Whatever napari did not finish, it has given up now.
        if self._is_unfinished:
            self._is_unfinished = False
            self._on_editing_ended()

    def _on_layer_edge_color(self, event: Any = None) -> None:
        if not self._busy:
            self.later(self._take_up_color)

    def _take_up_color(self) -> None:
        """Say which selected shapes have another colour than their ROIs; napari gives all of them the same."""
        if not self._is_bound or self.is_editing:
            return
        own = {roi.roi_id: color_of(roi) for roi in self.rois}
        drawn = {roi_id: color_to_text(edge) for roi_id, edge in zip(self._ids(), self.layer.edge_color, strict=True)}
        colored = tuple(roi_id for roi_id in self.selected_ids if roi_id in own and drawn[roi_id] != own[roi_id].lower())
        if colored:
            self.rois_colored.emit(colored, drawn[colored[0]])

    def _on_editing_ended(self) -> None:
        self._on_layer_changed()
        self.later(self._snap)
        self.later(self._mark_selected)
        self.later(self.editing_ended.emit)

    def _on_layer_changed(self, event: Any = None) -> None:
        if self._busy or self.is_editing:
            return
        self.is_behind = True
        try:
            with self._busy:
                result = self._reconciled()
                changed = result.rois != self.rois or result.refused != self.refused
                self.rois, self.refused = result.rois, result.refused
                if list(result.ids) != self._ids():
                    self.layer.features = features_of(result.ids, result.rois)
                    # napari draws a new shape in the colour of the one that was selected last.
                    self.layer.edge_color = colors_of(result.ids, result.rois) or ROI_COLOR
            self.is_behind = False
        finally:
            if self.is_behind:
                # napari shows the error; the ROIs must not be called saved.
                self.rois_changed.emit()
        if changed:
            self.rois_changed.emit()
        if result.turned:
            self.rois_turned.emit(result.turned)

    def _snap(self) -> None:
        """Draw every shape where its ROI has it, so that what is seen is what is saved."""
        if self.is_editing or not self._is_bound:
            return
        wanted = {shape.roi_id: shape for shape in rois_to_shapes(self.rois, self.stretch)}
        by_id = {roi.roi_id: roi for roi in self.rois}
        data = list(self.layer.data)
        moved = False
        for position, drawn in enumerate(self._shapes()):
            shape = wanted.get(drawn.roi_id)
            if shape is None or position in self.refused or is_drawn_as(by_id[drawn.roi_id], drawn, self.stretch):
                continue
            if shape.shape_type != drawn.shape_type:
                self.set_rois(self.rois)
                return
            data[position] = shape.vertices
            moved = True
        if moved:
            with self._busy:
                selected = set(self.layer.selected_data)
                self.layer.data = data
                self.layer.selected_data = selected

    def _on_layer_selection(self, event: Any = None) -> None:
        if not self._busy:
            self.selection_changed.emit()
            self.later(self._mark_selected)

    def _edge_widths(self, selected: Collection[int]) -> list[float]:
        is_marked = self.layer.nshapes <= MOST_MARKED
        wide = self.edge_width * SELECTED_EDGE
        return [wide if is_marked and at in selected else self.edge_width for at in range(self.layer.nshapes)]

    def _mark_selected(self) -> None:
        """Draw the selected shapes with stronger edges, unless the mouse is at work on them."""
        if not self._is_bound or self.is_editing:
            return
        widths = self._edge_widths(self.layer.selected_data)
        if widths != list(self.layer.edge_width):
            with self._busy:
                self.layer.edge_width = widths

    def _ids(self) -> list[int]:
        column = self.layer.features.get(ROI_ID)
        if column is None:
            return [NO_ROI] * self.layer.nshapes
        return [int(value) for value in column.fillna(NO_ROI)]

    def _reconciled(self) -> Reconciled:
        z, channel = self.get_slice()
        return reconcile(self._shapes(), self.rois, stretch=self.stretch, shape=self.shape, z=z, channel=channel)

    def _refused_shapes(self) -> list[LayerShape]:
        shapes = self._shapes()
        return [shapes[position] for position in self.refused if position < len(shapes)]

    def _shapes(self) -> list[LayerShape]:
        return [
            LayerShape(roi_id=roi_id, shape_type=str(shape_type), vertices=np.asarray(vertices))
            for roi_id, shape_type, vertices in zip(self._ids(), self.layer.shape_type, self.layer.data, strict=True)
        ]


def show_shapes(layer: Shapes, shapes: Sequence[LayerShape], rois: RoiSet, *, edge_width: float) -> None:
    """Show shapes instead of those that a layer has, in the colours of the ROIs that they are."""
    ids = [drawn.roi_id for drawn in shapes]
    layer.selected_data = set()
    layer.data = []
    layer.current_edge_width = edge_width
    layer.add(
        [drawn.vertices for drawn in shapes],
        shape_type=[drawn.shape_type for drawn in shapes],
        edge_width=edge_width,
        edge_color=colors_of(ids, rois) or ROI_COLOR,
    )
    layer.features = features_of(ids, rois)


def _at_once(action: Callable[[], None]) -> None:
    action()
