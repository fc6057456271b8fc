"""Runs indexers over a dataset and keeps its tables.

The rule of this room: a run writes its table once, one image that fails does not stop the others, and what happened is
returned.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

import pandas as pd

from kymflow_core.errors import KymflowError
from kymflow_core.indexers import DatasetIndexer
from kymflow_core.roi.check import check_rois
from kymflow_zarr import VerifyReport, ZarrDataset, concatenate_frames
from kymflow_zarr.errors import InvalidValueError, KymflowZarrError

Progress: TypeAlias = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateReport:
    """What an indexer run did: the rows that each image now has, and why images failed."""

    table_name: str
    rows: Mapping[str, int] = field(default_factory=dict)
    failed: Mapping[str, str] = field(default_factory=dict)

    def summary(self) -> str:
        """Return one line, such as "radon_report: 5 rows of 3 images, 1 failed"."""
        failed = f", {len(self.failed)} failed" if self.failed else ""
        return f"{self.table_name}: {sum(self.rows.values())} rows of {len(self.rows)} images{failed}"


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

    def get_table(self, name: str) -> pd.DataFrame:
        """Return a table, from the cache where it was read before; raise `TableNotFoundError` where there is none."""
        if name not in self.tables:
            self.tables[name] = self.dataset.load_table(name)
        return self.tables[name]

    def rebuild(self, indexer: DatasetIndexer, *, progress: Progress | None = None) -> UpdateReport:
        """Throw a table away and make it again from the artifacts of all images.

        Parameters
        ----------
        indexer
            Makes the rows.
        progress
            Called after each image with the number done and the number of all.
        """
        rows: dict[str, pd.DataFrame] = {}
        failed: dict[str, str] = {}
        ids = self.dataset.list_image_ids()
        for done, image_id in enumerate(ids, start=1):
            self._extract(indexer, image_id, rows, failed)
            if progress:
                progress(done, len(ids))
        frame = _join(rows, failed, indexer)
        self.dataset.save_table(indexer.table_name, frame)
        return self._report(indexer, rows, failed)

    def update_image(self, indexer: DatasetIndexer, image_id: str) -> UpdateReport:
        """Replace one image's rows in the table; the others stay as they are, and so does a table whose image failed."""
        rows: dict[str, pd.DataFrame] = {}
        failed: dict[str, str] = {}
        self._extract(indexer, image_id, rows, failed)
        if rows:
            try:
                self.dataset.replace_rows(indexer.table_name, rows)
            except InvalidValueError as error:
                rows, failed = {}, {image_id: str(error)}
        return self._report(indexer, rows, failed)

    def verify(self, *, deep: bool = False, repair: bool = False, progress: Progress | None = None) -> VerifyReport:
        """Look for what a crash or a bad disk left behind, in the ROIs too; as `ZarrDataset.verify`."""
        return self.dataset.verify(deep=deep, repair=repair, check_record=check_rois, progress=progress)

    def _extract(
        self, indexer: DatasetIndexer, image_id: str, rows: dict[str, pd.DataFrame], failed: dict[str, str]
    ) -> None:
        try:
            rows[image_id] = indexer.extract_rows(self.dataset.record(image_id))
        except (KymflowError, KymflowZarrError) as error:
            failed[image_id] = str(error)

    def _report(self, indexer: DatasetIndexer, rows: Mapping[str, pd.DataFrame], failed: Mapping[str, str]) -> UpdateReport:
        self.tables.pop(indexer.table_name, None)
        counts = {image_id: len(frame) for image_id, frame in rows.items()}
        return UpdateReport(table_name=indexer.table_name, rows=counts, failed=dict(failed))


def _join(rows: dict[str, pd.DataFrame], failed: dict[str, str], indexer: DatasetIndexer) -> pd.DataFrame:
    """Return all rows as one table; images whose columns do not fit those before them move from `rows` to `failed`."""
    empty = pd.DataFrame(columns=indexer.required_columns())
    try:
        return concatenate_frames([*rows.values()] or [empty], what=indexer.table_name)
    except InvalidValueError:
        _set_aside_misfits(rows, failed, what=indexer.table_name)
    return concatenate_frames([*rows.values()] or [empty], what=indexer.table_name)


def _set_aside_misfits(rows: dict[str, pd.DataFrame], failed: dict[str, str], *, what: str) -> None:
    seen = pd.DataFrame()
    for image_id in list(rows):
        try:
            joined = concatenate_frames([seen, rows[image_id]], what=what)
        except InvalidValueError as error:
            failed[image_id] = str(error)
            del rows[image_id]
        else:
            # One value of each column is enough to know its type.
            seen = joined.bfill().head(1)
