"""A dataset: one folder of image records and the tables over them.

The rule of this room: opening writes nothing. A dataset that does not exist yet is made by the first write, or by
`ZarrDataset.create`.
"""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, Self, TypeAlias

import pandas as pd
from numpy.typing import ArrayLike

from kymflow_zarr import _layout
from kymflow_zarr._arrays import check_axes
from kymflow_zarr._blobs import Blobs
from kymflow_zarr._root import GROUPS, is_uuid, load_attributes
from kymflow_zarr._validate import Problem, find_problems
from kymflow_zarr.errors import (
    DatasetExistsError,
    DatasetNotFoundError,
    InvalidValueError,
    RecordNotFoundError,
    SourceError,
)
from kymflow_zarr.ingest import (
    FailedFile,
    FileContent,
    ImportedFile,
    ImportReport,
    Progress,
    ReadFile,
    find_files,
    read_tiff,
)
from kymflow_zarr.record import ZarrImageRecord
from kymflow_zarr.schema import DatasetAttributes, RecordAttributes, group_to_bytes
from kymflow_zarr.sources import Source, sources_to_frame
from kymflow_zarr.tables import IMAGE_ID, Tables

Mode: TypeAlias = Literal["r", "a"]
OrderBy: TypeAlias = Literal["image_id", "created_utc", "acquired_local_epoch_ns"]


