"""What ties a layer to a record: a tag in `layer.metadata`, never the layer's name.

People rename, duplicate and reorder layers; the tag stays.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, TypeAlias

KEY = "kymflow"

Role: TypeAlias = Literal["pixels", "rois", "mask", "labels", "revision", "spare"]
"""`spare` is the layer of a channel that the record does not have: it waits for one that has."""


class HasMetadata(Protocol):
    """A layer, as far as tags go."""

    metadata: dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerTag:
    """Which record a layer shows, which part of it, and how.

    `stretch` is how many display units one pixel along x is wide (one line along y is always 1). `seconds_per_line` and
    `um_per_pixel` are None where the calibration is not known.
    """

    role: Role
    dataset_path: str
    image_id: str
    stretch: float
    seconds_per_line: float | None = None
    um_per_pixel: float | None = None
    channel: int = 1
    """Which channel the pixels are of, from 1."""
    channel_name: str = ""
    """What the channel is called; empty where the pixels are of all channels that there are."""

    @property
    def key(self) -> tuple[Path, str]:
        """Which record it is, of all datasets: the dataset's place and the record's id."""
        return Path(self.dataset_path), self.image_id


def layer_name(record: str, tag: LayerTag) -> str:
    """Return what the layer of a record's pixels or ROIs is called, where the record is called `record`."""
    if tag.role == "rois":
        return f"ROIs of {record}"
    return f"{record}: {tag.channel_name}" if tag.channel_name else record


def tag_of(layer: HasMetadata) -> LayerTag | None:
    """Return a layer's tag, or None where it is no layer of ours."""
    return tag_in(layer.metadata)


def tag_in(metadata: Mapping[str, object]) -> LayerTag | None:
    """Return the tag in a layer's metadata, or None where it is no layer of ours."""
    tag = metadata.get(KEY)
    return tag if isinstance(tag, LayerTag) else None
