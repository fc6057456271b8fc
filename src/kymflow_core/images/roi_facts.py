"""What the pixels of many ROIs say, for a list and a table of them."""

from collections.abc import Sequence
from dataclasses import dataclass

from kymflow_core.errors import KymflowError
from kymflow_core.images.acq_image import AcqImage
from kymflow_core.images.slices import Slices, pixels_to_cut
from kymflow_core.roi import ROI, MaskROI, RectROI
from kymflow_core.roi.bounds import Bounds, roi_bounds
from kymflow_core.roi.masks import MaskState, StoredMask
from kymflow_core.roi.pixels import RoiStats, drawn_mask, pixel_stats
from kymflow_zarr.errors import KymflowZarrError

MANY = 8
"""From so many ROIs on, a slice is read once and not once for each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoiFacts:
    """What is measured of one ROI: the pixels inside, where they lie, what its stored mask is worth; None where unknown."""

    stats: RoiStats | None = None
    bounds: Bounds | None = None
    mask_state: MaskState | None = None


def examine_rois(image: AcqImage, rois: Sequence[ROI]) -> dict[int, RoiFacts]:
    """Return what is measured of ROIs, saved or not, by id; what cannot be read is unknown, and no error.

    Each mask is read once. Where a slice is small enough to be held (512 MB), it is read once, not once for each ROI.
    """
    try:
        slices = Slices(pixels_to_cut(image.source), image.axes, holds=len(rois) >= MANY)
    except KymflowZarrError:
        slices = None
    return {roi.roi_id: _examined(image, roi, slices) for roi in rois}


def _examined(image: AcqImage, roi: ROI, slices: Slices | None) -> RoiFacts:
    stored = image.stored_mask(roi)
    bounds = roi_bounds(roi, image.slice_shape, stored.pixels)
    try:
        stats = stats_of_roi(slices, roi, stored, bounds) if slices else None
    except (KymflowError, KymflowZarrError):
        stats = None
    return RoiFacts(stats=stats, bounds=bounds, mask_state=stored.state)


def stats_of_roi(slices: Slices, roi: ROI, stored: StoredMask, bounds: Bounds | None) -> RoiStats | None:
    """Return the statistics of a ROI's pixels; None where its mask is lost or damaged, so that nobody knows its pixels.

    Parameters
    ----------
    slices
        The image.
    roi, stored, bounds
        The ROI, saved or not, its stored mask, and its `roi_bounds`.

    Raises
    ------
    RoiError
        When the image has not the ROI's z or channel.
    """
    is_saved_mask = isinstance(roi, MaskROI) and roi.reference is not None
    mask = stored.pixels if is_saved_mask else drawn_mask(roi, slices.shape)
    if mask is None or bounds is None:
        return None
    pixels = slices.read(z=roi.z, channel=roi.channel, bounds=bounds)
    return pixel_stats(pixels if isinstance(roi, RectROI) else pixels[mask[bounds.slices]])
