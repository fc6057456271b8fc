"""A record whose file has changed: the new pixels under the old id, with its ROIs, its history and its results.

The rule of this room: no result is touched. First the digest of the new pixels is saved in the metadata; from that moment
a result holds only if it states that digest. Then the pixels are replaced. After an import that was stopped in between, the
next one does both again.
"""

import hashlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from kymflow_zarr import layout
from kymflow_zarr.errors import KymflowZarrError, SourceError
from kymflow_zarr.formats.strict_json import JsonObject
from kymflow_zarr.importing.content import FileContent
from kymflow_zarr.record.ome import DescribeImage
from kymflow_zarr.record.record import ZarrImageRecord
from kymflow_zarr.tables.sources import Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewed:
    """The metadata that a record has with the pixels of its changed file, and what is worth knowing of that."""

    metadata: JsonObject
    notes: tuple[str, ...] = ()


Renew: TypeAlias = Callable[[ZarrImageRecord, FileContent], Renewed]
"""Says what a record has with the pixels of its changed file; raises `SourceError` where it cannot have them."""


def pixels_digest(pixels: NDArray[Any]) -> str:
    """Return the sha256, in hexadecimal, of an array's dtype, shape and values in C order, little-endian.

    An analysis states it of the array that it analysed, as `pixels` of what its result was computed from.
    """
    array = np.asarray(pixels)
    little = array.astype(array.dtype.newbyteorder("<"), copy=False)
    hasher = hashlib.sha256(f"{little.dtype.str} {array.shape}".encode())
    hasher.update(np.ascontiguousarray(little).tobytes())
    return hasher.hexdigest()


def keep_metadata(record: ZarrImageRecord, content: FileContent) -> Renewed:
    """Return the metadata as they are: what storage can say of a changed file, where its shape is the old one."""
    shape = record.get_shape()
    if shape != content.pixels.shape:
        raise SourceError(
            f"it has changed its shape from {shape} to {content.pixels.shape}, to which the ROIs of its record may not "
            "fit; import it under another name, as a new record"
        )
    return Renewed(metadata=record.load_metadata_payload())


def replace_content(
    record: ZarrImageRecord, content: FileContent, source: Source, *, renew: Renew, describe: DescribeImage | None = None
) -> tuple[str, ...]:
    """Give a record the pixels of its changed file, and return what is worth knowing.

    Raises
    ------
    SourceError
        When the record cannot have them; then it stays as it is.
    ConflictError
        When another program saved the record's metadata in between; then, too.
    """
    revision = record.load_revision()
    renewed = renew(record, content)
    metadata = {**renewed.metadata, layout.PIXELS_SHA256: pixels_digest(content.pixels)}
    if metadata != revision.payload:
        record.save_metadata_payload(metadata, expected=revision)
    record.replace_array(content.pixels, axes=content.axes)
    record.save_json(layout.PROVENANCE, source.to_json())
    if describe is not None:
        with suppress(KymflowZarrError):  # derived, and the record has its pixels: no reason to fail
            record.save_ome(describe(metadata))
    return renewed.notes
