"""The text header that Olympus FluoView (FVMPE-RS) exports next to a TIFF.

Tab-separated pairs of quoted text in sections such as `[General]`, `[Dimensions]`, `[Image]`, `[Channel 1]`; the same key
stands in several sections (the reference image has an `Image Size` too), so a value is always asked for by its section.
"""

import csv
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Self

from kymflow_core.calibration import positive
from kymflow_core.errors import HeaderError
from kymflow_core.headers.acquisition import AcquisitionHeader, ScanDirection, wall_clock_ns
from kymflow_zarr.disk.steps import read_regular
from kymflow_zarr.errors import DamagedError
from kymflow_zarr.importing.folders import beside, is_there

_MOST_BYTES = 2**24
_SECTION = re.compile(r"\[(?P<name>[^\]]+)\]")
_NUMBER = r"[-+]?[\d.]+(?:[eE][-+]?\d+)?"
# The look-behind refuses "0,284", a decimal comma, of which "284" would be taken else, and the end of "2.84e-1".
_X_DIMENSION = re.compile(rf"(?P<pixels>\d+)\s*,.*?(?<![\d.eE+-])(?<!\d,)(?P<um_per_pixel>{_NUMBER})\s*\[um/pixel\]")
_T_DIMENSION = re.compile(rf"(?P<count>\d+)\s*,\s*(?P<start>{_NUMBER})\s*-\s*(?P<stop>{_NUMBER})\s*\[(?P<unit>s|ms)\]")
_IMAGE_SIZE = re.compile(r"(?P<pixels>\d+)\s*\*\s*(?P<lines>\d+)\s*\[pixel\]")
_DATE_FORMAT = "%m/%d/%Y %I:%M:%S.%f"
_HALF_DAYS = {"AM": timedelta(), "PM": timedelta(hours=12)}
_SECONDS = {"s": 1.0, "ms": 0.001}
_SAMPLING_SPEED = re.compile(rf"(?P<number>{_NUMBER})\s*\[(?P<unit>ns|us|\u00b5s|\u03bcs|ms)/pixel\]")
_PER_SECOND = {"ns": 1e9, "us": 1e6, "\u00b5s": 1e6, "\u03bcs": 1e6, "ms": 1e3}
_DIRECTIONS: Mapping[str, ScanDirection] = {"oneway": "one-way", "roundtrip": "both-ways"}
_CHANNEL = re.compile(r"Channel (?P<number>\d+)")
_NANOMETRES = re.compile(r"(?P<number>[\d.]+)\s*\[nm\]")
_ENCODINGS = (("utf-16", b"\xff\xfe"), ("utf-16", b"\xfe\xff"), ("utf-8-sig", b"\xef\xbb\xbf"))


