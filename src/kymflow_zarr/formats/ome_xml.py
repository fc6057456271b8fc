"""The OME-XML of one TIFF: what it says of the first image, and which of the file's own pages are which plane of it.

The rule of this room: planes of other files are never looked up, and a plane that is not in this file is missing, not zero.
Clauses are those of the OME model, https://docs.openmicroscopy.org/ome-model/6.3.1/ome-tiff/specification.html.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from xml.etree import ElementTree

from kymflow_zarr.errors import SourceError

_DOCUMENT_TYPE = re.compile(r"<!\s*(DOCTYPE|ENTITY)", re.IGNORECASE)
_ELSEWHERE = re.compile(r"<(?:\w+:)?BinaryOnly\b[^>]*\bMetadataFile=\"([^\"]*)\"")
_DEFAULT_ORDER = "XYCZT"
_PLANE_AXES = "TZC"
"""The axes other than y and x, in the order in which a record has them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OmeImage:
    """One image of OME-XML: the elements `Image` and `Pixels`, and the file's own UUID."""

    image: ElementTree.Element
    pixels: ElementTree.Element
    uuid: str = ""

    def size(self, axis: str) -> int:
        """Return how long an axis is stated to be; 1 where it is not stated."""
        text = self.pixels.get(f"Size{axis}", "")
        return max(1, int(text)) if text.isascii() and text.isdecimal() and len(text) < len(str(2**63)) else 1


@dataclass(frozen=True, slots=True, kw_only=True)
class OmePlanes:
    """Which pages of a file are its image, plane after plane in the order of `sizes`: "T", "Z", "C".

    `elsewhere` has the other files that hold planes of the image, each with how many.
    """

    pages: tuple[int, ...]
    sizes: Mapping[str, int]
    notes: tuple[str, ...] = ()
    elsewhere: Mapping[str, int] = field(default_factory=dict)


def is_ome_xml(text: str) -> bool:
    """Return whether the description of a TIFF is OME-XML."""
    return text.rstrip("\0 \r\n\t").endswith("OME>")


def parse_ome_images(xml: str) -> list[OmeImage]:
    """Return the images that OME-XML describes.

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
        OmeImage(image=image, pixels=pixels, uuid=(root.get("UUID") or "").strip())
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
    """Return whether a file has planes of an image, by what the XML in it says."""
    entries = [element for element in image.pixels if tag_of(element) == "TiffData"]
    return not entries or any(_other_file(element, image.uuid, file_name) is None for element in entries)


def file_that_describes(xml: str) -> str:
    """Return the name of the other file whose OME-XML describes this one's pixels (`BinaryOnly`); empty for none."""
    found = _ELSEWHERE.search(xml)
    return found[1] if found else ""


def tag_of(element: ElementTree.Element) -> str:
    """Return an element's name without its schema, of which there are many versions."""
    return str(element.tag).rpartition("}")[2]


def find_planes(image: OmeImage, *, file_name: str, page_count: int, samples: int = 1) -> OmePlanes | None:
    """Return which of a file's pages are the planes of an image.

    Parameters
    ----------
    image
        The image.
    file_name
        The name of the file that the XML was read from.
    page_count
        How many pages the file has.
    samples
        How many values of each pixel, such as red, green and blue, stand in one page.

    Returns
    -------
    OmePlanes or None
        None where the XML names only other files, as it does after a file was renamed: it then says nothing of this one.

    Raises
    ------
    SourceError
        When no page is there, or the pages are such that their places leave gaps in time or depth.
    """
    sizes = {axis: image.size(axis) for axis in _PLANE_AXES}
    sizes["C"] = max(1, sizes["C"] // samples) if sizes["C"] % samples == 0 else sizes["C"]
    own, others, stated = _places(image, sizes, file_name)
    if not own and others:
        return None
    there = {place: page for place, page in own.items() if page < page_count}
    if not there:
        raise SourceError(f"its OME-XML states {stated} planes, and none of them is in the file")
    kept = _box(there, image.pixels.get("DimensionOrder", _DEFAULT_ORDER), sizes)
    along = {axis: sorted({place[at] for place in kept}) for at, axis in enumerate(_PLANE_AXES)}
    gaps = [axis for axis in "TZ" if along[axis][-1] - along[axis][0] + 1 != len(along[axis])]
    if gaps:
        raise SourceError(
            f"{len(there)} of its {stated} planes are in the file, with gaps between them along {' and '.join(gaps)}; copy "
            "the file again from the microscope"
        )
    return OmePlanes(
        pages=tuple(kept[place] for place in sorted(kept)),
        sizes={axis: len(places) for axis, places in along.items()},
        notes=tuple(_notes(len(kept), len(there), stated)),
        elsewhere=others,
    )


def describe_elsewhere(elsewhere: Mapping[str, int]) -> Iterator[str]:
    """Yield a note on the planes of an image that other files hold; nothing where there are none."""
    if elsewhere:
        yield (
            f"one file of a set: {sum(elsewhere.values())} more planes of its image are in other files, such as "
            f"{next(iter(elsewhere))}; each file of the set gives the planes that are in it"
        )


def _notes(kept: int, there: int, stated: int) -> Iterator[str]:
    if kept < stated:
        extra = f", of {there} that are in the file: the last ones are not complete" if kept < there else ""
        yield (
            f"incomplete: {kept} of the {stated} planes that its OME-XML states were imported{extra}; the others are "
            "missing in the file"
        )


def _places(
    image: OmeImage, sizes: Mapping[str, int], file_name: str
) -> tuple[dict[tuple[int, ...], int], dict[str, int], int]:
    """Return the page of each place (t, z, c) in this file, the planes of each other file, and how many this one promises.

    The attributes of `TiffData` default as its clauses say: without IFD and PlaneCount it stands for all planes.
    """
    total = math.prod(sizes.values())
    order = [axis for axis in image.pixels.get("DimensionOrder", _DEFAULT_ORDER) if axis in _PLANE_AXES]
    entries = [element for element in image.pixels if tag_of(element) == "TiffData"]
    own: dict[tuple[int, ...], int] = {}
    others: dict[str, int] = {}
    for element in entries or [ElementTree.Element("TiffData")]:
        first, counted = _number(element, "IFD"), _number(element, "PlaneCount")
        start = _index(order, sizes, {axis: _number(element, f"First{axis}") or 0 for axis in order})
        count = counted if counted is not None else total - start if first is None else 1
        name = _other_file(element, image.uuid, file_name)
        if name is not None:
            others[name] = others.get(name, 0) + count
            continue
        for offset in range(min(count, total - start)):
            own[_place(order, sizes, start + offset)] = (first or 0) + offset
    return own, others, len(own)


def _other_file(element: ElementTree.Element, uuid: str, file_name: str) -> str | None:
    """Return the name of the other file that planes are in; None where they are in this one."""
    found = next((child for child in element if tag_of(child) == "UUID"), None)
    if found is None:
        return None
    name, text = found.get("FileName", ""), (found.text or "").strip()
    return None if (uuid and text == uuid) or name in ("", file_name) else name


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


def _box(there: dict[tuple[int, ...], int], order: str, sizes: Mapping[str, int]) -> dict[tuple[int, ...], int]:
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
