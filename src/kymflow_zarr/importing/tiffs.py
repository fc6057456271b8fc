"""One TIFF as the content of a record: its pixels and axes, and what is written in it.

The rule of this room: storage does not know the files next to a TIFF. A file is opened once, and whatever goes wrong with
it is a `SourceError` of that file.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from kymflow_zarr.arrays.arrays import infer_axes
from kymflow_zarr.disk.steps import open_regular, read_regular
from kymflow_zarr.errors import DamagedError, SourceError
from kymflow_zarr.formats.tiff import TIFF_ENDINGS, UNREADABLE_TIFF, imagej_signed, is_imagej_signed
from kymflow_zarr.formats.tiff_tags import TiffTags, tags_of
from kymflow_zarr.importing.content import FileContent
from kymflow_zarr.importing.tiff_pages import TiffImage, check_last_page, find_image, read_pixels

_INSTALL_CODECS = "pip install imagecodecs"
_MOST_BYTES = 2**27
"""Of a file with the OME-XML of others."""
_AXIS_LETTERS = frozenset("TZCYX")
_TIMES = frozenset("TIQ")
"""Letters of an axis along which lines were recorded; "I" and "Q" are tifffile's for pages of which no more is stated."""


def read_tiff(path: Path) -> FileContent:
    """Read a TIFF's pixels and axes, and nothing else; as `read_tiff_and_tags`."""
    return read_tiff_and_tags(path)[0]


def read_tiff_and_tags(path: Path) -> tuple[FileContent, TiffTags]:
    """Read a TIFF's pixels and axes, and what is written in it.

    A 2-D TIFF is `y,x` whatever its own axes say ("TX" for a line scan: rows are lines, columns are pixels), and so is one
    that has a single line at each time. The samples of a pixel, such as red, green and blue, become channels before `y,x`.
    Of a file that belongs to a set, its own pixels are read, and no other file. The values are those that ImageJ shows:
    signed where it says that its 16-bit numbers are.

    Raises
    ------
    SourceError
        When the file is no TIFF, has not all the bytes that it states, or holds no image of at least 2 dimensions.
    """
    with opened_tiff(path) as (tiff, tags):
        tags = _with_description(path, tags)
        image = find_image(tiff, tags)
        check_last_page(tiff)
        pixels = read_pixels(tiff, image)
    return content_of(path, image, tags, pixels), replace(tags, ome_channels=image.channels)


def load_tags(path: Path) -> TiffTags:
    """Return what is written in a TIFF, without reading its pixels; raise `SourceError` where it cannot be read."""
    with opened_tiff(path) as (_, tags):
        return _with_description(path, tags)


@contextmanager
def opened_tiff(path: Path) -> Iterator[tuple[tifffile.TiffFile, TiffTags]]:
    """Open a TIFF with what is written in it; whatever goes wrong in the block is a `SourceError` of the file."""
    # These three would open other files, wherever the text in the file says that they are.
    own_pages_only: dict[str, Any] = {"is_ome": False, "is_mmstack": False, "is_ndtiff": False}
    with (
        _errors_of(path),
        # tifffile divides by the zeros that Bruker writes into its references, and numpy would warn of it.
        np.errstate(divide="ignore", invalid="ignore"),
        open_regular(str(path)) as file,
        tifffile.TiffFile(file, name=path.name, **own_pages_only) as tiff,
    ):
        if not len(tiff.pages):
            raise SourceError("is a TIFF without an image in it; copy it again from the microscope")
        yield tiff, tags_of(tiff, file_name=path.name)


def _with_description(path: Path, tags: TiffTags) -> TiffTags:
    """Return tags with the OME-XML of the file that describes a TIFF, where that lies next to it and can be read."""
    name = tags.described_in
    if not name or {"/", "\\"} & set(name) or name == path.name:
        return tags
    other = path.with_name(name)
    try:
        if other.suffix.lower() in TIFF_ENDINGS:
            with opened_tiff(other) as (_, found):
                return replace(tags, ome_xml=found.ome_xml)
        return replace(tags, ome_xml=read_regular(str(other), _MOST_BYTES).decode("utf-8-sig", errors="replace"))
    except (SourceError, DamagedError, OSError):  # as if it were not there, which a note says
        return tags


