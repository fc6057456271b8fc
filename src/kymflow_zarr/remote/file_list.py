"""The list of a dataset's files, in one small file: what a server that only gives files cannot be asked for.

Derived. The rule of this room: it is made where the dataset is, before it is copied to a server. It has the stamp of each
file, which says the size, so a copy that is not of the same moment is found when it is read.
"""

import gzip
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Self, TypeAlias, Union

from kymflow_zarr import layout
from kymflow_zarr.disk.blobs import Blobs
from kymflow_zarr.disk.foreign_files import is_of_system
from kymflow_zarr.errors import DamagedError
from kymflow_zarr.formats.gzipped import gunzip_lines
from kymflow_zarr.formats.strict_json import from_bytes

_FIRST_LINE = b"kymflow files 1\n"
_AGAIN = "is damaged, make it with napari-kymflow prepare-upload"
_MAX_LINE_BYTES = 2**26
_MAX_UNPACKED_BYTES = 2**33

Folder: TypeAlias = dict[str, Union[str, bytes, "Folder"]]
"""Names of files with their stamps, and names of folders with what is in them; as bytes where nobody looked yet."""


@dataclass(frozen=True, slots=True)
class FileList:
    """The files of a dataset by their keys. A stamp begins with the size in bytes and `-`, as `ReadableBlobs.stamp`."""

    top: Folder = field(default_factory=dict)

    @classmethod
    def of_files(cls, files: Iterable[tuple[str, str]]) -> Self:
        """Return the list of some keys with their stamps; a name of a folder that is a file's too is the folder's."""
        return cls(_to_folder(files))

    @classmethod
    def of_dataset(cls, blobs: Blobs) -> Self:
        """Look at all files of a dataset, without hidden ones and those of systems."""
        keys = (key for key in blobs.files("") if "/." not in f"/{key}" and not is_of_system(key))
        return cls.of_files((key, blobs.stamp(key)) for key in keys if key != layout.FILE_LIST)

    def find(self, key: str) -> str | Folder | None:
        """Return the stamp of a file, or what is in a folder; None where there is neither.

        Raises
        ------
        DamagedError
            When the list does not say the size of each file in the folder.
        """
        found: str | Folder | None = self.top
        for part in key.split("/") if key else ():
            if not isinstance(found, dict):
                return None
            found = _look(found, part)
        return found

    def to_bytes(self) -> bytes:
        """Return the file's bytes: a line that says what it is, then one for each record and one for all else.

        Such a line is the folder's key, a space, and a JSON object of the stamps by the keys in the folder.
        """
        images = self.find(layout.IMAGES)
        names = [name for name in sorted(images) if name.split() == [name]] if isinstance(images, dict) else []
        folders = ((key, self.find(key)) for key in (f"{layout.IMAGES}/{name}" for name in names))
        records = {key: dict(files_of(one)) for key, one in folders if isinstance(one, dict)}
        rest = {key: stamp for key, stamp in files_of(self.top) if "/".join(key.split("/")[:2]) not in records}
        lines = [f"{name} {json.dumps(files, separators=(',', ':'))}\n" for name, files in {"": rest, **records}.items()]
        return gzip.compress(_FIRST_LINE + "".join(lines).encode(), compresslevel=5, mtime=0)

    @classmethod
    def from_bytes(cls, data: bytes, *, what: str) -> Self:
        """Read the file's bytes: inverse of `to_bytes`; raise `DamagedError` where they are none.

        What a line says of a record is read when it is asked for.
        """
        lines = gunzip_lines(data, limit=_MAX_UNPACKED_BYTES, longest=_MAX_LINE_BYTES, what=what)
        if next(lines, b"") != _FIRST_LINE:
            raise DamagedError(f"{what} is no list of files of this version; make it with: napari-kymflow prepare-upload")
        split = {key: files for key, _, files in (line.partition(b" ") for line in lines)}
        files = cls.of_files(_files_said(split.pop(b"", b"{}")))
        images = files.top.setdefault(layout.IMAGES, {})
        if isinstance(images, dict):
            images |= {key.decode(errors="replace").rpartition("/")[2]: line for key, line in split.items()}
        return files


def save_file_list(blobs: Blobs) -> int:
    """Write the list of a dataset's files, and return how many they are."""
    files = FileList.of_dataset(blobs)
    blobs.set_odd_aside(layout.FILE_LIST)
    blobs.write(layout.FILE_LIST, files.to_bytes())
    return sum(1 for _ in files_of(files.top))


def files_of(folder: Folder, below: str = "") -> Iterator[tuple[str, str]]:
    """Yield the keys, relative to a folder, and the stamps of all files in it, also in folders of it."""
    for name in list(folder):
        one = _look(folder, name)
        if isinstance(one, dict):
            yield from files_of(one, f"{below}{name}/")
        elif one is not None:
            yield f"{below}{name}", one


def size_of(stamp: str) -> int:
    """Return the size in bytes that a stamp begins with."""
    return int(stamp.partition("-")[0])


def _look(folder: Folder, name: str) -> str | Folder | None:
    """Return what is in a folder by a name, reading the line about it where nobody did yet."""
    one = folder.get(name)
    if isinstance(one, bytes):
        one = folder[name] = _to_folder(_files_said(one))
    return one


def _to_folder(files: Iterable[tuple[str, str]]) -> Folder:
    top: Folder = {}
    for key, stamp in files:
        *folders, name = key.split("/")
        folder = top
        for one in folders:
            below = folder.get(one)
            if not isinstance(below, dict):
                below = folder[one] = {}
            folder = below
        if name:
            folder.setdefault(name, stamp)
    return top


def _files_said(line: bytes) -> Iterable[tuple[str, str]]:
    """Return the keys and the stamps that a line says."""
    files = from_bytes(line, what="the list of files")
    if not isinstance(files, Mapping):
        raise DamagedError(f"the list of files {_AGAIN}: {line[:100]!r} are no files")
    said = {key: stamp for key, stamp in files.items() if isinstance(stamp, str) and stamp.partition("-")[0].isdecimal()}
    if len(said) != len(files):
        raise DamagedError(f"the list of files {_AGAIN}: it does not say how large each file is")
    return said.items()
