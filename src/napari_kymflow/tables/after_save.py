"""What follows a save of ROIs: the image's rows in the tables are brought up to date, and so is what is shown of them.

The rule of this room: what was read says of which dataset; another one, such as a copy, can have the same images.
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


class UpdateAfterSave:
    """Brings one image's rows up to date and reads it again; called in a worker.

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

    def __init__(
        self, path: Path, indexers: Sequence[DatasetIndexer], image_id: str, before: DatasetViews | None, *, writes: bool
    ) -> None:
        self._path, self._indexers, self._image_id = path, indexers, image_id
        self._before, self._writes = before, writes

    def __call__(self) -> ViewsAfterSave:
        """Return what is shown now; errors of ours and of the disk are returned as well, not raised."""
        before = self._before
        try:
            if self._writes:
                refresh_after_save(self._path, self._indexers, [self._image_id])
            if before is None:
                return ViewsAfterSave(path=self._path)
            dataset = ZarrDataset(self._path, mode="r")
            if before.snapshot.is_quick:
                # Of the other records nothing is known yet.
                snapshot = full_snapshot(dataset, self._indexers)
            else:
                snapshot = snapshot_of_image(dataset, self._indexers, self._image_id, before=before.snapshot)
            return ViewsAfterSave(path=self._path, shown=make_views(snapshot, result_tables(self._indexers), before=before))
        except (*OUR_ERRORS, OSError) as error:
            return ViewsAfterSave(path=self._path, problem=str(error))
