"""One record as files in a folder of its own, in this process or another.

The rule of this room: what is written of a record is of one moment. What of a damaged one cannot be read is reported, and
the rest is written. Nothing here depends on other records, so any number of them can be written at once.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Self

from kymflow_zarr import layout
from kymflow_zarr.arrays.npy import npy_to_bytes
from kymflow_zarr.dataset.dataset import Dataset
from kymflow_zarr.disk.blobs import Blobs
from kymflow_zarr.errors import KymflowZarrError, RecordNotFoundError
from kymflow_zarr.exporting.document import ExportedFile, ExportedImage
from kymflow_zarr.exporting.plan import ExportPlan
from kymflow_zarr.exporting.writer import ExportWriter, reason_of
from kymflow_zarr.formats.strict_json import to_readable_bytes
from kymflow_zarr.formats.tiff import array_to_tiff
from kymflow_zarr.record.held import HeldRecord
from kymflow_zarr.reports import FailedFile

_IMAGE, _ARRAYS_FOLDER = "image", "array_artifacts"
_TRIES = 3
"""How often a record is written that others change meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedRecord:
    """A record to be exported: the folder that is its own, and the file that it came from, as far as that is known."""

    image_id: str
    folder: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenRecord:
    """What was written of a record; `image` is None where nothing was, and `is_gone` says that it was deleted."""

    image_id: str
    image: ExportedImage | None
    failed: tuple[FailedFile, ...]
    notes: tuple[str, ...] = ()
    is_gone: bool = False

    @classmethod
    def failing(cls, image_id: str, error: KymflowZarrError | OSError) -> Self:
        """Return that nothing was written, and why."""
        failed = FailedFile(path=Path(layout.record_key(image_id)), reason=reason_of(error))
        return cls(image_id=image_id, image=None, failed=(failed,), is_gone=isinstance(error, RecordNotFoundError))


def write_record(dataset: Dataset, target: Blobs, plan: ExportPlan, wanted: WantedRecord) -> WrittenRecord:
    """Write the files of a record, all of one moment, or none where it is deleted meanwhile.

    A record that others change each time it is written has a note. Raises `NotSavedError` or `ReadOnlyError` where the
    folder cannot be written.
    """
    for tries in itertools.count(1):
        writer = _RecordWriter(target, plan)
        try:
            record = dataset.held_record(wanted.image_id)
        except (KymflowZarrError, OSError) as error:
            return WrittenRecord.failing(wanted.image_id, error)
        moment, image = record.moment(), None
        with writer.noting(Path(layout.record_key(wanted.image_id))):
            image = writer.record(record, wanted)
        is_of_one_moment = record.again().moment() == moment
        if is_of_one_moment or (tries >= _TRIES and dataset.has_record(wanted.image_id)):
            break
        for file in image.files if image else ():
            target.forget(file.path)
        target.forget_empty_folders(wanted.folder)
    if not is_of_one_moment:
        writer.notes.append(f"{wanted.folder}: its files are of several moments, since other programs changed it meanwhile")
    return WrittenRecord(image_id=wanted.image_id, image=image, failed=tuple(writer.failed), notes=tuple(writer.notes))


def write_records(location: str, target: Blobs, plan: ExportPlan, wanted: Sequence[WantedRecord]) -> list[WrittenRecord]:
    """Write some records of the dataset at a location, and flush them: what an executor is given, in whatever process."""
    dataset = Dataset(location, mode="r")
    written = [write_record(dataset, target, plan, one) for one in wanted]
    for one in wanted:
        target.flush(one.folder)
    return written


class _RecordWriter(ExportWriter):
    """Writes the files of one record."""

    def record(self, record: HeldRecord, wanted: WantedRecord) -> ExportedImage:
        """Write all files; raise `DamagedError` where not even its axes can be read."""
        attributes, folder = record.load_attributes(), wanted.folder
        files: list[ExportedFile] = []
        image = partial(self._image, axes=attributes.axes)
        for part in (self._metadata, image, self._analyses, self._arrays):
            with self.noting(Path(layout.record_key(record.image_id))):
                for file in part(record, folder):
                    files.append(file)  # one by one: what was written stays listed where the next one fails
        return ExportedImage(
            image_id=record.image_id,
            folder=folder,
            axes=attributes.axes,
            created_utc=attributes.created_utc,
            files=tuple(files),
            source=wanted.source,
        )

    def _metadata(self, record: HeldRecord, folder: str) -> Iterator[ExportedFile]:
        newest = record.load_revision()
        if newest.number < 0:
            return
        data = to_readable_bytes(newest.payload, what="metadata")
        yield self.write(f"{folder}/{layout.METADATA_KEY}", data, "metadata", layout.METADATA)
        for number in record.list_revisions():
            with self.noting(Path(layout.record_key(record.image_id))):
                revision = record.load_revision_bytes(number)
                place = f"{folder}/{layout.revision_key(number).partition('/')[2]}"
                yield self.write(place, revision, "revision", str(number))

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
            yield self.write_array(f"{folder}/{_IMAGE}.npy", npy_to_bytes(array), "image", _IMAGE, array, axes)
        else:
            yield self.write_array(f"{folder}/{_IMAGE}.tif", tiff, "image", _IMAGE, array, axes)

    def _analyses(self, record: HeldRecord, folder: str) -> Iterator[ExportedFile]:
        for key in record.list_analysis_keys():
            with self.noting(Path(f"{layout.record_key(record.image_id)}/{key}")):
                yield from self._analysis(record, folder, key)

    def _analysis(self, record: HeldRecord, folder: str, key: str) -> Iterator[ExportedFile]:
        if key.endswith(layout.JSON):
            name = key.removesuffix(layout.JSON)
            record.load_json(name)
            yield self.write(f"{folder}/{key}", record.load_analysis_bytes(key), "json", name)
        elif key.endswith(layout.PARQUET):
            name = key.removesuffix(layout.PARQUET)
            table = record.load_arrow(name)
            yield self.write(f"{folder}/{key}", record.load_analysis_bytes(key), "table", name)
            yield self.write(f"{folder}/{name}.csv", self.csv_for_excel(table, what=key), "csv", name)
        else:
            name = key.removesuffix(layout.CSV_GZ)
            record.load_df_csv_gz(name)
            yield self.write(f"{folder}/{key}", record.load_analysis_bytes(key), "csv_gz", name)

    def _arrays(self, record: HeldRecord, folder: str) -> Iterator[ExportedFile]:
        for name in record.list_array_artifacts():
            with self.noting(Path(f"{layout.record_key(record.image_id)}/{name}")):
                yield from self._array(record, f"{folder}/{_ARRAYS_FOLDER}", name)

    def _array(self, record: HeldRecord, folder: str, name: str) -> Iterator[ExportedFile]:
        array, axes = record.load_array_artifact(name), record.get_array_artifact_axes(name)
        held = record.is_held_by_metadata(name)
        yield self.write_array(f"{folder}/{name}.npy", npy_to_bytes(array), "array", name, array, axes, held=held)
        if array.ndim in (2, 3) and array.dtype.kind in "biu":
            tiff = array_to_tiff(array, axes, self.plan.scales_of(record.load_metadata_payload()))
            if tiff is not None:
                yield self.write_array(f"{folder}/{name}.tif", tiff, "array_tiff", name, array, axes)
