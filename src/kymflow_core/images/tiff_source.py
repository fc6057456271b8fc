"""A TIFF or another image file, with the files next to it, as the source of an `AcqImage`.

The rule of this room: ROIs and notes are saved in `<stem>.kymflow.json`, masks in `<stem>.<name>.npy`; the image and what
other programs wrote next to it are never touched. A save is a commit (`kymflow_zarr.stores.committed`): of two programs
that save at once, one learns that it was second. There is no history.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from numpy.typing import ArrayLike, NDArray

from kymflow_core.images.acquisition_file import read_acquisition_file
from kymflow_core.images.metadata import HEADER
from kymflow_core.images.tiff_sidecar import load_saved, save_beside, sidecar_store
from kymflow_zarr import FileContent, JsonObject, Revision
from kymflow_zarr.errors import ConflictError
from kymflow_zarr.stores import TiffSidecarStore
from kymflow_zarr.stores.committed import Committed


class TiffSource:
    """One image file; its pixels are read whole, once."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def open_array(self) -> NDArray[Any]:
        """Return the pixels."""
        return self._content.pixels

    load_array = open_array

    def get_axes(self) -> tuple[str, ...]:
        """Return one name a dimension."""
        return self._content.axes

    def load_revision(self) -> Revision:
        """Return header, experiment metadata and ROIs: as they were saved last, else as they lay next to the TIFF."""
        return self._load()[0]

    def _load(self) -> tuple[Revision, Committed]:
        """Return the newest metadata, and what the next commit is made upon."""
        beside = self._content.metadata
        saved = load_saved(self._store)
        if saved.revision is None:
            return Revision(number=0, payload=beside), saved.upon
        header = {key: value for key, value in beside.items() if key == HEADER}
        return replace(saved.revision, payload={**saved.revision.payload, **header}), saved.upon

    def save_metadata_payload(self, payload: JsonObject, *, expected: Revision | None = None) -> Revision:
        """Commit the metadata next to the TIFF.

        Raises
        ------
        ConflictError
            When they are no longer as `expected`, or another program committed at the same moment.
        ReadOnlyError, NotSavedError
            When the disk refuses or fails; the older ones stand.
        """
        while True:
            current, upon = self._load()
            is_expected = expected is None or (current.number, current.sha256) == (expected.number, expected.sha256)
            if is_expected and (done := save_beside(self._store, payload, upon=upon)):
                return done
            if expected is not None:
                raise ConflictError(
                    f"not saved: the ROIs of {self.path} were saved by another program meanwhile; read them again, "
                    "then save"
                )

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
        save = self._store.create_array_artifact if held_by_metadata else self._store.save_array_artifact
        save(name, arr)

    @cached_property
    def _content(self) -> FileContent:
        return read_acquisition_file(self.path)

    @cached_property
    def _store(self) -> TiffSidecarStore:
        return sidecar_store(self.path)
