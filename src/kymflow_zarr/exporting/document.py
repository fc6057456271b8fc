"""`dataset.json` of an exported folder: which file is what, so that the folder can become a dataset again.

Where there are many records, each is a line of a second file, `images.jsonl`, which has room for any number.

The rule of this room: a document that was read is sound, and all that is wrong with another is in one error.
"""

import errno
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self, TypeAlias, cast, get_args

from kymflow_zarr.arrays.arrays import MAX_ARRAY_BYTES
from kymflow_zarr.disk.blobs import Blobs
from kymflow_zarr.disk.keys import parts_of
from kymflow_zarr.errors import KymflowZarrError, SourceError
from kymflow_zarr.formats.strict_json import (
    MAX_BYTES,
    MAX_DOCUMENT_BYTES,
    JsonObject,
    JsonValue,
    canonical_bytes,
    from_bytes,
    to_readable_bytes,
)

DOCUMENT = "dataset.json"
LINES = "images.jsonl"
FORMAT = "kymflow_export"
VERSION = 1
VERSION_OF_LINES = 2
"""Where the records are lines of their own file."""
MOST_INSIDE = 1000
"""Up to so many records the document has them itself, so that earlier versions of the program read it too."""
_ARRAYS = ("image", "array", "array_tiff")
_DTYPE = re.compile(r"\|?b1|[<>|=]?(?:[iu][1248]|f[248]|c8|c16)")
_REVISION = re.compile(r"[0-9]{1,17}")
_MAX_DIMENSIONS = 64
"""Of an array of numpy's."""
_MAX_BYTES = 2**28
"""Of the document: ten thousand records with a hundred files each."""
_MAX_ATTRIBUTES_BYTES = MAX_DOCUMENT_BYTES // 4
"""Of what goes on into the new dataset's own document, where it is indented deeper."""
_HEAD_BYTES = 2**16
"""Where the name of the format is, also after somebody's editor has sorted the keys."""

