"""A dataset of the older program, as it is on disk: zarr version 2, no history, no seals, some JSON packed.

The rule of this room: it reads, it never writes. The older program wrote NaN into its JSON, which becomes null, and gave
its artifacts names that are refused today.
"""

from pathlib import Path
from typing import Any

import pandas as pd
from numpy.typing import NDArray

from kymflow_zarr import layout
from kymflow_zarr.arrays.arrays import MAX_ARRAY_BYTES
from kymflow_zarr.arrays.foreign import load_foreign_array
from kymflow_zarr.dataset.dataset import Dataset
from kymflow_zarr.dataset.recognize import is_uuid, load_older_attributes
from kymflow_zarr.disk.blobs import Blobs
from kymflow_zarr.disk.local_path import local_path
from kymflow_zarr.errors import DamagedError, NotADatasetError
from kymflow_zarr.formats.frames import frame_from_parquet, table_to_frame
from kymflow_zarr.formats.gzipped import gunzip
from kymflow_zarr.formats.parquet import table_from_parquet
from kymflow_zarr.formats.strict_json import MAX_BYTES, JsonValue, from_bytes, object_from_bytes
from kymflow_zarr.record.attributes import RecordAttributes
from kymflow_zarr.tables.sources import SOURCE_PATH, Source
from kymflow_zarr.tables.table_files import IMAGE_ID
from kymflow_zarr.tables.tables import Tables

JSON_GZ = ".json.gz"
METADATA_GZ = f"{layout.METADATA}{JSON_GZ}"
_ENDINGS = (layout.JSON, JSON_GZ, layout.PARQUET)
_NO_ARTIFACTS = (layout.GROUP_DOCUMENT, layout.METADATA_KEY, METADATA_GZ)


class OlderDataset:
    """A dataset of the older program.

    Raises
    ------
    NotADatasetError
        When there is something else, also a dataset of today's format.
    DatasetNotFoundError
        When there is nothing.
    UnsupportedVersionError
        When it is of another version of the older program.
    DamagedError
        When its attributes cannot be read.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = local_path(path).absolute()
        self.blobs = Blobs(self.path, read_only=True)
        attributes = load_older_attributes(self.blobs)
        if attributes is None:
            Dataset(self.path, mode="r")  # raises where there is no dataset at all
            raise NotADatasetError(f"{self.path} is a dataset of this format already; there is nothing to upgrade")
        self.attributes = attributes
        self.tables = Tables(self.blobs)

    def list_image_ids(self) -> list[str]:
        """Return the ids of all records, sorted."""
        return [name for name in self.blobs.names(layout.IMAGES) if is_uuid(name)]

    def record(self, image_id: str) -> "OlderRecord":
        """Return one record."""
        return OlderRecord(self.blobs.sub(layout.record_key(image_id)), image_id)

    def load_sources(self) -> dict[str, Source]:
        """Return what the dataset's own table says of its files, as far as it has rows of records."""
        key = layout.table_key(layout.SOURCES_TABLE)
        if not self.blobs.exists(key):
            return {}
        what = self.blobs.describe(key)
        frame = table_to_frame(table_from_parquet(self.blobs.read(key), what=what), what=what)
        if not {IMAGE_ID, SOURCE_PATH} <= set(frame.columns):
            return {}
        ids = set(self.list_image_ids())
        rows = [{str(name): item for name, item in row.items()} for row in frame.to_dict("records")]
        return {row[IMAGE_ID]: Source.of_older(row) for row in rows if row[IMAGE_ID] in ids}


class OlderRecord:
    """One record of a dataset of the older program; each `load_` raises `DamagedError` where that cannot be read."""

    def __init__(self, blobs: Blobs, image_id: str) -> None:
        self.blobs = blobs
        self.image_id = image_id

    def load_attributes(self) -> RecordAttributes:
        """Return the axes and the time of creation."""
        where = self.blobs.describe(layout.V2_ATTRIBUTES)
        try:
            attributes = object_from_bytes(self._text(layout.V2_ATTRIBUTES), what=where)
        except FileNotFoundError as error:
            raise DamagedError(f"{where} is missing; restore it from a backup") from error
        return RecordAttributes.from_json(attributes, where=where)

    def load_array(self) -> NDArray[Any]:
        """Return the pixels."""
        return self._array(layout.RECORD_DATA)

    def load_metadata(self) -> dict[str, JsonValue]:
        """Return the metadata, packed or not; empty where there are none."""
        for key in (layout.RECORD_METADATA, f"{layout.RECORD_ANALYSIS}/{METADATA_GZ}"):
            if self.blobs.exists(key):
                return object_from_bytes(self._text(key), what=self.blobs.describe(key), lenient=True)
        return {}

    def list_analysis_keys(self) -> list[str]:
        """Return the JSON and Parquet artifacts with their endings; of one that is there packed too, only the other."""
        keys = self.blobs.files(layout.RECORD_ANALYSIS)
        return [
            key
            for key in keys
            if key.endswith(_ENDINGS) and key not in _NO_ARTIFACTS and not key.startswith("history/")
            if not (key.endswith(JSON_GZ) and f"{artifact_name(key)}{layout.JSON}" in keys)
        ]

    def load_json(self, key: str) -> JsonValue:
        """Return one of `list_analysis_keys` that is JSON."""
        path = f"{layout.RECORD_ANALYSIS}/{key}"
        return from_bytes(self._text(path), what=self.blobs.describe(path), lenient=True)

    def load_df_parquet(self, key: str) -> pd.DataFrame:
        """Return one of `list_analysis_keys` that is Parquet."""
        path = f"{layout.RECORD_ANALYSIS}/{key}"
        return frame_from_parquet(self.blobs.read(path), what=self.blobs.describe(path))

    def list_array_artifacts(self) -> list[str]:
        """Return the names of the array artifacts, sorted."""
        folders = {name: layout.array_group_key(name) for name in self.blobs.names(layout.RECORD_ARRAYS)}
        inside = (layout.RECORD_DATA, layout.V2_GROUP)
        return [name for name, key in folders.items() if any(self.blobs.exists(f"{key}/{one}") for one in inside)]

    def load_array_artifact(self, name: str) -> NDArray[Any]:
        """Return an array artifact."""
        return self._array(layout.array_data_key(name))

    def _array(self, key: str) -> NDArray[Any]:
        try:
            # The older program wrote no chunks of zeros, so that of a large mask few are there.
            return load_foreign_array(self.blobs, key, most_unstored=MAX_ARRAY_BYTES)
        except FileNotFoundError as error:
            raise DamagedError(f"the array {self.blobs.describe(key)} is missing; restore it from a backup") from error

    def _text(self, path: str) -> bytes:
        data = self.blobs.read(path, limit=MAX_BYTES)
        return gunzip(data, limit=MAX_BYTES, what=self.blobs.describe(path)) if path.endswith(JSON_GZ) else data


def artifact_name(key: str) -> str:
    """Return the name of an artifact, without its ending."""
    ending = next(ending for ending in (JSON_GZ, layout.JSON, layout.PARQUET) if key.endswith(ending))
    return key.removesuffix(ending)
