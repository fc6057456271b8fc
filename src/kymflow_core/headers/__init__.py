"""Acquisition headers: what microscopes say of an image."""

from kymflow_core.headers.acquisition import AcquisitionHeader
from kymflow_core.headers.olympus import OlympusHeader

__all__ = ["AcquisitionHeader", "OlympusHeader"]
