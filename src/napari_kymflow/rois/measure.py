"""What is measured of ROIs, for the list. Safe in a worker."""

from collections.abc import Sequence
from pathlib import Path

from kymflow_core import AcqImage
from kymflow_core.images.roi_facts import RoiFacts, examine_rois
from kymflow_core.roi import ROI
from kymflow_core.tables.roi_results import has_same_pixels
from kymflow_zarr import ZarrDataset
from napari_kymflow.errors import OUR_ERRORS


def measure_rois(path: Path, image_id: str, rois: Sequence[ROI]) -> dict[int, tuple[ROI, RoiFacts]]:
    """Return what is measured of ROIs, saved or not; nothing is known of those of a record that cannot be opened."""
    try:
        facts = examine_rois(AcqImage(ZarrDataset(path, mode="r").record(image_id)), rois)
    except OUR_ERRORS:
        facts = {}
    return {roi.roi_id: (roi, facts.get(roi.roi_id, RoiFacts())) for roi in rois}


def is_measured(roi: ROI, measured: ROI) -> bool:
    """Return whether what was measured of one ROI holds for the other."""
    return has_same_pixels(roi, measured) and roi.mask_ref == measured.mask_ref
