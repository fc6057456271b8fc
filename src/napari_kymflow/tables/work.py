"""What is done with the tables of a dataset in a worker: they are refreshed, or rebuilt. No viewer, no layer.

The rule of this room: a dataset that is gone is never made anew in its place.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, TypeAlias

from kymflow_core import KymDataset, UpdateReport
from kymflow_core.indexers import DatasetIndexer
from kymflow_zarr import ZarrDataset
from napari_kymflow.user.watch import UNWATCHED, Watch, progress_of

RefreshMode: TypeAlias = Literal["refresh", "rebuild"]


def run_indexers(
    path: Path,
    indexers: Sequence[DatasetIndexer],
    mode: RefreshMode,
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
    mode
        "refresh": what is not fresh; "rebuild": all rows anew.
    image_ids
        Only these images; by default all.
    watch
        Is shown the number of images done, of all, and the table, and asked between images whether to stop; the tables that
        were not begun then stay as they are.

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
        run = tables.refresh if mode == "refresh" else tables.rebuild
        progress = progress_of(watch, indexer.table_name)
        reports.append(run(indexer, image_ids=image_ids, progress=progress, cancelled=watch.is_cancelled))
        if watch.is_cancelled():
            break
    return reports


def refresh_after_save(path: Path, indexers: Sequence[DatasetIndexer], image_ids: Sequence[str]) -> list[UpdateReport]:
    """Bring some images' rows up to date in the tables that are there; a table that nobody has made is not begun."""
    there = ZarrDataset(path, mode="r").list_table_names()
    return run_indexers(path, [one for one in indexers if one.table_name in there], "refresh", image_ids=image_ids)
