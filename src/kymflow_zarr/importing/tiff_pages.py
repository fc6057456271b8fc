"""The pages of one open TIFF that are its image: which they are, whether their bytes are there, and their pixels.

The rule of this room: what the file states is compared with the bytes that are there before memory is taken, and nothing is
filled in. Of an incomplete image the whole planes are read, and a note counts them, or it is refused with the numbers.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np
import tifffile
from numpy.typing import NDArray

from kymflow_zarr.arrays.arrays import MAX_ARRAY_BYTES
from kymflow_zarr.errors import SourceError
from kymflow_zarr.formats.ome_xml import describe_elsewhere, find_planes, has_own_planes, image_of_file, parse_ome_images
from kymflow_zarr.formats.tiff_tags import TiffTags

Page: TypeAlias = tifffile.TiffPage | tifffile.TiffFrame

_UNPACK_FACTORS = {"PACKBITS": 128, "LZW": 4096, "DEFLATE": 1100, "ADOBE_DEFLATE": 1100}
"""How many times more bytes a codec can unpack to, by its name in TIFF; rounded up."""
_ANY_FACTOR = 50_000
"""The same of any other codec: Zstandard packs a block of 128 KB into 3 bytes."""
_IMAGEJ_ORDERS = {"czt": "TZC", "default": "TZC", "ctz": "ZTC", "zct": "TCZ", "ztc": "CTZ", "tcz": "ZCT", "tzc": "CZT"}
"""The axes of ImageJ's `order`, the one that changes fastest last."""
_AGAIN = "copy it again from the microscope"


@dataclass(frozen=True, slots=True, kw_only=True)
class TiffImage:
    """The image of a TIFF.

    `sizes` are the letters and lengths of the axes before those of a page; a letter may stand twice. Where `count` is more
    than the number of pages, the planes follow each other in the bytes behind the first page. `channels` are those of the
    OME-XML's image that are there.
    """

    pages: tuple[Page, ...]
    sizes: tuple[tuple[str, int], ...]
    count: int
    notes: tuple[str, ...] = ()
    others: tuple[str, ...] = field(default=())
    elsewhere: Mapping[str, int] = field(default_factory=dict)
    channels: tuple[int, ...] = ()

    @property
    def keyframe(self) -> tifffile.TiffPage:
        """The page that says how all of them are stored."""
        return _key_of(self.pages[0])

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the values, in this machine's byte order."""
        if self.keyframe.dtype is None:
            raise SourceError("its pages hold numbers of a kind that is not read")
        return self.keyframe.dtype

    @property
    def letters(self) -> str:
        """One letter for each dimension of `read_pixels`."""
        return "".join(letter for letter, _ in self.sizes) + self.keyframe.axes

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of `read_pixels`."""
        return (*(size for _, size in self.sizes), *self.keyframe.shape)


def find_image(tiff: tifffile.TiffFile, tags: TiffTags) -> TiffImage:
    """Return the image that a TIFF is for; raise `SourceError` where the file does not have what it states."""
    if tags.ome_xml:
        found = _ome_image(tiff, tags)
        if found is not None:
            return found
    if tags.imagej:
        found = _imagej_image(tiff, tags)
        if found is not None:
            return found
    image = _first_series(tiff)
    if tags.described_in and not tags.ome_xml and image.count > 1:
        note = f"one file of a set that {tags.described_in} describes: how its {image.count} planes lie is not stated in it"
        return replace(image, notes=(*image.notes, note))
    return image


def read_pixels(tiff: tifffile.TiffFile, image: TiffImage) -> NDArray[Any]:
    """Return the pixels; raise `SourceError` where bytes of them are missing, or cannot be that many."""
    key, size = image.keyframe, tiff.filehandle.size
    nbytes = math.prod(image.shape) * image.dtype.itemsize
    if not nbytes:
        raise SourceError("holds no image: its pages state no pixels")
    if image.count > len(image.pages):
        return _read_following(tiff, image, nbytes)
    stored = [_check_page(page, size) for page in image.pages]
    if nbytes > MAX_ARRAY_BYTES:
        raise SourceError(f"its pixels need {nbytes >> 30} GB of memory; {MAX_ARRAY_BYTES >> 30} are the most")
    if key.compression == tifffile.COMPRESSION.NONE:
        pixels: NDArray[Any] = tifffile.TiffPageSeries(
            image.pages, (len(image.pages), *key.shape), image.dtype, "I" + key.axes
        ).asarray()
        return pixels.reshape(image.shape)
    packed = min(sum(stored), size)
    factor = _UNPACK_FACTORS.get(str(getattr(key.compression, "name", "")), _ANY_FACTOR)
    if nbytes > factor * packed:
        raise SourceError(
            f"it states pixels of {nbytes} bytes, and has {packed} packed bytes, which cannot hold them; {_AGAIN}"
        )
    return np.stack([_unpacked(page, image.dtype) for page in image.pages]).reshape(image.shape)


def check_last_page(tiff: tifffile.TiffFile) -> None:
    """Raise `SourceError` where the file was cut off before its last page: tifffile leaves out what is behind the cut."""
    size, pages = tiff.filehandle.size, len(tiff.pages)
    tiff.filehandle.seek(tiff.pages.next_page_offset or size)
    next_page = tiff.filehandle.read(tiff.tiff.offsetsize)
    if any(next_page) or len(next_page) < tiff.tiff.offsetsize:
        raise SourceError(f"is truncated: it has {size} bytes and {pages} pages, and more should follow; {_AGAIN}")


def _ome_image(tiff: tifffile.TiffFile, tags: TiffTags) -> TiffImage | None:
    """Return the first image that the OME-XML describes; None where it says nothing of this file's pages."""
    try:
        images = parse_ome_images(tags.ome_xml, file_name=tags.described_in or tags.file_name)
    except SourceError:  # the header's reader reports it
        return None
    count = len(tiff.pages)
    samples = int(tiff.pages.first.samplesperpixel)
    image = image_of_file(images, tags.file_name)
    planes = find_planes(image, {tags.file_name: count}, samples=samples)
    if planes is None:
        return None
    chosen = pages_of(tiff, [number for _, number in planes.pages], are_alike=len(images) == 1)
    further = [one for one in images if one is not image and has_own_planes(one, tags.file_name)]
    others = tuple(str(tuple(one.size(axis) for axis in "TCZYX")) for one in further)
    return TiffImage(
        pages=chosen,
        sizes=tuple(planes.sizes.items()),
        count=len(chosen),
        notes=(*describe_elsewhere(planes.elsewhere), *planes.notes),
        others=others,
        elsewhere=planes.elsewhere,
        channels=planes.channels,
    )


