"""What reads the pixels of a file: the protocol that any package can fill, and how its readers are found.

The rule of this room: a file's ending alone decides who reads it. What a header promises is compared with what was read,
and a file that has less is refused with both numbers.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import DTypeLike, NDArray

from kymflow_core.entry_points import load_entry_points
from kymflow_core.errors import ImageError, KymflowError
from kymflow_core.headers import AcquisitionHeader
from kymflow_zarr.errors import SourceError, whatever_is_raised
from kymflow_zarr.formats.tiff import TIFF_ENDINGS
from kymflow_zarr.formats.tiff_tags import TiffTags
from kymflow_zarr.importing.content import FileContent
from kymflow_zarr.importing.tiffs import read_tiff_and_tags
from kymflow_zarr.installed import entry_points

GROUP = "napari_kymflow.image_readers"
_OURS = "kymflow_core."
_ENDING = re.compile(r"\.[a-z0-9_-]+")
_AXES = frozenset("tczyx")
_KINDS = frozenset("biufc")
_MOST_TIMES = 1100
"""How many times its own size a file may unpack to, and more than deflate can (1032, zlib's technical details)."""
_ALWAYS_BELIEVED = 2**26


class LazyPixels(Protocol):
    """Pixels that may not be read yet: their shape and dtype, and the array itself when numpy asks for it."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The length of each dimension."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of a pixel."""

    def __array__(self) -> NDArray[Any]:
        """Return the pixels, read now."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DeferredPixels:
    """Pixels that `load` reads when they are asked for; `shape` and `dtype` are what the file states of them."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    load: Callable[[], NDArray[Any]]

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        """Return the pixels, read now."""
        return np.asarray(self.load(), dtype=dtype)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ImageInFile:
    """One image of a file.

    Parameters
    ----------
    pixels
        The pixels, lazily where possible.
    axes
        One name a dimension, of "t", "c", "z", "y", "x". For a line scan, "y" is the lines, so time, and "x" the pixels
        along the line.
    name
        What the image is called inside its file, where the file has several.
    header
        What the file itself states of the image; what it does not state is left out. Its `shape` is what the header says,
        (lines, pixels), or empty. A file with fewer lines than that is refused.
    notes
        Sentences for the person who imports.
    elsewhere, tags
        Of a TIFF: the other files of its set, and what is written in it, which header readers are asked about.
    """

    pixels: LazyPixels
    axes: tuple[str, ...]
    name: str = ""
    header: AcquisitionHeader = field(default_factory=AcquisitionHeader)
    notes: tuple[str, ...] = ()
    elsewhere: Mapping[str, int] = field(default_factory=dict)
    tags: TiffTags | None = None

    @classmethod
    def of_tiff(cls, content: FileContent, tags: TiffTags) -> Self:
        """Return what was read of a TIFF, or of a set of them."""
        return cls(pixels=content.pixels, axes=content.axes, notes=content.notes, elsewhere=content.elsewhere, tags=tags)


@runtime_checkable
class ImageReader(Protocol):
    """Reads one kind of image file. It has no state, and writes nothing."""

    @property
    def name(self) -> str:
        """What the calibration's source is called, such as "leica_lif"; in notes and in the table of images."""

    @property
    def endings(self) -> Sequence[str]:
        """How the names of its files end, in lower case, such as ".lif"."""

    def files_of(self, path: Path) -> Sequence[Path]:
        """Return the other files that belong to one: they are no images of their own, and a change of any is seen.

        They are in the folder of the file, or below it, and are there. No pixel is read to find out.
        """

    def read(self, path: Path) -> Sequence[ImageInFile]:
        """Return the images in a file.

        Raises
        ------
        SourceError
            When the file cannot be read; the message says why, and what to do. Whatever else is raised is reported as a
            failure of this file alone.
        """


@runtime_checkable
class ProjectReader(ImageReader, Protocol):
    """Reads files that may hold several images, of which each becomes a record."""

    def images_of(self, path: Path) -> Sequence[str]:
        """Return the names of the images that `read` returns, each once and none empty; no pixel is read to find out."""


class TiffReader:
    """Reads TIFFs, whose header is read by the header readers: from its tags, and from the files next to it."""

    name = "tiff"
    endings = TIFF_ENDINGS

    def files_of(self, path: Path) -> Sequence[Path]:
        """Return none: which TIFFs belong together, their XML says."""
        return ()

    def read(self, path: Path) -> Sequence[ImageInFile]:
        """Return the first image of a TIFF; raise `SourceError` where it cannot be read."""
        content, tags = read_tiff_and_tags(path)
        return (ImageInFile.of_tiff(content, tags),)


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundImageReaders:
    """The image readers that can be used, by the endings of their files, and why others cannot."""

    by_ending: Mapping[str, ImageReader] = field(default_factory=dict)
    problems: tuple[str, ...] = ()

    def reader_of(self, path: Path) -> ImageReader:
        """Return what reads a file; raise `SourceError` where nothing does."""
        reader = self.by_ending.get(path.suffix.lower())
        if reader is None:
            raise SourceError(
                f"{path} has an ending that no installed reader takes; {', '.join(self.by_ending)} are read"
                f"{''.join(f'. {problem[:1].upper()}{problem[1:]}' for problem in self.problems)}"
            )
        return reader

    def files_of(self, path: Path) -> tuple[Path, ...]:
        """Return the other files that belong to a file, sorted; none where its reader fails, which reading it reports."""
        reader = self.by_ending.get(path.suffix.lower())
        if reader is None:
            return ()
        try:
            with whatever_is_raised(partial(_failure_of, path, reader)):
                found = sorted({Path(one) for one in reader.files_of(path)} - {path})
        except SourceError:
            return ()
        return tuple(one for one in found if one.is_relative_to(path.parent) and ".." not in one.parts)

    def images_of(self, path: Path) -> tuple[str, ...]:
        """Return the names of the images in a file; an empty one where it is one image, or reading it will fail."""
        reader = self.by_ending.get(path.suffix.lower())
        if not isinstance(reader, ProjectReader):
            return ("",)
        try:
            with whatever_is_raised(partial(_failure_of, path, reader)):
                return tuple(dict.fromkeys(reader.images_of(path))) or ("",)
        except SourceError:
            return ("",)


def find_image_readers(*, points: Sequence[EntryPoint] | None = None) -> FoundImageReaders:
    """Return our image readers and those that installed packages bring.

    Parameters
    ----------
    points
        The entry points; by default those that are installed. Each names a reader, or a class of them that is made
        without arguments. A reader whose ending another one takes already is left out.
    """
    by_ending: dict[str, ImageReader] = {}

    def take(loaded: object) -> None:
        reader = _checked(loaded, by_ending)
        by_ending.update(dict.fromkeys(reader.endings, reader))

    take(TiffReader())
    found = entry_points(group=GROUP) if points is None else points
    # Ours first, so that which reader has an ending does not depend on the order of installation.
    own_first = sorted(found, key=lambda point: (not point.value.startswith(_OURS), point.name))
    problems = load_entry_points(GROUP, "image reader", take, points=own_first)
    return FoundImageReaders(by_ending=by_ending, problems=problems)


@cache
def installed_image_readers() -> FoundImageReaders:
    """Return what `find_image_readers` finds, looked for once: an import asks for each file."""
    return find_image_readers()


def read_image(path: Path, reader: ImageReader, name: str = "") -> tuple[ImageInFile, NDArray[Any]]:
    """Return an image of a file and its pixels: that of a name, else the first, with a note where the file has more.

    Raises
    ------
    SourceError
        When the file cannot be read, or has less in it than it states.
    """
    with whatever_is_raised(partial(_failure_of, path, reader)):
        images = tuple(reader.read(path))
        if not images:
            raise SourceError(f"{path} holds no image")
        image = _image_named(path, images, name) if name else images[0]
        if image.tags is not None:  # a TIFF: `tiff_pages` has compared its bytes with what it states
            return image, np.asarray(image.pixels)
        _check_stated(path, image, there=sum(one.stat().st_size for one in (path, *reader.files_of(path))))
        pixels = np.asarray(image.pixels)
    _check_read(path, image, pixels)
    return image if name else replace(image, notes=(*image.notes, *_others(images))), pixels


def _image_named(path: Path, images: Sequence[ImageInFile], name: str) -> ImageInFile:
    found = next((image for image in images if image.name == name), None)
    if found is None:
        there = ", ".join(repr(image.name) for image in images)
        raise SourceError(f"{path} holds no image named {name!r}; it has {there}")
    return found


def _others(images: Sequence[ImageInFile]) -> Iterator[str]:
    if len(images) > 1:
        named = [f"{image.name or number} {tuple(image.pixels.shape)}" for number, image in enumerate(images, 1)]
        yield (
            f"it holds {len(images)} images, and only the first is read, {named[0]}; the others are "
            f"{', '.join(named[1:6])}{' …' if len(named) > 6 else ''}: save each as a file of its own to import them"
        )


def _checked(reader: object, taken: Mapping[str, ImageReader]) -> ImageReader:
    if not isinstance(reader, ImageReader):
        raise ImageError("it is no image reader: it needs name, endings, files_of and read")
    if not isinstance(reader.name, str) or not reader.name:
        raise ImageError(f"its name must be text, such as 'leica_lif', not {reader.name!r}")
    if reader.name in {one.name for one in taken.values()}:
        raise ImageError(f"another image reader has the name {reader.name!r} already")
    endings = reader.endings
    are_endings = not isinstance(endings, str) and all(isinstance(one, str) and _ENDING.fullmatch(one) for one in endings)
    if not endings or not are_endings:
        raise ImageError(f"its endings must be several texts such as '.lif', in lower case, not {endings!r}")
    for ending in endings:
        if ending in taken:
            raise ImageError(f"the image reader {taken[ending].name!r} reads {ending} already")
    return reader


def _check_stated(path: Path, image: ImageInFile, *, there: int) -> None:
    """Raise `SourceError` for axes that no image has, and for a size that the bytes of the file cannot hold."""
    shape, axes = tuple(image.pixels.shape), tuple(image.axes)
    if len(shape) != len(axes) or len({*axes}) != len(axes) or not {"y", "x"} <= {*axes} <= _AXES:
        raise SourceError(f"{path} holds no image that can be imported: its axes are {axes}, its shape {shape}")
    stated = int(np.prod(shape, dtype=object)) * image.pixels.dtype.itemsize
    if stated > max(_ALWAYS_BELIEVED, _MOST_TIMES * there):
        raise SourceError(f"{path} states pixels of {stated} bytes, which {there} bytes cannot hold; copy it again")


def _check_read(path: Path, image: ImageInFile, pixels: NDArray[Any]) -> None:
    """Raise `SourceError` where pixels are not what the file states of them."""
    stated = image.pixels
    if pixels.dtype.kind not in _KINDS:
        raise SourceError(f"{path} has pixels of the type {pixels.dtype}, which are no numbers")
    if pixels.shape != tuple(stated.shape) or pixels.dtype != stated.dtype:
        raise SourceError(
            f"{path} states {stated.dtype} pixels of the shape {tuple(stated.shape)}, and {pixels.dtype} pixels of the "
            f"shape {pixels.shape} can be read; copy it again from the microscope"
        )
    lines, promised = pixels.shape[image.axes.index("y")], image.header.shape[-2:-1]
    if promised and lines < promised[0]:
        raise SourceError(
            f"the header of {path} states {promised[0]} lines, and {lines} can be read; it was not imported. Copy it again "
            "from the microscope"
        )


def _failure_of(path: Path, reader: ImageReader, error: Exception) -> SourceError:
    if isinstance(error, KymflowError | OSError):
        return SourceError(f"{path} cannot be imported: {error}")
    return SourceError(
        f"{path} cannot be imported: the image reader {reader.name} failed ({type(error).__name__}: {error})"
    )
