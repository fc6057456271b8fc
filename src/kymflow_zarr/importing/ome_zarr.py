"""OME-Zarr images of other programs, 0.4 (zarr v2) and 0.5 (zarr v3), as the content of a record.

The rule of this room: only what the metadata state is taken; a folder that is no image, or is damaged, is refused with what
it is instead. Clauses are those of https://ngff.openmicroscopy.org/0.4 and 0.5.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kymflow_zarr.arrays.foreign import load_foreign_array
from kymflow_zarr.disk.blobs import Blobs
from kymflow_zarr.errors import KymflowZarrError, OlderDatasetError, SourceError
from kymflow_zarr.formats.strict_json import JsonObject, JsonValue
from kymflow_zarr.importing.content import FileContent
from kymflow_zarr.importing.folders import dataset_around, is_there
from kymflow_zarr.importing.zarr_folders import COLLECTION, as_object, load_ome_attributes
from kymflow_zarr.layout import GROUP_DOCUMENT, OME_LABELS, OME_VERSION, V2_ATTRIBUTES
from kymflow_zarr.record.ome import TYPES, OmeDescription, ome_order

OME_ATTRIBUTES = "ome_source"
"""The JSON artifact that keeps what the image's own metadata said."""

_OLDER_VERSION = "0.4"
_OF_TYPE = {"time": "t", "channel": "c"}
_OTHERS = {
    "plate": "is a plate of wells; import the images in its wells, one by one",
    "well": "is a well of a plate; import the images in it, one by one",
    COLLECTION: "is a collection of images; import those in it, such as the folder 0, one by one",
    OME_LABELS: "is a list of labels, not an image; import the image that has them",
}
"""What else OME-Zarr knows, by the key that tells it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OmeImage:
    """What the metadata of an OME-Zarr image say: no pixel of it was read.

    `array` is the key of the array of full resolution, `axes` one name a dimension of it, as this program names them.
    `attributes` is all that the metadata say.
    """

    path: Path
    array: str
    axes: tuple[str, ...]
    described: OmeDescription
    attributes: JsonObject
    notes: tuple[str, ...] = ()


def is_ome_folder(path: Path) -> bool:
    """Return whether a folder of any name is a zarr group, as an image in a collection is, and no part of our datasets."""
    is_group = is_there(path / GROUP_DOCUMENT) or is_there(path / V2_ATTRIBUTES)
    return is_group and dataset_around(path) is None


def find_ome_image(path: Path) -> OmeImage:
    """Return what the folder of an OME-Zarr image says of itself.

    Raises
    ------
    SourceError
        When it is no such folder, something else of OME-Zarr's, of a version that is not read, or damaged.
    OlderDatasetError
        When it is a dataset of the older program.
    """
    blobs = Blobs(path.absolute(), read_only=True)
    if not blobs.is_folder(""):
        raise SourceError(f"there is no folder {path}; an OME-Zarr image is a folder, whose name ends in .zarr")
    try:
        attributes = load_ome_attributes(blobs, path)
    except (OlderDatasetError, SourceError):
        raise
    except (KymflowZarrError, OSError) as error:
        raise SourceError(f"{path} cannot be read ({error})") from error
    image, notes = _first_image(attributes, path)
    axes = _axes(image.get("axes"), path)
    steps = _steps(image, len(axes))
    if blobs.is_folder(OME_LABELS):
        names = ", ".join(name for name in blobs.names(OME_LABELS) if blobs.is_folder(f"{OME_LABELS}/{name}"))
        notes = (*notes, f"its images of labels were not imported: {names or 'none that can be read'}")
    if steps is None:
        notes = (*notes, "the scales that it states do not fit its axes, and were not taken")
    return OmeImage(
        path=path,
        array=_array_key(image, path),
        axes=axes,
        described=OmeDescription(
            name=str(image.get("name") or path.name.removesuffix(".zarr").removesuffix(".ome")),
            steps=dict(zip(axes, steps, strict=True)) if steps else {},
            units=_units(image.get("axes"), axes),
            notes=as_object(image.get("metadata")),
        ),
        attributes=attributes,
        notes=notes,
    )


def read_ome_zarr(path: Path) -> FileContent:
    """Read an OME-Zarr image of another program, at its full resolution; a `ReadFile`.

    Its axes are put in the order t, c, z, y, x, so that the record is an OME-Zarr image too. Axes of length 1 other than y
    and x are left out, as of a TIFF. An image with one line at each time becomes one image of these lines. The JSON
    artifact `ome_source` keeps the metadata of the file.

    Raises
    ------
    SourceError
        As `find_ome_image`, and when its array is missing, of a kind that is not read, too large or damaged.
    """
    image = find_ome_image(path)
    pixels = _load(image)
    if pixels.ndim != len(image.axes):
        raise SourceError(f"{path} is damaged: it states the axes {image.axes} for pixels of shape {pixels.shape}")
    image, pixels = _with_lines_of_times(image, pixels)
    order = ome_order(image.axes)
    if order is None:
        raise SourceError(f"{path} is damaged: it states the axes {image.axes}, which make no image")
    kept = [at for at in order if image.axes[at] in "yx" or pixels.shape[at] != 1]
    dropped = tuple(at for at in range(pixels.ndim) if at not in kept)
    ranks = np.argsort(np.argsort(kept))
    return FileContent(
        pixels=np.ascontiguousarray(np.transpose(np.squeeze(pixels, axis=dropped), tuple(ranks))),
        axes=tuple(image.axes[at] for at in kept),
        json_artifacts={OME_ATTRIBUTES: image.attributes},
        notes=image.notes,
        ome=image.described,
    )


def _with_lines_of_times(image: OmeImage, pixels: NDArray[Any]) -> tuple[OmeImage, NDArray[Any]]:
    """Return an image that has one line at each time as one image of these lines, which are its y; others as they are."""
    sizes = dict(zip(image.axes, pixels.shape, strict=True))
    if sizes["y"] != 1 or sizes.get("t", 1) == 1 or sizes.get("z", 1) != 1:
        return image, pixels
    described = replace(
        image.described,
        steps={{"t": "y"}.get(axis, axis): step for axis, step in image.described.steps.items() if axis != "y"},
        units={{"t": "y"}.get(axis, axis): unit for axis, unit in image.described.units.items() if axis != "y"},
    )
    axes = tuple({"t": "y"}.get(axis, axis) for axis in image.axes if axis != "y")
    return replace(image, axes=axes, described=described), pixels.squeeze(image.axes.index("y"))


def _check_version(version: JsonValue, path: Path) -> None:
    if version not in (_OLDER_VERSION, OME_VERSION):
        raise SourceError(
            f"{path} has version {str(version)[:80]!r} of OME-Zarr; {_OLDER_VERSION} and {OME_VERSION} are read"
        )


def _first_image(attributes: JsonObject, path: Path) -> tuple[JsonObject, tuple[str, ...]]:
    """Return the first multiscale image, and a note on the others."""
    for key, what in _OTHERS.items():
        if key in attributes:
            raise SourceError(f"{path} {what}")
    images = attributes.get("multiscales")
    if not isinstance(images, list) or not images or not isinstance(images[0], Mapping):
        raise SourceError(f"{path} is a zarr group, but no OME-Zarr image: it has no 'multiscales'")
    # In 0.5 it is next to the images, in 0.4 in each, where it may be left out.
    _check_version(attributes.get("version", images[0].get("version", _OLDER_VERSION)), path)
    return images[0], (f"the first of its {len(images)} images was taken",) if len(images) > 1 else ()


def _first_dataset(image: JsonObject) -> JsonObject:
    """Return the entry of the array of full resolution: datasets are listed from largest to smallest ("multiscales")."""
    datasets = image.get("datasets")
    return as_object(datasets[0]) if isinstance(datasets, list) and datasets else {}


def _array_key(image: JsonObject, path: Path) -> str:
    key = _first_dataset(image).get("path")
    if not isinstance(key, str) or not key:
        raise SourceError(f"{path} is damaged: its metadata name no array of pixels")
    return key


def _axes(value: JsonValue, path: Path) -> tuple[str, ...]:
    """Return the axes as this program names them, by their names, else by their types."""
    entries = [as_object(one) for one in value] if isinstance(value, list) else []
    found = []
    for entry in entries:
        name = str(entry.get("name", "")).lower()
        found.append(name if name in TYPES else _OF_TYPE.get(str(entry.get("type")), name))
    if not {"y", "x"} <= set(found) or not set(found) <= set(TYPES) or len(set(found)) != len(found):
        raise SourceError(
            f"{path} has the axes {tuple(found)}; only t, c, z, y, x are read, each once, with y and x among them"
        )
    return tuple(found)


def _units(value: JsonValue, axes: Sequence[str]) -> dict[str, str]:
    units = [as_object(one).get("unit") for one in value] if isinstance(value, list) else []
    return {axis: unit for axis, unit in zip(axes, units, strict=False) if isinstance(unit, str)}


def _steps(image: JsonObject, count: int) -> list[float] | None:
    """Return the step along each axis, in the units of the axes; none where none is stated, None where they do not fit.

    The scale of the image is applied after that of the dataset ("coordinateTransformations").
    """
    steps: list[float] = []
    for holder in (_first_dataset(image), image):
        transformations = holder.get("coordinateTransformations")
        for one in transformations if isinstance(transformations, list) else ():
            scale = as_object(one).get("scale")
            if scale is None:
                continue
            if not isinstance(scale, list) or len(scale) != count or not all(map(_is_positive, scale)):
                return None
            steps = [step * float(factor) for step, factor in zip(steps or [1.0] * count, scale, strict=True)]
    return steps if all(map(_is_positive, steps)) else None


def _is_positive(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf


def _load(image: OmeImage) -> NDArray[Any]:
    blobs = Blobs(image.path.absolute(), read_only=True)
    try:
        return load_foreign_array(blobs, image.array)
    except FileNotFoundError as error:
        raise SourceError(f"{image.path} has lost its pixels: there is no array {image.array!r} in it") from error
    except (KymflowZarrError, OSError) as error:
        raise SourceError(f"{image.path} cannot be imported: {error}") from error
