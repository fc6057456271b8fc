"""What is done with metadata that a person entered, in a worker: they are saved, and the tables follow."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kymflow_core import EditReport, MetadataEdit, UpdateReport
from kymflow_core.indexers import DatasetIndexer
from kymflow_zarr import Watch
from napari_kymflow.errors import OUR_ERRORS
from napari_kymflow.tables.metadata_form import run_edit
from napari_kymflow.tables.views import DatasetViews
from napari_kymflow.tables.work import Outcome, load_views, refresh_after_save


@dataclass(frozen=True, slots=True)
class Edited:
    """What an edit did, and what the dataset held then."""

    report: EditReport
    outcome: Outcome


def edit_and_load(
    path: Path,
    known: Sequence[DatasetIndexer],
    step: MetadataEdit | EditReport,
    image_ids: Sequence[str],
    before: DatasetViews | None,
    watch: Watch,
    *,
    writes_tables: bool,
) -> Edited:
    """Edit metadata, let the tables follow, and return the result; safe in a worker.

    Parameters
    ----------
    path
        The dataset.
    known
        The tables.
    step
        What is entered, or the report of what is taken back.
    image_ids
        The records.
    before
        What was shown of the dataset.
    watch
        Shows how far the work is; when cancelled, it stops between records.
    writes_tables
        Whether the tables follow.
    """
    report = run_edit(path, step, image_ids, watch=watch)
    reports, problem = list[UpdateReport](), ""
    if report.changed and writes_tables:
        try:
            reports = refresh_after_save(path, known, [change.image_id for change in report.changed])
        except OUR_ERRORS as error:
            problem = f"the tables could not follow: {error}"
    return Edited(report, Outcome(path, load_views(path, known, before, watch), reports, problem=problem))
