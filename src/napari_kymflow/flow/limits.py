"""How far the velocity axis reaches, and what the user chose for each record: remembered on this computer.

The rule of this room: limits are a comfort. A file that is missing or damaged is as good as none.
"""

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from platformdirs import user_config_path

from napari_kymflow.flow.traces import Trace
from napari_kymflow.user.documents import load_document, save_document

Limits: TypeAlias = tuple[float, float]

_KIND = "kymflow_velocity_limits"
_VERSION = 1
_MOST = 500
_PART = 0.005
"""What may lie beyond the limits at either end, as a part of the windows."""
_MARGIN = 0.08
_NOTHING: Limits = (-1.0, 1.0)


def fitting_limits(traces: Iterable[Trace]) -> Limits:
    """Return limits that hold 0 and all but the most extreme valid velocities with their intervals."""
    ends = [0.0]
    for trace in traces:
        valid = np.isfinite(trace.velocity)
        for values, at in (
            (trace.low, _PART),
            (trace.velocity, _PART),
            (trace.velocity, 1 - _PART),
            (trace.high, 1 - _PART),
        ):
            kept = values[valid & np.isfinite(values)]
            ends += [float(np.quantile(kept, at))] if len(kept) else []
    least, most = min(ends), max(ends)
    if least == most:
        return _NOTHING
    margin = _MARGIN * (most - least)
    return least - margin, most + margin


def limits_path() -> Path:
    """Return the file that limits are kept in on this computer."""
    return user_config_path("napari-kymflow", appauthor=False) / "velocity_limits.json"


def load_limits(key: str) -> Limits | None:
    """Return the limits that the user chose for a record; None where there are none."""
    found = _load().get(key)
    if isinstance(found, list) and len(found) == 2 and all(isinstance(one, int | float) for one in found):
        return (float(found[0]), float(found[1])) if found[0] < found[1] else None
    return None


def save_limits(key: str, limits: Limits | None) -> None:
    """Keep the limits that the user chose for a record; None forgets them. The oldest of more than 500 are forgotten."""
    kept = {name: one for name, one in _load().items() if name != key}
    if limits is not None:
        kept[key] = list(limits)
    # A full disk must not stop somebody from looking at data, and there is nothing to do about it.
    with suppress(OSError):
        save_document(limits_path(), {"limits": dict(list(kept.items())[-_MOST:])}, kind=_KIND, version=_VERSION)


def _load() -> dict[str, Any]:
    try:
        found = load_document(limits_path(), kind=_KIND, version=_VERSION).get("limits")
    except (OSError, ValueError):
        return {}
    return dict(found) if isinstance(found, dict) else {}
