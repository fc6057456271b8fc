"""ROIs in and out of ImageJ's `.roi` files and the ROI Manager's `.zip` archives.

The rule of this room: what the other program has no words for is changed or left out, and said; nothing is made up.

ImageJ has two kinds of coordinates. Those of areas are of pixel corners, pixel i spans i to i + 1, so a vertex here is half
a pixel less. Those of lines are of pixel centres, as here. Channels and slices count from 1 in ImageJ, and 0 is "all".
An area has the pixels whose centres lie inside it; of those exactly on its outline ImageJ takes the ones on its right and
lower sides only, whereas here all belong to it (`ij.io.RoiDecoder`, `ij.process.PolygonFiller`, `ij.gui.OvalRoi` and
`ij.gui.EllipseRoi` of ImageJ 1.54). Where that makes a difference, it is counted and said.
"""

import io
import lzma
import math
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from roifile import ROI_COLOR_NONE, ROI_OPTIONS, ROI_SUBTYPE, ROI_TYPE, ImagejRoi

from kymflow_core.errors import RoiError
from kymflow_core.roi.geojson import MOST_PIXELS, NO_MASKS, not_carried, painted_mask, roi_title, save_whole
from kymflow_core.roi.outline import mask_regions
from kymflow_core.roi.raster import bounding_box, has_pixels, outline, shape_mask, shape_problems
from kymflow_core.roi.rois import ROI, DrawnShape, MaskROI, RectROI

MOST_ENTRIES = 10_000
MOST_BYTES = 256 * 1024 * 1024
"""What an archive may unpack to, all in all."""

_FARTHEST = 1 << 24
"""ImageJ keeps coordinates as 32-bit floats, which hold whole pixels up to here."""
_LEAST_SHORT, _MOST_SHORT = -5000, 60_000
"""Beyond them ImageJ writes floats, too, since 16 bits do not hold the coordinates."""
_JUST_ASIDE = (1e-10, 1e-7)
"""How far (y, x) an outline is moved to have ImageJ's pixels: less down than right, since x decides on slopes."""
_ELLIPSE_SIDES = 72
_SQUARE = 1e-6
"""How much the corners of a rectangle may be off, relative to its size."""
_COLOR = re.compile(r"#[0-9a-fA-F]{6}")
_ENTRY_NAME = re.compile(r"[^\x00-\x1f/\\:*?\"<>|\ud800-\udfff]{1,80}")
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

