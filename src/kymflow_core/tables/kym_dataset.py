"""Runs indexers over a dataset and keeps its tables true.

The rule of this room: a run writes its table once and its index after it, one image that fails does not stop the others,
and what happened is returned. A crash between the two writes leaves images that are called behind, never false rows.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import Literal

import pandas as pd

from kymflow_core.images.ome_metadata import rebuild_ome
from kymflow_core.indexers.protocol import DatasetIndexer
from kymflow_core.tables.each_image import run_extraction
from kymflow_core.tables.each_table import EachTable
from kymflow_core.tables.extraction import Extraction
from kymflow_core.tables.freshness import State
from kymflow_core.tables.index import UNREADABLE, load_index
from kymflow_core.tables.inspection import Inspected, inspect_tables
from kymflow_core.tables.update import TablePlan, carry_out, plan_rebuild, plan_refresh
from kymflow_core.tables.update_report import UpdatedTables, UpdateReport
from kymflow_core.tables.writing import joined_rows
from kymflow_zarr import VerifyReport, Watch, ZarrDataset
from kymflow_zarr.errors import TableNotFoundError
from kymflow_zarr.watch import UNWATCHED


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
        known = [load_index(self.dataset, indexer.table_name) for indexer in indexers]
        found = inspect_tables(self.dataset, list(zip(indexers, known, strict=True)))
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
        return self.refresh_tables([indexer], image_ids=image_ids, watch=watch, executor=executor).checked()[0]

    def refresh_tables(
        self,
        indexers: Sequence[DatasetIndexer],
        *,
        image_ids: Iterable[str] | None = None,
        watch: Watch = UNWATCHED,
        executor: Executor | None = None,
    ) -> UpdatedTables:
        """Update some tables as `refresh`, and faster than one after another: the files of an image are looked at once.

        Parameters are those of `rebuild`, with several indexers, each of a table of its own. A table that cannot be used
        does not stop the others.
        """
        return self._update(indexers, self._plan_refresh, image_ids, watch, executor)

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
        return self.rebuild_tables([indexer], image_ids=image_ids, watch=watch, executor=executor).checked()[0]

    def rebuild_tables(
        self,
        indexers: Sequence[DatasetIndexer],
        *,
        image_ids: Iterable[str] | None = None,
        watch: Watch = UNWATCHED,
        executor: Executor | None = None,
    ) -> UpdatedTables:
        """Make the rows of some tables again as `rebuild`; otherwise as `refresh_tables`."""
        return self._update(indexers, self._plan_rebuild, image_ids, watch, executor)

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
        extracted = run_extraction(self.dataset, [(indexer, present)], watch=watch, executor=None)
        extracted.stop_if_interrupted()
        [done] = extracted.of_each
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
        known = load_index(self.dataset, indexer.table_name)
        return inspect_tables(self.dataset, [(indexer, known)], image_ids)[0]

    def _update(
        self,
        indexers: Sequence[DatasetIndexer],
        plan: Callable[[EachTable, Sequence[str] | None], dict[str, TablePlan]],
        image_ids: Iterable[str] | None,
        watch: Watch,
        executor: Executor | None,
    ) -> UpdatedTables:
        """Plan each table, extract once from each image what the plans want, and write one table after another."""
        tables = EachTable(indexers)
        plans = plan(tables, None if image_ids is None else list(dict.fromkeys(image_ids)))
        wanted = [(one.indexer, one.image_ids) for one in plans.values()]
        extracted = run_extraction(self.dataset, wanted, watch=watch, executor=executor)
        done = dict(zip(plans, extracted.of_each, strict=True))
        reports = tables.each(lambda one: self._carry_out(plans[one.table_name], done.pop(one.table_name)))
        extracted.stop_if_interrupted()
        return UpdatedTables(reports=tuple(reports.values()), unusable=tables.unusable)

    def _plan_rebuild(self, tables: EachTable, some: Sequence[str] | None) -> dict[str, TablePlan]:
        return tables.each(lambda one: plan_rebuild(self.dataset, one, some))

    def _plan_refresh(self, tables: EachTable, some: Sequence[str] | None) -> dict[str, TablePlan]:
        known = tables.each(lambda one: load_index(self.dataset, one.table_name))
        looks = [(one, known[one.table_name]) for one in tables.left]
        found = dict(zip(known, inspect_tables(self.dataset, looks, some), strict=True))
        return tables.each(lambda one: plan_refresh(self.dataset, one, found[one.table_name], is_of_all=some is None))

    def _carry_out(self, plan: TablePlan, done: Sequence[Extraction]) -> UpdateReport:
        report, is_written = carry_out(self.dataset, plan, done)
        if is_written:  # whoever wants it reads it; a million rows need not become a frame for nobody
            self.tables.pop(report.table_name, None)
            self._digests.pop(report.table_name, None)
        return report
