"""What one image gives a table: inspected, and extracted. Safe in threads and in other processes.

The rule of this room: an image that cannot be read is a result, not an error. All statements about an image are of one
moment: if its files change while they are read, they are read again.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from kymflow_core.artifacts import METHOD_COLUMN, OLDER_TWINS
from kymflow_core.computed_from import Change, ComputedFrom, current_statements, statements_from_json
from kymflow_core.entry_points import FOREIGN_ERRORS
from kymflow_core.errors import IndexerError, KymflowError
from kymflow_core.images.metadata import RecordMetadata
from kymflow_core.indexers.arrow_rows import extract_as_table
from kymflow_core.indexers.protocol import DatasetIndexer, reads_results, with_units_of
from kymflow_core.tables.freshness import CurrentState, Indexed
from kymflow_zarr import METADATA_KEY, PIXEL_VALUES_KEY, PIXELS_KEY, ZarrDataset, ZarrImageRecord
from kymflow_zarr.disk.quick_stamps import QuickStamps
from kymflow_zarr.errors import KymflowZarrError, RemoteError
from kymflow_zarr.formats.frames import table_to_frame
from kymflow_zarr.record.held import HeldRecord

OUTDATED = "outdated"
"""The column of a table of results that marks rows whose ROI or parameters changed after the analysis."""
FAILURES = (KymflowError, KymflowZarrError, *FOREIGN_ERRORS)
"""What an indexer, also one of another package, raises over an artifact that it cannot read."""
_ROUNDS = 4
_NOT_READ = "not read"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Extraction:
    """What one image gave; `rows` is None where it failed, and then `entry.error` has the reason."""

    image_id: str
    entry: Indexed
    rows: pa.Table | None


def watched_keys(indexer: DatasetIndexer) -> list[str]:
    """Return all that decides what an image's rows are worth: what is read, and the ROIs that results were computed for."""
    keys = dict.fromkeys(indexer.reads)
    return [*keys, METADATA_KEY] if reads_results(indexer) and METADATA_KEY not in keys else [*keys]


def as_indexed(indexed: Indexed) -> CurrentState:
    """Return what an image's artifacts are now, where their files are those that its entry in the index was made from."""
    return CurrentState(fingerprint=indexed.fingerprint, changes=indexed.changes)


def inspect_image(
    record: HeldRecord, indexer: DatasetIndexer, indexed: Indexed | None, keys: Sequence[str], stamp: str | None
) -> tuple[CurrentState, str]:
    """Return what an image's artifacts are now, and the stamp of the files `keys`, which are watched for the indexer.

    Where the files have not changed since the index was written, what it says is taken, and nothing is read. Where it says
    nothing of the image, nothing is read either: whatever its files hold, its rows have to be made. The stamp is one that
    was taken before the record read anything; without it, the files are looked at and read anew.
    """
    try:
        record, stamp = _stamped(record, keys, stamp)
        if indexed is not None and stamp == indexed.file_stamp:
            return as_indexed(indexed), stamp
        if indexed is None:
            is_there = any(key == METADATA_KEY or record.has_analysis(key) for key in indexer.reads)
            return CurrentState(fingerprint=_NOT_READ if is_there else ""), stamp
        fingerprint = record.fingerprint(indexer.reads)
        changes = _changes(record, indexer)
    except RemoteError:  # says nothing of the image
        raise
    except FAILURES as error:
        return CurrentState(problem=_reason(error)), stamp or ""
    return CurrentState(fingerprint=fingerprint, changes=changes.current), stamp


def _stamped(record: HeldRecord, keys: Sequence[str], stamp: str | None) -> tuple[HeldRecord, str]:
    """Return a record and a stamp of its files from before it read any; without one, both are made anew."""
    if stamp is not None:
        return record, stamp
    record = record.again()
    return record, record.file_stamp(keys)


