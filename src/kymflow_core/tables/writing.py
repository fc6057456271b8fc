"""Puts the rows of some images into a dataset table, with one write.

The rule of this room: rows of an image that failed stay, marked as outdated, so that nothing is lost and no old number
is shown as new. Images whose columns do not fit those of the others fail.
"""

from collections.abc import Iterable, Mapping, Sequence

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from kymflow_core.indexers.protocol import DatasetIndexer
from kymflow_core.tables.extraction import OUTDATED, empty_rows, mark_all
from kymflow_zarr import ReplacedRows, ZarrDataset
from kymflow_zarr.errors import DamagedError, InvalidValueError, TableNotFoundError
from kymflow_zarr.formats.arrow_tables import concatenate_tables
from kymflow_zarr.formats.frames import table_to_frame
from kymflow_zarr.formats.parquet import table_to_parquet
from kymflow_zarr.tables.table_files import IMAGE_ID

_NOTHING = pa.table({})


def write_rows(
    dataset: ZarrDataset,
    indexer: DatasetIndexer,
    rows: dict[str, pa.Table],
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
            others = _NOTHING if is_whole else rows_of_others(dataset, indexer.table_name, [*rows, *gone])
            _set_aside_misfits(others, rows, failed, what=indexer.table_name)
            if len(rows) == count:
                raise


def joined_rows(
    dataset: ZarrDataset,
    indexer: DatasetIndexer,
    rows: dict[str, pa.Table],
    failed: dict[str, str],
    gone: Sequence[str],
) -> pd.DataFrame:
    """Return the table as `write_rows` would leave it, and write nothing; parameters as there."""
    name = indexer.table_name
    others = rows_of_others(dataset, name, [*rows, *gone])
    _set_aside_misfits(others, rows, failed, what=name)
    kept = rows_of_others(dataset, name, [*rows, *gone])
    has_failed = _is_of(kept, failed) if len(kept) else pa.array([], pa.bool_())
    old = [kept.filter(pc.invert(has_failed)), mark_all(kept.filter(has_failed))] if failed and len(kept) else [kept]
    return table_to_frame(concatenate_tables([*old, *rows.values(), empty_rows(indexer)], what=name), what=name)


def _set_aside_misfits(seen: pa.Table, rows: dict[str, pa.Table], failed: dict[str, str], *, what: str) -> None:
    """Move the images whose columns do not fit those seen before them from `rows` to `failed`."""
    seen = _one_value_each(seen)
    for image_id in list(rows):
        try:
            table_to_parquet(rows[image_id])  # says what Parquet has no place for
            joined = concatenate_tables([seen, rows[image_id]], what=what)
        except InvalidValueError as error:
            failed[image_id] = str(error)
            del rows[image_id]
        else:
            seen = _one_value_each(joined)


def rows_of_others(dataset: ZarrDataset, name: str, image_ids: Sequence[str]) -> pa.Table:
    """Return the rows of all other images in a table; none where there is no table, or none that can be read."""
    try:
        table = dataset.load_arrow(name)
    except (TableNotFoundError, DamagedError):
        return _NOTHING
    return table.filter(pc.invert(_is_of(table, image_ids))) if IMAGE_ID in table.column_names else _NOTHING


def _is_of(table: pa.Table, image_ids: Iterable[str]) -> pa.ChunkedArray:
    """Return which rows are of some images."""
    return pc.is_in(table[IMAGE_ID].cast(pa.string()), pa.array(list(image_ids), pa.string()))


def _replace(
    dataset: ZarrDataset,
    indexer: DatasetIndexer,
    rows: Mapping[str, pa.Table],
    failed: Mapping[str, str],
    gone: Sequence[str],
    *,
    is_whole: bool,
) -> ReplacedRows | None:
    name, like = indexer.table_name, empty_rows(indexer)
    marked = _marked_old_rows(dataset, name, failed)
    if is_whole and not _fit(marked, rows, what=name):
        marked = dict.fromkeys(marked, _NOTHING)
    is_there = name in dataset.list_table_names()
    if not rows and not marked and not gone and (is_there or not is_whole):
        return None
    return dataset.commit_arrow(name, {**dict.fromkeys(gone, _NOTHING), **rows, **marked}, like=like)


def _marked_old_rows(dataset: ZarrDataset, name: str, failed: Mapping[str, str]) -> dict[str, pa.Table]:
    """Return the rows that failed images have in the table, marked; without those that are marked already."""
    if not failed:
        return {}
    try:
        old = dataset.load_arrow(name, image_ids=list(failed))
    except TableNotFoundError:
        return {}
    by_image = {image_id: old.filter(_is_of(old, [image_id])) for image_id in old[IMAGE_ID].unique().to_pylist()}
    return {image_id: mark_all(group) for image_id, group in by_image.items() if not _is_marked(group)}


def _is_marked(rows: pa.Table) -> bool:
    return OUTDATED in rows.column_names and bool(pc.all(rows[OUTDATED].fill_null(False)).as_py())


def _fit(marked: Mapping[str, pa.Table], rows: Mapping[str, pa.Table], *, what: str) -> bool:
    if not marked:
        return True
    try:
        concatenate_tables([*rows.values(), *marked.values()], what=what)
    except InvalidValueError:
        return False
    return True


def _one_value_each(rows: pa.Table) -> pa.Table:
    """Return one row with a value in every column that has one: enough to know the types."""
    first = {name: column.drop_null()[:1] for name, column in zip(rows.column_names, rows.columns, strict=True)}
    columns = [one if len(one) else pa.nulls(1, one.type) for one in first.values()]
    return pa.Table.from_arrays(columns, schema=rows.schema)
