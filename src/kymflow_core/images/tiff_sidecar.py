"""What this program saves next to a TIFF: `<stem>.kymflow.json`, which wins over the older program's `<stem>.json`."""

from collections.abc import Mapping
from dataclasses import dataclass
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
from kymflow_zarr.stores.committed import Committed
from kymflow_zarr.stores.portable import loaded_object

NAME = "kymflow"
_FORMAT = "kymflow_tiff"
_VERSION = 1


def sidecar_store(path: Path) -> TiffSidecarStore:
    """Return what holds the sidecars of a TIFF, or of a file of another format that an installed reader takes."""
    endings = () if path.suffix.lower() in TIFF_ENDINGS else tuple(installed_image_readers().by_ending)
    return TiffSidecarStore(path, further_endings=endings)


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedBeside:
    """What was saved next to a TIFF last, None where nothing was, and what the next save is made upon."""

    revision: Revision | None
    upon: Committed


def load_saved(store: TiffSidecarStore) -> SavedBeside:
    """Return the metadata that were saved next to a TIFF.

    Raises
    ------
    SidecarError
        When the file is of a later version, or something else.
    """
    where = f"{store.path.stem}.{NAME}.json"
    # Asked first: of two TIFFs whose sidecars would be the same files, each is read as it is.
    if not is_there(store.path.with_name(where)):
        return SavedBeside(revision=None, upon=Committed())
    upon = store.committed(NAME).newest()
    if not upon.is_there:
        return SavedBeside(revision=None, upon=upon)
    document = loaded_object(upon.value, what=str(store.path.with_name(where)))
    number, metadata = document.get("revision"), document.get("metadata")
    if (document.get("format"), document.get("version")) != (_FORMAT, _VERSION):
        raise SidecarError(
            f"{where} next to {store.path} has the format {document.get('format')!r}, version "
            f"{document.get('version')!r}; {_FORMAT!r}, version {_VERSION} is known. Update the program, or move it away"
        )
    if not isinstance(number, int) or not isinstance(metadata, Mapping):
        raise SidecarError(f"{where} next to {store.path} lacks its revision or its metadata")
    saved_utc = str(document.get("saved_utc", ""))
    return SavedBeside(revision=Revision(number=number, payload=metadata, saved_utc=saved_utc), upon=upon)


def save_beside(store: TiffSidecarStore, metadata: JsonObject, *, upon: Committed) -> Revision | None:
    """Commit metadata next to a TIFF; None, with nothing written, where another program has saved since."""
    saved_utc = datetime.now(UTC).isoformat(timespec="seconds")
    document: JsonObject = {"format": _FORMAT, "version": _VERSION, "saved_utc": saved_utc, "metadata": dict(metadata)}
    if not store.commit_dict(NAME, document, upon):
        return None
    return Revision(number=upon.next_number, payload=metadata, saved_utc=saved_utc)


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
