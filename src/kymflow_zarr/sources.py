"""Which file each record came from: `tables/sources.parquet`.

Authoritative. Every imported record also carries its own row as the JSON artifact `provenance`, so that a crash between
the record and the table costs nothing: the next import adds what the table lacks.
"""

import hashlib
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self, cast

import pandas as pd

from kymflow_zarr._blobs import Blobs
from kymflow_zarr._json import JsonValue
from kymflow_zarr._layout import SOURCES_TABLE
from kymflow_zarr.errors import DamagedError, KymflowZarrError, SourceError
from kymflow_zarr.tables import IMAGE_ID, Tables

SOURCE_PATH = "source_primary_path"
_FIELDS = {
    SOURCE_PATH: str,
    "source_mtime_ns": int,
    "source_size_bytes": int,
    "source_sha256": str,
    "ingested_epoch_ns": int,
}

UNKNOWN = -1
_PART_BYTES = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The file that a record came from, as it was when it was read; `UNKNOWN` numbers where nobody noted them."""

    source_primary_path: str
    source_mtime_ns: int
    source_size_bytes: int
    source_sha256: str
    ingested_epoch_ns: int

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """Look at a file on disk, or at all files of a folder that is one image, and digest the content.

        Raises
        ------
        SourceError
            When a symbolic link leads out of the folder, or something in it is no file.
        """
        size, time_ns = size_and_time(path)
        return cls(
            source_primary_path=str(path.resolve()),
            source_mtime_ns=time_ns,
            source_size_bytes=size,
            source_sha256=_digest(path),
            ingested_epoch_ns=time.time_ns(),
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

    def is_unchanged(self, path: Path) -> bool:
        """Return whether the file still has the size and time that it had."""
        return size_and_time(path) == (self.source_size_bytes, self.source_mtime_ns)

    @classmethod
    def from_json(cls, value: JsonValue, *, where: str) -> Self:
        """Read a `provenance` artifact: inverse of `to_json`."""
        fields = {name: value.get(name) for name in _FIELDS} if isinstance(value, Mapping) else {}
        noted = [name for name, item in fields.items() if item is not None]
        if noted == [SOURCE_PATH]:
            return cls.of_older(fields)
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
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
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
        missing = [name for name in empty.columns if name not in frame.columns]
        if missing:
            raise DamagedError(f"the table 'sources' lacks the columns {missing}; it has {list(frame.columns)}")
        try:
            return frame.astype(dict(empty.dtypes))
        except (ValueError, TypeError, OverflowError) as error:
            raise DamagedError(f"the table 'sources' has values of the wrong type ({error})") from error

    def image_ids(self) -> set[str]:
        """Return the images that the table has a row of."""
        return set(self.load()[IMAGE_ID])

    def add(self, sources: Mapping[str, Source]) -> None:
        """Add or replace some images' rows, with one write."""
        if sources:
            rows = {image_id: sources_to_frame({image_id: source}) for image_id, source in sources.items()}
            self._tables.replace_rows(SOURCES_TABLE, rows)


def sources_to_frame(sources: Mapping[str, Source]) -> pd.DataFrame:
    """Return one row an image, with the columns and dtypes of the sources table."""
    rows = [{IMAGE_ID: image_id, **asdict(source)} for image_id, source in sources.items()]
    dtypes = {IMAGE_ID: "str", **{name: "int64" if kind is int else "str" for name, kind in _FIELDS.items()}}
    return pd.DataFrame(rows, columns=list(dtypes)).astype(dtypes)
