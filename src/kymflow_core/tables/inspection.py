"""What the rows of images are worth in some tables: looks at each image once, and writes nothing.

The rule of this room: a table's index is read before the files that it speaks of, so that a change in between is noticed.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kymflow_core.indexers.protocol import DatasetIndexer
from kymflow_core.tables.extraction import as_indexed, inspect_image, watched_keys
from kymflow_core.tables.freshness import CurrentState, Freshness, decide
from kymflow_core.tables.index import IndexEntries
from kymflow_zarr import ZarrDataset
from kymflow_zarr.errors import DamagedError, RecordNotFoundError
from kymflow_zarr.record.held import HeldRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspected:
    """What the rows of each image in one table are worth, the stamps of its files, and what is known of the table."""

    worth: dict[str, Freshness]
    stamps: dict[str, str]
    known: IndexEntries


def list_images(dataset: ZarrDataset) -> list[str]:
    """Return the images of a dataset; raise `DamagedError` where nobody can know which there are."""
    if dataset.lacks_images:
        raise DamagedError(
            f"the folder of all images of {dataset.path} is not there: its disk is away, or it was moved; nothing "
            "was changed in the tables"
        )
    return dataset.list_image_ids()


def inspect_tables(
    dataset: ZarrDataset,
    tables: Sequence[tuple[DatasetIndexer, IndexEntries]],
    image_ids: Iterable[str] | None = None,
) -> list[Inspected]:
    """Return what the rows are worth, for each table.

    Parameters
    ----------
    dataset
        The dataset.
    tables
        The indexers that fill the tables, and what is known of each table.
    image_ids
        Only these images; by default all, and deleted ones that a table has rows of.
    """
    indexers = [indexer for indexer, _ in tables]
    found = [Inspected(worth={}, stamps={}, known=known) for _, known in tables]
    looks = [(indexer, watched_keys(indexer), one) for indexer, one in zip(indexers, found, strict=True)]
    present, asked = set(list_images(dataset)), None if image_ids is None else set(image_ids)
    for image_id in sorted(present if asked is None else asked & present):
        quick, record = dataset.quick_stamps(image_id), None
        stamps = [quick.file_stamp(keys) for _, keys, _ in looks]  # of all, before the first file is read
        for (indexer, keys, one), stamp in zip(looks, stamps, strict=True):
            indexed = one.known.index.get(image_id)
            if indexed is not None and stamp and stamp == indexed.file_stamp:
                seen: CurrentState | None = as_indexed(indexed)
            else:
                record = record or _held(dataset, image_id)
                seen, stamp = inspect_image(record, indexer, indexed, keys, stamp) if record else (None, None)
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
