"""Acquisition headers: what microscopes state about an image, and what reads it."""

from kymflow_core.headers.acquisition import AcquisitionHeader, ScanDirection
from kymflow_core.headers.discovery import FoundHeaderReaders, find_header_readers, installed_header_readers
from kymflow_core.headers.olympus import OlympusHeader
from kymflow_core.headers.reader import FoundHeader, HeaderReader, read_header

__all__ = [
    "AcquisitionHeader",
    "FoundHeader",
    "FoundHeaderReaders",
    "HeaderReader",
    "OlympusHeader",
    "ScanDirection",
    "find_header_readers",
    "installed_header_readers",
    "read_header",
]
