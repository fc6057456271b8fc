"""One image record: lazy pixels, axes, metadata with history, and artifacts by name.

The rule of this room: a record knows its folder and its id, not the dataset it lies in.
"""

from collections.abc import Sequence
from typing import Any

import pandas as pd
import zarr
from numpy.typing import ArrayLike, NDArray

from kymflow_zarr import _layout
from kymflow_zarr._arrays import axes_of, load_array, open_array, write_array
from kymflow_zarr._blobs import Blobs
from kymflow_zarr._frames import frame_from_parquet, frame_to_parquet
from kymflow_zarr._json import JsonObject, JsonValue, from_bytes, to_readable_bytes
from kymflow_zarr._metadata import Revision, load_revision, save_revision
from kymflow_zarr._names import check_name
from kymflow_zarr.errors import (
    ArtifactNotFoundError,
    DamagedError,
    InvalidNameError,
    PixelsExistError,
    RecordNotFoundError,
)
from kymflow_zarr.schema import RecordAttributes, group_from_bytes, group_to_bytes


class ZarrImageRecord:
    """A handle to one image record of a dataset; get one from `ZarrDataset.record`.

    Opening and reading write nothing. Everything here is authoritative: nothing can rebuild it.

    Parameters
    ----------
    blobs
        The record's folder.
    image_id
        The record's uuid.
    """

    def __init__(self, blobs: Blobs, image_id: str) -> None:
        self._blobs = blobs
        self.image_id = image_id

    def __repr__(self) -> str:
        return f"ZarrImageRecord({self.image_id!r})"

    def save_array(self, arr: ArrayLike, *, axes: Sequence[str] | None = None, chunks: Sequence[int] | None = None) -> None:
        """Write the record's pixels; they are written once.

        Parameters
        ----------
        arr
            Numbers or booleans, any shape.
        axes
            One name a dimension; by default `y,x` · `z,y,x` · `z,y,x,c` · `t,z,y,x,c` for 2 to 5 dimensions.
        chunks
            The shape of a chunk; by default 1 along t, z, c and up to 512 along y, x.

        Raises
        ------
        PixelsExistError
            When the record has pixels.
        InvalidValueError
            When the dtype, axes or chunks cannot be stored.
        """
        if self._blobs.exists(_layout.RECORD_DATA):
            raise PixelsExistError(
                f"record {self.image_id} has its pixels already; pixels are written once, add a new image instead"
            )
        with self._blobs.build(_layout.RECORD_DATA) as draft:
            write_array(draft, "", arr, axes=axes, chunks=chunks)

    def open_array(self) -> "zarr.Array[Any]":
        """Open the pixels lazily, read-only; raise `DamagedError` when they are missing or incomplete."""
        try:
            return open_array(self._blobs, _layout.RECORD_DATA)
        except FileNotFoundError as error:
            raise DamagedError(f"record {self.image_id} has no pixels; restore it from a backup") from error

    def load_array(self) -> NDArray[Any]:
        """Read all pixels; raise `DamagedError` when they are missing, incomplete or fail their checksum."""
        self.open_array()
        return load_array(self._blobs, _layout.RECORD_DATA)

    def load_attributes(self) -> RecordAttributes:
        """Return the axes and the time of creation."""
        where = self._blobs.describe(_layout.GROUP_DOCUMENT)
        try:
            data = self._blobs.read(_layout.GROUP_DOCUMENT)
        except FileNotFoundError as error:
            raise DamagedError(f"{where} is missing; restore it from a backup") from error
        return RecordAttributes.from_json(group_from_bytes(data, where=where), where=where)

    def get_axes(self) -> tuple[str, ...]:
        """Return one name a dimension of the pixels, such as `("y", "x")`."""
        return self.load_attributes().axes

    def load_metadata_payload(self) -> dict[str, JsonValue]:
        """Return the newest metadata: header, experiment metadata, ROIs; empty where none was saved."""
        return dict(self.load_revision().payload)

    def load_revision(self) -> Revision:
        """Return the newest metadata with their revision number, to save a change upon.

        Raises
        ------
        RecordNotFoundError
            When the record was deleted or moved since this handle was made.
        DamagedError
            When none of its revisions is whole.
        """
        self._check_there()
        return load_revision(self._blobs)

    def save_metadata_payload(self, payload: JsonObject, *, expected: Revision | None = None) -> Revision:
        """Commit the whole metadata as a new revision.

        Parameters
        ----------
        payload
            Strict JSON: no NaN, string keys.
        expected
            The revision that the change was made from; None saves over whatever is there.

        Raises
        ------
        ConflictError
            When somebody else saved since `expected` was loaded.
        InvalidValueError
            When the payload is not strict JSON; the message has the path of the value.
        RecordNotFoundError
            When the record was deleted or moved since this handle was made.
        """
        self._check_there()
        return save_revision(self._blobs, payload, expected=expected)

    def save_json(self, name: str, value: JsonValue) -> None:
        """Write or replace the JSON artifact `name` (parts separated by `/`)."""
        key = _layout.json_key(self._artifact_name(name))
        self._check_there()
        self._blobs.write(key, to_readable_bytes(value, what=f"artifact {name!r}"))

    def load_json(self, name: str) -> JsonValue:
        """Return the JSON artifact `name`; raise `ArtifactNotFoundError` with the names that are there."""
        key = _layout.json_key(name)
        return from_bytes(self._read(key, name, "JSON"), what=self._blobs.describe(key))

    def save_df_parquet(self, name: str, df: pd.DataFrame) -> None:
        """Write or replace the table artifact `name`; the frame's index is not stored."""
        key = _layout.parquet_key(self._artifact_name(name))
        self._check_there()
        self._blobs.write(key, frame_to_parquet(df, what=f"artifact {name!r}"))

    def load_df_parquet(self, name: str) -> pd.DataFrame:
        """Return the table artifact `name`; raise `ArtifactNotFoundError` with the names that are there."""
        key = _layout.parquet_key(name)
        return frame_from_parquet(self._read(key, name, "table"), what=self._blobs.describe(key))

    def list_analysis_keys(self) -> list[str]:
        """Return the JSON and table artifacts with their endings, such as `radon_report.parquet`; no metadata."""
        return [
            key
            for key in self._blobs.files(_layout.RECORD_ANALYSIS)
            if key.endswith((".json", ".parquet"))
            and not key.startswith("history/")
            and key not in (_layout.GROUP_DOCUMENT, f"{_layout.METADATA}.json")
        ]

    def save_array_artifact(
        self,
        name: str,
        arr: ArrayLike,
        *,
        axes: Sequence[str] | None = None,
        chunks: Sequence[int] | None = None,
    ) -> None:
        """Write or replace the array artifact `name`: a mask, labels, a distance map.

        Parameters
        ----------
        name
            Lower-case letters, digits, `_`, `-`, `.`.
        arr
            Numbers or booleans, any shape.
        axes, chunks
            As in `save_array`; an array of other than 2 to 5 dimensions has axes `a0..aN` unless given.
        """
        check_name(name, what="array artifact")
        if name == _layout.GROUP_DOCUMENT:
            raise InvalidNameError(f"array artifact name {name!r} is zarr's own; choose another")
        self._check_there()
        with self._blobs.build(_layout.array_group_key(name)) as draft:
            draft.write(_layout.GROUP_DOCUMENT, group_to_bytes({}))
            write_array(draft, _layout.RECORD_DATA, arr, axes=axes, chunks=chunks)

    def load_array_artifact(self, name: str) -> NDArray[Any]:
        """Read the array artifact `name` whole; raise as `open_array_artifact`."""
        self.open_array_artifact(name)
        return load_array(self._blobs, _layout.array_data_key(name))

    def open_array_artifact(self, name: str) -> "zarr.Array[Any]":
        """Open the array artifact `name` lazily, read-only.

        Raises
        ------
        ArtifactNotFoundError
            When there is none of that name; the message lists those there are.
        DamagedError
            When it is incomplete.
        """
        try:
            return open_array(self._blobs, _layout.array_data_key(name))
        except FileNotFoundError as error:
            raise self._not_found("array", name, self.list_array_artifacts()) from error

    def get_array_artifact_axes(self, name: str) -> tuple[str, ...]:
        """Return the axes of the array artifact `name`."""
        return axes_of(self.open_array_artifact(name))

    def list_array_artifacts(self) -> list[str]:
        """Return the names of the array artifacts, sorted."""
        return [name for name in self._blobs.names(_layout.RECORD_ARRAYS) if name != _layout.GROUP_DOCUMENT]

    def _check_there(self) -> None:
        """Raise where the record is gone: writing would make a ghost of it, without pixels."""
        if not self._blobs.exists(""):
            raise RecordNotFoundError(
                f"the record {self._blobs.describe('')} is no longer there: deleted, moved, or its disk is gone"
            )

    def _artifact_name(self, name: str) -> str:
        check_name(name, what="artifact", nested=True)
        if name == _layout.METADATA or name.startswith("history/"):
            raise InvalidNameError(f"artifact name {name!r} is the metadata's own; save it with save_metadata_payload")
        if _layout.json_key(name).endswith(f"/{_layout.GROUP_DOCUMENT}"):
            raise InvalidNameError(f"artifact name {name!r} is zarr's own; choose another")
        return name

    def _read(self, key: str, name: str, kind: str) -> bytes:
        try:
            return self._blobs.read(key)
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
            raise self._not_found(kind, name, self.list_analysis_keys()) from error

    def _not_found(self, kind: str, name: str, there: Sequence[str]) -> ArtifactNotFoundError:
        listed = ", ".join(map(repr, there)) or "none"
        return ArtifactNotFoundError(f"no {kind} artifact named {name!r} in record {self.image_id}; it has {listed}")
