"""What is done with the tables of a dataset in a worker: refreshed, rebuilt, looked at. No viewer, no layer.

The rule of this room: a dataset that is gone is never made anew in its place.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, TypeAlias

from kymflow_core import KymDataset, UpdateReport
from kymflow_core.indexers import INDEXERS, DatasetIndexer, FoundIndexers, find_indexers
from kymflow_zarr import Watch, ZarrDataset
from kymflow_zarr.watch import UNWATCHED

RefreshMode: TypeAlias = Literal["refresh", "rebuild"]


def installed_indexers() -> FoundIndexers:
    """Return our indexers and those of other packages that are installed."""
    return find_indexers(INDEXERS)


def is_writable(path: Path) -> bool:
    """Return whether this computer may write into a dataset; a save may still fail, and says why."""
    return os.access(path / "images", os.W_OK)


def run_indexers(
    path: Path,
    indexers: Sequence[DatasetIndexer],
    how: RefreshMode,
    *,
    image_ids: Sequence[str] | None = None,
    watch: Watch = UNWATCHED,
) -> list[UpdateReport]:
    """Bring tables of a dataset up to date, and return what was done; safe in a worker.

    Parameters
    ----------
    path
        The dataset.
    indexers
        The tables.
    how
        "refresh": what is not fresh; "rebuild": all rows anew.
    image_ids
        Only these images; by default all.
    watch
        Shows how far each table is; when cancelled, the tables that were not begun stay as they are.

    Raises
    ------
    DatasetNotFoundError
        When the dataset is gone.
    ReadOnlyError, NotSavedError
        When it cannot be written.
    """
    tables = KymDataset(ZarrDataset(path, mode="r").path)
    reports = []
    for indexer in indexers:
        run = tables.refresh if how == "refresh" else tables.rebuild
        reports.append(run(indexer, image_ids=image_ids, watch=watch))
        if watch.is_cancelled():
            break
    return reports


def refresh_after_save(path: Path, indexers: Sequence[DatasetIndexer], image_ids: Sequence[str]) -> list[UpdateReport]:
    """Bring some images' rows up to date in the tables that are there; a table that nobody has made is not begun."""
    there = ZarrDataset(path, mode="r").list_table_names()
    return run_indexers(path, [one for one in indexers if one.table_name in there], "refresh", image_ids=image_ids)
