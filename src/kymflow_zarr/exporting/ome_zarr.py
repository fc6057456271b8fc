"""An image, and its labels, as an OME-Zarr 0.5 folder of its own, for other programs.

The rule of this room: the folder appears whole or not at all, and never in the place of something else. Its axes come in
the order that OME-Zarr wants, so an image can be exported whose record is no OME-Zarr image as it lies.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kymflow_zarr import layout
from kymflow_zarr.arrays.arrays import check_axes, storable_array, write_array
from kymflow_zarr.disk.blobs import Blobs
from kymflow_zarr.disk.keys import inside
from kymflow_zarr.errors import DatasetExistsError, InvalidNameError, InvalidValueError
from kymflow_zarr.formats.strict_json import JsonObject, JsonValue
from kymflow_zarr.names import check_name
from kymflow_zarr.record.attributes import group_to_bytes
from kymflow_zarr.record.ome import OmeDescription, image_to_ome, label_to_ome, labels_to_ome, ome_order

SUFFIX = ".zarr"


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelImage:
    """Labels of an image: whole numbers, of which 0 is no label, or True and False, which become 1 and 0.

    `pixels` has the image's axes but for channels, in the image's order. `properties` says more of each label.
    """

    pixels: NDArray[Any]
    properties: Mapping[int, JsonObject] = field(default_factory=dict)


def write_ome_zarr(
    target: Path,
    pixels: ArrayLike,
    *,
    axes: Sequence[str],
    described: OmeDescription | None = None,
    labels: Mapping[str, LabelImage] | None = None,
) -> None:
    """Write an image as an OME-Zarr 0.5 folder.

    Parameters
    ----------
    target
        The folder, whose name ends in `.zarr`, by custom in `.ome.zarr`; nothing may be there.
    pixels
        The image.
    axes
        One name a dimension: t, c, z, y, x, with two or three of z, y, x among them.
    described
        The steps along the axes, their units, and the image's name; without, every step is 1.
    labels
        Images of labels by name.

    Raises
    ------
    DatasetExistsError
        When there is something at `target`, even if it came there only now.
    InvalidNameError, InvalidValueError
        When the name of the folder or of labels is not allowed, or the axes or labels are no image's.
    NotSavedError, ReadOnlyError
        When the disk fails, is full or cannot be written; then nothing is at `target`.
    """
    image = storable_array(pixels)
    names = check_axes(axes, image.ndim)
    if ome_order(names) is None:
        raise InvalidValueError(
            f"not exported: an image with the axes {names} is none of OME-Zarr's; t, c, z, y, x are, with two of z, y, x"
        )
    target = target.absolute()
    _check_target(target)
    found = labels or {}
    label_axes = tuple(axis for axis in names if axis != "c")
    label_shape = tuple(size for size, axis in zip(image.shape, names, strict=True) if axis != "c")
    for name, label in found.items():
        _check_label(name, label, label_shape)
    said = described or OmeDescription()
    place = Blobs(target.parent, read_only=False)
    try:
        with place.build(target.name, keep_reserve=True, replace=False) as draft:
            _write_group(draft, "", image_to_ome(_write_array(draft, "", image, names), said))
            if found:
                _write_group(draft, layout.OME_LABELS, labels_to_ome(sorted(found)))
            for name, label in sorted(found.items()):
                key = f"{layout.OME_LABELS}/{name}"
                values = label.pixels.astype(np.uint8) if label.pixels.dtype.kind == "b" else label.pixels
                ordered = _write_array(draft, key, values, label_axes)
                _write_group(draft, key, label_to_ome(ordered, replace(said, name=name), label.properties))
    except FileExistsError as error:
        raise _taken(target) from error
    finally:
        place.forget_empty_staging()


def _taken(target: Path) -> DatasetExistsError:
    return DatasetExistsError(f"not exported: there is something at {target} already; choose another name, or remove it")


def _check_target(target: Path) -> None:
    if target.exists():
        raise _taken(target)
    if not target.name.endswith(SUFFIX) or target.name == SUFFIX:
        raise InvalidNameError(f"not exported: the name {target.name!r} does not end in {SUFFIX}, as OME-Zarr's do; add it")
    inside = [parent for parent in target.parents if parent.name.endswith(SUFFIX)]
    if inside:
        raise InvalidNameError(
            f"not exported: {target} is inside {inside[0]}, which is data of its own; choose another folder"
        )


def _check_label(name: str, label: LabelImage, shape: tuple[int, ...]) -> None:
    check_name(name, what="labels")
    if name == layout.GROUP_DOCUMENT:
        raise InvalidNameError(f"labels name {name!r} is zarr's own; choose another")
    if label.pixels.shape != shape or label.pixels.dtype.kind not in "bui":
        raise InvalidValueError(
            f"not exported: the labels {name!r} are {label.pixels.dtype} of shape {label.pixels.shape}; whole numbers of "
            f"shape {shape} are needed, as the image has but for channels"
        )


def _write_array(draft: Blobs, key: str, values: NDArray[Any], axes: tuple[str, ...]) -> tuple[str, ...]:
    """Write an array in OME-Zarr's order, and return its axes in that order."""
    order = ome_order(axes) or ()
    ordered = tuple(axes[at] for at in order)
    write_array(draft, inside(key, layout.RECORD_DATA), np.transpose(values, order), axes=ordered, chunks=None)
    return ordered


def _write_group(draft: Blobs, key: str, ome: Mapping[str, JsonValue] | None) -> None:
    draft.write(inside(key, layout.GROUP_DOCUMENT), group_to_bytes({layout.OME: ome}))
