"""What is measured of ROIs, for the list. Safe in a worker."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kymflow_core import AcqImage
from kymflow_core.roi import ROI
from kymflow_core.roi.bounds import Bounds, roi_bounds
from kymflow_core.roi.masks import MaskState
from kymflow_core.roi.pixels import RoiStats
from kymflow_core.tables.roi_results import has_same_pixels
from kymflow_zarr import ZarrDataset
from napari_kymflow.errors import OUR_ERRORS


@dataclass(frozen=True, slots=True, kw_only=True)
class RoiFacts:
    """What is measured of one ROI: the pixels inside, where they lie, what its stored mask is worth; None where unknown."""

    stats: RoiStats | None = None
    bounds: Bounds | None = None
    mask_state: MaskState | None = None


def measure_rois(path: Path, image_id: str, rois: Sequence[ROI]) -> dict[int, tuple[ROI, RoiFacts]]:
    """Return what is measured of ROIs, saved or not; None for statistics that cannot be read."""
    try:
        image = AcqImage(ZarrDataset(path, mode="r").record(image_id))
    except OUR_ERRORS:
        return {roi.roi_id: (roi, RoiFacts()) for roi in rois}
    try:
        measured = image.measure_many(rois)
    except OUR_ERRORS:  # one of them; the others are measured all the same
        measured = {roi.roi_id: stats for roi in rois if (stats := _measured(image, roi)) is not None}
    return {roi.roi_id: (roi, _facts(image, roi, measured.get(roi.roi_id))) for roi in rois}


def _facts(image: AcqImage, roi: ROI, stats: RoiStats | None) -> RoiFacts:
    stored = image.stored_mask(roi)
    return RoiFacts(stats=stats, bounds=roi_bounds(roi, image.slice_shape, stored.pixels), mask_state=stored.state)


def _measured(image: AcqImage, roi: ROI) -> RoiStats | None:
    try:
        return image.measure(roi)
    except OUR_ERRORS:
        return None


def is_measured(roi: ROI, measured: ROI) -> bool:
    """Return whether what was measured of one ROI holds for the other."""
    return has_same_pixels(roi, measured) and roi.mask_ref == measured.mask_ref
