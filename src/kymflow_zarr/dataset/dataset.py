"""The records and tables of one dataset: one folder, and nothing outside of it.

The rule of this room: opening writes nothing. A dataset that does not exist yet is made by the first write, or by
`ZarrDataset.create`.
"""

import hashlib
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Literal, Self, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from kymflow_zarr import layout
from kymflow_zarr.arrays.arrays import check_axes, write_array
from kymflow_zarr.counted import counted
from kymflow_zarr.dataset.making import make_groups
from kymflow_zarr.dataset.manifest import Manifest, Missing, OrderBy, load_manifest, save_manifest
from kymflow_zarr.dataset.recognize import is_uuid, load_attributes
from kymflow_zarr.dataset.tables import DatasetTables
from kymflow_zarr.dataset.trash import RemovedRecord, list_removed
from kymflow_zarr.disk.blobs import Blobs
from kymflow_zarr.disk.local_path import address_of, local_path
from kymflow_zarr.disk.presence import Presence, claim, present
from kymflow_zarr.disk.quick_stamps import QuickStamps
from kymflow_zarr.errors import (
    ArtifactNotFoundError,
    DamagedError,
    DatasetExistsError,
    DatasetNotFoundError,
    InvalidValueError,
    KymflowZarrError,
    NotSavedError,
    RecordNotFoundError,
)
from kymflow_zarr.formats.places import place_note
from kymflow_zarr.formats.strict_json import JsonObject
from kymflow_zarr.record.attributes import DatasetAttributes, RecordAttributes, group_to_bytes, record_to_bytes, utc_now
from kymflow_zarr.record.groups import write_empty_group
from kymflow_zarr.record.held import HeldRecord
from kymflow_zarr.record.ome import OmeDescription
from kymflow_zarr.record.record import ZarrImageRecord
from kymflow_zarr.remote.blobs import read_only
from kymflow_zarr.remote.file_list import save_file_list
from kymflow_zarr.remote.objects import check_address
from kymflow_zarr.remote.opening import open_remote
from kymflow_zarr.tables.sources import Source

Mode: TypeAlias = Literal["r", "a"]


