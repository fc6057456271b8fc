"""Indexers: from the artifacts of one image to its rows in a dataset table."""

from kymflow_core.indexers.discovery import FoundIndexers, find_indexers
from kymflow_core.indexers.images import ImageIndexer
from kymflow_core.indexers.protocol import (
    ArtifactReader,
    DatasetIndexer,
    StatesUnits,
    ensure_image_id_column,
    normalize_table_name,
    reads_results,
)
from kymflow_core.indexers.radon_report import RadonReportIndexer
from kymflow_core.indexers.reviews import ReviewIndexer
from kymflow_core.indexers.rois import RoiIndexer
from kymflow_core.indexers.velocity import VelocityIndexer
from kymflow_core.indexers.velocity_events import VelocityEventsIndexer

INDEXERS: tuple[DatasetIndexer, ...] = (
    ImageIndexer(),
    RoiIndexer(),
    RadonReportIndexer(),
    VelocityEventsIndexer(),
    VelocityIndexer(),
    ReviewIndexer(),
)
"""What fills the dataset tables that every dataset has."""

__all__ = [
    "INDEXERS",
    "ArtifactReader",
    "DatasetIndexer",
    "FoundIndexers",
    "ImageIndexer",
    "RadonReportIndexer",
    "ReviewIndexer",
    "RoiIndexer",
    "StatesUnits",
    "VelocityEventsIndexer",
    "VelocityIndexer",
    "ensure_image_id_column",
    "find_indexers",
    "normalize_table_name",
    "reads_results",
]
