"""What each image's rows in a dataset table were made from: `index/<table>.parquet`.

Derived, and never trusted: it names the digest of the table's file that it describes, so that whoever reads it knows
whether it speaks of the table that is there. What its columns mean, the domain floor says.
"""

from dataclasses import dataclass

import pandas as pd

from kymflow_zarr import layout
from kymflow_zarr.disk.blobs import Blobs
from kymflow_zarr.errors import DamagedError, RemoteError
from kymflow_zarr.formats.frames import frame_to_parquet, table_to_frame
from kymflow_zarr.formats.parquet import read_notes, table_from_parquet
from kymflow_zarr.formats.parquet_limits import MAX_PARQUET_BYTES
from kymflow_zarr.formats.places import place_note

_DESCRIBES = "kymflow_table_sha256"


@dataclass(frozen=True, slots=True, eq=False)
class TableIndex:
    """One row an image, and the digest of the table's file that the rows describe."""

    rows: pd.DataFrame
    table_digest: str


def load_table_index(blobs: Blobs, name: str) -> TableIndex | None:
    """Return the index of a table; None where there is none, or it is damaged: then the table is read anew."""
    key = layout.index_key(name)
    what = blobs.describe(key)
    try:
        with blobs.open(key) as file:
            digest = read_notes(file, what=what).get(_DESCRIBES.encode(), b"").decode()
        rows = table_to_frame(
            table_from_parquet(blobs.read(key, limit=MAX_PARQUET_BYTES), what=what, of=place_note(blobs.place(key))),
            what=what,
        )
    except RemoteError:
        raise
    except (OSError, DamagedError, UnicodeDecodeError):
        return None
    return TableIndex(rows, digest)


def save_table_index(blobs: Blobs, name: str, index: TableIndex) -> None:
    """Write or replace the index of a table; what lies there and is no file is set aside."""
    key = layout.index_key(name)
    notes, of = {_DESCRIBES: index.table_digest}, place_note(blobs.place(key))
    data = frame_to_parquet(index.rows, what=f"the index of table {name!r}", notes=notes, of=of)
    blobs.set_odd_aside(key)
    blobs.write(key, data)
