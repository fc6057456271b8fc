"""Which file each record came from: `tables/sources.parquet`.

Authoritative. Every imported record also carries its own row as the JSON artifact `provenance`, so that a crash between
the record and the table costs nothing: the next import adds what the table lacks.
"""

import hashlib
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self, cast

import pandas as pd

from kymflow_zarr._json import JsonValue
from kymflow_zarr.errors import DamagedError
from kymflow_zarr.tables import IMAGE_ID

_FIELDS = {
    "source_primary_path": str,
    "source_mtime_ns": int,
    "source_size_bytes": int,
    "source_sha256": str,
    "ingested_epoch_ns": int,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The file that a record came from, as it was when it was read."""

    source_primary_path: str
    source_mtime_ns: int
    source_size_bytes: int
    source_sha256: str
    ingested_epoch_ns: int

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """Look at a file on disk and digest its content."""
        status = path.stat()
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return cls(
            source_primary_path=str(path.resolve()),
            source_mtime_ns=status.st_mtime_ns,
            source_size_bytes=status.st_size,
            source_sha256=digest,
            ingested_epoch_ns=time.time_ns(),
        )

    def to_json(self) -> dict[str, JsonValue]:
        """Return the `provenance` artifact."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: JsonValue, *, where: str) -> Self:
        """Read a `provenance` artifact: inverse of `to_json`."""
        fields = {name: value.get(name) for name in _FIELDS} if isinstance(value, Mapping) else {}
        wrong = [name for name, kind in _FIELDS.items() if not isinstance(fields.get(name), kind)]
        if wrong:
            raise DamagedError(f"{where} is no provenance of a file: {', '.join(wrong)} missing or of the wrong type")
        return cls(**cast("dict[str, Any]", fields))


def sources_to_frame(sources: Mapping[str, Source]) -> pd.DataFrame:
    """Return one row an image, with the columns and dtypes of the sources table."""
    rows = [{IMAGE_ID: image_id, **asdict(source)} for image_id, source in sources.items()]
    dtypes = {IMAGE_ID: "str", **{name: "int64" if kind is int else "str" for name, kind in _FIELDS.items()}}
    return pd.DataFrame(rows, columns=list(dtypes)).astype(dtypes)
