"""Zeiss' `.lsm`: a TIFF with a description of its own, read with tifffile.

The rule of this room: of a line scan the axis T is the lines, and their number is compared with what the pages have.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import tifffile

from kymflow_core.headers import AcquisitionHeader
from kymflow_core.images.formats.shared import in_unit, reading
from kymflow_core.images.image_readers import ImageInFile
from kymflow_zarr.disk.steps import open_regular
from kymflow_zarr.errors import SourceError
from kymflow_zarr.importing.tiffs import read_tiff

_KIND = "Zeiss' .lsm"
_LINE_SCANS = (2, 10)
"""`ScanType` of a line in time: along a straight line, and along a spline."""
_FIRST_DAY = datetime(1899, 12, 30)
"""From which the days of `Sample0time` count."""
_METRES, _SECONDS = {"m": 1e6}, {"s": 1.0}


class LsmReader:
    """Reads `.lsm` files."""

    name = "zeiss_lsm"
    endings = (".lsm",)

    def files_of(self, path: Path) -> Sequence[Path]:
        """Return none: the file is whole."""
        return ()

    def read(self, path: Path) -> Sequence[ImageInFile]:
        """Return the image; raise `SourceError` where it cannot be read."""
        content = read_tiff(path)
        with reading(path, _KIND), open_regular(str(path)) as file, tifffile.TiffFile(file, name=path.name) as tiff:
            stated = tiff.lsm_metadata
        if stated is None:
            raise SourceError(f"{path} is a TIFF without the description of an .lsm; call it .tif to import it as one")
        notes = tuple(note for note in content.notes if not note.startswith(("thumbnails in it", "a colour image")))
        return [ImageInFile(pixels=content.pixels, axes=content.axes, header=_header(stated), notes=notes)]


def _header(stated: Mapping[str, Any]) -> AcquisitionHeader:
    is_line_scan = stated.get("ScanType") in _LINE_SCANS
    lines = stated.get("DimensionTime" if is_line_scan else "DimensionY", 0)
    channels = stated.get("ChannelColors")
    names = channels.get("ColorNames", ()) if isinstance(channels, Mapping) else ()
    recording = stated.get("ScanInformation")
    acquired, unread = _acquired(recording.get("Sample0time") if isinstance(recording, Mapping) else None)
    plain = {key: value for key, value in stated.items() if isinstance(value, str | int | float)}
    return AcquisitionHeader(
        shape=(int(lines), int(stated.get("DimensionX", 0))),
        seconds_per_line=in_unit(plain.get("TimeIntervall"), "s", _SECONDS) if is_line_scan else None,
        um_per_pixel=in_unit(plain.get("VoxelSizeX"), "m", _METRES),
        channel_names=tuple(str(name) for name in names),
        fields={"LSM": {key: str(value) for key, value in plain.items()}, **acquired},
        unread=unread,
    )


def _acquired(days: object) -> tuple[dict[str, dict[str, str]], tuple[str, ...]]:
    """Return when the first sample was taken, for which no time zone is stated; and what could not be understood."""
    if not isinstance(days, float) or days == 0:
        return {}, ()
    try:
        taken = (_FIRST_DAY + timedelta(days=days)).isoformat(timespec="seconds")
    except (OverflowError, ValueError):
        return {}, (f"the time {days} of its first sample",)
    return {"Acquired": {"first time": taken, "time zone": "not stated"}}, ()
