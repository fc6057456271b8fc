"""TIFF folders into a dataset: one record a file, each whole or not at all.

The rule of this room: storage does not know what lies beside a TIFF. How a file is read is an argument (`ReadFile`), and
one file that cannot be read is reported and does not stop the others.
"""

import errno
import fnmatch
import os
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd
import tifffile
from numpy.typing import NDArray

from kymflow_zarr._arrays import infer_axes
from kymflow_zarr._blobs import Blobs
from kymflow_zarr._export_document import DOCUMENT, load_export
from kymflow_zarr._json import JsonObject, JsonValue
from kymflow_zarr._root import load_attributes
from kymflow_zarr.errors import KymflowZarrError, SourceError
from kymflow_zarr.ome import OmeDescription

ARRAYS_FOLDER = "array_artifacts"
"""Beside a TIFF, or in the folder of one record: its masks and other arrays, also as TIFFs for other programs."""
TIFF_ENDINGS = (".tif", ".tiff")
_AXIS_LETTERS = frozenset("TZCYX")
_DEPTH = 3
"""Of the pixels of a record, below their dataset."""
UNREADABLE_TIFF = (
    tifffile.TiffFileError,
    struct.error,
    zlib.error,
    ValueError,
    LookupError,
    TypeError,
    ArithmeticError,
    AssertionError,
    RuntimeError,
    EOFError,
    MemoryError,
)
"""What tifffile was seen to raise over TIFFs with one bit flipped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileContent:
    """All that one file gives a record.

    `masks` are arrays that the metadata refer to. `image_id` is that of a record which the file was exported from; a new
    one is made where it is None, or taken. `computed_from` says, by the names of JSON and table artifacts, what they
    were computed from. `notes` are sentences for the person who imports: what is unknown, what contradicts what.
    `ome` is for the record's OME-Zarr metadata.
    """

    pixels: NDArray[Any]
    axes: tuple[str, ...]
    metadata: JsonObject = field(default_factory=dict)
    json_artifacts: Mapping[str, JsonValue] = field(default_factory=dict)
    table_artifacts: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    csv_gz_artifacts: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    array_artifacts: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    masks: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    computed_from: Mapping[str, JsonObject] = field(default_factory=dict)
    image_id: str | None = None
    notes: tuple[str, ...] = ()
    ome: OmeDescription | None = None


ReadFile: TypeAlias = Callable[[Path], FileContent]
Progress: TypeAlias = Callable[[int, int, str], None]
OnChanged: TypeAlias = Literal["skip", "reingest_if_changed"]
"""What becomes of a file that has changed since it was imported: it is said, or its record gets the new pixels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Channels:
    """How several files, one a channel, become one record.

    `group` returns, of the files that were found, the first of each such record with the others; `read` reads them.
    """

    group: Callable[[Sequence[Path]], Mapping[Path, Sequence[Path]]]
    read: Callable[[Sequence[Path]], FileContent]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedFile:
    """One file that became a record."""

    path: Path
    image_id: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MovedFile:
    """One file with the content of a record's file that is no longer where it was."""

    path: Path
    image_id: str
    was: Path
    further: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedFile:
    """One file or folder that could not be read, and why."""

    path: Path
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """What an import did.

    `replaced` are records that got the pixels of their changed file, `moved` files that were not imported since a record
    has their content already; `ZarrDataset.relink` takes up where they are now. `notes` are of no file of its own.
    """

    imported: tuple[ImportedFile, ...] = ()
    skipped: tuple[Path, ...] = ()
    changed: tuple[Path, ...] = ()
    failed: tuple[FailedFile, ...] = ()
    moved: tuple[MovedFile, ...] = ()
    replaced: tuple[ImportedFile, ...] = ()
    notes: tuple[str, ...] = ()

    def summary(self) -> str:
        """Return one line, such as "3 imported, 1 skipped"."""
        parts = [f"{len(self.imported)} imported", f"{len(self.skipped)} skipped"]
        if self.replaced:
            parts.insert(1, f"{len(self.replaced)} changed and read again")
        if self.moved:
            parts.append(f"{len(self.moved)} known, but moved to another folder or renamed")
        if self.changed:
            parts.append(f"{len(self.changed)} of these changed on disk since they were imported")
        if self.failed:
            parts.append(f"{len(self.failed)} failed")
        return ", ".join(parts)


IS_EXPORT = "it is an exported dataset; import that folder by itself"
"""Why a folder with TIFFs is passed over."""


