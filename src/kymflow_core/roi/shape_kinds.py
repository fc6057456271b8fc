"""The kinds of shape that can be drawn, each with all that the program needs to know of it.

The rule of this room: this table has all that differs from kind to kind. A new kind is a new entry, and a way to read it
from ImageJ where ImageJ has it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Vertices: TypeAlias = NDArray[np.float64]
"""Array (n, 2) of (y, x) in pixels, where pixel i spans i - 0.5 to i + 0.5."""

_FARTHEST = 1e9
_ELLIPSE_VERTICES = 100


def _ellipse_outline(corners: Vertices) -> Vertices:
    """Return the polygon that napari draws for an ellipse in a rectangle, which may be rotated."""
    angles = np.linspace(0, 2 * np.pi, num=_ELLIPSE_VERTICES)
    first, second = (corners[1] - corners[0]) / 2, (corners[2] - corners[1]) / 2
    around = np.outer(np.cos(angles), first) + np.outer(np.sin(angles), second)
    return np.asarray(corners.mean(axis=0) + around, dtype=np.float64)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShapeKind:
    """One kind of shape.

    `name` is the value of `meta.shape.type`, and napari's `shape_type`; `label` what people read. A closed shape has the
    pixels inside and on its `outline`, and is a Polygon of GeoJSON; an open one has the pixels that it passes, and is a
    LineString. `outline` makes the polygon of a curve; None where the vertices are the shape. `imagej_type` and
    `imagej_subtype` are ImageJ's, by their names in `roifile`; a shape with a subtype is written as an axis and a width.
    """

    name: str
    label: str
    vertices: int
    """How many vertices it has; the least where it has `any_number`."""
    any_number: bool = False
    is_closed: bool = True
    outline: Callable[[Vertices], Vertices] | None = None
    imagej_type: Literal["POLYGON", "FREEHAND", "POLYLINE", "LINE"]
    imagej_subtype: Literal["UNDEFINED", "ELLIPSE", "ROTATED_RECT"] = "UNDEFINED"


SHAPE_KINDS: Mapping[str, ShapeKind] = {
    kind.name: kind
    for kind in (
        ShapeKind(
            name="ellipse",
            label="ellipse",
            vertices=4,
            outline=_ellipse_outline,
            imagej_type="FREEHAND",
            imagej_subtype="ELLIPSE",
        ),
        ShapeKind(name="polygon", label="polygon", vertices=3, any_number=True, imagej_type="POLYGON"),
        # An upright one is a `RectROI`.
        ShapeKind(
            name="rectangle",
            label="rotated rectangle",
            vertices=4,
            imagej_type="FREEHAND",
            imagej_subtype="ROTATED_RECT",
        ),
        ShapeKind(name="path", label="path", vertices=2, any_number=True, is_closed=False, imagej_type="POLYLINE"),
        ShapeKind(name="line", label="line", vertices=2, is_closed=False, imagej_type="LINE"),
    )
}


def shape_problems(shape_type: object, vertices: object) -> list[str]:
    """Return what is wrong with a drawn shape; nothing where it has pixels to ask for."""
    kind = SHAPE_KINDS.get(shape_type) if isinstance(shape_type, str) else None
    if kind is None:
        return [f"meta.shape.type must be one of {list(SHAPE_KINDS)}, not {shape_type!r}"]
    if not isinstance(vertices, Sequence) or isinstance(vertices, str):
        return [f"meta.shape.vertices must be a list of [y, x], not {vertices!r}"]
    wrong = [vertex for vertex in vertices if not _is_vertex(vertex)]
    if wrong:
        return [f"meta.shape.vertices must be finite numbers [y, x], not {wrong[0]!r}"]
    far = [vertex for vertex in vertices if max(map(abs, vertex)) > _FARTHEST]
    if far:
        return [f"meta.shape.vertices must lie within {_FARTHEST:g} pixels of the image, not {far[0]!r}"]
    if len(vertices) < kind.vertices or (len(vertices) > kind.vertices and not kind.any_number):
        return [f"meta.shape needs {kind.vertices} vertices for the type {shape_type!r}, not {len(vertices)}"]
    return []


def _is_vertex(value: object) -> bool:
    return (
        isinstance(value, Sequence)
        and len(value) == len(("y", "x"))
        and all(isinstance(at, int | float) and not isinstance(at, bool) and np.isfinite(at) for at in value)
    )