class ZarrDataset:
    """A handle to one kymflow dataset.

    Parameters
    ----------
    path
        The dataset's folder; its name ends in `.zarr` by custom.
    mode
        "r" reads only; every write raises `ReadOnlyError`. "a" reads and writes, and where there is nothing at `path` the
        first write makes the dataset.

    Raises
    ------
    DatasetNotFoundError
        When mode is "r" and there is nothing, or `path` is a file.
    NotADatasetError
        When the folder is something else.
    UnsupportedVersionError
        When the dataset is of the older program or of a newer format.
    DamagedError
        When its attributes cannot be read.
    """

    def __init__(self, path: str | Path, mode: Mode = "a") -> None:
        if mode not in ("r", "a"):
            raise ValueError(f"mode {mode!r} is not known; use 'r' to read or 'a' to read and write")
        self.path = Path(path)
        self.mode: Mode = mode
        self._blobs = Blobs(self.path, read_only=mode == "r")
        self._tables = Tables(self._blobs)
        stored = load_attributes(self._blobs)
        if stored is None and mode == "r":
            raise DatasetNotFoundError(f"there is no dataset at {self.path}")
        self._exists = stored is not None
        self._attributes = stored or DatasetAttributes()

    def __repr__(self) -> str:
        return f"ZarrDataset({str(self.path)!r}, mode={self.mode!r})"

    @classmethod
    def create(cls, path: str | Path) -> Self:
        """Make an empty dataset; raise `DatasetExistsError` where there is one already."""
        dataset = cls(path, mode="a")
        if dataset._exists or not dataset._make():
            raise DatasetExistsError(f"there is a dataset at {dataset.path} already; open it instead")
        return dataset

    @property
    def dataset_id(self) -> str:
        """The dataset's uuid, which stays when the folder is moved or copied."""
        return self._attributes.dataset_id

    def list_image_ids(self) -> list[str]:
        """Return the ids of all records, sorted."""
        return [name for name in self._blobs.names(_layout.IMAGES) if is_uuid(name)]

    def record(self, image_id: str) -> ZarrImageRecord:
        """Return a handle to one record; raise `RecordNotFoundError` when there is none of that id."""
        if not is_uuid(image_id) or not self._blobs.exists(_layout.record_key(image_id)):
            raise RecordNotFoundError(
                f"no record {image_id!r} in {self.path}; it has {len(self.list_image_ids())} records, see list_image_ids()"
            )
        return ZarrImageRecord(self._blobs.sub(_layout.record_key(image_id)), image_id)

    def iter_records(
        self, *, order_by: OrderBy = "image_id", missing: Literal["first", "last"] = "last"
    ) -> Iterator[ZarrImageRecord]:
        """Yield all records in order; equal and missing values are ordered by image id.

        Parameters
        ----------
        order_by
            "image_id", "created_utc" (when the record was made) or "acquired_local_epoch_ns" (when the microscope took the
            image; from the metadata's `header`).
        missing
            Where records without an acquisition time come.
        """
        if order_by not in ("image_id", "created_utc", "acquired_local_epoch_ns") or missing not in ("first", "last"):
            raise ValueError(f"order_by {order_by!r} with missing {missing!r} is not known; see the signature")
        records = [self.record(image_id) for image_id in self.list_image_ids()]
        if order_by == "created_utc":
            records.sort(key=lambda record: record.load_attributes().created_utc)
        elif order_by == "acquired_local_epoch_ns":
            times = {record.image_id: _acquired(record) for record in records}
            last = missing == "last"
            records.sort(key=lambda record: ((times[record.image_id] is None) == last, times[record.image_id] or 0))
        yield from records

    def add_image(
        self, arr: ArrayLike, *, axes: Sequence[str] | None = None, chunks: Sequence[int] | None = None
    ) -> ZarrImageRecord:
        """Add a record with these pixels and return it; arguments as in `ZarrImageRecord.save_array`."""
        with self.build_record(arr, axes=axes, chunks=chunks) as draft:
            pass
        return self.record(draft.image_id)

    @contextmanager
    def build_record(
        self, arr: ArrayLike, *, axes: Sequence[str] | None = None, chunks: Sequence[int] | None = None
    ) -> Iterator[ZarrImageRecord]:
        """Build a record with its metadata and artifacts aside; it appears, whole, when the block ends without error."""
        self._ensure_exists()
        image_id = str(uuid.uuid4())
        with self._blobs.build(_layout.record_key(image_id)) as blobs:
            draft = ZarrImageRecord(blobs, image_id)
            draft.save_array(arr, axes=axes, chunks=chunks)
            attributes = RecordAttributes(axes=check_axes(axes, draft.open_array().ndim))
            blobs.write(_layout.GROUP_DOCUMENT, group_to_bytes(attributes.to_json()))
            for group in (_layout.RECORD_ANALYSIS, _layout.RECORD_ARRAYS):
                blobs.write(f"{group}/{_layout.GROUP_DOCUMENT}", group_to_bytes({}))
            yield draft

    def delete_image(self, image_id: str) -> None:
        """Remove a record, and its rows from every table and from the sources."""
        record = self.record(image_id)
        self._blobs.delete(_layout.record_key(record.image_id))
        for name in [*self._tables.names(), _layout.SOURCES_TABLE]:
            if self._tables.exists(name):
                frame = self._tables.load(name)
                if bool((frame[IMAGE_ID] == image_id).any()):
                    self._tables.save(name, frame[frame[IMAGE_ID] != image_id])

    def list_table_names(self) -> list[str]:
        """Return the names of the dataset's tables, sorted; the sources are not among them."""
        return self._tables.names()

    def load_table(self, name: str) -> pd.DataFrame:
        """Return a dataset table; raise `TableNotFoundError` with the names that are there."""
        return self._tables.load(name)

    def save_table(self, name: str, df: pd.DataFrame) -> None:
        """Write or replace a dataset table whole; every row needs an `image_id`."""
        self._ensure_exists()
        self._tables.save(name, df)

    def replace_rows_for_image_id(self, name: str, image_id: str, df_rows: pd.DataFrame) -> pd.DataFrame:
        """Replace one image's rows in a table and return the whole new table."""
        return self.replace_rows(name, {image_id: df_rows})

    def replace_rows(self, name: str, rows_by_image_id: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
        """Replace the rows of some images in a table with one write, and return the whole new table."""
        self._ensure_exists()
        return self._tables.replace_rows(name, rows_by_image_id)

    def load_sources_index(self) -> pd.DataFrame:
        """Return which file each record came from: one row an imported image, empty before the first import."""
        if not self._tables.exists(_layout.SOURCES_TABLE):
            return sources_to_frame({})
        return self._tables.load(_layout.SOURCES_TABLE)

    def refresh_from_folder(
        self, folder: str | Path, pattern: str = "*.tif", *, mode: Literal["skip"] = "skip"
    ) -> list[str]:
        """Import the TIFFs below a folder that are not in the dataset yet, and return the new image ids.

        See `import_folder`, which also says what was skipped and what failed.
        """
        if mode != "skip":
            raise ValueError(f"mode {mode!r} is not known; files that are in the dataset can only be skipped: use 'skip'")
        return [file.image_id for file in self.import_folder(folder, patterns=[pattern]).imported]

    def import_folder(
        self,
        folder: str | Path,
        *,
        patterns: Sequence[str] = ("*.tif", "*.tiff"),
        read_file: ReadFile = read_tiff,
        progress: Progress | None = None,
    ) -> ImportReport:
        """Add a record for every matching file below a folder that no record came from.

        Parameters
        ----------
        folder
            Where to look, with all its subfolders.
        patterns
            File names, with `*`; upper and lower case are the same.
        read_file
            Reads one file and what lies beside it.
        progress
            Called before each file with the number done, the number of all, and the file's name.

        Raises
        ------
        SourceError
            When the folder cannot be read, or has no file that matches.
        ReadOnlyError
            When the dataset cannot be written.
        """
        files, unreadable = find_files(Path(folder), patterns)
        self._ensure_exists()
        known = self._known_sources()
        imported: list[ImportedFile] = []
        skipped: list[Path] = []
        changed: list[Path] = []
        failed = list(unreadable)
        added: dict[str, Source] = {}
        try:
            for done, path in enumerate(files):
                if progress:
                    progress(done, len(files), path.name)
                size_and_time = known.get(str(path.resolve()))
                if size_and_time is not None:
                    skipped.append(path)
                    if size_and_time != (path.stat().st_size, path.stat().st_mtime_ns):
                        changed.append(path)
                    continue
                try:
                    content, source = read_file(path), Source.from_file(path)
                except (SourceError, OSError) as error:
                    failed.append(FailedFile(path=path, reason=str(error)))
                    continue
                try:
                    image_id = self._add_file(content, source)
                except InvalidValueError as error:
                    failed.append(FailedFile(path=path, reason=str(error)))
                    continue
                added[image_id] = source
                imported.append(ImportedFile(path=path, image_id=image_id, notes=content.notes))
        finally:
            # Also when interrupted: what was imported stays imported.
            self._add_sources(added)
        return ImportReport(imported=tuple(imported), skipped=tuple(skipped), changed=tuple(changed), failed=tuple(failed))

    def validate(self) -> list[Problem]:
        """Return what is wrong with the dataset; empty when it is sound. Never raises, writes nothing.

        Checks every record's attributes, metadata and artifacts, that all files of its arrays are there, and that each
        table can be read and speaks only of records that are there. It does not read the pixels.
        """
        return find_problems(self, self._blobs)

    def _ensure_exists(self) -> None:
        if self._exists and not self._blobs.exists(_layout.GROUP_DOCUMENT):
            raise DatasetNotFoundError(
                f"the dataset {self.path} is no longer there: deleted, moved, or its disk is gone; nothing was written"
            )
        if not self._exists and not self._make():
            self._attributes = load_attributes(self._blobs) or self._attributes
            self._exists = True

    def _make(self) -> bool:
        """Write an empty dataset; return False where another program made one since this one looked."""
        for group in GROUPS:
            self._blobs.write(f"{group}/{_layout.GROUP_DOCUMENT}", group_to_bytes({}))
        try:
            self._blobs.create(_layout.GROUP_DOCUMENT, group_to_bytes(self._attributes.to_json()))
        except FileExistsError:
            return False
        self._exists = True
        return True

    def _add_file(self, content: FileContent, source: Source) -> str:
        with self.build_record(content.pixels, axes=content.axes) as draft:
            if content.metadata:
                draft.save_metadata_payload(content.metadata)
            for name, value in content.json_artifacts.items():
                draft.save_json(name, value)
            for name, frame in content.table_artifacts.items():
                draft.save_df_parquet(name, frame)
            draft.save_json(_layout.PROVENANCE, source.to_json())
        return draft.image_id

    def _known_sources(self) -> dict[str, tuple[int, int]]:
        """Return size and modification time by path, after adding what a stopped import left out of the table."""
        listed = set(self.load_sources_index()[IMAGE_ID])
        lost: dict[str, Source] = {}
        for image_id in self.list_image_ids():
            if image_id in listed:
                continue
            record = self.record(image_id)
            if f"{_layout.PROVENANCE}.json" in record.list_analysis_keys():
                lost[image_id] = Source.from_json(record.load_json(_layout.PROVENANCE), where=f"provenance of {image_id}")
        self._add_sources(lost)
        frame = self.load_sources_index()
        sizes_and_times = zip(frame["source_size_bytes"], frame["source_mtime_ns"], strict=True)
        return dict(zip(frame["source_primary_path"], sizes_and_times, strict=True))

    def _add_sources(self, sources: Mapping[str, Source]) -> None:
        if sources:
            rows = {image_id: sources_to_frame({image_id: source}) for image_id, source in sources.items()}
            self._tables.replace_rows(_layout.SOURCES_TABLE, rows)


def _acquired(record: ZarrImageRecord) -> int | None:
    header = record.load_metadata_payload().get("header")
    value = header.get("acquired_local_epoch_ns") if isinstance(header, Mapping) else None
    return value if isinstance(value, int) else None
