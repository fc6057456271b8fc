"""Which file each record came from: `tables/sources.parquet`.

Authoritative. Every imported record also carries its own row as the JSON artifact `provenance`, so that a crash between
the record and the table costs nothing: the next import adds what the table lacks. A path is stored twice, from the root of
the disk and from the dataset: so a dataset that is moved together with its files stays linked to them.
"""

import hashlib
import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self, cast

import pandas as pd

from kymflow_zarr.disk.blobs import Blobs
from kymflow_zarr.disk.steps import open_regular
from kymflow_zarr.errors import DamagedError, KymflowZarrError, SourceError
from kymflow_zarr.formats.strict_json import JsonValue
from kymflow_zarr.layout import SOURCES_TABLE
from kymflow_zarr.tables.table_files import IMAGE_ID
from kymflow_zarr.tables.tables import Tables

SOURCE_PATH = "source_primary_path"
_FIELDS = {
    SOURCE_PATH: str,
    "source_mtime_ns": int,
    "source_size_bytes": int,
    "source_sha256": str,
    "ingested_epoch_ns": int,
    "source_relative_path": str,
    "source_further_paths": str,
    "source_image": str,
    "reader": str,
    "reader_version": str,
}
_OPTIONAL = ("source_relative_path", "source_further_paths", "source_image", "reader", "reader_version")
"""Fields that earlier versions of the program did not write."""

