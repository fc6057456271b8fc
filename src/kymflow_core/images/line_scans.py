"""Whether a TIFF is a line scan, by its header; no pixels are read."""

from pathlib import Path

import tifffile

from kymflow_core.headers import installed_header_readers, read_header
from kymflow_zarr.formats.tiff import UNREADABLE_TIFF


def is_line_scan(path: Path) -> bool:
    """Return whether a microscope's header, in the TIFF or next to it, gives the seconds per line of a kymograph."""
    try:
        with tifffile.TiffFile(path) as tiff:
            shape = tiff.series[0].shape if tiff.series else ()
    except (*UNREADABLE_TIFF, OSError):  # no TIFF, or a damaged one
        return False
    if len(shape) < 2:
        return False
    return read_header(path, shape, installed_header_readers().readers).header.seconds_per_line is not None
