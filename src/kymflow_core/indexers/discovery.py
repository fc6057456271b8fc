"""Finds the indexers that other packages bring, through the entry-point group `napari_kymflow.indexers`."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint

from kymflow_core.entry_points import load_entry_points
from kymflow_core.errors import IndexerError
from kymflow_core.indexers.protocol import DatasetIndexer, normalize_table_name

GROUP = "napari_kymflow.indexers"


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundIndexers:
    """The indexers that can be used, and why others cannot, one sentence each."""

    indexers: tuple[DatasetIndexer, ...] = ()
    problems: tuple[str, ...] = ()


def find_indexers(own: Sequence[DatasetIndexer], *, points: Sequence[EntryPoint] | None = None) -> FoundIndexers:
    """Return `own` indexers and those that installed packages bring.

    Parameters
    ----------
    own
        Indexers that come first; no other may fill their tables.
    points
        The entry points; by default those that are installed. Each names an indexer, or a class of them that is made
        without arguments.
    """
    found = list(own)

    def take(loaded: object) -> None:
        found.append(_checked(loaded, taken=[one.table_name for one in found]))

    problems = load_entry_points(GROUP, "indexer", take, points=points)
    return FoundIndexers(indexers=tuple(found), problems=problems)


def _checked(indexer: object, *, taken: Sequence[str]) -> DatasetIndexer:
    if not isinstance(indexer, DatasetIndexer):
        needed = "name, table_name, schema_version, reads, required_columns and extract_rows"
        raise IndexerError(f"it is no indexer: it needs {needed}")
    if isinstance(indexer.reads, str) or not all(isinstance(key, str) and key for key in indexer.reads):
        raise IndexerError(f"its reads must be a list of keys, such as ('radon_report.parquet',), not {indexer.reads!r}")
    if not isinstance(indexer.schema_version, str):
        raise IndexerError(f"its schema_version must be text, such as '1', not {indexer.schema_version!r}")
    name = indexer.table_name
    if name != normalize_table_name(name):
        raise IndexerError(f"its table name {name!r} is not allowed; use {normalize_table_name(name)!r}")
    if name in taken:
        raise IndexerError(f"another indexer fills the table {name!r} already")
    return indexer
