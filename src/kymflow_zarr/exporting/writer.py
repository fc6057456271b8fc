"""Writes exported files one by one, and keeps what could not be read.

The rule of this room: each file has its digest from the bytes that were written, which are not read again.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from kymflow_zarr.disk.blobs import Blobs
from kymflow_zarr.errors import KymflowZarrError, NotSavedError, ReadOnlyError, RecordNotFoundError
from kymflow_zarr.exporting.document import ExportedFile, FileKind
from kymflow_zarr.exporting.names import Places
from kymflow_zarr.exporting.plan import ExportPlan
from kymflow_zarr.formats.table_csv import table_to_excel_csv
from kymflow_zarr.reports import FailedFile


@dataclass(slots=True)
class ExportWriter:
    """Writes into the folder of an export.

    Parameters
    ----------
    target
        The folder.
    plan
        How it is written.
    """

    target: Blobs
    plan: ExportPlan
    places: Places = field(default_factory=Places)
    failed: list[FailedFile] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @contextmanager
    def noting(self, where: Path) -> Iterator[None]:
        """Note what cannot be read, and go on; where the export itself cannot be written, it ends."""
        try:
            yield
        except (NotSavedError, ReadOnlyError):
            raise
        except (KymflowZarrError, OSError) as error:
            self.failed.append(FailedFile(path=where, reason=reason_of(error)))

    def csv_for_excel(self, table: pa.Table, *, what: str) -> bytes:
        """Return a table as CSV for spreadsheets, with titles above its columns."""
        return table_to_excel_csv(table, self.plan.titles_of(table.column_names), what=what)

    def write(self, wanted: str, data: bytes, kind: FileKind, name: str) -> ExportedFile:
        """Write a file as near to the wanted place as may be."""
        path = self.places.take(wanted)
        self.target.write(path, data)
        return ExportedFile(path=path, kind=kind, name=name, sha256=hashlib.sha256(data).hexdigest())

    def write_array(
        self,
        wanted: str,
        data: bytes,
        kind: FileKind,
        name: str,
        array: NDArray[Any],
        axes: tuple[str, ...],
        *,
        held: bool = False,
    ) -> ExportedFile:
        """Write a file that holds an array."""
        written = self.write(wanted, data, kind, name)
        return ExportedFile(
            path=written.path,
            kind=kind,
            name=name,
            sha256=written.sha256,
            axes=axes,
            shape=array.shape,
            dtype=np.dtype(array.dtype).str,
            held=held,
        )


def reason_of(error: KymflowZarrError | OSError) -> str:
    """Return why something is not in the export."""
    if isinstance(error, RecordNotFoundError):
        return "it was deleted or moved to the trash while the dataset was exported, so it is not in the export"
    return str(error)
