"""Storage of kymflow datasets: image records, artifacts and tables in one `.zarr` folder. No GUI, no kymographs."""

from kymflow_zarr._frames import check_storable, concatenate_frames
from kymflow_zarr._json import JsonObject, JsonValue
from kymflow_zarr._layout import MASKS_KEY, METADATA_KEY, PIXELS_KEY, PIXELS_SHA256, PROVENANCE, array_group_key, array_name
from kymflow_zarr._metadata import Revision
from kymflow_zarr._names import check_name
from kymflow_zarr._problems import Problem
from kymflow_zarr.dataset import ZarrDataset
from kymflow_zarr.ingest import FileContent, ImportReport
from kymflow_zarr.manifest import Manifest, ManifestEntry
from kymflow_zarr.ome import OmeDescription
from kymflow_zarr.record import ZarrImageRecord
from kymflow_zarr.replacing import pixels_digest
from kymflow_zarr.table_index import TableIndex
from kymflow_zarr.tables import ReplacedRows
from kymflow_zarr.verify import VerifyReport

__all__ = [
    "MASKS_KEY",
    "METADATA_KEY",
    "PIXELS_KEY",
    "PIXELS_SHA256",
    "PROVENANCE",
    "FileContent",
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
    "ZarrDataset",
    "ZarrImageRecord",
    "array_group_key",
    "array_name",
    "check_name",
    "check_storable",
    "concatenate_frames",
    "pixels_digest",
]