FileKind: TypeAlias = Literal["image", "metadata", "revision", "json", "table", "csv", "csv_gz", "array", "array_tiff"]
"""What an exported file holds. "csv" and "array_tiff" are copies of a "table" and an "array" for other programs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedFile:
    """One file of an export: where it is, what it holds under which name, and its digest.

    `axes`, `shape` and `dtype` are those of an array; `held` says that it belongs to the metadata.
    """

    path: str
    kind: FileKind
    name: str
    sha256: str
    axes: tuple[str, ...] = ()
    shape: tuple[int, ...] = ()
    dtype: str = ""
    held: bool = False

    def to_json(self) -> dict[str, JsonValue]:
        """Return the entry of the file."""
        entry: dict[str, JsonValue] = {"path": self.path, "kind": self.kind, "name": self.name, "sha256": self.sha256}
        if self.dtype:
            entry |= {"axes": list(self.axes), "shape": list(self.shape), "dtype": self.dtype}
        if self.held:
            entry["held_by_metadata"] = True
        return entry

    @classmethod
    def from_json(cls, value: JsonValue) -> Self:
        """Read an entry: inverse of `to_json`; raise `SourceError` where it is none, or leads out of the folder."""
        entry = value if isinstance(value, Mapping) else {}
        texts = {name: entry.get(name) for name in ("path", "kind", "name", "sha256")}
        axes, shape = entry.get("axes", []), entry.get("shape", [])
        if (
            not all(isinstance(text, str) for text in texts.values())
            or texts["kind"] not in get_args(FileKind)
            or not (isinstance(axes, list) and all(isinstance(axis, str) for axis in axes))
            or not (isinstance(shape, list) and all(isinstance(size, int) and size >= 0 for size in shape))
            or (texts["kind"] == "revision" and not _REVISION.fullmatch(str(texts["name"])))
        ):
            raise SourceError(f"it has an entry that is no exported file: {str(value)[:200]}")
        _check_place(str(texts["path"]))
        file = cls(
            **cast("dict[str, Any]", texts),
            axes=tuple(map(str, axes)),
            shape=tuple(cast("list[int]", shape)),
            dtype=str(entry.get("dtype", "")),
            held=entry.get("held_by_metadata") is True,
        )
        if file.kind in _ARRAYS:
            _check_array(file)
        return file


def _check_array(file: ExportedFile) -> None:
    """Raise unless axes, shape and dtype fit each other, and an array in memory."""
    problems = []
    if len(file.axes) != len(file.shape) or len(set(file.axes)) != len(file.axes):
        problems.append(f"the axes {file.axes} do not fit the shape {file.shape}")
    if len(file.shape) > _MAX_DIMENSIONS or math.prod(size or 1 for size in file.shape) > MAX_ARRAY_BYTES:
        problems.append(f"no array has the shape {file.shape}")
    if not _DTYPE.fullmatch(file.dtype):
        problems.append(f"{file.dtype!r} is no type of numbers")
    if problems:
        raise SourceError(f"its entry for {file.path} is not valid: {'; '.join(problems)[:300]}")


def _check_place(path: str) -> None:
    try:
        parts = parts_of(path)
    except KymflowZarrError as error:
        raise SourceError(f"it names a file that is not in the folder: {error}") from error
    if not parts:
        raise SourceError("it names a file that is not in the folder: the folder itself")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedImage:
    """One record of an export; `source` is the file that it was imported from, as far as that is known."""

    image_id: str
    folder: str
    axes: tuple[str, ...]
    created_utc: str
    files: tuple[ExportedFile, ...]
    source: str = ""

    def to_json(self) -> dict[str, JsonValue]:
        """Return the entry of the record."""
        return {
            "image_id": self.image_id,
            "folder": self.folder,
            "axes": list(self.axes),
            "created_utc": self.created_utc,
            "source": self.source,
            "files": [file.to_json() for file in self.files],
        }

    @classmethod
    def from_json(cls, value: JsonValue) -> Self:
        """Read an entry: inverse of `to_json`; raise `SourceError` where it is none."""
        entry = value if isinstance(value, Mapping) else {}
        axes, files = entry.get("axes"), entry.get("files")
        texts = {name: entry.get(name) for name in ("image_id", "folder", "created_utc")}
        if not isinstance(axes, list) or not isinstance(files, list) or not all(isinstance(t, str) for t in texts.values()):
            raise SourceError(f"it has an entry that is no exported record: {str(value)[:200]}")
        _check_place(str(texts["folder"]))
        return cls(
            **cast("dict[str, Any]", texts),
            axes=tuple(map(str, axes)),
            source=str(entry.get("source", "")),
            files=tuple(ExportedFile.from_json(file) for file in files),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportDocument:
    """What an exported folder holds."""

    dataset_id: str
    created_utc: str
    exported_utc: str
    schema_version: int
    images: tuple[ExportedImage, ...] = ()
    tables: tuple[ExportedFile, ...] = ()
    further: JsonObject = field(default_factory=dict)

    @property
    def has_lines(self) -> bool:
        """Whether the records are lines of a file of their own."""
        return len(self.images) > MOST_INSIDE

    def lines(self) -> Iterator[bytes]:
        """Yield the lines of the records."""
        for image in self.images:
            yield canonical_bytes(image.to_json()) + b"\n"

    def to_json(self) -> dict[str, JsonValue]:
        """Return the document, which has the records, or their number where they are lines."""
        return {
            "format": FORMAT,
            "version": VERSION_OF_LINES if self.has_lines else VERSION,
            "schema_version": self.schema_version,
            "dataset_id": self.dataset_id,
            "created_utc": self.created_utc,
            "exported_utc": self.exported_utc,
            **({"attributes": self.further} if self.further else {}),
            "images": len(self.images) if self.has_lines else [image.to_json() for image in self.images],
            "tables": [table.to_json() for table in self.tables],
        }

    @classmethod
    def from_json(cls, value: JsonObject, lines: Iterable[JsonValue] = ()) -> Self:
        """Read a document and the lines of its records; raise `SourceError` where it is damaged, or of a later version."""
        if value.get("version") not in (VERSION, VERSION_OF_LINES):
            raise SourceError(
                f"it is of version {value.get('version')!r}; this program reads version {VERSION_OF_LINES}: update it"
            )
        images, tables, further = value.get("images"), value.get("tables"), value.get("attributes", {})
        if value.get("version") == VERSION_OF_LINES:
            expected, images = images, list(lines)
            if expected != len(images):
                raise SourceError(
                    f"it says that {LINES} has {expected} records, and there are {len(images)}; copy it again"
                )
        if not isinstance(images, list) or not isinstance(tables, list):
            raise SourceError("it lacks its list of images or of tables")
        if len(to_readable_bytes(further, what="attributes")) > _MAX_ATTRIBUTES_BYTES:
            raise SourceError(f"its attributes have more than {_MAX_ATTRIBUTES_BYTES >> 10} KB, which no dataset has")
        version = value.get("schema_version")
        return cls(
            dataset_id=str(value.get("dataset_id", "")),
            created_utc=str(value.get("created_utc", "")),
            exported_utc=str(value.get("exported_utc", "")),
            schema_version=version if isinstance(version, int) else 0,
            images=tuple(ExportedImage.from_json(image) for image in images),
            tables=tuple(ExportedFile.from_json(table) for table in tables),
            further=further if isinstance(further, Mapping) else {},
        )


def _lines(blobs: Blobs) -> Iterator[JsonValue]:
    """Yield what the lines of the records say; nothing where the document has them itself."""
    if not blobs.exists(LINES):
        return
    with blobs.open(LINES) as file:
        while line := file.readline(MAX_BYTES + 1):
            if len(line) > MAX_BYTES:
                raise SourceError(f"{LINES} has a line of more than {MAX_BYTES >> 20} MB, which no record has")
            yield from_bytes(line, what=LINES)


def load_export(folder: Path) -> ExportDocument | None:
    """Return what an exported folder holds; None where the folder is no export.

    Raises
    ------
    SourceError
        When it is one whose document cannot be read, or is of a later version of the program.
    """
    blobs, where = Blobs(folder, read_only=True), folder / DOCUMENT
    try:
        with blobs.open(DOCUMENT) as file:
            if FORMAT.encode() not in file.read(_HEAD_BYTES):
                return None  # another program's file of that name
        value = from_bytes(blobs.read(DOCUMENT, limit=_MAX_BYTES), what=DOCUMENT)
        is_ours = isinstance(value, Mapping) and value.get("format") == FORMAT
        return ExportDocument.from_json(cast("JsonObject", value), _lines(blobs)) if is_ours else None
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None
    except KymflowZarrError as error:
        raise SourceError(f"{where} cannot be used: {error}; nothing was imported") from error
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:  # the disk can have no such folder
            return None
        raise SourceError(f"{where} cannot be read ({error.strerror or error}); nothing was imported") from error
