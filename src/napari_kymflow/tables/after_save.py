"""What follows a save of ROIs or verdicts: the image's rows are brought up to date, and so is what is shown of them.

The rule of this room: what was read names its dataset; another dataset, such as a copy, can have the same images.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kymflow_core.indexers import DatasetIndexer
from kymflow_zarr import ZarrDataset
from napari_kymflow.errors import OUR_ERRORS
from napari_kymflow.tables.snapshot import full_snapshot, result_tables, snapshot_of_image
from napari_kymflow.tables.views import DatasetViews, make_views
from napari_kymflow.tables.work import refresh_after_save


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ViewsAfterSave:
    """What is shown now of the dataset at a path, None where nothing was read; or why its tables could not follow."""

    path: Path
    shown: DatasetViews | None = None
    problem: str = ""


def update_after_save(
    path: Path, indexers: Sequence[DatasetIndexer], image_id: str, before: DatasetViews | None, *, writes: bool
) -> ViewsAfterSave:
    """Bring one image's rows up to date, read it again, and return what is shown now; safe in a worker.

    Errors of ours and of the disk are returned as well, not raised.

    Parameters
    ----------
    path
        The dataset.
    indexers
        The tables.
    image_id
        The image that was saved.
    before
        What was shown of the dataset; None where another one is shown by now, and then nothing is read.
    writes
        Whether the tables are written.
    """
    try:
        if writes:
            refresh_after_save(path, indexers, [image_id])
        if before is None:
            return ViewsAfterSave(path=path)
        dataset = ZarrDataset(path, mode="r")
        if before.snapshot.is_quick:
            # Of the other records nothing is known yet.
            snapshot = full_snapshot(dataset, indexers)
        else:
            snapshot = snapshot_of_image(dataset, indexers, image_id, before=before.snapshot)
        return ViewsAfterSave(path=path, shown=make_views(snapshot, result_tables(indexers), before=before))
    except (*OUR_ERRORS, OSError) as error:
        return ViewsAfterSave(path=path, problem=str(error))