def pages_of(tiff: tifffile.TiffFile, numbers: Sequence[int], *, are_alike: bool) -> tuple[Page, ...]:
    """Return some pages of a TIFF, which are to be read as one image; `are_alike` where all pages are stored as the first.

    Raises
    ------
    SourceError
        When they are stored in different ways.
    """
    tiff.pages.useframes = are_alike
    if are_alike:
        tiff.pages.set_keyframe(numbers[0])
    chosen = tuple(tiff.pages[number] for number in numbers)
    _check_same(chosen)
    return chosen


def _imagej_image(tiff: tifffile.TiffFile, tags: TiffTags) -> TiffImage | None:
    """Return the stack that ImageJ's description states; None where the file's pages say more than it does."""
    first = tiff.pages.first
    stated = {axis: _count(tags, name) for axis, name in (("T", "frames"), ("Z", "slices"), ("C", "channels"))}
    if stated["C"] == first.samplesperpixel:
        stated["C"] = 1  # the values of each pixel, which Bio-Formats calls channels
    letters = _IMAGEJ_ORDERS.get(str(tags.imagej.get("order", "czt")).lower(), "TZC")
    sizes = {axis: stated[axis] for axis in letters}
    images = _count(tags, "images")
    if images > math.prod(sizes.values()):
        sizes = {"I": images}
    promised, found = math.prod(sizes.values()), len(tiff.pages)
    if promised == 1 and found == 1:
        return None
    if found > promised:
        return None
    if found == 1:
        return TiffImage(pages=(first,), sizes=tuple(sizes.items()), count=promised)
    tiff.pages.useframes = True
    tiff.pages.set_keyframe(0)
    slowest = next(axis for axis, size in sizes.items() if size > 1)
    each = promised // sizes[slowest]
    whole = found // each
    if not whole:
        raise SourceError(f"it has {found} of the {promised} images that its ImageJ description states; {_AGAIN}")
    pages = tuple(tiff.pages[number] for number in range(whole * each))
    notes = (
        f"incomplete: {whole * each} of the {promised} images that its ImageJ description states were imported, of {found} "
        "that are in the file"
    )
    sizes = {**sizes, slowest: whole}
    _check_same(pages)
    return TiffImage(
        pages=pages,
        sizes=tuple(sizes.items()),
        count=len(pages),
        notes=(notes,) if whole * each < promised else (),
    )


