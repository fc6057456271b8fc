"""What reads a header: the protocol that any package can fill, and how several of them make one header.

The rule of this room: the order of the readers decides. What one does not know is filled from the next; where a later one
states something else, the earlier one counts, and a note reports the contradiction. The TIFF's shape always wins.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Protocol, TypeGuard, runtime_checkable

from kymflow_core.errors import HeaderError
from kymflow_core.headers.acquisition import AcquisitionHeader
from kymflow_zarr.errors import KymflowZarrError, whatever_is_raised
from kymflow_zarr.formats.tiff_tags import TiffTags

_SAME_CALIBRATION = 1e-3
"""Two programs round one number differently: Olympus' own files differ in the fifth digit."""
_SAME_TIME_NS = 10**9
_UNITS = {"seconds_per_line": "seconds per line", "um_per_pixel": "µm per pixel"}


@runtime_checkable
class HeaderReader(Protocol):
    """Reads one kind of header, in a TIFF or in a file next to it. It has no state, and writes nothing."""

    @property
    def name(self) -> str:
        """What the calibration's source is called, such as "olympus_txt"; in notes and in the table of images."""

    def read(self, path: Path, shape: tuple[int, ...]) -> AcquisitionHeader | None:
        """Return the header of an image; None where there is no file of this kind.

        Parameters
        ----------
        path
            The TIFF.
        shape
            The shape of its pixels; the last two are lines and pixels.

        Returns
        -------
        AcquisitionHeader or None
            What is not said is left out. Its `shape` is what the header says, (lines, pixels) or (pixels,), for it to be
            compared with the image's; empty where it says nothing of it.

        Raises
        ------
        HeaderError
            When there is such a file, and it cannot be understood. The image is then read without it, and a note says so.
        """


@runtime_checkable
class TagsHeaderReader(HeaderReader, Protocol):
    """Reads what is written in the TIFF itself, from the tags of the file that the import has opened already."""

    def read_tags(self, tags: TiffTags, shape: tuple[int, ...]) -> AcquisitionHeader | None:
        """Return what `read` returns for the file that has these tags; raise as `read`."""


def reads_tags(reader: HeaderReader) -> TypeGuard[TagsHeaderReader]:
    """Return whether a header reader is a `TagsHeaderReader`; an import asks it of each reader for each file."""
    return _reads_tags(type(reader))


@cache
def _reads_tags(kind: type[HeaderReader]) -> bool:
    return hasattr(kind, "read_tags")


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundHeader:
    """The header that several readers made, and what a person who imports should know of it."""

    header: AcquisitionHeader
    notes: tuple[str, ...] = ()


def read_header(
    path: Path, shape: tuple[int, ...], readers: Sequence[HeaderReader], *, tags: TiffTags | None = None
) -> FoundHeader:
    """Return what all readers together know of the TIFF at `path`, whose pixels have `shape`; see the rule of this room.

    With `tags`, those of the open TIFF, a `TagsHeaderReader` does not open it again.
    """
    header = AcquisitionHeader(name=path.stem, shape=shape)
    notes: list[str] = []
    sources: dict[str, str] = {}
    for reader in readers:
        try:
            with whatever_is_raised(partial(_failure_of, reader)):
                if tags is not None and reads_tags(reader):
                    said = reader.read_tags(tags, shape)
                else:
                    said = reader.read(path, shape)
        except (HeaderError, KymflowZarrError) as error:
            notes.append(str(error))
            continue
        if said is not None:
            notes += [f"of the header {reader.name}: {text}; it is unknown" for text in said.unread]
            notes += _contradictions(reader.name, said, header, sources, shape)
            header = _filled(header, said)
            sources |= {key: reader.name for key in _UNITS if key not in sources and getattr(said, key) is not None}
    if (too_long := _dwell_that_no_line_has(header, shape)) is not None:
        notes.append(too_long)
        header = replace(header, dwell_s=None)
    source = ", ".join(dict.fromkeys(sources[key] for key in _UNITS if key in sources))
    return FoundHeader(header=replace(header, calibration_source=source or None), notes=tuple(notes))


def _failure_of(reader: HeaderReader, error: Exception) -> HeaderError:
    if isinstance(error, HeaderError):
        return HeaderError(f"the header {reader.name} was not used: {error}")
    return HeaderError(f"the header reader {reader.name} failed: {type(error).__name__}: {error}")


def _filled(header: AcquisitionHeader, said: AcquisitionHeader) -> AcquisitionHeader:
    return replace(
        header,
        seconds_per_line=header.seconds_per_line if header.seconds_per_line is not None else said.seconds_per_line,
        um_per_pixel=header.um_per_pixel if header.um_per_pixel is not None else said.um_per_pixel,
        acquired_local_epoch_ns=(
            said.acquired_local_epoch_ns if header.acquired_local_epoch_ns is None else header.acquired_local_epoch_ns
        ),
        channel_names=header.channel_names or said.channel_names,
        dwell_s=header.dwell_s if header.dwell_s is not None else said.dwell_s,
        scan_direction=header.scan_direction or said.scan_direction,
        scan_path=header.scan_path or said.scan_path,
        fields={**said.fields, **header.fields},
    )


def _dwell_that_no_line_has(header: AcquisitionHeader, shape: tuple[int, ...]) -> str | None:
    """Return a note where the pixels of a line take longer than the line."""
    seconds, dwell_s = header.seconds_per_line, header.dwell_s
    if seconds is None or dwell_s is None or dwell_s * shape[-1] <= seconds * (1 + _SAME_CALIBRATION):
        return None
    return (
        f"a dwell time of {dwell_s:.6g} s per pixel is stated, which {shape[-1]} pixels in {seconds:.6g} s per line cannot "
        "have; the dwell time is unknown"
    )


def _contradictions(
    name: str, said: AcquisitionHeader, header: AcquisitionHeader, sources: dict[str, str], shape: tuple[int, ...]
) -> list[str]:
    """Return what a reader says that is not so, or that an earlier one says otherwise."""
    notes = []
    if said.shape and said.shape[-2:] != shape[-len(said.shape[-2:]) :]:
        words = ("lines", "pixels")[-len(said.shape[-2:]) :]
        claimed = " of ".join(f"{number} {what}" for number, what in zip(said.shape[-2:], words, strict=True))
        notes.append(
            f"the header {name} says {claimed}, but the image has {shape[-2]} lines of {shape[-1]} pixels; the image's "
            "shape was taken"
        )
    for key, unit in _UNITS.items():
        one, other = getattr(header, key), getattr(said, key)
        if one is not None and other is not None and not math.isclose(one, other, rel_tol=_SAME_CALIBRATION):
            notes.append(f"{one:.6g} {unit} of {sources[key]} was taken; {name} says {other:.6g}")
    one, other = header.acquired_local_epoch_ns, said.acquired_local_epoch_ns
    if one is not None and other is not None and abs(one - other) > _SAME_TIME_NS:
        notes.append(f"the header {name} states another time of acquisition, which was not used")
    return notes
