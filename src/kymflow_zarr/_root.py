"""What stands at a dataset's path: nothing, a dataset, one of the older program, a half-made one, or something else."""

import uuid

from kymflow_zarr import _layout
from kymflow_zarr._blobs import Blobs
from kymflow_zarr._json import object_from_bytes
from kymflow_zarr.errors import DamagedError, DatasetNotFoundError, NotADatasetError, UnsupportedVersionError
from kymflow_zarr.schema import DatasetAttributes, group_from_bytes

GROUPS = (_layout.IMAGES, _layout.TABLES, _layout.INDEX)
"""The groups of an empty dataset."""


def load_attributes(blobs: Blobs) -> DatasetAttributes | None:
    """Return a dataset's attributes, None where there is nothing at its path."""
    where = str(blobs.root)
    if not blobs.root.exists():
        return None
    if not blobs.root.is_dir():
        raise DatasetNotFoundError(f"{where} is a file; a dataset is a folder whose name ends in .zarr")
    if not blobs.exists(_layout.GROUP_DOCUMENT):
        if _is_older(blobs):
            raise UnsupportedVersionError(
                f"{where} was written by the older kymflow program; this version cannot open such datasets yet"
            )
        if any(is_uuid(name) for name in blobs.names(_layout.IMAGES)):
            raise DamagedError(
                f"{where} has image records but no {_layout.GROUP_DOCUMENT}; restore that file from a backup"
            )
        if not _is_unfinished(blobs):
            raise NotADatasetError(f"{where} is a folder with other things in it; choose a new name for the dataset")
        return None
    document = f"{where}/{_layout.GROUP_DOCUMENT}"
    return DatasetAttributes.from_json(group_from_bytes(blobs.read(_layout.GROUP_DOCUMENT), where=document), where=where)


def _is_older(blobs: Blobs) -> bool:
    if not blobs.exists(_layout.OLDER_ATTRIBUTES):
        return False
    attributes = object_from_bytes(blobs.read(_layout.OLDER_ATTRIBUTES), what=blobs.describe(_layout.OLDER_ATTRIBUTES))
    return attributes.get("format") == _layout.OLDER_FORMAT


def _is_unfinished(blobs: Blobs) -> bool:
    """Return whether there is at most what a program that was stopped while making a dataset leaves behind."""
    names = {entry.name for entry in blobs.root.iterdir() if entry.suffix != ".tmp"}
    return names <= set(GROUPS) and all(set(blobs.names(group)) <= {_layout.GROUP_DOCUMENT} for group in GROUPS)


def is_uuid(text: str) -> bool:
    """Return whether a name can be an image id."""
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False
