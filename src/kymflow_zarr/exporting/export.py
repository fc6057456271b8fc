"""A dataset as a folder of TIFFs, JSON, CSV, Parquet and .npy files, from which the same dataset can be made again.

The rule of this room: the dataset is only read. A new folder appears whole or not at all; what of a damaged record cannot
be read is in the report, and the rest is exported.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from kymflow_zarr import layout
from kymflow_zarr.arrays.npy import npy_to_bytes
from kymflow_zarr.counted import counted
from kymflow_zarr.dataset.dataset import Dataset
from kymflow_zarr.disk.blobs import Blobs
from kymflow_zarr.errors import FolderNotEmptyError, KymflowZarrError, NotSavedError, ReadOnlyError
from kymflow_zarr.exporting.document import DOCUMENT, LINES, ExportDocument, ExportedFile, ExportedImage, FileKind
from kymflow_zarr.exporting.names import Places, friendly_folder
from kymflow_zarr.formats.frames import frame_to_table
from kymflow_zarr.formats.parquet import table_to_parquet
from kymflow_zarr.formats.strict_json import JsonObject, to_readable_bytes
from kymflow_zarr.formats.table_csv import table_to_excel_csv
from kymflow_zarr.formats.tiff import Scale, array_to_tiff
from kymflow_zarr.record.attributes import utc_now
from kymflow_zarr.record.held import HeldRecord
from kymflow_zarr.reports import FailedFile
from kymflow_zarr.tables.sources import SOURCE_PATH
from kymflow_zarr.tables.table_files import IMAGE_ID
from kymflow_zarr.watch import Watch

ScalesOf: TypeAlias = Callable[[JsonObject], Mapping[str, Scale]]
"""Returns the scale of each axis that a record's metadata give."""
NameOf: TypeAlias = Callable[[JsonObject], str]
"""Returns the name that a record's metadata state."""
InfoOf: TypeAlias = Callable[[JsonObject], str]
"""Returns ImageJ's `Info` that a record's metadata have."""
TitlesOf: TypeAlias = Callable[[Sequence[str]], Mapping[str, str]]
"""Returns what is written above the columns of a CSV instead of their names, for those that have a title."""
_IMAGE, _IMAGES_FOLDER, _TABLES_FOLDER, _ARRAYS_FOLDER = "image", "images", "tables", "array_artifacts"
_FOLDERS = (_IMAGES_FOLDER, _TABLES_FOLDER)


def no_scales(_metadata: JsonObject) -> Mapping[str, Scale]:
    """Return that no scale is known: a `ScalesOf`."""
    return {}


def no_text(_metadata: JsonObject) -> str:
    """Return the empty text, where nothing is known: a `NameOf` and an `InfoOf`."""
    return ""


