"""The columns of the list of ROIs: what each is called, shows, and lets a person type. No Qt.

The rule of this room: a column is one value here; the list in the window takes everything from it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal, TypeAlias

from kymflow_core.errors import RoiError
from kymflow_core.images.roi_facts import RoiFacts
from kymflow_core.roi import ROI
from kymflow_core.roi.bounds import NOWHERE, Bounds, roi_bounds
from napari_kymflow.layers.shapes import roi_name
from napari_kymflow.layers.tags import LayerTag
from napari_kymflow.rois.editor import RoiEditor
from napari_kymflow.rois.rows import mask_text, parse_range, roi_kind

Axis: TypeAlias = Literal["y", "x"]

MISSING = "–"
UNKNOWN = "unknown"
_RANGE_TIP = "the first, and the end, which is not included"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedRoi:
    """A ROI with what its row needs: its layer's tag, its bounds, and its measurement; None where that is not known yet."""

    roi: ROI
    tag: LayerTag
    bounds: Bounds | None
    facts: RoiFacts | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of the list.

    `edit` does what a person typed, or raises `RoiError`; None where nothing can be typed. `is_number` aligns it right.
    `axis` is that of the image without which all ROIs have the same in it, so that it is hidden.
    """

    name: str
    text: Callable[[ListedRoi], str]
    is_number: bool = False
    least_width: int = 0
    edit: Callable[[RoiEditor, ROI, str], None] | None = None
    tip: Callable[[ROI], str] = lambda roi: ""
    axis: str = ""

    def is_hidden(self, sizes: Mapping[str, int]) -> bool:
        """Return whether the column says nothing of an image with so many pixels along its axes."""
        return bool(self.axis) and sizes.get(self.axis, 1) == 1


def _ends(axis: Axis, listed: ListedRoi) -> str:
    bounds = listed.bounds
    if bounds is None or bounds == NOWHERE:
        return MISSING
    return f"{bounds.y0} – {bounds.y1}" if axis == "y" else f"{bounds.x0} – {bounds.x1}"


def _seconds(listed: ListedRoi) -> str:
    bounds = listed.bounds
    return _scaled(bounds.y0, bounds.y1, listed.tag.seconds_per_line, digits=3) if bounds and bounds != NOWHERE else MISSING


def _micrometres(listed: ListedRoi) -> str:
    bounds = listed.bounds
    return _scaled(bounds.x0, bounds.x1, listed.tag.um_per_pixel, digits=2) if bounds and bounds != NOWHERE else MISSING


def _scaled(first: int, end: int, unit: float | None, *, digits: int) -> str:
    return f"{first * unit:.{digits}f} – {end * unit:.{digits}f}" if unit else UNKNOWN


def _mean(listed: ListedRoi) -> str:
    if listed.facts is None:
        return "…"
    stats = listed.facts.stats
    return f"{stats.mean:.4g} ± {stats.std:.3g}" if stats and stats.n else MISSING


def _write(field: Literal["name", "note"], editor: RoiEditor, roi: ROI, text: str) -> None:
    editor.edit(roi.roi_id, **{field: text})


def _move(axis: Axis, editor: RoiEditor, roi: ROI, text: str) -> None:
    first, end = parse_range(text)
    # A painted ROI, whose bounds are not known here, is refused by `set_bounds` all the same.
    bounds = roi_bounds(roi, editor.shape) or NOWHERE
    editor.set_bounds(roi.roi_id, bounds._replace(**{f"{axis}0": first, f"{axis}1": end}))


def _set_channel(editor: RoiEditor, roi: ROI, text: str) -> None:
    channels = editor.image.channels_available
    if not text.isdecimal() or int(text) not in channels:
        raise RoiError(f"{text!r} is no channel of this image; type a number from 1 to {channels[-1]}")
    editor.edit(roi.roi_id, channel=int(text))


ID = Column(name="id", text=lambda listed: str(listed.roi.roi_id), is_number=True, least_width=58)
"""The column that has the ROI's colour, and a mark where the ROI is not saved."""

COLUMNS = (
    ID,
    Column(name="name", text=lambda listed: roi_name(listed.roi), least_width=110, edit=partial(_write, "name")),
    Column(
        name="channel",
        text=lambda listed: str(listed.roi.channel),
        is_number=True,
        edit=_set_channel,
        tip=lambda roi: "the channel whose pixels the ROI measures",
        axis="c",
    ),
    Column(name="z", text=lambda listed: str(listed.roi.z), is_number=True, axis="z"),
    Column(name="kind", text=lambda listed: roi_kind(listed.roi), least_width=78),
    Column(name="mean ± std", text=_mean, is_number=True, least_width=96),
    Column(name="lines", text=partial(_ends, "y"), is_number=True, edit=partial(_move, "y"), tip=lambda roi: _RANGE_TIP),
    Column(name="pixels", text=partial(_ends, "x"), is_number=True, edit=partial(_move, "x"), tip=lambda roi: _RANGE_TIP),
    Column(name="time (s)", text=_seconds, is_number=True),
    Column(name="space (µm)", text=_micrometres, is_number=True),
    Column(name="mask", text=lambda listed: mask_text(listed.roi, listed.facts), least_width=92),
    Column(
        name="note",
        text=lambda listed: listed.roi.note,
        least_width=90,
        edit=partial(_write, "note"),
        tip=lambda roi: roi.note,
    ),
)
