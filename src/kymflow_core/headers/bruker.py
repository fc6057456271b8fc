"""The XML that Bruker's (Prairie's) microscopes write next to their TIFFs: `<scan>.xml` with `<scan>_Cycle00001_Ch1_….tif`.

The rule of this room: what was recorded stands at the file's own `Frame`. The head of the XML has the state of the frame
scan on which the line was drawn, so the time of its lines is not that of the line scan's. Version 5 writes `scanLinePeriod`
and `micronsPerPixel` with an index `XAxis`, version 4 `scanlinePeriod` and `micronsPerPixel_XAxis`.
"""

import codecs
import itertools
import math
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache, partial
from pathlib import Path
from xml.etree import ElementTree

from kymflow_core.calibration import positive
from kymflow_core.errors import HeaderError
from kymflow_core.headers.acquisition import AcquisitionHeader, wall_clock_ns
from kymflow_zarr.disk.steps import read_regular
from kymflow_zarr.errors import DamagedError
from kymflow_zarr.importing.folders import is_there

REFERENCES = "References"
"""The folder next to the XML with images that show where the line lies."""
_TIFF = re.compile(r"(?P<scan>.+?)[_-]Cycle(?P<cycle>\d+)(?P<rest>.*)")
_SOURCE = re.compile(r"[_-].*Source")
"""How the name of the frame ends on which a line was drawn; version 4 does not name it in the XML."""
_MOST_BYTES = 2**27
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_DATE_IN_NAME = re.compile(r"(?<!\d)(\d{2})(\d{2})(\d{4})(?!\d)")
"""Month, day and year, as the program itself names a scan."""
_DATE = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4}) .+")
_LINE_SCAN = "linescan"
_LINE = "PVLinescanDefinition"
_SECONDS_PER_LINE = ("scanLinePeriod", "scanlinePeriod")
_DWELL_US = ("dwellTime",)
"""In µs in both versions: times the pixels of a line it is somewhat less than the time of a line, in s."""
_UM = {"x": ("micronsPerPixel XAxis", "micronsPerPixel_XAxis"), "y": ("micronsPerPixel YAxis", "micronsPerPixel_YAxis")}


class BrukerReader:
    """Reads `<scan>.xml` of a TIFF named `<scan>_Cycle…`."""

    name = "bruker_xml"

    def read(self, path: Path, shape: tuple[int, ...]) -> AcquisitionHeader | None:
        """Return what the XML says of one file; None where there is none, or it is no scan's; raises `HeaderError`."""
        xml = path_of_xml(path)
        scan = load_scan(xml) if xml is not None and xml.parent == path.parent else None
        return scan.files[path.name].header(scan.xml.stem) if scan is not None and path.name in scan.files else None


@dataclass(frozen=True, slots=True, kw_only=True)
class BrukerScan:
    """One XML, what it says of each file that it names, and the numbers of the cycles that are line scans."""

    xml: Path
    files: Mapping[str, "BrukerFile"]
    cycles: frozenset[int | None]

    def frame_of(self, path: Path) -> int | None:
        """Return the number of the frame whose line scan a file has, one channel of it; None for any other file."""
        file = self.files.get(path.name) if path.parent == self.xml.parent else None
        return file.frame if file is not None and file.is_line_scan else None

    def channels_of(self, path: Path) -> tuple[str, ...]:
        """Return the names of all files of the line scan of which a file is one channel."""
        frame = self.frame_of(path)
        return tuple(name for name, file in self.files.items() if file.is_line_scan and file.frame == frame)

    def is_first(self, path: Path, *, among: Collection[str]) -> bool:
        """Return whether a file is of the first line scan of several files."""
        there = [file.frame for name, file in self.files.items() if file.is_line_scan and name in among]
        return self.frame_of(path) == min(there, default=None)

    def is_companion(self, path: Path, *, of: Path | None = None) -> bool:
        """Return whether a file is no line scan, but shows where the line lies: of any of the scan, or of that of a file.

        Those in the folder of references are of all line scans, and a frame on which a line was drawn is of its cycle.
        """
        match = _TIFF.fullmatch(path.stem)
        if not match or match["scan"] != self.xml.stem or self.frame_of(path) is not None:
            return False
        cycles = self.cycles if of is None else {self.files[of.name].cycle}
        if path.parent.name == REFERENCES and path.parent.parent == self.xml.parent:
            return bool(cycles)
        named = self.files.get(path.name)
        is_source = named.is_source if named is not None else bool(_SOURCE.fullmatch(match["rest"]))
        return is_source and path.parent == self.xml.parent and int(match["cycle"]) in cycles


