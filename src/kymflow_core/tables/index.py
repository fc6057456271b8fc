"""The index of a dataset table as values by image, and as the frame that is stored."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from kymflow_core.tables.freshness import Indexed
from kymflow_core.tables.row_digests import row_digests
from kymflow_zarr import TableIndex, ZarrDataset
from kymflow_zarr.errors import DamagedError
from kymflow_zarr.tables.table_files import IMAGE_ID

_DTYPES = {
    "image_id": "str",
    "fingerprint": "str",
    "version": "str",
    "n_rows": "int64",
    "changes": "str",
    "error": "str",
    "rows_digest": "int64",
    "file_stamp": "str",
}
UNREADABLE = "unreadable"
"""Stands for the digest of a table's file that is damaged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexEntries:
    """What is known of a table as it is in the file of a digest.

    `index` has the index's entries that are true of that file, by image; `n_rows` how many rows the file has of each
    image that it has some of. `is_noted` says whether the stored index was written for that file.
    """

    index: Mapping[str, Indexed] = field(default_factory=dict)
    n_rows: Mapping[str, int] = field(default_factory=dict)
    digest: str = ""
    is_noted: bool = False


def to_frame(index: Mapping[str, Indexed]) -> pd.DataFrame:
    """Return one row an image, as it is stored: inverse of `from_frame`."""
    ids = sorted(index)
    held = [index[image_id] for image_id in ids]
    columns = {
        "image_id": ids,
        "fingerprint": [one.fingerprint for one in held],
        "version": [one.version for one in held],
        "n_rows": [one.n_rows for one in held],
        "changes": [json.dumps(one.changes, ensure_ascii=False) if one.changes else "" for one in held],
        "error": [one.error for one in held],
        "rows_digest": [one.rows_digest for one in held],
        "file_stamp": [one.file_stamp for one in held],
    }
    return pd.DataFrame({name: pd.Series(values, dtype=_DTYPES[name]) for name, values in columns.items()})


def from_frame(frame: pd.DataFrame) -> dict[str, Indexed]:
    """Return what a stored index says, by image; nothing where it is none of ours."""
    try:
        return _entries_of(frame)
    except (KeyError, ValueError, TypeError):
        return {}


def _entries_of(frame: pd.DataFrame) -> dict[str, Indexed]:
    columns = {name: frame[name].fillna("" if dtype == "str" else 0).tolist() for name, dtype in _DTYPES.items()}
    ids = columns.pop("image_id")
    return {
        image_id: Indexed(
            fingerprint=fingerprint,
            version=version,
            n_rows=n_rows,
            changes=tuple(json.loads(changes)) if changes else (),
            error=error,
            rows_digest=digest,
            file_stamp=stamp,
        )
        for image_id, fingerprint, version, n_rows, changes, error, digest, stamp in zip(
            ids, *columns.values(), strict=True
        )
    }


def load_index(dataset: ZarrDataset, name: str) -> IndexEntries:
    """Return the index's entries that are true of the table as it is now.

    An image whose rows differ from its entry is left out. Where the table's file is the one that the index was
    made for, that is known at once. Otherwise all rows are compared.
    """
    stored = dataset.load_table_index(name)
    index = from_frame(stored.rows) if stored else {}
    digest = digest_of(dataset, name)
    if stored and digest == stored.table_digest:
        n_rows = {image_id: one.n_rows for image_id, one in index.items() if one.n_rows}
        return IndexEntries(index=index, n_rows=n_rows, digest=digest, is_noted=True)
    if digest in ("", UNREADABLE):
        return IndexEntries(digest=digest)
    try:
        return _known_of(dataset.load_arrow(name), index, digest)
    except (DamagedError, FileNotFoundError):
        return IndexEntries(digest=digest)


def compare_index(dataset: ZarrDataset, name: str, table: pa.Table) -> IndexEntries:
    """Return the stored entries of those images whose rows in the table still agree with them."""
    stored = dataset.load_table_index(name)
    return _known_of(table, from_frame(stored.rows) if stored else {}, "")


def save_index(dataset: ZarrDataset, name: str, index: Mapping[str, Indexed], *, digest: str) -> None:
    """Write the index of the table in the file of a digest; of another file, written since, it is then not believed."""
    dataset.save_table_index(name, TableIndex(to_frame(index), digest))


def _known_of(table: pa.Table, index: Mapping[str, Indexed], digest: str) -> IndexEntries:
    if IMAGE_ID not in table.column_names:
        return IndexEntries(digest=digest)
    digests = row_digests(table)
    same = {image_id: one for image_id, one in index.items() if one.rows_digest == digests.get(image_id, 0)}
    return IndexEntries(index=same, n_rows=_count_rows(table), digest=digest)


def _count_rows(table: pa.Table) -> dict[str, int]:
    """Return how many rows a table has of each image that it has some of."""
    counts = pc.value_counts(table[IMAGE_ID].cast(pa.string()).drop_null())
    return dict(zip(counts.field("values").to_pylist(), counts.field("counts").to_pylist(), strict=True))


def digest_of(dataset: ZarrDataset, name: str) -> str:
    """Return the digest of a table's file; empty where there is none, `UNREADABLE` where it is damaged."""
    try:
        return dataset.table_digest(name)
    except DamagedError:
        return UNREADABLE


def with_rows(index: Mapping[str, Indexed], table: pa.Table, image_ids: Collection[str]) -> dict[str, Indexed]:
    """Return the entries of some images with the number and digest of the rows that the table has of them."""
    wanted = pc.is_in(table[IMAGE_ID].cast(pa.string()), pa.array(list(image_ids), pa.string()))
    rows = table if pc.all(wanted).as_py() else table.filter(wanted)
    digests, counts = row_digests(rows), _count_rows(rows)
    return {
        image_id: replace(index[image_id], n_rows=counts.get(image_id, 0), rows_digest=digests.get(image_id, 0))
        for image_id in image_ids
    }
