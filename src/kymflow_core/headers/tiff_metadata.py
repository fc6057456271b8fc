"""What is written into a TIFF itself: by ImageJ, and as OME-XML.

The rule of this room: only what is stated, in a unit that fits, is taken. Columns are space, so their unit must be one of
length; rows are time, so a row in µm is no time of a line. The 72 dpi of any TIFF are no calibration.
"""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from xml.etree import ElementTree

import tifffile

from kymflow_core.calibration import positive
from kymflow_core.errors import HeaderError
from kymflow_core.headers.acquisition import AcquisitionHeader, wall_clock_ns

_MICRO = re.compile(r"\u00b5|\u03bc|\\u00b5|\\u03bc", re.IGNORECASE)
"""How the sign for micro is written: U+00B5, U+03BC, and as ImageJ escapes both."""
_LONGEST_SIGN = 2
_UM = {
    **dict.fromkeys(("um", "micron", "microns", "micrometer", "micrometers", "micrometre", "micrometres"), 1.0),
    "nm": 0.001,
    "mm": 1000.0,
}
_SECONDS = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1.0),
    **dict.fromkeys(("ms", "msec", "millisecond", "milliseconds"), 0.001),
    **dict.fromkeys(("us", "usec", "microsecond", "microseconds"), 1e-6),
}
_DOCUMENT_TYPE = re.compile(r"<!\s*(DOCTYPE|ENTITY)", re.IGNORECASE)
_LONGEST_ENTRY = 200
_IMAGEJ, _OME = "ImageJ", "OME Pixels"


class ImageJReader:
    """Takes the calibration that ImageJ, or a program that writes as it does, put into a TIFF.

    The resolution tags are pixels per `unit` along x and per `yunit`, or else `unit`, along y.
    """

    name = "imagej_tiff"

    def read(self, path: Path, shape: tuple[int, ...]) -> AcquisitionHeader | None:
        """Return what ImageJ wrote; None for another TIFF; raises `HeaderError`."""
        return _read_tiff(path, _imagej_header)


class OmeXmlReader:
    """Takes the calibration from the OME-XML in a TIFF.

    `TimeIncrement` is the time of a line only where the image's rows are its time points, which is where one time point is
    one line.
    """

    name = "ome_xml"

    def read(self, path: Path, shape: tuple[int, ...]) -> AcquisitionHeader | None:
        """Return what the OME-XML says; None for a TIFF without; raises `HeaderError`."""
        return _read_tiff(path, lambda tiff: _ome_header(tiff.ome_metadata, shape) if tiff.is_ome else None)


def _read_tiff(path: Path, read: Callable[[tifffile.TiffFile], AcquisitionHeader | None]) -> AcquisitionHeader | None:
    try:
        with tifffile.TiffFile(path) as tiff:
            return read(tiff)
    except tifffile.TiffFileError as error:
        raise HeaderError(f"{path.name} is no TIFF that can be read: {error}") from error


def _imagej_header(tiff: tifffile.TiffFile) -> AcquisitionHeader | None:
    said = tiff.imagej_metadata if tiff.is_imagej else None
    if not said:
        return None
    unit = str(said.get("unit", ""))
    per_unit_x, per_unit_y = (_resolution(tiff, name) for name in ("XResolution", "YResolution"))
    fields = {str(key): text for key, value in said.items() if len(text := str(value)) <= _LONGEST_ENTRY}
    return AcquisitionHeader(
        um_per_pixel=_size(per_unit_x, _UM.get(_plain(unit))),
        seconds_per_line=_size(per_unit_y, _SECONDS.get(_plain(str(said.get("yunit", unit))))),
        fields={_IMAGEJ: fields},
    )


def _resolution(tiff: tifffile.TiffFile, name: str) -> float | None:
    """Return a resolution tag as pixels per unit."""
    tag = tiff.pages.first.tags.get(name)
    value = tag.value if tag is not None else None
    if not isinstance(value, tuple) or len(value) != 2 or not value[1]:
        return None
    return positive(value[0] / value[1])


def _size(per_unit: float | None, unit: float | None) -> float | None:
    return positive(unit / per_unit) if per_unit is not None and unit is not None else None


def _ome_header(xml: str | None, shape: tuple[int, ...]) -> AcquisitionHeader | None:
    pixels, image = _first_pixels(xml or "")
    entries = dict(pixels.attrib)
    sizes = {axis: int(size) if (size := entries.get(f"Size{axis}", "")).isdecimal() else 1 for axis in "TYX"}
    rows_are_times = sizes["T"] > 1 and sizes["Y"] == 1 and sizes["T"] == shape[-2]
    lines = sizes["T"] if rows_are_times else sizes["Y"]
    channels = [element.get("Name", "") for element in pixels if _tag(element) == "Channel"]
    return AcquisitionHeader(
        shape=(lines, sizes["X"]) if {"SizeX", "SizeY"} <= set(entries) else (),
        um_per_pixel=_quantity(entries, "PhysicalSizeX", "µm", _UM),
        seconds_per_line=_quantity(entries, "TimeIncrement", "s", _SECONDS) if rows_are_times else None,
        acquired_local_epoch_ns=_acquired(image),
        channel_names=tuple(channels) if any(channels) else (),
        fields={_OME: entries},
    )


def _first_pixels(xml: str) -> tuple[ElementTree.Element, ElementTree.Element]:
    """Return the description of the first image's pixels, and that of the image."""
    if _DOCUMENT_TYPE.search(xml):
        # It can define entities that unfold to any size.
        raise HeaderError("its OME-XML has a document type, which no OME-XML has")
    try:
        root = ElementTree.fromstring(xml)
    except ElementTree.ParseError as error:
        raise HeaderError(f"its OME-XML is broken: {error}") from error
    for image in (element for element in root.iter() if _tag(element) == "Image"):
        for pixels in (element for element in image if _tag(element) == "Pixels"):
            return pixels, image
    raise HeaderError("its OME-XML describes no pixels")


def _quantity(entries: Mapping[str, str], name: str, unit: str, units: Mapping[str, float]) -> float | None:
    """Return a quantity in µm or s; None where it is not stated, or in a unit that does not fit."""
    factor = units.get(_plain(entries.get(f"{name}Unit", unit)))
    if name not in entries or factor is None:
        return None
    try:
        return positive(float(entries[name]) * factor)
    except ValueError as error:
        raise HeaderError(f"its {name} is no number: {entries[name]!r}") from error


def _acquired(image: ElementTree.Element) -> int | None:
    """Return the wall-clock time of acquisition in ns since 1970; None where it is stated in a time zone, or not at all."""
    text = next((element.text for element in image if _tag(element) == "AcquisitionDate"), None)
    try:
        taken = datetime.fromisoformat((text or "").strip())
    except ValueError:
        return None
    if taken.tzinfo is not None:
        return None  # local time where? a laboratory's clock is what the other headers have
    return wall_clock_ns(taken)


def _tag(element: ElementTree.Element) -> str:
    """Return an element's name without its schema, of which there are many versions."""
    return str(element.tag).rpartition("}")[2]


def _plain(unit: str) -> str:
    """Return a unit with a u for micro, and words in lower case; of signs the case counts: Mm is no mm."""
    plain = _MICRO.sub("u", unit.strip())
    return plain.lower() if len(plain) > _LONGEST_SIGN else plain