def path_of_xml(path: Path) -> Path | None:
    """Return the XML of the scan that a TIFF is of by its name, next to it or to its folder of references."""
    match = _TIFF.fullmatch(path.stem)
    if not match:
        return None
    folder = path.parent.parent if path.parent.name == REFERENCES else path.parent
    names = (folder / f"{match['scan']}{ending}" for ending in (".xml", ".XML"))
    return next(filter(is_there, names), None)


def load_scan(xml: Path) -> BrukerScan:
    """Return what an XML says; raise `HeaderError` where it cannot be read. One that is no scan's names no files."""
    try:
        status = xml.stat()
        files = _files_of(xml, status.st_mtime_ns, status.st_size)
    except (HeaderError, DamagedError, OSError) as error:
        raise HeaderError(f"{xml.name}: {error}") from error
    return BrukerScan(xml=xml, files=files, cycles=frozenset(one.cycle for one in files.values() if one.is_line_scan))


@dataclass(frozen=True, slots=True, kw_only=True)
class BrukerFile:
    """What the XML says of one file: of a recorded image, or of the frame on which a line was drawn (`is_source`).

    `frame` numbers the frames of the XML, each with a file for every channel. `state` has the state at the file's frame,
    `own` only what the frame or its sequence states itself; `line` and `scan_path` what the sequence states of the line.
    """

    frame: int
    channel: str
    sequence: Mapping[str, str]
    scan: Mapping[str, str]
    state: Mapping[str, str]
    own: Mapping[str, str]
    line: Mapping[str, str]
    scan_path: tuple[tuple[float, float], ...] = ()
    is_source: bool = False

    @property
    def is_line_scan(self) -> bool:
        """Whether the file has the lines of a line scan."""
        return not self.is_source and self.sequence.get("type", "").lower() == _LINE_SCAN

    @property
    def cycle(self) -> int | None:
        """The number of the cycle that the file was recorded in."""
        text = self.sequence.get("cycle", "")
        return int(text) if text.isascii() and text.isdecimal() else None

    def header(self, scan_name: str) -> AcquisitionHeader:
        """Return the header of the file; raises `HeaderError` where a number is none."""
        um, problem = self._um_per_pixel()
        seconds, no_time = self._seconds_per_line()
        dwell_s, no_dwell = self._dwell_s()
        acquired, no_date = _acquired(self.scan.get("date", ""), self.sequence.get("time", ""), scan_name)
        sizes = [] if self.is_source else [self.state.get(key, "") for key in ("linesPerFrame", "pixelsPerLine")]
        return AcquisitionHeader(
            shape=tuple(int(size) for size in sizes) if sizes and all(map(str.isdecimal, sizes)) else (),
            seconds_per_line=seconds,
            um_per_pixel=um,
            acquired_local_epoch_ns=acquired,
            channel_names=(self.channel,) if self.channel else (),
            dwell_s=dwell_s,
            scan_path=self.scan_path if self.is_line_scan else (),
            fields={
                "Scan": dict(self.scan),
                "Sequence": dict(self.sequence),
                "State": dict(self.state),
                **({"Line": dict(self.line)} if self.line else {}),
            },
            unread=tuple(text for text in (problem, no_time, no_dwell, no_date) if text),
        )

    def _seconds_per_line(self) -> tuple[float | None, str]:
        kind = self.sequence.get("type", "")
        if not self.is_line_scan:
            return None, f"no time of a line is stated: it is {'a frame' if self.is_source else repr(kind)}, no line scan"
        seconds = _number(self.own, _SECONDS_PER_LINE)
        return seconds, "" if seconds is not None else "its line scan states no time of a line; that of its head is another"

    def _dwell_s(self) -> tuple[float | None, str]:
        try:
            dwell_us = _number(self.state, _DWELL_US)
        except HeaderError as error:  # a line scan is of use without it
            return None, str(error)
        return None if dwell_us is None else dwell_us / 1e6, ""

    def _um_per_pixel(self) -> tuple[float | None, str]:
        x, y = _number(self.state, _UM["x"]), _number(self.state, _UM["y"])
        if not self.is_source and x is not None and y is not None and abs(x - y) > 1e-3 * x:
            return None, f"its pixels have {x} µm along x and {y} along y, and the line may run along either"
        return x, ""


