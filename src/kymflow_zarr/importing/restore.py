"""An exported folder back into a dataset: each record under its old id, whole or not at all.

The rule of this room: each file is compared with the folder's document. A file that was changed since the export is taken
as it is now, and a note reports it. Where a file is missing or damaged, only its record is left out.
"""

import hashlib
from collections.abc import Collection, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kymflow_zarr import layout
from kymflow_zarr.arrays.arrays import MAX_ARRAY_BYTES
from kymflow_zarr.arrays.npy import npy_from_bytes
from kymflow_zarr.dataset.dataset import Dataset
from kymflow_zarr.disk.blobs import Blobs
from kymflow_zarr.errors import KymflowZarrError, SourceError
from kymflow_zarr.exporting.document import DOCUMENT, ExportDocument, ExportedFile, ExportedImage
from kymflow_zarr.formats.frames import frame_from_parquet
from kymflow_zarr.formats.seals import artifact_state, computed_from_of_artifact, unsealed_value
from kymflow_zarr.formats.strict_json import MAX_BYTES, from_bytes, object_from_bytes
from kymflow_zarr.formats.tiff import tiff_to_array
from kymflow_zarr.importing.changed_file import pixels_digest
from kymflow_zarr.record.ome import DescribeImage
from kymflow_zarr.record.record import CheckRecord, ZarrImageRecord
from kymflow_zarr.reports import FailedFile, ImportedFile, ImportReport
from kymflow_zarr.tables.sources import Source, Sources
from kymflow_zarr.tables.table_files import IMAGE_ID
from kymflow_zarr.tables.tables import Tables
from kymflow_zarr.watch import Watch


def restore_dataset(
    dataset: Dataset,
    tables: Tables,
    sources: Sources,
    folder: Path,
    document: ExportDocument,
    *,
    check_record: CheckRecord | None,
    describe: DescribeImage | None,
    watch: Watch,
) -> ImportReport:
    """Add the records of an exported folder that the dataset does not have, and their rows to its tables."""
    run = _Restore(dataset, Blobs(folder, read_only=True), document, check_record, describe)
    is_cancelled = False
    there = set(dataset.list_image_ids())
    adds = any(image.image_id not in there for image in document.images)
    with dataset.importing() if adds else nullcontext():
        try:
            for done, image in enumerate(document.images):
                if is_cancelled := watch.is_cancelled():
                    break
                watch.progress(done, len(document.images), image.folder)
                run.restore(image, there)
        finally:
            # What was imported has its rows, also when the rest was cancelled.
            run.restore_tables(tables, sources)
    return replace(run.report(), is_cancelled=is_cancelled)