_Points: TypeAlias = NDArray[np.float64]
"""Array (n, 2) of (x, y), in ImageJ's coordinates."""
_PixelsIn: TypeAlias = Callable[[tuple[int, int], tuple[int, int]], NDArray[np.bool_]]
"""From the first pixel (y, x) and the shape of a part of an image to the pixels that ImageJ selects in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedRois:
    """What was read from an ImageJ file: the ROIs, and line by line what was changed or left out."""

    rois: tuple[ROI, ...]
    lost: tuple[str, ...]


class _NotTakenError(Exception):
    """A ROI stays behind; the text says why."""


def rois_to_imagej(
    rois: Iterable[ROI], path: Path, *, masks: Mapping[int, NDArray[np.bool_]] = NO_MASKS
) -> tuple[str, ...]:
    """Write one ROI to a `.roi` file, or any number to a `.zip` archive, replacing the file whole.

    A rectangle, a polygon, a path and a line become ImageJ's own; a rotated rectangle and an ellipse too, so that they can
    be edited there. A painted mask becomes a traced outline, or a composite where it has several parts or holes; either has
    exactly its pixels. Names, channels, z and the colour `meta.color` ("#rrggbb") are carried.

    Parameters
    ----------
    rois
        The ROIs.
    path
        A name that ends in `.roi` or `.zip`.
    masks
        Boolean images (y, x) by ROI id, for those that were painted; one that is missing is left out, and said.

    Returns
    -------
    tuple of str
        What was lost: ids, notes, other metadata, ROIs that were left out, and how many pixels ImageJ counts otherwise.

    Raises
    ------
    RoiError
        When the name has another ending, a `.roi` file would not hold exactly one ROI, or a mask is not a boolean image.
    """
    held = tuple(rois)
    ending = _ending(path)
    if ending == ".roi" and len(held) != 1:
        raise RoiError(f"{path.name!r} can hold exactly one ROI, not {len(held)}; choose a name that ends in .zip")
    written: list[tuple[ROI, bytes]] = []
    lost: list[str] = ["ImageJ has no ROI ids: they are not carried"] if held else []
    for roi in held:
        try:
            content, said = _encoded(roi, masks)
        except _NotTakenError as reason:
            lost.append(f"{roi_title(roi)}: left out: {reason}")
            continue
        lost += [f"{roi_title(roi)}: {line}" for line in said]
        written.append((roi, content))
    if ending == ".roi" and not written:
        raise RoiError(f"cannot write {path.name!r}: {lost[-1]}")
    save_whole(path, written[0][1] if ending == ".roi" else _archive(written))
    return tuple(lost)


def rois_from_imagej(path: Path, *, next_id: int, shape: tuple[int, int]) -> ImportedRois:
    """Read the ROIs of a `.roi` file or a `.zip` archive.

    Rectangles become `RectROI`, cut off at the image's border; rotated rectangles, ovals, ellipses, polygons, freehand and
    traced outlines, and lines become drawn shapes. Composites of several parts, splines, rounded rectangles,
    points, angles, arrows, texts and images are left out, by name. A ROI without channel or slice gets channel 1 and z 0.

    Parameters
    ----------
    path
        The file.
    next_id
        The id of the first ROI; the others count on.
    shape
        The image's shape (y, x). What has no pixel in it is left out.

    Raises
    ------
    RoiError
        When the name has another ending, the file is damaged or not ImageJ's, an archive holds more than 10,000 entries or
        unpacks to more than 256 MB.
    FileNotFoundError
        When there is no such file.
    """
    rois: list[ROI] = []
    lost: list[str] = []
    for file_name, theirs in _read_all(path, lost):
        title = theirs.name or file_name
        common = {"roi_id": next_id + len(rois), "name": title}
        try:
            roi, said = _from_imagej(theirs, shape, common)
        except _NotTakenError as reason:
            lost.append(f"{title!r}: left out: {reason}")
            continue
        rois.append(roi)
        lost += [f"{title!r}: {line}" for line in said]
    return ImportedRois(rois=tuple(rois), lost=tuple(lost))


def _ending(path: Path) -> str:
    ending = path.suffix.lower()
    if ending not in (".roi", ".zip"):
        raise RoiError(f"{path.name!r} is no name for ImageJ's ROIs: it must end in .roi (one ROI) or .zip (any number)")
    return ending


def _encoded(roi: ROI, masks: Mapping[int, NDArray[np.bool_]]) -> tuple[bytes, list[str]]:
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


def _archive(written: Iterable[tuple[ROI, bytes]]) -> bytes:
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
            raise _NotTakenError("it was painted, and its mask was not given")
        return _mask_to_imagej(mask), []
    vertices = np.array(roi.drawn.vertices, dtype=np.float64)
    _check_reach(np.abs(vertices).max())
    points = vertices[:, ::-1]
    if roi.drawn.type not in ("path", "line"):
        return _area_to_imagej(roi.drawn, points + 0.5)
    if roi.drawn.type == "path" or len(points) > len(("begin", "end")):
        return _of_points(points, ROI_TYPE.POLYLINE), []
    theirs = ImagejRoi(roitype=ROI_TYPE.LINE)
    _set_bounds(theirs, points)
    (theirs.x1, theirs.y1), (theirs.x2, theirs.y2) = points.tolist()
    return theirs, []


def _rect_to_imagej(roi: RectROI) -> ImagejRoi:
    _check_reach(max(roi.x1, roi.y1))
    theirs = ImagejRoi(roitype=ROI_TYPE.RECT, left=roi.x0, top=roi.y0, right=roi.x1, bottom=roi.y1)
    if max(roi.x1, roi.y1) > _MOST_SHORT:
        theirs.options = ROI_OPTIONS.SUB_PIXEL_RESOLUTION
        theirs.xd, theirs.yd, theirs.widthd, theirs.heightd = roi.x0, roi.y0, roi.x1 - roi.x0, roi.y1 - roi.y0
    return theirs


def _mask_to_imagej(mask: NDArray[np.bool_]) -> ImagejRoi:
    _check_reach(max(mask.shape))
    rings = [ring[:, ::-1] for region in mask_regions(mask) for ring in (region.exterior, *region.holes)]
    if not rings:
        raise _NotTakenError("its mask has no pixel")
    if len(rings) == 1:
        return _of_points(rings[0].astype(np.float64), ROI_TYPE.TRACED)
    # The segments of java.awt.geom.PathIterator: 0 moves, 1 draws, 4 closes.
    path = [part for ring in rings for part in (*(np.c_[np.arange(len(ring)) > 0, ring].ravel()), 4)]
    theirs = ImagejRoi(roitype=ROI_TYPE.RECT, shape_roi_size=len(path))
    _set_bounds(theirs, np.concatenate(rings))
    theirs.multi_coordinates = np.array(path, dtype=np.float32)
    return theirs


def _area_to_imagej(drawn: DrawnShape, corners: _Points) -> tuple[ImagejRoi, list[str]]:
    axis = None if drawn.type == "polygon" else _axis(corners)
    if axis is None:
        points = outline(drawn.type, corners)
        said = [] if drawn.type == "polygon" else [f"the {drawn.type} is skewed or has no size, and became a polygon"]
        held = points.astype(np.float32).astype(np.float64)
        return _of_points(points, ROI_TYPE.POLYGON), said + _compared(drawn, _pixels_in_polygon(held))
    if drawn.type == "ellipse":
        axis[4] /= math.dist(axis[:2], axis[2:4])
    axis = axis.astype(np.float32).astype(np.float64)
    points = _ellipse_points(axis) if drawn.type == "ellipse" else _corners_round(axis)
    # ImageJ takes the points only for a sign that there are any, and makes them anew.
    theirs = _of_points(points, ROI_TYPE.FREEHAND, whole=False)
    theirs.subtype = ROI_SUBTYPE.ELLIPSE if drawn.type == "ellipse" else ROI_SUBTYPE.ROTATED_RECT
    theirs.x1, theirs.y1, theirs.x2, theirs.y2 = axis[:4].tolist()
    # The file has a float where `roifile` has three integers.
    parameter = struct.unpack(">BBh", struct.pack(">f", axis[4]))
    theirs.arrow_style_or_aspect_ratio, theirs.arrow_head_size, theirs.rounded_rect_arc_size = parameter
    return theirs, _compared(drawn, _pixels_in_polygon(points))


def _of_points(points: _Points, roi_type: ROI_TYPE, *, whole: bool = True) -> ImagejRoi:
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


def _check_reach(farthest: float) -> None:
    if not farthest < _FARTHEST:
        raise _NotTakenError(f"it reaches beyond pixel {_FARTHEST}, where ImageJ's coordinates are no longer exact")


def _axis(corners: _Points) -> _Points | None:
    """Return x1, y1, x2, y2 of the longer axis of a rectangle, and its size across; None where it is none."""
    along, across = corners[1] - corners[0], corners[2] - corners[1]
    size = max(math.hypot(*along), math.hypot(*across))
    skew = max(abs(float(along @ across)) / max(size, 1e-300), math.dist(corners[3], corners[0] + across))
    if size == 0 or skew > _SQUARE * size:
        return None
    if math.hypot(*across) > math.hypot(*along):
        along, across = across, along
    centre = corners.mean(axis=0)
    return np.array([*(centre - along / 2), *(centre + along / 2), math.hypot(*across)])


def _corners_round(axis: _Points) -> _Points:
    """Return the corners of the rectangle of an axis and its size across: inverse of `_axis`."""
    begin, end = axis[:2], axis[2:4]
    along = end - begin
    aside = np.array([-along[1], along[0]]) * (axis[4] / math.hypot(*along) / 2)
    return np.array([begin - aside, end - aside, end + aside, begin + aside])


def _ellipse_points(axis: _Points) -> _Points:
    """Return the polygon that ImageJ takes an ellipse for, of an axis and the ratio of the other one to it."""
    along = (axis[2:4] - axis[:2]) / 2
    aside = np.array([-along[1], along[0]]) * axis[4]
    angles = np.arange(_ELLIPSE_SIDES) * (2 * np.pi / _ELLIPSE_SIDES)
    return (axis[:2] + axis[2:4]) / 2 + np.outer(np.cos(angles), along) + np.outer(np.sin(angles), aside)


def _pixels_in_polygon(points: _Points) -> _PixelsIn:
    def pixels(first: tuple[int, int], size: tuple[int, int]) -> NDArray[np.bool_]:
        return shape_mask("polygon", points[:, ::-1] - 0.5 - first + _JUST_ASIDE, size)

    return pixels


def _pixels_in_oval(left: int, top: int, right: int, bottom: int) -> _PixelsIn:
    def pixels(first: tuple[int, int], size: tuple[int, int]) -> NDArray[np.bool_]:
        y = (np.arange(size[0]) + first[0] + 0.5 - (top + bottom) / 2) / ((bottom - top) / 2)
        x = (np.arange(size[1]) + first[1] + 0.5 - (left + right) / 2) / ((right - left) / 2)
        return np.asarray(np.add.outer(y * y, x * x) <= 1)

    return pixels


def _compared(drawn: DrawnShape, theirs: _PixelsIn, shape: tuple[int, int] = (_FARTHEST, _FARTHEST)) -> list[str]:
    """Return a line on how many pixels of an image of `shape` are a drawn shape's here and not in ImageJ, or there only."""
    y0, y1, x0, x1 = bounding_box(drawn.type, drawn.vertices, shape)
    first, stop = (max(0, y0 - 1), max(0, x0 - 1)), (min(y1 + 1, shape[0]), min(x1 + 1, shape[1]))
    size = (stop[0] - first[0], stop[1] - first[1])
    if size[0] * size[1] > MOST_PIXELS:
        return ["it is too large for its pixels to be compared with ImageJ's"]
    ours = shape_mask(drawn.type, np.array(drawn.vertices) - first, size)
    apart = int(np.count_nonzero(ours != theirs(first, size)))
    return [f"ImageJ counts {apart} of the pixels on its outline otherwise"] if apart else []


