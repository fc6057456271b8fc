"""What every file of ROIs needs: titles and painted masks."""

from collections.abc import Collection, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from kymflow_core.errors import RoiError
from kymflow_core.roi.rois import ROI

NO_MASKS: Mapping[int, NDArray[np.bool_]] = MappingProxyType({})
MOST_PIXELS = 1 << 28
"""How large the box round a drawn shape may be for its pixels to be looked at."""


def roi_title(roi: ROI) -> str:
    """Return how a ROI is named in reports."""
    return f"ROI {roi.roi_id} ({roi.name!r})" if roi.name else f"ROI {roi.roi_id}"


def not_carried(roi: ROI, *, meta_keys: Collection[str], carries_note: bool) -> list[str]:
    """Return a line on what a ROI holds besides its geometry and the file cannot hold, where there is any."""
    geometry = ("shape", "mask_ref")
    left = ["note"] if roi.note and not carries_note else []
    left += [f"meta.{key}" for key in roi.meta if key not in (*geometry, *meta_keys)]
    left += [*roi.extra, *(f"data.{key}" for key in roi.data_extra)]
    return [f"not carried: {', '.join(left)}"] if left else []


def painted_mask(roi: ROI, masks: Mapping[int, NDArray[np.bool_]]) -> NDArray[np.bool_] | None:
    """Return the mask that was passed for a ROI; raise `RoiError` when it is not a boolean image."""
    mask = masks.get(roi.roi_id)
    if mask is not None and (mask.ndim != len(("y", "x")) or mask.dtype != np.bool_):
        raise RoiError(
            f"the mask of {roi_title(roi)} must be a boolean image (y, x), not {mask.dtype} of shape {mask.shape}"
        )
    return mask
