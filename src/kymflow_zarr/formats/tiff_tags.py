"""What a TIFF holds other than pixels, as plain values, for header readers."""

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Literal, TypeAlias

import tifffile

from kymflow_zarr.formats.ome_xml import file_that_describes, is_ome_xml, own_uuid

ResolutionUnit: TypeAlias = Literal["none", "inch", "centimeter"]
_UNITS: Mapping[int, ResolutionUnit] = {1: "none", 2: "inch", 3: "centimeter"}
"""TIFF 6.0, ResolutionUnit."""
_ORDERS: Mapping[bytes, str] = {b"II": "<", b"MM": ">"}
_BIG_TIFF, _DESCRIPTION = 43, 270
_MOST_ENTRIES, _FURTHEST = 4096, 2**62
_END_OF_OME = b"OME>"


@dataclass(frozen=True, slots=True, kw_only=True)
class TiffTags:
    """The texts and numbers of a TIFF's first page.

    `imagej` has the entries of ImageJ's description and of its private tags (such as `Info`, `ROI`, `Overlays`); it is
    empty for other TIFFs. `per_unit` is how many pixels there are in one unit along x and y. `resolution_unit` is None
    where the file has no such tag. `page_lines` is the height of a page, `software` and
    `description` the texts of these tags. `ome_xml` is empty where there is none; where the
    file only names the other one that describes it, `described_in`, it is the OME-XML of that, if that could be read.
    `uuid` is what the file states of itself there, `ome_channels` which channels of the image, from 0, were read; empty
    where none was.
    """

    imagej: Mapping[str, Any] = field(default_factory=dict)
    file_name: str = ""
    ome_xml: str = ""
    described_in: str = ""
    uuid: str = ""
    ome_channels: tuple[int, ...] = ()
    per_unit: tuple[float | None, float | None] = (None, None)
    resolution_unit: ResolutionUnit | None = None
    page_lines: int = 0
    software: str = ""
    description: str = ""


def tags_of(tiff: tifffile.TiffFile, *, file_name: str) -> TiffTags:
    """Return what is written in an open TIFF."""
    first = tiff.pages.first
    xml = first.description if is_ome_xml(first.description) else ""
    described_in = file_that_describes(xml)
    unit = first.tags.get("ResolutionUnit")
    return TiffTags(
        imagej=(tiff.imagej_metadata or {}) if tiff.is_imagej else {},
        file_name=file_name,
        ome_xml="" if described_in else xml,
        described_in=described_in,
        uuid=own_uuid(xml),
        per_unit=(_resolution(first, "XResolution"), _resolution(first, "YResolution")),
        resolution_unit=_UNITS.get(int(unit.value)) if unit is not None and isinstance(unit.value, int) else None,
        page_lines=first.imagelength,
        software=_text(first.software),
        description=_text(first.description),
    )


def is_described_as_ome(file: BinaryIO) -> bool:
    """Return whether the first page's description ends as OME-XML does; a glance at its directory alone."""
    head = file.read(16)
    order = _ORDERS.get(head[:2])
    if order is None or len(head) < 16:
        return False
    is_big = struct.unpack_from(f"{order}H", head, 2) == (_BIG_TIFF,)
    offset, number, entry = (8, "Q", "HHQQ") if is_big else (4, "H", "HHII")
    file.seek(min(*struct.unpack_from(f"{order}{'Q' if is_big else 'I'}", head, offset), _FURTHEST))
    size, step = struct.calcsize(f"{order}{number}"), struct.calcsize(f"{order}{entry}")
    directory = file.read(size + step * _MOST_ENTRIES)
    if len(directory) < size:
        return False
    (count,) = struct.unpack_from(f"{order}{number}", directory)
    entries = directory[size : size + step * min(count, (len(directory) - size) // step)]
    for tag, _, length, at in struct.iter_unpack(f"{order}{entry}", entries):
        if tag == _DESCRIPTION:
            file.seek(min(at + max(0, length - 16), _FURTHEST))
            return file.read(min(length, 16)).rstrip(b"\0 \r\n\t").endswith(_END_OF_OME)
    return False


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _resolution(page: tifffile.TiffPage, name: str) -> float | None:
    tag = page.tags.get(name)
    value = tag.value if tag is not None else None
    if not isinstance(value, tuple) or len(value) != 2 or not value[0] or not value[1]:
        return None
    return float(value[0] / value[1])
