"""ROIs out to GeoJSON (RFC 7946), as QuPath and geometry libraries read it.

The rule of this room: coordinates are [x, y] in pixels, x to the right and y down, and pixel i spans i to i + 1, so that a
pixel's centre is at i + 0.5. They are half a pixel more than the vertices of a `DrawnShape`. There is no way back in.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kymflow_core.errors import RoiError
from kymflow_core.roi.polygons import cross, is_simple
from kymflow_core.roi.raster import outline, shape_mask
from kymflow_core.roi.rois import ROI, DrawnShape, RectROI
from kymflow_core.roi_files.outline import mask_regions
from kymflow_core.roi_files.shared import MOST_PIXELS, NO_MASKS, not_carried, painted_mask, roi_title
from kymflow_zarr.disk.local_file import save_file

_COORDINATES = "[x, y] in pixels: x to the right, y down, pixel i spans i to i + 1"
MOST_VERTICES = 500_000
"""Of all drawn shapes in one file."""
MOST_OF_ONE = 100_000
"""Of one shape."""
_ENDINGS = (".geojson", ".json")


def rois_to_geojson(
    rois: Iterable[ROI],
    *,
    masks: Mapping[int, NDArray[np.bool_]] = NO_MASKS,
    um_per_pixel: float | None = None,
    seconds_per_line: float | None = None,
) -> dict[str, Any]:
    """Return a FeatureCollection.

    A rectangle and a drawn shape are a Polygon, a path and a line a LineString, a painted mask the exact outline of its
    pixels. Exteriors wind by the right-hand rule, taking the coordinates as plain numbers.

    What is lost: an ellipse becomes its 99 sides; a shape that crosses itself becomes the outline of its pixels, since
    GeoJSON has no such polygons; what is not in the properties `roi_id, name, note, channel, z, kind, stroke` (a colour)
    stays behind. Lines that say so, ROI by ROI, stand in the member `kymflow.lost`.

    Parameters
    ----------
    rois
        The ROIs.
    masks
        Boolean images (y, x) by ROI id, for those that were painted; a missing one is left out, and reported.
    um_per_pixel, seconds_per_line
        The calibration along x and y, where it is known; it stands in the properties.

    Raises
    ------
    RoiError
        When a mask is not a boolean image, the calibration is not a positive number, or the drawn shapes have more than
        500,000 vertices.
    """
    rois = list(rois)
    vertices = sum(len(roi.drawn.vertices) for roi in rois if not isinstance(roi, RectROI) and roi.drawn is not None)
    if vertices > MOST_VERTICES:
        raise RoiError(
            f"the ROIs have {vertices:,} vertices; at most {MOST_VERTICES:,} are written to one GeoJSON file: write fewer "
            "ROIs"
        )
    calibration = {
        name: value
        for name, value in (("um_per_pixel", um_per_pixel), ("seconds_per_line", seconds_per_line))
        if value is not None
    }
    wrong = [
        f"{name} must be a positive number, not {value!r}" for name, value in calibration.items() if not _is_rate(value)
    ]
    if wrong:
        raise RoiError("; ".join(wrong))
    features: list[dict[str, Any]] = []
    lost: list[str] = []
    for roi in rois:
        geometry, said = _geometry(roi, masks)
        if geometry is not None:
            said += not_carried(roi, meta_keys=("color",), carries_note=True)
            features.append({"type": "Feature", "geometry": geometry, "properties": {**_properties(roi), **calibration}})
        lost += [f"{roi_title(roi)}: {line}" for line in said]
    return {"type": "FeatureCollection", "features": features, "kymflow": {"coordinates": _COORDINATES, "lost": lost}}


def save_geojson(
    path: Path,
    rois: Iterable[ROI],
    *,
    masks: Mapping[int, NDArray[np.bool_]] = NO_MASKS,
    um_per_pixel: float | None = None,
    seconds_per_line: float | None = None,
) -> tuple[str, ...]:
    """Write ROIs to a `.geojson` or `.json` file, replacing it whole; return what was lost.

    Parameters and errors are those of `rois_to_geojson`; a name with another ending is a `RoiError` too.
    """
    if path.suffix.lower() not in _ENDINGS:
        raise RoiError(f"cannot write GeoJSON to {path.name!r}: the name must end in {' or '.join(_ENDINGS)}")
    collection = rois_to_geojson(rois, masks=masks, um_per_pixel=um_per_pixel, seconds_per_line=seconds_per_line)
    save_file(path, json.dumps(collection, allow_nan=False, ensure_ascii=False, indent=1).encode("utf-8", "surrogatepass"))
    return tuple(collection["kymflow"]["lost"])


def _properties(roi: ROI) -> dict[str, Any]:
    kind = "rect" if isinstance(roi, RectROI) else "mask" if roi.drawn is None else roi.drawn.type
    # "stroke" is what the simplestyle convention calls it; QuPath stops at a "color" that is not three numbers.
    color = {"stroke": roi.meta["color"]} if "color" in roi.meta else {}
    return {
        "roi_id": roi.roi_id,
        "name": roi.name,
        "note": roi.note,
        "channel": roi.channel,
        "z": roi.z,
        "kind": kind,
        **color,
    }


def _geometry(roi: ROI, masks: Mapping[int, NDArray[np.bool_]]) -> tuple[dict[str, Any] | None, list[str]]:
    if isinstance(roi, RectROI):
        corners = [[roi.x0, roi.y0], [roi.x1, roi.y0], [roi.x1, roi.y1], [roi.x0, roi.y1]]
        return {"type": "Polygon", "coordinates": [_closed(corners)]}, []
    if roi.drawn is not None:
        return _drawn_geometry(roi.drawn)
    mask = painted_mask(roi, masks)
    if mask is None:
        return None, ["left out: it was painted, and its mask was not given"]
    geometry = _mask_geometry(mask)
    return geometry, [] if geometry is not None else ["left out: its mask has no pixel"]


def _drawn_geometry(drawn: DrawnShape) -> tuple[dict[str, Any] | None, list[str]]:
    vertices = np.array(drawn.vertices, dtype=np.float64)
    if len(vertices) > MOST_OF_ONE:
        return None, [f"left out: it has {len(vertices):,} vertices, and at most {MOST_OF_ONE:,} are written"]
    if not drawn.kind.is_closed:
        return {"type": "LineString", "coordinates": (vertices[:, ::-1] + 0.5).tolist()}, []
    points = _without_repeats(outline(drawn.type, vertices))[:, ::-1] + 0.5
    area = _area(points)
    try:
        is_whole = area != 0 and is_simple(points)
    except RoiError as error:
        return None, [f"left out: {error}"]
    if is_whole:
        ring = points if area > 0 else points[::-1]
        said = [f"the {drawn.type} became a polygon of {len(points)} sides"] if drawn.kind.outline is not None else []
        return {"type": "Polygon", "coordinates": [_closed(ring.tolist())]}, said
    low, high = np.floor(vertices.min(axis=0)), np.ceil(vertices.max(axis=0)) + 1
    if np.prod(high - low) > MOST_PIXELS:
        return None, ["left out: it crosses itself, and is too large to be outlined"]
    size = (high - low).astype(int)
    geometry = _mask_geometry(shape_mask(drawn.type, vertices - low, (int(size[0]), int(size[1]))), offset=low)
    if geometry is None:
        return None, ["left out: it has no pixel"]
    return geometry, [f"the {drawn.type} crosses or touches itself, and became the outline of its pixels"]


def _mask_geometry(
    mask: NDArray[np.bool_], *, offset: Sequence[float] | NDArray[np.float64] = (0, 0)
) -> dict[str, Any] | None:
    polygons = [
        [
            _closed((ring + np.asarray(offset, dtype=np.int64))[:, ::-1].tolist())
            for ring in (region.exterior, *region.holes)
        ]
        for region in mask_regions(mask)
    ]
    if not polygons:
        return None
    if len(polygons) == 1:
        return {"type": "Polygon", "coordinates": polygons[0]}
    return {"type": "MultiPolygon", "coordinates": polygons}


def _area(points: NDArray[np.float64]) -> float:
    # From the first corner, so that shapes far from the origin lose no digits.
    spokes = points - points[0]
    return float(cross(spokes, np.roll(spokes, -1, axis=0)).sum() / 2)


def _without_repeats(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a closed polygon without corners that stand where the one before them stands, up to a rounding."""
    repeated = np.isclose(points, np.roll(points, 1, axis=0), rtol=0, atol=1e-9).all(axis=1)
    return points[~repeated] if not repeated.all() else points[:1]


def _closed(ring: list[list[Any]]) -> list[list[Any]]:
    return [*ring, ring[0]]


def _is_rate(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value) and value > 0
