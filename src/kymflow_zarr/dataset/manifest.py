"""The manifest: what each record is, in one small file, so that a list needs no look into every record.

Derived. The rule of this room: it is never trusted. Every entry carries a stamp of the files that it was read from, and an
entry whose stamp is not the record's own, or that is missing, is read from the record again: the answer with a manifest
and without one is the same.
"""

import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self, TypeAlias, cast

from kymflow_zarr import layout
from kymflow_zarr.counted import counted
from kymflow_zarr.disk.blobs import Blobs
from kymflow_zarr.disk.quick_stamps import QuickStamps
from kymflow_zarr.errors import DamagedError, KymflowZarrError, RemoteError
from kymflow_zarr.formats.gzipped import gunzip_lines
from kymflow_zarr.formats.strict_json import JsonValue, from_bytes
from kymflow_zarr.record.record import ZarrImageRecord
from kymflow_zarr.record.revisions import list_revisions, load_revision

OrderBy: TypeAlias = Literal["image_id", "created_utc", "acquired_local_epoch_ns"]
Missing: TypeAlias = Literal["first", "last"]
_VERSION = 2
_STAMPED = (layout.GROUP_DOCUMENT, layout.RECORD_PIXELS_DOCUMENT, layout.RECORD_METADATA)
"""The files of a record that its entry is read from."""
_MAX_PACKED_BYTES = 2**30
_MAX_LINE_BYTES = 2**20
_MAX_UNPACKED_BYTES = 2**33
"""Of all lines: twenty million records."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestEntry:
    """What a list shows of one record; `problem` says why a damaged one cannot be opened, and then the rest is empty."""

    image_id: str
    stamp: str
    created_utc: str | None = None
    axes: tuple[str, ...] = ()
    shape: tuple[int, ...] = ()
    name: str | None = None
    acquired_local_epoch_ns: int | None = None
    problem: str | None = None
    newest_revision: int = -1
    """The number of the newest revision of its metadata that was believed; -1 for none."""

    def to_json(self) -> dict[str, JsonValue]:
        """Return the entry as the file has it."""
        fields = {name: getattr(self, name) for name in self.__slots__}  # `asdict` copies each value: measured, 10 times
        return {**fields, "axes": list(self.axes), "shape": list(self.shape)}

    @classmethod
    def from_json(cls, value: JsonValue) -> Self:
        """Read an entry: inverse of `to_json`; raise `DamagedError` where it is none."""
        if not isinstance(value, Mapping) or set(value) != set(cls.__slots__) or not _fits(value):
            raise DamagedError("an entry of the manifest is not readable")
        fields = cast("dict[str, Any]", dict(value))
        return cls(**{**fields, "axes": tuple(fields["axes"]), "shape": tuple(fields["shape"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """All records of a dataset at one moment."""

    entries: tuple[ManifestEntry, ...]

    @property
    def damaged(self) -> tuple[ManifestEntry, ...]:
        """The records that do not open."""
        return tuple(entry for entry in self.entries if entry.problem is not None)

    def summary(self) -> str:
        """Return one line, such as "997 of 1000 records open; 3 damaged"."""
        count, damaged = len(self.entries), len(self.damaged)
        if damaged:
            records = "record opens" if count == 1 else "records open"
            return f"{count - damaged} of {count} {records}; {damaged} damaged"
        return counted(count, "record")

    def ordered(self, order_by: OrderBy, *, missing: Missing = "last") -> tuple[ManifestEntry, ...]:
        """Return the entries in order; equal values by image id, and those without a value first or last."""
        if order_by == "image_id":
            return tuple(sorted(self.entries, key=lambda entry: entry.image_id))
        last = missing == "last"

        def key(entry: ManifestEntry) -> tuple[bool, str | int, str]:
            value: str | int | None = getattr(entry, order_by)
            nothing: str | int = "" if order_by == "created_utc" else 0
            return (value is None) == last, nothing if value is None else value, entry.image_id

        return tuple(sorted(self.entries, key=key))

    def to_bytes(self) -> bytes:
        """Return the file's bytes: a line of JSON that says what it is, and one for each record, however many."""
        lines = [{"manifest_version": _VERSION}, *(entry.to_json() for entry in self.entries)]
        text = "".join(f"{json.dumps(line, separators=(',', ':'))}\n" for line in lines)
        return gzip.compress(text.encode(), compresslevel=5, mtime=0)

    @classmethod
    def from_bytes(cls, data: bytes, *, what: str) -> Self:
        """Read the file's bytes: inverse of `to_bytes`; raise `DamagedError` where they are none."""
        lines = gunzip_lines(data, limit=_MAX_UNPACKED_BYTES, longest=_MAX_LINE_BYTES, what=what)
        said = from_bytes(next(lines, b""), what=what)
        if not isinstance(said, Mapping) or said.get("manifest_version") != _VERSION:
            raise DamagedError(f"{what} is no manifest of this version; it is made again when needed")
        return cls(entries=tuple(ManifestEntry.from_json(from_bytes(line, what=what)) for line in lines))


