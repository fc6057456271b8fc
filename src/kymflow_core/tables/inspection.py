"""What the rows of images are worth in some tables: looks at each image once, and writes nothing.

The rule of this room: a table's index is read before the files that it speaks of, so that a change in between is noticed.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kymflow_core.indexers.protocol import DatasetIndexer
from kymflow_core.tables.extraction import as_indexed, inspect_image, watched_keys
from kymflow_core.tables.freshness import CurrentState, Freshness, decide
from kymflow_core.tables.index import IndexEntries, load_index
from kymflow_zarr import ZarrDataset
from kymflow_zarr.errors import RecordNotFoundError
from kymflow_zarr.record.held import HeldRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspected:
    """What the rows of each image in one table are worth, the stamps of its files, and what is known of the table."""

    worth: dict[str, Freshness]
    stamps: dict[str, str]
    known: IndexEntries


def inspect_tables(
    dataset: ZarrDataset, there: Sequence[str], indexers: Sequence[DatasetIndexer], image_ids: Iterable[str] | None = None
) -> list[Inspected]:
    """Return what the rows are worth, for the table of each indexer.

    Parameters
    ----------
    dataset, there
        The dataset, and the images that it has.
    indexers
        Those that fill the tables.
    image_ids
        Only these images; by default all, and deleted ones that a table has rows of.
    """
    known = [load_index(dataset, indexer.table_name) for indexer in indexers]
    found = [Inspected(worth={}, stamps={}, known=entries) for entries in known]
    looks = [(indexer, watched_keys(indexer), one) for indexer, one in zip(indexers, found, strict=True)]
    present, asked = set(there), None if image_ids is None else set(image_ids)
    for image_id in sorted(present if asked is None else asked & present):
        quick, record = dataset.quick_stamps(image_id), None
        for indexer, keys, one in looks:
            indexed, stamp = one.known.index.get(image_id), quick.file_stamp(keys)
            if indexed is not None and stamp and stamp == indexed.file_stamp:
                seen: CurrentState | None = as_indexed(indexed)
            else:
                record = record or _held(dataset, image_id)
                seen, stamp = inspect_image(record, indexer, indexed, keys) if record else (None, None)
            if stamp is not None:
                one.stamps[image_id] = stamp
            one.worth[image_id] = _decide(indexer, image_id, seen, one.known)
    for indexer, _, one in looks:
        gone = set(one.known.n_rows) - present
        for image_id in sorted(gone if asked is None else asked & gone):
            one.worth[image_id] = _decide(indexer, image_id, None, one.known)
    return found


def _held(dataset: ZarrDataset, image_id: str) -> HeldRecord | None:
    try:
        return dataset.held_record(image_id)
    except RecordNotFoundError:  # deleted just now
        return None


def _decide(indexer: DatasetIndexer, image_id: str, seen: CurrentState | None, known: IndexEntries) -> Freshness:
    n_rows = known.n_rows.get(image_id, 0)
    return decide(seen, known.index.get(image_id), version=indexer.schema_version, n_rows=n_rows)
