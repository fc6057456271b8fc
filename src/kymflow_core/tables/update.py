"""The update of one table: planned from what it is worth, then carried out with what its images gave.

The rule of this room: a table is written once and its index after it. A crash between the two writes leaves images that are
called behind, never false rows.
"""

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from kymflow_core.indexers.protocol import DatasetIndexer
from kymflow_core.tables.extraction import Extraction
from kymflow_core.tables.freshness import CurrentState, Indexed, State, decide
from kymflow_core.tables.index import IndexEntries, compare_index, digest_of, load_index, save_index, with_rows
from kymflow_core.tables.inspection import Inspected, list_images
from kymflow_core.tables.update_report import UpdateReport
from kymflow_core.tables.writing import write_rows
from kymflow_zarr import ReplacedRows, ZarrDataset
from kymflow_zarr.errors import DamagedError, NotSavedError, ReadOnlyError, TableNotFoundError

_FEW = 8
"""Entries of the index that are written by themselves where they are no more than an eighth of all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TablePlan:
    """What is to be done with a table.

    `image_ids` are the images whose rows are made, `gone` those whose rows are removed, `known` what is known of the rest.
    `is_whole`: no row of another image stays. `is_of_all`: nobody asked for some images only. `inspected` is what a refresh
    found the rows to be worth.
    """

    indexer: DatasetIndexer
    image_ids: Sequence[str]
    gone: Sequence[str] = ()
    known: IndexEntries = field(default_factory=IndexEntries)
    is_whole: bool = False
    is_of_all: bool = False
    inspected: Inspected | None = None


def plan_rebuild(dataset: ZarrDataset, indexer: DatasetIndexer, some: Sequence[str] | None) -> TablePlan:
    """Return how all rows of a table are made again, or those of some images."""
    if some is not None:
        known = load_index(dataset, indexer.table_name)
        return _with_other_versions(dataset, TablePlan(indexer=indexer, image_ids=some, known=known))
    # Before the images are listed: one may be added now.
    in_table = _ids_in_usable_table(dataset, indexer, load_index(dataset, indexer.table_name)) or set()
    there = list_images(dataset)
    gone = sorted(in_table - set(there))
    return TablePlan(indexer=indexer, image_ids=there, gone=gone, is_whole=True, is_of_all=True)


def plan_refresh(dataset: ZarrDataset, indexer: DatasetIndexer, inspected: Inspected, *, is_of_all: bool) -> TablePlan:
    """Return how those rows are made again that are not what their artifacts say; all, where the table cannot be used."""
    known, worth = inspected.known, inspected.worth
    if is_of_all and not _is_usable(dataset, indexer, known):
        return plan_rebuild(dataset, indexer, None)
    gone = [image_id for image_id, one in worth.items() if one.state is State.DELETED]
    wanted = [image_id for image_id, one in worth.items() if one.needs_update and one.state is not State.DELETED]
    plan = TablePlan(indexer=indexer, image_ids=wanted, gone=gone, known=known, is_of_all=is_of_all, inspected=inspected)
    return _with_other_versions(dataset, plan) if wanted or gone else plan


def carry_out(dataset: ZarrDataset, plan: TablePlan, done: Sequence[Extraction]) -> tuple[UpdateReport, bool]:
    """Write what the images of a plan gave, and return what was done, and whether the table was written."""
    if plan.inspected is not None and not plan.image_ids and not plan.gone:
        _note(dataset, plan.indexer.table_name, plan.inspected)
        report, is_written = UpdateReport(table_name=plan.indexer.table_name), False
    else:
        report, is_written = _write(dataset, plan, done)
    if plan.is_of_all:
        _join_parts(dataset, plan.indexer.table_name)
    worth = plan.inspected.worth if plan.inspected else {}
    states = {image_id: one.state for image_id, one in worth.items() if image_id not in plan.gone}
    return replace(report, states={**states, **report.states}), is_written


def _write(dataset: ZarrDataset, plan: TablePlan, done: Sequence[Extraction]) -> tuple[UpdateReport, bool]:
    name, known = plan.indexer.table_name, plan.known
    is_complete = len(done) == len(plan.image_ids)
    rows = {one.image_id: one.rows for one in done if one.rows is not None}
    failed = {one.image_id: one.entry.error for one in done if one.rows is None}
    # Of an image that was deleted since the images were listed nothing has failed; of one that never was, all has.
    if deleted := [one for one in failed if (plan.is_of_all or one in known.n_rows) and not dataset.has_record(one)]:
        return _write(dataset, *_without(plan, done, deleted))
    if plan.is_whole and not is_complete:
        known = load_index(dataset, name)
    written = write_rows(dataset, plan.indexer, rows, failed, plan.gone, is_whole=plan.is_whole and is_complete)
    # Who deletes an image removes its rows only once it is away, and may have looked before these were written.
    if deleted := [image_id for image_id in rows if not dataset.has_record(image_id)]:
        return _write(dataset, *_without(plan, done, deleted))
    entries = _save_index(dataset, name, done, failed, plan.gone, known, written)
    report = UpdateReport(
        table_name=name,
        rows={image_id: len(table) for image_id, table in rows.items()},
        failed=failed,
        removed=tuple(plan.gone),
        states={image_id: _state_after(entry) for image_id, entry in entries.items()},
        is_cancelled=not is_complete,
    )
    return report, written is not None


def _without(plan: TablePlan, done: Sequence[Extraction], deleted: Collection[str]) -> tuple[TablePlan, list[Extraction]]:
    """Return a plan, and what its images gave, where some of these are deleted by now: their rows are removed."""
    left = [image_id for image_id in plan.image_ids if image_id not in deleted]
    plan = replace(plan, image_ids=left, gone=[*plan.gone, *deleted])
    return plan, [one for one in done if one.image_id not in deleted]


def _save_index(
    dataset: ZarrDataset,
    name: str,
    done: Sequence[Extraction],
    failed: Mapping[str, str],
    gone: Sequence[str],
    known: IndexEntries,
    written: ReplacedRows | None,
) -> dict[str, Indexed]:
    """Write what the rows were made from, and return the entries of the images that were done."""
    entries = {one.image_id: replace(one.entry, error=failed.get(one.image_id, one.entry.error)) for one in done}
    if written is None and not entries:
        return entries
    if written is None:
        digest = replaced = digest_of(dataset, name)
        table = dataset.load_arrow(name) if digest else None
    else:
        digest, replaced, table = written.digest, written.replaces, written.rows
    if table is not None:
        entries = with_rows(entries, table, entries)
    if known.stored and replaced == known.digest and not gone and len(entries) * _FEW < len(known.index):
        save_index(dataset, name, entries, digest=digest, upon=known.stored)
        return {image_id: one for image_id, one in entries.items() if dataset.has_record(image_id)}
    there = set(dataset.list_image_ids())
    if table is not None and replaced != known.digest:
        # Another program has written the table since it was looked at: what was known then may not be true of it.
        whole = table if written is None else written.arrow
        is_all = there <= set(entries) and sum(one.n_rows for one in entries.values()) == len(whole)
        known = IndexEntries() if is_all else compare_index(dataset, name, whole)
    unknown = {image_id: Indexed(n_rows=count) for image_id, count in known.n_rows.items() if image_id not in gone}
    index = {**unknown, **{one: held for one, held in known.index.items() if one not in gone}, **entries}
    index = {image_id: one for image_id, one in index.items() if image_id in there or one.n_rows}
    save_index(dataset, name, index, digest=digest)
    return {image_id: one for image_id, one in entries.items() if image_id in there}


def _note(dataset: ZarrDataset, name: str, inspected: Inspected) -> None:
    """Note the table, and the files that were read and found to be the same, so that they are not read next time."""
    known = inspected.known
    noted = {
        image_id: replace(known.index[image_id], file_stamp=stamp)
        for image_id, stamp in inspected.stamps.items()
        if image_id in known.index and known.index[image_id].file_stamp != stamp
    }
    if known.stored and not noted:
        return
    unknown = {image_id: Indexed(n_rows=count) for image_id, count in known.n_rows.items()}
    with suppress(ReadOnlyError, NotSavedError):  # nothing is wrong without it, only slower
        if known.stored:
            save_index(dataset, name, noted, digest=known.digest, upon=known.stored)
        else:
            save_index(dataset, name, {**unknown, **known.index, **noted}, digest=known.digest)


def _join_parts(dataset: ZarrDataset, name: str) -> None:
    """Let a table in parts be one file, for programs that read only that; what is known of its rows still holds."""
    with suppress(ReadOnlyError, NotSavedError):  # the parts are read just the same
        joined = dataset.join_table_parts(name)
        stored = dataset.load_table_index(name) if joined else None
        if joined and stored and stored.table_digest == joined.replaces:
            dataset.save_table_index(name, replace(stored, table_digest=joined.digest))


def _with_other_versions(dataset: ZarrDataset, plan: TablePlan) -> TablePlan:
    """Return a plan that has also the images with rows of an earlier version, whose types the new rows may not fit."""
    others = plan.known.of_other_version(plan.indexer.schema_version)
    there = set(dataset.list_image_ids()) - {*plan.image_ids, *plan.gone} if others else set()
    return replace(plan, image_ids=[*plan.image_ids, *(image_id for image_id in others if image_id in there)])


def _is_usable(dataset: ZarrDataset, indexer: DatasetIndexer, known: IndexEntries) -> bool:
    """Return whether there is a table that can be continued; as `_ids_in_usable_table`."""
    return bool(known.digest) and _ids_in_usable_table(dataset, indexer, known) is not None


def _ids_in_usable_table(dataset: ZarrDataset, indexer: DatasetIndexer, known: IndexEntries) -> set[str] | None:
    """Return the images that a table has rows of; none where there is no table.

    A table that cannot be continued, damaged or another program's of the same name, goes into the quarantine: None.
    """
    name = indexer.table_name
    if known.stored and dataset.is_table_whole(name):  # what is in it was looked at before
        return set(known.n_rows)
    try:
        table = dataset.load_arrow(name)
    except TableNotFoundError:
        return set()
    except DamagedError:
        dataset.set_table_aside(name)
        return None
    lacks = not set(indexer.required_columns()) <= set(table.column_names)
    ids = table["image_id"].unique().to_pylist() if "image_id" in table.column_names else [None]
    if not all(isinstance(one, str) for one in ids) or (lacks and dataset.load_table_index(name) is None):
        dataset.set_table_aside(name)
        return None
    return set(ids)


def _state_after(entry: Indexed) -> State:
    seen = CurrentState(fingerprint=entry.fingerprint, changes=entry.changes)
    return decide(seen, entry, version=entry.version).state
