"""ROIs in and out of ImageJ's `.roi` files and the ROI Manager's `.zip` archives.

The rule of this room: what the other program has no words for is changed or left out, and said; nothing is made up.

ImageJ has two kinds of coordinates. Those of areas are of pixel corners, pixel i spans i to i + 1, so a vertex here is half
a pixel less. Those of lines are of pixel centres, as here. Channels and slices count from 1 in ImageJ, and 0 is "all".
An area has the pixels whose centres lie inside it; of those exactly on its outline ImageJ takes the ones on its right and
lower sides only, whereas here all belong to it (`ij.io.RoiDecoder`, `ij.process.PolygonFiller`, `ij.gui.OvalRoi` and
`ij.gui.EllipseRoi` of ImageJ 1.54). Where that makes a difference, it is counted and said.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from roifile import ImagejRoi

from kymflow_core.errors import RoiError
from kymflow_core.roi.rois import ROI
from kymflow_core.roi_files.imagej_geometry import NotTakenError
from kymflow_core.roi_files.imagej_read import decode_roi, parse_imagej, read_all, rois_in_tiff
from kymflow_core.roi_files.imagej_write import archive_of, encode
from kymflow_core.roi_files.shared import NO_MASKS, roi_title
from kymflow_zarr.disk.local_file import save_file


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedRois:
    """What was read from an ImageJ file: the ROIs, and line by line what was changed or left out."""

    rois: tuple[ROI, ...]
    lost: tuple[str, ...]


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
        Boolean images (y, x) by ROI id, for those that were painted; a missing one is left out, and reported.

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
            content, said = encode(roi, masks)
        except NotTakenError as reason:
            lost.append(f"{roi_title(roi)}: left out: {reason}")
            continue
        lost += [f"{roi_title(roi)}: {line}" for line in said]
        written.append((roi, content))
    if ending == ".roi" and not written:
        raise RoiError(f"cannot write {path.name!r}: {lost[-1]}")
    save_file(path, written[0][1] if ending == ".roi" else archive_of(written))
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
    lost: list[str] = []
    rois = _parsed(read_all(path, _ending(path), lost), lost, next_id=next_id, shape=shape)
    return ImportedRois(rois=rois, lost=tuple(lost))


def rois_from_imagej_tiff(entries: Mapping[str, Any], *, next_id: int, shape: tuple[int, int]) -> ImportedRois:
    """Read the selection and the overlay that ImageJ saved inside a TIFF, as `rois_from_imagej` reads a file of ROIs.

    Parameters
    ----------
    entries
        ImageJ's entries in the TIFF, `kymflow_zarr.formats.tiff_tags.TiffTags.imagej`.
    next_id
        The id of the first ROI; the others count on.
    shape
        The image's shape (y, x).
    """
    lost: list[str] = []

    def decoded() -> Iterator[tuple[str, ImagejRoi]]:
        for name, content in rois_in_tiff(entries):
            try:
                yield name, decode_roi(content)
            except NotTakenError as reason:
                lost.append(f"{name!r}: left out: {reason}")

    return ImportedRois(rois=_parsed(decoded(), lost, next_id=next_id, shape=shape), lost=tuple(lost))


def _parsed(
    named: Iterable[tuple[str, ImagejRoi]], lost: list[str], *, next_id: int, shape: tuple[int, int]
) -> tuple[ROI, ...]:
    rois: list[ROI] = []
    for name, theirs in named:
        title = theirs.name or name
        try:
            roi, said = parse_imagej(theirs, shape, {"roi_id": next_id + len(rois), "name": title})
        except NotTakenError as reason:
            lost.append(f"{title!r}: left out: {reason}")
            continue
        rois.append(roi)
        lost += [f"{title!r}: {line}" for line in said]
    return tuple(rois)


def _ending(path: Path) -> str:
    ending = path.suffix.lower()
    if ending not in (".roi", ".zip"):
        raise RoiError(f"{path.name!r} is no name for ImageJ's ROIs: it must end in .roi (one ROI) or .zip (any number)")
    return ending
