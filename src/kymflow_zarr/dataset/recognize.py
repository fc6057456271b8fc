"""What is at a dataset's path: nothing, a dataset, one of the older program, a half-made one, or something else."""

import re

from kymflow_zarr import layout
from kymflow_zarr.disk.blobs import Blobs
from kymflow_zarr.errors import (
    DamagedError,
    DatasetNotFoundError,
    NotADatasetError,
    OlderDatasetError,
    UnsupportedVersionError,
)
from kymflow_zarr.formats.strict_json import MAX_DOCUMENT_BYTES, JsonObject, object_from_bytes
from kymflow_zarr.record.attributes import DatasetAttributes, group_from_bytes

GROUPS = (layout.IMAGES, layout.TABLES, layout.INDEX)
"""The groups of an empty dataset."""
_UUID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def load_attributes(blobs: Blobs) -> DatasetAttributes | None:
    """Return a dataset's attributes, None where there is nothing at its path; raise as `Dataset`."""
    where = blobs.describe("")
    if not blobs.exists(""):
        return None
    if not blobs.is_folder(""):
        raise DatasetNotFoundError(f"{where} is a file; a dataset is a folder whose name ends in .zarr")
    if not blobs.exists(layout.GROUP_DOCUMENT):
        if load_older_attributes(blobs) is not None:
            raise OlderDatasetError.at(where)
        has_records = any(is_uuid(name) for name in blobs.names(layout.IMAGES))
        is_unfinished = _is_unfinished(blobs)
        if not blobs.exists(layout.GROUP_DOCUMENT):  # else another program has made the dataset since
            if has_records:
                what = f"{where} has image records but no {layout.GROUP_DOCUMENT}; restore that file from a backup"
                raise DamagedError(what)
            if not is_unfinished:
                raise NotADatasetError(f"{where} is a folder with other things in it; choose a new name for the dataset")
            return None
    document = f"{where}/{layout.GROUP_DOCUMENT}"
    data = blobs.read(layout.GROUP_DOCUMENT, limit=MAX_DOCUMENT_BYTES)
    return DatasetAttributes.from_json(group_from_bytes(data, where=document), where=where)


def load_older_attributes(blobs: Blobs) -> JsonObject | None:
    """Return what the attributes of a dataset of the older program say; None where there is none at the path.

    Raises
    ------
    NotADatasetError
        When there is a zarr group of another kind.
    UnsupportedVersionError
        When it is a dataset of another version of the older program.
    DamagedError
        When the attributes cannot be read.
    """
    if blobs.exists(layout.GROUP_DOCUMENT) or not blobs.exists(layout.V2_ATTRIBUTES):
        return None
    data = blobs.read(layout.V2_ATTRIBUTES, limit=MAX_DOCUMENT_BYTES)
    where, attributes = blobs.describe(""), object_from_bytes(data, what=blobs.describe(layout.V2_ATTRIBUTES))
    if attributes.get("format") != layout.OLDER_FORMAT:
        raise NotADatasetError(f"{where} is a zarr group, but not a kymflow dataset")
    version = attributes.get("schema_version")
    if version != layout.OLDER_SCHEMA_VERSION:
        raise UnsupportedVersionError(
            f"{where} has schema version {version} of the older program; only version {layout.OLDER_SCHEMA_VERSION} can be "
            "copied into today's format"
        )
    return attributes


def _is_unfinished(blobs: Blobs) -> bool:
    """Return whether there is at most what a program that was stopped while making a dataset leaves behind."""
    names = {name for name in blobs.names("", hidden=True) if not name.endswith(".tmp")}
    return names <= set(GROUPS) and all(set(blobs.names(group)) <= {layout.GROUP_DOCUMENT} for group in GROUPS)


def is_uuid(text: str) -> bool:
    """Return whether a name can be an image id."""
    return _UUID.fullmatch(text) is not None