@dataclass(slots=True)
class _Restore:
    """One run."""

    dataset: Dataset
    source: Blobs
    document: ExportDocument
    check_record: CheckRecord | None
    describe: DescribeImage | None
    imported: list[ImportedFile] = field(default_factory=list)
    skipped: list[Path] = field(default_factory=list)
    failed: list[FailedFile] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def report(self) -> ImportReport:
        return ImportReport(
            imported=tuple(self.imported),
            skipped=tuple(self.skipped),
            failed=tuple(self.failed),
            notes=tuple(self.notes),
        )

    def restore(self, image: ExportedImage, there: Collection[str]) -> None:
        """Add one record, or note why not."""
        where = self.source.root / image.folder
        if image.image_id in there:
            self.skipped.append(where)
            return
        try:
            notes = self._build(image)
        except (KymflowZarrError, OSError) as error:
            if isinstance(error, FileExistsError) and image.image_id in self.dataset.list_image_ids():
                self.skipped.append(where)  # another program added it in between
            else:
                self.failed.append(FailedFile(path=where, reason=str(error)))
        else:
            self.imported.append(ImportedFile(path=where, image_id=image.image_id, notes=tuple(notes)))

    def _build(self, image: ExportedImage) -> list[str]:
        notes: list[str] = []
        by_kind: dict[str, list[ExportedFile]] = {}
        for file in image.files:
            by_kind.setdefault(file.kind, []).append(file)
        pixels = by_kind.get("image")
        if not pixels:
            raise SourceError(f"{image.folder} was exported without its pixels, so no record can be made of it")
        if pixels[0].axes != image.axes:
            raise SourceError(
                f"{DOCUMENT} says that {image.folder} has the axes {image.axes}, and its pixels {pixels[0].axes}"
            )
        array = self._array(pixels[0], self._read(pixels[0], notes))
        has_other_pixels = bool(notes)
        with self.dataset.build_record(
            array, axes=image.axes, image_id=image.image_id, created_utc=image.created_utc
        ) as draft:
            for file in by_kind.get("array", []):
                values = self._array(file, self._read(file, notes))
                draft.restore_array(file.name, values, axes=file.axes, held_by_metadata=file.held)
            for kind in ("json", "table", "csv_gz"):
                for file in by_kind.get(kind, []):
                    _restore_analysis(draft, file, self._read(file, notes))
            for file in by_kind.get("revision", []):
                draft.restore_revision(int(file.name), self._read(file, notes))
            for file in by_kind.get("metadata", []):
                payload = object_from_bytes(self._read(file, notes), what=file.path)
                if draft.load_revision().payload != payload:
                    draft.save_metadata_payload(payload)
                else:
                    draft.save_readable_copy()
            if has_other_pixels:
                # As of a changed file that is read again: results that do not state these pixels are outdated.
                said = {**draft.load_metadata_payload(), layout.PIXELS_SHA256: pixels_digest(array)}
                draft.save_metadata_payload(said)
                notes.append("results in it that were made of the pixels as they were exported are outdated")
            if self.describe is not None:
                draft.save_ome(self.describe(draft.load_metadata_payload()))
            notes += self._check(draft, is_changed=bool(notes))
        # The record is there: a failure from here on is a note, and cannot keep it out.
        for kind in ("csv", "array_tiff"):
            notes += [note for file in by_kind.get(kind, []) if (note := self._note_of_copy(file))]
        return notes + self._strangers(image)

    def _check(self, draft: ZarrImageRecord, *, is_changed: bool) -> list[str]:
        """Say what is wrong with a record as it was exported; raise where it was changed since, which can be mended."""
        problems = [] if self.check_record is None else list(self.check_record(draft))
        if problems and is_changed:
            raise SourceError(
                f"files of it were changed since the export, and {'; '.join(problems)}; mend them, then import"
            )
        return [f"it is as it was exported, and {problem}" for problem in problems]

    def _read(self, file: ExportedFile, notes: list[str]) -> bytes:
        try:
            data = self.source.read(file.path, limit=MAX_ARRAY_BYTES)
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
            raise SourceError(f"{file.path} is missing; copy the exported folder again, whole") from error
        if hashlib.sha256(data).hexdigest() != file.sha256:
            notes.append(f"{file.path} was changed since the export; it was taken as it is now")
        return data

    def _array(self, file: ExportedFile, data: bytes) -> NDArray[Any]:
        where = str(self.source.root / file.path)
        if file.path.endswith(".npy"):
            return npy_from_bytes(data, what=where)
        dtype = np.dtype(file.dtype)
        return tiff_to_array(data, axes=file.axes, shape=file.shape, dtype=dtype, what=where)

    def _note_of_copy(self, file: ExportedFile) -> str:
        """Say where a copy for other programs was changed, since it is not what is read."""
        try:
            data = self.source.read(file.path, limit=MAX_ARRAY_BYTES)
        except (OSError, KymflowZarrError):
            return ""
        if hashlib.sha256(data).hexdigest() == file.sha256:
            return ""
        read = "Parquet" if file.kind == "csv" else ".npy"
        return f"{file.path} was changed since the export, but the {read} file of the same name is what was taken"

    def _strangers(self, image: ExportedImage) -> list[str]:
        known = {file.path for file in image.files}
        try:
            found = [path for path in self.source.files(image.folder) if f"{image.folder}/{path}" not in known]
        except (KymflowZarrError, OSError) as error:
            return [f"whether {image.folder} has files that are not of the export is not known: {error}"]
        if not found:
            return []
        return [f"{len(found)} files in {image.folder} are not of the export and were not imported: {', '.join(found[:5])}"]

    def restore_tables(self, tables: Tables, sources: Sources) -> None:
        """Add the rows of the images that are here; a table that the dataset lacks is added whole.

        Images of an earlier import that was stopped before its tables get their rows too.
        """
        here = set(self.dataset.list_image_ids())
        exported = {image.image_id for image in self.document.images}
        for file in self.document.tables:
            if file.kind == "csv" and (note := self._note_of_copy(file)):
                self.notes.append(note)
            if file.kind != "table":
                continue
            try:
                frame = frame_from_parquet(self._read(file, self.notes), what=str(self.source.root / file.path))
                if IMAGE_ID not in frame.columns:
                    raise SourceError(f"{file.path} has no column {IMAGE_ID!r}")
                if file.name == layout.SOURCES_TABLE:
                    lacking = (exported & here) - sources.image_ids()
                    sources.add(_sources_of(frame[frame[IMAGE_ID].isin(lacking)], where=file.path))
                elif file.name in tables.names():
                    self._restore_rows(tables, file.name, frame, exported & here)
                elif tables.exists(file.name):
                    raise SourceError(
                        f"the table {file.name!r} has the name of another one in upper and lower case, which this disk "
                        "takes for the same; import into a dataset on another disk"
                    )
                else:
                    whole = frame[~frame[IMAGE_ID].isin(exported - here)].reset_index(drop=True)
                    tables.save(file.name, whole, restored=True)
            except (KymflowZarrError, OSError) as error:
                self.failed.append(FailedFile(path=self.source.root / file.path, reason=str(error)))

    def _restore_rows(self, tables: Tables, name: str, frame: pd.DataFrame, here: Collection[str]) -> None:
        there = set(tables.load(name, columns=[IMAGE_ID], image_ids=here)[IMAGE_ID])
        new = {file.image_id for file in self.imported}  # what stands there of them is of another record of that id
        rows = frame[frame[IMAGE_ID].isin((set(here) - there) | new)]
        ids = set(rows[IMAGE_ID]) | (there & new)
        if ids:
            by_image = {image_id: rows[rows[IMAGE_ID] == image_id] for image_id in sorted(ids)}
            tables.commit_rows(name, by_image, restored=True)


