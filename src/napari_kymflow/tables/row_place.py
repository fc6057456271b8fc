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
    """What a row is about: its ROI, seconds or lines, event, and what is written there; each only where it says so."""

    roi_id: int | None = None
    seconds: tuple[float, float] | None = None
    lines: tuple[int, int] | None = None
    caption: str = ""
    event: tuple[str, str] | None = None
    """The id and the kind of the event that the row is of."""


def place_of(row: "pd.Series[Any]") -> Place:
    """Return where a row is; only events and windows have a time and a caption, such as "event 4: reversal at 20.5 s"."""
    roi_id, first, last = (_number_of(row, name) for name in ("roi_id", "y0", "y1"))
    what = _event_of(row) if "event_id" in row.index else _window_of(row)
    return Place(
        roi_id=None if roi_id is None else int(roi_id),
        lines=None if first is None or last is None else (int(first), int(last)),
        **what,
    )


def _event_of(row: "pd.Series[Any]") -> dict[str, Any]:
    start, stop = _number_of(row, "t0_s"), _number_of(row, "t1_s")
    if start is None:
        return {}
    event_id, kind = str(row["event_id"]), str(row.get("kind", ""))
    caption = f"event {event_id}: {kind} at {as_text(row['t0_s'])} s"
    return {"seconds": (start, start if stop is None else stop), "caption": caption, "event": (event_id, kind)}


def _window_of(row: "pd.Series[Any]") -> dict[str, Any]:
    time = _number_of(row, "time_s")
    if time is None or "window" not in row.index:
        return {}
    return {"seconds": (time, time), "caption": f"window {row['window']} at {as_text(row['time_s'])} s"}


def _number_of(row: "pd.Series[Any]", name: str) -> float | None:
    number = float(pd.to_numeric(pd.Series([row.get(name)], dtype=object), errors="coerce").iloc[0])
    return number if math.isfinite(number) else None
