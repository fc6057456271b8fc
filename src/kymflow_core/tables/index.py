"""The index of a dataset table as values by image, and as the Arrow table that is stored."""

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace

import pyarrow as pa
import pyarrow.compute as pc

from kymflow_core.tables.freshness import Indexed
from kymflow_core.tables.row_digests import row_digests
from kymflow_zarr import TableIndex, ZarrDataset
from kymflow_zarr.errors import DamagedError
from kymflow_zarr.tables.table_files import IMAGE_ID

_SCHEMA = pa.schema(
    {
        IMAGE_ID: pa.string(),
        "fingerprint": pa.string(),
        "version": pa.string(),
        "n_rows": pa.int64(),
        "changes": pa.string(),
        "error": pa.string(),
        "rows_digest": pa.int64(),
        "file_stamp": pa.string(),
    }
)
UNREADABLE = "unreadable"
"""Stands for the digest of a table's file that is damaged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexEntries:
    """What is known of a table as it is in the file of a digest.

    `index` has the index's entries that are true of that file, by image; `n_rows` how many rows the file has of each
    image that it has some of. `stored` is the index as it is stored, where that was written for that file and has just our
    columns.
    """

    index: Mapping[str, Indexed] = field(default_factory=dict)
    n_rows: Mapping[str, int] = field(default_factory=dict)
    digest: str = ""
    stored: TableIndex | None = None

    def of_other_version(self, version: str) -> list[str]:
        """Return the images with rows that were made by another version of the indexer than this one."""
        versions = self.index.versions if isinstance(self.index, StoredEntries) else _versions(self.index)
        return [one for one, other in versions.items() if other not in ("", version) and self.n_rows.get(one)]


class StoredEntries(Mapping[str, Indexed]):
    """The entries of an index as it is stored, each made when it is asked for.

    Parameters
    ----------
    rows
        The index.

    Raises
    ------
    ValueError, TypeError, pyarrow.ArrowException
        When it is none of ours.
    """

    def __init__(self, rows: pa.Table) -> None:
        if not set(_SCHEMA.names) <= set(rows.column_names):
            raise ValueError(f"an index has the columns {_SCHEMA.names}; this one has {rows.column_names}")
        columns = {name: rows[name].cast(kind) for name, kind in zip(_SCHEMA.names, _SCHEMA.types, strict=True)}
        filled = {name: pc.fill_null(column, "" if column.type == pa.string() else 0) for name, column in columns.items()}
        self._columns = [column.to_pylist() for column in filled.values()]
        self._places = {image_id: at for at, image_id in enumerate(self._columns[0])}
        self._changes = {at: tuple(json.loads(text)) for at, text in enumerate(self._columns[4]) if text}
        self._made: dict[str, Indexed] = {}

    @property
    def versions(self) -> dict[str, str]:
        """The indexer's version that each image's rows were made by."""
        return dict(zip(self._columns[0], self._columns[2], strict=True))

    @property
    def n_rows(self) -> dict[str, int]:
        """How many rows the table has of each image that it has some of."""
        return {image_id: count for image_id, count in zip(self._columns[0], self._columns[3], strict=True) if count}

    def __getitem__(self, image_id: str) -> Indexed:
        """Return the entry of an image."""
        made = self._made.get(image_id)
        if made is None:
            at = self._places[image_id]
            _, fingerprint, version, n_rows, _, error, digest, stamp = (column[at] for column in self._columns)
            made = self._made[image_id] = Indexed(
                fingerprint=fingerprint,
                version=version,
                n_rows=n_rows,
                changes=self._changes.get(at, ()),
                error=error,
                rows_digest=digest,
                file_stamp=stamp,
            )
        return made

    def __iter__(self) -> Iterator[str]:
        """Yield the images."""
        return iter(self._places)

    def __len__(self) -> int:
        """Return how many images there are."""
        return len(self._places)


def _versions(index: Mapping[str, Indexed]) -> dict[str, str]:
    return {image_id: one.version for image_id, one in index.items()}


def to_arrow(index: Mapping[str, Indexed]) -> pa.Table:
    """Return one row an image, as it is stored: inverse of `StoredEntries`."""
    ids = sorted(index)
    held = [index[image_id] for image_id in ids]
    columns = [
        ids,
        [one.fingerprint for one in held],
        [one.version for one in held],
        [one.n_rows for one in held],
        [json.dumps(one.changes, ensure_ascii=False) if one.changes else "" for one in held],
        [one.error for one in held],
        [one.rows_digest for one in held],
        [one.file_stamp for one in held],
    ]
    return pa.table([pa.array(column, kind) for column, kind in zip(columns, _SCHEMA.types, strict=True)], schema=_SCHEMA)


def _entries_of(stored: TableIndex | None) -> Mapping[str, Indexed]:
    """Return what a stored index says, by image; nothing where it is none of ours."""
    if stored is None:
        return {}
    try:
        return StoredEntries(stored.rows)
    except (pa.ArrowException, ValueError, TypeError):
        return {}


def load_index(dataset: ZarrDataset, name: str) -> IndexEntries:
    """Return the index's entries that are true of the table as it is now.

    An image whose rows differ from its entry is left out. Where the table's file is the one that the index was
    made for, that is known at once. Otherwise all rows are compared.
    """
    stored = dataset.load_table_index(name)
    index = _entries_of(stored)
    digest = digest_of(dataset, name)
    if stored and isinstance(index, StoredEntries) and digest == stored.table_digest:
        is_ours = stored.rows.schema.equals(_SCHEMA)
        return IndexEntries(index=index, n_rows=index.n_rows, digest=digest, stored=stored if is_ours else None)
    if digest in ("", UNREADABLE):
        return IndexEntries(digest=digest)
    try:
        return _known_of(dataset.load_arrow(name), index, digest)
    except (DamagedError, FileNotFoundError):
        return IndexEntries(digest=digest)


def compare_index(dataset: ZarrDataset, name: str, table: pa.Table) -> IndexEntries:
    """Return the stored entries of those images whose rows in the table still agree with them."""
    return _known_of(table, _entries_of(dataset.load_table_index(name)), "")


def save_index(
    dataset: ZarrDataset, name: str, index: Mapping[str, Indexed], *, digest: str, upon: TableIndex | None = None
) -> None:
    """Write the index of the table in the file of a digest; of another file, written since, it is then not believed.

    With `upon`, the index as it was loaded, only entries of some images are given: those of the others hold still.
    """
    dataset.save_table_index(name, TableIndex(to_arrow(index), digest), upon=upon)


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
