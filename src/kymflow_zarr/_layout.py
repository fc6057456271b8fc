"""Every name on disk, once; `docs/format.md` describes them.

The rule of this room: no other module spells a file or folder name of the format.
Keys are relative to the dataset's root or, where the name says `RECORD_`, to one record's folder.
"""

import re

FORMAT = "kymflow_zarr"
SCHEMA_VERSION = 2
OLDER_FORMAT = "kymflow_zarr_v1"
ATTRIBUTES_KEY = "kymflow"

GROUP_DOCUMENT = "zarr.json"
OLDER_ATTRIBUTES = ".zattrs"
IMAGES = "images"
TABLES = "tables"
INDEX = "index"
STAGING = ".staging"
SOURCES_TABLE = "sources"

RECORD_DATA = "data"
RECORD_ANALYSIS = "analysis"
RECORD_ARRAYS = "analysis_arrays"
RECORD_METADATA = "analysis/metadata.json"
RECORD_HISTORY = "analysis/history"
METADATA = "metadata"
PROVENANCE = "provenance"

_REVISION = re.compile(r"metadata\.(\d{8})\.json")


def record_key(image_id: str) -> str:
    """Return the folder of one record."""
    return f"{IMAGES}/{image_id}"


def table_key(name: str) -> str:
    """Return the file of one dataset table."""
    return f"{TABLES}/{name}.parquet"


def json_key(name: str) -> str:
    """Return a record's JSON artifact."""
    return f"{RECORD_ANALYSIS}/{name}.json"


def parquet_key(name: str) -> str:
    """Return a record's table artifact."""
    return f"{RECORD_ANALYSIS}/{name}.parquet"


def array_group_key(name: str) -> str:
    """Return the folder of a record's array artifact, which is also what a `mask_ref` holds."""
    return f"{RECORD_ARRAYS}/{name}"


def array_data_key(name: str) -> str:
    """Return the zarr array inside an array artifact's folder."""
    return f"{array_group_key(name)}/{RECORD_DATA}"


def array_name(reference: str) -> str | None:
    """Return the array artifact's name that a `mask_ref` holds, or None where it holds none."""
    prefix, _, name = reference.partition("/")
    return name if prefix == RECORD_ARRAYS and name and "/" not in name else None


def revision_key(revision: int) -> str:
    """Return the file of one revision of a record's metadata."""
    return f"{RECORD_HISTORY}/metadata.{revision:08d}.json"


def revision_number(file_name: str) -> int | None:
    """Return the revision that a history file holds, or None for another file: inverse of `revision_key`."""
    match = _REVISION.fullmatch(file_name)
    return int(match[1]) if match else None
