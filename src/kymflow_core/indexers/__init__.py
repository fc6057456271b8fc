"""Indexers: from the artifacts of one image to its rows in a dataset table."""

from kymflow_core.indexers.protocol import ArtifactReader, DatasetIndexer
from kymflow_core.indexers.radon_report import RadonReportIndexer
from kymflow_core.indexers.velocity_events import VelocityEventsIndexer

INDEXERS: tuple[DatasetIndexer, ...] = (RadonReportIndexer(), VelocityEventsIndexer())
"""What fills the dataset tables that every dataset has."""

__all__ = ["INDEXERS", "ArtifactReader", "DatasetIndexer", "RadonReportIndexer", "VelocityEventsIndexer"]
