"""Leica's `.lif`: the images of a project, read with liffile.

The rule of this room: of an "xt" scan the axis T is the lines. A step is the stated length over the steps between its ends.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from kymflow_core.headers import AcquisitionHeader
from kymflow_core.images.formats.shared import Arrangement, in_unit, load_library, reading
from kymflow_core.images.image_readers import ImageInFile
from kymflow_zarr.errors import SourceError

_KIND = "Leica's .lif"
_IMAGES = ".//Element/Data/Image"
_DIMENSIONS = "./Data/Image/ImageDescription/Dimensions/DimensionDescription"
_X, _Y, _T = "1", "2", "4"
"""Of `DimID`."""
_UM = {"m": 1e6}
_SECONDS = {"s": 1.0}


class LifReader:
    """Reads `.lif` files: line scans first, then images of lines; the report names what else a project has."""

    name = "leica_lif"
    endings = (".lif",)

    def files_of(self, path: Path) -> Sequence[Path]:
        """Return none: the file is whole."""
        return ()

    def images_of(self, path: Path) -> Sequence[str]:
        """Return the names of the images that can be read; raise as `read`."""
        return [image.name for image in self.read(path)]

    def read(self, path: Path) -> Sequence[ImageInFile]:
        """Return the images; raise `SourceError` where none of them can be read."""
        liffile = load_library("liffile", path)
        with reading(path, _KIND), liffile.LifFile(path) as lif:
            scans: list[ImageInFile] = []
            images: list[ImageInFile] = []
            others: list[tuple[str, SourceError]] = []
            names = _once([image.name for image in lif.images])
            for number, image in enumerate(lif.images):
                try:
                    arranged = Arrangement(path, "".join(image.dims), tuple(image.shape))
                except SourceError as error:
                    others.append((names[number], error))
                    continue
                (scans if arranged.is_line_scan else images).append(_image(path, number, names[number], image, arranged))
            if not scans and not images:
                raise others[0][1] if others else SourceError(f"{path} holds no image")
            stated = len(lif.xml_element.findall(_IMAGES))
        first, *rest = (*scans, *images)
        notes = _left_out([name for name, _ in others], stated=stated, given=len(names))
        return [replace(first, notes=tuple(notes)), *rest]


def _image(path: Path, number: int, name: str, image: Any, arranged: Arrangement) -> ImageInFile:
    dimensions = {one.get("DimID"): one for one in image.xml_element.findall(_DIMENSIONS)}
    lines, pixels = dimensions.get(_T if arranged.is_line_scan else _Y), dimensions.get(_X)
    counts = tuple(int(one.get("NumberOfElements", 0)) for one in (lines, pixels) if one is not None)
    entries = {"Image": {"Name": image.name}, **{f"Dimension {key}": dict(one.attrib) for key, one in dimensions.items()}}
    header = AcquisitionHeader(
        shape=counts if len(counts) == 2 else (),
        seconds_per_line=_step(lines, _SECONDS) if arranged.is_line_scan else None,
        um_per_pixel=_step(pixels, _UM),
        fields={**entries, **_acquired(image)},
    )
    return ImageInFile(
        pixels=arranged.pixels(image.dtype, lambda: _load(path, number)), axes=arranged.axes, name=name, header=header
    )


def _load(path: Path, number: int) -> NDArray[Any]:
    with reading(path, _KIND), load_library("liffile", path).LifFile(path) as lif:
        pixels: NDArray[Any] = lif.images[number].asarray()
        return pixels


def _acquired(image: Any) -> dict[str, dict[str, str]]:
    """Return the first time stamp, a FILETIME, so in UTC: what a laboratory's clock showed is not known from it."""
    stamps = image.timestamps
    return {} if stamps is None or not len(stamps) else {"Acquired": {"first time": str(stamps[0]), "time zone": "UTC"}}


def _step(dimension: Any, units: dict[str, float]) -> float | None:
    if dimension is None:
        return None
    count = int(dimension.get("NumberOfElements", 0))
    length = in_unit(float(dimension.get("Length", 0)), dimension.get("Unit"), units)
    return abs(length) / (count - 1) if length is not None and count > 1 else None


def _left_out(names: Sequence[str], *, stated: int, given: int) -> Iterator[str]:
    if given < stated:
        yield f"{given} of the {stated} images that it states can be read; others of the same name are left out"
    if names:
        yield f"{len(names)} of its images have no lines, or axes that are not read: {', '.join(names[:5])}"


def _once(names: Sequence[str]) -> list[str]:
    """Return the names, with the number of the image where one stands more than once, or is empty."""
    return [
        name if name and names.count(name) == 1 else f"{name} ({number})".strip() for number, name in enumerate(names, 1)
    ]