def read_tiff(path: Path) -> FileContent:
    """Read a TIFF's pixels and axes, and nothing else.

    A 2-D TIFF is `y,x` whatever its own axes say ("TX" for a line scan: rows are lines, columns are pixels). The samples of
    a pixel, such as red, green and blue, become channels before `y,x`.

    Raises
    ------
    SourceError
        When the file is no TIFF, is truncated, or holds no image of at least 2 dimensions.
    """
    try:
        with tifffile.TiffFile(path) as tiff:
            series = _first_series(path, tiff)
            _check_complete(path, tiff, series)
            pixels = series.asarray()
            letters = str(series.axes)
            others = [str(one.shape) for one in tiff.series[1:]]
    except SourceError:
        raise
    except UNREADABLE_TIFF as error:
        raise SourceError(f"{path} cannot be read as a TIFF ({_one_line(error)})") from error
    except OSError as error:
        raise SourceError(f"{path} cannot be read ({error.strerror or error})") from error
    if letters == "TYX" and pixels.ndim == 3 and pixels.shape[1] == 1:
        # One line at each time, as OME-TIFF writes a line scan.
        pixels, letters = pixels[:, 0], "YX"
    if pixels.ndim < 2:
        raise SourceError(f"{path} holds no image: its pixels have the shape {pixels.shape}")
    notes: tuple[str, ...] = ()
    if others:
        text = (
            f"it holds {1 + len(others)} images, and only the first was imported, of the shape {pixels.shape}; the others "
            f"have {', '.join(others[:5])}: save each as a TIFF of its own to import them"
        )
        notes = (text,)
    samples = _samples_axis(letters, pixels.ndim)
    if samples is None:
        return FileContent(pixels=pixels, axes=_axes(letters, pixels.ndim), notes=notes)
    letters = letters.replace("S", "")
    channels = letters.index("Y")
    axes = _axes(f"{letters[:channels]}C{letters[channels:]}", pixels.ndim)
    note = f"a colour image: the {pixels.shape[samples]} values of each pixel became channels"
    return FileContent(pixels=np.ascontiguousarray(np.moveaxis(pixels, samples, channels)), axes=axes, notes=(*notes, note))


def _first_series(path: Path, tiff: tifffile.TiffFile) -> tifffile.TiffPageSeries:
    if not len(tiff.pages) or not tiff.series:
        raise SourceError(f"{path} is a TIFF without an image in it; copy it again from the microscope")
    return tiff.series[0]


def is_there(path: Path) -> bool:
    """Return whether there is a file; there is none whose name is longer than the disk can have."""
    try:
        return path.exists()
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            return False
        raise


def beside(tiff: Path, ending: str) -> Path:
    """Return the path of a file beside a TIFF with another ending, such as ".txt"; in capitals where only that is there."""
    usual, capitals = tiff.with_suffix(ending), tiff.with_suffix(ending.upper())
    return capitals if not is_there(usual) and is_there(capitals) else usual


def find_files(folder: Path, patterns: Sequence[str]) -> tuple[list[Path], list[FailedFile]]:
    """Return the files below a folder whose names match, sorted, and the folders that could not be looked into.

    Hidden files (such as `._x.tif`, which macOS writes beside `x.tif`), `.zarr` folders and a record's folder of arrays are
    passed over. An exported dataset below the folder is not taken apart: it is among those that could not be looked into.

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
    if not found and not failed and (dataset := dataset_around(folder)):
        raise SourceError(f"{folder} has no TIFF files: {dataset} is a dataset of this program already; open it instead")
    if not found and not failed:
        raise SourceError(f"no file named {wanted} in {folder} or its subfolders; nothing was imported")
    return found, failed


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
        folders[:] = sorted(
            name for name in folders if not name.startswith(".") and not name.endswith(".zarr") and name != ARRAYS_FOLDER
        )
        for name in names:
            if not name.startswith(".") and any(fnmatch.fnmatch(name.lower(), p.lower()) for p in patterns):
                yield Path(parent) / name


def _why_left_out(folder: Path) -> str:
    try:
        return IS_EXPORT if load_export(folder) else ""
    except SourceError as error:
        return str(error)


def _check_complete(path: Path, tiff: tifffile.TiffFile, series: tifffile.TiffPageSeries) -> None:
    # tifffile gives zeros, not an error, for strips that lie behind the end of a truncated file, and leaves out pages.
    size = tiff.filehandle.size
    pages = len(tiff.pages)
    tiff.filehandle.seek(tiff.pages.next_page_offset or size)
    next_page = tiff.filehandle.read(tiff.tiff.offsetsize)
    if any(next_page) or len(next_page) < tiff.tiff.offsetsize:
        raise SourceError(
            f"{path} is truncated: it has {size} bytes and {pages} pages, and more should follow; "
            "copy it again from the microscope"
        )
    end = max(
        (
            offset + count
            for page in series.pages
            if page is not None
            for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True)
        ),
        default=0,
    )
    if end > size:
        raise SourceError(f"{path} is truncated: it has {size} bytes of at least {end}; copy it again from the microscope")


def _samples_axis(letters: str, dimensions: int) -> int | None:
    """Return which dimension holds the samples of a pixel, where the others are known and none is of channels already."""
    others = letters.replace("S", "", 1)
    known = len(letters) == dimensions and set(others) <= _AXIS_LETTERS - {"C"} and len(set(others)) == len(others)
    return letters.index("S") if "S" in letters and known and {"Y", "X"} <= set(others) else None


def _axes(letters: str, dimensions: int) -> tuple[str, ...]:
    if dimensions > 2 and set(letters) <= _AXIS_LETTERS and len(set(letters)) == dimensions and {"Y", "X"} <= set(letters):
        return tuple(letter.lower() for letter in letters)
    return infer_axes(dimensions)


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
