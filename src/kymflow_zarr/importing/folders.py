"""The files below a folder, and the files next to a TIFF: only names are read."""

import errno
import fnmatch
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from kymflow_zarr.dataset.recognize import load_attributes
from kymflow_zarr.disk.blobs import Blobs
from kymflow_zarr.errors import KymflowZarrError, SourceError
from kymflow_zarr.exporting.document import DOCUMENT, load_export
from kymflow_zarr.importing import zarr_folders
from kymflow_zarr.importing.zarr_folders import ENDING, images_in
from kymflow_zarr.layout import ARRAYS_FOLDER
from kymflow_zarr.reports import FailedFile

_DEPTH = 3
"""Of the pixels of a record, below their dataset."""
IS_EXPORT = "it is an exported dataset; import that folder by itself"
PASSED_OVER = frozenset({IS_EXPORT, *zarr_folders.PASSED_OVER})
"""Why folders are skipped, which is no failure."""


def is_there(path: Path) -> bool:
    """Return whether there is a file; there is none whose name is longer than the disk can have."""
    try:
        return path.exists()
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            return False
        raise


def beside(tiff: Path, ending: str) -> Path:
    """Return the path of a file next to a TIFF with another ending, such as ".txt"; in capitals if only that is there."""
    usual, capitals = tiff.with_suffix(ending), tiff.with_suffix(ending.upper())
    return capitals if not is_there(usual) and is_there(capitals) else usual


def find_files(
    folder: Path, patterns: Sequence[str], *, left_out: Sequence[str] = ()
) -> tuple[list[Path], list[FailedFile]]:
    """Return the files below a folder whose names match, sorted, and the folders that could not be looked into.

    Hidden files (such as `._x.tif`, which macOS writes next to `x.tif`) and a record's array folder are skipped. A `.zarr`
    folder whose name matches counts as a file where it is an OME-Zarr image, and a collection of images as those in it. An
    exported dataset below the folder is not taken apart: it is among those that could not be looked into, and so are other
    `.zarr` folders; see `PASSED_OVER`. `left_out` says why files of some kinds cannot be read; where none is found, the
    message has it.

    Raises
    ------
    SourceError
        When the folder is missing, is a file, cannot be read, or has no file that matches.
    """
    wanted = " or ".join(repr(pattern) for pattern in patterns)
    if not is_there(folder):
        raise SourceError(f"there is no folder {folder}; give the folder that has the TIFF files")
    if not folder.is_dir():
        raise SourceError(f"{folder} is a file; give the folder that has the TIFF files")
    failed: list[FailedFile] = []
    found = sorted(_walk(folder, patterns, failed))
    if any(failure.path == folder for failure in failed):
        raise SourceError(f"the folder {folder} cannot be read ({failed[0].reason}); ask for permission to read it")
    is_empty = not found and all(failure.reason in zarr_folders.PASSED_OVER for failure in failed)
    if is_empty and (dataset := dataset_around(folder)):
        raise SourceError(f"{folder} has no TIFF files: {dataset} is a dataset of this program already; open it instead")
    if is_empty:
        skipped = "".join(f"; {one.path} was skipped: {one.reason}" for one in failed[:1])
        raise SourceError(
            f"no file named {wanted} in {folder} or its subfolders; nothing was imported{skipped}{_and(left_out)}"
        )
    return found, failed


def _and(sentences: Sequence[str]) -> str:
    return "".join(f". {sentence[:1].upper()}{sentence[1:]}" for sentence in sentences)


def dataset_around(folder: Path) -> Path | None:
    """Return the dataset of ours that a folder is, or lies in as a record or a part of one does."""
    for place in (folder, *folder.absolute().parents[:_DEPTH]):
        try:
            if load_attributes(Blobs(place, read_only=True)):
                return place
        except (KymflowZarrError, OSError):
            continue
    return None


def _walk(folder: Path, patterns: Sequence[str], failed: list[FailedFile]) -> Iterator[Path]:
    def on_error(error: OSError) -> None:
        failed.append(FailedFile(path=Path(error.filename), reason=error.strerror or str(error)))

    for parent, folders, names in os.walk(folder, onerror=on_error):
        if Path(parent) != folder and DOCUMENT in names and (reason := _why_left_out(Path(parent))):
            failed.append(FailedFile(path=Path(parent), reason=reason))
            folders.clear()
            continue
        shown = sorted(name for name in folders if not name.startswith(".") and name != ARRAYS_FOLDER)
        folders[:] = [name for name in shown if not name.lower().endswith(ENDING)]
        yield from _zarr_images([Path(parent) / name for name in shown if _is_wanted(name, patterns)], failed)
        for name in names:
            if not name.startswith(".") and _is_wanted(name, patterns):
                yield Path(parent) / name


def _is_wanted(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch.fnmatch(name.lower(), pattern.lower()) for pattern in patterns)


def _zarr_images(folders: Sequence[Path], failed: list[FailedFile]) -> Iterator[Path]:
    """Yield the images among some folders, or in them; links are not followed, as they are not to other folders."""
    for folder in folders:
        if folder.suffix.lower() == ENDING and not folder.is_symlink():
            images, reason = images_in(folder)
            yield from images
            failed += [FailedFile(path=folder, reason=reason)] if reason else []


def _why_left_out(folder: Path) -> str:
    try:
        return IS_EXPORT if load_export(folder) else ""
    except SourceError as error:
        return str(error)
