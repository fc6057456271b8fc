"""One acquisition: lazy pixels, header and ROIs, over a dataset's record or a TIFF file.

The rule of this room: what is saved is one commit. New masks are written first, under new names, then the metadata that
refer to them; a crash between leaves a mask that nobody refers to, never a reference to nothing.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kymflow_core._tiff_source import TiffSource
from kymflow_core.errors import ImageError, RoiError
from kymflow_core.headers import AcquisitionHeader
from kymflow_core.roi import MaskROI, RectROI, RoiSet
from kymflow_core.roi.pixels import RoiStats, is_older_mask, rect_mask, rect_stats
from kymflow_zarr import JsonObject, JsonValue, Revision, ZarrDataset, array_group_key, array_name
from kymflow_zarr.errors import ArtifactExistsError


class ImageSource(Protocol):
    """What an `AcqImage` needs of the thing that holds it; a `ZarrImageRecord` is one."""

    def open_array(self) -> Any:
        """Return the pixels, lazily where possible: an object with `shape`, `dtype` and numpy slicing."""

    def get_axes(self) -> tuple[str, ...]:
        """Return one name a dimension."""

    def load_revision(self) -> Revision:
        """Return the newest metadata."""

    def save_metadata_payload(self, payload: JsonObject, *, expected: Revision | None = None) -> Revision:
        """Commit the whole metadata; raise `ConflictError` when they are no longer `expected`."""

    def list_array_artifacts(self) -> list[str]:
        """Return the names of the array artifacts."""

    def load_array_artifact(self, name: str) -> NDArray[Any]:
        """Return an array artifact."""

    def save_array_artifact(
        self, name: str, arr: ArrayLike, *, axes: Sequence[str] | None = None, held_by_metadata: bool = False
    ) -> None:
        """Write an array artifact, which may belong to the metadata that are saved next."""


class AcqImage:
    """One acquired image with its header and ROIs.

    A handle: the metadata are read when it is made, the pixels when they are asked for. `rois` is what was last read or
    saved; `save_rois` commits another set.

    Parameters
    ----------
    source
        A record, or anything else that holds an image.
    """

    def __init__(self, source: ImageSource) -> None:
        self.source = source
        self._adopt(source.load_revision())

    @classmethod
    def from_zarr(cls, dataset_path: str | Path, image_id: str) -> Self:
        """Open one record of a dataset, to read and to save."""
        return cls(ZarrDataset(dataset_path).record(image_id))

    @classmethod
    def from_path(cls, path: str | Path) -> Self:
        """Open a TIFF with what lies beside it, to read; to save ROIs, import it into a dataset.

        Raises
        ------
        SourceError
            When the TIFF, or a file beside it, cannot be read.
        """
        return cls(TiffSource(Path(path)))

    @property
    def pixels(self) -> Any:
        """The pixels, lazily where possible: an object with `shape`, `dtype` and numpy slicing."""
        return self.source.open_array()

    @property
    def axes(self) -> tuple[str, ...]:
        """One name a dimension, such as `("y", "x")`."""
        return self.source.get_axes()

    @property
    def slice_shape(self) -> tuple[int, int]:
        """The shape (y, x) of one 2-D slice, in pixels; `ImageError` where the image has no such axes."""
        sizes = dict(zip(self.axes, self.pixels.shape, strict=True))
        if not {"y", "x"} <= set(sizes):
            raise ImageError(f"the image has the axes {self.axes}; y and x are needed")
        return int(sizes["y"]), int(sizes["x"])

    @property
    def name(self) -> str:
        """The name of the file that the image came from; empty where it is not known."""
        return self.header.name

    @property
    def experiment_metadata(self) -> JsonObject:
        """What the laboratory notes of the experiment: species, condition, depth and so on."""
        value = self.metadata.get("experiment_metadata")
        return value if isinstance(value, Mapping) else {}

    def slice_pixels(self, *, z: int = 0, channel: int = 1) -> NDArray[Any]:
        """Read one 2-D slice (y, x): the first time point, at `z` (from 0) and `channel` (from 1).

        Raises
        ------
        RoiError
            When the image has such an axis, but not so many along it. An image without the axis is taken as it is.
        """
        sizes = dict(zip(self.axes, self.pixels.shape, strict=True))
        at = {"z": z, "c": channel - 1}
        outside = [axis for axis in at if axis in sizes and not 0 <= at[axis] < sizes[axis]]
        if outside:
            raise RoiError(f"no slice at z {z}, channel {channel}: the image has {sizes} (z from 0, channel from 1)")
        return np.asarray(self.pixels[tuple(slice(None) if axis in "yx" else at.get(axis, 0) for axis in self.axes)])

    def roi_stats(self, roi_id: int) -> RoiStats:
        """Return mean, standard deviation, minimum, maximum and number of the pixels inside a rectangle."""
        roi = self._rect(roi_id)
        return rect_stats(roi, self.slice_pixels(z=roi.z, channel=roi.channel))

    def reload(self) -> None:
        """Read header, metadata and ROIs again, as another program may have saved them."""
        self._adopt(self.source.load_revision())

    def save_rois(self, rois: RoiSet) -> None:
        """Commit `rois` as the image's ROIs.

        Raises
        ------
        ConflictError
            When another program changed the metadata since they were read here.
        """
        payload: dict[str, JsonValue] = {**self.metadata, "rois": rois.to_json(), "next_roi_id": rois.next_id}
        self._adopt(self.source.save_metadata_payload(payload, expected=self._revision))

    def materialize_rect_roi_mask(self, roi_id: int, *, name: str | None = None) -> str:
        """Write a saved rectangle as a mask, and its `meta.mask_ref`.

        Parameters
        ----------
        roi_id
            The ROI.
        name
            The array artifact's name; by default `roi_mask_<id>`, with a number behind where that is another mask.

        Returns
        -------
        str
            The `mask_ref`: "analysis_arrays/<name>", a boolean array (y, x) of the whole slice, True inside.

        Raises
        ------
        RoiNotFoundError
            When there is no ROI of that id; it is a `KeyError`.
        NotImplementedError
            When the ROI is no rectangle.
        """
        return self.materialize_masks([roi_id], name=name)[roi_id]

    def materialize_masks(self, roi_ids: Iterable[int], *, name: str | None = None) -> dict[int, str]:
        """Write several saved rectangles as masks with one commit, and return their `mask_ref` by id.

        A mask that is right already is not written again.
        """
        rois, references = self.rois, {}
        for roi_id in roi_ids:
            roi = self._rect(roi_id)
            mask = rect_mask(roi, self.slice_shape)
            references[roi_id] = self._existing_mask(roi, mask, name) or self._save_mask(roi, mask, name)
            rois = rois.replace(replace(roi, meta={**roi.meta, "mask_ref": references[roi_id]}))
        if rois != self.rois:
            self.save_rois(rois)
        return references

    def load_roi_mask(self, roi_id: int) -> NDArray[np.bool_]:
        """Return a ROI's mask, a boolean image (y, x): the stored one of a `MaskROI`, the exact one of a rectangle."""
        roi = self.rois.get(roi_id)
        if isinstance(roi, RectROI):
            return rect_mask(roi, self.slice_shape)
        return self._load_mask(roi.reference)

    def load_mask(self, name: str) -> NDArray[np.bool_]:
        """Return the array artifact `name` as a mask of the whole slice (y, x).

        The older program stored the mask of a rectangle as an array of the rectangle's own shape, all True. Such a one is
        known by its shape, and placed at the rectangle that refers to it.
        """
        stored = np.asarray(self.source.load_array_artifact(name))
        if stored.shape == self.slice_shape:
            return stored.astype(np.bool_)
        owners = (roi for roi in self.rois if isinstance(roi, RectROI) and roi.mask_ref == array_group_key(name))
        for roi in owners:
            if is_older_mask(stored, roi):
                return rect_mask(roi, self.slice_shape)
        return stored.astype(np.bool_)

    def mask_state(self, roi: RectROI) -> str:
        """Return whether a rectangle has a stored mask: "" for none, "mask", or "mask outdated"."""
        if roi.mask_ref is None:
            return ""
        stored = self._load_mask(roi.mask_ref)
        return "mask" if np.array_equal(stored, rect_mask(roi, self.slice_shape)) else "mask outdated"

    def _adopt(self, revision: Revision) -> None:
        metadata = revision.payload
        header, rois, next_id = metadata.get("header"), metadata.get("rois"), metadata.get("next_roi_id")
        if rois is not None and not isinstance(rois, list):
            raise RoiError(f"the ROIs of the metadata are a JSON {type(rois).__name__}; a list is expected")
        self._revision = revision
        self.metadata = metadata
        self.header = AcquisitionHeader.from_json(header if isinstance(header, Mapping) else {})
        self.rois = RoiSet.from_json(
            rois if isinstance(rois, list) else [], next_id=next_id if isinstance(next_id, int) else 1
        )

    def _rect(self, roi_id: int) -> RectROI:
        roi = self.rois.get(roi_id)
        if isinstance(roi, MaskROI):
            raise NotImplementedError(f"ROI {roi_id} is a mask; this works on rectangles only yet")
        return roi

    def _load_mask(self, reference: str) -> NDArray[np.bool_]:
        name = array_name(reference)
        if name is None:
            raise RoiError(f"mask_ref must be 'analysis_arrays/<name>', not {reference!r}")
        return self.load_mask(name)

    def _existing_mask(self, roi: RectROI, mask: NDArray[np.bool_], name: str | None) -> str | None:
        held = array_name(roi.mask_ref or "")
        if held is None or held not in self.source.list_array_artifacts():
            return None
        if name is not None and not re.fullmatch(rf"{re.escape(name)}(_\d+)?", held):
            return None
        # A mask in the older form is written anew, in the whole slice's shape.
        return roi.mask_ref if np.array_equal(self.source.load_array_artifact(held), mask) else None

    def _save_mask(self, roi: RectROI, mask: NDArray[np.bool_], name: str | None) -> str:
        there = set(self.source.list_array_artifacts())
        base = name or f"roi_mask_{roi.roi_id}"
        number = 2
        new = base
        while True:
            while new in there:
                new, number = f"{base}_{number}", number + 1
            try:
                self.source.save_array_artifact(new, mask, axes=("y", "x"), held_by_metadata=True)
            except ArtifactExistsError:  # another window has taken the name since
                there.add(new)
            else:
                return array_group_key(new)
