"""Runs indexers over a dataset and keeps its tables true.

The rule of this room: a run writes its table once and its index after it, one image that fails does not stop the others,
and what happened is returned. A crash between the two writes leaves images that are called behind, never false rows.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import pandas as pd

from kymflow_core.images.ome_metadata import rebuild_ome
from kymflow_core.indexers.protocol import DatasetIndexer
from kymflow_core.tables.each_image import run_extraction
from kymflow_core.tables.extraction import Extraction
from kymflow_core.tables.freshness import CurrentState, Indexed, State, decide
from kymflow_core.tables.index import UNREADABLE, IndexEntries, compare_index, digest_of, load_index, save_index, with_rows
from kymflow_core.tables.inspection import Inspected, inspect_tables
from kymflow_core.tables.update_report import UpdateReport
from kymflow_core.tables.writing import joined_rows, write_rows
from kymflow_zarr import ReplacedRows, VerifyReport, Watch, ZarrDataset
from kymflow_zarr.errors import (
    DamagedError,
    NotSavedError,
    ReadOnlyError,
    TableNotFoundError,
)
from kymflow_zarr.watch import UNWATCHED

_FEW = 8
"""Entries of the index that are written by themselves where they are no more than an eighth of all."""


@dataclass(frozen=True, slots=True)
class _Run:
    """How a run is watched, stopped and spread."""

    watch: Watch
    executor: Executor | None


class KymDataset:
    """A dataset of kymographs with its derived tables.

    Parameters
    ----------
    dataset
        A path, or an open `ZarrDataset`.
    mode
        How a path is opened: "r" or "a".
    """

    def __init__(self, dataset: str | Path | ZarrDataset, mode: Literal["r", "a"] = "a") -> None:
        self.dataset = dataset if isinstance(dataset, ZarrDataset) else ZarrDataset(dataset, mode=mode)
        self.tables: dict[str, pd.DataFrame] = {}
        """The tables that were read, by name; `save_table` writes these."""
        self._digests: dict[str, str] = {}

    def load_tables(self, names: Iterable[str] | None = None) -> dict[str, pd.DataFrame]:
        """Read tables, by default all, into the cache, and return them by name; raises as `get_table`."""
        wanted = self.dataset.list_table_names() if names is None else names
        return {name: self.get_table(name) for name in wanted}

    def get_table(self, name: str) -> pd.DataFrame:
        """Return a table; it is read again where its file is not the one that was read or written last.

        Raises
        ------
        TableNotFoundError
            When there is none of that name; the message lists those there are.
        DamagedError
            When it cannot be read.
        """
        digest = self.dataset.table_digest(name)
        if name not in self.tables or self._digests.get(name) != digest:
            self.tables.pop(name, None)
            self.tables[name] = self.dataset.load_table(name)
            self._digests[name] = digest
        return self.tables[name]

    def save_table(self, name: str) -> None:
        """Write a table of the cache, as it was changed there, whole.

        Rows that are others than an indexer made are called behind, and the next `refresh` makes them again.

        Raises
        ------
        TableNotFoundError
            When there is none of that name in the cache.
        ConflictError
            When another program wrote the table since it was read: its rows would be lost.
        """
        if name not in self.tables:
            there = ", ".join(map(repr, sorted(self.tables))) or "none"
            raise TableNotFoundError(f"no table named {name!r} was read; the cache has {there}: read it with get_table")
        # Of a table that was not read, whatever is there is replaced.
        self._digests[name] = self.dataset.save_table(name, self.tables[name], expected=self._digests.get(name))

    def save_all_tables(self) -> None:
        """Write all tables of the cache that differ from their files; raises as `save_table`."""
        for name, table in list(self.tables.items()):
            if name not in self.dataset.list_table_names() or not self.dataset.load_table(name).equals(table):
                self.save_table(name)

    def freshness(self, indexer: DatasetIndexer, *, image_ids: Iterable[str] | None = None) -> pd.DataFrame:
        """Return what the rows of each image, or of some, are worth; nothing is written.

        Returns
        -------
        pandas.DataFrame
            One row an image, and one for each deleted image that the table still has rows of: `image_id`, `state` (the
            text of a `State`), `n_rows` in the table, `reason` (empty where fresh), `needs_update` (whether `refresh` would
            do something).
        """
        worth = self._inspect(indexer, image_ids).worth
        return pd.DataFrame(
            {
                "image_id": pd.Series(list(worth), dtype="str"),
                "state": pd.Series([one.state.value for one in worth.values()], dtype="str"),
                "n_rows": pd.Series([one.n_rows for one in worth.values()], dtype="int64"),
                "reason": pd.Series([one.reason for one in worth.values()], dtype="str"),
                "needs_update": pd.Series([one.needs_update for one in worth.values()], dtype="bool"),
            }
        )

    def count_states(self, indexers: Sequence[DatasetIndexer]) -> list[dict[State, int]]:
        """Return for the table of each indexer how many images are in each state; those without an image are left out.

        As `freshness`, and faster for several tables: the files of an image are looked at once.
        """
        found = inspect_tables(self.dataset, self._image_ids(), indexers)
        return [dict(Counter(one.state for one in table.worth.values())) for table in found]

    def refresh(
        self,
        indexer: DatasetIndexer,
        *,
        image_ids: Iterable[str] | None = None,
        watch: Watch = UNWATCHED,
        executor: Executor | None = None,
    ) -> UpdateReport:
        """Update exactly the images whose rows are not what their artifacts say, and remove rows of deleted images.

        Where nothing needs an update, no row is written. With `image_ids`, only these images are looked at; without, a
        table in parts is one file again afterwards. Parameters otherwise as in `rebuild`.
        """
        name = indexer.table_name
        inspected = self._inspect(indexer, image_ids)
        worth, known = inspected.worth, inspected.known
        gone = [image_id for image_id, one in worth.items() if one.state is State.DELETED]
        wanted = [image_id for image_id, one in worth.items() if one.needs_update and image_id not in gone]
        run = _Run(watch, executor)
        if image_ids is None and not self._is_usable(indexer, known):
            return self.rebuild(indexer, watch=watch, executor=executor)
        if wanted or gone:
            report = self._run(indexer, wanted, gone, known, run)
        else:
            report = UpdateReport(table_name=name)
            self._note(name, known, inspected.stamps)
        if image_ids is None:
            self._join_parts(name)
        states = {image_id: one.state for image_id, one in worth.items() if image_id not in gone}
        return replace(report, states={**states, **report.states})

    def rebuild(
        self,
        indexer: DatasetIndexer,
        *,
        image_ids: Iterable[str] | None = None,
        watch: Watch = UNWATCHED,
        executor: Executor | None = None,
    ) -> UpdateReport:
        """Throw a table's rows away and make them again from the artifacts of all images, or of some.

        Parameters
        ----------
        indexer
            Makes the rows.
        image_ids
            Only these images; the rows of the others stay. By default all, and rows of deleted images are removed.
        watch
            Shows after each image how far the work is. When cancelled, the table gets what was done by then, and the rows
            of the other images stay.
        executor
            Any `concurrent.futures.Executor`, also one of other processes or machines that see the same path; by default
            one image is read after another.

        Raises
        ------
        ReadOnlyError
            When the dataset cannot be written.
        NotSavedError
            When the disk is full or fails; the old table is unchanged.
        """
        name, run = indexer.table_name, _Run(watch, executor)
        if image_ids is not None:
            wanted = list(dict.fromkeys(image_ids))
            return self._run(indexer, wanted, [], load_index(self.dataset, name), run)
        in_table = self._ids_in_usable_table(indexer)
        ids = self._image_ids()
        gone = sorted((in_table or set()) - set(ids))
        report = self._run(indexer, ids, gone, IndexEntries(), run, is_whole=True)
        self._join_parts(name)
        return report

    def update_image(self, indexer: DatasetIndexer, image_id: str) -> UpdateReport:
        """Make one image's rows again; the others stay as they are."""
        return self.update_images(indexer, [image_id])

    def update_images(
        self,
        indexer: DatasetIndexer,
        image_ids: Iterable[str],
        *,
        watch: Watch = UNWATCHED,
        executor: Executor | None = None,
    ) -> UpdateReport:
        """Make some images' rows again with one write; the others stay. As `rebuild` of these images."""
        return self.rebuild(indexer, image_ids=image_ids, watch=watch, executor=executor)

    def current_rows(
        self,
        indexer: DatasetIndexer,
        *,
        watch: Watch = UNWATCHED,
    ) -> pd.DataFrame:
        """Return the table as `refresh` would make it, without writing anything: of a dataset that is only read, too."""
        name = indexer.table_name
        inspected = self._inspect(indexer)
        worth, known = inspected.worth, inspected.known
        stale = [image_id for image_id, one in worth.items() if one.needs_update]
        if not stale and known.digest not in ("", UNREADABLE):
            return self.get_table(name)
        gone = [image_id for image_id in stale if worth[image_id].state is State.DELETED]
        present = [image_id for image_id in stale if image_id not in gone]
        done = run_extraction(self.dataset, indexer, present, watch=watch, executor=None)
        rows = {one.image_id: one.rows for one in done if one.rows is not None}
        failed = {one.image_id: one.entry.error for one in done if one.rows is None}
        return joined_rows(self.dataset, indexer, rows, failed, gone)

    def verify(
        self, *, deep: bool = False, repair: bool = False, watch: Watch = UNWATCHED, executor: Executor | None = None
    ) -> VerifyReport:
        """Look for what a crash or a bad disk left behind, in the ROIs too; as `ZarrDataset.verify`."""
        report = self.dataset.verify(deep=deep, repair=repair, watch=watch, executor=executor)
        if any(problem.repaired for problem in report.problems):
            rebuild_ome(self.dataset)  # of which storage does not know the scale
        return report

    def _inspect(self, indexer: DatasetIndexer, image_ids: Iterable[str] | None = None) -> Inspected:
        return inspect_tables(self.dataset, self._image_ids(), [indexer], image_ids)[0]

    def _run(
        self,
        indexer: DatasetIndexer,
        image_ids: Sequence[str],
        gone: Sequence[str],
        known: IndexEntries,
        run: _Run,
        *,
        is_whole: bool = False,
    ) -> UpdateReport:
        """Extract, write the table once, then its index, and return what was done."""
        name = indexer.table_name
        if not is_whole:
            image_ids = [*image_ids, *self._of_other_version(indexer, known, {*image_ids, *gone})]
        done = run_extraction(
            self.dataset,
            indexer,
            image_ids,
            watch=run.watch,
            executor=run.executor,
        )
        is_complete = len(done) == len(image_ids)
        rows = {one.image_id: one.rows for one in done if one.rows is not None}
        failed = {one.image_id: one.entry.error for one in done if one.rows is None}
        if is_whole and not is_complete:
            known = load_index(self.dataset, name)
        written = write_rows(self.dataset, indexer, rows, failed, gone, is_whole=is_whole and is_complete)
        if written:  # whoever wants it reads it; a million rows need not become a frame for nobody
            self.tables.pop(name, None)
            self._digests.pop(name, None)
        entries = self._save_index(name, done, failed, gone, known, written)
        return UpdateReport(
            table_name=name,
            rows={image_id: len(frame) for image_id, frame in rows.items()},
            failed=failed,
            removed=tuple(gone),
            states={image_id: _state_after(entry) for image_id, entry in entries.items()},
            is_cancelled=not is_complete,
        )

    def _of_other_version(self, indexer: DatasetIndexer, known: IndexEntries, besides: set[str]) -> list[str]:
        """Return the images with rows of an earlier version of the indexer, whose types the new rows may not fit."""
        others = known.of_other_version(indexer.schema_version)
        there = set(self.dataset.list_image_ids()) - besides if others else set()
        return [image_id for image_id in others if image_id in there]

    def _save_index(
        self,
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
            digest = replaced = digest_of(self.dataset, name)
            table = self.dataset.load_arrow(name) if digest else None
        else:
            digest, replaced, table = written.digest, written.replaces, written.rows
        if table is not None:
            entries = with_rows(entries, table, entries)
        if known.stored and replaced == known.digest and not gone and len(entries) * _FEW < len(known.index):
            save_index(self.dataset, name, entries, digest=digest, upon=known.stored)
            return {image_id: one for image_id, one in entries.items() if self.dataset.has_record(image_id)}
        there = set(self.dataset.list_image_ids())
        if table is not None and replaced != known.digest:
            # Another program has written the table since it was looked at: what was known then may not be true of it.
            whole = table if written is None else written.arrow
            is_all = there <= set(entries) and sum(one.n_rows for one in entries.values()) == len(whole)
            known = IndexEntries() if is_all else compare_index(self.dataset, name, whole)
        unknown = {image_id: Indexed(n_rows=count) for image_id, count in known.n_rows.items() if image_id not in gone}
        index = {**unknown, **{one: held for one, held in known.index.items() if one not in gone}, **entries}
        index = {image_id: one for image_id, one in index.items() if image_id in there or one.n_rows}
        save_index(self.dataset, name, index, digest=digest)
        return {image_id: one for image_id, one in entries.items() if image_id in there}

    def _note(self, name: str, known: IndexEntries, stamps: Mapping[str, str]) -> None:
        """Note the table, and the files that were read and found to be the same, so that they are not read next time."""
        noted = {
            image_id: replace(known.index[image_id], file_stamp=stamp)
            for image_id, stamp in stamps.items()
            if image_id in known.index and known.index[image_id].file_stamp != stamp
        }
        if known.stored and not noted:
            return
        unknown = {image_id: Indexed(n_rows=count) for image_id, count in known.n_rows.items()}
        with suppress(ReadOnlyError, NotSavedError):  # nothing is wrong without it, only slower
            if known.stored:
                save_index(self.dataset, name, noted, digest=known.digest, upon=known.stored)
            else:
                save_index(self.dataset, name, {**unknown, **known.index, **noted}, digest=known.digest)

    def _join_parts(self, name: str) -> None:
        """Let a table in parts be one file, for programs that read only that; what is known of its rows still holds."""
        with suppress(ReadOnlyError, NotSavedError):  # the parts are read just the same
            joined = self.dataset.join_table_parts(name)
            stored = self.dataset.load_table_index(name) if joined else None
            if joined and stored and stored.table_digest == joined.replaces:
                self.dataset.save_table_index(name, replace(stored, table_digest=joined.digest))

    def _image_ids(self) -> list[str]:
        if self.dataset.lacks_images:
            raise DamagedError(
                f"the folder of all images of {self.dataset.path} is not there: its disk is away, or it was moved; nothing "
                "was changed in the tables"
            )
        return self.dataset.list_image_ids()

    def _is_usable(self, indexer: DatasetIndexer, known: IndexEntries) -> bool:
        """Return whether there is a table that can be continued; as `_ids_in_usable_table`."""
        if known.stored and self.dataset.is_table_whole(indexer.table_name):  # what is in it was looked at before
            return True
        return bool(known.digest) and self._ids_in_usable_table(indexer) is not None

    def _ids_in_usable_table(self, indexer: DatasetIndexer) -> set[str] | None:
        """Return the images that a table has rows of; none where there is no table.

        A table that cannot be continued, damaged or another program's of the same name, goes into the quarantine: None.
        """
        name = indexer.table_name
        try:
            table = self.dataset.load_arrow(name)
        except TableNotFoundError:
            return set()
        except DamagedError:
            self._forget(name)
            return None
        lacks = not set(indexer.required_columns()) <= set(table.column_names)
        ids = table["image_id"].unique().to_pylist() if "image_id" in table.column_names else [None]
        if not all(isinstance(one, str) for one in ids) or (lacks and self.dataset.load_table_index(name) is None):
            self._forget(name)
            return None
        return set(ids)

    def _forget(self, name: str) -> None:
        self.dataset.set_table_aside(name)
        self.tables.pop(name, None)
        self._digests.pop(name, None)


def _state_after(entry: Indexed) -> State:
    seen = CurrentState(fingerprint=entry.fingerprint, changes=entry.changes)
    return decide(seen, entry, version=entry.version).state
