"""TIFF folders into a dataset: one record a file, each whole or not at all.

The rule of this room: storage does not know what lies beside a TIFF. How a file is read is an argument (`ReadFile`), and
one file that cannot be read is reported and does not stop the others.
"""

from pathlib import Path

import numpy as np
import tifffile

from kymflow_zarr.arrays.arrays import infer_axes
from kymflow_zarr.errors import SourceError
from kymflow_zarr.formats.tiff import UNREADABLE_TIFF
from kymflow_zarr.importing.content import FileContent

_AXIS_LETTERS = frozenset("TZCYX")


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