def _read_all(path: Path, lost: list[str]) -> Iterator[tuple[str, ImagejRoi]]:
    """Yield each ROI of a file with the name that the file has for it; say what cannot be read."""
    ending = _ending(path)
    if path.stat().st_size > MOST_BYTES:
        raise RoiError(f"{path.name!r} has {path.stat().st_size} bytes; files of ROIs are read up to {MOST_BYTES}")
    content = path.read_bytes()
    if ending == ".roi":
        try:
            yield path.stem, _decoded(content)
        except _NotTakenError as reason:
            raise RoiError(f"{path.name!r} cannot be read: {reason}; save the selection in ImageJ anew") from reason
        return
    found = 0
    for name, entry in _entries(path.name, content):
        if not name.lower().endswith(".roi"):
            lost.append(f"{name!r}: left out: it is no ROI, whose name would end in .roi")
            continue
        found += 1
        try:
            yield name.rpartition("/")[2][: -len(".roi")], _decoded(entry)
        except _NotTakenError as reason:
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


def _decoded(content: bytes) -> ImagejRoi:
    if content[:4] != b"Iout":
        raise _NotTakenError(f"it is no ImageJ ROI, which would begin with b'Iout', not with {content[:4]!r}")
    try:
        return ImagejRoi.frombytes(content)
    except (ValueError, TypeError, struct.error, IndexError, OverflowError) as error:
        raise _NotTakenError(f"it is damaged ({error})") from error


