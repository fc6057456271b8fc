"""The text header that Olympus FluoView (FVMPE-RS) exports beside a TIFF.

Tab-separated pairs of quoted text in sections such as `[General]`, `[Dimensions]`, `[Image]`, `[Channel 1]`; the same key
stands in several sections (the reference image has an `Image Size` too), so a value is always asked for by its section.
"""

import csv
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self

from kymflow_core.errors import HeaderError

_SECTION = re.compile(r"\[(?P<name>[^\]]+)\]")
# The look-behind refuses "0,284", a decimal comma, of which "284" would be taken else.
_X_DIMENSION = re.compile(r"(?P<pixels>\d+)\s*,.*?(?<![\d.])(?<!\d,)(?P<um_per_pixel>[\d.]+)\s*\[um/pixel\]")
_T_DIMENSION = re.compile(r".*?(?P<start>[\d.]+)\s*-\s*(?P<stop>[\d.]+)\s*\[(?P<unit>s|ms)\]")
_IMAGE_SIZE = re.compile(r"(?P<pixels>\d+)\s*\*\s*(?P<lines>\d+)\s*\[pixel\]")
_DATE_FORMAT = "%m/%d/%Y %I:%M:%S.%f"
_HALF_DAYS = {"AM": timedelta(), "PM": timedelta(hours=12)}
_SECONDS = {"s": 1.0, "ms": 0.001}
_ENCODINGS = (("utf-16", b"\xff\xfe"), ("utf-16", b"\xfe\xff"), ("utf-8-sig", b"\xef\xbb\xbf"))


@dataclass(frozen=True, slots=True, kw_only=True)
class OlympusHeader:
    """What the header of a line scan says; None for what it does not say.

    `duration_seconds` is the time of all lines, from the `T Dimension`, which is exact to a millisecond (the "unit
    converted" image size is rounded).
    """

    sections: Mapping[str, Mapping[str, str]]
    pixels: int | None
    lines: int | None
    um_per_pixel: float | None
    duration_seconds: float | None
    acquired_local_epoch_ns: int | None
    channel_names: tuple[str, ...]

    @property
    def seconds_per_line(self) -> float | None:
        """The duration divided by the header's own number of lines."""
        if not self.lines or not self.duration_seconds:
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
        x = _match(_X_DIMENSION, dimensions, "X Dimension")
        t = _match(_T_DIMENSION, dimensions, "T Dimension")
        size = _match(_IMAGE_SIZE, image, "Image Size")
        return cls(
            sections=sections,
            pixels=int(size["pixels"]) if size else int(x["pixels"]) if x else None,
            lines=int(size["lines"]) if size else None,
            um_per_pixel=(_number(x["um_per_pixel"], "X Dimension") or None) if x else None,
            duration_seconds=_duration(t) if t else None,
            acquired_local_epoch_ns=_epoch_ns(sections["General"].get("Date")),
            channel_names=tuple(
                entries.get("Channel Name", "") for name, entries in sections.items() if name.startswith("Channel ")
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
    entries: dict[str, str] = {}
    for row in _rows(text):
        key, value = (row[0].strip() if row else ""), (row[1].strip() if len(row) > 1 else "")
        section = _SECTION.fullmatch(key)
        if section:
            entries = sections.setdefault(section["name"], {})
        elif key:
            entries[key] = value
    return sections


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


def _duration(t_dimension: re.Match[str]) -> float:
    span = _number(t_dimension["stop"], "T Dimension") - _number(t_dimension["start"], "T Dimension")
    if span < 0:
        raise HeaderError(f"its 'T Dimension' ends before it starts: {t_dimension.string!r}")
    return span * _SECONDS[t_dimension["unit"]]


def _number(text: str, key: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise HeaderError(f"its {key!r} has {text!r} where a number is expected") from error


def _epoch_ns(date: str | None) -> int | None:
    """Return local wall-clock time, month first, as nanoseconds since 1970."""
    if not date:
        return None
    clock, _, half_day = date.rpartition(" ")
    try:
        # UTC here only keeps the reading machine's own time zone out of the arithmetic. No "%p": it knows AM and PM only
        # where the locale does, and Qt sets the machine's locale. "%I" alone reads 12 as 0.
        taken = datetime.strptime(clock, _DATE_FORMAT).replace(tzinfo=UTC) + _HALF_DAYS[half_day.upper()]
    except (ValueError, KeyError) as error:
        raise HeaderError(f"its 'Date' is not month/day/year hour:minute:second AM or PM: {date!r}") from error
    since = taken - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 10**9 + since.microseconds * 1_000
