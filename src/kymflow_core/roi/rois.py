"""The two kinds of region of interest, and their JSON envelope (`docs/format.md`, "ROI envelope").

The rule of this room: a ROI is a frozen value that is valid from birth, and knows no image. Ranges are half-open in
pixels: `x0` is in, `x1` is not. `roi_from_dict` and `to_dict` are exact inverses, and unknown keys survive.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, TypeAlias, cast

from kymflow_core.errors import ReservedRoiError, RoiError
from kymflow_core.roi.shape_kinds import SHAPE_KINDS, ShapeKind, shape_problems
from kymflow_zarr import JsonObject, JsonValue, array_name

ENVELOPE_VERSION = "1.0"
_ENVELOPE_KEYS = ("roi_id", "roi_type", "version", "name", "note", "channel", "z", "data", "meta")
_RESERVED_TYPES = ("line", "polygon")
_FLAT_RANGES = {"y0": "dim0_start", "y1": "dim0_stop", "x0": "dim1_start", "x1": "dim1_stop"}


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseROI(ABC):
    """What both kinds of ROI have.

    `channel` counts from 1, `z` from 0. `meta` holds what programs add; `extra` and `data_extra` the keys of the envelope
    and of its `data` that this program does not know.
    """

    roi_type: ClassVar[str]

    roi_id: int
    name: str = ""
    note: str = ""
    channel: int = 1
    z: int = 0
    version: str = ENVELOPE_VERSION
    meta: JsonObject = field(default_factory=dict)
    extra: JsonObject = field(default_factory=dict)
    data_extra: JsonObject = field(default_factory=dict)

    def to_dict(self) -> dict[str, JsonValue]:
        """Return the envelope: inverse of `roi_from_dict`."""
        return {
            "roi_id": self.roi_id,
            "roi_type": self.roi_type,
            "version": self.version,
            "name": self.name,
            "note": self.note,
            "channel": self.channel,
            "z": self.z,
            "data": {**self._data(), **self.data_extra},
            "meta": dict(self.meta),
            **self.extra,
        }

    @property
    @abstractmethod
    def mask_ref(self) -> str | None:
        """The array artifact that holds the ROI as a mask, `analysis_arrays/<name>`; None where there is none."""

    @abstractmethod
    def _data(self) -> dict[str, JsonValue]:
        """Return the envelope's `data` without unknown keys."""

    def _common_problems(self) -> list[str]:
        problems = [
            f"{name} must be an integer of at least {least}, not {value!r}"
            for name, value, least in (("roi_id", self.roi_id, 0), ("channel", self.channel, 1), ("z", self.z, 0))
            if not _is_integer(value) or value < least
        ]
        problems += [
            f"{name} must be text, not {value!r}"
            for name, value in (("name", self.name), ("note", self.note), ("version", self.version))
            if not isinstance(value, str)
        ]
        if not isinstance(self.meta, Mapping):
            problems.append(f"meta must be an object, not {self.meta!r}")
        return problems

    def _check(self, problems: list[str]) -> None:
        everything = [*self._common_problems(), *problems]
        if everything:
            raise RoiError(f"ROI {self.roi_id!r} is not valid: {'; '.join(everything)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class RectROI(BaseROI):
    """A rectangle of whole pixels: rows `y0 <= y < y1`, columns `x0 <= x < x1`."""

    roi_type: ClassVar[str] = "rect"

    x0: int
    x1: int
    y0: int
    y1: int

    def __post_init__(self) -> None:
        bounds = {"x0": self.x0, "x1": self.x1, "y0": self.y0, "y1": self.y1}
        problems = [f"{name} must be an integer, not {value!r}" for name, value in bounds.items() if not _is_integer(value)]
        if not problems:
            problems = [
                f"{low} must be at least 0 and below {high}, but {low} is {bounds[low]} and {high} is {bounds[high]}"
                for low, high in (("x0", "x1"), ("y0", "y1"))
                if not 0 <= bounds[low] < bounds[high]
            ]
        self._check(problems)

    @property
    def mask_ref(self) -> str | None:
        """The mask that was materialized from the rectangle."""
        reference = self.meta.get("mask_ref")
        return reference if isinstance(reference, str) else None

    def _data(self) -> dict[str, JsonValue]:
        return {"x0": self.x0, "x1": self.x1, "y0": self.y0, "y1": self.y1}


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnShape:
    """What a person drew: one of `SHAPE_KINDS`, and its vertices as (y, x) in pixels.

    It is stored with the mask that it means, in `meta.shape`, so that it can be edited again.
    """

    type: str
    vertices: tuple[tuple[float, float], ...]

    @property
    def kind(self) -> ShapeKind:
        """What holds for all shapes of this type."""
        return SHAPE_KINDS[self.type]

    def to_dict(self) -> dict[str, JsonValue]:
        """Return the JSON for `meta.shape`."""
        return {"type": self.type, "vertices": [list(vertex) for vertex in self.vertices]}


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskROI(BaseROI):
    """Any set of pixels, held by a boolean array artifact of the whole slice (y, x), True inside.

    `reference` is "analysis_arrays/<name>". It is None while the ROI is drawn and not saved yet: then its pixels are those
    of `drawn`, and saving writes them.
    """

    roi_type: ClassVar[str] = "mask"

    reference: str | None

    def __post_init__(self) -> None:
        problems: list[str] = []
        if self.reference is None:
            if self.drawn is None:
                problems.append(
                    "data.mask_ref must be 'analysis_arrays/<name>', not None, where meta.shape does not say what was drawn"
                )
        elif not isinstance(self.reference, str) or array_name(self.reference) is None:
            problems.append(f"data.mask_ref must be 'analysis_arrays/<name>', not {self.reference!r}")
        self._check([*problems, *self._shape_problems()])

    @property
    def mask_ref(self) -> str | None:
        """The mask, which is the ROI itself; None where it is not saved yet."""
        return self.reference

    @property
    def drawn(self) -> DrawnShape | None:
        """The shape that was drawn; None for a mask that was painted or computed."""
        shape = self.meta.get("shape") if isinstance(self.meta, Mapping) else None
        if not isinstance(shape, Mapping) or shape_problems(shape.get("type"), shape.get("vertices")):
            return None
        vertices = cast("list[list[float]]", shape["vertices"])
        return DrawnShape(type=str(shape["type"]), vertices=tuple((vertex[0], vertex[1]) for vertex in vertices))

    def with_shape(self, drawn: DrawnShape) -> "MaskROI":
        """Return the ROI with another shape, and so with pixels that are not written yet."""
        return replace(self, reference=None, meta={**self.meta, "shape": drawn.to_dict()})

    def _shape_problems(self) -> list[str]:
        # Another program's shape of a kind that is not known is kept: the mask is what counts.
        shape = self.meta.get("shape") if isinstance(self.meta, Mapping) else None
        if self.reference is not None or not isinstance(shape, Mapping):
            return []
        return shape_problems(shape.get("type"), shape.get("vertices"))

    def _data(self) -> dict[str, JsonValue]:
        return {"mask_ref": self.reference}


ROI: TypeAlias = RectROI | MaskROI


def mask_of_rect(roi: RectROI, drawn: DrawnShape) -> MaskROI:
    """Return a rectangle that was drawn into another shape: the same ROI, by id, name and all it carries, as a mask."""
    carried = _carried(roi)
    return MaskROI(**{**carried, "meta": {**carried["meta"], "shape": drawn.to_dict()}}, reference=None)


def painted_mask_of(roi: BaseROI, reference: str | None) -> MaskROI:
    """Return a ROI that was painted on: the same by all it carries, as the mask of a `mask_ref`, without its shape."""
    return MaskROI(**_carried(roi), reference=reference)


def rect_of_mask(roi: MaskROI, *, x0: int, x1: int, y0: int, y1: int) -> RectROI:
    """Return a mask that was drawn into an upright rectangle: the same ROI as a `RectROI`. Inverse of `mask_of_rect`."""
    return RectROI(**_carried(roi), x0=x0, x1=x1, y0=y0, y1=y1)


def _carried(roi: BaseROI) -> dict[str, Any]:
    fields = ("roi_id", "name", "note", "channel", "z", "version", "extra", "data_extra")
    meta = {key: value for key, value in roi.meta.items() if key not in ("mask_ref", "shape")}
    return {**{name: getattr(roi, name) for name in fields}, "meta": meta}


def roi_from_dict(envelope: JsonObject) -> ROI:
    """Read one ROI from its envelope, or from the flat form of the older program (`id`, `dim0_start`, …).

    Raises
    ------
    ReservedRoiError
        For the reserved types `line` and `polygon`; it is a `NotImplementedError`.
    RoiError
        For an unknown type, or a field that is missing or wrong; the message names the field.
    """
    if not isinstance(envelope, Mapping):
        raise RoiError(f"a ROI must be a JSON object, not {envelope!r}")
    if "roi_type" not in envelope and not envelope.keys().isdisjoint(_FLAT_RANGES.values()):
        envelope = _envelope_of_flat(envelope)
    roi_type = envelope.get("roi_type")
    roi_id = envelope.get("roi_id")
    if roi_type in _RESERVED_TYPES:
        raise ReservedRoiError(f"ROI {roi_id!r} is a {roi_type}; only 'rect' and 'mask' ROIs can be read yet")
    if roi_type not in (RectROI.roi_type, MaskROI.roi_type):
        raise RoiError(f"ROI {roi_id!r} has roi_type {roi_type!r}; known are 'rect' and 'mask'")
    data = envelope.get("data")
    if not isinstance(data, Mapping):
        raise RoiError(f"ROI {roi_id!r} is not valid: data must be an object, not {data!r}")
    own = ("x0", "x1", "y0", "y1") if roi_type == RectROI.roi_type else ("mask_ref",)
    missing = [key for key in own if key not in data] + [key for key in ("roi_id",) if key not in envelope]
    if missing:
        raise RoiError(f"ROI {roi_id!r} is not valid: {', '.join(missing)} missing")
    common: dict[str, Any] = {
        key: envelope[key] for key in _ENVELOPE_KEYS if key in envelope and key not in ("roi_type", "data")
    }
    common["extra"] = {key: value for key, value in envelope.items() if key not in _ENVELOPE_KEYS}
    common["data_extra"] = {key: value for key, value in data.items() if key not in own}
    if roi_type == RectROI.roi_type:
        return RectROI(**cast("Any", {key: data[key] for key in own}), **common)
    return MaskROI(reference=cast("str | None", data["mask_ref"]), **common)


def _envelope_of_flat(flat: JsonObject) -> JsonObject:
    known = ("id", *_FLAT_RANGES.values())
    missing = [key for key in known if key not in flat]
    if missing:
        raise RoiError(f"ROI {flat.get('id')!r} is not valid: {', '.join(missing)} missing")
    return {
        **{key: value for key, value in flat.items() if key not in known},
        "roi_type": RectROI.roi_type,
        "roi_id": flat["id"],
        "data": {name: flat[older] for name, older in _FLAT_RANGES.items()},
    }


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
