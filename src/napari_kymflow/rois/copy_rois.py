"""Copies ROIs to other records. No layer, no widget: safe in a worker."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from kymflow_core import AcqImage, RectROI, RoiSet
from kymflow_core.images.metadata import change_metadata
from kymflow_core.roi import ROI
from kymflow_zarr import ZarrDataset, ZarrImageRecord
from napari_kymflow.errors import OUR_ERRORS


def records_of_shape(path: Path, shape: tuple[int, int], *, without: str) -> dict[str, str]:
    """Return the names by id of the records whose slices have `shape` (y, x); damaged ones are left out."""
    found: dict[str, str] = {}
    dataset = ZarrDataset(path, mode="r")
    for image_id in dataset.list_image_ids():
        try:
            image = AcqImage(dataset.record(image_id))
            if image_id != without and image.slice_shape == shape:
                found[image_id] = image.name or image_id[:8]
        except OUR_ERRORS:
            continue
    return dict(sorted(found.items(), key=lambda item: item[1]))


def copy_rois(path: Path, from_id: str, rois: Sequence[ROI], to_ids: Sequence[str]) -> dict[str, str]:
    """Add ROIs to other records, with new ids there, and save them; return why it failed, by record, where it did."""
    failed: dict[str, str] = {}
    try:
        dataset = ZarrDataset(ZarrDataset(path, mode="r").path)
        source = AcqImage(dataset.record(from_id))
    except OUR_ERRORS as error:
        return dict.fromkeys(to_ids, str(error))
    for image_id in to_ids:
        try:
            change_metadata(dataset.record(image_id), partial(_copy_to, source, rois))
        except (*OUR_ERRORS, OSError) as error:
            failed[image_id] = str(error)
    return failed


def _copy_to(source: AcqImage, rois: Sequence[ROI], record: ZarrImageRecord) -> None:
    image = AcqImage(record)
    added = image.rois
    for roi in rois:
        added = added.add(_copied(roi, added, source, image))
    image.save_rois(added)


def _copied(roi: ROI, there: RoiSet, source: AcqImage, image: AcqImage) -> ROI:
    if isinstance(roi, RectROI):
        return replace(roi, roi_id=there.next_id, meta={key: value for key, value in roi.meta.items() if key != "mask_ref"})
    if roi.drawn is not None:
        return replace(roi.with_shape(roi.drawn), roi_id=there.next_id)
    reference = image.write_mask(there.next_id, source.mask_of(roi))
    return replace(roi, roi_id=there.next_id, reference=reference)
