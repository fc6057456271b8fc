"""The OME-Zarr metadata of an image: pure, from its axes and what the caller knows of them.

Derived: it can be made anew at any time. The rule of this room: only what the specification allows is written, and nothing
is guessed. Clauses are those of OME-Zarr 0.5, https://ngff.openmicroscopy.org/0.5.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from kymflow_zarr.errors import InvalidValueError
from kymflow_zarr.formats.strict_json import JsonObject, JsonValue
from kymflow_zarr.layout import OME_VERSION, RECORD_DATA

TYPES = {"t": "time", "c": "channel", "z": "space", "y": "space", "x": "space"}
"""What an axis of ours is to OME-Zarr ("axes" metadata)."""

ORDER = tuple(TYPES)
"""Time, then channel, then space ("multiscales" metadata: "the entries MUST be ordered by type"), space as z, y, x."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OmeDescription:
    """What the caller knows of an image that its pixels do not say.

    `steps` says how far it is, along an axis, from one pixel to the next, and `units` in which unit, by UDUNITS-2's names
    ("micrometer", "second"); what is not known is left out. `notes` are for people and programs that know of them; OME-Zarr
    has a place for such, `metadata`.
    """

    name: str = ""
    steps: Mapping[str, float] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    notes: JsonObject = field(default_factory=dict)

    def __post_init__(self) -> None:
        wrong = {axis: step for axis, step in self.steps.items() if not (math.isfinite(step) and step > 0)}
        if wrong:
            raise InvalidValueError(f"steps along axes must be positive numbers, not {wrong}; leave out what is not known")


DescribeImage: TypeAlias = Callable[[JsonObject], OmeDescription | None]
"""Returns the OME description of an image from its record's metadata."""


def ome_order(axes: Sequence[str]) -> tuple[int, ...] | None:
    """Return how the axes must be transposed for OME-Zarr; None where that makes no image of it.

    An image has 2 to 5 axes, of them 2 or 3 in space, at most one in time and one of channels.
    """
    if not set(axes) <= set(TYPES) or len(set(axes)) != len(axes) or len(set(axes) & set("zyx")) < 2:
        return None
    return tuple(sorted(range(len(axes)), key=lambda at: ORDER.index(axes[at])))


def is_ome_image(axes: Sequence[str]) -> bool:
    """Return whether pixels with these axes are an OME-Zarr image as they lie there.

    There is no way to say that they are transposed: "the order of the entries MUST correspond to the order of dimensions of
    the zarr arrays". So pixels whose channels come last are none.
    """
    types = [TYPES[axes[at]] for at in ome_order(axes) or ()]
    return bool(types) and types == [TYPES[axis] for axis in axes]


def image_to_ome(axes: Sequence[str], described: OmeDescription | None = None) -> dict[str, JsonValue] | None:
    """Return the attribute `ome` of an image whose array is `data`; None where the axes are no OME-Zarr image.

    A step that is not known is 1, without a unit.
    """
    if not is_ome_image(axes):
        return None
    said = described or OmeDescription()
    scale: dict[str, JsonValue] = {"type": "scale", "scale": [float(said.steps.get(axis, 1.0)) for axis in axes]}
    multiscale: dict[str, JsonValue] = {
        "axes": [_axis(axis, said) for axis in axes],
        "datasets": [{"path": RECORD_DATA, "coordinateTransformations": [scale]}],
    }
    if said.name:
        multiscale["name"] = said.name
    if said.notes:
        multiscale["metadata"] = said.notes
    return {"version": OME_VERSION, "multiscales": [multiscale]}


def labels_to_ome(names: Sequence[str]) -> dict[str, JsonValue]:
    """Return the attribute `ome` of the group `labels`, which lists the images of labels in it ("labels" metadata)."""
    return {"version": OME_VERSION, "labels": list(names)}


def label_to_ome(
    axes: Sequence[str], described: OmeDescription, properties: Mapping[int, JsonObject]
) -> dict[str, JsonValue] | None:
    """Return the attribute `ome` of one image of labels, with what is known of each label's value."""
    image = image_to_ome(axes, described)
    if image is None:
        return None
    label: dict[str, JsonValue] = {"source": {"image": "../../"}}
    if properties:
        label["properties"] = [{"label-value": value, **said} for value, said in properties.items()]
    return {**image, "image-label": label}


def _axis(axis: str, said: OmeDescription) -> dict[str, JsonValue]:
    entry: dict[str, JsonValue] = {"name": axis, "type": TYPES[axis]}
    # A unit without a step would be one of nothing.
    if axis in said.units and axis in said.steps:
        entry["unit"] = said.units[axis]
    return entry
