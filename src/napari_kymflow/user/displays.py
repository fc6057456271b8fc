"""Contrast, colour map and gamma of records, as the user chose them, remembered on this computer.

What was chosen for a record counts for this record. What was chosen last in a dataset, colours, gamma and the percentiles
of the contrast, counts for those of its records for which nothing was chosen.

The rule of this room: a display is a comfort. A file that is missing or damaged is as good as none.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from platformdirs import user_config_path

from napari_kymflow.user.documents import load_document, save_document

Limits: TypeAlias = tuple[float, float]

PERCENTILES: Limits = (0.5, 99.8)
"""The pixels that are black and white where nobody chose, in %."""
_KIND = "kymflow_displays"
_VERSION = 1
_MOST = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelDisplay:
    """How one channel is shown; what is empty or None was not chosen."""

    limits: Limits | None = None
    colormap: str = ""
    gamma: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Display:
    """How a record, or a dataset's records, are shown: each channel, from 1, and the percentiles of the contrast."""

    channels: Mapping[int, ChannelDisplay] = field(default_factory=dict)
    percentiles: Limits = PERCENTILES

    def of(self, channel: int) -> ChannelDisplay:
        """Return how a channel is shown."""
        return self.channels.get(channel, ChannelDisplay())


DEFAULT = Display()


def displays_path() -> Path:
    """Return the file that displays are kept in on this computer."""
    return user_config_path("napari-kymflow", appauthor=False) / "displays.json"


def load_display(dataset_id: str, image_id: str) -> Display:
    """Return how a record is shown: as the user chose for it, else for its dataset."""
    kept = _load()
    whole, own = _to_display(kept.get(dataset_id)), _to_display(kept.get(f"{dataset_id}/{image_id}"))
    return Display(channels={**whole.channels, **own.channels}, percentiles=whole.percentiles)


def save_display(dataset_id: str, image_id: str, display: Display) -> None:
    """Keep how a record is shown, and for its dataset the same without limits; of the others, the newest 2000 are kept."""
    whole = {channel: ChannelDisplay(colormap=one.colormap, gamma=one.gamma) for channel, one in display.channels.items()}
    kept = _load()
    for key, channels in ((f"{dataset_id}/{image_id}", display.channels), (dataset_id, whole)):
        kept.pop(key, None)
        kept[key] = {
            "channels": {str(channel): asdict(one) for channel, one in channels.items()},
            "percentiles": list(display.percentiles),
        }
    # A full disk must not stop somebody from looking at data, and there is nothing to do about it.
    with suppress(OSError):
        save_document(displays_path(), {"displays": dict(list(kept.items())[-_MOST:])}, kind=_KIND, version=_VERSION)


def _load() -> dict[str, Any]:
    try:
        found = load_document(displays_path(), kind=_KIND, version=_VERSION).get("displays")
    except (OSError, ValueError):
        return {}
    return dict(found) if isinstance(found, dict) else {}


def _to_display(value: Any) -> Display:
    if not isinstance(value, Mapping) or not isinstance(value.get("channels"), Mapping):
        return DEFAULT
    channels = {int(key): _to_channel(one) for key, one in value["channels"].items() if key.isdecimal()}
    return Display(channels=channels, percentiles=_to_limits(value.get("percentiles")) or PERCENTILES)


def _to_channel(value: Any) -> ChannelDisplay:
    if not isinstance(value, Mapping):
        return ChannelDisplay()
    colormap, gamma = value.get("colormap"), value.get("gamma")
    return ChannelDisplay(
        limits=_to_limits(value.get("limits")),
        colormap=colormap if isinstance(colormap, str) else "",
        gamma=float(gamma) if isinstance(gamma, int | float) and 0.1 <= gamma <= 10 else 1.0,
    )


def _to_limits(value: Any) -> Limits | None:
    is_pair = isinstance(value, list) and len(value) == 2 and all(isinstance(one, int | float) for one in value)
    return (float(value[0]), float(value[1])) if is_pair and value[0] < value[1] else None
