"""ImageJ's files to our ROIs."""

import io
import lzma
import math
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from roifile import ROI_COLOR_NONE, ROI_OPTIONS, ROI_SUBTYPE, ROI_TYPE, ImagejRoi

from kymflow_core.errors import RoiError
from kymflow_core.roi.raster import has_pixels
from kymflow_core.roi.rois import ROI, DrawnShape, MaskROI, RectROI
from kymflow_core.roi.shape_kinds import shape_problems
from kymflow_core.roi_files.imagej_geometry import (
    NotTakenError,
    PixelsIn,
    Points,
    check_reach,
    compared,
    corners_round,
    ellipse_points,
    pixels_in_oval,
    pixels_in_polygon,
)

MOST_ENTRIES = 10_000
MOST_BYTES = 256 * 1024 * 1024
"""What an archive may unpack to, all in all."""

_TAKEN_TYPES = (
    ROI_TYPE.RECT,
    ROI_TYPE.OVAL,
    ROI_TYPE.POLYGON,
    ROI_TYPE.FREEHAND,
    ROI_TYPE.TRACED,
    ROI_TYPE.LINE,
    ROI_TYPE.POLYLINE,
    ROI_TYPE.FREELINE,
)
_TAKEN_SUBTYPES = (ROI_SUBTYPE.UNDEFINED, ROI_SUBTYPE.ELLIPSE, ROI_SUBTYPE.ROTATED_RECT)
_NOT_TAKEN_TYPES = {ROI_TYPE.NOROI: "an empty selection", ROI_TYPE.ANGLE: "an angle", ROI_TYPE.POINT: "points"}
_NOT_TAKEN_SUBTYPES = {ROI_SUBTYPE.TEXT: "a text", ROI_SUBTYPE.ARROW: "an arrow", ROI_SUBTYPE.IMAGE: "an image"}


def read_all(path: Path, ending: str, lost: list[str]) -> Iterator[tuple[str, ImagejRoi]]:
    """Yield each ROI of a file with the name that the file has for it; say what cannot be read."""
    if path.stat().st_size > MOST_BYTES:
        raise RoiError(f"{path.name!r} has {path.stat().st_size} bytes; files of ROIs are read up to {MOST_BYTES}")
    content = path.read_bytes()
    if ending == ".roi":
        try:
            yield path.stem, decode_roi(content)
        except NotTakenError as reason:
            raise RoiError(f"{path.name!r} cannot be read: {reason}; save the selection in ImageJ anew") from reason
        return
    found = 0
    for name, entry in _entries(path.name, content):
        if not name.lower().endswith(".roi"):
            lost.append(f"{name!r}: left out: it is no ROI, whose name would end in .roi")
            continue
        found += 1
        try:
            yield name.rpartition("/")[2][: -len(".roi")], decode_roi(entry)
        except NotTakenError as reason:
            lost.append(f"{name!r}: left out: {reason}")
    if not found:
        raise RoiError(f"{path.name!r} holds no ROI; save the ROI Manager's list in ImageJ by More » Save")


