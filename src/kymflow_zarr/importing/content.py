"""What one file gives a record, and how files are read: the values that readers and the import exchange."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import pandas as pd
from numpy.typing import NDArray

from kymflow_zarr.formats.strict_json import JsonObject, JsonValue
from kymflow_zarr.record.ome import OmeDescription


@dataclass(frozen=True, slots=True, kw_only=True)
class FileContent:
    """All that one file gives a record.

    `masks` are arrays that the metadata refer to. `image_id` is the id of the record that the file was exported from; the
    new record gets another id where it is None, or taken. `computed_from` says, by the names of JSON and table artifacts,
    what they were computed from. `notes` are sentences for the person who imports: what is unknown, what contradicts what.
    `ome` is for the record's OME-Zarr metadata. `elsewhere` counts the planes of the same image in each other file that
    this file names.
    """

    pixels: NDArray[Any]
    axes: tuple[str, ...]
    metadata: JsonObject = field(default_factory=dict)
    json_artifacts: Mapping[str, JsonValue] = field(default_factory=dict)
    table_artifacts: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    csv_gz_artifacts: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    array_artifacts: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    masks: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    computed_from: Mapping[str, JsonObject] = field(default_factory=dict)
    image_id: str | None = None
    notes: tuple[str, ...] = ()
    ome: OmeDescription | None = None
    elsewhere: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSets:
    """Which of several files belong together.

    `scans` has the first file of each record of several files with the others. `companions` are files that are kept with
    the records of others and are no records of their own, each with what such files are, such as "reference images".
    """

    scans: Mapping[Path, Sequence[Path]] = field(default_factory=dict)
    companions: Mapping[Path, str] = field(default_factory=dict)


ReadFile: TypeAlias = Callable[[Path], FileContent]
FindSets: TypeAlias = Callable[[Sequence[Path]], FileSets]
"""Returns which of the files that were found belong together, by what a header says; it reads no pixels."""
GroupFiles: TypeAlias = Callable[[Sequence[Path]], Mapping[Path, Sequence[Path]]]
"""Returns, of the files that were found, the first of each image of several files with the others."""
