"""What the pixels of many ROIs say, for a list of them: what cannot be read is unknown, and no error."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from numpy.typing import NDArray

from kymflow_core.errors import KymflowError
from kymflow_core.images.acq_image import AcqImage
from kymflow_core.roi import ROI, MaskROI, RectROI
from kymflow_core.roi.bounds import Bounds, roi_bounds
from kymflow_core.roi.masks import MaskState, StoredMask
from kymflow_core.roi.pixels import RoiStats, drawn_mask, pixel_stats
from kymflow_zarr.errors import KymflowZarrError

_MANY = 8
_LARGEST_SLICE = 512 * 2**20

_Slices: TypeAlias = dict[tuple[int, int], NDArray[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class RoiFacts:
    """What is measured of one ROI: the pixels inside, where they lie, what its stored mask is worth; None where unknown."""

    stats: RoiStats | None = None
    bounds: Bounds | None = None
    mask_state: MaskState | None = None


def examine_rois(image: AcqImage, rois: Sequence[ROI]) -> dict[int, RoiFacts]:
    """Return what is measured of ROIs, saved or not, by id.

    Each mask is read once. Where a slice is small enough to be held (512 MB), it is read once, not once for each ROI.
    """
    lines, pixels = image.slice_shape
    holds_slices = len(rois) >= _MANY and lines * pixels * image.pixels.dtype.itemsize <= _LARGEST_SLICE
    slices: _Slices | None = {} if holds_slices else None
    return {roi.roi_id: _examined(image, roi, slices) for roi in rois}


def _examined(image: AcqImage, roi: ROI, slices: _Slices | None) -> RoiFacts:
    stored = image.stored_mask(roi)
    bounds = roi_bounds(roi, image.slice_shape, stored.pixels)
    try:
        stats = None if bounds is None else _stats(image, roi, stored, bounds, slices)
    except (KymflowError, KymflowZarrError):
        stats = None
    return RoiFacts(stats=stats, bounds=bounds, mask_state=stored.state)


def _stats(image: AcqImage, roi: ROI, stored: StoredMask, bounds: Bounds, slices: _Slices | None) -> RoiStats | None:
    is_saved_mask = isinstance(roi, MaskROI) and roi.reference is not None
    mask = stored.pixels if is_saved_mask else drawn_mask(roi, image.slice_shape)
    if mask is None:
        return None
    if slices is None:
        pixels = image.slice_pixels(z=roi.z, channel=roi.channel, bounds=bounds)
    else:
        place = roi.z, roi.channel
        if place not in slices:
            slices[place] = image.slice_pixels(z=roi.z, channel=roi.channel)
        pixels = slices[place][bounds.slices]
    return pixel_stats(pixels if isinstance(roi, RectROI) else pixels[mask[bounds.slices]])