def _entries(file_name: str, content: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the name and the bytes of each file in an archive; raise `RoiError` where it is damaged or too large."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            _check_size(file_name, entries)
            for entry in entries:
                # Bounded, since an entry may unpack to more than it says.
                with archive.open(entry) as stream:
                    unpacked_entry = stream.read(entry.file_size + 1)
                yield entry.filename, unpacked_entry
    except RoiError:
        raise
    except (
        zipfile.BadZipFile,
        zlib.error,
        lzma.LZMAError,
        EOFError,
        OSError,
        RuntimeError,
        ValueError,
        struct.error,
    ) as error:
        raise RoiError(f"{file_name!r} is no sound ZIP archive: {error}; save it in ImageJ anew") from error


def _check_size(file_name: str, entries: list[zipfile.ZipInfo]) -> None:
    unpacked = sum(entry.file_size for entry in entries)
    if len(entries) > MOST_ENTRIES or unpacked > MOST_BYTES:
        raise RoiError(
            f"{file_name!r} holds {len(entries)} entries of {unpacked} bytes in all; "
            f"archives are read up to {MOST_ENTRIES} entries and {MOST_BYTES} bytes"
        )


def rois_in_tiff(entries: Mapping[str, Any]) -> list[tuple[str, bytes]]:
    """Return the selection and the overlay that ImageJ saved in a TIFF, each ROI once, with a name for it.

    Parameters
    ----------
    entries
        What tifffile finds in ImageJ's private tags: the bytes of one ROI as `ROI`, of any number as `Overlays`.
    """
    selection, overlay = entries.get("ROI"), entries.get("Overlays")
    named = [("selection", selection)] if isinstance(selection, bytes) else []
    listed = overlay if isinstance(overlay, list | tuple) else [overlay]
    named += [(f"overlay {number}", one) for number, one in enumerate(listed, 1) if isinstance(one, bytes)]
    return [(name, content) for at, (name, content) in enumerate(named) if content not in [one for _, one in named[:at]]]


def decode_roi(content: bytes) -> ImagejRoi:
    """Return ImageJ's ROI in the bytes of one; raise `NotTakenError` where they are damaged or another thing."""
    if content[:4] != b"Iout":
        raise NotTakenError(f"it is no ImageJ ROI, which would begin with b'Iout', not with {content[:4]!r}")
    try:
        return ImagejRoi.frombytes(content)
    except (ValueError, TypeError, struct.error, IndexError, OverflowError) as error:
        raise NotTakenError(f"it is damaged ({error})") from error


def parse_imagej(theirs: ImagejRoi, shape: tuple[int, int], common: dict[str, Any]) -> tuple[ROI, list[str]]:
    """Return a ROI, and what was changed or is lost."""
    said: list[str] = []
    fields = {**common, **_position(theirs, said)}
    if theirs.stroke_color != ROI_COLOR_NONE:
        fields["meta"] = {"color": f"#{theirs.stroke_color[1:].hex()}"}
    said += _looks_lost(theirs)
    _check_kind(theirs)
    if theirs.roitype == ROI_TYPE.RECT and not theirs.composite:
        x0, y0, x1, y1 = _clipped(_whole_bounds(theirs, said), shape, said)
        return RectROI(**fields, x0=x0, x1=x1, y0=y0, y1=y1), said
    drawn, pixels = _drawn_of(theirs, said)
    problems = shape_problems(drawn.type, drawn.vertices)
    if problems:
        raise NotTakenError("; ".join(problems))
    check_reach(np.abs(np.array(drawn.vertices)).max())
    if not has_pixels(drawn.type, drawn.vertices, shape):
        raise NotTakenError(f"it has no pixel in the image of {shape[0]} by {shape[1]} pixels (y, x)")
    if pixels is not None:
        said += compared(drawn, pixels, shape)
    fields["meta"] = {**fields.get("meta", {}), "shape": drawn.to_dict()}
    return MaskROI(**fields, reference=None), said


def _check_kind(theirs: ImagejRoi) -> None:
    """Raise `NotTakenError` for what is neither an area nor a line here."""
    if theirs.roitype not in _TAKEN_TYPES:
        raise NotTakenError(f"it is {_NOT_TAKEN_TYPES.get(theirs.roitype, 'of an unknown type')}")
    if theirs.subtype not in _TAKEN_SUBTYPES:
        raise NotTakenError(f"it is {_NOT_TAKEN_SUBTYPES.get(theirs.subtype, 'of an unknown subtype')}")
    if theirs.options & ROI_OPTIONS.SPLINE_FIT:
        raise NotTakenError("it is a spline, whose curve the file does not hold; interpolate it in ImageJ first")
    if theirs.roitype == ROI_TYPE.RECT and theirs.rounded_rect_arc_size > 0 and not theirs.composite:
        raise NotTakenError("it is a rectangle with rounded corners")


def _drawn_of(theirs: ImagejRoi, said: list[str]) -> tuple[DrawnShape, PixelsIn | None]:
    """Return a shape, and what pixels it has in ImageJ; None for lines, which have none there."""
    if theirs.roitype == ROI_TYPE.OVAL:
        x0, y0, x1, y1 = _whole_bounds(theirs, said)
        corners = np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], dtype=np.float64)
        return _drawn("ellipse", corners), pixels_in_oval(x0, y0, x1, y1)
    if theirs.roitype == ROI_TYPE.LINE:
        return _drawn("line", np.array([[theirs.x1, theirs.y1], [theirs.x2, theirs.y2]]) + 0.5), None
    if theirs.composite:
        points = _single_ring(theirs)
        return _drawn("polygon", points), pixels_in_polygon(points)
    if theirs.roitype == ROI_TYPE.FREEHAND and theirs.subtype in (ROI_SUBTYPE.ELLIPSE, ROI_SUBTYPE.ROTATED_RECT):
        return _turned_shape(theirs)
    points = _points_of(theirs)
    if theirs.roitype in (ROI_TYPE.POLYLINE, ROI_TYPE.FREELINE):
        return _drawn("path", points + 0.5), None
    return _drawn("polygon", points), pixels_in_polygon(points)


def _drawn(shape_type: str, points: Points) -> DrawnShape:
    """Return a shape of ImageJ's corners (x, y), which are half a pixel more than vertices here."""
    return DrawnShape(type=shape_type, vertices=tuple((y - 0.5, x - 0.5) for x, y in points.tolist()))


def _points_of(theirs: ImagejRoi) -> Points:
    if theirs.subpixel_coordinates is not None:
        return theirs.subpixel_coordinates.astype(np.float64)
    if theirs.integer_coordinates is None:
        raise NotTakenError("it is damaged (it has no points)")
    return np.asarray(theirs.integer_coordinates + np.array([theirs.left, theirs.top]), dtype=np.float64)


