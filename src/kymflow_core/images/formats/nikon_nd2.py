"""Nikon's `.nd2`, read with nd2.

The rule of this room: the frames that the file's map of chunks lists, with all their bytes, are counted here, since nd2
gives zeros for one that is missing. Of frames that are one pixel high, the axis T is the lines.
"""

import math
import re
import struct
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kymflow_core.calibration import positive
from kymflow_core.headers import AcquisitionHeader
from kymflow_core.images.formats.shared import Arrangement, load_library, reading, seconds_between
from kymflow_core.images.image_readers import ImageInFile
from kymflow_zarr.counted import counted
from kymflow_zarr.disk.steps import open_regular
from kymflow_zarr.errors import SourceError

_KIND = "Nikon's .nd2"
_END = struct.Struct("<32sQ")
"""The last bytes of a file: a signature, and where the map of chunks is."""
_CHUNK = struct.Struct("<IIQ")
"""The head of a chunk: a fixed number, the length of its name, and that of its data."""
_FRAME_TIME = 8
_FRAME = re.compile(rb"ImageDataSeq\|(\d+)!(.{16})", re.DOTALL)
_TIMES = b"CustomData|AcqTimesCache!"


class Nd2Reader:
    """Reads `.nd2` files: one position, in full resolution."""

    name = "nikon_nd2"
    endings = (".nd2",)

    def files_of(self, path: Path) -> Sequence[Path]:
        """Return none: the file is whole."""
        return ()

    def read(self, path: Path) -> Sequence[ImageInFile]:
        """Return the image; raise `SourceError` where it cannot be read."""
        nd2 = load_library("nd2", path)
        with reading(path, _KIND), nd2.ND2File(path) as file:
            if file.is_legacy or file.attributes.compressionType == "lossy":
                raise SourceError(
                    f"{path} is packed as JPEG 2000, which is not read of {_KIND}; export it as TIFF to import it"
                )
            chunks = _chunk_map(path)
            sizes, notes = _sizes_there(path, file, chunks)
            arranged = Arrangement(path, "".join(sizes), tuple(sizes.values()))
            header = _header(file, arranged, has_times=_TIMES in chunks)
            pixels = arranged.pixels(file.dtype, lambda: _load(path, sizes))
        return [ImageInFile(pixels=pixels, axes=arranged.axes, header=header, notes=notes)]


def _load(path: Path, sizes: Mapping[str, int]) -> NDArray[Any]:
    frames = math.prod(size for axis, size in sizes.items() if axis not in "CYXS")
    with reading(path, _KIND), load_library("nd2", path).ND2File(path) as file:
        pixels: NDArray[Any] = np.stack([file.read_frame(number) for number in range(frames)])
        return pixels.reshape(tuple(sizes.values()))


def _sizes_there(path: Path, file: Any, chunks: bytes) -> tuple[dict[str, int], tuple[str, ...]]:
    """Return the length of each axis by what is in the file; a time series that was stopped is shorter than it states."""
    sizes = dict(file.sizes)
    stated = math.prod(int(loop.count) for loop in file.experiment)
    packed = file.attributes.compressionType == "lossless"
    there = sorted({*_frames_there(path, chunks, least=0 if packed else _bytes_of_frame(file.attributes))})
    if len(there) == stated:
        return sizes, ()
    was_stopped = 0 < len(there) < stated and there == [*range(len(there))] and set(sizes) - set("CYXS") == {"T"}
    if was_stopped:
        return {**sizes, "T": len(there)}, (
            f"it states {stated} times, and the first {len(there)} are in it and were taken",
        )
    raise SourceError(
        f"{path} states {counted(stated, 'frame')}, and {len(there)} can be read; it was not imported, since it is not "
        "known which they are. Copy it again from the microscope, or export it as TIFF"
    )


def _bytes_of_frame(stated: Any) -> int:
    packed_tightly = stated.heightPx * (stated.widthPx or 0) * stated.componentCount * stated.bitsPerComponentInMemory // 8
    return max(int(packed_tightly), int(stated.heightPx * (stated.widthBytes or 0)))


def _chunk_map(path: Path) -> bytes:
    with open_regular(str(path)) as file:
        file.seek(-_END.size, 2)
        _, at = _END.unpack(file.read(_END.size))
        file.seek(at)
        _, name, length = _CHUNK.unpack(file.read(_CHUNK.size))
        file.seek(name, 1)
        return file.read(min(length, path.stat().st_size))


def _frames_there(path: Path, chunks: bytes, *, least: int) -> Iterator[int]:
    """Yield the numbers of the frames whose chunk has its bytes, `least` of them or more."""
    end = path.stat().st_size
    with open_regular(str(path)) as file:
        for number, place in _FRAME.findall(chunks):
            at, _ = struct.unpack("<QQ", place)
            file.seek(min(at, end))
            head = file.read(_CHUNK.size)
            _, name, length = _CHUNK.unpack(head) if len(head) == _CHUNK.size else (0, end, 0)
            if length >= _FRAME_TIME + least and at + _CHUNK.size + name + length <= end:
                yield int(number)


def _header(file: Any, arranged: Arrangement, *, has_times: bool) -> AcquisitionHeader:
    attributes, channels = file.attributes, file.metadata.channels or []
    lines = arranged.shape[-2] if arranged.is_line_scan else attributes.heightPx
    seconds, unread = seconds_between(_times(file), lines) if arranged.is_line_scan and has_times else (None, ())
    volume = channels[0].volume if channels else None
    is_length = volume is not None and volume.axesCalibrated[0] and volume.axesInterpretation[0] == "distance"
    names = [channel.channel.name for channel in channels]
    return AcquisitionHeader(
        shape=(int(lines), int(attributes.widthPx or 0)),
        seconds_per_line=seconds,
        um_per_pixel=positive(volume.axesCalibration[0]) if volume is not None and is_length else None,
        channel_names=tuple(map(str, names)) if all(names) else (),
        fields={
            "Image": {key: str(value) for key, value in attributes._asdict().items() if value is not None},
            "Text": {key: str(value) for key, value in file.text_info.items()},
        },
        unread=unread,
    )


def _times(file: Any) -> Sequence[float]:
    """Return when each frame was taken, in s."""
    times: Sequence[float] = file.events(orient="list").get("Time [s]", ())
    return times
