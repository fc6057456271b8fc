"""What follows a save: the image's rows in the tables, and a new look at it. No viewer, no Qt.

The rule of this room: what was seen says of which dataset; another one, such as a copy, can have the same images.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from kymflow_core.indexers import DatasetIndexer
from kymflow_zarr import ZarrDataset
from napari_kymflow.errors import OUR_ERRORS
from napari_kymflow.layers.tags import KEY, tag_of
from napari_kymflow.session.session import KymSession
from napari_kymflow.tables.snapshot import full_snapshot, result_tables, snapshot_of_image
from napari_kymflow.tables.views import DatasetViews, make_views
from napari_kymflow.tables.work import refresh_after_save


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Followed:
    """What came of a save in the dataset at a path: what is shown of it now, or why the tables could not follow."""

    path: Path
    shown: DatasetViews | None = None
    problem: str = ""


class FollowWork:
    """Brings one image's rows up to date and looks at it again; called in a worker.

    Parameters
    ----------
    path
        The dataset.
    indexers
        The tables.
    image_id
        The image that was saved.
    before
        What was shown of the dataset; None where another one is shown by now, and then nothing is looked at.
    writes
        Whether the tables are written.
    """

    def __init__(
        self, path: Path, indexers: Sequence[DatasetIndexer], image_id: str, before: DatasetViews | None, *, writes: bool
    ) -> None:
        self._path, self._indexers, self._image_id = path, indexers, image_id
        self._before, self._writes = before, writes

    def __call__(self) -> Followed:
        """Follow the save, and return what came of it; errors of ours and of the disk are told, not raised."""
        before = self._before
        try:
            if self._writes:
                refresh_after_save(self._path, self._indexers, [self._image_id])
            if before is None:
                return Followed(path=self._path)
            dataset = ZarrDataset(self._path, mode="r")
            if before.snapshot.is_quick:
                # Of the other records nothing is known yet.
                snapshot = full_snapshot(dataset, self._indexers)
            else:
                snapshot = snapshot_of_image(dataset, self._indexers, self._image_id, before=before.snapshot)
            return Followed(path=self._path, shown=make_views(snapshot, result_tables(self._indexers), before=before))
        except (*OUR_ERRORS, OSError) as error:
            return Followed(path=self._path, problem=str(error))


def show_new_metadata(session: KymSession, image_ids: Sequence[str]) -> None:
    """Let the open record, where it is one of these, show its metadata as they are saved now; its ROIs stay as they are.

    Raises
    ------
    KymflowZarrError
        When they cannot be read.
    """
    editor = session.editor
    if editor is None or editor.image_id not in image_ids:
        return
    editor.image.reload()
    header = editor.image.header
    for layer in session.viewer.layers:
        tag = tag_of(layer)
        if tag is not None and tag.image_id == editor.image_id and tag.dataset_path == str(editor.dataset.path):
            layer.metadata[KEY] = replace(tag, seconds_per_line=header.seconds_per_line, um_per_pixel=header.um_per_pixel)
    session.rois_changed.emit()
    session.state_changed.emit()
