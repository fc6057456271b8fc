"""A dataset as a folder of TIFFs, JSON, CSV, Parquet and .npy files, from which the same dataset can be made again.

The rule of this room: the dataset is only read. A new folder appears whole or not at all; what of a damaged record cannot
be read is in the report, and the rest is exported.
"""

from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import Executor, Future
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from kymflow_zarr import layout
from kymflow_zarr.counted import counted
from kymflow_zarr.dataset.dataset import Dataset
from kymflow_zarr.disk.blobs import Blobs
from kymflow_zarr.errors import FolderNotEmptyError, KymflowZarrError
from kymflow_zarr.exporting.document import DOCUMENT, LINES, ExportDocument, ExportedFile
from kymflow_zarr.exporting.names import friendly_folder
from kymflow_zarr.exporting.plan import ExportPlan
from kymflow_zarr.exporting.record_files import WantedRecord, WrittenRecord, write_record, write_records
from kymflow_zarr.exporting.writer import ExportWriter
from kymflow_zarr.formats.frames import frame_to_table
from kymflow_zarr.formats.parquet import table_to_parquet
from kymflow_zarr.formats.strict_json import to_readable_bytes
from kymflow_zarr.record.attributes import utc_now
from kymflow_zarr.reports import FailedFile
from kymflow_zarr.spread import spread
from kymflow_zarr.tables.sources import SOURCE_PATH
from kymflow_zarr.tables.table_files import IMAGE_ID, without_images
from kymflow_zarr.watch import Watch

_IMAGES_FOLDER, _TABLES_FOLDER = "images", "tables"
_FOLDERS = (_IMAGES_FOLDER, _TABLES_FOLDER)
_CANCELLED = "the export was cancelled; export again to have a whole folder"


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


def export_dataset(
    dataset: Dataset, folder: Path, plan: ExportPlan, *, overwrite: bool, watch: Watch, executor: Executor | None = None
) -> ExportReport:
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
        return _Export(dataset, ExportWriter(target, plan), executor).run(folder, watch)
    place = Blobs(folder.parent, read_only=False)
    try:
        with place.build(folder.name, keep_reserve=True, replace=False, over_empty=True) as draft:
            return _Export(dataset, ExportWriter(draft, plan), executor).run(folder, watch)
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
    writer: ExportWriter
    executor: Executor | None

    def run(self, folder: Path, watch: Watch) -> ExportReport:
        """Write all, the document last: it speaks only of files that are there."""
        target, ids = self.writer.target, self.dataset.list_image_ids()
        written = {one.image_id: one for one in self._outcomes(ids, watch)}
        for image_id in ids:
            self.writer.failed += written[image_id].failed
            self.writer.notes += written[image_id].notes
        images = [image for image_id in ids if (image := written[image_id].image) is not None]
        deleted = {one for one in ids if written[one].is_gone}
        tables = list(self._tables(set(ids), deleted))
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
            target.write_lines(LINES, document.lines())
        else:
            target.forget(LINES)  # of an export that was here before
        target.write(DOCUMENT, to_readable_bytes(document.to_json(), what=DOCUMENT))
        return ExportReport(
            folder=folder,
            records=len(images),
            tables=len([table for table in tables if table.kind == "table"]),
            files=1 + document.has_lines + len(tables) + sum(len(image.files) for image in images),
            failed=tuple(self.writer.failed),
            notes=tuple(self.writer.notes),
        )

    def _outcomes(self, ids: Sequence[str], watch: Watch) -> Iterator[WrittenRecord]:
        """Yield what became of the records, in whatever order."""
        sources = self._source_paths()
        wanted: list[WantedRecord] = []
        # All folders have their names, in order, before a file is written: so they are the same whoever writes.
        for image_id in ids:
            try:
                wanted.append(self._named(image_id, sources.get(image_id, "")))
            except (KymflowZarrError, OSError) as error:
                yield WrittenRecord.failing(image_id, error)
        if self.executor is None:
            for done, one in enumerate(wanted):
                watch.check(_CANCELLED)
                watch.progress(done, len(wanted), _file_name(one.source) or one.image_id)
                yield write_record(self.dataset, self.writer.target, self.writer.plan, one)
            return
        submit = partial(_submit, self.executor, self.dataset.location, self.writer)
        with closing(spread(submit, wanted, watch)) as stream:
            for done, found in enumerate(stream, start=1):
                if found.image is not None:
                    self.writer.target.take_as_flushed(found.image.folder)
                yield found
                watch.progress(done, len(wanted), "")
        watch.check(_CANCELLED)

    def _named(self, image_id: str, source: str) -> WantedRecord:
        """Return a record with the folder that it gets."""
        name = image_id
        if self.writer.plan.friendly_names:
            called = _file_name(source)
            if not called:
                called = self.writer.plan.name_of(self.dataset.record(image_id).load_metadata_payload())
            name = friendly_folder(called, image_id)
        folder = self.writer.places.take_folder(f"{_IMAGES_FOLDER}/{name}")
        return WantedRecord(image_id=image_id, folder=folder, source=source)

    def _source_paths(self) -> dict[str, str]:
        try:
            frame = self.dataset.load_sources_index()
        except (KymflowZarrError, OSError):  # the table's own entry reports it
            return {}
        return dict(zip(frame[IMAGE_ID], map(str, frame[SOURCE_PATH]), strict=True))

    def _tables(self, image_ids: Collection[str], deleted: Collection[str]) -> Iterator[ExportedFile]:
        """Write the tables, without rows of records that came, or were deleted, since the others were listed."""
        names = [*(self.dataset.list_table_names() if self.writer.plan.include_tables else []), layout.SOURCES_TABLE]
        for name in names:
            with self.writer.noting(Path(layout.table_key(name))):
                is_sources = name == layout.SOURCES_TABLE
                what = f"table {name!r}"
                there = set(self.dataset.list_image_ids())
                table = (
                    frame_to_table(self.dataset.load_sources_index(), what=what)
                    if is_sources
                    else self.dataset.load_arrow(name)
                )
                # Also one that is deleted by now, and the other way round one that came while the table was read.
                others = there.union(self.dataset.list_image_ids()).difference(image_ids).union(deleted)
                if others and IMAGE_ID in table.column_names:
                    table = without_images(table, others)
                data = table_to_parquet(table, grouped_by=IMAGE_ID)
                yield self.writer.write(f"{_TABLES_FOLDER}/{name}{layout.PARQUET}", data, "table", name)
                yield self.writer.write(
                    f"{_TABLES_FOLDER}/{name}.csv", self.writer.csv_for_excel(table, what=what), "csv", name
                )


def _submit(
    executor: Executor, location: str, writer: ExportWriter, wanted: Sequence[WantedRecord]
) -> "Future[list[WrittenRecord]]":
    return executor.submit(write_records, location, writer.target, writer.plan, wanted)


def _file_name(path: str) -> str:
    return PurePosixPath(path.replace("\\", "/")).name