def load_manifest(blobs: Blobs, image_ids: Sequence[str], *, trust: bool = True) -> Manifest:
    """Return the manifest of a dataset's records, taking from its file what still holds; nothing is written.

    Without `trust` every record is read.
    """
    known = {entry.image_id: entry for entry in stored_manifest(blobs).entries} if trust else {}
    entries = (_entry(blobs, image_id, known.get(image_id)) for image_id in image_ids)
    return Manifest(entries=tuple(one for one in entries if one.problem is None or _is_there(blobs, one.image_id)))


def _is_there(blobs: Blobs, image_id: str) -> bool:
    """Return whether a record that cannot be opened is there, and was not deleted while it was looked at."""
    return blobs.is_listed(layout.record_key(image_id))


def stored_manifest(blobs: Blobs) -> Manifest:
    """Return what the manifest's file says, true or not; empty where there is none or it is damaged."""
    try:
        data = blobs.read(layout.MANIFEST, limit=_MAX_PACKED_BYTES)
        return Manifest.from_bytes(data, what=blobs.describe(layout.MANIFEST))
    except RemoteError:
        raise
    except (OSError, DamagedError):
        return Manifest(entries=())


def save_manifest(blobs: Blobs, manifest: Manifest) -> None:
    """Write the manifest's file; what lies there and is no file is set aside."""
    blobs.set_odd_aside(layout.MANIFEST)
    blobs.write(layout.MANIFEST, manifest.to_bytes())


def _stamp(folder: Blobs, numbers: Sequence[int]) -> str:
    """Return what changes whenever the record's entry would; the newest revision counts, not only its copy."""
    return " ".join((str(max(numbers, default=-1)), *(folder.stamp(key) for key in _STAMPED)))


def _quick_stamp(blobs: Blobs, image_id: str) -> str | None:
    """Return the same as `_stamp`; None where the record has to be looked at more closely."""
    quick = QuickStamps(blobs.describe(layout.record_key(image_id)))
    stamps = [quick.stamp(key) for key in _STAMPED]
    newest = quick.newest_revision()
    return None if newest is None or None in stamps else " ".join((str(newest), *(one or "" for one in stamps)))


def _entry(blobs: Blobs, image_id: str, known: ManifestEntry | None) -> ManifestEntry:
    """Return a record's entry, the known one where it still holds."""
    if known and known.stamp == _quick_stamp(blobs, image_id):
        return known
    try:
        folder = blobs.sub(layout.record_key(image_id))
        numbers = list_revisions(folder)
        stamp = _stamp(folder, numbers)
    except RemoteError:  # says nothing of the record
        raise
    except (KymflowZarrError, OSError) as error:
        return ManifestEntry(image_id=image_id, stamp="", problem=str(error))
    return known if known and known.stamp == stamp else _read_entry(folder, image_id, stamp, numbers)


def _read_entry(folder: Blobs, image_id: str, stamp: str, numbers: list[int]) -> ManifestEntry:
    record = ZarrImageRecord(folder, image_id)
    try:
        attributes = record.load_attributes()
        revision = load_revision(folder, numbers)
        header = revision.payload.get(layout.HEADER)
        shape = record.get_shape()
    except RemoteError:
        raise
    except (KymflowZarrError, OSError) as error:
        return ManifestEntry(image_id=image_id, stamp=stamp, problem=str(error))
    fields = header if isinstance(header, Mapping) else {}
    name, acquired = fields.get("name"), fields.get("acquired_local_epoch_ns")
    return ManifestEntry(
        image_id=image_id,
        stamp=stamp,
        created_utc=attributes.created_utc,
        axes=attributes.axes,
        shape=shape,
        name=name if isinstance(name, str) else None,
        acquired_local_epoch_ns=acquired if isinstance(acquired, int) and not isinstance(acquired, bool) else None,
        newest_revision=revision.number if revision.committed else (-1 if revision.follows is None else revision.follows),
    )


def _fits(value: Mapping[str, JsonValue]) -> bool:
    axes, shape, acquired = value["axes"], value["shape"], value["acquired_local_epoch_ns"]
    return (
        isinstance(value["image_id"], str)
        and isinstance(value["stamp"], str)
        and all(isinstance(value[name], str | None) for name in ("created_utc", "name", "problem"))
        and (acquired is None or (isinstance(acquired, int) and not isinstance(acquired, bool)))
        and isinstance(value["newest_revision"], int)
        and isinstance(axes, list)
        and all(isinstance(axis, str) for axis in axes)
        and isinstance(shape, list)
        and all(isinstance(size, int) for size in shape)
    )
