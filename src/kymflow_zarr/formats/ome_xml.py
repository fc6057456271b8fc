"""OME-XML: what it says of an image, and which pages of one file, or of several, are which plane of it.

The rule of this room: no file is opened here, and a plane that is not in the files that are asked for is missing, not zero.
Clauses are those of the OME model, https://docs.openmicroscopy.org/ome-model/6.3.1/ome-tiff/specification.html.
"""

import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from xml.etree import ElementTree

from kymflow_zarr.errors import SourceError

_DOCUMENT_TYPE = re.compile(r"<!\s*(DOCTYPE|ENTITY)", re.IGNORECASE)
_ELSEWHERE = re.compile(r"""<(?:\w+:)?BinaryOnly\b[^>]*\bMetadataFile=(["'])(.*?)\1""")
_OWN_UUID = re.compile(r"""<(?:\w+:)?OME\b[^>]*\bUUID=(["'])(.*?)\1""")
_DEFAULT_ORDER = "XYCZT"
_PLANE_AXES = "TZC"
"""The axes other than y and x, in the order in which a record has them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OmeImage:
    """One image of OME-XML: the elements `Image` and `Pixels`, and the name and the UUID of the file that has the XML."""

    image: ElementTree.Element
    pixels: ElementTree.Element
    file_name: str
    uuid: str = ""

    def size(self, axis: str) -> int:
        """Return how long an axis is stated to be; 1 where it is not stated."""
        text = self.pixels.get(f"Size{axis}", "")
        return max(1, int(text)) if text.isascii() and text.isdecimal() and len(text) < len(str(2**63)) else 1


@dataclass(frozen=True, slots=True, kw_only=True)
class OmePlanes:
    """Which pages of some files are an image, plane after plane in the order of `sizes`: "T", "Z", "C".

    Each page is the name of its file and its number in it. `channels` are the numbers of the channels that are there, from
    0. `elsewhere` has the other files that hold planes of the image, each with how many.
    """

    pages: tuple[tuple[str, int], ...]
    sizes: Mapping[str, int]
    channels: tuple[int, ...]
    notes: tuple[str, ...] = ()
    elsewhere: Mapping[str, int] = field(default_factory=dict)


def is_ome_xml(text: str) -> bool:
    """Return whether the description of a TIFF is OME-XML."""
    return text.rstrip("\0 \r\n\t").endswith("OME>")


def parse_ome_images(xml: str, *, file_name: str) -> list[OmeImage]:
    """Return the images that the OME-XML in a file describes.

    Raises
    ------
    SourceError
        When the text is no XML, or describes no pixels.
    """
    if _DOCUMENT_TYPE.search(xml):
        # It can define entities that unfold to any size.
        raise SourceError("its OME-XML has a document type, which no OME-XML has")
    try:
        root = ElementTree.fromstring(xml.rstrip("\0"))
    except (ElementTree.ParseError, ValueError) as error:
        raise SourceError(f"its OME-XML is broken: {error}") from error
    found = [
        OmeImage(image=image, pixels=pixels, file_name=file_name, uuid=(root.get("UUID") or "").strip())
        for image in root.iter()
        if tag_of(image) == "Image"
        for pixels in image
        if tag_of(pixels) == "Pixels"
    ]
    if not found:
        raise SourceError("its OME-XML describes no pixels")
    return found


def image_of_file(images: Sequence[OmeImage], file_name: str) -> OmeImage:
    """Return the first image that has planes in a file; of XML that names only other files, the first."""
    return next((image for image in images if has_own_planes(image, file_name)), images[0])


def has_own_planes(image: OmeImage, file_name: str) -> bool:
    """Return whether a file has planes of an image, by what the XML says."""
    return any(_file_of(element, image, (file_name,)) == file_name for element in _entries(image))


def files_of(image: OmeImage, there: Collection[str]) -> tuple[str, ...]:
    """Return which of some files have planes of an image, in the order of their first planes."""
    sizes = {axis: image.size(axis) for axis in _PLANE_AXES}
    order = _order_of(image)
    first: dict[str, int] = {}
    for element in _entries(image):
        name = _file_of(element, image, there)
        start = _start(element, order, sizes)
        first[name] = min(first.get(name, start), start)
    return tuple(sorted(set(first).intersection(there), key=lambda name: (first[name], name)))


def uuid_of_file(image: OmeImage, file_name: str) -> str:
    """Return the UUID that an image's XML states of a file; empty where it states none."""
    uuids = (child for element in image.pixels for child in element if tag_of(child) == "UUID")
    return next(((one.text or "").strip() for one in uuids if one.get("FileName") == file_name), "")


