"""An exported folder back into a dataset: each record under its old id, whole or not at all.

The rule of this room: what was imported has its rows in the tables, also when the rest was cancelled or went wrong.
"""

from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import Executor, Future
from contextlib import closing, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import pandas as pd

from kymflow_zarr import layout
from kymflow_zarr.dataset.dataset import Dataset
from kymflow_zarr.disk.blobs import Blobs
from kymflow_zarr.errors import ConflictError, KymflowZarrError, SourceError
from kymflow_zarr.exporting.document import ExportDocument
from kymflow_zarr.formats.frames import frame_from_parquet
from kymflow_zarr.importing.restore_record import Placed, RecordRestore, Restored, restore_records
from kymflow_zarr.record.ome import DescribeImage
from kymflow_zarr.record.record import CheckRecord
from kymflow_zarr.reports import FailedFile, ImportedFile, ImportReport
from kymflow_zarr.spread import spread
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
    executor: Executor | None = None,
) -> ImportReport:
    """Add the records of an exported folder that the dataset does not have, and their rows to its tables."""
    work = RecordRestore(Blobs(folder, read_only=True), check_record, describe)
    run = _Restore(dataset, work, document)
    there = set(dataset.list_image_ids())
    placed = list(enumerate(document.images))
    run.found |= {at: None for at, image in placed if image.image_id in there}
    wanted = [one for one in placed if one[0] not in run.found]
    with dataset.importing() if wanted else nullcontext():
        try:
            for at, restored in run.restored(wanted, watch, executor):
                run.found[at] = restored
        finally:
            # What was imported has its rows, also when the rest was cancelled.
            run.restore_tables(tables, sources)
    return run.report()


@dataclass(slots=True)
class _Restore:
    """One run; `found` is what became of the records so far, by their places in the document."""

    dataset: Dataset
    work: RecordRestore
    document: ExportDocument
    found: dict[int, Restored] = field(default_factory=dict)
    failed: list[FailedFile] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def restored(self, wanted: Sequence[Placed], watch: Watch, executor: Executor | None) -> Iterator[tuple[int, Restored]]:
        """Yield what becomes of the records, in whatever order; where it is cancelled, of those that were begun."""
        if executor is None:
            for at, image in wanted:
                if watch.is_cancelled():
                    return
                watch.progress(at, len(self.document.images), image.folder)
                yield at, self.work.restore(self.dataset, image)
            return
        with closing(spread(partial(_submit, executor, self.dataset.path, self.work), wanted, watch)) as stream:
            for done, found in enumerate(stream, start=len(self.found) + 1):
                yield found
                watch.progress(done, len(self.document.images), "")

    def report(self) -> ImportReport:
        """Return what happened, in the order of the document."""
        outcomes = [(image, self.found[at]) for at, image in enumerate(self.document.images) if at in self.found]
        failed = [one for _, one in outcomes if isinstance(one, FailedFile)]
        return ImportReport(
            imported=tuple(one for _, one in outcomes if isinstance(one, ImportedFile)),
            skipped=tuple(self.work.source.root / image.folder for image, one in outcomes if one is None),
            failed=(*failed, *self.failed),
            notes=tuple(self.notes),
            is_cancelled=len(outcomes) < len(self.document.images),
        )

    def restore_tables(self, tables: Tables, sources: Sources) -> None:
        """Add the rows of the images that are here; a table that the dataset lacks is added whole.

        Images of an earlier import that was stopped before its tables get their rows too.
        """
        here = set(self.dataset.list_image_ids())
        exported = {image.image_id for image in self.document.images}
        for file in self.document.tables:
            if file.kind == "csv" and (note := self.work.note_of_copy(file)):
                self.notes.append(note)
            if file.kind != "table":
                continue
            try:
                frame = frame_from_parquet(self.work.read(file, self.notes), what=str(self.work.source.root / file.path))
                if IMAGE_ID not in frame.columns:
                    raise SourceError(f"{file.path} has no column {IMAGE_ID!r}")
                if file.name == layout.SOURCES_TABLE:
                    lacking = (exported & here) - sources.image_ids()
                    self.dataset.add_sources(_sources_of(frame[frame[IMAGE_ID].isin(lacking)], where=file.path))
                elif file.name in tables.names():
                    self._restore_rows(tables, file.name, frame, exported & here)
                elif tables.exists(file.name):
                    raise SourceError(
                        f"the table {file.name!r} has the name of another one in upper and lower case, which this disk "
                        "takes for the same; import into a dataset on another disk"
                    )
                else:
                    whole = frame[~frame[IMAGE_ID].isin(exported - here)].reset_index(drop=True)
                    try:
                        tables.save(file.name, whole, restored=True, expected="")
                    except ConflictError:  # another program has made it since
                        self._restore_rows(tables, file.name, frame, exported & here)
            except (KymflowZarrError, OSError) as error:
                self.failed.append(FailedFile(path=self.work.source.root / file.path, reason=str(error)))

    def _restore_rows(self, tables: Tables, name: str, frame: pd.DataFrame, here: Collection[str]) -> None:
        there = set(tables.load(name, columns=[IMAGE_ID], image_ids=here)[IMAGE_ID])
        # What stands there of these is of another record of that id.
        new = {file.image_id for file in self.found.values() if isinstance(file, ImportedFile)}
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


def _submit(
    executor: Executor, path: Path, work: RecordRestore, images: Sequence[Placed]
) -> "Future[list[tuple[int, Restored]]]":
    return executor.submit(restore_records, path, work, images)
