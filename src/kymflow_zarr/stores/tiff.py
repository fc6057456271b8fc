"""A TIFF as a store: its pixels, and results in sidecar files, `<stem>.<name>.json` and `<stem>.<name>.npy`.

The rule of this room: a file belongs to one image only, as `kymflow_zarr.importing.listing` decides. A name has no '.', so
the part before the last of a file's name is the image's; where two images would still share a file, both are refused it.
"""

import os
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from numpy.typing import ArrayLike, NDArray

from kymflow_zarr.arrays.arrays import MAX_ARRAY_BYTES, storable_array
from kymflow_zarr.arrays.npy import npy_from_bytes, npy_to_bytes
from kymflow_zarr.disk.blobs import Blobs
from kymflow_zarr.disk.local_path import local_path
from kymflow_zarr.errors import (
    ArtifactExistsError,
    ArtifactNotFoundError,
    InvalidNameError,
    RecordNotFoundError,
    SourceError,
)
from kymflow_zarr.formats.seals import artifact_from_bytes, artifact_to_bytes
from kymflow_zarr.formats.strict_json import MAX_BYTES, JsonObject, JsonValue
from kymflow_zarr.formats.tiff import TIFF_ENDINGS
from kymflow_zarr.importing.content import FileContent
from kymflow_zarr.importing.listing import FolderListing
from kymflow_zarr.importing.tiffs import read_tiff
from kymflow_zarr.stores.committed import Committed, CommittedFile
from kymflow_zarr.stores.portable import check_object, check_portable_name, is_portable, loaded_object
from kymflow_zarr.stores.protocols import ArtifactStore, PixelStore

MAX_NAME_BYTES = 255
"""What disks take for the name of one file."""

_JSON = ".json"
_ARRAY = ".npy"
_NOT_IN_KEYS = frozenset(":\\")
_NO_FILE = (FileNotFoundError, IsADirectoryError, NotADirectoryError)


