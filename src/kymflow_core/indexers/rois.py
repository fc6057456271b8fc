"""The table `rois`: every ROI of every image, with its bounds in pixels and in physical units."""

import numpy as np
import pandas as pd

from kymflow_core.errors import IndexerError, KymflowError
from kymflow_core.headers import AcquisitionHeader
from kymflow_core.indexers.protocol import ArtifactReader, rows_of
from kymflow_core.roi import ROI, RectROI, RoiSet
from kymflow_core.roi.pixels import is_older_mask, rect_mask, roi_box
from kymflow_zarr import MASKS_KEY, METADATA_KEY, JsonObject, array_name

_DTYPES = {
    "roi_id": "int64",
    "name": "str",
    "note": "str",
    "kind": "str",
    "shape": "str",
    "channel": "int64",
    "z": "int64",
    "x0": "int64",
    "x1": "int64",
    "y0": "int64",
    "y1": "int64",
    "x0_um": "float64",
    "x1_um": "float64",
    "t0_s": "float64",
    "t1_s": "float64",
    "mask": "str",
}
NO_MASK, MASK, MASK_OUTDATED, MASK_MISSING = "", "mask", "mask outdated", "mask missing"


class RoiIndexer:
    """Reads the ROIs in the metadata; one row a ROI.

    `kind` is "rect" or "mask"; `shape` what a mask was drawn as, empty where it was painted. `x0` to `y1` are the half-open
    ranges of pixels of the smallest rectangle that holds the ROI, `x0_um` to `t1_s` the same in µm along the line and in s
    from the first line, missing where the image is not calibrated. `mask` is empty, "mask", "mask outdated" for a rectangle
    that was changed since its mask was written, or "mask missing" where the array is not there.
    """

    name = "ROIs"
    table_name = "rois"
    schema_version = "1"
    reads = (METADATA_KEY, MASKS_KEY)

    def required_columns(self) -> list[str]:
        """Return `image_id` and the columns named above."""
        return ["image_id", *_DTYPES]

    def extract_rows(self, rec: ArtifactReader) -> pd.DataFrame:
        """Return the image's ROIs, in their order."""
        metadata = rec.load_metadata_payload()
        envelopes = metadata.get("rois")
        if envelopes is not None and not isinstance(envelopes, list):
            raise IndexerError(f"the ROIs of image {rec.image_id} are no list")
        try:
            rois = RoiSet.from_json(envelopes or [])
        except KymflowError as error:
            raise IndexerError(f"the ROIs of image {rec.image_id} cannot be read: {error}") from error
        read = _Masks(rec)
        calibration = AcquisitionHeader.of_metadata(metadata)
        rows = pd.DataFrame([_row(roi, read, calibration) for roi in rois])
        return rows_of(rows, _DTYPES, image_id=rec.image_id, what="ROIs")


class _Masks:
    """What the rows need of a record's masks."""

    def __init__(self, rec: ArtifactReader) -> None:
        self._rec = rec
        sizes = dict(zip(rec.get_axes(), rec.get_shape(), strict=True))
        self.shape = sizes.get("y", 1), sizes.get("x", 1)

    def load(self, roi: ROI) -> "np.ndarray[tuple[int, ...], np.dtype[np.bool_]] | None":
        """Return a ROI's stored mask, None where it has none or the array is not there."""
        name = array_name(roi.mask_ref) if roi.mask_ref else None
        if name is None or name not in self._rec.list_array_artifacts():
            return None
        return self._rec.load_array_artifact(name).astype(np.bool_)


def _row(roi: ROI, masks: _Masks, header: AcquisitionHeader) -> JsonObject:
    box, stored = roi_box(roi, masks.shape), None
    if roi.mask_ref is not None and (box is None or isinstance(roi, RectROI)):
        stored = masks.load(roi)
    if isinstance(roi, RectROI):
        x0, x1, y0, y1 = roi.x0, roi.x1, roi.y0, roi.y1
    elif box is not None:
        x0, x1, y0, y1 = box[1].start, box[1].stop, box[0].start, box[0].stop
    else:
        x0, x1, y0, y1 = _bounds(stored)
    um, seconds = header.um_per_pixel or np.nan, header.seconds_per_line or np.nan
    return {
        "roi_id": roi.roi_id,
        "name": roi.name,
        "note": roi.note,
        "kind": roi.roi_type,
        "shape": "" if isinstance(roi, RectROI) or roi.drawn is None else roi.drawn.type,
        "channel": roi.channel,
        "z": roi.z,
        "x0": x0,
        "x1": x1,
        "y0": y0,
        "y1": y1,
        "x0_um": x0 * um,
        "x1_um": x1 * um,
        "t0_s": y0 * seconds,
        "t1_s": y1 * seconds,
        "mask": _mask_state(roi, stored, masks),
    }


def _mask_state(roi: ROI, stored: "np.ndarray[tuple[int, ...], np.dtype[np.bool_]] | None", masks: _Masks) -> str:
    if roi.mask_ref is None:
        return NO_MASK
    if stored is None:
        stored = masks.load(roi)
    if stored is None:
        return MASK_MISSING
    if isinstance(roi, RectROI) and not is_older_mask(stored, roi):
        return MASK if np.array_equal(stored, rect_mask(roi, masks.shape)) else MASK_OUTDATED
    return MASK


def _bounds(mask: "np.ndarray[tuple[int, ...], np.dtype[np.bool_]] | None") -> tuple[int, int, int, int]:
    """Return x0, x1, y0, y1 of the pixels of a mask; zeros where it has none."""
    if mask is None or mask.ndim != 2 or not mask.any():
        return 0, 0, 0, 0
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(columns[0]), int(columns[-1]) + 1, int(rows[0]), int(rows[-1]) + 1