def _sources_of(frame: pd.DataFrame, *, where: str) -> dict[str, Source]:
    """Return the sources of some records. The way to a file from the old dataset's folder says nothing of the new one's."""
    found = {}
    for row in frame.to_dict("records"):
        fields = {str(name): item for name, item in row.items() if item == item}
        source = Source.from_json(fields, where=where)
        found[str(row[IMAGE_ID])] = replace(source, source_relative_path="")
    return found


def _restore_analysis(draft: ZarrImageRecord, file: ExportedFile, data: bytes) -> None:
    endings = {"json": layout.JSON, "table": layout.PARQUET, "csv_gz": layout.CSV_GZ}
    if file.kind == "json" and artifact_state(data, what=file.path) == "broken":
        # Somebody edited it: its seal says so, and the value is what they wrote.
        value = unsealed_value(from_bytes(data, what=file.path))
        said = computed_from_of_artifact(data, what=file.path)
        draft.save_json(file.name, value, computed_from=said if isinstance(said, Mapping) else None)
        return
    if file.kind == "json" and len(data) > MAX_BYTES:
        raise SourceError(f"{file.path} has {len(data) >> 20} MB; at most {MAX_BYTES >> 20} MB of JSON are read")
    draft.restore_analysis(f"{file.name}{endings[file.kind]}", data)