def _first_series(tiff: tifffile.TiffFile) -> TiffImage:
    """Return the first image that is no thumbnail (TIFF 6.0, NewSubfileType 1) and no mask of one (4)."""
    series = _all_series(tiff)
    images = [one for one in series if not (one.keyframe.is_reduced or one.keyframe.is_mask)] or series
    small = [_lengths(one) for one in series if one not in images]
    first = images[0]
    pages = tuple(page for page in first.pages if page is not None)
    if len(pages) < len(first.pages):
        raise SourceError(f"it has {len(pages)} of the {len(first.pages)} planes that it states; {_AGAIN}")
    shape, letters = _shape_and_axes(first)
    key = first.keyframe
    if len(shape) < 2:
        raise SourceError(f"holds no image: its pixels have the shape {shape}")
    each = math.prod(key.shape)
    count = math.prod(shape) // each if each else 0
    _check_stated(tiff, first, count * each)
    if count < len(pages):
        raise SourceError(f"it has {len(pages)} pages and states {count}; save it anew with another program")
    # The letters are those of the file, but where its axes are not those of its pages the file's own shape is all there is.
    leading = len(shape) - len(key.shape)
    fits = leading >= 0 and shape[leading:] == tuple(key.shape)
    sizes = tuple(zip(letters[:leading], shape[:leading], strict=True)) if fits else (("I", count),)
    notes = (f"thumbnails in it were left out: {', '.join(small[:5])}",) if small else ()
    if len(pages) > 1:
        _check_same(pages)
    others = tuple(_lengths(one) for one in images[1:])
    return TiffImage(pages=pages, sizes=sizes, count=count, notes=notes, others=others)


def _all_series(tiff: tifffile.TiffFile) -> list[tifffile.TiffPageSeries]:
    """Return the images, with their axes of length 1: since tifffile 2026.11 these have to be asked for."""
    found: Any = tiff.series
    return list(found(squeeze=False) if callable(found) else found)


def _shape_and_axes(series: Any) -> tuple[tuple[int, ...], str]:
    """Return the shape and axes of an image, with those of length 1: before tifffile 2026.11 functions return these."""
    get_shape = getattr(series, "get_shape", None)
    if get_shape is None:
        return tuple(series.shape), str(series.axes)
    return tuple(get_shape(squeeze=False)), str(series.get_axes(squeeze=False))


def _lengths(series: Any) -> str:
    """Return the shape of an image for a report, without axes of length 1."""
    return str(tuple(int(length) for length in series.shape if length != 1))


def _check_stated(tiff: tifffile.TiffFile, series: tifffile.TiffPageSeries, there: int) -> None:
    """Raise `SourceError` where tifffile's own JSON states more values than its pages have."""
    shaped = [one for one in _all_series(tiff) if one.kind == "shaped"]
    if series not in shaped or tiff.shaped_metadata is None:
        return
    stated = math.prod(tiff.shaped_metadata[shaped.index(series)]["shape"])
    if stated > there:
        raise SourceError(f"is incomplete: it has {there} of the {stated} values that its description states; {_AGAIN}")


def _check_same(pages: Sequence[Page]) -> None:
    """Raise `SourceError` where pages that are read as one image are stored in different ways."""
    key = _key_of(pages[0])
    for page in pages:
        if page.keyframe is not key and (page.shape, page.dtype) != (key.shape, key.dtype):
            raise SourceError(
                f"its pages have different shapes: {key.shape} and {page.shape}; save each as a TIFF of its own"
            )


