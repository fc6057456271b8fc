"""Zeiss' `.czi`, read with czifile.

The rule of this room: its blocks are put together here, since czifile leaves zeros where one cannot be read. Of a line
scan the axis T is the lines, one pixel high.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kymflow_core.headers import AcquisitionHeader
from kymflow_core.images.formats.shared import Arrangement, in_unit, load_library, reading, seconds_between
from kymflow_core.images.image_readers import ImageInFile
from kymflow_zarr import JsonObject
from kymflow_zarr.errors import SourceError

_KIND = "Zeiss' .czi"
_METRES = {"m": 1e6}
_LETTERS = str.maketrans({"S": "P", "0": "S"})
"""Of czifile, "S" is a scene, another position, and "0" the samples of a pixel."""


class CziReader:
    """Reads `.czi` files: the whole image in full resolution."""

    name = "zeiss_czi"
    endings = (".czi",)

    def files_of(self, path: Path) -> Sequence[Path]:
        """Return none: the file is whole."""
        return ()

    def read(self, path: Path) -> Sequence[ImageInFile]:
        """Return the image; raise `SourceError` where it cannot be read."""
        czifile = load_library("czifile", path)
        with reading(path, _KIND), czifile.CziFile(path) as czi:
            letters, dtype = czi.axes.translate(_LETTERS), czi.dtype
            arranged = Arrangement(path, letters, tuple(czi.shape))
            header = _header(czi, arranged)
        return [ImageInFile(pixels=arranged.pixels(dtype, lambda: _load(path)), axes=arranged.axes, header=header)]


def _load(path: Path) -> NDArray[Any]:
    """Return the pixels of all blocks; raise `SourceError` where some are in no block."""
    with reading(path, _KIND), load_library("czifile", path).CziFile(path) as czi:
        pixels = np.zeros(czi.shape, czi.dtype)
        is_there = np.zeros(czi.shape[:-1], bool)
        for entry in czi.filtered_subblock_directory:
            block = entry.data_segment()
            stated = block.directory_entry
            if (stated.shape, stated.stored_shape) != (entry.shape, entry.stored_shape):
                raise ValueError(f"a block has the shape {stated.shape}, and its directory states {entry.shape}")
            tile = block.data(resize=True)
            place = tuple(
                slice(at - begin, at - begin + n) for at, begin, n in zip(entry.start, czi.start, tile.shape, strict=True)
            )
            pixels[place] = tile
            is_there[place[:-1]] = True
    missing = is_there.size - int(is_there.sum())
    if missing:
        raise SourceError(
            f"{path} states {is_there.size} pixels, and {missing} of them are in none of its blocks; it was not imported, "
            "since they would be made up. Export it as TIFF, or copy it again"
        )
    return pixels


def _header(czi: Any, arranged: Arrangement) -> AcquisitionHeader:
    document = _object(_object(_object(czi.metadata(raw=False)).get("ImageDocument")).get("Metadata"))
    information = _object(_object(document.get("Information")).get("Image"))
    stated = {key: value for key, value in information.items() if isinstance(value, str | int | float)}
    lines, pixels = stated.get("SizeT" if arranged.is_line_scan else "SizeY"), stated.get("SizeX")
    seconds, unread = _seconds_per_line(czi, arranged.shape[-2]) if arranged.is_line_scan else (None, ())
    distances = {
        one.get("Id"): one.get("Value")
        for one in _items(_object(_object(document.get("Scaling")).get("Items")).get("Distance"))
    }
    return AcquisitionHeader(
        shape=(lines, pixels) if isinstance(lines, int) and isinstance(pixels, int) else (),
        seconds_per_line=seconds,
        um_per_pixel=in_unit(distances.get("X"), "m", _METRES),
        channel_names=tuple(_channel_names(information)),
        fields={"Image": {key: str(value) for key, value in stated.items()}},
        unread=unread,
    )


def _seconds_per_line(czi: Any, lines: int) -> tuple[float | None, tuple[str, ...]]:
    """Return the time between lines by the times that were recorded, one a line; and why they were not used."""
    if not czi.header.attachment_directory_position:
        return None, ()
    times = next((one.data() for one in czi.attachments() if one.attachment_entry.name == "TimeStamps"), None)
    if times is None:
        return None, ()
    return seconds_between(times, lines)


def _channel_names(information: JsonObject) -> Iterator[str]:
    channels = _object(_object(information.get("Dimensions")).get("Channels")).get("Channel")
    for one in _items(channels):
        name = one.get("Name")
        if isinstance(name, str):
            yield name


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _items(value: Any) -> list[Mapping[str, Any]]:
    """Return the elements of one name, of which czifile makes a list only where there are several."""
    return [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, Mapping)]
