"""Steps of work on several tables, of which one that cannot be used does not stop the others."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from kymflow_core.indexers.protocol import DatasetIndexer
from kymflow_core.tables.update_report import Unusable
from kymflow_zarr.errors import DamagedError, ReadOnlyError

_Given = TypeVar("_Given")


class EachTable:
    """Does one step after another for each table; one that cannot be used is left out of the further steps.

    Parameters
    ----------
    indexers
        Those that fill the tables, each a table of its own.
    """

    def __init__(self, indexers: Sequence[DatasetIndexer]) -> None:
        self.left = list(indexers)
        self.unusable: dict[str, Unusable] = {}
        names = [one.table_name for one in self.left]
        if len(set(names)) < len(names):
            raise ValueError(f"two indexers fill one table; their tables are {names}")

    def each(self, step: Callable[[DatasetIndexer], _Given]) -> dict[str, _Given]:
        """Return what a step gives for each table that is left, by the table's name."""
        given: dict[str, _Given] = {}
        for indexer in list(self.left):
            try:
                given[indexer.table_name] = step(indexer)
            except ReadOnlyError:  # no table can be written then
                raise
            except (DamagedError, PermissionError, IsADirectoryError) as error:
                self.unusable[indexer.table_name] = error
                self.left.remove(indexer)
        return given
