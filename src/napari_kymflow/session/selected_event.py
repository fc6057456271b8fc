"""The event that is selected: in the trace, on the canvas, in a table or in the review. Pure."""

from dataclasses import dataclass
from typing import Self

from kymflow_core.reviews.event import Event
from napari_kymflow.tables.row_place import Place


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectedEvent:
    """Which event is selected, of which record, and from when to when it lasts, in s from the first line."""

    image_id: str
    roi_id: int
    event_id: str
    kind: str
    t0_s: float
    t1_s: float

    @classmethod
    def of(cls, image_id: str, event: Event, *, seconds: tuple[float, float]) -> Self:
        """Return the selection of an event that somebody may have given other edges."""
        start, end = seconds
        return cls(image_id=image_id, roi_id=event.roi_id, event_id=event.event_id, kind=event.kind, t0_s=start, t1_s=end)

    def is_of(self, image_id: str, event: Event) -> bool:
        """Return whether this is an event of a record."""
        return (self.image_id, self.roi_id, self.event_id, self.kind) == (
            image_id,
            event.roi_id,
            event.event_id,
            event.kind,
        )


def event_at(image_id: str, place: Place) -> SelectedEvent | None:
    """Return the event that a row of a table is of; None where the row is of none."""
    if place.event is None or place.seconds is None or place.roi_id is None:
        return None
    (event_id, kind), (start, end) = place.event, place.seconds
    return SelectedEvent(image_id=image_id, roi_id=place.roi_id, event_id=event_id, kind=kind, t0_s=start, t1_s=end)
