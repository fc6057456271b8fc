"""What is done with the tables of a dataset in a worker: they are refreshed, or rebuilt. No viewer, no layer.

The rule of this room: a dataset that is gone is never made anew in its place.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from kymflow_core import FolderNames, KymDataset, UpdateReport
from kymflow_core.indexers import DatasetIndexer
from kymflow_zarr import ImportReport, Watch, ZarrDataset
from kymflow_zarr.watch import UNWATCHED
from napari_kymflow.tables.snapshot import full_snapshot, result_tables
from napari_kymflow.tables.views import DatasetViews, make_views

RefreshMode: TypeAlias = Literal["refresh", "rebuild"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a worker did, and what the dataset held then."""

    path: Path
    shown: DatasetViews
    reports: Sequence[UpdateReport] = ()
    imported: ImportReport | None = None
    """What an import did; None where nothing was imported."""
    is_cancelled: bool = False
    problem: str = ""
    """Why the tables could not follow an import."""
    named: FolderNames | None = None
    """What was taken from the names of folders; None where nobody asked for it."""


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
        Shows how far the work is; when cancelled, the tables get what was done by then, and where nothing was, no table
        is looked at.

    Raises
    ------
    DatasetNotFoundError
        When the dataset is gone.
    ReadOnlyError, NotSavedError
        When it cannot be written.
    """
    there = ZarrDataset(path, mode="r").path
    if not indexers or watch.is_cancelled():
        return []
    tables = KymDataset(there)
    run = tables.refresh_tables if mode == "refresh" else tables.rebuild_tables
    return list(run(indexers, image_ids=image_ids, watch=watch).checked())


def refresh_after_save(path: Path, indexers: Sequence[DatasetIndexer], image_ids: Sequence[str]) -> list[UpdateReport]:
    """Bring some images' rows up to date in the tables that are there; a table that nobody has made is not begun."""
    there = ZarrDataset(path, mode="r").list_table_names()
    return run_indexers(path, [one for one in indexers if one.table_name in there], "refresh", image_ids=image_ids)


def update_and_load(
    path: Path,
    known: Sequence[DatasetIndexer],
    indexers: Sequence[DatasetIndexer],
    mode: RefreshMode,
    image_ids: Sequence[str] | None,
    before: DatasetViews | None,
    watch: Watch,
) -> Outcome:
    """Bring some of the `known` tables up to date, as `run_indexers`, and return what is shown of the dataset then."""
    reports = run_indexers(path, indexers, mode, image_ids=image_ids, watch=watch)
    return Outcome(path, load_views(path, known, before, watch), reports, is_cancelled=watch.is_cancelled())


def load_views(path: Path, known: Sequence[DatasetIndexer], before: DatasetViews | None, watch: Watch) -> DatasetViews:
    """Return what is shown of a dataset now; safe in a worker."""
    dataset = ZarrDataset(path, mode="r")
    snapshot = full_snapshot(dataset, known, before=before.snapshot if before else None, watch=watch)
    return make_views(snapshot, result_tables(known), before=before)
