"""Measures the velocity of ROIs from the dock: which ones, the work in a worker, and its result in words. No Qt.

The rule of this room: ROIs are saved before they are measured, and the tables follow in the same worker. What was
measured before a cancel stays.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from kymflow_core import AcqImage
from kymflow_core.analysis import analyze_dataset
from kymflow_core.indexers import DatasetIndexer
from kymflow_zarr import Watch, ZarrDataset
from kymflow_zarr.counted import counted
from napari_kymflow.errors import OUR_ERRORS
from napari_kymflow.flow.flow_view import FlowView
from napari_kymflow.tables.work import run_indexers

if TYPE_CHECKING:
    from kymflow_core.flow import VelocitySettings

Scope: TypeAlias = Literal["roi", "rois", "image", "dataset"]
SCOPES: Mapping[Scope, str] = {
    "roi": "Selected ROIs",
    "rois": "All ROIs of this record",
    "image": "The whole image, as a ROI of its own",
    "dataset": "All records that are not fresh",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What was measured: a line of the result for each ROI or record, and why others could not be measured."""

    lines: Sequence[str] = ()
    failures: Mapping[str, str] = field(default_factory=dict)
    n_fresh: int = 0
    is_cancelled: bool = False
    problem: str = ""
    """Why the tables could not follow."""
    failed: Sequence[tuple[str, int | None]] = ()
    """Of which image and ROI each failure is; None where the image itself could not be measured."""

    def summary(self) -> str:
        """Return one line; of one ROI its result."""
        if len(self.lines) == 1 and not self.failures:
            said = self.lines[0]
        else:
            said = f"{counted(len(self.lines), 'ROI')} measured"
            said += f", {self.n_fresh} fresh" if self.n_fresh else ""
            said += f", {len(self.failures)} failed" if self.failures else ""
        said += "; cancelled, what was measured is kept" if self.is_cancelled else ""
        return f"{said}; the tables could not follow: {self.problem}" if self.problem else said

    def details(self) -> str:
        """Return all of it, the failures first."""
        return "\n".join([*(f"{name}: not measured: {why}" for name, why in self.failures.items()), *self.lines])


Work: TypeAlias = Callable[[Watch], Measured]


def why_not(flow: FlowView, scope: Scope) -> str:
    """Return why nothing can be measured now; empty where it can."""
    session = flow.session
    if session.dataset is None:
        return "No dataset is open."
    if session.is_read_only:
        return f"This dataset is {session.is_read_only}, so no result can be written: copy it to a folder of your own."
    if scope == "dataset":
        return ""
    if flow.record is None:
        return "No record is open."
    if scope == "roi" and not flow.roi_ids:
        return "Select a ROI first, in the list or on the canvas."
    if scope == "rois" and not flow.record.rois.ids:
        return "This record has no ROI: draw one, or measure the whole image."
    return ""


def plan(flow: FlowView, scope: Scope, settings: "VelocitySettings", *, roi_ids: Sequence[int] = ()) -> Work:
    """Return what a worker does to measure a scope; of `roi_ids`, where some are given, only these.

    Raises
    ------
    ValueError
        When nothing can be measured; `why_not` says so before.
    """
    reason, session = why_not(flow, scope), flow.session
    path = session.path
    if reason or path is None:
        raise ValueError(reason)
    known = session.found.indexers
    if scope == "dataset" or flow.record is None:
        return partial(measure_dataset, path, settings, known)
    if scope == "image":
        return partial(measure_rois, path, flow.record.image_id, None, settings, known)
    ids = tuple(roi_ids) or (flow.roi_ids if scope == "roi" else tuple(flow.record.rois.ids))
    return partial(measure_rois, path, flow.record.image_id, ids, settings, known)


def measure_rois(
    path: Path,
    image_id: str,
    roi_ids: Sequence[int] | None,
    settings: "VelocitySettings",
    known: Sequence[DatasetIndexer],
    watch: Watch,
) -> Measured:
    """Measure ROIs of one record, one after the other, and let the tables follow; None is the whole image. In a worker."""
    image = AcqImage(ZarrDataset(path).record(image_id))
    ids = image.add_full_rois() if roi_ids is None else list(roi_ids)
    lines, failures = list[str](), dict[str, str]()
    for done, roi_id in enumerate(ids):
        watch.progress(done, len(ids), f"ROI {roi_id}")
        if watch.is_cancelled():
            break
        try:
            found = image.analyze([roi_id], settings)
        except OUR_ERRORS as error:
            failures[f"ROI {roi_id}"] = str(error)
            continue
        lines += [one.summary() for one in found.measured.values()]
        failures |= {f"ROI {one}": why for one, why in found.failed.items()}
    is_cancelled = len(lines) + len(failures) < len(ids)
    problem = _follow(path, known, [image_id]) if lines else ""
    failed = [(image_id, roi_id) for roi_id in ids if f"ROI {roi_id}" in failures]
    return Measured(lines=lines, failures=failures, is_cancelled=is_cancelled, problem=problem, failed=failed)


def measure_dataset(path: Path, settings: "VelocitySettings", known: Sequence[DatasetIndexer], watch: Watch) -> Measured:
    """Measure every ROI of a dataset whose results are not what the settings would give now. In a worker."""
    report = analyze_dataset(path, settings=settings, watch=watch)
    lines = [f"{one.name}: {line}" for one in report.records for line in one.measured.values()]
    failures = {f"{one.name}: ROI {roi_id}": why for one in report.records for roi_id, why in one.failed.items()}
    failures |= {one.name or one.image_id: one.error for one in report.records if one.error}
    return Measured(
        lines=lines,
        failures=failures,
        failed=[
            *((one.image_id, roi_id) for one in report.records for roi_id in one.failed),
            *((one.image_id, None) for one in report.records if one.error),
        ],
        n_fresh=sum(len(one.fresh) for one in report.records),
        is_cancelled=report.is_cancelled,
        problem=_follow(path, known, [one.image_id for one in report.records if one.measured]) if lines else "",
    )


def _follow(path: Path, known: Sequence[DatasetIndexer], image_ids: Sequence[str]) -> str:
    """Bring the rows of images up to date in all tables; return why that failed."""
    try:
        run_indexers(path, known, "refresh", image_ids=image_ids)
    except OUR_ERRORS as error:
        return str(error)
    return ""
