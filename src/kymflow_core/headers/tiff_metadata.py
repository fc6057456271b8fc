"""What is written into a TIFF itself: by ImageJ, and as OME-XML.

The rule of this room: only what is stated, in a unit that fits, is taken; where two statements contradict each other, the
number is unknown, and that is reported. Columns are space, so their unit must be one of length; rows are time, so a row in
µm is no time of a line. The 72 dpi of any TIFF are no calibration.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from kymflow_core.calibration import positive
from kymflow_core.errors import HeaderError
from kymflow_core.headers.acquisition import AcquisitionHeader, wall_clock_ns
from kymflow_zarr.errors import SourceError
from kymflow_zarr.formats.ome_xml import OmeImage, image_of_file, parse_ome_images, tag_of
from kymflow_zarr.formats.tiff_tags import TiffTags
from kymflow_zarr.importing.tiffs import load_tags

_MICRO = re.compile(r"\u00b5|\u03bc|\\u00b5|\\u03bc", re.IGNORECASE)
"""How the sign for micro is written: U+00B5, U+03BC, and as ImageJ escapes both."""
_LONGEST_SIGN = 2
_INCHES = ("in", "inch", "inches")
_CENTIMETRES = ("cm", "centimeter", "centimeters", "centimetre", "centimetres")
_UM = {
    **dict.fromkeys(("um", "micron", "microns", "micrometer", "micrometers", "micrometre", "micrometres"), 1.0),
    **dict.fromkeys(("pm", "picometer", "picometers"), 1e-6),
    **dict.fromkeys(("\u00c5", "\u212b", "angstrom", "angstroms"), 1e-4),
    **dict.fromkeys(("nm", "nanometer", "nanometers", "nanometre", "nanometres"), 1e-3),
    **dict.fromkeys(("mm", "millimeter", "millimeters", "millimetre", "millimetres"), 1e3),
    **dict.fromkeys(_CENTIMETRES, 1e4),
    **dict.fromkeys(("m", "meter", "meters", "metre", "metres"), 1e6),
    **dict.fromkeys(_INCHES, 25_400.0),
}
_SECONDS = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1.0),
    **dict.fromkeys(("ms", "msec", "msecs", "millisecond", "milliseconds"), 1e-3),
    **dict.fromkeys(("us", "usec", "usecs", "microsecond", "microseconds"), 1e-6),
    **dict.fromkeys(("ns", "nsec", "nsecs", "nanosecond", "nanoseconds"), 1e-9),
    **dict.fromkeys(("min", "mins", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), 3600.0),
}
_NAMES = {"inch": _INCHES, "centimeter": _CENTIMETRES}
_SAME_STEP = 0.01
"""How much the times of lines may differ from even ones, relative to the time of a line."""
_SCREEN_DPI = 72.0
_LONGEST_ENTRY = 200
_LONGEST_TEXT = 2**20
"""Characters of a text such as ImageJ's `Info`."""
_IMAGEJ, _OME = "ImageJ", "OME Pixels"


class ImageJReader:
    """Takes the calibration that ImageJ, or a program that writes as it does, put into a TIFF.

    The resolution tags are pixels per `unit` along x and per `yunit`, or else `unit`, along y. Where they are stated per
    centimetre and the unit is "um", ImageJ takes them per centimetre (`ij.io.TiffDecoder` of ImageJ 1.54). Where each frame
    is one line, `finterval` is the time of a line.
    """

    name = "imagej_tiff"

    def read(self, path: Path, shape: tuple[int, ...]) -> AcquisitionHeader | None:
        """Return what ImageJ wrote; None for another TIFF; raises `HeaderError`."""
        return self.read_tags(_tags_of(path), shape)

    def read_tags(self, tags: TiffTags, shape: tuple[int, ...]) -> AcquisitionHeader | None:
        """Return what ImageJ wrote, of the tags of an open TIFF."""
        return _imagej_header(tags, shape) if tags.imagej else None


class OmeXmlReader:
    """Takes the calibration from the OME-XML in a TIFF.

    `TimeIncrement`, or else the planes' `DeltaT`, is the time of a line only where the image's rows are its time points,
    which is where one time point is one line.
    """

    name = "ome_xml"

    def read(self, path: Path, shape: tuple[int, ...]) -> AcquisitionHeader | None:
        """Return what the OME-XML says; None for a TIFF without; raises `HeaderError`."""
        return self.read_tags(_tags_of(path), shape)

    def read_tags(self, tags: TiffTags, shape: tuple[int, ...]) -> AcquisitionHeader | None:
        """Return what the OME-XML says, of the tags of an open TIFF; raises `HeaderError`."""
        if not tags.ome_xml:
            return None
        try:
            images = parse_ome_images(tags.ome_xml, file_name=tags.described_in or tags.file_name)
        except SourceError as error:
            raise HeaderError(str(error)) from error
        return _ome_header(image_of_file(images, tags.file_name), shape, tags.ome_channels)


def imagej_info(header: AcquisitionHeader) -> str:
    """Return ImageJ's `Info` of the TIFF that a header was read from; empty where there was none."""
    entries = header.fields.get(_IMAGEJ)
    info = entries.get("Info") if isinstance(entries, Mapping) else None
    return info if isinstance(info, str) else ""


def _tags_of(path: Path) -> TiffTags:
    try:
        return load_tags(path)
    except SourceError as error:
        raise HeaderError(str(error)) from error