def own_uuid(xml: str) -> str:
    """Return the UUID that a file states of itself in its OME-XML; empty where it states none."""
    found = _OWN_UUID.search(xml)
    return found[2].strip() if found else ""


def file_that_describes(xml: str) -> str:
    """Return the name of the other file whose OME-XML describes this one's pixels (`BinaryOnly`); empty for none."""
    found = _ELSEWHERE.search(xml)
    return found[2] if found else ""


def tag_of(element: ElementTree.Element) -> str:
    """Return an element's name without its schema, of which there are many versions."""
    return str(element.tag).rpartition("}")[2]


def find_planes(image: OmeImage, page_counts: Mapping[str, int], *, samples: int = 1) -> OmePlanes | None:
    """Return which pages of some files are the planes of an image.

    Parameters
    ----------
    image
        The image.
    page_counts
        How many pages each file has, by its name.
    samples
        How many values of each pixel, such as red, green and blue, stand in one page.

    Returns
    -------
    OmePlanes or None
        None where the XML names only other files, as it does after a file was renamed: it then says nothing of these.

    Raises
    ------
    SourceError
        When no page is there, or the pages are such that their places leave gaps in time or depth.
    """
    sizes = {axis: image.size(axis) for axis in _PLANE_AXES}
    sizes["C"] = max(1, sizes["C"] // samples) if sizes["C"] % samples == 0 else sizes["C"]
    own, others = _places(image, sizes, page_counts)
    if not own and others:
        return None
    there = {place: page for place, page in own.items() if page[1] < page_counts[page[0]]}
    where = "the file" if len(page_counts) == 1 else f"the {len(page_counts)} files of its set"
    if not there:
        raise SourceError(f"its OME-XML states {len(own)} planes, and none of them is in {where}")
    stated = len(own) if len(page_counts) == 1 else math.prod(sizes.values())
    kept = _box(there, image.pixels.get("DimensionOrder", _DEFAULT_ORDER), sizes)
    along = {axis: sorted({place[at] for place in kept}) for at, axis in enumerate(_PLANE_AXES)}
    gaps = [axis for axis in "TZ" if along[axis][-1] - along[axis][0] + 1 != len(along[axis])]
    if gaps:
        names = f" (not there: {', '.join(list(others)[:3])})" if others else ""
        raise SourceError(
            f"{len(there)} of its {stated} planes are in {where}, with gaps between them along {' and '.join(gaps)}"
            f"{names}; copy {where} again from the microscope"
        )
    return OmePlanes(
        pages=tuple(kept[place] for place in sorted(kept)),
        sizes={axis: len(places) for axis, places in along.items()},
        channels=tuple(along["C"]),
        notes=tuple(_notes(len(kept), len(there), stated, where)),
        elsewhere=others,
    )


def describe_elsewhere(elsewhere: Mapping[str, int]) -> Iterator[str]:
    """Yield a note on the planes of an image that other files hold; nothing where there are none."""
    if elsewhere:
        yield (
            f"one file of a set: {sum(elsewhere.values())} more planes of its image are in other files, such as "
            f"{next(iter(elsewhere))}; only the planes of this file were imported"
        )


def _notes(kept: int, there: int, stated: int, where: str) -> Iterator[str]:
    if kept < stated:
        extra = f", of {there} that are in {where}: the last ones are not complete" if kept < there else ""
        yield (
            f"incomplete: {kept} of the {stated} planes that its OME-XML states were imported{extra}; the others are "
            f"missing in {where}"
        )


def _places(
    image: OmeImage, sizes: Mapping[str, int], files: Collection[str]
) -> tuple[dict[tuple[int, ...], tuple[str, int]], dict[str, int]]:
    """Return the file and page of each place (t, z, c) in some files, and how many planes each other file has.

    The attributes of `TiffData` default as its clauses say: without IFD and PlaneCount it stands for all planes.
    """
    total = math.prod(sizes.values())
    order = _order_of(image)
    own: dict[tuple[int, ...], tuple[str, int]] = {}
    others: dict[str, int] = {}
    # In the order of their planes, so that one that states no number of planes ends where the next one begins.
    for element in sorted(_entries(image), key=lambda one: _start(one, order, sizes)):
        first, counted = _number(element, "IFD"), _number(element, "PlaneCount")
        start = _start(element, order, sizes)
        count = counted if counted is not None else total - start if first is None else 1
        name = _file_of(element, image, files)
        if name not in files:
            others[name] = others.get(name, 0) + (1 if counted is None else counted)
            continue
        for offset in range(min(count, total - start)):
            own[_place(order, sizes, start + offset)] = name, (first or 0) + offset
    return own, others


def _entries(image: OmeImage) -> list[ElementTree.Element]:
    """Return the elements that say where planes are; without any, all are in the file that has the XML."""
    return [element for element in image.pixels if tag_of(element) == "TiffData"] or [ElementTree.Element("TiffData")]


def _order_of(image: OmeImage) -> list[str]:
    return [axis for axis in image.pixels.get("DimensionOrder", _DEFAULT_ORDER) if axis in _PLANE_AXES]


def _start(element: ElementTree.Element, order: list[str], sizes: Mapping[str, int]) -> int:
    return _index(order, sizes, {axis: _number(element, f"First{axis}") or 0 for axis in order})


def _file_of(element: ElementTree.Element, image: OmeImage, files: Collection[str]) -> str:
    """Return the file that planes are in; where none of the files has the stated name, the UUID may say that it is its own.

    So a copy with another name does not take the place of the file that is named.
    """
    found = next((child for child in element if tag_of(child) == "UUID"), None)
    name, text = (found.get("FileName", ""), (found.text or "").strip()) if found is not None else ("", "")
    if name in files:
        return name
    is_own = not name or (image.uuid and text == image.uuid)
    return image.file_name if is_own else name


def _number(element: ElementTree.Element, name: str) -> int | None:
    text = element.get(name, "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < len(str(2**63)) else None


def _index(order: list[str], sizes: Mapping[str, int], place: Mapping[str, int]) -> int:
    index, step = 0, 1
    for axis in order:
        index += place[axis] * step
        step *= sizes[axis]
    return index


def _place(order: list[str], sizes: Mapping[str, int], index: int) -> tuple[int, ...]:
    found = dict.fromkeys(_PLANE_AXES, 0)
    for axis in order:
        index, found[axis] = divmod(index, sizes[axis])
    return tuple(found[axis] for axis in _PLANE_AXES)


def _box(
    there: dict[tuple[int, ...], tuple[str, int]], order: str, sizes: Mapping[str, int]
) -> dict[tuple[int, ...], tuple[str, int]]:
    """Return the planes of those steps, along the axis that was recorded last, which are complete."""
    slowest = next((axis for axis in reversed(order) if sizes.get(axis, 1) > 1 and axis in _PLANE_AXES), "T")
    at = _PLANE_AXES.index(slowest)
    steps: dict[int, set[tuple[int, ...]]] = {}
    for place in there:
        steps.setdefault(place[at], set()).add((*place[:at], *place[at + 1 :]))
    whole = set.union(*steps.values())
    expected = math.prod(len({rest[axis] for rest in whole}) for axis in range(len(_PLANE_AXES) - 1))
    complete = {step for step, rests in steps.items() if len(rests) == expected}
    if not complete:
        raise SourceError(f"only {len(there)} planes are in the file, and not one step along {slowest} is complete")
    return {place: page for place, page in there.items() if place[at] in complete}
