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

    `masks` are arrays that the metadata refer to. `image_id` is that of a record which the file was exported from; a new
    one is made where it is None, or taken. `computed_from` says, by the names of JSON and table artifacts, what they
    were computed from. `notes` are sentences for the person who imports: what is unknown, what contradicts what.
    `ome` is for the record's OME-Zarr metadata.
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


ReadFile: TypeAlias = Callable[[Path], FileContent]
GroupFiles: TypeAlias = Callable[[Sequence[Path]], Mapping[Path, Sequence[Path]]]
"""Returns, of the files that were found, the first of each image of several files with the others."""
