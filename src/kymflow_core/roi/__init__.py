"""Regions of interest: frozen values, sets of them, and pure functions between them and pixels."""

from kymflow_core.roi.merge import Merged, merge_roi_sets
from kymflow_core.roi.roi_set import RoiSet
from kymflow_core.roi.rois import ROI, DrawnShape, MaskROI, RectROI, roi_from_dict

__all__ = ["ROI", "DrawnShape", "MaskROI", "Merged", "RectROI", "RoiSet", "merge_roi_sets", "roi_from_dict"]
