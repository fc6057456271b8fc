"""Regions of interest: frozen values, sets of them, and pure functions between them and pixels."""

from kymflow_core.roi.merge import Merged, merge_roi_sets
from kymflow_core.roi.roi_set import RoiSet
from kymflow_core.roi.rois import (
    ROI,
    DrawnShape,
    MaskROI,
    RectROI,
    mask_of_rect,
    painted_mask_of,
    rect_of_mask,
    roi_from_dict,
)

__all__ = [
    "ROI",
    "DrawnShape",
    "MaskROI",
    "Merged",
    "RectROI",
    "RoiSet",
    "mask_of_rect",
    "merge_roi_sets",
    "painted_mask_of",
    "rect_of_mask",
    "roi_from_dict",
]
