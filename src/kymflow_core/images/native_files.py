"""Files of other formats than TIFF in a folder: which files belong to each, and for which of them a TIFF stands.

The rule of this room: the TIFF that a microscope's program exported of a file, under the same name, is the record: one
scan is one record, and sidecars are the TIFF's.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from kymflow_core.images.image_readers import installed_image_readers
from kymflow_zarr.formats.tiff import TIFF_ENDINGS
from kymflow_zarr.importing.content import FileSets

OF_A_TIFF = "files in the microscope's own format"


def find_native_sets(files: Sequence[Path]) -> FileSets:
    """Return the files that belong to each file of another format than TIFF; a reader's own word, no pixel is read."""
    readers, found = installed_image_readers(), {*files}
    exported = {(path.parent, path.stem) for path in files if path.suffix.lower() in TIFF_ENDINGS}
    scans: dict[Path, Sequence[Path]] = {}
    companions: dict[Path, str] = {}
    for path in files:
        others = readers.files_of(path)
        if (path.parent, path.stem) in exported and path.suffix.lower() not in TIFF_ENDINGS:
            companions |= dict.fromkeys((path, *(one for one in others if one in found)), OF_A_TIFF)
        elif others:
            scans[path] = others
    owned = {*companions, *(one for others in scans.values() for one in others)}
    return FileSets(scans={path: others for path, others in scans.items() if path not in owned}, companions=companions)


def belong_to_one(paths: Sequence[Path]) -> bool:
    """Return whether the files of a record are one file with others that belong to it, not one a channel."""
    return not {*paths[1:]}.isdisjoint(installed_image_readers().files_of(paths[0]))


def with_native_sets(sets: FileSets, native: FileSets) -> FileSets:
    """Return which files belong together by what a header says and by what readers of other formats say."""
    owned = {*native.companions, *(one for others in native.scans.values() for one in others)}
    scans: Mapping[Path, Sequence[Path]] = {path: others for path, others in sets.scans.items() if path not in owned}
    return FileSets(scans={**scans, **native.scans}, companions={**sets.companions, **native.companions})
