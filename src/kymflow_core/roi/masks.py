"""The masks of one image's ROIs: whether there is a sound one, and the arrays that hold them.

The rule of this room: a mask is written under a new name and never replaced, since an older revision may refer to it; and
`mask_state` alone says what a stored mask is worth.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kymflow_core.errors import RoiError
from kymflow_core.roi import ROI, RectROI
from kymflow_core.roi.pixels import is_older_mask, rect_mask
from kymflow_zarr import array_group_key, array_name
from kymflow_zarr.errors import ArtifactExistsError, ArtifactNotFoundError, DamagedError, SourceError


class MaskState(StrEnum):
    """Whether a ROI has a stored mask, and what that is worth: what tables and the ROI dock state."""

    NONE = ""
    """A rectangle that was not written as a mask, and needs none."""
    NOT_SAVED = "with the save"
    """A drawn ROI whose mask is written when it is saved."""
    SOUND = "mask"
    OUTDATED = "mask outdated"
    """A rectangle that was changed after its mask was written."""
    MISSING = "mask missing"
    """The ROI refers to an array that is not there."""
    DAMAGED = "mask damaged"
    """The array cannot be read, or has another shape than the image."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StoredMask:
    """A ROI's stored mask: its state, and the pixels (y, x) of the whole slice, None where there are none to use."""

    state: MaskState
    pixels: NDArray[np.bool_] | None = None


class MaskReader(Protocol):
    """What holds masks to read: a record, or a TIFF with its sidecars."""

    def load_array_artifact(self, name: str) -> NDArray[Any]:
        """Return an array artifact."""


def load_stored_mask(source: MaskReader, roi: ROI, shape: tuple[int, int]) -> StoredMask:
    """Return the mask that a ROI of an image of `shape` (y, x) refers to; a lost or damaged one is a state, no error."""
    name, stored = array_name(roi.mask_ref) if roi.mask_ref is not None else None, None
    try:
        stored = None if name is None else source.load_array_artifact(name)
    except ArtifactNotFoundError:
        return StoredMask(state=MaskState.MISSING)
    except (DamagedError, SourceError):
        return StoredMask(state=MaskState.DAMAGED)
    pixels = None if stored is None else whole_mask(roi, stored, shape)
    return StoredMask(state=mask_state(roi, stored, shape), pixels=pixels)


def mask_state(roi: ROI, stored: NDArray[Any] | None, shape: tuple[int, int]) -> MaskState:
    """Return what the stored mask of a ROI is worth: a pure rule.

    Parameters
    ----------
    roi
        The ROI.
    stored
        The array that the ROI's `mask_ref` names, as it is stored; None where there is none.
    shape
        The image's shape (y, x).
    """
    if roi.mask_ref is None:
        return MaskState.NONE if isinstance(roi, RectROI) else MaskState.NOT_SAVED
    if stored is None:
        return MaskState.MISSING
    pixels = whole_mask(roi, stored, shape)
    if isinstance(roi, RectROI):
        is_its_own = pixels is not None and np.array_equal(pixels, rect_mask(roi, shape))
        return MaskState.SOUND if is_its_own else MaskState.OUTDATED
    return MaskState.DAMAGED if pixels is None else MaskState.SOUND


def whole_mask(roi: ROI | None, stored: NDArray[Any], shape: tuple[int, int]) -> NDArray[np.bool_] | None:
    """Return a stored array as a mask of the whole slice; None where it does not fit the image.

    The older program stored the mask of a rectangle as an array of the rectangle's own shape, all True. Such a one is
    known by its shape, and placed at the rectangle.
    """
    if stored.shape == shape:
        return stored.astype(np.bool_, copy=False)
    return rect_mask(roi, shape) if isinstance(roi, RectROI) and is_older_mask(stored, roi) else None


@runtime_checkable
class ArraySource(MaskReader, Protocol):
    """What holds masks, to read and to write."""

    def list_array_artifacts(self) -> list[str]:
        """Return the names of the array artifacts."""

    def save_array_artifact(
        self, name: str, arr: ArrayLike, *, axes: Sequence[str] | None = None, held_by_metadata: bool = False
    ) -> None:
        """Write an array artifact, which may belong to the metadata that are saved next."""


class RoiMasks:
    """Reads and writes masks.

    Parameters
    ----------
    source
        What holds the arrays.
    """

    def __init__(self, source: ArraySource) -> None:
        self._source = source

    def load(self, name: str) -> NDArray[Any]:
        """Return the array `name` as it is stored."""
        return np.asarray(self._source.load_array_artifact(name))

    def check_there(self, roi_id: int, reference: str) -> None:
        """Raise `RoiError` when a ROI refers to a mask that is not there."""
        there = self._source.list_array_artifacts()
        if array_name(reference) not in there:
            raise RoiError(f"ROI {roi_id} refers to the mask {reference!r}, which is not there; the image has {there}")

    def find(self, roi: RectROI, mask: NDArray[np.bool_], name: str | None) -> str | None:
        """Return the rectangle's `mask_ref` where it is `mask` already, and named as asked for; else None."""
        held = array_name(roi.mask_ref or "")
        if held is None or held not in self._source.list_array_artifacts():
            return None
        if name is not None and not re.fullmatch(rf"{re.escape(name)}(_\d+)?", held):
            return None
        # A mask in the older form is written anew, in the whole slice's shape.
        return roi.mask_ref if np.array_equal(self.load(held), mask) else None

    def save_new(self, roi_id: int, mask: NDArray[np.bool_], *, name: str | None = None) -> str:
        """Write a mask (y, x) as `name`, else `roi_mask_<id>`, numbered where that is taken; return its `mask_ref`."""
        there = set(self._source.list_array_artifacts())
        base = name or f"roi_mask_{roi_id}"
        new, number = base, 2
        while True:
            while new in there:
                new, number = f"{base}_{number}", number + 1
            try:
                self._source.save_array_artifact(new, mask, axes=("y", "x"), held_by_metadata=True)
            except ArtifactExistsError:  # another window has taken the name since
                there.add(new)
            else:
                return array_group_key(new)
