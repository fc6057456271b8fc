"""The files next to a TIFF that have the name of an artifact: `<stem>.<name>.json`, `.parquet`, `.csv`, `.csv.gz`, `.npy`.

Also the folder of one record as `export_legacy_folder` and the older program write it: `image.tif` with `metadata.json`, in
which every other file is an artifact by its own name. Arrays may lie in a folder `array_artifacts` as well.

The rule of this room: a file belongs to one TIFF only, and it is read whole or its TIFF is not imported.
"""

import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd
from numpy.typing import NDArray

from kymflow_zarr import layout
from kymflow_zarr.arrays.arrays import MAX_ARRAY_BYTES
from kymflow_zarr.arrays.npy import npy_from_bytes
from kymflow_zarr.dataset.recognize import is_uuid
from kymflow_zarr.disk.blobs import Blobs
from kymflow_zarr.errors import InvalidNameError, KymflowZarrError, SourceError
from kymflow_zarr.formats.csv import parse_csv
from kymflow_zarr.formats.csv_gz import MAX_CSV_BYTES
from kymflow_zarr.formats.frames import frame_from_parquet
from kymflow_zarr.formats.gzipped import gunzip
from kymflow_zarr.formats.parquet import read_notes
from kymflow_zarr.formats.seals import SEAL, computed_from_of_artifact, has_seal_of_ours_or_none, unsealed_value
from kymflow_zarr.formats.strict_json import MAX_BYTES, JsonObject, JsonValue, from_bytes, object_from_bytes
from kymflow_zarr.importing.content import FileContent
from kymflow_zarr.importing.listing import FolderListing, split_ending
from kymflow_zarr.importing.tiffs import read_tiff
from kymflow_zarr.layout import ARRAYS_FOLDER
from kymflow_zarr.names import check_name

RECORD_IMAGE = "image"
_OF_RECORD = frozenset({layout.HEADER, layout.ROIS})
"""What the metadata of a record have, the older program's too, and those of other programs hardly."""
_WINS = "its results in another file give one of that name; rename the file, then import again to have both"
_NOTE = f"kymflow_{layout.COMPUTED_FROM}".encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sidecars:
    """The artifacts next to one TIFF. `metadata` and `image_id` are those of a record's folder, None elsewhere."""

    image_id: str | None = None
    metadata: JsonObject | None = None
    json_artifacts: Mapping[str, JsonValue] = field(default_factory=dict)
    table_artifacts: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    csv_gz_artifacts: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    array_artifacts: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    computed_from: Mapping[str, JsonObject] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def read_with_sidecars(path: Path, listing: FolderListing | None = None) -> FileContent:
    """Read a TIFF with the artifacts in its sidecars; a `ReadFile` that knows no microscope and no ROI.

    Parameters
    ----------
    path
        The TIFF.
    listing
        What lies in its folder; listed anew where it is not given.

    Raises
    ------
    SourceError
        When the TIFF, or a file next to it, cannot be read.
    """
    return with_sidecars(read_tiff(path), read_sidecars(path, listing=listing))


def with_sidecars(content: FileContent, sidecars: Sidecars) -> FileContent:
    """Return what a file gives together with the artifacts next to it; its own win, and a note reports it."""
    given_twice = sorted(
        {*content.json_artifacts} & {*sidecars.json_artifacts} | {*content.table_artifacts} & {*sidecars.table_artifacts}
    )
    return replace(
        content,
        json_artifacts={**sidecars.json_artifacts, **content.json_artifacts},
        table_artifacts={**sidecars.table_artifacts, **content.table_artifacts},
        csv_gz_artifacts={**sidecars.csv_gz_artifacts, **content.csv_gz_artifacts},
        array_artifacts={**sidecars.array_artifacts, **content.array_artifacts},
        computed_from={**sidecars.computed_from, **content.computed_from},
        metadata=content.metadata or sidecars.metadata or {},
        image_id=sidecars.image_id,
        notes=(
            *content.notes,
            *sidecars.notes,
            *(f"the file next to it with the artifact {name!r} was not taken: {_WINS}" for name in given_twice),
        ),
    )


def read_sidecars(
    path: Path, *, listing: FolderListing | None = None, passed_over: Callable[[str], bool] = lambda name: False
) -> Sidecars:
    """Read the artifacts next to a TIFF.

    Parameters
    ----------
    path
        The TIFF.
    listing
        What lies in its folder; listed anew where it is not given.
    passed_over
        Tells which names are somebody else's, and are left to them.

    Raises
    ------
    SourceError
        When one of the files cannot be read, or could as well belong to another TIFF of the folder.
    """
    blobs = Blobs(path.parent, read_only=True)
    try:
        listing = listing or FolderListing.of(path.parent)
        metadata = _metadata_of_record(blobs, path, listing)
        is_record = metadata is not None
        found = dict(_files_of_record(blobs) if is_record else _files_of_tiff(listing, path))
        run = _Reading(blobs=blobs, folder=path.parent)
        if not is_record and path.stem == RECORD_IMAGE and layout.METADATA_KEY in listing.names:
            run.notes.append(
                f"{layout.METADATA_KEY} was not imported: it has no header and no ROIs, or other TIFFs are next to this one"
            )
        for (name, ending), key in sorted(found.items()):
            if not passed_over(name):
                run.read(name, ending, key, others=found)
    except SourceError:
        raise
    except KymflowZarrError as error:
        raise SourceError(f"{error}; mend or remove it, then import again") from error
    return Sidecars(
        image_id=path.parent.name if is_record and is_uuid(path.parent.name) else None,
        metadata=metadata,
        json_artifacts=run.json,
        table_artifacts=run.tables,
        csv_gz_artifacts=run.csv_gz,
        array_artifacts=run.arrays,
        computed_from=run.computed_from,
        notes=tuple(run.notes),
    )


