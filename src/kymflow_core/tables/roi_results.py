"""Which results were computed for which ROI, so that nobody changes a ROI without knowing what hangs on it."""

from collections.abc import Mapping

from kymflow_core.errors import IndexerError
from kymflow_core.indexers import INDEXERS
from kymflow_core.indexers.arrow_rows import extract_as_table
from kymflow_core.indexers.protocol import ArtifactReader, reads_results
from kymflow_core.roi import ROI, RoiSet
from kymflow_core.roi.geometry import geometry_changes, roi_geometry
from kymflow_zarr.counted import counted
from kymflow_zarr.errors import KymflowZarrError

RoiResults = Mapping[int, Mapping[str, int]]


def results_by_roi(record: ArtifactReader) -> dict[int, dict[str, int]]:
    """Return, for every ROI id that results of a record name, the number of rows by kind of result.

    Results that cannot be read are left out: `verify` and the tables say so.
    """
    found: dict[int, dict[str, int]] = {}
    for indexer in filter(reads_results, INDEXERS):
        try:
            rows = extract_as_table(indexer, record)
        except (IndexerError, KymflowZarrError):
            continue
        if "roi_id" not in rows.column_names:
            continue
        for counted_id in rows["roi_id"].drop_null().value_counts():
            found.setdefault(int(str(counted_id["values"])), {})[indexer.name] = counted_id["counts"].as_py()
    return found


def has_same_pixels(roi: ROI, other: ROI) -> bool:
    """Return whether results computed for one ROI hold for the other: name, note and colour may differ."""
    return not geometry_changes(roi_geometry(roi), roi_geometry(other))


def outdated_roi_ids(results: RoiResults, before: RoiSet, after: RoiSet) -> list[int]:
    """Return the ids of the ROIs with results whose pixels changed, or that are gone."""
    changed = (roi for roi in before if roi.roi_id not in after or not has_same_pixels(roi, after.get(roi.roi_id)))
    return [roi.roi_id for roi in changed if results.get(roi.roi_id)]


def outdated_results(results: RoiResults, before: RoiSet, after: RoiSet) -> list[str]:
    """Return one line for each of `outdated_roi_ids`, such as "ROI 1 was changed; computed for it as it was: …"."""
    lines = []
    for roi_id in outdated_roi_ids(results, before, after):
        held = results[roi_id].items()
        what = ", ".join(f"{name} ({counted(count, 'row')})" for name, count in held)
        change = "was changed" if roi_id in after else "was deleted"
        lines.append(f"ROI {roi_id} {change}; computed for it as it was: {what}")
    return lines