UNKNOWN = -1
_PART_BYTES = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Digested:
    """The content of the files of one record, with the size and the time that they had just before it was read."""

    size: int
    mtime_ns: int
    sha256: str

    @classmethod
    def of(cls, paths: Sequence[Path]) -> Self:
        """Read and digest files, or a folder that is one image; raises as `Source.from_file`."""
        size, mtime_ns = size_and_time_of(paths)
        return cls(size=size, mtime_ns=mtime_ns, sha256=digest_of_files(paths))


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The file that a record came from, as it was when it was read; `UNKNOWN` numbers where nobody noted them.

    `source_relative_path` leads to it from the dataset's folder; empty where there is no such way, as to another drive.
    Of a record that was made of several files, one a channel, `source_further_paths` is a JSON list of the names of the
    others, seen from the folder of the first; its size is that of all, its time that of the newest, and its
    digest that of the digests of all. It is empty where there is one file.
    `source_image` names the image in a file that may hold several; it is empty elsewhere. `reader` and `reader_version`
    name what read it; both are empty where that was not noted.
    """

    source_primary_path: str
    source_mtime_ns: int
    source_size_bytes: int
    source_sha256: str
    ingested_epoch_ns: int
    source_relative_path: str = ""
    source_further_paths: str = ""
    source_image: str = ""
    reader: str = ""
    reader_version: str = ""

    @classmethod
    def from_file(
        cls, path: Path, *further: Path, dataset: Path | None = None, digested: Digested | None = None, image: str = ""
    ) -> Self:
        """Look at a file on disk, a folder that is one image, or several files that make one record; digest the content.

        Parameters
        ----------
        path
            The file, or the first of several.
        further
            The others.
        dataset
            The dataset's folder, from which the relative path leads.
        digested
            The content, where it was read already; taken where size and time are still the same.

        Raises
        ------
        SourceError
            When a symbolic link leads out of a folder, or something in it is no file.
        """
        size, mtime_ns = size_and_time_of((path, *further))
        if digested is None or (digested.size, digested.mtime_ns) != (size, mtime_ns):
            digested = Digested.of((path, *further))
        return cls(
            source_primary_path=str(path.resolve()),
            source_mtime_ns=mtime_ns,
            source_size_bytes=size,
            source_sha256=digested.sha256,
            ingested_epoch_ns=time.time_ns(),
            source_relative_path=_relative_path(path, dataset) if dataset else "",
            source_further_paths=_names_of(further, path),
            source_image=image,
        )

    @classmethod
    def of_older(cls, fields: Mapping[str, Any]) -> Self:
        """Return what the older program noted of a file: where it was, and sometimes its size and time."""
        numbers = {
            name: int(fields[name])
            if isinstance(fields.get(name), int | float) and fields[name] == fields[name]
            else UNKNOWN
            for name, kind in _FIELDS.items()
            if kind is int
        }
        digest = fields.get("source_sha256")
        return cls(
            source_primary_path=str(fields[SOURCE_PATH]),
            source_sha256=digest if isinstance(digest, str) else "",
            **cast("dict[str, Any]", numbers),
        )

    def to_json(self) -> dict[str, JsonValue]:
        """Return the `provenance` artifact."""
        return asdict(self)

    def is_unchanged(self, path: Path, *further: Path) -> bool:
        """Return whether the files still have the size and time that they had."""
        return size_and_time_of((path, *further)) == (self.source_size_bytes, self.source_mtime_ns)

    def has_content_of(self, path: Path, *further: Path) -> bool:
        """Return whether files have the content that was read; False where their content was not noted."""
        size, _ = size_and_time_of((path, *further))
        return size == self.source_size_bytes and digest_of_files((path, *further)) == self.source_sha256

    def moved_to(self, path: Path, *, dataset: Path, further: Sequence[Path] = ()) -> Self:
        """Return the source at another place, with the time that its files have there."""
        return replace(
            self,
            source_primary_path=str(path.resolve()),
            source_mtime_ns=size_and_time_of((path, *further))[1],
            source_relative_path=_relative_path(path, dataset),
            source_further_paths=_names_of(further, path),
        )

    def places(self, dataset: Path) -> tuple[Path, ...]:
        """Return where the first file may be: where it was, and where it is if it was moved together with the dataset."""
        relative = (Path(os.path.normpath(dataset / self.source_relative_path)),) if self.source_relative_path else ()
        return tuple(dict.fromkeys((Path(self.source_primary_path), *relative)))

    def further_names(self) -> tuple[str, ...]:
        """Return the names of the record's further files, seen from the folder of the first; none leads out of it."""
        if not self.source_further_paths:
            return ()
        try:
            names = json.loads(self.source_further_paths)
        except ValueError:
            return ()
        return tuple(name for name in map(str, names) if _leads_inside(name)) if isinstance(names, list) else ()

    @classmethod
    def from_json(cls, value: JsonValue, *, where: str) -> Self:
        """Read a `provenance` artifact: inverse of `to_json`."""
        fields = {name: value.get(name) for name in _FIELDS} if isinstance(value, Mapping) else {}
        noted = [name for name, item in fields.items() if item is not None]
        if noted == [SOURCE_PATH]:
            return cls.of_older(fields)
        fields |= {name: "" for name in _OPTIONAL if fields[name] is None} if fields else {}
        wrong = [name for name, kind in _FIELDS.items() if not isinstance(fields.get(name), kind)]
        if wrong:
            raise DamagedError(f"{where} is no provenance of a file: {', '.join(wrong)} missing or of the wrong type")
        return cls(**cast("dict[str, Any]", fields))


def size_and_time(path: Path) -> tuple[int, int]:
    """Return the size in bytes and the time of modification in ns; of a folder, the sum and the newest of its files."""
    if not path.is_dir():
        status = path.stat()
        return status.st_size, status.st_mtime_ns
    found = [(path / key).stat() for key in _files_of(Blobs(path, read_only=True))]
    return sum(one.st_size for one in found), max((one.st_mtime_ns for one in found), default=UNKNOWN)


def _digest(path: Path) -> str:
    """Return the sha256 of a file; of a folder, that of the sorted relative paths with the digests of their files."""
    if not path.is_dir():
        try:
            with open_regular(str(path)) as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except DamagedError as error:  # a pipe or a device
            raise SourceError(str(error)) from error
    blobs, hasher = Blobs(path, read_only=True), hashlib.sha256()
    try:
        for key in _files_of(blobs):
            content = hashlib.sha256()
            with blobs.open(key) as file:
                while part := file.read(_PART_BYTES):
                    content.update(part)
            hasher.update(f"{key} {content.hexdigest()}\n".encode(errors="surrogateescape"))
    except KymflowZarrError as error:
        raise SourceError(str(error)) from error
    return hasher.hexdigest()


