from . import simulate
from .analysis import AnalysisReport, analyze_dataset
from .calibration import Calibration, RoiExtent
from .computed_from import ComputedFrom
from .folder_names import FolderNames, FolderPattern, fill_from_folders
from .images.acq_image import AcqImage
from .images.ome_files import export_ome_zarr, import_ome_zarr
from .indexers import (
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
from .metadata_edit import EditReport, MetadataEdit, edit_metadata, preview_edit, undo_edit
from .reviews.log import ReviewLog
from .reviews.merge import merge_reviews
from .reviews.review import Review, load_review
from .roi import MaskROI, RectROI, RoiSet, roi_from_dict
from .tables.freshness import State
from .tables.kym_dataset import KymDataset
from .tables.update_report import UpdateReport

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