class TiffSidecarStore(ArtifactStore, PixelStore):
    """A TIFF and its results in sidecar files. They are authoritative: nothing can rebuild them.

    The pixels are read whole, once, when they are first asked for. The older program's `<stem>.json` is never touched.

    Parameters
    ----------
    path
        A `.tif` or `.tiff`; it need not exist until it is used.
    further_endings
        Of image files of other formats, which can then have sidecars too; their pixels are read by others.

    Raises
    ------
    SourceError
        When the path has another ending.
    """

    def __init__(self, path: str | Path, *, further_endings: Sequence[str] = ()) -> None:
        self.path = local_path(path)
        self._endings = tuple(dict.fromkeys((*TIFF_ENDINGS, *further_endings)))
        if self.path.suffix.lower() not in self._endings:
            raise SourceError(f"{self.path} is no TIFF; give a file whose name ends in {' or '.join(self._endings)}")
        self._blobs = Blobs(self.path.parent, read_only=False)

    def __repr__(self) -> str:
        return f"TiffSidecarStore({str(self.path)!r})"

    def open_array(self) -> NDArray[Any]:
        """Return the pixels, read-only; raise `SourceError` when the TIFF is missing or cannot be read."""
        return self._content.pixels

    def load_array(self) -> NDArray[Any]:
        """Return a copy of the pixels; raise `SourceError` when the TIFF is missing or cannot be read."""
        return self._content.pixels.copy()

    def get_axes(self) -> tuple[str, ...]:
        """Return one name a dimension, as `kymflow_zarr.importing.tiffs.read_tiff` reads them."""
        return self._content.axes

    def save_dict(self, name: str, value: JsonObject) -> None:
        """Write or replace `<stem>.<name>.json`, sealed as a record's artifacts are."""
        key = self._key(name, _JSON, what="artifact")
        data = artifact_to_bytes(check_object(name, value), what=f"artifact {name!r}")
        self._check_there()
        self._blobs.write(key, data)

    def load_dict(self, name: str) -> dict[str, JsonValue]:
        """Return the object in `<stem>.<name>.json`."""
        key = self._key(name, _JSON, what="artifact")
        data = self._read(key, name, "JSON", _JSON, limit=MAX_BYTES)
        where = str(self.path.with_name(key))
        return loaded_object(artifact_from_bytes(data, what=where), what=where)

    def committed(self, name: str) -> CommittedFile:
        """Return `<stem>.<name>.json` with its commits, for objects that several programs change."""
        return CommittedFile(self._blobs, self._key(name, _JSON, what="artifact"))

    def commit_dict(self, name: str, value: JsonObject, upon: Committed) -> bool:
        """Write an object upon what `committed` gave; return False, and write nothing, where that is no longer so."""
        file = self.committed(name)
        self._check_there()
        return file.commit(check_object(name, value), upon)

    def save_array_artifact(self, name: str, arr: ArrayLike) -> None:
        """Write or replace `<stem>.<name>.npy`; such a file has no checksum, so a changed value in it cannot be seen."""
        key, data = self._array_file(name, arr)
        self._blobs.write(key, data)

    def create_array_artifact(self, name: str, arr: ArrayLike) -> None:
        """Write `<stem>.<name>.npy`, which must not exist.

        Raises
        ------
        ArtifactExistsError
            When there is one; of two programs that write it at once, one gets this.
        """
        key, data = self._array_file(name, arr)
        try:
            self._blobs.create(key, data)
        except FileExistsError as error:
            raise ArtifactExistsError(
                f"not saved: there is an array {name!r} next to {self.path}; choose another name"
            ) from error

    def _array_file(self, name: str, arr: ArrayLike) -> tuple[str, bytes]:
        key = self._key(name, _ARRAY, what="array artifact")
        data = npy_to_bytes(storable_array(arr))
        self._check_there()
        return key, data

    def load_array_artifact(self, name: str) -> NDArray[Any]:
        """Return the array in `<stem>.<name>.npy`; Python objects in it are refused, not run."""
        key = self._key(name, _ARRAY, what="array artifact")
        data = self._read(key, name, "array", _ARRAY, limit=MAX_ARRAY_BYTES)
        return npy_from_bytes(data, what=str(self.path.with_name(key)))

    def list_array_artifacts(self) -> list[str]:
        """Return the names of the `<stem>.<name>.npy`, sorted."""
        return sorted(self._names(_ARRAY))

    @cached_property
    def _content(self) -> FileContent:
        content = read_tiff(self.path)
        content.pixels.flags.writeable = False
        return content

    def _key(self, name: str, ending: str, *, what: str) -> str:
        """Return the file that holds `name`; raise `InvalidNameError` where it is not this TIFF's alone."""
        check_portable_name(name, what=what)
        owners = self._listing().images.get(f"{self.path.stem}.{name}".casefold())
        if owners:
            raise InvalidNameError(
                f"{what} name {name!r} is not allowed for {self.path.name}: its file would be named as if it belonged to "
                f"{owners[0]}, which is in the same folder; choose another name"
            )
        key = f"{self.path.stem}.{name}{ending}"
        if len(os.fsencode(key)) > MAX_NAME_BYTES:
            raise InvalidNameError(
                f"{what} name {name!r} is not allowed for {self.path.name}: its file's name would have more than "
                f"{MAX_NAME_BYTES} bytes; choose a shorter one"
            )
        return key

    def _names(self, ending: str) -> Iterator[str]:
        images = self._listing().images
        start = f"{self.path.stem}."
        for file in self._blobs.names(""):
            name = file.removeprefix(start).removesuffix(ending)
            if file == f"{start}{name}{ending}" and is_portable(name) and f"{start}{name}".casefold() not in images:
                yield name

    def _listing(self) -> FolderListing:
        """List the folder; raise `InvalidNameError` where the files with this image's name are not its alone."""
        stem = self.path.stem
        if stem.startswith(".") or _NOT_IN_KEYS & set(stem):
            raise InvalidNameError(
                f"{self.path} can have no sidecar files: its name begins with '.' or has ':' or '\\', "
                "which other systems cannot have; rename it"
            )
        listing = FolderListing.of(self.path.parent, endings=self._endings)
        if twin := listing.twin_of(self.path.name):
            raise InvalidNameError(
                f"{self.path} can have no sidecar files: they would also be those of {twin}; rename one of the two, "
                "or give the path as it is spelt on the disk"
            )
        return listing

    def _check_there(self) -> None:
        """Raise where the TIFF is gone: writing would leave results of nothing."""
        if not self.path.exists():
            raise RecordNotFoundError(f"not saved: {self.path} is no longer there: deleted, moved, or its disk is gone")

    def _read(self, key: str, name: str, kind: str, ending: str, *, limit: int) -> bytes:
        try:
            return self._blobs.read(key, limit=limit)
        except _NO_FILE as error:
            there = ", ".join(map(repr, sorted(self._names(ending)))) or "none"
            raise ArtifactNotFoundError(f"no {kind} artifact named {name!r} next to {self.path}; it has {there}") from error