def _files_of(blobs: Blobs) -> list[str]:
    """Return the keys of a folder's files, also of zarr v2's hidden ones, but not what a system puts everywhere."""
    hidden = [key for key in blobs.files("", hidden=True) if key.rpartition("/")[2].startswith(".z")]
    return sorted([*blobs.files(""), *hidden])


class Sources:
    """The sources table of one dataset.

    Parameters
    ----------
    tables
        The dataset's tables.
    """

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def load(self) -> pd.DataFrame:
        """Return one row an imported image; empty before the first import.

        Raises
        ------
        DamagedError
            When the table cannot be read, or has other columns than the sources have.
        """
        empty = sources_to_frame({})
        if not self._tables.exists(SOURCES_TABLE):
            return empty
        frame = self._tables.load(SOURCES_TABLE)
        frame = frame.assign(**{name: "" for name in _OPTIONAL if name not in frame.columns}).fillna(
            dict.fromkeys(_OPTIONAL, "")
        )
        missing = [name for name in empty.columns if name not in frame.columns]
        if missing:
            raise DamagedError(f"the table 'sources' lacks the columns {missing}; it has {list(frame.columns)}")
        try:
            return frame[[*empty.columns, *frame.columns.difference(empty.columns)]].astype(dict(empty.dtypes))
        except (ValueError, TypeError, OverflowError) as error:
            raise DamagedError(f"the table 'sources' has values of the wrong type ({error})") from error

    def load_by_image(self) -> dict[str, Source]:
        """Return the source of each image; raise as `load`."""
        rows = self.load()[[IMAGE_ID, *_FIELDS]].to_dict("records")
        return {str(row[IMAGE_ID]): Source(**cast("dict[str, Any]", {name: row[name] for name in _FIELDS})) for row in rows}

    def image_ids(self) -> set[str]:
        """Return the images that the table has a row of."""
        return set(self.load()[IMAGE_ID])

    def add(self, sources: Mapping[str, Source]) -> None:
        """Add or replace some images' rows, with one write."""
        if sources:
            frame = sources_to_frame(sources)
            rows = {image_id: frame.iloc[at : at + 1] for at, image_id in enumerate(frame[IMAGE_ID])}
            self._tables.replace_rows(SOURCES_TABLE, rows)


def sources_to_frame(sources: Mapping[str, Source]) -> pd.DataFrame:
    """Return one row an image, with the columns and dtypes of the sources table."""
    rows = [{IMAGE_ID: image_id, **asdict(source)} for image_id, source in sources.items()]
    dtypes = {IMAGE_ID: "str", **{name: "int64" if kind is int else "str" for name, kind in _FIELDS.items()}}
    return pd.DataFrame(rows, columns=list(dtypes)).astype(dtypes)


def digest_of_files(paths: Sequence[Path]) -> str:
    """Return the sha256 of a file's content, in hexadecimal; of several files, that of their digests."""
    digests = [_digest(path) for path in paths]
    return digests[0] if len(digests) == 1 else hashlib.sha256(" ".join(digests).encode()).hexdigest()


def size_and_time_of(paths: Sequence[Path]) -> tuple[int, int]:
    """Return the size of several files together, and the time of the newest; of each as `size_and_time`."""
    found = [size_and_time(path) for path in paths]
    return sum(size for size, _ in found), max(time_ns for _, time_ns in found)


def _names_of(further: Sequence[Path], path: Path) -> str:
    return json.dumps([one.relative_to(path.parent).as_posix() for one in further]) if further else ""


def _leads_inside(name: str) -> bool:
    return not Path(name).is_absolute() and ".." not in Path(name).parts


def _relative_path(path: Path, dataset: Path) -> str:
    try:
        return Path(os.path.relpath(path.resolve(), dataset.resolve())).as_posix()
    except ValueError:  # on Windows, where no way leads from one drive to another
        return ""
