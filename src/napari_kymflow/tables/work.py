"""What is done with the tables of a dataset in a worker: refreshed, rebuilt, looked at. No viewer, no layer.

The rule of this room: a dataset that is gone is never made anew in its place.
"""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Literal, TypeAlias

from kymflow_core import KymDataset, UpdateReport
from kymflow_core.indexers import DatasetIndexer
from kymflow_zarr import ZarrDataset

RefreshMode: TypeAlias = Literal["refresh", "rebuild"]


def run_indexers(
    path: Path,
    indexers: Sequence[DatasetIndexer],
    how: RefreshMode,
    *,
    image_ids: Sequence[str] | None = None,
    told: Callable[[int, int, str], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
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
    told
        Called with the number of images done, of all, and the table.
    cancelled
        Asked between images; the tables that were not begun then stay as they are.

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
        progress = partial(_tell, told, indexer.table_name) if told else None
        reports.append(run(indexer, image_ids=image_ids, progress=progress, cancelled=cancelled))
        if cancelled and cancelled():
            break
    return reports


def refresh_after_save(path: Path, indexers: Sequence[DatasetIndexer], image_ids: Sequence[str]) -> list[UpdateReport]:
    """Bring some images' rows up to date in the tables that are there; a table that nobody has made is not begun."""
    there = ZarrDataset(path, mode="r").list_table_names()
    return run_indexers(path, [one for one in indexers if one.table_name in there], "refresh", image_ids=image_ids)


def _tell(told: Callable[[int, int, str], None], table_name: str, done: int, total: int) -> None:
    told(done, total, table_name)