def _imagej_header(tags: TiffTags, shape: tuple[int, ...]) -> AcquisitionHeader:
    said = tags.imagej
    unit = _plain(str(said.get("unit", "")))
    yunit = _plain(str(said.get("yunit", unit)))
    rows_are_times = tags.page_lines == 1 and shape[-2] > 1
    x = _size(tags, "x", unit, _UM)
    y = _interval(said) if rows_are_times else _size(tags, "y", yunit, _SECONDS)
    texts = {str(key): value if isinstance(value, str) else str(value) for key, value in said.items()}
    limits = {key: _LONGEST_TEXT if isinstance(said[key], str) else _LONGEST_ENTRY for key in texts}
    return AcquisitionHeader(
        um_per_pixel=x if isinstance(x, float) else None,
        seconds_per_line=y if isinstance(y, float) else None,
        fields={_IMAGEJ: {key: text for key, text in texts.items() if len(text) <= limits[key]}},
        unread=tuple(text for text in (x, y) if isinstance(text, str)),
    )


def _size(tags: TiffTags, axis: str, unit: str, units: Mapping[str, float]) -> float | str | None:
    """Return the step along an axis; a text where the unit and that of the resolution contradict each other."""
    per_unit = positive(tags.per_unit["xy".index(axis)])
    factor = units.get(unit)
    if per_unit is None or factor is None:
        return None
    stated = tags.resolution_unit
    if unit in _INCHES and per_unit == _SCREEN_DPI:
        return None
    if stated == "centimeter" and unit == "um":
        return positive(_UM["cm"] / per_unit)
    if stated in (None, "none") or unit in _NAMES[stated]:
        return positive(factor / per_unit)
    return f"its unit along {axis} is {unit!r}, and its resolution is stated per {stated}"


def _interval(said: Mapping[str, object]) -> float | str | None:
    """Return ImageJ's time between frames, in s, which is its unit where it states none; a text where it is neither."""
    value, unit = said.get("finterval"), str(said.get("tunit", "s"))
    if value is None:
        return None
    if not isinstance(value, int | float):
        return f"its finterval {value!r} is no number"
    factor = _SECONDS.get(_plain(unit))
    return (
        f"its finterval {value!r} is in {unit!r}, which is no unit of time" if factor is None else positive(value * factor)
    )


def _ome_header(found: OmeImage, shape: tuple[int, ...], channels_there: tuple[int, ...]) -> AcquisitionHeader:
    entries = dict(found.pixels.attrib)
    sizes = {axis: found.size(axis) for axis in "TYX"}
    rows_are_times = sizes["T"] > 1 and sizes["Y"] == 1 and shape[-2] > 1
    lines = sizes["T"] if rows_are_times else sizes["Y"]
    channels = [element.get("Name", "") for element in found.pixels if tag_of(element) == "Channel"]
    channels = [name for at, name in enumerate(channels) if not channels_there or at in channels_there]
    return AcquisitionHeader(
        shape=(lines, sizes["X"]) if {"SizeX", "SizeY"} <= set(entries) else (),
        um_per_pixel=_quantity(entries, "PhysicalSizeX", "µm", _UM),
        seconds_per_line=_seconds_between_times(found.pixels, entries) if rows_are_times else None,
        acquired_local_epoch_ns=_acquired(found.image),
        channel_names=tuple(channels) if any(channels) else (),
        fields={_OME: entries},
    )


def _seconds_between_times(pixels: ElementTree.Element, entries: Mapping[str, str]) -> float | None:
    """Return `TimeIncrement`, else the step of the planes' `DeltaT` where it is even."""
    stated = _quantity(entries, "TimeIncrement", "s", _SECONDS)
    if stated is not None:
        return stated
    first = [
        element.attrib
        for element in pixels
        if tag_of(element) == "Plane" and element.get("TheC", "0") == element.get("TheZ", "0") == "0"
    ]
    numbered = {int(plane["TheT"]): plane for plane in first if plane.get("TheT", "").isdecimal()}
    times = np.array([_quantity(numbered[t], "DeltaT", "s", _SECONDS, zero=True) for t in sorted(numbered)], np.float64)
    steps = np.diff(times)
    if not steps.size or sorted(numbered) != list(range(len(numbered))) or not np.isfinite(steps).all():
        return None
    step = float(times[-1] - times[0]) / steps.size
    return positive(step) if np.abs(steps - step).max() <= _SAME_STEP * abs(step) else None


def _quantity(
    entries: Mapping[str, str], name: str, unit: str, units: Mapping[str, float], *, zero: bool = False
) -> float | None:
    """Return a quantity in µm or s; None where it is not stated, or in a unit that does not fit, or 0 unless it may be."""
    factor = units.get(_plain(entries.get(f"{name}Unit", unit)))
    if name not in entries or factor is None:
        return None
    try:
        value = float(entries[name]) * factor
    except ValueError as error:
        raise HeaderError(f"its {name} is no number: {entries[name]!r}") from error
    return value if zero else positive(value)


def _acquired(image: ElementTree.Element) -> int | None:
    """Return the wall-clock time of acquisition in ns since 1970; None where it is stated in a time zone, or not at all."""
    text = next((element.text for element in image if tag_of(element) == "AcquisitionDate"), None)
    try:
        taken = datetime.fromisoformat((text or "").strip())
    except ValueError:
        return None
    if taken.tzinfo is not None:
        return None  # local time where? a laboratory's clock is what the other headers have
    return wall_clock_ns(taken)


def _plain(unit: str) -> str:
    """Return a unit with a u for micro, and words in lower case; of signs the case counts: Mm is no mm."""
    plain = _MICRO.sub("u", unit.strip())
    return plain.lower() if len(plain) > _LONGEST_SIGN else plain
