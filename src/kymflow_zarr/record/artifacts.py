"""The artifacts of one record, by name: JSON, tables and arrays.

The rule of this room: a name is refused or used as it is, and an error names the artifact that cannot be stored
or read. Writing follows the naming rule; reading takes whatever name is there, since copies of older datasets have others.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

import pandas as pd
import pyarrow as pa
import zarr
from numpy.typing import ArrayLike, NDArray

from kymflow_zarr import layout
from kymflow_zarr.arrays.arrays import array_shape, axes_of, load_array, open_array, write_array
from kymflow_zarr.disk.blobs import Blobs
from kymflow_zarr.disk.foreign_files import is_foreign
from kymflow_zarr.disk.presence import claim
from kymflow_zarr.errors import (
    ArtifactExistsError,
    ArtifactNotFoundError,
    DamagedError,
    InvalidNameError,
    NotSavedError,
    RecordNotFoundError,
)
from kymflow_zarr.formats.csv_gz import frame_from_csv_gz, frame_to_csv_gz
from kymflow_zarr.formats.frames import frame_to_parquet, table_to_frame
from kymflow_zarr.formats.parquet import ParquetBytes
from kymflow_zarr.formats.parquet_limits import MAX_PARQUET_BYTES
from kymflow_zarr.formats.places import place_note
from kymflow_zarr.formats.seals import SEAL, artifact_from_bytes, artifact_to_bytes, computed_from_of_artifact
from kymflow_zarr.formats.strict_json import (
    MAX_BYTES,
    MAX_DOCUMENT_BYTES,
    JsonObject,
    JsonValue,
    from_bytes,
    to_readable_bytes,
)
from kymflow_zarr.names import check_name, check_restored_name
from kymflow_zarr.record.artifact_files import restored_file
from kymflow_zarr.record.attributes import group_from_bytes, group_to_bytes

T = TypeVar("T")
_NOTE = f"kymflow_{layout.COMPUTED_FROM}"
"""Where the footer of a Parquet file says what it was computed from."""
RESULTS = "results"
"""What is claimed of a record by who reads its results and writes them anew."""


class Artifacts:
    """The artifacts in one record's folder. Everything here is authoritative: nothing can rebuild it.

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

    @contextmanager
    def claim(self, what: str) -> Iterator[bool]:
        """Claim a piece of work on this record, so that no other program does it too; False where another has it.

        For work that reads artifacts and writes them anew. As `ZarrDataset.claim`: a claim of a program that was stopped is
        skipped, at the latest after ten minutes.
        """
        self._check_there()
        with claim(self._blobs.whole(), hashlib.sha256(f"{what} of {self.image_id}".encode()).hexdigest()) as mine:
            yield mine

    def save_json(self, name: str, value: JsonValue, *, computed_from: JsonObject | None = None) -> None:
        """Write or replace the JSON artifact `name` (parts separated by `/`).

        Parameters
        ----------
        name
            Lower-case letters, digits, `_`, `-`, `.`.
        value
            Strict JSON.
        computed_from
            What an analysis made the value from, kept in the same file; see `load_computed_from`.

        Raises
        ------
        InvalidValueError
            When the value is not strict JSON; the message has the path of the value. The key "kymflow" is reserved.
        """
        of = self._place_of_new(name, layout.JSON)
        data = artifact_to_bytes(value, what=f"artifact {name!r}", computed_from=computed_from, of=of)
        self._write(name, layout.JSON, data)

    def load_json(self, name: str) -> JsonValue:
        """Return the JSON artifact `name`.

        Raises
        ------
        ArtifactNotFoundError
            When there is none of that name; the message lists those there are.
        RecordNotFoundError
            When the record was deleted or moved since this handle was made.
        DamagedError
            When it cannot be read, or is not what was saved.
        """
        key = layout.artifact_key(name, layout.JSON)
        data = self._read(name, layout.JSON, "JSON", limit=MAX_BYTES)
        return artifact_from_bytes(data, what=self._blobs.describe(key), of=self._place(key))

    def save_df_parquet(self, name: str, df: pd.DataFrame, *, computed_from: JsonObject | None = None) -> None:
        """Write or replace the table artifact `name`; the frame's index is not stored. Otherwise as `save_json`."""
        what = f"artifact {name!r}"
        notes = None if computed_from is None else {_NOTE: to_readable_bytes(computed_from, what=what).decode()}
        of = self._place_of_new(name, layout.PARQUET)
        self._write(name, layout.PARQUET, frame_to_parquet(df, what=what, notes=notes, of=of))

    def load_df_parquet(self, name: str) -> pd.DataFrame:
        """Return the table artifact `name`; raise as `load_json`."""
        return table_to_frame(self.load_arrow(name), what=self._blobs.describe(layout.artifact_key(name, layout.PARQUET)))

    def load_arrow(self, name: str) -> pa.Table:
        """Return the table artifact `name` as an Arrow table, without a frame in between; raise as `load_json`."""
        return self._open_table(name).table(self._place(layout.artifact_key(name, layout.PARQUET)))

    def count_rows(self, name: str) -> int:
        """Return how many rows the table artifact `name` has; raise as `load_json`."""
        return self._open_table(name).count_rows(self._place(layout.artifact_key(name, layout.PARQUET)))

    def save_df_csv_gz(self, name: str, df: pd.DataFrame) -> None:
        """Write or replace the gzipped CSV artifact `name`; the frame's index is not stored.

        CSV forgets the types: text that looks like a number comes back as a number. `save_df_parquet` keeps them.
        """
        of = self._place_of_new(name, layout.CSV_GZ)
        self._write(name, layout.CSV_GZ, frame_to_csv_gz(df, what=f"artifact {name!r}", of=of))

    def load_df_csv_gz(self, name: str) -> pd.DataFrame:
        """Return the gzipped CSV artifact `name`; raise as `load_json`."""
        key = layout.artifact_key(name, layout.CSV_GZ)
        data = self._read(name, layout.CSV_GZ, "CSV")
        return frame_from_csv_gz(data, what=self._blobs.describe(key), of=self._place(key))

    def load_computed_from(self, key: str) -> JsonObject | None:
        """Return what one of `list_analysis_keys` says that it was computed from; None where it does not say.

        Raises
        ------
        DamagedError
            When it cannot be read, or says something that is no JSON object.
        """
        path = f"{layout.RECORD_ANALYSIS}/{key}"
        where = self._blobs.describe(path)
        said: JsonValue = None
        try:
            if key.endswith(layout.PARQUET):
                note = self._parquet(path).notes.get(_NOTE.encode())
                said = None if note is None else from_bytes(note, what=where)
            elif key.endswith(layout.JSON):
                said = computed_from_of_artifact(self._file(path), what=where)
        except FileNotFoundError as error:
            raise self._not_found("JSON or table", key, self.list_analysis_keys()) from error
        if said is not None and not isinstance(said, Mapping):
            raise DamagedError(f"{where} says that it was computed from {str(said)[:100]!r}, which is no JSON object")
        return said

    def load_analysis_bytes(self, key: str) -> bytes:
        """Return the file of one of `list_analysis_keys` as it is on disk; raise as `load_json`."""
        try:
            return self._file(f"{layout.RECORD_ANALYSIS}/{key}")
        except FileNotFoundError as error:
            raise self._not_found("JSON or table", key, self.list_analysis_keys()) from error

    def restore_analysis(self, key: str, data: bytes) -> None:
        """Write a file that `load_analysis_bytes` returned, under whatever name it had there: inverse of it.

        Raises
        ------
        DamagedError
            When it is not what was saved.
        InvalidNameError
            When the key is no artifact's.
        """
        own = (layout.GROUP_DOCUMENT, layout.METADATA_KEY)
        is_hidden = key.rpartition("/")[2].startswith(".")
        if is_hidden or key in own or key.startswith("history/") or not key.endswith(layout.ARTIFACT_ENDINGS):
            raise InvalidNameError(f"{key!r} is no JSON, Parquet or CSV artifact of a record")
        place = f"{layout.RECORD_ANALYSIS}/{key}"
        restored = restored_file(key, data, of=self._place(place))
        self._check_there()
        self._blobs.write(place, restored)

    def restore_array(self, name: str, arr: ArrayLike, *, axes: Sequence[str], held_by_metadata: bool) -> None:
        """Write an array artifact of another dataset under whatever name it had there; else as `save_array_artifact`.

        Raises
        ------
        InvalidNameError
            When it is no name of one visible folder, or zarr's own.
        """
        check_restored_name(name, what="array artifact", reserved=(layout.GROUP_DOCUMENT,))
        self._check_there()
        self._build_array(name, arr, axes=axes, chunks=None, held_by_metadata=held_by_metadata)

    def has_analysis(self, key: str) -> bool:
        """Return whether there is a JSON or table artifact of a key, as in `list_analysis_keys`; faster than that.

        A key that ends with `/`, such as "reviews/", stands for all artifacts in that folder.
        """
        if key.endswith("/"):
            return bool(self.list_folder_keys(key))
        return self._blobs.exists(f"{layout.RECORD_ANALYSIS}/{key}")

    def list_folder_keys(self, folder: str) -> list[str]:
        """Return the keys in `list_analysis_keys` that begin with a folder, such as "reviews/"; faster than all."""
        files = self._blobs.files(f"{layout.RECORD_ANALYSIS}/{folder.rstrip('/')}")
        there = set(files)
        sound = (name for name in files if name.endswith(layout.ARTIFACT_ENDINGS) and not is_foreign(name, there))
        return [f"{folder}{name}" for name in sound]

    def list_analysis_keys(self) -> list[str]:
        """Return the JSON and table artifacts with their endings, such as `radon_report.parquet`; no metadata."""
        own = (layout.GROUP_DOCUMENT, layout.METADATA_KEY)
        files = self._blobs.files(layout.RECORD_ANALYSIS)
        there = set(files)
        return [
            key
            for key in files
            if key.endswith(layout.ARTIFACT_ENDINGS)
            and not key.startswith("history/")
            and key not in own
            and not is_foreign(key, there)
        ]

    def delete_analysis(self, key: str) -> None:
        """Delete one of `list_analysis_keys`, such as `radon_report.parquet`; nothing brings it back."""
        if key not in self.list_analysis_keys() or not self._deleted(f"{layout.RECORD_ANALYSIS}/{key}"):
            raise self._not_found("JSON or table", key, self.list_analysis_keys())

    def save_array_artifact(
        self,
        name: str,
        arr: ArrayLike,
        *,
        axes: Sequence[str] | None = None,
        chunks: Sequence[int] | None = None,
        held_by_metadata: bool = False,
    ) -> None:
        """Write or replace the array artifact `name`: a mask, labels, a distance map.

        Parameters
        ----------
        name
            Lower-case letters, digits, `_`, `-`, `.`.
        arr
            Numbers or booleans, any shape.
        axes, chunks
            As in `ZarrImageRecord.save_array`; an array of other than 2 to 5 dimensions has axes `a0..aN` unless given.
        held_by_metadata
            Whether the array belongs to the metadata that are saved next, as an ROI's mask does: it never replaces another,
            and where no revision of them names it, it is garbage after 24 hours.

        Raises
        ------
        InvalidNameError, InvalidValueError
            When the name is not allowed, or the values, axes or chunks cannot be stored.
        ArtifactExistsError
            When there is one of that name, and `held_by_metadata`.
        """
        check_name(name, what="array artifact")
        if name == layout.GROUP_DOCUMENT:
            raise InvalidNameError(f"array artifact name {name!r} is zarr's own; choose another")
        self._check_there()
        self._build_array(name, arr, axes=axes, chunks=chunks, held_by_metadata=held_by_metadata)

    def _build_array(
        self,
        name: str,
        arr: ArrayLike,
        *,
        axes: Sequence[str] | None,
        chunks: Sequence[int] | None,
        held_by_metadata: bool,
    ) -> None:
        mark = {SEAL: {layout.HELD_BY: layout.METADATA}} if held_by_metadata else {}
        try:
            with self._blobs.build(layout.array_group_key(name), replace=not held_by_metadata) as draft:
                of = place_note(draft.place(layout.GROUP_DOCUMENT))
                draft.write(layout.GROUP_DOCUMENT, group_to_bytes(mark, of=of))
                write_array(draft, layout.RECORD_DATA, arr, axes=axes, chunks=chunks)
        except FileExistsError as error:
            raise ArtifactExistsError(f"not saved: there is an array {name!r} already; give it another name") from error

    def load_array_artifact(self, name: str) -> NDArray[Any]:
        """Read the array artifact `name` whole; raise as `open_array_artifact`."""
        return self._array(name, partial(load_array, self._blobs))

    def open_array_artifact(self, name: str) -> "zarr.Array[Any]":
        """Open the array artifact `name` lazily, read-only.

        Raises
        ------
        ArtifactNotFoundError
            When there is none of that name; the message lists those there are.
        DamagedError
            When it is incomplete.
        """
        return self._array(name, partial(open_array, self._blobs))

    def get_array_artifact_shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of the array artifact `name`, reading none; raise as `open_array_artifact`."""
        return self._array(name, partial(array_shape, self._blobs))

    def get_array_artifact_axes(self, name: str) -> tuple[str, ...]:
        """Return the axes of the array artifact `name`."""
        return axes_of(self.open_array_artifact(name))

    def list_array_artifacts(self) -> list[str]:
        """Return the names of the array artifacts, sorted."""
        return [name for name in self._blobs.names(layout.RECORD_ARRAYS) if self._is_array(name)]

    def delete_array_artifact(self, name: str) -> None:
        """Delete an array artifact, after the metadata that name it were saved without it; nothing brings it back."""
        if name not in self.list_array_artifacts() or not self._deleted(layout.array_group_key(name)):
            raise self._not_found("array", name, self.list_array_artifacts())

    def _deleted(self, key: str) -> bool:
        """Delete a file or folder; return False where another program has done it just now."""
        try:
            self._blobs.delete(key)
        except NotSavedError as error:
            if self._blobs.is_taken_away(key, error):
                return False
            raise
        return True

    def is_held_by_metadata(self, name: str) -> bool:
        """Return whether an array artifact was saved as a part of the metadata; see `save_array_artifact`."""
        key = f"{layout.array_group_key(name)}/{layout.GROUP_DOCUMENT}"
        try:
            data = self._blobs.read(key, limit=MAX_DOCUMENT_BYTES)
        except FileNotFoundError:
            return False
        mark = group_from_bytes(data, where=self._blobs.describe(key)).get(SEAL)
        return isinstance(mark, Mapping) and mark.get(layout.HELD_BY) == layout.METADATA

    def _is_array(self, name: str) -> bool:
        """Return whether a name among the arrays is one; some systems put folders of their own everywhere."""
        folder = layout.array_group_key(name)
        inside = (layout.RECORD_DATA, layout.GROUP_DOCUMENT)
        try:
            return name != layout.GROUP_DOCUMENT and any(self._blobs.exists(f"{folder}/{one}") for one in inside)
        except DamagedError:  # a link that is not followed; verify names it
            return False

    def _array(self, name: str, read: Callable[[str], T]) -> T:
        try:
            return read(layout.array_data_key(name))
        except FileNotFoundError as error:
            raise self._not_found("array", name, self.list_array_artifacts()) from error

    def _place_of_new(self, name: str, ending: str) -> JsonObject | None:
        """Return what the file of an artifact says of its place; raise `InvalidNameError` where none can be called so."""
        check_name(name, what="artifact", nested=True)
        if name == layout.METADATA or name.startswith("history/"):
            raise InvalidNameError(f"artifact name {name!r} is the metadata's own; save it with save_metadata_payload")
        if f"{name}{ending}".rpartition("/")[2] == layout.GROUP_DOCUMENT:
            raise InvalidNameError(f"artifact name {name!r} is zarr's own; choose another")
        return self._place(layout.artifact_key(name, ending))

    def _place(self, key: str) -> JsonObject | None:
        """Return what the file with a key says of its place."""
        return place_note(self._blobs.place(key))

    def _check_there(self) -> None:
        """Raise where the record is gone: writing would make a ghost of it, without pixels."""
        if not self._blobs.exists(""):
            raise RecordNotFoundError(
                f"the record {self._blobs.describe('')} is no longer there: deleted, moved, or its disk is gone"
            )

    def _write(self, name: str, ending: str, data: bytes) -> None:
        self._check_there()
        self._blobs.write(layout.artifact_key(name, ending), data)

    def _file(self, key: str, *, limit: int = MAX_PARQUET_BYTES) -> bytes:
        """Return the bytes of a file in the record's folder; raise as `Blobs.read`."""
        return self._blobs.read(key, limit=limit)

    def _parquet(self, key: str) -> ParquetBytes:
        """Open a Parquet file in the record's folder; raise as `Blobs.read`, and `DamagedError` where it is none."""
        return ParquetBytes(self._file(key), what=self._blobs.describe(key))

    def _open_table(self, name: str) -> ParquetBytes:
        try:
            return self._parquet(layout.artifact_key(name, layout.PARQUET))
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
            raise self._not_found("table", name, self.list_analysis_keys()) from error

    def _read(self, name: str, ending: str, kind: str, *, limit: int = 2**30) -> bytes:
        try:
            return self._file(layout.artifact_key(name, ending), limit=limit)
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
            raise self._not_found(kind, name, self.list_analysis_keys()) from error

    def _not_found(self, kind: str, name: str, there: Sequence[str]) -> ArtifactNotFoundError:
        """Return the error for an artifact that the record does not have; raise another where the record is gone."""
        self._check_there()
        listed = ", ".join(map(repr, there)) or "none"
        return ArtifactNotFoundError(f"no {kind} artifact named {name[:200]!r} in record {self.image_id}; it has {listed}")