def no_titles(_names: Sequence[str]) -> Mapping[str, str]:
    """Return that no column has a title: a `TitlesOf`."""
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportReport:
    """What an export wrote. `failed` is what could not be read, and why; `notes` are worth knowing."""

    folder: Path
    records: int
    tables: int
    files: int
    failed: tuple[FailedFile, ...] = ()
    notes: tuple[str, ...] = ()

    def summary(self) -> str:
        """Return one line."""
        counts = [counted(self.records, "record"), counted(self.tables, "table")]
        parts = [f"{' and '.join(counts)} exported as {counted(self.files, 'file')}"]
        if self.failed:
            parts.append(f"{counted(len(self.failed), 'thing')} could not be read")
        return ", ".join(parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportPlan:
    """What is exported, and how it is named.

    Parameters
    ----------
    include_tiff
        Whether the pixels are, as `image.tif`. A folder without them cannot become a dataset again.
    include_tables
        Whether the dataset's tables are.
    friendly_names
        Whether a record's folder has the name of its file and the beginning of its id; by default the id alone.
    scales_of
        Returns the scale of each axis that the metadata state.
    name_of, info_of
        Return the name that the metadata state, for an image without a source file, and ImageJ's `Info`.
    titles_of
        Returns the titles of columns, which stand in each CSV instead of their names; Parquet always has the names.
    """

    include_tiff: bool = True
    include_tables: bool = True
    friendly_names: bool = False
    scales_of: ScalesOf = no_scales
    name_of: NameOf = no_text
    info_of: InfoOf = no_text
    titles_of: TitlesOf = no_titles


def export_dataset(dataset: Dataset, folder: Path, plan: ExportPlan, *, overwrite: bool, watch: Watch) -> ExportReport:
    """Write a dataset as a folder; the arguments are those of `ZarrDataset.export_legacy_folder`."""
    folder = folder.resolve()  # so that "." has a name, and a link is the folder that it leads to
    target = Blobs(folder, read_only=False)
    _check_apart(dataset.path.resolve(), folder)
    taken = FolderNotEmptyError(
        f"not exported: there is something at {folder} already; choose a new folder, or say that its files may be "
        "overwritten"
    )
    if target.exists("") and (not target.is_folder("") or target.names("", hidden=True)):
        if not overwrite or not target.is_folder(""):
            raise taken
        # Otherwise, if the export stopped halfway, the old document would describe the new files.
        target.forget(DOCUMENT)
        return _Export(dataset, target, plan).run(folder, watch)
    place = Blobs(folder.parent, read_only=False)
    try:
        with place.build(folder.name, keep_reserve=True, replace=False, over_empty=True) as draft:
            return _Export(dataset, draft, plan).run(folder, watch)
    except FileExistsError as error:
        if isinstance(error, KymflowZarrError):
            raise
        raise taken from error
    finally:
        place.forget_empty_staging()


def _check_apart(dataset: Path, folder: Path) -> None:
    """Raise where an export would write into the dataset."""
    inside = dataset in (folder, *folder.parents)
    around = folder in dataset.parents and dataset.relative_to(folder).parts[0].casefold() in _FOLDERS
    if inside or around:
        raise FolderNotEmptyError(f"not exported: {folder} and the dataset {dataset} share folders; choose another folder")


@dataclass(slots=True)
class _Export:
    """One run of an export."""

    dataset: Dataset
    target: Blobs
    plan: ExportPlan
    places: Places = field(default_factory=Places)
    failed: list[FailedFile] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def run(self, folder: Path, watch: Watch) -> ExportReport:
        """Write all, the document last: it speaks only of files that are there."""
        ids, images = self.dataset.list_image_ids(), []
        sources = self._source_paths()
        for done, image_id in enumerate(ids):
            watch.check("the export was cancelled; export again to have a whole folder")
            watch.progress(done, len(ids), _file_name(sources.get(image_id, "")) or image_id)
            with self._noting(Path(layout.record_key(image_id))):
                images.append(self._export_record(self.dataset.held_record(image_id), sources.get(image_id, "")))
        tables = list(self._tables())
        attributes = self.dataset.attributes
        document = ExportDocument(
            dataset_id=attributes.dataset_id,
            created_utc=attributes.created_utc,
            exported_utc=utc_now(),
            schema_version=layout.SCHEMA_VERSION,
            images=tuple(images),
            tables=tuple(tables),
            further={"upgraded_from": attributes.upgraded_from} if attributes.upgraded_from else {},
        )
        if document.has_lines:
            self.target.write_lines(LINES, document.lines())
        else:
            self.target.forget(LINES)  # of an export that was here before
        self.target.write(DOCUMENT, to_readable_bytes(document.to_json(), what=DOCUMENT))
        return ExportReport(
            folder=folder,
            records=len(images),
            tables=len([table for table in tables if table.kind == "table"]),
            files=1 + document.has_lines + len(tables) + sum(len(image.files) for image in images),
            failed=tuple(self.failed),
            notes=tuple(self.notes),
        )

    def _source_paths(self) -> dict[str, str]:
        try:
            frame = self.dataset.load_sources_index()
        except (KymflowZarrError, OSError):  # the table's own entry reports it
            return {}
        return dict(zip(frame[IMAGE_ID], map(str, frame[SOURCE_PATH]), strict=True))

    @contextmanager
    def _noting(self, where: Path) -> Iterator[None]:
        """Note what cannot be read, and go on; where the export itself cannot be written, it ends."""
        try:
            yield
        except (NotSavedError, ReadOnlyError):
            raise
        except (KymflowZarrError, OSError) as error:
            self.failed.append(FailedFile(path=where, reason=str(error)))

    def _export_record(self, record: HeldRecord, source: str) -> ExportedImage:
        attributes, name = record.load_attributes(), record.image_id
        if self.plan.friendly_names:
            name = friendly_folder(_file_name(source) or self.plan.name_of(record.load_metadata_payload()), name)
        folder = self.places.take_folder(f"{_IMAGES_FOLDER}/{name}")
        files: list[ExportedFile] = []
        image = partial(self._image, axes=attributes.axes)
        for part in (self._metadata, image, self._analyses, self._arrays):
            with self._noting(Path(layout.record_key(record.image_id))):
                for file in part(record, folder):
                    files.append(file)  # one by one: what was written stays listed where the next one fails
        return ExportedImage(
            image_id=record.image_id,
            folder=folder,
            axes=attributes.axes,
            created_utc=attributes.created_utc,
            files=tuple(files),
            source=source,
        )

    def _metadata(self, record: HeldRecord, folder: str) -> Iterator[ExportedFile]:
        newest = record.load_revision()
        if newest.number < 0:
            return
        data = to_readable_bytes(newest.payload, what="metadata")
        yield self._write(f"{folder}/{layout.METADATA_KEY}", data, "metadata", layout.METADATA)
        for number in record.list_revisions():
            with self._noting(Path(layout.record_key(record.image_id))):
                revision = record.load_revision_bytes(number)
                place = f"{folder}/{layout.revision_key(number).partition('/')[2]}"
                yield self._write(place, revision, "revision", str(number))

    def _image(self, record: HeldRecord, folder: str, *, axes: tuple[str, ...]) -> Iterator[ExportedFile]:
        if not self.plan.include_tiff:
            return
        array = record.load_array()
        metadata = record.load_metadata_payload()
        tiff = array_to_tiff(array, axes, self.plan.scales_of(metadata), info=self.plan.info_of(metadata))
        if tiff is None:
            self.notes.append(
                f"{folder}: a TIFF cannot hold {array.dtype} pixels of the shape {array.shape}; they are in {_IMAGE}.npy"
            )
            yield self._write_array(f"{folder}/{_IMAGE}.npy", npy_to_bytes(array), "image", _IMAGE, array, axes)
        else:
            yield self._write_array(f"{folder}/{_IMAGE}.tif", tiff, "image", _IMAGE, array, axes)

    def _analyses(self, record: HeldRecord, folder: str) -> Iterator[ExportedFile]:
        for key in record.list_analysis_keys():
            with self._noting(Path(f"{layout.record_key(record.image_id)}/{key}")):
                yield from self._analysis(record, folder, key)

    def _analysis(self, record: HeldRecord, folder: str, key: str) -> Iterator[ExportedFile]:
        if key.endswith(layout.JSON):
            name = key.removesuffix(layout.JSON)
            record.load_json(name)
            yield self._write(f"{folder}/{key}", record.load_analysis_bytes(key), "json", name)
        elif key.endswith(layout.PARQUET):
            name = key.removesuffix(layout.PARQUET)
            table = record.load_arrow(name)
            yield self._write(f"{folder}/{key}", record.load_analysis_bytes(key), "table", name)
            yield self._write(f"{folder}/{name}.csv", self._csv_for_excel(table, what=key), "csv", name)
        else:
            name = key.removesuffix(layout.CSV_GZ)
            record.load_df_csv_gz(name)
            yield self._write(f"{folder}/{key}", record.load_analysis_bytes(key), "csv_gz", name)

    def _arrays(self, record: HeldRecord, folder: str) -> Iterator[ExportedFile]:
        for name in record.list_array_artifacts():
            with self._noting(Path(f"{layout.record_key(record.image_id)}/{name}")):
                yield from self._array(record, f"{folder}/{_ARRAYS_FOLDER}", name)

    def _array(self, record: HeldRecord, folder: str, name: str) -> Iterator[ExportedFile]:
        array, axes = record.load_array_artifact(name), record.get_array_artifact_axes(name)
        held = record.is_held_by_metadata(name)
        yield self._write_array(f"{folder}/{name}.npy", npy_to_bytes(array), "array", name, array, axes, held=held)
        if array.ndim in (2, 3) and array.dtype.kind in "biu":
            tiff = array_to_tiff(array, axes, self.plan.scales_of(record.load_metadata_payload()))
            if tiff is not None:
                yield self._write_array(f"{folder}/{name}.tif", tiff, "array_tiff", name, array, axes)

    def _tables(self) -> Iterator[ExportedFile]:
        names = [*(self.dataset.list_table_names() if self.plan.include_tables else []), layout.SOURCES_TABLE]
        for name in names:
            with self._noting(Path(layout.table_key(name))):
                is_sources = name == layout.SOURCES_TABLE
                what = f"table {name!r}"
                table = (
                    frame_to_table(self.dataset.load_sources_index(), what=what)
                    if is_sources
                    else self.dataset.load_arrow(name)
                )
                data = table_to_parquet(table, grouped_by=IMAGE_ID)
                yield self._write(f"{_TABLES_FOLDER}/{name}{layout.PARQUET}", data, "table", name)
                yield self._write(f"{_TABLES_FOLDER}/{name}.csv", self._csv_for_excel(table, what=what), "csv", name)

    def _csv_for_excel(self, table: pa.Table, *, what: str) -> bytes:
        return table_to_excel_csv(table, self.plan.titles_of(table.column_names), what=what)

    def _write(self, wanted: str, data: bytes, kind: FileKind, name: str) -> ExportedFile:
        path = self.places.take(wanted)
        self.target.write(path, data)
        return ExportedFile(path=path, kind=kind, name=name, sha256=hashlib.sha256(data).hexdigest())

    def _write_array(
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
        written = self._write(wanted, data, kind, name)
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


def _file_name(path: str) -> str:
    return PurePosixPath(path.replace("\\", "/")).name
