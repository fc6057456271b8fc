"""One image record: lazy pixels, axes, metadata with history, and artifacts by name.

The rule of this room: a record knows its folder and its id, not the dataset it lies in.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any, TypeAlias

import numpy as np
import zarr
from numpy.typing import ArrayLike, NDArray

from kymflow_zarr import layout
from kymflow_zarr.arrays.arrays import (
    array_shape,
    axes_of,
    check_axes,
    load_array,
    open_array,
    write_array,
)
from kymflow_zarr.disk.foreign_files import is_of_system
from kymflow_zarr.errors import (
    DamagedError,
    InvalidNameError,
    InvalidValueError,
    PixelsExistError,
)
from kymflow_zarr.formats.places import check_place
from kymflow_zarr.formats.seals import (
    document_seal_state,
    said_place,
    strip_foreign,
)
from kymflow_zarr.formats.strict_json import (
    MAX_DOCUMENT_BYTES,
    JsonObject,
    JsonValue,
    canonical_sha256,
    object_from_bytes,
    to_readable_bytes,
)
from kymflow_zarr.record.artifacts import Artifacts
from kymflow_zarr.record.attributes import (
    OF_RECORD,
    RecordAttributes,
    group_attributes,
    with_ome,
)
from kymflow_zarr.record.ome import OmeDescription, is_ome_image
from kymflow_zarr.record.revisions import (
    Revision,
    has_own_copy,
    list_revisions,
    load_history,
    load_numbered,
    load_revision,
    restore_revision,
    revision_bytes,
    save_revision,
    write_readable_copy,
)


class ZarrImageRecord(Artifacts):
    """A handle to one image record of a dataset; get one from `ZarrDataset.record`.

    Opening and reading write nothing. Everything here is authoritative: nothing can rebuild it. What is saved and loaded by
    name, artifacts and arrays, is in `Artifacts`.

    Parameters
    ----------
    blobs
        The record's folder.
    image_id
        The record's uuid.
    """

    def __repr__(self) -> str:
        return f"ZarrImageRecord({self.image_id!r})"

    def save_array(self, arr: ArrayLike, *, axes: Sequence[str] | None = None, chunks: Sequence[int] | None = None) -> None:
        """Write the record's pixels; they are written once.

        Parameters
        ----------
        arr
            Numbers or booleans, any shape.
        axes
            One name a dimension; by default `y,x` · `z,y,x` · `z,y,x,c` · `t,z,y,x,c` for 2 to 5 dimensions.
        chunks
            The shape of a chunk; by default 1 along t, z, c and up to 512 along y, x.

        Raises
        ------
        PixelsExistError
            When the record has pixels.
        InvalidValueError
            When the dtype, axes or chunks cannot be stored.
        """
        there = PixelsExistError(
            f"record {self.image_id} has its pixels already; pixels are written once, add a new image instead"
        )
        if self._blobs.exists(layout.RECORD_DATA):
            raise there
        try:
            with self._blobs.build(layout.RECORD_DATA, replace=False) as draft:
                write_array(draft, "", arr, axes=axes, chunks=chunks)
        except FileExistsError as error:
            raise there from error

    def replace_array(self, arr: ArrayLike, *, axes: Sequence[str] | None = None) -> None:
        """Put other pixels in the place of the record's, at once; for a file that has changed since it was imported.

        Raises
        ------
        InvalidValueError
            When the dtype or the axes cannot be stored, or the axes are others than the record has.
        """
        names = check_axes(axes, np.ndim(arr))
        if names != self.get_axes():
            raise InvalidValueError(
                f"record {self.image_id} has the axes {self.get_axes()}; pixels of the axes {names} cannot replace its own"
            )
        with self._blobs.build(layout.RECORD_DATA) as draft:
            write_array(draft, "", arr, axes=names, chunks=None)

    def open_array(self) -> "zarr.Array[Any]":
        """Open the pixels lazily, read-only; raise `DamagedError` when they are missing or incomplete."""
        try:
            return open_array(self._blobs, layout.RECORD_DATA)
        except FileNotFoundError as error:
            self._check_there()
            raise DamagedError(f"record {self.image_id} has no pixels; restore it from a backup") from error

    def load_array(self) -> NDArray[Any]:
        """Read all pixels; raise `DamagedError` when they are missing, incomplete or fail their checksum."""
        try:
            return load_array(self._blobs, layout.RECORD_DATA)
        except FileNotFoundError as error:
            self._check_there()
            raise DamagedError(f"record {self.image_id} has no pixels; restore it from a backup") from error

    def load_attributes(self) -> RecordAttributes:
        """Return the axes and the time of creation."""
        return self._group_document()[0]

    def _group_document(self) -> tuple[RecordAttributes, JsonObject, bool]:
        """Return the attributes, the document that has them, and whether this program's part of it was changed."""
        where = self._blobs.describe(layout.GROUP_DOCUMENT)
        try:
            data = self._blobs.read(layout.GROUP_DOCUMENT, limit=MAX_DOCUMENT_BYTES)
        except FileNotFoundError as error:
            self._check_there()
            raise DamagedError(f"{where} is missing; restore it from a backup") from error
        document = object_from_bytes(data, what=where)
        attributes = RecordAttributes.from_json(group_attributes(document, where=where), where=where)
        check_place(said_place(document, holder=layout.ATTRIBUTES), self._place(layout.GROUP_DOCUMENT), what=where)
        ours = strip_foreign(document, layout.ATTRIBUTES, ours=OF_RECORD)
        is_changed = document_seal_state(ours, holder=layout.ATTRIBUTES) == "broken"
        if is_changed:
            self._check_changed_attributes(attributes, where)
        return attributes, document, is_changed

    def _check_changed_attributes(self, attributes: RecordAttributes, where: str) -> None:
        """Believe attributes that were changed only where the pixels say the same."""
        if attributes.axes != axes_of(self.open_array()):
            raise DamagedError(f"{where} was changed, and its axes are not those of the pixels; restore it from a backup")

    def save_ome(self, described: OmeDescription | None = None) -> bool:
        """Make the record's OME-Zarr metadata anew, and return whether it is an image by that specification.

        Derived, and the only thing in a record that is: the axes and the history are not touched. Where the metadata say
        the same already, nothing is written.

        Parameters
        ----------
        described
            The steps along the axes, their units, and the image's name; without, every step is 1.

        Raises
        ------
        ReadOnlyError
            When the dataset, or its disk, cannot be written.
        DamagedError
            When the record's own attributes were changed: they are not sealed anew with that.
        NotSavedError
            When the disk fails or is full; the old metadata are unchanged.
        """
        self._check_there()
        attributes, document, is_changed = self._group_document()
        axes, where = attributes.axes, self._blobs.describe(layout.GROUP_DOCUMENT)
        if is_changed:
            raise DamagedError(f"not saved: {where} was changed since it was written; see verify, or restore it")
        new = with_ome(document, axes, described)
        if new != document:
            self._blobs.write(layout.GROUP_DOCUMENT, to_readable_bytes(new, what="record attributes"))
        return is_ome_image(axes)

    def get_axes(self) -> tuple[str, ...]:
        """Return one name a dimension of the pixels, such as `("y", "x")`."""
        return self.load_attributes().axes

    def get_shape(self) -> tuple[int, ...]:
        """Return the shape of the pixels, reading none; raise as `open_array`."""
        try:
            return array_shape(self._blobs, layout.RECORD_DATA)
        except FileNotFoundError as error:
            self._check_there()
            raise DamagedError(f"record {self.image_id} has no pixels; restore it from a backup") from error

    def file_stamp(self, keys: Sequence[str]) -> str:
        """Return what changes whenever one of some files is written. Reads no content, so it is fast.

        Parameters
        ----------
        keys
            Keys as in `list_analysis_keys`, there or not; `METADATA_KEY` for the metadata, `MASKS_KEY` for the masks,
            `PIXELS_KEY` for the shape of the pixels, `PIXEL_VALUES_KEY` for the pixels themselves; "reviews/", with `/` at
            the end, for all artifacts in that folder.
        """
        if any(key.endswith("/") for key in keys):
            whole = self._without_folders(keys)
            return f"{' '.join(whole)} {self.file_stamp(whole)}"
        if layout.PIXELS_KEY in keys:
            others = [key for key in keys if key != layout.PIXELS_KEY]
            return f"{self._stamp(layout.RECORD_PIXELS_DOCUMENT)} {self.file_stamp(others)}"
        stamps = [self._stamp(f"{layout.RECORD_ANALYSIS}/{key}") for key in keys]
        if layout.METADATA_KEY in keys:
            stamps.append(str(max(self._list_numbers(), default=-1)))
        if layout.MASKS_KEY in keys and set(self._blobs.names(layout.RECORD_ARRAYS)) - {layout.GROUP_DOCUMENT}:
            files = self._blobs.files(layout.RECORD_ARRAYS)
            stamps += [f"{key} {self._stamp(f'{layout.RECORD_ARRAYS}/{key}')}" for key in files]
        if layout.PIXEL_VALUES_KEY in keys:
            files = self._blobs.files(layout.RECORD_DATA)
            stamps += [f"{key} {self._stamp(f'{layout.RECORD_DATA}/{key}')}" for key in files]
        return " ".join(stamps)

    def _stamp(self, key: str) -> str:
        """Return the stamp of a file in the record's folder."""
        return self._blobs.stamp(key)

    def _list_numbers(self) -> list[int]:
        """Return the numbers of all revisions of the metadata, whole or not, sorted."""
        return list_revisions(self._blobs)

    def fingerprint(self, keys: Sequence[str]) -> str:
        """Return a digest of the content of some files; empty where none of them is there.

        Parameters
        ----------
        keys
            As in `file_stamp`. Of the metadata, the newest revision counts; the masks are the boolean array artifacts, and
            of the pixels their shape and dtype count, or with `PIXEL_VALUES_KEY` all of their files, which are read whole.

        Raises
        ------
        DamagedError
            When none of the metadata's revisions is whole.
        """
        digests = {}
        for key in self._without_folders(keys):
            if key == layout.METADATA_KEY:
                digests[key] = self.load_revision().sha256
                continue
            if key == layout.MASKS_KEY:
                digests |= self._mask_digests()
                continue
            if key == layout.PIXEL_VALUES_KEY:
                digests[layout.RECORD_DATA] = self._digest_of_files(layout.RECORD_DATA)
                continue
            if key == layout.PIXELS_KEY:
                with suppress(FileNotFoundError):
                    data = self._blobs.read(layout.RECORD_PIXELS_DOCUMENT, limit=MAX_DOCUMENT_BYTES)
                    digests[layout.RECORD_PIXELS_DOCUMENT] = hashlib.sha256(data).hexdigest()
                continue
            with suppress(FileNotFoundError):
                digests[key] = hashlib.sha256(self._file(f"{layout.RECORD_ANALYSIS}/{key}")).hexdigest()
        return canonical_sha256(digests) if digests else ""

    def _without_folders(self, keys: Sequence[str]) -> list[str]:
        """Return keys with the artifacts in a folder in the place of the folder's own key."""
        return [one for key in keys for one in (self.list_folder_keys(key) if key.endswith("/") else [key])]

    def _mask_digests(self) -> dict[str, str]:
        masks = filter(self._is_mask, self.list_array_artifacts())
        return {layout.array_group_key(name): self._digest_of_files(layout.array_data_key(name)) for name in masks}

    def _digest_of_files(self, folder: str) -> str:
        hasher = hashlib.sha256()
        for key in (one for one in self._blobs.files(folder) if not is_of_system(one)):
            hasher.update(f"{key}:{hashlib.sha256(self._blobs.read(f'{folder}/{key}')).hexdigest()} ".encode())
        return hasher.hexdigest()

    def _is_mask(self, name: str) -> bool:
        document = f"{layout.array_data_key(name)}/{layout.GROUP_DOCUMENT}"
        with suppress(FileNotFoundError):
            return b'"bool"' in self._blobs.read(document, limit=MAX_DOCUMENT_BYTES)
        return False

    def load_metadata_payload(self, *, revision: int | None = None) -> dict[str, JsonValue]:
        """Return the metadata: header, experiment metadata, ROIs; empty where none was saved.

        Parameters
        ----------
        revision
            One of `history`; by default the newest.

        Raises
        ------
        ArtifactNotFoundError
            When there is no revision of that number; the message lists those there are.
        DamagedError
            When it is damaged.
        """
        if revision is None:
            return dict(self.load_revision().payload)
        self._check_there()
        return dict(load_numbered(self._blobs, revision).payload)

    def history(self) -> list[Revision]:
        """Return all whole revisions of the metadata, the oldest first; `verify` names the damaged ones."""
        self._check_there()
        return load_history(self._blobs)

    def list_revisions(self) -> list[int]:
        """Return the numbers of all revisions of the metadata, whole or not, sorted."""
        self._check_there()
        return list(self._list_numbers())

    def load_revision_bytes(self, number: int) -> bytes:
        """Return the file of one revision of the metadata; raise as `load_metadata_payload`."""
        self._check_there()
        return revision_bytes(self._blobs, number)

    def restore_revision(self, number: int, data: bytes) -> None:
        """Write a file that `load_revision_bytes` returned, into a record that has no revision of that number.

        Raises
        ------
        DamagedError
            When it is not what was saved.
        FileExistsError
            When there is a revision of that number.
        InvalidNameError
            When no revision can have that number.
        """
        self._check_there()
        if not 0 <= number <= layout.LAST_NUMBER:
            raise InvalidNameError(f"{number} cannot be the number of a revision; the highest is {layout.LAST_NUMBER}")
        restore_revision(self._blobs, number, data)

    def save_readable_copy(self, newest: Revision | None = None) -> None:
        """Write `metadata.json` again from the newest revision, which is loaded unless it is given."""
        self._check_there()
        write_readable_copy(self._blobs, newest)

    def renew_readable_copy(self) -> None:
        """Write `metadata.json` again where it is an older revision's; an edit by hand stays."""
        newest = self.load_revision()
        if newest.committed and newest.number >= 0 and not has_own_copy(self._blobs, newest):
            self.save_readable_copy(newest)

    def load_revision(self) -> Revision:
        """Return the newest metadata with their revision number, to save a change upon.

        Raises
        ------
        RecordNotFoundError
            When the record was deleted or moved since this handle was made.
        DamagedError
            When none of its revisions is whole.
        """
        self._check_there()
        return load_revision(self._blobs)

    def save_metadata_payload(self, payload: JsonObject, *, expected: Revision | None = None) -> Revision:
        """Commit the whole metadata as a new revision.

        Parameters
        ----------
        payload
            Strict JSON: no NaN, string keys.
        expected
            The revision that the change was made from; None saves over whatever is there.

        Raises
        ------
        ConflictError
            When somebody else saved since `expected` was loaded.
        InvalidValueError
            When the payload is not strict JSON; the message has the path of the value.
        RecordNotFoundError
            When the record was deleted or moved since this handle was made.
        """
        self._check_there()
        return save_revision(self._blobs, payload, expected=expected)


CheckRecord: TypeAlias = Callable[[ZarrImageRecord], Iterable[str]]
"""Says what is wrong with a record that storage cannot know of."""
