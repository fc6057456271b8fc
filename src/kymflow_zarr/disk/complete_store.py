"""A zarr store of an array that was complete when it was opened: what vanishes afterwards is an error, never zeros."""

from zarr.abc.buffer import Buffer, BufferPrototype
from zarr.abc.store import ByteRequest
from zarr.storage import LocalStore

from kymflow_zarr.errors import DamagedError


class CompleteStore(LocalStore):
    """A store of an array all of whose chunks were there when it was opened."""

    async def get(
        self, key: str, prototype: BufferPrototype | None = None, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """Return the bytes of a key as zarr does; raise `DamagedError` where a chunk is gone."""
        try:
            found = await super().get(key, prototype, byte_range)
        except FileNotFoundError:  # zarr looks for the folder at the first read
            found = None
        if found is None and not key.startswith((".z", "zarr.json")):
            raise DamagedError(f"{self.root}/{key} is no longer there: the array was deleted or moved, or its disk is gone")
        return found
