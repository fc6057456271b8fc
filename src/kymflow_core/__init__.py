"""The domain of kymflow: ROIs, acquired images, datasets of kymographs and their tables. No GUI."""

from kymflow_core import simulate
from kymflow_core.analysis import AnalysisReport, analyze_dataset
from kymflow_core.calibration import Calibration, RoiExtent
from kymflow_core.computed_from import ComputedFrom
from kymflow_core.folder_names import FolderNames, FolderPattern, fill_from_folders
from kymflow_core.images.acq_image import AcqImage
from kymflow_core.images.ome_files import export_ome_zarr, import_ome_zarr
from kymflow_core.indexers import (
    DatasetIndexer,
    ImageIndexer,
    RadonReportIndexer,
    ReviewIndexer,
    RoiIndexer,
    VelocityEventsIndexer,
    VelocityIndexer,
    ensure_image_id_column,
    normalize_table_name,
)
from kymflow_core.metadata_edit import EditReport, MetadataEdit, edit_metadata, preview_edit, undo_edit
from kymflow_core.reviews.log import ReviewLog
from kymflow_core.reviews.merge import merge_reviews
from kymflow_core.reviews.review import Review, load_review
from kymflow_core.roi import MaskROI, RectROI, RoiSet, roi_from_dict
from kymflow_core.tables.freshness import State
from kymflow_core.tables.kym_dataset import KymDataset
from kymflow_core.tables.update_report import UpdateReport

__all__ = [
    "AcqImage",
    "AnalysisReport",
    "Calibration",
    "ComputedFrom",
    "DatasetIndexer",
    "EditReport",
    "FolderNames",
    "FolderPattern",
    "ImageIndexer",
    "KymDataset",
    "MaskROI",
    "MetadataEdit",
    "RadonReportIndexer",
    "RectROI",
    "Review",
    "ReviewIndexer",
    "ReviewLog",
    "RoiExtent",
    "RoiIndexer",
    "RoiSet",
    "State",
    "UpdateReport",
    "VelocityEventsIndexer",
    "VelocityIndexer",
    "analyze_dataset",
    "edit_metadata",
    "ensure_image_id_column",
    "export_ome_zarr",
    "fill_from_folders",
    "import_ome_zarr",
    "load_review",
    "merge_reviews",
    "normalize_table_name",
    "preview_edit",
    "roi_from_dict",
    "simulate",
    "undo_edit",
]
