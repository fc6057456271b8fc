"""The table `rois`: every ROI of every image, with its bounds in pixels and in physical units, and what its pixels say."""

import numpy as np
import pandas as pd
import pyarrow as pa

from kymflow_core.columns import units_of_columns
from kymflow_core.errors import IndexerError, KymflowError, RoiError
from kymflow_core.headers import AcquisitionHeader
from kymflow_core.images.metadata import RecordMetadata
from kymflow_core.images.roi_facts import MANY, stats_of_roi
from kymflow_core.images.slices import Slices, are_few
from kymflow_core.indexers.arrow_rows import table_of_rows
from kymflow_core.indexers.protocol import ArtifactReader, rows_of
from kymflow_core.roi import ROI, RectROI
from kymflow_core.roi.bounds import NOWHERE, roi_bounds
from kymflow_core.roi.masks import StoredMask, load_stored_mask
from kymflow_zarr import MASKS_KEY, METADATA_KEY, PIXEL_VALUES_KEY, JsonObject

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
    "n_pixels": "Int64",
    "mean": "float64",
    "std": "float64",
    "min": "float64",
    "max": "float64",
}


class RoiIndexer:
    """Reads the ROIs in the metadata; one row a ROI.

    `kind` is "rect" or "mask"; `shape` what a mask was drawn as, empty where it was painted. `x0` to `y1` are the half-open
    ranges of the smallest rectangle that holds the ROI's pixels, `x0_um` to `t1_s` the same in µm along the line and in s
    from the first line, missing where the image is not calibrated. Of a ROI whose mask is lost or damaged they are those of
    the shape that was drawn; of a painted one, and where there is no pixel, they are 0. `mask` is a `MaskState`: empty,
    "mask", "mask outdated" for a rectangle that was changed after its mask was written, "mask missing", "mask damaged".
    `n_pixels` to `max` are of the pixels inside, in the ROI's z and channel, as the file has them: how many there are,
    their mean, the standard deviation of this population, the lowest and the highest; missing where nobody knows the
    pixels, since the mask is lost or damaged or the image has no such channel, and `mean` to `max` also where there are
    none.
    """

    name = "ROIs"
    table_name = "rois"
    schema_version = "3"
    reads = (METADATA_KEY, MASKS_KEY, PIXEL_VALUES_KEY)
    units = units_of_columns(_DTYPES)

    def required_columns(self) -> list[str]:
        """Return `image_id` and the columns named above."""
        return ["image_id", *_DTYPES]

    def extract_rows(self, rec: ArtifactReader) -> pd.DataFrame:
        """Return the image's ROIs, in their order."""
        return rows_of(pd.DataFrame(self._rows(rec)), _DTYPES, image_id=rec.image_id, what="ROIs")

    def extract_table(self, rec: ArtifactReader) -> pa.Table | None:
        """Return the same as `extract_rows`."""
        return table_of_rows(self._rows(rec), _DTYPES, image_id=rec.image_id)

    def _rows(self, rec: ArtifactReader) -> list[JsonObject]:
        metadata = RecordMetadata.load(rec)
        try:
            rois = metadata.rois
        except KymflowError as error:
            raise IndexerError(f"the ROIs of image {rec.image_id} cannot be read: {error}") from error
        if not len(rois):
            return []
        pixels = rec.load_array() if are_few(rec.get_shape()) else rec.open_array()
        slices, header = Slices(pixels, rec.get_axes(), holds=len(rois) >= MANY), metadata.header
        return [_row(roi, load_stored_mask(rec, roi, slices.shape), slices, header) for roi in rois]


def _row(roi: ROI, stored: StoredMask, slices: Slices, header: AcquisitionHeader) -> JsonObject:
    bounds = roi_bounds(roi, slices.shape, stored.pixels)
    x0, x1, y0, y1 = bounds or NOWHERE
    try:
        stats = stats_of_roi(slices, roi, stored, bounds)
    except RoiError:  # the image has not so many channels
        stats = None
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
        "mask": stored.state.value,
        "n_pixels": None if stats is None else stats.n,
        "mean": np.nan if stats is None else stats.mean,
        "std": np.nan if stats is None else stats.std,
        "min": np.nan if stats is None else stats.min,
        "max": np.nan if stats is None else stats.max,
    }
