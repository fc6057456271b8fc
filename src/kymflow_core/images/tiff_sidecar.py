"""What this program saves next to a TIFF: `<stem>.kymflow.json`, which wins over the older program's `<stem>.json`."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from kymflow_core.errors import SidecarError
from kymflow_core.images.image_readers import installed_image_readers
from kymflow_core.images.metadata import RecordMetadata
from kymflow_zarr import JsonObject, Revision, array_name
from kymflow_zarr.formats.tiff import TIFF_ENDINGS
from kymflow_zarr.importing.folders import is_there
from kymflow_zarr.stores import TiffSidecarStore

NAME = "kymflow"
_FORMAT = "kymflow_tiff"
_VERSION = 1


def sidecar_store(path: Path) -> TiffSidecarStore:
    """Return what holds the sidecars of a TIFF, or of a file of another format that an installed reader takes."""
    endings = () if path.suffix.lower() in TIFF_ENDINGS else tuple(installed_image_readers().by_ending)
    return TiffSidecarStore(path, further_endings=endings)


def load_saved(store: TiffSidecarStore) -> Revision | None:
    """Return the metadata that were saved next to a TIFF; None where there are none.

    Raises
    ------
    SidecarError
        When the file is of a later version, or something else.
    """
    if not is_there(store.path.with_name(f"{store.path.stem}.{NAME}.json")):
        return None
    document = store.load_dict(NAME)
    number, metadata = document.get("revision"), document.get("metadata")
    if (document.get("format"), document.get("version")) != (_FORMAT, _VERSION):
        raise SidecarError(
            f"{store.path.stem}.{NAME}.json next to {store.path} has the format {document.get('format')!r}, version "
            f"{document.get('version')!r}; {_FORMAT!r}, version {_VERSION} is known. Update the program, or move it away"
        )
    if not isinstance(number, int) or not isinstance(metadata, Mapping):
        raise SidecarError(f"{store.path.stem}.{NAME}.json next to {store.path} lacks its revision or its metadata")
    return Revision(number=number, payload=metadata, saved_utc=str(document.get("saved_utc", "")))


def save_beside(store: TiffSidecarStore, metadata: JsonObject, *, number: int) -> Revision:
    """Write metadata next to a TIFF as revision `number`, whole or not at all."""
    saved_utc = datetime.now(UTC).isoformat(timespec="seconds")
    store.save_dict(
        NAME,
        {
            "format": _FORMAT,
            "version": _VERSION,
            "revision": number,
            "saved_utc": saved_utc,
            "metadata": dict(metadata),
        },
    )
    return Revision(number=number, payload=metadata, saved_utc=saved_utc)


def load_saved_masks(path: Path, metadata: JsonObject) -> dict[str, NDArray[Any]]:
    """Return the arrays next to a TIFF that its saved ROIs refer to as their masks.

    Raises
    ------
    ArtifactNotFoundError, DamagedError
        When one is not there, or cannot be read.
    """
    store = sidecar_store(path)
    names = {array_name(roi.mask_ref) for roi in RecordMetadata.from_json(metadata).rois if roi.mask_ref}
    return {name: store.load_array_artifact(name) for name in sorted(name for name in names if name)}
