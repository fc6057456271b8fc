"""One exported record back into a dataset, in this process or another: whole or not at all.

The rule of this room: a file that was changed since the export is taken as it is now, and a note reports it. Where a file
is missing or damaged, the record is left out. Nothing here depends on other records.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from kymflow_zarr import layout
from kymflow_zarr.dataset.dataset import Dataset
from kymflow_zarr.errors import KymflowZarrError, SourceError
from kymflow_zarr.exporting.document import DOCUMENT, ExportedFile, ExportedImage
from kymflow_zarr.formats.seals import artifact_state, computed_from_of_artifact, unsealed_value
from kymflow_zarr.formats.strict_json import MAX_BYTES, JsonObject, from_bytes, object_from_bytes
from kymflow_zarr.importing.changed_file import pixels_digest
from kymflow_zarr.importing.exported_files import ExportedFiles
from kymflow_zarr.record.ome import DescribeImage
from kymflow_zarr.record.record import CheckRecord, ZarrImageRecord
from kymflow_zarr.reports import FailedFile, ImportedFile

Restored: TypeAlias = ImportedFile | FailedFile | None
"""What became of a record; None where it is there already."""
Placed: TypeAlias = tuple[int, ExportedImage]
"""A record, and its place in the document."""


@dataclass(frozen=True, slots=True)
class RecordRestore(ExportedFiles):
    """Makes records of an exported folder.

    Parameters
    ----------
    check_record
        Says what is wrong with a record; None for nobody who knows.
    describe
        Returns the OME description of an image.
    """

    check_record: CheckRecord | None
    describe: DescribeImage | None

    def restore(self, dataset: Dataset, image: ExportedImage) -> Restored:
        """Add one record, or say why not."""
        where = self.source.root / image.folder
        try:
            notes = self._build(dataset, image)
        except (KymflowZarrError, OSError) as error:
            if isinstance(error, FileExistsError) and image.image_id in dataset.list_image_ids():
                return None  # another program added it in between
            return FailedFile(path=where, reason=str(error))
        return ImportedFile(path=where, image_id=image.image_id, notes=tuple(notes))

    def _build(self, dataset: Dataset, image: ExportedImage) -> list[str]:
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
        array = self.array(pixels[0], self.read(pixels[0], notes))
        has_other_pixels = bool(notes)
        metadata: JsonObject | None = None
        for file in by_kind.get("metadata", []):
            metadata = object_from_bytes(self.read(file, notes), what=file.path)
        described = None if metadata is None or self.describe is None else self.describe(metadata)
        with dataset.build_record(
            array, axes=image.axes, image_id=image.image_id, created_utc=image.created_utc, described=described
        ) as draft:
            for file in by_kind.get("array", []):
                values = self.array(file, self.read(file, notes))
                draft.restore_array(file.name, values, axes=file.axes, held_by_metadata=file.held)
            for kind in ("json", "table", "csv_gz"):
                for file in by_kind.get(kind, []):
                    _restore_analysis(draft, file, self.read(file, notes))
            for file in by_kind.get("revision", []):
                draft.restore_revision(int(file.name), self.read(file, notes))
            newest = draft.load_revision()
            if metadata is None:
                metadata = newest.payload
                if self.describe is not None:
                    draft.save_ome(self.describe(metadata))
            elif newest.payload != metadata:
                draft.save_metadata_payload(metadata, expected=newest)
            else:
                draft.save_readable_copy(newest)
            if has_other_pixels:
                # As of a changed file that is read again: results that do not state these pixels are outdated.
                metadata = {**metadata, layout.PIXELS_SHA256: pixels_digest(array)}
                draft.save_metadata_payload(metadata)
                notes.append("results in it that were made of the pixels as they were exported are outdated")
            notes += self._check(draft, is_changed=bool(notes))
        # The record is there: a failure from here on is a note, and cannot keep it out.
        for kind in ("csv", "array_tiff"):
            notes += [note for file in by_kind.get(kind, []) if (note := self.note_of_copy(file))]
        return notes + self._strangers(image)

    def _check(self, draft: ZarrImageRecord, *, is_changed: bool) -> list[str]:
        """Say what is wrong with a record as it was exported; raise where it was changed since, which can be mended."""
        problems = [] if self.check_record is None else list(self.check_record(draft))
        if problems and is_changed:
            raise SourceError(
                f"files of it were changed since the export, and {'; '.join(problems)}; mend them, then import"
            )
        return [f"it is as it was exported, and {problem}" for problem in problems]

    def _strangers(self, image: ExportedImage) -> list[str]:
        known = {file.path for file in image.files}
        try:
            found = [path for path in self.source.files(image.folder) if f"{image.folder}/{path}" not in known]
        except (KymflowZarrError, OSError) as error:
            return [f"whether {image.folder} has files that are not of the export is not known: {error}"]
        if not found:
            return []
        return [f"{len(found)} files in {image.folder} are not of the export and were not imported: {', '.join(found[:5])}"]


def restore_records(path: Path, work: RecordRestore, images: Sequence[Placed]) -> list[tuple[int, Restored]]:
    """Add some records to the dataset at a path: what an executor is given, in whatever process."""
    dataset = Dataset(path)
    return [(at, work.restore(dataset, image)) for at, image in images]


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
