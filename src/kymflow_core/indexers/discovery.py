"""Finds the indexers that other packages bring, through the entry-point group `napari_kymflow.indexers`.

The rule of this room: a package that does not work is named and left out; it stops nobody else's tables.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points

from kymflow_core.errors import IndexerError
from kymflow_core.indexers.protocol import DatasetIndexer, normalize_table_name

GROUP = "napari_kymflow.indexers"
_CANNOT_LOAD = (
    ImportError,
    AttributeError,
    TypeError,
    ValueError,
    LookupError,
    ArithmeticError,
    AssertionError,
    OSError,
    RuntimeError,
    SyntaxError,
)
"""What a package that is broken raises while it is imported and its indexer made."""


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
    found, problems = list(own), []
    for point in entry_points(group=GROUP) if points is None else points:
        try:
            found.append(_load(point, taken=[one.table_name for one in found]))
        except (IndexerError, *_CANNOT_LOAD) as error:
            problems.append(f"the indexer {point.name!r} ({point.value}) was left out: {error}")
    return FoundIndexers(indexers=tuple(found), problems=tuple(problems))


def _load(point: EntryPoint, *, taken: Sequence[str]) -> DatasetIndexer:
    loaded = point.load()
    indexer = loaded() if isinstance(loaded, type) else loaded
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
