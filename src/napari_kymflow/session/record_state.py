"""What a dock shows of the open record: how it is saved, what to know of it, and what can be done with it now. No Qt.

The rule of this room: that no record is open is a state like the others, so a dock shows a state and asks nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape

from napari_kymflow.rois.drafts import Draft
from napari_kymflow.session.open_record import OpenRecord
from napari_kymflow.session.why_not import NO_RECORD

_FIRST = "No ROI yet. Click <b>Add ROI</b>, and drag on the image."
_LOCKED = "The dataset is read-only: copy it to a folder that you may write to."
_READ_ONLY = (
    "<b>Read-only</b>: this dataset was {reason}. To draw ROIs, copy it to a folder that you may write to, or import "
    "the TIFFs into a new dataset."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordState:
    """What is shown of the open record.

    `why_not` says of each button, by name, why it cannot be clicked now; empty where it can. `kept` are unsaved ROIs of an
    earlier session.
    """

    text: str
    warning: str = ""
    why_not: Mapping[str, str] = field(default_factory=dict)
    kept: Draft | None = None


_BUTTONS = ("add", "delete", "undo", "redo", "save", "more", "display")
NONE_OPEN = RecordState(
    text="No record is open.",
    warning="Drop a dataset (a .zarr folder) onto the canvas, or click a record in the dataset dock.",
    why_not=dict.fromkeys(_BUTTONS, NO_RECORD),
)


def state_of(record: OpenRecord | None, *, read_only: str) -> RecordState:
    """Return what is shown of a record, or that none is open; `read_only` is why its dataset is, else empty."""
    if record is None:
        return NONE_OPEN
    warning = "<br>".join(_warnings(record, read_only))
    return RecordState(text=_text(record), warning=warning, why_not=_why_not(record), kept=record.kept)


def _text(record: OpenRecord) -> str:
    count = f"{len(record.rois)} ROI{'' if len(record.rois) == 1 else 's'}"
    if not record.editor.can_edit:
        mark = "read-only"
    elif record.saving.is_saving:
        mark = "saving …"
    else:
        mark = "<b>● not saved</b>" if record.is_unsaved else "saved"
    return f"<b>{escape(record.name)}</b>: {count}, {mark}"


def _warnings(record: OpenRecord, read_only: str) -> list[str]:
    lines: list[str] = []
    if not record.image.header.is_calibrated:
        lines.append("Calibration unknown: enter it in the dataset dock with More → Calibration…")
    if not record.rois and record.editor.can_edit:
        lines.append(_FIRST)
    if not record.editor.can_edit:
        lines.append(_READ_ONLY.format(reason=f"opened from {read_only[3:]}"))
    if record.saving.failure and record.is_unsaved:
        lines.append(f"<b>Not saved</b>: {record.saving.failure}. Your ROIs are kept; click Save to try again.")
    if record.sync.refused:
        lines.append(record.sync.refusal)
    outdating = record.saving.outdating
    if outdating:
        lines += outdating
        lines.append("Saving makes these results outdated; they stay where they are. Click <b>Save</b>, or <b>Undo</b>.")
    return lines


def _why_not(record: OpenRecord) -> dict[str, str]:
    if not record.editor.can_edit:
        return {**dict.fromkeys(_BUTTONS, _LOCKED), "more": "", "display": ""}
    return {
        "add": "",
        "more": "",
        "display": "",
        "delete": "" if record.rois else "The record has no ROI.",
        "undo": "" if record.editor.can_undo else "No ROI was edited since the record was opened.",
        "redo": "" if record.editor.can_redo else "No edit was taken back.",
        "save": "" if record.is_unsaved else "All ROIs are saved.",
    }
