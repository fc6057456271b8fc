"""Which pixels a ROI means, as a value that can be stored and compared: what results depend on, not name and note."""

from collections.abc import Mapping

from kymflow_core.roi.rois import ROI, RectROI
from kymflow_zarr import JsonObject, JsonValue

_MASK = ("mask_ref", "shape")


def roi_geometry(roi: ROI) -> dict[str, JsonValue]:
    """Return what decides a ROI's pixels: type, channel, z, and the half-open ranges or the mask and its drawn shape."""
    place: dict[str, JsonValue] = {"roi_type": roi.roi_type, "channel": roi.channel, "z": roi.z}
    if isinstance(roi, RectROI):
        return {**place, "x0": roi.x0, "x1": roi.x1, "y0": roi.y0, "y1": roi.y1}
    return {**place, "mask_ref": roi.mask_ref, "shape": roi.meta.get("shape")}


def geometry_changes(before: JsonObject, after: JsonObject) -> list[str]:
    """Return what differs between two of `roi_geometry`, such as "x1 50 → 61"; empty where they mean the same pixels."""
    keys = [key for key in dict.fromkeys([*before, *after]) if _plain(before.get(key)) != _plain(after.get(key))]
    if "roi_type" in keys:
        return [f"{before.get('roi_type')} → {after.get('roi_type')}"]
    changes = [f"{key} {before.get(key)} → {after.get(key)}" for key in keys if key not in _MASK]
    return [*changes, *(["another mask"] if any(key in _MASK for key in keys) else [])]


def _plain(value: JsonValue) -> object:
    """Return a JSON value such that tuples equal lists, and 1 equals 1.0."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