class OlympusReader:
    """Reads the `<stem>.txt` next to a TIFF."""

    name = "olympus_txt"

    def read(self, path: Path, shape: tuple[int, ...]) -> AcquisitionHeader | None:
        """Return what the text header says; None where there is none; raises `HeaderError`."""
        text = beside(path, ".txt")
        if not is_there(text):
            return None
        try:
            olympus = OlympusHeader.parse(read_regular(str(text), _MOST_BYTES))
        except (HeaderError, DamagedError, OSError) as error:
            raise HeaderError(f"{text.name}: {error}") from error
        sizes = (olympus.lines, olympus.pixels)
        return AcquisitionHeader(
            shape=tuple(size for size in sizes if size is not None),
            seconds_per_line=olympus.seconds_per_line,
            um_per_pixel=olympus.um_per_pixel,
            acquired_local_epoch_ns=olympus.acquired_local_epoch_ns,
            channel_names=olympus.channel_names,
            dwell_s=olympus.dwell_s,
            scan_direction=olympus.scan_direction,
            fields=olympus.fields(),
            unread=olympus.unread,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class OlympusChannel:
    """What the header states about one channel: its number from 1, detector, dye, and wavelengths in nm."""

    number: int
    name: str = ""
    dye: str = ""
    emission_nm: float | None = None
    laser_nm: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OlympusHeader:
    """What the header of a line scan says; None for what it does not say.

    `duration_seconds` is the time of all lines, from the `T Dimension`, which is exact to a millisecond (the "unit
    converted" image size is rounded). `sections` has every entry of the file: of a section, or a key in it, that occurs
    again, the second is called "… #2". `unread` says what was not understood, and is therefore not known. In a movie or a
    stack the rows of an image are no lines in time: `rows_are_times` is False, and the time of a line is not known.
    """

    sections: Mapping[str, Mapping[str, str]]
    pixels: int | None
    lines: int | None
    um_per_pixel: float | None
    duration_seconds: float | None
    acquired_local_epoch_ns: int | None
    channels: tuple[OlympusChannel, ...]
    dwell_s: float | None = None
    scan_direction: ScanDirection | None = None
    rows_are_times: bool = True
    unread: tuple[str, ...] = ()

    @property
    def channel_names(self) -> tuple[str, ...]:
        """The names of the channels' detectors."""
        return tuple(channel.name for channel in self.channels)

    @property
    def seconds_per_line(self) -> float | None:
        """The duration divided by the header's own number of lines."""
        if not self.lines or not self.duration_seconds or not self.rows_are_times:
            return None
        return self.duration_seconds / self.lines

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read a header file's bytes.

        Raises
        ------
        HeaderError
            When they are not an Olympus text header, or an entry that is there cannot be understood.
        """
        sections = _sections(_decode(data))
        if "General" not in sections or "Dimensions" not in sections:
            raise HeaderError("it is not an Olympus text header: it has no [General] and [Dimensions] sections")
        dimensions, image = sections["Dimensions"], sections.get("Image", {})
        acquisition = sections.get("Acquisition", {})
        x = _match(_X_DIMENSION, dimensions, "X Dimension")
        t = _match(_T_DIMENSION, dimensions, "T Dimension")
        size = _match(_IMAGE_SIZE, image, "Image Size")
        date = sections["General"].get("Date")
        acquired = _epoch_ns(date)
        um_per_pixel = _number(x["um_per_pixel"], "X Dimension") if x else None
        lines = int(size["lines"]) if size else None
        speed, direction = acquisition.get("Sampling Speed"), acquisition.get("Scan Direction")
        dwell_s, scan_direction = _dwell_s(speed), _DIRECTIONS.get(_plain(direction))
        other_rows = _rows_that_are_no_times(sections, t, lines)
        problems = {
            f"its 'Date' is not month/day/year hour:minute:second AM or PM: {date!r}": bool(date) and acquired is None,
            f"no time of a line is stated: {other_rows}": bool(other_rows),
            f"its 'X Dimension' has a size that no pixel has: {um_per_pixel}": um_per_pixel is not None
            and um_per_pixel < 0,
            f"its 'Sampling Speed' is no time of a pixel: {speed!r}": bool(speed) and dwell_s is None,
            f"its 'Scan Direction' is neither one way nor a round trip: {direction!r}": bool(direction)
            and scan_direction is None,
        }
        return cls(
            sections=sections,
            pixels=int(size["pixels"]) if size else int(x["pixels"]) if x else None,
            lines=lines,
            um_per_pixel=positive(um_per_pixel),
            duration_seconds=_duration(t) if t else None,
            acquired_local_epoch_ns=acquired,
            dwell_s=dwell_s,
            scan_direction=scan_direction,
            rows_are_times=not other_rows,
            unread=tuple(text for text, is_there in problems.items() if is_there),
            channels=tuple(
                _channel(int(match["number"]), entries)
                for name, entries in sections.items()
                if (match := _CHANNEL.fullmatch(name))
            ),
        )

    def fields(self) -> dict[str, dict[str, str]]:
        """Return all entries as plain text, section by section."""
        return {name: dict(entries) for name, entries in self.sections.items()}


def _decode(data: bytes) -> str:
    for encoding, mark in _ENCODINGS:
        if data.startswith(mark):
            return data.decode(encoding, errors="replace")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")  # "µ" and "°" as Windows in western countries writes them


def _sections(text: str) -> dict[str, dict[str, str]]:
    sections: dict[str, dict[str, str]] = {}
    entries: dict[str, str] | None = None
    for row in _rows(text):
        key, value = (row[0].strip() if row else ""), "\t".join(row[1:]).strip()
        section = _SECTION.fullmatch(key)
        if section:
            entries = sections[_unused(section["name"], sections)] = {}
        elif key:
            # What stands before the first section is kept under no name.
            entries = sections.setdefault("", {}) if entries is None else entries
            entries[_unused(key, entries)] = value
    return sections


def _unused(name: str, taken: Mapping[str, object]) -> str:
    """Return a name, with its number where it occurs again: nothing is lost, and the first one counts."""
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name} #{number}"
    return free


def _channel(number: int, entries: Mapping[str, str]) -> OlympusChannel:
    return OlympusChannel(
        number=number,
        name=entries.get("Channel Name", ""),
        dye=entries.get("Dye Name", ""),
        emission_nm=_nanometres(entries.get("Emission WaveLength")),
        laser_nm=_nanometres(entries.get("Laser Wavelength")),
    )


def _nanometres(text: str | None) -> float | None:
    """Return a wavelength; None where it is another text, such as "None": an image can be used without it."""
    match = _NANOMETRES.fullmatch(text or "")
    return _number(match["number"], "wavelength") if match else None


def _rows(text: str) -> list[list[str]]:
    try:
        return list(csv.reader(io.StringIO(text), delimiter="\t"))
    except csv.Error as error:
        raise HeaderError(f"it is not an Olympus text header: {error}") from error


def _match(pattern: re.Pattern[str], entries: Mapping[str, str], key: str) -> re.Match[str] | None:
    text = entries.get(key)
    if text is None:
        return None
    match = pattern.match(text)
    if match is None:
        raise HeaderError(f"its {key!r} cannot be understood: {text!r}")
    return match


def _rows_that_are_no_times(
    sections: Mapping[str, Mapping[str, str]], t_dimension: re.Match[str] | None, lines: int | None
) -> str:
    """Return why an image's rows are not the lines of a line scan; empty where they are.

    A line scan has the primary dimensions "X * T" and the scan mode "XT"; its T dimension counts 1, or its lines.
    """
    stated = {
        "Primary Dimensions": sections.get("Image", {}).get("Primary Dimensions", ""),
        "Scan Mode": sections["General"].get("Scan Mode", ""),
    }
    for key, text in stated.items():
        axes = [letter for letter in re.sub(r"[^A-Z]", "", text.upper()) if letter in "XYZT"]
        if axes and axes[:2] != ["X", "T"]:
            return f"its {key!r} is {text!r}, which is no line scan"
    count = int(t_dimension["count"]) if t_dimension else 1
    return "" if count in (1, lines) else f"its 'T Dimension' counts {count} images of {lines} lines"


def _duration(t_dimension: re.Match[str]) -> float:
    span = _number(t_dimension["stop"], "T Dimension") - _number(t_dimension["start"], "T Dimension")
    if span < 0:
        raise HeaderError(f"its 'T Dimension' ends before it starts: {t_dimension.string!r}")
    return span * _SECONDS[t_dimension["unit"]]


def _dwell_s(sampling_speed: str | None) -> float | None:
    match = _SAMPLING_SPEED.fullmatch(sampling_speed or "")
    return positive(_number(match["number"], "Sampling Speed") / _PER_SECOND[match["unit"]]) if match else None


def _plain(text: str | None) -> str:
    return re.sub(r"[^a-z]", "", (text or "").lower())


def _number(text: str, key: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise HeaderError(f"its {key!r} has {text!r} where a number is expected") from error


def _epoch_ns(date: str | None) -> int | None:
    """Return local wall-clock time, month first, as nanoseconds since 1970; None where it is written in another way.

    An image can be used without it, and a date of which nobody knows whether day or month comes first is not guessed.
    """
    if not date:
        return None
    clock, _, half_day = date.rpartition(" ")
    try:
        # No "%p": it knows AM and PM only where the locale does, and Qt sets the machine's locale. "%I" alone reads 12
        # as 0.
        taken = datetime.strptime(clock, _DATE_FORMAT) + _HALF_DAYS[half_day.upper()]
    except (ValueError, KeyError):
        return None
    return wall_clock_ns(taken)
