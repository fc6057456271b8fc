"""What the open dataset holds, for the docks: its records in order, and its tables made again. No viewer, no layer."""

import os
from pathlib import Path

from kymflow_core import AcqImage, KymDataset, UpdateReport
from kymflow_core.errors import KymflowError
from kymflow_core.indexers import INDEXERS
from kymflow_zarr import ZarrDataset
from kymflow_zarr.errors import KymflowZarrError

OUR_ERRORS = (KymflowError, KymflowZarrError)
"""What is shown to the user as one message at the edge."""


def load_records(dataset: ZarrDataset) -> dict[str, AcqImage | str]:
    """Return the records by id, in the order of their acquisition; a damaged one as the reason why, last."""
    images: dict[str, AcqImage | str] = {}
    for image_id in dataset.list_image_ids():
        try:
            images[image_id] = AcqImage(dataset.record(image_id))
        except OUR_ERRORS as error:
            images[image_id] = str(error)
    return dict(sorted(images.items(), key=_by_acquisition))


def is_writable(path: Path) -> bool:
    """Return whether this computer may write into a dataset; a save may still fail, and says why."""
    return os.access(path / "images", os.W_OK)


def run_indexers(path: Path, image_id: str | None = None) -> list[UpdateReport]:
    """Make all tables of a dataset again, or only one image's rows in them; safe in a worker.

    Raises
    ------
    DatasetNotFoundError
        When the dataset is gone: it is never made anew in its place.
    """
    tables = KymDataset(ZarrDataset(path, mode="r").path)
    if image_id is None:
        return [tables.rebuild(indexer) for indexer in INDEXERS]
    return [tables.update_image(indexer, image_id) for indexer in INDEXERS]


def _by_acquisition(item: tuple[str, AcqImage | str]) -> tuple[bool, int, str, str]:
    image_id, image = item
    if isinstance(image, str):
        return True, 0, "", image_id
    acquired = image.header.acquired_local_epoch_ns
    return acquired is None, acquired or 0, image.name, image_id
