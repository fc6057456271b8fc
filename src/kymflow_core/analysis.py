"""Measures the velocity in the records of a dataset: in this process, or by any executor.

The rule of this room: a record whose results are fresh is left alone, one that fails does not stop the others, and what
happened is returned. Each record is whole on disk as soon as it is measured, so a run that is stopped goes on from there.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from kymflow_core.errors import KymflowError
from kymflow_core.images.acq_image import AcqImage
from kymflow_zarr import Watch, ZarrDataset
from kymflow_zarr.counted import counted
from kymflow_zarr.errors import KymflowZarrError
from kymflow_zarr.spread import lost_workers_named
from kymflow_zarr.watch import UNWATCHED

if TYPE_CHECKING:
    from kymflow_core.flow import VelocitySettings

ALL, FULL = "all", "full"
"""Which ROIs: all of each record; or the whole image, for which a ROI is made where a record has none."""
_WAITING = 64
"""Records that an executor is given at a time."""
_ASKED_EVERY_S = 0.5
"""How often a run by an executor asks whether it was cancelled."""
_FAILURES = (KymflowError, KymflowZarrError, OSError)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordAnalysis:
    """What was done with one record.

    `measured` has a line of the result of each ROI, `failed` why others could not be measured, both by id; `fresh` are the
    ROIs that were left alone; `error` says why nothing of the record could be done.
    """

    image_id: str
    name: str = ""
    measured: Mapping[int, str] = field(default_factory=dict)
    failed: Mapping[int, str] = field(default_factory=dict)
    fresh: tuple[int, ...] = ()
    error: str = ""

    @property
    def has_no_roi(self) -> bool:
        """Whether there was nothing to measure."""
        return not (self.measured or self.failed or self.fresh or self.error)


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysisReport:
    """What was done with the records of a dataset, in their order."""

    records: tuple[RecordAnalysis, ...] = ()
    is_cancelled: bool = False

    @property
    def n_measured(self) -> int:
        """How many ROIs were measured."""
        return sum(len(one.measured) for one in self.records)

    @property
    def n_failed(self) -> int:
        """How many ROIs could not be measured, and records of which none could."""
        return sum(len(one.failed) + bool(one.error) for one in self.records)

    def summary(self) -> str:
        """Return one line, such as "3 ROIs of 2 images measured, 4 fresh, 1 image without such a ROI"."""
        images = sum(bool(one.measured) for one in self.records)
        fresh = sum(len(one.fresh) for one in self.records)
        without = sum(one.has_no_roi for one in self.records)
        parts = [f"{counted(self.n_measured, 'ROI')} of {counted(images, 'image')} measured", f"{fresh} fresh"]
        parts += [f"{self.n_failed} failed"] if self.n_failed else []
        parts += [f"{counted(without, 'image')} without such a ROI"] if without else []
        parts += ["cancelled"] if self.is_cancelled else []
        return ", ".join(parts)


def analyze_dataset(
    dataset: str | Path | ZarrDataset,
    *,
    rois: str = ALL,
    settings: "VelocitySettings | None" = None,
    image_ids: Iterable[str] | None = None,
    executor: Executor | None = None,
    watch: Watch = UNWATCHED,
) -> AnalysisReport:
    """Measure the velocity in every ROI whose results are not what these settings would give now.

    Parameters
    ----------
    dataset
        A path, or an open dataset that can be written.
    rois
        "all", "full" for the whole image, or the name of ROIs.
    settings
        How; the defaults serve without tuning.
    image_ids
        Only these records; by default all.
    executor
        Any `concurrent.futures.Executor`, also one of other processes or machines that see the same path; by default one
        record is measured after another.
    watch
        Shows after each record how far the work is. When cancelled, records that were begun are finished.

    Raises
    ------
    ReadOnlyError
        When the dataset cannot be written.
    WorkerLostError
        When a process of the executor was ended from outside; what was measured by then is saved.
    """
    opened = dataset if isinstance(dataset, ZarrDataset) else ZarrDataset(dataset)
    ids = opened.list_image_ids() if image_ids is None else list(dict.fromkeys(image_ids))
    path = opened.path.resolve()
    one_by_one = (analyze_record(path, image_id, rois, settings) for image_id in ids)
    stream = one_by_one if executor is None else _spread(path, ids, rois, settings, executor, watch)
    found: dict[str, RecordAnalysis] = {}
    while not (executor is None and watch.is_cancelled()):
        record = next(stream, None)
        if record is None:
            break
        found[record.image_id] = record
        watch.progress(len(found), len(ids), record.name)
    records = tuple(found[image_id] for image_id in ids if image_id in found)
    return AnalysisReport(records=records, is_cancelled=len(records) < len(ids))


def analyze_record(path: Path, image_id: str, rois: str, settings: "VelocitySettings | None") -> RecordAnalysis:
    """Measure what is not fresh in one record of the dataset at a path: what an executor is given, in whatever process."""
    # scipy is loaded only where a velocity is measured.
    from kymflow_core.flow import VelocitySettings
    from kymflow_core.images.velocity_results import analyze_rois, deleted_roi_ids, stale_roi_ids

    asked, name = settings or VelocitySettings(), ""
    try:
        record = ZarrDataset(path).record(image_id)
        image = AcqImage(record)
        name = image.name or image_id[:8]
        wanted = _chosen(image, rois)
        stale = list(stale_roi_ids(record, image.metadata, wanted, asked))
        if not stale and not (rois == ALL and deleted_roi_ids(record, image.rois)):
            return RecordAnalysis(image_id=image_id, name=name, fresh=tuple(wanted))
        done = analyze_rois(image, record, stale, asked)
    except _FAILURES as error:
        return RecordAnalysis(image_id=image_id, name=name, error=str(error))
    return RecordAnalysis(
        image_id=image_id,
        name=name,
        measured={roi_id: one.summary() for roi_id, one in done.measured.items()},
        failed=done.failed,
        fresh=tuple(roi_id for roi_id in wanted if roi_id not in stale),
    )


def _chosen(image: AcqImage, rois: str) -> list[int]:
    if rois == FULL:
        return image.add_full_rois()
    return [roi.roi_id for roi in image.rois if rois in (ALL, roi.name)]


def _spread(
    path: Path,
    image_ids: Sequence[str],
    rois: str,
    settings: "VelocitySettings | None",
    executor: Executor,
    watch: Watch,
) -> Iterator[RecordAnalysis]:
    """Yield what each record gave as soon as it is done; where the run is stopped, records that were not begun are left."""
    waiting = iter(image_ids)
    pending: dict[Future[RecordAnalysis], str] = {}
    try:
        while True:
            if watch.is_cancelled():
                waiting = iter(())
                for future in [one for one in pending if one.cancel()]:
                    del pending[future]
            while len(pending) < _WAITING and (image_id := next(waiting, None)) is not None:
                with lost_workers_named():
                    pending[executor.submit(analyze_record, path, image_id, rois, settings)] = image_id
            if not pending:
                return
            done, _ = wait(pending, timeout=_ASKED_EVERY_S, return_when=FIRST_COMPLETED)
            for future in done:
                yield _result(future, pending.pop(future))
    finally:
        for future in pending:
            future.cancel()


def _result(future: "Future[RecordAnalysis]", image_id: str) -> RecordAnalysis:
    """Return what a record gave; of one whose process was killed, or whose code failed, the error."""
    error = future.exception()
    if error is None:
        return future.result()
    return RecordAnalysis(image_id=image_id, name=image_id[:8], error=f"{type(error).__name__}: {error}")
