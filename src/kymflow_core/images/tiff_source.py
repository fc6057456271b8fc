"""A TIFF or another image file, with the files next to it, as the source of an `AcqImage`.

The rule of this room: ROIs and notes are saved in `<stem>.kymflow.json`, masks in `<stem>.<name>.npy`; the image and what
other programs wrote next to it are never touched. A file next to an image has no history, and of two programs that save in
the same moment the second wins: for work in common there are datasets.
"""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from numpy.typing import ArrayLike, NDArray

from kymflow_core.images.acquisition_file import read_acquisition_file
from kymflow_core.images.metadata import HEADER
from kymflow_core.images.tiff_sidecar import load_saved, save_beside, sidecar_store
from kymflow_zarr import FileContent, JsonObject, Revision
from kymflow_zarr.errors import ArtifactExistsError, ConflictError
from kymflow_zarr.stores import TiffSidecarStore


class TiffSource:
    """One image file; its pixels are read whole, once."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def open_array(self) -> NDArray[Any]:
        """Return the pixels."""
        return self._content.pixels

    def get_axes(self) -> tuple[str, ...]:
        """Return one name a dimension."""
        return self._content.axes

    def load_revision(self) -> Revision:
        """Return header, experiment metadata and ROIs: as they were saved last, else as they lay next to the TIFF."""
        beside = self._content.metadata
        saved = load_saved(self._store)
        if saved is None:
            return Revision(number=0, payload=beside)
        header = {key: value for key, value in beside.items() if key == HEADER}
        return Revision(number=saved.number, payload={**saved.payload, **header}, saved_utc=saved.saved_utc)

    def save_metadata_payload(self, payload: JsonObject, *, expected: Revision | None = None) -> Revision:
        """Write the metadata next to the TIFF.

        Raises
        ------
        ConflictError
            When they are no longer as `expected`.
        ReadOnlyError, NotSavedError
            When the disk refuses or fails; the older ones stand.
        """
        current = self.load_revision()
        if expected is not None and (current.number, current.sha256) != (expected.number, expected.sha256):
            raise ConflictError(
                f"not saved: the ROIs of {self.path} were saved by another program meanwhile; read them again, then save"
            )
        return save_beside(self._store, payload, number=current.number + 1)

    def list_array_artifacts(self) -> list[str]:
        """Return the names of the arrays next to the TIFF."""
        return self._store.list_array_artifacts()

    def load_array_artifact(self, name: str) -> NDArray[Any]:
        """Return an array next to the TIFF."""
        return self._store.load_array_artifact(name)

    def save_array_artifact(
        self, name: str, arr: ArrayLike, *, axes: Sequence[str] | None = None, held_by_metadata: bool = False
    ) -> None:
        """Write an array next to the TIFF; one that belongs to the metadata replaces none (`ArtifactExistsError`)."""
        if held_by_metadata and name in self._store.list_array_artifacts():
            raise ArtifactExistsError(f"not saved: there is an array {name!r} next to {self.path}; choose another name")
        self._store.save_array_artifact(name, arr)

    @cached_property
    def _content(self) -> FileContent:
        return read_acquisition_file(self.path)

    @cached_property
    def _store(self) -> TiffSidecarStore:
        return sidecar_store(self.path)
