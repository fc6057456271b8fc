"""What the flow dock says of the ROIs that it shows, and which buttons work. Pure.

The rule of this room: a trace that does not hold any more is shown, and the reason stands beside it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from kymflow_core import RoiSet
from kymflow_core.calibration import HasCalibration
from kymflow_core.roi import ROI
from napari_kymflow.flow.traces import MM_S, RecordFlow, RoiFlow

NO_RECORD = "No record is open."
NO_ROI = "No ROI yet: draw one in the dock Kymograph ROIs, or measure the whole image."
_CHOOSE = "Select a ROI to see its velocity."


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """What results are compared with: the ROIs on screen, and the record's calibration and pixels as they are now."""

    rois: RoiSet
    calibration: HasCalibration
    pixels: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowState:
    """The state of the ROIs that are shown, in words.

    Parameters
    ----------
    text
        One line.
    warning
        Why what is shown does not hold any more; empty where it does.
    again
        The ROIs that *Measure again* measures.
    offer
        The ROIs that were never measured, and are offered to be.
    """

    text: str
    warning: str = ""
    again: tuple[int, ...] = ()
    offer: tuple[int, ...] = ()


def shown_ids(flow: RecordFlow, rois: RoiSet, selected: Sequence[int]) -> tuple[int, ...]:
    """Return the ROIs whose traces are shown: those that are selected, else the first one that was measured."""
    chosen = tuple(roi_id for roi_id in selected if roi_id in rois)
    if chosen:
        return chosen
    measured = [roi.roi_id for roi in rois if flow.of(roi.roi_id).trace or flow.of(roi.roi_id).older]
    return tuple(measured[:1]) or tuple(rois.ids[:1])


def outdated(roi_id: int, flow: RoiFlow, now: Reference) -> list[str]:
    """Return why our trace of a ROI does not hold any more; nothing where it does, or there is none."""
    if flow.trace is None or flow.statement is None:
        return []
    of_this = flow.statement.without_rois(set(flow.statement.rois) - {roi_id})
    return [change.what for change in of_this.changes(now.rois, calibration=now.calibration, pixels=now.pixels)]


def state_of(flow: RecordFlow, ids: Sequence[int], now: Reference, *, hides_names: bool = False) -> FlowState:
    """Return the state of those ROIs of a record that are shown; `hides_names` for a blinded reviewer."""
    if flow.problem:
        return FlowState(text=f"The results of this record cannot be read: {flow.problem}")
    if not now.rois.ids:
        return FlowState(text=NO_ROI)
    if not ids:
        return FlowState(text=_CHOOSE)
    reasons = {roi_id: outdated(roi_id, flow.of(roi_id), now) for roi_id in ids}
    again = tuple(roi_id for roi_id, why in reasons.items() if why)
    new = tuple(roi_id for roi_id in ids if flow.of(roi_id).trace is None)
    rois = [replace(roi, name="") if hides_names else roi for roi in map(now.rois.get, ids)]
    texts = [_text(roi, flow.of(roi.roi_id)) for roi in rois]
    warning = "; ".join(dict.fromkeys(what for why in reasons.values() for what in why))
    return FlowState(text="   ".join(texts), warning=warning, again=again, offer=new)


def name_of(roi: ROI) -> str:
    """Return what people call a ROI, such as "ROI 1 (capillary)"."""
    return f"ROI {roi.roi_id}{f' ({roi.name})' if roi.name else ''}"


def _text(roi: ROI, flow: RoiFlow) -> str:
    name, report = name_of(roi), flow.report
    if flow.trace is None:
        return f"{name}: measured by the older program only" if flow.older is not None else f"{name}: not measured yet"
    valid = sum(1 for _ in flow.trace.velocity[flow.trace.velocity == flow.trace.velocity])
    in_mm_s = flow.trace.unit == MM_S
    median = report.get("median_velocity" if in_mm_s else "median_px_per_line")
    found = [f"median {median:.3g} {flow.trace.unit}"] if isinstance(median, float) and median == median else []
    found.append(f"{valid:,} of {len(flow.trace):,} windows")
    heart = report.get("heart_rate_hz")
    found += [f"heart {heart:.3g} Hz"] if isinstance(heart, float) and heart == heart else []
    notes = str(report.get("notes") or "")
    return f"{name}: {', '.join(found)}{f'. {notes}' if notes else ''}"