def _from_imagej(theirs: ImagejRoi, shape: tuple[int, int], common: dict[str, Any]) -> tuple[ROI, list[str]]:
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
        raise _NotTakenError("; ".join(problems))
    _check_reach(np.abs(np.array(drawn.vertices)).max())
    if not has_pixels(drawn.type, drawn.vertices, shape):
        raise _NotTakenError(f"it has no pixel in the image of {shape[0]} by {shape[1]} pixels (y, x)")
    if pixels is not None:
        said += _compared(drawn, pixels, shape)
    fields["meta"] = {**fields.get("meta", {}), "shape": drawn.to_dict()}
    return MaskROI(**fields, reference=None), said


def _check_kind(theirs: ImagejRoi) -> None:
    """Raise `_NotTakenError` for what is neither an area nor a line here."""
    if theirs.roitype not in _TAKEN_TYPES:
        raise _NotTakenError(f"it is {_NOT_TAKEN_TYPES.get(theirs.roitype, 'of an unknown type')}")
    if theirs.subtype not in _TAKEN_SUBTYPES:
        raise _NotTakenError(f"it is {_NOT_TAKEN_SUBTYPES.get(theirs.subtype, 'of an unknown subtype')}")
    if theirs.options & ROI_OPTIONS.SPLINE_FIT:
        raise _NotTakenError("it is a spline, whose curve the file does not hold; interpolate it in ImageJ first")
    if theirs.roitype == ROI_TYPE.RECT and theirs.rounded_rect_arc_size > 0 and not theirs.composite:
        raise _NotTakenError("it is a rectangle with rounded corners")


