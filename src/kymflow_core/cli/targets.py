"""Which dataset, which folder and which image a command means."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from kymflow_core.errors import CommandError
from kymflow_zarr.errors import KymflowZarrError

if TYPE_CHECKING:
    from kymflow_zarr import ZarrDataset
    from kymflow_zarr.tables.sources import Source


_FEWEST_PARTS = 3
"""Of a folder that is looked through unasked: not the root of a disk, nor what lies directly in it."""


def existing(path: Path) -> "ZarrDataset":
    """Open a dataset that must be there."""
    from kymflow_zarr import ZarrDataset

    ZarrDataset(path, mode="r")
    return ZarrDataset(path)


def names_of(dataset: "ZarrDataset", image_ids: Iterable[str]) -> dict[str, str]:
    """Return what a person calls some images: the file's name, else that in the header, else the beginning of the id."""
    from kymflow_zarr.tables.sources import SOURCE_PATH

    frame = dataset.load_sources_index()
    files = dict(zip(frame["image_id"], frame[SOURCE_PATH], strict=True))
    return {
        image_id: files[image_id].replace("\\", "/").rpartition("/")[2] if image_id in files else _name(dataset, image_id)
        for image_id in set(image_ids)
    }


def _name(dataset: "ZarrDataset", image_id: str) -> str:
    from kymflow_core.images.metadata import RecordMetadata

    try:
        header = RecordMetadata.load(dataset.record(image_id)).header
    except KymflowZarrError:  # damaged, or deleted: the id says which it is
        return image_id[:8]
    return header.name or image_id[:8]


def source_folder(dataset: "ZarrDataset") -> Path:
    """Return the folder that has all files of a dataset, of those that are there.

    Raises
    ------
    CommandError
        When it is not known, no longer there, or too wide.
    """
    sources = dataset.load_sources().values()
    if not sources:
        raise CommandError(f"{dataset.path} came from no folder yet; give the folder that has its TIFF files")
    here = dataset.path.resolve()
    found = {_folder_now(source, here) for source in sources}
    folders = sorted(one for one in found if one) or [Path(source.source_primary_path).parent for source in sources]
    try:
        folder = Path(os.path.commonpath(folders))
    except ValueError:  # on several drives
        folder = Path(folders[0].anchor)
    if len(folder.parts) < _FEWEST_PARTS or not folder.is_dir():
        raise CommandError(
            f"the files of {dataset.path} came from folders that only {folder} has in common, or it is no longer there; "
            "give the folder to look in"
        )
    return folder


def _folder_now(source: "Source", dataset: Path) -> Path | None:
    """Return the folder that a file is in, or was in; None where not even that is there.

    The way from the dataset comes first: where a dataset was copied with its files, the copies are meant.
    """
    was, *relative = source.places(dataset)
    places = (*relative, was)
    there = next((place for place in places if _is_there(place)), None)
    folder = there or next((place for place in places if _is_there(place.parent)), None)
    return folder.parent if folder else None


def _is_there(path: Path) -> bool:
    try:
        return path.is_absolute() and path.exists()  # what another system calls absolute may be relative here
    except OSError:  # a name that this system cannot have
        return False
