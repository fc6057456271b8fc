"""Puts the rows of some images into a dataset table, with one write.

The rule of this room: rows of an image that failed stay, marked as outdated, so that nothing is lost and no old number
is shown as new. Images whose columns do not fit those of the others fail.
"""

from collections.abc import Mapping, Sequence

import pandas as pd

from kymflow_core.indexers.protocol import DatasetIndexer
from kymflow_core.tables.extraction import OUTDATED, empty_rows, mark_all
from kymflow_zarr import ReplacedRows, ZarrDataset, check_storable, concatenate_frames
from kymflow_zarr.errors import DamagedError, InvalidValueError, TableNotFoundError
from kymflow_zarr.tables.table_file import IMAGE_ID


def write_rows(
    dataset: ZarrDataset,
    indexer: DatasetIndexer,
    rows: dict[str, pd.DataFrame],
    failed: dict[str, str],
    gone: Sequence[str],
    *,
    is_whole: bool,
) -> ReplacedRows | None:
    """Write the rows of some images, and return the whole table and what it replaced; None where nothing need be written.

    Parameters
    ----------
    dataset, indexer
        Where, and whose table.
    rows
        The new rows by image; those that do not fit are moved to `failed`.
    failed
        Why other images have no new rows.
    gone
        Deleted images, whose rows are removed.
    is_whole
        Whether these are all images, so that the table has no columns but theirs.
    """
    while True:
        try:
            return _replace(dataset, indexer, rows, failed, gone, is_whole=is_whole)
        except InvalidValueError:
            count = len(rows)
            others = pd.DataFrame() if is_whole else rows_of_others(dataset, indexer.table_name, [*rows, *gone])
            _set_aside_misfits(others, rows, failed, what=indexer.table_name)
            if len(rows) == count:
                raise


def joined_rows(
    dataset: ZarrDataset,
    indexer: DatasetIndexer,
    rows: dict[str, pd.DataFrame],
    failed: dict[str, str],
    gone: Sequence[str],
) -> pd.DataFrame:
    """Return the table as `write_rows` would leave it, and write nothing; parameters as there."""
    name = indexer.table_name
    others = rows_of_others(dataset, name, [*rows, *gone])
    _set_aside_misfits(others, rows, failed, what=name)
    kept = rows_of_others(dataset, name, [*rows, *gone])
    if failed and len(kept):
        has_failed = kept[IMAGE_ID].isin(list(failed))
        kept = pd.concat([kept[~has_failed], mark_all(kept[has_failed])], ignore_index=True)
    return concatenate_frames([kept, *rows.values(), empty_rows(indexer)], what=name)


def _set_aside_misfits(seen: pd.DataFrame, rows: dict[str, pd.DataFrame], failed: dict[str, str], *, what: str) -> None:
    """Move the images whose columns do not fit those seen before them from `rows` to `failed`."""
    seen = _one_value_each(seen)
    for image_id in list(rows):
        try:
            check_storable(rows[image_id], what=f"the rows of image {image_id}")
            joined = concatenate_frames([seen, rows[image_id]], what=what)
        except InvalidValueError as error:
            failed[image_id] = str(error)
            del rows[image_id]
        else:
            seen = _one_value_each(joined)


def rows_of_others(dataset: ZarrDataset, name: str, image_ids: Sequence[str]) -> pd.DataFrame:
    """Return the rows of all other images in a table; none where there is no table, or none that can be read."""
    try:
        table = dataset.load_table(name)
    except (TableNotFoundError, DamagedError):
        return pd.DataFrame()
    if IMAGE_ID not in table.columns:
        return pd.DataFrame()
    return table[~table[IMAGE_ID].isin(list(image_ids))]


def _replace(
    dataset: ZarrDataset,
    indexer: DatasetIndexer,
    rows: Mapping[str, pd.DataFrame],
    failed: Mapping[str, str],
    gone: Sequence[str],
    *,
    is_whole: bool,
) -> ReplacedRows | None:
    name, like = indexer.table_name, empty_rows(indexer)
    marked = _marked_old_rows(dataset, name, failed)
    if is_whole and not _fit(marked, rows, what=name):
        marked = dict.fromkeys(marked, like)
    is_there = name in dataset.list_table_names()
    if not rows and not marked and not gone and (is_there or not is_whole):
        return None
    return dataset.commit_rows(name, {**dict.fromkeys(gone, like), **rows, **marked}, like=like)


def _marked_old_rows(dataset: ZarrDataset, name: str, failed: Mapping[str, str]) -> dict[str, pd.DataFrame]:
    """Return the rows that failed images have in the table, marked; without those that are marked already."""
    if not failed:
        return {}
    try:
        old = dataset.load_table(name, image_ids=list(failed))
    except TableNotFoundError:
        return {}
    by_image = {str(image_id): group for image_id, group in old.groupby(IMAGE_ID)}
    return {
        image_id: mark_all(group.reset_index(drop=True))
        for image_id, group in by_image.items()
        if OUTDATED not in group.columns or not bool(group[OUTDATED].fillna(value=False).all())
    }


def _fit(marked: Mapping[str, pd.DataFrame], rows: Mapping[str, pd.DataFrame], *, what: str) -> bool:
    if not marked:
        return True
    try:
        concatenate_frames([*rows.values(), *marked.values()], what=what)
    except InvalidValueError:
        return False
    return True


def _one_value_each(frame: pd.DataFrame) -> pd.DataFrame:
    """Return one row with a value in every column that has one: enough to know the types."""
    return frame.bfill().head(1)