def _turned_shape(theirs: ImagejRoi) -> tuple[DrawnShape, PixelsIn]:
    fields = (theirs.arrow_style_or_aspect_ratio, theirs.arrow_head_size, theirs.rounded_rect_arc_size)
    (parameter,) = struct.unpack(">f", struct.pack(">BBh", *fields))
    axis = np.array([theirs.x1, theirs.y1, theirs.x2, theirs.y2, parameter])
    if not np.isfinite(axis).all() or parameter < 0:
        raise NotTakenError(f"it is damaged (its axis and its size across are {axis.tolist()})")
    check_reach(np.abs(axis).max())
    length = math.dist(axis[:2], axis[2:4])
    if length == 0:
        raise NotTakenError("it has no size")
    if theirs.subtype == ROI_SUBTYPE.ROTATED_RECT:
        corners = corners_round(axis)
        return _drawn("rectangle", corners), pixels_in_polygon(corners)
    axis[4] = min(parameter, 1.0)  # as ImageJ does
    pixels = pixels_in_polygon(ellipse_points(axis))
    axis[4] *= length
    return _drawn("ellipse", corners_round(axis)), pixels


def _single_ring(theirs: ImagejRoi) -> Points:
    if theirs.multi_coordinates is None:
        raise NotTakenError("it is damaged (a composite of another type than a rectangle)")
    try:
        rings = ImagejRoi.path2coords(theirs.multi_coordinates)
    except (NotImplementedError, RuntimeError, IndexError, ValueError, OverflowError) as error:
        raise NotTakenError(f"it is a composite that cannot be read ({error})") from error
    if len(rings) != 1:
        raise NotTakenError(f"it is a composite of {len(rings)} parts; split it in ImageJ's ROI Manager by More » Split")
    points = rings[0].astype(np.float64)
    closed = len(points) > 1 and bool((points[0] == points[-1]).all())
    return points[:-1] if closed else points


def _whole_bounds(theirs: ImagejRoi, said: list[str]) -> tuple[int, int, int, int]:
    """Return left, top, right and bottom of a rectangle or an oval, on whole pixels as ImageJ measures it."""
    bounds = (theirs.left, theirs.top, theirs.right, theirs.bottom)
    if theirs.subpixelrect:
        exact = (theirs.xd, theirs.yd, theirs.widthd, theirs.heightd)
        if not all(math.isfinite(value) for value in exact):
            raise NotTakenError(f"it is damaged (its x, y, width and height are {exact})")
        check_reach(max(abs(value) for value in exact))
        left, top = int(theirs.xd), int(theirs.yd)
        bounds = (left, top, left + math.ceil(theirs.widthd), top + math.ceil(theirs.heightd))
        if any(value != int(value) for value in exact):
            said.append(f"put on whole pixels, as ImageJ does to measure; its x, y, width and height were {exact}")
    if bounds[0] >= bounds[2] or bounds[1] >= bounds[3]:
        raise NotTakenError("it has no size")
    return bounds


def _clipped(bounds: tuple[int, int, int, int], shape: tuple[int, int], said: list[str]) -> tuple[int, int, int, int]:
    x0, y0, x1, y1 = bounds
    clipped = (max(0, x0), max(0, y0), min(x1, shape[1]), min(y1, shape[0]))
    where = f"x {x0} to {x1}, y {y0} to {y1}; the image has {shape[0]} by {shape[1]} pixels (y, x)"
    if clipped[0] >= clipped[2] or clipped[1] >= clipped[3]:
        raise NotTakenError(f"it lies outside the image: {where}")
    if clipped != bounds:
        said.append(f"cut off at the border of the image: it had {where}")
    return clipped


def _position(theirs: ImagejRoi, said: list[str]) -> dict[str, int]:
    channel, z, frame = theirs.c_position, theirs.z_position, theirs.t_position
    if frame > 1:
        said.append(f"not carried: frame {frame}")
    if theirs.position > 0 and not (channel or z or frame):
        said.append(f"not carried: place {theirs.position} in a stack, which says neither channel nor slice")
    return {"channel": max(1, channel), "z": max(0, z - 1)}


def _looks_lost(theirs: ImagejRoi) -> list[str]:
    width = theirs.float_stroke_width if theirs.float_stroke_width > 0 else theirs.stroke_width
    lost = [
        name
        for name, there in (
            (f"line width {width:g}", width > 1),
            ("transparency", theirs.stroke_color != ROI_COLOR_NONE and theirs.stroke_color[0] != 0xFF),
            ("fill colour", theirs.fill_color != ROI_COLOR_NONE),
            (f"group {theirs.group}", theirs.group != 0),
            ("properties", bool(theirs.props)),
        )
        if there
    ]
    return [f"not carried: {', '.join(lost)}"] if lost else []
