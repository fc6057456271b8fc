"""The domain of kymflow: ROIs, acquired images, datasets of kymographs and their tables. No GUI."""

from kymflow_core import simulate
from kymflow_core.acq_image import AcqImage
from kymflow_core.indexers import DatasetIndexer, RadonReportIndexer, VelocityEventsIndexer
from kymflow_core.kym_dataset import KymDataset, UpdateReport
from kymflow_core.roi import MaskROI, RectROI, RoiSet, roi_from_dict

__all__ = [
    "AcqImage",
    "DatasetIndexer",
    "KymDataset",
    "MaskROI",
    "RadonReportIndexer",
    "RectROI",
    "RoiSet",
    "UpdateReport",
    "VelocityEventsIndexer",
    "roi_from_dict",
    "simulate",
]