def extract(dataset: ZarrDataset, indexers: Sequence[DatasetIndexer], image_id: str) -> list[Extraction]:
    """Return the rows that one image has in the table of each indexer, and what they were made from.

    Each of the image's files is read once, however many indexers read it.
    """
    keys = [watched_keys(indexer) for indexer in indexers]
    found: dict[int, Extraction] = {}
    left = list(range(len(indexers)))
    for _ in range(_ROUNDS):
        # All files are looked at before the first is read: what changes in between is noticed by every indexer.
        quick = dataset.quick_stamps(image_id)
        stamps = {at: quick.file_stamp(keys[at]) for at in left}
        try:
            record = dataset.held_record(image_id)
        except RemoteError:
            raise
        except FAILURES as error:
            reason = _reason(error)
            failed = {at: Indexed(version=indexers[at].schema_version, error=reason) for at in left}
            found |= {at: Extraction(image_id=image_id, entry=entry, rows=None) for at, entry in failed.items()}
            break
        found |= {at: _extract(record, indexers[at], keys[at], stamps[at]) for at in left}
        now = dataset.quick_stamps(image_id)
        left = [at for at in left if found[at].rows is not None and _has_changed(record, now, keys[at], found[at])]
        if not left:
            break
    return [found[at] for at in range(len(indexers))]


def _has_changed(record: HeldRecord, now: QuickStamps, keys: Sequence[str], made: Extraction) -> bool:
    """Return whether files are no longer those that rows were made of."""
    stamp = made.entry.file_stamp
    if now.file_stamp(keys) == stamp:
        return False
    try:
        return record.again().file_stamp(keys) != stamp
    except RemoteError:
        raise
    except FAILURES:  # the next look says why
        return True


def _extract(record: HeldRecord, indexer: DatasetIndexer, keys: Sequence[str], stamp: str | None) -> Extraction:
    """Return the rows of one image in one table; without a stamp, its files are looked at and read anew."""
    fingerprint, changes = "", _Changes()
    try:
        record, stamp = _stamped(record, keys, stamp)
        fingerprint = record.fingerprint(indexer.reads)
        changes = _changes(record, indexer)
        rows = extract_as_table(indexer, record)
        _check(rows, indexer, record.image_id)
    except RemoteError:
        raise
    except FAILURES as error:
        rows, reason = None, _reason(error)
    else:
        rows, reason = with_units_of(indexer, _marked(rows, changes.of_rows) if reads_results(indexer) else rows), ""
    entry = Indexed(
        fingerprint=fingerprint,
        version=indexer.schema_version,
        changes=changes.current,
        error=reason,
        file_stamp=stamp or "",
    )
    return Extraction(image_id=record.image_id, entry=entry, rows=rows)


def mark_all(rows: pa.Table) -> pa.Table:
    """Return rows that are all marked as outdated."""
    return _with_marks(rows, np.ones(len(rows), dtype=np.bool_))


def empty_rows(indexer: DatasetIndexer) -> pa.Table:
    """Return a table without rows, with the columns of an indexer's table and the types that they have without a value."""
    bare = pa.schema([(name, pa.string()) for name in indexer.required_columns()]).empty_table()
    table = with_units_of(indexer, bare)
    return _marked(table, []) if reads_results(indexer) else table


def _marked(rows: pa.Table, changes: Sequence[Change]) -> pa.Table:
    """Return rows with a mark on those that changes concern."""
    marks = np.zeros(len(rows), dtype=np.bool_)
    if changes:
        columns = [name for name in ("roi_id", METHOD_COLUMN) if name in rows.column_names]
        named = table_to_frame(rows.select(columns), what="the rows")
        for roi_id, methods in {(change.roi_id, change.methods) for change in changes}:
            marks |= _concerned(named, len(rows), roi_id, methods)
    return _with_marks(rows, marks)


def _concerned(named: pd.DataFrame, count: int, roi_id: int | None, methods: Sequence[str]) -> NDArray[np.bool_]:
    """Return which rows a change concerns, by the columns that name a ROI and a method, as far as they are there."""
    concerned = np.ones(count, dtype=np.bool_)
    if roi_id is not None and "roi_id" in named.columns:
        # Ids of other packages may be text; of a row that names no ROI, nobody knows whether it is concerned.
        ids = pd.to_numeric(named["roi_id"], errors="coerce")
        concerned &= (ids.eq(roi_id) | ids.isna()).to_numpy(dtype=np.bool_)
    if methods and METHOD_COLUMN in named.columns:
        concerned &= named[METHOD_COLUMN].fillna("").isin(methods).to_numpy(dtype=np.bool_)
    return concerned