@lru_cache(maxsize=4)
def _files_of(xml: Path, _mtime_ns: int, _size: int) -> dict[str, BrukerFile]:
    """Return what an XML says of each file by its name; read once for all files of a scan."""
    data = read_regular(str(xml), _MOST_BYTES)
    text = data.decode("utf-16" if data.startswith(_UTF_16) else "utf-8-sig", errors="replace")
    if re.search(r"<!\s*(DOCTYPE|ENTITY)", text, re.IGNORECASE):
        raise HeaderError("it has a document type, which no scan's has")  # it can define entities that unfold to any size
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise HeaderError(f"it is no sound XML: {error}") from error
    return dict(_files(root)) if root.tag == "PVScan" else {}


def _files(root: ElementTree.Element) -> Iterator[tuple[str, BrukerFile]]:
    head = _state(root)
    scan, numbers = dict(root.attrib), itertools.count()
    for sequence in root.iter("Sequence"):
        own_of_sequence, line = _state(sequence), sequence.find(_LINE)
        for frame in sequence.iter("Frame"):
            own, number = {**own_of_sequence, **_state(frame)}, next(numbers)
            for file in frame.iter("File"):
                of_file = partial(
                    BrukerFile,
                    frame=number,
                    channel=file.get("channelName", ""),
                    sequence=dict(sequence.attrib),
                    scan=scan,
                    line=dict(line.attrib) if line is not None else {},
                    scan_path=_path_of(line) if line is not None else (),
                )
                if name := file.get("filename"):
                    yield name, of_file(state={**head, **own}, own=own)
                if name := file.get("source"):
                    yield name, of_file(state=head or own, own={}, is_source=True)


def _path_of(line: ElementTree.Element) -> tuple[tuple[float, float], ...]:
    """Return the points (y, x) of a line in pixels of its frame; none of a kind of line whose points are not stated so.

    A straight line lies in one row of the frame, or ends in the row that it states; of a free one each point is stated.
    Circles, spirals and several lines are kinds of their own.
    """
    straight, free = line.findall("Line"), line.findall("Freehand")
    if len(straight) == 1 and not free:
        (one,) = straight
        last_row = "stopPixelY" if "stopPixelY" in one.attrib else "startPixelY"
        points = [_point(one, "startPixelY", "startPixelX"), _point(one, last_row, "stopPixelX")]
    else:
        points = [] if straight else [_point(one, "y", "x") for one in free]
    stated = tuple(point for point in points if point is not None)
    return stated if len(stated) == len(points) > 1 else ()


def _point(element: ElementTree.Element, *names: str) -> tuple[float, float] | None:
    try:
        y, x = (float(element.get(name, "")) for name in names)
    except ValueError:
        return None
    return (y, x) if math.isfinite(y) and math.isfinite(x) else None


def _state(element: ElementTree.Element) -> dict[str, str]:
    """Return the entries of an element's own `PVStateShard`, an indexed one as "key index"."""
    found: dict[str, str] = {}
    for shard in element.findall("PVStateShard"):
        for entry in shard:
            key = entry.get("key", "")
            if (value := entry.get("value")) is not None:
                found[key] = value
            for indexed in entry:
                for one in (indexed, *indexed):
                    index = " ".join(part for part in (indexed.get("index"), one.get("subindex")) if part)
                    if (value := one.get("value")) is not None:
                        found[f"{key} {index}"] = value
    return found


def _number(state: Mapping[str, str], names: tuple[str, ...]) -> float | None:
    text = next((state[name] for name in names if name in state), None)
    if text is None:
        return None
    try:
        return positive(float(text))
    except ValueError as error:
        raise HeaderError(f"its {names[0]} is no number: {text!r}") from error


def _acquired(date: str, time: str, scan_name: str) -> tuple[int | None, str]:
    """Return when a sequence was recorded, in ns since 1970, and why that is not known.

    The date is written as the computer's language has it; the scan's own name says which of its numbers is the month.
    """
    day, named = _DATE.fullmatch(date), _DATE_IN_NAME.search(scan_name)
    if not day or not named or [int(part) for part in day.groups()] != [int(part) for part in named.groups()]:
        return None, f"its date {date!r} may have the month first or the day, and the scan's name does not say which"
    month, first, year = (int(part) for part in day.groups())
    try:
        clock = datetime.strptime(time[:15], "%H:%M:%S.%f")
        midnight = datetime(year, month, first)
        saved = datetime.strptime(date, "%m/%d/%Y %I:%M:%S %p") if date.endswith(("AM", "PM")) else midnight
    except ValueError:
        return None, f"its date {date!r} and time {time!r} are written in another way"
    taken = midnight.replace(hour=clock.hour, minute=clock.minute, second=clock.second, microsecond=clock.microsecond)
    return wall_clock_ns(taken + timedelta(days=1) if taken < saved - timedelta(hours=12) else taken), ""
