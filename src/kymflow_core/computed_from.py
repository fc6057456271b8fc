"""What a result was computed from, stated in the result's own file, and what of it has changed since.

The rule of this room: an analysis states it with `ComputedFrom.of(…)`, and nobody else ever rewrites it. A result that
states nothing is not called outdated: nobody can know.
"""

import math
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

from kymflow_core.calibration import HasCalibration, positive
from kymflow_core.errors import IndexerError
from kymflow_core.roi import ROI, RoiSet
from kymflow_core.roi.geometry import geometry_changes, roi_geometry
from kymflow_zarr import JsonObject, JsonValue

_UNITS = {"um_per_pixel": "µm per pixel", "seconds_per_line": "s per line"}
_SAME_CALIBRATION = 1e-6
"""What an analysis writes into a text file is rounded, in some digit that a measurement does not have."""
_DIGITS = (4, 7, 17)
_STATEMENTS = "statements"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One thing that is no longer as it was when a result was computed.

    `roi_id` is None where it concerns all ROIs; `methods` has the methods of the rows that it concerns, none for all.
    """

    roi_id: int | None
    what: str
    methods: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ComputedFrom:
    """What an analysis used.

    `rois` are the geometries (`roi_geometry`) by ROI id; an empty one is not known, but is not the one that the ROI was
    imported with. `parameters` are the analysis's own, as JSON; `algorithm` and `version` name the program; `pixels` is a
    digest of the pixels, where the analysis makes one. `calibration` has the `seconds_per_line` and `um_per_pixel` that it
    calculated with, None where one was unknown; what is not in it is not compared. `methods` are the values of the column
    `method` in the rows that it speaks of; none stands for all rows.
    """

    rois: Mapping[int, JsonObject] = field(default_factory=dict)
    algorithm: str = ""
    version: str = ""
    parameters: JsonObject = field(default_factory=dict)
    pixels: str = ""
    calibration: Mapping[str, float | None] = field(default_factory=dict)
    methods: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        rois: Iterable[ROI],
        *,
        algorithm: str,
        version: str = "",
        parameters: JsonObject | None = None,
        pixels: str = "",
        calibration: HasCalibration | None = None,
        methods: Iterable[str] = (),
    ) -> Self:
        """Return the statement of an analysis of these ROIs; masks must have been saved, since their names count.

        Give the `calibration` where the result depends on it: an image's `calibration`, or its header.
        """
        return cls(
            rois={roi.roi_id: roi_geometry(roi) for roi in rois},
            algorithm=algorithm,
            version=version,
            parameters=parameters or {},
            pixels=pixels,
            calibration=_known(calibration),
            methods=tuple(methods),
        )

    def to_json(self) -> dict[str, JsonValue]:
        """Return what `save_json` and `save_df_parquet` take as `computed_from`."""
        return {
            "rois": {str(roi_id): dict(geometry) for roi_id, geometry in self.rois.items()},
            "algorithm": self.algorithm,
            "version": self.version,
            "parameters": dict(self.parameters),
            "pixels": self.pixels,
            **({"calibration": dict(self.calibration)} if self.calibration else {}),
            **({"methods": list(self.methods)} if self.methods else {}),
        }

    @classmethod
    def from_json(cls, value: JsonObject, *, where: str) -> Self:
        """Read a statement: inverse of `to_json`; raise `IndexerError` where it is none."""
        rois, parameters, methods = value.get("rois", {}), value.get("parameters", {}), value.get("methods", [])
        texts = {name: value.get(name, "") for name in ("algorithm", "version", "pixels")}
        sound = isinstance(rois, Mapping) and isinstance(parameters, Mapping) and isinstance(methods, list)
        if not sound or not all(isinstance(text, str) for text in texts.values()):
            raise IndexerError(f"{where}: what it was computed from cannot be understood: {str(value)[:200]}")
        assert isinstance(rois, Mapping)
        assert isinstance(methods, list)
        geometries = {}
        for roi_id, geometry in rois.items():
            if not roi_id.isdecimal() or not isinstance(geometry, Mapping):
                raise IndexerError(f"{where}: it was computed from a ROI {roi_id!r}, which is no ROI's id and geometry")
            geometries[int(roi_id)] = geometry
        return cls(
            rois=geometries,
            parameters=parameters if isinstance(parameters, Mapping) else {},
            calibration=_calibration(value.get("calibration"), where),
            methods=tuple(map(str, methods)),
            **{name: str(text) for name, text in texts.items()},
        )

    def changes(
        self,
        rois: RoiSet,
        *,
        parameters: JsonObject | None = None,
        calibration: HasCalibration | None = None,
        pixels: str = "",
    ) -> list[Change]:
        """Return what has changed after the analysis; empty where the result holds.

        Parameters
        ----------
        rois
            The image's ROIs as they are now. One that was added since changes nothing.
        parameters
            The parameters that are wanted now; by default those of the analysis.
        calibration
            The image's header as it is now; by default the calibration is not compared.
        pixels
            The digest of the pixels that replaced those that the image was imported with; empty where none did. Then a
            result holds only where it states that digest: one that says nothing may be of the old pixels.
        """
        found = [Change(roi_id=roi_id, what=what) for roi_id, what in self._roi_changes(rois)]
        wanted = self.parameters if parameters is None else parameters
        for name in dict.fromkeys([*self.parameters, *wanted]):
            old, new = self.parameters.get(name), wanted.get(name)
            if old != new:
                found.append(Change(roi_id=None, what=f"parameter {name}: {old} → {new} after the analysis"))
        found += [Change(roi_id=None, what=what) for what in self.calibration_changes(calibration)]
        if pixels and self.pixels != pixels:
            unsaid = "" if self.pixels else ", or before: it does not say of which pixels it is"
            found.append(Change(roi_id=None, what=f"the pixels were replaced after the analysis{unsaid}"))
        return [replace(change, methods=self.methods) for change in found]

    def without_rois(self, roi_ids: Container[int]) -> Self:
        """Return the statement about the other ROIs."""
        return replace(self, rois={one: geometry for one, geometry in self.rois.items() if one not in roi_ids})

    def _roi_changes(self, rois: RoiSet) -> Iterator[tuple[int, str]]:
        for roi_id, geometry in sorted(self.rois.items()):
            if roi_id not in rois:
                yield roi_id, f"ROI {roi_id} was deleted after the analysis"
                continue
            what = geometry_changes(geometry, roi_geometry(rois.get(roi_id)))
            if not geometry:
                yield roi_id, f"ROI {roi_id} was changed after the analysis, before the import"
            elif what:
                yield roi_id, f"ROI {roi_id}: {', '.join(what)} after the analysis"

    def calibration_changes(self, now: HasCalibration | None) -> list[str]:
        """Return how the calibration differs from the one that was calculated with, such as "calibration: 0.2 → 0.3 …"."""
        if now is None:
            return []
        found = []
        for key in (key for key in _UNITS if key in self.calibration):
            old, new = self.calibration[key], getattr(now, key)
            if new == old:
                continue
            if old is None:
                found.append(f"calibration: unknown → {new:.7g} {_UNITS[key]} after the analysis")
            elif new is None:
                found.append(f"calibration: {old:.7g} {_UNITS[key]} → unknown after the analysis")
            elif not math.isclose(old, new, rel_tol=_SAME_CALIBRATION):
                found.append(f"calibration: {' → '.join(_told_apart(old, new))} {_UNITS[key]} after the analysis")
        return found


def statements_to_json(statements: Sequence[ComputedFrom]) -> dict[str, JsonValue]:
    """Return what `save_df_parquet` takes as `computed_from` for a table whose rows several analyses made, oldest first."""
    if len(statements) == 1:
        return statements[0].to_json()
    return {_STATEMENTS: [one.to_json() for one in statements]}


def statements_from_json(value: JsonObject, *, where: str) -> tuple[ComputedFrom, ...]:
    """Read one statement or several: inverse of `statements_to_json`; raise `IndexerError` where they are none."""
    if _STATEMENTS not in value:
        return (ComputedFrom.from_json(value, where=where),)
    listed = value[_STATEMENTS]
    if not isinstance(listed, list):
        raise IndexerError(f"{where}: what it was computed from cannot be understood: {str(value)[:200]}")
    objects = [one if isinstance(one, Mapping) else {"rois": one} for one in listed]
    return tuple(ComputedFrom.from_json(one, where=where) for one in objects)


def current_statements(statements: Sequence[ComputedFrom]) -> tuple[ComputedFrom, ...]:
    """Return the statements that count: of several about one ROI, the last one, that of the newest analysis."""
    found: list[ComputedFrom] = []
    later: set[int] = set()
    for statement in reversed(statements):
        left = statement.without_rois(later)
        if left.rois or not statement.rois:
            found.append(left)
        later |= set(statement.rois)
    return tuple(reversed(found))


def _known(calibration: HasCalibration | None) -> dict[str, float | None]:
    values = stated_calibration(calibration) if calibration is not None else {}
    return {key: value for key, value in values.items() if value is not None}


def stated_calibration(calibration: HasCalibration) -> dict[str, float | None]:
    """Return a calibration as a statement has it, also of what is unknown, so that entering it outdates the result."""
    return {key: getattr(calibration, key) for key in _UNITS}


def _calibration(value: JsonValue, where: str) -> dict[str, float | None]:
    """Read the calibration of a statement; one of an earlier version of the program has none."""
    stated = value if isinstance(value, Mapping) else {}
    found = {key: positive(stated[key]) for key in _UNITS if key in stated}
    wrong = [key for key, number in found.items() if number is None and stated[key] is not None]
    if (value is not None and not isinstance(value, Mapping)) or wrong:
        raise IndexerError(f"{where}: the calibration that it was computed with cannot be understood: {str(value)[:200]}")
    return found


def _told_apart(old: float, new: float) -> tuple[str, str]:
    """Return two numbers as texts with just so many digits that they differ."""
    texts = [(f"{old:.{digits}g}", f"{new:.{digits}g}") for digits in _DIGITS]
    return next((pair for pair in texts if pair[0] != pair[1]), texts[-1])
