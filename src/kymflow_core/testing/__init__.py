"""Tests for whoever writes an indexer, a header reader or an image reader: inherit a class and give it examples.

The rule of this room: nothing else in `kymflow_core` imports it, since it needs pytest and the program does not.
"""

from kymflow_core.testing.artifacts import IMAGE_ID, ArtifactsInMemory
from kymflow_core.testing.header_readers import HeaderReaderContract
from kymflow_core.testing.image_readers import ImageReaderContract
from kymflow_core.testing.indexers import IndexerContract

__all__ = ["IMAGE_ID", "ArtifactsInMemory", "HeaderReaderContract", "ImageReaderContract", "IndexerContract"]
