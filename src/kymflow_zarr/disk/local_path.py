"""Paths on a disk. The rule of this room: an address of the internet or of a bucket is never taken for a folder's name."""

import re
from pathlib import Path

from kymflow_zarr.errors import InvalidNameError

_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):[/\\]+(.*)", re.DOTALL)
"""`s3://bucket`, of which `pathlib` makes `s3:/bucket`, on Windows `s3:\\bucket`; a drive of Windows has one letter."""


def address_of(path: str | Path) -> str | None:
    """Return the address that a path is, such as `s3://bucket/lab.zarr`; None where it is a path on a disk."""
    match = _ADDRESS.fullmatch(str(path))
    return f"{match[1].lower()}://{match[2]}".replace("\\", "/").rstrip("/") if match else None


def real_path(path: str | Path) -> Path:
    """Return the absolute path with all links followed, of an address the address itself."""
    address = address_of(path)
    return Path(address) if address else Path(path).resolve()


def local_path(path: str | Path) -> Path:
    """Return a path on a disk of this computer; raise `InvalidNameError` where it is an address."""
    if address := address_of(path):
        raise InvalidNameError(
            f"{address} is an address and no folder or file of this computer; of such places only datasets are read, with "
            "ZarrDataset(address, mode='r'): copy the data to a disk, or mount the place as a folder, and give the path of "
            "that"
        )
    return Path(path)