def _check_page(page: Page, size: int) -> int:
    """Return how many bytes a page has; raise `SourceError` where some are missing or lie behind the end of the file."""
    key = _key_of(page)
    segments = list(zip(page.dataoffsets, page.databytecounts, strict=False))
    end = max((offset + count for offset, count in segments), default=0)
    if end > size:
        raise SourceError(f"is truncated: it has {size} bytes of at least {end}; {_AGAIN}")
    there = [(offset, count) for offset, count in segments if offset and count]
    stored, expected = sum(count for _, count in there), math.prod(key.chunked)
    word = "tiles" if key.is_tiled else "strips"
    if key.compression == tifffile.COMPRESSION.NONE:
        needed = _plain_bytes(key)
        # ImageJ up to 1.53t states too few rows per strip for tall images: bytes count, not strips.
        if len(there) < len(segments) or stored < needed:
            raise SourceError(
                f"is incomplete: {len(there)} of {max(expected, len(segments))} {word} are there, {stored} of {needed} "
                f"bytes; {_AGAIN}"
            )
        follow = all(a[0] + a[1] == b[0] for a, b in itertools.pairwise(segments))
        if not follow and (key.is_contiguous or len(segments) != expected):
            raise SourceError(f"its {len(segments)} {word} do not lie as its first page states; save it anew with ImageJ")
    elif len(there) < expected:
        raise SourceError(f"is incomplete: {len(there)} of {expected} {word} are there; {_AGAIN}")
    return stored


def _plain_bytes(key: tifffile.TiffPage) -> int:
    """Return how many bytes the pixels of a page take that is not packed; each row begins with a byte of its own."""
    bits = key.bitspersample if isinstance(key.bitspersample, int) else max(key.bitspersample)
    samples = 1 if key.planarconfig == tifffile.PLANARCONFIG.SEPARATE else key.samplesperpixel
    planes = key.samplesperpixel // samples * key.imagedepth
    if key.is_tiled:
        return math.prod(key.chunked) * key.tilelength * ((key.tilewidth * samples * bits + 7) // 8)
    return int(planes * key.imagelength * ((key.imagewidth * samples * bits + 7) // 8))


def _read_following(tiff: tifffile.TiffFile, image: TiffImage, nbytes: int) -> NDArray[Any]:
    """Return planes that follow each other behind the first page, as ImageJ and others write large stacks."""
    key, size = image.keyframe, tiff.filehandle.size
    start, each = key.dataoffsets[0], nbytes // image.count
    found = (size - start) // each if start else 0
    pages = len(tiff.pages)
    is_between = pages > 1 and tiff.pages[1].offset < start + nbytes
    if is_between or len(image.pages) > 1 or key.compression != tifffile.COMPRESSION.NONE or not key.is_contiguous:
        raise SourceError(f"is incomplete: it states {image.count} planes and has {pages} pages; {_AGAIN}")
    if found < image.count:
        raise SourceError(
            f"is truncated: {found} of the {image.count} planes that it states are in its {size} bytes; {_AGAIN}"
        )
    tiff.filehandle.seek(start)
    dtype = np.dtype(image.dtype).newbyteorder(tiff.byteorder)
    return tiff.filehandle.read_array(dtype, math.prod(image.shape)).reshape(image.shape)


def _unpacked(page: Page, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return the pixels of a packed page; raise `SourceError` where a strip or tile unpacks to fewer than it has."""
    key = _key_of(page)
    pixels = np.empty(key.shaped, dtype)
    _, depth, length, width, _ = key.shaped
    covered = 0
    for segment, (sample, z, y, x, _), _ in page.segments():
        if segment is not None:
            part = segment[: depth - z, : length - y, : width - x]
            pixels[sample, z : z + part.shape[0], y : y + part.shape[1], x : x + part.shape[2]] = part
            covered += part.size
    if covered < pixels.size:
        raise SourceError(f"is incomplete: its packed bytes hold {covered} of {pixels.size} values; {_AGAIN}")
    return pixels.reshape(key.shape)


def _count(tags: TiffTags, name: str) -> int:
    value = tags.imagej.get(name, 1)
    return value if isinstance(value, int) and value > 0 else 1


def _key_of(page: Page) -> tifffile.TiffPage:
    if page.keyframe is None:
        raise SourceError("its pages do not state how they are stored; save it anew with ImageJ")
    return page.keyframe
