"""The list of a dataset's files, in one small file: what a server that only gives files cannot be asked for.

Derived. The rule of this room: it is made where the dataset is, before it is copied to a server. It has the stamp of each
file, which says the size, so a copy that is not of the same moment is found when it is read.
"""

import gzip
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Self, TypeAlias, Union, cast

from kymflow_zarr import layout
from kymflow_zarr.disk.blobs import Blobs
from kymflow_zarr.disk.foreign_files import is_of_system
from kymflow_zarr.errors import DamagedError
from kymflow_zarr.formats.gzipped import gunzip_lines
from kymflow_zarr.formats.strict_json import from_bytes

_FIRST_LINE = b"kymflow files 1\n"
_AGAIN = "the list of files is damaged, make it again with napari-kymflow prepare-upload"
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
        return cls(top)

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
            When the list cannot be read there.
        """
        found: str | Folder | None = self.top
        for part in key.split("/") if key else ():
            if not isinstance(found, dict):
                return None
            found = _look(found, part)
        return found

    def to_bytes(self) -> bytes:
        """Return the file's bytes: a line that says what it is, then one for all but the records, and one for each of them.

        Such a line is the record's id, or nothing, a space, and a JSON object: names of files with their stamps, and names
        of folders with such an object of what is in them.
        """
        images = self.find(layout.IMAGES)
        images = images if isinstance(images, dict) else {}
        found = {name: _look(images, name) for name in sorted(images) if name.split() == [name]}
        records = {name: one for name, one in found.items() if isinstance(one, dict)}
        others = {name: one for name, one in images.items() if name not in records}
        rest = {**self.top, layout.IMAGES: others} if images else self.top
        lines = [f"{name} {json.dumps(one, separators=(',', ':'))}\n" for name, one in {"": rest, **records}.items()]
        return gzip.compress(_FIRST_LINE + "".join(lines).encode(), compresslevel=5, mtime=0)

    @classmethod
    def from_bytes(cls, data: bytes, *, what: str) -> Self:
        """Read the file's bytes: inverse of `to_bytes`; raise `DamagedError` where they are none.

        What a line says of a record is read when it is asked for.
        """
        lines = gunzip_lines(data, limit=_MAX_UNPACKED_BYTES, longest=_MAX_LINE_BYTES, what=what)
        if next(lines, b"") != _FIRST_LINE:
            raise DamagedError(f"{what} is no list of files of this version; make it with: napari-kymflow prepare-upload")
        split = {name: one for name, _, one in (line.partition(b" ") for line in lines)}
        top = _to_folder(split.pop(b"", b"{}"))
        images = top.setdefault(layout.IMAGES, {}) if split else {}
        if isinstance(images, dict):
            images |= {name.decode(errors="replace"): one for name, one in split.items()}
        return cls(top)


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
    """Return the size in bytes that a stamp begins with; raise `DamagedError` where it says none."""
    size = stamp.partition("-")[0]
    if not size.isdecimal():
        raise DamagedError(f"{_AGAIN}: it does not say how large each file is, but {stamp[:100]!r}")
    return int(size)


def _look(folder: Folder, name: str) -> str | Folder | None:
    """Return what is in a folder by a name, reading the line about it where nobody did yet."""
    one = folder.get(name)
    if isinstance(one, bytes):
        one = folder[name] = _to_folder(one)
    if one is not None and not isinstance(one, str | dict):
        raise DamagedError(f"{_AGAIN}: {name!r} is neither a file nor a folder in it")
    return one


def _to_folder(line: bytes) -> Folder:
    said = from_bytes(line, what="the list of files")
    if not isinstance(said, dict):
        raise DamagedError(f"{_AGAIN}: {line[:100]!r} are no files")
    return cast("Folder", said)
