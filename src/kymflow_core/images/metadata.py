"""What a record's metadata say, and how they are changed while others change them too.

The rule of this room: what the entries of the metadata mean is known here and nowhere else, and what is not understood is
kept. The two entries that storage lists records by are spelled in `kymflow_zarr.layout`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, Self, TypeVar

from kymflow_core.errors import RoiError
from kymflow_core.headers import AcquisitionHeader
from kymflow_core.roi import RoiSet
from kymflow_zarr import PIXELS_SHA256, JsonObject, JsonValue, layout
from kymflow_zarr.errors import ConflictError

HEADER, ROIS = layout.HEADER, layout.ROIS
NEXT_ROI_ID, EXPERIMENT, ACCEPTED = "next_roi_id", "experiment_metadata", "accepted"

_TRIES = 5

_Record = TypeVar("_Record")
_Changed = TypeVar("_Changed")


class HasMetadata(Protocol):
    """A record, as far as its metadata go."""

    def load_metadata_payload(self) -> dict[str, JsonValue]:
        """Return the newest metadata."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordMetadata:
    """The metadata of one record.

    A view of their JSON: each entry is understood when it is asked for, so that one that cannot be read does not hide the
    others, and entries of other programs stay as they are.
    """

    payload: JsonObject = field(default_factory=dict)

    @classmethod
    def from_json(cls, payload: JsonObject) -> Self:
        """Take metadata as they are stored: inverse of `to_json`."""
        return cls(payload=payload)

    @classmethod
    def load(cls, record: HasMetadata) -> Self:
        """Return a record's newest metadata."""
        return cls(payload=record.load_metadata_payload())

    def to_json(self) -> dict[str, JsonValue]:
        """Return what is stored."""
        return dict(self.payload)

    @property
    def header(self) -> AcquisitionHeader:
        """What the microscope says; nothing is known where there is no header."""
        return AcquisitionHeader.from_json(self._object(HEADER))

    @property
    def has_header(self) -> bool:
        """Whether there is a header, be it an empty one."""
        return isinstance(self.payload.get(HEADER), Mapping)

    @property
    def rois(self) -> RoiSet:
        """The ROIs; raises `RoiError` where they cannot be read."""
        envelopes, next_id = self.payload.get(ROIS), self.payload.get(NEXT_ROI_ID)
        if envelopes is not None and not isinstance(envelopes, list):
            raise RoiError(f"the ROIs of the metadata are a JSON {type(envelopes).__name__}; a list is expected")
        return RoiSet.from_json(envelopes or [], next_id=next_id if isinstance(next_id, int) else 1)

    @property
    def n_rois(self) -> int:
        """How many ROIs there are, also where one of them cannot be read."""
        envelopes = self.payload.get(ROIS)
        return len(envelopes) if isinstance(envelopes, list) else 0

    @property
    def experiment(self) -> JsonObject:
        """What the laboratory notes of the experiment: species, condition, depth and so on."""
        return self._object(EXPERIMENT)

    @property
    def accepted(self) -> JsonValue:
        """Whether a person accepted the image: true or false; None where nobody noted it."""
        return self.payload.get(ACCEPTED)

    @property
    def pixels_sha256(self) -> str:
        """The digest of the pixels that replaced those that the image was imported with; empty where none did."""
        digest = self.payload.get(PIXELS_SHA256)
        return digest if isinstance(digest, str) else ""

    def with_header(self, header: AcquisitionHeader) -> Self:
        """Return the metadata with another header; entries of the old one that this program does not know are kept."""
        return self._with({HEADER: {**self._object(HEADER), **header.to_json()}})

    def with_rois(self, rois: RoiSet) -> Self:
        """Return the metadata with other ROIs, and the id that the next new one gets."""
        return self._with({ROIS: rois.to_json(), NEXT_ROI_ID: rois.next_id})

    def with_experiment(self, experiment: JsonObject) -> Self:
        """Return the metadata with other notes of the experiment."""
        return self._with({EXPERIMENT: dict(experiment)})

    def with_accepted(self, *, accepted: JsonValue) -> Self:
        """Return the metadata with what a person noted."""
        return self._with({ACCEPTED: accepted})

    def _with(self, entries: JsonObject) -> Self:
        return type(self)(payload={**self.payload, **entries})

    def _object(self, key: str) -> JsonObject:
        value = self.payload.get(key)
        return value if isinstance(value, Mapping) else {}


def change_metadata(record: _Record, change: Callable[[_Record], _Changed]) -> _Changed:
    """Save a change upon the newest metadata of a record; again where another program saves in the same moment.

    Parameters
    ----------
    record
        The record.
    change
        Reads the newest metadata of the record, saves upon them, and returns what it did. It is called again when it
        raises `ConflictError`, so nothing else that it does may count twice.

    Raises
    ------
    ConflictError
        When other programs kept saving in between.
    """
    for _ in range(_TRIES - 1):
        try:
            return change(record)
        except ConflictError:
            continue
    return change(record)
