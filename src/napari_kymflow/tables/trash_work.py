"""Records into the trash of their dataset and back, in a worker. No viewer, no layer."""

from collections.abc import Sequence
from pathlib import Path

from kymflow_core.indexers import DatasetIndexer
from kymflow_zarr import Watch, ZarrDataset
from kymflow_zarr.dataset.trash import RemovedRecord
from napari_kymflow.errors import OUR_ERRORS
from napari_kymflow.tables.views import DatasetViews
from napari_kymflow.tables.work import Outcome, load_views, refresh_after_save


def remove_and_load(
    path: Path, known: Sequence[DatasetIndexer], image_ids: Sequence[str], before: DatasetViews | None, watch: Watch
) -> Outcome:
    """Move records into the trash, and return what is shown of the dataset then; when cancelled, it stops between them."""
    dataset = ZarrDataset(ZarrDataset(path, mode="r").path)
    for done, image_id in enumerate(image_ids):
        if watch.is_cancelled():
            break
        watch.progress(done, len(image_ids), "")
        if dataset.has_record(image_id):  # else somebody else removed it meanwhile
            dataset.move_to_trash(image_id)
    return Outcome(path, load_views(path, known, before, watch), is_cancelled=watch.is_cancelled())


def restore_and_load(
    path: Path, known: Sequence[DatasetIndexer], removed: RemovedRecord, before: DatasetViews | None, watch: Watch
) -> Outcome:
    """Put a record back, make its rows in the tables that are there, and return what is shown of the dataset then."""
    ZarrDataset(ZarrDataset(path, mode="r").path).restore_from_trash(removed)
    problem = ""
    try:
        reports = refresh_after_save(path, known, [removed.image_id])
    except OUR_ERRORS as error:
        reports, problem = [], f"the tables could not follow: {error}"
    return Outcome(path, load_views(path, known, before, watch), reports, problem=problem)