def _with_marks(rows: pa.Table, marks: NDArray[np.bool_]) -> pa.Table:
    """Return rows with marks in the place of those that they have, or behind all columns."""
    column, field = pa.array(marks), pa.field(OUTDATED, pa.bool_())
    if OUTDATED in rows.column_names:
        return rows.set_column(rows.column_names.index(OUTDATED), field, column)
    return rows.append_column(field, column)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Changes:
    """What is no longer as it was when results were computed.

    `of_rows` marks rows; `current` is what decides the image's state, without what concerns rows of a ROI that a newer
    analysis has rows of.
    """

    of_rows: tuple[Change, ...] = ()
    current: tuple[str, ...] = ()


def _changes(record: ZarrImageRecord, indexer: DatasetIndexer) -> _Changes:
    """Return what is no longer as it was when the results that an indexer reads were computed."""
    stated = list(_stated(record, [indexer]))
    if not stated:
        return _Changes()
    metadata = RecordMetadata.from_json(record.load_revision().payload)
    pixels = metadata.pixels_sha256
    if not pixels and all(one == ComputedFrom() for statements in stated for one in statements):
        return _Changes()  # nothing is stated that could have changed
    rois, header = metadata.rois, metadata.header

    def changes(statements: Iterable[ComputedFrom]) -> list[Change]:
        found = (one.changes(rois, calibration=header, pixels=pixels) for one in statements)
        return list(dict.fromkeys(change for some in found for change in some))

    current = changes(one for statements in stated for one in current_statements(statements))
    return _Changes(
        of_rows=tuple(changes(one for statements in stated for one in statements)),
        current=tuple(dict.fromkeys(change.what for change in current)),
    )


def statements_of(record: ZarrImageRecord, *indexers: DatasetIndexer) -> list[ComputedFrom]:
    """Return what the results that indexers read were computed from: each result once, however many of them read it."""
    stated = _stated(record, indexers)
    return [said for statements in stated for said in current_statements(statements) if said != ComputedFrom()]


def _stated(record: ZarrImageRecord, indexers: Iterable[DatasetIndexer]) -> Iterator[tuple[ComputedFrom, ...]]:
    """Yield for each result that indexers read what it says that it was computed from, maybe nothing."""
    stated: dict[str, tuple[ComputedFrom, ...]] = {}
    for key in (key for indexer in indexers if reads_results(indexer) for key in indexer.reads):
        name = key.partition(".")[0]
        about_the_image = key in (METADATA_KEY, PIXELS_KEY, PIXEL_VALUES_KEY)
        if about_the_image or key.endswith("/") or name in stated or not record.has_analysis(key):
            continue
        said = record.load_computed_from(key)
        where = f"{key} of image {record.image_id}"
        stated[name] = (ComputedFrom(),) if said is None else statements_from_json(said, where=where)
    for name, twin in OLDER_TWINS.items():
        if name not in stated or twin not in stated:
            continue
        own = {roi_id for statement in stated[name] for roi_id in statement.rois}
        left = [one.without_rois(own) for one in stated[twin]]
        # Where nothing is left, nothing of it is in the table.
        stated[twin] = tuple(
            one for one, whole in zip(left, stated[twin], strict=True) if one.rois or whole == ComputedFrom()
        )
    yield from stated.values()


def _check(rows: pa.Table, indexer: DatasetIndexer, image_id: str) -> None:
    """Refuse what would put one image's rows under another's name, or break the table's promise."""
    columns = set(rows.column_names)
    missing = [name for name in indexer.required_columns() if name not in columns]
    if missing:
        raise IndexerError(f"the rows of {indexer.name!r} lack the columns {missing}; they have {rows.column_names}")
    expected = pa.chunked_array([pa.repeat(pa.scalar(image_id, pa.string()), len(rows))])
    if not rows["image_id"].equals(expected) and set(rows["image_id"].unique().to_pylist()) - {image_id}:
        raise IndexerError(
            f"the rows of {indexer.name!r} have another image_id than {image_id}; use ensure_image_id_column"
        )


def _reason(error: Exception) -> str:
    is_ours = isinstance(error, KymflowError | KymflowZarrError)
    return str(error) if is_ours else f"{type(error).__name__}: {error}"
