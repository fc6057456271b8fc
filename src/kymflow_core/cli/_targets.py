"""Which dataset, which folder and which image a command means."""

import os
from collections.abc import Iterable
from pathlib import Path

from kymflow_core.errors import CommandError
from kymflow_core.headers import AcquisitionHeader
from kymflow_zarr import ZarrDataset
from kymflow_zarr.errors import KymflowZarrError

SOURCE_PATH = "source_primary_path"
_FEWEST_PARTS = 3
"""Of a folder that is looked through unasked: not the root of a disk, nor what lies directly in it."""


def existing(path: Path) -> ZarrDataset:
    """Open a dataset that must be there."""
    ZarrDataset(path, mode="r")
    return ZarrDataset(path)


def names_of(dataset: ZarrDataset, image_ids: Iterable[str]) -> dict[str, str]:
    """Return what a person calls some images: the file's name, else that in the header, else the beginning of the id."""
    frame = dataset.load_sources_index()
    files = dict(zip(frame["image_id"], frame[SOURCE_PATH], strict=True))
    return {
        image_id: files[image_id].replace("\\", "/").rpartition("/")[2] if image_id in files else _name(dataset, image_id)
        for image_id in set(image_ids)
    }


def _name(dataset: ZarrDataset, image_id: str) -> str:
    try:
        header = AcquisitionHeader.of_metadata(dataset.record(image_id).load_metadata_payload())
    except KymflowZarrError:  # damaged, or deleted: the id says which it is
        return image_id[:8]
    return header.name or image_id[:8]


def source_folder(dataset: ZarrDataset) -> Path:
    """Return the folder that has all files of a dataset; raise `CommandError` where it is not known, or too wide."""
    paths = [Path(path) for path in dataset.load_sources_index()[SOURCE_PATH]]
    if not paths:
        raise CommandError(f"{dataset.path} came from no folder yet; give the folder that has its TIFF files")
    try:
        folder = Path(os.path.commonpath([path.parent for path in paths]))
    except ValueError:  # on several drives
        folder = Path(paths[0].anchor)
    if len(folder.parts) < _FEWEST_PARTS or not folder.is_dir():
        raise CommandError(
            f"the files of {dataset.path} came from folders that only {folder} has in common, or it is no longer there; "
            "give the folder to look in"
        )
    return folder
