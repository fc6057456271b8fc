"""What an analysis needs of the thing that holds an image: its pixels, and named results.

The rule of this room: a store keeps each promise here as every other store does; `kymflow_zarr.testing` has the tests.
"""

from typing import Any, Protocol, runtime_checkable

from numpy.typing import ArrayLike, NDArray

from kymflow_zarr.formats.strict_json import JsonObject, JsonValue


@runtime_checkable
class ArtifactStore(Protocol):
    """Named JSON objects and named arrays of one image.

    A name follows the naming rule of artifacts and has no '.' or '/'; "metadata" and "zarr" are taken. A name that one
    store accepts, every store does. An object and an array may have the same name. Saving replaces whole: after a
    failure the old value is unchanged. What is there already, under whatever name, may be listed and loaded.
    """

    def save_dict(self, name: str, value: JsonObject) -> None:
        """Write or replace a JSON object.

        Raises
        ------
        InvalidNameError
            When the name is not allowed.
        InvalidValueError
            When the value is no object, is not strict JSON (NaN is not), or has the reserved key "kymflow"; the message
            has the path of what is wrong.
        RecordNotFoundError
            When the image is no longer there.
        ReadOnlyError, NotSavedError
            When the disk refuses or fails.
        """

    def load_dict(self, name: str) -> dict[str, JsonValue]:
        """Return a JSON object.

        Raises
        ------
        ArtifactNotFoundError
            When there is none of that name; the message lists those there are.
        DamagedError
            When it cannot be read, is not what was saved, or is JSON but no object.
        InvalidNameError
            When the name leads out of the store.
        """

    def save_array_artifact(self, name: str, arr: ArrayLike) -> None:
        """Write or replace an array of numbers or booleans, any shape; raises as `save_dict`."""

    def load_array_artifact(self, name: str) -> NDArray[Any]:
        """Return an array as it was saved, but for the byte order; raises as `load_dict`."""

    def list_array_artifacts(self) -> list[str]:
        """Return the names of the arrays, sorted."""


@runtime_checkable
class PixelStore(Protocol):
    """The pixels of one image, which never change."""

    def open_array(self) -> Any:
        """Return the pixels to look into: an object with `shape`, `dtype` and numpy slicing that cannot be written.

        Lazy where the file allows it: then only the pixels that are asked for are read.
        """

    def load_array(self) -> NDArray[Any]:
        """Return all pixels, a new array at every call.

        Raises
        ------
        DamagedError, SourceError
            When they are missing or cannot be read; both are `ValueError`.
        """

    def get_axes(self) -> tuple[str, ...]:
        """Return one name a dimension, such as `("y", "x")`."""
