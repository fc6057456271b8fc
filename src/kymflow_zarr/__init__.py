"""Storage of kymflow datasets: image records, artifacts and tables in one `.zarr` folder. No GUI, no kymographs."""

from kymflow_zarr.dataset.manifest import Manifest, ManifestEntry
from kymflow_zarr.formats.frames import check_storable, concatenate_frames
from kymflow_zarr.formats.strict_json import JsonObject, JsonValue
from kymflow_zarr.formats.units import units_of, with_units
from kymflow_zarr.importing.changed_file import pixels_digest
from kymflow_zarr.importing.content import FileContent
from kymflow_zarr.importing.file_reader import FileReader
from kymflow_zarr.importing.plan import ImportPlan
from kymflow_zarr.layout import (
    MASKS_KEY,
    METADATA_KEY,
    PIXEL_VALUES_KEY,
    PIXELS_KEY,
    PIXELS_SHA256,
    PROVENANCE,
    array_group_key,
    array_name,
)
from kymflow_zarr.names import check_name
from kymflow_zarr.record.ome import OmeDescription
from kymflow_zarr.record.record import ZarrImageRecord
from kymflow_zarr.record.revisions import Revision
from kymflow_zarr.reports import ImportReport
from kymflow_zarr.tables.index import TableIndex
from kymflow_zarr.tables.tables import ReplacedRows
from kymflow_zarr.verify.problems import Problem
from kymflow_zarr.verify.verify import VerifyReport
from kymflow_zarr.watch import Watch
from kymflow_zarr.zarr_dataset import ZarrDataset

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
