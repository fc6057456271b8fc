"""OME-TIFFs whose OME-XML says that they are one image: which files of a folder are one, and their pixels together.

The rule of this room: a file belongs to a set where the set's XML names it, it lies in the same folder, and it does not
state another UUID. No file outside the folder is opened, and each pixel is read from the file that has it, once.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kymflow_zarr.arrays.arrays import MAX_ARRAY_BYTES
from kymflow_zarr.disk.blobs import Blobs
from kymflow_zarr.disk.steps import open_regular
from kymflow_zarr.errors import KymflowZarrError, SourceError
from kymflow_zarr.formats.ome_xml import (
    OmeImage,
    OmePlanes,
    files_of,
    find_planes,
    has_own_planes,
    image_of_file,
    parse_ome_images,
    uuid_of_file,
)
from kymflow_zarr.formats.tiff_tags import TiffTags, is_described_as_ome
from kymflow_zarr.importing.content import FileContent
from kymflow_zarr.importing.tiff_pages import TiffImage, check_last_page, pages_of, read_pixels
from kymflow_zarr.importing.tiffs import content_of, load_tags, opened_tiff

_OME_NAMES = (".ome.tif", ".ome.tiff")
_COMPANION = ".companion.ome"
_NAMED = 3


def find_ome_sets(files: Sequence[Path]) -> dict[Path, list[Path]]:
    """Return the first file of each image that lies in several of some files, with the others.

    Files are looked at that are named as OME-TIFFs are (`.ome.tif`), lie next to a companion file (`.companion.ome`), or
    have a description that ends as OME-XML does. The XML of one file of a set is read, not that of all.
    """
    folders: dict[Path, dict[str, Path]] = {}
    for path in files:
        folders.setdefault(path.parent, {})[path.name] = path
    found: dict[Path, list[Path]] = {}
    for folder, there in folders.items():
        if len(there) > 1:
            for first, *others in _sets_in(folder, there):
                found[there[first]] = [there[name] for name in others]
    return found


def read_tiff_set_and_tags(paths: Sequence[Path]) -> tuple[FileContent, TiffTags]:
    """Read the files of one set as one image, and what is written in the first; axes as `read_tiff_and_tags`.

    Raises
    ------
    SourceError
        As `read_tiff_and_tags`, and when the files are not those of one set, or one of them is another file than the one
        that the set's XML names.
    """
    tags = load_tags(paths[0])
    images = parse_ome_images(tags.ome_xml, file_name=tags.described_in or tags.file_name) if tags.ome_xml else []
    members = tuple(path.name for path in paths)
    image = next((one for one in images if set(members) <= set(files_of(one, members))), None)
    if image is None:
        raise SourceError(
            f"{paths[0]} does not say that it is one image with {', '.join(members[1:][:_NAMED])}; import the files one by "
            "one, each with its name as the pattern"
        )
    described = _Described(image=image, count=len(images))
    planes, first = described.planes_in(paths)
    further = [one for one in images if one is not image and any(has_own_planes(one, name) for name in members)]
    pixels = described.read(paths, planes, first)
    merged = TiffImage(
        pages=first.pages,
        sizes=tuple(planes.sizes.items()),
        count=len(planes.pages),
        notes=(f"{len(paths)} files of a set in one record: {_listed(members)}", *planes.notes),
        others=tuple(str(tuple(one.size(axis) for axis in "TCZYX")) for one in further),
        elsewhere=planes.elsewhere,
        channels=planes.channels,
    )
    content = content_of(paths[0], merged, tags, pixels.reshape(merged.shape))
    return content, replace(tags, ome_channels=planes.channels)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Described:
    """An image of a set, and how many images its XML describes."""

    image: OmeImage
    count: int

    def planes_in(self, paths: Sequence[Path]) -> tuple[OmePlanes, TiffImage]:
        """Return which pages of the files are planes of the image, and the first of them as the file stores it."""
        counts: dict[str, int] = {}
        samples = 1
        for path in paths:
            with opened_tiff(path) as (tiff, tags):
                self._check_is_meant(path, tags)
                counts[path.name] = len(tiff.pages)
                samples = int(tiff.pages.first.samplesperpixel) if path == paths[0] else samples
        try:
            planes = find_planes(self.image, counts, samples=samples)
        except SourceError as error:
            raise SourceError(f"{paths[0]} cannot be imported: {error}") from error
        if planes is None:
            raise SourceError(f"{paths[0]}: its OME-XML names none of the {len(paths)} files of its set")
        name, number = planes.pages[0]
        with opened_tiff(next(path for path in paths if path.name == name)) as (tiff, _):
            first = TiffImage(pages=pages_of(tiff, [number], are_alike=False), sizes=(), count=1)
        return planes, first

    def read(self, paths: Sequence[Path], planes: OmePlanes, first: TiffImage) -> NDArray[Any]:
        """Return the planes in their order, each from its file."""
        shape = (len(planes.pages), *first.shape)
        nbytes = math.prod(shape) * first.dtype.itemsize
        if nbytes > MAX_ARRAY_BYTES:
            raise SourceError(
                f"{paths[0]}: the pixels of its set need {nbytes >> 30} GB; {MAX_ARRAY_BYTES >> 30} are the most"
            )
        places: dict[str, dict[int, int]] = {}
        for place, (name, number) in enumerate(planes.pages):
            places.setdefault(name, {})[place] = number
        (path, at), *rest = [(path, places[path.name]) for path in paths if path.name in places]
        part = self._read_one(path, list(at.values()), first)
        # Only now, when the bytes of a first file were there: a stated size takes no memory by itself.
        pixels: NDArray[Any] = np.empty(shape, first.dtype)
        pixels[list(at)] = part
        for path, at in rest:
            pixels[list(at)] = self._read_one(path, list(at.values()), first)
        return pixels

    def _read_one(self, path: Path, numbers: Sequence[int], first: TiffImage) -> NDArray[Any]:
        with opened_tiff(path) as (tiff, _):
            pages = pages_of(tiff, numbers, are_alike=self.count == 1)
            image = TiffImage(pages=pages, sizes=(("I", len(pages)),), count=len(pages))
            if (image.keyframe.shape, image.dtype) != (first.keyframe.shape, first.dtype):
                raise SourceError(
                    f"its planes are {image.dtype} of the shape {image.keyframe.shape}, those of its set {first.dtype} of "
                    f"{first.keyframe.shape}; import the files one by one, each with its name as the pattern"
                )
            check_last_page(tiff)
            return read_pixels(tiff, image)

    def _check_is_meant(self, path: Path, tags: TiffTags) -> None:
        stated = uuid_of_file(self.image, path.name)
        if stated and tags.uuid and stated != tags.uuid:
            raise SourceError(
                f"it states the UUID {tags.uuid}, and the OME-XML of {self.image.file_name} names the file with {stated}: "
                "it is of another set; put the right file in its place, or import the files one by one, each with its name "
                "as the pattern"
            )


def _sets_in(folder: Path, there: Mapping[str, Path]) -> Iterator[tuple[str, ...]]:
    """Yield the names of the files of each set in a folder."""
    has_companion = any(name.lower().endswith(_COMPANION) for name in _names_in(folder))
    done: set[str] = set()
    for name in sorted(there):
        if name in done or not (has_companion or name.lower().endswith(_OME_NAMES) or _is_described(there[name])):
            continue
        for image in _images_of(there[name]):
            members = files_of(image, there)
            if done.isdisjoint(members):
                done |= set(members)
                if len(members) > 1:
                    yield members


def _is_described(path: Path) -> bool:
    try:
        with open_regular(str(path)) as file:
            return is_described_as_ome(file)
    except (KymflowZarrError, OSError):  # reported where it is read
        return False


def _names_in(folder: Path) -> Sequence[str]:
    try:
        return Blobs(folder, read_only=True).names("")
    except (KymflowZarrError, OSError):  # reported where its files are read
        return ()


def _images_of(path: Path) -> list[OmeImage]:
    """Return the images of the XML that describes a file; none where that cannot be read, which its import reports."""
    try:
        tags = load_tags(path)
        images = parse_ome_images(tags.ome_xml, file_name=tags.described_in or tags.file_name) if tags.ome_xml else []
    except SourceError:
        return []
    return images if images and has_own_planes(image_of_file(images, path.name), path.name) else []


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= _NAMED else f"{names[0]} … {names[-1]}"
