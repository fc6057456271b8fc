"""A TIFF file, with what lies beside it, as the source of an `AcqImage`: read only."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn

from numpy.typing import ArrayLike, NDArray

from kymflow_core.acquisition_file import read_acquisition_file
from kymflow_zarr import FileContent, JsonObject, Revision
from kymflow_zarr.errors import ArtifactNotFoundError, ReadOnlyError


class TiffSource:
    """One TIFF; its pixels are read whole, once."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @cached_property
    def _content(self) -> FileContent:
        return read_acquisition_file(self.path)

    def open_array(self) -> NDArray[Any]:
        """Return the pixels."""
        return self._content.pixels

    def get_axes(self) -> tuple[str, ...]:
        """Return one name a dimension."""
        return self._content.axes

    def load_revision(self) -> Revision:
        """Return header, experiment metadata and ROIs as one revision."""
        return Revision(number=0, payload=self._content.metadata)

    def list_array_artifacts(self) -> list[str]:
        """Return none: a TIFF has no array artifacts."""
        return []

    def load_array_artifact(self, name: str) -> NDArray[Any]:
        """Refuse: a TIFF has no array artifacts."""
        raise ArtifactNotFoundError(f"no array artifact named {name!r}: {self.path} is a TIFF and has none")

    def save_metadata_payload(self, payload: JsonObject, *, expected: Revision | None = None) -> Revision:
        """Refuse: nothing is written beside a TIFF."""
        self._refuse()

    def save_array_artifact(
        self, name: str, arr: ArrayLike, *, axes: Sequence[str] | None = None, held_by_metadata: bool = False
    ) -> None:
        """Refuse: nothing is written beside a TIFF."""
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise ReadOnlyError(
            f"not saved: {self.path} is a TIFF; import its folder into a dataset (napari-kymflow import) and save there"
        )
