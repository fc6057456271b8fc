"""Masks to a Labels layer, to be painted on, and back. No Qt.

The rule of this room: a label's number is the id of its ROI, where the layer is one of ours and the ROI is there; any other
number becomes a new ROI. Where masks overlap, the later ROI's label is on top, and saving would cut the others: only ROIs
whose labels were changed are written.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kymflow_core import AcqImage, MaskROI, RoiSet
from kymflow_core.errors import ImageError
from kymflow_core.roi import ROI, painted_mask_of
from kymflow_zarr import ZarrDataset
from napari_kymflow.errors import OUR_ERRORS


@dataclass(frozen=True, slots=True, kw_only=True)
class Painted:
    """What painted labels mean: ROIs that replace those of the same id, new ones by label, and what could not be taken."""

    changed: tuple[MaskROI, ...]
    new: dict[int, MaskROI]
    said: tuple[str, ...]


def masks_to_labels(image: AcqImage, rois: Sequence[ROI]) -> NDArray[np.int32]:
    """Return an image (y, x) with each ROI's id at its pixels, later ones on top; raises as `AcqImage.mask_of`."""
    labels = np.zeros(image.slice_shape, dtype=np.int32)
    for roi in rois:
        labels[image.mask_of(roi)] = roi.roi_id
    return labels


def check_labels(labels: NDArray[Any], shape: tuple[int, int]) -> None:
    """Raise `ImageError` unless labels are as large as the image."""
    if labels.shape != shape:
        raise ImageError(
            f"the labels have the shape {labels.shape}, and the image {shape} (y, x): labels are saved as ROIs pixel by "
            "pixel, so both must be the same. Make the labels with New labels while the record is open"
        )


def labels_to_rois(
    path: Path, image_id: str, labels: NDArray[Any], opened: NDArray[Any] | None, rois: RoiSet, *, z: int, channel: int
) -> Painted | str:
    """Write the masks of labels that changed, and return the ROIs that they make, or why that failed. Safe in a worker.

    Parameters
    ----------
    path, image_id
        The record.
    labels
        The painted labels (y, x).
    opened
        The labels as they were when they were opened; None where the layer is the user's own.
    rois
        The ROIs on screen.
    z, channel
        Where new ROIs are.
    """
    try:
        image = AcqImage(ZarrDataset(ZarrDataset(path, mode="r").path).record(image_id))
        check_labels(labels, image.slice_shape)
        return _painted(image, labels, opened, rois, z=z, channel=channel)
    except (*OUR_ERRORS, OSError, NotImplementedError) as error:
        return str(error)


def _painted(
    image: AcqImage, labels: NDArray[Any], opened: NDArray[Any] | None, rois: RoiSet, *, z: int, channel: int
) -> Painted:
    changed: list[MaskROI] = []
    new: dict[int, MaskROI] = {}
    next_id = rois.next_id
    values = {int(value) for value in np.unique(labels)} - {0}
    before = {int(value) for value in np.unique(opened)} - {0} if opened is not None else set()
    for value in sorted(values):
        mask = labels == value
        old = rois.get(value) if opened is not None and value in rois else None
        if old is not None and opened is not None and np.array_equal(mask, opened == value):
            continue
        if old is None:
            reference = image.write_mask(next_id, mask)
            new[value] = MaskROI(roi_id=next_id, name=f"label {value}", z=z, channel=channel, reference=reference)
            next_id += 1
        else:
            # What another label covers of the ROI is still its own.
            erased = (opened == value) & ~mask if opened is not None else ~mask
            changed.append(painted_mask_of(old, image.write_mask(value, (image.mask_of(old) & ~erased) | mask)))
    said = [f"ROI {value} has no pixel left in the labels and was left as it was." for value in sorted(before - values)]
    return Painted(changed=tuple(changed), new=new, said=tuple(said))


def renumbered_labels(labels: NDArray[Any], numbers: dict[int, int]) -> NDArray[Any]:
    """Return labels with some values replaced by others, all at once."""
    renumbered = labels.copy()
    for old, new in numbers.items():
        renumbered[labels == old] = new
    return renumbered
