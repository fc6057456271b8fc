"""Adds to a record what another reader reads of its file, and the reader that made the record did not.

The rule of this room: nothing that the record has is replaced, and no pixel is touched. Masks are written first, and the
name of the reader last. So the next import completes a record of which an import was stopped.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from kymflow_zarr import layout
from kymflow_zarr.errors import ConflictError, KymflowZarrError, SourceError
from kymflow_zarr.formats.strict_json import JsonObject
from kymflow_zarr.importing.add import save_artifacts
from kymflow_zarr.importing.content import FileContent
from kymflow_zarr.record.artifacts import RESULTS
from kymflow_zarr.record.ome import DescribeImage
from kymflow_zarr.record.record import ZarrImageRecord
from kymflow_zarr.tables.sources import Source

_KINDS: dict[str, tuple[str, Callable[[ZarrImageRecord, str], Any]]] = {
    "json_artifacts": (layout.JSON, ZarrImageRecord.load_json),
    "table_artifacts": (layout.PARQUET, ZarrImageRecord.load_df_parquet),
    "csv_gz_artifacts": (layout.CSV_GZ, ZarrImageRecord.load_df_csv_gz),
    "array_artifacts": ("", ZarrImageRecord.load_array_artifact),
}
"""How a record has each kind of artifact: the ending of its key, and what loads it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """What a record gets of its file.

    `masks` and `artifacts` are the names of those to add where the record has none of the name; `notes` say what was left
    out, and why.
    """

    metadata: JsonObject
    masks: frozenset[str] = frozenset()
    artifacts: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()


MergeMetadata: TypeAlias = Callable[[ZarrImageRecord, FileContent], Merged]
"""Says what a record gets of its file; raises `SourceError` where they cannot be put together."""


def complete_record(
    record: ZarrImageRecord, content: FileContent, source: Source, *, merge: MergeMetadata, describe: DescribeImage | None
) -> tuple[str, ...]:
    """Add to a record what its file has and the record lacks, and return what is worth knowing.

    Raises
    ------
    SourceError
        When the file gives another image than the record has, or the two cannot be put together; nothing was changed.
    ConflictError
        When another program saved the record's metadata in between, or writes results of it; the next import completes it.
    """
    if (record.get_axes(), record.get_shape()) != (content.axes, content.pixels.shape):
        raise SourceError(
            f"it is read with the axes {content.axes} and the shape {content.pixels.shape} now, and its record has "
            f"{record.get_axes()} and {record.get_shape()}; delete the record and import the file again to have it so"
        )
    revision = record.load_revision()
    merged = merge(record, content)
    arrays = set(record.list_array_artifacts())
    for name in sorted(merged.masks - arrays):
        record.save_array_artifact(name, content.masks[name], held_by_metadata=True)
    if merged.metadata != revision.payload:
        record.save_metadata_payload(merged.metadata, expected=revision)
    with record.claim(RESULTS) as mine:
        if not mine:
            raise ConflictError("another program is writing results of its record; import the folder again")
        lacking, stays = _lacking(record, content, merged.artifacts)
        save_artifacts(record, lacking)
    if describe is not None:
        with suppress(KymflowZarrError):  # derived: `verify` finds and makes it again
            record.save_ome(describe(merged.metadata))
    record.save_json(layout.PROVENANCE, source.to_json())
    return (*merged.notes, *(f"{name!r} of the record stays as it is; the file has another" for name in stays))


def _lacking(record: ZarrImageRecord, content: FileContent, wanted: frozenset[str]) -> tuple[FileContent, list[str]]:
    """Return the content with only the artifacts that the record lacks, and the names of those that differ."""
    there = {*record.list_analysis_keys(), *record.list_array_artifacts()}
    kept: dict[str, Any] = {}
    stays: list[str] = []
    for kind, (ending, load) in _KINDS.items():
        given = {name: value for name, value in getattr(content, kind).items() if name in wanted}
        kept[kind] = {name: value for name, value in given.items() if f"{name}{ending}" not in there}
        stays += [name for name in given.keys() - kept[kind].keys() if not _is_same(load(record, name), given[name])]
    return replace(content, **kept), sorted(stays)


def _is_same(one: Any, other: Any) -> bool:
    if isinstance(one, pd.DataFrame):
        return one.equals(other)
    return np.array_equal(one, other) if isinstance(one, np.ndarray) else bool(one == other)
