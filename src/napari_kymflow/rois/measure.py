"""What is measured of ROIs, for the list. No Qt."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from psygnal import Signal

from kymflow_core import AcqImage, RoiSet
from kymflow_core.roi import ROI
from kymflow_core.roi.pixels import RoiStats
from kymflow_core.tables.roi_results import has_same_pixels
from kymflow_zarr import ZarrDataset
from napari_kymflow.errors import OUR_ERRORS
from napari_kymflow.user.window import Window


@dataclass(frozen=True, slots=True, kw_only=True)
class RoiFacts:
    """What is measured of one ROI: the pixels inside, and "", "mask", "mask outdated" or "mask damaged"."""

    stats: RoiStats | None
    mask_state: str


class MeasuredRois:
    """What was measured of the ROIs of the open record so far; workers measure what changed.

    Parameters
    ----------
    path, image_id
        The record.
    get_rois
        Returns the ROIs as they are now.
    window
        The window around it.
    """

    changed = Signal()

    def __init__(self, path: Path, image_id: str, get_rois: Callable[[], RoiSet], window: Window) -> None:
        self.window = window
        self._path, self._image_id, self._get_rois = path, image_id, get_rois
        self._measured: dict[int, tuple[ROI, RoiFacts]] = {}
        self._is_measuring = False
        self._is_closed = False

    def facts_of(self, roi_id: int) -> RoiFacts | None:
        """Return what was measured of a ROI last; None where nothing was."""
        return self._measured[roi_id][1] if roi_id in self._measured else None

    def close(self) -> None:
        """Measure nothing more."""
        self._is_closed = True

    def update(self) -> None:
        """Measure, in a worker, the ROIs that changed since they were measured."""
        if self._is_measuring or self._is_closed:
            return
        known = self._measured
        changed = [roi for roi in self._get_rois() if roi.roi_id not in known or not is_measured(roi, known[roi.roi_id][0])]
        if changed:
            self._is_measuring = True
            self.window.run(partial(measure_rois, self._path, self._image_id, changed), self._on_measured, self._on_failed)

    def _on_measured(self, found: dict[int, tuple[ROI, RoiFacts]]) -> None:
        self._is_measuring = False
        if not self._is_closed:
            self._measured.update(found)
            self.changed.emit()
            self.window.later(self.update)

    def _on_failed(self, error: Exception) -> None:
        self._is_measuring = False


def measure_rois(path: Path, image_id: str, rois: Sequence[ROI]) -> dict[int, tuple[ROI, RoiFacts]]:
    """Return what is measured of ROIs, saved or not; None for statistics that cannot be read. Safe in a worker."""
    try:
        image = AcqImage(ZarrDataset(path, mode="r").record(image_id))
    except OUR_ERRORS:
        return {roi.roi_id: (roi, RoiFacts(stats=None, mask_state="")) for roi in rois}
    try:
        measured = image.measure_many(rois)
    except OUR_ERRORS:  # one of them; the others are measured all the same
        measured = {roi.roi_id: stats for roi in rois if (stats := _measured(image, roi)) is not None}
    return {roi.roi_id: (roi, RoiFacts(stats=measured.get(roi.roi_id), mask_state=_mask_state(image, roi))) for roi in rois}


def _measured(image: AcqImage, roi: ROI) -> RoiStats | None:
    try:
        return image.measure(roi)
    except OUR_ERRORS:
        return None


def _mask_state(image: AcqImage, roi: ROI) -> str:
    try:
        return image.mask_state(roi)
    except OUR_ERRORS:
        return "mask damaged"


def is_measured(roi: ROI, measured: ROI) -> bool:
    """Return whether what was measured of one ROI holds for the other."""
    return has_same_pixels(roi, measured) and roi.mask_ref == measured.mask_ref
