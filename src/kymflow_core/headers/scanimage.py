"""What ScanImage writes into its TIFFs: a line of Matlab for each of its settings, and the time of each frame.

The settings are in the tag `Software` since ScanImage 2016 (`SI.…`), and in the description of ScanImage 2015
(`scanimage.SI.…`) and 3 (`state.…`).
Their names are those of ScanImage's own properties (docs.scanimage.org, "ScanImage BigTiff Specification").

The rule of this room: rows are times where the slow mirror stands still, or where each frame is one line; of any other
frame no time of a line is taken.
"""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

from kymflow_core.calibration import positive
from kymflow_core.errors import HeaderError
from kymflow_core.headers.acquisition import AcquisitionHeader, ScanDirection, wall_clock_ns
from kymflow_zarr.errors import SourceError
from kymflow_zarr.formats.tiff_tags import TiffTags
from kymflow_zarr.importing.tiffs import load_tags

_SETTINGS, _OF_VERSION_3 = "SI.", "state."
_PREFIX = "scanimage."
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_QUOTED = re.compile(r"'((?:[^']|'')*)'")
_LONGEST_ENTRY = 200
_TRUE, _FALSE = ("true", "1"), ("false", "0")


class ScanImageReader:
    """Takes the header from the settings that ScanImage wrote into a TIFF."""

    name = "scanimage_tiff"

    def read(self, path: Path, shape: tuple[int, ...]) -> AcquisitionHeader | None:
        """Return what ScanImage wrote; None for another TIFF; raises `HeaderError`."""
        try:
            return self.read_tags(load_tags(path), shape)
        except SourceError as error:
            raise HeaderError(str(error)) from error

    def read_tags(self, tags: TiffTags, shape: tuple[int, ...]) -> AcquisitionHeader | None:
        """Return what ScanImage wrote, of the tags of an open TIFF."""
        rows_are_frames = tags.page_lines == 1 and shape[-2] > 1
        if tags.software.startswith(_SETTINGS):
            return _header(_entries(tags.software), _entries(tags.description), rows_are_frames=rows_are_frames)
        if f"{_PREFIX}{_SETTINGS}" in tags.description:
            said = _entries(tags.description)
            return _header(said, said, rows_are_frames=rows_are_frames)
        if tags.description.startswith(_OF_VERSION_3):
            return _header_of_version_3(_entries(tags.description))
        return None


def _header(said: Mapping[str, str], of_frame: Mapping[str, str], *, rows_are_frames: bool) -> AcquisitionHeader:
    """Return the header of ScanImage 2015 and later."""
    pixels = positive(_number(said, "SI.hRoiManager.pixelsPerLine"))
    lines = positive(_number(said, "SI.hRoiManager.linesPerFrame"))
    is_one_region = said.get("SI.hRoiManager.mroiEnable", "0") in _FALSE
    acquired, unread = _acquired(of_frame.get("epoch"))
    sizes = [int(size) for size in ((pixels,) if rows_are_frames else (lines, pixels)) if size is not None]
    return AcquisitionHeader(
        shape=tuple(sizes) if is_one_region and len(sizes) == (1 if rows_are_frames else 2) else (),
        seconds_per_line=_seconds_per_line(said, rows_are_frames=rows_are_frames),
        um_per_pixel=_um_per_pixel(said.get("SI.hRoiManager.imagingFovUm", ""), pixels) if is_one_region else None,
        acquired_local_epoch_ns=acquired,
        channel_names=_channel_names(said),
        dwell_s=positive(_number(said, "SI.hScan2D.scanPixelTimeMean")),
        scan_direction=_direction(said.get("SI.hScan2D.bidirectional", "")),
        fields={"ScanImage": {key: text for key, text in said.items() if len(text) <= _LONGEST_ENTRY}},
        unread=unread,
    )


def _header_of_version_3(said: Mapping[str, str]) -> AcquisitionHeader:
    is_line_scan = said.get("state.acq.linescan") in _TRUE
    milliseconds = positive(_number(said, "state.acq.msPerLine"))
    return AcquisitionHeader(
        seconds_per_line=milliseconds / 1000 if is_line_scan and milliseconds is not None else None,
        fields={"ScanImage": {key: text for key, text in said.items() if len(text) <= _LONGEST_ENTRY}},
    )


def _seconds_per_line(said: Mapping[str, str], *, rows_are_frames: bool) -> float | None:
    if rows_are_frames:
        period, averaged = _number(said, "SI.hRoiManager.scanFramePeriod"), _number(said, "SI.hScan2D.logAverageFactor")
        return positive(period * (averaged or 1.0)) if period is not None else None
    stands_still = _number(said, "SI.hRoiManager.scanAngleMultiplierSlow") == 0
    return positive(_number(said, "SI.hRoiManager.linePeriod")) if stands_still else None


def _um_per_pixel(corners: str, pixels: float | None) -> float | None:
    """Return the step along x, of the corners of the field of view in µm: x and y of each, one after the other."""
    xs = [float(x) for x in _NUMBER.findall(corners)[::2]]
    return positive((max(xs) - min(xs)) / pixels) if xs and pixels else None


def _channel_names(said: Mapping[str, str]) -> tuple[str, ...]:
    """Return the names of the channels that were saved, which are stated by their numbers, from 1."""
    saved = [int(number) for number in re.findall(r"\d+", said.get("SI.hChannels.channelSave", ""))]
    names = [name.replace("''", "'") for name in _QUOTED.findall(said.get("SI.hChannels.channelName", ""))]
    return tuple(names[number - 1] for number in saved) if all(1 <= number <= len(names) for number in saved) else ()


def _direction(text: str) -> ScanDirection | None:
    return "both-ways" if text in _TRUE else "one-way" if text in _FALSE else None


def _acquired(text: str | None) -> tuple[int | None, tuple[str, ...]]:
    """Return when the first frame's acquisition began: year, month, day, hour, minute and seconds of the wall clock."""
    if text is None:
        return None, ()
    numbers = [float(number) for number in _NUMBER.findall(text)]
    try:
        year, month, day, hour, minute = map(int, numbers[:5])
        return wall_clock_ns(datetime(year, month, day, hour, minute) + timedelta(seconds=numbers[5])), ()
    except (ValueError, IndexError, OverflowError):
        return None, (f"the date {text!r}",)


def _number(said: Mapping[str, str], name: str) -> float | None:
    text = said.get(name, "").strip()
    return float(text) if _NUMBER.fullmatch(text) else None


def _entries(text: str) -> dict[str, str]:
    """Return the lines `name = value`."""
    pairs = (line.partition("=") for line in text.replace("\r", "\n").splitlines())
    return {name.strip().removeprefix(_PREFIX): value.strip() for name, is_there, value in pairs if is_there}