def _metadata_of_record(blobs: Blobs, path: Path, listing: FolderListing) -> JsonObject | None:
    """Return the metadata of the record whose folder a TIFF lies in; None where the folder is no record's.

    A record's folder has no other TIFF, and is named for an id, or its `metadata.json` says something of a header or ROIs.
    """
    if path.stem != RECORD_IMAGE or layout.METADATA_KEY not in listing.names or listing.n_images > 1:
        return None
    where = str(path.with_name(layout.METADATA_KEY))
    data = blobs.read(layout.METADATA_KEY, limit=MAX_BYTES)
    if is_uuid(path.parent.name):
        return object_from_bytes(data, what=where, lenient=True)
    value = from_bytes(data, what=where, lenient=True)
    return value if isinstance(value, Mapping) and not _OF_RECORD.isdisjoint(value) else None


def _files_of_record(blobs: Blobs) -> Iterator[tuple[tuple[str, str], str]]:
    """Yield name and ending of each artifact in a record's folder, with its file."""
    for key in blobs.files(""):
        in_arrays = key.startswith(f"{ARRAYS_FOLDER}/")
        name, ending = split_ending(key.removeprefix(f"{ARRAYS_FOLDER}/") if key.endswith(".npy") and in_arrays else key)
        is_own = key == layout.METADATA_KEY or key.startswith("history/") or (name, ending) == (RECORD_IMAGE, ".npy")
        if ending and not is_own:
            yield (_free_name(name, ending), ending), key


def _files_of_tiff(listing: FolderListing, path: Path) -> Iterator[tuple[tuple[str, str], str]]:
    """Yield name and ending of each artifact next to a TIFF, with its file."""
    if listing.n_images == 1:
        for file_name in listing.arrays:
            yield split_ending(file_name), f"{ARRAYS_FOLDER}/{file_name}"
    for key in listing.sidecars.get(path.stem, ()):
        file_name = key.rpartition("/")[2]
        if twin := listing.twin_of(path.name):
            raise SourceError(
                f"{path.with_name(file_name)} could belong to {path.name} as well as to {twin}; rename one of the two"
            )
        name, ending = split_ending(file_name)
        yield (_free_name(name.removeprefix(f"{path.stem}."), ending), ending), key


def _free_name(name: str, ending: str) -> str:
    """Return the name of an artifact; the name under which a record notes its own file is kept free."""
    return f"legacy/{name}" if (name, ending) == (layout.PROVENANCE, layout.JSON) else name


def _is_taken(name: str, ending: str) -> bool:
    """Return whether a record has something of its own under a name."""
    if ending == ".npy":
        return name == layout.GROUP_DOCUMENT
    stored = f"{name}{layout.JSON if ending == layout.JSON else layout.PARQUET}"
    return name == layout.METADATA or name.startswith("history/") or stored.rpartition("/")[2] == layout.GROUP_DOCUMENT


@dataclass(slots=True)
class _Reading:
    """The files of one TIFF while they are read."""

    blobs: Blobs
    folder: Path
    json: dict[str, JsonValue] = field(default_factory=dict)
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    csv_gz: dict[str, pd.DataFrame] = field(default_factory=dict)
    arrays: dict[str, NDArray[Any]] = field(default_factory=dict)
    computed_from: dict[str, JsonObject] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def read(self, name: str, ending: str, key: str, *, others: Mapping[tuple[str, str], str]) -> None:
        """Read one file; a name that no artifact can have is reported, and the file left where it is."""
        try:
            check_name(name, what="artifact", nested=ending != ".npy")
        except InvalidNameError as error:
            self.notes.append(f"{key} was not imported: {error}; rename it, then import again")
            return
        where = str(self.folder / key)
        if _is_taken(name, ending):
            raise SourceError(
                f"{where} cannot be imported: every record has a file named {name.rpartition('/')[2]!r} of its own; rename "
                f"this one, for example to {key.removesuffix(ending)}_1{ending}, then import again"
            )
        if ending == ".npy":
            self.arrays[name] = npy_from_bytes(self.blobs.read(key, limit=MAX_ARRAY_BYTES), what=where)
        elif ending == layout.JSON:
            data = self.blobs.read(key, limit=MAX_BYTES)
            value = from_bytes(data, what=where, lenient=True)
            if not has_seal_of_ours_or_none(value):
                raise SourceError(
                    f"{where} has the key {SEAL!r}, under which this program notes a digest; call it otherwise in the "
                    "file, then import again"
                )
            self.json[name] = unsealed_value(value)
            self._note_statement(name, computed_from_of_artifact(data, what=where))
        elif ending == layout.PARQUET:
            data = self.blobs.read(key)
            self.tables[name] = frame_from_parquet(data, what=where)
            note = read_notes(io.BytesIO(data), what=where).get(_NOTE)
            self._note_statement(name, None if note is None else from_bytes(note, what=where))
        elif ending == layout.CSV_GZ:
            packed = self.blobs.read(key, limit=MAX_CSV_BYTES)
            self.csv_gz[name] = self._table(gunzip(packed, limit=MAX_CSV_BYTES, what=where), where)
        elif (name, layout.PARQUET) not in others:
            self.tables[name] = self._table(self.blobs.read(key, limit=MAX_CSV_BYTES), where)

    def _table(self, data: bytes, where: str) -> pd.DataFrame:
        table = parse_csv(data, where=where)
        self.notes += table.notes
        return table.frame

    def _note_statement(self, name: str, said: JsonValue) -> None:
        if isinstance(said, Mapping):
            self.computed_from[name] = said
