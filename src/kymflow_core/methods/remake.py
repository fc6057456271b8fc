"""The tables of a dataset made again, from the raw files and from what people entered.

The rule of this room: nothing that was computed is taken over; pixels come from the raw files, and calibration, experiment,
ROIs and verdicts from the dataset, since people made them.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from kymflow_core.artifacts import METHOD_COLUMN
from kymflow_core.errors import CommandError
from kymflow_core.images.acq_image import AcqImage
from kymflow_core.images.velocity_of_roi import ALGORITHM
from kymflow_core.indexers import INDEXERS, RadonReportIndexer
from kymflow_core.methods.paragraph import asked_settings_of
from kymflow_core.reviews.log import load_logs, log_to_json
from kymflow_core.tables.extraction import statements_of
from kymflow_core.tables.kym_dataset import KymDataset
from kymflow_core.velocity_schema import METHODS
from kymflow_zarr import ZarrDataset, ZarrImageRecord
from kymflow_zarr.counted import counted

_OF_ANOTHER_RUN = ("event_id", "source")
"""Columns that need not be the same: events are numbered on from run to run, and the files may lie elsewhere."""
_ORDER = ("image_id", "roi_id", "channel", "window", "detected_t0_s", "t0_s", "kind", "reviewer")


@dataclass(frozen=True, slots=True, kw_only=True)
class RemadeTables:
    """How the tables that were made again compare with those of the dataset.

    `rows` are the numbers of rows that are the same, by table; `differences` has one sentence for each table that is not,
    and for each record that could not be made again.
    """

    rows: dict[str, int] = field(default_factory=dict)
    differences: tuple[str, ...] = ()

    def summary(self) -> str:
        """Return one line a table, and one a difference."""
        same = [f"{name}: {counted(count, 'row')}, all the same" for name, count in self.rows.items()]
        return "\n".join([*same, *self.differences])


def remake_tables(dataset: str | Path, raw_folder: str | Path, new: str | Path) -> RemadeTables:
    """Make the tables of a dataset again in a new one, from the raw files, and compare.

    Parameters
    ----------
    dataset
        The dataset; it is only read. What people entered comes from it.
    raw_folder
        The folder with the image files that it was made of.
    new
        Where the new dataset is to be.

    Raises
    ------
    CommandError
        When none of the dataset's images is in the folder.
    """
    old, made = ZarrDataset(dataset, mode="r"), ZarrDataset.create(new)
    made.import_folder(raw_folder)
    pairs = _pairs(old, made)
    if not pairs:
        raise CommandError(f"{raw_folder} has none of the files that {dataset} was made of; give their folder")
    for old_id, new_id in pairs.items():
        _measure(old.record(old_id), made.record(new_id))
    missing = [f"{image_id}: its file is not in {raw_folder}" for image_id in old.list_image_ids() if image_id not in pairs]
    then, now = KymDataset(old), KymDataset(made)
    now.refresh_tables(INDEXERS).checked()
    rows, differences = dict[str, int](), list[str]()
    for indexer in INDEXERS:
        before = _ours(then.current_rows(indexer).replace({"image_id": pairs}))
        after = _ours(now.get_table(indexer.table_name))
        before = before[before["image_id"].isin(pairs.values())]
        what = _difference(before, after)
        if what:
            differences.append(f"{indexer.table_name}: {what}")
        else:
            rows[indexer.table_name] = len(after)
    return RemadeTables(rows=rows, differences=(*differences, *missing))


def _pairs(old: ZarrDataset, made: ZarrDataset) -> dict[str, str]:
    """Return the id of each record in the new dataset, by that in the old one: they came from the same content."""
    by_content = {(one.source_sha256, one.source_image): image_id for image_id, one in made.load_sources().items()}
    there = set(old.list_image_ids())
    return {
        image_id: by_content[one.source_sha256, one.source_image]
        for image_id, one in old.load_sources().items()
        if image_id in there and (one.source_sha256, one.source_image) in by_content
    }


def _measure(old: ZarrImageRecord, new: ZarrImageRecord) -> None:
    """Give a record what people entered in another one, and measure what was measured there, with the same settings."""
    there = set(new.list_array_artifacts())
    for name in old.list_array_artifacts():
        if name not in there:
            axes, held = old.get_array_artifact_axes(name), old.is_held_by_metadata(name)
            new.restore_array(name, old.load_array_artifact(name), axes=axes, held_by_metadata=held)
    new.save_metadata_payload(old.load_metadata_payload())
    for statement in statements_of(old, RadonReportIndexer()):
        if statement.algorithm == ALGORITHM and statement.rois:
            image = AcqImage(new)
            image.analyze([one for one in statement.rois if one in image.rois.ids], asked_settings_of(statement))
    for name, entries in load_logs(old).items():
        new.save_json(name, log_to_json(entries))


def _ours(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows[METHOD_COLUMN].isin(METHODS)] if METHOD_COLUMN in rows.columns else rows


def _difference(before: pd.DataFrame, after: pd.DataFrame) -> str:
    """Return how two tables differ; empty where they do not."""
    if len(before) != len(after):
        return f"{counted(len(before), 'row')} in the dataset, {len(after)} made again"
    common = [name for name in after.columns if name in before.columns and name not in _OF_ANOTHER_RUN]
    order = [name for name in _ORDER if name in common]
    first, second = (one[common].sort_values(order, kind="stable").reset_index(drop=True) for one in (before, after))
    wrong = [name for name in common if not _is_same(first[name], second[name])]
    return f"the columns {', '.join(wrong)} differ" if wrong else ""


def _is_same(first: "pd.Series[Any]", second: "pd.Series[Any]") -> bool:
    """Return whether two columns are the same, numbers but for the last digits, which differ between processors."""
    missing = first.isna() & second.isna()
    if pd.api.types.is_float_dtype(first) and pd.api.types.is_float_dtype(second):
        return bool(np.isclose(first.to_numpy(np.float64), second.to_numpy(np.float64), rtol=1e-9, equal_nan=True).all())
    return bool(((first == second).fillna(value=False) | missing).all())