@contextmanager
def _errors_of(path: Path) -> Iterator[None]:
    """Turn whatever tifffile, a codec or the disk raises while a file is read into a `SourceError` that names the file."""
    try:
        yield
    except SourceError as error:
        text = str(error)
        whole = text.startswith(("is ", "holds "))
        raise SourceError(f"{path} {text}" if whole else f"{path} cannot be imported: {text}") from error
    except DamagedError as error:  # a pipe or a device
        raise SourceError(f"{error}; only files are imported") from error
    except UNREADABLE_TIFF as error:
        text = _one_line(error)
        if isinstance(error, ImportError) or "imagecodecs" in text:
            raise SourceError(
                f"{path} is packed in a way that needs the package imagecodecs ({text}): "
                f"install it with `{_INSTALL_CODECS}`, then import again"
            ) from error
        raise SourceError(f"{path} cannot be read as a TIFF ({text})") from error
    except OSError as error:
        raise SourceError(f"{path} cannot be read ({error.strerror or error})") from error


def content_of(path: Path, image: TiffImage, tags: TiffTags, pixels: NDArray[Any]) -> FileContent:
    """Return the pixels of a TIFF's image, in the order of `read_pixels`, as the content of a record."""
    pixels, letters = _without_ones(pixels, image.letters)
    pixels, letters = _lines_of_times(pixels, letters)
    if pixels.ndim < 2:
        raise SourceError(f"{path} holds no image: its pixels have the shape {pixels.shape}")
    pixels, values = _as_imagej_shows(pixels, tags)
    notes = (*image.notes, *values, *_others(image, pixels.shape))
    samples = _samples_axis(letters, pixels.ndim)
    if samples is None:
        return FileContent(pixels=pixels, axes=_axes(letters, pixels.ndim), notes=notes, elsewhere=image.elsewhere)
    letters = letters.replace("S", "")
    channels = letters.index("Y")
    axes = _axes(f"{letters[:channels]}C{letters[channels:]}", pixels.ndim)
    note = f"a colour image: the {pixels.shape[samples]} values of each pixel became channels"
    moved = np.ascontiguousarray(np.moveaxis(pixels, samples, channels))
    return FileContent(pixels=moved, axes=axes, notes=(*notes, note), elsewhere=image.elsewhere)


def _others(image: TiffImage, shape: tuple[int, ...]) -> Iterator[str]:
    if image.others:
        yield (
            f"it holds {1 + len(image.others)} images, and only the first was imported, of the shape {shape}; the others "
            f"have {', '.join(image.others[:5])}: save each as a TIFF of its own to import them"
        )


def _without_ones(pixels: NDArray[Any], letters: str) -> tuple[NDArray[Any], str]:
    """Return pixels without the dimensions of length 1 that are neither y nor x."""
    kept = [at for at, letter in enumerate(letters) if letter in "YX" or pixels.shape[at] != 1]
    return pixels.reshape([pixels.shape[at] for at in kept]), "".join(letters[at] for at in kept)


def _lines_of_times(pixels: NDArray[Any], letters: str) -> tuple[NDArray[Any], str]:
    """Return a line scan that is stored as one line at each time as lines of one image, each channel for itself."""
    sizes = dict(zip(letters, pixels.shape, strict=True))
    times = [letter for letter in letters if letter in _TIMES]
    if sizes.get("Y") != 1 or len(times) != 1 or not set(letters) <= {*times, *"CYXS"}:
        return pixels, letters
    pixels, letters = pixels.squeeze(letters.index("Y")), letters.replace("Y", "")
    order = sorted(letters, key=f"C{times[0]}XS".index)
    moved = np.ascontiguousarray(pixels.transpose([letters.index(letter) for letter in order]))
    return moved, "".join(order).replace(times[0], "Y")


def _as_imagej_shows(pixels: NDArray[Any], tags: TiffTags) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Return the values that ImageJ shows for those of the file, and a note where they are not what is stored."""
    function, begin, slope = (tags.imagej.get(key) for key in ("cf", "c0", "c1"))
    if function is None or (begin, slope) == (None, None):
        return pixels, ()
    if is_imagej_signed(tags.imagej, pixels.dtype):
        return imagej_signed(pixels), ()
    note = (
        f"ImageJ shows its values through a calibration (function {function}, c0 {begin}, c1 {slope}, unit "
        f"{tags.imagej.get('vunit', 'none')!r}); the values of the file were stored"
    )
    return pixels, (note,)


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
