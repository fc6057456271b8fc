"""A record whose file has changed: the new pixels under the old id, with its ROIs, its history and its results.

The rule of this room: at every moment results are called outdated or hold. So first each result states of which pixels it
was made, then the metadata say that there are others, and only then the pixels change places. Who is stopped in between
does it again: every step can be repeated.
"""

import hashlib
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from kymflow_zarr import _layout
from kymflow_zarr._json import JsonObject, JsonValue
from kymflow_zarr.errors import SourceError
from kymflow_zarr.ingest import FileContent
from kymflow_zarr.record import ZarrImageRecord
from kymflow_zarr.sources import Source

PIXELS = "pixels"
"""Where a statement of what a result was computed from has the digest of the pixels."""

Renew: TypeAlias = Callable[[ZarrImageRecord, FileContent], JsonObject]
"""Returns the metadata that a record has with the pixels of its changed file; raises `SourceError` where it has none."""


def pixels_digest(pixels: NDArray[Any]) -> str:
    """Return the sha256, in hexadecimal, of an array's dtype, shape and values in C order, little-endian."""
    array = np.asarray(pixels)
    little = array.astype(array.dtype.newbyteorder("<"), copy=False)
    hasher = hashlib.sha256(f"{little.dtype.str} {array.shape}".encode())
    hasher.update(np.ascontiguousarray(little).tobytes())
    return hasher.hexdigest()


def keep_metadata(record: ZarrImageRecord, content: FileContent) -> JsonObject:
    """Return the metadata as they are: what storage can say of a changed file, where its shape is the old one."""
    shape = record.get_shape()
    if shape != content.pixels.shape:
        raise SourceError(
            f"it has changed its shape from {shape} to {content.pixels.shape}, to which the ROIs of its record may not "
            "fit; import it under another name, as a new record"
        )
    return record.load_metadata_payload()


def replace_content(record: ZarrImageRecord, content: FileContent, source: Source, *, renew: Renew) -> None:
    """Give a record the pixels of its changed file.

    Raises
    ------
    SourceError
        When the record cannot have them; then it stays as it is.
    ConflictError
        When another program saved the record's metadata meanwhile.
    """
    revision = record.load_revision()
    metadata = dict(renew(record, content))
    old, new = pixels_digest(record.load_array()), pixels_digest(content.pixels)
    for key in record.list_analysis_keys():
        if key != f"{_layout.PROVENANCE}{_layout.JSON}":
            _state_pixels(record, key, old)
    metadata[_layout.PIXELS_SHA256] = new
    record.save_metadata_payload(metadata, expected=revision)
    record.replace_array(content.pixels, axes=content.axes)
    record.save_json(_layout.PROVENANCE, source.to_json())


def _state_pixels(record: ZarrImageRecord, key: str, digest: str) -> None:
    """State in a result's file that it was made of the pixels of a digest, unless it states of which already."""
    said = record.load_computed_from(key)
    if said is not None and said.get(PIXELS):
        return
    stated: dict[str, JsonValue] = {**(said or {}), PIXELS: digest}
    if key.endswith(_layout.PARQUET):
        name = key.removesuffix(_layout.PARQUET)
        record.save_df_parquet(name, record.load_df_parquet(name), computed_from=stated)
    elif key.endswith(_layout.JSON):
        name = key.removesuffix(_layout.JSON)
        record.save_json(name, record.load_json(name), computed_from=stated)
