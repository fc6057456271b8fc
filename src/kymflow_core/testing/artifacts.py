"""The artifacts of one record in memory: what an indexer is tried on."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kymflow_zarr import (
    METADATA_KEY,
    PIXEL_VALUES_KEY,
    JsonValue,
    ZarrDataset,
    ZarrImageRecord,
    array_group_key,
)
from kymflow_zarr.errors import ArtifactNotFoundError

IMAGE_ID = "0f8fad5b-d9cb-469f-a165-70867728950e"


@dataclass(slots=True, kw_only=True, eq=False)
class ArtifactsInMemory:
    """An `ArtifactReader` that holds its artifacts, also such as storage would not take.

    `json`, `tables` and `arrays` are the artifacts by name, without ending; `metadata` is the record's. Without `pixels`, a
    black image of `shape` is stored. `asked` gets the keys of all that was read, also where it was not there; an array's is
    "analysis_arrays/<name>".
    """

    image_id: str = IMAGE_ID
    json: Mapping[str, JsonValue] = field(default_factory=dict)
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    metadata: Mapping[str, JsonValue] = field(default_factory=dict)
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    shape: tuple[int, ...] = (30, 20)
    axes: tuple[str, ...] = ("y", "x")
    pixels: NDArray[Any] | None = None
    asked: set[str] = field(default_factory=set)

    def list_analysis_keys(self) -> list[str]:
        """Return the JSON and table artifacts with their endings."""
        return sorted([*(f"{name}.json" for name in self.json), *(f"{name}.parquet" for name in self.tables)])

    def load_json(self, name: str) -> JsonValue:
        """Return a JSON artifact."""
        self.asked.add(f"{name}.json")
        if name not in self.json:
            raise self._not_found("JSON", name, self.list_analysis_keys())
        return deepcopy(self.json[name])

    def load_df_parquet(self, name: str) -> pd.DataFrame:
        """Return a table artifact."""
        self.asked.add(f"{name}.parquet")
        if name not in self.tables:
            raise self._not_found("table", name, self.list_analysis_keys())
        return self.tables[name].copy()

    def load_metadata_payload(self) -> dict[str, JsonValue]:
        """Return the metadata."""
        self.asked.add(METADATA_KEY)
        return deepcopy(dict(self.metadata))

    def list_array_artifacts(self) -> list[str]:
        """Return the names of the array artifacts."""
        return sorted(self.arrays)

    def load_array_artifact(self, name: str) -> NDArray[Any]:
        """Return an array artifact."""
        self.asked.add(array_group_key(name))
        if name not in self.arrays:
            raise self._not_found("array", name, self.list_array_artifacts())
        return self.arrays[name].copy()

    def get_shape(self) -> tuple[int, ...]:
        """Return the shape of the pixels."""
        return self.shape

    def get_axes(self) -> tuple[str, ...]:
        """Return one name a dimension of the pixels."""
        return self.axes

    def open_array(self) -> NDArray[Any]:
        """Return the pixels."""
        self.asked.add(PIXEL_VALUES_KEY)
        return self._stored

    def load_array(self) -> NDArray[Any]:
        """Return the pixels."""
        return self.open_array()

    @property
    def _stored(self) -> NDArray[Any]:
        return np.zeros(self.shape, dtype=np.uint8) if self.pixels is None else self.pixels.reshape(self.shape)

    def store(self, dataset: ZarrDataset) -> ZarrImageRecord:
        """Add a record with these artifacts and pixels to a dataset, and return it."""
        with dataset.build_record(self._stored, axes=self.axes) as draft:
            for name, value in self.json.items():
                draft.save_json(name, value)
            for name, table in self.tables.items():
                draft.save_df_parquet(name, table)
            for name, array in self.arrays.items():
                draft.save_array_artifact(name, array, held_by_metadata=True)
            draft.save_metadata_payload(self.metadata)
        return dataset.record(draft.image_id)

    def _not_found(self, kind: str, name: str, there: Sequence[str]) -> ArtifactNotFoundError:
        listed = ", ".join(map(repr, there)) or "none"
        return ArtifactNotFoundError(f"no {kind} artifact named {name!r} in record {self.image_id}; it has {listed}")
