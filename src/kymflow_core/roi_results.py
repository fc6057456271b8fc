"""Which results were computed for which ROI, so that nobody changes a ROI without knowing what hangs on it."""

from collections.abc import Mapping

from kymflow_core.errors import IndexerError
from kymflow_core.indexers import INDEXERS
from kymflow_core.indexers.protocol import ArtifactReader
from kymflow_core.roi import ROI, RectROI, RoiSet
from kymflow_zarr.errors import KymflowZarrError

RoiResults = Mapping[int, Mapping[str, int]]


def results_by_roi(record: ArtifactReader) -> dict[int, dict[str, int]]:
    """Return, for every ROI id that results of a record name, the number of rows by kind of result.

    Results that cannot be read are left out: `verify` and the tables say so.
    """
    found: dict[int, dict[str, int]] = {}
    for indexer in INDEXERS:
        try:
            rows = indexer.extract_rows(record)
        except (IndexerError, KymflowZarrError):
            continue
        for roi_id, count in rows["roi_id"].value_counts().items():
            found.setdefault(int(str(roi_id)), {})[indexer.name] = int(count)
    return found


def has_same_pixels(roi: ROI, other: ROI) -> bool:
    """Return whether results computed for one ROI hold for the other: name, note and colour may differ."""
    if (roi.z, roi.channel) != (other.z, other.channel) or type(roi) is not type(other):
        return False
    if isinstance(roi, RectROI) and isinstance(other, RectROI):
        return (roi.x0, roi.x1, roi.y0, roi.y1) == (other.x0, other.x1, other.y0, other.y1)
    return roi.mask_ref == other.mask_ref and roi.meta.get("shape") == other.meta.get("shape")


def outdated_results(results: RoiResults, before: RoiSet, after: RoiSet) -> list[str]:
    """Return one line for each ROI with results whose pixels changed, or that is gone, such as "ROI 1 was moved: …"."""
    lines = []
    for roi in before:
        held = results.get(roi.roi_id)
        if not held or (roi.roi_id in after and has_same_pixels(roi, after.get(roi.roi_id))):
            continue
        what = ", ".join(f"{name} ({count} row{'' if count == 1 else 's'})" for name, count in held.items())
        change = "was changed" if roi.roi_id in after else "was deleted"
        lines.append(f"ROI {roi.roi_id} {change}; computed for it as it was: {what}")
    return lines
