"""A record of a dataset as a store."""

from typing import Any

import zarr
from numpy.typing import ArrayLike, NDArray

from kymflow_zarr.formats.strict_json import JsonObject, JsonValue
from kymflow_zarr.record.record import ZarrImageRecord
from kymflow_zarr.stores.portable import check_object, check_portable_name, loaded_object
from kymflow_zarr.stores.protocols import ArtifactStore, PixelStore


class ZarrRecordStore(ArtifactStore, PixelStore):
    """One record of a dataset, behind the protocols; it writes where the record does, and nothing of its own.

    Parameters
    ----------
    record
        A record, as `ZarrDataset.record` returns it.
    """

    def __init__(self, record: ZarrImageRecord) -> None:
        self.record = record

    def __repr__(self) -> str:
        return f"ZarrRecordStore({self.record!r})"

    def open_array(self) -> "zarr.Array[Any]":
        """Open the pixels lazily, read-only; see `ZarrImageRecord.open_array`."""
        return self.record.open_array()

    def load_array(self) -> NDArray[Any]:
        """Read all pixels; see `ZarrImageRecord.load_array`."""
        return self.record.load_array()

    def get_axes(self) -> tuple[str, ...]:
        """Return one name a dimension."""
        return self.record.get_axes()

    def save_dict(self, name: str, value: JsonObject) -> None:
        """Write or replace the record's JSON artifact `name`."""
        check_portable_name(name, what="artifact")
        self.record.save_json(name, check_object(name, value))

    def load_dict(self, name: str) -> dict[str, JsonValue]:
        """Return the record's JSON artifact `name`, which must be an object; a nested name such as "radon/params" too."""
        return loaded_object(self.record.load_json(name), what=f"artifact {name!r} of record {self.record.image_id}")

    def save_array_artifact(self, name: str, arr: ArrayLike) -> None:
        """Write or replace the record's array artifact `name`, with the axes that its dimensions have by default."""
        check_portable_name(name, what="array artifact")
        self.record.save_array_artifact(name, arr)

    def load_array_artifact(self, name: str) -> NDArray[Any]:
        """Return the record's array artifact `name`."""
        return self.record.load_array_artifact(name)

    def list_array_artifacts(self) -> list[str]:
        """Return the names of the record's array artifacts, sorted."""
        return self.record.list_array_artifacts()
