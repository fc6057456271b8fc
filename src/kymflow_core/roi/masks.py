"""The masks of one image's ROIs, as arrays beside it.

The rule of this room: a mask is written under a new name and never replaced, since an older revision may refer to it.
"""

import re
from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kymflow_core.errors import RoiError
from kymflow_core.roi import RectROI
from kymflow_zarr import array_group_key, array_name
from kymflow_zarr.errors import ArtifactExistsError


@runtime_checkable
class ArraySource(Protocol):
    """What holds masks as arrays beside the image."""

    def list_array_artifacts(self) -> list[str]:
        """Return the names of the array artifacts."""

    def load_array_artifact(self, name: str) -> NDArray[Any]:
        """Return an array artifact."""

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