def _drawn_of(theirs: ImagejRoi, said: list[str]) -> tuple[DrawnShape, _PixelsIn | None]:
    """Return a shape, and what pixels it has in ImageJ; None for lines, which have none there."""
    if theirs.roitype == ROI_TYPE.OVAL:
        x0, y0, x1, y1 = _whole_bounds(theirs, said)
        corners = np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], dtype=np.float64)
        return _drawn("ellipse", corners), _pixels_in_oval(x0, y0, x1, y1)
    if theirs.roitype == ROI_TYPE.LINE:
        return _drawn("line", np.array([[theirs.x1, theirs.y1], [theirs.x2, theirs.y2]]) + 0.5), None
    if theirs.composite:
        points = _single_ring(theirs)
        return _drawn("polygon", points), _pixels_in_polygon(points)
    if theirs.roitype == ROI_TYPE.FREEHAND and theirs.subtype in (ROI_SUBTYPE.ELLIPSE, ROI_SUBTYPE.ROTATED_RECT):
        return _turned_shape(theirs)
    points = _points_of(theirs)
    if theirs.roitype in (ROI_TYPE.POLYLINE, ROI_TYPE.FREELINE):
        return _drawn("path", points + 0.5), None
    return _drawn("polygon", points), _pixels_in_polygon(points)


def _drawn(shape_type: str, points: _Points) -> DrawnShape:
    """Return a shape of ImageJ's corners (x, y), which are half a pixel more than vertices here."""
    return DrawnShape(type=shape_type, vertices=tuple((y - 0.5, x - 0.5) for x, y in points.tolist()))


