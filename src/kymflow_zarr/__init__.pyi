from .dataset.manifest import Manifest, ManifestEntry
from .formats.frames import check_storable, concatenate_frames
from .formats.strict_json import JsonObject, JsonValue
from .formats.units import units_of, with_units
from .importing.changed_file import pixels_digest
from .importing.content import FileContent
from .importing.file_reader import FileReader
from .importing.plan import ImportPlan
from .layout import (
    MASKS_KEY,
    METADATA_KEY,
    PIXEL_VALUES_KEY,
    PIXELS_KEY,
    PIXELS_SHA256,
    PROVENANCE,
    array_group_key,
    array_name,
)
from .names import check_name
from .record.ome import OmeDescription
from .record.record import ZarrImageRecord
from .record.revisions import Revision
from .reports import ImportReport
from .tables.index import TableIndex
from .tables.tables import ReplacedRows
from .verify.problems import Problem
from .verify.verify import VerifyReport
from .watch import Watch
from .zarr_dataset import ZarrDataset

__all__ = [
    "MASKS_KEY",
    "METADATA_KEY",
    "PIXELS_KEY",
    "PIXEL_VALUES_KEY",
    "PIXELS_SHA256",
    "PROVENANCE",
    "FileContent",
    "FileReader",
    "ImportPlan",
    "ImportReport",
    "JsonObject",
    "JsonValue",
    "Manifest",
    "ManifestEntry",
    "OmeDescription",
    "Problem",
    "ReplacedRows",
    "Revision",
    "TableIndex",
    "VerifyReport",
    "Watch",
    "ZarrDataset",
    "ZarrImageRecord",
    "array_group_key",
    "array_name",
    "check_name",
    "check_storable",
    "concatenate_frames",
    "pixels_digest",
    "units_of",
    "with_units",
]
