"""The files of an exported folder, each compared with the folder's document."""

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kymflow_zarr.arrays.arrays import MAX_ARRAY_BYTES
from kymflow_zarr.arrays.npy import npy_from_bytes
from kymflow_zarr.disk.blobs import Blobs
from kymflow_zarr.errors import KymflowZarrError, SourceError
from kymflow_zarr.exporting.document import ExportedFile
from kymflow_zarr.formats.tiff import tiff_to_array


@dataclass(frozen=True, slots=True)
class ExportedFiles:
    """Reads the files of an exported folder.

    Parameters
    ----------
    source
        The folder.
    """

    source: Blobs

    def read(self, file: ExportedFile, notes: list[str]) -> bytes:
        """Return a file's bytes, and note where it was changed; raise `SourceError` where it is missing."""
        try:
            data = self.source.read(file.path, limit=MAX_ARRAY_BYTES)
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
            raise SourceError(f"{file.path} is missing; copy the exported folder again, whole") from error
        if hashlib.sha256(data).hexdigest() != file.sha256:
            notes.append(f"{file.path} was changed since the export; it was taken as it is now")
        return data

    def array(self, file: ExportedFile, data: bytes) -> NDArray[Any]:
        """Return the array in a file."""
        where = str(self.source.root / file.path)
        if file.path.endswith(".npy"):
            return npy_from_bytes(data, what=where)
        dtype = np.dtype(file.dtype)
        return tiff_to_array(data, axes=file.axes, shape=file.shape, dtype=dtype, what=where)

    def note_of_copy(self, file: ExportedFile) -> str:
        """Say where a copy for other programs was changed, since it is not what is read."""
        try:
            data = self.source.read(file.path, limit=MAX_ARRAY_BYTES)
        except (OSError, KymflowZarrError):
            return ""
        if hashlib.sha256(data).hexdigest() == file.sha256:
            return ""
        read = "Parquet" if file.kind == "csv" else ".npy"
        return f"{file.path} was changed since the export, but the {read} file of the same name is what was taken"