def _points_of(theirs: ImagejRoi) -> _Points:
    if theirs.subpixel_coordinates is not None:
        return theirs.subpixel_coordinates.astype(np.float64)
    if theirs.integer_coordinates is None:
        raise _NotTakenError("it is damaged (it has no points)")
    return np.asarray(theirs.integer_coordinates + np.array([theirs.left, theirs.top]), dtype=np.float64)


def _turned_shape(theirs: ImagejRoi) -> tuple[DrawnShape, _PixelsIn]:
    fields = (theirs.arrow_style_or_aspect_ratio, theirs.arrow_head_size, theirs.rounded_rect_arc_size)
    (parameter,) = struct.unpack(">f", struct.pack(">BBh", *fields))
    axis = np.array([theirs.x1, theirs.y1, theirs.x2, theirs.y2, parameter])
    if not np.isfinite(axis).all() or parameter < 0:
        raise _NotTakenError(f"it is damaged (its axis and its size across are {axis.tolist()})")
    _check_reach(np.abs(axis).max())
    length = math.dist(axis[:2], axis[2:4])
    if length == 0:
        raise _NotTakenError("it has no size")
    if theirs.subtype == ROI_SUBTYPE.ROTATED_RECT:
        corners = _corners_round(axis)
        return _drawn("rectangle", corners), _pixels_in_polygon(corners)
    axis[4] = min(parameter, 1.0)  # as ImageJ does
    pixels = _pixels_in_polygon(_ellipse_points(axis))
    axis[4] *= length
    return _drawn("ellipse", _corners_round(axis)), pixels


def _single_ring(theirs: ImagejRoi) -> _Points:
    if theirs.multi_coordinates is None:
        raise _NotTakenError("it is damaged (a composite of another type than a rectangle)")
    try:
        rings = ImagejRoi.path2coords(theirs.multi_coordinates)
    except (NotImplementedError, RuntimeError, IndexError, ValueError, OverflowError) as error:
        raise _NotTakenError(f"it is a composite that cannot be read ({error})") from error
    if len(rings) != 1:
        raise _NotTakenError(f"it is a composite of {len(rings)} parts; split it in ImageJ's ROI Manager by More » Split")
    points = rings[0].astype(np.float64)
    closed = len(points) > 1 and bool((points[0] == points[-1]).all())
    return points[:-1] if closed else points


def _whole_bounds(theirs: ImagejRoi, said: list[str]) -> tuple[int, int, int, int]:
    """Return left, top, right and bottom of a rectangle or an oval, on whole pixels as ImageJ measures it."""
    bounds = (theirs.left, theirs.top, theirs.right, theirs.bottom)
    if theirs.subpixelrect:
        exact = (theirs.xd, theirs.yd, theirs.widthd, theirs.heightd)
        if not all(math.isfinite(value) for value in exact):
            raise _NotTakenError(f"it is damaged (its x, y, width and height are {exact})")
        _check_reach(max(abs(value) for value in exact))
        left, top = int(theirs.xd), int(theirs.yd)
        bounds = (left, top, left + math.ceil(theirs.widthd), top + math.ceil(theirs.heightd))
        if any(value != int(value) for value in exact):
            said.append(f"put on whole pixels, as ImageJ does to measure; its x, y, width and height were {exact}")
    if bounds[0] >= bounds[2] or bounds[1] >= bounds[3]:
        raise _NotTakenError("it has no size")
    return bounds


def _clipped(bounds: tuple[int, int, int, int], shape: tuple[int, int], said: list[str]) -> tuple[int, int, int, int]:
    x0, y0, x1, y1 = bounds
    clipped = (max(0, x0), max(0, y0), min(x1, shape[1]), min(y1, shape[0]))
    where = f"x {x0} to {x1}, y {y0} to {y1}; the image has {shape[0]} by {shape[1]} pixels (y, x)"
    if clipped[0] >= clipped[2] or clipped[1] >= clipped[3]:
        raise _NotTakenError(f"it lies outside the image: {where}")
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
