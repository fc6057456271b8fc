"""Where on the canvas a table's row is. Pure.

The rule of this room: anybody may have written the table, so a value that is no number is none.
"""

import math
from dataclasses import dataclass
from typing import Any

import pandas as pd

from napari_kymflow.tables.filters import as_text


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What a row is about: its ROI, its seconds or lines, and what is written there; each only where the row says so."""

    roi_id: int | None = None
    seconds: tuple[float, float] | None = None
    lines: tuple[int, int] | None = None
    caption: str = ""
    event: tuple[str, str] | None = None
    """The id and the kind of the event that the row is of."""


def place_of(row: "pd.Series[Any]") -> Place:
    """Return where a row is; only events have a time and a caption, such as "event 4: baseline_drop at 20.5 s"."""
    roi_id, first, last, start, stop = (_number_of(row, name) for name in ("roi_id", "y0", "y1", "t0_s", "t1_s"))
    is_event = "event_id" in row.index and start is not None
    return Place(
        roi_id=None if roi_id is None else int(roi_id),
        seconds=(start, start if stop is None else stop) if is_event and start is not None else None,
        lines=None if first is None or last is None else (int(first), int(last)),
        caption=f"event {row['event_id']}: {row.get('kind', '')} at {as_text(row['t0_s'])} s" if is_event else "",
        event=(str(row["event_id"]), str(row.get("kind", ""))) if is_event else None,
    )


def _number_of(row: "pd.Series[Any]", name: str) -> float | None:
    number = float(pd.to_numeric(pd.Series([row.get(name)], dtype=object), errors="coerce").iloc[0])
    return number if math.isfinite(number) else None
