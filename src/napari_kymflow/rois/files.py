"""ROIs of the open record to files of other programs and back. No Qt."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kymflow_core import RoiSet
from kymflow_core.roi import ROI, MaskROI
from kymflow_core.roi_files.geojson import save_geojson
from kymflow_core.roi_files.imagej import rois_from_imagej, rois_to_imagej
from napari_kymflow.rois.editor import RoiEditor


def import_imagej(path: Path, editor: RoiEditor) -> tuple[tuple[ROI, ...], tuple[str, ...]]:
    """Return the ROIs of an ImageJ file, and what was lost; raise `RoiError` where it cannot be read."""
    found = rois_from_imagej(path, next_id=editor.rois.next_id, shape=editor.shape)
    return found.rois, found.lost


def export_rois(path: Path, editor: RoiEditor, roi_ids: Sequence[int]) -> tuple[str, ...]:
    """Write ROIs as GeoJSON where the file's name says so, else for ImageJ, and return what was lost.

    Raises
    ------
    RoiError
        When they cannot be written in that form, or a mask cannot be read.
    OSError
        When the disk refuses.
    """
    rois = RoiSet.of(editor.rois.get(roi_id) for roi_id in roi_ids)
    masks = {roi.roi_id: _painted(editor, roi) for roi in rois if isinstance(roi, MaskROI) and roi.drawn is None}
    if path.suffix == ".geojson":
        header = editor.image.header
        return save_geojson(
            path, rois, masks=masks, um_per_pixel=header.um_per_pixel, seconds_per_line=header.seconds_per_line
        )
    return rois_to_imagej(rois, path, masks=masks)


def _painted(editor: RoiEditor, roi: MaskROI) -> NDArray[np.bool_]:
    return editor.image.mask_of(roi)
