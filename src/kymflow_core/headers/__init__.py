"""Acquisition headers: what microscopes state about an image, and what reads it."""

from kymflow_core.headers.acquisition import AcquisitionHeader
from kymflow_core.headers.discovery import FoundHeaderReaders, find_header_readers, installed_header_readers
from kymflow_core.headers.olympus import OlympusHeader
from kymflow_core.headers.reader import FoundHeader, HeaderReader, read_header

__all__ = [
    "AcquisitionHeader",
    "FoundHeader",
    "FoundHeaderReaders",
    "HeaderReader",
    "OlympusHeader",
    "find_header_readers",
    "installed_header_readers",
    "read_header",
]
