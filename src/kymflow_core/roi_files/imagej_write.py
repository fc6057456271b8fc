"""Our ROIs to ImageJ's files."""

import io
import math
import re
import struct
import zipfile
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from roifile import ROI_OPTIONS, ROI_SUBTYPE, ROI_TYPE, ImagejRoi

from kymflow_core.roi.raster import outline
from kymflow_core.roi.rois import ROI, DrawnShape, RectROI
from kymflow_core.roi_files.imagej_geometry import (
    NotTakenError,
    Points,
    axis_of,
    check_reach,
    compared,
    corners_round,
    ellipse_points,
    pixels_in_polygon,
)
from kymflow_core.roi_files.outline import mask_regions
from kymflow_core.roi_files.shared import not_carried, painted_mask

_LEAST_SHORT, _MOST_SHORT = -5000, 60_000
"""Beyond them ImageJ writes floats, too, since 16 bits do not hold the coordinates."""
_COLOR = re.compile(r"#[0-9a-fA-F]{6}")
_ENTRY_NAME = re.compile(r"[^\x00-\x1f/\\:*?\"<>|\ud800-\udfff]{1,80}")


def encode(roi: ROI, masks: Mapping[int, NDArray[np.bool_]]) -> tuple[bytes, list[str]]:
    """Return the bytes of a `.roi` file, and what is lost."""
    theirs, said = _to_imagej(roi, masks)
    theirs.c_position, theirs.z_position = roi.channel, roi.z + 1
    color = roi.meta.get("color")
    has_color = isinstance(color, str) and _COLOR.fullmatch(color) is not None
    if has_color:
        theirs.stroke_color = b"\xff" + bytes.fromhex(str(color)[1:])
    said += not_carried(roi, meta_keys=("color",) if has_color else (), carries_note=False)
    if not roi.name:
        said.append("it has no name; ImageJ calls it after its file")
    # `roifile` counts a character outside the 16-bit plane as one unit, where ImageJ reads two; the name stands last.
    name = roi.name.encode("utf-16-be", "replace")
    theirs.name = "x" * (len(name) // 2)
    content = theirs.tobytes()
    return content[: len(content) - len(name)] + name, said


def archive_of(written: Iterable[tuple[ROI, bytes]]) -> bytes:
    """Return a ZIP of ROIs in their order, each entry named after its ROI where that is a file's name."""
    stream = io.BytesIO()
    taken: set[str] = set()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for roi, content in written:
            name = roi.name if _ENTRY_NAME.fullmatch(roi.name) else f"roi-{roi.roi_id:04}"
            while name.casefold() in taken:
                name += f"-{roi.roi_id}"
            taken.add(name.casefold())
            archive.writestr(zipfile.ZipInfo(f"{name}.roi"), content, zipfile.ZIP_DEFLATED)
    return stream.getvalue()


def _to_imagej(roi: ROI, masks: Mapping[int, NDArray[np.bool_]]) -> tuple[ImagejRoi, list[str]]:
    """Return a ROI's geometry, and what is lost of it."""
    if isinstance(roi, RectROI):
        return _rect_to_imagej(roi), []
    if roi.drawn is None:
        mask = painted_mask(roi, masks)
        if mask is None:
            raise NotTakenError("it was painted, and its mask was not given")
        return _mask_to_imagej(mask), []
    vertices = np.array(roi.drawn.vertices, dtype=np.float64)
    check_reach(np.abs(vertices).max())
    points = vertices[:, ::-1]
    if roi.drawn.kind.is_closed:
        return _area_to_imagej(roi.drawn, points + 0.5)
    roi_type = ROI_TYPE[roi.drawn.kind.imagej_type]
    if roi_type != ROI_TYPE.LINE:
        return _of_points(points, roi_type), []
    theirs = ImagejRoi(roitype=roi_type)
    _set_bounds(theirs, points)
    (theirs.x1, theirs.y1), (theirs.x2, theirs.y2) = points.tolist()
    return theirs, []


def _rect_to_imagej(roi: RectROI) -> ImagejRoi:
    check_reach(max(roi.x1, roi.y1))
    theirs = ImagejRoi(roitype=ROI_TYPE.RECT, left=roi.x0, top=roi.y0, right=roi.x1, bottom=roi.y1)
    if max(roi.x1, roi.y1) > _MOST_SHORT:
        theirs.options = ROI_OPTIONS.SUB_PIXEL_RESOLUTION
        theirs.xd, theirs.yd, theirs.widthd, theirs.heightd = roi.x0, roi.y0, roi.x1 - roi.x0, roi.y1 - roi.y0
    return theirs


def _mask_to_imagej(mask: NDArray[np.bool_]) -> ImagejRoi:
    check_reach(max(mask.shape))
    rings = [ring[:, ::-1] for region in mask_regions(mask) for ring in (region.exterior, *region.holes)]
    if not rings:
        raise NotTakenError("its mask has no pixel")
    if len(rings) == 1:
        return _of_points(rings[0].astype(np.float64), ROI_TYPE.TRACED)
    # The segments of java.awt.geom.PathIterator: 0 moves, 1 draws, 4 closes.
    path = [part for ring in rings for part in (*(np.c_[np.arange(len(ring)) > 0, ring].ravel()), 4)]
    theirs = ImagejRoi(roitype=ROI_TYPE.RECT, shape_roi_size=len(path))
    _set_bounds(theirs, np.concatenate(rings))
    theirs.multi_coordinates = np.array(path, dtype=np.float32)
    return theirs


def _area_to_imagej(drawn: DrawnShape, corners: Points) -> tuple[ImagejRoi, list[str]]:
    subtype = ROI_SUBTYPE[drawn.kind.imagej_subtype]
    has_axis = subtype != ROI_SUBTYPE.UNDEFINED
    axis = axis_of(corners) if has_axis else None
    if axis is None:
        points = outline(drawn.type, corners[:, ::-1])[:, ::-1]
        said = [f"the {drawn.type} is skewed or has no size, and became a polygon"] if has_axis else []
        held = points.astype(np.float32).astype(np.float64)
        return _of_points(points, ROI_TYPE.POLYGON), said + compared(drawn, pixels_in_polygon(held))
    is_ellipse = subtype == ROI_SUBTYPE.ELLIPSE
    if is_ellipse:
        axis[4] /= math.dist(axis[:2], axis[2:4])
    axis = axis.astype(np.float32).astype(np.float64)
    points = ellipse_points(axis) if is_ellipse else corners_round(axis)
    # ImageJ takes the points only for a sign that there are any, and makes them anew.
    theirs = _of_points(points, ROI_TYPE[drawn.kind.imagej_type], whole=False)
    theirs.subtype = subtype
    theirs.x1, theirs.y1, theirs.x2, theirs.y2 = axis[:4].tolist()
    # The file has a float where `roifile` has three integers.
    parameter = struct.unpack(">BBh", struct.pack(">f", axis[4]))
    theirs.arrow_style_or_aspect_ratio, theirs.arrow_head_size, theirs.rounded_rect_arc_size = parameter
    return theirs, compared(drawn, pixels_in_polygon(points))


def _of_points(points: Points, roi_type: ROI_TYPE, *, whole: bool = True) -> ImagejRoi:
    """Return a ROI of points, as integers where they all are `whole`, else as floats."""
    whole = whole and bool((points == np.rint(points)).all())
    whole = whole and bool((points >= _LEAST_SHORT).all() and (points <= _MOST_SHORT).all())
    theirs = ImagejRoi.frompoints(points.astype(np.int32) if whole else points, name="")
    theirs.roitype = roi_type
    theirs.options = ROI_OPTIONS.NONE if whole else ROI_OPTIONS.SUB_PIXEL_RESOLUTION
    return theirs


def _set_bounds(theirs: ImagejRoi, points: NDArray[Any]) -> None:
    theirs.left, theirs.top = (int(low) for low in np.floor(points.min(axis=0)))
    theirs.right, theirs.bottom = (int(high) for high in np.ceil(points.max(axis=0)))
