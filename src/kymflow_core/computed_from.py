"""What a result was computed from, stated in the result's own file, and what of it has changed since.

The rule of this room: an analysis states it with `ComputedFrom.of(…)`, and nobody else ever rewrites it. A result that
states nothing is not called outdated: nobody can know.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Self

from kymflow_core.errors import IndexerError
from kymflow_core.roi import ROI, RoiSet
from kymflow_core.roi.geometry import geometry_changes, roi_geometry
from kymflow_zarr import JsonObject, JsonValue


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One thing that is no longer as it was when a result was computed; `roi_id` is None where it concerns all ROIs."""

    roi_id: int | None
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ComputedFrom:
    """What an analysis looked at.

    `rois` are the geometries (`roi_geometry`) by ROI id; an empty one is not known, but is not the one that the ROI was
    imported with. `parameters` are the analysis's own, as JSON; `algorithm` and `version` name the program; `pixels` is a
    digest of the pixels, where the analysis makes one: a record's pixels are written once, so it matters only for images
    outside a dataset.
    """

    rois: Mapping[int, JsonObject] = field(default_factory=dict)
    algorithm: str = ""
    version: str = ""
    parameters: JsonObject = field(default_factory=dict)
    pixels: str = ""

    @classmethod
    def of(
        cls,
        rois: Iterable[ROI],
        *,
        algorithm: str,
        version: str = "",
        parameters: JsonObject | None = None,
        pixels: str = "",
    ) -> Self:
        """Return the statement of an analysis of these ROIs; masks must have been saved, since their names count."""
        geometries = {roi.roi_id: roi_geometry(roi) for roi in rois}
        return cls(rois=geometries, algorithm=algorithm, version=version, parameters=parameters or {}, pixels=pixels)

    def to_json(self) -> dict[str, JsonValue]:
        """Return what `save_json` and `save_df_parquet` take as `computed_from`."""
        return {
            "rois": {str(roi_id): dict(geometry) for roi_id, geometry in self.rois.items()},
            "algorithm": self.algorithm,
            "version": self.version,
            "parameters": dict(self.parameters),
            "pixels": self.pixels,
        }

    @classmethod
    def from_json(cls, value: JsonObject, *, where: str) -> Self:
        """Read a statement: inverse of `to_json`; raise `IndexerError` where it is none."""
        rois, parameters = value.get("rois", {}), value.get("parameters", {})
        texts = {name: value.get(name, "") for name in ("algorithm", "version", "pixels")}
        sound = isinstance(rois, Mapping) and isinstance(parameters, Mapping)
        if not sound or not all(isinstance(text, str) for text in texts.values()):
            raise IndexerError(f"{where}: what it was computed from cannot be understood: {str(value)[:200]}")
        assert isinstance(rois, Mapping)
        geometries = {}
        for roi_id, geometry in rois.items():
            if not roi_id.isdecimal() or not isinstance(geometry, Mapping):
                raise IndexerError(f"{where}: it was computed from a ROI {roi_id!r}, which is no ROI's id and geometry")
            geometries[int(roi_id)] = geometry
        return cls(
            rois=geometries,
            parameters=parameters if isinstance(parameters, Mapping) else {},
            **{name: str(text) for name, text in texts.items()},
        )

    def changes(self, rois: RoiSet, *, parameters: JsonObject | None = None) -> list[Change]:
        """Return what has changed after the analysis; empty where the result holds.

        Parameters
        ----------
        rois
            The image's ROIs as they are now. One that was added since changes nothing.
        parameters
            The parameters that are wanted now; by default those of the analysis.
        """
        found = []
        for roi_id, geometry in sorted(self.rois.items()):
            if roi_id not in rois:
                found.append(Change(roi_id=roi_id, what=f"ROI {roi_id} was deleted after the analysis"))
                continue
            what = geometry_changes(geometry, roi_geometry(rois.get(roi_id)))
            if not geometry:
                found.append(Change(roi_id=roi_id, what=f"ROI {roi_id} was changed after the analysis, before the import"))
            elif what:
                found.append(Change(roi_id=roi_id, what=f"ROI {roi_id}: {', '.join(what)} after the analysis"))
        wanted = self.parameters if parameters is None else parameters
        for name in dict.fromkeys([*self.parameters, *wanted]):
            old, new = self.parameters.get(name), wanted.get(name)
            if old != new:
                found.append(Change(roi_id=None, what=f"parameter {name}: {old} → {new} after the analysis"))
        return found