class Dataset(DatasetTables):
    """A handle to one kymflow dataset.

    Parameters
    ----------
    path
        The dataset's folder; its name ends in `.zarr` by custom. With mode "r" also an address, `https://host/lab.zarr` or
        `s3://bucket/lab.zarr`, of which a handle shows one moment.
    mode
        "r" reads only; every write raises `ReadOnlyError`. "a" reads and writes, and where there is nothing at `path` the
        first write makes the dataset.

    Raises
    ------
    DatasetNotFoundError
        When mode is "r" and there is nothing, or `path` is a file.
    ReadOnlyError
        When the path is an address, and the mode is not "r".
    RemoteError
        When a server refuses, fails, or does not answer.
    InvalidNameError
        When it is an address of a kind that is not read, such as `ftp://`.
    NotInstalledError
        When the package that reads addresses is not installed.
    NotADatasetError
        When the folder is something else.
    OlderDatasetError
        When the dataset was written by the older program; `upgrade` makes a copy that opens.
    UnsupportedVersionError
        When the dataset is of a newer format.
    DamagedError
        When its attributes cannot be read.
    """

    def __init__(self, path: str | Path, mode: Mode = "a") -> None:
        if mode not in ("r", "a"):
            raise ValueError(f"mode {mode!r} is not known; use 'r' to read or 'a' to read and write")
        if address := address_of(path):
            check_address(address)
            if mode != "r":
                raise read_only(address)
        # A later change of the working folder must not move it.
        self.path = Path(address) if address else local_path(path).absolute()
        self.mode: Mode = mode
        super().__init__(open_remote(address) if address else Blobs(self.path, read_only=mode == "r"))
        stored = load_attributes(self._blobs)
        if stored is None and mode == "r":
            raise DatasetNotFoundError(f"there is no dataset at {self.location}")
        self._exists = stored is not None
        self._attributes = stored or DatasetAttributes()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.location!r}, mode={self.mode!r})"

    @classmethod
    def create(cls, path: str | Path) -> Self:
        """Make an empty dataset; raise `DatasetExistsError` where there is one already."""
        dataset = cls(path, mode="a")
        if dataset._exists or not dataset._make():
            raise DatasetExistsError(f"there is a dataset at {dataset.path} already; open it instead")
        return dataset

    @property
    def location(self) -> str:
        """The dataset's folder or address as text: what opens it again."""
        return self._blobs.describe("")

    @property
    def is_remote(self) -> bool:
        """Whether the dataset is at an address, where it is only read."""
        return address_of(self.path) is not None

    @property
    def dataset_id(self) -> str:
        """The dataset's uuid, which stays when the folder is moved or copied."""
        return self._attributes.dataset_id

    @property
    def attributes(self) -> DatasetAttributes:
        """Who the dataset is, and when it was made."""
        return self._attributes

    def list_image_ids(self) -> list[str]:
        """Return the ids of all records, sorted."""
        return [name for name in self._blobs.names(layout.IMAGES) if is_uuid(name)]

    def has_record(self, image_id: str) -> bool:
        """Return whether there is a record of that id, damaged or not."""
        return is_uuid(image_id) and self._blobs.is_listed(layout.record_key(image_id))

    def record(self, image_id: str) -> ZarrImageRecord:
        """Return a handle to one record; raise `RecordNotFoundError` when there is none of that id."""
        return ZarrImageRecord(self._folder_of(image_id), image_id)

    def held_record(self, image_id: str) -> HeldRecord:
        """Return a handle that reads each file of a record once, for answers of one moment; raise as `record`."""
        return HeldRecord(self._folder_of(image_id), image_id)

    def quick_stamps(self, image_id: str) -> QuickStamps:
        """Return what tells fast whether files of a record are those that were seen before; the record may be gone."""
        return QuickStamps(f"{self.path}/{layout.record_key(image_id)}")

    def iter_records(self, *, order_by: OrderBy = "image_id", missing: Missing = "last") -> Iterator[ZarrImageRecord]:
        """Yield all records in order, damaged ones too; equal and missing values are ordered by image id.

        Parameters
        ----------
        order_by
            "image_id", "created_utc" (when the record was made) or "acquired_local_epoch_ns" (when the microscope took the
            image; from the metadata's `header`).
        missing
            Where records without a value come, and those that are too damaged to know it.
        """
        if order_by not in ("image_id", "created_utc", "acquired_local_epoch_ns") or missing not in ("first", "last"):
            raise ValueError(f"order_by {order_by!r} with missing {missing!r} is not known; see the signature")
        if order_by == "image_id":
            image_ids = self.list_image_ids()
        else:
            image_ids = [entry.image_id for entry in self.load_manifest().ordered(order_by, missing=missing)]
        for image_id in image_ids:
            try:
                record = self.record(image_id)
            except RecordNotFoundError:  # deleted in between
                continue
            yield record

    def load_manifest(self) -> Manifest:
        """Return what each record is, and which do not open; the same with and without the stored manifest.

        What the stored one says is taken where the record's files have not changed since; nothing is written.
        """
        return load_manifest(self._blobs, self.list_image_ids())

    def rebuild_manifest(self) -> Manifest:
        """Throw the stored manifest away, read every record again, and store what was found."""
        self._ensure_exists()
        return self._save_manifest(trust=False)

    def save_file_list(self) -> int:
        """Make the manifest and the list of all files, and return how many these are: what is read first at an address.

        To be called before a dataset is copied to a server or a bucket: the copy is then read as it is now. Derived.
        """
        self._ensure_exists()
        self._tables.publish_all()
        self._save_manifest()
        return save_file_list(self._blobs)

    def add_image(
        self, arr: ArrayLike, *, axes: Sequence[str] | None = None, chunks: Sequence[int] | None = None
    ) -> ZarrImageRecord:
        """Add a record with these pixels and return it; arguments as in `ZarrImageRecord.save_array`."""
        with self.build_record(arr, axes=axes, chunks=chunks) as draft:
            pass
        # Not checked on the disk: a wrong "not there" would make the caller add the image a second time.
        return self._record(draft.image_id)

    @contextmanager
    def build_record(
        self,
        arr: ArrayLike,
        *,
        axes: Sequence[str] | None = None,
        chunks: Sequence[int] | None = None,
        image_id: str | None = None,
        created_utc: str | None = None,
        described: OmeDescription | None = None,
    ) -> Iterator[ZarrImageRecord]:
        """Build a record with its metadata and artifacts aside; it appears, whole, when the block ends without error.

        Parameters
        ----------
        arr, axes, chunks
            As in `ZarrImageRecord.save_array`.
        image_id, created_utc
            Of a record of another dataset, which it is to be again; by default a new one, of now.
        described
            What its OME-Zarr metadata say, as in `ZarrImageRecord.save_ome`.

        Raises
        ------
        InvalidValueError
            When `image_id` is no uuid.
        FileExistsError
            When there is a record of that id.
        """
        self._ensure_exists()
        image_id = str(uuid.uuid4()) if image_id is None else image_id
        if not is_uuid(image_id):
            raise InvalidValueError(f"{image_id[:100]!r} cannot be the id of a record; a uuid is expected")
        with self._blobs.build(layout.record_key(image_id), keep_reserve=True, replace=False) as blobs:
            draft = ZarrImageRecord(blobs, image_id)
            write_array(blobs, layout.RECORD_DATA, arr, axes=axes, chunks=chunks)
            names = check_axes(axes, np.ndim(arr))
            attributes = RecordAttributes(axes=names, created_utc=created_utc or utc_now())
            of = place_note(blobs.place(layout.GROUP_DOCUMENT))
            blobs.write(layout.GROUP_DOCUMENT, record_to_bytes(attributes, described, of=of))
            for group in (layout.RECORD_ANALYSIS, layout.RECORD_ARRAYS):
                write_empty_group(blobs, group)
            yield draft

    def delete_image(self, image_id: str) -> None:
        """Remove a record, and its rows from every table and from the sources.

        Raises
        ------
        RecordNotFoundError
            When there is none of that id.
        DamagedError
            When a table cannot be read; then nothing was removed.
        """
        self._take_out(image_id, self._blobs.delete)

    def _take_out(self, image_id: str, take: Callable[[str], object]) -> None:
        """Take a record's folder away, then its rows out of every table that has some."""
        record = self.record(image_id)
        having = self._tables.names_having([image_id])
        key = layout.record_key(record.image_id)
        try:
            take(key)
        except NotSavedError as error:
            if self._blobs.is_taken_away(key, error):
                raise self._no_record(image_id) from error
            raise
        with suppress(DamagedError):  # rows that another program wrote in between: looked for once the record is away
            having = [*having, *self._tables.names_having([image_id])]
        for name in dict.fromkeys(having):
            self._tables.delete_rows(name, [image_id])
        if self.has_record(image_id):  # restored meanwhile by another program, whose row of the source is gone now
            self._note_source(image_id)

    def move_to_trash(self, image_id: str) -> None:
        """Take a record out of the dataset, and its rows out of every table; `restore_from_trash` is the inverse.

        Its folder is moved whole, with pixels, ROIs, history and results. A later import of its file adds the image again.

        Raises
        ------
        RecordNotFoundError
            When there is none of that id.
        DamagedError
            When a table cannot be read; then nothing was moved.
        """
        self._take_out(image_id, self._blobs.throw_away)

    def list_trash(self) -> list[RemovedRecord]:
        """Return the records in the trash, sorted by their names; of one that was removed twice, each time."""
        return list_removed(self._blobs)

    def restore_from_trash(self, removed: RemovedRecord) -> None:
        """Put a record back, also among the sources; rows in other tables are made by the next refresh.

        Raises
        ------
        RecordNotFoundError
            When it is no longer in the trash.
        FileExistsError
            When there is a record of that id; nothing was moved.
        """
        gone = RecordNotFoundError(f"record {removed.image_id!r} is no longer in the trash of {self.path}")
        if removed not in self.list_trash():
            raise gone
        try:
            self._blobs.put_back(removed.key)
        except NotSavedError as error:
            if self._blobs.is_taken_away(removed.key, error):
                raise gone from error
            raise
        record = self._record(removed.image_id)
        with suppress(KymflowZarrError, OSError):  # who saved while it was taken out could not write the readable copy
            record.renew_readable_copy()
        self._note_source(removed.image_id)

    def _note_source(self, image_id: str) -> None:
        """Note which file a record came from, as it knows that itself."""
        with suppress(RecordNotFoundError, ArtifactNotFoundError):  # it came from none, or is taken out by now
            value = self.record(image_id).load_json(layout.PROVENANCE)
            self.add_sources({image_id: Source.from_json(value, where=f"provenance of {image_id}")})

    def add_sources(self, found: Mapping[str, Source]) -> None:
        """Note which files some records came from; of a record that is deleted at the same time, nothing stays."""
        self._sources.add(found)
        gone = [image_id for image_id in found if not self.has_record(image_id)]
        if gone:
            self._tables.delete_rows(layout.SOURCES_TABLE, gone)
        if back := {image_id: found[image_id] for image_id in gone if self.has_record(image_id)}:  # restored meanwhile
            self.add_sources(back)

    @property
    def lacks_images(self) -> bool:
        """Whether the folder of records is not there, as when a disk is away: then no list of them is to be believed."""
        return self._exists and not self._blobs.is_folder(layout.IMAGES)

    @contextmanager
    def claim(self, what: str) -> Iterator[bool]:
        """Claim a piece of work, so that no other program does it too; False where another has it.

        It only spares double work: a claim of a program that was stopped is skipped, at the latest after ten minutes.
        """
        self._ensure_exists()
        with claim(self._blobs, hashlib.sha256(what.encode()).hexdigest()) as mine:
            yield mine

    @contextmanager
    def importing(self) -> Iterator[Presence]:
        """Note, while the block runs, that this program imports; what it gives tells whether others do."""
        self._ensure_exists()
        with present(self._blobs, "import") as presence:
            yield presence

    def _folder_of(self, image_id: str) -> Blobs:
        """Return the folder of a record that is there; raise as `record`."""
        if is_uuid(image_id):
            folder = self._blobs.sub(layout.record_key(image_id))
            if folder.is_there():
                return folder
        raise self._no_record(image_id)

    def _no_record(self, image_id: str) -> RecordNotFoundError:
        there = counted(len(self.list_image_ids()), "record")
        return RecordNotFoundError(f"no record {image_id!r} in {self.location}; it has {there}, see list_image_ids()")

    def _record(self, image_id: str) -> ZarrImageRecord:
        return ZarrImageRecord(self._blobs.sub(layout.record_key(image_id)), image_id)

    def _make_sure(self) -> None:
        self._ensure_exists()

    def _ensure_exists(self, *, upgraded_from: JsonObject | None = None) -> None:
        if self._exists and not self._blobs.exists(layout.GROUP_DOCUMENT):
            raise DatasetNotFoundError(
                f"the dataset {self.path} is no longer there: deleted, moved, or its disk is gone; nothing was written"
            )
        if not self._exists and upgraded_from:
            self._attributes = replace(self._attributes, upgraded_from=upgraded_from)
        if not self._exists and not self._make():
            self._attributes = load_attributes(self._blobs) or self._attributes
            self._exists = True

    def _make(self) -> bool:
        """Write an empty dataset; return False where another program made one since this one looked.

        Of several programs that make it at once, and of one that finishes what a stopped one began, all give it one id.
        """
        self._attributes = replace(self._attributes, dataset_id=make_groups(self._blobs, self.dataset_id))
        try:
            self._blobs.create(layout.GROUP_DOCUMENT, group_to_bytes(self._attributes.to_json()))
        except FileExistsError:
            return False
        self._exists = True
        return True

    def _save_manifest(self, *, trust: bool = True) -> Manifest:
        manifest = load_manifest(self._blobs, self.list_image_ids(), trust=trust)
        save_manifest(self._blobs, manifest)
        return manifest
