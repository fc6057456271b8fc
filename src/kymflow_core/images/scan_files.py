"""Which files of a folder are one scan, by what its XML says: its channels, and images that show where its line lies.

The rule of this room: files are put together without a request only where XML says so: that of Bruker (Prairie), and before
OME-XML, which knows no cycles. A name alone does it on request (`channel_files`). No pixel is read to find out.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from kymflow_core.errors import HeaderError
from kymflow_core.headers.bruker import REFERENCES, BrukerScan, load_scan, path_of_xml
from kymflow_core.images.acquisition_file import read_for_import
from kymflow_core.images.channel_files import read_channels
from kymflow_zarr import FileContent, JsonValue
from kymflow_zarr.errors import SourceError
from kymflow_zarr.formats.tiff import TIFF_ENDINGS
from kymflow_zarr.importing.content import FileSets
from kymflow_zarr.importing.listing import FolderListing
from kymflow_zarr.importing.tiff_sets import find_ome_sets
from kymflow_zarr.importing.tiffs import read_tiff

REFERENCE = "reference"
"""How the arrays begin that show where the line of a scan lies; a JSON artifact of the same name says which file it was."""


def find_sets(files: Sequence[Path]) -> FileSets:
    """Return the channels of each line scan and its reference images, by their XML, and the files of each OME-TIFF set."""
    scan_of = _scans()
    found: dict[tuple[Path, int], list[Path]] = {}
    companions: dict[Path, str] = {}
    for path in files:
        scan = scan_of(path)
        if scan is None:
            continue
        if scan.is_companion(path):
            companions[path] = "reference images"
        elif (frame := scan.frame_of(path)) is not None:
            found.setdefault((scan.xml, frame), []).append(path)
    scans = {first: others for first, *others in found.values() if others}
    taken = {*companions, *(path for paths in found.values() for path in paths)}
    return FileSets(scans={**find_ome_sets([one for one in files if one not in taken]), **scans}, companions=companions)


def read_scan(paths: Sequence[Path], listing: FolderListing) -> FileContent:
    """Read the file of an image, or its files, with the reference images of its scan.

    Several files are an OME-TIFF set, by the OME-XML in them, or else one a channel.

    Raises
    ------
    SourceError
        As `read_for_import` and `read_channels`. A reference image that cannot be read is named in a note.
    """
    first = paths[0]
    scan = _scans()(first)
    is_line_scan = scan is not None and scan.frame_of(first) is not None
    if len(paths) > 1 and not is_line_scan and find_ome_sets(paths):
        return read_for_import(first, listing, paths[1:])
    content = read_channels(paths, listing) if len(paths) > 1 else read_for_import(first, listing)
    if scan is None or not is_line_scan:
        return content
    arrays, names, unread = _references(scan, first, listing)
    return replace(
        content,
        array_artifacts={**arrays, **content.array_artifacts},
        json_artifacts={**names, **content.json_artifacts},
        notes=(*content.notes, *_missing_channels(scan, paths, listing), *unread),
    )


def read_scan_file(path: Path, listing: FolderListing) -> FileContent:
    """Read an image of one file; as `read_scan`."""
    return read_scan((path,), listing)


def _scans() -> Callable[[Path], BrukerScan | None]:
    """Return a function that finds the scan that a file belongs to; None where no XML says so, or it cannot be read.

    It reads each XML once, however many files a scan has. The header's reader says what is wrong with one.
    """
    found: dict[Path, BrukerScan | None] = {}

    def scan_of(path: Path) -> BrukerScan | None:
        xml = path_of_xml(path)
        if xml is None:
            return None
        if xml not in found:
            try:
                found[xml] = load_scan(xml)
            except HeaderError:
                found[xml] = None
        return found[xml]

    return scan_of


def _missing_channels(scan: BrukerScan, paths: Sequence[Path], listing: FolderListing) -> Iterator[str]:
    """Yield a note where the XML names more channels of a scan than its record has."""
    stated = scan.channels_of(paths[0])
    missing = [name for name in stated if name not in {path.name for path in paths}]
    if missing:
        where = "which is a file of its own" if listing.names.issuperset(missing) else "which is not in the folder"
        there = len(stated) - len(missing)
        yield (
            f"incomplete: {there} of the {len(stated)} channels that {scan.xml.name} names for this scan "
            f"{'is' if there == 1 else 'are'} in the record, without {', '.join(missing)}, {where}"
        )


def _references(
    scan: BrukerScan, path: Path, listing: FolderListing
) -> tuple[dict[str, NDArray[Any]], dict[str, JsonValue], list[str]]:
    """Return the reference images of a scan as arrays, of each which file it was, and one note on those that fail."""
    folder = path.parent
    beside = [folder / name for name in listing.names]
    inside = [folder / REFERENCES / name for name in FolderListing.of(folder / REFERENCES).names]
    files = sorted(
        one for one in (*beside, *inside) if one.suffix.lower() in TIFF_ENDINGS and scan.is_companion(one, of=path)
    )
    arrays, names = dict[str, NDArray[Any]](), dict[str, JsonValue]()
    failed: dict[str, SourceError] = {}
    for number, file in enumerate(files, start=1):
        try:
            content = read_tiff(file)
        except SourceError as error:
            failed[file.name] = error
            continue
        arrays[f"{REFERENCE}_{number}"] = content.pixels
        names[f"{REFERENCE}_{number}"] = {"file": file.relative_to(folder).as_posix(), "axes": list(content.axes)}
    is_first = scan.is_first(path, among=listing.names)  # whose note it is, of all images of the scan
    return arrays, names, [_unread(failed, len(files))] if failed and is_first else []


def _unread(failed: Mapping[str, SourceError], count: int) -> str:
    return (
        f"the images of its scan lack {len(failed)} of {count} reference images ({', '.join(failed)}): "
        f"{next(iter(failed.values()))}; delete the images of the scan first, since those that are there are not read again"
    )
