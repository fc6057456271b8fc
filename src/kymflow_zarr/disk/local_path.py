"""Paths on a disk. The rule of this room: an address of the internet or of a bucket is never taken for a folder's name."""

import re
from pathlib import Path

from kymflow_zarr.errors import InvalidNameError

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")
"""`s3://bucket`, of which `pathlib` makes `s3:/bucket`; a drive of Windows has one letter."""


def local_path(path: str | Path) -> Path:
    """Return a path on a disk of this computer; raise `InvalidNameError` where it is an address."""
    if _ADDRESS.match(str(path)):
        raise InvalidNameError(
            f"{path} is an address and no folder or file of this computer; such places are not read or written yet: copy "
            "the data to a disk, or mount the place as a folder, and give the path of that"
        )
    return Path(path)
