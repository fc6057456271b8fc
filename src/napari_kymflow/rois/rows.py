"""ROIs in words, and words back to ranges. No Qt."""

import math
import re
from collections.abc import Sequence

from kymflow_core import RectROI
from kymflow_core.errors import RoiError
from kymflow_core.roi import ROI
from napari_kymflow.layers.shapes import Bounds
from napari_kymflow.rois.measure import RoiFacts

_RANGE = re.compile(r"\s*(\d+)\s*(?:-|–|:|to|\s)\s*(\d+)\s*")


def roi_kind(roi: ROI) -> str:
    """Return what people call the ROI: "rectangle", "polygon", "ellipse" and so on, or "mask"."""
    if isinstance(roi, RectROI):
        return "rectangle"
    if roi.drawn is None:
        return "mask"
    return "rotated rectangle" if roi.drawn.type == "rectangle" else roi.drawn.type


def roi_bounds(roi: ROI) -> Bounds | None:
    """Return the whole pixels around a ROI; None for a mask that nobody drew."""
    if isinstance(roi, RectROI):
        return Bounds(x0=roi.x0, x1=roi.x1, y0=roi.y0, y1=roi.y1)
    if roi.drawn is None:
        return None
    lines, pixels = zip(*roi.drawn.vertices, strict=True)
    return Bounds(
        x0=max(0, math.ceil(min(pixels))),
        x1=math.floor(max(pixels)) + 1,
        y0=max(0, math.ceil(min(lines))),
        y1=math.floor(max(lines)) + 1,
    )


def parse_range(text: str) -> tuple[int, int]:
    """Return the half-open range that a person typed, such as "10 – 60", "10-60" or "10 60".

    Raises
    ------
    RoiError
        When it is no range.
    """
    found = _RANGE.fullmatch(text)
    if found is None:
        raise RoiError(f"{text!r} is no range; type the first and the end, such as 10 – 60 (60 is not included)")
    return int(found[1]), int(found[2])


def matches(roi: ROI, words: Sequence[str]) -> bool:
    """Return whether a ROI has all words in its id, name, note or kind."""
    text = f"{roi.roi_id} {roi.name} {roi.note} {roi_kind(roi)}".lower()
    return all(word in text for word in words)


def describe_roi(roi: ROI) -> str:
    """Return a ROI as one line, for questions."""
    bounds = roi_bounds(roi)
    where = f"lines {bounds.y0} – {bounds.y1}, pixels {bounds.x0} – {bounds.x1}" if bounds else "a painted mask"
    said = f", note: {roi.note}" if roi.note else ""
    return f"“{roi.name or f'ROI {roi.roi_id}'}”, {roi_kind(roi)}, {where}, channel {roi.channel}, z {roi.z}{said}"


def mask_text(roi: ROI, facts: RoiFacts | None) -> str:
    """Return what the list says of a ROI's mask."""
    if roi.mask_ref is None and not isinstance(roi, RectROI):
        return "with the save"
    return "" if facts is None else facts.mask_state
