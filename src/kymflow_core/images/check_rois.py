"""What is wrong with a record's ROIs: for `verify`, which knows files and arrays, but no ROI."""

from collections.abc import Iterator, Mapping

from kymflow_core.errors import KymflowError
from kymflow_core.images.metadata import RecordMetadata
from kymflow_core.roi.masks import whole_mask
from kymflow_core.roi.rois import ROI
from kymflow_zarr import ZarrImageRecord, array_name
from kymflow_zarr.errors import DamagedError


def check_rois(record: ZarrImageRecord) -> Iterator[str]:
    """Yield what is wrong: ids that occur twice, envelopes that cannot be read, masks that are not there or do not fit."""
    try:
        held = RecordMetadata.load(record).rois
    except KymflowError as error:
        yield str(error)
        return
    except DamagedError:  # said of the metadata
        return
    there = set(record.list_array_artifacts())
    for roi in held:
        if roi.mask_ref is not None:
            yield from _check_mask(record, roi, roi.mask_ref, there)


def _check_mask(record: ZarrImageRecord, roi: ROI, reference: str, there: set[str]) -> Iterator[str]:
    name = array_name(reference)
    if name is None:
        yield f"ROI {roi.roi_id} refers to the mask {reference!r}, which is no array of its record"
        return
    if name not in there:
        yield f"ROI {roi.roi_id} refers to the mask {reference!r}, which is not there; the record has {sorted(there)}"
        return
    try:
        stored = record.get_array_artifact_shape(name)
        sizes: Mapping[str, int] = dict(zip(record.get_axes(), record.get_shape(), strict=True))
        shape = sizes.get("y", 1), sizes.get("x", 1)
        # Only one of another shape is read: `verify` reads no pixel of a sound record.
        fits = stored == shape or whole_mask(roi, record.load_array_artifact(name), shape) is not None
    except (DamagedError, ValueError):  # said of the array
        return
    if not fits:
        yield f"ROI {roi.roi_id} has a mask of shape {stored} in an image of {dict(sizes)}"
