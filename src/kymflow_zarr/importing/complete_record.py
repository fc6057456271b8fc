"""A record that a reader made which knew less, with what another one reads of the same file.

The rule of this room: nothing that the record has is replaced, and no pixel is touched. Masks come first, and the note of
who read the file last, so that an import that was stopped in between does it again, and adds what is still lacking.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from kymflow_zarr import layout
from kymflow_zarr.errors import KymflowZarrError, SourceError
from kymflow_zarr.formats.strict_json import JsonObject
from kymflow_zarr.importing.content import FileContent
from kymflow_zarr.record.ome import DescribeImage
from kymflow_zarr.record.record import ZarrImageRecord
from kymflow_zarr.tables.sources import Source


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
        When another program saved the record's metadata meanwhile; the next import completes it.
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
    stays = list(_add_artifacts(record, content, merged.artifacts))
    if describe is not None:
        with suppress(KymflowZarrError):  # derived: `verify` finds and makes it again
            record.save_ome(describe(merged.metadata))
    record.save_json(layout.PROVENANCE, source.to_json())
    return (*merged.notes, *(f"{name!r} of the record stays as it is; the file has another" for name in stays))


def _add_artifacts(record: ZarrImageRecord, content: FileContent, wanted: frozenset[str]) -> Iterator[str]:
    """Save the artifacts that the record lacks, and yield the names of those of which it has others."""
    there = {*record.list_analysis_keys(), *record.list_array_artifacts()}
    for name in sorted(wanted & content.json_artifacts.keys()):
        value = content.json_artifacts[name]
        if f"{name}{layout.JSON}" not in there:
            record.save_json(name, value, computed_from=content.computed_from.get(name))
        elif record.load_json(name) != value:
            yield name
    for name in sorted(wanted & content.table_artifacts.keys()):
        frame = content.table_artifacts[name]
        if f"{name}{layout.PARQUET}" not in there:
            record.save_df_parquet(name, frame, computed_from=content.computed_from.get(name))
        elif not record.load_df_parquet(name).equals(frame):
            yield name
    for name in sorted(wanted & content.csv_gz_artifacts.keys()):
        frame = content.csv_gz_artifacts[name]
        if f"{name}{layout.CSV_GZ}" not in there:
            record.save_df_csv_gz(name, frame)
        elif not record.load_df_csv_gz(name).equals(frame):
            yield name
    for name in sorted(wanted & content.array_artifacts.keys()):
        array = content.array_artifacts[name]
        if name not in there:
            record.save_array_artifact(name, array)
        elif not np.array_equal(record.load_array_artifact(name), array):
            yield name
