"""What is measured of ROIs, for the list. No Qt."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from psygnal import Signal

from kymflow_core import AcqImage, RoiSet
from kymflow_core.images.roi_facts import RoiFacts, examine_rois
from kymflow_core.roi import ROI
from kymflow_core.roi.bounds import Bounds, roi_bounds
from kymflow_core.tables.roi_results import has_same_pixels
from kymflow_zarr import ZarrDataset
from napari_kymflow.errors import OUR_ERRORS
from napari_kymflow.user.window import Window


class MeasuredRois:
    """What was measured of the ROIs of the open record so far; workers measure what changed.

    Parameters
    ----------
    path, image_id
        The record.
    shape
        The shape (y, x) of its slices.
    get_rois
        Returns the ROIs as they are now.
    window
        The window around it.
    """

    changed = Signal()

    def __init__(
        self, path: Path, image_id: str, shape: tuple[int, int], get_rois: Callable[[], RoiSet], window: Window
    ) -> None:
        self.window = window
        self._path, self._image_id, self._shape, self._get_rois = path, image_id, shape, get_rois
        self._measured: dict[int, tuple[ROI, RoiFacts]] = {}
        self._is_measuring = False
        self._is_closed = False

    def facts_of(self, roi_id: int) -> RoiFacts | None:
        """Return what was measured of a ROI last; None where nothing was."""
        return self._measured[roi_id][1] if roi_id in self._measured else None

    def bounds_of(self, roi: ROI) -> Bounds | None:
        """Return where the pixels of a ROI on screen lie; None for a painted one that is not measured yet, or is lost."""
        measured, facts = self._measured.get(roi.roi_id, (None, None))
        bounds = facts.bounds if facts and measured and is_measured(roi, measured) else None
        return roi_bounds(roi, self._shape) if bounds is None else bounds

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
    """Return what is measured of ROIs, saved or not; nothing of a record that cannot be opened. Safe in a worker."""
    try:
        facts = examine_rois(AcqImage(ZarrDataset(path, mode="r").record(image_id)), rois)
    except OUR_ERRORS:
        facts = {}
    return {roi.roi_id: (roi, facts.get(roi.roi_id, RoiFacts())) for roi in rois}


def is_measured(roi: ROI, measured: ROI) -> bool:
    """Return whether what was measured of one ROI holds for the other."""
    return has_same_pixels(roi, measured) and roi.mask_ref == measured.mask_ref
