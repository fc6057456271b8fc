"""Every name on disk, once; `docs/format.md` describes them.

The rule of this room: no other module spells a file or folder name of the format.
Keys are relative to the dataset's root or, where the name says `RECORD_`, to one record's folder.
"""

import re

FORMAT = "kymflow_zarr"
SCHEMA_VERSION = 2
OLDER_FORMAT = "kymflow_zarr_v1"
OLDER_SCHEMA_VERSION = 1
ATTRIBUTES_KEY = "kymflow"

GROUP_DOCUMENT = "zarr.json"
ATTRIBUTES = "attributes"
OME = "ome"
OME_VERSION = "0.5"
OME_LABELS = "labels"
V2_ATTRIBUTES = ".zattrs"
V2_GROUP = ".zgroup"
V2_ARRAY = ".zarray"
"""Zarr version 2's own, in images of other programs and in datasets of the older one."""
OLDER_ORIGINALS = "older"
"""In a copy of a dataset of the older program, what has no place in this format."""
IMAGES = "images"
TABLES = "tables"
INDEX = "index"
COMMITS = "tables/.commits"
MANIFEST = "index/manifest.json.gz"
FILE_LIST = "index/files.json.gz"
"""Which files there are, for who reads the dataset from a server that cannot be asked."""
STAGING = ".staging"
QUARANTINE = ".quarantine"
COMMITS_BESIDE = ".kymflow"
"""Next to image files, the commits of what was saved there."""
TRASH = ".trash"
"""Records that somebody removed."""
SOURCES_TABLE = "sources"

RECORD_DATA = "data"
RECORD_PIXELS_DOCUMENT = "data/zarr.json"
"""What says the shape of the pixels."""
RECORD_ANALYSIS = "analysis"
RECORD_ARRAYS = "analysis_arrays"
RECORD_METADATA = "analysis/metadata.json"
RECORD_HISTORY = "analysis/history"
METADATA = "metadata"
METADATA_KEY = "metadata.json"
MASKS_KEY = "masks"
PIXELS_KEY = "pixels"
PIXEL_VALUES_KEY = "pixel values"
HELD_BY = "held_by"
ARRAYS_FOLDER = "array_artifacts"
"""Next to a TIFF, or in the folder of one record: its masks and other arrays, also as TIFFs for other programs."""
COMPUTED_FROM = "computed_from"
PROVENANCE = "provenance"
PIXELS_SHA256 = "pixels_sha256"
"""In a record's metadata, the digest of pixels that replaced others."""
HEADER = "header"
ROIS = "rois"
"""In a record's metadata, entries that the domain reads. Lists show a name and a time of the header."""
JSON = ".json"
PARQUET = ".parquet"
CSV_GZ = ".csv.gz"
ARTIFACT_ENDINGS = (JSON, PARQUET, CSV_GZ)

LAST_NUMBER = 10**17 - 1
"""The highest number of a revision or commit. A file with a higher number is none, whoever put it there."""
_NUMBER = "[0-9]{8}|[1-9][0-9]{8,16}"
_COMMIT = re.compile(rf"(.+)\.({_NUMBER})\.parquet")
_PART = re.compile(rf"(.+)\.part-({_NUMBER})\.parquet")
_COMMIT_BESIDE = re.compile(rf"([0-9a-f]{{32}})\.({_NUMBER})\.json")
_REVISION = re.compile(rf"metadata\.({_NUMBER})\.json")


def record_key(image_id: str) -> str:
    """Return the folder of one record."""
    return f"{IMAGES}/{image_id}"


def table_key(name: str) -> str:
    """Return the file of one dataset table."""
    return f"{TABLES}/{name}.parquet"


def commit_key(name: str, number: int) -> str:
    """Return the file of one commit of a dataset table."""
    return f"{COMMITS}/{name}.{number:08d}.parquet"


def commit_name(file_name: str) -> tuple[str, int] | None:
    """Return the table and the number of a commit's file, or None for another file: inverse of `commit_key`."""
    match = _COMMIT.fullmatch(file_name)
    return (match[1], int(match[2])) if match else None


def part_key(name: str, number: int) -> str:
    """Return the file by which other programs see a part of a dataset table; its name sorts behind the table's."""
    return f"{TABLES}/{name}.part-{number:08d}.parquet"


def part_name(file_name: str) -> tuple[str, int] | None:
    """Return the table and the number of a part's file, or None for another file: inverse of `part_key`."""
    match = _PART.fullmatch(file_name)
    return (match[1], int(match[2])) if match else None


def index_part_key(table_name: str, number: int) -> str:
    """Return a file that has newer entries of some images than the index of a dataset table."""
    return f"{INDEX}/{table_name}.part-{number:08d}.parquet"


def beside_commit_key(digest: str, number: int) -> str:
    """Return the file of one commit of a file next to an image, which is known by a digest of its name."""
    return f"{COMMITS_BESIDE}/{digest}.{number:08d}.json"


def beside_commit_name(file_name: str) -> tuple[str, int] | None:
    """Return the digest and the number in a commit's name, or None for another file: inverse of `beside_commit_key`."""
    match = _COMMIT_BESIDE.fullmatch(file_name)
    return (match[1], int(match[2])) if match else None


def index_key(table_name: str) -> str:
    """Return the file that says what each image's rows in one dataset table were made from."""
    return f"{INDEX}/{table_name}.parquet"


def artifact_key(name: str, ending: str) -> str:
    """Return the file of a record's JSON or table artifact."""
    return f"{RECORD_ANALYSIS}/{name}{ending}"


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
