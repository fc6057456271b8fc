"""Finds the header readers that other packages bring, through the entry-point group `napari_kymflow.header_readers`.

The rule of this room: a microscope's own file is believed before what was written into a TIFF, by whatever program, and
that before the older program's sidecar. So the readers of other packages come after our own of a microscope's file.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint

from kymflow_core.entry_points import load_entry_points
from kymflow_core.errors import HeaderError
from kymflow_core.headers.bruker import BrukerReader
from kymflow_core.headers.older_sidecar import OlderSidecarReader
from kymflow_core.headers.olympus import OlympusReader
from kymflow_core.headers.reader import HeaderReader
from kymflow_core.headers.scanimage import ScanImageReader
from kymflow_core.headers.tiff_metadata import ImageJReader, OmeXmlReader

GROUP = "napari_kymflow.header_readers"
OF_MICROSCOPES: tuple[HeaderReader, ...] = (OlympusReader(), BrukerReader())
IN_THE_TIFF: tuple[HeaderReader, ...] = (ScanImageReader(), OmeXmlReader(), ImageJReader())
OF_THE_OLDER_PROGRAM: tuple[HeaderReader, ...] = (OlderSidecarReader(),)


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundHeaderReaders:
    """The header readers that can be used, in the order in which they count, and why others cannot."""

    readers: tuple[HeaderReader, ...] = ()
    problems: tuple[str, ...] = ()


def find_header_readers(*, points: Sequence[EntryPoint] | None = None) -> FoundHeaderReaders:
    """Return our header readers and those that installed packages bring, in the order in which they count.

    Parameters
    ----------
    points
        The entry points; by default those that are installed. Each names a reader, or a class of them that is made
        without arguments.
    """
    others: list[HeaderReader] = []
    own = (*OF_MICROSCOPES, *IN_THE_TIFF, *OF_THE_OLDER_PROGRAM)

    def take(loaded: object) -> None:
        others.append(_checked(loaded, taken=[one.name for one in (*own, *others)]))

    problems = load_entry_points(GROUP, "header reader", take, points=points)
    return FoundHeaderReaders(readers=(*OF_MICROSCOPES, *others, *IN_THE_TIFF, *OF_THE_OLDER_PROGRAM), problems=problems)


@cache
def installed_header_readers() -> FoundHeaderReaders:
    """Return what `find_header_readers` finds, looked for once: an import asks for each file."""
    return find_header_readers()


def _checked(reader: object, *, taken: Sequence[str]) -> HeaderReader:
    if not isinstance(reader, HeaderReader):
        raise HeaderError("it is no header reader: it needs name and read")
    if not isinstance(reader.name, str) or not reader.name:
        raise HeaderError(f"its name must be text, such as 'leica_xml', not {reader.name!r}")
    if reader.name in taken:
        raise HeaderError(f"another header reader has the name {reader.name!r} already")
    return reader
