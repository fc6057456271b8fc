"""ROIs in words, and words back to ranges. No Qt."""

import re
from collections.abc import Sequence
from datetime import datetime

from kymflow_core import RectROI
from kymflow_core.errors import RoiError
from kymflow_core.images.roi_facts import RoiFacts
from kymflow_core.roi import ROI
from kymflow_core.roi.bounds import Bounds
from kymflow_core.roi.masks import mask_state

_RANGE = re.compile(r"\s*(\d+)\s*(?:-|–|:|to|\s)\s*(\d+)\s*")


def roi_kind(roi: ROI) -> str:
    """Return what people call the ROI: "rectangle", "polygon", "ellipse" and so on, or "mask"."""
    if isinstance(roi, RectROI):
        return "rectangle"
    return "mask" if roi.drawn is None else roi.drawn.kind.label


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


def bounds_by_numbers(
    first_line: int,
    end_line: int,
    first_pixel: int,
    end_pixel: int,
    all_time: bool = False,  # a form is made from these arguments
    all_positions: bool = False,
    shape: tuple[int, int] = (1, 1),
) -> Bounds:
    """Return the bounds of a rectangle that was typed in, in an image of `shape` (y, x); the ends are not included."""
    y0, y1 = (0, shape[0]) if all_time else (first_line, end_line)
    x0, x1 = (0, shape[1]) if all_positions else (first_pixel, end_pixel)
    return Bounds(x0=x0, x1=x1, y0=y0, y1=y1)


def matches(roi: ROI, words: Sequence[str]) -> bool:
    """Return whether a ROI has all words in its id, name, note or kind."""
    text = f"{roi.roi_id} {roi.name} {roi.note} {roi_kind(roi)}".lower()
    return all(word in text for word in words)


def describe_roi(roi: ROI, bounds: Bounds | None) -> str:
    """Return a ROI, whose pixels have the `bounds`, as one line, for questions."""
    where = f"lines {bounds.y0} – {bounds.y1}, pixels {bounds.x0} – {bounds.x1}" if bounds else "a painted mask"
    said = f", note: {roi.note}" if roi.note else ""
    return f"“{roi.name or f'ROI {roi.roi_id}'}”, {roi_kind(roi)}, {where}, channel {roi.channel}, z {roi.z}{said}"


def local_text(utc: str) -> str:
    """Return a stored time, which is UTC, as the clock of this computer shows it; what is no time as it is."""
    try:
        return datetime.fromisoformat(utc).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    except ValueError:
        return utc


def mask_text(roi: ROI, facts: RoiFacts | None) -> str:
    """Return the state of a ROI's mask, as the list shows it."""
    if roi.mask_ref is None:
        return mask_state(roi, None, (0, 0))
    return (facts and facts.mask_state) or ""
