"""Olympus' `.oir`, with the further files of a long scan, read with oirfile.

The rule of this room: the bytes of pixels are counted here by the blocks of the file, since oirfile puts zeros where a
plane or a part of it is missing. Of a line scan its axis T is the lines.
"""

import itertools
import struct
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from kymflow_core.calibration import positive
from kymflow_core.headers import AcquisitionHeader
from kymflow_core.headers.acquisition import ScanDirection, wall_clock_ns
from kymflow_core.images.formats.shared import Arrangement, load_library, reading
from kymflow_core.images.image_readers import ImageInFile
from kymflow_zarr.counted import counted
from kymflow_zarr.disk.steps import open_regular
from kymflow_zarr.errors import SourceError

_KIND = "Olympus' .oir"
_PYTHON = (3, 12)
"""The oldest Python that oirfile runs on."""
_HEAD = struct.Struct("<16s16sQQ")
"""The head of a file: a signature, its size and where its index of blocks is."""
_BLOCK = struct.Struct("<II")
"""The head of a block: its length and its kind."""
_UID, _PIXELS = 3, 4
_BEFORE_UID, _REFERENCE = 12, b"REF_"
_STATED = {"T": "TIMELAPSE", "Z": "ZSTACK"}


class OirReader:
    """Reads `.oir` files."""

    name = "olympus_oir"
    endings = (".oir",)

    def files_of(self, path: Path) -> Sequence[Path]:
        """Return the further files of a long scan: `<stem>_00001` and so on, without an ending."""
        found: list[Path] = []
        while (further := path.with_name(f"{path.stem}_{len(found) + 1:05}")).is_file():
            found.append(further)
        return found

    def read(self, path: Path) -> Sequence[ImageInFile]:
        """Return the image; raise `SourceError` where it cannot be read."""
        oirfile = load_library("oirfile", path, python=_PYTHON)
        with reading(path, _KIND), oirfile.OirFile(path) as oir:
            stated = _stated_lengths(oir.xml_metadata.get(oirfile.METADATA.LSMIMAGE, ()))
            arranged = Arrangement(path, "".join(oir.sizes), tuple(oir.sizes.values()))
            _check_lines(path, oir.sizes, stated)
            _check_bytes(path, oir.nbytes, there=sum(_bytes_of_planes(one) for one in (path, *self.files_of(path))))
            header, dtype = _header(oir, arranged), oir.dtype
            notes = tuple(_left_out(oir, stated))
        return [
            ImageInFile(pixels=arranged.pixels(dtype, lambda: _load(path)), axes=arranged.axes, header=header, notes=notes)
        ]


def _load(path: Path) -> NDArray[Any]:
    with reading(path, _KIND), load_library("oirfile", path, python=_PYTHON).OirFile(path) as oir:
        pixels: NDArray[Any] = oir.asarray()
        return pixels


def _bytes_of_planes(path: Path) -> int:
    """Return how many bytes of pixels a file has, by its index of blocks; those of the reference image do not count."""
    found, is_reference, end = 0, False, path.stat().st_size
    with open_regular(str(path)) as file:
        _, _, size, index = _HEAD.unpack(file.read(_HEAD.size))
        file.seek(index)
        offsets = np.frombuffer(file.read(max(0, min(size, end) - index))[4:], "<u8") if index < end else ()
        for at in itertools.takewhile(lambda offset: 0 < offset < end, map(int, offsets)):
            file.seek(at)
            length, kind = _BLOCK.unpack(file.read(_BLOCK.size).ljust(_BLOCK.size, b"\0"))
            if kind == _UID:
                is_reference = file.read(_BEFORE_UID + len(_REFERENCE)).endswith(_REFERENCE)
            elif kind == _PIXELS and not is_reference:
                found += min(length, end - at - _BLOCK.size)
    return found


def _check_bytes(path: Path, stated: int, *, there: int) -> None:
    if there != stated:
        raise SourceError(
            f"{path} states pixels of {stated} bytes, and {there} bytes of them are in it; it was not imported, since the "
            "others would be made up. Copy it again with all its files, or export it as TIFF"
        )


def _left_out(oir: Any, stated: Mapping[str, int]) -> Iterator[str]:
    """Yield what is stated of planes and channels that are not there."""
    for axis, name in _STATED.items():
        if axis in oir.sizes and stated.get(name, 0) > oir.sizes[axis]:
            yield f"it states {stated[name]} planes along {axis.lower()}; the {oir.sizes[axis]} that are in it were taken"
    named, channels = len(oir.channels), oir.sizes.get("C", oir.sizes.get("S", 1))
    verb = "was" if channels == 1 else "were"
    if named > channels:
        yield f"it names {counted(named, 'channel')}; {channels} of them with pixels {verb} taken"


def _stated_lengths(documents: Sequence[str]) -> dict[str, int]:
    """Return how long each axis is that was switched on."""
    found: dict[str, int] = {}
    for axis in ElementTree.fromstring(documents[0]).iter() if documents else ():
        inside = {_tag(one): one.text or "" for one in axis}
        if _tag(axis) == "axis" and axis.get("enable") == "true" and inside.get("maxSize", "").isdecimal():
            found[inside.get("axis", "")] = int(inside["maxSize"])
    return found


def _tag(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


def _check_lines(path: Path, sizes: Mapping[str, int], stated: Mapping[str, int]) -> None:
    """Raise `SourceError` where a scan of many times has one plane, of another number of lines."""
    times = stated.get(_STATED["T"], 1)
    if "T" not in sizes and times > 1:
        raise SourceError(
            f"{path} states {times} times, and has one plane of {sizes.get('Y')} lines: it is no complete line scan and no "
            "time series. It was not imported; copy it again with all its files, or export it as TIFF"
        )


def _header(oir: Any, arranged: Arrangement) -> AcquisitionHeader:
    scanner, units, scales = oir.scanner, oir.coord_units, oir.coord_scales
    named = oir.coords.get("C", [one.name for one in oir.channels] if len(oir.channels) == 1 else ())
    acquired, unread = _acquired(oir.datetime)
    direction: ScanDirection | None = None if scanner is None else "both-ways" if scanner.roundtrip else "one-way"
    return AcquisitionHeader(
        shape=arranged.shape[-2:],
        seconds_per_line=positive(scales.get("T")) if oir.is_linescan and units.get("T") == "second" else None,
        um_per_pixel=positive(scales.get("X")) if units.get("X") == "micrometer" else None,
        acquired_local_epoch_ns=acquired,
        channel_names=tuple(map(str, named)),
        scan_direction=direction,
        fields={"Scanner": {key: str(getattr(scanner, key)) for key in scanner.__slots__}} if scanner is not None else {},
        unread=unread,
    )


def _acquired(text: str | None) -> tuple[int | None, tuple[str, ...]]:
    """Return the microscope's wall-clock time, which is stated with its distance from UTC; "Z" is no laboratory's clock."""
    try:
        return (None, ()) if text is None or text.endswith("Z") else (wall_clock_ns(datetime.fromisoformat(text)), ())
    except ValueError:
        return None, (f"the date {text!r}",)
